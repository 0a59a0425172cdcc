//! What the server can be asked, each as one table.

use std::time::Duration;

use serde_json::Value;
use server::object_store::LockKind;
use server::share::{OpenSnapshot, ServerView, SessionSnapshot, ShareKind};
use wire::dtyp::FileTime;

use super::table::Table;

/// Makes a table of what a server tells.
pub(super) type Report = fn(&dyn ServerView) -> Table;

/// Every report and what its files are called, without what follows the dot.
pub(super) const REPORTS: &[(&str, Report)] = &[
    ("server", server),
    ("requests", requests),
    ("disconnects", disconnects),
    ("shares", shares),
    ("sessions", sessions),
    ("opens", opens),
    ("locks", locks),
];

/// One session in full.
pub(super) fn session(session: &SessionSnapshot) -> Table {
    sessions_of(std::slice::from_ref(session))
}

/// One open in full.
pub(super) fn open(open: &OpenSnapshot) -> Table {
    opens_of(std::slice::from_ref(open))
}

fn server(view: &dyn ServerView) -> Table {
    let (facts, counted) = (view.facts(), view.statistics());
    let rows = [
        ["name".into(), facts.name.into()],
        ["domain".into(), facts.domain.into()],
        ["comment".into(), facts.comment.into()],
        ["time".into(), time(facts.now)],
        ["started".into(), time(facts.start_time)],
        ["bytes received".into(), counted.bytes_received.into()],
        ["bytes sent".into(), counted.bytes_sent.into()],
        ["connections so far".into(), counted.connections.into()],
        ["sessions so far".into(), counted.sessions.into()],
        ["failed log-ons so far".into(), counted.failed_logons.into()],
        ["opens so far".into(), counted.opens.into()],
        ["sessions".into(), view.sessions().len().into()],
        ["tree connects".into(), view.tree_connects().len().into()],
        ["opens".into(), view.opens().len().into()],
    ];
    Table::new(&["fact", "value"]).with(rows.into_iter())
}

fn requests(view: &dyn ServerView) -> Table {
    let counted = view.statistics().requests.into_iter();
    let row = counted.map(|(command, one)| {
        [
            command.name().into(),
            one.succeeded.into(),
            one.failed.into(),
            one.waited.into(),
            one.times.measured().into(),
            microseconds(one.times.mean()),
            microseconds(one.times.percentile(50)),
            microseconds(one.times.percentile(99)),
            microseconds(one.times.percentile(100)),
        ]
    });
    Table::new(&[
        "command",
        "succeeded",
        "failed",
        "waited",
        "measured",
        "mean us",
        "p50 us",
        "p99 us",
        "max us",
    ])
    .with(row)
}

fn disconnects(view: &dyn ServerView) -> Table {
    let counted = view.statistics().disconnects.into_iter();
    let rows = counted.map(|(reason, times)| [reason.text().into(), times.into()]);
    Table::new(&["cause", "times"]).with(rows)
}

fn shares(view: &dyn ServerView) -> Table {
    let shares = view.shares().into_iter();
    let rows = shares.map(|share| {
        let path = share.path.map(|path| path.display().to_string());
        [
            share.name.into(),
            kind(share.kind).into(),
            path.into(),
            share.current_uses.into(),
            share.max_uses.into(),
            share.hidden.into(),
            share.encrypted.into(),
            share.comment.into(),
        ]
    });
    Table::new(&[
        "name",
        "kind",
        "folder",
        "uses",
        "most uses",
        "hidden",
        "encrypted",
        "comment",
    ])
    .with(rows)
}

fn sessions(view: &dyn ServerView) -> Table {
    sessions_of(&view.sessions())
}

fn sessions_of(sessions: &[SessionSnapshot]) -> Table {
    let rows = sessions.iter().map(|session| {
        [
            session.id.into(),
            session.user.as_str().into(),
            session.is_guest.into(),
            session.client.as_str().into(),
            session.opens.into(),
            time(session.creation_time),
        ]
    });
    Table::new(&["id", "user", "guest", "client", "opens", "since"]).with(rows)
}

fn opens(view: &dyn ServerView) -> Table {
    opens_of(&view.opens())
}

fn opens_of(opens: &[OpenSnapshot]) -> Table {
    let rows = opens.iter().map(|open| {
        [
            open.id.into(),
            open.user.as_str().into(),
            open.client.as_str().into(),
            open.share.as_str().into(),
            open.name.as_str().into(),
            format!("{:#010x}", open.access.bits()).into(),
        ]
    });
    Table::new(&["id", "user", "client", "share", "name", "access"]).with(rows)
}

fn locks(view: &dyn ServerView) -> Table {
    let locks = view.locks(MOST_LOCKS).into_iter();
    let rows = locks.map(|lock| {
        let kind = match lock.kind {
            LockKind::Shared => "shared",
            LockKind::Exclusive => "exclusive",
        };
        let state = if lock.is_granted { "locked" } else { "waits" };
        [
            lock.open.into(),
            lock.share.into(),
            lock.name.into(),
            lock.range.offset.into(),
            lock.range.length.into(),
            kind.into(),
            state.into(),
        ]
    });
    Table::new(&["open", "share", "name", "offset", "length", "kind", "state"]).with(rows)
}

fn kind(kind: ShareKind) -> &'static str {
    match kind {
        ShareKind::Disk => "disk",
        ShareKind::Pipe => "pipe",
        ShareKind::Print => "print",
    }
}

fn microseconds(time: Duration) -> Value {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).into()
}

/// A time of day as `2026-03-01 12:00:00`, in coordinated universal time; `null` for none.
fn time(time: FileTime) -> Value {
    let Some(seconds) = (time.0 / 10_000_000).checked_sub(SECONDS_TO_1970) else {
        return Value::Null;
    };
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}").into()
}

/// Year, month and day of a number of days since 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    // Years that begin in March have their leap day at the end; the calendar repeats every 400 of them.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + next, month, day)
}

/// The seconds from 1601 to 1970.
const SECONDS_TO_1970: u64 = 11_644_473_600;
/// How many locks are listed.
const MOST_LOCKS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_the_calendar_has_them() {
        let shown = |seconds: i64| time(FileTime::from_unix(seconds, 0));
        assert_eq!(shown(0), "1970-01-01 00:00:00");
        assert_eq!(shown(951_782_399), "2000-02-28 23:59:59");
        assert_eq!(shown(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(shown(1_709_164_800), "2024-02-29 00:00:00");
        assert_eq!(shown(4_107_542_400), "2100-03-01 00:00:00");
        assert_eq!(time(FileTime(0)), Value::Null);
    }
}
