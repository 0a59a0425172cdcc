//! The account file: one account a line, made to be read by people and written by the program.
//!
//! ```text
//! # name:NT hash:attributes
//! alice:8846F7EAEE8FB117AD06BDD830B7586C:uid=1000;groups=staff,media
//! bob:-:disabled
//! ```
//!
//! Owns the text and the operations on it. Comments and order survive every change. It never opens a
//! file; whoever writes one keeps it at mode 0600, for the hashes are as good as passwords.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::{Account, AccountStore, NtHash, fold_name};

mod text;

use text::{HEAD, Wrong, check_account, parse_account, render_account};

/// The accounts of one account file, and its comments.
#[derive(Clone, Debug, Default)]
pub struct AccountFile {
    lines: Vec<Line>,
    /// Where in `lines` the account of a folded name is.
    index: HashMap<String, usize>,
}

#[derive(Clone, Debug)]
enum Line {
    Account(Arc<Account>),
    Comment(String),
}

impl AccountFile {
    /// Reads an account file.
    ///
    /// # Errors
    /// Every line that is not an account, a comment or blank, with what would be right.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut file = Self::default();
        let mut mistakes = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let trimmed = line.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                file.lines.push(Line::Comment(line.to_owned()));
                continue;
            }
            let added = parse_account(trimmed).and_then(|account| {
                let name = account.name.clone();
                file.add(account).map_err(|_| Wrong {
                    what: format!("a second account `{name}`"),
                    right: "one line for each account; names differ in more than case".to_owned(),
                })
            });
            if let Err(Wrong { what, right }) = added {
                mistakes.push(Mistake {
                    line: number.saturating_add(1),
                    what,
                    right,
                });
            }
        }
        if mistakes.is_empty() {
            Ok(file)
        } else {
            Err(mistakes)
        }
    }

    /// The file as text; reading it back gives the same accounts and comments.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        if self.lines.is_empty() {
            text.push_str(HEAD);
        }
        for line in &self.lines {
            match line {
                Line::Comment(comment) => text.push_str(comment),
                Line::Account(account) => render_account(account, &mut text),
            }
            text.push('\n');
        }
        text
    }

    /// The accounts, in the order of the file.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.lines.iter().filter_map(|line| match line {
            Line::Account(account) => Some(account),
            Line::Comment(_) => None,
        })
    }

    /// Adds an account behind the others.
    ///
    /// # Errors
    /// The name or another text of the account cannot be written to the file, or there is such an account.
    pub fn add(&mut self, account: Account) -> Result<(), AccountFileError> {
        check_account(&account)?;
        let folded = fold_name(&account.name);
        if self.index.contains_key(&folded) {
            return Err(AccountFileError::Exists(account.name));
        }
        if self.lines.is_empty() {
            self.lines
                .extend(HEAD.lines().map(|line| Line::Comment(line.to_owned())));
        }
        self.index.insert(folded, self.lines.len());
        self.lines.push(Line::Account(Arc::new(account)));
        Ok(())
    }

    /// Removes an account.
    ///
    /// # Errors
    /// There is no such account.
    pub fn remove(&mut self, name: &str) -> Result<(), AccountFileError> {
        let at = self.position(name)?;
        self.lines.remove(at);
        self.index.remove(&fold_name(name));
        self.index
            .values_mut()
            .filter(|line| **line > at)
            .for_each(|line| *line = line.saturating_sub(1));
        Ok(())
    }

    /// Changes an account by way of `change`, which may not change its name.
    ///
    /// # Errors
    /// There is no such account, or the changed one cannot be written to the file.
    pub fn update(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Account),
    ) -> Result<(), AccountFileError> {
        let at = self.position(name)?;
        let Some(Line::Account(account)) = self.lines.get_mut(at) else {
            return Err(AccountFileError::Missing(name.to_owned()));
        };
        let mut changed = Account::clone(account);
        change(&mut changed);
        changed.name.clone_from(&account.name);
        check_account(&changed)?;
        *account = Arc::new(changed);
        Ok(())
    }

    /// Gives an account another password, which has neither expired nor needs changing.
    ///
    /// # Errors
    /// There is no such account.
    pub fn set_password(&mut self, name: &str, nt_hash: NtHash) -> Result<(), AccountFileError> {
        self.update(name, |account| {
            account.nt_hash = Some(nt_hash);
            account.password_expires = None;
            account.password_must_change = false;
        })
    }

    fn position(&self, name: &str) -> Result<usize, AccountFileError> {
        let at = self.index.get(&fold_name(name)).copied();
        at.ok_or_else(|| AccountFileError::Missing(name.to_owned()))
    }
}

impl AccountStore for AccountFile {
    fn find(&self, user: &str) -> Option<Arc<Account>> {
        match self
            .index
            .get(&fold_name(user))
            .and_then(|at| self.lines.get(*at))
        {
            Some(Line::Account(account)) => Some(Arc::clone(account)),
            _ => None,
        }
    }
}

/// A line of an account file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Its number, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub right: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {}; expected {}",
            self.line, self.what, self.right
        )
    }
}

/// A change of the account file that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountFileError {
    /// There is an account of that name.
    Exists(String),
    /// There is no account of that name.
    Missing(String),
    /// The account's name cannot be used.
    Name(&'static str),
    /// A group's name or the comment cannot be written: it has one of `: ; , =` or a line break.
    Text(String),
}

impl fmt::Display for AccountFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(name) => write!(f, "there is already an account `{name}`"),
            Self::Missing(name) => write!(f, "there is no account `{name}`"),
            Self::Name(wrong) => write!(f, "the name {wrong}"),
            Self::Text(text) => write!(
                f,
                "`{text}` contains a character that an account file cannot hold"
            ),
        }
    }
}

impl std::error::Error for AccountFileError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Day;
    use super::*;

    const SAMPLE: &str = "\
# staff
alice:8846F7EAEE8FB117AD06BDD830B7586C:uid=1000;gid=100;rid=1001;groups=staff,Domain Users

bob:-:comment=left in May;password-expires=2027-03-01;disabled;locked;password-must-change;must-encrypt
";

    #[test]
    fn a_file_is_read_and_written_as_it_was() {
        let file = AccountFile::parse(SAMPLE).unwrap();
        assert_eq!(file.render(), SAMPLE);
        let alice = file.find("ALICE").unwrap();
        assert_eq!(alice.nt_hash, Some(NtHash::of_password("password")));
        assert_eq!(
            (alice.uid, alice.gid, alice.rid),
            (Some(1000), Some(100), Some(1001))
        );
        assert_eq!(alice.groups, ["staff", "Domain Users"]);
        let bob = file.find("bob").unwrap();
        assert!(bob.disabled && bob.locked && bob.password_must_change && bob.must_encrypt);
        assert_eq!(bob.nt_hash, None);
        assert_eq!(bob.password_expires, Day::parse("2027-03-01"));
        assert!(file.find("carol").is_none());
    }

    #[test]
    fn each_mistake_names_its_line_and_what_would_be_right() {
        let text = "alice:-:\nnonsense\nbob:12:\nALICE:-:\n\ncarol:-:uid=x;disabled\ndora:-:enabled\ned:-:password-expires=soon\na@b:-:\n";
        let mistakes = AccountFile::parse(text).unwrap_err();
        let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(
            mistakes[0].to_string(),
            "line 2: no `:` in the line; expected name:NT hash:attributes"
        );
        assert!(mistakes[1].right.contains("32 hexadecimal digits"));
        assert!(
            !mistakes[1].what.contains("12"),
            "a broken hash is still a secret"
        );
        assert!(mistakes[4].right.contains("disabled"));
    }

    #[test]
    fn accounts_are_added_changed_and_removed_without_touching_the_others() {
        let mut file = AccountFile::default();
        file.add(Account::new("alice", NtHash::of_password("a")))
            .unwrap();
        file.add(Account::new("bob", NtHash::of_password("b")))
            .unwrap();
        file.add(Account::new("carol", NtHash::of_password("c")))
            .unwrap();
        assert_eq!(
            file.add(Account::new("Bob", NtHash::of_password("x"))),
            Err(AccountFileError::Exists("Bob".to_owned()))
        );
        file.update("carol", |account| account.password_must_change = true)
            .unwrap();
        file.remove("BOB").unwrap();
        assert_eq!(
            file.remove("bob"),
            Err(AccountFileError::Missing("bob".to_owned()))
        );
        file.set_password("carol", NtHash::of_password("new"))
            .unwrap();
        let carol = file.find("Carol").unwrap();
        assert_eq!(carol.nt_hash, Some(NtHash::of_password("new")));
        assert!(!carol.password_must_change);
        let names: Vec<&str> = file
            .accounts()
            .map(|account| account.name.as_str())
            .collect();
        assert_eq!(names, ["alice", "carol"]);
        let again = AccountFile::parse(&file.render()).unwrap();
        assert_eq!(again.find("alice"), file.find("alice"));
        assert!(file.render().starts_with("# Accounts"));
    }

    #[test]
    fn what_the_file_cannot_hold_is_refused() {
        let mut file = AccountFile::default();
        let mut account = Account::new("alice", NtHash::of_password("a"));
        account.groups.push("a,b".to_owned());
        assert!(matches!(
            file.add(account.clone()),
            Err(AccountFileError::Text(_))
        ));
        account.groups.clear();
        account.comment = "line\nmallory:-:".to_owned();
        assert!(matches!(file.add(account), Err(AccountFileError::Text(_))));
        assert!(matches!(
            file.add(Account::new("a:b", NtHash::of_password("a"))),
            Err(AccountFileError::Name(_))
        ));
        assert_eq!(file.accounts().count(), 0);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "\\PC*(\n\\PC*){0,4}") {
            let _ = AccountFile::parse(&text);
        }

        #[test]
        fn accounts_survive_as_text(
            name in "[a-zA-Z0-9._$-]{1,20}",
            hash: Option<[u8; 16]>,
            uid: Option<u32>,
            groups in proptest::collection::vec("[a-z]([a-z =:]*[a-z])?", 0..4),
            comment in "([a-z]([a-z ,:=]*[a-z])?)?",
            expires in proptest::option::of(0_u32..2_932_896),
            disabled: bool,
        ) {
            let mut account = Account::new(&name, NtHash::from_bytes([0; 16]));
            account.nt_hash = hash.map(NtHash::from_bytes);
            account.uid = uid;
            account.groups = groups;
            account.comment = comment;
            account.password_expires = expires.map(Day::from_unix);
            account.disabled = disabled;
            let mut file = AccountFile::default();
            file.add(account.clone()).unwrap();
            let again = AccountFile::parse(&file.render()).unwrap();
            prop_assert_eq!(&*again.find(&name).unwrap(), &account);
        }
    }
}
