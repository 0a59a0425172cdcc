//! The service control manager: the services that this server amounts to, to be looked at. [MS-SCMR]
//!
//! Owns handles and procedures; what services there are is in [`records`]. Administrators look, others may connect and
//! no more, as on Windows. Nobody starts, stops or changes anything from here: that is the host's to do, and [`changes`]
//! says so.

mod changes;
mod records;
#[cfg(test)]
mod tests;

use wire::Utf16String;
use wire::fscc::upcase::eq_ignore_case;

use self::records::{Config, Record, Status, all};
use super::infos::{Info, Member, Origin, encode};
use super::ndr::{Array, Enum16, Handle};
use super::rights::{Rights, described, granted};
use super::rpc::{Call, Fault, interface};
use super::win32;

interface! {
    /// The service behind `\PIPE\svcctl`.
    // [MS-SCMR] 1.9
    SVCCTL = "svcctl", b"\x81\xbb\x7a\x36\x44\x98\xf1\x35\xad\x32\x98\xf0\x38\x00\x10\x03", version 2 {
        0 => (close),
        1 => (changes::control),
        2 => (changes::delete),
        4 => (query_security),
        5 => (changes::set_security),
        6 => (query_status),
        13 => (enum_dependents),
        14 => (enum_services),
        15 => (open_manager),
        16 => (open_service),
        17 => (query_config),
        19 => (changes::start),
        20 => (display_name),
        21 => (key_name),
        39 => (query_config_2),
        40 => (query_status_ex),
        42 => (enum_services_ex),
    }
}

/// What is behind a handle, and what may be done with it.
struct Opened {
    object: Object,
    granted: u32,
}

impl Opened {
    /// The rights that there are on such an object.
    fn rights(&self) -> &'static Rights {
        match self.object {
            Object::Manager => &MANAGER,
            Object::Service(_) => &SERVICE,
        }
    }
}

#[derive(Clone)]
enum Object {
    Manager,
    Service(Record),
}

/// The rights on the manager.
// [MS-SCMR] 3.1.4
const MANAGER: Rights = Rights {
    read: 0x0002_0014,
    write: 0x0002_0022,
    execute: 0x0002_0009,
    all: 0x000f_003f,
    everybody: 0x0000_0001,
};
const ENUMERATE: u32 = 0x04;

/// The rights on a service.
// [MS-SCMR] 3.1.4
const SERVICE: Rights = Rights {
    read: 0x0002_008d,
    write: 0x0002_0002,
    execute: 0x0002_0170,
    all: 0x000f_01ff,
    everybody: 0,
};
const QUERY_CONFIG: u32 = 0x01;
const QUERY_STATUS: u32 = 0x04;
const ENUMERATE_DEPENDENTS: u32 = 0x08;

/// The parts of a descriptor that there are.
// [MS-SCMR] 2.2.1
const DESCRIPTOR_PARTS: u32 = 0x1f;
/// The states by which services are asked for.
const STATES: u32 = 3;

type Opening = Result<(Handle, u32), Fault>;
type Text = Option<Utf16String>;

// [MS-SCMR] 3.1.4.15
fn open_manager(call: &mut Call<'_>, (_, database, wanted): (Text, Text, u32)) -> Opening {
    let is = |name: &str| {
        let known = Utf16String::from(name);
        database
            .as_ref()
            .is_some_and(|database| eq_ignore_case(database.as_units(), known.as_units()))
    };
    if is("ServicesFailed") {
        return Ok((Handle::NULL, win32::DATABASE_DOES_NOT_EXIST));
    }
    if database.is_some() && !is("ServicesActive") {
        return Ok((Handle::NULL, win32::INVALID_NAME));
    }
    // Whoever opens connects.
    open(call, Object::Manager, &MANAGER, wanted | 1)
}

// [MS-SCMR] 3.1.4.16
fn open_service(
    call: &mut Call<'_>,
    (manager, name, wanted): (Handle, Utf16String, u32),
) -> Opening {
    if let Err(error) = manager_for(call, &manager, 0)? {
        return Ok((Handle::NULL, error));
    }
    let found = all(call)
        .into_iter()
        .find(|record| is_called(&name, record.name));
    match found {
        Some(record) => open(call, Object::Service(record), &SERVICE, wanted),
        None => Ok((Handle::NULL, not_found(&name))),
    }
}

fn open(call: &mut Call<'_>, object: Object, rights: &Rights, wanted: u32) -> Opening {
    match granted(call, rights, wanted) {
        Some(granted) => {
            let handle = call.handles.open(Opened { object, granted })?;
            Ok((handle, win32::SUCCESS))
        }
        None => Ok((Handle::NULL, win32::ACCESS_DENIED)),
    }
}

// [MS-SCMR] 3.1.4.1
fn close(call: &mut Call<'_>, (handle,): (Handle,)) -> Opening {
    let _: &Opened = call.handles.find(&handle)?;
    Ok((call.handles.close(&handle)?, win32::SUCCESS))
}

/// Whether a handle is of the manager and carries a right.
fn manager_for(call: &Call<'_>, handle: &Handle, right: u32) -> Result<Result<(), u32>, Fault> {
    let opened: &Opened = call.handles.find(handle)?;
    Ok(match &opened.object {
        Object::Service(_) => Err(win32::INVALID_HANDLE),
        Object::Manager if opened.granted & right != right => Err(win32::ACCESS_DENIED),
        Object::Manager => Ok(()),
    })
}

/// The service behind a handle, if that carries a right.
fn service_for(call: &Call<'_>, handle: &Handle, right: u32) -> Result<Result<Record, u32>, Fault> {
    let opened: &Opened = call.handles.find(handle)?;
    Ok(match &opened.object {
        Object::Manager => Err(win32::INVALID_HANDLE),
        Object::Service(_) if opened.granted & right != right => Err(win32::ACCESS_DENIED),
        Object::Service(record) => Ok(record.clone()),
    })
}

type Bytes = (Array<u8>, u32, u32);

// [MS-SCMR] 3.1.4.5
fn query_security(
    call: &mut Call<'_>,
    (handle, parts, size): (Handle, u32, u32),
) -> Result<Bytes, Fault> {
    let opened: &Opened = call.handles.find(&handle)?;
    let rights = opened.rights();
    if is_undefined(parts, DESCRIPTOR_PARTS) {
        return fill(Err(win32::INVALID_PARAMETER), size);
    }
    let described = described(rights, opened.granted, parts);
    let bytes = described.map(|descriptor| descriptor.bytes.map_or_else(Vec::new, |bytes| bytes.0));
    fill(bytes.map_err(|_| win32::ACCESS_DENIED), size)
}

// [MS-SCMR] 3.1.4.7
fn query_status(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<(Status, u32), Fault> {
    Ok(match service_for(call, &handle, QUERY_STATUS)? {
        Ok(record) => (record.status(), win32::SUCCESS),
        Err(error) => (Status::NONE, error),
    })
}

// [MS-SCMR] 3.1.4.38
fn query_status_ex(
    call: &mut Call<'_>,
    (handle, level, size): (Handle, Enum16, u32),
) -> Result<Bytes, Fault> {
    let found = service_for(call, &handle, QUERY_STATUS)?;
    let found = if level.0 == 0 {
        found
    } else {
        Err(win32::INVALID_LEVEL)
    };
    fill(
        found.map(|record| encode(&[record.process_status()], Origin::Buffer)),
        size,
    )
}

type Enumerated = (Array<u8>, u32, u32, Option<u32>, u32);

// [MS-SCMR] 3.1.4.14
fn enum_services(
    call: &mut Call<'_>,
    (handle, kind, state, size, resume): (Handle, u32, u32, u32, Option<u32>),
) -> Result<Enumerated, Fault> {
    let refused = manager_for(call, &handle, ENUMERATE)?.err();
    enumerate(call, refused, (kind, state), size, resume, |record| {
        let mut info = record.names();
        info.extend(record.status_members());
        info
    })
}

type EnumExArguments = (Handle, Enum16, u32, u32, u32, Option<u32>, Text);

// [MS-SCMR] 3.1.4.40
fn enum_services_ex(
    call: &mut Call<'_>,
    (handle, level, kind, state, size, resume, group): EnumExArguments,
) -> Result<Enumerated, Fault> {
    let mut refused = manager_for(call, &handle, ENUMERATE)?.err();
    if level.0 != 0 {
        refused = refused.or(Some(win32::INVALID_LEVEL));
    }
    // All services are without a group, which an empty name asks for.
    if group.is_some_and(|group| !group.is_empty()) {
        refused = refused.or(Some(win32::SERVICE_DOES_NOT_EXIST));
    }
    enumerate(call, refused, (kind, state), size, resume, |record| {
        let mut info = record.names();
        info.extend(record.process_status());
        info
    })
}

/// The services of a kind and state, as a buffer of so many bytes has room for all of them or none.
fn enumerate(
    call: &Call<'_>,
    refused: Option<u32>,
    (kind, state): (u32, u32),
    size: u32,
    resume: Option<u32>,
    info: impl Fn(&Record) -> Info,
) -> Result<Enumerated, Fault> {
    // observed: impacket asks for the kinds that Windows has besides, such as services of users.
    const KINDS: u32 = 0x01ff;
    const ACTIVE: u32 = 1;
    let is_wrong = is_undefined(kind, KINDS) || is_undefined(state, STATES);
    let refused = refused.or(is_wrong.then_some(win32::INVALID_PARAMETER));
    let first = usize::try_from(resume.unwrap_or(0)).unwrap_or(usize::MAX);
    let wanted = |record: &Record| record.kind & kind != 0 && state & ACTIVE != 0;
    let records: Vec<Info> = all(call)
        .iter()
        .filter(|record| wanted(record))
        .skip(first)
        .map(info)
        .collect();
    let number = u32::try_from(records.len()).unwrap_or(u32::MAX);
    let bytes = refused.map_or_else(|| Ok(encode(&records, Origin::Buffer)), Err);
    let (buffer, needed, error) = fill(bytes, size)?;
    Ok(match error {
        win32::SUCCESS => (buffer, needed, number, resume.map(|_| 0), error),
        win32::INSUFFICIENT_BUFFER => (buffer, needed, 0, resume, win32::MORE_DATA),
        error => (buffer, needed, 0, resume, error),
    })
}

// [MS-SCMR] 3.1.4.13
// Nothing depends on anything here.
fn enum_dependents(
    call: &mut Call<'_>,
    (handle, state, size): (Handle, u32, u32),
) -> Result<(Array<u8>, u32, u32, u32), Fault> {
    let mut found = service_for(call, &handle, ENUMERATE_DEPENDENTS)?;
    if is_undefined(state, STATES) {
        found = found.and(Err(win32::INVALID_PARAMETER));
    }
    let (buffer, needed, error) = fill(found.map(|_| Vec::new()), size)?;
    Ok((buffer, needed, 0, error))
}

// [MS-SCMR] 3.1.4.17
fn query_config(
    call: &mut Call<'_>,
    (handle, size): (Handle, u32),
) -> Result<(Config, u32, u32), Fault> {
    Ok(match service_for(call, &handle, QUERY_CONFIG)? {
        Err(error) => (Config::NONE, 0, error),
        Ok(record) => {
            let config = record.config();
            let needed = config.size();
            if needed > size {
                (Config::NONE, needed, win32::INSUFFICIENT_BUFFER)
            } else {
                (config, needed, win32::SUCCESS)
            }
        }
    })
}

// [MS-SCMR] 3.1.4.37
fn query_config_2(
    call: &mut Call<'_>,
    (handle, level, size): (Handle, u32, u32),
) -> Result<Bytes, Fault> {
    const DESCRIPTION: u32 = 1;
    const DELAYED_AUTO_START: u32 = 3;
    let found = service_for(call, &handle, QUERY_CONFIG)?;
    let info = found.and_then(|record| match level {
        DESCRIPTION => Ok(vec![Member::text(record.description)]),
        DELAYED_AUTO_START => Ok(vec![Member::Number(0)]),
        _ => Err(win32::INVALID_LEVEL),
    });
    fill(info.map(|info| encode(&[info], Origin::Buffer)), size)
}

type Named = (Utf16String, u32, u32);

// [MS-SCMR] 3.1.4.20
fn display_name(
    call: &mut Call<'_>,
    (handle, name, room): (Handle, Utf16String, u32),
) -> Result<Named, Fault> {
    let refused = manager_for(call, &handle, 0)?.err();
    let found = all(call)
        .into_iter()
        .find(|record| is_called(&name, record.name));
    Ok(told(
        refused,
        found.map(|record| record.display_name),
        &name,
        room,
    ))
}

// [MS-SCMR] 3.1.4.21
fn key_name(
    call: &mut Call<'_>,
    (handle, name, room): (Handle, Utf16String, u32),
) -> Result<Named, Fault> {
    let refused = manager_for(call, &handle, 0)?.err();
    let found = all(call)
        .into_iter()
        .find(|record| is_called(&name, record.display_name));
    Ok(told(refused, found.map(|record| record.name), &name, room))
}

/// A name for a client that has room for so many units of it.
fn told(refused: Option<u32>, found: Option<&str>, asked: &Utf16String, room: u32) -> Named {
    let name = match (refused, found) {
        (Some(error), _) => return (Utf16String::new(), room, error),
        (None, None) => return (Utf16String::new(), room, not_found(asked)),
        (None, Some(name)) => Utf16String::from(name),
    };
    let length = u32::try_from(name.as_units().len()).unwrap_or(u32::MAX);
    if length > room {
        return (Utf16String::new(), length, win32::INSUFFICIENT_BUFFER);
    }
    (name, length, win32::SUCCESS)
}

fn is_called(name: &Utf16String, known: &str) -> bool {
    eq_ignore_case(name.as_units(), Utf16String::from(known).as_units())
}

/// Whether bits say nothing, or something that means nothing.
fn is_undefined(bits: u32, known: u32) -> bool {
    bits == 0 || bits & !known != 0
}

/// Why there is no service of this name.
fn not_found(name: &Utf16String) -> u32 {
    let is_illegal = |unit: &u16| [b'/', b'\\'].map(u16::from).contains(unit);
    if name.is_empty() || name.as_units().iter().any(is_illegal) {
        win32::INVALID_NAME
    } else {
        win32::SERVICE_DOES_NOT_EXIST
    }
}

/// Bytes in a buffer of a client's size, or the error for which there are none; and how many are needed.
///
/// # Errors
/// A fault: the size is none that a client may have.
fn fill(bytes: Result<Vec<u8>, u32>, size: u32) -> Result<Bytes, Fault> {
    let room = usize::try_from(size)
        .ok()
        .filter(|size| *size <= LONGEST_BUFFER);
    let room = room.ok_or(Fault::BAD_STUB)?;
    let (mut bytes, error) = match bytes {
        Ok(bytes) => (bytes, win32::SUCCESS),
        Err(error) => (Vec::new(), error),
    };
    let needed = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let fits = bytes.len() <= room;
    if !fits {
        bytes.clear();
    }
    bytes.resize(room, 0);
    let error = if fits {
        error
    } else {
        win32::INSUFFICIENT_BUFFER
    };
    Ok((Array(bytes), needed, error))
}

/// [MS-SCMR] 2.2.9
const LONGEST_BUFFER: usize = 256 << 10;
