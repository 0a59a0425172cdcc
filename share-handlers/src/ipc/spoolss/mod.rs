//! The print spooler: the print shares of this server as printers. [MS-RPRN]
//!
//! Owns the handles of printers and of the server, and which procedure is where; [`printers`] and [`data`] tell of printers,
//! [`jobs`] of their queues, [`documents`] prints. There are no drivers, forms, ports or monitors to manage: documents
//! go to the printer as they come. Everybody who has said who it is sees the printers that it may use; changing
//! printers is for nobody, jobs are for their owners and administrators.

mod data;
mod documents;
mod jobs;
mod printers;
#[cfg(test)]
mod tests;
mod types;

use std::sync::Arc;

use parking_lot::Mutex;
use server::share::{Handle as DocumentHandle, LogOnFacts, PrintQueue, Printer};
use wire::fscc::upcase::eq_ignore_case;
use wire::{NtStatus, Utf16String};

use self::types::{ClientContainer, ClientInfo, DevMode};
use super::ndr::Handle;
use super::rights::{Rights, granted};
use super::rpc::{Call, Fault, interface};
use super::win32;

interface! {
    /// The service behind `\PIPE\spoolss`.
    // [MS-RPRN] 1.9
    SPOOLSS = "spoolss", b"\x78\x56\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xab", version 1 {
        0 => (printers::enum_printers),
        1 => (open_printer),
        2 => later (jobs::set_job),
        3 => (jobs::get_job),
        4 => (jobs::enum_jobs),
        8 => (printers::get_printer),
        10 => (printers::enum_drivers),
        15 => (printers::enum_print_processors),
        17 => later (documents::start_document),
        18 => (documents::page),
        19 => later (documents::write),
        20 => (documents::page),
        21 => later (documents::abort),
        23 => later (documents::end_document),
        26 => (data::get_printer_data),
        29 => later (close_printer),
        34 => (printers::enum_forms),
        35 => (printers::enum_ports),
        36 => (printers::enum_ports),
        51 => (printers::enum_datatypes),
        53 => (printers::get_driver),
        69 => (open_printer_ex),
        72 => (data::enum_printer_data),
        78 => (data::get_printer_data_ex),
        79 => (data::enum_printer_data_ex),
        80 => (data::enum_printer_key),
    }
}

/// A string that need not be there.
type Text = Option<Utf16String>;

/// What is behind a handle.
enum Opened {
    Server,
    Printer(Arc<OpenPrinter>),
}

/// A printer that a client has open.
struct OpenPrinter {
    /// The server as the client calls it, with backslashes before it; empty if it gave no name.
    server: String,
    name: String,
    comment: String,
    queue: Arc<dyn PrintQueue>,
    caller: server::share::Caller,
    /// What is being printed.
    document: Mutex<Option<OpenDocument>>,
}

/// A document that is being written.
#[derive(Clone)]
struct OpenDocument {
    job: u32,
    handle: Arc<dyn DocumentHandle>,
}

impl OpenPrinter {
    /// The name by which the client finds the printer again.
    // [MS-RPRN] 3.1.4.1.4
    fn full_name(&self) -> String {
        full_name(&self.server, &self.name)
    }
}

fn full_name(server: &str, printer: &str) -> String {
    if server.is_empty() {
        printer.to_owned()
    } else {
        format!("{server}\\{printer}")
    }
}

/// The rights on a server.
// [MS-RPRN] 2.2.3.1
const SERVER_RIGHTS: Rights = Rights {
    read: 0x0002_0002,
    write: 0x0002_0003,
    execute: 0x0002_0002,
    all: 0x000f_0003,
    everybody: 0x0002_0002,
};

/// The rights on a printer.
// [MS-RPRN] 2.2.3.1
const PRINTER_RIGHTS: Rights = Rights {
    read: 0x0002_0008,
    write: 0x0002_0008,
    execute: 0x0002_0008,
    all: 0x000f_000c,
    everybody: 0x0002_0008,
};

type Opening = Result<(Handle, u32), Fault>;

// [MS-RPRN] 3.1.4.2.2
fn open_printer(
    call: &mut Call<'_>,
    (name, datatype, _, access): (Text, Text, DevMode, u32),
) -> Opening {
    open(call, name.as_ref(), datatype.as_ref(), access)
}

// [MS-RPRN] 3.1.4.2.14
fn open_printer_ex(
    call: &mut Call<'_>,
    (name, datatype, _, access, client): (Text, Text, DevMode, u32, ClientContainer),
) -> Opening {
    // [MS-RPRN] 3.1.4.1.8.8
    if !matches!(client.client, ClientInfo::Level1(Some(_))) {
        return Ok((Handle::NULL, win32::INVALID_PARAMETER));
    }
    open(call, name.as_ref(), datatype.as_ref(), access)
}

fn open(
    call: &mut Call<'_>,
    name: Option<&Utf16String>,
    datatype: Option<&Utf16String>,
    access: u32,
) -> Opening {
    const GENERIC_READ: u32 = 0x8000_0000;
    let access = if access == 0 { GENERIC_READ } else { access };
    if !is_raw(datatype) {
        return Ok((Handle::NULL, win32::INVALID_DATATYPE));
    }
    let name = name.map(Utf16String::to_string_lossy);
    // No name at all is the server's, an empty one is nothing's.
    let parts = match name.as_deref() {
        None => Some(("", "")),
        Some("") => None,
        Some(name) => parts(name),
    };
    let Some((server, printer)) = parts else {
        return Ok((Handle::NULL, win32::INVALID_PRINTER_NAME));
    };
    let (opened, rights) = if printer.is_empty() {
        (Opened::Server, SERVER_RIGHTS)
    } else {
        let found = match find(call, printer) {
            Ok(found) => found,
            Err(error) => return Ok((Handle::NULL, error)),
        };
        let opened = Arc::new(OpenPrinter {
            server: server.to_owned(),
            name: found.name,
            comment: found.comment,
            queue: found.queue,
            caller: found.caller,
            document: Mutex::default(),
        });
        (Opened::Printer(opened), PRINTER_RIGHTS)
    };
    match granted(call, &rights, access) {
        None => Ok((Handle::NULL, win32::ACCESS_DENIED)),
        Some(_) => Ok((call.handles.open(opened)?, win32::SUCCESS)),
    }
}

/// Server and printer in `\\server\printer, and more`, either of which may be missing; none for what is no name.
// [MS-RPRN] 3.1.4.1.5
fn parts(name: &str) -> Option<(&str, &str)> {
    let name = name.split(',').next().unwrap_or(name);
    let Some(rest) = name.strip_prefix("\\\\") else {
        return (!name.contains('\\')).then_some(("", name));
    };
    match rest.find('\\') {
        None => (!rest.is_empty()).then_some((name, "")),
        Some(length) => {
            let (server, printer) = name.split_at(length + 2);
            let printer = printer.get(1..).unwrap_or_default();
            let is_name = length > 0 && !printer.is_empty() && !printer.contains('\\');
            is_name.then_some((server, printer))
        }
    }
}

/// The printer of that name, if the caller may use it.
fn find(call: &Call<'_>, name: &str) -> Result<Printer, u32> {
    let facts = named(call).ok_or(win32::ACCESS_DENIED)?;
    let found = call.services.view.printer(facts, name);
    found.map_err(|status| match status {
        NtStatus::BAD_NETWORK_NAME => win32::INVALID_PRINTER_NAME,
        _ => win32::ACCESS_DENIED,
    })
}

/// The printers that the caller may use.
fn printers_for(call: &Call<'_>) -> Vec<Printer> {
    let printers = named(call).map(|facts| call.services.view.printers(facts));
    printers.unwrap_or_default()
}

/// The log-on of a caller who has said who it is.
fn named<'a>(call: &Call<'a>) -> Option<&'a Arc<LogOnFacts>> {
    let facts = call.caller.log_on.as_ref();
    facts.filter(|_| !call.is_anonymous())
}

/// The printer behind a handle.
///
/// # Errors
/// A fault for what is no handle; ERROR_INVALID_HANDLE inside for the handle of the server.
fn printer_of(call: &Call<'_>, handle: &Handle) -> Result<Result<Arc<OpenPrinter>, u32>, Fault> {
    let opened: &Opened = call.handles.find(handle)?;
    Ok(match opened {
        Opened::Printer(printer) => Ok(Arc::clone(printer)),
        Opened::Server => Err(win32::INVALID_HANDLE),
    })
}

/// Whether a document of this type goes to the printer as it comes.
fn is_raw(datatype: Option<&Utf16String>) -> bool {
    datatype.is_none_or(|datatype| {
        datatype.is_empty()
            || eq_ignore_case(datatype.as_units(), Utf16String::from(RAW).as_units())
    })
}

// [MS-RPRN] 3.1.4.2.9
// A document that was not ended is printed, too.
fn close_printer(
    call: &mut Call<'_>,
    (handle,): (Handle,),
) -> Result<super::rpc::Later<(Handle, u32)>, Fault> {
    let opened: &Opened = call.handles.find(&handle)?;
    let document = match opened {
        Opened::Printer(printer) => printer.document.lock().take(),
        Opened::Server => None,
    };
    let closed = call.handles.close(&handle)?;
    Ok(Box::pin(async move {
        if let Some(document) = document {
            // The handle is gone, whatever becomes of the document.
            let _ = documents::end(&document).await;
        }
        (closed, win32::SUCCESS)
    }))
}

/// What a client is told of a status.
fn error_of(status: NtStatus) -> u32 {
    match status {
        NtStatus::ACCESS_DENIED => win32::ACCESS_DENIED,
        NtStatus::PRINT_QUEUE_FULL => win32::PRINT_QUEUE_FULL,
        NtStatus::NO_SPOOL_SPACE | NtStatus::DISK_FULL => win32::NO_SPOOL_SPACE,
        NtStatus::OBJECT_NAME_NOT_FOUND | NtStatus::INVALID_DEVICE_STATE => {
            win32::INVALID_PARAMETER
        }
        _ => win32::GENERAL_FAILURE,
    }
}

const RAW: &str = "RAW";
