//! Groups in the account file: those that have a line of their own, and those that are there because somebody is in
//! them.
//!
//! Owns what becomes of members when a group goes or gets another name. The group of administrators is none of these:
//! it is always there, and changes in nothing but its members.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{ADMINISTRATORS, Account, AccountStore as _, Group, fold_name};
use super::super::{group_relative_id, relative_id};
use super::text::check_group;
use super::{AccountFile, AccountFileError, Line, group_key, have_number};

/// What becomes of a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// Who is not in the group comes into it.
    Joined,
    /// Who is in the group leaves it.
    Left,
}

impl AccountFile {
    /// All groups but the one of administrators, by name.
    #[must_use]
    pub fn groups(&self) -> Vec<Arc<Group>> {
        let declared = self.declared();
        let mut groups: BTreeMap<String, Arc<Group>> = declared
            .map(|group| (fold_name(&group.name), Arc::clone(group)))
            .collect();
        for name in self.accounts().flat_map(|account| &account.groups) {
            if !is_administrators(name) {
                let undeclared = || Arc::new(Group::new(name));
                groups.entry(fold_name(name)).or_insert_with(undeclared);
            }
        }
        groups.into_values().collect()
    }

    /// Adds a group with a number that none has had, unless it brings one.
    ///
    /// # Errors
    /// There is such a group or account, or somebody with this number, or the file cannot hold the group.
    // [MS-SAMR] 3.1.1.9.2.2
    pub fn add_group(&mut self, mut group: Group) -> Result<(), AccountFileError> {
        if self.has_group(&group.name) {
            return Err(AccountFileError::GroupExists(group.name));
        }
        let mut new = self.clone();
        if group.rid.is_none() {
            group.rid = Some(new.take_number()?);
        }
        new.insert_group(group)?;
        *self = new;
        Ok(())
    }

    /// Removes a group; who is in it is so no more.
    ///
    /// # Errors
    /// There is no such group.
    pub fn remove_group(&mut self, name: &str) -> Result<(), AccountFileError> {
        let group = self.changeable_group(name)?;
        self.remove_line(&group_key(name));
        self.retire(group_relative_id(&group));
        self.each_member(name, |groups| groups.retain(|other| !is_same(other, name)));
        Ok(())
    }

    /// Changes a group by way of `change`. Its number stays, and its members follow it to another name.
    ///
    /// # Errors
    /// There is no such group, or another group or an account has the new name, or the file cannot hold it.
    pub fn update_group(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Group),
    ) -> Result<(), AccountFileError> {
        let old = self.changeable_group(name)?;
        let mut group = Group::clone(&old);
        change(&mut group);
        group.rid = old.rid;
        let is_renamed = !is_same(&group.name, name);
        if is_renamed {
            if self.has_group(&group.name) {
                return Err(AccountFileError::GroupExists(group.name));
            }
            group.rid = Some(group_relative_id(&old));
        }
        let mut file = self.clone();
        let new = group.name.clone();
        match file.index.remove(&group_key(name)) {
            None => file.insert_group(group)?,
            Some(at) => {
                // The old line does not stand in the new one's way.
                file.replace_line(at, Line::Comment(String::new()));
                file.check_new_group(&group)?;
                file.replace_line(at, Line::Group(Arc::new(group)));
                file.index.insert(group_key(&new), at);
            }
        }
        file.each_member(name, |groups| {
            let renamed = groups.iter_mut().filter(|other| is_same(other, name));
            renamed.for_each(|other| other.clone_from(&new));
        });
        *self = file;
        Ok(())
    }

    /// Puts accounts into groups, or takes them out, where that is not so yet. A group stays when nobody is left in it.
    ///
    /// # Errors
    /// There is no such group or no such account; then nothing is changed.
    pub fn change_members(
        &mut self,
        groups: &[String],
        accounts: &[String],
        becomes: Membership,
    ) -> Result<(), AccountFileError> {
        let mut file = self.clone();
        for name in groups {
            // The spelling of who wrote it first.
            let spelling = file.existing_group(name)?.name.clone();
            for account in accounts {
                file.update(account, |account| {
                    let is_in = account.groups.iter().any(|other| is_same(other, name));
                    match becomes {
                        Membership::Joined if is_in => {}
                        Membership::Joined => account.groups.push(spelling.clone()),
                        Membership::Left => account.groups.retain(|other| !is_same(other, name)),
                    }
                })?;
            }
            if !file.has_group(name) {
                // One whose name cannot stand on a line of its own ends with its last member.
                let _ = file.insert_group(Group::new(&spelling));
            }
        }
        *self = file;
        Ok(())
    }

    /// Writes a group down as it is.
    pub(super) fn insert_group(&mut self, group: Group) -> Result<(), AccountFileError> {
        self.check_new_group(&group)?;
        self.append(group_key(&group.name), Line::Group(Arc::new(group)));
        Ok(())
    }

    fn check_new_group(&self, group: &Group) -> Result<(), AccountFileError> {
        check_group(group)?;
        if self.index.contains_key(&group_key(&group.name)) {
            return Err(AccountFileError::GroupExists(group.name.clone()));
        }
        // [MS-SAMR] 3.1.1.8.4
        if self.find(&group.name).is_some() {
            return Err(AccountFileError::Exists(group.name.clone()));
        }
        let number = group_relative_id(group);
        let others = self
            .declared()
            .filter(|other| !is_same(&other.name, &group.name));
        let is_account = self
            .accounts()
            .any(|account| relative_id(account) == number);
        if is_account || have_number(others, number) {
            return Err(AccountFileError::Number(number));
        }
        Ok(())
    }

    /// The groups that have a line, in the order of the file.
    pub(super) fn declared(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.lines.iter().filter_map(|line| match line {
            Line::Group(group) => Some(group),
            _ => None,
        })
    }

    /// The group of this name that has a line.
    pub(super) fn declared_group(&self, name: &str) -> Option<&Arc<Group>> {
        match self.lines.get(*self.index.get(&group_key(name))?) {
            Some(Line::Group(group)) => Some(group),
            _ => None,
        }
    }

    /// The group of this name, with or without a line.
    fn existing_group(&self, name: &str) -> Result<Arc<Group>, AccountFileError> {
        if let Some(group) = self.declared_group(name) {
            return Ok(Arc::clone(group));
        }
        if is_administrators(name) {
            return Ok(Arc::new(Group::new(ADMINISTRATORS)));
        }
        let mut named = self.accounts().flat_map(|account| &account.groups);
        let found = named.find(|other| is_same(other, name));
        let missing = || AccountFileError::GroupMissing(name.to_owned());
        found
            .map(|name| Arc::new(Group::new(name)))
            .ok_or_else(missing)
    }

    fn changeable_group(&self, name: &str) -> Result<Arc<Group>, AccountFileError> {
        if is_administrators(name) {
            return Err(AccountFileError::Name(
                "is that of a group that is always there",
            ));
        }
        self.existing_group(name)
    }

    fn has_group(&self, name: &str) -> bool {
        self.existing_group(name).is_ok()
    }

    /// Changes the groups of each account that is in one.
    fn each_member(&mut self, group: &str, change: impl Fn(&mut Vec<String>)) {
        let accounts = self.lines.iter_mut().filter_map(|line| match line {
            Line::Account(account) => Some(account),
            _ => None,
        });
        let is_member = |account: &&mut Arc<Account>| {
            let mut groups = account.groups.iter();
            groups.any(|name| is_same(name, group))
        };
        accounts
            .filter(is_member)
            .for_each(|account| change(&mut Arc::make_mut(account).groups));
    }
}

fn is_administrators(name: &str) -> bool {
    is_same(name, ADMINISTRATORS)
}

/// Whether two names mean the same group.
fn is_same(one: &str, other: &str) -> bool {
    fold_name(one) == fold_name(other)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SAMPLE: &str = "\
# people
alice:-:rid=1001;groups=Staff,Administrators
bob:-:groups=staff,media
# groups
@staff:rid=1200;comment=Who works here
@empty
";

    fn sample() -> AccountFile {
        AccountFile::parse(SAMPLE).unwrap()
    }

    fn named(file: &AccountFile) -> Vec<String> {
        let groups = file.groups().into_iter();
        groups.map(|group| group.name.clone()).collect()
    }

    fn members(file: &AccountFile, group: &str) -> Vec<String> {
        let is_in = |account: &&Arc<Account>| account.groups.iter().any(|name| name == group);
        let accounts = file.accounts().filter(is_in);
        accounts.map(|account| account.name.clone()).collect()
    }

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn groups_are_those_with_a_line_and_those_with_members() {
        let file = sample();
        assert_eq!(file.render(), SAMPLE);
        assert_eq!(named(&file), ["empty", "media", "staff"]);
        let staff = file.group("STAFF");
        assert_eq!(
            (staff.rid, staff.comment.as_str()),
            (Some(1200), "Who works here")
        );
        assert_eq!(file.group("media").rid, None);
    }

    #[test]
    fn a_line_that_is_no_group_is_refused_with_what_would_be_right() {
        for (line, right) in [
            ("@:", "@name:attributes"),
            ("@a:b:c", "rid=N"),
            ("@a:rid=999", "1000"),
            ("@a:rid=x", "1000"),
            ("@a:members=bob", "rid=N"),
            ("@a/b", "a name such as"),
            ("@administrators", "a name such as"),
            ("@STAFF", "one line for each"),
            ("@bob", "one line for each"),
            ("@other:rid=1200", "one line for each"),
            ("@other:rid=1001", "one line for each"),
            ("eve:-:rid=1200", "one line for each"),
            ("empty:-:", "one line for each"),
            ("@:next-rid=1", "1000"),
            ("@:next-rid=2000\n@:next-rid=2000", "one at most"),
        ] {
            let mistakes = AccountFile::parse(&format!("{SAMPLE}{line}\n")).unwrap_err();
            let [mistake] = &mistakes[..] else {
                panic!("{line}: {mistakes:?}");
            };
            assert!(
                mistake.line == 6 + line.lines().count() && mistake.right.contains(right),
                "{line}: {mistake}"
            );
        }
    }

    #[test]
    fn a_group_comes_and_goes_with_its_memberships() {
        let mut file = sample();
        file.add_group(Group::new("night watch")).unwrap();
        for taken in ["Staff", "MEDIA", "administrators"] {
            let exists = AccountFileError::GroupExists(taken.to_owned());
            assert_eq!(file.add_group(Group::new(taken)), Err(exists));
        }
        let exists = AccountFileError::Exists("alice".to_owned());
        assert_eq!(file.add_group(Group::new("alice")), Err(exists));
        file.change_members(
            &texts(&["Night Watch"]),
            &texts(&["bob"]),
            Membership::Joined,
        )
        .unwrap();
        assert_eq!(members(&file, "night watch"), ["bob"]);
        file.remove_group("staff").unwrap();
        assert_eq!(named(&file), ["empty", "media", "night watch"]);
        assert_eq!(file.find("alice").unwrap().groups, ["Administrators"]);
        let missing = AccountFileError::GroupMissing("staff".to_owned());
        assert_eq!(file.remove_group("staff"), Err(missing));
        assert!(file.remove_group("Administrators").is_err());
        assert_eq!(file.find("alice").unwrap().groups, ["Administrators"]);
        assert!(file.render().starts_with("# people\nalice"));
    }

    // test [MS-SAMR] 3.1.1.9.2.2
    #[test]
    fn a_number_is_never_given_out_again() {
        let mut file = AccountFile::parse("carol:-:rid=268435457\n").unwrap();
        let number = |file: &AccountFile, name: &str| file.group(name).rid.unwrap();
        file.add_group(Group::new("one")).unwrap();
        assert_eq!(number(&file, "one"), 0x1000_0000);
        file.add_group(Group::new("two")).unwrap();
        assert_eq!(number(&file, "two"), 0x1000_0002);
        file.remove_group("two").unwrap();
        file.remove("carol").unwrap();
        let mut again = AccountFile::parse(&file.render()).unwrap();
        again
            .add_numbered(Account::new(
                "dora",
                super::super::NtHash::from_bytes([0; 16]),
            ))
            .unwrap();
        assert_eq!(again.find("dora").unwrap().rid, Some(0x1000_0003));
        let mut brought = Group::new("brought");
        brought.rid = Some(0x1000_0009);
        again.add_group(brought).unwrap();
        again.remove_group("brought").unwrap();
        again.add_group(Group::new("late")).unwrap();
        assert_eq!(number(&again, "late"), 0x1000_000a);
    }

    #[test]
    fn a_renamed_group_keeps_its_number_its_place_and_its_members() {
        let mut file = sample();
        let before = group_relative_id(&file.group("media"));
        let rename = |new: &'static str| move |group: &mut Group| group.name = new.to_owned();
        file.update_group("media", rename("press")).unwrap();
        assert_eq!(file.group("press").rid, Some(before));
        file.update_group("STAFF", rename("crew")).unwrap();
        assert_eq!(
            file.find("alice").unwrap().groups,
            ["crew", "Administrators"]
        );
        assert_eq!(file.find("bob").unwrap().groups, ["crew", "press"]);
        for taken in ["empty", "press", "bob", "Administrators", "a:b"] {
            let old = file.render();
            assert!(file.update_group("crew", rename(taken)).is_err(), "{taken}");
            assert_eq!(file.render(), old);
        }
        assert!(
            file.render()
                .contains("# groups\n@crew:rid=1200;comment=Who works here\n@empty\n")
        );
        file.update_group("crew", rename("Crew")).unwrap();
        assert_eq!(members(&file, "Crew"), ["alice", "bob"]);
    }

    #[test]
    fn a_group_outlives_its_last_member_and_stays_what_it_was() {
        let mut file = sample();
        let before = group_relative_id(&file.group("media"));
        let change = |file: &mut AccountFile, group: &str, accounts: &[&str], becomes| {
            file.change_members(&texts(&[group]), &texts(accounts), becomes)
        };
        change(&mut file, "Media", &["bob", "alice"], Membership::Left).unwrap();
        assert_eq!(named(&file), ["empty", "media", "staff"]);
        assert_eq!(group_relative_id(&file.group("media")), before);
        let old = file.render();
        let refused = change(&mut file, "empty", &["alice", "nobody"], Membership::Joined);
        assert_eq!(refused, Err(AccountFileError::Missing("nobody".to_owned())));
        assert!(change(&mut file, "none", &["alice"], Membership::Joined).is_err());
        assert_eq!(file.render(), old);
        change(&mut file, "administrators", &["bob"], Membership::Joined).unwrap();
        change(&mut file, "administrators", &["bob"], Membership::Joined).unwrap();
        assert_eq!(
            file.find("bob").unwrap().groups,
            ["staff", "Administrators"]
        );
    }

    proptest! {
        #[test]
        fn groups_survive_as_text(
            name in "[a-zA-Z0-9._$-]([a-z ]{0,10}[a-z])?",
            rid in proptest::option::of(1000_u32..),
            comment in "([a-z]([a-z ,:=]*[a-z])?)?",
        ) {
            let group = Group { name: name.clone(), rid, comment };
            let mut file = AccountFile::default();
            file.insert_group(group.clone()).unwrap();
            let again = AccountFile::parse(&file.render()).unwrap();
            prop_assert_eq!(&*again.group(&name), &group);
            prop_assert_eq!(again.render(), file.render());
        }
    }
}
