//! Leases on folders: what changes in them is told to all who cache them but the one who changed it.

use bytes::Bytes;
use conformance::client::{Reply, requests};
use conformance::fuzz::rig::Rig;
use wire::create::{CreateDisposition, LeaseState};
use wire::dtyp::{AccessMask, FileTime};
use wire::fscc::file_info::{BasicChange, RenameFlags, RenameInformation, TimeChange};
use wire::fscc::{FileAttributes, SetFileInformation};
use wire::{CreateRequest, FileId, NtStatus};

use crate::clients::*;

/// The key of each client's lease on the folder.
const FOLDER: u8 = 9;

fn folder() -> CreateRequest {
    CreateRequest {
        create_disposition: CreateDisposition::OPEN_IF,
        ..requests::open_directory("folder")
    }
}

/// Caches the folder anew.
fn cache(rig: &mut Rig) {
    let reply = &send(rig, with_lease(folder(), FOLDER, RH))[0];
    assert_eq!(granted_lease(reply), RH);
}

/// Whether the holder's lease on the folder is broken; if so, it acknowledges and asks again.
fn is_broken(holder: &mut Rig) -> bool {
    let notices: Vec<Reply> = received(holder);
    let Some(notice) = notices.first() else {
        return false;
    };
    let broken = broken_lease(notice);
    assert_eq!(broken.new_lease_state, LeaseState::NONE);
    send(holder, keep_lease(FOLDER, LeaseState::NONE));
    cache(holder);
    true
}

/// Opens or creates a file with a lease, whose parent's key is `parent`.
fn create(name: &str, parent: Option<u8>) -> CreateRequest {
    let create = CreateRequest {
        desired_access: AccessMask::FILE_ALL_ACCESS,
        ..requests::open_or_create(name)
    };
    with_lease_below(create, 1, LeaseState::NONE, parent)
}

fn open_all(rig: &mut Rig, name: &str, parent: Option<u8>) -> FileId {
    opened(&send(rig, create(name, parent))[0]).file_id
}

// test [MS-SMB2] 3.3.1.4
#[test]
fn each_change_of_what_a_folder_holds_breaks_the_leases_of_others_on_it() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    cache(holder);
    let file = open_all(other, "folder\\file", None);
    assert!(is_broken(holder), "a file is created");
    let hidden = BasicChange {
        file_attributes: Some(FileAttributes::HIDDEN),
        ..BasicChange::default()
    };
    let changed = BasicChange {
        change_time: TimeChange::Set(FileTime(1 << 56)),
        ..BasicChange::default()
    };
    let changes = [
        SetFileInformation::Basic(hidden),
        SetFileInformation::Basic(changed),
        SetFileInformation::EndOfFile(7),
        SetFileInformation::Rename(RenameInformation {
            flags: RenameFlags::NONE,
            root_directory: 0,
            file_name: "folder\\other".into(),
        }),
    ];
    for change in changes {
        let reply = send(other, requests::set_file(file, &change));
        assert_eq!(statuses(&reply), [NtStatus::SUCCESS]);
        assert!(is_broken(holder), "{change:?}");
    }
    let reply = send(
        other,
        requests::set_file(file, &SetFileInformation::Disposition(true)),
    );
    assert_eq!(statuses(&reply), [NtStatus::SUCCESS]);
    send(other, requests::close(file));
    assert!(is_broken(holder), "a file is deleted");
    finish(clients);
}

// test [MS-SMB2] 3.3.1.4
#[test]
fn a_folder_is_told_of_data_when_the_file_is_closed_that_was_written() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    cache(holder);
    let file = open_all(other, "folder\\file", None);
    assert!(is_broken(holder));
    let data = Bytes::from_static(b"data");
    let written = send(other, requests::write(file, 0, data));
    assert_eq!(statuses(&written), [NtStatus::SUCCESS]);
    assert!(!is_broken(holder), "its entry is as it was");
    send(other, requests::close(file));
    assert!(is_broken(holder));
    // Who only reads changes nothing.
    let file = open_all(other, "folder\\file", None);
    send(other, requests::read(file, 0, 4));
    send(other, requests::close(file));
    assert!(!is_broken(holder));
    finish(clients);
}

// test [MS-FSA] 2.1.4.12.2
#[test]
fn who_names_a_lease_on_the_folder_does_not_break_it() {
    let mut clients = two_clients(&[]);
    let [holder, other] = &mut clients;
    cache(holder);
    let file = open_all(holder, "folder\\file", Some(FOLDER));
    let data = Bytes::from_static(b"data");
    send(holder, requests::write(file, 0, data));
    send(holder, requests::close(file));
    assert!(!is_broken(holder));
    // Keys are compared, not clients.
    open_all(other, "folder\\second", Some(FOLDER));
    assert!(!is_broken(holder));
    // And its own open breaks it that does not name it.
    let [broken, third] = &send(holder, create("folder\\third", None))[..] else {
        panic!("a break and a reply");
    };
    assert_eq!(broken_lease(broken).current_lease_state, RH);
    opened(third);
    finish(clients);
}

// test [MS-FSA] 2.1.5.15.12
#[test]
fn a_folder_that_others_cache_to_delete_gets_a_new_name_when_they_have_closed_it() {
    for closes in [true, false] {
        let mut clients = two_clients(&[]);
        let [holder, other] = &mut clients;
        let to_delete = CreateRequest {
            desired_access: AccessMask::DELETE,
            ..folder()
        };
        let cached = opened(&send(holder, with_lease(to_delete, FOLDER, RH))[0]).file_id;
        let file = open_all(other, "file", None);
        let moves = SetFileInformation::Rename(RenameInformation {
            flags: RenameFlags::NONE,
            root_directory: 0,
            file_name: "folder\\file".into(),
        });
        let waits = send(other, requests::set_file(file, &moves));
        assert_eq!(statuses(&waits), [NtStatus::PENDING]);
        let broken = broken_lease(&received(holder)[0]);
        let left = (broken.current_lease_state, broken.new_lease_state);
        assert_eq!(left, (RH, R), "handles are what is in the way");
        let expected = if closes {
            send(holder, requests::close(cached));
            NtStatus::SUCCESS
        } else {
            send(holder, keep_lease(FOLDER, R));
            NtStatus::SHARING_VIOLATION
        };
        assert_eq!(statuses(&received(other)), [expected]);
        finish(clients);
    }
}

// test [MS-FSA] 2.1.5.5
#[test]
fn whose_close_deletes_what_another_has_asked_for_is_told_of_it() {
    for asks_itself in [true, false] {
        let mut clients = two_clients(&[]);
        let [holder, other] = &mut clients;
        cache(holder);
        let file = open_all(holder, "folder\\file", Some(FOLDER));
        let others = open_all(other, "folder\\file", None);
        let asks = if asks_itself { file } else { others };
        let delete = requests::set_file(asks, &SetFileInformation::Disposition(true));
        let by = if asks_itself {
            &mut *holder
        } else {
            &mut *other
        };
        assert_eq!(statuses(&send(by, delete)), [NtStatus::SUCCESS]);
        send(other, requests::close(others));
        assert!(received(holder).is_empty(), "it is there still");
        let told = send(holder, requests::close(file));
        let notices = told.iter().filter(|reply| reply.is_notification());
        assert_eq!(notices.count(), usize::from(!asks_itself));
        finish(clients);
    }
}
