//! Signing and verifying SMB2 messages.
//!
//! A message here is one SMB2 message from the first byte of its header to the last byte of its
//! padding: an element of a compound, never the whole compound. The module reads MessageId and
//! Command for the GMAC nonce and writes Signature; the SIGNED flag is the caller's to set,
//! before signing.

use std::fmt;

use subtle::ConstantTimeEq;

use super::cipher::{Cipher, CipherKey};
use super::provider::{Aead, CryptoError, CryptoProvider, Mac, Tag};
use super::secret::Secret;

/// The signature algorithms of SMB 2 and 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// HMAC-SHA256, cut to 16 bytes: 2.0.2, 2.1, and 3.1.1 by negotiation.
    HmacSha256,
    /// AES-128-CMAC: 3.0, 3.0.2, and 3.1.1 unless negotiated otherwise.
    AesCmac,
    /// AES-128-GMAC: 3.1.1 by negotiation.
    AesGmac,
}

impl SigningAlgorithm {
    /// The algorithm with this identifier in SMB2_SIGNING_CAPABILITIES, if there is one.
    #[must_use]
    pub fn from_id(id: u16) -> Option<Self> {
        // [MS-SMB2] 2.2.3.1.7
        match id {
            0x0000 => Some(Self::HmacSha256),
            0x0001 => Some(Self::AesCmac),
            0x0002 => Some(Self::AesGmac),
            _ => None,
        }
    }

    /// The identifier in SMB2_SIGNING_CAPABILITIES.
    #[must_use]
    pub fn id(self) -> u16 {
        match self {
            Self::HmacSha256 => 0x0000,
            Self::AesCmac => 0x0001,
            Self::AesGmac => 0x0002,
        }
    }
}

/// Which end of the connection a key is used at: what it signs is that end's, what it verifies
/// is the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that connected.
    Client,
    /// The end that listened.
    Server,
}

impl Role {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// A signing key, set up once and then used for every message of a session or channel.
pub struct SigningKey {
    algorithm: SigningAlgorithm,
    role: Role,
    keyed: Keyed,
}

enum Keyed {
    Mac(Box<dyn Mac>),
    Gmac(Box<dyn Aead>),
}

impl SigningKey {
    /// Sets the key up for use at the given end.
    #[must_use]
    pub fn new(
        provider: &dyn CryptoProvider,
        algorithm: SigningAlgorithm,
        key: &Secret<16>,
        role: Role,
    ) -> Self {
        let keyed = match algorithm {
            SigningAlgorithm::HmacSha256 => Keyed::Mac(provider.hmac_sha256_mac(key.bytes())),
            SigningAlgorithm::AesCmac => Keyed::Mac(provider.aes_cmac(key.bytes())),
            SigningAlgorithm::AesGmac => {
                let key = CipherKey::new(Cipher::Aes128Gcm, &Secret::from_prefix(key.bytes()));
                Keyed::Gmac(provider.aead(&key))
            }
        };
        Self {
            algorithm,
            role,
            keyed,
        }
    }

    /// The algorithm in use.
    #[must_use]
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// Computes the signature of `message` and stores it in its header.
    ///
    /// # Errors
    /// [`CryptoError::TooShort`] if there is no whole header.
    pub fn sign(&self, message: &mut [u8]) -> Result<(), CryptoError> {
        // [MS-SMB2] 3.1.4.1
        signature_mut(message)?.fill(0);
        let signature = self.compute(message, self.role)?;
        *signature_mut(message)? = signature;
        Ok(())
    }

    /// Checks the signature of a received message in constant time, without touching it.
    ///
    /// GMAC wants the message contiguous with its signature zeroed, so for it this copies the
    /// message: use [`Self::verify_in_place`] wherever the buffer is one's own.
    ///
    /// # Errors
    /// [`CryptoError::Mismatch`], or [`CryptoError::TooShort`] if there is no whole header.
    pub fn verify(&self, message: &[u8]) -> Result<(), CryptoError> {
        let Keyed::Mac(mac) = &self.keyed else {
            return self.verify_in_place(&mut message.to_vec());
        };
        // [MS-SMB2] 3.1.5.1
        let (header, rest) = message
            .split_first_chunk::<HEADER_LENGTH>()
            .ok_or(CryptoError::TooShort)?;
        let mut header = *header;
        let received = std::mem::take(signature_mut(&mut header)?);
        compare(&received, &mac.tag(&[&header, rest]))
    }

    /// Checks the signature of a received message in constant time and without a copy. The
    /// message is the same afterwards as before.
    ///
    /// # Errors
    /// [`CryptoError::Mismatch`], or [`CryptoError::TooShort`] if there is no whole header.
    pub fn verify_in_place(&self, message: &mut [u8]) -> Result<(), CryptoError> {
        if let Keyed::Mac(_) = &self.keyed {
            return self.verify(message);
        }
        // [MS-SMB2] 3.1.5.1
        let received = std::mem::take(signature_mut(message)?);
        let expected = self.compute(message, self.role.other());
        *signature_mut(message)? = received;
        compare(&received, &expected?)
    }

    /// The signature of a message whose signature field is zero, sent by `sender`.
    fn compute(&self, message: &[u8], sender: Role) -> Result<Tag, CryptoError> {
        match &self.keyed {
            Keyed::Mac(mac) => Ok(mac.tag(&[message])),
            Keyed::Gmac(gmac) => gmac.seal(&gmac_nonce(message, sender)?, message, &mut []),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

fn compare(received: &Tag, expected: &Tag) -> Result<(), CryptoError> {
    if bool::from(received.ct_eq(expected)) {
        Ok(())
    } else {
        Err(CryptoError::Mismatch)
    }
}

fn signature_mut(message: &mut [u8]) -> Result<&mut Tag, CryptoError> {
    message
        .get_mut(SIGNATURE_AT..)
        .and_then(|rest| rest.first_chunk_mut())
        .ok_or(CryptoError::TooShort)
}

/// The nonce comes from what the header says, so a message can be verified without any state.
fn gmac_nonce(message: &[u8], sender: Role) -> Result<[u8; 16], CryptoError> {
    let [m0, m1, m2, m3, m4, m5, m6, m7] = field(message, MESSAGE_ID_AT)?;
    // [MS-SMB2] 3.1.4.1
    let sender = match sender {
        Role::Client => 0,
        Role::Server => 0b01,
    };
    let cancel = if field(message, COMMAND_AT)? == CANCEL {
        0b10
    } else {
        0
    };
    Ok([
        m0,
        m1,
        m2,
        m3,
        m4,
        m5,
        m6,
        m7,
        sender | cancel,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ])
}

fn field<const N: usize>(message: &[u8], at: usize) -> Result<[u8; N], CryptoError> {
    message
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or(CryptoError::TooShort)
}

// [MS-SMB2] 2.2.1.2
const COMMAND_AT: usize = 12;
const MESSAGE_ID_AT: usize = 24;
const SIGNATURE_AT: usize = 48;
const HEADER_LENGTH: usize = 64;
/// SMB2 CANCEL as it stands in the Command field.
const CANCEL: [u8; 2] = 0x000C_u16.to_le_bytes();

#[cfg(test)]
mod tests {
    use super::super::test_support::{hex, hex_array};
    use super::super::test_vectors::*;
    use super::super::{fast, pure};
    use super::*;

    const ALGORITHMS: [SigningAlgorithm; 3] = [
        SigningAlgorithm::HmacSha256,
        SigningAlgorithm::AesCmac,
        SigningAlgorithm::AesGmac,
    ];

    fn keys(algorithm: SigningAlgorithm, key: [u8; 16], role: Role) -> [SigningKey; 2] {
        [fast(), pure()]
            .map(|provider| SigningKey::new(provider, algorithm, &Secret::new(key), role))
    }

    /// A WRITE request of message id 0x0102030405060708 with a body of 49 bytes.
    fn message() -> Vec<u8> {
        let mut message = hex(
            "fe534d42 4000 0000 00000000 0900 0100 09000000 00000000 0807060504030201
             fffe0000 05000000 9900000000000000 00000000000000000000000000000000",
        );
        message.extend(0..49);
        message
    }

    // test [MS-SMB2] 3.1.5.1
    #[test]
    fn signatures_of_real_sessions_are_verified() {
        let cmac = SigningAlgorithm::AesCmac;
        let smb311 = hex_array("16d03a8f8eb9560cb2a848507d4bc83b");
        let smb300 = super::super::kdf::channel_signing_key(
            fast(),
            super::super::Derivation::Smb30,
            &hex("28f2847263c83dc00621f742dd3f2e7b"),
        );
        for (key, role, message) in [
            (smb311, Role::Client, SMB311_SIGNED_RESPONSE),
            (*smb300.bytes(), Role::Client, SMB300_SIGNED_RESPONSE),
            (*smb300.bytes(), Role::Server, SMB300_SIGNED_REQUEST),
        ] {
            for key in keys(cmac, key, role) {
                key.verify(&hex(message)).unwrap();
                key.verify_in_place(&mut hex(message)).unwrap();
            }
        }
    }

    // test [MS-SMB2] 3.1.4.1
    #[test]
    fn signatures_equal_those_of_another_implementation() {
        // Computed with OpenSSL.
        let expected = [
            (
                SigningAlgorithm::HmacSha256,
                Role::Client,
                "84541c9caf5426a95cbd559b2febef1f",
            ),
            (
                SigningAlgorithm::AesCmac,
                Role::Client,
                "8264e63fed627a1d90cb80da7fccece2",
            ),
            (
                SigningAlgorithm::AesGmac,
                Role::Client,
                "c0e0b19a77ef1e8a6429e5fc46cfa780",
            ),
            (
                SigningAlgorithm::AesGmac,
                Role::Server,
                "d09ff1742d2d3bfe061ee0c20c81b4fc",
            ),
        ];
        let key = std::array::from_fn(|i| i as u8);
        for (algorithm, role, signature) in expected {
            for key in keys(algorithm, key, role) {
                let mut message = message();
                // What stands in the field beforehand does not count.
                message[48..64].fill(0x55);
                key.sign(&mut message).unwrap();
                assert_eq!(message[48..64], hex(signature));
            }
        }
        let mut cancel = message();
        cancel[12] = 0x0C;
        for key in keys(SigningAlgorithm::AesGmac, key, Role::Client) {
            key.sign(&mut cancel).unwrap();
            assert_eq!(cancel[48..64], hex("bf9854fc14642f1e5a45e5d0d5c98aed"));
        }
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed_and_verifying_changes_nothing() {
        for algorithm in ALGORITHMS {
            let [client, _] = keys(algorithm, [7; 16], Role::Client);
            for server in keys(algorithm, [7; 16], Role::Server) {
                let mut message = message();
                client.sign(&mut message).unwrap();
                server.verify(&message).unwrap();
                let before = message.clone();
                server.verify_in_place(&mut message).unwrap();
                assert_eq!(message, before);
                for at in 0..message.len() {
                    let mut changed = message.clone();
                    changed[at] ^= 0x10;
                    let before = changed.clone();
                    assert_eq!(server.verify(&changed), Err(CryptoError::Mismatch), "{at}");
                    let result = server.verify_in_place(&mut changed);
                    assert_eq!(result, Err(CryptoError::Mismatch), "{at}");
                    assert_eq!(changed, before);
                }
            }
        }
    }

    #[test]
    fn a_gmac_signed_message_sent_back_to_its_sender_is_refused() {
        let [server, _] = keys(SigningAlgorithm::AesGmac, [7; 16], Role::Server);
        let mut message = message();
        server.sign(&mut message).unwrap();
        assert_eq!(server.verify(&message), Err(CryptoError::Mismatch));
    }

    #[test]
    fn a_message_without_a_whole_header_is_refused() {
        for algorithm in ALGORITHMS {
            for key in keys(algorithm, [7; 16], Role::Server) {
                for length in 0..64 {
                    let mut message = vec![0; length];
                    assert_eq!(key.sign(&mut message), Err(CryptoError::TooShort));
                    assert_eq!(key.verify(&message), Err(CryptoError::TooShort));
                    assert_eq!(
                        key.verify_in_place(&mut message),
                        Err(CryptoError::TooShort)
                    );
                }
            }
        }
    }

    #[test]
    fn identifiers_are_those_of_the_negotiate_context() {
        for algorithm in ALGORITHMS {
            assert_eq!(SigningAlgorithm::from_id(algorithm.id()), Some(algorithm));
        }
        assert_eq!(SigningAlgorithm::from_id(3), None);
    }
}
