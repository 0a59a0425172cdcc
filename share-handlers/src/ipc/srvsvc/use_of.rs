//! Who uses what: sessions, connections to shares, and open files; and ending that.

use server::share::{OpenSnapshot, SessionSnapshot, TreeConnectSnapshot};
use wire::Utf16String;
use wire::dtyp::{AccessMask, FileTime};
use wire::fscc::upcase::eq_ignore_case;

use super::super::enumeration::{Wanted, listed};
use super::super::rpc::{Call, Fault, Later};
use super::super::win32;
use super::shares::client_path;
use super::types::{
    Connection0, Connection1, ConnectionEnum, Connections, File2, File3, FileEnum, FileInfo, Files,
    Session0, Session1, Session2, Session10, Session502, SessionEnum, Sessions,
};
use super::{BACKSLASH, Text, filled, is_same, text};

type SessionEnumArguments = (Text, Text, Text, SessionEnum, u32, Option<u32>);

// [MS-SRVS] 3.1.4.5
pub(super) fn session_enum(
    call: &mut Call<'_>,
    (_, client, user, asked, room, resume): SessionEnumArguments,
) -> Result<(SessionEnum, u32, Option<u32>, u32), Fault> {
    let level = asked.level;
    let refuse = |error| {
        Ok((
            SessionEnum {
                level,
                list: no_sessions(&asked.list),
            },
            0,
            resume,
            error,
        ))
    };
    if matches!(asked.list, Sessions::Other(_)) {
        return refuse(win32::INVALID_LEVEL);
    }
    // Who works from where is nobody's business but the administrators'.
    if !call.is_administrator() {
        return refuse(win32::ACCESS_DENIED);
    }
    let found = match find_sessions(call, client, user) {
        Ok(found) => found,
        Err(error) => return refuse(error),
    };
    let now = call.services.view.facts().now;
    let wanted = Wanted { room, resume };
    let sessions = found.iter();
    let (list, total, resume, error) = match asked.list {
        Sessions::Level0(_) => listed!(wanted, Sessions::Level0, sessions.map(session_0).collect()),
        Sessions::Level1(_) => {
            listed!(
                wanted,
                Sessions::Level1,
                sessions.map(|one| session_1(one, now)).collect()
            )
        }
        Sessions::Level2(_) => {
            listed!(
                wanted,
                Sessions::Level2,
                sessions.map(|one| session_2(one, now)).collect()
            )
        }
        Sessions::Level10(_) => {
            listed!(
                wanted,
                Sessions::Level10,
                sessions.map(|one| session_10(one, now)).collect()
            )
        }
        Sessions::Level502(_) => {
            listed!(
                wanted,
                Sessions::Level502,
                sessions.map(|one| session_502(one, now)).collect()
            )
        }
        Sessions::Other(_) => return refuse(win32::INVALID_LEVEL),
    };
    Ok((SessionEnum { level, list }, total, resume, error))
}

fn no_sessions(list: &Sessions) -> Sessions {
    match list {
        Sessions::Level0(_) => Sessions::Level0(None),
        Sessions::Level1(_) => Sessions::Level1(None),
        Sessions::Level2(_) => Sessions::Level2(None),
        Sessions::Level10(_) => Sessions::Level10(None),
        Sessions::Level502(_) => Sessions::Level502(None),
        Sessions::Other(level) => Sessions::Other(*level),
    }
}

/// The sessions of a client, a user, or both, or all.
fn find_sessions(call: &Call<'_>, client: Text, user: Text) -> Result<Vec<SessionSnapshot>, u32> {
    let client = filled(client).as_ref().map(computer_name).transpose()?;
    let user = filled(user);
    let is_wanted = |wanted: &Text, present: &str| {
        wanted
            .as_ref()
            .is_none_or(|wanted| is_same(wanted, present))
    };
    let mut found = call.services.view.sessions();
    found.retain(|one| is_wanted(&client, &one.client) && is_wanted(&user, &one.user));
    match (found.is_empty(), user, client) {
        (true, Some(_), _) => Err(win32::USER_NOT_FOUND),
        (true, None, Some(_)) => Err(win32::CLIENT_NAME_NOT_FOUND),
        _ => Ok(found),
    }
}

/// The name behind two backslashes.
fn computer_name(name: &Utf16String) -> Result<Utf16String, u32> {
    let units = name.as_units().strip_prefix(&[BACKSLASH, BACKSLASH]);
    let units = units.ok_or(win32::INVALID_COMPUTER)?;
    Ok(Utf16String::from_units(units.to_vec()))
}

// [MS-SRVS] 3.1.4.6
pub(super) fn session_del(
    call: &mut Call<'_>,
    (_, client, user): (Text, Text, Text),
) -> Result<Later<(u32,)>, Fault> {
    let found = if call.is_administrator() {
        find_sessions(call, client, user)
    } else {
        Err(win32::ACCESS_DENIED)
    };
    let view = call.services.view.clone();
    Ok(Box::pin(async move {
        let sessions = match found {
            Err(error) => return (error,),
            Ok(sessions) => sessions,
        };
        for session in sessions {
            // One that has ended meanwhile is what was wanted.
            let _ = view.close_session(session.id).await;
        }
        (win32::SUCCESS,)
    }))
}

fn session_0(session: &SessionSnapshot) -> Session0 {
    Session0 {
        client: text(&session.client),
    }
}

fn session_1(session: &SessionSnapshot, now: FileTime) -> Session1 {
    const SESS_GUEST: u32 = 1;
    Session1 {
        client: text(&session.client),
        user: text(&session.user),
        opens: session.opens,
        seconds: seconds(session.creation_time, now),
        idle_seconds: idle_seconds(session),
        flags: if session.is_guest { SESS_GUEST } else { 0 },
    }
}

fn session_2(session: &SessionSnapshot, now: FileTime) -> Session2 {
    Session2 {
        common: session_1(session, now),
        client_type: text(""),
    }
}

fn session_10(session: &SessionSnapshot, now: FileTime) -> Session10 {
    Session10 {
        client: text(&session.client),
        user: text(&session.user),
        seconds: seconds(session.creation_time, now),
        idle_seconds: idle_seconds(session),
    }
}

fn session_502(session: &SessionSnapshot, now: FileTime) -> Session502 {
    Session502 {
        common: session_2(session, now),
        transport: text(""),
    }
}

fn seconds(since: FileTime, now: FileTime) -> u32 {
    u32::try_from(now.0.saturating_sub(since.0) / 10_000_000).unwrap_or(u32::MAX)
}

fn idle_seconds(session: &SessionSnapshot) -> u32 {
    u32::try_from(session.idle.as_secs()).unwrap_or(u32::MAX)
}

type ConnectionEnumArguments = (Text, Text, ConnectionEnum, u32, Option<u32>);

// [MS-SRVS] 3.1.4.1
pub(super) fn connection_enum(
    call: &mut Call<'_>,
    (_, of, asked, room, resume): ConnectionEnumArguments,
) -> Result<(ConnectionEnum, u32, Option<u32>, u32), Fault> {
    let level = asked.level;
    let refuse = |error| {
        let list = match asked.list {
            Connections::Level0(_) => Connections::Level0(None),
            Connections::Level1(_) => Connections::Level1(None),
            Connections::Other(level) => Connections::Other(level),
        };
        Ok((ConnectionEnum { level, list }, 0, resume, error))
    };
    if matches!(asked.list, Connections::Other(_)) {
        return refuse(win32::INVALID_LEVEL);
    }
    if !call.is_administrator() {
        return refuse(win32::ACCESS_DENIED);
    }
    let Some(of) = filled(of) else {
        return refuse(win32::INVALID_PARAMETER);
    };
    let now = call.services.view.facts().now;
    let mut found = call.services.view.tree_connects();
    match of.as_units().strip_prefix(&[BACKSLASH, BACKSLASH]) {
        Some(client) => {
            let client = Utf16String::from_units(client.to_vec());
            found.retain(|one| is_same(&client, &one.client));
        }
        None => found.retain(|one| is_same(&of, &one.share)),
    }
    let wanted = Wanted { room, resume };
    let (list, total, resume, error) = match asked.list {
        Connections::Level0(_) => {
            let ids = found.iter().map(|one| Connection0 { id: one.id });
            listed!(wanted, Connections::Level0, ids.collect())
        }
        _ => {
            let rows = found.iter().map(|one| connection_1(one, now));
            listed!(wanted, Connections::Level1, rows.collect())
        }
    };
    Ok((ConnectionEnum { level, list }, total, resume, error))
}

fn connection_1(tree: &TreeConnectSnapshot, now: FileTime) -> Connection1 {
    use server::share::ShareKind;
    Connection1 {
        id: tree.id,
        kind: match tree.kind {
            ShareKind::Disk => 0,
            ShareKind::Print => 1,
            ShareKind::Pipe => 3,
        },
        opens: tree.opens,
        users: 1,
        seconds: seconds(tree.creation_time, now),
        user: text(&tree.user),
        share: text(&tree.share),
    }
}

type FileEnumArguments = (Text, Text, Text, FileEnum, u32, Option<u32>);

// [MS-SRVS] 3.1.4.2
pub(super) fn file_enum(
    call: &mut Call<'_>,
    (_, below, user, asked, room, resume): FileEnumArguments,
) -> Result<(FileEnum, u32, Option<u32>, u32), Fault> {
    let level = asked.level;
    let refuse = |error| {
        let list = match asked.list {
            Files::Level2(_) => Files::Level2(None),
            Files::Level3(_) => Files::Level3(None),
            Files::Other(level) => Files::Other(level),
        };
        Ok((FileEnum { level, list }, 0, resume, error))
    };
    if matches!(asked.list, Files::Other(_)) {
        return refuse(win32::INVALID_LEVEL);
    }
    if !call.is_administrator() {
        return refuse(win32::ACCESS_DENIED);
    }
    let (below, user) = (filled(below), filled(user));
    let mut files: Vec<File3> = call
        .services
        .view
        .opens()
        .iter()
        .filter_map(file_3)
        .collect();
    let is_of = |file: &File3| {
        let is_below = below
            .as_ref()
            .is_none_or(|below| begins_with(file.path.as_ref(), below));
        let is_users = user.as_ref().is_none_or(|user| {
            file.user
                .as_ref()
                .is_some_and(|its| eq_ignore_case(its.as_units(), user.as_units()))
        });
        is_below && is_users
    };
    files.retain(is_of);
    let wanted = Wanted { room, resume };
    let (list, total, resume, error) = match asked.list {
        Files::Level2(_) => {
            let ids = files.iter().map(|file| File2 { id: file.id });
            listed!(wanted, Files::Level2, ids.collect())
        }
        _ => listed!(wanted, Files::Level3, files),
    };
    Ok((FileEnum { level, list }, total, resume, error))
}

fn begins_with(path: Option<&Utf16String>, prefix: &Utf16String) -> bool {
    let prefix = prefix.as_units();
    let start = path.and_then(|path| path.as_units().get(..prefix.len()));
    start.is_some_and(|start| eq_ignore_case(start, prefix))
}

/// An open as clients are told of it; none whose number is too great for that.
fn file_3(open: &OpenSnapshot) -> Option<File3> {
    const READ: u32 = 1;
    const WRITE: u32 = 2;
    const CREATE: u32 = 4;
    let path = if open.is_pipe {
        format!("\\PIPE\\{}", open.name)
    } else {
        let folder = open.folder.as_deref().map(client_path);
        let folder = folder.unwrap_or_else(|| format!("C:\\{}", open.share));
        format!("{}\\{}", folder.trim_end_matches('\\'), open.name)
    };
    let granted = [
        (AccessMask::FILE_READ_DATA, READ),
        (AccessMask::FILE_WRITE_DATA, WRITE),
        (AccessMask::FILE_APPEND_DATA, CREATE),
    ];
    let granted = granted
        .iter()
        .filter(|(access, _)| open.access.contains(*access));
    Some(File3 {
        id: u32::try_from(open.id).ok()?,
        permissions: granted.fold(0, |all, (_, one)| all | one),
        locks: 0,
        path: text(&path),
        user: text(&open.user),
    })
}

// [MS-SRVS] 3.1.4.3
pub(super) fn file_get_info(
    call: &mut Call<'_>,
    (_, id, level): (Text, u32, u32),
) -> Result<(FileInfo, u32), Fault> {
    let nothing = match level {
        2 => FileInfo::Level2(None),
        3 => FileInfo::Level3(None),
        other => return Ok((FileInfo::Other(other), win32::INVALID_LEVEL)),
    };
    if !call.is_administrator() {
        return Ok((nothing, win32::ACCESS_DENIED));
    }
    let opens = call.services.view.opens();
    let found = opens.iter().filter_map(file_3).find(|file| file.id == id);
    Ok(match (found, level) {
        (None, _) => (nothing, win32::FILE_ID_NOT_FOUND),
        (Some(file), 2) => (
            FileInfo::Level2(Some(File2 { id: file.id })),
            win32::SUCCESS,
        ),
        (Some(file), _) => (FileInfo::Level3(Some(file)), win32::SUCCESS),
    })
}

// [MS-SRVS] 3.1.4.4
pub(super) fn file_close(
    call: &mut Call<'_>,
    (_, id): (Text, u32),
) -> Result<Later<(u32,)>, Fault> {
    let closing = call
        .is_administrator()
        .then(|| call.services.view.close_open(id.into()));
    Ok(Box::pin(async move {
        let Some(closing) = closing else {
            return (win32::ACCESS_DENIED,);
        };
        let closed = closing.await;
        (closed
            .err()
            .map_or(win32::SUCCESS, |_| win32::FILE_ID_NOT_FOUND),)
    }))
}
