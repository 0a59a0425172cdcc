//! The provider to serve with: aws-lc for everything but CMAC and CCM, where this crate's own
//! are faster.

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};

use super::ccm::AesCcm;
use super::cipher::{Cipher, CipherKey};
use super::cmac::AesCmac;
use super::provider::{Aead, CryptoError, CryptoProvider, Mac, Tag};
use super::secret::Secret;

/// aws-lc, and this module's own CMAC and CCM.
#[derive(Debug)]
pub(super) struct Fast;

impl CryptoProvider for Fast {
    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        let mut context = digest::Context::new(&digest::SHA512);
        for part in parts {
            context.update(part);
        }
        *Secret::from_prefix(context.finish().as_ref()).bytes()
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        *Secret::from_prefix(hmac_parts(&key, parts).as_ref()).bytes()
    }

    fn hmac_sha256_mac(&self, key: &[u8; 16]) -> Box<dyn Mac> {
        Box::new(HmacSha256(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    fn aes_cmac(&self, key: &[u8; 16]) -> Box<dyn Mac> {
        Box::new(AesCmac::new(key))
    }

    fn aead(&self, key: &CipherKey) -> Box<dyn Aead> {
        let short = key.short();
        let aead = match key.cipher() {
            Cipher::Aes128Ccm => AesCcm::new_128(short.bytes()).map(boxed),
            Cipher::Aes256Ccm => AesCcm::new_256(key.long()).map(boxed),
            Cipher::Aes128Gcm => UnboundKey::new(&AES_128_GCM, short.bytes()).map(gcm),
            Cipher::Aes256Gcm => UnboundKey::new(&AES_256_GCM, key.long()).map(gcm),
        };
        // aws-lc refuses keys of the wrong length only, and these lengths are types.
        aead.unwrap_or_else(|_| super::pure().aead(key))
    }
}

fn boxed<A: Aead + 'static>(aead: A) -> Box<dyn Aead> {
    Box::new(aead)
}

fn gcm(key: UnboundKey) -> Box<dyn Aead> {
    Box::new(AesGcm(LessSafeKey::new(key)))
}

struct HmacSha256(hmac::Key);

impl Mac for HmacSha256 {
    fn tag(&self, parts: &[&[u8]]) -> Tag {
        *Secret::from_prefix(hmac_parts(&self.0, parts).as_ref()).bytes()
    }
}

/// The context starts as a copy of the key's, which has the padded key hashed in already.
fn hmac_parts(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

struct AesGcm(LessSafeKey);

impl Aead for AesGcm {
    fn seal(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        message: &mut [u8],
    ) -> Result<Tag, CryptoError> {
        let tag = self
            .0
            .seal_in_place_separate_tag(gcm_nonce(nonce), Aad::from(associated), message)
            .map_err(|_| CryptoError::TooLong)?;
        tag.as_ref().try_into().map_err(|_| CryptoError::TooLong)
    }

    fn open(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        message: &mut [u8],
        tag: &Tag,
    ) -> Result<(), CryptoError> {
        self.0
            .open_in_place_separate_tag(gcm_nonce(nonce), Aad::from(associated), tag, message)
            .map(drop)
            .map_err(|_| CryptoError::Mismatch)
    }
}

/// The first 12 of the 16 bytes.
fn gcm_nonce(nonce: &[u8; 16]) -> Nonce {
    let [n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, ..] = *nonce;
    Nonce::assume_unique_for_key([n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11])
}
