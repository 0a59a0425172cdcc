//! What administrators change from a client: the account file, and shares that are added at run time.
//!
//! Owns the file of added shares, in the state folder. The configuration file is never written: a share that stands
//! there is changed there.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, Weak},
};

use auth::{
    Account, AccountFile, Group,
    accounts::{AccountFileError, Rights, RightsChange},
};
use config::{Caching, Configuration, Encryption, Oplocks};
use parking_lot::Mutex;
use server::{
    Server,
    access::Privileges,
    accounts::privileges,
    entitlement,
    share::{
        AccountChange, Administration, Answer, MachineId, NewShare, SettingChange, ShareChange,
    },
};
use share_handlers::config_share::setting_status;
use wire::{
    NtStatus,
    dtyp::{Guid, Sid},
};

use crate::{
    accounts::{self, Accounts},
    assembly::Assembly,
    failure::Failure,
    files::{lock_folder_of, read_private, replace_private},
};

/// Administration by way of the program's files.
#[derive(Clone)]
pub(crate) struct Administrator(Arc<Files>);

/// The files, and what takes changes of them over.
struct Files {
    accounts: Arc<Accounts>,
    account_file: PathBuf,
    share_file: PathBuf,
    machine: MachineId,
    /// The server, which is made later, and what takes changes over.
    running: OnceLock<(Weak<Assembly>, Weak<Server>)>,
    /// One change of the configuration at a time, by whomever.
    changing: Mutex<()>,
}

impl Administrator {
    /// Changes the files that `configuration` names, of the server with this GUID.
    pub(crate) fn new(
        configuration: &Configuration,
        accounts: Arc<Accounts>,
        machine: MachineId,
    ) -> Self {
        Self(Arc::new(Files {
            accounts,
            account_file: configuration.server.accounts.clone(),
            share_file: share_file(configuration),
            machine,
            running: OnceLock::new(),
            changing: Mutex::new(()),
        }))
    }

    /// Lets changes take effect in this server from now on.
    pub(crate) fn connect(&self, assembly: &Arc<Assembly>, server: &Arc<Server>) {
        // There is one server in a program.
        let _ = self
            .0
            .running
            .set((Arc::downgrade(assembly), Arc::downgrade(server)));
    }

    /// Has `take_over` put another configuration in the place of the one in force, which it is given, while
    /// nobody else does so.
    pub(crate) fn change<T>(
        &self,
        server: &Server,
        take_over: impl FnOnce(Configuration) -> T,
    ) -> T {
        let _one = self.0.changing.lock();
        let current = server.settings().configuration.clone();
        take_over(current)
    }
}

impl Files {
    fn running(&self) -> Option<(Arc<Assembly>, Arc<Server>)> {
        let (assembly, server) = self.running.get()?;
        Some((assembly.upgrade()?, server.upgrade()?))
    }

    fn change_accounts(&self, change: AccountChange) -> Result<(), NtStatus> {
        self.check_grant(&change)?;
        let mut refused = None;
        let changed = accounts::change(&self.account_file, |file| {
            apply(file, change).map_err(|error| {
                refused = Some(status_of(&error));
                Failure::new(error.to_string())
            })
        });
        if let Err(failure) = changed.and_then(|()| self.accounts.reload()) {
            if refused.is_none() {
                tracing::error!("an account was not changed: {failure}");
            }
            return Err(refused.unwrap_or(NtStatus::ACCESS_DENIED));
        }
        Ok(())
    }

    /// Refuses grants that the configuration keeps to the account file itself.
    fn check_grant(&self, change: &AccountChange) -> Result<(), NtStatus> {
        let AccountChange::Rights {
            change: RightsChange::Grant(rights),
            ..
        } = change
        else {
            return Ok(());
        };
        let leads_past_descriptors = privileges(*rights) != Privileges::NONE;
        let allowed = || {
            let running = self.running();
            running.is_some_and(|(_, server)| {
                let settings = server.settings();
                settings.configuration.identity.privileges_from_clients
            })
        };
        if leads_past_descriptors && !allowed() {
            tracing::warn!(
                target: "smb::accounts",
                "identity.privileges_from_clients does not let {rights} be granted from a client"
            );
            return Err(NtStatus::ACCESS_DENIED);
        }
        Ok(())
    }

    fn change_shares(&self, change: ShareChange) -> Result<(), NtStatus> {
        let _one = self.changing.lock();
        let (assembly, server) = self.running().ok_or(NtStatus::ACCESS_DENIED)?;
        let failed = |failure: Failure| {
            tracing::error!("a share was not changed: {failure}");
            NtStatus::ACCESS_DENIED
        };
        let _lock = lock_folder_of(&self.share_file).map_err(failed)?;
        let mut added = read(&self.share_file).map_err(failed)?;
        let current = server.settings().configuration.clone();
        let name = match &change {
            ShareChange::Add(share) | ShareChange::Set(share) => share.name.clone(),
            ShareChange::Remove(name) => name.clone(),
        };
        let at = added.iter().position(|share| is_called(share, &name));
        let exists = server.settings().shares.find(&name).is_some();
        match (change, at) {
            (ShareChange::Add(_), _) if exists => return Err(NtStatus::OBJECT_NAME_COLLISION),
            (ShareChange::Add(share), _) => {
                if !share.path.is_dir() {
                    return Err(NtStatus::OBJECT_PATH_NOT_FOUND);
                }
                added.push(parse_one(&share)?);
            }
            (_, None) if exists => return Err(NtStatus::ACCESS_DENIED),
            (_, None) => return Err(NtStatus::OBJECT_NAME_NOT_FOUND),
            (ShareChange::Remove(_), Some(at)) => {
                added.remove(at);
            }
            (ShareChange::Set(share), Some(at)) => {
                if let Some(old) = added.get_mut(at) {
                    *old = parse_one(&share)?;
                }
            }
        }
        let mut new = current;
        new.shares.retain(|share| !is_called(share, &name));
        new.shares.extend(
            added
                .iter()
                .filter(|share| is_called(share, &name))
                .cloned(),
        );
        assembly.replace(&server, new).map_err(failed)?;
        replace_private(&self.share_file, &render(&added)).map_err(failed)
    }
}

impl Files {
    fn change_setting(&self, change: &SettingChange) -> Result<(), NtStatus> {
        let _one = self.changing.lock();
        let (assembly, server) = self.running().ok_or(NtStatus::ACCESS_DENIED)?;
        let SettingChange {
            section,
            name,
            value,
        } = change;
        let current = server.settings().configuration.clone();
        let changed = current.with_setting(section, name, value);
        let changed = changed.map_err(|refused| setting_status(&refused))?;
        assembly.replace(&server, changed).map_err(|failure| {
            tracing::error!("a setting was not changed: {failure}");
            NtStatus::INVALID_PARAMETER
        })?;
        tracing::info!(
            section,
            setting = name,
            value,
            "an administrator changed a setting"
        );
        Ok(())
    }
}

impl Administration for Administrator {
    fn machine(&self) -> MachineId {
        self.0.machine
    }

    fn accounts(&self) -> Vec<Arc<Account>> {
        self.0.accounts.all()
    }

    fn groups(&self) -> Vec<Arc<Group>> {
        self.0.accounts.groups()
    }

    fn holders(&self) -> Vec<(Sid, Rights)> {
        self.0.accounts.holders()
    }

    fn host_user(&self, uid: u32) -> Option<String> {
        let user = nix::unistd::User::from_uid(uid.into()).ok().flatten();
        user.map(|user| user.name)
    }

    fn host_group(&self, gid: u32) -> Option<String> {
        let group = nix::unistd::Group::from_gid(gid.into()).ok().flatten();
        group.map(|group| group.name)
    }

    fn change_account(&self, change: AccountChange) -> Answer<'static, ()> {
        let this = self.0.clone();
        Box::pin(async move {
            let worker = this.clone();
            elsewhere(move || worker.change_accounts(change)).await?;
            // Whoever has lost an account has no session any more.
            if let Some((_, server)) = this.running() {
                entitlement::enforce(&server, &*this.accounts).await;
            }
            Ok(())
        })
    }

    fn change_share(&self, change: ShareChange) -> Answer<'static, ()> {
        let this = self.0.clone();
        Box::pin(elsewhere(move || this.change_shares(change)))
    }

    fn change_setting(&self, change: SettingChange) -> Answer<'static, ()> {
        let this = self.0.clone();
        Box::pin(async move {
            let worker = this.clone();
            elsewhere(move || worker.change_setting(&change)).await?;
            // Whom the new settings would not let in is not in any more.
            if let Some((_, server)) = this.running() {
                entitlement::enforce(&server, &*this.accounts).await;
            }
            Ok(())
        })
    }
}

/// Runs what waits for the disk where it holds nobody up.
async fn elsewhere(
    work: impl FnOnce() -> Result<(), NtStatus> + Send + 'static,
) -> Result<(), NtStatus> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or(Err(NtStatus::INSUFFICIENT_RESOURCES))
}

/// The part of this machine's security identifiers that no other machine has.
pub(crate) fn machine_id(guid: Guid) -> MachineId {
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = guid.0;
    [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_le_bytes)
}

fn apply(file: &mut AccountFile, change: AccountChange) -> Result<(), AccountFileError> {
    match change {
        AccountChange::Add(account) => file.add_numbered(account),
        AccountChange::Remove(name) => file.remove(&name),
        AccountChange::Update { name, update } => {
            file.update(&name, |account| update.apply(account))
        }
        AccountChange::AddGroup(group) => file.add_group(group),
        AccountChange::RemoveGroup(name) => file.remove_group(&name),
        AccountChange::UpdateGroup {
            name,
            new_name,
            comment,
        } => file.update_group(&name, |group| {
            group.name = new_name.unwrap_or_else(|| group.name.clone());
            group.comment = comment.unwrap_or_else(|| group.comment.clone());
        }),
        AccountChange::Members {
            groups,
            accounts,
            becomes,
        } => file.change_members(&groups, &accounts, becomes),
        AccountChange::Rights { holder, change } => file.change_rights(holder, change),
    }
}

fn status_of(error: &AccountFileError) -> NtStatus {
    match error {
        AccountFileError::Exists(_) => NtStatus::USER_EXISTS,
        AccountFileError::Missing(_) => NtStatus::NO_SUCH_USER,
        AccountFileError::GroupExists(_) => NtStatus::ALIAS_EXISTS,
        AccountFileError::GroupMissing(_) => NtStatus::NO_SUCH_ALIAS,
        AccountFileError::HolderExists(_) => NtStatus::OBJECT_NAME_COLLISION,
        AccountFileError::HolderMissing(_) => NtStatus::OBJECT_NAME_NOT_FOUND,
        AccountFileError::Number(_) | AccountFileError::TooManyHolders => {
            NtStatus::INSUFFICIENT_RESOURCES
        }
        AccountFileError::Name(_) | AccountFileError::Text(_) => NtStatus::INVALID_PARAMETER,
    }
}

/// The configuration with the shares that were added at run time. One that has the name of a share of the
/// configuration is left out, and the log says so.
///
/// # Errors
///
/// The file of added shares cannot be read.
pub(crate) fn with_added_shares(
    mut configuration: Configuration,
) -> Result<Configuration, Failure> {
    for share in read(&share_file(&configuration))? {
        if configuration.share(&share.name).is_some() {
            let name = share.name;
            tracing::warn!(
                share = name,
                "a share that was added at run time is left out: the configuration has one of that name"
            );
        } else {
            configuration.shares.push(share);
        }
    }
    Ok(configuration)
}

fn share_file(configuration: &Configuration) -> PathBuf {
    configuration.server.state_dir.join("added-shares.toml")
}

fn read(path: &Path) -> Result<Vec<config::Share>, Failure> {
    let text = read_private(path)?.unwrap_or_default();
    let parsed = Configuration::parse(&text, &path.to_string_lossy());
    let parsed = parsed.map_err(|mistakes| Failure::new(mistakes.to_string()))?;
    Ok(parsed.shares)
}

/// The settings of a share as an administrator described it, checked as the configuration file is.
fn parse_one(share: &NewShare) -> Result<config::Share, NtStatus> {
    let parsed = Configuration::parse(&section(share), "added share");
    let parsed = parsed.map_err(|mistakes| {
        tracing::info!("a share was not added: {mistakes}");
        NtStatus::INVALID_PARAMETER
    })?;
    parsed
        .shares
        .into_iter()
        .next()
        .ok_or(NtStatus::INVALID_PARAMETER)
}

fn render(shares: &[config::Share]) -> String {
    let sections = shares.iter().map(|share| {
        section(&NewShare {
            name: share.name.clone(),
            path: share.path.clone().unwrap_or_default(),
            comment: share.comment.clone(),
            max_uses: Some(share.max_connections).filter(|most| *most > 0),
            permissions: share.permissions.clone(),
            caching: share.caching,
            oplocks: share.oplocks,
            encrypted: share.encryption == Encryption::Required,
            access_based_enumeration: share.access_based_enumeration,
            continuous_availability: share.continuous_availability,
        })
    });
    format!("{HEAD}{}", sections.collect::<String>())
}

fn section(share: &NewShare) -> String {
    // What JSON writes as a string, TOML reads as the same.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let (name, comment) = (quoted(&share.name), quoted(&share.comment));
    let path = quoted(&share.path.to_string_lossy());
    let most = share.max_uses.unwrap_or(0);
    let permissions = share.permissions.as_ref().map(ToString::to_string);
    let permissions = permissions.unwrap_or_default();
    let caching = match share.caching {
        Caching::Manual => "manual",
        Caching::Documents => "documents",
        Caching::Programs => "programs",
        Caching::Never => "never",
    };
    let oplocks = match share.oplocks {
        Oplocks::All => "all",
        Oplocks::Reading => "reading",
        Oplocks::Never => "never",
    };
    let encryption = if share.encrypted {
        "required"
    } else {
        "offered"
    };
    let filtered = share.access_based_enumeration;
    let available = share.continuous_availability;
    format!(
        "\n[[share]]\nname = {name}\npath = {path}\ncomment = {comment}\nmax_connections = {most}\n\
         permissions = \"{permissions}\"\ncaching = \"{caching}\"\noplocks = \"{oplocks}\"\n\
         encryption = \"{encryption}\"\naccess_based_enumeration = {filtered}\n\
         continuous_availability = {available}\n"
    )
}

fn is_called(share: &config::Share, name: &str) -> bool {
    share.name.to_uppercase() == name.to_uppercase()
}

const HEAD: &str =
    "# Shares that administrators have added from a client. The program writes this file.\n";

#[cfg(test)]
mod tests {
    use super::*;

    fn share(name: &str, comment: &str) -> NewShare {
        NewShare {
            name: name.to_owned(),
            path: "/srv/with space".into(),
            comment: comment.to_owned(),
            max_uses: Some(3),
            permissions: "D:(A;;FR;;;WD)".parse().ok(),
            caching: Caching::Never,
            oplocks: Oplocks::Reading,
            encrypted: true,
            access_based_enumeration: true,
            continuous_availability: true,
        }
    }

    #[test]
    fn added_shares_are_read_as_they_were_written() {
        let written = [share("one", "a \"quoted\" word"), share("two", "")];
        let parsed: Vec<_> = written
            .iter()
            .map(|share| parse_one(share).unwrap())
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("added-shares.toml");
        replace_private(&path, &render(&parsed)).unwrap();
        assert_eq!(read(&path).unwrap(), parsed);
        assert_eq!(parsed[0].comment, "a \"quoted\" word");
        assert_eq!(parsed[0].max_connections, 3);
        assert_eq!(
            parsed[0].permissions.as_ref().unwrap().to_string(),
            "D:(A;;FR;;;WD)"
        );
        assert_eq!(parsed[0].encryption, Encryption::Required);
        assert!(parsed[0].access_based_enumeration && parsed[0].continuous_availability);
        let kinds = (parsed[0].caching, parsed[0].oplocks);
        assert_eq!(kinds, (Caching::Never, Oplocks::Reading));
    }

    #[test]
    fn a_share_that_the_configuration_would_refuse_is_refused() {
        let refused = parse_one(&share("IPC$", "")).map(drop);
        assert_eq!(refused, Err(NtStatus::INVALID_PARAMETER));
        let refused = parse_one(&share("a\nb", "")).map(drop);
        assert_eq!(refused, Err(NtStatus::INVALID_PARAMETER));
    }

    #[test]
    fn a_share_of_the_configuration_goes_before_one_that_was_added() {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[server]\nstate_dir = '{}'\n[[share]]\nname = 'One'\nkind = 'memory'\n",
            folder.path().display()
        );
        let configuration = Configuration::parse(&text, "f.toml").unwrap();
        let added = ["one", "two"].map(|name| parse_one(&share(name, "")).unwrap());
        replace_private(&share_file(&configuration), &render(&added)).unwrap();
        let merged = with_added_shares(configuration).unwrap();
        let names: Vec<&str> = merged
            .shares
            .iter()
            .map(|share| share.name.as_str())
            .collect();
        assert_eq!(names, ["One", "two"]);
    }
}
