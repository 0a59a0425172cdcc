//! From the key that authentication yields to the keys of a session.
//!
//! Nothing here is on a hot path; it runs once per session or channel.

use super::cipher::{Cipher, CipherKey};
use super::preauth::PreauthHash;
use super::provider::CryptoProvider;
use super::secret::Secret;

/// Which family of derivation the dialect asks for, with what it needs.
#[derive(Clone, Copy, Debug)]
pub enum Derivation<'h> {
    /// 2.0.2 and 2.1: the session key itself signs, and nothing is encrypted.
    Smb2,
    /// 3.0 and 3.0.2: fixed contexts.
    Smb30,
    /// 3.1.1: the context is the session's pre-authentication hash, up to and including the
    /// SESSION_SETUP request that completed authentication.
    Smb311(&'h PreauthHash),
}

/// The keys of one session, as [MS-SMB2] 3.3.1.8 names them.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    /// Session.SigningKey, which is also the first channel's.
    pub signing: Secret<16>,
    /// Session.ApplicationKey; before 3.0 the session key, which is what applications then get.
    pub application: Secret<16>,
    /// Session.EncryptionKey: server to client. None without a cipher.
    pub encryption: Option<CipherKey>,
    /// Session.DecryptionKey: client to server. None without a cipher.
    pub decryption: Option<CipherKey>,
}

impl SessionKeys {
    /// Derives every key of a session. `authenticated` is the whole key that the mechanism
    /// yielded; `cipher` is the connection's, or None where encryption is not available.
    #[must_use]
    pub fn derive(
        provider: &dyn CryptoProvider,
        derivation: Derivation<'_>,
        authenticated: &[u8],
        cipher: Option<Cipher>,
    ) -> Self {
        let session_key = session_key(authenticated);
        let Some(labels) = Labels::of(derivation) else {
            return Self {
                signing: session_key.clone(),
                application: session_key,
                encryption: None,
                decryption: None,
            };
        };
        let cipher_key = |cipher, purpose| {
            let root = if Cipher::is_256_bit(cipher) {
                authenticated
            } else {
                session_key.bytes()
            };
            CipherKey::new(cipher, &derive(provider, root, purpose, bits(cipher)))
        };
        Self {
            signing: short(provider, &session_key, labels.signing),
            application: short(provider, &session_key, labels.application),
            encryption: cipher.map(|cipher| cipher_key(cipher, labels.server_to_client)),
            decryption: cipher.map(|cipher| cipher_key(cipher, labels.client_to_server)),
        }
    }
}

/// Channel.SigningKey of a channel bound to an existing session: from the key of the *binding*
/// authentication and, in 3.1.1, that exchange's own pre-authentication hash.
#[must_use]
pub fn channel_signing_key(
    provider: &dyn CryptoProvider,
    derivation: Derivation<'_>,
    authenticated: &[u8],
) -> Secret<16> {
    let session_key = session_key(authenticated);
    match Labels::of(derivation) {
        Some(labels) => short(provider, &session_key, labels.signing),
        None => session_key,
    }
}

/// Session.SessionKey: the first 16 bytes, filled up with zeros.
fn session_key(authenticated: &[u8]) -> Secret<16> {
    // [MS-SMB2] 3.3.1.8
    Secret::from_prefix(authenticated)
}

/// Label and context of one key. Both include the terminating null where they are strings.
type Purpose<'h> = (&'static [u8], &'h [u8]);

struct Labels<'h> {
    signing: Purpose<'h>,
    application: Purpose<'h>,
    server_to_client: Purpose<'h>,
    client_to_server: Purpose<'h>,
}

impl<'h> Labels<'h> {
    fn of(derivation: Derivation<'h>) -> Option<Self> {
        // [MS-SMB2] 3.3.5.5.3
        match derivation {
            Derivation::Smb2 => None,
            Derivation::Smb30 => Some(Self {
                signing: (b"SMB2AESCMAC\0", b"SmbSign\0"),
                application: (b"SMB2APP\0", b"SmbRpc\0"),
                server_to_client: (b"SMB2AESCCM\0", b"ServerOut\0"),
                client_to_server: (b"SMB2AESCCM\0", b"ServerIn \0"),
            }),
            Derivation::Smb311(hash) => Some(Self {
                signing: (b"SMBSigningKey\0", hash.bytes()),
                application: (b"SMBAppKey\0", hash.bytes()),
                server_to_client: (b"SMBS2CCipherKey\0", hash.bytes()),
                client_to_server: (b"SMBC2SCipherKey\0", hash.bytes()),
            }),
        }
    }
}

/// A 128-bit key.
// departs [MS-SMB2] 3.1.4.2: L stays 128 for signing and application keys under AES-256 ciphers,
// since these keys are 128 bits long; Windows and Samba agree.
fn short(provider: &dyn CryptoProvider, root: &Secret<16>, purpose: Purpose<'_>) -> Secret<16> {
    Secret::from_prefix(derive(provider, root.bytes(), purpose, 128).bytes())
}

fn bits(cipher: Cipher) -> u32 {
    if cipher.is_256_bit() { 256 } else { 128 }
}

/// One block of SP800-108 in counter mode with HMAC-SHA256: enough for keys of up to 256 bits.
fn derive(
    provider: &dyn CryptoProvider,
    root: &[u8],
    (label, context): Purpose<'_>,
    bits: u32,
) -> Secret<32> {
    // [MS-SMB2] 3.1.4.2
    let counter = 1_u32.to_be_bytes();
    let length = bits.to_be_bytes();
    Secret::new(provider.hmac_sha256(root, &[&counter, label, &[0], context, &length]))
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{hex, hex_array};
    use super::super::{fast, pure};
    use super::*;

    fn assert_keys(keys: &SessionKeys, expected: [&str; 4]) {
        let [signing, application, encryption, decryption] = expected;
        assert_eq!(keys.signing.bytes()[..], hex(signing));
        assert_eq!(keys.application.bytes()[..], hex(application));
        let cipher_key = |key: &Option<CipherKey>, length: usize| {
            key.as_ref().unwrap().long()[..length].to_vec()
        };
        assert_eq!(
            cipher_key(&keys.encryption, encryption.len() / 2),
            hex(encryption)
        );
        assert_eq!(
            cipher_key(&keys.decryption, decryption.len() / 2),
            hex(decryption)
        );
    }

    // test [MS-SMB2] 3.3.5.5.3
    #[test]
    fn keys_of_3_0_are_those_of_the_published_examples() {
        for provider in [fast(), pure()] {
            let derive = |session_key| {
                let cipher = Some(Cipher::Aes128Ccm);
                SessionKeys::derive(provider, Derivation::Smb30, &hex(session_key), cipher)
            };
            assert_keys(
                &derive("7cd451825d0450d235424e44ba6e78cc"),
                [
                    "0b7e9c5cac36c0f6ea9ab275298cedce",
                    "bb23a4575aa26c721af525af15a87b4f",
                    "b0f0427f7ceb416d1d9dcc0cd4f99447",
                    "fad27796665b313ebb578f388632b4f7",
                ],
            );
            assert_keys(
                &derive("b4546771b515f766a86735532dd6c4f0"),
                [
                    "f773cd23c18fd1e08ee510cada7cf852",
                    "77432f808ce99156b5bc6a3676d730d1",
                    "8fe2b57ec34d2db5b1a9727f526bbdb5",
                    "261b72350558f2e9dcf613070383edbf",
                ],
            );
        }
    }

    // test [MS-SMB2] 3.3.5.5.3
    #[test]
    fn keys_of_3_1_1_are_those_of_the_published_examples() {
        let blog = PreauthHash::from(hex_array(
            "0dd13628cc3ed218ef9df9772d436d0887ab9814bfae63a80aa845f36909db79
             28622dddad522d9751640a459762c5a9d6bb084cbb3ce6bdadef5d5bce3c6c01",
        ));
        let capture = PreauthHash::from(hex_array(CAPTURED_HASH));
        for provider in [fast(), pure()] {
            assert_keys(
                &SessionKeys::derive(
                    provider,
                    Derivation::Smb311(&blog),
                    &hex("270e1ba896585eeb7af3472d3b4c75a7"),
                    Some(Cipher::Aes128Gcm),
                ),
                [
                    "73fe7a9a77bef0bde49c650d8ccb5f76",
                    "6d7ad7954e9ec61e907b4d473dc178ff",
                    "e2af0dcefac68da71a0dfbd0d1350d74",
                    "629bcbc54422a0f572b97f45989b6073",
                ],
            );
            assert_keys(
                &SessionKeys::derive(
                    provider,
                    Derivation::Smb311(&capture),
                    &hex("b25a135fc3dc14269f20d7cbc8716b6b"),
                    Some(Cipher::Aes128Ccm),
                ),
                [
                    "16d03a8f8eb9560cb2a848507d4bc83b",
                    "2cbbfa872f2151c11a1fce514217cf5a",
                    "394071f1a21db5ba683efa868c36aedf",
                    "f8c1a6b544e8226f98ee44778eaf316b",
                ],
            );
        }
    }

    // test [MS-SMB2] 3.1.4.2
    #[test]
    fn a_256_bit_cipher_takes_the_full_key_and_leaves_the_signing_key_at_128_bits() {
        let hash = PreauthHash::from(hex_array(CAPTURED_HASH));
        let authenticated: Vec<u8> = (0..32).collect();
        let derive = |cipher| {
            SessionKeys::derive(
                fast(),
                Derivation::Smb311(&hash),
                &authenticated,
                Some(cipher),
            )
        };
        let keys = derive(Cipher::Aes256Gcm);
        // Computed with OpenSSL.
        let signing = "e4f04ae46241bcc82bace9c1570c53fa";
        assert_keys(
            &keys,
            [
                signing,
                &to_hex(derive(Cipher::Aes128Gcm).application.bytes()),
                "8d500192ac83c171661719c1afcfcf925deba92c26850e3ed6a47134e3d10f9c",
                "a831387fccb099b0bd50555051a6c6b9c5b310c8240198920c1f32f657517a1b",
            ],
        );
        assert_eq!(derive(Cipher::Aes128Gcm).signing.bytes()[..], hex(signing));
    }

    // test [MS-SMB2] 3.3.1.8
    #[test]
    fn before_3_0_the_session_key_itself_signs_filled_up_or_cut_to_16_bytes() {
        let derive = |key: &[u8]| {
            SessionKeys::derive(fast(), Derivation::Smb2, key, Some(Cipher::Aes128Ccm))
        };
        let keys = derive(&[7; 8]);
        assert_eq!(
            keys.signing.bytes(),
            &[7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(keys.application.bytes(), keys.signing.bytes());
        assert!(keys.encryption.is_none() && keys.decryption.is_none());
        assert_eq!(derive(&[7; 32]).signing.bytes(), &[7; 16]);
    }

    // test [MS-SMB2] 3.3.5.5.3
    #[test]
    fn a_bound_channel_signs_with_a_key_of_its_own_authentication() {
        let key = hex("4e01a2b313bcf660cc250bef021aede6");
        let signing = channel_signing_key(fast(), Derivation::Smb30, &key);
        assert_eq!(signing.bytes()[..], hex("ba1a17dbbfec349bca105563d598952f"));
    }

    #[test]
    fn printing_session_keys_shows_none_of_their_bytes() {
        let keys =
            SessionKeys::derive(fast(), Derivation::Smb30, &[7; 16], Some(Cipher::Aes128Ccm));
        let printed = format!("{keys:?}");
        assert!(!printed.contains(['[', ']']), "{printed}");
    }

    fn to_hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    const CAPTURED_HASH: &str = "
        fb116c8020e23fd8e4e30701f1dad7afd8e3ff220dc45bff1d7ffb92eea3a689
        5f7f4939b9757eed97a81ec4fad97591e88173de781f328233a6f5374559f12a";
}
