//! What administrators may change from a client: accounts and shares.
//!
//! Owns the trait, which the program implements with its files, and what a change consists of. Who may ask for a
//! change is decided before it comes here.

use std::path::PathBuf;
use std::sync::Arc;

use auth::{Account, NtHash};
use config::{Caching, Oplocks, Permissions};
use wire::NtStatus;

use super::handler::Answer;

/// The three numbers that stand between `S-1-5-21` and the number of an account of this machine.
pub type MachineId = [u32; 3];

/// The accounts and shares that the program keeps in files.
pub trait Administration: Send + Sync {
    /// The part of this machine's security identifiers that no other machine has.
    fn machine(&self) -> MachineId;

    /// All accounts, in the order of the file.
    fn accounts(&self) -> Vec<Arc<Account>>;

    /// The name of the user of the host system with this number.
    fn host_user(&self, uid: u32) -> Option<String>;

    /// The name of the group of the host system with this number.
    fn host_group(&self, gid: u32) -> Option<String>;

    /// Changes the account file; the change is in force when the answer comes.
    ///
    /// # Errors
    /// `USER_EXISTS`, `NO_SUCH_USER`, `INVALID_PARAMETER` for what the file cannot hold, `ACCESS_DENIED` where
    /// accounts cannot be changed.
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
    /// A further account.
    Add(Account),
    /// An account goes.
    Remove(String),
    /// An account gets everything from this one but the name, by which it is found.
    Replace(Account),
    /// An account gets another password.
    SetPassword {
        /// The account's name.
        name: String,
        /// The new password's hash.
        nt_hash: NtHash,
    },
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
