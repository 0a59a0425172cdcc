//! The contexts of NEGOTIATE in 3.1.1, [MS-SMB2] 2.2.3.1 and 2.2.4.1.

use bytes::Bytes;

use crate::flags::{wire_flags, wire_values};
use crate::reader::slice;
use crate::{DecodeError, Reader, Utf16String, Writer};

/// One offer of the client, or one choice of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NegotiateContext {
    /// Hash functions for the integrity of what comes before authentication.
    PreauthIntegrity(PreauthIntegrityCapabilities),
    /// Ciphers, the best first.
    Encryption(Vec<Cipher>),
    /// Compression.
    Compression(CompressionCapabilities),
    /// The name by which the client knows the server.
    NetName(Utf16String),
    /// What the transport does already.
    Transport(TransportCapabilities),
    /// Transforms of data that goes by RDMA.
    RdmaTransform(Vec<RdmaTransformId>),
    /// Signing algorithms, the best first.
    Signing(Vec<SigningAlgorithm>),
    /// A context that is ignored: of a type not known here, or a malformed [`Self::NetName`].
    Unknown {
        /// Its type.
        context_type: NegotiateContextType,
        /// Its data.
        data: Bytes,
    },
}

/// The data of [`NegotiateContext::PreauthIntegrity`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreauthIntegrityCapabilities {
    // HashAlgorithmCount (2 bytes), SaltLength (2 bytes).
    /// Hash functions.
    pub hash_algorithms: Vec<HashAlgorithm>,
    /// Random bytes.
    pub salt: Bytes,
}

/// The data of [`NegotiateContext::Compression`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompressionCapabilities {
    // CompressionAlgorithmCount (2 bytes), Padding (2 bytes).
    /// Whether payloads can be chained.
    pub flags: CompressionFlags,
    /// Algorithms, the best first.
    pub algorithms: Vec<CompressionAlgorithm>,
}

impl NegotiateContext {
    /// The type that goes in front of the data.
    #[must_use]
    pub const fn context_type(&self) -> NegotiateContextType {
        match self {
            Self::PreauthIntegrity(_) => NegotiateContextType::PREAUTH_INTEGRITY_CAPABILITIES,
            Self::Encryption(_) => NegotiateContextType::ENCRYPTION_CAPABILITIES,
            Self::Compression(_) => NegotiateContextType::COMPRESSION_CAPABILITIES,
            Self::NetName(_) => NegotiateContextType::NETNAME_NEGOTIATE_CONTEXT_ID,
            Self::Transport(_) => NegotiateContextType::TRANSPORT_CAPABILITIES,
            Self::RdmaTransform(_) => NegotiateContextType::RDMA_TRANSFORM_CAPABILITIES,
            Self::Signing(_) => NegotiateContextType::SIGNING_CAPABILITIES,
            Self::Unknown { context_type, .. } => *context_type,
        }
    }

    fn decode(context_type: NegotiateContextType, data: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("negotiate context", data);
        Ok(match context_type {
            NegotiateContextType::PREAUTH_INTEGRITY_CAPABILITIES => {
                let (count, salt_length) = (reader.size16()?, reader.size16()?);
                let hash_algorithms = list(&mut reader, count, HashAlgorithm)?;
                let start = reader.position();
                let salt = slice("negotiate salt", data, start, start, salt_length)?;
                Self::PreauthIntegrity(PreauthIntegrityCapabilities {
                    hash_algorithms,
                    salt,
                })
            }
            NegotiateContextType::ENCRYPTION_CAPABILITIES => {
                let count = reader.size16()?;
                Self::Encryption(list(&mut reader, count, Cipher)?)
            }
            NegotiateContextType::COMPRESSION_CAPABILITIES => {
                let count = reader.size16()?;
                reader.skip(2)?;
                let flags = CompressionFlags::from_bits(reader.u32()?);
                let algorithms = list(&mut reader, count, CompressionAlgorithm)?;
                Self::Compression(CompressionCapabilities { flags, algorithms })
            }
            NegotiateContextType::TRANSPORT_CAPABILITIES => {
                Self::Transport(TransportCapabilities::from_bits(reader.u32()?))
            }
            NegotiateContextType::RDMA_TRANSFORM_CAPABILITIES => {
                let count = reader.size16()?;
                reader.skip(6)?;
                Self::RdmaTransform(list(&mut reader, count, RdmaTransformId)?)
            }
            NegotiateContextType::SIGNING_CAPABILITIES => {
                let count = reader.size16()?;
                Self::Signing(list(&mut reader, count, SigningAlgorithm)?)
            }
            // [MS-SMB2] 3.3.5.4
            NegotiateContextType::NETNAME_NEGOTIATE_CONTEXT_ID => match Utf16String::decode(data) {
                Ok(name) => Self::NetName(name),
                Err(_) => Self::Unknown {
                    context_type,
                    data: data.clone(),
                },
            },
            _ => Self::Unknown {
                context_type,
                data: data.clone(),
            },
        })
    }

    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(self.context_type().0);
        let length_at = out.reserve_u16();
        out.u32(0);
        let start = out.position();
        match self {
            Self::PreauthIntegrity(capabilities) => {
                out.size16(capabilities.hash_algorithms.len());
                out.size16(capabilities.salt.len());
                write_list(out, &capabilities.hash_algorithms);
                out.bytes(&capabilities.salt);
            }
            Self::Encryption(ciphers) => {
                out.size16(ciphers.len());
                write_list(out, ciphers);
            }
            Self::Compression(capabilities) => {
                out.size16(capabilities.algorithms.len());
                out.u16(0);
                out.u32(capabilities.flags.bits());
                write_list(out, &capabilities.algorithms);
            }
            Self::NetName(name) => name.encode(out),
            Self::Transport(capabilities) => out.u32(capabilities.bits()),
            Self::RdmaTransform(ids) => {
                out.size16(ids.len());
                out.zeros(6);
                write_list(out, ids);
            }
            Self::Signing(algorithms) => {
                out.size16(algorithms.len());
                write_list(out, algorithms);
            }
            Self::Unknown { data, .. } => out.bytes(data),
        }
        out.patch_size16(length_at, out.position().saturating_sub(start));
    }
}

wire_values! {
    /// The type of a negotiate context.
    pub struct NegotiateContextType: u16 {
        /// [`NegotiateContext::PreauthIntegrity`].
        const PREAUTH_INTEGRITY_CAPABILITIES = 0x0001;
        /// [`NegotiateContext::Encryption`].
        const ENCRYPTION_CAPABILITIES = 0x0002;
        /// [`NegotiateContext::Compression`].
        const COMPRESSION_CAPABILITIES = 0x0003;
        /// [`NegotiateContext::NetName`].
        const NETNAME_NEGOTIATE_CONTEXT_ID = 0x0005;
        /// [`NegotiateContext::Transport`].
        const TRANSPORT_CAPABILITIES = 0x0006;
        /// [`NegotiateContext::RdmaTransform`].
        const RDMA_TRANSFORM_CAPABILITIES = 0x0007;
        /// [`NegotiateContext::Signing`].
        const SIGNING_CAPABILITIES = 0x0008;
        /// Reserved by the specification; clients with POSIX extensions announce them by it.
        const RESERVED = 0x0100;
    }
}

wire_values! {
    /// A hash function.
    pub struct HashAlgorithm: u16 {
        /// SHA-512.
        const SHA_512 = 0x0001;
    }
}

wire_values! {
    /// A cipher.
    pub struct Cipher: u16 {
        /// AES-128-CCM.
        const AES_128_CCM = 0x0001;
        /// AES-128-GCM.
        const AES_128_GCM = 0x0002;
        /// AES-256-CCM.
        const AES_256_CCM = 0x0003;
        /// AES-256-GCM.
        const AES_256_GCM = 0x0004;
    }
}

wire_values! {
    /// A compression algorithm.
    pub struct CompressionAlgorithm: u16 {
        /// No compression.
        const NONE = 0x0000;
        /// LZNT1.
        const LZNT1 = 0x0001;
        /// LZ77.
        const LZ77 = 0x0002;
        /// LZ77 with Huffman coding.
        const LZ77_HUFFMAN = 0x0003;
        /// A repeated byte.
        const PATTERN_V1 = 0x0004;
        /// LZ4.
        const LZ4 = 0x0005;
    }
}

wire_values! {
    /// A transform of data that goes by RDMA.
    pub struct RdmaTransformId: u16 {
        /// None.
        const NONE = 0x0000;
        /// Encryption.
        const ENCRYPTION = 0x0001;
        /// Signing.
        const SIGNING = 0x0002;
    }
}

wire_values! {
    /// A signing algorithm.
    pub struct SigningAlgorithm: u16 {
        /// HMAC-SHA256.
        const HMAC_SHA256 = 0x0000;
        /// AES-128-CMAC.
        const AES_CMAC = 0x0001;
        /// AES-128-GMAC.
        const AES_GMAC = 0x0002;
    }
}

wire_flags! {
    /// How a side can compress.
    pub struct CompressionFlags: u32 {
        /// With several payloads chained in one message.
        const CHAINED = 0x0000_0001;
    }
}

wire_flags! {
    /// What the transport does.
    pub struct TransportCapabilities: u32 {
        /// It encrypts, so that SMB2 need not.
        const ACCEPT_TRANSPORT_LEVEL_SECURITY = 0x0000_0001;
    }
}

/// Reads `count` contexts, the first at `offset` from the start of the message.
pub(super) fn decode_list(
    message: &Bytes,
    first: usize,
    offset: usize,
    count: usize,
) -> Result<Vec<NegotiateContext>, DecodeError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let mut reader = Reader::new("negotiate context list", message).at(offset)?;
    // [MS-SMB2] 2.2.3
    if offset < first || !offset.is_multiple_of(ALIGNMENT) {
        return Err(reader.error());
    }
    let mut contexts = Vec::with_capacity(count.min(message.len() / HEAD_SIZE));
    for _ in 0..count {
        reader.align(ALIGNMENT);
        let context_type = NegotiateContextType(reader.u16()?);
        let length = reader.size16()?;
        reader.skip(4)?;
        let start = reader.position();
        let data = slice("negotiate context", message, start, start, length)?;
        reader.skip(length)?;
        let context =
            NegotiateContext::decode(context_type, &data).map_err(|error| DecodeError {
                at: start.saturating_add(error.at),
                ..error
            })?;
        contexts.push(context);
    }
    Ok(contexts)
}

/// Appends the contexts and patches the offset of the first at `offset_at`.
pub(super) fn encode_list(out: &mut Writer<'_>, offset_at: usize, contexts: &[NegotiateContext]) {
    if contexts.is_empty() {
        return;
    }
    out.pad_to(ALIGNMENT);
    out.patch_size32(offset_at, out.position());
    for context in contexts {
        out.pad_to(ALIGNMENT);
        context.encode(out);
    }
}

fn list<T>(
    reader: &mut Reader<'_>,
    count: usize,
    new: impl Fn(u16) -> T,
) -> Result<Vec<T>, DecodeError> {
    Ok(reader
        .items(count)?
        .map(|item| new(u16::from_le_bytes(*item)))
        .collect())
}

fn write_list<T: Copy + Into<u16>>(out: &mut Writer<'_>, items: &[T]) {
    for item in items {
        out.u16((*item).into());
    }
}

const ALIGNMENT: usize = 8;
/// ContextType (2 bytes), DataLength (2 bytes), Reserved (4 bytes).
const HEAD_SIZE: usize = 8;

#[cfg(test)]
pub(super) fn any_context() -> impl proptest::strategy::Strategy<Value = NegotiateContext> {
    use proptest::prelude::*;

    use crate::testing::{any_bytes, any_name};

    fn ids<T: std::fmt::Debug>(new: fn(u16) -> T) -> impl Strategy<Value = Vec<T>> {
        prop::collection::vec(any::<u16>().prop_map(new), 0..5)
    }
    let preauth = (ids(HashAlgorithm), any_bytes()).prop_map(|(hash_algorithms, salt)| {
        NegotiateContext::PreauthIntegrity(PreauthIntegrityCapabilities {
            hash_algorithms,
            salt,
        })
    });
    let compression = (any::<u32>(), ids(CompressionAlgorithm)).prop_map(|(flags, algorithms)| {
        let flags = CompressionFlags::from_bits(flags);
        NegotiateContext::Compression(CompressionCapabilities { flags, algorithms })
    });
    let transport = any::<u32>()
        .prop_map(|flags| NegotiateContext::Transport(TransportCapabilities::from_bits(flags)));
    let unknown =
        (0x0009_u16.., any_bytes()).prop_map(|(context_type, data)| NegotiateContext::Unknown {
            context_type: NegotiateContextType(context_type),
            data,
        });
    prop_oneof![
        preauth,
        ids(Cipher).prop_map(NegotiateContext::Encryption),
        compression,
        any_name().prop_map(NegotiateContext::NetName),
        transport,
        ids(RdmaTransformId).prop_map(NegotiateContext::RdmaTransform),
        ids(SigningAlgorithm).prop_map(NegotiateContext::Signing),
        unknown,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::unhex;

    fn decode(hex: &str) -> Result<Vec<NegotiateContext>, DecodeError> {
        let message = Bytes::from(unhex(hex));
        decode_list(&message, 0, 0, 1)
    }

    #[test]
    fn a_list_longer_than_its_data_is_malformed() {
        assert!(decode("0200 0400 00000000 0200 0100").is_err());
        assert!(decode("0100 0600 00000000 0100 2000 0100").is_err());
        assert!(decode("0300 0800 00000000 0100 0000 00000000").is_err());
    }

    #[test]
    fn a_context_longer_than_the_message_is_malformed() {
        assert!(decode("0900 0500 00000000 01020304").is_err());
        assert!(decode("0900 0000 000000").is_err());
    }

    #[test]
    fn a_list_that_is_misaligned_or_in_front_of_its_place_is_malformed() {
        let message = Bytes::from(vec![0; 64]);
        assert!(decode_list(&message, 16, 16, 1).is_ok());
        assert!(decode_list(&message, 16, 20, 1).is_err());
        assert!(decode_list(&message, 16, 8, 1).is_err());
        assert!(decode_list(&message, 16, 72, 1).is_err());
    }

    #[test]
    fn contexts_that_are_ignored_are_kept_as_they_are() {
        let context_type = NegotiateContextType::NETNAME_NEGOTIATE_CONTEXT_ID;
        let data = Bytes::from_static(&[0x41]);
        assert_eq!(
            decode("0500 0100 00000000 41").unwrap(),
            [NegotiateContext::Unknown { context_type, data }]
        );
    }
}
