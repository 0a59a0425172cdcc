//! New passwords on their way: how a client encrypts one for the account database, and proves that it knows the old.
//!
//! Plain functions; who may change whose password is decided elsewhere.

use md5::{Digest as _, Md5};
use rc4::{KeyInit as _, Rc4, StreamCipher as _};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::accounts::NtHash;
use crate::ntlm::compute::{des_with_seven_bytes, undo_des_with_seven_bytes};

mod aes;

pub use aes::{AesBlock, ITERATIONS, content_key};

/// The bytes of a password with its padding in front and its length behind.
// [MS-SAMR] 2.2.6.21
pub const ENCRYPTED_SIZE: usize = 516;

/// The password in a block that is encrypted with `key`; none if what comes out cannot be one.
// [MS-SAMR] 3.2.2.1
#[must_use]
pub fn open(key: &[u8], block: &[u8; ENCRYPTED_SIZE]) -> Option<Zeroizing<String>> {
    let mut clear = Zeroizing::new(*block);
    Rc4::new_from_slice(key)
        .ok()?
        .apply_keystream(clear.as_mut_slice());
    let (room, length) = clear.split_at_checked(ENCRYPTED_SIZE.checked_sub(4)?)?;
    let length = u32::from_le_bytes(*length.first_chunk()?);
    let start = room.len().checked_sub(usize::try_from(length).ok()?)?;
    let (pairs, odd) = room.get(start..)?.as_chunks::<2>();
    let units: Zeroizing<Vec<u16>> =
        Zeroizing::new(pairs.iter().copied().map(u16::from_le_bytes).collect());
    let text = String::from_utf16(&units).ok().map(Zeroizing::new)?;
    odd.is_empty().then_some(text)
}

/// The password in a block that is encrypted with `session_key` and 16 random bytes, which stand behind it.
// [MS-SAMR] 3.2.2.2
#[must_use]
pub fn open_salted(session_key: &[u8], block: &[u8; 532]) -> Option<Zeroizing<String>> {
    let (encrypted, salt) = block.split_first_chunk::<ENCRYPTED_SIZE>()?;
    let key = Md5::new()
        .chain_update(salt)
        .chain_update(session_key)
        .finalize();
    open(&key, encrypted)
}

/// Whether `proof` is the `old` password's hash, encrypted with the `new` one's.
// [MS-SAMR] 3.1.5.10.3
#[must_use]
pub fn proves(old: &NtHash, new: &NtHash, proof: &[u8; 16]) -> bool {
    encrypt_hash(old, new.bytes()).ct_eq(proof).into()
}

/// The hash of a new password, encrypted with `key`.
// [MS-SAMR] 2.2.11.1
#[must_use]
pub fn open_hash(key: &[u8; 16], encrypted: &[u8; 16]) -> NtHash {
    NtHash::from_bytes(in_halves(key, encrypted, undo_des_with_seven_bytes))
}

// [MS-SAMR] 2.2.11.1.1
fn encrypt_hash(hash: &NtHash, key: &[u8; 16]) -> [u8; 16] {
    in_halves(key, hash.bytes(), des_with_seven_bytes)
}

/// Both halves of a hash, each with 7 bytes of a key.
// [MS-SAMR] 2.2.11.1.4
fn in_halves(key: &[u8; 16], hash: &[u8; 16], cipher: fn([u8; 7], [u8; 8]) -> [u8; 8]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, _, _] = *key;
    let keys = [[a, b, c, d, e, f, g], [h, i, j, k, l, m, n]];
    let mut done = [0; 16];
    let halves = hash.as_chunks::<8>().0.iter().zip(keys);
    for ((half, key), room) in halves.zip(done.as_chunks_mut::<8>().0) {
        *room = cipher(key, *half);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(key: &[u8], password: &str) -> [u8; ENCRYPTED_SIZE] {
        let units: Vec<u8> = password.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut block = [0x5a; ENCRYPTED_SIZE];
        block[512 - units.len()..512].copy_from_slice(&units);
        block[512..].copy_from_slice(&(units.len() as u32).to_le_bytes());
        Rc4::new_from_slice(key)
            .unwrap()
            .apply_keystream(&mut block);
        block
    }

    #[test]
    fn a_password_is_read_with_the_right_key_only() {
        let block = block(b"sixteen byte key", "Zwölf-12");
        assert_eq!(
            open(b"sixteen byte key", &block)
                .as_deref()
                .map(String::as_str),
            Some("Zwölf-12")
        );
        assert_eq!(open(b"another byte key", &block), None);
    }

    #[test]
    fn a_salted_password_is_read() {
        let (session_key, salt) = (b"the session key!", [7; 16]);
        let key = Md5::new()
            .chain_update(salt)
            .chain_update(session_key)
            .finalize();
        let mut salted = [0; 532];
        salted[..516].copy_from_slice(&block(&key, "new"));
        salted[516..].copy_from_slice(&salt);
        assert_eq!(
            open_salted(session_key, &salted)
                .as_deref()
                .map(String::as_str),
            Some("new")
        );
    }

    #[test]
    fn only_who_knows_the_old_password_proves_it() {
        let (old, new) = (NtHash::of_password("old"), NtHash::of_password("new"));
        let proof = encrypt_hash(&old, new.bytes());
        assert!(proves(&old, &new, &proof));
        assert!(!proves(&NtHash::of_password("guess"), &new, &proof));
    }

    // test [MS-SAMR] 2.2.11.1
    #[test]
    fn a_hash_is_read_with_the_key_that_it_was_encrypted_with() {
        let (new, key) = (NtHash::of_password("new"), b"the session key!");
        assert_eq!(open_hash(key, &encrypt_hash(&new, key)), new);
        assert_ne!(
            open_hash(b"another byte key", &encrypt_hash(&new, key)),
            new
        );
    }
}
