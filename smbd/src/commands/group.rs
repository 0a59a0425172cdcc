//! `smbd group`: keeps the groups of the account file.

use std::path::Path;

use auth::{
    AccountFile, Group,
    accounts::{AccountFileError, Membership},
};
use clap::{Args, Subcommand};

use super::done;
use crate::{
    accounts::{change, read},
    failure::{Failure, print},
};

/// What to do with the groups of the account file.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Add a group that nobody is in
    Add(NewGroup),
    /// Remove a group; its members stay, without it
    Remove {
        /// The group's name
        name: String,
    },
    /// Give a group another name; its members and its number stay, lists of shares name it as before
    Rename {
        /// The group's name
        name: String,
        /// The new name
        new_name: String,
    },
    /// List the groups with their members
    List,
    /// Put accounts into a group
    Join(Members),
    /// Take accounts out of a group
    Leave(Members),
}

/// A group to add.
#[derive(Debug, Args)]
pub(crate) struct NewGroup {
    /// The group's name
    name: String,
    /// The last part of the group's security identifier; without it, a number that none has had
    #[arg(long)]
    rid: Option<u32>,
    /// A word for people
    #[arg(long, default_value = "")]
    comment: String,
}

/// A group, and accounts that come or go.
#[derive(Debug, Args)]
pub(crate) struct Members {
    /// The group's name
    group: String,
    /// The accounts' names
    #[arg(required = true)]
    accounts: Vec<String>,
}

/// Carries the command out on the account file at `path`.
pub(crate) fn run(command: GroupCommand, path: &Path) -> Result<(), Failure> {
    match command {
        GroupCommand::Add(NewGroup { name, rid, comment }) => {
            let group = Group {
                name: name.clone(),
                rid,
                comment,
            };
            edit(path, |file| file.add_group(group))?;
            done(&format!("added the group {name}"));
        }
        GroupCommand::Remove { name } => {
            edit(path, |file| file.remove_group(&name))?;
            done(&format!("removed the group {name}"));
        }
        GroupCommand::Rename { name, new_name } => {
            edit(path, |file| {
                file.update_group(&name, |group| group.name.clone_from(&new_name))
            })?;
            done(&format!("renamed the group {name} to {new_name}"));
        }
        GroupCommand::List => list(path)?,
        GroupCommand::Join(members) => change_members(path, members, Membership::Joined)?,
        GroupCommand::Leave(members) => change_members(path, members, Membership::Left)?,
    }
    Ok(())
}

fn change_members(path: &Path, members: Members, becomes: Membership) -> Result<(), Failure> {
    let Members { group, accounts } = members;
    edit(path, |file| {
        file.change_members(std::slice::from_ref(&group), &accounts, becomes)
    })?;
    let (accounts, how) = (
        accounts.join(", "),
        match becomes {
            Membership::Joined => "in",
            Membership::Left => "not in",
        },
    );
    done(&format!("{how} the group {group}: {accounts}"));
    Ok(())
}

fn edit(
    path: &Path,
    how: impl FnOnce(&mut AccountFile) -> Result<(), AccountFileError>,
) -> Result<(), Failure> {
    change(path, |file| {
        how(file).map_err(|error| Failure::new(error.to_string()))
    })
}

fn list(path: &Path) -> Result<(), Failure> {
    let file = read(path)?;
    let accounts: Vec<_> = file.accounts().collect();
    for group in file.groups() {
        let is_in = |names: &[String]| {
            let mut names = names.iter();
            names.any(|name| name.to_lowercase() == group.name.to_lowercase())
        };
        let members = accounts.iter().filter(|account| is_in(&account.groups));
        let members: Vec<&str> = members.map(|account| account.name.as_str()).collect();
        let mut facts = Vec::new();
        facts.extend(group.rid.map(|rid| format!("rid={rid}")));
        if !members.is_empty() {
            facts.push(format!("members={}", members.join(",")));
        }
        if !group.comment.is_empty() {
            facts.push(format!("({})", group.comment));
        }
        let line = format!("{:<20} {}", group.name, facts.join(" "));
        print(format_args!("{}\n", line.trim_end()))?;
    }
    Ok(())
}
