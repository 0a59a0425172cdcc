//! The remote registry: a few keys that clients read to learn what kind of machine this is. [MS-RRP]
//!
//! Owns handles of keys and the procedures; the keys are in [`tree`]. Everybody but anonymous users may read, nobody
//! may write: a right to change is granted to no one, and what would change a key is refused. There is one namespace.

#[cfg(test)]
mod tests;
mod tree;

use std::sync::Arc;

use wire::Utf16String;
use wire::dtyp::FileTime;

use self::tree::{Key, Value, classes_root, local_machine, users};
use super::ndr::{Array, Handle, Varying, ndr_struct};
use super::rights::{Rights, granted};
use super::rpc::{Call, Fault, interface};
use super::win32;

interface! {
    /// The service behind `\PIPE\winreg`.
    // [MS-RRP] 1.9
    WINREG = "winreg", b"\x01\xd0\x8c\x33\x44\x22\xf1\x31\xaa\xaa\x90\x00\x38\x00\x10\x03", version 1 {
        0 => (open_classes_root),
        2 => (open_local_machine),
        4 => (open_users),
        5 => (close),
        6 => (create_key),
        7 => (delete),
        8 => (delete),
        9 => (enum_key),
        10 => (enum_value),
        15 => (open_key),
        16 => (query_info),
        17 => (query_value),
        22 => (set_value),
        26 => (version),
    }
}

ndr_struct! {
    /// RRP_UNICODE_STRING: its length counts a NUL at the end; or the room for one.
    // [MS-RRP] 2.2.4
    struct Text {
        length: u16,
        maximum: u16,
        buffer: Option<Varying<u16>>,
    }

    /// RPC_SECURITY_ATTRIBUTES, of which nothing counts.
    // [MS-RRP] 2.2.7
    struct SecurityAttributes {
        length: u32,
        descriptor: Option<Varying<u8>>,
        room: u32,
        used: u32,
        inherits: u8,
    }
}

impl Text {
    /// No string, but the room that a client has for one.
    fn empty(maximum: u16) -> Self {
        Self {
            length: 0,
            maximum,
            buffer: None,
        }
    }

    /// A name for a client that has so much room; none if it does not fit.
    fn fitting(name: &Utf16String, maximum: u16) -> Option<Self> {
        let elements: Vec<u16> = name.as_units().iter().copied().chain([0]).collect();
        let length = u16::try_from(elements.len() * 2).ok()?;
        let room = u32::from(maximum / 2);
        (length <= maximum).then_some(Self {
            length,
            maximum,
            buffer: Some(Varying { room, elements }),
        })
    }

    /// What stands before the NUL; none without a buffer.
    fn units(&self) -> Option<&[u16]> {
        let units = &self.buffer.as_ref()?.elements;
        let end = units.iter().position(|unit| *unit == 0);
        units.get(..end.unwrap_or(units.len()))
    }
}

/// What is behind a key's handle.
struct OpenKey {
    key: Arc<Key>,
    granted: u32,
}

// [MS-RRP] 2.2.3
const QUERY_VALUE: u32 = 0x01;
const ENUMERATE_SUB_KEYS: u32 = 0x08;
const WOW64_64KEY: u32 = 0x0100;
const WOW64_32KEY: u32 = 0x0200;
/// READ_CONTROL, KEY_QUERY_VALUE, KEY_ENUMERATE_SUB_KEYS and KEY_NOTIFY.
const READ: u32 = 0x0002_0019;
const RIGHTS: Rights = Rights {
    read: READ,
    write: 0x0002_0006,
    execute: READ,
    all: READ,
    everybody: READ,
};

type Opening = Result<(Handle, u32), Fault>;
type Root = (Option<u16>, u32);

// [MS-RRP] 3.1.5.1
fn open_classes_root(call: &mut Call<'_>, (_, wanted): Root) -> Opening {
    let root = classes_root(&call.services.view.facts());
    open(call, root, wanted)
}

// [MS-RRP] 3.1.5.3
fn open_local_machine(call: &mut Call<'_>, (_, wanted): Root) -> Opening {
    let root = local_machine(&call.services.view.facts());
    open(call, root, wanted)
}

// [MS-RRP] 3.1.5.5
fn open_users(call: &mut Call<'_>, (_, wanted): Root) -> Opening {
    let root = users(&call.services.view.facts());
    open(call, root, wanted)
}

fn open(call: &mut Call<'_>, key: Arc<Key>, wanted: u32) -> Opening {
    const GENERIC_ALL: u32 = 0x1000_0000;
    // [MS-RRP] 3.1.1.4
    // There is no 64-bit namespace to be asked for.
    if wanted & (WOW64_64KEY | GENERIC_ALL) != 0 {
        return Ok((Handle::NULL, win32::ACCESS_DENIED));
    }
    match granted(call, &RIGHTS, wanted & !WOW64_32KEY) {
        Some(granted) => {
            let handle = call.handles.open(OpenKey { key, granted })?;
            Ok((handle, win32::SUCCESS))
        }
        None => Ok((Handle::NULL, win32::ACCESS_DENIED)),
    }
}

/// The key behind a handle; none if the handle does not carry the right.
fn key_for(call: &Call<'_>, handle: &Handle, right: u32) -> Result<Option<Arc<Key>>, Fault> {
    let open: &OpenKey = call.handles.find(handle)?;
    Ok((open.granted & right == right).then(|| Arc::clone(&open.key)))
}

// [MS-RRP] 3.1.5.6
fn close(call: &mut Call<'_>, (handle,): (Handle,)) -> Opening {
    Ok((call.handles.close(&handle)?, win32::SUCCESS))
}

// [MS-RRP] 3.1.5.15
fn open_key(
    call: &mut Call<'_>,
    (handle, path, options, wanted): (Handle, Text, u32, u32),
) -> Opening {
    const BACKUP_RESTORE: u32 = 0x04;
    let parent: &OpenKey = call.handles.find(&handle)?;
    let parent = Arc::clone(&parent.key);
    let Some(path) = path.units() else {
        return Ok((Handle::NULL, win32::INVALID_PARAMETER));
    };
    let Some(key) = parent.find(path.strip_suffix(&[u16::from(b'\\')]).unwrap_or(path)) else {
        return Ok((Handle::NULL, win32::FILE_NOT_FOUND));
    };
    if options & BACKUP_RESTORE == 0 {
        return open(call, key, wanted);
    }
    // Administrators hold the privilege to back up.
    if call.is_administrator() {
        open(call, key, READ)
    } else {
        Ok((Handle::NULL, win32::ACCESS_DENIED))
    }
}

type KeyName = (Text, Option<Text>, Option<FileTime>, u32);

// [MS-RRP] 3.1.5.10
fn enum_key(
    call: &mut Call<'_>,
    (handle, index, room, class, time): (Handle, u32, Text, Option<Text>, Option<FileTime>),
) -> Result<KeyName, Fault> {
    let class = class.map(|class| Text::empty(class.maximum));
    let refused = |class, error| Ok((Text::empty(room.maximum), class, time, error));
    let Some(key) = key_for(call, &handle, ENUMERATE_SUB_KEYS)? else {
        return refused(class, win32::ACCESS_DENIED);
    };
    let Some(found) = usize::try_from(index).ok().and_then(|at| key.keys.get(at)) else {
        return refused(class, win32::NO_MORE_ITEMS);
    };
    match Text::fitting(&found.name, room.maximum) {
        None => refused(class, win32::MORE_DATA),
        Some(name) => Ok((name, class, time.map(|_| found.write_time), win32::SUCCESS)),
    }
}

/// What the client has for a value's type and data, or is given of them.
type Place = (
    Option<u32>,
    Option<Varying<u8>>,
    Option<u32>,
    Option<u32>,
    u32,
);

/// Puts a value where the client wants it.
fn place(value: &Value, kind: Option<u32>, data: Option<&Varying<u8>>, room: Option<u32>) -> Place {
    let size = u32::try_from(value.data.len()).unwrap_or(u32::MAX);
    let kind = kind.map(|_| value.kind);
    let (data, length, error) = match (data, room) {
        (None, _) => (None, 0, win32::SUCCESS),
        (Some(_), None) => return (kind, None, None, None, win32::INVALID_PARAMETER),
        (Some(_), Some(room)) if room < size => (Some(Vec::new()), 0, win32::MORE_DATA),
        (Some(_), Some(_)) => (Some(value.data.clone()), size, win32::SUCCESS),
    };
    let data = data.map(|elements| Varying {
        room: size,
        elements,
    });
    (kind, data, room.map(|_| size), Some(length), error)
}

/// Nothing, and why.
fn nowhere(kind: Option<u32>, room: Option<u32>, error: u32) -> Place {
    (kind, None, room, Some(0), error)
}

type EnumValueArguments = (
    Handle,
    u32,
    Text,
    Option<u32>,
    Option<Varying<u8>>,
    Option<u32>,
    Option<u32>,
);
type EnumValueResults = (
    Text,
    Option<u32>,
    Option<Varying<u8>>,
    Option<u32>,
    Option<u32>,
    u32,
);

// [MS-RRP] 3.1.5.11
fn enum_value(
    call: &mut Call<'_>,
    (handle, index, name_room, kind, data, room, _): EnumValueArguments,
) -> Result<EnumValueResults, Fault> {
    let key = key_for(call, &handle, QUERY_VALUE)?;
    let found = key.as_ref().map(|key| {
        let value = usize::try_from(index)
            .ok()
            .and_then(|at| key.values.get(at));
        value.ok_or(win32::NO_MORE_ITEMS).and_then(|value| {
            let name = Text::fitting(&value.name, name_room.maximum);
            name.map(|name| (name, value)).ok_or(win32::MORE_DATA)
        })
    });
    let (name, placed) = match found.unwrap_or(Err(win32::ACCESS_DENIED)) {
        Ok((name, value)) => (name, place(value, kind, data.as_ref(), room)),
        Err(error) => (Text::empty(name_room.maximum), nowhere(kind, room, error)),
    };
    let (kind, data, size, length, error) = placed;
    Ok((name, kind, data, size, length, error))
}

type QueryValueArguments = (
    Handle,
    Text,
    Option<u32>,
    Option<Varying<u8>>,
    Option<u32>,
    Option<u32>,
);

// [MS-RRP] 3.1.5.17
fn query_value(
    call: &mut Call<'_>,
    (handle, name, kind, data, room, _): QueryValueArguments,
) -> Result<Place, Fault> {
    let Some(key) = key_for(call, &handle, QUERY_VALUE)? else {
        return Ok(nowhere(kind, room, win32::ACCESS_DENIED));
    };
    let value = key.value(name.units().unwrap_or_default());
    Ok(match value {
        Some(value) => place(value, kind, data.as_ref(), room),
        None => nowhere(kind, room, win32::FILE_NOT_FOUND),
    })
}

type Information = (Text, u32, u32, u32, u32, u32, u32, u32, FileTime, u32);

// [MS-RRP] 3.1.5.16
fn query_info(call: &mut Call<'_>, (handle, class): (Handle, Text)) -> Result<Information, Fault> {
    let class = Text::empty(class.maximum);
    let Some(key) = key_for(call, &handle, QUERY_VALUE)? else {
        let denied = win32::ACCESS_DENIED;
        return Ok((class, 0, 0, 0, 0, 0, 0, 0, FileTime::ZERO, denied));
    };
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    // Names may be told longer than they are: twice, for those who take them for bytes.
    let longest = |lengths: Option<usize>| count(lengths.unwrap_or(0));
    let key_name = key.keys.iter().map(|key| key.name.len_bytes()).max();
    let value_name = key.values.iter().map(|value| value.name.len_bytes()).max();
    let data = key.values.iter().map(|value| value.data.len()).max();
    Ok((
        class,
        count(key.keys.len()),
        longest(key_name),
        0,
        count(key.values.len()),
        longest(value_name),
        longest(data),
        0,
        key.write_time,
        win32::SUCCESS,
    ))
}

// [MS-RRP] 3.1.5.24
// Below 6: there is no namespace but one.
fn version(call: &mut Call<'_>, (handle,): (Handle,)) -> Result<(u32, u32), Fault> {
    const ONE_NAMESPACE: u32 = 5;
    key_for(call, &handle, 0)?;
    Ok((ONE_NAMESPACE, win32::SUCCESS))
}

type CreateArguments = (
    Handle,
    Text,
    Text,
    u32,
    u32,
    Option<SecurityAttributes>,
    Option<u32>,
);

// [MS-RRP] 3.1.5.7
// A key that exists is opened, as by OpenKey; no other comes into being.
fn create_key(
    call: &mut Call<'_>,
    (handle, path, _, options, wanted, _, disposition): CreateArguments,
) -> Result<(Handle, Option<u32>, u32), Fault> {
    const OPENED_EXISTING_KEY: u32 = 2;
    let (handle, error) = open_key(call, (handle, path, options, wanted))?;
    Ok(match error {
        win32::SUCCESS => (handle, disposition.map(|_| OPENED_EXISTING_KEY), error),
        win32::FILE_NOT_FOUND => (handle, disposition, win32::ACCESS_DENIED),
        error => (handle, disposition, error),
    })
}

// [MS-RRP] 3.1.5.8
// [MS-RRP] 3.1.5.9
fn delete(call: &mut Call<'_>, (handle, _): (Handle, Text)) -> Result<(u32,), Fault> {
    key_for(call, &handle, 0)?;
    Ok((win32::ACCESS_DENIED,))
}

// [MS-RRP] 3.1.5.22
fn set_value(
    call: &mut Call<'_>,
    (handle, _, _, _, _): (Handle, Text, u32, Array<u8>, u32),
) -> Result<(u32,), Fault> {
    key_for(call, &handle, 0)?;
    Ok((win32::ACCESS_DENIED,))
}
