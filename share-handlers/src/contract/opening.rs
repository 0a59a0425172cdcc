//! Opening and creating.

use server::share::{Disposition, FileStat, Name, OpenHow, Wanted, short_name};
use wire::NtStatus;
use wire::Utf16String;
use wire::dtyp::FileTime;
use wire::fscc::FileAttributes;

use super::rules;
use super::volume::{Volume, how};

rules![
    dispositions_open_create_or_refuse,
    a_refused_open_leaves_no_trace,
    files_and_directories_are_told_apart,
    stream_types_say_what_is_wanted,
    what_is_missing_is_told_from_a_missing_folder,
    names_are_kept_as_given_and_found_in_any_case,
    unusual_names_are_names,
    opening_to_overwrite_harms_nothing,
    the_root_is_a_directory_that_exists,
    new_objects_have_the_attributes_asked_for,
    an_open_tells_what_the_handle_tells,
    there_are_no_versions_of_the_past,
    a_short_name_is_a_name,
    what_is_made_anew_by_its_short_name_has_its_long_name_again,
];

// test [MS-FSA] 2.1.5.1
fn a_short_name_is_a_name(volume: &Volume) {
    let short = |name: &str| short_name(Utf16String::from(name).as_units()).unwrap();
    let folder = short("A long folder").to_string_lossy();
    let file = short("A long name.text").to_string_lossy().to_lowercase();
    volume.folder("A long folder");
    volume.file("A long folder\\A long name.text", b"x");
    let found = volume.look(&format!("{folder}\\{file}")).unwrap();
    assert_eq!(found.name(), "A long folder\\A long name.text");
    let taken = volume.open(&folder, &how(Disposition::New, Wanted::Directory));
    assert_eq!(taken.err(), Some(NtStatus::OBJECT_NAME_COLLISION));
    assert!(!volume.exists("A00000~1"), "nobody has this short name");
    found.delete().unwrap();
    assert_eq!(volume.names("A long folder"), [] as [&str; 0]);
}

// test [MS-FSA] 2.1.5.1.1
fn what_is_made_anew_by_its_short_name_has_its_long_name_again(volume: &Volume) {
    let short = short_name(Utf16String::from("A long name.text").as_units()).unwrap();
    let short = short.to_string_lossy();
    let again = how(Disposition::New, Wanted::File);
    volume.file(&short, b"x");
    assert_eq!(
        volume.names(""),
        [&*short],
        "nothing had it as its short name"
    );
    volume.look(&short).unwrap().delete().unwrap();
    for _ in 0..2 {
        volume.file("A long name.text", b"x");
        volume.look(&short).unwrap().delete().unwrap();
        let made = volume.open(&short, &again).unwrap();
        assert_eq!(made.name(), "A long name.text");
        assert_eq!(volume.names(""), ["A long name.text"]);
        let taken = volume.open(&short, &again);
        assert_eq!(taken.err(), Some(NtStatus::OBJECT_NAME_COLLISION));
        made.delete().unwrap();
    }
}

// test [MS-FSA] 2.1.5.1
fn dispositions_open_create_or_refuse(volume: &Volume) {
    volume.file("present", b"old");
    let open = |name, disposition| {
        let opened = volume.open(name, &how(disposition, Wanted::Any));
        opened.map(|file| file.0.created)
    };
    assert_eq!(open("present", Disposition::Existing), Ok(false));
    assert_eq!(open("present", Disposition::Either), Ok(false));
    assert_eq!(
        open("present", Disposition::New),
        Err(NtStatus::OBJECT_NAME_COLLISION)
    );
    assert_eq!(
        open("missing", Disposition::Existing),
        Err(NtStatus::OBJECT_NAME_NOT_FOUND)
    );
    assert_eq!(open("first", Disposition::Either), Ok(true));
    assert_eq!(open("second", Disposition::New), Ok(true));
    assert_eq!(volume.names(""), ["first", "present", "second"]);
    assert_eq!(volume.contents("present"), b"old");
    assert_eq!(volume.contents("first"), b"");
}

fn a_refused_open_leaves_no_trace(volume: &Volume) {
    volume.file("file", b"x");
    let before = volume.look("file").unwrap().stat();
    for (name, disposition, wanted) in [
        ("missing", Disposition::Existing, Wanted::Any),
        ("no\\such", Disposition::Either, Wanted::File),
        ("file\\below", Disposition::New, Wanted::Directory),
        ("file", Disposition::New, Wanted::File),
        ("file", Disposition::Either, Wanted::Directory),
        ("file:s", Disposition::Existing, Wanted::Any),
    ] {
        assert!(
            volume.open(name, &how(disposition, wanted)).is_err(),
            "{name}"
        );
    }
    assert_eq!(volume.names(""), ["file"]);
    let file = volume.look("file").unwrap();
    assert_eq!(file.stat(), before);
    assert_eq!(file.streams(), ["::$DATA"]);
}

// test [MS-FSA] 2.1.5.1
fn files_and_directories_are_told_apart(volume: &Volume) {
    volume.file("file", b"");
    volume.folder("folder");
    let open = |name, disposition, wanted| {
        let opened = volume.open(name, &how(disposition, wanted));
        opened.map(|file| file.stat().is_directory())
    };
    let existing = Disposition::Existing;
    assert_eq!(open("file", existing, Wanted::Any), Ok(false));
    assert_eq!(open("file", existing, Wanted::File), Ok(false));
    assert_eq!(
        open("file", existing, Wanted::Directory),
        Err(NtStatus::NOT_A_DIRECTORY)
    );
    assert_eq!(
        open("file", Disposition::Either, Wanted::Directory),
        Err(NtStatus::NOT_A_DIRECTORY)
    );
    assert_eq!(
        open("file", Disposition::New, Wanted::Directory),
        Err(NtStatus::OBJECT_NAME_COLLISION)
    );
    assert_eq!(open("folder", existing, Wanted::Any), Ok(true));
    assert_eq!(open("folder", existing, Wanted::Directory), Ok(true));
    assert_eq!(
        open("folder", existing, Wanted::File),
        Err(NtStatus::FILE_IS_A_DIRECTORY)
    );
    assert_eq!(
        open("folder", Disposition::New, Wanted::Directory),
        Err(NtStatus::OBJECT_NAME_COLLISION)
    );
    assert_eq!(open("any", Disposition::New, Wanted::Any), Ok(false));
}

// test [MS-FSA] 2.1.5.1
fn stream_types_say_what_is_wanted(volume: &Volume) {
    volume.file("file", b"x");
    volume.folder("folder");
    let open = |name| {
        let opened = volume.open(name, &how(Disposition::Existing, Wanted::Any));
        opened.map(|file| file.0.stream.is_some())
    };
    assert_eq!(open("file::$DATA"), Ok(false));
    assert_eq!(open("folder::$INDEX_ALLOCATION"), Ok(false));
    assert_eq!(open("folder:$I30:$INDEX_ALLOCATION"), Ok(false));
    assert_eq!(open("folder::$DATA"), Err(NtStatus::FILE_IS_A_DIRECTORY));
    assert_eq!(
        open("file::$INDEX_ALLOCATION"),
        Err(NtStatus::NOT_A_DIRECTORY)
    );
    let directory = how(Disposition::Either, Wanted::Directory);
    let stream = volume.open("folder:s", &directory).map(drop);
    assert_eq!(stream, Err(NtStatus::NOT_A_DIRECTORY));
}

// test [MS-FSA] 2.1.5.1
fn what_is_missing_is_told_from_a_missing_folder(volume: &Volume) {
    volume.folder("folder");
    volume.file("file", b"");
    for disposition in [Disposition::Existing, Disposition::New, Disposition::Either] {
        for name in ["none\\x", "folder\\none\\x", "file\\x", "file\\x\\y"] {
            let opened = volume.open(name, &how(disposition, Wanted::Any)).map(drop);
            assert_eq!(opened, Err(NtStatus::OBJECT_PATH_NOT_FOUND), "{name}");
        }
    }
    let missing = volume.look("folder\\x").map(drop);
    assert_eq!(missing, Err(NtStatus::OBJECT_NAME_NOT_FOUND));
}

fn names_are_kept_as_given_and_found_in_any_case(volume: &Volume) {
    volume.folder("Ordner Ä");
    let made = volume.file("Ordner Ä\\Größe.TXT", b"x");
    assert_eq!(made.name(), "Ordner Ä\\Größe.TXT");
    for name in [
        "ordner ä\\größe.txt",
        "ORDNER Ä\\GRÖßE.TXT",
        "Ordner Ä\\Größe.TXT",
    ] {
        let found = volume.look(name).unwrap();
        assert_eq!(found.0.name.to_string(), "Ordner Ä\\Größe.TXT", "{name}");
        assert_eq!(found.object(), made.object());
        let again = volume
            .open(name, &how(Disposition::New, Wanted::File))
            .map(drop);
        assert_eq!(again, Err(NtStatus::OBJECT_NAME_COLLISION), "{name}");
    }
    assert_eq!(volume.names("ORDNER Ä"), ["Größe.TXT"]);
}

fn unusual_names_are_names(volume: &Volume) {
    let long = "n".repeat(255);
    let texts = [
        "a b",
        ".hidden",
        "x..y",
        "con",
        "~$1",
        "日本語",
        "a\u{1F600}b",
        &*long,
    ];
    let mut names: Vec<Utf16String> = texts.into_iter().map(Utf16String::from).collect();
    names.push(Utf16String::from_units(vec![0x61, 0xD800, 0x62]));
    for name in &names {
        let name = Name::root().child(name.clone());
        let new = how(Disposition::New, Wanted::File);
        let made = volume.open_name(volume.owner(), &name, &new).unwrap();
        assert_eq!(made.0.name, name);
        let existing = how(Disposition::Existing, Wanted::Any);
        let found = volume.open_name(volume.owner(), &name, &existing).unwrap();
        assert_eq!(found.object(), made.object(), "{name}");
    }
    assert_eq!(volume.names("").len(), names.len());
}

fn opening_to_overwrite_harms_nothing(volume: &Volume) {
    let file = volume.file("file", b"contents");
    file.close();
    let before = but_access(file.stat());
    for disposition in [Disposition::Existing, Disposition::Either] {
        let overwriting = OpenHow {
            overwrite: true,
            attributes: FileAttributes::HIDDEN,
            ..how(disposition, Wanted::File)
        };
        let opened = volume.open("file", &overwriting).unwrap();
        assert!(!opened.0.created);
        assert_eq!(but_access(opened.stat()), before);
        assert_eq!(opened.contents(), b"contents");
    }
}

/// Metadata without the one time that reading may move.
fn but_access(stat: FileStat) -> FileStat {
    FileStat {
        last_access_time: FileTime::ZERO,
        ..stat
    }
}

fn the_root_is_a_directory_that_exists(volume: &Volume) {
    let root = volume.look("").unwrap();
    assert!(root.stat().is_directory());
    assert!(root.0.name.is_root());
    assert_eq!(root.name(), "");
    let as_file = volume
        .open("", &how(Disposition::Existing, Wanted::File))
        .map(drop);
    assert_eq!(as_file, Err(NtStatus::FILE_IS_A_DIRECTORY));
    let new = volume
        .open("", &how(Disposition::New, Wanted::Directory))
        .map(drop);
    assert_eq!(new, Err(NtStatus::OBJECT_NAME_COLLISION));
}

// test [MS-FSA] 2.1.5.1.1
fn new_objects_have_the_attributes_asked_for(volume: &Volume) {
    let with = |name: &str, attributes: FileAttributes, wanted| {
        let how = OpenHow {
            attributes,
            ..how(Disposition::New, wanted)
        };
        let made = volume.open(name, &how).unwrap();
        (made.0.stat.attributes, made)
    };
    let (attributes, _) = with("plain", FileAttributes::NORMAL, Wanted::File);
    assert_eq!(attributes, FileAttributes::ARCHIVE);
    let (attributes, file) = with("locked", FileAttributes::READONLY, Wanted::File);
    assert_eq!(
        attributes,
        FileAttributes::READONLY | FileAttributes::ARCHIVE
    );
    // Who made it may still fill it.
    assert_eq!(file.write(0, b"x"), Ok(1));
    let hidden = FileAttributes::HIDDEN | FileAttributes::SYSTEM;
    let (attributes, _) = with("folder", hidden, Wanted::Directory);
    assert_eq!(attributes, hidden | FileAttributes::DIRECTORY);
    // What nobody can set is not set.
    let (attributes, _) = with("odd", FileAttributes::COMPRESSED, Wanted::File);
    assert_eq!(attributes, FileAttributes::ARCHIVE);
}

fn an_open_tells_what_the_handle_tells(volume: &Volume) {
    volume.file("file", b"12345");
    volume.folder("folder");
    for name in ["file", "folder", ""] {
        let opened = volume.look(name).unwrap();
        assert_eq!(opened.0.stat, opened.stat(), "{name}");
        assert_eq!(opened.0.name.to_string(), opened.name());
        assert_eq!(opened.0.stat.file_id, opened.object().file, "{name}");
    }
    assert_eq!(volume.look("file").unwrap().0.stat.end_of_file, 5);
}

fn there_are_no_versions_of_the_past(volume: &Volume) {
    volume.file("file", b"");
    let past = OpenHow {
        snapshot: Some(FileTime(1)),
        ..how(Disposition::Existing, Wanted::Any)
    };
    let opened = volume.open("file", &past).map(drop);
    assert_eq!(opened, Err(NtStatus::OBJECT_NAME_NOT_FOUND));
}
