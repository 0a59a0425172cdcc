//! Descriptors of objects, which say what the fixed rights on each kind amount to.

use super::super::ndr::Handle;
use super::super::nt;
use super::super::rights::{Descriptor, Rights, described};
use super::super::rpc::{Call, Fault, Handles};
use super::aliases::{ALIAS_RIGHTS, OpenAlias};
use super::objects::{
    DOMAIN_RIGHTS, GROUP_RIGHTS, OpenDomain, OpenGroup, OpenUser, SERVER_RIGHTS, Server,
    USER_RIGHTS,
};

// [MS-SAMR] 3.1.5.12.2
pub(super) fn query(
    call: &mut Call<'_>,
    (handle, parts): (Handle, u32),
) -> Result<(Option<Descriptor>, u32), Fault> {
    let (rights, granted) = rights_on(call.handles, &handle)?;
    Ok(match described(rights, granted, parts) {
        Ok(descriptor) => (Some(descriptor), nt::SUCCESS),
        Err(status) => (None, status),
    })
}

/// The rights that exist on what is behind a handle, and those that it carries.
fn rights_on(handles: &Handles, handle: &Handle) -> Result<(&'static Rights, u32), Fault> {
    if let Ok(server) = handles.find::<Server>(handle) {
        return Ok((&SERVER_RIGHTS, server.granted));
    }
    if let Ok(domain) = handles.find::<OpenDomain>(handle) {
        return Ok((&DOMAIN_RIGHTS, domain.granted));
    }
    if let Ok(group) = handles.find::<OpenGroup>(handle) {
        return Ok((&GROUP_RIGHTS, group.granted));
    }
    if let Ok(alias) = handles.find::<OpenAlias>(handle) {
        return Ok((&ALIAS_RIGHTS, alias.granted));
    }
    let user = handles.find::<OpenUser>(handle)?;
    Ok((&USER_RIGHTS, user.granted))
}
