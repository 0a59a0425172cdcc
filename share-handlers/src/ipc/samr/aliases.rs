//! Aliases: the groups of the account file, and those that every machine has.
//!
//! Owns what is behind an alias' handle, how administrators make, change and delete one, and who is in it. The groups
//! of the account file are aliases of the machine's domain, as local groups are on a server that stands alone. The
//! aliases that every machine has are empty, but for the one of administrators, which is a group of the account
//! file, too. Only accounts of the account file are members.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use server::accounts::{
    ADMINISTRATORS, FIRST_NUMBER, Group, Membership, check_name, group_relative_id,
};
use server::share::AccountChange;
use wire::dtyp::Sid;

use super::super::changes::{at_once, change, remove};
use super::super::directory::{BUILTIN_GROUPS, DOMAIN_GROUPS, Directory};
use super::super::enumeration::Container;
use super::super::ndr::{Counted, Enum16, Handle};
use super::super::nt;
use super::super::rights::{Rights, granted};
use super::super::rpc::{Call, Fault, Later};
use super::objects::{CREATE_ALIAS, DELETE, Domain, GET_ALIAS_MEMBERSHIP, LOOKUP, domain};
use super::types::{AliasGeneral, AliasInfo, Name, Numbers};

// [MS-SAMR] 2.2.1.6
const ADD_MEMBER: u32 = 0x01;
const REMOVE_MEMBER: u32 = 0x02;
const LIST_MEMBERS: u32 = 0x04;
const READ_INFORMATION: u32 = 0x08;
const WRITE_ACCOUNT: u32 = 0x10;
pub(super) static ALIAS_RIGHTS: Rights = Rights {
    read: 0x0002_0004,
    write: 0x0002_0013,
    execute: 0x0002_0008,
    all: 0x000f_001f,
    everybody: 0x0002_000c,
};

/// An alias that is open. It keeps its number whatever it is called by then.
#[derive(Debug, Clone)]
pub(super) struct OpenAlias {
    /// The number; of an alias that is being made it is known when it has been.
    number: Arc<OnceLock<u32>>,
    pub domain: Domain,
    pub granted: u32,
}

/// What is told of an alias.
pub(super) struct Alias {
    pub number: u32,
    pub name: String,
    comment: String,
    /// The group of the account file whose members are the alias', if it is one.
    group: Option<String>,
}

/// The aliases of a domain, in the order in which they are listed.
pub(super) fn aliases(directory: &Directory, domain: Domain) -> Vec<Alias> {
    let own = |group: &Arc<Group>| Alias {
        number: group_relative_id(group),
        name: group.name.clone(),
        comment: group.comment.clone(),
        group: Some(group.name.clone()),
    };
    let builtin = |(number, name): &(u32, &str)| Alias {
        number: *number,
        name: (*name).to_owned(),
        comment: String::new(),
        group: (*name == ADMINISTRATORS).then(|| ADMINISTRATORS.to_owned()),
    };
    match domain {
        Domain::Machine => directory.groups().iter().map(own).collect(),
        Domain::Builtin => BUILTIN_GROUPS.iter().map(builtin).collect(),
    }
}

/// The alias behind a handle, if that carries a right and the alias is still there.
fn alias(call: &Call<'_>, handle: &Handle, right: u32) -> Result<Result<Alias, u32>, Fault> {
    let open: &OpenAlias = call.handles.find(handle)?;
    if open.granted & right != right {
        return Ok(Err(nt::ACCESS_DENIED));
    }
    let all = aliases(&Directory::new(call.services), open.domain);
    let found = all
        .into_iter()
        .find(|alias| open.number.get() == Some(&alias.number));
    Ok(found.ok_or(nt::NO_SUCH_ALIAS))
}

// [MS-SAMR] 3.1.5.1.8
pub(super) fn open(
    call: &mut Call<'_>,
    (handle, wanted, relative): (Handle, u32, u32),
) -> Result<(Handle, u32), Fault> {
    let Some(domain) = domain(call, &handle, LOOKUP)? else {
        return Ok((Handle::NULL, nt::ACCESS_DENIED));
    };
    let all = aliases(&Directory::new(call.services), domain);
    if !all.iter().any(|alias| alias.number == relative) {
        return Ok((Handle::NULL, nt::NO_SUCH_ALIAS));
    }
    let Some(granted) = granted(call, &ALIAS_RIGHTS, wanted) else {
        return Ok((Handle::NULL, nt::ACCESS_DENIED));
    };
    let open = OpenAlias {
        number: Arc::new(relative.into()),
        domain,
        granted,
    };
    Ok((call.handles.open(open)?, nt::SUCCESS))
}

// [MS-SAMR] 3.1.5.4.3
pub(super) fn create(
    call: &mut Call<'_>,
    (handle, name, wanted): (Handle, Counted, u32),
) -> Result<Later<(Handle, u32, u32)>, Fault> {
    let refused = |status| Ok(at_once((Handle::NULL, 0, status)));
    // [MS-SAMR] 3.1.5.4.1
    let may = domain(call, &handle, CREATE_ALIAS)? == Some(Domain::Machine);
    let granted = granted(call, &ALIAS_RIGHTS, wanted);
    let Some(granted) = granted.filter(|_| may && call.is_administrator()) else {
        return refused(nt::ACCESS_DENIED);
    };
    let name = name.0.to_string_lossy();
    if let Err(status) = check_new_name(call, &name) {
        return refused(status);
    }
    let number = Arc::new(OnceLock::new());
    let open = call.handles.open(OpenAlias {
        number: Arc::clone(&number),
        domain: Domain::Machine,
        granted,
    })?;
    let ending = call.handles.ending(&open)?;
    let directory = Directory::new(call.services);
    let made = change(call, AccountChange::AddGroup(Group::new(&name)));
    Ok(Box::pin(async move {
        let status = made.await;
        let groups = directory.groups();
        let group = groups.iter().find(|group| is_called(&group.name, &name));
        match group.filter(|_| status == nt::SUCCESS) {
            Some(group) => {
                let id = *number.get_or_init(|| group_relative_id(group));
                (open, id, nt::SUCCESS)
            }
            None => {
                ending.end();
                (Handle::NULL, 0, nt::failure(status, nt::NO_SUCH_ALIAS))
            }
        }
    }))
}

/// Refuses a name that an account or alias cannot have, or that something has already.
// [MS-SAMR] 3.1.1.8.4
pub(super) fn check_new_name(call: &Call<'_>, name: &str) -> Result<(), u32> {
    if check_name(name).is_err() {
        return Err(nt::INVALID_ACCOUNT_NAME);
    }
    let directory = Directory::new(call.services);
    let accounts = directory.accounts();
    if accounts
        .iter()
        .any(|account| is_called(&account.name, name))
    {
        return Err(nt::USER_EXISTS);
    }
    if DOMAIN_GROUPS
        .iter()
        .any(|(_, group)| is_called(group, name))
    {
        return Err(nt::GROUP_EXISTS);
    }
    let all = [Domain::Machine, Domain::Builtin].map(|domain| aliases(&directory, domain));
    if all
        .iter()
        .flatten()
        .any(|alias| is_called(&alias.name, name))
    {
        return Err(nt::ALIAS_EXISTS);
    }
    Ok(())
}

fn is_called(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

// [MS-SAMR] 3.1.5.7.2
pub(super) fn delete(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<Later<(Handle, u32)>, Fault> {
    let group = match alias(call, &handle, DELETE)? {
        Err(status) => return Ok(at_once((handle, status))),
        Ok(alias) if alias.number < FIRST_NUMBER => {
            return Ok(at_once((handle, nt::SPECIAL_ACCOUNT)));
        }
        Ok(alias) => alias.name,
    };
    remove(call, handle, AccountChange::RemoveGroup(group))
}

// [MS-SAMR] 3.1.5.5.4
pub(super) fn query(
    call: &mut Call<'_>,
    (handle, class): (Handle, Enum16),
) -> Result<(Option<AliasInfo>, u32), Fault> {
    let alias = match alias(call, &handle, READ_INFORMATION)? {
        Err(status) => return Ok((None, status)),
        Ok(alias) => alias,
    };
    let members = members(&Directory::new(call.services), &alias).len();
    let text = |text: &str| Name {
        value: Counted::from(text),
    };
    let info = match class.0 {
        1 => AliasInfo::General(AliasGeneral {
            name: Counted::from(&alias.name),
            members: u32::try_from(members).unwrap_or(u32::MAX),
            comment: Counted::from(&alias.comment),
        }),
        2 => AliasInfo::Name(text(&alias.name)),
        3 => AliasInfo::Comment(text(&alias.comment)),
        _ => return Ok((None, nt::INVALID_INFO_CLASS)),
    };
    Ok((Some(info), nt::SUCCESS))
}

// [MS-SAMR] 3.1.5.6.3
pub(super) fn set(
    call: &mut Call<'_>,
    (handle, _, info): (Handle, Enum16, AliasInfo),
) -> Result<Later<(u32,)>, Fault> {
    let alias = match alias(call, &handle, WRITE_ACCOUNT)? {
        Err(status) => return Ok(at_once((status,))),
        Ok(alias) => alias,
    };
    let (new_name, comment) = match info {
        AliasInfo::Name(name) => (Some(name.value.0.to_string_lossy()), None),
        AliasInfo::Comment(comment) => (None, Some(comment.value.0.to_string_lossy())),
        AliasInfo::General(_) => return Ok(at_once((nt::INVALID_INFO_CLASS,))),
    };
    // What every machine has, it has in these words.
    if alias.number < FIRST_NUMBER {
        return Ok(at_once((nt::SPECIAL_ACCOUNT,)));
    }
    let other = new_name.as_ref().filter(|new| !is_called(new, &alias.name));
    if let Some(Err(status)) = other.map(|new| check_new_name(call, new)) {
        return Ok(at_once((status,)));
    }
    let update = AccountChange::UpdateGroup {
        name: alias.name,
        new_name,
        comment,
    };
    let made = change(call, update);
    Ok(Box::pin(async move { (made.await,) }))
}

// [MS-SAMR] 3.1.5.8.6
pub(super) fn list_members(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(Container<Option<Sid>>, u32), Fault> {
    Ok(match alias(call, &handle, LIST_MEMBERS)? {
        Err(status) => (Container(Vec::new()), status),
        Ok(alias) => {
            let members = members(&Directory::new(call.services), &alias);
            (members.into_iter().map(Some).collect(), nt::SUCCESS)
        }
    })
}

fn members(directory: &Directory, alias: &Alias) -> Vec<Sid> {
    let group = alias.group.as_deref();
    group.map_or_else(Vec::new, |group| directory.members(group))
}

// [MS-SAMR] 3.1.5.9.2
pub(super) fn memberships(
    call: &mut Call<'_>,
    (handle, sids): (Handle, Container<Option<Sid>>),
) -> Result<(Numbers, u32), Fault> {
    let Some(domain) = domain(call, &handle, GET_ALIAS_MEMBERSHIP)? else {
        return Ok((Numbers::default(), nt::ACCESS_DENIED));
    };
    let directory = Directory::new(call.services);
    // Each account is looked at once, whatever the number of aliases, and of identifiers that a client names.
    let named: HashSet<Sid> = sids.0.into_iter().flatten().collect();
    let accounts = directory.accounts().into_iter();
    let named = accounts.filter(|account| named.contains(&directory.sid_of(account)));
    let groups: HashSet<String> = named
        .flat_map(|account| account.groups.clone())
        .map(|group| group.to_lowercase())
        .collect();
    let is_member = |alias: &Alias| {
        let group = alias.group.as_ref().map(|group| group.to_lowercase());
        group.is_some_and(|group| groups.contains(&group))
    };
    let found = aliases(&directory, domain).into_iter().filter(is_member);
    let numbers = found.map(|alias| alias.number).collect();
    Ok((Numbers::of(numbers), nt::SUCCESS))
}

// [MS-SAMR] 3.1.5.8.4
pub(super) fn add_member(
    call: &mut Call<'_>,
    (handle, sid): (Handle, Sid),
) -> Result<Later<(u32,)>, Fault> {
    change_members(call, &handle, &[sid], Membership::Joined, Which::One)
}

// [MS-SAMR] 3.1.5.8.5
pub(super) fn remove_member(
    call: &mut Call<'_>,
    (handle, sid): (Handle, Sid),
) -> Result<Later<(u32,)>, Fault> {
    change_members(call, &handle, &[sid], Membership::Left, Which::One)
}

type Sids = Container<Option<Sid>>;

// [MS-SAMR] 3.1.5.8.8
pub(super) fn add_members(
    call: &mut Call<'_>,
    (handle, sids): (Handle, Sids),
) -> Result<Later<(u32,)>, Fault> {
    let sids: Vec<Sid> = sids.0.into_iter().flatten().collect();
    change_members(call, &handle, &sids, Membership::Joined, Which::Any)
}

// [MS-SAMR] 3.1.5.8.9
pub(super) fn remove_members(
    call: &mut Call<'_>,
    (handle, sids): (Handle, Sids),
) -> Result<Later<(u32,)>, Fault> {
    let sids: Vec<Sid> = sids.0.into_iter().flatten().collect();
    change_members(call, &handle, &sids, Membership::Left, Which::Any)
}

/// Whose membership has to change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// The one's that is named: it is a mistake if it is so already.
    One,
    /// Of those that are named, whose has not been so.
    Any,
}

fn change_members(
    call: &Call<'_>,
    handle: &Handle,
    sids: &[Sid],
    becomes: Membership,
    which: Which,
) -> Result<Later<(u32,)>, Fault> {
    let right = match becomes {
        Membership::Joined => ADD_MEMBER,
        Membership::Left => REMOVE_MEMBER,
    };
    let alias = match alias(call, handle, right)? {
        Err(status) => return Ok(at_once((status,))),
        Ok(alias) => alias,
    };
    let Some(group) = &alias.group else {
        return Ok(at_once((nt::ACCESS_DENIED,)));
    };
    let directory = Directory::new(call.services);
    let members = members(&directory, &alias);
    let is_joining = becomes == Membership::Joined;
    let mut accounts = Vec::new();
    for sid in sids {
        match (members.contains(sid), account_name(&directory, sid)) {
            (true, _) if is_joining && which == Which::One => {
                return Ok(at_once((nt::MEMBER_IN_ALIAS,)));
            }
            (_, Err(status)) if is_joining => return Ok(at_once((status,))),
            (false, _) if !is_joining && which == Which::One => {
                return Ok(at_once((nt::MEMBER_NOT_IN_ALIAS,)));
            }
            (is_member, Ok(name)) if is_member != is_joining => accounts.push(name),
            _ => {}
        }
    }
    let change_of = AccountChange::Members {
        groups: vec![group.clone()],
        accounts,
        becomes,
    };
    let made = change(call, change_of);
    Ok(Box::pin(async move { (made.await,) }))
}

/// The name of the account with this identifier.
///
/// # Errors
/// `INVALID_MEMBER` for what is here but no account, `NO_SUCH_MEMBER` for what is not.
fn account_name(directory: &Directory, sid: &Sid) -> Result<String, u32> {
    let accounts = directory.accounts();
    let account = accounts
        .iter()
        .find(|account| directory.sid_of(account) == *sid);
    match account {
        Some(account) => Ok(account.name.clone()),
        None if directory.find_sid(sid).is_some() => Err(nt::INVALID_MEMBER),
        None => Err(nt::NO_SUCH_MEMBER),
    }
}

// [MS-SAMR] 3.1.5.8.7
pub(super) fn remove_from_all(
    call: &mut Call<'_>,
    (handle, sid): (Handle, Sid),
) -> Result<Later<(u32,)>, Fault> {
    let domain = domain(call, &handle, LOOKUP)?;
    let Some(domain) = domain.filter(|_| call.is_administrator()) else {
        return Ok(at_once((nt::ACCESS_DENIED,)));
    };
    let directory = Directory::new(call.services);
    let all = aliases(&directory, domain).into_iter();
    let with_member = all.filter(|alias| members(&directory, alias).contains(&sid));
    let groups: Vec<String> = with_member.filter_map(|alias| alias.group).collect();
    let Ok(account) = account_name(&directory, &sid) else {
        return Ok(at_once((nt::SUCCESS,)));
    };
    if groups.is_empty() {
        return Ok(at_once((nt::SUCCESS,)));
    }
    let change_of = AccountChange::Members {
        groups,
        accounts: vec![account],
        becomes: Membership::Left,
    };
    let made = change(call, change_of);
    Ok(Box::pin(async move { (made.await,) }))
}
