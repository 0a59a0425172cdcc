//! Attribute-value pairs: the target information of a challenge, and what a client makes of it.

use wire::dtyp::FileTime;
use wire::{DecodeError, Reader, Utf16String};

/// A list of attribute-value pairs, without the one that ends it.
// [MS-NLMP] 2.2.2.1
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AvPairs(Vec<(AvId, Vec<u8>)>);

/// What an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvId(pub u16);

impl AvId {
    /// Ends the list.
    pub const EOL: Self = Self(0);
    /// The server's NetBIOS name.
    pub const NB_COMPUTER_NAME: Self = Self(1);
    /// The NetBIOS name of the server's domain.
    pub const NB_DOMAIN_NAME: Self = Self(2);
    /// The server's DNS name.
    pub const DNS_COMPUTER_NAME: Self = Self(3);
    /// The DNS name of the server's domain.
    pub const DNS_DOMAIN_NAME: Self = Self(4);
    /// The DNS name of the server's forest.
    pub const DNS_TREE_NAME: Self = Self(5);
    /// See [`AvFlags`].
    pub const FLAGS: Self = Self(6);
    /// The server's time.
    pub const TIMESTAMP: Self = Self(7);
    /// The name by which the client called the server.
    pub const TARGET_NAME: Self = Self(9);
    /// MD5 of the channel the client is bound to; zeros for none.
    pub const CHANNEL_BINDINGS: Self = Self(10);
}

/// The value of [`AvId::FLAGS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AvFlags(pub u32);

impl AvFlags {
    /// The AUTHENTICATE message has a signature over all three messages.
    pub const MIC_PRESENT: Self = Self(0x0000_0002);
    /// The target name comes from a source that the client does not trust.
    pub const UNTRUSTED_TARGET_NAME: Self = Self(0x0000_0004);

    /// Whether every flag of `other` is set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl AvPairs {
    /// Reads a list up to its end mark; what follows has no meaning and is left alone.
    ///
    /// # Errors
    /// A pair leaves the bytes, there is no end mark behind the last one, or there are more than 64.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("NTLM attribute-value pairs", bytes);
        let mut pairs = Vec::new();
        while pairs.len() < MAX_PAIRS {
            let id = AvId(reader.u16()?);
            let length = reader.size16()?;
            if id == AvId::EOL {
                return Ok(Self(pairs));
            }
            pairs.push((id, reader.bytes(length)?.to_vec()));
        }
        Err(reader.error())
    }

    /// Writes the list and its end mark. A value longer than its length field can say is left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (id, value) in &self.0 {
            if let Ok(length) = u16::try_from(value.len()) {
                bytes.extend(id.0.to_le_bytes());
                bytes.extend(length.to_le_bytes());
                bytes.extend(value);
            }
        }
        bytes.extend([0; 4]);
        bytes
    }

    /// The value of an attribute; of the first if there are several.
    #[must_use]
    pub fn find(&self, id: AvId) -> Option<&[u8]> {
        self.0
            .iter()
            .find(|(found, _)| *found == id)
            .map(|(_, value)| value.as_slice())
    }

    /// Adds a pair, or replaces the first of its kind.
    pub fn set(&mut self, id: AvId, value: Vec<u8>) {
        match self.0.iter_mut().find(|(found, _)| *found == id) {
            Some((_, old)) => *old = value,
            None => self.0.push((id, value)),
        }
    }

    /// Adds a pair whose value is text, or replaces the first of its kind. Always UTF-16.
    pub fn set_text(&mut self, id: AvId, text: &str) {
        self.set(id, text.encode_utf16().flat_map(u16::to_le_bytes).collect());
    }

    /// The flags; none if there are none or they are not 4 bytes.
    #[must_use]
    pub fn flags(&self) -> AvFlags {
        let value = self
            .find(AvId::FLAGS)
            .and_then(|value| value.try_into().ok());
        AvFlags(value.map_or(0, u32::from_le_bytes))
    }

    /// The time, if there is one and it has 8 bytes.
    #[must_use]
    pub fn timestamp(&self) -> Option<FileTime> {
        let value = self
            .find(AvId::TIMESTAMP)
            .and_then(|value| value.try_into().ok());
        value.map(u64::from_le_bytes).map(FileTime)
    }

    /// The channel the client is bound to: none if there is no such pair, or it is zero.
    #[must_use]
    pub fn channel_bindings(&self) -> Option<&[u8]> {
        self.find(AvId::CHANNEL_BINDINGS)
            .filter(|hash| hash.iter().any(|byte| *byte != 0))
    }

    /// The name by which the client called the server: none if there is no such pair, or it is empty.
    #[must_use]
    pub fn target_name(&self) -> Option<String> {
        let name = Utf16String::decode(self.find(AvId::TARGET_NAME)?).ok()?;
        (!name.is_empty()).then(|| name.to_string_lossy())
    }
}

/// Windows defines eleven kinds; a list of more than this is no list of names.
const MAX_PAIRS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs_are_found_and_replaced() {
        let mut pairs = AvPairs::default();
        pairs.set_text(AvId::TARGET_NAME, "cifs/server");
        pairs.set(AvId::FLAGS, 2_u32.to_le_bytes().to_vec());
        pairs.set(AvId::FLAGS, 6_u32.to_le_bytes().to_vec());
        pairs.set(AvId::CHANNEL_BINDINGS, vec![0; 16]);
        let again = AvPairs::decode(&pairs.encode()).unwrap();
        assert_eq!(again, pairs);
        assert_eq!(again.flags(), AvFlags(6));
        assert_eq!(again.target_name().as_deref(), Some("cifs/server"));
        assert_eq!(again.channel_bindings(), None);
        assert_eq!(again.timestamp(), None);
    }

    #[test]
    fn what_follows_the_end_mark_is_left_alone() {
        assert_eq!(
            AvPairs::decode(&[0, 0, 0, 0, 9, 9, 9, 9]),
            Ok(AvPairs::default())
        );
    }

    #[test]
    fn a_list_without_end_or_with_too_many_pairs_is_malformed() {
        assert!(AvPairs::decode(&[]).is_err());
        assert!(AvPairs::decode(&[1, 0, 0, 0]).is_err());
        assert!(AvPairs::decode(&[1, 0, 9, 0, 0, 0, 0, 0]).is_err());
        let many = [[1, 0, 0, 0]; 65].concat();
        assert!(AvPairs::decode(&many).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok(pairs) = AvPairs::decode(&bytes) {
                prop_assert_eq!(AvPairs::decode(&pairs.encode()), Ok(pairs));
            }
        }
    }
}
