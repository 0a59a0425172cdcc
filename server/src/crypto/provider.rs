//! The primitives everything else in this module is built from, behind one trait.
//!
//! A provider has no state. What it returns – a [`Mac`] or an [`Aead`] – holds an expanded key,
//! is shared between threads, and works without locks, allocation or key expansion.

use std::fmt;

use super::cipher::CipherKey;

/// An authentication tag or signature as it stands in a header.
pub type Tag = [u8; 16];

/// Why a cryptographic operation did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptoError {
    /// The signature or tag does not belong to these bytes under this key.
    Mismatch,
    /// The message is too short to hold the header in question.
    TooShort,
    /// The message is longer than the algorithm or its implementation can handle.
    TooLong,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mismatch => "the signature does not match the message",
            Self::TooShort => "the message is shorter than its header",
            Self::TooLong => "the message is too long for the algorithm",
        })
    }
}

impl std::error::Error for CryptoError {}

/// A message authentication code with its key set up.
pub trait Mac: Send + Sync {
    /// The code over the concatenation of `parts`, cut to its first 16 bytes.
    fn tag(&self, parts: &[&[u8]]) -> Tag;
}

/// Authenticated encryption with its key set up. The nonce is that of a transform header: each
/// cipher takes as many of the 16 bytes as it needs, from the front.
pub trait Aead: Send + Sync {
    /// Encrypts `message` in place and returns the tag over it and `associated`.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`]; `message` is then unspecified.
    fn seal(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        message: &mut [u8],
    ) -> Result<Tag, CryptoError>;

    /// Decrypts `message` in place if `tag` belongs to it and to `associated`.
    ///
    /// # Errors
    /// [`CryptoError::Mismatch`] or [`CryptoError::TooLong`]; `message` is then unspecified and
    /// must not be used.
    fn open(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        message: &mut [u8],
        tag: &Tag,
    ) -> Result<(), CryptoError>;
}

/// One implementation of all the primitives that SMB 2 and 3 call for.
pub trait CryptoProvider: fmt::Debug + Send + Sync {
    /// SHA-512 over the concatenation of `parts`.
    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64];

    /// HMAC-SHA256 over the concatenation of `parts`, whole, for key derivation.
    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 32];

    /// HMAC-SHA256 for signing.
    fn hmac_sha256_mac(&self, key: &[u8; 16]) -> Box<dyn Mac>;

    /// AES-128-CMAC (RFC 4493).
    fn aes_cmac(&self, key: &[u8; 16]) -> Box<dyn Mac>;

    /// The cipher that `key` is for. AES-128-GCM also serves as GMAC: seal an empty message.
    fn aead(&self, key: &CipherKey) -> Box<dyn Aead>;
}

/// The provider to serve with: aws-lc, and this module's own CMAC and CCM on hardware AES.
#[must_use]
pub fn fast() -> &'static dyn CryptoProvider {
    &super::fast::Fast
}

/// The provider in Rust alone: for platforms without aws-lc, and the oracle in tests.
#[must_use]
pub fn pure() -> &'static dyn CryptoProvider {
    &super::pure::Pure
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Cipher, Secret};
    use super::*;

    const CIPHERS: [Cipher; 4] = [
        Cipher::Aes128Ccm,
        Cipher::Aes128Gcm,
        Cipher::Aes256Ccm,
        Cipher::Aes256Gcm,
    ];

    /// Cuts `message` at the given places, so that parts of every length arise.
    fn cut<'m>(message: &'m [u8], places: &[usize]) -> Vec<&'m [u8]> {
        let mut places: Vec<usize> = places
            .iter()
            .map(|place| place % (message.len() + 1))
            .collect();
        places.push(message.len());
        places.sort_unstable();
        let mut start = 0;
        places
            .into_iter()
            .map(|place| {
                let part = &message[start..place];
                start = place;
                part
            })
            .collect()
    }

    proptest! {
        #[test]
        fn both_providers_agree_on_every_code_however_the_message_is_cut(
            key in any::<[u8; 16]>(),
            message in proptest::collection::vec(any::<u8>(), 0..600),
            places in proptest::collection::vec(any::<usize>(), 0..5),
        ) {
            let parts = cut(&message, &places);
            prop_assert_eq!(fast().sha512(&parts), pure().sha512(&[&message]));
            prop_assert_eq!(fast().hmac_sha256(&key, &parts), pure().hmac_sha256(&key, &[&message]));
            prop_assert_eq!(
                fast().hmac_sha256_mac(&key).tag(&parts),
                pure().hmac_sha256_mac(&key).tag(&[&message])
            );
            prop_assert_eq!(
                fast().aes_cmac(&key).tag(&parts),
                pure().aes_cmac(&key).tag(&[&message])
            );
        }

        #[test]
        fn what_one_provider_seals_the_other_opens(
            key in any::<[u8; 32]>(),
            nonce in any::<[u8; 16]>(),
            associated in proptest::collection::vec(any::<u8>(), 0..100),
            message in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            for cipher in CIPHERS {
                let key = CipherKey::new(cipher, &Secret::new(key));
                for (sealer, opener) in [(fast(), pure()), (pure(), fast())] {
                    let mut bytes = message.clone();
                    let tag = sealer.aead(&key).seal(&nonce, &associated, &mut bytes).unwrap();
                    let opener = opener.aead(&key);
                    let mut opened = bytes.clone();
                    opener.open(&nonce, &associated, &mut opened, &tag).unwrap();
                    prop_assert_eq!(&opened, &message);

                    let mut wrong = tag;
                    wrong[nonce[0] as usize % 16] ^= 1;
                    let refused = opener.open(&nonce, &associated, &mut bytes, &wrong);
                    prop_assert_eq!(refused, Err(CryptoError::Mismatch));
                }
            }
        }
    }
}
