//! New passwords that are encrypted with AES: AEAD-AES-256-CBC-HMAC-SHA512, and the key for those that users set
//! themselves.

use std::ops::RangeInclusive;

use aes::Aes256;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::accounts::NtHash;

/// An encrypted password, as clients send it.
// [MS-SAMR] 2.2.6.32
#[derive(Clone, Copy, Debug)]
pub struct AesBlock<'a> {
    /// What proves that whoever encrypted it knows the key.
    pub auth_data: &'a [u8; 64],
    /// The random number that encryption began with.
    pub salt: &'a [u8; 16],
    /// The password's length, the password and what fills it up, encrypted.
    pub cipher: &'a [u8],
}

impl AesBlock<'_> {
    /// The password, if the block was encrypted with `key` and holds one.
    // [MS-SAMR] 3.2.2.4
    #[must_use]
    pub fn open(&self, key: &[u8; 16]) -> Option<Zeroizing<String>> {
        self.mac(key)?.verify_slice(self.auth_data).ok()?;
        let encryption_key = derive(key, ENCRYPTION_KEY)?;
        let cipher_key = encryption_key.first_chunk::<32>()?;
        let decryptor = cbc::Decryptor::<Aes256>::new(cipher_key.into(), self.salt.into());
        let mut room = Zeroizing::new(self.cipher.to_vec());
        read_password(decryptor.decrypt_padded::<Pkcs7>(&mut room).ok()?)
    }

    fn mac(&self, key: &[u8; 16]) -> Option<Hmac<Sha512>> {
        let mac_key = derive(key, MAC_KEY)?;
        let mac = <Hmac<Sha512>>::new_from_slice(mac_key.as_slice()).ok()?;
        let parts = [&[VERSION][..], self.salt, self.cipher, &[VERSION_LENGTH]];
        Some(parts.iter().fold(mac, Hmac::chain_update))
    }
}

/// The password in what has been decrypted: its length in bytes, itself, anything up to 512 bytes.
// [MS-SAMR] 2.2.6.32
fn read_password(clear: &[u8]) -> Option<Zeroizing<String>> {
    let (length, room) = clear.split_first_chunk()?;
    let password = room.get(..usize::from(u16::from_le_bytes(*length)))?;
    let (pairs, odd) = password.as_chunks::<2>();
    if room.len() < LONGEST_PASSWORD || password.len() > LONGEST_PASSWORD || !odd.is_empty() {
        return None;
    }
    let units: Zeroizing<Vec<u16>> =
        Zeroizing::new(pairs.iter().copied().map(u16::from_le_bytes).collect());
    String::from_utf16(&units).ok().map(Zeroizing::new)
}

fn derive(key: &[u8; 16], purpose: &[u8]) -> Option<Zeroizing<[u8; 64]>> {
    let mac = <Hmac<Sha512>>::new_from_slice(key).ok()?;
    let derived = mac.chain_update(purpose).finalize();
    Some(Zeroizing::new(derived.into_bytes().into()))
}

/// The key made from the `old` password. None if there are fewer or more `iterations` than [`ITERATIONS`]; the more
/// there are the longer it takes, about a second at the most of them.
// [MS-SAMR] 3.2.2.5
#[must_use]
pub fn content_key(old: &NtHash, salt: &[u8; 16], iterations: u64) -> Option<Zeroizing<[u8; 16]>> {
    let fits = Some(iterations).filter(|iterations| ITERATIONS.contains(iterations));
    let rounds = u32::try_from(fits?).ok()?;
    let mut key = Zeroizing::new([0; 16]);
    pbkdf2::pbkdf2_hmac::<Sha512>(old.bytes(), salt, rounds, key.as_mut_slice());
    Some(key)
}

/// How often the key may be worked on.
// [MS-SAMR] 3.2.2.5
pub const ITERATIONS: RangeInclusive<u64> = 5_000..=1_000_000;

// [MS-SAMR] 2.2.1.18
const VERSION: u8 = 1;
const VERSION_LENGTH: u8 = 1;
const ENCRYPTION_KEY: &[u8] = b"Microsoft SAM encryption key AEAD-AES-256-CBC-HMAC-SHA512 16\0";
const MAC_KEY: &[u8] = b"Microsoft SAM MAC key AEAD-AES-256-CBC-HMAC-SHA512 16\0";
/// SAM_MAX_PASSWORD_LENGTH, in bytes.
const LONGEST_PASSWORD: usize = 512;

#[cfg(test)]
mod tests {
    use cbc::cipher::BlockModeEncrypt as _;

    use super::*;

    const SALT: [u8; 16] = [
        16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
    ];

    /// A password as clients fill it up.
    fn clear(password: &str) -> Vec<u8> {
        let text: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut clear = (text.len() as u16).to_le_bytes().to_vec();
        clear.extend(text);
        clear.resize(514, 0x5a);
        clear
    }

    /// What a client sends of it: what proves it, and what is encrypted.
    fn encrypt(key: &[u8; 16], clear: &[u8]) -> ([u8; 64], Vec<u8>) {
        let encryption_key = derive(key, ENCRYPTION_KEY).unwrap();
        let cipher_key = encryption_key.first_chunk::<32>().unwrap();
        let encryptor = cbc::Encryptor::<Aes256>::new(cipher_key.into(), (&SALT).into());
        let mut cipher = clear.to_vec();
        cipher.resize(clear.len() + 16, 0);
        let length = encryptor
            .encrypt_padded::<Pkcs7>(&mut cipher, clear.len())
            .unwrap()
            .len();
        cipher.truncate(length);
        let block = AesBlock {
            auth_data: &[0; 64],
            salt: &SALT,
            cipher: &cipher,
        };
        let proof = block.mac(key).unwrap().finalize().into_bytes().into();
        (proof, cipher)
    }

    fn open(key: &[u8; 16], (auth_data, cipher): &([u8; 64], Vec<u8>)) -> Option<String> {
        let block = AesBlock {
            auth_data,
            salt: &SALT,
            cipher,
        };
        block.open(key).map(|password| password.to_string())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What other implementations of PBKDF2, HMAC and AES make of the same.
    // test [MS-SAMR] 3.2.2.5
    // test [MS-SAMR] 3.2.2.4
    #[test]
    fn a_password_is_encrypted_as_others_do_it() {
        let key = content_key(&NtHash::of_password("password"), &SALT, 5_000).unwrap();
        assert_eq!(hex(key.as_slice()), "51b3e0499aa0bc4ae6834ff06dd47f83");
        let sent = encrypt(&key, &clear("Zwölf-12"));
        let (proof, cipher) = &sent;
        assert_eq!(cipher.len(), 528);
        assert_eq!(hex(&cipher[..16]), "db0d13f6dc73644e5f72f6ddfa4f3bc3");
        assert_eq!(hex(&cipher[512..]), "8baa7172624f7a73796d516afa01f86a");
        assert_eq!(
            hex(proof),
            "1eeaa089ebe513563c93d4fb4a5eb7719b23151bcd0e1f368500d56fdb62fa52\
             7e69044a9c30a734332e58d1a46253a408bb1185bc769408dc397e1e45c2c386"
        );
        assert_eq!(open(&key, &sent).as_deref(), Some("Zwölf-12"));
    }

    #[test]
    fn what_is_changed_or_was_encrypted_with_another_key_is_no_password() {
        let key = b"sixteen byte key";
        let sent = encrypt(key, &clear("new"));
        assert_eq!(open(key, &sent).as_deref(), Some("new"));
        assert_eq!(open(b"another byte key", &sent), None);
        for at in [0, 300, 527] {
            let mut changed = sent.clone();
            changed.1[at] ^= 1;
            assert_eq!(open(key, &changed), None, "{at}");
        }
        let mut shortened = sent;
        shortened.1.truncate(512);
        assert_eq!(open(key, &shortened), None);
    }

    // test [MS-SAMR] 2.2.6.32
    #[test]
    fn a_room_that_is_too_short_or_a_length_beyond_it_is_no_password() {
        let key = b"sixteen byte key";
        let whole = clear("new");
        assert_eq!(open(key, &encrypt(key, &whole[..513])), None);
        assert_eq!(open(key, &encrypt(key, b"\x02")), None);
        assert_eq!(open(key, &encrypt(key, b"")), None);
        for length in [3_u16, 513, 514, u16::MAX] {
            let mut wrong = whole.clone();
            wrong.resize(600, 0);
            wrong[..2].copy_from_slice(&length.to_le_bytes());
            assert_eq!(open(key, &encrypt(key, &wrong)), None, "{length}");
        }
        let longest = "x".repeat(256);
        let opened = open(key, &encrypt(key, &clear(&longest)));
        assert_eq!(opened.as_deref(), Some(longest.as_str()));
    }

    #[test]
    fn the_key_is_worked_on_neither_too_little_nor_too_long() {
        let old = NtHash::of_password("old");
        for iterations in [0, 1, 4_999, 1_000_001, u64::MAX] {
            assert!(
                content_key(&old, &SALT, iterations).is_none(),
                "{iterations}"
            );
        }
    }
}
