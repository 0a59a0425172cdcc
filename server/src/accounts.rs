//! What share handlers may know of accounts and of those who log on: the types, which are `auth`'s.

pub use auth::accounts::{
    ADMINISTRATORS, FIRST_NUMBER, Group, Membership, check_name, group_relative_id, relative_id,
};
pub use auth::passwords;
pub use auth::{Account, Identity, LogonKind, MessageProtection, NtHash, SessionKey};

use wire::dtyp::Sid;

use crate::share::MachineId;

/// An account's security identifier.
#[must_use]
pub fn account_sid(machine: MachineId, account: &Account) -> Sid {
    Sid::domain_account(machine, relative_id(account))
}
