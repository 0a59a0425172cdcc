//! SESSION_SETUP, [MS-SMB2] 2.2.5 and 2.2.6.

use bytes::Bytes;

use crate::flags::wire_flags;
use crate::negotiate::{Capabilities, SecurityMode};
use crate::reader::slice;
use crate::{Decode, DecodeError, Encode, Header, Reader, SessionId, Writer};

/// One step of an authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSetupRequest {
    /// Whether a session is bound to another connection.
    pub flags: SessionSetupFlags,
    /// Whether the client requires signing; one byte here.
    pub security_mode: SecurityMode,
    /// What the client can do.
    pub capabilities: Capabilities,
    // Channel (4 bytes): reserved.
    // SecurityBufferOffset (2 bytes), SecurityBufferLength (2 bytes).
    /// A session of the client that was cut off and is replaced by this one; 0 if none.
    pub previous_session_id: SessionId,
    /// The client's token.
    pub security_buffer: Bytes,
}

impl Decode for SessionSetupRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("SESSION_SETUP request", message, REQUEST_SIZE)?;
        let flags = SessionSetupFlags::from_bits(body.u8()?);
        let security_mode = SecurityMode::from_bits(body.u8()?.into());
        let capabilities = Capabilities::from_bits(body.u32()?);
        body.skip(4)?;
        let (offset, length) = (body.size16()?, body.size16()?);
        let previous_session_id = SessionId(body.u64()?);
        let security_buffer = slice(
            "SESSION_SETUP security buffer",
            message,
            body.position(),
            offset,
            length,
        )?;
        Ok(Self {
            flags,
            security_mode,
            capabilities,
            previous_session_id,
            security_buffer,
        })
    }
}

impl SessionSetupRequest {
    /// Whether a whole message, not decoded yet, asks to bind a session: who must verify its signature
    /// has to know by which key.
    #[must_use]
    pub fn asks_to_bind(message: &[u8]) -> bool {
        let flags = message.get(const { Header::SIZE + FLAGS_OFFSET });
        flags.is_some_and(|flags| {
            SessionSetupFlags::from_bits(*flags).contains(SessionSetupFlags::BINDING)
        })
    }
}

impl Encode for SessionSetupRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        let [security_mode, _] = self.security_mode.bits().to_le_bytes();
        out.u16(REQUEST_SIZE);
        out.u8(self.flags.bits());
        out.u8(security_mode);
        out.u32(self.capabilities.bits());
        out.u32(0);
        out.u16(REQUEST_BUFFER_OFFSET);
        out.size16(self.security_buffer.len());
        out.u64(self.previous_session_id.0);
        out.bytes(&self.security_buffer);
    }
}

/// The answer to one step of an authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSetupResponse {
    /// What kind of session it is.
    pub session_flags: SessionFlags,
    // SecurityBufferOffset (2 bytes), SecurityBufferLength (2 bytes).
    /// The server's token.
    pub security_buffer: Bytes,
}

impl Decode for SessionSetupResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("SESSION_SETUP response", message, RESPONSE_SIZE)?;
        let session_flags = SessionFlags::from_bits(body.u16()?);
        let (offset, length) = (body.size16()?, body.size16()?);
        let security_buffer = slice(
            "SESSION_SETUP security buffer",
            message,
            body.position(),
            offset,
            length,
        )?;
        Ok(Self {
            session_flags,
            security_buffer,
        })
    }
}

impl Encode for SessionSetupResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(RESPONSE_SIZE);
        out.u16(self.session_flags.bits());
        out.u16(RESPONSE_BUFFER_OFFSET);
        out.size16(self.security_buffer.len());
        out.bytes(&self.security_buffer);
    }
}

wire_flags! {
    /// Flags of a SESSION_SETUP request.
    pub struct SessionSetupFlags: u8 {
        /// Bind the session of the header to this connection.
        const BINDING = 0x01;
    }
}

wire_flags! {
    /// What kind of session was set up.
    pub struct SessionFlags: u16 {
        /// A guest's.
        const IS_GUEST = 0x0001;
        /// An anonymous one.
        const IS_NULL = 0x0002;
        /// All its messages must be encrypted.
        const ENCRYPT_DATA = 0x0004;
    }
}

const REQUEST_SIZE: u16 = 25;
/// Where Flags stand in the body, behind StructureSize.
const FLAGS_OFFSET: usize = 2;
const REQUEST_BUFFER_OFFSET: u16 = 0x58;
const RESPONSE_SIZE: u16 = 9;
const RESPONSE_BUFFER_OFFSET: u16 = 0x48;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_bytes, check_vector, codec_tests, message};

    // test [MS-SMB2] 4.3
    #[test]
    fn a_first_request_is_as_in_the_example() {
        let request = SessionSetupRequest {
            flags: SessionSetupFlags::NONE,
            security_mode: SecurityMode::SIGNING_ENABLED,
            capabilities: Capabilities::DFS,
            previous_session_id: SessionId(0),
            security_buffer: Bytes::from_static(&[0xab; 74]),
        };
        let token = "ab".repeat(74);
        check_vector(
            &format!("1900 00 01 01000000 00000000 5800 4a00 0000000000000000 {token}"),
            &request,
        );
    }

    // test [MS-SMB2] 4.3
    #[test]
    fn a_response_is_as_in_the_example() {
        let response = SessionSetupResponse {
            session_flags: SessionFlags::NONE,
            security_buffer: Bytes::from_static(&[0xab; 219]),
        };
        check_vector(
            &format!("0900 0000 4800 db00 {}", "ab".repeat(219)),
            &response,
        );
    }

    #[test]
    fn a_token_that_leaves_the_message_is_malformed() {
        let request = message("1900 00 01 01000000 00000000 5800 0600 0000000000000000 746f6b656e");
        let error = SessionSetupRequest::decode(&request).unwrap_err();
        assert_eq!(error.what, "SESSION_SETUP security buffer");
        let in_front =
            message("1900 00 01 01000000 00000000 4000 0500 0000000000000000 746f6b656e");
        assert!(SessionSetupRequest::decode(&in_front).is_err());
    }

    #[test]
    fn whether_a_message_asks_to_bind_is_seen_before_it_is_decoded() {
        let plain = message("1900 00 01 01000000 00000000 5800 0000 0000000000000000");
        assert!(!SessionSetupRequest::asks_to_bind(&plain));
        let binding = message("1900 01 01 01000000 00000000 5800 0000 0000000000000000");
        assert!(SessionSetupRequest::asks_to_bind(&binding));
        assert!(!SessionSetupRequest::asks_to_bind(&binding[..66]));
    }

    fn any_request() -> impl Strategy<Value = SessionSetupRequest> {
        (any::<(u8, u8, u32, u64)>(), any_bytes()).prop_map(
            |((flags, security_mode, capabilities, previous), security_buffer)| {
                SessionSetupRequest {
                    flags: SessionSetupFlags::from_bits(flags),
                    security_mode: SecurityMode::from_bits(security_mode.into()),
                    capabilities: Capabilities::from_bits(capabilities),
                    previous_session_id: SessionId(previous),
                    security_buffer,
                }
            },
        )
    }

    mod request {
        use super::*;
        codec_tests!(SessionSetupRequest, [25], any_request());
    }

    mod response {
        use super::*;
        codec_tests!(
            SessionSetupResponse,
            [9],
            (any::<u16>(), any_bytes()).prop_map(|(flags, security_buffer)| {
                SessionSetupResponse {
                    session_flags: SessionFlags::from_bits(flags),
                    security_buffer,
                }
            })
        );
    }
}
