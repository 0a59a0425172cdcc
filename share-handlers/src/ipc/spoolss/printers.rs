//! What printers there are, and what is asked of them and of the server besides.

use std::sync::Arc;

use server::share::{JobState, PrintJob, PrintQueue};
use wire::Utf16String;
use wire::dtyp::SecurityInformation;
use wire::fscc::upcase::eq_ignore_case;

use super::super::calendar::SystemTime;
use super::super::infos::{Filled, Info, Member, Room};
use super::super::ndr::{Array, Handle};
use super::super::rights::{Rights, described};
use super::super::rpc::{Call, Fault};
use super::super::win32;
use super::jobs::PRIORITY;
use super::{
    Opened, PRINTER_RIGHTS, RAW, SERVER_RIGHTS, Text, full_name, parts, printer_of, printers_for,
};

type EnumArguments = (u32, Text, u32, Option<Array<u8>>, u32);

// [MS-RPRN] 3.1.4.2.1
pub(super) fn enum_printers(
    call: &mut Call<'_>,
    (flags, name, level, buffer, size): EnumArguments,
) -> Result<Filled, Fault> {
    let room = Room::new(buffer, size);
    if call.is_anonymous() {
        return Ok(room.refused(win32::ACCESS_DENIED));
    }
    if !matches!(level, 0 | 1 | 2 | 4 | 5) || flags & (REMOTE | NETWORK) != 0 && level != 1 {
        return Ok(room.refused(win32::INVALID_LEVEL));
    }
    if flags & (REMOTE | NETWORK) != 0 {
        // No list of what other servers have is kept.
        return Ok(room.refused(win32::CANNOT_COMPLETE));
    }
    let name = name.as_ref().map(Utf16String::to_string_lossy);
    let name = name.unwrap_or_default();
    let Some((server, "")) = server_name(&name) else {
        return Ok(room.refused(win32::INVALID_NAME));
    };
    if flags & (LOCAL | NAMED) == 0 {
        return Ok(room.fill(&[]));
    }
    let facts = call.services.view.facts();
    let printers = printers_for(call)
        .into_iter()
        .filter(|printer| !printer.hidden);
    let infos = printers.filter_map(|printer| {
        let about = About {
            server,
            name: &printer.name,
            comment: &printer.comment,
            started: SystemTime::from(facts.start_time),
        };
        info(&about, &*printer.queue, level)
    });
    Ok(room.fill(&infos.collect::<Vec<Info>>()))
}

/// The server in a name, with or without backslashes before it.
// [MS-RPRN] 3.1.4.1.4
fn server_name(name: &str) -> Option<(&str, &str)> {
    match parts(name)? {
        ("", server) => Some((server, "")),
        named => Some(named),
    }
}

// [MS-RPRN] 3.1.4.2.6
pub(super) fn get_printer(
    call: &mut Call<'_>,
    (handle, level, buffer, size): (Handle, u32, Option<Array<u8>>, u32),
) -> Result<(Option<Array<u8>>, u32, u32), Fault> {
    let room = Room::new(buffer, size);
    let opened: &Opened = call.handles.find(&handle)?;
    let printer = match opened {
        Opened::Printer(printer) => Arc::clone(printer),
        // Of the server there is nothing but who may do what.
        Opened::Server if level == 3 => return Ok(room.fill_one(vec![descriptor(&SERVER_RIGHTS)])),
        Opened::Server => return Ok(room.refused_one(win32::INVALID_LEVEL)),
    };
    let started = call.services.view.facts().start_time;
    let about = About {
        server: &printer.server,
        name: &printer.name,
        comment: &printer.comment,
        started: SystemTime::from(started),
    };
    match info(&about, &*printer.queue, level) {
        Some(info) => Ok(room.fill_one(info)),
        None => Ok(room.refused_one(win32::INVALID_LEVEL)),
    }
}

/// Who may do what, as it is enforced.
fn descriptor(rights: &Rights) -> Member {
    let parts = SecurityInformation::OWNER
        .with(SecurityInformation::GROUP)
        .with(SecurityInformation::DACL);
    let descriptor = described(rights, rights.all, parts.bits());
    let bytes = descriptor.ok().and_then(|descriptor| descriptor.bytes);
    bytes.map_or(Member::None, |Array(bytes)| Member::Bytes(bytes))
}

/// What is told of a printer besides its queue.
struct About<'a> {
    /// As the client calls it.
    server: &'a str,
    name: &'a str,
    comment: &'a str,
    /// When the server started.
    started: SystemTime,
}

impl About<'_> {
    fn full_name(&self) -> String {
        full_name(self.server, self.name)
    }

    fn server(&self) -> Member {
        match self.server {
            "" => Member::None,
            server => Member::text(server),
        }
    }
}

/// A printer as of a level; none if there is no such level, or nothing to be told in it.
fn info(about: &About<'_>, queue: &dyn PrintQueue, level: u32) -> Option<Info> {
    let jobs = queue.jobs();
    let name = Member::text(about.full_name());
    Some(match level {
        0 => stress(about, &jobs),
        // [MS-RPRN] 2.2.2.9.2
        1 => vec![
            Member::Number(ICON8),
            Member::text(format!("{},{DRIVER},", about.full_name())),
            name,
            Member::text(about.comment),
        ],
        2 => printer_2(about, &jobs),
        // [MS-RPRN] 2.2.2.9.4
        3 => vec![descriptor(&PRINTER_RIGHTS)],
        // [MS-RPRN] 2.2.2.9.5
        4 => vec![name, about.server(), Member::Number(ATTRIBUTES)],
        // [MS-RPRN] 2.2.2.9.6
        5 => vec![
            name,
            Member::text(PORT),
            Member::Number(ATTRIBUTES),
            Member::Number(0),
            Member::Number(0),
        ],
        // [MS-RPRN] 2.2.2.9.7
        6 => vec![Member::Number(status(&jobs))],
        // [MS-RPRN] 2.2.2.9.8
        7 => vec![Member::None, Member::Number(NOT_PUBLISHED)],
        _ => return None,
    })
}

/// What is counted is what is in the queue now; nothing is kept of what was.
// [MS-RPRN] 2.2.2.9.1
fn stress(about: &About<'_>, jobs: &[PrintJob]) -> Info {
    let number = |state| jobs.iter().filter(|job| job.state == state).count();
    let (spooling, failed) = (number(JobState::Spooling), number(JobState::Failed));
    let mut info = vec![
        Member::text(about.full_name()),
        about.server(),
        Member::Number(count(jobs.len())),
        Member::Number(count(jobs.len())),
        Member::Number(0),
        Member::Time(about.started.clone()),
    ];
    // From MaxcRef on to dwReserved3.
    let mut rest = [0; 22];
    rest[4] = count(spooling);
    rest[9] = count(failed);
    rest[15] = status(jobs);
    info.extend(rest.map(Member::Number));
    info
}

// [MS-RPRN] 2.2.2.9.3
fn printer_2(about: &About<'_>, jobs: &[PrintJob]) -> Info {
    vec![
        about.server(),
        Member::text(about.full_name()),
        Member::text(about.name),
        Member::text(PORT),
        Member::text(DRIVER),
        Member::text(about.comment),
        Member::text(""),
        // No device settings.
        Member::None,
        Member::text(""),
        Member::text(PRINT_PROCESSOR),
        Member::text(RAW),
        Member::text(""),
        descriptor(&PRINTER_RIGHTS),
        Member::Number(ATTRIBUTES),
        Member::Number(PRIORITY),
        Member::Number(PRIORITY),
        // At any time of day.
        Member::Number(0),
        Member::Number(0),
        Member::Number(status(jobs)),
        Member::Number(count(jobs.len())),
        Member::Number(0),
    ]
}

// [MS-RPRN] 2.2.3.12
fn status(jobs: &[PrintJob]) -> u32 {
    const PRINTING: u32 = 0x0400;
    let is_printing = jobs.iter().any(|job| job.state == JobState::Printing);
    if is_printing { PRINTING } else { 0 }
}

// [MS-RPRN] 3.1.4.4.2
// There are no drivers.
pub(super) fn enum_drivers(
    call: &mut Call<'_>,
    (_, _, level, buffer, size): NamedArguments,
) -> Result<Filled, Fault> {
    let room = Room::new(buffer, size);
    Ok(match level {
        _ if call.is_anonymous() => room.refused(win32::ACCESS_DENIED),
        1..=6 | 8 => room.fill(&[]),
        _ => room.refused(win32::INVALID_LEVEL),
    })
}

type Driver = (Option<Array<u8>>, u32, u32, u32, u32);
type DriverArguments = (Handle, Text, u32, Option<Array<u8>>, u32, u32, u32);

type NamedArguments = (Text, Text, u32, Option<Array<u8>>, u32);

// [MS-RPRN] 3.1.4.8.2
pub(super) fn enum_print_processors(
    call: &mut Call<'_>,
    (_, environment, level, buffer, size): NamedArguments,
) -> Result<Filled, Fault> {
    let room = Room::new(buffer, size);
    // [MS-RPRN] 2.2.4.4
    let is_ours = environment.is_none_or(|environment| {
        let ours = Utf16String::from(ENVIRONMENT);
        environment.is_empty() || eq_ignore_case(environment.as_units(), ours.as_units())
    });
    Ok(match level {
        _ if call.is_anonymous() => room.refused(win32::ACCESS_DENIED),
        _ if !is_ours => room.refused(win32::INVALID_ENVIRONMENT),
        1 => room.fill(&[vec![Member::text(PRINT_PROCESSOR)]]),
        _ => room.refused(win32::INVALID_LEVEL),
    })
}

// [MS-RPRN] 3.1.4.8.5
pub(super) fn enum_datatypes(
    call: &mut Call<'_>,
    (_, processor, level, buffer, size): NamedArguments,
) -> Result<Filled, Fault> {
    let room = Room::new(buffer, size);
    let is_ours = processor.is_some_and(|processor| {
        let ours = Utf16String::from(PRINT_PROCESSOR);
        eq_ignore_case(processor.as_units(), ours.as_units())
    });
    Ok(match level {
        _ if call.is_anonymous() => room.refused(win32::ACCESS_DENIED),
        _ if !is_ours => room.refused(win32::UNKNOWN_PRINT_PROCESSOR),
        1 => room.fill(&[vec![Member::text(RAW)]]),
        _ => room.refused(win32::INVALID_LEVEL),
    })
}

// [MS-RPRN] 3.1.4.4.6
pub(super) fn get_driver(
    call: &mut Call<'_>,
    (handle, _, _, buffer, _, _, _): DriverArguments,
) -> Result<Driver, Fault> {
    let error = printer_of(call, &handle)?.err();
    let error = error.unwrap_or(win32::UNKNOWN_PRINTER_DRIVER);
    Ok((buffer, 0, 0, 0, error))
}

// [MS-RPRN] 3.1.4.5.5
// There are no forms: what fits on the paper is known to the printer alone.
pub(super) fn enum_forms(
    call: &mut Call<'_>,
    (handle, level, buffer, size): (Handle, u32, Option<Array<u8>>, u32),
) -> Result<Filled, Fault> {
    let _: &Opened = call.handles.find(&handle)?;
    let room = Room::new(buffer, size);
    Ok(match level {
        1 | 2 => room.fill(&[]),
        _ => room.refused(win32::INVALID_LEVEL),
    })
}

// [MS-RPRN] 3.1.4.6.1
// [MS-RPRN] 3.1.4.7.1
// Printers have no ports or monitors that could be managed.
pub(super) fn enum_ports(
    call: &mut Call<'_>,
    (_, level, buffer, size): (Text, u32, Option<Array<u8>>, u32),
) -> Result<Filled, Fault> {
    let room = Room::new(buffer, size);
    Ok(match level {
        _ if call.is_anonymous() => room.refused(win32::ACCESS_DENIED),
        1 | 2 => room.fill(&[]),
        _ => room.refused(win32::INVALID_LEVEL),
    })
}

pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

// [MS-RPRN] 2.2.3.7
const LOCAL: u32 = 0x02;
const NAMED: u32 = 0x08;
const REMOTE: u32 = 0x10;
const NETWORK: u32 = 0x40;
/// A printer, for those who show pictures.
const ICON8: u32 = 0x0080_0000;

/// PRINTER_ATTRIBUTE_QUEUED, SHARED, LOCAL and RAW_ONLY.
// [MS-RPRN] 2.2.3.12
const ATTRIBUTES: u32 = 0x0000_1049;

/// DSPRINT_UNPUBLISH.
const NOT_PUBLISHED: u32 = 0x04;

/// What kind of machine this is said to be, for drivers that nobody has to load.
pub(super) const ENVIRONMENT: &str = "Windows x64";
/// There is none that clients would have to load.
const DRIVER: &str = "";
/// What all printers are said to be connected to.
const PORT: &str = "SPOOL";
/// The name that Windows has for printing documents as they are.
pub(super) const PRINT_PROCESSOR: &str = "winprint";
