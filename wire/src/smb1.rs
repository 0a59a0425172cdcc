//! The one message of SMB1 that an SMB2 server takes: NEGOTIATE, to move up. [MS-SMB2] 3.3.5.3.
//!
//! This module finds the dialects that a client offers and knows nothing else of SMB1.

use crate::header::ProtocolId;
use crate::{DecodeError, Reader, Writer};

/// The dialects that an SMB1 client offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smb1NegotiateRequest {
    /// Their names, in the client's order; bytes that are not ASCII are replaced.
    pub dialects: Vec<String>,
}

impl Smb1NegotiateRequest {
    /// The dialect by which a client asks for 2.0.2.
    pub const SMB_2_002: &'static str = "SMB 2.002";
    /// The dialect by which a client asks for 2.1 or any later.
    pub const SMB_2_WILDCARD: &'static str = "SMB 2.???";
    /// How many dialects are read at most; the longest list known of a client has twelve.
    pub const MAX_DIALECTS: usize = 64;

    /// Whether a dialect is among those offered.
    #[must_use]
    pub fn offers(&self, dialect: &str) -> bool {
        self.dialects.iter().any(|offered| offered == dialect)
    }

    /// Reads a whole SMB1 message.
    ///
    /// # Errors
    /// It is no NEGOTIATE request, its list of dialects is malformed, or is longer than
    /// [`Self::MAX_DIALECTS`].
    pub fn decode(message: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("SMB1 NEGOTIATE request", message);
        if reader.array()? != ProtocolId::Smb1.bytes() || reader.u8()? != COMMAND_NEGOTIATE {
            return Err(reader.error());
        }
        // The rest of the header says nothing that matters here.
        reader.skip(HEADER_SIZE - 5)?;
        // [MS-CIFS] 2.2.4.52.1
        if reader.u8()? != 0 {
            return Err(reader.error());
        }
        let byte_count = reader.size16()?;
        let mut list = Reader::new("SMB1 dialect list", reader.bytes(byte_count)?);
        let mut dialects = Vec::new();
        while list.remaining() > 0 {
            if list.u8()? != BUFFER_FORMAT_DIALECT || dialects.len() == Self::MAX_DIALECTS {
                return Err(list.error());
            }
            dialects.push(dialect(&mut list)?);
        }
        Ok(Self { dialects })
    }

    /// Appends a whole SMB1 message, as clients send it.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.bytes(&ProtocolId::Smb1.bytes());
        out.u8(COMMAND_NEGOTIATE);
        out.zeros(HEADER_SIZE - 5);
        out.u8(0);
        let count_at = out.reserve_u16();
        let start = out.position();
        for dialect in &self.dialects {
            out.u8(BUFFER_FORMAT_DIALECT);
            out.bytes(dialect.as_bytes());
            out.u8(0);
        }
        out.patch_size16(count_at, out.position().saturating_sub(start));
    }
}

/// Reads one name up to its terminator.
fn dialect(list: &mut Reader<'_>) -> Result<String, DecodeError> {
    let rest = list.rest();
    let end = rest
        .iter()
        .position(|byte| *byte == 0)
        .ok_or_else(|| list.error())?;
    let name = list.bytes(end)?;
    list.skip(1)?;
    Ok(String::from_utf8_lossy(name).into_owned())
}

const COMMAND_NEGOTIATE: u8 = 0x72;
const HEADER_SIZE: usize = 32;
const BUFFER_FORMAT_DIALECT: u8 = 0x02;

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::unhex;

    fn encoded(dialects: &[&str]) -> BytesMut {
        let dialects = dialects.iter().map(ToString::to_string).collect();
        let mut out = BytesMut::new();
        Smb1NegotiateRequest { dialects }.encode(&mut Writer::new(&mut out));
        out
    }

    // test [MS-SMB2] 4.1
    #[test]
    fn the_dialects_are_as_in_the_example() {
        let mut message =
            unhex("ff534d42 72 00000000 18 53c8 0000 0000000000000000 0000 ffff fffe 0000 0000");
        message.extend(unhex("00 6d00"));
        let names = [
            "PC NETWORK PROGRAM 1.0",
            "LANMAN1.0",
            "Windows for Workgroups 3.1a",
            "LM1.2X002",
            "LANMAN2.1",
            "NT LM 0.12",
            "SMB 2.002",
        ];
        for name in names {
            message.push(2);
            message.extend(name.as_bytes());
            message.push(0);
        }
        assert_eq!(message.len(), 32 + 3 + 109);
        let request = Smb1NegotiateRequest::decode(&message).unwrap();
        assert_eq!(request.dialects, names);
        assert!(request.offers(Smb1NegotiateRequest::SMB_2_002));
        assert!(!request.offers(Smb1NegotiateRequest::SMB_2_WILDCARD));
    }

    #[test]
    fn a_name_without_an_end_is_malformed() {
        let mut message = encoded(&["SMB 2.???"]);
        let last = message.len() - 1;
        message[last] = b'x';
        assert!(Smb1NegotiateRequest::decode(&message).is_err());
    }

    #[test]
    fn other_commands_words_and_endless_lists_are_refused() {
        let good = encoded(&["NT LM 0.12"]);
        assert!(Smb1NegotiateRequest::decode(&good).is_ok());
        let mut other = good.clone();
        other[4] = 0x73;
        assert!(Smb1NegotiateRequest::decode(&other).is_err());
        let mut words = good;
        words[32] = 1;
        assert!(Smb1NegotiateRequest::decode(&words).is_err());
        assert!(Smb1NegotiateRequest::decode(&encoded(&["x"; 64])).is_ok());
        assert!(Smb1NegotiateRequest::decode(&encoded(&["x"; 65])).is_err());
    }

    proptest! {
        #[test]
        fn names_survive_the_wire(names in prop::collection::vec("[ -~]{0,20}", 0..8)) {
            let request = Smb1NegotiateRequest { dialects: names };
            let mut out = BytesMut::new();
            request.encode(&mut Writer::new(&mut out));
            prop_assert_eq!(Smb1NegotiateRequest::decode(&out), Ok(request));
        }

        #[test]
        fn noise_never_panics(noise: Vec<u8>) {
            let _ = Smb1NegotiateRequest::decode(&noise);
            let mut message = encoded(&[]);
            message.truncate(33);
            message.extend((noise.len() as u16).to_le_bytes());
            message.extend(noise);
            let _ = Smb1NegotiateRequest::decode(&message);
        }
    }
}
