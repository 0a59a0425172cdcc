//! Control codes.

use wire::NtStatus;
use wire::fscc::{FileAttributes, Fsctl};

use super::rules;
use super::volume::{File, Volume};

rules![
    files_become_sparse_and_full_again,
    zeroing_keeps_the_size,
    allocated_ranges_of_an_ordinary_file_are_all_of_it,
    allocated_ranges_of_a_sparse_file_leave_holes_out,
    that_nothing_is_allocated_needs_no_room_to_tell,
    malformed_ranges_are_refused,
    unknown_codes_are_refused,
];

// test [MS-FSA] 2.1.5.10.38
fn files_become_sparse_and_full_again(volume: &Volume) {
    let file = volume.file("file", b"x");
    let is_sparse = |file: &File| file.attributes().contains(FileAttributes::SPARSE_FILE);
    assert!(!is_sparse(&file));
    file.control(Fsctl::SET_SPARSE, &[], 0).unwrap();
    assert!(is_sparse(&file));
    file.set_attributes(FileAttributes::HIDDEN);
    assert!(is_sparse(&file), "setting attributes does not end it");
    file.control(Fsctl::SET_SPARSE, &[0], 0).unwrap();
    assert!(!is_sparse(&file));
    file.control(Fsctl::SET_SPARSE, &[1], 0).unwrap();
    assert!(is_sparse(&volume.look("file").unwrap()));
    let folder = volume.folder("folder");
    let refused = folder.control(Fsctl::SET_SPARSE, &[], 0);
    assert_eq!(refused, Err(NtStatus::INVALID_PARAMETER));
}

// test [MS-FSA] 2.1.5.10.39
fn zeroing_keeps_the_size(volume: &Volume) {
    for is_sparse in [false, true] {
        let file = volume.file(if is_sparse { "sparse" } else { "full" }, &[5; 300_000]);
        if is_sparse {
            file.control(Fsctl::SET_SPARSE, &[], 0).unwrap();
        }
        file.control(Fsctl::SET_ZERO_DATA, &pair(1000, 200_000), 0)
            .unwrap();
        file.control(Fsctl::SET_ZERO_DATA, &pair(299_999, 1 << 40), 0)
            .unwrap();
        file.control(Fsctl::SET_ZERO_DATA, &pair(1 << 40, 1 << 41), 0)
            .unwrap();
        let mut expected = vec![5; 300_000];
        expected[1000..200_000].fill(0);
        expected[299_999] = 0;
        assert_eq!(file.contents(), expected);
    }
}

// test [MS-FSA] 2.1.5.10.22
fn allocated_ranges_of_an_ordinary_file_are_all_of_it(volume: &Volume) {
    let file = volume.file("file", b"");
    file.write(1 << 20, b"x").unwrap();
    assert_eq!(ranges(&file, 0, (1 << 20) + 1), [(0, (1 << 20) + 1)]);
    assert_eq!(ranges(&file, 10, 20), [(10, 20)]);
    assert_eq!(ranges(&file, 10, 0), []);
}

// test [MS-FSA] 2.1.5.10.22
fn allocated_ranges_of_a_sparse_file_leave_holes_out(volume: &Volume) {
    let file = volume.file("file", b"");
    file.control(Fsctl::SET_SPARSE, &[], 0).unwrap();
    assert_eq!(ranges(&file, 0, 1 << 20), []);
    file.write(0, &[1; 100]).unwrap();
    file.write(8 << 20, &[1; 100]).unwrap();
    let end = (8 << 20) + 100;
    let found = ranges(&file, 0, 1 << 30);
    let covers = |at: u64| {
        found
            .iter()
            .any(|(from, length)| *from <= at && at < from + length)
    };
    assert!(
        covers(0) && covers(99) && covers(8 << 20) && covers(end - 1),
        "{found:?}"
    );
    assert!(!covers(4 << 20), "{found:?}");
    assert!(
        found
            .iter()
            .all(|(from, length)| *length > 0 && from + length <= end),
        "{found:?}"
    );
    // What is asked for bounds what is told.
    assert_eq!(ranges(&file, 50, 20), [(50, 20)]);
    let two = [pair(0, 1 << 30), vec![0]].concat();
    let short = file.control_in_part(Fsctl::QUERY_ALLOCATED_RANGES, &two[..16], 16);
    let short = short.unwrap();
    assert!(
        short.more,
        "the first range is told, and that there are others"
    );
    assert_eq!(short.output[..8], 0_i64.to_le_bytes());
    assert_eq!(short.output.len(), 16);
}

fn that_nothing_is_allocated_needs_no_room_to_tell(volume: &Volume) {
    let file = volume.file("file", b"");
    for is_sparse in [0, 1] {
        file.control(Fsctl::SET_SPARSE, &[is_sparse], 0).unwrap();
        let told = file.control(Fsctl::QUERY_ALLOCATED_RANGES, &pair(0, 1024), 0);
        assert_eq!(told.unwrap().len(), 0);
    }
}

fn malformed_ranges_are_refused(volume: &Volume) {
    let file = volume.file("file", &[1; 100]);
    let folder = volume.folder("folder");
    let negative = u64::MAX;
    for (code, input) in [
        (Fsctl::SET_ZERO_DATA, pair(10, 5)),
        (Fsctl::SET_ZERO_DATA, pair(negative, 5)),
        (Fsctl::SET_ZERO_DATA, pair(5, negative)),
        (Fsctl::SET_ZERO_DATA, vec![0; 15]),
        (Fsctl::QUERY_ALLOCATED_RANGES, pair(negative, 5)),
        (Fsctl::QUERY_ALLOCATED_RANGES, pair(5, negative)),
        (
            Fsctl::QUERY_ALLOCATED_RANGES,
            pair(5, i64::MAX.unsigned_abs()),
        ),
        (Fsctl::QUERY_ALLOCATED_RANGES, vec![0; 15]),
    ] {
        assert_eq!(
            file.control(code, &input, 64),
            Err(NtStatus::INVALID_PARAMETER),
            "{input:?}"
        );
        let fine = pair(0, 5);
        assert_eq!(
            folder.control(code, &fine, 64),
            Err(NtStatus::INVALID_PARAMETER)
        );
    }
    let small = file.control(Fsctl::QUERY_ALLOCATED_RANGES, &pair(0, 100), 15);
    assert_eq!(small, Err(NtStatus::BUFFER_TOO_SMALL));
    assert_eq!(file.contents(), [1; 100]);
}

fn unknown_codes_are_refused(volume: &Volume) {
    let file = volume.file("file", b"");
    for code in [
        Fsctl(0x0009_FFFF),
        Fsctl::PIPE_PEEK,
        Fsctl::GET_NTFS_VOLUME_DATA,
    ] {
        let refused = file.control(code, &[], 4096);
        assert_eq!(refused, Err(NtStatus::INVALID_DEVICE_REQUEST));
    }
}

/// Offsets and lengths of the allocated ranges.
fn ranges(file: &File, from: u64, length: u64) -> Vec<(u64, u64)> {
    let output = file
        .control(Fsctl::QUERY_ALLOCATED_RANGES, &pair(from, length), 4096)
        .unwrap();
    let numbers = output
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes));
    let numbers: Vec<u64> = numbers.collect();
    numbers.chunks(2).map(|pair| (pair[0], pair[1])).collect()
}

fn pair(first: u64, second: u64) -> Vec<u8> {
    [first.to_le_bytes(), second.to_le_bytes()].concat()
}
