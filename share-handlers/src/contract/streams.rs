//! Named streams.

use server::share::{CloseHow, Disposition, Name, OpenHow, Replace, SetInfo, StreamName, Wanted};
use wire::NtStatus;
use wire::fscc::FileAttributes;

use super::rules;
use super::volume::{File, Volume, how};
use crate::offload::tests::wait;

rules![
    streams_have_contents_of_their_own,
    streams_are_found_in_any_case_and_kept_as_given,
    dispositions_are_about_the_stream,
    a_stream_can_come_with_its_file,
    directories_can_have_streams,
    a_stream_belongs_to_its_file,
    overwriting_a_stream_harms_only_the_stream,
    deleting_a_stream_leaves_the_file,
    a_file_can_be_deleted_through_its_stream,
    streams_are_renamed,
];

fn stream(volume: &Volume, name: &str, contents: &[u8]) -> File {
    let stream = volume
        .open(name, &how(Disposition::New, Wanted::Any))
        .unwrap();
    assert!(stream.0.created, "{name}");
    stream.write(0, contents).unwrap();
    stream
}

// test [MS-FSA] 2.1.5.12.29
fn streams_have_contents_of_their_own(volume: &Volume) {
    let file = volume.file("file", b"unnamed");
    let one = stream(volume, "file:one", b"first");
    let two = stream(volume, "file:two", b"the second");
    assert_eq!(file.contents(), b"unnamed");
    assert_eq!(one.contents(), b"first");
    assert_eq!(volume.contents("file:two:$DATA"), b"the second");
    let mut names = file.streams();
    assert_eq!(names.remove(0), "::$DATA", "the unnamed one comes first");
    names.sort();
    assert_eq!(names, [":one:$DATA", ":two:$DATA"]);
    two.set(SetInfo::EndOfFile(3)).unwrap();
    two.append(b"!").unwrap();
    assert_eq!(two.contents(), b"the!");
    let sizes: u64 = wait(file.0.handle.streams())
        .unwrap()
        .iter()
        .map(|each| each.end_of_file)
        .sum();
    assert_eq!(sizes, 7 + 5 + 4);
}

fn streams_are_found_in_any_case_and_kept_as_given(volume: &Volume) {
    volume.file("File", b"");
    stream(volume, "File:Sträm", b"x");
    let found = volume.look("FILE:STRÄM").unwrap();
    assert_eq!(found.0.stream, Some(StreamName("Sträm".into())));
    assert_eq!(found.0.name.to_string(), "File:Sträm");
    assert_eq!(found.name(), "File:Sträm");
    let again = volume
        .open("file:sträm", &how(Disposition::New, Wanted::Any))
        .map(drop);
    assert_eq!(again, Err(NtStatus::OBJECT_NAME_COLLISION));
}

// test [MS-FSA] 2.1.5.1.2
fn dispositions_are_about_the_stream(volume: &Volume) {
    volume.file("file", b"");
    let open = |name, disposition| {
        let opened = volume.open(name, &how(disposition, Wanted::Any));
        opened.map(|file| file.0.created)
    };
    assert_eq!(
        open("file:s", Disposition::Existing),
        Err(NtStatus::OBJECT_NAME_NOT_FOUND)
    );
    assert_eq!(open("file:s", Disposition::Either), Ok(true));
    assert_eq!(open("file:s", Disposition::Either), Ok(false));
    assert_eq!(open("file:s", Disposition::Existing), Ok(false));
    assert_eq!(
        open("file:s", Disposition::New),
        Err(NtStatus::OBJECT_NAME_COLLISION)
    );
    assert_eq!(
        open("none:s", Disposition::Existing),
        Err(NtStatus::OBJECT_NAME_NOT_FOUND)
    );
    assert!(!volume.exists("none"));
}

// test [MS-FSA] 2.1.5.1.1
fn a_stream_can_come_with_its_file(volume: &Volume) {
    let with_attributes = OpenHow {
        attributes: FileAttributes::HIDDEN,
        ..how(Disposition::Either, Wanted::Any)
    };
    let made = volume.open("new:s", &with_attributes).unwrap();
    assert!(made.0.created && made.0.stream.is_some());
    made.write(0, b"abc").unwrap();
    let file = volume.look("new").unwrap();
    assert_eq!(file.contents(), b"");
    assert_eq!(file.streams(), ["::$DATA", ":s:$DATA"]);
    assert_eq!(
        file.attributes(),
        FileAttributes::HIDDEN | FileAttributes::ARCHIVE
    );
}

fn directories_can_have_streams(volume: &Volume) {
    let folder = volume.folder("folder");
    assert_eq!(folder.streams(), [] as [&str; 0]);
    let made = stream(volume, "folder:s", b"abc");
    assert!(!made.stat().is_directory());
    assert_eq!(made.contents(), b"abc");
    assert_eq!(folder.streams(), [":s:$DATA"]);
    assert!(volume.look("folder").unwrap().stat().is_directory());
}

fn a_stream_belongs_to_its_file(volume: &Volume) {
    let file = volume.file("file", b"");
    let stream = stream(volume, "file:s", b"12345");
    assert_eq!(stream.object(), file.object());
    assert_eq!(stream.stat().file_id, file.stat().file_id);
    assert_eq!(stream.stat().end_of_file, 5);
    assert_eq!(file.stat().end_of_file, 0);
    file.set_attributes(FileAttributes::HIDDEN);
    assert_eq!(stream.attributes(), FileAttributes::HIDDEN);
}

fn overwriting_a_stream_harms_only_the_stream(volume: &Volume) {
    let file = volume.file("file", b"unnamed");
    let one = stream(volume, "file:one", b"first");
    stream(volume, "file:two", b"second");
    file.set_attributes(FileAttributes::HIDDEN);
    one.overwrite(FileAttributes::NORMAL, false).unwrap();
    assert_eq!(one.contents(), b"");
    assert_eq!(volume.contents("file"), b"unnamed");
    assert_eq!(volume.contents("file:two"), b"second");
    assert!(file.attributes().contains(FileAttributes::HIDDEN));
}

// test [MS-FSA] 2.1.5.5
fn deleting_a_stream_leaves_the_file(volume: &Volume) {
    let file = volume.file("file", b"unnamed");
    let one = stream(volume, "file:one", b"first");
    assert_eq!(one.check_delete(), Ok(()));
    assert_eq!(one.delete(), Ok(()));
    assert_eq!(file.streams(), ["::$DATA"]);
    assert!(!volume.exists("file:one"));
    assert_eq!(volume.contents("file"), b"unnamed");
    assert!(one.read(0, 1).is_err(), "what is gone cannot be read");
    assert!(one.write(0, b"x").is_err());
    assert_eq!(file.streams(), ["::$DATA"], "nor does it come back");
}

fn a_file_can_be_deleted_through_its_stream(volume: &Volume) {
    volume.file("file", b"unnamed");
    let one = stream(volume, "file:one", b"first");
    wait(
        one.0
            .handle
            .close(CloseHow::DeleteFile(volume.owner().clone())),
    )
    .unwrap();
    assert!(!volume.exists("file"));
    assert_eq!(volume.names(""), [] as [&str; 0]);
}

// test [MS-FSA] 2.1.5.15.12.1
fn streams_are_renamed(volume: &Volume) {
    volume.file("file", b"unnamed");
    let one = stream(volume, "file:one", b"first");
    stream(volume, "file:two", b"second");
    let rename = |name: &str, replace| {
        let target = Name::parse_text("file").unwrap();
        let target = target.with_stream(Some(StreamName(name.into())));
        one.set(SetInfo::Rename { target, replace })
    };
    rename("ONE", Replace::Never).unwrap();
    assert_eq!(
        rename("two", Replace::Never),
        Err(NtStatus::OBJECT_NAME_COLLISION)
    );
    assert_eq!(volume.contents("file:two"), b"second");
    rename("three", Replace::Never).unwrap();
    assert_eq!(one.name(), "file:three");
    assert_eq!(one.contents(), b"first", "the open follows");
    assert!(!volume.exists("file:one"));
    rename("two", Replace::IfExists).unwrap();
    assert_eq!(volume.contents("file:two"), b"first");
    assert_eq!(
        volume.look("file").unwrap().streams(),
        ["::$DATA", ":two:$DATA"]
    );
}
