//! The policy object: its handles, who may do what with one, and what it tells of the machine.

use wire::Utf16String;
use wire::dtyp::Guid;

use super::super::directory::Directory;
use super::super::enumeration::Container;
use super::super::ndr::{Counted, Enum16, Handle};
use super::super::nt;
use super::super::rights::{Descriptor, Rights, described, granted, kept};
use super::super::rpc::{Call, Fault};
use super::accounts;
use super::types::{
    AuditEvents, DnsDomain, DomainFacts, ObjectAttributes, PolicyInformation, ReferencedDomain,
    ServerRole,
};

/// What is behind a policy handle.
pub(super) struct Policy {
    /// The rights that were granted.
    granted: u32,
}

/// Rights on the policy object.
// [MS-LSAD] 2.2.1.1.2
pub(super) const VIEW_LOCAL_INFORMATION: u32 = 0x0001;
pub(super) const CREATE_ACCOUNT: u32 = 0x0010;
pub(super) const LOOKUP_NAMES: u32 = 0x0800;
static RIGHTS: Rights = Rights {
    read: 0x0002_0006,
    write: 0x0002_07f8,
    execute: 0x0002_0801,
    all: 0x000f_0fff,
    everybody: 0x0002_0801,
};

// [MS-LSAD] 3.1.4.4.2
pub(super) fn open_policy(
    call: &mut Call<'_>,
    (_, _, wanted): (Option<u16>, ObjectAttributes, u32),
) -> Result<(Handle, u32), Fault> {
    open(call, wanted)
}

// [MS-LSAD] 3.1.4.4.1
pub(super) fn open_policy_2(
    call: &mut Call<'_>,
    (_, _, wanted): (Option<Utf16String>, ObjectAttributes, u32),
) -> Result<(Handle, u32), Fault> {
    open(call, wanted)
}

fn open(call: &mut Call<'_>, wanted: u32) -> Result<(Handle, u32), Fault> {
    match granted(call, &RIGHTS, wanted) {
        Some(granted) => Ok((call.handles.open(Policy { granted })?, nt::SUCCESS)),
        None => Ok((Handle::NULL, nt::ACCESS_DENIED)),
    }
}

/// Whether a policy handle carries a right.
pub(super) fn check(call: &Call<'_>, handle: &Handle, right: u32) -> Result<bool, Fault> {
    let policy: &Policy = call.handles.find(handle)?;
    Ok(kept(call, &RIGHTS, policy.granted) & right == right)
}

// [MS-LSAD] 3.1.4.9.4
pub(super) fn close(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<(Handle, u32), Fault> {
    Ok((call.handles.close(&handle)?, nt::SUCCESS))
}

// [MS-LSAD] 3.1.4.4.4
pub(super) fn query_information(
    call: &mut Call<'_>,
    (handle, class): (Handle, Enum16),
) -> Result<(Option<PolicyInformation>, u32), Fault> {
    if !check(call, &handle, VIEW_LOCAL_INFORMATION)? {
        return Ok((None, nt::ACCESS_DENIED));
    }
    let directory = Directory::new(call.services);
    let facts = call.services.view.facts();
    let information = match class.0 {
        2 if call.is_administrator() => PolicyInformation::AuditEvents(AuditEvents {
            mode: 0,
            options: None,
            count: 0,
        }),
        2 => return Ok((None, nt::ACCESS_DENIED)),
        // A machine in no domain has a workgroup, which has no identifier.
        3 => PolicyInformation::PrimaryDomain(DomainFacts {
            name: Counted::from(&facts.domain),
            sid: None,
        }),
        5 => PolicyInformation::AccountDomain(DomainFacts {
            name: Counted::from(&directory.machine.name),
            sid: Some(directory.machine.sid),
        }),
        // PolicyServerRolePrimary
        6 => PolicyInformation::ServerRole(ServerRole { role: 3 }),
        12 => PolicyInformation::DnsDomain(DnsDomain {
            name: Counted::from(&facts.domain),
            dns_name: Counted::default(),
            forest: Counted::default(),
            id: Guid::ZERO,
            sid: None,
        }),
        _ => return Ok((None, nt::INVALID_PARAMETER)),
    };
    Ok((Some(information), nt::SUCCESS))
}

// [MS-LSAD] 3.1.4.9.1
pub(super) fn query_security(
    call: &mut Call<'_>,
    (handle, parts): (Handle, u32),
) -> Result<(Option<Descriptor>, u32), Fault> {
    let policy = call.handles.find(&handle);
    let (rights, granted) = match policy.map(|policy: &Policy| policy.granted) {
        Ok(granted) => (&RIGHTS, granted),
        Err(_) => accounts::rights_on(call, &handle)?,
    };
    Ok(match described(rights, granted, parts) {
        Ok(descriptor) => (Some(descriptor), nt::SUCCESS),
        Err(status) => (None, status),
    })
}

// [MS-LSAD] 3.1.4.7.8
pub(super) fn enumerate_trusted_domains(
    call: &mut Call<'_>,
    (handle, from, _): (Handle, u32, u32),
) -> Result<(u32, Container<ReferencedDomain>, u32), Fault> {
    check(call, &handle, 0)?;
    Ok((from, Container(Vec::new()), nt::NO_MORE_ENTRIES))
}

type UserName = (Option<Counted>, Option<Option<Counted>>, u32);
type UserNameArguments = (
    Option<Utf16String>,
    Option<Counted>,
    Option<Option<Counted>>,
);

// [MS-LSAT] 3.1.4.4
pub(super) fn get_user_name(
    call: &mut Call<'_>,
    (_, _, domain): UserNameArguments,
) -> Result<UserName, Fault> {
    let directory = Directory::new(call.services);
    let (user, authority) = if call.is_anonymous() {
        ("ANONYMOUS LOGON".to_owned(), "NT AUTHORITY".to_owned())
    } else {
        let user = call.identity().map(|identity| identity.user.clone());
        (user.unwrap_or_default(), directory.machine.name)
    };
    let domain = domain.map(|_| Some(Counted::from(&authority)));
    Ok((Some(Counted::from(&user)), domain, nt::SUCCESS))
}
