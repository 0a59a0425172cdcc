use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::FileId;
use crate::fscc::file_info::PipeState;

fn bytes_of(encode: impl FnOnce(&mut Writer<'_>)) -> Bytes {
    let mut bytes = BytesMut::new();
    encode(&mut Writer::new(&mut bytes));
    bytes.freeze()
}

/// Encodes, checks the size, decodes and compares.
macro_rules! survives {
    ($type:ty, $value:expr, $size:expr) => {{
        let value: $type = $value;
        let bytes = bytes_of(|out| value.encode(out));
        assert_eq!(bytes.len(), $size, stringify!($type));
        assert_eq!(<$type>::decode(&bytes), Ok(value));
        assert!(<$type>::decode(&bytes.slice(..bytes.len() - 1 - $size / 8)).is_err());
    }};
}

#[test]
fn every_buffer_has_the_size_of_its_structure_and_survives() {
    survives!(
        AllocatedRange,
        AllocatedRange {
            file_offset: -1,
            length: 2
        },
        16
    );
    survives!(
        ZeroData,
        ZeroData {
            file_offset: 3,
            beyond_final_zero: i64::MIN
        },
        16
    );
    survives!(
        CompressionState,
        CompressionState {
            compression_state: CompressionFormat::LZNT1
        },
        2
    );
    survives!(
        TrimResponse,
        TrimResponse {
            num_ranges_processed: 1
        },
        4
    );
    let range = TrimRange {
        offset: 1,
        length: 2,
    };
    survives!(
        TrimRequest,
        TrimRequest {
            key: 0,
            ranges: vec![range; 2]
        },
        40
    );
    let chunk = CopyChunk {
        source_offset: 1,
        target_offset: 2,
        length: 3,
    };
    let source_key = ResumeKey([7; 24]);
    survives!(
        CopyChunkRequest,
        CopyChunkRequest {
            source_key,
            chunks: vec![chunk; 3]
        },
        32 + 72
    );
    survives!(
        ResumeKeyResponse,
        ResumeKeyResponse {
            resume_key: source_key
        },
        32
    );
    let copied = CopyChunkResponse {
        chunks_written: 256,
        chunk_bytes_written: 1,
        total_bytes_written: 2,
    };
    survives!(CopyChunkResponse, copied, 12);
}

#[test]
fn requests_to_share_extents_survive() {
    let [source_file_offset, target_file_offset, byte_count] = [4096, 8192, 12_288];
    let source_file_id = FileId {
        persistent: 1,
        volatile: 2,
    };
    let extents = DuplicateExtents {
        source_file_id,
        source_file_offset,
        target_file_offset,
        byte_count,
    };
    survives!(DuplicateExtents, extents, 40);
    let extents_ex = DuplicateExtentsEx {
        structure_size: 0x30,
        source_file_id,
        source_file_offset,
        target_file_offset,
        byte_count,
        flags: DuplicateExtentsFlags::SOURCE_ATOMIC,
    };
    survives!(DuplicateExtentsEx, extents_ex, 56);
}

#[test]
fn integrity_object_id_pipe_and_negotiation_survive() {
    let checksum_algorithm = ChecksumAlgorithm::CRC64;
    let flags = IntegrityFlags::CHECKSUM_ENFORCEMENT_OFF;
    let integrity = IntegrityInformation {
        checksum_algorithm,
        flags,
        checksum_chunk_size_in_bytes: 4096,
        cluster_size_in_bytes: 65_536,
    };
    survives!(IntegrityInformation, integrity, 16);
    survives!(
        SetIntegrityInformation,
        SetIntegrityInformation {
            checksum_algorithm,
            flags
        },
        8
    );
    let [object_id, birth_volume_id, birth_object_id, domain_id] =
        [1, 2, 3, 0].map(|byte| Guid([byte; 16]));
    let id = ObjectIdBuffer {
        object_id,
        birth_volume_id,
        birth_object_id,
        domain_id,
    };
    survives!(ObjectIdBuffer, id, 64);
    survives!(
        PipeWaitRequest,
        PipeWaitRequest {
            timeout: Some(5),
            name: "srvsvc".into()
        },
        26
    );
    survives!(
        PipeWaitRequest,
        PipeWaitRequest {
            timeout: None,
            name: "x".into()
        },
        16
    );
    let request = ValidateNegotiateRequest {
        capabilities: 1,
        guid: object_id,
        security_mode: 1,
        dialects: vec![0x0202, 0x0302],
    };
    survives!(ValidateNegotiateRequest, request, 28);
    let response = ValidateNegotiateResponse {
        capabilities: 1,
        guid: object_id,
        security_mode: 1,
        dialect: 0x0302,
    };
    survives!(ValidateNegotiateResponse, response, 24);
    let peek = PipePeekResponse {
        named_pipe_state: PipeState::CONNECTED,
        read_data_available: 3,
        number_of_messages: 1,
        message_length: 3,
        data: Bytes::from_static(b"abc"),
    };
    let bytes = bytes_of(|out| peek.encode(out));
    assert_eq!(bytes.len(), PipePeekResponse::FIXED_SIZE + 3);
    assert_eq!(PipePeekResponse::decode(&bytes), Ok(peek));
}

#[test]
fn interfaces_are_laid_out_with_their_addresses_in_network_order() {
    let interface = |if_index, address| NetworkInterface {
        if_index,
        capability: InterfaceCapability::RSS_CAPABLE,
        link_speed: 10_000_000_000,
        address,
    };
    let list = [
        interface(1, IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        interface(2, IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let bytes = bytes_of(|out| assert_eq!(NetworkInterface::encode_list(&list, out, 1000), 2));
    assert_eq!(bytes.len(), 2 * NetworkInterface::SIZE);
    assert_eq!(bytes[..4], [152, 0, 0, 0]);
    assert_eq!(bytes[24..32], [2, 0, 0, 0, 192, 0, 2, 1]);
    assert_eq!(bytes[152..156], [0; 4]);
    assert_eq!((bytes[152 + 24], bytes[152 + 24 + 8 + 15]), (0x17, 1));
    assert_eq!(NetworkInterface::decode_list(&bytes), Ok(list.to_vec()));
    bytes_of(|out| assert_eq!(NetworkInterface::encode_list(&list, out, 303), 1));
}

// test [MS-SMB2] 2.2.32.2
#[test]
fn snapshots_are_all_listed_or_only_counted() {
    let version = || Utf16String::from("@GMT-2026.11.21-00.00.00");
    let array = SnapshotArray::new(vec![version(), version()]);
    let whole = bytes_of(|out| array.encode(out, 1000));
    assert_eq!(whole.len(), 12 + 2 * 50 + 2);
    assert_eq!(SnapshotArray::decode(&whole), Ok(array.clone()));
    let counted = bytes_of(|out| array.encode(out, 113));
    assert_eq!(
        &counted[..],
        &[2, 0, 0, 0, 0, 0, 0, 0, 102, 0, 0, 0, 0, 0, 0, 0]
    );
    let none = bytes_of(|out| SnapshotArray::default().encode(out, SnapshotArray::MINIMUM_OUTPUT));
    assert_eq!(none.len(), SnapshotArray::MINIMUM_OUTPUT);
    assert_eq!(SnapshotArray::decode(&none), Ok(SnapshotArray::default()));
}

// test [MS-FSCC] 2.3.83
#[test]
fn set_sparse_without_a_buffer_means_sparse() {
    assert!(decode_set_sparse(&[]) && decode_set_sparse(&[2]));
    assert!(!decode_set_sparse(&[0]));
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes: Vec<u8>) {
        let _ = AllocatedRange::decode(&bytes);
        let _ = TrimRequest::decode(&bytes);
        let _ = SnapshotArray::decode(&bytes);
        let _ = ResumeKeyResponse::decode(&bytes);
        let _ = CopyChunkRequest::decode(&bytes);
        let _ = DuplicateExtentsEx::decode(&bytes);
        let _ = ValidateNegotiateRequest::decode(&bytes);
        let _ = NetworkInterface::decode_list(&bytes);
        let _ = PipeWaitRequest::decode(&bytes);
        let _ = PipePeekResponse::decode(&Bytes::from(bytes));
    }
}
