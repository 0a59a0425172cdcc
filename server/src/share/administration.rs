//! What administrators may change from a client: accounts and shares.
//!
//! Owns the trait, which the program implements with its files, and what a change consists of. Who may ask for a
//! change is decided before it comes here.

use std::path::PathBuf;
use std::sync::Arc;

use auth::accounts::{Membership, Rights, RightsChange};
use auth::{Account, Group, NtHash};
use config::{Caching, Oplocks, Permissions};
use wire::NtStatus;
use wire::dtyp::Sid;

use super::handler::Answer;

/// The three numbers that stand between `S-1-5-21` and the number of an account of this machine.
pub type MachineId = [u32; 3];

/// The accounts and shares that the program keeps in files.
pub trait Administration: Send + Sync {
    /// The part of this machine's security identifiers that no other machine has.
    fn machine(&self) -> MachineId;

    /// All accounts, in the order of the file.
    fn accounts(&self) -> Vec<Arc<Account>>;

    /// All groups of accounts but the one of administrators, by name.
    fn groups(&self) -> Vec<Arc<Group>>;

    /// Everybody who is known to hold rights, and which: administrators first.
    fn holders(&self) -> Vec<(Sid, Rights)> {
        vec![(Sid::ADMINISTRATORS, Rights::OF_ADMINISTRATORS)]
    }

    /// The name of the user of the host system with this number.
    fn host_user(&self, uid: u32) -> Option<String>;

    /// The name of the group of the host system with this number.
    fn host_group(&self, gid: u32) -> Option<String>;

    /// Changes the account file; the change is in force when the answer comes.
    ///
    /// # Errors
    /// `USER_EXISTS`, `NO_SUCH_USER`, `ALIAS_EXISTS`, `NO_SUCH_ALIAS`, `OBJECT_NAME_COLLISION` and
    /// `OBJECT_NAME_NOT_FOUND` for holders of rights, `INVALID_PARAMETER` for what the file cannot hold,
    /// `INSUFFICIENT_RESOURCES` for more than it may, `ACCESS_DENIED` where accounts cannot be changed, and for rights
    /// that are not granted this way.
    fn change_account(&self, change: AccountChange) -> Answer<'static, ()>;

    /// Changes the shares; the change is in force when the answer comes, and outlives a restart.
    ///
    /// # Errors
    /// `OBJECT_NAME_COLLISION`, `OBJECT_NAME_NOT_FOUND`, `OBJECT_PATH_NOT_FOUND` for a folder that is not there,
    /// `INVALID_PARAMETER`, `ACCESS_DENIED` for shares that stand in the configuration file.
    fn change_share(&self, change: ShareChange) -> Answer<'static, ()>;

    /// Changes a setting of the running server, until it is started or told to read its files again.
    ///
    /// # Errors
    /// `OBJECT_NAME_NOT_FOUND`, `INVALID_PARAMETER` for a value that does not fit, `ACCESS_DENIED` for a
    /// setting that cannot be changed like this.
    fn change_setting(&self, _change: SettingChange) -> Answer<'static, ()> {
        Box::pin(std::future::ready(Err(NtStatus::ACCESS_DENIED)))
    }
}

/// A change of the account file.
#[derive(Debug, Clone)]
pub enum AccountChange {
    /// A further account, with a number that none has had.
    Add(Account),
    /// An account goes.
    Remove(String),
    /// An account changes in some of what is known about it.
    Update {
        /// The account's name.
        name: String,
        /// What is new.
        update: AccountUpdate,
    },
    /// A further group, with a number that none has had.
    AddGroup(Group),
    /// A group goes; who is in it is so no more.
    RemoveGroup(String),
    /// A group gets another name or comment. Its number stays, and its members follow it.
    UpdateGroup {
        /// The group's name until now.
        name: String,
        /// The other name, if it gets one.
        new_name: Option<String>,
        /// The other comment, if it gets one.
        comment: Option<String>,
    },
    /// Accounts come into groups, or leave them, where that is not so yet.
    Members {
        /// The groups' names.
        groups: Vec<String>,
        /// The accounts' names.
        accounts: Vec<String>,
        /// What becomes of the memberships.
        becomes: Membership,
    },
    /// What a user or group holds changes.
    Rights {
        /// The user or group.
        holder: Sid,
        /// The change.
        change: RightsChange,
    },
}

/// What changes about an account; the rest stays as it is by then.
#[derive(Debug, Clone, Default)]
pub struct AccountUpdate {
    /// The word for people.
    pub comment: Option<String>,
    /// Whether log-ons are refused by the administrator.
    pub disabled: Option<bool>,
    /// Whether log-ons are refused until the administrator unlocks the account.
    pub locked: Option<bool>,
    /// The hash of another password, which does not expire.
    pub nt_hash: Option<NtHash>,
    /// Whether the password must be changed before anybody can log on.
    pub password_must_change: Option<bool>,
}

impl AccountUpdate {
    /// Carries the change out.
    pub fn apply(self, account: &mut Account) {
        if let Some(nt_hash) = self.nt_hash {
            account.nt_hash = Some(nt_hash);
            account.password_expires = None;
        }
        if let Some(comment) = self.comment {
            account.comment = comment;
        }
        let flags = [
            (self.disabled, &mut account.disabled),
            (self.locked, &mut account.locked),
            (self.password_must_change, &mut account.password_must_change),
        ];
        for (new, flag) in flags {
            *flag = new.unwrap_or(*flag);
        }
    }
}

/// A change of the shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShareChange {
    /// A further share.
    Add(NewShare),
    /// A share goes; what is open on it stays until it is closed.
    Remove(String),
    /// A share gets everything from this one but the name, by which it is found.
    Set(NewShare),
}

/// A change of one setting, in the words of [`config::ShownSetting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    /// What it belongs to.
    pub section: String,
    /// What it is called there.
    pub name: String,
    /// The new value, as the configuration file would say it.
    pub value: String,
}

/// A share as an administrator describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShare {
    /// The name.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// The description for people.
    pub comment: String,
    /// The most uses at a time; none for any number.
    pub max_uses: Option<u32>,
    /// Who may do what; none for everybody and everything.
    pub permissions: Option<Permissions>,
    /// What clients may keep for working without a connection.
    pub caching: Caching,
    /// What clients may cache of what they have open.
    pub oplocks: Oplocks,
    /// Only encrypted requests are served.
    pub encrypted: bool,
    /// Entries that a user cannot read are left out of its listings.
    pub access_based_enumeration: bool,
    /// Opens on it may outlive the server.
    pub continuous_availability: bool,
}

/// Nothing to administer: for tests and tools.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAdministration;

impl Administration for NoAdministration {
    fn machine(&self) -> MachineId {
        [0; 3]
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        Vec::new()
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        Vec::new()
    }

    fn host_user(&self, _: u32) -> Option<String> {
        None
    }

    fn host_group(&self, _: u32) -> Option<String> {
        None
    }

    fn change_account(&self, _: AccountChange) -> Answer<'static, ()> {
        Box::pin(std::future::ready(Err(NtStatus::ACCESS_DENIED)))
    }

    fn change_share(&self, _: ShareChange) -> Answer<'static, ()> {
        Box::pin(std::future::ready(Err(NtStatus::ACCESS_DENIED)))
    }
}
