//! NEGOTIATE, [MS-SMB2] 2.2.3 and 2.2.4.
//!
//! This module reads and writes the offers; which of them is taken is the server's choice.

use bytes::Bytes;

use crate::dtyp::{FileTime, Guid};
use crate::flags::{wire_flags, wire_values};
use crate::reader::slice;
use crate::{Decode, DecodeError, Encode, Reader, Writer};

mod contexts;

pub use contexts::{
    Cipher, CompressionAlgorithm, CompressionCapabilities, CompressionFlags, HashAlgorithm,
    NegotiateContext, NegotiateContextType, PreauthIntegrityCapabilities, RdmaTransformId,
    SigningAlgorithm, TransportCapabilities,
};

/// What the client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiateRequest {
    // DialectCount (2 bytes).
    /// Whether the client requires signing.
    pub security_mode: SecurityMode,
    // Reserved (2 bytes).
    /// What the client can do; 3.x only.
    pub capabilities: Capabilities,
    /// Identifies the client.
    pub client_guid: Guid,
    // NegotiateContextOffset (4 bytes), NegotiateContextCount (2 bytes), Reserved2 (2 bytes); the
    // unused ClientStartTime (8 bytes) where the dialects do not include 3.1.1.
    /// The dialects that the client speaks, none of them necessarily known; may be empty.
    pub dialects: Vec<Dialect>,
    /// Further offers; empty where the dialects do not include 3.1.1.
    pub contexts: Vec<NegotiateContext>,
}

impl Decode for NegotiateRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("NEGOTIATE request", message, REQUEST_SIZE)?;
        let dialect_count = body.size16()?;
        let security_mode = SecurityMode::from_bits(body.u16()?);
        body.skip(2)?;
        let capabilities = Capabilities::from_bits(body.u32()?);
        let client_guid = Guid(body.array()?);
        let (context_offset, context_count) = (body.size32()?, body.size16()?);
        body.skip(2)?;
        let dialects: Vec<_> = body
            .items(dialect_count)?
            .map(|dialect| Dialect(u16::from_le_bytes(*dialect)))
            .collect();
        // [MS-SMB2] 2.2.3
        let contexts = if dialects.contains(&Dialect::SMB_3_1_1) {
            contexts::decode_list(message, body.position(), context_offset, context_count)?
        } else {
            Vec::new()
        };
        Ok(Self {
            security_mode,
            capabilities,
            client_guid,
            dialects,
            contexts,
        })
    }
}

impl Encode for NegotiateRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.size16(self.dialects.len());
        out.u16(self.security_mode.bits());
        out.u16(0);
        out.u32(self.capabilities.bits());
        out.bytes(&self.client_guid.0);
        let context_offset = out.reserve_u32();
        out.size16(self.contexts.len());
        out.u16(0);
        for dialect in &self.dialects {
            out.u16(dialect.0);
        }
        contexts::encode_list(out, context_offset, &self.contexts);
    }
}

/// What the server chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NegotiateResponse {
    /// Whether the server requires signing.
    pub security_mode: SecurityMode,
    /// The dialect of the connection, or the wildcard that asks for another NEGOTIATE.
    pub dialect_revision: Dialect,
    // NegotiateContextCount (2 bytes).
    /// Identifies the server.
    pub server_guid: Guid,
    /// What the server can do.
    pub capabilities: Capabilities,
    /// Largest buffer of QUERY_INFO, QUERY_DIRECTORY, SET_INFO and CHANGE_NOTIFY, in bytes.
    pub max_transact_size: u32,
    /// Largest READ, in bytes.
    pub max_read_size: u32,
    /// Largest WRITE, in bytes.
    pub max_write_size: u32,
    /// The server's time.
    pub system_time: FileTime,
    /// When the server started.
    pub server_start_time: FileTime,
    // SecurityBufferOffset (2 bytes), SecurityBufferLength (2 bytes), NegotiateContextOffset (4 bytes).
    /// The server's first token; empty to let the client begin.
    pub security_buffer: Bytes,
    /// Further choices; 3.1.1 only.
    pub contexts: Vec<NegotiateContext>,
}

impl Decode for NegotiateResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("NEGOTIATE response", message, RESPONSE_SIZE)?;
        let security_mode = SecurityMode::from_bits(body.u16()?);
        let dialect_revision = Dialect(body.u16()?);
        let context_count = body.size16()?;
        let server_guid = Guid(body.array()?);
        let capabilities = Capabilities::from_bits(body.u32()?);
        let max_transact_size = body.u32()?;
        let max_read_size = body.u32()?;
        let max_write_size = body.u32()?;
        let system_time = FileTime(body.u64()?);
        let server_start_time = FileTime(body.u64()?);
        let (offset, length) = (body.size16()?, body.size16()?);
        let context_offset = body.size32()?;
        let first = body.position();
        let security_buffer = slice("NEGOTIATE security buffer", message, first, offset, length)?;
        // [MS-SMB2] 2.2.4
        let contexts = if dialect_revision == Dialect::SMB_3_1_1 {
            contexts::decode_list(message, first, context_offset, context_count)?
        } else {
            Vec::new()
        };
        Ok(Self {
            security_mode,
            dialect_revision,
            server_guid,
            capabilities,
            max_transact_size,
            max_read_size,
            max_write_size,
            system_time,
            server_start_time,
            security_buffer,
            contexts,
        })
    }
}

impl Encode for NegotiateResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(RESPONSE_SIZE);
        out.u16(self.security_mode.bits());
        out.u16(self.dialect_revision.0);
        out.size16(self.contexts.len());
        out.bytes(&self.server_guid.0);
        out.u32(self.capabilities.bits());
        out.u32(self.max_transact_size);
        out.u32(self.max_read_size);
        out.u32(self.max_write_size);
        out.u64(self.system_time.0);
        out.u64(self.server_start_time.0);
        out.u16(RESPONSE_BUFFER_OFFSET);
        out.size16(self.security_buffer.len());
        let context_offset = out.reserve_u32();
        out.bytes(&self.security_buffer);
        contexts::encode_list(out, context_offset, &self.contexts);
    }
}

wire_values! {
    /// A revision of the protocol.
    pub struct Dialect: u16 {
        /// SMB 2.0.2.
        const SMB_2_0_2 = 0x0202;
        /// SMB 2.1.
        const SMB_2_1 = 0x0210;
        /// SMB 3.0.
        const SMB_3_0 = 0x0300;
        /// SMB 3.0.2.
        const SMB_3_0_2 = 0x0302;
        /// SMB 3.1.1.
        const SMB_3_1_1 = 0x0311;
        /// Any from 2.1 on: the answer to an SMB1 NEGOTIATE, to be followed by an SMB2 one.
        const WILDCARD = 0x02ff;
    }
}

wire_flags! {
    /// Whether a side signs.
    pub struct SecurityMode: u16 {
        /// It can sign.
        const SIGNING_ENABLED = 0x0001;
        /// It insists on signing.
        const SIGNING_REQUIRED = 0x0002;
    }
}

wire_flags! {
    /// What a side can do.
    pub struct Capabilities: u32 {
        /// Distributed file system.
        const DFS = 0x0000_0001;
        /// Leases.
        const LEASING = 0x0000_0002;
        /// Requests of more than one credit.
        const LARGE_MTU = 0x0000_0004;
        /// Several connections for one session.
        const MULTI_CHANNEL = 0x0000_0008;
        /// Persistent handles.
        const PERSISTENT_HANDLES = 0x0000_0010;
        /// Leases on directories.
        const DIRECTORY_LEASING = 0x0000_0020;
        /// Encryption; in 3.0 and 3.0.2 only, 3.1.1 has a context for it.
        const ENCRYPTION = 0x0000_0040;
        /// Notifications from server to client.
        const NOTIFICATIONS = 0x0000_0080;
    }
}

const REQUEST_SIZE: u16 = 36;
const RESPONSE_SIZE: u16 = 65;
const RESPONSE_BUFFER_OFFSET: u16 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_bytes, any_time, check_vector, codec_tests, message};

    // test [MS-SMB2] 4.1
    #[test]
    fn a_response_is_as_in_the_example() {
        let response = NegotiateResponse {
            security_mode: SecurityMode::SIGNING_ENABLED,
            dialect_revision: Dialect::SMB_2_0_2,
            server_guid: "3F5CF209-A4E5-0049-A7D6-6A456D5CA5CF".parse().unwrap(),
            capabilities: Capabilities::DFS,
            max_transact_size: 65_536,
            max_read_size: 65_536,
            max_write_size: 65_536,
            system_time: FileTime(127_972_992_061_679_232),
            server_start_time: FileTime(127_972_985_895_467_232),
            security_buffer: Bytes::from_static(&[0xab; 30]),
            contexts: Vec::new(),
        };
        let token = "ab".repeat(30);
        check_vector(
            &format!(
                "4100 0100 0202 0000 09f25c3fe5a44900a7d66a456d5ca5cf 01000000 00000100 00000100 \
                 00000100 8026ae1cc2a6c601 e03825adc0a6c601 8000 1e00 00000000 {token}"
            ),
            &response,
        );
    }

    // test [MS-SMB2] 4.3
    #[test]
    fn a_request_is_as_in_the_example() {
        let request = NegotiateRequest {
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::NONE,
            client_guid: Guid::ZERO,
            dialects: vec![Dialect::SMB_2_0_2],
            contexts: Vec::new(),
        };
        check_vector(
            "2400 0100 0100 0000 00000000 00000000000000000000000000000000 0000000000000000 0202",
            &request,
        );
    }

    // test [MS-SMB2] 4.10
    #[test]
    fn contexts_behind_five_dialects_begin_where_the_example_says() {
        let request = NegotiateRequest {
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::from_bits(0x7f),
            client_guid: "21a63604-ef37-11ea-bb9e-00155d546615".parse().unwrap(),
            dialects: [0x0202, 0x0210, 0x0300, 0x0302, 0x0311]
                .map(Dialect)
                .to_vec(),
            contexts: vec![NegotiateContext::Transport(
                TransportCapabilities::ACCEPT_TRANSPORT_LEVEL_SECURITY,
            )],
        };
        check_vector(
            "2400 0500 0100 0000 7f000000 0436a62137efea11bb9e00155d546615 70000000 0100 0000 \
             0202 1002 0003 0203 1103 0000 0600 0400 00000000 01000000",
            &request,
        );
    }

    // test [MS-SMB2] 2.2.3
    #[test]
    fn a_request_without_3_1_1_has_no_contexts_whatever_their_field_says() {
        let request = message(
            "2400 0100 0100 0000 00000000 000102030405060708090a0b0c0d0e0f ffffffffffffffff 0202",
        );
        let request = NegotiateRequest::decode(&request).unwrap();
        assert_eq!(request.dialects, [Dialect::SMB_2_0_2]);
        assert_eq!(request.contexts, []);
    }

    #[test]
    fn contexts_begin_at_a_multiple_of_eight_behind_the_dialects() {
        let request = NegotiateRequest {
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::NONE,
            client_guid: Guid([7; 16]),
            dialects: vec![Dialect::SMB_3_0, Dialect::SMB_3_1_1],
            contexts: vec![
                NegotiateContext::Encryption(vec![Cipher::AES_128_GCM]),
                NegotiateContext::Signing(vec![SigningAlgorithm::AES_CMAC]),
            ],
        };
        check_vector(
            "2400 0200 0100 0000 00000000 07070707070707070707070707070707 68000000 0200 0000 \
             0003 1103 0200 0400 00000000 0100 0200 00000000 0800 0400 00000000 0100 0100",
            &request,
        );
    }

    #[test]
    fn no_dialect_at_all_decodes_and_too_few_do_not() {
        let none = "2400 0000 0100 0000 00000000 000102030405060708090a0b0c0d0e0f 0000000000000000";
        assert_eq!(
            NegotiateRequest::decode(&message(none)).unwrap().dialects,
            []
        );
        let missing =
            "2400 0200 0100 0000 00000000 000102030405060708090a0b0c0d0e0f 0000000000000000 0202";
        assert!(NegotiateRequest::decode(&message(missing)).is_err());
    }

    fn any_contexts() -> impl Strategy<Value = Vec<NegotiateContext>> {
        prop::collection::vec(contexts::any_context(), 0..4)
    }

    mod request {
        use super::*;

        fn any_request() -> impl Strategy<Value = NegotiateRequest> {
            let dialects = prop::collection::vec(any::<u16>(), 0..6);
            (any::<(u16, u32, [u8; 16])>(), dialects, any_contexts()).prop_map(
                |((security_mode, capabilities, guid), dialects, contexts)| {
                    let mut dialects: Vec<_> = dialects.into_iter().map(Dialect).collect();
                    if !contexts.is_empty() {
                        dialects.push(Dialect::SMB_3_1_1);
                    }
                    NegotiateRequest {
                        security_mode: SecurityMode::from_bits(security_mode),
                        capabilities: Capabilities::from_bits(capabilities),
                        client_guid: Guid(guid),
                        dialects,
                        contexts,
                    }
                },
            )
        }

        codec_tests!(NegotiateRequest, [36], any_request());
    }

    mod response {
        use super::*;

        fn any_response() -> impl Strategy<Value = NegotiateResponse> {
            let fixed = any::<(u16, [u8; 16], u32, u32, u32, u32)>();
            (fixed, any_time(), any_time(), any_bytes(), any_contexts()).prop_map(
                |(
                    (mode, guid, capabilities, transact, read, write),
                    now,
                    start,
                    buffer,
                    contexts,
                )| {
                    NegotiateResponse {
                        security_mode: SecurityMode::from_bits(mode),
                        dialect_revision: Dialect::SMB_3_1_1,
                        server_guid: Guid(guid),
                        capabilities: Capabilities::from_bits(capabilities),
                        max_transact_size: transact,
                        max_read_size: read,
                        max_write_size: write,
                        system_time: now,
                        server_start_time: start,
                        security_buffer: buffer,
                        contexts,
                    }
                },
            )
        }

        codec_tests!(NegotiateResponse, [65], any_response());
    }
}
