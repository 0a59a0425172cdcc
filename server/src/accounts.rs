//! What share handlers may know of accounts and of those who log on: the types, which are `auth`'s.

pub use auth::accounts::check_name;
pub use auth::passwords;
pub use auth::{Account, Identity, LogonKind, MessageProtection, NtHash, SessionKey};

use wire::dtyp::Sid;

use crate::share::MachineId;

/// The last part of an account's security identifier: its own number, else one made from the number of its user of
/// the host, else one made from its name. The first two never meet: the one is given by hand.
#[must_use]
pub fn relative_id(account: &Account) -> u32 {
    let from_uid = |uid: u32| {
        uid.checked_mul(2)
            .and_then(|twice| twice.checked_add(FIRST_ACCOUNT))
    };
    let own = account.rid.or_else(|| account.uid.and_then(from_uid));
    own.unwrap_or_else(|| named_id(&account.name))
}

/// The last part of a local group's security identifier, made from its name.
#[must_use]
pub fn group_relative_id(name: &str) -> u32 {
    named_id(&format!("group {name}"))
}

/// An account's security identifier.
#[must_use]
pub fn account_sid(machine: MachineId, account: &Account) -> Sid {
    Sid::domain_account(machine, relative_id(account))
}

/// The account group whose members administer the server from afar.
pub const ADMINISTRATORS: &str = "Administrators";

/// A number from the upper half, made from a name; case does not count.
fn named_id(name: &str) -> u32 {
    // FNV-1a.
    let hash = name
        .to_lowercase()
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
    hash | 0x8000_0000
}

/// Numbers below are for well-known accounts.
const FIRST_ACCOUNT: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_given_by_hand_goes_before_one_made_from_the_uid_and_that_before_the_name() {
        let mut account = Account::new("alice", NtHash::from_bytes([0; 16]));
        let named = relative_id(&account);
        assert!(named >= 0x8000_0000);
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
}
