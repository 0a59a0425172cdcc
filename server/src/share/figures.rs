//! What handlers are told of the server's work: counters, and the locks that are held.

use std::collections::HashMap;

use wire::Command;

use crate::disconnect::DisconnectReason;
use crate::object_store::{AttachmentId, LockKind, Range};
use crate::open::Open;
use crate::server::Server;
use crate::statistics::RequestStatistics;

/// The server's counters, as they were when they were asked about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StatisticsSnapshot {
    /// Bytes received, headers included.
    pub bytes_received: u64,
    /// Bytes sent, headers included.
    pub bytes_sent: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Sessions set up.
    pub sessions: u64,
    /// Log-ons that failed.
    pub failed_logons: u64,
    /// Files, directories and pipes opened.
    pub opens: u64,
    /// Requests to open that were refused for lack of rights.
    pub refused_opens: u64,
    /// Every command with what is known of its requests, in the order of their codes.
    pub requests: Vec<(Command, RequestStatistics)>,
    /// Every cause for which the server ends connections, with how often it did.
    pub disconnects: Vec<(DisconnectReason, u64)>,
}

/// A byte-range lock, or a request for one, as it was when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockSnapshot {
    /// The number of the open that it belongs to.
    pub open: u64,
    /// The share's name.
    pub share: String,
    /// The file's name below the share's root, as it was when it was opened.
    pub name: String,
    /// The bytes.
    pub range: Range,
    /// How they are, or are to be, locked.
    pub kind: LockKind,
    /// They are locked; otherwise the request waits.
    pub is_granted: bool,
}

impl StatisticsSnapshot {
    pub(super) fn of(server: &Server) -> Self {
        let counted = &server.statistics;
        Self {
            bytes_received: counted.bytes_received.value(),
            bytes_sent: counted.bytes_sent.value(),
            connections: counted.connections.value(),
            sessions: counted.sessions.value(),
            failed_logons: counted.failed_logons.value(),
            opens: counted.opens.value(),
            refused_opens: counted.refused_opens.value(),
            requests: Command::ALL
                .iter()
                .map(|command| (*command, counted.requests(*command)))
                .collect(),
            disconnects: DisconnectReason::ALL
                .iter()
                .map(|reason| (*reason, counted.disconnects(*reason)))
                .collect(),
        }
    }
}

/// Up to `most` locks, those of one open together, by the numbers of the opens.
pub(super) fn locks(server: &Server, most: usize) -> Vec<LockSnapshot> {
    let sessions = server.sessions();
    let held = sessions.iter().flat_map(|session| session.opens.all());
    let by_attachment: HashMap<AttachmentId, _> = held
        .chain(server.disconnected_opens())
        .map(|open| (open.attachment.id(), open))
        .collect();
    let listed = server.object_store.all_locks(most).into_iter();
    let mut locks: Vec<LockSnapshot> = listed
        .filter_map(|lock| {
            let open: &Open = by_attachment.get(&lock.owner)?;
            Some(LockSnapshot {
                open: open.id().0,
                share: open.tree.share.name().to_owned(),
                name: open.name.to_string(),
                range: lock.range,
                kind: lock.kind,
                is_granted: lock.is_granted,
            })
        })
        .collect();
    locks.sort_by_key(|lock| (lock.open, lock.range));
    locks
}
