use proptest::prelude::*;

use super::*;
use crate::dtyp::Guid;
use crate::testing::{
    any_bytes, any_file_id, any_lease_key, any_name, any_time, check_vector, codec_tests, message,
    unhex,
};
use crate::{LeaseKey, NtStatus};

/// The fixed part of the requests below, up to NameOffset.
const HEAD: &str = "3900 00 00 02000000 0000000000000000 0000000000000000 89001200 00000000 07000000 \
                    01000000 40000000";

fn request(name: &str, contexts: Vec<CreateContext>) -> CreateRequest {
    CreateRequest {
        requested_oplock_level: OplockLevel::NONE,
        impersonation_level: ImpersonationLevel::IMPERSONATION,
        desired_access: AccessMask::from_bits(0x0012_0089),
        file_attributes: FileAttributes::NONE,
        share_access: ShareAccess::READ | ShareAccess::WRITE | ShareAccess::DELETE,
        create_disposition: CreateDisposition::OPEN,
        create_options: CreateOptions::NON_DIRECTORY_FILE,
        name: Utf16String::from(name),
        contexts: contexts.into(),
    }
}

/// Decodes a request without a name whose context chain is these bytes.
fn decode_chain(hex: &str) -> Result<CreateContexts, DecodeError> {
    let length = u32::try_from(unhex(hex).len()).unwrap().swap_bytes();
    let hex = format!("{HEAD} 7800 0000 78000000 {length:08x} {hex} 00");
    CreateRequest::decode(&message(&hex)).map(|request| request.contexts)
}

/// A chain of one context.
fn decode_one(name: &str, data: &str) -> Result<CreateContext, DecodeError> {
    let (name, data) = (unhex(name), unhex(data));
    let data_offset = 16 + name.len().next_multiple_of(8);
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let contexts = decode_chain(&format!(
        "00000000 1000 {:02x}00 0000 {:02x}00 {:02x}000000 {} {} {}",
        name.len(),
        data_offset,
        data.len(),
        hex(&name),
        "00".repeat(data_offset - 16 - name.len()),
        hex(&data),
    ))?;
    assert_eq!(contexts.len(), 1);
    Ok(contexts.iter().next().unwrap().clone())
}

// test [MS-SMB2] 4.5
#[test]
fn a_request_for_a_file_is_as_in_the_example() {
    let request = CreateRequest {
        requested_oplock_level: OplockLevel::BATCH,
        file_attributes: FileAttributes::from_bits(0x80),
        share_access: ShareAccess::READ | ShareAccess::WRITE,
        create_options: CreateOptions::NON_DIRECTORY_FILE | CreateOptions::SYNCHRONOUS_IO_NONALERT,
        ..request("testfile.txt", Vec::new())
    };
    check_vector(
        "3900 00 09 02000000 0000000000000000 0000000000000000 89001200 80000000 03000000 01000000 \
         60000000 7800 1800 00000000 00000000 740065007300740066006900 6c0065002e00740078007400",
        &request,
    );
}

// test [MS-SMB2] 4.9
#[test]
fn a_request_for_a_durable_handle_with_a_lease_is_as_in_the_example() {
    let key = |guid: &str| LeaseKey(guid.parse::<Guid>().unwrap().0);
    let durable = CreateContext::DurableHandleRequestV2 {
        timeout_ms: 0,
        flags: DurableHandleFlags::NONE,
        create_guid: "33AA3970-EF1A-60A4-4BF1-11F5F9FBBFDB".parse().unwrap(),
    };
    let lease = LeaseContext {
        lease_key: key("5A0E33E0-478A-9FA7-4286-B52390B5857B"),
        lease_state: LeaseState::from_bits(7),
        lease_flags: LeaseFlags::PARENT_LEASE_KEY_SET,
        v2: Some(LeaseContextV2 {
            parent_lease_key: key("5B4F4EAD-B0E6-B997-4222-50FADEC1FD86"),
            epoch: 0,
        }),
    };
    let contexts = vec![durable, CreateContext::RequestLease(lease)];
    let request = CreateRequest {
        requested_oplock_level: OplockLevel::LEASE,
        desired_access: AccessMask::from_bits(0x0012_019f),
        file_attributes: FileAttributes::from_bits(0x20),
        create_disposition: CreateDisposition::OPEN_IF,
        ..request("Replay.txt", contexts)
    };
    check_vector(
        "3900 00 ff 02000000 0000000000000000 0000000000000000 9f011200 20000000 07000000 03000000 \
         40000000 7800 1400 90000000 84000000 5200650070006c00610079002e00740078007400 00000000 \
         38000000 1000 0400 0000 1800 20000000 44483251 00000000 \
         00000000 00000000 0000000000000000 7039aa331aefa4604bf111f5f9fbbfdb \
         00000000 1000 0400 0000 1800 34000000 52714c73 00000000 \
         e0330e5a8a47a79f4286b52390b5857b 07000000 04000000 0000000000000000 \
         ad4e4f5be6b097b9422250fadec1fd86 0000 0000",
        &request,
    );
}

// test [MS-SMB2] 2.2.13
#[test]
fn a_request_for_the_root_has_one_byte_in_its_buffer() {
    let root = format!("{HEAD} 7800 0000 00000000 00000000");
    check_vector(&format!("{root} 00"), &request("", Vec::new()));
    assert!(CreateRequest::decode(&message(&root)).is_err());
}

// test [MS-SMB2] 3.3.5.9
#[test]
fn names_that_are_odd_or_out_of_place_are_malformed() {
    let with = |offset: &str, length: &str| {
        CreateRequest::decode(&message(&format!(
            "{HEAD} {offset} {length} 00000000 00000000 61006200"
        )))
    };
    assert_eq!(with("7800", "0400").unwrap().name, Utf16String::from("ab"));
    assert_eq!(with("7a00", "0200").unwrap().name, Utf16String::from("b"));
    assert_eq!(with("0000", "0000").unwrap().name, Utf16String::new());
    for (offset, length) in [
        ("7800", "0300"),
        ("7800", "0600"),
        ("7600", "0400"),
        ("ffff", "ffff"),
    ] {
        assert_eq!(with(offset, length).unwrap_err().what, "CREATE name");
    }
}

// test [MS-SMB2] 2.2.13.2
#[test]
fn contexts_are_linked_at_multiples_of_eight() {
    let contexts = vec![
        CreateContext::QueryMaximalAccess { timestamp: None },
        CreateContext::AllocationSize(0x1000),
        CreateContext::QueryOnDiskId,
    ];
    check_vector(
        &format!(
            "{HEAD} 7800 0200 80000000 4c000000 6100 000000000000 \
             18000000 1000 0400 0000 0000 00000000 4d784163 00000000 \
             20000000 1000 0400 0000 1800 08000000 416c5369 00000000 0010000000000000 \
             00000000 1000 0400 0000 0000 00000000 51466964"
        ),
        &request("a", contexts),
    );
}

// test [MS-SMB2] 2.2.13.2
#[test]
fn chains_that_break_a_rule_are_malformed() {
    let good = "00000000 1000 0400 0000 1800 08000000 416c5369 00000000 0010000000000000";
    assert!(decode_chain(good).is_ok());
    for (what, from, to) in [
        ("Next leads out", "00000000 1000", "20000000 1000"),
        ("Next is misaligned", "00000000 1000", "12000000 1000"),
        ("Next leads into the head", "00000000 1000", "08000000 1000"),
        ("the name is too short", "1000 0400", "1000 0300"),
        ("the name leads out", "1000 0400", "1000 1900"),
        ("the name is in the head", "1000 0400", "0800 0400"),
        ("the name is misaligned", "1000 0400", "1100 0400"),
        ("the data lead out", "1800 08000000", "1800 09000000"),
        ("the data lead far out", "1800 08000000", "1800 ffffffff"),
        ("the data are in the head", "1800 08000000", "0800 08000000"),
        ("the data are misaligned", "1800 08000000", "1700 08000000"),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(decode_chain(&bad).is_err(), "{what}");
    }
    let head_only = "00000000 1000 0400 0000 1800 0800";
    assert!(decode_chain(head_only).is_err());
}

#[test]
fn a_chain_that_is_misaligned_or_out_of_place_is_malformed() {
    let with = |offset: &str| {
        let hex = format!(
            "{HEAD} 7800 0000 {offset} 18000000 \
             00000000 1000 0400 0000 0000 00000000 51466964 00000000 0000000000000000"
        );
        CreateRequest::decode(&message(&hex)).map(|request| request.contexts.len())
    };
    assert_eq!(with("78000000"), Ok(1));
    for offset in ["70000000", "79000000", "88000000", "ffffffff"] {
        assert!(with(offset).is_err(), "{offset}");
    }
}

#[test]
fn the_offset_of_empty_data_is_ignored() {
    let chain = "00000000 1000 0400 0000 ff07 00000000 51466964";
    assert_eq!(
        decode_chain(chain).unwrap(),
        vec![CreateContext::QueryOnDiskId].into()
    );
}

// test [MS-SMB2] 3.3.5.9
#[test]
fn known_contexts_must_have_the_size_of_their_structure() {
    for (name, size) in [
        ("44486e51", 16),
        ("44486e43", 16),
        ("416c5369", 8),
        ("4d784163", 8),
        ("54577270", 8),
        ("52714c73", 32),
        ("52714c73", 52),
        ("44483251", 32),
        ("44483243", 36),
    ] {
        assert!(
            decode_one(name, &"00".repeat(size)).is_ok(),
            "{name} {size}"
        );
        assert!(
            decode_one(name, &"00".repeat(size + 1)).is_err(),
            "{name} {size}"
        );
        assert!(
            decode_one(name, &"00".repeat(size - 1)).is_err(),
            "{name} {size}"
        );
    }
}

// test [MS-SMB2] 2.2.13.2.13
#[test]
fn contexts_named_by_a_guid_are_read_in_network_order() {
    let id = "11".repeat(16);
    let name = "45BCA66AEFA7F74A9008FA462E144D74";
    assert_eq!(
        decode_one(name, &format!("1400 0000 {id}")),
        Ok(CreateContext::AppInstanceId(Guid([0x11; 16])))
    );
    assert!(decode_one(name, &format!("1500 0000 {id}")).is_err());
    assert_eq!(
        decode_one(
            "B982D0B73B56074FA07B524A8116A010",
            "1800 0000 00000000 0100000000000000 0200000000000000"
        ),
        Ok(CreateContext::AppInstanceVersion { high: 1, low: 2 })
    );
    let posix = "93AD25509CB411E7B42383DE968BCD7C";
    assert_eq!(
        decode_one(posix, "a4010000"),
        Ok(CreateContext::Posix { mode: 0o644 })
    );
    assert!(matches!(
        decode_one(posix, "a401"),
        Ok(CreateContext::Unknown { .. })
    ));
}

// test [MS-SMB2] 2.2.13.2.10
#[test]
fn the_size_of_a_lease_context_tells_its_version() {
    let v1 = format!("{} 07000000 00000000 0000000000000000", "ab".repeat(16));
    let v2 = format!("{v1} {} 0500 0000", "cd".repeat(16));
    let lease = LeaseContext {
        lease_key: LeaseKey([0xab; 16]),
        lease_state: LeaseState::READ_CACHING
            | LeaseState::HANDLE_CACHING
            | LeaseState::WRITE_CACHING,
        lease_flags: LeaseFlags::NONE,
        v2: None,
    };
    assert_eq!(
        decode_one("52714c73", &v1),
        Ok(CreateContext::RequestLease(lease))
    );
    let parent = LeaseContextV2 {
        parent_lease_key: LeaseKey([0xcd; 16]),
        epoch: 5,
    };
    let lease = LeaseContext {
        v2: Some(parent),
        ..lease
    };
    assert_eq!(
        decode_one("52714c73", &v2),
        Ok(CreateContext::RequestLease(lease))
    );
}

#[test]
fn contexts_are_found_by_what_they_are() {
    let lease = LeaseContext {
        lease_key: LeaseKey([1; 16]),
        lease_state: LeaseState::NONE,
        lease_flags: LeaseFlags::NONE,
        v2: None,
    };
    let contexts: CreateContexts = [
        CreateContext::QueryOnDiskId,
        CreateContext::RequestLease(lease),
    ]
    .into_iter()
    .collect();
    assert!(contexts.contains(&CreateContext::QueryOnDiskId));
    assert_eq!(contexts.lease(), Some(&lease));
    assert_eq!(CreateContexts::default().lease(), None);
}

// test [MS-SMB2] 2.2.14
#[test]
fn a_response_with_contexts_is_its_fields_in_order() {
    let response = CreateResponse {
        oplock_level: OplockLevel::BATCH,
        flags: CreateResponseFlags::NONE,
        create_action: CreateAction::OPENED,
        creation_time: FileTime(1),
        last_access_time: FileTime(2),
        last_write_time: FileTime(3),
        change_time: FileTime(4),
        allocation_size: 5,
        end_of_file: 6,
        file_attributes: FileAttributes::from_bits(0x20),
        file_id: FileId {
            persistent: 7,
            volatile: 8,
        },
        contexts: vec![CreateResponseContext::MaximalAccess {
            query_status: NtStatus::SUCCESS,
            maximal_access: AccessMask::from_bits(0x001f_01ff),
        }],
    };
    let fixed = "5900 09 00 01000000 0100000000000000 0200000000000000 0300000000000000 \
                 0400000000000000 0500000000000000 0600000000000000 20000000 00000000 \
                 0700000000000000 0800000000000000";
    check_vector(
        &format!(
            "{fixed} 98000000 20000000 \
             00000000 1000 0400 0000 1800 08000000 4d784163 00000000 00000000 ff011f00"
        ),
        &response,
    );
    check_vector(
        &format!("{fixed} 00000000 00000000"),
        &CreateResponse {
            contexts: Vec::new(),
            ..response
        },
    );
}

fn any_lease() -> impl Strategy<Value = LeaseContext> {
    let v2 = (any_lease_key(), any::<u16>()).prop_map(|(parent_lease_key, epoch)| LeaseContextV2 {
        parent_lease_key,
        epoch,
    });
    (any_lease_key(), any::<(u32, u32)>(), prop::option::of(v2)).prop_map(
        |(lease_key, (state, flags), v2)| LeaseContext {
            lease_key,
            lease_state: LeaseState::from_bits(state),
            lease_flags: LeaseFlags::from_bits(flags),
            v2,
        },
    )
}

fn any_unknown_name() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(0x80_u8.., 4..20).prop_map(Bytes::from)
}

fn any_guid() -> impl Strategy<Value = Guid> {
    any::<[u8; 16]>().prop_map(Guid)
}

mod requests {
    use super::*;

    fn any_context() -> impl Strategy<Value = CreateContext> {
        let durable_v2 =
            (any::<(u32, u32)>(), any_guid()).prop_map(|((timeout_ms, flags), create_guid)| {
                CreateContext::DurableHandleRequestV2 {
                    timeout_ms,
                    flags: DurableHandleFlags::from_bits(flags),
                    create_guid,
                }
            });
        let reconnect_v2 =
            (any_file_id(), any_guid(), any::<u32>()).prop_map(|(file_id, create_guid, flags)| {
                CreateContext::DurableHandleReconnectV2 {
                    file_id,
                    create_guid,
                    flags: DurableHandleFlags::from_bits(flags),
                }
            });
        prop_oneof![
            any_bytes().prop_map(CreateContext::EaBuffer),
            any_bytes().prop_map(CreateContext::SdBuffer),
            Just(CreateContext::DurableHandleRequest),
            any_file_id().prop_map(|file_id| CreateContext::DurableHandleReconnect { file_id }),
            any::<u64>().prop_map(CreateContext::AllocationSize),
            prop::option::of(any_time())
                .prop_map(|timestamp| CreateContext::QueryMaximalAccess { timestamp }),
            any_time().prop_map(CreateContext::TimewarpToken),
            Just(CreateContext::QueryOnDiskId),
            any_lease().prop_map(CreateContext::RequestLease),
            durable_v2,
            reconnect_v2,
            any_guid().prop_map(CreateContext::AppInstanceId),
            any::<(u64, u64)>()
                .prop_map(|(high, low)| CreateContext::AppInstanceVersion { high, low }),
            any_bytes().prop_map(CreateContext::SvhdxOpenDevice),
            any::<u32>().prop_map(|mode| CreateContext::Posix { mode }),
            any_bytes().prop_map(CreateContext::Aapl),
            (any_unknown_name(), any_bytes())
                .prop_map(|(name, data)| CreateContext::Unknown { name, data }),
        ]
    }

    fn any_request() -> impl Strategy<Value = CreateRequest> {
        let fixed = any::<(u8, u32, u32, u32, u32, u32, u32)>();
        let contexts = prop::collection::vec(any_context(), 0..5);
        (fixed, any_name(), contexts).prop_map(
            |((oplock, level, access, attributes, share, disposition, options), name, contexts)| {
                CreateRequest {
                    requested_oplock_level: OplockLevel(oplock),
                    impersonation_level: ImpersonationLevel(level),
                    desired_access: AccessMask::from_bits(access),
                    file_attributes: FileAttributes::from_bits(attributes),
                    share_access: ShareAccess::from_bits(share),
                    create_disposition: CreateDisposition(disposition),
                    create_options: CreateOptions::from_bits(options),
                    name,
                    contexts: contexts.into(),
                }
            },
        )
    }

    codec_tests!(CreateRequest, [57], any_request());

    proptest! {
        #[test]
        fn chains_of_noise_never_panic(
            chain in prop::collection::vec(prop_oneof![3 => Just(0_u8), 2 => 0_u8..=0x30, 1 => any::<u8>()], 0..200),
        ) {
            let _ = CreateContexts::decode(&chain.into(), 0x78);
        }
    }
}

mod responses {
    use super::*;

    fn any_context() -> impl Strategy<Value = CreateResponseContext> {
        let durable_v2 = any::<(u32, u32)>().prop_map(|(timeout_ms, flags)| {
            let flags = DurableHandleFlags::from_bits(flags);
            CreateResponseContext::DurableHandleV2 { timeout_ms, flags }
        });
        let maximal_access =
            any::<(u32, u32)>().prop_map(|(status, access)| CreateResponseContext::MaximalAccess {
                query_status: NtStatus(status),
                maximal_access: AccessMask::from_bits(access),
            });
        prop_oneof![
            Just(CreateResponseContext::DurableHandle),
            maximal_access,
            any::<(u64, u64)>().prop_map(|(disk_file_id, volume_id)| {
                CreateResponseContext::OnDiskId {
                    disk_file_id,
                    volume_id,
                }
            }),
            any_lease().prop_map(CreateResponseContext::Lease),
            durable_v2,
            any_bytes().prop_map(CreateResponseContext::SvhdxOpenDevice),
            any_bytes().prop_map(CreateResponseContext::Posix),
            any_bytes().prop_map(CreateResponseContext::Aapl),
            (any_unknown_name(), any_bytes())
                .prop_map(|(name, data)| CreateResponseContext::Unknown { name, data }),
        ]
    }

    fn any_response() -> impl Strategy<Value = CreateResponse> {
        let fixed = any::<(u8, u8, u32, u64, u64, u32)>();
        let times = (any_time(), any_time(), any_time(), any_time());
        let contexts = prop::collection::vec(any_context(), 0..4);
        (fixed, times, any_file_id(), contexts).prop_map(
            |((oplock, flags, action, allocation, end, attributes), times, file_id, contexts)| {
                CreateResponse {
                    oplock_level: OplockLevel(oplock),
                    flags: CreateResponseFlags::from_bits(flags),
                    create_action: CreateAction(action),
                    creation_time: times.0,
                    last_access_time: times.1,
                    last_write_time: times.2,
                    change_time: times.3,
                    allocation_size: allocation,
                    end_of_file: end,
                    file_attributes: FileAttributes::from_bits(attributes),
                    file_id,
                    contexts,
                }
            },
        )
    }

    codec_tests!(CreateResponse, [89], any_response());
}
