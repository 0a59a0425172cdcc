//! Contents and sizes.

use server::share::{Disposition, OpenHow, SetInfo, Wanted};
use wire::NtStatus;
use wire::fscc::FileAttributes;
use wire::fscc::file_info::FullEa;

use super::rules;
use super::volume::{Volume, how};

rules![
    what_was_written_is_read,
    reads_are_short_only_at_the_end,
    gaps_read_as_zeros,
    appending_goes_to_the_end_wherever_it_is,
    offsets_beyond_four_gibibytes_work,
    writing_nothing_changes_nothing,
    sizes_are_set_both_ways,
    reserving_does_not_change_the_size,
    reserving_less_cuts,
    directories_have_no_contents,
    what_no_file_can_hold_is_refused,
    opens_of_one_file_see_the_same_bytes,
    flushing_succeeds,
    overwriting_empties,
    overwriting_spares_hidden_files,
];

fn what_was_written_is_read(volume: &Volume) {
    let data: Vec<u8> = (0..300_000_u32)
        .map(|number| (number * 7 % 251) as u8)
        .collect();
    let file = volume.file("file", &data);
    assert_eq!(file.contents(), data);
    assert_eq!(file.write(100_000, &[9; 50_000]), Ok(50_000));
    let mut expected = data;
    expected[100_000..150_000].fill(9);
    assert_eq!(file.contents(), expected);
    assert_eq!(file.stat().end_of_file, 300_000);
    assert_eq!(file.read(99_999, 3), Ok(vec![expected[99_999], 9, 9]));
}

// test [MS-FSA] 2.1.5.3
fn reads_are_short_only_at_the_end(volume: &Volume) {
    let file = volume.file("file", b"12345");
    assert_eq!(file.read(0, 5).unwrap(), b"12345");
    assert_eq!(file.read(3, 100).unwrap(), b"45");
    assert_eq!(file.read(5, 1).unwrap(), b"");
    assert_eq!(file.read(1 << 40, 1).unwrap(), b"");
    assert_eq!(file.read(2, 0).unwrap(), b"");
}

fn gaps_read_as_zeros(volume: &Volume) {
    let file = volume.file("file", b"ab");
    assert_eq!(file.write(200_000, b"z"), Ok(1));
    let contents = file.contents();
    assert_eq!(contents.len(), 200_001);
    assert!(contents.starts_with(b"ab") && contents.ends_with(b"z"));
    assert!(contents[2..200_000].iter().all(|byte| *byte == 0));
}

// test [MS-FSA] 2.1.5.4
fn appending_goes_to_the_end_wherever_it_is(volume: &Volume) {
    let first = volume.file("file", b"");
    let second = volume.look("file").unwrap();
    for _ in 0..3 {
        assert_eq!(first.append(b"one,"), Ok(4));
        assert_eq!(second.append(b"two,"), Ok(4));
    }
    assert_eq!(first.contents(), b"one,two,one,two,one,two,");
}

fn offsets_beyond_four_gibibytes_work(volume: &Volume) {
    let file = volume.file("file", b"");
    for at in [(4_u64 << 30) - 2, 6 << 30, 5 << 40] {
        assert_eq!(file.write(at, b"far!"), Ok(4));
        assert_eq!(file.stat().end_of_file, at + 4);
        assert_eq!(file.read(at - 2, 10).unwrap(), b"\0\0far!");
    }
    assert_eq!(file.read((4 << 30) - 2, 5).unwrap(), b"far!\0");
    file.set(SetInfo::EndOfFile(6 << 40)).unwrap();
    assert_eq!(file.read((6 << 40) - 1, 2).unwrap(), b"\0");
}

fn writing_nothing_changes_nothing(volume: &Volume) {
    let file = volume.file("file", b"abc");
    assert_eq!(file.write(1000, b""), Ok(0));
    assert_eq!(file.append(b""), Ok(0));
    assert_eq!(file.contents(), b"abc");
}

// test [MS-FSA] 2.1.5.15.5
fn sizes_are_set_both_ways(volume: &Volume) {
    let file = volume.file("file", &[7; 10_000]);
    file.set(SetInfo::EndOfFile(5)).unwrap();
    assert_eq!(file.contents(), [7; 5]);
    file.set(SetInfo::EndOfFile(70_000)).unwrap();
    let contents = file.contents();
    assert_eq!(contents.len(), 70_000);
    assert!(
        contents[5..].iter().all(|byte| *byte == 0),
        "what was cut off does not come back"
    );
    file.set(SetInfo::EndOfFile(0)).unwrap();
    assert_eq!(file.contents(), b"");
}

// test [MS-FSA] 2.1.5.15.1
fn reserving_does_not_change_the_size(volume: &Volume) {
    let reserving = OpenHow {
        allocation_size: 100_000,
        ..how(Disposition::New, Wanted::File)
    };
    let file = volume.open("file", &reserving).unwrap();
    assert_eq!(file.stat().end_of_file, 0);
    assert!(file.stat().allocation_size >= 100_000);
    file.write(0, b"abc").unwrap();
    file.set(SetInfo::Allocation(1 << 20)).unwrap();
    assert!(file.stat().allocation_size >= 1 << 20);
    assert_eq!(file.contents(), b"abc");
}

// test [MS-FSA] 2.1.5.15.1
fn reserving_less_cuts(volume: &Volume) {
    let file = volume.file("file", &[1; 100_000]);
    file.set(SetInfo::Allocation(65_536)).unwrap();
    assert_eq!(file.contents(), [1; 65_536]);
    file.set(SetInfo::Allocation(0)).unwrap();
    assert_eq!(file.contents(), b"");
}

fn directories_have_no_contents(volume: &Volume) {
    let folder = volume.folder("folder");
    assert_eq!(folder.read(0, 10), Err(NtStatus::INVALID_DEVICE_REQUEST));
    assert_eq!(folder.write(0, b"x"), Err(NtStatus::INVALID_DEVICE_REQUEST));
    for request in [SetInfo::EndOfFile(5), SetInfo::Allocation(5)] {
        assert_eq!(folder.set(request), Err(NtStatus::INVALID_PARAMETER));
    }
    let stat = folder.stat();
    assert_eq!((stat.end_of_file, stat.allocation_size), (0, 0));
}

fn what_no_file_can_hold_is_refused(volume: &Volume) {
    let file = volume.file("file", b"abc");
    let most = i64::MAX.unsigned_abs();
    assert_eq!(file.write(most, b"x"), Err(NtStatus::INVALID_PARAMETER));
    for request in [SetInfo::EndOfFile(most), SetInfo::Allocation(most)] {
        assert_eq!(file.set(request), Err(NtStatus::INVALID_PARAMETER));
    }
    assert_eq!(file.contents(), b"abc");
}

fn opens_of_one_file_see_the_same_bytes(volume: &Volume) {
    let first = volume.file("file", b"before");
    let second = volume.look("FILE").unwrap();
    first.write(0, b"AFTER!").unwrap();
    assert_eq!(second.contents(), b"AFTER!");
    second.set(SetInfo::EndOfFile(2)).unwrap();
    assert_eq!(first.contents(), b"AF");
    assert_eq!(first.object(), second.object());
}

fn flushing_succeeds(volume: &Volume) {
    let file = volume.file("file", b"x");
    assert_eq!(crate::offload::tests::wait(file.0.handle.flush()), Ok(()));
    assert_eq!(file.contents(), b"x");
}

// test [MS-FSA] 2.1.5.1.2
fn overwriting_empties(volume: &Volume) {
    let file = volume.file("file", b"contents");
    volume
        .open("file:stream", &how(Disposition::New, Wanted::Any))
        .unwrap();
    let attribute = FullEa {
        name: b"ONE".to_vec(),
        value: b"1".to_vec(),
        ..FullEa::default()
    };
    file.set(SetInfo::ExtendedAttributes(vec![attribute]))
        .unwrap();
    file.set_attributes(FileAttributes::NORMAL);
    file.overwrite(
        FileAttributes::NOT_CONTENT_INDEXED | FileAttributes::TEMPORARY,
        true,
    )
    .unwrap();
    assert_eq!(file.contents(), b"");
    assert_eq!(file.streams(), ["::$DATA"]);
    assert_eq!(file.stat().ea_size, 0);
    let expected = FileAttributes::ARCHIVE | FileAttributes::TEMPORARY;
    let settable = FileAttributes::SETTABLE.without(FileAttributes::NOT_CONTENT_INDEXED);
    assert_eq!(file.attributes() & settable, expected);
    file.overwrite(FileAttributes::NORMAL, false).unwrap();
    assert!(
        file.attributes().contains(FileAttributes::TEMPORARY),
        "overwriting adds"
    );
    file.overwrite(FileAttributes::NORMAL, true).unwrap();
    assert_eq!(
        file.attributes(),
        FileAttributes::ARCHIVE,
        "superseding replaces"
    );
}

// test [MS-FSA] 2.1.5.1.2
fn overwriting_spares_hidden_files(volume: &Volume) {
    let file = volume.file("file", b"contents");
    let hidden = FileAttributes::HIDDEN | FileAttributes::SYSTEM;
    file.set_attributes(hidden);
    for attributes in [
        FileAttributes::NORMAL,
        FileAttributes::HIDDEN,
        FileAttributes::SYSTEM,
    ] {
        assert_eq!(
            file.overwrite(attributes, false),
            Err(NtStatus::ACCESS_DENIED)
        );
    }
    assert_eq!(file.contents(), b"contents");
    assert_eq!(file.overwrite(hidden, false), Ok(()));
    assert_eq!(file.contents(), b"");
}
