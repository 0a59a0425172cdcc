//! Privileges: their names and numbers, which are the account file's.

use server::accounts::{PRIVILEGES, Privilege};

use super::super::enumeration::Container;
use super::super::ndr::{Counted, Handle};
use super::super::nt;
use super::super::rpc::{Call, Fault};
use super::policy::{LOOKUP_NAMES, VIEW_LOCAL_INFORMATION, check};
use super::types::{Luid, PrivilegeDefinition};

// departs [MS-LSAD] 3.1.4.8.1: the few there are come in one answer, whatever size is preferred; clients give a number
// of entries for it
pub(super) fn enumerate(
    call: &mut Call<'_>,
    (handle, from, _): (Handle, u32, u32),
) -> Result<(u32, Container<PrivilegeDefinition>, u32), Fault> {
    if !check(call, &handle, VIEW_LOCAL_INFORMATION)? {
        return Ok((from, Container(Vec::new()), nt::ACCESS_DENIED));
    }
    let first = usize::try_from(from).unwrap_or(usize::MAX);
    let some: Container<_> = PRIVILEGES.iter().skip(first).map(definition).collect();
    if some.0.is_empty() {
        return Ok((from, some, nt::NO_MORE_ENTRIES));
    }
    let all = u32::try_from(PRIVILEGES.len()).unwrap_or(u32::MAX);
    Ok((all, some, nt::SUCCESS))
}

fn definition(privilege: &Privilege) -> PrivilegeDefinition {
    PrivilegeDefinition {
        name: Counted::from(privilege.name),
        id: Luid {
            low: privilege.number,
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
    Ok(match named(&name.0.to_string_lossy()).map(definition) {
        Some(definition) => (definition.id, nt::SUCCESS),
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
        .find(|privilege| privilege.number == id.low && id.high == 0);
    Ok(match found {
        Some(privilege) => (Some(Counted::from(privilege.name)), nt::SUCCESS),
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
    Ok(match named(&name.0.to_string_lossy()) {
        Some(privilege) => {
            let shown = Counted::from(privilege.description);
            (Some(shown), ENGLISH, nt::SUCCESS)
        }
        None => (None, 0, nt::NO_SUCH_PRIVILEGE),
    })
}

/// The privilege with this name.
fn named(name: &str) -> Option<&'static Privilege> {
    let mut privileges = PRIVILEGES.iter();
    privileges.find(|privilege| privilege.name.eq_ignore_ascii_case(name))
}
