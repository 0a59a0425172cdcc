//! Rights given and taken: how administrators change who holds which.
//!
//! Owns what is asked of a change before it is made; the account file makes it. A change is in force for sessions that
//! are there, too, when it is answered.

use server::accounts::{Emptied, Rights as Held, RightsChange};
use server::share::AccountChange;
use wire::dtyp::Sid;

use super::super::changes::{at_once, change, remove};
use super::super::enumeration::Container;
use super::super::ndr::{Counted, Handle};
use super::super::nt;
use super::super::rights::granted;
use super::super::rpc::{Call, Fault, Later};
use super::accounts::{
    ADJUST_PRIVILEGES, ADJUST_SYSTEM_ACCESS, Account, DELETE, RIGHTS, VIEW, account, held_by,
};
use super::policy::{CREATE_ACCOUNT, Policy, check};
use super::types::PrivilegeSet;

// [MS-LSAD] 3.1.4.5.1
pub(super) fn create(
    call: &mut Call<'_>,
    (handle, sid, wanted): (Handle, Sid, u32),
) -> Result<Later<(Handle, u32)>, Fault> {
    let may = check(call, &handle, CREATE_ACCOUNT)?;
    let Some(granted) = granted(call, &RIGHTS, wanted).filter(|_| may) else {
        return Ok(at_once((Handle::NULL, nt::ACCESS_DENIED)));
    };
    if held_by(call, &sid).is_some() {
        return Ok(at_once((Handle::NULL, nt::OBJECT_NAME_COLLISION)));
    }
    let open = call.handles.open(Account { sid, granted })?;
    let ending = call.handles.ending(&open)?;
    let made = change(call, rights(sid, RightsChange::Create));
    Ok(Box::pin(async move {
        match made.await {
            nt::SUCCESS => (open, nt::SUCCESS),
            status => {
                ending.end();
                (Handle::NULL, status)
            }
        }
    }))
}

// [MS-LSAD] 3.1.4.9.3
pub(super) fn delete_object(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<Later<(Handle, u32)>, Fault> {
    if call.handles.find::<Policy>(&handle).is_ok() {
        return Ok(at_once((handle, nt::INVALID_PARAMETER)));
    }
    let sid = match account(call, &handle, DELETE)? {
        Ok((sid, _)) => sid,
        Err(status) => return Ok(at_once((handle, status))),
    };
    remove(call, handle, rights(sid, RightsChange::Delete))
}

// [MS-LSAD] 3.1.4.5.5
pub(super) fn add_privileges(
    call: &mut Call<'_>,
    (handle, privileges): (Handle, PrivilegeSet),
) -> Result<Later<(u32,)>, Fault> {
    let sid = match account(call, &handle, ADJUST_PRIVILEGES)? {
        Ok((sid, _)) => sid,
        Err(status) => return Ok(at_once((status,))),
    };
    Ok(match numbered(&privileges) {
        Some(privileges) => made(call, sid, RightsChange::Grant(privileges)),
        None => at_once((nt::INVALID_PARAMETER,)),
    })
}

// [MS-LSAD] 3.1.4.5.6
pub(super) fn remove_privileges(
    call: &mut Call<'_>,
    (handle, all, privileges): (Handle, u8, Option<PrivilegeSet>),
) -> Result<Later<(u32,)>, Fault> {
    let (sid, held) = match account(call, &handle, ADJUST_PRIVILEGES)? {
        Ok(account) => account,
        Err(status) => return Ok(at_once((status,))),
    };
    let lost = match (all, privileges) {
        (0, Some(privileges)) => numbered(&privileges),
        (0, None) | (_, Some(_)) => None,
        (_, None) => Some(held.without_access()),
    };
    let Some(lost) = lost else {
        return Ok(at_once((nt::INVALID_PARAMETER,)));
    };
    if keeps(&sid, held, lost) {
        return Ok(at_once((nt::NOT_SUPPORTED,)));
    }
    let change = RightsChange::Revoke {
        rights: lost,
        emptied: Emptied::Stays,
    };
    Ok(made(call, sid, change))
}

// [MS-LSAD] 3.1.4.5.8
pub(super) fn set_system_access(
    call: &mut Call<'_>,
    (handle, bits): (Handle, u32),
) -> Result<Later<(u32,)>, Fault> {
    let sid = match account(call, &handle, ADJUST_SYSTEM_ACCESS)? {
        Ok((sid, _)) => sid,
        Err(status) => return Ok(at_once((status,))),
    };
    Ok(match Held::access(bits) {
        Some(access) => made(call, sid, RightsChange::SetAccess(access)),
        None => at_once((nt::INVALID_PARAMETER,)),
    })
}

// [MS-LSAD] 3.1.4.5.11
pub(super) fn add_rights(
    call: &mut Call<'_>,
    (handle, sid, names): (Handle, Sid, Container<Counted>),
) -> Result<Later<(u32,)>, Fault> {
    let may_create = check(call, &handle, CREATE_ACCOUNT)?;
    let is_known = held_by(call, &sid).is_some();
    let may_change = granted(
        call,
        &RIGHTS,
        ADJUST_PRIVILEGES | ADJUST_SYSTEM_ACCESS | VIEW,
    );
    if may_change.is_none() || !(is_known || may_create) {
        return Ok(at_once((nt::ACCESS_DENIED,)));
    }
    Ok(match named(&names) {
        Some(added) => made(call, sid, RightsChange::Grant(added)),
        None => at_once((nt::NO_SUCH_PRIVILEGE,)),
    })
}

// [MS-LSAD] 3.1.4.5.12
pub(super) fn remove_rights(
    call: &mut Call<'_>,
    (handle, sid, all, names): (Handle, Sid, u8, Container<Counted>),
) -> Result<Later<(u32,)>, Fault> {
    check(call, &handle, 0)?;
    let refused = |status| Ok(at_once((status,)));
    let needed = ADJUST_PRIVILEGES | ADJUST_SYSTEM_ACCESS | VIEW | DELETE;
    if granted(call, &RIGHTS, needed).is_none() {
        return refused(nt::ACCESS_DENIED);
    }
    let Some(held) = held_by(call, &sid) else {
        return refused(nt::OBJECT_NAME_NOT_FOUND);
    };
    let lost = if all == 0 { named(&names) } else { Some(held) };
    let Some(lost) = lost else {
        return refused(nt::NO_SUCH_PRIVILEGE);
    };
    if keeps(&sid, held, lost) {
        return refused(nt::NOT_SUPPORTED);
    }
    let change = RightsChange::Revoke {
        rights: lost,
        emptied: Emptied::Goes,
    };
    Ok(made(call, sid, change))
}

fn rights(holder: Sid, change: RightsChange) -> AccountChange {
    AccountChange::Rights { holder, change }
}

fn made(call: &Call<'_>, holder: Sid, wanted: RightsChange) -> Later<(u32,)> {
    let made = change(call, rights(holder, wanted));
    Box::pin(async move { (made.await,) })
}

/// The privileges with these numbers; none if there is no such privilege.
fn numbered(privileges: &PrivilegeSet) -> Option<Held> {
    privileges.0.iter().try_fold(Held::NONE, |all, one| {
        let known = Held::privilege(one.id.low).filter(|_| one.id.high == 0);
        known.map(|privilege| all.with(privilege))
    })
}

/// The rights of these names; none if there is no such right.
fn named(names: &Container<Counted>) -> Option<Held> {
    names.0.iter().try_fold(Held::NONE, |all, name| {
        let known = Held::named(&name.0.to_string_lossy());
        known.map(|right| all.with(right))
    })
}

/// Whether `lost` has something of what the services of a machine keep.
// [MS-LSAD] 3.1.4.5.12
fn keeps(sid: &Sid, held: Held, lost: Held) -> bool {
    const SERVICES: [u32; 2] = [19, 20];
    const KEPT: [&str; 4] = [
        "SeAuditPrivilege",
        "SeChangeNotifyPrivilege",
        "SeImpersonatePrivilege",
        "SeCreateGlobalPrivilege",
    ];
    let is_service = sid.authority() == [0, 0, 0, 0, 0, 5]
        && matches!(sid.sub_authorities(), [number] if SERVICES.contains(number));
    let mut kept = KEPT.iter().filter_map(|name| Held::named(name));
    is_service && kept.any(|one| held.contains(one) && lost.contains(one))
}
