//! Encrypting and decrypting whole messages behind an SMB2 TRANSFORM_HEADER.
//!
//! Works in place on one contiguous frame, header and message. Knows the header's layout as far
//! as the cryptography reaches (signature, nonce, associated data) and checks none of its other
//! fields: that is the packet layer's.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use super::provider::{Aead, CryptoError, CryptoProvider, Tag};
use super::secret::Secret;

/// The encryption algorithms of SMB 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// AES-128-CCM, the only cipher of 3.0 and 3.0.2.
    Aes128Ccm,
    /// AES-128-GCM.
    Aes128Gcm,
    /// AES-256-CCM.
    Aes256Ccm,
    /// AES-256-GCM.
    Aes256Gcm,
}

impl Cipher {
    /// The cipher with this identifier in SMB2_ENCRYPTION_CAPABILITIES, if there is one.
    #[must_use]
    pub fn from_id(id: u16) -> Option<Self> {
        // [MS-SMB2] 2.2.3.1.2
        match id {
            0x0001 => Some(Self::Aes128Ccm),
            0x0002 => Some(Self::Aes128Gcm),
            0x0003 => Some(Self::Aes256Ccm),
            0x0004 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }

    /// The identifier in SMB2_ENCRYPTION_CAPABILITIES.
    #[must_use]
    pub fn id(self) -> u16 {
        match self {
            Self::Aes128Ccm => 0x0001,
            Self::Aes128Gcm => 0x0002,
            Self::Aes256Ccm => 0x0003,
            Self::Aes256Gcm => 0x0004,
        }
    }

    /// Whether keys have 256 bits rather than 128.
    #[must_use]
    pub fn is_256_bit(self) -> bool {
        matches!(self, Self::Aes256Ccm | Self::Aes256Gcm)
    }
}

/// A key for one cipher and one direction.
#[derive(Clone, Debug)]
pub struct CipherKey {
    cipher: Cipher,
    bytes: Secret<32>,
}

impl CipherKey {
    /// A key for `cipher`, which takes as many of the bytes as it needs, from the front.
    #[must_use]
    pub fn new(cipher: Cipher, bytes: &Secret<32>) -> Self {
        Self {
            cipher,
            bytes: bytes.clone(),
        }
    }

    /// The cipher the key is for.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// All 32 bytes; a 128-bit cipher uses only the first half.
    pub(super) fn long(&self) -> &[u8; 32] {
        self.bytes.bytes()
    }

    /// The first 16 bytes: the whole key of a 128-bit cipher.
    pub(super) fn short(&self) -> Secret<16> {
        Secret::from_prefix(self.bytes.bytes())
    }
}

/// A nonce that no other message under the same key has had or will have. It can be used once:
/// it is neither `Copy` nor `Clone`.
#[derive(Debug, PartialEq, Eq)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// The Nonce field of the transform header, unused bytes zero.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// Encrypts what this end sends in one session, over all its channels.
pub struct SealingKey {
    cipher: Cipher,
    aead: Box<dyn Aead>,
    counter: AtomicU64,
    salt: [u8; 4],
}

impl SealingKey {
    /// Sets the key up. `seed` must be random: two sessions may be given equal keys (3.0 with a
    /// Kerberos ticket used twice), and then only the seed keeps their nonces apart.
    #[must_use]
    pub fn new(provider: &dyn CryptoProvider, key: &CipherKey, seed: [u8; 12]) -> Self {
        let [s0, s1, s2, s3, s4, s5, s6, s7, salt @ ..] = seed;
        Self {
            cipher: key.cipher(),
            aead: provider.aead(key),
            counter: AtomicU64::new(u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7])),
            salt,
        }
    }

    /// The cipher in use.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// The next nonce. The counter wraps after 2^64 messages, which no session lives to see.
    pub fn next_nonce(&self) -> Nonce {
        // [MS-SMB2] 2.2.41
        let [c0, c1, c2, c3, c4, c5, c6, c7] =
            self.counter.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let [s0, s1, s2, s3] = self.salt;
        let s3 = match self.cipher {
            Cipher::Aes128Ccm | Cipher::Aes256Ccm => 0,
            Cipher::Aes128Gcm | Cipher::Aes256Gcm => s3,
        };
        Nonce([c0, c1, c2, c3, c4, c5, c6, c7, s0, s1, s2, s3, 0, 0, 0, 0])
    }

    /// Encrypts `message` in place and returns its tag: for data that has no transform header in
    /// front of it. `associated` is authenticated with it.
    ///
    /// # Errors
    /// [`CryptoError::TooLong`] above 4 GiB.
    #[expect(clippy::needless_pass_by_value, reason = "a nonce is used up")]
    pub fn seal_in_place(
        &self,
        nonce: Nonce,
        associated: &[u8],
        message: &mut [u8],
    ) -> Result<Tag, CryptoError> {
        self.aead.seal(nonce.bytes(), associated, message)
    }

    /// Encrypts a frame in place: a transform header whose ProtocolId, OriginalMessageSize, Flags
    /// and SessionId are filled in, then the message. Fills in Nonce and Signature.
    ///
    /// # Errors
    /// [`CryptoError::TooShort`] below 52 bytes, [`CryptoError::TooLong`] above 4 GiB.
    pub fn seal_frame(&self, frame: &mut [u8]) -> Result<(), CryptoError> {
        let TransformParts {
            signature,
            associated,
            message,
        } = TransformParts::of(frame)?;
        let nonce = self.next_nonce();
        let (nonce_field, _) = associated
            .split_first_chunk_mut()
            .ok_or(CryptoError::TooShort)?;
        *nonce_field = *nonce.bytes();
        // [MS-SMB2] 3.1.4.3
        *signature = self.seal_in_place(nonce, associated, message)?;
        Ok(())
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey")
            .field("cipher", &self.cipher)
            .finish_non_exhaustive()
    }
}

/// Decrypts what the other end sends in one session, over all its channels.
pub struct OpeningKey {
    cipher: Cipher,
    aead: Box<dyn Aead>,
}

impl OpeningKey {
    /// Sets the key up.
    #[must_use]
    pub fn new(provider: &dyn CryptoProvider, key: &CipherKey) -> Self {
        Self {
            cipher: key.cipher(),
            aead: provider.aead(key),
        }
    }

    /// The cipher in use.
    #[must_use]
    pub fn cipher(&self) -> Cipher {
        self.cipher
    }

    /// Decrypts `message` in place: for data that has no transform header in front of it.
    ///
    /// # Errors
    /// [`CryptoError::Mismatch`], after which `message` must not be used.
    pub fn open_in_place(
        &self,
        nonce: &[u8; 16],
        associated: &[u8],
        message: &mut [u8],
        tag: &Tag,
    ) -> Result<(), CryptoError> {
        self.aead.open(nonce, associated, message, tag)
    }

    /// Decrypts a frame in place: transform header, then message. The header is left as it was,
    /// so the plain message starts at byte 52.
    ///
    /// # Errors
    /// [`CryptoError::TooShort`] below 52 bytes; [`CryptoError::Mismatch`], after which the
    /// message must not be used. Either ends the connection ([MS-SMB2] 3.3.5.2.1.1).
    pub fn open_frame(&self, frame: &mut [u8]) -> Result<(), CryptoError> {
        let TransformParts {
            signature,
            associated,
            message,
        } = TransformParts::of(frame)?;
        let nonce = associated.first_chunk().ok_or(CryptoError::TooShort)?;
        // [MS-SMB2] 3.3.5.2.1.1
        self.open_in_place(nonce, associated, message, signature)
    }
}

impl fmt::Debug for OpeningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpeningKey")
            .field("cipher", &self.cipher)
            .finish_non_exhaustive()
    }
}

/// A frame split where the cryptography needs it.
struct TransformParts<'f> {
    signature: &'f mut [u8; 16],
    /// Everything of the header after Signature; begins with Nonce.
    associated: &'f mut [u8; 32],
    message: &'f mut [u8],
}

impl<'f> TransformParts<'f> {
    fn of(frame: &'f mut [u8]) -> Result<Self, CryptoError> {
        // [MS-SMB2] 2.2.41
        let (_protocol, rest) = frame.split_at_mut_checked(4).ok_or(CryptoError::TooShort)?;
        let (signature, rest) = rest.split_first_chunk_mut().ok_or(CryptoError::TooShort)?;
        let (associated, message) = rest.split_first_chunk_mut().ok_or(CryptoError::TooShort)?;
        Ok(Self {
            signature,
            associated,
            message,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::test_support::hex;
    use super::super::test_vectors::*;
    use super::super::{fast, pure};
    use super::*;

    fn key(cipher: Cipher, digits: &str) -> CipherKey {
        CipherKey::new(cipher, &Secret::from_prefix(&hex(digits)))
    }

    fn opened(key: &CipherKey, frame: &str) -> Vec<u8> {
        let mut frames: Vec<Vec<u8>> = [fast(), pure()]
            .map(|provider| {
                let mut frame = hex(frame);
                OpeningKey::new(provider, key)
                    .open_frame(&mut frame)
                    .unwrap();
                frame
            })
            .into();
        assert_eq!(frames[0], frames[1]);
        frames.remove(0).split_off(52)
    }

    // test [MS-SMB2] 3.3.5.2.1.1
    #[test]
    fn messages_of_real_sessions_are_opened() {
        let request = opened(
            &key(Cipher::Aes128Ccm, "f8c1a6b544e8226f98ee44778eaf316b"),
            SMB311_SEALED_REQUEST,
        );
        assert_eq!(request[..4], *b"\xfeSMB");
        let share = "\\\\foo.test\\IPC$"
            .encode_utf16()
            .flat_map(u16::to_le_bytes);
        assert_eq!(request[72..102], *share.collect::<Vec<u8>>());

        let response = opened(
            &key(Cipher::Aes128Ccm, "394071f1a21db5ba683efa868c36aedf"),
            SMB311_SEALED_RESPONSE,
        );
        assert_eq!((response.len(), &response[..4]), (80, &b"\xfeSMB"[..]));

        let keys = super::super::SessionKeys::derive(
            fast(),
            super::super::Derivation::Smb30,
            &hex("28f2847263c83dc00621f742dd3f2e7b"),
            Some(Cipher::Aes128Ccm),
        );
        let request = opened(&keys.decryption.unwrap(), SMB300_SEALED_REQUEST);
        assert_eq!((request.len(), &request[..4]), (146, &b"\xfeSMB"[..]));
    }

    #[test]
    fn the_published_examples_are_opened() {
        let ccm = key(Cipher::Aes128Ccm, "261b72350558f2e9dcf613070383edbf");
        assert_eq!(opened(&ccm, BLOG_CCM_FRAME), hex(BLOG_CCM_PLAIN));
        let gcm = key(Cipher::Aes128Gcm, "a2f5e80e5d59103034f32e52f698e5ec");
        assert_eq!(opened(&gcm, BLOG_GCM_FRAME), hex(BLOG_GCM_PLAIN));
    }

    #[test]
    fn frames_of_another_implementation_with_256_bit_keys_are_opened() {
        // Sealed with OpenSSL.
        let bytes = Secret::new(std::array::from_fn(|i| i as u8));
        let message: Vec<u8> = (0..67_u32).map(|i| (i * 7 % 256) as u8).collect();
        for (cipher, frame) in [
            (
                Cipher::Aes256Gcm,
                "fd534d4256bc6d77edf85cee810706cd9371769d404142434445464748494a4b
                 0000000043000000000001008877665544332211e2bea0363a1fad32f5fb517b
                 cf3f713209b12cd93ba69582dfe8f85853d83f0278ef1d5922bad54539eb2d42
                 a5369d939b26f4545fb498880995429983419a7924d41b",
            ),
            (
                Cipher::Aes256Ccm,
                "fd534d42a6e6222b8f23ec23a46bd90a0563381c404142434445464748494a00
                 0000000043000000000001008877665544332211750a7dbf17c9a80552e78ec6
                 d5ff2859f8ec99cffdf7cc6815fedd5eabad1d2dc8f3f577928915dc21abb8a7
                 6c8e8cfbfc5f3d97586518d787cfc508b4d652188168ee",
            ),
        ] {
            assert_eq!(opened(&CipherKey::new(cipher, &bytes), frame), message);
        }
    }

    // test [MS-SMB2] 3.1.4.3
    #[test]
    fn a_sealed_frame_is_opened_and_any_changed_byte_of_it_is_noticed() {
        for id in 1..=4 {
            let cipher = Cipher::from_id(id).unwrap();
            assert_eq!(cipher.id(), id);
            let key = CipherKey::new(cipher, &Secret::new([9; 32]));
            let sealing = SealingKey::new(fast(), &key, [3; 12]);
            let opening = OpeningKey::new(fast(), &key);
            let mut plain = b"\xfdSMB".to_vec();
            plain.extend([0; 48]);
            plain.extend(b"message");

            let mut frame = plain.clone();
            sealing.seal_frame(&mut frame).unwrap();
            assert_ne!(frame[52..], plain[52..]);
            let mut again = frame.clone();
            opening.open_frame(&mut again).unwrap();
            assert_eq!(again[52..], plain[52..]);

            let unused_nonce_bytes = match cipher {
                Cipher::Aes128Ccm | Cipher::Aes256Ccm => 31..36,
                Cipher::Aes128Gcm | Cipher::Aes256Gcm => 32..36,
            };
            assert!(frame[unused_nonce_bytes].iter().all(|byte| *byte == 0));
            for at in 4..frame.len() {
                let mut changed = frame.clone();
                changed[at] ^= 0x10;
                assert_eq!(
                    opening.open_frame(&mut changed),
                    Err(CryptoError::Mismatch),
                    "{at}"
                );
            }
        }
    }

    #[test]
    fn a_frame_without_a_whole_header_is_refused_and_an_empty_message_is_not() {
        let key = CipherKey::new(Cipher::Aes128Gcm, &Secret::new([9; 32]));
        let sealing = SealingKey::new(fast(), &key, [3; 12]);
        let opening = OpeningKey::new(fast(), &key);
        for length in 0..52 {
            let mut frame = vec![0; length];
            assert_eq!(sealing.seal_frame(&mut frame), Err(CryptoError::TooShort));
            assert_eq!(opening.open_frame(&mut frame), Err(CryptoError::TooShort));
        }
        let mut frame = vec![0; 52];
        sealing.seal_frame(&mut frame).unwrap();
        opening.open_frame(&mut frame).unwrap();
    }

    // test [MS-SMB2] 2.2.41
    #[test]
    fn nonces_never_repeat_not_even_where_the_counter_wraps() {
        for cipher in [Cipher::Aes128Ccm, Cipher::Aes128Gcm] {
            let key = CipherKey::new(cipher, &Secret::new([9; 32]));
            let sealing = SealingKey::new(fast(), &key, [0xff; 12]);
            let nonces: HashSet<[u8; 16]> =
                (0..1000).map(|_| *sealing.next_nonce().bytes()).collect();
            assert_eq!(nonces.len(), 1000);
        }
    }
}
