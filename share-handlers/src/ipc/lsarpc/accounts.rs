//! Accounts of the policy: who holds which privileges.
//!
//! There is one, of administrators; see [`server::access::Privileges`]. What it holds follows from that and cannot be
//! changed.

use wire::dtyp::Sid;

use super::super::enumeration::Container;
use super::super::ndr::{Counted, Handle, Wide};
use super::super::nt;
use super::super::rights::{Rights, granted};
use super::super::rpc::{Call, Fault};
use super::policy::{LOOKUP_NAMES, Policy, VIEW_LOCAL_INFORMATION, check};
use super::privileges::number_of;
use super::types::{HeldPrivilege, Luid, PrivilegeSet};

// [MS-LSAD] 3.1.4.5.2
pub(super) fn enumerate_accounts(
    call: &mut Call<'_>,
    (handle, from, _): (Handle, u32, u32),
) -> Result<(u32, Container<Option<Sid>>, u32), Fault> {
    let none = Container(Vec::new());
    if !check(call, &handle, VIEW_LOCAL_INFORMATION)? {
        return Ok((from, none, nt::ACCESS_DENIED));
    }
    if from > 0 {
        return Ok((from, none, nt::NO_MORE_ENTRIES));
    }
    // Those who have privileges.
    Ok((1, Container(vec![Some(Sid::ADMINISTRATORS)]), nt::SUCCESS))
}

// [MS-LSAD] 3.1.4.5.10
pub(super) fn enumerate_account_rights(
    call: &mut Call<'_>,
    (handle, sid): (Handle, Sid),
) -> Result<(Container<Counted>, u32), Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((Container(Vec::new()), nt::ACCESS_DENIED));
    }
    if sid != Sid::ADMINISTRATORS {
        return Ok((Container(Vec::new()), nt::OBJECT_NAME_NOT_FOUND));
    }
    let held = HELD_BY_ADMINISTRATORS.iter();
    Ok((held.map(|name| Counted::from(*name)).collect(), nt::SUCCESS))
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
    let right = right.0.to_string_lossy();
    if number_of(&right).is_none() {
        return none(nt::NO_SUCH_PRIVILEGE);
    }
    let is_held = HELD_BY_ADMINISTRATORS
        .iter()
        .any(|held| held.eq_ignore_ascii_case(&right));
    if !is_held {
        return none(nt::NO_MORE_ENTRIES);
    }
    Ok((Container(vec![Some(Sid::ADMINISTRATORS)]), nt::SUCCESS))
}

/// What is behind the handle of the account.
struct Account {
    granted: u32,
}

// [MS-LSAD] 2.2.1.1.3
const ACCOUNT_VIEW: u32 = 1;
static RIGHTS: Rights = Rights {
    read: 0x0002_0001,
    write: 0x0002_000e,
    execute: 0x0002_0000,
    all: 0x000f_000f,
    everybody: 0x0002_0000,
};

// [MS-LSAD] 3.1.4.5.3
pub(super) fn open_account(
    call: &mut Call<'_>,
    (handle, sid, wanted): (Handle, Sid, u32),
) -> Result<(Handle, u32), Fault> {
    let _: &Policy = call.handles.find(&handle)?;
    if sid != Sid::ADMINISTRATORS {
        return Ok((Handle::NULL, nt::OBJECT_NAME_NOT_FOUND));
    }
    match granted(call, &RIGHTS, wanted) {
        Some(granted) => Ok((call.handles.open(Account { granted })?, nt::SUCCESS)),
        None => Ok((Handle::NULL, nt::ACCESS_DENIED)),
    }
}

// [MS-LSAD] 3.1.4.5.4
pub(super) fn enumerate_privileges(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(Option<PrivilegeSet>, u32), Fault> {
    let account: &Account = call.handles.find(&handle)?;
    if account.granted & ACCOUNT_VIEW == 0 {
        return Ok((None, nt::ACCESS_DENIED));
    }
    let privileges = HELD_BY_ADMINISTRATORS.map(|name| HeldPrivilege {
        id: Luid {
            low: number_of(name).unwrap_or_default(),
            high: 0,
        },
        attributes: ENABLED_BY_DEFAULT,
    });
    let set = PrivilegeSet {
        room: Wide(COUNT.into()),
        count: COUNT,
        control: 0,
        privileges,
    };
    Ok((Some(set), nt::SUCCESS))
}

// [MS-LSAD] 3.1.4.5.7
pub(super) fn system_access(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<(u32, u32), Fault> {
    /// POLICY_MODE_NETWORK: administrators log on over the network, and in no other way.
    const NETWORK: u32 = 2;
    let account: &Account = call.handles.find(&handle)?;
    Ok(if account.granted & ACCOUNT_VIEW == 0 {
        (0, nt::ACCESS_DENIED)
    } else {
        (NETWORK, nt::SUCCESS)
    })
}

// [MS-LSAD] 2.2.5.4
const ENABLED_BY_DEFAULT: u32 = 1;
const COUNT: u32 = 6;
/// How many privileges administrators hold.
pub(super) const HELD: usize = 6;

/// What administrators hold; see [`server::access::Privileges`].
const HELD_BY_ADMINISTRATORS: [&str; HELD] = [
    "SeSecurityPrivilege",
    "SeTakeOwnershipPrivilege",
    "SeBackupPrivilege",
    "SeRestorePrivilege",
    "SeManageVolumePrivilege",
    "SeCreateSymbolicLinkPrivilege",
];
