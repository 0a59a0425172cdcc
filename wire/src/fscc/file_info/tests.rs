use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::dtyp::{AccessMask, FileTime};
use crate::fscc::{FileAttributes, ReparseTag};

/// Encodes into `room` bytes and checks that it stays within.
fn encode(info: &FileInformation, room: usize) -> (Result<Fit, NtStatus>, BytesMut) {
    let mut bytes = BytesMut::from(&b"before"[..]);
    let result = info.encode(&mut Writer::new(&mut bytes), room);
    let bytes = bytes.split_off(6);
    assert!(bytes.len() <= room, "{info:?} in {room}");
    (result, bytes)
}

fn encode_set(change: &SetFileInformation) -> BytesMut {
    let mut bytes = BytesMut::new();
    change.encode(&mut Writer::new(&mut bytes));
    bytes
}

fn ea(name: &str, value: &str) -> FullEa {
    FullEa {
        flags: EaFlags::NONE,
        name: name.into(),
        value: value.into(),
    }
}

fn stream(name: &str, size: u64) -> StreamInformation {
    StreamInformation {
        stream_size: size,
        stream_allocation_size: 4096,
        stream_name: name.into(),
    }
}

const ATTRIBUTES: FileAttributes = FileAttributes::ARCHIVE.with(FileAttributes::HIDDEN);

/// FileAllInformation with a value in each field.
fn all() -> AllInformation {
    AllInformation {
        basic: BasicInformation {
            creation_time: FileTime(1),
            last_access_time: FileTime(2),
            last_write_time: FileTime(3),
            change_time: FileTime(4),
            file_attributes: ATTRIBUTES,
        },
        standard: StandardInformation {
            allocation_size: 4096,
            end_of_file: 5,
            number_of_links: 2,
            delete_pending: true,
            directory: false,
        },
        internal: InternalInformation { index_number: 6 },
        ea: EaInformation { ea_size: 7 },
        access: AccessInformation {
            access_flags: AccessMask::DELETE,
        },
        position: PositionInformation {
            current_byte_offset: 8,
        },
        mode: ModeInformation {
            mode: FileMode::WRITE_THROUGH,
        },
        alignment: AlignmentInformation {
            alignment_requirement: 1,
        },
        name: "\\dir\\file.txt".into(),
    }
}

fn pipe_local() -> PipeLocalInformation {
    PipeLocalInformation {
        named_pipe_type: PipeType::MESSAGE,
        named_pipe_configuration: 2,
        maximum_instances: 1,
        current_instances: 1,
        inbound_quota: 4096,
        read_data_available: 3,
        outbound_quota: 4097,
        write_quota_available: 4098,
        named_pipe_state: PipeState::CONNECTED,
        named_pipe_end: 1,
    }
}

/// One answer of each class, with a value in each field.
fn samples() -> Vec<FileInformation> {
    let all = all();
    vec![
        FileInformation::Access(all.access),
        FileInformation::Alignment(all.alignment),
        FileInformation::AlternateName("FILE~1.TXT".into()),
        FileInformation::AttributeTag(AttributeTagInformation {
            file_attributes: ATTRIBUTES,
            reparse_tag: ReparseTag::SYMLINK,
        }),
        FileInformation::Basic(all.basic),
        FileInformation::Compression(CompressionInformation {
            compressed_file_size: 9,
            compression_format: CompressionFormat::LZNT1,
            compression_unit_shift: 16,
            chunk_shift: 12,
            cluster_shift: 12,
        }),
        FileInformation::Ea(all.ea),
        FileInformation::FullEa(vec![ea("EAONE", "VALUE1"), ea("SECONDEA", "ValueTwo")]),
        FileInformation::Id(IdInformation {
            volume_serial_number: 10,
            file_id: [11; 16],
        }),
        FileInformation::Internal(all.internal),
        FileInformation::Mode(all.mode),
        FileInformation::NetworkOpen(NetworkOpenInformation {
            creation_time: FileTime(1),
            last_access_time: FileTime(2),
            last_write_time: FileTime(3),
            change_time: FileTime(4),
            allocation_size: 4096,
            end_of_file: 12,
            file_attributes: ATTRIBUTES,
        }),
        FileInformation::NormalizedName("dir\\File.txt".into()),
        FileInformation::Pipe(PipeInformation {
            read_mode: PipeType::MESSAGE,
            completion_mode: 1,
        }),
        FileInformation::PipeLocal(pipe_local()),
        FileInformation::Position(all.position),
        FileInformation::Standard(all.standard),
        FileInformation::Stream(vec![stream("::$DATA", 5), stream(":other:$DATA", 6)]),
        FileInformation::All(Box::new(all)),
    ]
}

#[test]
fn every_answer_decodes_to_what_was_encoded() {
    for info in samples() {
        let (result, bytes) = encode(&info, 65_535);
        assert_eq!(result, Ok(Fit::Whole));
        assert_eq!(
            FileInformation::decode(info.class(), &bytes),
            Some(Ok(info))
        );
    }
}

// test [MS-FSA] 2.1.5.12
#[test]
fn a_small_buffer_is_a_mismatch_below_the_fixed_part_and_an_overflow_above() {
    for info in samples() {
        let whole = encode(&info, 65_535).1.len();
        let minimum = info.class().minimum_query_length().unwrap();
        for room in 0..whole {
            let (result, bytes) = encode(&info, room);
            match result {
                Err(NtStatus::INFO_LENGTH_MISMATCH) => {
                    assert!(room < minimum, "{info:?} in {room}");
                }
                Err(NtStatus::BUFFER_TOO_SMALL) => {
                    assert!(matches!(info, FileInformation::FullEa(_)) && bytes.is_empty());
                }
                result => {
                    assert_eq!(result, Ok(Fit::Part), "{info:?} in {room}");
                    assert!(room >= minimum);
                }
            }
        }
    }
}

#[test]
fn the_name_of_all_information_is_cut_to_whole_units_but_keeps_its_length() {
    let info = samples().pop().unwrap();
    let (result, bytes) = encode(&info, 105);
    assert_eq!(result, Ok(Fit::Part));
    assert_eq!(bytes.len(), 104);
    assert_eq!(&bytes[96..], &[26, 0, 0, 0, b'\\', 0, b'd', 0]);
}

#[test]
fn only_whole_streams_and_attributes_are_listed() {
    let streams = FileInformation::Stream(vec![stream("::$DATA", 5), stream(":other:$DATA", 6)]);
    let (result, bytes) = encode(&streams, 40 + 47);
    assert_eq!((result, bytes.len()), (Ok(Fit::Part), 38));
    let eas = FileInformation::FullEa(vec![ea("EAONE", "VALUE1"), ea("SECONDEA", "ValueTwo")]);
    let (result, bytes) = encode(&eas, 20 + 24);
    assert_eq!((result, bytes.len()), (Ok(Fit::Part), 20));
    assert_eq!(encode(&eas, 20 + 25).0, Ok(Fit::Whole));
}

#[test]
fn an_extended_attribute_is_laid_out_as_specified() {
    let list = [ea("A", "xy"), ea("BC", "")];
    let mut bytes = BytesMut::new();
    assert_eq!(
        FullEa::encode_list(&list, &mut Writer::new(&mut bytes), 100),
        2
    );
    let first = [12, 0, 0, 0, 0, 1, 2, 0, b'A', 0, b'x', b'y'];
    let second = [0, 0, 0, 0, 0, 2, 0, 0, b'B', b'C', 0];
    assert_eq!(&bytes[..], &[&first[..], &second].concat());
    assert_eq!(FullEa::decode_list(&bytes), Ok(list.to_vec()));
    assert_eq!(FullEa::list_size(&list), 23);
    assert!(
        list[0].has_valid_name() && !ea("", "").has_valid_name() && !ea("a=b", "").has_valid_name()
    );
}

#[test]
fn names_of_wanted_attributes_survive() {
    let names = vec![b"ONE".to_vec(), b"SECOND".to_vec()];
    let mut bytes = BytesMut::new();
    encode_ea_names(&names, &mut Writer::new(&mut bytes));
    assert_eq!(decode_ea_names(&bytes), Ok(names));
    assert!(
        decode_ea_names(&[0, 0, 0, 0, 1, b'A', b'B']).is_err(),
        "no terminator"
    );
}

/// One change of each class.
fn changes() -> Vec<SetFileInformation> {
    let flags = RenameFlags::REPLACE_IF_EXISTS;
    let rename = RenameInformation {
        flags,
        root_directory: 0,
        file_name: "new\\name".into(),
    };
    vec![
        SetFileInformation::Allocation(1),
        SetFileInformation::Basic(BasicChange {
            creation_time: TimeChange::Keep,
            last_access_time: TimeChange::Set(FileTime(5)),
            last_write_time: TimeChange::Freeze,
            change_time: TimeChange::Thaw,
            file_attributes: Some(FileAttributes::NORMAL),
        }),
        SetFileInformation::Disposition(true),
        SetFileInformation::DispositionEx(DispositionFlags::DELETE),
        SetFileInformation::EndOfFile(2),
        SetFileInformation::FullEa(vec![ea("A", "")]),
        SetFileInformation::Link(LinkInformation {
            replace_if_exists: true,
            root_directory: 1,
            file_name: "a".into(),
        }),
        SetFileInformation::Mode(FileMode::SEQUENTIAL_ONLY),
        SetFileInformation::Pipe(PipeInformation {
            read_mode: PipeType::MESSAGE,
            completion_mode: 0,
        }),
        SetFileInformation::Position(3),
        SetFileInformation::Rename(rename.clone()),
        SetFileInformation::RenameEx(RenameInformation {
            flags: flags | RenameFlags::POSIX_SEMANTICS,
            ..rename
        }),
        SetFileInformation::ShortName("A".into()),
        SetFileInformation::ValidDataLength(4),
    ]
}

#[test]
fn every_change_decodes_to_what_was_encoded_and_needs_its_whole_structure() {
    for change in changes() {
        let bytes = encode_set(&change);
        let minimum = change.class().minimum_set_length().unwrap();
        assert_eq!(
            SetFileInformation::decode(change.class(), &bytes),
            Ok(change.clone())
        );
        for length in 0..minimum {
            let result = SetFileInformation::decode(change.class(), &bytes[..length]);
            assert_eq!(
                result,
                Err(NtStatus::INFO_LENGTH_MISMATCH),
                "{change:?} of {length}"
            );
        }
    }
}

// test [MS-FSA] 2.1.5.15.2
#[test]
fn times_have_three_special_values_and_nothing_below_them() {
    for (wire, change) in [
        (0, TimeChange::Keep),
        (-1, TimeChange::Freeze),
        (-2, TimeChange::Thaw),
        (1, TimeChange::Set(FileTime(1))),
        (i64::MAX, TimeChange::Set(FileTime::MAX)),
    ] {
        let wire = FileTime(wire as u64);
        assert_eq!(TimeChange::from_wire(wire), Ok(change));
        assert_eq!(change.to_wire(), wire);
    }
    for wire in [-3, i64::MIN] {
        let result = TimeChange::from_wire(FileTime(wire as u64));
        assert_eq!(result, Err(NtStatus::INVALID_PARAMETER));
    }
}

#[test]
fn impossible_changes_are_refused_with_the_status_of_their_class() {
    let refused = |class, bytes: &[u8]| SetFileInformation::decode(class, bytes).unwrap_err();
    for class in [
        FileInfoClass::ALLOCATION,
        FileInfoClass::END_OF_FILE,
        FileInfoClass::POSITION,
        FileInfoClass::VALID_DATA_LENGTH,
    ] {
        assert_eq!(refused(class, &[0xFF; 8]), NtStatus::INVALID_PARAMETER);
    }
    assert_eq!(
        refused(FileInfoClass::STANDARD, &[0; 64]),
        NtStatus::INVALID_INFO_CLASS
    );
    assert_eq!(
        refused(FileInfoClass(200), &[]),
        NtStatus::INVALID_INFO_CLASS
    );
    assert_eq!(
        refused(FileInfoClass::FULL_EA, &[0; 3]),
        NtStatus::EA_LIST_INCONSISTENT
    );
    let mut rename = [0; 24];
    for length in [5, 3] {
        rename[16] = length;
        assert_eq!(
            refused(FileInfoClass::RENAME, &rename),
            NtStatus::INVALID_PARAMETER
        );
    }
}

#[test]
fn any_value_but_zero_is_true() {
    let mut rename = [0; 24];
    rename[0] = 0x40;
    let Ok(SetFileInformation::Rename(rename)) =
        SetFileInformation::decode(FileInfoClass::RENAME, &rename)
    else {
        panic!("a rename to the empty name decodes");
    };
    assert_eq!(rename.flags, RenameFlags::REPLACE_IF_EXISTS);
}

proptest! {
    #[test]
    fn decoding_never_panics_and_what_decodes_survives(class: u8, bytes: Vec<u8>) {
        let class = FileInfoClass(class);
        if let Some(Ok(info)) = FileInformation::decode(class, &bytes) {
            let (result, once) = encode(&info, usize::MAX);
            prop_assert_eq!(result, Ok(Fit::Whole));
            prop_assert_eq!(FileInformation::decode(class, &once), Some(Ok(info)));
        }
        if let Ok(change) = SetFileInformation::decode(class, &bytes) {
            prop_assert_eq!(SetFileInformation::decode(class, &encode_set(&change)), Ok(change));
        }
        let _ = decode_ea_names(&bytes);
    }

    #[test]
    fn lists_survive(
        names in prop::collection::vec("[a-z]{1,20}", 0..5),
        value in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let eas: Vec<FullEa> = names
            .iter()
            .map(|name| FullEa {
                flags: EaFlags::NEED_EA,
                name: name.clone().into(),
                value: value.clone(),
            })
            .collect();
        let streams: Vec<StreamInformation> = names.iter().map(|name| stream(name, 3)).collect();
        for info in [FileInformation::FullEa(eas), FileInformation::Stream(streams)] {
            let (result, bytes) = encode(&info, 65_535);
            prop_assert_eq!(result, Ok(Fit::Whole));
            prop_assert_eq!(FileInformation::decode(info.class(), &bytes), Some(Ok(info)));
        }
    }
}
