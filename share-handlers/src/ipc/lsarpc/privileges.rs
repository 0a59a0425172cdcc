//! Privileges: their names and numbers.

use wire::Utf16String;

use super::super::enumeration::Container;
use super::super::ndr::{Counted, Handle};
use super::super::nt;
use super::super::rpc::{Call, Fault};
use super::policy::{LOOKUP_NAMES, VIEW_LOCAL_INFORMATION, check};
use super::types::{Luid, PrivilegeDefinition};

// [MS-LSAD] 3.1.4.8.1
pub(super) fn enumerate(
    call: &mut Call<'_>,
    (handle, from, room): (Handle, u32, u32),
) -> Result<(u32, Container<PrivilegeDefinition>, u32), Fault> {
    if !check(call, &handle, VIEW_LOCAL_INFORMATION)? {
        return Ok((from, Container(Vec::new()), nt::ACCESS_DENIED));
    }
    let first = usize::try_from(from)
        .unwrap_or(usize::MAX)
        .min(PRIVILEGES.len());
    // The room is in bytes; a definition takes about as many as this.
    let most = usize::try_from(room / 64 + 1).unwrap_or(usize::MAX);
    let some: Container<_> = PRIVILEGES
        .iter()
        .skip(first)
        .take(most)
        .map(definition)
        .collect();
    if some.0.is_empty() {
        return Ok((from, some, nt::NO_MORE_ENTRIES));
    }
    let next = first + some.0.len();
    let status = if next < PRIVILEGES.len() {
        nt::MORE_ENTRIES
    } else {
        nt::SUCCESS
    };
    Ok((u32::try_from(next).unwrap_or(u32::MAX), some, status))
}

fn definition((number, name, _): &(u32, &str, &str)) -> PrivilegeDefinition {
    PrivilegeDefinition {
        name: Counted::from(*name),
        id: Luid {
            low: *number,
            high: 0,
        },
    }
}

// [MS-LSAD] 3.1.4.8.2
pub(super) fn lookup_value(
    call: &mut Call<'_>,
    (handle, name): (Handle, Counted),
) -> Result<(Luid, u32), Fault> {
    let none = Luid { low: 0, high: 0 };
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((none, nt::ACCESS_DENIED));
    }
    Ok(match number_of(&name.0.to_string_lossy()) {
        Some(low) => (Luid { low, high: 0 }, nt::SUCCESS),
        None => (none, nt::NO_SUCH_PRIVILEGE),
    })
}

// [MS-LSAD] 3.1.4.8.3
pub(super) fn lookup_name(
    call: &mut Call<'_>,
    (handle, id): (Handle, Luid),
) -> Result<(Option<Counted>, u32), Fault> {
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((None, nt::ACCESS_DENIED));
    }
    let found = PRIVILEGES
        .iter()
        .find(|(low, _, _)| *low == id.low && id.high == 0);
    Ok(match found {
        Some((_, name, _)) => (Some(Counted::from(*name)), nt::SUCCESS),
        None => (None, nt::NO_SUCH_PRIVILEGE),
    })
}

type DisplayNameArguments = (Handle, Counted, u16, u16);

// [MS-LSAD] 3.1.4.8.4
pub(super) fn lookup_display_name(
    call: &mut Call<'_>,
    (handle, name, _, _): DisplayNameArguments,
) -> Result<(Option<Counted>, u16, u32), Fault> {
    const ENGLISH: u16 = 0x0409;
    if !check(call, &handle, LOOKUP_NAMES)? {
        return Ok((None, 0, nt::ACCESS_DENIED));
    }
    let name: Utf16String = name.0;
    let name = name.to_string_lossy();
    let found = PRIVILEGES
        .iter()
        .find(|(_, other, _)| other.eq_ignore_ascii_case(&name));
    Ok(match found {
        Some((_, _, shown)) => (Some(Counted::from(*shown)), ENGLISH, nt::SUCCESS),
        None => (None, 0, nt::NO_SUCH_PRIVILEGE),
    })
}

/// The number of the privilege with this name.
pub(super) fn number_of(name: &str) -> Option<u32> {
    let mut privileges = PRIVILEGES.iter();
    let found = privileges.find(|(_, other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(number, _, _)| *number)
}

/// Numbers, names and what people call them.
// [MS-LSAD] 3.1.1.2.1
const PRIVILEGES: &[(u32, &str, &str)] = &[
    (2, "SeCreateTokenPrivilege", "Create a token object"),
    (
        3,
        "SeAssignPrimaryTokenPrivilege",
        "Replace a process level token",
    ),
    (4, "SeLockMemoryPrivilege", "Lock pages in memory"),
    (
        5,
        "SeIncreaseQuotaPrivilege",
        "Adjust memory quotas for a process",
    ),
    (6, "SeMachineAccountPrivilege", "Add workstations to domain"),
    (7, "SeTcbPrivilege", "Act as part of the operating system"),
    (8, "SeSecurityPrivilege", "Manage auditing and security log"),
    (
        9,
        "SeTakeOwnershipPrivilege",
        "Take ownership of files or other objects",
    ),
    (
        10,
        "SeLoadDriverPrivilege",
        "Load and unload device drivers",
    ),
    (11, "SeSystemProfilePrivilege", "Profile system performance"),
    (12, "SeSystemtimePrivilege", "Change the system time"),
    (17, "SeBackupPrivilege", "Back up files and directories"),
    (18, "SeRestorePrivilege", "Restore files and directories"),
    (19, "SeShutdownPrivilege", "Shut down the system"),
    (20, "SeDebugPrivilege", "Debug programs"),
    (21, "SeAuditPrivilege", "Generate security audits"),
    (23, "SeChangeNotifyPrivilege", "Bypass traverse checking"),
    (
        24,
        "SeRemoteShutdownPrivilege",
        "Force shutdown from a remote system",
    ),
    (
        28,
        "SeManageVolumePrivilege",
        "Perform volume maintenance tasks",
    ),
    (
        29,
        "SeImpersonatePrivilege",
        "Impersonate a client after authentication",
    ),
    (35, "SeCreateSymbolicLinkPrivilege", "Create symbolic links"),
];
