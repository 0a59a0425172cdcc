//! The headers of a compressed message, [MS-SMB2] 2.2.42.
//!
//! This module owns the headers only; the algorithms and their limits are the server's.

use crate::flags::wire_flags;
use crate::header::ProtocolId;
use crate::negotiate::CompressionAlgorithm;
use crate::{DecodeError, Reader, Writer};

/// What stands in front of a compressed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionHeader {
    /// One payload, behind bytes that are not compressed.
    Unchained {
        /// Size of the payload when it is decompressed, in bytes.
        original_compressed_segment_size: u32,
        /// How it is compressed.
        compression_algorithm: CompressionAlgorithm,
        // Flags (2 bytes): zero.
        /// How many bytes behind this header are not compressed.
        offset: u32,
    },
    /// Payloads, each behind a [`ChainedPayloadHeader`].
    Chained {
        /// Size of all payloads when they are decompressed, in bytes.
        original_compressed_segment_size: u32,
    },
}

impl CompressionHeader {
    /// Size of the header of an unchained message, in bytes; a chained one has no fewer bytes either.
    pub const UNCHAINED_SIZE: usize = 16;
    /// Size of what stands in front of the first payload header of a chain, in bytes.
    pub const CHAINED_SIZE: usize = 8;

    /// Reads the header from the front of a message and leaves the reader behind it.
    ///
    /// # Errors
    /// Fewer than 16 bytes, another ProtocolId, or flags that do not exist.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.array()? != ProtocolId::Compressed.bytes() {
            return Err(reader.error_in("ProtocolId"));
        }
        let original_compressed_segment_size = reader.u32()?;
        let mut ahead = reader.clone();
        let compression_algorithm = CompressionAlgorithm(ahead.u16()?);
        let flags = CompressionHeaderFlags::from_bits(ahead.u16()?);
        let offset = ahead.u32()?;
        // [MS-SMB2] 2.2.42
        match flags {
            CompressionHeaderFlags::NONE => {
                *reader = ahead;
                Ok(Self::Unchained {
                    original_compressed_segment_size,
                    compression_algorithm,
                    offset,
                })
            }
            CompressionHeaderFlags::CHAINED => Ok(Self::Chained {
                original_compressed_segment_size,
            }),
            _ => Err(reader.error_in("compression flags")),
        }
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.bytes(&ProtocolId::Compressed.bytes());
        match self {
            Self::Unchained {
                original_compressed_segment_size,
                compression_algorithm,
                offset,
            } => {
                out.u32(*original_compressed_segment_size);
                out.u16(compression_algorithm.0);
                out.u16(CompressionHeaderFlags::NONE.bits());
                out.u32(*offset);
            }
            Self::Chained {
                original_compressed_segment_size,
            } => {
                out.u32(*original_compressed_segment_size);
            }
        }
    }
}

/// What stands in front of each payload of a chain, [MS-SMB2] 2.2.42.2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainedPayloadHeader {
    /// How the payload is compressed.
    pub compression_algorithm: CompressionAlgorithm,
    /// Whether it is the first.
    pub flags: CompressionHeaderFlags,
    /// Length of what follows these eight bytes, in bytes: the payload, and its original size if there.
    pub length: u32,
    /// Size of the payload when it is decompressed, in bytes; not there for all algorithms.
    pub original_payload_size: Option<u32>,
}

impl ChainedPayloadHeader {
    /// Reads the header and leaves the reader at the payload.
    ///
    /// # Errors
    /// Too few bytes, or a length that does not cover the original size.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let compression_algorithm = CompressionAlgorithm(reader.u16()?);
        let flags = CompressionHeaderFlags::from_bits(reader.u16()?);
        let length = reader.u32()?;
        let original_payload_size = if has_original_size(compression_algorithm) {
            if length < ORIGINAL_SIZE_LENGTH {
                return Err(reader.error_in("compressed payload length"));
            }
            Some(reader.u32()?)
        } else {
            None
        };
        Ok(Self {
            compression_algorithm,
            flags,
            length,
            original_payload_size,
        })
    }

    /// How many bytes of payload follow the header.
    #[must_use]
    pub const fn payload_length(&self) -> u32 {
        match self.original_payload_size {
            Some(_) => self.length.saturating_sub(ORIGINAL_SIZE_LENGTH),
            None => self.length,
        }
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u16(self.compression_algorithm.0);
        out.u16(self.flags.bits());
        out.u32(self.length);
        if let Some(size) = self.original_payload_size {
            out.u32(size);
        }
    }
}

/// The payload of [`CompressionAlgorithm::PATTERN_V1`], [MS-SMB2] 2.2.42.2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatternPayloadV1 {
    /// The byte that is repeated.
    pub pattern: u8,
    // Reserved1 (1 byte), Reserved2 (2 bytes).
    /// How often.
    pub repetitions: u32,
}

impl PatternPayloadV1 {
    /// Size of the payload, in bytes.
    pub const SIZE: u32 = 8;

    /// Reads the payload.
    ///
    /// # Errors
    /// Too few bytes.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let pattern = reader.u8()?;
        reader.skip(3)?;
        Ok(Self {
            pattern,
            repetitions: reader.u32()?,
        })
    }

    /// Appends the payload.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u8(self.pattern);
        out.zeros(3);
        out.u32(self.repetitions);
    }
}

wire_flags! {
    /// Flags of a compression header.
    pub struct CompressionHeaderFlags: u16 {
        /// A chain of payloads begins here.
        const CHAINED = 0x0001;
    }
}

// [MS-SMB2] 2.2.42.2.1
fn has_original_size(algorithm: CompressionAlgorithm) -> bool {
    matches!(
        algorithm,
        CompressionAlgorithm::LZNT1
            | CompressionAlgorithm::LZ77
            | CompressionAlgorithm::LZ77_HUFFMAN
            | CompressionAlgorithm::LZ4
    )
}

/// Length of OriginalPayloadSize, in bytes.
const ORIGINAL_SIZE_LENGTH: u32 = 4;

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::unhex;

    fn written(write: impl Fn(&mut Writer<'_>)) -> BytesMut {
        let mut out = BytesMut::new();
        write(&mut Writer::new(&mut out));
        out
    }

    #[test]
    fn flags_tell_a_chain_from_a_single_payload() {
        let single = unhex("fc534d42 00100000 0200 0000 50000000 ff");
        let mut reader = Reader::new("test", &single);
        let header = CompressionHeader::decode(&mut reader).unwrap();
        assert_eq!(
            header,
            CompressionHeader::Unchained {
                original_compressed_segment_size: 0x1000,
                compression_algorithm: CompressionAlgorithm::LZ77,
                offset: 0x50,
            }
        );
        assert_eq!(reader.rest(), &[0xff]);
        assert_eq!(written(|out| header.encode(out))[..], single[..16]);

        let chain = unhex("fc534d42 00100000 0400 0100 08000000 41 00 0000 00100000");
        let mut reader = Reader::new("test", &chain);
        let header = CompressionHeader::decode(&mut reader).unwrap();
        let size = 0x1000;
        assert_eq!(
            header,
            CompressionHeader::Chained {
                original_compressed_segment_size: size
            }
        );
        let payload = ChainedPayloadHeader::decode(&mut reader).unwrap();
        assert_eq!(payload.original_payload_size, None);
        let pattern = PatternPayloadV1::decode(&mut reader).unwrap();
        assert_eq!(
            pattern,
            PatternPayloadV1 {
                pattern: 0x41,
                repetitions: 0x1000
            }
        );
        let all = written(|out| {
            header.encode(out);
            payload.encode(out);
            pattern.encode(out);
        });
        assert_eq!(all[..], chain);
    }

    #[test]
    fn a_length_that_does_not_cover_the_original_size_is_malformed() {
        let bytes = unhex("0100 0000 03000000 00100000");
        assert!(ChainedPayloadHeader::decode(&mut Reader::new("test", &bytes)).is_err());
    }

    #[test]
    fn flags_that_do_not_exist_are_malformed() {
        let bytes = unhex("fc534d42 00100000 0200 0200 50000000");
        assert!(CompressionHeader::decode(&mut Reader::new("test", &bytes)).is_err());
    }

    proptest! {
        #[test]
        fn payload_headers_survive_the_wire(algorithm in 0_u16..8, flags: u16, length in 4_u32.., size: u32) {
            let compression_algorithm = CompressionAlgorithm(algorithm);
            let header = ChainedPayloadHeader {
                compression_algorithm,
                flags: CompressionHeaderFlags::from_bits(flags),
                length,
                original_payload_size: has_original_size(compression_algorithm).then_some(size),
            };
            let bytes = written(|out| header.encode(out));
            prop_assert_eq!(ChainedPayloadHeader::decode(&mut Reader::new("test", &bytes)), Ok(header));
        }

        #[test]
        fn noise_never_panics(mut noise: Vec<u8>) {
            let _ = ChainedPayloadHeader::decode(&mut Reader::new("test", &noise));
            let _ = PatternPayloadV1::decode(&mut Reader::new("test", &noise));
            noise.splice(0..0, *b"\xfcSMB");
            let _ = CompressionHeader::decode(&mut Reader::new("test", &noise));
        }
    }
}
