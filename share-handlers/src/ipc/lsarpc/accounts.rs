//! Accounts of the policy: who is known to hold rights, and which.
//!
//! Owns what is behind an account's handle. An account is a user or group, by its identifier; those of the account
//! file and any other. What is told follows from the account file; changes are in [`super::grants`].

use server::accounts::Rights as Held;
use wire::dtyp::Sid;

use super::super::enumeration::Container;
use super::super::ndr::{Counted, Handle};
use super::super::nt;
use super::super::rights::{Rights, granted, kept};
use super::super::rpc::{Call, Fault};
use super::policy::{LOOKUP_NAMES, Policy, VIEW_LOCAL_INFORMATION, check};
use super::types::{HeldPrivilege, Luid, PrivilegeSet};

/// What is behind the handle of an account.
pub(super) struct Account {
    pub sid: Sid,
    /// The rights that were granted on it.
    pub granted: u32,
}

// [MS-LSAD] 2.2.1.1.3
pub(super) const VIEW: u32 = 0x1;
pub(super) const ADJUST_PRIVILEGES: u32 = 0x2;
pub(super) const ADJUST_SYSTEM_ACCESS: u32 = 0x8;
pub(super) const DELETE: u32 = 0x0001_0000;
pub(super) static RIGHTS: Rights = Rights {
    read: 0x0002_0001,
    write: 0x0002_000e,
    execute: 0x0002_0000,
    all: 0x000f_000f,
    everybody: 0x0002_0000,
};

/// What somebody holds; none for somebody who is not known to hold anything.
pub(super) fn held_by(call: &Call<'_>, sid: &Sid) -> Option<Held> {
    let holders = call.services.administration.holders();
    let found = holders.iter().find(|(holder, _)| holder == sid);
    found.map(|(_, held)| *held)
}

/// The account behind a handle and what it holds, if the handle carries a right and the account is still there.
// [MS-LSAD] 3.1.4.2.2
pub(super) fn account(
    call: &Call<'_>,
    handle: &Handle,
    right: u32,
) -> Result<Result<(Sid, Held), u32>, Fault> {
    let account: &Account = call.handles.find(handle)?;
    if kept(call, &RIGHTS, account.granted) & right != right {
        return Ok(Err(nt::ACCESS_DENIED));
    }
    // [MS-LSAD] 3.1.4.9.3
    let held = held_by(call, &account.sid).ok_or(nt::INVALID_HANDLE);
    Ok(held.map(|held| (account.sid, held)))
}

/// The rights that there are on accounts, and those that a handle on one carries.
pub(super) fn rights_on(call: &Call<'_>, handle: &Handle) -> Result<(&'static Rights, u32), Fault> {
    let account: &Account = call.handles.find(handle)?;
    Ok((&RIGHTS, account.granted))
}

// [MS-LSAD] 3.1.4.5.2
pub(super) fn enumerate_accounts(
    call: &mut Call<'_>,
    (handle, from, room): (Handle, u32, u32),
) -> Result<(u32, Container<Option<Sid>>, u32), Fault> {
    if !check(call, &handle, VIEW_LOCAL_INFORMATION)? {
        return Ok((from, Container(Vec::new()), nt::ACCESS_DENIED));
    }
    let all = call.services.administration.holders();
    let first = usize::try_from(from).unwrap_or(usize::MAX);
    let room = usize::try_from(room).unwrap_or(usize::MAX);
    let mut used = 0_usize;
    // The last one may go beyond the room.
    let fits = |sid: &Sid| {
        let is_room = used == 0 || used < room;
        used += sid.size();
        is_room
    };
    let left = all.iter().skip(first).map(|(sid, _)| *sid);
    let some: Vec<Sid> = left.take_while(fits).collect();
    if some.is_empty() {
        return Ok((from, Container(Vec::new()), nt::NO_MORE_ENTRIES));
    }
    let next = first + some.len();
    let status = if next < all.len() {
        nt::MORE_ENTRIES
    } else {
        nt::SUCCESS
    };
    let next = u32::try_from(next).unwrap_or(u32::MAX);
    Ok((next, some.into_iter().map(Some).collect(), status))
}

// [MS-LSAD] 3.1.4.5.10
pub(super) fn enumerate_account_rights(
    call: &mut Call<'_>,
    (handle, sid): (Handle, Sid),
) -> Result<(Container<Counted>, u32), Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((Container(Vec::new()), nt::ACCESS_DENIED));
    }
    Ok(match held_by(call, &sid) {
        Some(held) => (held.names().map(Counted::from).collect(), nt::SUCCESS),
        None => (Container(Vec::new()), nt::OBJECT_NAME_NOT_FOUND),
    })
}

// [MS-LSAD] 3.1.4.5.9
pub(super) fn enumerate_with_right(
    call: &mut Call<'_>,
    (handle, right): (Handle, Option<Counted>),
) -> Result<(Container<Option<Sid>>, u32), Fault> {
    let none = |status| Ok((Container(Vec::new()), status));
    if !check(call, &handle, VIEW_LOCAL_INFORMATION)? {
        return none(nt::ACCESS_DENIED);
    }
    let Some(right) = right else {
        return none(nt::INVALID_PARAMETER);
    };
    let Some(right) = Held::named(&right.0.to_string_lossy()) else {
        return none(nt::NO_SUCH_PRIVILEGE);
    };
    let holders = call.services.administration.holders().into_iter();
    let with_it = holders.filter(|(_, held)| held.contains(right));
    let with_it: Container<_> = with_it.map(|(sid, _)| Some(sid)).collect();
    if with_it.0.is_empty() {
        return none(nt::NO_MORE_ENTRIES);
    }
    Ok((with_it, nt::SUCCESS))
}

// [MS-LSAD] 3.1.4.5.3
pub(super) fn open_account(
    call: &mut Call<'_>,
    (handle, sid, wanted): (Handle, Sid, u32),
) -> Result<(Handle, u32), Fault> {
    let _: &Policy = call.handles.find(&handle)?;
    if held_by(call, &sid).is_none() {
        return Ok((Handle::NULL, nt::OBJECT_NAME_NOT_FOUND));
    }
    match granted(call, &RIGHTS, wanted) {
        Some(granted) => Ok((call.handles.open(Account { sid, granted })?, nt::SUCCESS)),
        None => Ok((Handle::NULL, nt::ACCESS_DENIED)),
    }
}

// [MS-LSAD] 3.1.4.5.4
pub(super) fn enumerate_privileges(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(Option<PrivilegeSet>, u32), Fault> {
    // [MS-LSAD] 2.2.5.4
    const ENABLED_BY_DEFAULT: u32 = 1;
    let held = match account(call, &handle, VIEW)? {
        Ok((_, held)) => held,
        Err(status) => return Ok((None, status)),
    };
    let privileges = held.privileges().map(|privilege| HeldPrivilege {
        id: Luid {
            low: privilege.number,
            high: 0,
        },
        attributes: ENABLED_BY_DEFAULT,
    });
    Ok((Some(PrivilegeSet(privileges.collect())), nt::SUCCESS))
}

// [MS-LSAD] 3.1.4.5.7
pub(super) fn system_access(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(u32, u32), Fault> {
    Ok(match account(call, &handle, VIEW)? {
        Ok((_, held)) => (held.access_bits(), nt::SUCCESS),
        Err(status) => (0, status),
    })
}

/// A procedure of old, which nothing can be deleted by any longer.
// observed: Windows answers it like this, though its number is told to be unused
pub(super) fn delete(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<(u32,), Fault> {
    if check(call, &handle, 0).is_err() {
        rights_on(call, &handle)?;
    }
    Ok((nt::NOT_SUPPORTED,))
}
