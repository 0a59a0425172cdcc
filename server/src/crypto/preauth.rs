//! The hash chain that ties a session's keys to the messages that set it up.

use super::provider::CryptoProvider;

/// The pre-authentication integrity hash value of a connection or of a session: SHA-512 over the
/// previous value and the next message, starting from zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreauthHash([u8; 64]);

impl PreauthHash {
    /// The value before any message.
    #[must_use]
    pub fn new() -> Self {
        Self([0; 64])
    }

    /// Chains one whole SMB2 message, header included and transport header excluded.
    pub fn update(&mut self, provider: &dyn CryptoProvider, message: &[u8]) {
        // [MS-SMB2] 3.3.5.4
        self.0 = provider.sha512(&[&self.0, message]);
    }

    /// The value so far.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl Default for PreauthHash {
    fn default() -> Self {
        Self::new()
    }
}

impl From<[u8; 64]> for PreauthHash {
    fn from(value: [u8; 64]) -> Self {
        Self(value)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::hex;
    use super::super::test_vectors::*;
    use super::super::{fast, pure};
    use super::*;

    // test [MS-SMB2] 3.3.5.4
    #[test]
    fn the_chain_of_a_real_session_comes_out_as_published() {
        let published = [
            (SMB311_CHAIN_0, "19a081739c67126a"),
            (SMB311_CHAIN_1, "9b8f4c61dc66404c"),
            (SMB311_CHAIN_2, "95315f500c9f5dc5"),
            (SMB311_CHAIN_3, "b500d29caee78d7e"),
            (SMB311_CHAIN_4, "fb116c8020e23fd8"),
        ];
        for provider in [fast(), pure()] {
            let mut hash = PreauthHash::new();
            for (message, value) in published {
                hash.update(provider, &hex(message));
                assert_eq!(hash.bytes()[..8], hex(value));
            }
        }
    }
}
