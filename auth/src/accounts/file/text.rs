//! The lines of an account file: read, written, and what one cannot hold.

use super::super::{ADMINISTRATORS, Account, Day, FIRST_NUMBER, Group, NtHash, check_name};
use super::AccountFileError;

/// What is wrong with a line, before its number is known.
pub(super) struct Wrong {
    pub what: String,
    pub right: String,
}

impl Wrong {
    pub fn new(what: impl Into<String>, right: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            right: right.into(),
        }
    }
}

pub(super) fn parse_account(line: &str) -> Result<Account, Wrong> {
    let mut fields = line.splitn(3, ':');
    let (Some(name), Some(hash)) = (fields.next(), fields.next()) else {
        return Err(Wrong::new("no `:` in the line", "name:NT hash:attributes"));
    };
    check_name(name).map_err(|wrong| {
        Wrong::new(
            format!("the name {wrong}"),
            "a name such as `alice` in front of the first `:`",
        )
    })?;
    let mut account = Account::new(name, NtHash::from_bytes([0; 16]));
    account.nt_hash = match hash {
        "-" => None,
        hash => Some(NtHash::from_hex(hash).ok_or_else(|| {
            Wrong::new(
                "the NT hash is not readable",
                "32 hexadecimal digits, or `-` for no password",
            )
        })?),
    };
    for attribute in fields.next().unwrap_or_default().split(';').map(str::trim) {
        if !attribute.is_empty() {
            parse_attribute(attribute, &mut account)?;
        }
    }
    Ok(account)
}

fn parse_attribute(attribute: &str, account: &mut Account) -> Result<(), Wrong> {
    let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
    let number = || {
        let right = format!("`{key}=` and a number from 0 to {}", u32::MAX);
        value
            .parse()
            .map(Some)
            .map_err(|_| Wrong::new(format!("`{attribute}` has no number"), right))
    };
    match (key, value) {
        ("uid", _) => account.uid = number()?,
        ("gid", _) => account.gid = number()?,
        ("rid", _) => account.rid = number()?,
        ("groups", names) => {
            account.groups = names
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect();
            account.groups.retain(|name| !name.is_empty());
        }
        ("comment", comment) => comment.trim().clone_into(&mut account.comment),
        ("password-expires", day) => {
            account.password_expires = Some(Day::parse(day).ok_or_else(|| {
                Wrong::new(
                    format!("`{day}` is not a day"),
                    "`password-expires=` and YYYY-MM-DD",
                )
            })?);
        }
        ("disabled", "") => account.disabled = true,
        ("locked", "") => account.locked = true,
        ("password-must-change", "") => account.password_must_change = true,
        ("must-encrypt", "") => account.must_encrypt = true,
        _ => {
            return Err(Wrong::new(
                format!("unknown attribute `{attribute}`"),
                ATTRIBUTES,
            ));
        }
    }
    Ok(())
}

pub(super) fn render_account(account: &Account, text: &mut String) {
    let mut attributes = Vec::new();
    let mut number = |key: &str, value: Option<u32>| {
        attributes.extend(value.map(|value| format!("{key}={value}")));
    };
    number("uid", account.uid);
    number("gid", account.gid);
    number("rid", account.rid);
    if !account.groups.is_empty() {
        attributes.push(format!("groups={}", account.groups.join(",")));
    }
    if !account.comment.is_empty() {
        attributes.push(format!("comment={}", account.comment));
    }
    attributes.extend(
        account
            .password_expires
            .map(|day| format!("password-expires={day}")),
    );
    let flags = [
        (account.disabled, "disabled"),
        (account.locked, "locked"),
        (account.password_must_change, "password-must-change"),
        (account.must_encrypt, "must-encrypt"),
    ];
    attributes.extend(
        flags
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, word)| (*word).to_owned()),
    );
    text.push_str(&account.name);
    text.push(':');
    match &account.nt_hash {
        Some(hash) => text.push_str(&hash.to_hex()),
        None => text.push('-'),
    }
    text.push(':');
    text.push_str(&attributes.join(";"));
}

/// Reads a group's line behind its `@`.
pub(super) fn parse_group(line: &str) -> Result<Group, Wrong> {
    let (name, attributes) = line.split_once(':').unwrap_or((line, ""));
    let mut group = Group::new(name);
    for attribute in attributes.split(';').map(str::trim) {
        match attribute.split_once('=').unwrap_or((attribute, "")) {
            ("", "") => {}
            ("rid", number) => group.rid = Some(parse_number(attribute, number)?),
            ("comment", comment) => comment.trim().clone_into(&mut group.comment),
            _ => {
                let what = format!("unknown attribute `{attribute}`");
                return Err(Wrong::new(what, "rid=N or comment=TEXT"));
            }
        }
    }
    check_group(&group).map_err(|error| {
        let right = "`@` and a name such as `staff`, then perhaps `:` and attributes";
        Wrong::new(error.to_string(), right)
    })?;
    Ok(group)
}

/// Reads the line that says which number is given out next, behind its `@`.
pub(super) fn parse_next_number(line: &str) -> Result<u32, Wrong> {
    match line.strip_prefix(":next-rid=") {
        Some(number) => parse_number(line, number),
        None => Err(Wrong::new("a group without a name", "@name:attributes")),
    }
}

fn parse_number(attribute: &str, number: &str) -> Result<u32, Wrong> {
    let number = number.parse().ok().filter(|number| *number >= FIRST_NUMBER);
    number.ok_or_else(|| {
        let right = format!("a number from {FIRST_NUMBER} to {}", u32::MAX);
        Wrong::new(format!("`{attribute}` has no number that fits"), right)
    })
}

pub(super) fn render_group(group: &Group, text: &mut String) {
    let number = group.rid.map(|rid| format!("rid={rid}"));
    let comment = Some(&group.comment).filter(|comment| !comment.is_empty());
    let comment = comment.map(|comment| format!("comment={comment}"));
    let attributes: Vec<String> = number.into_iter().chain(comment).collect();
    text.push('@');
    text.push_str(&group.name);
    if !attributes.is_empty() {
        text.push(':');
        text.push_str(&attributes.join(";"));
    }
}

/// Refuses what [`render_group`] could not write so that [`parse_group`] reads the same.
pub(super) fn check_group(group: &Group) -> Result<(), AccountFileError> {
    check_name(&group.name).map_err(AccountFileError::Name)?;
    if group.name.eq_ignore_ascii_case(ADMINISTRATORS) {
        return Err(AccountFileError::Name(
            "is that of a group that is always there",
        ));
    }
    if let Some(number) = group.rid.filter(|rid| *rid < FIRST_NUMBER) {
        return Err(AccountFileError::Number(number));
    }
    if !fits(&group.comment, ";") {
        return Err(AccountFileError::Text(group.comment.clone()));
    }
    Ok(())
}

/// Refuses what [`render_account`] could not write so that [`parse_account`] reads the same.
pub(super) fn check_account(account: &Account) -> Result<(), AccountFileError> {
    check_name(&account.name).map_err(AccountFileError::Name)?;
    for group in &account.groups {
        if group.is_empty() || !fits(group, ",;") {
            return Err(AccountFileError::Text(group.clone()));
        }
    }
    if !fits(&account.comment, ";") {
        return Err(AccountFileError::Text(account.comment.clone()));
    }
    Ok(())
}

/// Whether a text can stand between separators, and is read as it was written.
fn fits(text: &str, separators: &str) -> bool {
    let is_unfit = |c: char| c.is_control() || separators.contains(c);
    text.trim() == text && !text.chars().any(is_unfit)
}

/// The comment at the top of a new file.
pub(super) const HEAD: &str = "\
# Accounts of the SMB server, one a line: name:NT hash:attributes
# The hashes are as good as passwords: keep this file at mode 0600.
# Attributes, separated by `;`: uid=N gid=N rid=N groups=A,B comment=TEXT password-expires=YYYY-MM-DD
# disabled locked password-must-change must-encrypt
# Groups that are there without members, or have a number or a comment: @name:rid=N;comment=TEXT
# Rights of a user or group, by its identifier: +S-1-5-32-551:SeBackupPrivilege,SeRestorePrivilege
";

const ATTRIBUTES: &str = "uid=N, gid=N, rid=N, groups=A,B, comment=TEXT, password-expires=YYYY-MM-DD, \
     disabled, locked, password-must-change or must-encrypt";
