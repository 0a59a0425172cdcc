//! Handles: what is behind each, and the rights it carries.

use std::sync::{Arc, OnceLock};

use server::accounts::{Account, relative_id};
use wire::Utf16String;
use wire::dtyp::Sid;

use super::super::directory::{DOMAIN_GROUPS, Directory};
use super::super::ndr::Handle;
use super::super::nt;
use super::super::rights::{Rights, granted};
use super::super::rpc::{Call, Fault};
use super::types::Revision;

/// The server object: what others are found by.
pub(super) struct Server {
    pub granted: u32,
}

/// One of the two domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Domain {
    /// This machine's accounts.
    Machine,
    /// The groups that every machine has.
    Builtin,
}

/// A domain that is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct OpenDomain {
    pub domain: Domain,
    pub granted: u32,
}

/// An account that is open. A later one of the same name is another one.
#[derive(Debug, Clone)]
pub(super) struct OpenUser {
    pub name: String,
    /// The number; of an account that is being made it is known when it has been.
    pub number: Arc<OnceLock<u32>>,
    pub granted: u32,
}

/// A group of the machine's domain that is open.
#[derive(Debug, Clone)]
pub(super) struct OpenGroup {
    pub name: &'static str,
    pub granted: u32,
}

impl Domain {
    /// The identifier that those of its members begin with.
    pub(super) fn sid(self, directory: &Directory) -> Sid {
        match self {
            Self::Machine => directory.machine.sid,
            Self::Builtin => Directory::builtin().sid,
        }
    }

    pub(super) fn name(self, directory: &Directory) -> String {
        match self {
            Self::Machine => directory.machine.name.clone(),
            Self::Builtin => Directory::builtin().name,
        }
    }
}

// [MS-SAMR] 2.2.1.3
pub(super) const ENUMERATE_DOMAINS: u32 = 0x10;
pub(super) const LOOKUP_DOMAIN: u32 = 0x20;
pub(super) static SERVER_RIGHTS: Rights = Rights {
    read: 0x0002_0010,
    write: 0x0002_000e,
    execute: 0x0002_0021,
    all: 0x000f_003f,
    everybody: 0x0002_0031,
};
// [MS-SAMR] 2.2.1.4
pub(super) const READ_OTHER_PARAMETERS: u32 = 0x04;
pub(super) const CREATE_USER: u32 = 0x10;
pub(super) const CREATE_GROUP: u32 = 0x20;
pub(super) const CREATE_ALIAS: u32 = 0x40;
pub(super) const GET_ALIAS_MEMBERSHIP: u32 = 0x80;
pub(super) const LIST_ACCOUNTS: u32 = 0x100;
pub(super) const LOOKUP: u32 = 0x200;
pub(super) static DOMAIN_RIGHTS: Rights = Rights {
    read: 0x0002_0084,
    write: 0x0002_047a,
    execute: 0x0002_0301,
    all: 0x000f_07ff,
    everybody: 0x0002_0385,
};
// [MS-SAMR] 2.2.1.5
pub(super) static GROUP_RIGHTS: Rights = Rights {
    read: 0x0002_0010,
    write: 0x0002_000f,
    execute: 0x0002_0009,
    all: 0x000f_001f,
    everybody: 0x0002_0019,
};
// [MS-SAMR] 2.2.1.7
pub(super) const READ_GENERAL: u32 = 0x01;
pub(super) const WRITE_ACCOUNT: u32 = 0x20;
pub(super) const FORCE_PASSWORD_CHANGE: u32 = 0x80;
pub(super) const DELETE: u32 = 0x0001_0000;
pub(super) static USER_RIGHTS: Rights = Rights {
    read: 0x0002_031a,
    write: 0x0002_0044,
    execute: 0x0002_0041,
    all: 0x000f_07ff,
    everybody: 0x0002_035b,
};

// [MS-SAMR] 3.1.5.1.4
pub(super) fn connect(
    call: &mut Call<'_>,
    (_, wanted): (Option<u16>, u32),
) -> Result<(Handle, u32), Fault> {
    open_server(call, wanted)
}

// [MS-SAMR] 3.1.5.1.3
pub(super) fn connect_2(
    call: &mut Call<'_>,
    (_, wanted): (Option<Utf16String>, u32),
) -> Result<(Handle, u32), Fault> {
    open_server(call, wanted)
}

// [MS-SAMR] 3.1.5.1.2
pub(super) fn connect_4(
    call: &mut Call<'_>,
    (_, _, wanted): (Option<Utf16String>, u32, u32),
) -> Result<(Handle, u32), Fault> {
    open_server(call, wanted)
}

type Connect5 = (Option<Utf16String>, u32, u32, Revision);

// [MS-SAMR] 3.1.5.1.1
pub(super) fn connect_5(
    call: &mut Call<'_>,
    (_, wanted, _, _): Connect5,
) -> Result<(u32, Revision, Handle, u32), Fault> {
    // [MS-SAMR] 2.2.7.15
    // Of the features the one is offered by which clients encrypt new passwords with AES.
    const OURS: Revision = Revision::Version1([3, 0x10]);
    let (handle, status) = open_server(call, wanted)?;
    Ok((1, OURS, handle, status))
}

fn open_server(call: &mut Call<'_>, wanted: u32) -> Result<(Handle, u32), Fault> {
    match granted(call, &SERVER_RIGHTS, wanted) {
        Some(granted) => Ok((call.handles.open(Server { granted })?, nt::SUCCESS)),
        None => Ok((Handle::NULL, nt::ACCESS_DENIED)),
    }
}

/// Whether a server handle carries a right.
pub(super) fn may(call: &Call<'_>, server: &Handle, right: u32) -> Result<bool, Fault> {
    let server: &Server = call.handles.find(server)?;
    Ok(server.granted & right == right)
}

// [MS-SAMR] 3.1.5.13.1
pub(super) fn close(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<(Handle, u32), Fault> {
    Ok((call.handles.close(&handle)?, nt::SUCCESS))
}

// [MS-SAMR] 3.1.5.1.5
pub(super) fn open_domain(
    call: &mut Call<'_>,
    (server, wanted, sid): (Handle, u32, Sid),
) -> Result<(Handle, u32), Fault> {
    if !may(call, &server, LOOKUP_DOMAIN)? {
        return Ok((Handle::NULL, nt::ACCESS_DENIED));
    }
    let directory = Directory::new(call.services);
    let both = [Domain::Machine, Domain::Builtin];
    let Some(domain) = both
        .into_iter()
        .find(|domain| domain.sid(&directory) == sid)
    else {
        return Ok((Handle::NULL, nt::NO_SUCH_DOMAIN));
    };
    match granted(call, &DOMAIN_RIGHTS, wanted) {
        Some(granted) => {
            let handle = call.handles.open(OpenDomain { domain, granted })?;
            Ok((handle, nt::SUCCESS))
        }
        None => Ok((Handle::NULL, nt::ACCESS_DENIED)),
    }
}

/// The domain behind a handle, if that carries a right.
pub(super) fn domain(
    call: &Call<'_>,
    handle: &Handle,
    right: u32,
) -> Result<Option<Domain>, Fault> {
    let open: &OpenDomain = call.handles.find(handle)?;
    Ok((open.granted & right == right).then_some(open.domain))
}

// [MS-SAMR] 3.1.5.1.9
pub(super) fn open_user(
    call: &mut Call<'_>,
    (handle, wanted, relative): (Handle, u32, u32),
) -> Result<(Handle, u32), Fault> {
    let Some(domain) = domain(call, &handle, LOOKUP)? else {
        return Ok((Handle::NULL, nt::ACCESS_DENIED));
    };
    let found = find_account(call, domain, relative);
    let Some(account) = found else {
        return Ok((Handle::NULL, nt::NO_SUCH_USER));
    };
    match granted(call, &rights_on(call, &account), wanted) {
        Some(granted) => {
            let open = OpenUser {
                name: account.name.clone(),
                number: Arc::new(relative.into()),
                granted,
            };
            Ok((call.handles.open(open)?, nt::SUCCESS))
        }
        None => Ok((Handle::NULL, nt::ACCESS_DENIED)),
    }
}

/// The rights that there are on an account. On one that is served as root, administrators who are not have no more than
/// everybody: else they became root by giving it another password.
fn rights_on(call: &Call<'_>, account: &Account) -> Rights {
    const ROOT: u32 = 0;
    if account.uid == Some(ROOT) && !call.is_root() {
        Rights {
            all: USER_RIGHTS.everybody,
            ..USER_RIGHTS
        }
    } else {
        USER_RIGHTS
    }
}

/// The account with this number.
pub(super) fn find_account(call: &Call<'_>, domain: Domain, relative: u32) -> Option<Arc<Account>> {
    let accounts = match domain {
        Domain::Machine => call.services.administration.accounts(),
        Domain::Builtin => Vec::new(),
    };
    accounts
        .into_iter()
        .find(|account| relative_id(account) == relative)
}

/// The account behind a handle, if that carries a right and the account is still there.
pub(super) fn user(
    call: &Call<'_>,
    handle: &Handle,
    right: u32,
) -> Result<Result<Arc<Account>, u32>, Fault> {
    let open: &OpenUser = call.handles.find(handle)?;
    if open.granted & right != right {
        return Ok(Err(nt::ACCESS_DENIED));
    }
    let accounts = call.services.administration.accounts();
    let found = accounts.into_iter().find(|account| {
        account.name == open.name && open.number.get() == Some(&relative_id(account))
    });
    Ok(found.ok_or(nt::NO_SUCH_USER))
}

// [MS-SAMR] 3.1.5.1.7
pub(super) fn open_group(
    call: &mut Call<'_>,
    (handle, wanted, relative): (Handle, u32, u32),
) -> Result<(Handle, u32), Fault> {
    let Some(domain) = domain(call, &handle, LOOKUP)? else {
        return Ok((Handle::NULL, nt::ACCESS_DENIED));
    };
    let found = DOMAIN_GROUPS.iter().find(|(id, _)| *id == relative);
    match (found, domain, granted(call, &GROUP_RIGHTS, wanted)) {
        (Some((_, name)), Domain::Machine, Some(granted)) => {
            Ok((call.handles.open(OpenGroup { name, granted })?, nt::SUCCESS))
        }
        (Some(_), Domain::Machine, None) => Ok((Handle::NULL, nt::ACCESS_DENIED)),
        _ => Ok((Handle::NULL, nt::NO_SUCH_GROUP)),
    }
}
