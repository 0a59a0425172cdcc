//! Groups and aliases: who is in them, and who is put in or taken out.
//!
//! The groups of the account file are aliases of the machine's domain. The aliases that every machine has are empty,
//! but for the one of administrators, which is a group of the account file, too.

use server::accounts::{ADMINISTRATORS, Account};
use server::share::AccountChange;
use wire::dtyp::Sid;

use super::super::directory::{Directory, relative_to};
use super::super::enumeration::Container;
use super::super::ndr::{Array, Counted, Enum16, Handle};
use super::super::nt;
use super::super::rpc::{Call, Fault, Later};
use super::objects::{
    ADD_MEMBER, Domain, LOOKUP, OpenAlias, OpenGroup, REMOVE_MEMBER, aliases, domain,
};
use super::types::{AliasGeneral, AliasInfo, GroupGeneral, GroupInfo, Members, Name, Number};

// [MS-SAMR] 3.1.5.5.3
pub(super) fn query_group(
    call: &mut Call<'_>,
    (handle, class): (Handle, Enum16),
) -> Result<(Option<GroupInfo>, u32), Fault> {
    let group: &OpenGroup = call.handles.find(&handle)?;
    let name = Counted::from(group.name);
    let comment = Counted::from("Ordinary users");
    let members = call.services.administration.accounts().len();
    Ok(match class.0 {
        1 => {
            let general = GroupGeneral {
                name,
                attributes: ATTRIBUTES,
                members: u32::try_from(members).unwrap_or(u32::MAX),
                comment,
            };
            (Some(GroupInfo::General(general)), nt::SUCCESS)
        }
        2 => (Some(GroupInfo::Name(Name { value: name })), nt::SUCCESS),
        3 => (
            Some(GroupInfo::Attributes(Number { value: ATTRIBUTES })),
            nt::SUCCESS,
        ),
        4 => (
            Some(GroupInfo::Comment(Name { value: comment })),
            nt::SUCCESS,
        ),
        _ => (None, nt::INVALID_INFO_CLASS),
    })
}

/// Mandatory, enabled, and so by default.
const ATTRIBUTES: u32 = 7;

// [MS-SAMR] 3.1.5.8.3
pub(super) fn members_in_group(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(Option<Members>, u32), Fault> {
    let _: &OpenGroup = call.handles.find(&handle)?;
    let accounts = call.services.administration.accounts();
    let ids: Vec<u32> = accounts
        .iter()
        .map(|account| server::accounts::relative_id(account))
        .collect();
    let members = Members {
        count: u32::try_from(ids.len()).unwrap_or(u32::MAX),
        attributes: Some(Array(vec![ATTRIBUTES; ids.len()])),
        ids: Some(Array(ids)),
    };
    Ok((Some(members), nt::SUCCESS))
}

// [MS-SAMR] 3.1.5.5.4
pub(super) fn query_alias(
    call: &mut Call<'_>,
    (handle, class): (Handle, Enum16),
) -> Result<(Option<AliasInfo>, u32), Fault> {
    let alias: &OpenAlias = call.handles.find(&handle)?;
    let name = Counted::from(&alias.name);
    let members = members(call, alias).len();
    Ok(match class.0 {
        1 => {
            let general = AliasGeneral {
                name,
                members: u32::try_from(members).unwrap_or(u32::MAX),
                comment: Counted::default(),
            };
            (Some(AliasInfo::General(general)), nt::SUCCESS)
        }
        2 => (Some(AliasInfo::Name(Name { value: name })), nt::SUCCESS),
        3 => {
            let value = Counted::default();
            (Some(AliasInfo::Comment(Name { value })), nt::SUCCESS)
        }
        _ => (None, nt::INVALID_INFO_CLASS),
    })
}

// [MS-SAMR] 3.1.5.8.6
pub(super) fn members_in_alias(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(Container<Option<Sid>>, u32), Fault> {
    let alias: &OpenAlias = call.handles.find(&handle)?;
    let members = members(call, alias);
    Ok((members.into_iter().map(Some).collect(), nt::SUCCESS))
}

fn members(call: &Call<'_>, alias: &OpenAlias) -> Vec<Sid> {
    let directory = Directory::new(call.services);
    match alias.domain {
        Domain::Machine => directory.members(&alias.name),
        Domain::Builtin if alias.sid == Sid::ADMINISTRATORS => directory.members(ADMINISTRATORS),
        Domain::Builtin => Vec::new(),
    }
}

// [MS-SAMR] 3.1.5.9.2
pub(super) fn alias_membership(
    call: &mut Call<'_>,
    (handle, sids): (Handle, Container<Option<Sid>>),
) -> Result<(Container<u32>, u32), Fault> {
    let Some(domain) = domain(call, &handle, 0)? else {
        return Ok((Container(Vec::new()), nt::ACCESS_DENIED));
    };
    let directory = Directory::new(call.services);
    let base = domain.sid(&directory);
    let is_member = |(id, name): &(u32, String)| {
        let alias = OpenAlias {
            name: name.clone(),
            sid: super::super::directory::below(&base, *id),
            domain,
            granted: 0,
        };
        let members = members(call, &alias);
        sids.0.iter().flatten().any(|sid| members.contains(sid))
    };
    let found = aliases(&directory, domain).into_iter().filter(is_member);
    Ok((found.map(|(id, _)| id).collect(), nt::SUCCESS))
}

// [MS-SAMR] 3.1.5.8.4
pub(super) fn add_member(
    call: &mut Call<'_>,
    (handle, sid): (Handle, Sid),
) -> Result<Later<(u32,)>, Fault> {
    change_member(call, &handle, &sid, ADD_MEMBER, |account, group| {
        account.groups.push(group.to_owned());
    })
}

// [MS-SAMR] 3.1.5.8.5
pub(super) fn remove_member(
    call: &mut Call<'_>,
    (handle, sid): (Handle, Sid),
) -> Result<Later<(u32,)>, Fault> {
    change_member(call, &handle, &sid, REMOVE_MEMBER, |account, group| {
        account
            .groups
            .retain(|name| !name.eq_ignore_ascii_case(group));
    })
}

fn change_member(
    call: &Call<'_>,
    handle: &Handle,
    sid: &Sid,
    right: u32,
    change: fn(&mut Account, &str),
) -> Result<Later<(u32,)>, Fault> {
    let alias: &OpenAlias = call.handles.find(handle)?;
    let refuse = |status: u32| -> Result<Later<(u32,)>, Fault> {
        Ok(Box::pin(std::future::ready((status,))))
    };
    if alias.granted & right == 0 {
        return refuse(nt::ACCESS_DENIED);
    }
    let group = match alias.domain {
        Domain::Machine => alias.name.as_str(),
        Domain::Builtin if alias.sid == Sid::ADMINISTRATORS => ADMINISTRATORS,
        Domain::Builtin => return refuse(nt::ACCESS_DENIED),
    };
    let directory = Directory::new(call.services);
    let is_own = relative_to(&directory.machine.sid, sid).is_some();
    let accounts = directory.accounts();
    let found = accounts
        .iter()
        .find(|account| is_own && directory.sid_of(account) == *sid);
    let Some(account) = found else {
        return refuse(nt::NO_SUCH_MEMBER);
    };
    let is_in = account
        .groups
        .iter()
        .any(|name| name.eq_ignore_ascii_case(group));
    match (is_in, right == ADD_MEMBER) {
        (true, true) => return refuse(nt::MEMBER_IN_ALIAS),
        (false, false) => return refuse(nt::MEMBER_NOT_IN_ALIAS),
        _ => {}
    }
    let mut new = Account::clone(account);
    change(&mut new, group);
    let made = call
        .services
        .administration
        .change_account(AccountChange::Replace(new));
    Ok(Box::pin(async move { (nt::of(made.await),) }))
}

// [MS-SAMR] 3.1.5.8.7
pub(super) fn remove_from_all(
    call: &mut Call<'_>,
    (handle, sid): (Handle, Sid),
) -> Result<Later<(u32,)>, Fault> {
    let domain = domain(call, &handle, LOOKUP)?;
    let change = match domain {
        None => Err(nt::ACCESS_DENIED),
        Some(_) if !call.is_administrator() => Err(nt::ACCESS_DENIED),
        Some(domain) => Ok(without_groups(call, domain, &sid)),
    };
    let administration = call.services.administration.clone();
    Ok(Box::pin(async move {
        match change {
            Err(status) => (status,),
            Ok(None) => (nt::SUCCESS,),
            Ok(Some(new)) => {
                let change = AccountChange::Replace(new);
                (nt::of(administration.change_account(change).await),)
            }
        }
    }))
}

/// The account with this identifier, less the groups that are aliases of the domain; none if it is in none of them.
fn without_groups(call: &Call<'_>, domain: Domain, sid: &Sid) -> Option<Account> {
    let directory = Directory::new(call.services);
    let accounts = directory.accounts();
    let account = accounts
        .iter()
        .find(|account| directory.sid_of(account) == *sid)?;
    let mut new = Account::clone(account);
    new.groups.retain(|name| {
        let is_builtin = name.eq_ignore_ascii_case(ADMINISTRATORS);
        is_builtin != (domain == Domain::Builtin)
    });
    (new.groups != account.groups).then_some(new)
}
