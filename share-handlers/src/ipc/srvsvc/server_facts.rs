//! What the server is: its name and version, time, disks, transports; and whether a name is one.

use server::disconnect::DisconnectReason;
use server::share::{ServerSnapshot, ServerView};
use wire::Utf16String;
use wire::dtyp::FileTime;

use super::super::calendar::SystemTime;
use super::super::enumeration::{Wanted, listed};
use super::super::ndr::{Array, Empty, Varying, Wide};
use super::super::rpc::{Call, Fault};
use super::super::{VERSION, win32};
use super::shares::is_wrong_in_share;
use super::types::{
    Disk, Disks, Server100, Server101, Server102, ServerInfo, Statistics, TimeOfDay, Transport0,
    Transport1, TransportEnum, Transports,
};
use super::{BACKSLASH, Text, text};

// [MS-SRVS] 3.1.4.17
pub(super) fn server_get_info(
    call: &mut Call<'_>,
    (server_name, level): (Text, u32),
) -> Result<(ServerInfo, u32), Fault> {
    let facts = call.services.view.facts();
    let asked = server_name.as_ref();
    let info = match level {
        100 => ServerInfo::Level100(Some(Server100 {
            platform: PLATFORM_ID_NT,
            name: name_of(&facts, asked),
        })),
        101 => ServerInfo::Level101(Some(server_101(&facts, asked))),
        102 => ServerInfo::Level102(Some(server_102(&facts, asked))),
        // What the server is tuned to is not told: nothing here is what those fields mean.
        502 => return Ok((ServerInfo::Level502(None::<Empty>), win32::ACCESS_DENIED)),
        503 => return Ok((ServerInfo::Level503(None::<Empty>), win32::ACCESS_DENIED)),
        other => return Ok((ServerInfo::Other(other), win32::INVALID_LEVEL)),
    };
    Ok((info, win32::SUCCESS))
}

// observed: Windows Server 2016 gives back the name that it was asked by, less its backslashes
fn name_of(facts: &ServerSnapshot, asked: Option<&Utf16String>) -> Text {
    asked.map(without_backslashes).or_else(|| text(&facts.name))
}

fn server_101(facts: &ServerSnapshot, asked: Option<&Utf16String>) -> Server101 {
    // [MS-SRVS] 2.2.2.7
    // SV_TYPE_WORKSTATION, SV_TYPE_SERVER, SV_TYPE_NT, SV_TYPE_SERVER_NT
    const TYPE: u32 = 0x0000_9003;
    let (major, minor) = VERSION;
    Server101 {
        platform: PLATFORM_ID_NT,
        name: name_of(facts, asked),
        major,
        minor,
        kind: TYPE,
        comment: text(&facts.comment),
    }
}

fn server_102(facts: &ServerSnapshot, asked: Option<&Utf16String>) -> Server102 {
    const UNLIMITED: u32 = u32::MAX;
    Server102 {
        common: server_101(facts, asked),
        users: UNLIMITED,
        disconnect_minutes: 15,
        hidden: 0,
        announce_seconds: 240,
        announce_milliseconds: 3000,
        licenses: 0,
        user_path: text("C:\\"),
    }
}

type DiskEnumArguments = (Text, u32, Disks, u32, Option<u32>);

// [MS-SRVS] 3.1.4.19
// All of the host is one drive; see the paths of shares.
pub(super) fn disk_enum(
    call: &mut Call<'_>,
    (_, level, _, _, resume): DiskEnumArguments,
) -> Result<(Disks, u32, Option<u32>, u32), Fault> {
    let none = Disks {
        count: 0,
        disks: None,
    };
    if level != 0 {
        return Ok((none, 0, resume, win32::INVALID_LEVEL));
    }
    if !call.is_administrator() {
        return Ok((none, 0, resume, win32::ACCESS_DENIED));
    }
    let drive = |letter: u8| Disk {
        offset: Wide(0),
        length: Wide(3),
        name: [letter.into(), b':'.into(), 0],
    };
    // The list ends with an empty name.
    let end = Disk {
        offset: Wide(0),
        length: Wide(3),
        name: [0; 3],
    };
    let elements = vec![drive(b'C'), end];
    let disks = Disks {
        count: 2,
        disks: Some(Varying { room: 2, elements }),
    };
    Ok((disks, 1, resume.map(|_| 0), win32::SUCCESS))
}

// [MS-SRVS] 3.1.4.20
pub(super) fn statistics_get(
    call: &mut Call<'_>,
    (_, _, level, options): (Text, Text, u32, u32),
) -> Result<(Option<Statistics>, u32), Fault> {
    if level != 0 {
        return Ok((None, win32::INVALID_LEVEL));
    }
    if options != 0 {
        return Ok((None, win32::INVALID_PARAMETER));
    }
    if !call.is_administrator() {
        return Ok((None, win32::ACCESS_DENIED));
    }
    Ok((Some(statistics(&*call.services.view)), win32::SUCCESS))
}

// [MS-SMB2] 3.3.4.24
fn statistics(view: &dyn ServerView) -> Statistics {
    let counted = view.statistics();
    let (start, _) = view.facts().start_time.to_unix();
    // Counters go round, as their readers know.
    let low_half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
    let halves = |number: u64| (low_half(number), low_half(number >> 32));
    let mut disconnects = counted.disconnects.iter();
    let idle = disconnects.find(|(reason, _)| *reason == DisconnectReason::IdleTimeout);
    Statistics {
        start: low(start),
        file_opens: low_half(counted.opens),
        device_opens: 0,
        jobs_queued: 0,
        sessions: u32::try_from(view.sessions().len()).unwrap_or(u32::MAX),
        timed_out: low_half(idle.map_or(0, |(_, count)| *count)),
        sessions_in_error: 0,
        password_errors: low_half(counted.failed_logons),
        permission_errors: low_half(counted.refused_opens),
        system_errors: 0,
        sent: halves(counted.bytes_sent).into(),
        received: halves(counted.bytes_received).into(),
        average_response: 0,
        lacking: [0; 2],
    }
}

type TransportEnumArguments = (Text, TransportEnum, u32, Option<u32>);

// [MS-SRVS] 3.1.4.24
pub(super) fn transport_enum(
    call: &mut Call<'_>,
    (_, asked, room, resume): TransportEnumArguments,
) -> Result<(TransportEnum, u32, Option<u32>, u32), Fault> {
    let wanted = Wanted { room, resume };
    let facts = call.services.view.facts();
    let sessions = u32::try_from(call.services.view.sessions().len()).unwrap_or(u32::MAX);
    let address = facts.name.as_bytes().to_vec();
    let common = Transport0 {
        circuits: sessions,
        name: text("\\Device\\NetbiosSmb"),
        address_length: u32::try_from(address.len()).unwrap_or_default(),
        address: Some(Array(address)),
        network_address: text("000000000000"),
    };
    let level = asked.level;
    let (list, total, resume, error) = match asked.list {
        Transports::Level0(_) => listed!(wanted, Transports::Level0, vec![common]),
        Transports::Level1(_) => {
            let domain = text(&facts.domain);
            listed!(
                wanted,
                Transports::Level1,
                vec![Transport1 { common, domain }]
            )
        }
        other @ Transports::Other(_) => (other, 0, resume, win32::INVALID_LEVEL),
    };
    Ok((TransportEnum { level, list }, total, resume, error))
}

// [MS-SRVS] 3.1.4.32
pub(super) fn name_validate(
    _: &mut Call<'_>,
    (_, name, kind, flags): (Text, Utf16String, u32, u32),
) -> Result<(u32,), Fault> {
    const LM20_NAMES: u32 = 0x8000_0000;
    if flags & !LM20_NAMES != 0 {
        return Ok((win32::INVALID_PARAMETER,));
    }
    let Some(rule) = NAMES.iter().find(|rule| rule.kind == kind) else {
        return Ok((win32::INVALID_PARAMETER,));
    };
    let longest = if flags == LM20_NAMES {
        rule.longest_old
    } else {
        rule.longest
    };
    let name = name.to_string_lossy();
    let is_right = !name.is_empty()
        && name.encode_utf16().count() <= longest
        && !name.chars().any(rule.is_wrong);
    Ok((if is_right {
        win32::SUCCESS
    } else {
        win32::INVALID_NAME
    },))
}

/// What a kind of name may look like.
struct NameRule {
    kind: u32,
    /// UTF-16 units of the longest one, and of the longest that LAN Manager 2.0 knew.
    longest: usize,
    longest_old: usize,
    is_wrong: fn(char) -> bool,
}

const fn rule(
    kind: u32,
    longest: usize,
    longest_old: usize,
    is_wrong: fn(char) -> bool,
) -> NameRule {
    NameRule {
        kind,
        longest,
        longest_old,
        is_wrong,
    }
}

/// What names of accounts and computers cannot hold.
fn is_wrong_in_account(letter: char) -> bool {
    letter.is_control() || "\"/\\[]:|<>+=;,?*".contains(letter)
}

/// What passwords cannot hold.
fn is_wrong_in_password(letter: char) -> bool {
    letter == '\0'
}

// [MS-SRVS] 2.2.2.8
const NAMES: &[NameRule] = &[
    rule(1, 256, 20, is_wrong_in_account),
    rule(2, 256, 14, is_wrong_in_password),
    rule(3, 256, 20, is_wrong_in_account),
    rule(4, 259, 15, is_wrong_in_account),
    rule(5, 16, 16, is_wrong_in_account),
    rule(6, 15, 15, is_wrong_in_account),
    rule(7, 80, 15, is_wrong_in_account),
    rule(8, 259, 259, |_| false),
    rule(9, 80, 12, is_wrong_in_share),
    rule(10, 259, 259, |_| false),
    rule(11, 259, 259, |_| false),
    rule(12, 8, 8, is_wrong_in_password),
    rule(13, 15, 15, is_wrong_in_account),
];

// [MS-SRVS] 3.1.4.21
pub(super) fn remote_tod(
    call: &mut Call<'_>,
    (_,): (Text,),
) -> Result<(Option<TimeOfDay>, u32), Fault> {
    let facts = call.services.view.facts();
    let now = time_of_day(facts.now, facts.start_time);
    Ok((Some(now), win32::SUCCESS))
}

fn time_of_day(now: FileTime, start: FileTime) -> TimeOfDay {
    const UTC: u32 = 0;
    /// A tick of 31 ms, as Windows says.
    const TICK: u32 = 310;
    let (seconds, nanoseconds) = now.to_unix();
    let running = now.0.saturating_sub(start.0) / 10_000;
    let date = SystemTime::from(now);
    TimeOfDay {
        unix_seconds: low(seconds),
        // After 49 days it begins anew, as its clients know.
        running_milliseconds: u32::try_from(running & u64::from(u32::MAX)).unwrap_or_default(),
        hours: date.hour.into(),
        minutes: date.minute.into(),
        seconds: date.second.into(),
        hundredths: nanoseconds / 10_000_000,
        zone_minutes: UTC,
        tick: TICK,
        day: date.day.into(),
        month: date.month.into(),
        year: date.year.into(),
        weekday: date.weekday.into(),
    }
}

fn low(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

fn without_backslashes(name: &Utf16String) -> Utf16String {
    let units = name.as_units();
    let from = units.iter().position(|unit| *unit != BACKSLASH);
    let rest = units.get(from.unwrap_or(units.len())..).unwrap_or_default();
    Utf16String::from_units(rest.to_vec())
}

/// [MS-SRVS] 2.2.2.6
const PLATFORM_ID_NT: u32 = 500;
