//! Values with names: what is told of the server, and that nothing is kept of printers.

use server::share::ServerSnapshot;
use wire::Utf16String;

use super::super::ndr::{Array, Handle};
use super::super::rpc::{Call, Fault};
use super::super::{VERSION, win32};
use super::printers::{ENVIRONMENT, count};
use super::{Opened, printer_of};

type Data = (u32, Array<u8>, u32, u32);

// [MS-RPRN] 3.1.4.2.7
pub(super) fn get_printer_data(
    call: &mut Call<'_>,
    (handle, value, size): (Handle, Utf16String, u32),
) -> Result<Data, Fault> {
    let opened: &Opened = call.handles.find(&handle)?;
    let found = match opened {
        Opened::Server => {
            let found = server_value(&call.services.view.facts(), &value.to_string_lossy());
            found.ok_or(win32::INVALID_PARAMETER)
        }
        // Nothing is kept of printers.
        Opened::Printer(_) => Err(win32::FILE_NOT_FOUND),
    };
    let (kind, mut data, error) = match found {
        Ok((kind, data)) => (kind, data, win32::SUCCESS),
        Err(error) => (0, Vec::new(), error),
    };
    let needed = count(data.len());
    let error = if needed > size {
        win32::MORE_DATA
    } else {
        error
    };
    if error == win32::MORE_DATA {
        data.clear();
    }
    data.resize(room(size)?, 0);
    Ok((kind, Array(data), needed, error))
}

/// What is told of the server under this name, and of which type it is.
// [MS-RPRN] 2.2.3.10
fn server_value(facts: &ServerSnapshot, name: &str) -> Option<(u32, Vec<u8>)> {
    const REG_SZ: u32 = 1;
    const REG_DWORD: u32 = 4;
    let (major, minor) = VERSION;
    let number = |number: u32| Some((REG_DWORD, number.to_le_bytes().to_vec()));
    let text = |text: &str| {
        let units = text.encode_utf16().chain([0]);
        Some((REG_SZ, units.flat_map(u16::to_le_bytes).collect()))
    };
    match name {
        "Architecture" => text(ENVIRONMENT),
        "DNSMachineName" => text(&facts.name),
        "MajorVersion" => number(major),
        "MinorVersion" => number(minor),
        "DsPresent" | "DsPresentForUser" | "W3SvcInstalled" | "RemoteFax" | "BeepEnabled"
        | "EventLog" | "NetPopup" => number(0),
        _ => None,
    }
}

// [MS-RPRN] 3.1.4.2.19
// The key of a server's values does not count, and printers have none.
pub(super) fn get_printer_data_ex(
    call: &mut Call<'_>,
    (handle, _, value, size): (Handle, Utf16String, Utf16String, u32),
) -> Result<Data, Fault> {
    get_printer_data(call, (handle, value, size))
}

/// The bytes that a client has room for.
fn room(size: u32) -> Result<usize, Fault> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > LONGEST_DATA {
        return Err(Fault::NO_MEMORY);
    }
    Ok(size)
}

type Enumerated = (Array<u16>, u32, u32, Array<u8>, u32, u32);

// [MS-RPRN] 3.1.4.2.16
// Nothing is kept of printers that could be enumerated.
pub(super) fn enum_printer_data(
    call: &mut Call<'_>,
    (handle, _, name_size, data_size): (Handle, u32, u32, u32),
) -> Result<Enumerated, Fault> {
    let _: &Opened = call.handles.find(&handle)?;
    let (names, data) = (room(name_size)? / 2, room(data_size)?);
    let (names, data) = (Array(vec![0; names]), Array(vec![0; data]));
    Ok((names, 0, 0, data, 0, win32::NO_MORE_ITEMS))
}

// [MS-RPRN] 3.1.4.2.20
// No key has values: there is none but the main one, which cannot be asked for here.
pub(super) fn enum_printer_data_ex(
    call: &mut Call<'_>,
    (handle, key, size): (Handle, Utf16String, u32),
) -> Result<(Array<u8>, u32, u32, u32), Fault> {
    let error = match printer_of(call, &handle)? {
        Err(error) => error,
        // [MS-RPRN] 2.2.4.7
        Ok(_) if key.is_empty() => win32::INVALID_PARAMETER,
        Ok(_) => win32::FILE_NOT_FOUND,
    };
    Ok((Array(vec![0; room(size)?]), 0, 0, error))
}

// [MS-RPRN] 3.1.4.2.21
// A driver would keep its settings below keys; the main key is there, with none below it.
pub(super) fn enum_printer_key(
    call: &mut Call<'_>,
    (handle, key, size): (Handle, Utf16String, u32),
) -> Result<(Array<u16>, u32, u32), Fault> {
    /// The end of a list of texts, in bytes.
    const NO_KEYS: u32 = 4;
    let (needed, error) = match printer_of(call, &handle)? {
        Err(error) => (0, error),
        Ok(_) if !key.is_empty() => (0, win32::FILE_NOT_FOUND),
        Ok(_) if size < NO_KEYS => (NO_KEYS, win32::MORE_DATA),
        Ok(_) => (NO_KEYS, win32::SUCCESS),
    };
    Ok((Array(vec![0; room(size)? / 2]), needed, error))
}

/// As much as the longest arguments.
const LONGEST_DATA: usize = 128 << 10;
