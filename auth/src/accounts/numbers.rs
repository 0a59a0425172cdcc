//! Relative identifiers: the last parts of the security identifiers of accounts and groups.
//!
//! Owns how a number follows from what the account file says. Numbers that are given out are the file's.

use super::{Account, Group};

/// The last part of an account's security identifier: its own number, else one made from the number of its user of
/// the host, else one made from its name. The first two never meet: the one is given by hand.
#[must_use]
pub fn relative_id(account: &Account) -> u32 {
    let from_uid = |uid: u32| {
        uid.checked_mul(2)
            .and_then(|twice| twice.checked_add(FIRST_NUMBER))
    };
    let own = account.rid.or_else(|| account.uid.and_then(from_uid));
    own.unwrap_or_else(|| named_id(&account.name))
}

/// The last part of a group's security identifier: its own number, else one made from its name.
#[must_use]
pub fn group_relative_id(group: &Group) -> u32 {
    let named = || named_id(&format!("group {}", group.name));
    group.rid.unwrap_or_else(named)
}

/// A number from the upper half, made from a name; case does not count.
fn named_id(name: &str) -> u32 {
    // FNV-1a.
    let hash = name
        .to_lowercase()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
    hash | FIRST_NAMED
}

/// Numbers below are for accounts and groups that every machine has.
// [MS-SAMR] 3.1.1.9.2.2
pub const FIRST_NUMBER: u32 = 1000;

/// Numbers from here on are made from names.
pub(super) const FIRST_NAMED: u32 = 0x8000_0000;

#[cfg(test)]
mod tests {
    use super::super::NtHash;
    use super::*;

    #[test]
    fn a_number_given_by_hand_goes_before_one_made_from_the_uid_and_that_before_the_name() {
        let mut account = Account::new("alice", NtHash::from_bytes([0; 16]));
        let named = relative_id(&account);
        assert!(named >= FIRST_NAMED);
        account.name = "ALICE".to_owned();
        assert_eq!(relative_id(&account), named);
        account.uid = Some(7);
        assert_eq!(relative_id(&account), 1014);
        account.rid = Some(500);
        assert_eq!(relative_id(&account), 500);
        account.rid = None;
        account.uid = Some(u32::MAX);
        assert_eq!(relative_id(&account), named);
    }

    #[test]
    fn a_group_has_another_number_than_an_account_of_its_name() {
        let mut group = Group::new("alice");
        let account = Account::new("alice", NtHash::from_bytes([0; 16]));
        assert!(group_relative_id(&group) >= FIRST_NAMED);
        assert_ne!(group_relative_id(&group), relative_id(&account));
        group.rid = Some(1200);
        assert_eq!(group_relative_id(&group), 1200);
    }
}
