//! What is told of domains: their names, their members by name and number, and a few facts.

use server::accounts::relative_id;
use wire::dtyp::{FileTime, Sid};

use super::super::directory::{DOMAIN_GROUPS, Directory, Kind, below, relative_to};
use super::super::enumeration::Container;
use super::super::ndr::{Counted, Enum16, Handle, Varying};
use super::super::nt;
use super::super::rpc::{Call, Fault, Handles};
use super::aliases::{OpenAlias, aliases};
use super::objects::{
    Domain, ENUMERATE_DOMAINS, LIST_ACCOUNTS, LOOKUP, LOOKUP_DOMAIN, OpenDomain, OpenGroup,
    OpenUser, READ_OTHER_PARAMETERS, domain, may,
};
use super::password::RULES;
use super::types::{
    Display, DisplayGroup, DisplayUser, DomainGeneral, DomainInfo, DomainLockout, DomainModified,
    DomainPassword, Name, Named, Number, Time,
};
use super::user_facts::control_of;

// [MS-SAMR] 3.1.5.11.1
pub(super) fn lookup_domain(
    call: &mut Call<'_>,
    (server, name): (Handle, Counted),
) -> Result<(Option<Sid>, u32), Fault> {
    if !may(call, &server, LOOKUP_DOMAIN)? {
        return Ok((None, nt::ACCESS_DENIED));
    }
    let directory = Directory::new(call.services);
    let name = name.0.to_string_lossy();
    if name.is_empty() {
        return Ok((None, nt::INVALID_PARAMETER));
    }
    let both = [Domain::Machine, Domain::Builtin].into_iter();
    let mut found = both.filter(|domain| domain.name(&directory).eq_ignore_ascii_case(&name));
    Ok(match found.next() {
        Some(domain) => (Some(domain.sid(&directory)), nt::SUCCESS),
        None => (None, nt::NO_SUCH_DOMAIN),
    })
}

type List = (u32, Option<Container<Named>>, u32, u32);

// [MS-SAMR] 3.1.5.2.1
pub(super) fn enumerate_domains(
    call: &mut Call<'_>,
    (server, from, room): (Handle, u32, u32),
) -> Result<List, Fault> {
    if !may(call, &server, ENUMERATE_DOMAINS)? {
        return Ok((from, None, 0, nt::ACCESS_DENIED));
    }
    let directory = Directory::new(call.services);
    let both = [Domain::Machine, Domain::Builtin].into_iter();
    let named = both.map(|domain| (0, domain.name(&directory))).collect();
    Ok(list(named, from, room))
}

/// As many entries as fit, from a place on.
// [MS-SAMR] 3.1.5.2.2
fn list(all: Vec<(u32, String)>, from: u32, room: u32) -> List {
    let first = usize::try_from(from).unwrap_or(usize::MAX);
    let total = all.len();
    let mut used = 0;
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let fits = |(_, name): &(u32, String)| {
        let is_first = used == 0;
        used += ENTRY_SIZE + name.len() * 2;
        is_first || used <= room
    };
    let now = all.into_iter().skip(first).take_while(fits);
    let now: Container<Named> = now
        .map(|(id, name)| Named {
            id,
            name: Counted::from(&name),
        })
        .collect();
    let count = u32::try_from(now.0.len()).unwrap_or(u32::MAX);
    let is_all = first.saturating_add(now.0.len()) >= total;
    let next = if is_all {
        0
    } else {
        from.saturating_add(count)
    };
    let status = if is_all {
        nt::SUCCESS
    } else {
        nt::MORE_ENTRIES
    };
    (next, Some(now), count, status)
}

/// About the bytes of an entry besides its name.
const ENTRY_SIZE: usize = 26;

// [MS-SAMR] 3.1.5.2.3
pub(super) fn enumerate_groups(
    call: &mut Call<'_>,
    (handle, from, room): (Handle, u32, u32),
) -> Result<List, Fault> {
    Ok(match domain(call, &handle, LIST_ACCOUNTS)? {
        None => (from, None, 0, nt::ACCESS_DENIED),
        Some(Domain::Builtin) => list(Vec::new(), from, room),
        Some(Domain::Machine) => {
            let groups = DOMAIN_GROUPS
                .iter()
                .map(|(id, name)| (*id, (*name).to_owned()));
            list(groups.collect(), from, room)
        }
    })
}

// [MS-SAMR] 3.1.5.2.4
pub(super) fn enumerate_aliases(
    call: &mut Call<'_>,
    (handle, from, room): (Handle, u32, u32),
) -> Result<List, Fault> {
    Ok(match domain(call, &handle, LIST_ACCOUNTS)? {
        None => (from, None, 0, nt::ACCESS_DENIED),
        Some(domain) => {
            let aliases = aliases(&Directory::new(call.services), domain).into_iter();
            let named = aliases.map(|alias| (alias.number, alias.name));
            list(named.collect(), from, room)
        }
    })
}

// [MS-SAMR] 3.1.5.2.5
pub(super) fn enumerate_users(
    call: &mut Call<'_>,
    (handle, from, control, room): (Handle, u32, u32, u32),
) -> Result<List, Fault> {
    Ok(match domain(call, &handle, LIST_ACCOUNTS)? {
        None => (from, None, 0, nt::ACCESS_DENIED),
        Some(Domain::Builtin) => list(Vec::new(), from, room),
        Some(Domain::Machine) => {
            let accounts = call.services.administration.accounts();
            let wanted = accounts
                .iter()
                .filter(|account| control == 0 || control_of(account) & control != 0);
            let named = wanted.map(|account| (relative_id(account), account.name.clone()));
            list(named.collect(), from, room)
        }
    })
}

type LookupNames = (Handle, u32, Varying<Counted>);

// [MS-SAMR] 3.1.5.11.2
pub(super) fn lookup_names(
    call: &mut Call<'_>,
    (handle, _, names): LookupNames,
) -> Result<(Container<u32>, Container<u32>, u32), Fault> {
    let none = |status| Ok((Container(Vec::new()), Container(Vec::new()), status));
    let Some(domain) = domain(call, &handle, LOOKUP)? else {
        return none(nt::ACCESS_DENIED);
    };
    let directory = Directory::new(call.services);
    let prefix = domain.name(&directory);
    let found: Vec<Option<(u32, Kind)>> = names
        .elements
        .iter()
        .map(|name| {
            let name = format!("{prefix}\\{}", name.0.to_string_lossy());
            let entry = directory.find_name(&name)?;
            Some((
                relative_to(&domain.sid(&directory), &entry.sid)?,
                entry.kind,
            ))
        })
        .collect();
    let ids = found
        .iter()
        .map(|one| one.map_or(0, |(id, _)| id))
        .collect();
    let kinds = found
        .iter()
        .map(|one| one.map_or(Kind::Unknown, |(_, kind)| kind).number());
    Ok((ids, kinds.collect(), status(&found)))
}

fn status<T>(found: &[Option<T>]) -> u32 {
    let count = found.iter().flatten().count();
    if count == found.len() {
        nt::SUCCESS
    } else if count == 0 {
        nt::NONE_MAPPED
    } else {
        nt::SOME_NOT_MAPPED
    }
}

// [MS-SAMR] 3.1.5.11.3
pub(super) fn lookup_ids(
    call: &mut Call<'_>,
    (handle, _, ids): (Handle, u32, Varying<u32>),
) -> Result<(Container<Counted>, Container<u32>, u32), Fault> {
    let Some(domain) = domain(call, &handle, LOOKUP)? else {
        return Ok((
            Container(Vec::new()),
            Container(Vec::new()),
            nt::ACCESS_DENIED,
        ));
    };
    let directory = Directory::new(call.services);
    let base = domain.sid(&directory);
    let find = |id: &u32| directory.find_sid(&below(&base, *id));
    let found: Vec<_> = ids.elements.iter().map(find).collect();
    let name = |entry: &Option<_>| {
        entry.as_ref().map_or_else(
            Counted::default,
            |entry: &super::super::directory::Entry| Counted::from(&entry.name),
        )
    };
    let names = found.iter().map(name).collect();
    let kind = |entry: &Option<super::super::directory::Entry>| {
        entry
            .as_ref()
            .map_or(Kind::Unknown, |entry| entry.kind)
            .number()
    };
    Ok((names, found.iter().map(kind).collect(), status(&found)))
}

// [MS-SAMR] 3.1.5.13.5
pub(super) fn relative_to_sid(
    call: &mut Call<'_>,
    (handle, id): (Handle, u32),
) -> Result<(Option<Sid>, u32), Fault> {
    let directory = Directory::new(call.services);
    let domain = domain_of(call.handles, &handle)?;
    Ok((Some(below(&domain.sid(&directory), id)), nt::SUCCESS))
}

/// The domain that is behind a handle, or what is behind it is in.
fn domain_of(handles: &Handles, handle: &Handle) -> Result<Domain, Fault> {
    if let Ok(open) = handles.find::<OpenDomain>(handle) {
        return Ok(open.domain);
    }
    if let Ok(open) = handles.find::<OpenAlias>(handle) {
        return Ok(open.domain);
    }
    let is_group = handles.find::<OpenGroup>(handle).is_ok();
    if !is_group {
        let _: &OpenUser = handles.find(handle)?;
    }
    Ok(Domain::Machine)
}

// [MS-SAMR] 3.1.5.5.1
pub(super) fn query_information(
    call: &mut Call<'_>,
    (handle, class): (Handle, Enum16),
) -> Result<(Option<DomainInfo>, u32), Fault> {
    let Some(domain) = domain(call, &handle, READ_OTHER_PARAMETERS)? else {
        return Ok((None, nt::ACCESS_DENIED));
    };
    let directory = Directory::new(call.services);
    let facts = call.services.view.facts();
    let name = Counted::from(&domain.name(&directory));
    let comment = Counted::from(&facts.comment);
    let info = match class.0 {
        1 => DomainInfo::Password(DomainPassword {
            shortest: RULES.shortest,
            history: 0,
            properties: 0,
            longest_age: NEVER_AFTER,
            shortest_age: FileTime::ZERO,
        }),
        2 => DomainInfo::General(general(&directory, domain, name, comment)),
        3 => DomainInfo::Logoff(Time { value: NEVER_AFTER }),
        4 => DomainInfo::Comment(Name { value: comment }),
        5 => DomainInfo::Name(Name { value: name }),
        6 => DomainInfo::Replica(Name {
            value: Counted::default(),
        }),
        7 => DomainInfo::Role(Number { value: PRIMARY }),
        8 => DomainInfo::Modified(DomainModified {
            count: FileTime::ZERO,
            created: FileTime::ZERO,
        }),
        9 => DomainInfo::State(Number { value: ENABLED }),
        12 => DomainInfo::Lockout(DomainLockout {
            duration: FileTime::ZERO,
            window: FileTime::ZERO,
            threshold: 0,
        }),
        _ => return Ok((None, nt::INVALID_INFO_CLASS)),
    };
    Ok((Some(info), nt::SUCCESS))
}

fn general(
    directory: &Directory,
    domain: Domain,
    name: Counted,
    comment: Counted,
) -> DomainGeneral {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (users, groups) = match domain {
        Domain::Machine => (directory.accounts().len(), DOMAIN_GROUPS.len()),
        Domain::Builtin => (0, 0),
    };
    DomainGeneral {
        force_logoff: NEVER_AFTER,
        comment,
        name,
        replica: Counted::default(),
        modified_count: FileTime::ZERO,
        state: ENABLED,
        role: PRIMARY,
        is_compatible: 1,
        users: count(users),
        groups: count(groups),
        aliases: count(aliases(directory, domain).len()),
    }
}

/// DomainServerRolePrimary.
const PRIMARY: u32 = 3;
/// DomainServerEnabled.
const ENABLED: u32 = 1;
/// The longest negative duration, which stands for "never".
const NEVER_AFTER: FileTime = FileTime(0x8000_0000_0000_0000);

type QueryDisplay = (Handle, Enum16, u32, u32, u32);

// [MS-SAMR] 3.1.5.3.1
pub(super) fn query_display(
    call: &mut Call<'_>,
    (handle, class, from, most, _): QueryDisplay,
) -> Result<(u32, u32, Display, u32), Fault> {
    let none = match class.0 {
        1 => Display::Users(Container(Vec::new())),
        2 => Display::Machines(Container(Vec::new())),
        3 => Display::Groups(Container(Vec::new())),
        4 => Display::UserNames(Container(Vec::new())),
        _ => Display::GroupNames(Container(Vec::new())),
    };
    let Some(domain) = domain(call, &handle, LIST_ACCOUNTS)? else {
        return Ok((0, 0, none, nt::ACCESS_DENIED));
    };
    let (first, most) = (usize::try_from(from), usize::try_from(most));
    let (first, most) = (first.unwrap_or(usize::MAX), most.unwrap_or(usize::MAX));
    let index = |at: usize| u32::try_from(at + 1).unwrap_or(u32::MAX);
    let all = if domain == Domain::Machine {
        usize::MAX
    } else {
        0
    };
    let (total, now, display) = match class.0 {
        1 => {
            let accounts = call.services.administration.accounts();
            let shown = accounts.iter().enumerate().take(all).skip(first).take(most);
            let rows: Container<DisplayUser> = shown
                .map(|(at, account)| DisplayUser {
                    index: index(at),
                    id: relative_id(account),
                    control: control_of(account),
                    name: Counted::from(&account.name),
                    comment: Counted::default(),
                    full_name: Counted::from(&account.comment),
                })
                .collect();
            (accounts.len().min(all), rows.0.len(), Display::Users(rows))
        }
        3 => {
            let shown = DOMAIN_GROUPS
                .iter()
                .enumerate()
                .take(all)
                .skip(first)
                .take(most);
            let rows: Container<DisplayGroup> = shown
                .map(|(at, (id, name))| DisplayGroup {
                    index: index(at),
                    id: *id,
                    attributes: 7,
                    name: Counted::from(*name),
                    comment: Counted::default(),
                })
                .collect();
            (
                DOMAIN_GROUPS.len().min(all),
                rows.0.len(),
                Display::Groups(rows),
            )
        }
        2 => (0, 0, none),
        _ => return Ok((0, 0, none, nt::INVALID_INFO_CLASS)),
    };
    let is_all = first.saturating_add(now) >= total;
    let status = if is_all {
        nt::SUCCESS
    } else {
        nt::MORE_ENTRIES
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok((count(total), count(now), display, status))
}
