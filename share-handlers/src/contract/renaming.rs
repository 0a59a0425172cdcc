//! Other names and further names.

use server::share::Replace;
use wire::NtStatus;
use wire::fscc::FileAttributes;

use super::rules;
use super::volume::Volume;

rules![
    a_name_changes_and_the_object_stays,
    a_file_moves_to_another_folder,
    a_rename_to_itself_succeeds,
    the_case_of_a_name_can_be_changed,
    a_rename_meets_an_existing_name,
    a_replaced_file_lives_on_in_its_opens,
    directories_and_read_only_files_are_not_replaced,
    a_directory_moves_with_what_is_open_in_it,
    a_directory_does_not_move_into_itself,
    a_rename_needs_the_target_folder,
    the_root_keeps_its_name,
    a_link_is_another_name_of_the_same_file,
    a_link_meets_an_existing_name,
    directories_have_one_name,
    a_rename_onto_another_name_of_the_file_leaves_one,
    a_renamed_file_is_to_be_archived,
];

// test [MS-FSA] 2.1.5.15.12
fn a_name_changes_and_the_object_stays(volume: &Volume) {
    let file = volume.file("before", b"contents");
    let other = volume.look("before").unwrap();
    let object = file.object();
    file.rename("After", Replace::Never).unwrap();
    assert_eq!(volume.names(""), ["After"]);
    assert!(!volume.exists("before"));
    let found = volume.look("after").unwrap();
    assert_eq!(found.object(), object);
    assert_eq!(found.contents(), b"contents");
    assert_eq!(file.name(), "After");
    assert_eq!(other.name(), "After", "other opens follow");
    other.write(0, b"C").unwrap();
    assert_eq!(file.contents(), b"Contents");
}

// test [MS-FSA] 2.1.5.15.12
fn a_renamed_file_is_to_be_archived(volume: &Volume) {
    let file = volume.file("file", b"x");
    let folder = volume.folder("folder");
    for file_attributes in [FileAttributes::HIDDEN, FileAttributes::NORMAL] {
        for (object, name, archive) in [(&file, "FILE", true), (&folder, "FOLDER", false)] {
            object.set_attributes(file_attributes);
            let is_archived = || object.attributes().contains(FileAttributes::ARCHIVE);
            assert!(!is_archived());
            object.rename(name, Replace::Never).unwrap();
            assert_eq!(is_archived(), archive);
            object.rename(&name.to_lowercase(), Replace::Never).unwrap();
        }
    }
}

fn a_file_moves_to_another_folder(volume: &Volume) {
    volume.folder("from");
    volume.folder("to");
    let file = volume.file("from\\file", b"x");
    file.rename("to\\moved", Replace::Never).unwrap();
    assert_eq!(volume.names("from"), [] as [&str; 0]);
    assert_eq!(volume.names("to"), ["moved"]);
    assert_eq!(file.name(), "to\\moved");
    file.rename("root", Replace::IfExists).unwrap();
    assert_eq!(volume.names(""), ["from", "root", "to"]);
}

fn a_rename_to_itself_succeeds(volume: &Volume) {
    let file = volume.file("file", b"x");
    for replace in [Replace::Never, Replace::IfExists] {
        file.rename("file", replace).unwrap();
        assert_eq!(volume.contents("file"), b"x");
    }
}

fn the_case_of_a_name_can_be_changed(volume: &Volume) {
    let file = volume.file("name", b"x");
    let folder = volume.folder("folder");
    file.rename("NAME", Replace::Never).unwrap();
    folder.rename("Folder", Replace::Never).unwrap();
    assert_eq!(volume.names(""), ["Folder", "NAME"]);
    assert_eq!(file.name(), "NAME");
    assert_eq!(volume.contents("name"), b"x");
}

fn a_rename_meets_an_existing_name(volume: &Volume) {
    let file = volume.file("file", b"new");
    volume.file("There", b"old");
    let refused = file.rename("there", Replace::Never);
    assert_eq!(refused, Err(NtStatus::OBJECT_NAME_COLLISION));
    assert_eq!(volume.names(""), ["There", "file"]);
    assert_eq!(volume.contents("there"), b"old");
    file.rename("there", Replace::IfExists).unwrap();
    assert_eq!(volume.names(""), ["there"]);
    assert_eq!(volume.contents("There"), b"new");
}

fn a_replaced_file_lives_on_in_its_opens(volume: &Volume) {
    let old = volume.file("there", b"old");
    let new = volume.file("file", b"new");
    new.rename("there", Replace::IfExists).unwrap();
    assert_eq!(old.contents(), b"old");
    old.write(0, b"OLD").unwrap();
    assert_eq!(volume.contents("there"), b"new");
    assert_ne!(old.object(), new.object());
    // What has lost its name has none to give away: the other's stays.
    old.delete().unwrap();
    assert_eq!(volume.contents("there"), b"new");
}

// test [MS-FSA] 2.1.5.15.12
fn directories_and_read_only_files_are_not_replaced(volume: &Volume) {
    let file = volume.file("file", b"x");
    let folder = volume.folder("folder");
    volume.folder("other");
    volume
        .file("locked", b"y")
        .set_attributes(FileAttributes::READONLY);
    for replaced in ["folder", "locked"] {
        let refused = file.rename(replaced, Replace::IfExists);
        assert_eq!(refused, Err(NtStatus::ACCESS_DENIED), "{replaced}");
    }
    assert_eq!(
        folder.rename("other", Replace::IfExists),
        Err(NtStatus::ACCESS_DENIED)
    );
    assert_eq!(volume.names(""), ["file", "folder", "locked", "other"]);
    assert_eq!(volume.contents("locked"), b"y");
}

fn a_directory_moves_with_what_is_open_in_it(volume: &Volume) {
    let folder = volume.folder("folder");
    volume.folder("folder\\sub");
    volume.folder("elsewhere");
    let file = volume.file("folder\\sub\\file", b"x");
    folder.rename("elsewhere\\moved", Replace::Never).unwrap();
    assert_eq!(file.name(), "elsewhere\\moved\\sub\\file");
    assert_eq!(file.contents(), b"x");
    assert!(volume.exists("elsewhere\\moved\\sub\\file"));
    assert!(!volume.exists("folder"));
    file.rename("elsewhere\\moved\\file", Replace::Never)
        .unwrap();
    assert_eq!(volume.names("elsewhere\\moved"), ["file", "sub"]);
}

fn a_directory_does_not_move_into_itself(volume: &Volume) {
    let folder = volume.folder("folder");
    volume.folder("folder\\sub");
    for target in ["folder\\x", "folder\\sub\\x"] {
        assert!(folder.rename(target, Replace::Never).is_err(), "{target}");
    }
    assert_eq!(volume.names(""), ["folder"]);
    assert_eq!(volume.names("folder"), ["sub"]);
}

fn a_rename_needs_the_target_folder(volume: &Volume) {
    let file = volume.file("file", b"x");
    volume.file("other", b"");
    for target in ["none\\x", "other\\x"] {
        let refused = file.rename(target, Replace::Never);
        assert_eq!(refused, Err(NtStatus::OBJECT_PATH_NOT_FOUND), "{target}");
        let refused = file.link(target, Replace::Never);
        assert_eq!(refused, Err(NtStatus::OBJECT_PATH_NOT_FOUND), "{target}");
    }
    assert_eq!(volume.names(""), ["file", "other"]);
}

fn the_root_keeps_its_name(volume: &Volume) {
    let root = volume.look("").unwrap();
    assert!(root.rename("x", Replace::Never).is_err());
    assert_eq!(volume.names(""), [] as [&str; 0]);
}

// test [MS-FSA] 2.1.5.15.7
fn a_link_is_another_name_of_the_same_file(volume: &Volume) {
    volume.folder("folder");
    let file = volume.file("file", b"shared");
    assert_eq!(file.stat().links, 1);
    file.link("folder\\Second", Replace::Never).unwrap();
    let second = volume.look("folder\\second").unwrap();
    assert_eq!(second.object(), file.object());
    assert_eq!((file.stat().links, second.stat().links), (2, 2));
    assert_eq!(
        (file.name(), second.name()),
        ("file".into(), "folder\\Second".into())
    );
    second.write(0, b"S").unwrap();
    assert_eq!(volume.contents("file"), b"Shared");
    // Each open's name is its own.
    second.delete().unwrap();
    assert_eq!(volume.names("folder"), [] as [&str; 0]);
    assert_eq!(volume.contents("file"), b"Shared");
    assert_eq!(file.stat().links, 1);
}

// test [MS-FSA] 2.1.5.15.7
fn a_link_meets_an_existing_name(volume: &Volume) {
    let file = volume.file("file", b"new");
    volume.file("there", b"old");
    volume.folder("folder");
    assert_eq!(
        file.link("THERE", Replace::Never),
        Err(NtStatus::OBJECT_NAME_COLLISION)
    );
    assert_eq!(
        file.link("file", Replace::Never),
        Err(NtStatus::OBJECT_NAME_COLLISION)
    );
    assert_eq!(
        file.link("folder", Replace::IfExists),
        Err(NtStatus::ACCESS_DENIED)
    );
    assert_eq!(volume.contents("there"), b"old");
    file.link("there", Replace::IfExists).unwrap();
    assert_eq!(volume.contents("there"), b"new");
    assert_eq!(file.stat().links, 2);
    file.link("there", Replace::IfExists).unwrap();
    assert_eq!(file.stat().links, 2, "the name is there already");
}

fn directories_have_one_name(volume: &Volume) {
    let folder = volume.folder("folder");
    let refused = folder.link("second", Replace::Never);
    assert_eq!(refused, Err(NtStatus::FILE_IS_A_DIRECTORY));
    assert_eq!(volume.names(""), ["folder"]);
}

// test [MS-FSA] 2.1.5.15.12
fn a_rename_onto_another_name_of_the_file_leaves_one(volume: &Volume) {
    for replace in [Replace::IfExists, Replace::Never] {
        let file = volume.file("one", b"x");
        file.link("two", Replace::Never).unwrap();
        file.rename("two", replace).unwrap();
        assert_eq!(volume.names(""), ["two"], "{replace:?}");
        let left = volume.look("two").unwrap();
        assert_eq!(left.object(), file.object());
        assert_eq!(left.stat().links, 1);
        left.delete().unwrap();
    }
}
