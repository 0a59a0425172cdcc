//! The server service: the shares, the server and its sessions. [MS-SRVS]
//!
//! Owns the procedures that clients browse with. Nothing can be changed through it.

use server::share::{ServerSnapshot, SessionSnapshot, ShareKind, ShareSnapshot};
use wire::Utf16String;
use wire::dtyp::{FileTime, Sid};
use wire::fscc::upcase::eq_ignore_case;

use super::enumeration::Enumeration;
use super::ndr::{Field, NdrReader, NdrWriter, Row, row};
use super::pdu::Syntax;
use super::rpc::{Call, Fault, Service};
use super::{VERSION, win32};

/// The service behind `\PIPE\srvsvc`.
pub(super) const SRVSVC: Service = Service {
    pipe: "srvsvc",
    // [MS-SRVS] 1.9
    interface: Syntax {
        id: *b"\xc8\x4f\x32\x4b\x70\x16\xd3\x01\x12\x78\x5a\x47\xbf\x6e\xe1\x88",
        version: 3,
    },
    call,
};

fn call(
    call: &Call<'_>,
    operation: u16,
    arguments: &mut NdrReader<'_>,
) -> Result<NdrWriter, Fault> {
    match operation {
        NETR_SESSION_ENUM => session_enum(call, arguments),
        NETR_SHARE_ENUM => share_enum(call, arguments, Sticky::No),
        NETR_SHARE_ENUM_STICKY => share_enum(call, arguments, Sticky::Yes),
        NETR_SHARE_GET_INFO => share_get_info(call, arguments),
        NETR_SERVER_GET_INFO => server_get_info(call, arguments),
        NETR_REMOTE_TOD => remote_tod(call, arguments),
        _ => Err(Fault::OPERATION_RANGE),
    }
}

const NETR_SESSION_ENUM: u16 = 12;
const NETR_SHARE_ENUM: u16 = 15;
const NETR_SHARE_GET_INFO: u16 = 16;
const NETR_SERVER_GET_INFO: u16 = 21;
const NETR_REMOTE_TOD: u16 = 28;
const NETR_SHARE_ENUM_STICKY: u16 = 36;

/// Whether only shares are wanted that outlive a restart: all of these do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sticky {
    Yes,
    No,
}

// [MS-SRVS] 3.1.4.8
// [MS-SRVS] 3.1.4.9
fn share_enum(
    call: &Call<'_>,
    arguments: &mut NdrReader<'_>,
    sticky: Sticky,
) -> Result<NdrWriter, Fault> {
    let _server_name = arguments.unique_string()?;
    let asked = Enumeration::decode(arguments)?;
    Ok(match asked.level {
        501 if sticky == Sticky::Yes => asked.refuse(win32::INVALID_LEVEL, true),
        0 | 1 | 2 | 501 | 502 => {
            let shares = call.view.shares();
            let shown = shares.iter().filter(|share| !share.hidden);
            let rows: Vec<Row> = shown
                .filter_map(|share| share_information(share, asked.level))
                .collect();
            asked.answer(&rows)
        }
        // The names of servers that the shares belong to are for clusters and their administrators.
        503 => asked.refuse(win32::ACCESS_DENIED, true),
        _ => asked.refuse(win32::INVALID_LEVEL, false),
    })
}

// [MS-SRVS] 3.1.4.10
fn share_get_info(call: &Call<'_>, arguments: &mut NdrReader<'_>) -> Result<NdrWriter, Fault> {
    let _server_name = arguments.unique_string()?;
    let name = arguments.string()?;
    let level = arguments.u32()?;
    let found = find_share(call, &name).and_then(|share| {
        let information = share_information(&share, level);
        information.ok_or(if level == 503 {
            win32::ACCESS_DENIED
        } else {
            win32::INVALID_LEVEL
        })
    });
    Ok(answer(level, SHARE_LEVELS, found))
}

fn find_share(call: &Call<'_>, name: &Utf16String) -> Result<ShareSnapshot, u32> {
    if name.is_empty() {
        return Err(win32::INVALID_PARAMETER);
    }
    let is_called = |share: &ShareSnapshot| {
        eq_ignore_case(
            Utf16String::from(share.name.as_str()).as_units(),
            name.as_units(),
        )
    };
    let mut shares = call.view.shares().into_iter();
    shares.find(is_called).ok_or(win32::NET_NAME_NOT_FOUND)
}

/// The levels of SHARE_INFO that a client may ask for.
const SHARE_LEVELS: &[u32] = &[0, 1, 2, 501, 502, 503, 1005];

/// SHARE_INFO_x; none for a level that there is no answer to.
// [MS-SRVS] 2.2.4.26
fn share_information(share: &ShareSnapshot, level: u32) -> Option<Row> {
    let kind = share_type(share.kind);
    let flags = share_flags(share);
    // Where the share is on the host is not told: a path as clients expect one has to do.
    let path = match share.kind {
        ShareKind::Pipe => String::new(),
        ShareKind::Disk | ShareKind::Print => format!("C:\\{}", share.name),
    };
    let uses = || {
        row![
            0,
            share.max_uses.unwrap_or(u32::MAX),
            share.current_uses,
            &path
        ]
    };
    let mut row: Row = match level {
        0 => return Some(row![&share.name]),
        1005 => return Some(row![flags]),
        1 | 2 | 501 | 502 => row![&share.name, kind, &share.comment],
        _ => return None,
    };
    match level {
        2 => row.extend(uses().into_iter().chain([Field::Null])),
        501 => row.push(Field::Number(flags)),
        // No password, and no descriptor: access is decided by lists of users.
        502 => row.extend(
            uses()
                .into_iter()
                .chain([Field::Null, Field::Number(0), Field::Null]),
        ),
        _ => {}
    }
    Some(row)
}

// [MS-SRVS] 2.2.2.4
fn share_type(kind: ShareKind) -> u32 {
    const STYPE_PRINTQ: u32 = 1;
    const STYPE_IPC: u32 = 3;
    const STYPE_SPECIAL: u32 = 0x8000_0000;
    match kind {
        ShareKind::Disk => 0,
        ShareKind::Print => STYPE_PRINTQ,
        ShareKind::Pipe => STYPE_IPC | STYPE_SPECIAL,
    }
}

// [MS-SRVS] 2.2.4.29
fn share_flags(share: &ShareSnapshot) -> u32 {
    const ACCESS_BASED_DIRECTORY_ENUM: u32 = 0x0800;
    const ENCRYPT_DATA: u32 = 0x8000;
    // [MS-SRVS] 2.2.2.5
    let caching = match share.caching {
        config::Caching::Manual => 0x00,
        config::Caching::Documents => 0x10,
        config::Caching::Programs => 0x20,
        config::Caching::Never => 0x30,
    };
    let optional = [
        (share.access_based_enumeration, ACCESS_BASED_DIRECTORY_ENUM),
        (share.encrypted, ENCRYPT_DATA),
    ];
    let set = optional.into_iter().filter(|(is_set, _)| *is_set);
    set.fold(caching, |flags, (_, flag)| flags | flag)
}

// [MS-SRVS] 3.1.4.17
fn server_get_info(call: &Call<'_>, arguments: &mut NdrReader<'_>) -> Result<NdrWriter, Fault> {
    const LEVELS: &[u32] = &[100, 101, 102, 502, 503];
    let server_name = arguments.unique_string()?;
    let level = arguments.u32()?;
    let facts = call.view.facts();
    let found = match level {
        100..=102 => Ok(server_information(&facts, server_name.as_ref(), level)),
        // What the server is tuned to is for its administrators.
        502 | 503 => Err(win32::ACCESS_DENIED),
        _ => Err(win32::INVALID_LEVEL),
    };
    Ok(answer(level, LEVELS, found))
}

/// SERVER_INFO_100 to SERVER_INFO_102.
// [MS-SRVS] 2.2.4.43
fn server_information(facts: &ServerSnapshot, asked: Option<&Utf16String>, level: u32) -> Row {
    const PLATFORM_ID_NT: u32 = 500;
    // [MS-SRVS] 2.2.2.7
    // SV_TYPE_WORKSTATION, SV_TYPE_SERVER, SV_TYPE_NT, SV_TYPE_SERVER_NT
    const TYPE: u32 = 0x0000_9003;
    const UNLIMITED: u32 = u32::MAX;
    // observed: Windows Server 2016 gives back the name that it was asked by, less its backslashes
    let name = asked.map(without_backslashes);
    let name = name.unwrap_or_else(|| Utf16String::from(facts.name.as_str()));
    let mut row: Row = vec![Field::Number(PLATFORM_ID_NT), Field::Text(name)];
    let (major, minor) = VERSION;
    if level >= 101 {
        row.extend(row![major, minor, TYPE, &facts.comment]);
    }
    if level >= 102 {
        let (disconnect_minutes, shown) = (15, 0);
        let (announce_seconds, announce_milliseconds, licenses) = (240, 3000, 0);
        row.extend(row![UNLIMITED, disconnect_minutes, shown]);
        row.extend(row![
            announce_seconds,
            announce_milliseconds,
            licenses,
            "C:\\"
        ]);
    }
    row
}

// [MS-SRVS] 3.1.4.21
fn remote_tod(call: &Call<'_>, arguments: &mut NdrReader<'_>) -> Result<NdrWriter, Fault> {
    let _server_name = arguments.unique_string()?;
    let facts = call.view.facts();
    let mut out = NdrWriter::default();
    out.referent();
    out.rows(&[time_of_day(facts.now, facts.start_time)]);
    out.u32(win32::SUCCESS);
    Ok(out)
}

/// TIME_OF_DAY_INFO.
// [MS-SRVS] 2.2.4.105
fn time_of_day(now: FileTime, start: FileTime) -> Row {
    const UTC: u32 = 0;
    /// A tick of 31 ms, as Windows says.
    const TICK: u32 = 310;
    const DAY: i64 = 86_400;
    let (seconds, nanoseconds) = now.to_unix();
    let running = now.0.saturating_sub(start.0) / 10_000;
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date(days);
    // 1970-01-01 was a Thursday.
    let weekday = (days + 4).rem_euclid(7);
    row![
        low(seconds),
        running as u32,
        low(of_day / 3600),
        low(of_day / 60 % 60),
        low(of_day % 60),
        nanoseconds / 10_000_000,
        UTC,
        TICK,
        low(day),
        low(month),
        low(year),
        low(weekday),
    ]
}

/// Year, month and day of the day with this number, of which 1970-01-01 has 0.
fn date(days: i64) -> (i64, i64, i64) {
    // Counted in years that begin in March, so that the leap day is the last one.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn low(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

// [MS-SRVS] 3.1.4.5
fn session_enum(call: &Call<'_>, arguments: &mut NdrReader<'_>) -> Result<NdrWriter, Fault> {
    let _server_name = arguments.unique_string()?;
    let client = arguments.unique_string()?.filter(|name| !name.is_empty());
    let user = arguments.unique_string()?.filter(|name| !name.is_empty());
    let asked = Enumeration::decode(arguments)?;
    if !matches!(asked.level, 0 | 1 | 2 | 10 | 502) {
        return Ok(asked.refuse(win32::INVALID_LEVEL, false));
    }
    // Who works from where is nobody's business but the administrators'.
    if !call.token.contains(&Sid::ADMINISTRATORS) {
        return Ok(asked.refuse(win32::ACCESS_DENIED, true));
    }
    let client = match client.as_ref().map(computer_name).transpose() {
        Ok(client) => client,
        Err(error) => return Ok(asked.refuse(error, true)),
    };
    let is_same = |wanted: &Option<Utf16String>, present: &str| {
        let present = Utf16String::from(present);
        let same = |wanted: &Utf16String| eq_ignore_case(wanted.as_units(), present.as_units());
        wanted.as_ref().is_none_or(same)
    };
    let sessions = call.view.sessions();
    let wanted: Vec<&SessionSnapshot> = sessions
        .iter()
        .filter(|session| is_same(&client, &session.client) && is_same(&user, &session.user))
        .collect();
    if wanted.is_empty() && user.is_some() {
        return Ok(asked.refuse(win32::USER_NOT_FOUND, true));
    }
    if wanted.is_empty() && client.is_some() {
        return Ok(asked.refuse(win32::CLIENT_NAME_NOT_FOUND, true));
    }
    let now = call.view.facts().now;
    let rows = wanted
        .into_iter()
        .map(|session| session_information(session, asked.level, now));
    Ok(asked.answer(&rows.collect::<Vec<_>>()))
}

/// The name behind two backslashes.
fn computer_name(name: &Utf16String) -> Result<Utf16String, u32> {
    let units = name.as_units().strip_prefix(&[BACKSLASH, BACKSLASH]);
    let units = units.ok_or(win32::INVALID_COMPUTER)?;
    Ok(Utf16String::from_units(units.to_vec()))
}

/// SESSION_INFO_x.
// [MS-SRVS] 2.2.4.15
fn session_information(session: &SessionSnapshot, level: u32, now: FileTime) -> Row {
    const IDLE_UNKNOWN: u32 = 0;
    const SESS_GUEST: u32 = 1;
    let seconds = now.0.saturating_sub(session.creation_time.0) / 10_000_000;
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let flags = if session.is_guest { SESS_GUEST } else { 0 };
    let mut row: Row = row![&session.client];
    match level {
        1 | 2 | 502 => row.extend(row![
            &session.user,
            session.opens,
            seconds,
            IDLE_UNKNOWN,
            flags
        ]),
        10 => row.extend(row![&session.user, seconds, IDLE_UNKNOWN]),
        _ => {}
    }
    match level {
        2 => row.extend(row![""]),
        502 => row.extend(row!["", ""]),
        _ => {}
    }
    row
}

/// A structure of the level, or why there is none.
fn answer(level: u32, levels: &[u32], found: Result<Row, u32>) -> NdrWriter {
    let mut out = NdrWriter::default();
    match &found {
        Ok(row) => out.information(level, Some(row)),
        Err(_) if levels.contains(&level) => out.information(level, None),
        // The default arm of the union is empty.
        Err(_) => out.u32(level),
    }
    out.u32(found.err().unwrap_or(win32::SUCCESS));
    out
}

fn without_backslashes(name: &Utf16String) -> Utf16String {
    let units = name.as_units();
    let from = units.iter().position(|unit| *unit != BACKSLASH);
    let rest = units.get(from.unwrap_or(units.len())..).unwrap_or_default();
    Utf16String::from_units(rest.to_vec())
}

const BACKSLASH: u16 = 0x5c;
