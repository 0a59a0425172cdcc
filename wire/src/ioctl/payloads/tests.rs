use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::testing::unhex;

fn written(write: impl FnOnce(&mut Writer<'_>)) -> BytesMut {
    let mut out = BytesMut::new();
    write(&mut Writer::new(&mut out));
    out
}

#[test]
fn a_validation_is_what_was_negotiated() {
    let request = ValidateNegotiateInfoRequest {
        capabilities: Capabilities::LEASING,
        guid: Guid([9; 16]),
        security_mode: SecurityMode::SIGNING_ENABLED,
        dialects: vec![Dialect::SMB_2_1, Dialect::SMB_3_0],
    };
    let bytes = unhex("02000000 09090909090909090909090909090909 0100 0200 1002 0003");
    assert_eq!(written(|out| request.encode(out))[..], bytes);
    assert_eq!(ValidateNegotiateInfoRequest::decode(&bytes), Ok(request));
    assert!(ValidateNegotiateInfoRequest::decode(&bytes[..27]).is_err());

    let response = ValidateNegotiateInfoResponse {
        capabilities: Capabilities::LEASING,
        guid: Guid([9; 16]),
        security_mode: SecurityMode::SIGNING_ENABLED,
        dialect: Dialect::SMB_3_0,
    };
    let bytes = unhex("02000000 09090909090909090909090909090909 0100 0003");
    assert_eq!(written(|out| response.encode(out))[..], bytes);
    assert_eq!(ValidateNegotiateInfoResponse::decode(&bytes), Ok(response));
}

#[test]
fn a_resume_key_is_followed_by_an_empty_context() {
    let key = ResumeKey([5; 24]);
    let bytes = written(|out| key.encode_response(out));
    assert_eq!(bytes.len(), 32);
    assert_eq!(ResumeKey::decode_response(&bytes), Ok(key));
}

#[test]
fn more_chunks_than_there_are_bytes_for_are_malformed() {
    let chunk = CopyChunk {
        source_offset: 1,
        target_offset: 2,
        length: 3,
    };
    let request = CopyChunkRequest {
        source_key: ResumeKey([5; 24]),
        chunks: vec![chunk; 2],
    };
    let mut bytes = written(|out| request.encode(out));
    assert_eq!(bytes.len(), 32 + 2 * 24);
    assert_eq!(CopyChunkRequest::decode(&bytes), Ok(request));
    bytes[24] = 3;
    assert!(CopyChunkRequest::decode(&bytes).is_err());
    bytes[24..28].fill(0xff);
    assert!(CopyChunkRequest::decode(&bytes).is_err());
}

#[test]
fn small_payloads_survive_the_wire() {
    let response = CopyChunkResponse {
        chunks_written: 1,
        chunk_bytes_written: 2,
        total_bytes_written: 3,
    };
    let bytes = written(|out| response.encode(out));
    assert_eq!(bytes[..], unhex("01000000 02000000 03000000"));
    assert_eq!(CopyChunkResponse::decode(&bytes), Ok(response));

    let request = NetworkResiliencyRequest { timeout_ms: 1000 };
    let bytes = written(|out| request.encode(out));
    assert_eq!(bytes[..], unhex("e8030000 00000000"));
    assert_eq!(NetworkResiliencyRequest::decode(&bytes), Ok(request));
}

#[test]
fn interfaces_are_linked_and_the_last_says_so() {
    let v4 = NetworkInterfaceInfo {
        if_index: 2,
        capability: InterfaceCapability::RSS_CAPABLE,
        link_speed: 10_000_000_000,
        address: Ipv4Addr::new(192, 0, 2, 1).into(),
    };
    let v6 = NetworkInterfaceInfo {
        address: Ipv6Addr::LOCALHOST.into(),
        ..v4
    };
    let bytes = written(|out| NetworkInterfaceInfo::encode_all(&[v4, v6], out));
    assert_eq!(bytes.len(), 2 * NetworkInterfaceInfo::SIZE);
    assert_eq!(
        bytes[..32],
        unhex("98000000 02000000 01000000 00000000 00e40b5402000000 0200 0000 c0000201")
    );
    assert_eq!(bytes[152..156], [0; 4]);
    assert_eq!(NetworkInterfaceInfo::decode_all(&bytes), Ok(vec![v4, v6]));
    assert!(NetworkInterfaceInfo::decode_all(&bytes[..303]).is_err());
}

proptest! {
    #[test]
    fn noise_never_panics(noise: Vec<u8>) {
        let _ = ValidateNegotiateInfoRequest::decode(&noise);
        let _ = ValidateNegotiateInfoResponse::decode(&noise);
        let _ = ResumeKey::decode_response(&noise);
        let _ = CopyChunkRequest::decode(&noise);
        let _ = CopyChunkResponse::decode(&noise);
        let _ = NetworkResiliencyRequest::decode(&noise);
        let _ = NetworkInterfaceInfo::decode_all(&noise);
    }
}
