//! What would change a service: understood, judged by the rights of the handle, and refused.
//!
//! Services here run as long as the server does and take no controls, which is what their status says. Who may do what
//! with them follows from groups.

use wire::dtyp::SecurityDescriptor;

use super::super::ndr::{Array, Handle};
use super::super::rights::is_so;
use super::super::rpc::{Call, Fault};
use super::super::win32;
use super::records::Status;
use super::{DESCRIPTOR_PARTS, Opened, is_undefined, service_for};

const START: u32 = 0x10;
const STOP: u32 = 0x20;
const PAUSE_CONTINUE: u32 = 0x40;
const INTERROGATE: u32 = 0x80;
const USER_DEFINED_CONTROL: u32 = 0x100;
const DELETE: u32 = 0x0001_0000;
const WRITE_DAC: u32 = 0x0004_0000;
const WRITE_OWNER: u32 = 0x0008_0000;

// [MS-SCMR] 3.1.4.2
pub(super) fn control(
    call: &mut Call<'_>,
    (handle, control): (Handle, u32),
) -> Result<(Status, u32), Fault> {
    const SERVICE_CONTROL_INTERROGATE: u32 = 4;
    let right = match control {
        1 => STOP,
        2 | 3 | 6..=10 => PAUSE_CONTINUE,
        SERVICE_CONTROL_INTERROGATE => INTERROGATE,
        128..=255 => USER_DEFINED_CONTROL,
        _ => {
            let refused = service_for(call, &handle, 0)?.err();
            return Ok((Status::NONE, refused.unwrap_or(win32::INVALID_PARAMETER)));
        }
    };
    Ok(match service_for(call, &handle, right)? {
        Err(error) => (Status::NONE, error),
        Ok(record) if control == SERVICE_CONTROL_INTERROGATE => (record.status(), win32::SUCCESS),
        Ok(record) => (record.status(), win32::INVALID_SERVICE_CONTROL),
    })
}

// [MS-SCMR] 3.1.4.3
pub(super) fn delete(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<(u32,), Fault> {
    let refused = service_for(call, &handle, DELETE)?.err();
    Ok((refused.unwrap_or(win32::ACCESS_DENIED),))
}

// [MS-SCMR] 3.1.4.19
// What it would be started with does not count.
pub(super) fn start(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<(u32,), Fault> {
    let refused = service_for(call, &handle, START)?.err();
    Ok((refused.unwrap_or(win32::SERVICE_ALREADY_RUNNING),))
}

// [MS-SCMR] 3.1.4.6
// Nobody gets other rights; to set those that are there changes nothing.
pub(super) fn set_security(
    call: &mut Call<'_>,
    (handle, parts, Array(descriptor), size): (Handle, u32, Array<u8>, u32),
) -> Result<(u32,), Fault> {
    const OWNER_AND_GROUP: u32 = 3;
    const DACL: u32 = 4;
    let opened: &Opened = call.handles.find(&handle)?;
    if u32::try_from(descriptor.len()) != Ok(size) {
        return Err(Fault::BAD_STUB);
    }
    if is_undefined(parts, DESCRIPTOR_PARTS) {
        return Ok((win32::INVALID_PARAMETER,));
    }
    let needed = [(OWNER_AND_GROUP, WRITE_OWNER), (DACL, WRITE_DAC)];
    let mut needed = needed.iter().filter(|(part, _)| parts & part != 0);
    let is_granted = parts & !(OWNER_AND_GROUP | DACL) == 0
        && needed.all(|(_, right)| opened.granted & right != 0);
    Ok((match SecurityDescriptor::decode(&descriptor) {
        _ if !is_granted => win32::ACCESS_DENIED,
        Err(_) => win32::INVALID_PARAMETER,
        Ok(given) if is_so(opened.rights(), parts, &given) => win32::SUCCESS,
        Ok(_) => win32::ACCESS_DENIED,
    },))
}
