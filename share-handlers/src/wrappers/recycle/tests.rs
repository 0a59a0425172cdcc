//! What is in the recycle folder after files were deleted and replaced.

use std::time::Duration;

use server::access::{Privileges, SecurityToken};
use server::share::Disposition;
use wire::dtyp::Sid;
use wire::fscc::FileAttributes;
use wire::fscc::file_info::BasicChange;

use super::super::testing::{Share, caller, to_create, to_open};
use super::*;

fn options() -> RecycleOptions {
    RecycleOptions {
        folder: ".recycle".to_owned(),
        keep_tree: true,
        versions: 0,
        max_age: None,
        exclude: Vec::new(),
        largest: None,
    }
}

fn recycling(share: &Share, options: RecycleOptions) -> Share {
    let groups = vec![Sid::EVERYONE];
    let token = SecurityToken::new(Sid::SYSTEM, Sid::SYSTEM, groups, Privileges::NONE);
    let own = Caller {
        user: "".into(),
        token: Arc::new(token),
        host: None,
        log_on: None,
    };
    let time = share.time.clone();
    share.under(|inner| Recycle::over(inner, options, own, time))
}

fn share_with(options: RecycleOptions) -> Share {
    recycling(&Share::memory(), options)
}

fn rewrite(share: &Share, name: &str, contents: &[u8]) {
    share.write_file(name, contents);
    share.delete_file(name);
}

#[test]
fn a_deleted_file_is_found_in_its_users_folder_where_it_was() {
    let share = share_with(options());
    share.make_folder("letters");
    share.write_file("letters\\a.txt", b"dear");
    share.delete_file("letters\\a.txt");
    assert!(share.names("letters").is_empty());
    assert_eq!(share.read_file(".recycle\\alice\\letters\\a.txt"), b"dear");
}

#[test]
fn files_are_kept_side_by_side_where_the_tree_is_not_kept() {
    let share = share_with(RecycleOptions {
        keep_tree: false,
        ..options()
    });
    share.make_folder("x");
    rewrite(&share, "x\\a.txt", b"one");
    rewrite(&share, "a.txt", b"two");
    assert_eq!(share.names(".recycle\\alice"), ["a (2).txt", "a.txt"]);
    assert_eq!(share.read_file(".recycle\\alice\\a.txt"), b"one");
}

#[test]
fn no_more_versions_are_kept_than_wanted() {
    let share = share_with(RecycleOptions {
        versions: 2,
        ..options()
    });
    for contents in [b"1", b"2", b"3", b"4"] {
        rewrite(&share, "a.txt", contents);
    }
    assert_eq!(share.names(".recycle\\alice"), ["a (3).txt", "a (4).txt"]);
    assert_eq!(share.read_file(".recycle\\alice\\a (4).txt"), b"4");
}

#[test]
fn files_go_for_good_when_they_are_too_old() {
    let day = Duration::from_secs(86_400);
    let share = share_with(RecycleOptions {
        max_age: Some(day),
        ..options()
    });
    share.make_folder("x");
    rewrite(&share, "x\\old", b"1");
    share.time.pass(day - Duration::from_secs(1));
    rewrite(&share, "young", b"2");
    assert_eq!(share.names(".recycle\\alice"), ["x", "young"]);
    assert_eq!(share.names(".recycle\\alice\\x"), ["old"]);
    share.time.pass(Duration::from_secs(7200));
    rewrite(&share, "new", b"3");
    assert!(share.names(".recycle\\alice\\x").is_empty());
    assert_eq!(share.names(".recycle\\alice"), ["new", "x", "young"]);
}

#[test]
fn what_is_excluded_or_too_large_is_not_kept() {
    let share = share_with(RecycleOptions {
        exclude: vec!["*.tmp".to_owned(), "cache".to_owned()],
        largest: Some(3),
        ..options()
    });
    share.make_folder("cache");
    for name in ["a.TMP", "cache\\b", "large"] {
        rewrite(&share, name, b"abcd");
    }
    assert_eq!(share.names(""), ["cache"]);
    rewrite(&share, "small", b"abc");
    assert_eq!(share.names(".recycle\\alice"), ["small"]);
}

#[test]
fn what_is_deleted_from_the_bin_is_gone() {
    let share = share_with(options());
    rewrite(&share, "a.txt", b"1");
    share.delete_file(".recycle\\alice\\a.txt");
    assert!(share.names(".recycle\\alice").is_empty());
}

#[test]
fn a_file_that_is_replaced_by_a_rename_is_kept() {
    let share = share_with(options());
    share.write_file("report", b"old");
    share.write_file("~new", b"new");
    let file = share.open("~new", &to_open()).unwrap();
    file.rename("report", Replace::IfExists).unwrap();
    assert_eq!(share.read_file("report"), b"new");
    assert_eq!(share.read_file(".recycle\\alice\\report"), b"old");
}

#[test]
fn a_rename_to_a_new_name_or_to_another_spelling_keeps_nothing() {
    let share = share_with(options());
    share.write_file("report", b"old");
    let file = share.open("report", &to_open()).unwrap();
    file.rename("Report", Replace::IfExists).unwrap();
    file.rename("other", Replace::IfExists).unwrap();
    assert_eq!(share.names(""), ["other"]);
}

#[test]
fn what_must_not_be_replaced_stays_where_it_is() {
    let share = share_with(options());
    share.write_file("protected", b"old");
    let protected = share.open("protected", &to_open()).unwrap();
    let file_attributes = Some(FileAttributes::READONLY);
    let change = BasicChange {
        file_attributes,
        ..BasicChange::default()
    };
    protected.set(SetInfo::Basic(change)).unwrap();
    share.write_file("new", b"new");
    let file = share.open("new", &to_open()).unwrap();
    let renamed = file.rename("protected", Replace::IfExists);
    assert_eq!(renamed, Err(NtStatus::ACCESS_DENIED));
    assert_eq!(share.names(""), ["new", "protected"]);
}

#[test]
fn a_file_whose_name_could_not_be_taken_gets_it_back() {
    let share = share_with(options());
    share.write_file("report", b"old");
    // Of a file that is gone no name can be made.
    let gone = share.open("gone", &to_create(Disposition::New)).unwrap();
    share.delete_file("gone");
    share.delete_file(".recycle\\alice\\gone");
    assert!(gone.rename("report", Replace::IfExists).is_err());
    assert_eq!(share.read_file("report"), b"old");
    assert!(share.names(".recycle\\alice").is_empty());
}

#[test]
fn folders_and_streams_are_deleted_as_ever() {
    let share = share_with(options());
    share.make_folder("folder");
    share.delete_file("folder");
    share.write_file("file", b"");
    share.write_file("file:stream", b"x");
    share.delete_file("file:stream");
    assert_eq!(share.names(""), ["file"]);
    assert!(!share.exists("file:stream"));
}

#[test]
fn nobody_sees_what_others_have_deleted() {
    let share = share_with(options());
    rewrite(&share, "a.txt", b"1");
    let bob = share.used_by(caller("bob", 1001));
    rewrite(&bob, "b.txt", b"2");
    assert_eq!(share.names(".recycle"), ["alice", "bob"]);
    let security = bob.open(".recycle\\alice", &to_open()).unwrap().0.security;
    let allowed = access::maximal_access(&bob.caller.token, &security.unwrap());
    assert!(!allowed.intersects(AccessMask::FILE_LIST_DIRECTORY));
    let own = bob.open(".recycle\\bob", &to_open()).unwrap().0.security;
    let allowed = access::maximal_access(&bob.caller.token, &own.unwrap());
    assert!(allowed.contains(AccessMask::FILE_ALL_ACCESS));
}
