use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

/// Each class with the offset of its name.
const CLASSES: [(FileInfoClass, usize); 11] = [
    (FileInfoClass::DIRECTORY, 64),
    (FileInfoClass::FULL_DIRECTORY, 68),
    (FileInfoClass::BOTH_DIRECTORY, 94),
    (FileInfoClass::NAMES, 12),
    (FileInfoClass::ID_BOTH_DIRECTORY, 104),
    (FileInfoClass::ID_FULL_DIRECTORY, 80),
    (FileInfoClass::ID_EXTD_DIRECTORY, 88),
    (FileInfoClass::ID_64_EXTD_DIRECTORY, 80),
    (FileInfoClass::ID_64_EXTD_BOTH_DIRECTORY, 106),
    (FileInfoClass::ID_ALL_EXTD_DIRECTORY, 96),
    (FileInfoClass::ID_ALL_EXTD_BOTH_DIRECTORY, 122),
];

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn entry<'a>(file_name: &'a [u16], short_name: &'a [u16]) -> DirectoryEntry<'a> {
    DirectoryEntry {
        file_index: 1,
        creation_time: FileTime(2),
        last_access_time: FileTime(3),
        last_write_time: FileTime(4),
        change_time: FileTime(5),
        end_of_file: 6,
        allocation_size: 4096,
        file_attributes: FileAttributes::ARCHIVE,
        ea_size: 7,
        reparse_point_tag: ReparseTag::NONE,
        file_id: 8,
        file_id_128: [9; 16],
        short_name,
        file_name,
    }
}

/// Encodes entries into `room` bytes; gives what became of each.
fn list(
    class: FileInfoClass,
    room: usize,
    entries: &[DirectoryEntry<'_>],
) -> (Vec<Option<Fit>>, BytesMut) {
    let mut bytes = BytesMut::from(&b"before"[..]);
    let mut out = Writer::new(&mut bytes);
    out.u8(0);
    let mut encoder = DirectoryEncoder::new(class, &out, room).unwrap();
    let fits = entries
        .iter()
        .map(|entry| encoder.push(&mut out, entry))
        .collect();
    let bytes = bytes.split_off(7);
    assert!(bytes.len() <= room);
    (fits, bytes)
}

#[test]
fn every_class_shows_the_fields_it_has() {
    let (long, short) = (units("long file name.text"), units("LONGFI~1.TEX"));
    let entry = entry(&long, &short);
    for (class, name_offset) in CLASSES {
        let (fits, bytes) = list(class, 65_535, &[entry, entry]);
        assert_eq!(fits, [Some(Fit::Whole); 2]);
        let next = (name_offset + 2 * long.len()).next_multiple_of(8);
        assert_eq!(
            bytes[..4],
            u32::try_from(next).unwrap().to_le_bytes(),
            "{class:?}"
        );
        let at = next + name_offset;
        assert_eq!(
            Utf16String::decode(&bytes[at..]).unwrap().as_units(),
            long,
            "{class:?}"
        );

        let listed = decode_listing(class, &bytes).unwrap();
        assert_eq!(listed[0], listed[1]);
        let shown = listed[0].entry;
        assert_eq!(shown.file_index, 1);
        assert!([6, 0].contains(&shown.end_of_file) && [8, 0].contains(&shown.file_id));
        assert_eq!(
            shown.file_attributes.is_empty(),
            class == FileInfoClass::NAMES
        );
        let has_short = matches!(name_offset, 94 | 104 | 106 | 122);
        assert_eq!(
            listed[0].short_name.as_units() == short,
            has_short,
            "{class:?}"
        );
        assert_eq!(
            shown.file_id_128 == [9; 16],
            matches!(name_offset, 88 | 96 | 122)
        );
        assert_eq!(shown.ea_size == 7, name_offset > 64, "{class:?}");
    }
}

#[test]
fn id_both_directory_information_is_laid_out_as_specified() {
    let (long, short) = (units("ab"), units("A~1"));
    let (_, bytes) = list(
        FileInfoClass::ID_BOTH_DIRECTORY,
        200,
        &[entry(&long, &short)],
    );
    let mut expected = vec![0, 0, 0, 0, 1, 0, 0, 0];
    for number in [2_u64, 3, 4, 5, 6, 4096] {
        expected.extend(number.to_le_bytes());
    }
    expected.extend([0x20, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 6, 0]);
    expected.extend([b'A', 0, b'~', 0, b'1', 0]);
    expected.extend([0; 18 + 2]);
    expected.extend(8_u64.to_le_bytes());
    expected.extend([b'a', 0, b'b', 0]);
    assert_eq!(&bytes[..], &expected);
}

#[test]
fn a_reparse_point_shows_its_tag() {
    let name = units("link");
    let attributes = FileAttributes::REPARSE_POINT;
    let tag = ReparseTag::SYMLINK;
    let link = DirectoryEntry {
        file_attributes: attributes,
        reparse_point_tag: tag,
        ..entry(&name, &[])
    };
    for (class, name_offset) in CLASSES {
        if name_offset > 64 {
            let (_, bytes) = list(class, 200, &[link]);
            let shown = decode_listing(class, &bytes).unwrap()[0].entry;
            assert_eq!(shown.reparse_point_tag, tag, "{class:?}");
        }
    }
}

#[test]
fn an_entry_that_does_not_fit_is_left_for_the_next_reply() {
    let name = units("12345678");
    let entry = entry(&name, &[]);
    // Each entry takes 28 bytes, and begins at a multiple of 8.
    let (fits, bytes) = list(FileInfoClass::NAMES, 59, &[entry, entry]);
    assert_eq!((fits, bytes.len()), (vec![Some(Fit::Whole), None], 28));
    let (fits, bytes) = list(FileInfoClass::NAMES, 60, &[entry, entry]);
    assert_eq!((fits, bytes.len()), (vec![Some(Fit::Whole); 2], 60));
}

#[test]
fn the_name_of_a_first_entry_is_cut_to_the_room() {
    let name = units("12345678");
    let (fits, bytes) = list(FileInfoClass::NAMES, 17, &[entry(&name, &[])]);
    assert_eq!((fits, bytes.len()), (vec![Some(Fit::Part)], 16));
    assert_eq!(bytes[8..], [16, 0, 0, 0, b'1', 0, b'2', 0]);
}

#[test]
fn a_listing_needs_room_for_one_fixed_part_and_a_class_for_listings() {
    for (class, name_offset) in CLASSES {
        let mut bytes = BytesMut::new();
        let out = Writer::new(&mut bytes);
        let begin = |room| DirectoryEncoder::new(class, &out, room).map(|_| ());
        assert_eq!(begin(name_offset - 1), Err(NtStatus::INFO_LENGTH_MISMATCH));
        assert_eq!(begin(name_offset), Ok(()));
        let other = DirectoryEncoder::new(FileInfoClass::BASIC, &out, 1000).map(|_| ());
        assert_eq!(other, Err(NtStatus::INVALID_INFO_CLASS));
    }
}

#[test]
fn an_overlong_short_name_is_cut_to_its_field() {
    let (name, short) = (units("a"), units("1234567890123"));
    let (_, bytes) = list(FileInfoClass::BOTH_DIRECTORY, 200, &[entry(&name, &short)]);
    let listed = decode_listing(FileInfoClass::BOTH_DIRECTORY, &bytes).unwrap();
    assert_eq!(listed[0].short_name.to_string(), "123456789012");
}

proptest! {
    #[test]
    fn listings_survive(
        names in prop::collection::vec(prop::collection::vec(any::<u16>(), 0..260), 0..6),
        room in 122..4000_usize,
    ) {
        for (class, _) in CLASSES {
            let entries: Vec<_> = names.iter().map(|name| entry(name, &[])).collect();
            let (fits, bytes) = list(class, room, &entries);
            let listed = decode_listing(class, &bytes);
            if fits.first() != Some(&Some(Fit::Part)) {
                let listed = listed.unwrap();
                let listed = listed.iter().map(|one| one.file_name.as_units());
                let whole = names.iter().zip(fits).filter(|(_, fit)| fit.is_some());
                prop_assert!(listed.eq(whole.map(|(name, _)| &name[..])));
            }
        }
    }

    #[test]
    fn decoding_never_panics(bytes: Vec<u8>) {
        for (class, _) in CLASSES {
            let _ = decode_listing(class, &bytes);
        }
    }
}
