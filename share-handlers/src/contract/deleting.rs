//! Deleting.

use server::share::Replace;
use wire::NtStatus;
use wire::fscc::FileAttributes;

use super::rules;
use super::volume::Volume;

rules![
    deleting_removes_the_name_and_not_the_open,
    asking_deletes_nothing,
    what_cannot_be_deleted_is_told,
    a_directory_with_entries_stays,
    deleting_twice_is_no_error,
    only_the_object_itself_is_deleted,
    a_name_can_be_used_again,
    a_handle_that_is_dropped_deletes_nothing,
];

// test [MS-FSA] 2.1.5.5
fn deleting_removes_the_name_and_not_the_open(volume: &Volume) {
    let first = volume.file("file", b"contents");
    let second = volume.look("file").unwrap();
    first.delete().unwrap();
    assert!(!volume.exists("file"));
    assert_eq!(volume.names(""), [] as [&str; 0]);
    assert_eq!(second.contents(), b"contents");
    second.write(8, b"!").unwrap();
    assert_eq!(second.contents(), b"contents!");
    assert_eq!(second.stat().links, 0);
}

fn asking_deletes_nothing(volume: &Volume) {
    let file = volume.file("file", b"x");
    let folder = volume.folder("folder");
    assert_eq!(file.check_delete(), Ok(()));
    assert_eq!(folder.check_delete(), Ok(()));
    assert_eq!(volume.names(""), ["file", "folder"]);
}

// test [MS-FSA] 2.1.5.15.3
fn what_cannot_be_deleted_is_told(volume: &Volume) {
    let file = volume.file("file", b"x");
    file.set_attributes(FileAttributes::READONLY);
    assert_eq!(file.check_delete(), Err(NtStatus::CANNOT_DELETE));
    let root = volume.look("").unwrap();
    assert_eq!(root.check_delete(), Err(NtStatus::CANNOT_DELETE));
    let folder = volume.folder("folder");
    volume.folder("folder\\sub");
    assert_eq!(folder.check_delete(), Err(NtStatus::DIRECTORY_NOT_EMPTY));
    volume.look("folder\\sub").unwrap().delete().unwrap();
    assert_eq!(folder.check_delete(), Ok(()));
}

fn a_directory_with_entries_stays(volume: &Volume) {
    let folder = volume.folder("folder");
    volume.file("folder\\file", b"x");
    assert_eq!(folder.delete(), Err(NtStatus::DIRECTORY_NOT_EMPTY));
    assert_eq!(volume.contents("folder\\file"), b"x");
    volume.look("folder\\file").unwrap().delete().unwrap();
    volume.look("folder").unwrap().delete().unwrap();
    assert_eq!(volume.names(""), [] as [&str; 0]);
}

fn deleting_twice_is_no_error(volume: &Volume) {
    let first = volume.file("file", b"x");
    let second = volume.look("file").unwrap();
    assert_eq!(first.delete(), Ok(()));
    assert_eq!(second.delete(), Ok(()));
}

fn only_the_object_itself_is_deleted(volume: &Volume) {
    let old = volume.file("file", b"old");
    let other = volume.look("file").unwrap();
    old.delete().unwrap();
    volume.file("file", b"new");
    assert_eq!(other.delete(), Ok(()));
    assert_eq!(volume.contents("file"), b"new");
    // Wherever it has gone by now.
    let moved = volume.look("file").unwrap();
    volume
        .look("file")
        .unwrap()
        .rename("elsewhere", Replace::Never)
        .unwrap();
    volume.file("file", b"third");
    moved.delete().unwrap();
    assert_eq!(volume.names(""), ["file"]);
    assert_eq!(volume.contents("file"), b"third");
}

fn a_name_can_be_used_again(volume: &Volume) {
    let old = volume.file("name", b"old");
    old.delete().unwrap();
    let new = volume.folder("Name");
    assert_ne!(new.object(), old.object());
    assert!(volume.look("name").unwrap().stat().is_directory());
    assert_eq!(old.contents(), b"old");
    assert_eq!(volume.names(""), ["Name"]);
}

fn a_handle_that_is_dropped_deletes_nothing(volume: &Volume) {
    drop(volume.file("file", b"x"));
    let file = volume.look("file").unwrap();
    file.close();
    drop(file);
    assert_eq!(volume.contents("file"), b"x");
}
