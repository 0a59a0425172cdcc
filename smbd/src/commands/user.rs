//! `smbd user`: keeps the account file.

use std::{
    fs,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
};

use auth::{Account, AccountStore, NtHash};
use clap::{Args, Subcommand};
use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::done;
use crate::{
    accounts::{add, change, read},
    failure::{Failure, print},
};

/// What to do with the account file.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add an account; the password is asked for, or read as one line from standard input
    Add(NewAccount),
    /// Remove an account
    Remove {
        /// The account's name
        name: String,
    },
    /// List the accounts
    List,
    /// Change an account's password, which is asked for, or read as one line from standard input
    Passwd {
        /// The account's name
        name: String,
    },
    /// Take over the users of a smbpasswd file of Samba
    Import {
        /// The smbpasswd file
        file: PathBuf,
    },
}

/// An account to add.
#[derive(Debug, Args)]
pub(crate) struct NewAccount {
    /// The account's name
    name: String,
    /// The user of this machine to serve it as; without it, the one of the same name
    #[arg(long)]
    uid: Option<u32>,
    /// The group of this machine for new files; without it, the user's own
    #[arg(long, requires = "uid")]
    gid: Option<u32>,
    /// A group for the lists of shares; may be given several times
    #[arg(long = "group")]
    groups: Vec<String>,
    /// A word for people
    #[arg(long, default_value = "")]
    comment: String,
    /// Refuse sessions of this account that are not encrypted
    #[arg(long)]
    must_encrypt: bool,
}

/// Carries the command out on the account file at `path`.
pub(crate) fn run(command: UserCommand, path: &Path) -> Result<(), Failure> {
    match command {
        UserCommand::Add(account) => add_account(account, path),
        UserCommand::Remove { name } => {
            change(path, |file| {
                file.remove(&name)
                    .map_err(|error| Failure::new(error.to_string()))
            })?;
            done(&format!("removed {name}"));
            Ok(())
        }
        UserCommand::List => list(path),
        UserCommand::Passwd { name } => change_password(&name, path),
        UserCommand::Import { file } => import(&file, path),
    }
}

fn add_account(new: NewAccount, path: &Path) -> Result<(), Failure> {
    // Whatever can be refused is refused before anybody types a password.
    auth::accounts::check_name(&new.name)
        .map_err(|wrong| Failure::new(format!("the name {wrong}")))?;
    if read(path)?.find(&new.name).is_some() {
        return Err(Failure::new(format!(
            "there is already an account `{}`",
            new.name
        )));
    }
    let mut account = Account::new(&new.name, ask_password(&new.name)?);
    account.uid = new.uid;
    account.gid = new.gid;
    account.groups = new.groups;
    account.comment = new.comment;
    account.must_encrypt = new.must_encrypt;
    change(path, |file| add(file, account))?;
    done(&format!("added {}", new.name));
    Ok(())
}

fn change_password(name: &str, path: &Path) -> Result<(), Failure> {
    if read(path)?.find(name).is_none() {
        return Err(Failure::new(format!("there is no account `{name}`")));
    }
    let hash = ask_password(name)?;
    change(path, |file| {
        file.set_password(name, hash)
            .map_err(|error| Failure::new(error.to_string()))
    })?;
    done(&format!("changed the password of {name}"));
    Ok(())
}

fn list(path: &Path) -> Result<(), Failure> {
    for account in read(path)?.accounts() {
        let mut facts = Vec::new();
        facts.extend(account.uid.map(|uid| format!("uid={uid}")));
        facts.extend(account.gid.map(|gid| format!("gid={gid}")));
        if !account.groups.is_empty() {
            facts.push(format!("groups={}", account.groups.join(",")));
        }
        facts.extend(
            account
                .password_expires
                .map(|day| format!("password expires {day}")),
        );
        let states = [
            (account.nt_hash.is_none(), "no password"),
            (account.disabled, "disabled"),
            (account.locked, "locked"),
            (account.password_must_change, "password must change"),
            (account.must_encrypt, "must encrypt"),
        ];
        facts.extend(
            states
                .iter()
                .filter(|(is, _)| *is)
                .map(|(_, word)| (*word).to_owned()),
        );
        if !account.comment.is_empty() {
            facts.push(format!("({})", account.comment));
        }
        let line = format!("{:<20} {}", account.name, facts.join(" "));
        print(format_args!("{}\n", line.trim_end()))?;
    }
    Ok(())
}

fn import(from: &Path, path: &Path) -> Result<(), Failure> {
    let text = fs::read_to_string(from).map_err(Failure::with("read", from))?;
    let import = change(path, |file| Ok(file.import_smbpasswd(&text)))?;
    for left_out in &import.skipped {
        eprintln!("{}: {left_out}", from.display());
    }
    let (added, updated, skipped) = (
        import.added.len(),
        import.updated.len(),
        import.skipped.len(),
    );
    done(&format!(
        "added {added}, updated {updated}, left out {skipped}"
    ));
    Ok(())
}

/// The hash of a password that is typed twice without echo, or that is the first line of standard
/// input.
fn ask_password(name: &str) -> Result<NtHash, Failure> {
    let stdin = io::stdin();
    let password = if isatty(&stdin) {
        let first = type_password(&format!("Password for {name}: "))?;
        let second = type_password("The same again: ")?;
        if *first != *second {
            return Err(Failure::new(
                "the two passwords differ; nothing was changed",
            ));
        }
        first
    } else {
        read_line(stdin.lock())?
    };
    if password.is_empty() {
        return Err(Failure::new("the password is empty; nothing was changed"));
    }
    Ok(NtHash::of_password(&password))
}

/// Reads a line from the terminal without showing it.
fn type_password(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let stdin = io::stdin();
    let failed = |error| Failure::to("read the password", error);
    let before = tcgetattr(&stdin).map_err(|error| failed(error.into()))?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    eprint!("{prompt}");
    io::stderr().flush().map_err(failed)?;
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(|error| failed(error.into()))?;
    let line = read_line(stdin.lock());
    let restored = tcsetattr(&stdin, OptionalActions::Flush, &before);
    eprintln!();
    restored.map_err(|error| failed(error.into()))?;
    line
}

/// The first line, without its end. No more than a password's longest length is read.
fn read_line(from: impl BufRead) -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::with_capacity(LONGEST_LINE));
    let limit = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    let read = from.take(limit).read_line(&mut line);
    let length = read.map_err(|error| Failure::to("read the password", error))?;
    if length == LONGEST_LINE && !line.ends_with('\n') {
        return Err(Failure::new(format!(
            "the password is longer than {LONGEST_LINE} bytes"
        )));
    }
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(line)
}

/// The longest line that is read as a password, in bytes; Windows has 256 letters.
const LONGEST_LINE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        assert_eq!(*read_line(&b"secret\nmore\n"[..]).unwrap(), "secret");
        assert_eq!(*read_line(&b"with space \r\n"[..]).unwrap(), "with space ");
        assert_eq!(*read_line(&b"no end"[..]).unwrap(), "no end");
        assert_eq!(*read_line(&b""[..]).unwrap(), "");
    }

    #[test]
    fn an_endless_line_is_refused_without_being_read() {
        let endless = io::BufReader::new(io::repeat(b'x'));
        assert!(read_line(endless).is_err());
    }
}
