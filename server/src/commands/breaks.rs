//! Breaks of oplocks and leases: telling the holder, and waiting for its acknowledgment.

use std::sync::Arc;
use std::time::Duration;

use wire::oplock_break::{
    LeaseBreakFlags, LeaseBreakNotification, OplockBreak, OplockBreakNotification,
};
use wire::{
    Command, Header, HeaderFlags, HeaderId, MessageId, NtStatus, ProcessId, SessionId, TreeId,
};

use super::effects::carry_out;
use crate::alarms::{self, Alarm};
use crate::connection::ConnectionState;
use crate::mailbox::Mail;
use crate::object_store::{self, BreakId};
use crate::open::Open;
use crate::packet::{BufferPool, ReplyBuffer};
use crate::server::Server;
use crate::session::Session;

/// How long a client may take to acknowledge a break. [MS-SMB2] note 241: Windows waits 35 s.
const BREAK_TIMEOUT: Duration = Duration::from_secs(35);

// [MS-SMB2] 3.3.4.6
pub(super) fn break_oplock(server: &Arc<Server>, broken: &object_store::OplockBreak) {
    let sent = server.open(broken.open).and_then(|open| {
        let session = server.session(open.session_id)?;
        let connection = session.channels().into_iter().next()?;
        let notification = OplockBreakNotification::Oplock(OplockBreak {
            oplock_level: broken.level,
            file_id: open.file_id,
        });
        send(server, &connection, Some(&session), &notification)
    });
    after_sending(server, broken.id, broken.acknowledge, sent.is_some());
}

// [MS-SMB2] 3.3.4.7
pub(super) fn break_lease(server: &Arc<Server>, broken: &object_store::LeaseBreak) {
    let sent = lease_holder(server, broken).and_then(|(connection, session)| {
        let flags = if broken.acknowledge {
            LeaseBreakFlags::ACK_REQUIRED
        } else {
            LeaseBreakFlags::NONE
        };
        let notification = OplockBreakNotification::Lease(LeaseBreakNotification {
            new_epoch: broken.epoch,
            flags,
            lease_key: broken.key,
            current_lease_state: broken.current,
            new_lease_state: broken.new,
        });
        send(server, &connection, Some(&session), &notification)
    });
    after_sending(server, broken.id, broken.acknowledge, sent.is_some());
}

/// A session with an open that shares the lease, and its connection. While that open is still being
/// made, any session of the client has to do. A connection without sessions never does: who says
/// a client's GUID need not be that client.
fn lease_holder(
    server: &Server,
    broken: &object_store::LeaseBreak,
) -> Option<(Arc<ConnectionState>, Arc<Session>)> {
    let is_clients = |connection: &Arc<ConnectionState>| {
        let negotiated = connection.negotiated();
        negotiated.is_some_and(|negotiated| negotiated.client_guid == broken.client)
    };
    let shares = |open: &Open| open.attachment.shares_lease(broken.client, broken.key);
    let mut any = None;
    for connection in server.connections().into_iter().filter(is_clients) {
        for session in connection.sessions() {
            if session.opens.any(shares) {
                return Some((connection, session));
            }
            any = any.or_else(|| Some((connection.clone(), session)));
        }
    }
    any
}

/// Starts the acknowledgment timer, or gives up at once when nobody can be told.
// [MS-SMB2] 3.3.2.1
fn after_sending(server: &Arc<Server>, id: BreakId, acknowledge: bool, was_sent: bool) {
    if !was_sent {
        carry_out(server, server.object_store.give_up(id));
        return;
    }
    if acknowledge {
        alarms::set(server, BREAK_TIMEOUT, Alarm::Break(id));
    }
}

/// The client has not acknowledged in time.
// [MS-SMB2] 3.3.6.1
// [MS-SMB2] 3.3.6.5
pub(crate) fn time_out(server: &Arc<Server>, id: BreakId) {
    carry_out(server, server.object_store.give_up(id));
}

/// Posts a message that no request asked for. Not signed; encrypted where the session is.
// [MS-SMB2] 3.3.4.6
// MessageId -1, SessionId and TreeId 0
fn send(
    server: &Server,
    connection: &ConnectionState,
    session: Option<&Arc<Session>>,
    notification: &OplockBreakNotification,
) -> Option<()> {
    let id = HeaderId::Sync {
        process_id: ProcessId(0),
        tree_id: TreeId(0),
    };
    let header = Header {
        credit_charge: 0,
        status: NtStatus::SUCCESS,
        command: Command::OplockBreak.into(),
        credits: 0,
        flags: HeaderFlags::SERVER_TO_REDIR,
        next_command: 0,
        message_id: MessageId::UNSOLICITED,
        id,
        session_id: SessionId(0),
        signature: [0; 16],
    };
    let pool: BufferPool = server.buffers.clone();
    let mut buffer = ReplyBuffer::new(pool);
    buffer.append(&header, notification, None);
    let sealer = session
        .filter(|session| session.encrypt_data)
        .map(Arc::as_ref);
    connection.mailbox.post(Mail::Frame(buffer.finish(sealer)?));
    Some(())
}
