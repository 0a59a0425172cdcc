//! The provider in Rust alone: the RustCrypto crates as they come.
//!
//! Kept plain on purpose: in tests it is what the fast provider is measured against.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, Key, Nonce, Tag as AeadTag};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ccm::Ccm;
use ccm::consts::{U11, U16};
use cmac::Cmac;
use hmac::digest::Output;
use hmac::{Hmac, KeyInit};
use sha2::{Digest, Sha256, Sha512};

use super::cipher::{Cipher, CipherKey};
use super::provider::{Aead, CryptoError, CryptoProvider, Mac, Tag};
use super::secret::Secret;

/// The RustCrypto crates.
#[derive(Debug)]
pub(super) struct Pure;

impl CryptoProvider for Pure {
    fn sha512(&self, parts: &[&[u8]]) -> [u8; 64] {
        let mut hash = Sha512::new();
        for part in parts {
            hash.update(part);
        }
        hash.finalize().into()
    }

    fn hmac_sha256(&self, key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        // A key is first shortened or padded to a block, so that setting it up cannot fail.
        let block: Secret<64> = if key.len() <= 64 {
            Secret::from_prefix(key)
        } else {
            Secret::from_prefix(&Sha256::digest(key))
        };
        run(Hmac::<Sha256>::new(&(*block.bytes()).into()), parts).into()
    }

    fn hmac_sha256_mac(&self, key: &[u8; 16]) -> Box<dyn Mac> {
        let block: Secret<64> = Secret::from_prefix(key);
        Box::new(Keyed(Hmac::<Sha256>::new(&(*block.bytes()).into())))
    }

    fn aes_cmac(&self, key: &[u8; 16]) -> Box<dyn Mac> {
        Box::new(Keyed(Cmac::<aes::Aes128>::new(key.into())))
    }

    fn aead(&self, key: &CipherKey) -> Box<dyn Aead> {
        match key.cipher() {
            Cipher::Aes128Ccm => keyed::<Ccm<aes::Aes128, U16, U11>>(key),
            Cipher::Aes128Gcm => keyed::<Aes128Gcm>(key),
            Cipher::Aes256Ccm => keyed::<Ccm<aes::Aes256, U16, U11>>(key),
            Cipher::Aes256Gcm => keyed::<Aes256Gcm>(key),
        }
    }
}

/// A key set up once; each message starts from a copy.
struct Keyed<T>(T);

impl<M: hmac::Mac + Clone + Send + Sync> Mac for Keyed<M> {
    fn tag(&self, parts: &[&[u8]]) -> Tag {
        *Secret::from_prefix(&run(self.0.clone(), parts)).bytes()
    }
}

fn run<M: hmac::Mac>(mut mac: M, parts: &[&[u8]]) -> Output<M> {
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes()
}

fn keyed<A>(key: &CipherKey) -> Box<dyn Aead>
where
    A: AeadInOut + KeyInit + Send + Sync + 'static,
{
    let mut bytes = Key::<A>::default();
    for (to, from) in bytes.iter_mut().zip(key.long()) {
        *to = *from;
    }
    Box::new(Keyed(A::new(&bytes)))
}

impl<A: AeadInOut + Send + Sync> Aead for Keyed<A> {
    fn seal(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        message: &mut [u8],
    ) -> Result<Tag, CryptoError> {
        let tag = self
            .0
            .encrypt_inout_detached(&prefix::<A>(nonce), associated, InOutBuf::from(message))
            .map_err(|_| CryptoError::TooLong)?;
        Ok(*Secret::from_prefix(&tag).bytes())
    }

    fn open(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        message: &mut [u8],
        tag: &Tag,
    ) -> Result<(), CryptoError> {
        let mut expected = AeadTag::<A>::default();
        for (to, from) in expected.iter_mut().zip(tag) {
            *to = *from;
        }
        let message = InOutBuf::from(message);
        self.0
            .decrypt_inout_detached(&prefix::<A>(nonce), associated, message, &expected)
            .map_err(|_| CryptoError::Mismatch)
    }
}

/// As many bytes of the nonce as the cipher takes.
fn prefix<A: AeadInOut>(nonce: &[u8; 16]) -> Nonce<A> {
    let mut bytes = Nonce::<A>::default();
    for (to, from) in bytes.iter_mut().zip(nonce) {
        *to = *from;
    }
    bytes
}
