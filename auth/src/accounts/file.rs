//! The account file: one account or group a line, made to be read by people and written by the program.
//!
//! ```text
//! # name:NT hash:attributes
//! alice:8846F7EAEE8FB117AD06BDD830B7586C:uid=1000;groups=staff,media
//! bob:-:disabled
//! # @group:attributes
//! @staff:rid=1200;comment=Who works here
//! @:next-rid=268435457
//! # +identifier:rights
//! +S-1-5-32-551:SeBackupPrivilege,SeRestorePrivilege
//! ```
//!
//! Owns the text and the operations on it; those on groups are in [`groups`], those on rights in [`rights`], and the
//! lines in [`text`]. Comments and order survive every change. It never opens a file; whoever writes one keeps it at
//! mode 0600, for the hashes are as good as passwords.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::numbers::FIRST_NAMED;
use wire::dtyp::Sid;

use super::{
    Account, AccountStore, Group, NtHash, Rights, fold_name, group_relative_id, relative_id,
};

mod groups;
mod rights;
mod text;

pub use groups::Membership;

use rights::render_rights;
use text::{
    HEAD, Wrong, check_account, parse_account, parse_group, parse_next_number, render_account,
    render_group,
};

/// The accounts, groups and rights of one account file, and its comments.
#[derive(Clone, Debug, Default)]
pub struct AccountFile {
    lines: Vec<Line>,
    /// Where in `lines` what a key stands for is: an account's folded name, `@` and a group's, `@` alone, or `+` and
    /// a holder's identifier.
    index: HashMap<String, usize>,
}

#[derive(Clone, Debug)]
enum Line {
    Account(Arc<Account>),
    Group(Arc<Group>),
    /// The least number that has not been given out.
    NextNumber(u32),
    /// Who holds rights, and which.
    Rights(Sid, Rights),
    Comment(String),
}

impl AccountFile {
    /// Reads an account file.
    ///
    /// # Errors
    /// Every line that is not an account, a group, somebody's rights, a comment or blank, with what would be right.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let mut file = Self::default();
        let mut mistakes = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if let Err(Wrong { what, right }) = file.read_line(line) {
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

    fn read_line(&mut self, line: &str) -> Result<(), Wrong> {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            self.lines.push(Line::Comment(line.to_owned()));
            return Ok(());
        }
        if let Some(rest) = trimmed.strip_prefix('+') {
            return self.read_rights(rest);
        }
        let unfit = |error: AccountFileError| {
            let right = "one line for each; names differ in more than case, and numbers differ";
            Wrong::new(error.to_string(), right)
        };
        match trimmed.strip_prefix('@') {
            None => self.add(parse_account(trimmed)?).map_err(unfit),
            Some(rest) if rest.starts_with(':') => {
                let line = Line::NextNumber(parse_next_number(rest)?);
                if self.index.contains_key(NUMBERS) {
                    return Err(Wrong::new("a second `@:` line", "one at most"));
                }
                self.append(NUMBERS.to_owned(), line);
                Ok(())
            }
            Some(rest) => self.insert_group(parse_group(rest)?).map_err(unfit),
        }
    }

    /// The file as text; reading it back gives the same accounts, groups, rights and comments.
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
                Line::Group(group) => render_group(group, &mut text),
                Line::NextNumber(number) => text.push_str(&format!("@:next-rid={number}")),
                Line::Rights(holder, rights) => render_rights(holder, *rights, &mut text),
            }
            text.push('\n');
        }
        text
    }

    /// The accounts, in the order of the file.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.lines.iter().filter_map(|line| match line {
            Line::Account(account) => Some(account),
            _ => None,
        })
    }

    /// Adds an account behind the others.
    ///
    /// # Errors
    /// The name or another text of the account cannot be written to the file, or there is such an account or group, or
    /// a group with its number.
    pub fn add(&mut self, account: Account) -> Result<(), AccountFileError> {
        check_account(&account)?;
        let folded = fold_name(&account.name);
        if self.index.contains_key(&folded) {
            return Err(AccountFileError::Exists(account.name));
        }
        if self.index.contains_key(&group_key(&account.name)) {
            return Err(AccountFileError::GroupExists(account.name));
        }
        let number = relative_id(&account);
        if have_number(self.declared(), number) {
            return Err(AccountFileError::Number(number));
        }
        self.append(folded, Line::Account(Arc::new(account)));
        Ok(())
    }

    /// Adds an account with a number that none has had.
    ///
    /// # Errors
    /// As [`AccountFile::add`], or all numbers have been given out.
    // [MS-SAMR] 3.1.1.9.2.2
    pub fn add_numbered(&mut self, mut account: Account) -> Result<(), AccountFileError> {
        let mut new = self.clone();
        account.rid = Some(new.take_number()?);
        new.add(account)?;
        *self = new;
        Ok(())
    }

    /// Removes an account.
    ///
    /// # Errors
    /// There is no such account.
    pub fn remove(&mut self, name: &str) -> Result<(), AccountFileError> {
        let account = self.find(name);
        let account = account.ok_or_else(|| AccountFileError::Missing(name.to_owned()))?;
        self.remove_line(&fold_name(name));
        self.retire(relative_id(&account));
        Ok(())
    }

    /// Changes an account by way of `change`, which may not change its name.
    ///
    /// # Errors
    /// There is no such account, the changed one cannot be written to the file, or its number has become a group's.
    pub fn update(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Account),
    ) -> Result<(), AccountFileError> {
        let missing = || AccountFileError::Missing(name.to_owned());
        let old = self.find(name).ok_or_else(missing)?;
        let mut changed = Account::clone(&old);
        change(&mut changed);
        changed.name.clone_from(&old.name);
        check_account(&changed)?;
        let (before, number) = (relative_id(&old), relative_id(&changed));
        if number != before && have_number(self.declared(), number) {
            return Err(AccountFileError::Number(number));
        }
        if let Some(at) = self.index.get(&fold_name(name)).copied() {
            self.replace_line(at, Line::Account(Arc::new(changed)));
        }
        if number != before {
            self.retire(before);
        }
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
}

/// Lines and numbers.
impl AccountFile {
    fn append(&mut self, key: String, line: Line) {
        if self.lines.is_empty() {
            self.lines
                .extend(HEAD.lines().map(|line| Line::Comment(line.to_owned())));
        }
        self.index.insert(key, self.lines.len());
        self.lines.push(line);
    }

    fn remove_line(&mut self, key: &str) {
        let Some(at) = self.index.remove(key) else {
            return;
        };
        self.lines.remove(at);
        self.index
            .values_mut()
            .filter(|line| **line > at)
            .for_each(|line| *line = line.saturating_sub(1));
    }

    /// A number that no account and no group has had.
    // [MS-SAMR] 3.1.1.9.2.2
    fn take_number(&mut self) -> Result<u32, AccountFileError> {
        let first = self.next_number();
        let is_free = |number: &u32| {
            !have_number(self.declared(), *number)
                && self
                    .accounts()
                    .all(|account| relative_id(account) != *number)
        };
        let number = (first..FIRST_NAMED).find(is_free);
        let number = number.ok_or(AccountFileError::Number(first))?;
        self.set_next_number(number.saturating_add(1));
        Ok(number)
    }

    /// Sees to it that a number that somebody has had is not given out again, and carries no rights to whom it is
    /// given by hand.
    fn retire(&mut self, number: u32) {
        self.forget_rights(number);
        if (self.next_number()..FIRST_NAMED).contains(&number) {
            self.set_next_number(number.saturating_add(1));
        }
    }

    fn next_number(&self) -> u32 {
        match self.index.get(NUMBERS).and_then(|at| self.lines.get(*at)) {
            Some(Line::NextNumber(number)) => *number,
            _ => FIRST_GIVEN,
        }
    }

    fn set_next_number(&mut self, number: u32) {
        let at = self.index.get(NUMBERS).copied();
        match at {
            Some(at) => self.replace_line(at, Line::NextNumber(number)),
            None => self.append(NUMBERS.to_owned(), Line::NextNumber(number)),
        }
    }

    fn replace_line(&mut self, at: usize, line: Line) {
        if let Some(old) = self.lines.get_mut(at) {
            *old = line;
        }
    }
}

/// Whether one of the groups has this number.
fn have_number<'a>(mut groups: impl Iterator<Item = &'a Arc<Group>>, number: u32) -> bool {
    groups.any(|group| group_relative_id(group) == number)
}

/// The key of a group in the index; no account's name begins with `@`.
fn group_key(name: &str) -> String {
    format!("@{}", fold_name(name))
}

/// The key of the line that says which numbers have not been given out.
const NUMBERS: &str = "@";
/// The first number that is given out, above those that are made from uids of usual size.
const FIRST_GIVEN: u32 = 0x1000_0000;

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

    fn group(&self, name: &str) -> Arc<Group> {
        let undeclared = || Arc::new(Group::new(name));
        self.declared_group(name)
            .map_or_else(undeclared, Arc::clone)
    }

    fn rights(&self, holder: &Sid) -> Rights {
        self.held_by(holder).unwrap_or_default()
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
    /// There is a group of that name.
    GroupExists(String),
    /// There is no group of that name.
    GroupMissing(String),
    /// The name cannot be used.
    Name(&'static str),
    /// A group's name or the comment cannot be written: it has one of `: ; , =` or a line break.
    Text(String),
    /// The number is another's, or none is left.
    Number(u32),
    /// The user or group is known to hold rights, or to hold none.
    HolderExists(Sid),
    /// Nothing is known of the rights of the user or group.
    HolderMissing(Sid),
    /// Nobody else can be known to hold rights.
    TooManyHolders,
}

impl fmt::Display for AccountFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(name) => write!(f, "there is already an account `{name}`"),
            Self::Missing(name) => write!(f, "there is no account `{name}`"),
            Self::GroupExists(name) => write!(f, "there is already a group `{name}`"),
            Self::GroupMissing(name) => write!(f, "there is no group `{name}`"),
            Self::Number(number) => write!(f, "the number {number} is taken"),
            Self::HolderExists(sid) => write!(f, "the rights of {sid} are known already"),
            Self::HolderMissing(sid) => write!(f, "{sid} holds no rights"),
            Self::TooManyHolders => write!(f, "too many hold rights"),
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
