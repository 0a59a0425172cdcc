//! The users of this server: what is known about each, and where they are looked up.
//!
//! This module owns the account and its secret. [`mod@file`] is the text in which accounts are kept; the
//! program reads and writes that file, nothing here does.

use std::fmt;
use std::sync::Arc;

use md4::{Digest as _, Md4};
use subtle::ConstantTimeEq as _;
use wire::dtyp::{FileTime, Sid};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::mechanism::Refusal;

pub mod day;
pub mod file;
mod group;
mod numbers;
pub mod rights;
pub mod smbpasswd;

pub use day::Day;
pub use file::{AccountFile, AccountFileError, Membership, Mistake};
pub use group::{ADMINISTRATORS, Group};
pub use numbers::{FIRST_NUMBER, group_relative_id, relative_id};
pub use rights::{Emptied, Rights, RightsChange};

/// Where accounts are looked up. Called for each log-on, so it answers from memory.
pub trait AccountStore: Send + Sync {
    /// The account of that name, whatever the case of its letters.
    fn find(&self, user: &str) -> Option<Arc<Account>>;

    /// The group that an account says it is in, with what else is known of it.
    fn group(&self, name: &str) -> Arc<Group> {
        Arc::new(Group::new(name))
    }

    /// The rights that have been granted to a user or a group itself.
    fn rights(&self, holder: &Sid) -> Rights {
        Rights::by_default(holder).unwrap_or_default()
    }
}

/// One user of this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The name, in the spelling of whoever added it. See [`check_name`].
    pub name: String,
    /// The hash of the password; without one nobody can log on as this user.
    pub nt_hash: Option<NtHash>,
    /// The local user whose files these are, if the server switches users.
    pub uid: Option<u32>,
    /// The local group of files that this user makes, if the server switches users.
    pub gid: Option<u32>,
    /// The last part of the user's SID; without one the server derives it from the uid or the name.
    pub rid: Option<u32>,
    /// Names of the groups the user is in, for access lists.
    pub groups: Vec<String>,
    /// A word for people: the user's full name, a purpose.
    pub comment: String,
    /// Log-ons are refused by the administrator.
    pub disabled: bool,
    /// Log-ons are refused until the administrator unlocks the account.
    pub locked: bool,
    /// The password must be changed before anybody can log on.
    pub password_must_change: bool,
    /// The first day on which the password is no longer good.
    pub password_expires: Option<Day>,
    /// The user's sessions must be encrypted.
    pub must_encrypt: bool,
}

impl Account {
    /// A plain account: enabled, in no group, with a password that does not expire.
    #[must_use]
    pub fn new(name: &str, nt_hash: NtHash) -> Self {
        Self {
            name: name.to_owned(),
            nt_hash: Some(nt_hash),
            uid: None,
            gid: None,
            rid: None,
            groups: Vec::new(),
            comment: String::new(),
            disabled: false,
            locked: false,
            password_must_change: false,
            password_expires: None,
            must_encrypt: false,
        }
    }

    /// Whether the account may be used at `now` by somebody who proved to know its password.
    ///
    /// # Errors
    /// The account is disabled or locked, or its password is to be changed or has expired.
    pub fn check_usable(&self, now: FileTime) -> Result<(), Refusal> {
        if self.disabled {
            return Err(Refusal::AccountDisabled);
        }
        if self.locked {
            return Err(Refusal::AccountLocked);
        }
        if self.password_must_change {
            return Err(Refusal::PasswordMustChange);
        }
        if self
            .password_expires
            .is_some_and(|first_bad_day| Day::of(now) >= first_bad_day)
        {
            return Err(Refusal::PasswordExpired);
        }
        Ok(())
    }
}

/// The MD4 of a password, which is as good as the password itself: zeroed on drop, compared in constant
/// time, not shown by `Debug`.
// [MS-NLMP] 3.3.1
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NtHash([u8; 16]);

impl NtHash {
    /// Takes a hash as it is.
    #[must_use]
    pub const fn from_bytes(hash: [u8; 16]) -> Self {
        Self(hash)
    }

    /// The hash of `password`.
    #[must_use]
    pub fn of_password(password: &str) -> Self {
        let unicode: Zeroizing<Vec<u8>> =
            Zeroizing::new(password.encode_utf16().flat_map(u16::to_le_bytes).collect());
        Self(Md4::digest(unicode.as_slice()).into())
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() || pairs.len() != 16 {
            return None;
        }
        let mut hash = Self([0; 16]);
        for (byte, [high, low]) in hash.0.iter_mut().zip(pairs) {
            *byte = (hex_digit(*high)? << 4) | hex_digit(*low)?;
        }
        Some(hash)
    }

    /// The hash as 32 hexadecimal digits, which are as secret as the hash.
    #[must_use]
    pub fn to_hex(&self) -> Zeroizing<String> {
        let digit = |nibble: u8| {
            char::from_digit(nibble.into(), 16)
                .unwrap_or('0')
                .to_ascii_uppercase()
        };
        Zeroizing::new(
            self.0
                .iter()
                .flat_map(|byte| [digit(byte >> 4), digit(byte & 0x0f)])
                .collect(),
        )
    }

    /// The hash itself.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl PartialEq for NtHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for NtHash {}

impl fmt::Debug for NtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NtHash(..)")
    }
}

/// Whether `name` can be the name of an account, or of a group with a line of its own.
///
/// # Errors
/// What is wrong with it, in words that follow "the name".
pub fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("is empty");
    }
    if name.chars().count() > MAX_NAME_CHARACTERS {
        return Err("has more than 64 characters");
    }
    if name.trim() != name {
        return Err("begins or ends with a space");
    }
    if name.starts_with('#') {
        return Err("begins with #, which begins a comment");
    }
    if name.chars().any(|c| c.is_control() || RESERVED.contains(c)) {
        return Err("contains a control character or one of \" / \\ [ ] : ; | = , + * ? < > @");
    }
    Ok(())
}

/// The form of a name in which two spellings of one name are equal.
pub(crate) fn fold_name(name: &str) -> String {
    name.to_lowercase()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

/// Characters that Windows allows in no user name, and `@`, which ends a user's name in `user@domain`.
const RESERVED: &str = "\"/\\[]:;|=,+*?<>@";
const MAX_NAME_CHARACTERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    // test [MS-NLMP] 4.2.2.1.2
    #[test]
    fn the_hash_of_a_password_is_md4_of_its_utf_16() {
        let hash = NtHash::of_password("Password");
        assert_eq!(*hash.to_hex(), "A4F49C406510BDCAB6824EE7C30FD852");
        assert_eq!(NtHash::from_hex(&hash.to_hex().to_lowercase()), Some(hash));
    }

    #[test]
    fn a_hash_has_exactly_32_hexadecimal_digits() {
        for text in [
            "",
            "A4F4",
            "A4F49C406510BDCAB6824EE7C30FD85",
            "X4F49C406510BDCAB6824EE7C30FD852",
        ] {
            assert!(NtHash::from_hex(text).is_none(), "{text}");
        }
    }

    #[test]
    fn debug_shows_no_hash() {
        let account = Account::new("alice", NtHash::from_bytes([0xab; 16]));
        let shown = format!("{account:?}").to_lowercase();
        assert!(shown.contains("nthash(..)") && !shown.contains("ab, ") && !shown.contains("171"));
    }

    #[test]
    fn restrictions_are_checked_in_order_of_weight() {
        let mut account = Account::new("alice", NtHash::of_password("x"));
        let now = FileTime::from_unix(20_000 * 86_400 + 5, 0);
        assert_eq!(account.check_usable(now), Ok(()));
        account.password_expires = Some(Day::from_unix(20_001));
        assert_eq!(account.check_usable(now), Ok(()));
        account.password_expires = Some(Day::from_unix(20_000));
        assert_eq!(account.check_usable(now), Err(Refusal::PasswordExpired));
        account.password_must_change = true;
        assert_eq!(account.check_usable(now), Err(Refusal::PasswordMustChange));
        account.locked = true;
        assert_eq!(account.check_usable(now), Err(Refusal::AccountLocked));
        account.disabled = true;
        assert_eq!(account.check_usable(now), Err(Refusal::AccountDisabled));
    }

    #[test]
    fn names_that_could_be_misread_are_refused() {
        for name in ["alice", "Ålice Smith", "host$", "a.b-c_d"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        for name in [
            "",
            " a",
            "a:b",
            "a@b",
            "LAB\\a",
            "a\nb",
            "#a",
            &"x".repeat(65),
        ] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
