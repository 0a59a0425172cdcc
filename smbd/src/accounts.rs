//! The account file on disk: read, changed under a lock, and held in memory for log-ons.

use std::{path::Path, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use auth::{Account, AccountFile, AccountStore, Group, NtHash, accounts::Rights};
use config::Configuration;
use parking_lot::Mutex;
use wire::dtyp::Sid;

use crate::{
    failure::Failure,
    files::{lock_folder_of, read_private, replace_private},
};

/// The accounts that log-ons are checked against: the account file as it was last read.
#[derive(Debug)]
pub(crate) struct Accounts {
    path: PathBuf,
    current: ArcSwap<AccountFile>,
    /// One reads the file at a time, so that what was read last is what was written last.
    reading: Mutex<()>,
}

impl Accounts {
    /// Reads the account file. If there is none yet and the configuration has a demo account, it is
    /// created with that.
    ///
    /// The password of a demo account is public. The configuration grants it only while the server
    /// can be reached from this machine alone; here it is added to a new file only, so that it can
    /// never open an existing one.
    pub(crate) fn open(configuration: &Configuration) -> Result<Self, Failure> {
        let path = configuration.server.accounts.clone();
        let demo = (&configuration.demo.user, &configuration.demo.password);
        let file = match (read_private(&path)?, demo) {
            (Some(text), _) => parse(&text, &path)?,
            (None, (Some(user), Some(password))) => {
                let mut file = AccountFile::default();
                add(&mut file, Account::new(user, NtHash::of_password(password)))?;
                replace_private(&path, &file.render())?;
                tracing::info!(path = %path.display(), user, "created the account file with the demo account");
                file
            }
            (None, _) => {
                tracing::warn!(path = %path.display(), "there is no account file; add accounts with \"smbd user add\"");
                AccountFile::default()
            }
        };
        Ok(Self {
            path,
            current: ArcSwap::from_pointee(file),
            reading: Mutex::new(()),
        })
    }

    /// Reads the account file again; if that fails the accounts stay as they are.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        let _one = self.reading.lock();
        let text = read_private(&self.path)?;
        self.current
            .store(Arc::new(parse(&text.unwrap_or_default(), &self.path)?));
        Ok(())
    }
}

impl Accounts {
    /// All accounts, in the order of the file.
    pub(crate) fn all(&self) -> Vec<Arc<Account>> {
        self.current.load().accounts().cloned().collect()
    }

    /// All groups of accounts but the one of administrators, by name.
    pub(crate) fn groups(&self) -> Vec<Arc<Group>> {
        self.current.load().groups()
    }

    /// Everybody who is known to hold rights, and which.
    pub(crate) fn holders(&self) -> Vec<(Sid, Rights)> {
        self.current.load().holders()
    }
}

impl AccountStore for Accounts {
    fn find(&self, user: &str) -> Option<Arc<Account>> {
        self.current.load().find(user)
    }

    fn group(&self, name: &str) -> Arc<Group> {
        self.current.load().group(name)
    }

    fn rights(&self, holder: &Sid) -> Rights {
        self.current.load().rights(holder)
    }
}

/// Reads the account file; one that does not exist is empty.
pub(crate) fn read(path: &Path) -> Result<AccountFile, Failure> {
    parse(&read_private(path)?.unwrap_or_default(), path)
}

/// Changes the account file: nobody else changes it meanwhile, and it is replaced as a whole or not
/// at all.
pub(crate) fn change<T>(
    path: &Path,
    change: impl FnOnce(&mut AccountFile) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let _lock = lock_folder_of(path)?;
    let mut file = read(path)?;
    let outcome = change(&mut file)?;
    replace_private(path, &file.render())?;
    Ok(outcome)
}

/// Adds an account.
pub(crate) fn add(file: &mut AccountFile, account: Account) -> Result<(), Failure> {
    file.add(account)
        .map_err(|error| Failure::new(error.to_string()))
}

fn parse(text: &str, path: &Path) -> Result<AccountFile, Failure> {
    AccountFile::parse(text).map_err(|mistakes| {
        let lines = mistakes
            .iter()
            .map(|mistake| format!("\n{}: {mistake}", path.display()));
        Failure::new(format!(
            "the account file has mistakes{}",
            lines.collect::<String>()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(folder: &Path) -> Configuration {
        let text = format!(
            "[server]\nlisten = ['127.0.0.1:4450']\naccounts = '{}/accounts'\n[demo]\nuser = 'demo'\npassword = 'demo'\n",
            folder.display()
        );
        Configuration::parse(&text, "test.toml").unwrap()
    }

    #[test]
    fn a_demo_account_is_put_into_a_new_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let configuration = configuration(folder.path());
        let path = &configuration.server.accounts;
        assert!(
            Accounts::open(&configuration)
                .unwrap()
                .find("demo")
                .is_some()
        );
        assert_eq!(read(path).unwrap().accounts().count(), 1);

        replace_private(path, "").unwrap();
        assert!(
            Accounts::open(&configuration)
                .unwrap()
                .find("demo")
                .is_none()
        );
        assert_eq!(read(path).unwrap().accounts().count(), 0);
    }

    #[test]
    fn a_failing_reload_keeps_the_accounts() {
        let folder = tempfile::tempdir().unwrap();
        let configuration = configuration(folder.path());
        let accounts = Accounts::open(&configuration).unwrap();
        replace_private(&configuration.server.accounts, "nonsense").unwrap();
        assert!(
            accounts
                .reload()
                .unwrap_err()
                .to_string()
                .contains("line 1")
        );
        assert!(accounts.find("demo").is_some());
        replace_private(&configuration.server.accounts, "alice:-:").unwrap();
        accounts.reload().unwrap();
        assert!(accounts.find("demo").is_none() && accounts.find("alice").is_some());
    }
    #[test]
    fn what_several_change_at_once_is_all_there_and_nothing_of_it_twice() {
        use auth::accounts::RightsChange;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accounts");
        replace_private(&path, "# people\nalice:-:\n").unwrap();
        let backup = Rights::named("SeBackupPrivilege").unwrap();
        let holder = |number| Sid::domain_account([1, 2, 3], number);
        std::thread::scope(|scope| {
            for number in 1..=8 {
                let path = &path;
                scope.spawn(move || {
                    let granted = change(path, |file| {
                        let grant = file.change_rights(holder(number), RightsChange::Grant(backup));
                        grant.map_err(|error| Failure::new(error.to_string()))
                    });
                    granted.unwrap();
                });
            }
        });
        let file = read(&path).unwrap();
        assert!((1..=8).all(|number| file.rights(&holder(number)) == backup));
        let text = file.render();
        assert!(
            text.starts_with("# people\nalice:-\n") || text.starts_with("# people\nalice:-:\n")
        );
        assert_eq!(text.lines().count(), 10);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
