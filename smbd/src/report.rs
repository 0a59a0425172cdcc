//! What `smbd status` shows: a snapshot of connections, sessions and opens, as JSON between the
//! programs and as text.

use std::{fmt::Write, sync::Arc, time::Duration};

use auth::LogonKind;
use serde::{Deserialize, Serialize};
use server::{ConnectionState, Server, Session};

/// A snapshot of a running server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The server's GUID.
    guid: String,
    /// Bytes received since the start.
    bytes_received: u64,
    /// Bytes sent since the start.
    bytes_sent: u64,
    /// Log-ons that failed since the start.
    failed_logons: u64,
    connections: Vec<Connection>,
    sessions: Vec<SessionLine>,
    opens: Vec<Open>,
    /// How many opens there are, of which `opens` shows the first.
    open_count: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Connection {
    id: u64,
    /// The client's address; `local` for a Unix socket.
    client: String,
    dialect: String,
    cipher: String,
    connected_seconds: u64,
    requests_waiting: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct SessionLine {
    id: String,
    user: String,
    kind: String,
    protection: String,
    connections: Vec<u64>,
    shares: Vec<String>,
    opens: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Open {
    /// The session, or `waiting` for an open that waits for its client.
    session: String,
    user: String,
    share: String,
    path: String,
}

impl Report {
    /// What is going on now.
    pub(crate) fn of(server: &Server) -> Self {
        let connections = server.connections();
        let sessions = server.sessions();
        let now = server.environment().now();
        let waiting = server.disconnected_opens();
        let opens = sessions.iter().flat_map(|session| opens_of(session));
        let opens = opens.chain(waiting.iter().map(|open| waiting_open(open)));
        Self {
            guid: server.guid.to_string(),
            bytes_received: server.statistics.bytes_received.value(),
            bytes_sent: server.statistics.bytes_sent.value(),
            failed_logons: server.statistics.failed_logons.value(),
            opens: opens.take(MOST_OPENS).collect(),
            open_count: server.open_count(),
            sessions: sessions
                .iter()
                .map(|session| session_line(session, &connections))
                .collect(),
            connections: connections
                .iter()
                .map(|one| connection(one, now.saturating_duration_since(one.accepted)))
                .collect(),
        }
    }

    /// The snapshot as tables for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "server {}: {} connections, {} sessions, {} opens, {} bytes received, {} sent, {} failed log-ons\n",
            self.guid,
            self.connections.len(),
            self.sessions.len(),
            self.open_count,
            self.bytes_received,
            self.bytes_sent,
            self.failed_logons,
        );
        let rows = self.connections.iter().map(|one| {
            let seconds = format!("{} s", one.connected_seconds);
            [
                one.id.to_string(),
                one.client.clone(),
                one.dialect.clone(),
                one.cipher.clone(),
                seconds,
            ]
        });
        table(
            &mut text,
            ["CONNECTION", "CLIENT", "DIALECT", "CIPHER", "SINCE"],
            rows,
        );
        let rows = self.sessions.iter().map(|one| {
            let user = match one.kind.as_str() {
                "user" => one.user.clone(),
                kind => format!("{} ({kind})", one.user),
            };
            [
                one.id.clone(),
                user,
                one.protection.clone(),
                one.shares.join(","),
                one.opens.to_string(),
            ]
        });
        table(
            &mut text,
            ["SESSION", "USER", "PROTECTION", "SHARES", "OPENS"],
            rows,
        );
        let rows = self.opens.iter().map(|one| {
            [
                one.session.clone(),
                one.user.clone(),
                one.share.clone(),
                one.path.clone(),
            ]
        });
        table(&mut text, ["SESSION", "USER", "SHARE", "OPEN"], rows);
        text
    }
}

fn connection(connection: &ConnectionState, connected: Duration) -> Connection {
    let negotiated = connection.negotiated();
    let client = connection
        .facts
        .peer
        .map_or("local".into(), |peer| peer.to_string());
    Connection {
        id: connection.id,
        client,
        dialect: negotiated.map_or("-".into(), |negotiated| format!("{:?}", negotiated.dialect)),
        cipher: negotiated
            .and_then(|negotiated| negotiated.cipher)
            .map_or("-".into(), |cipher| format!("{cipher:?}")),
        connected_seconds: connected.as_secs(),
        requests_waiting: connection.requests.waiting(),
    }
}

fn session_line(session: &Session, connections: &[Arc<ConnectionState>]) -> SessionLine {
    let identity = session.identity.load();
    let trees: Vec<_> = session
        .tree_connects
        .lock()
        .trees
        .values()
        .cloned()
        .collect();
    let kind = match identity.kind {
        LogonKind::User => "user",
        LogonKind::Guest => "guest",
        LogonKind::Anonymous => "anonymous",
    };
    let protection = match (session.encrypt_data, session.signing_required) {
        (true, _) => "encrypted",
        (false, true) => "signed",
        (false, false) => "none required",
    };
    let uses = |connection: &&Arc<ConnectionState>| connection.session(session.id).is_some();
    SessionLine {
        id: session.id.to_string(),
        user: identity.user.clone(),
        kind: kind.to_owned(),
        protection: protection.to_owned(),
        connections: connections
            .iter()
            .filter(uses)
            .map(|connection| connection.id)
            .collect(),
        shares: trees
            .iter()
            .map(|tree| tree.share.name().to_owned())
            .collect(),
        opens: session.opens.len(),
    }
}

fn opens_of(session: &Session) -> Vec<Open> {
    let user = session.identity.load().user.clone();
    let opens = session.opens.all();
    let line = |open: &Arc<server::Open>| open_line(session.id.to_string(), user.clone(), open);
    opens.iter().map(line).collect()
}

/// An open that has lost its session and waits for its client.
fn waiting_open(open: &server::Open) -> Open {
    open_line("waiting".to_owned(), open.owner.to_string(), open)
}

fn open_line(session: String, user: String, open: &server::Open) -> Open {
    Open {
        session,
        user,
        share: open.tree.share.name().to_owned(),
        path: format!("\\{}", open.name.to_utf16()),
    }
}

/// Appends a table with columns as wide as they need; nothing if there are no rows.
fn table<const N: usize>(
    text: &mut String,
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned))
        .chain(rows)
        .collect();
    if rows.len() == 1 {
        return;
    }
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    text.push('\n');
    for row in &rows {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

/// How many opens a report shows.
const MOST_OPENS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_shown_as_tables_as_wide_as_needed() {
        let report = Report {
            guid: "g".into(),
            open_count: 1,
            connections: vec![Connection {
                id: 7,
                client: "192.0.2.1:50000".into(),
                dialect: "3.1.1".into(),
                cipher: "-".into(),
                connected_seconds: 61,
                requests_waiting: 0,
            }],
            sessions: vec![SessionLine {
                id: "0x1".into(),
                user: "x".into(),
                kind: "guest".into(),
                protection: "none required".into(),
                connections: vec![7],
                shares: vec!["a".into(), "b".into()],
                opens: 1,
            }],
            opens: Vec::new(),
            ..Report::default()
        };
        let expected = "\
server g: 1 connections, 1 sessions, 1 opens, 0 bytes received, 0 sent, 0 failed log-ons

CONNECTION  CLIENT           DIALECT  CIPHER  SINCE
7           192.0.2.1:50000  3.1.1    -       61 s

SESSION  USER       PROTECTION     SHARES  OPENS
0x1      x (guest)  none required  a,b     1
";
        assert_eq!(report.text(), expected);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
    }
}
