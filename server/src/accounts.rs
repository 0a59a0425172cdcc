//! What share handlers may know of accounts and of those who log on: the types, which are `auth`'s.

pub use auth::accounts::rights::{Emptied, PRIVILEGES, Privilege, Rights, RightsChange};
pub use auth::accounts::{
    ADMINISTRATORS, FIRST_NUMBER, Group, Membership, check_name, group_relative_id, relative_id,
};
pub use auth::passwords;
pub use auth::{Account, Identity, LogonKind, MessageProtection, NtHash, SessionKey};

use wire::dtyp::Sid;

use crate::access::Privileges;
use crate::share::MachineId;

/// An account's security identifier.
#[must_use]
pub fn account_sid(machine: MachineId, account: &Account) -> Sid {
    Sid::domain_account(machine, relative_id(account))
}

/// The privileges among somebody's rights that the server asks for: each leads past something that files' descriptors
/// say.
// [MS-LSAD] 3.1.1.2.1
#[must_use]
pub fn privileges(rights: Rights) -> Privileges {
    let held = rights.privileges().map(|privilege| match privilege.number {
        8 => Privileges::SECURITY,
        9 => Privileges::TAKE_OWNERSHIP,
        17 => Privileges::BACKUP,
        18 => Privileges::RESTORE,
        28 => Privileges::MANAGE_VOLUME,
        35 => Privileges::CREATE_SYMBOLIC_LINK,
        _ => Privileges::NONE,
    });
    held.fold(Privileges::NONE, Privileges::with)
}
