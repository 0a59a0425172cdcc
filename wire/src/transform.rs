//! The header of an encrypted message, [MS-SMB2] 2.2.41.
//!
//! This module owns the 52 bytes; ciphers and keys are the server's.

use bytes::BufMut;

use crate::flags::wire_flags;
use crate::header::ProtocolId;
use crate::{DecodeError, Reader, SessionId, Writer};

/// What stands in front of an encrypted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformHeader {
    /// The tag that the cipher made.
    pub signature: [u8; 16],
    /// The nonce: the first 11 bytes for CCM, 12 for GCM; the others are zero.
    pub nonce: [u8; 16],
    /// Size of the message that is encrypted, in bytes.
    pub original_message_size: u32,
    // Reserved (2 bytes).
    /// `ENCRYPTED` in 3.1.1; the cipher in 3.0 and 3.0.2, which has the same value.
    pub flags: TransformFlags,
    /// The session whose key it is.
    pub session_id: SessionId,
}

impl TransformHeader {
    /// Size of the header, in bytes.
    pub const SIZE: usize = 52;
    /// Where the signature begins.
    pub const SIGNATURE_OFFSET: usize = 4;
    /// Where the part begins that the cipher protects without encrypting it; it reaches to the end.
    // [MS-SMB2] 3.1.4.3
    pub const AAD_OFFSET: usize = 20;

    /// Reads a header from the front of `bytes`.
    ///
    /// # Errors
    /// Fewer than 52 bytes, or another ProtocolId.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("transform header", bytes);
        if reader.array()? != ProtocolId::Transform.bytes() {
            return Err(DecodeError {
                what: "ProtocolId",
                at: 0,
            });
        }
        let signature = reader.array()?;
        let nonce = reader.array()?;
        let original_message_size = reader.u32()?;
        reader.skip(2)?;
        let flags = TransformFlags::from_bits(reader.u16()?);
        let session_id = SessionId(reader.u64()?);
        Ok(Self {
            signature,
            nonce,
            original_message_size,
            flags,
            session_id,
        })
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.bytes(&self.to_bytes());
    }

    /// The header as an array, to be put into room reserved for it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let mut room = bytes.as_mut_slice();
        room.put_slice(&ProtocolId::Transform.bytes());
        room.put_slice(&self.signature);
        room.put_slice(&self.nonce);
        room.put_u32_le(self.original_message_size);
        room.put_u16_le(0);
        room.put_u16_le(self.flags.bits());
        room.put_u64_le(self.session_id.0);
        bytes
    }

    /// The part of a header in bytes that the cipher protects without encrypting it.
    #[must_use]
    pub fn aad(bytes: &[u8; Self::SIZE]) -> &[u8] {
        bytes.get(Self::AAD_OFFSET..).unwrap_or_default()
    }
}

wire_flags! {
    /// How a message was transformed.
    pub struct TransformFlags: u16 {
        /// It is encrypted.
        const ENCRYPTED = 0x0001;
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::unhex;

    #[test]
    fn the_fields_lie_where_the_specification_says() {
        let header = TransformHeader {
            signature: [0xaa; 16],
            nonce: [0xbb; 16],
            original_message_size: 0x1234,
            flags: TransformFlags::ENCRYPTED,
            session_id: SessionId(0x0008_e400_1400_0011),
        };
        let bytes = header.to_bytes();
        let expected = "fd534d42 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb \
                        34120000 0000 0100 1100001400e40800";
        assert_eq!(bytes[..], unhex(expected));
        assert_eq!(TransformHeader::aad(&bytes), &bytes[20..]);
    }

    #[test]
    fn another_protocol_or_a_short_header_is_an_error() {
        let mut bytes = vec![0; TransformHeader::SIZE];
        assert!(TransformHeader::decode(&bytes).is_err());
        bytes[..4].copy_from_slice(b"\xfdSMB");
        assert!(TransformHeader::decode(&bytes).is_ok());
        assert!(TransformHeader::decode(&bytes[..51]).is_err());
    }

    proptest! {
        #[test]
        fn values_survive_the_wire(
            signature: [u8; 16],
            nonce: [u8; 16],
            original_message_size: u32,
            flags: u16,
            session_id: u64,
        ) {
            let header = TransformHeader {
                signature,
                nonce,
                original_message_size,
                flags: TransformFlags::from_bits(flags),
                session_id: SessionId(session_id),
            };
            let bytes = header.to_bytes();
            prop_assert_eq!(TransformHeader::decode(&bytes), Ok(header));
            let mut out = BytesMut::new();
            header.encode(&mut Writer::new(&mut out));
            prop_assert_eq!(&out[..], &bytes[..]);
        }
    }
}
