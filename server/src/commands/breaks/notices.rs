//! Notices of breaks on their way: over which channel, and over which next when that one is lost.
//!
//! A notice that a lost connection took with it is sent again over another channel of the session. The
//! server cannot know what the client got before the connection was lost, so the client may hear of a
//! break twice, but never not at all. Owns which notices went where of late.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wire::dtyp::Guid;
use wire::oplock_break::OplockBreakNotification;
use wire::{Command, LeaseKey, SessionId};

use super::awaited::BREAK_TIMEOUT;
use super::{Break, end_untold, notify};
use crate::alarms::{self, Alarm};
use crate::connection::ConnectionState;
use crate::disconnect::DisconnectReason;
use crate::mailbox::Mail;
use crate::packet::{Frame, unsolicited};
use crate::server::Server;
use crate::session::Session;

/// The notices that a connection may still lose, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct SentNotices(Mutex<VecDeque<SentNotice>>);

#[derive(Debug)]
struct SentNotice {
    broken: Break,
    connection: u64,
    at: Instant,
    /// Whether the client may know its epoch by a reply that has come since.
    is_known: bool,
}

impl SentNotices {
    fn note(&self, broken: Break, connection: u64, at: Instant) {
        let mut sent = self.0.lock();
        let is_kept = |one: &SentNotice| at.saturating_duration_since(one.at) < BREAK_TIMEOUT;
        while sent.len() >= MOST_NOTICES || sent.front().is_some_and(|one| !is_kept(one)) {
            sent.pop_front();
        }
        sent.push_back(SentNotice {
            broken,
            connection,
            at,
            is_known: false,
        });
    }

    /// A reply tells the epoch of a lease that is being broken.
    pub(crate) fn tell(&self, client: Guid, key: LeaseKey, epoch: u16) {
        let mut sent = self.0.lock();
        let is_told = |one: &&mut SentNotice| {
            matches!(one.broken, Break::Lease(lease)
                if (lease.client, lease.key, lease.epoch) == (client, key, epoch))
        };
        sent.iter_mut()
            .filter(is_told)
            .for_each(|one| one.is_known = true);
    }

    /// The number of notices remembered.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Takes what went over a connection, each with whether the client may know its epoch.
    fn take(&self, connection: u64) -> Vec<(Break, bool)> {
        let mut sent = self.0.lock();
        let is_lost = |one: &SentNotice| one.connection == connection;
        let lost = sent.iter().filter(|one| is_lost(one));
        let lost = lost.map(|one| (one.broken, one.is_known)).collect();
        sent.retain(|one| !is_lost(one));
        lost
    }

    /// Takes one notice back; false when somebody has taken it.
    fn forget(&self, broken: &Break, connection: u64) -> bool {
        let mut sent = self.0.lock();
        let place = sent
            .iter()
            .rposition(|one| one.connection == connection && one.broken.id() == broken.id());
        place.and_then(|place| sent.remove(place)).is_some()
    }
}

/// Sends a notice over the first channel of the session; none when there is no channel.
// [MS-SMB2] 3.3.4.6
// [MS-SMB2] 3.3.4.7
// [MS-SMB2] 3.3.4.1.6
pub(super) fn send(
    server: &Arc<Server>,
    broken: &Break,
    session: &Arc<Session>,
    notification: &OplockBreakNotification,
) -> Option<()> {
    // A lease is the client's, whatever session it is told in.
    let names = match broken {
        Break::Oplock(_) => session.id,
        Break::Lease(_) => SessionId(0),
    };
    let channels = session.channels();
    let has_alternative = channels.len() > 1;
    let now = server.environment().now();
    for connection in channels {
        let command = Command::OplockBreak.into();
        let frame = unsolicited(&server.buffers, session, command, names, notification)?;
        server.sent_notices.note(*broken, connection.id, now);
        // Whoever ends the connection may have looked before the notice was noted.
        if connection.has_ended() && server.sent_notices.forget(broken, connection.id) {
            continue;
        }
        if has_alternative {
            post_urgently(server, &connection, frame);
        } else {
            connection.mailbox.post(Mail::Frame(frame));
        }
        return Some(());
    }
    None
}

/// A connection is lost: what it took with it is sent over the next channel, behind the reply to what the
/// client asks for there meanwhile.
// [MS-SMB2] 3.3.4.6
// [MS-SMB2] 3.3.4.7
pub(crate) fn resend(server: &Arc<Server>, connection: u64) {
    for (broken, is_known) in server.sent_notices.take(connection) {
        let is_awaited = server.awaited_breaks.awaits(broken.id());
        if broken.wants_acknowledgment() && !is_awaited {
            continue;
        }
        let broken = if is_known {
            counted_again(server, broken)
        } else {
            broken
        };
        let ready = server.unanswered.hold_back(broken);
        if ready.is_some_and(|broken| notify(server, &broken).is_none()) && is_awaited {
            end_untold(server, &broken);
        }
    }
}

/// To a client that knows the epoch of the break by a reply, it would be no news.
// [MS-SMB2] 3.2.5.19.2
fn counted_again(server: &Server, broken: Break) -> Break {
    match broken {
        Break::Oplock(_) => broken,
        Break::Lease(lease) => Break::Lease(server.object_store.count_again(&lease)),
    }
}

/// Has the driver watch that the client takes the frame, as there is another channel to try.
fn post_urgently(server: &Arc<Server>, connection: &ConnectionState, frame: Frame) {
    connection.mailbox.post(Mail::Urgent(frame));
    if connection.plays_dead() {
        alarms::set(server, UNACKNOWLEDGED, Alarm::DeadLink(connection.id));
    }
}

/// Ends a connection that plays dead, as its link would end if it were dead.
pub(crate) fn lose(server: &Server, connection: u64) {
    let connections = server.connections();
    if let Some(lost) = connections.iter().find(|one| one.id == connection) {
        let reason = DisconnectReason::Unreachable;
        lost.mailbox.post(Mail::Disconnect(reason));
    }
}

/// How long a client may leave an urgent message unacknowledged by its transport before the connection
/// counts as lost. Ours: several retransmissions on any sane network, and time for other channels
/// within [`BREAK_TIMEOUT`].
pub const UNACKNOWLEDGED: Duration = Duration::from_secs(2);

/// Notices remembered at once; beyond that the oldest are not sent again.
const MOST_NOTICES: usize = 4_096;
