//! Breaks of oplocks and leases: telling the holder, and giving up when it does not answer.
//!
//! ```text
//!  the store ──begin──> held back while a request of the holder is unanswered ([`Unanswered`])
//!                │                     │
//!                └────────tell─────────┘──> alarm ([`AwaitedBreaks`]) ──> acknowledged, closed or given up
//! ```

mod awaited;
mod unanswered;

use std::sync::Arc;

use wire::oplock_break::{LeaseBreakFlags, LeaseBreakNotification, OplockBreakNotification};
use wire::{
    Command, Header, HeaderFlags, HeaderId, MessageId, NtStatus, ProcessId, SessionId, TreeId,
};

use crate::connection::ConnectionState;
use crate::durable;
use crate::mailbox::Mail;
use crate::object_store::{BreakId, LeaseBreak, OplockBreak};
use crate::packet::{BufferPool, ReplyBuffer};
use crate::server::Server;
use crate::session::Session;

pub(crate) use awaited::{AwaitedBreaks, time_out};
pub(crate) use unanswered::{CachingHolder, Unanswered, UnansweredTable};

/// An oplock or a lease that the object store has broken.
#[derive(Debug, Clone, Copy)]
pub(super) enum Break {
    Oplock(OplockBreak),
    Lease(LeaseBreak),
}

impl Break {
    fn id(&self) -> BreakId {
        match self {
            Self::Oplock(broken) => broken.id,
            Self::Lease(broken) => broken.id,
        }
    }

    fn holder(&self) -> CachingHolder {
        match self {
            Self::Oplock(broken) => CachingHolder::Open(broken.open),
            Self::Lease(broken) => CachingHolder::Lease(broken.client, broken.key),
        }
    }

    fn wants_acknowledgment(&self) -> bool {
        match self {
            Self::Oplock(broken) => broken.acknowledge,
            Self::Lease(broken) => broken.acknowledge,
        }
    }
}

/// Tells the holder, as soon as it knows what it holds.
pub(super) fn begin(server: &Arc<Server>, broken: Break) {
    if let Some(broken) = server.unanswered.hold_back(broken) {
        tell(server, &broken);
    }
}

/// Tells the holder; where nobody can be told, the break ends at once.
fn tell(server: &Arc<Server>, broken: &Break) {
    if broken.wants_acknowledgment() {
        AwaitedBreaks::start(server, broken.id());
    }
    let sent = match broken {
        Break::Oplock(broken) => tell_open(server, broken),
        Break::Lease(broken) => tell_lease(server, broken),
    };
    if sent.is_none() && !close_waiting(server, broken) {
        awaited::give_up(server, broken.id());
    }
}

/// Closes the opens that cache what is broken, if they all wait for their client; that ends the break.
// [MS-SMB2] 3.3.4.6
// [MS-SMB2] 3.3.4.7
fn close_waiting(server: &Arc<Server>, broken: &Break) -> bool {
    match broken {
        Break::Oplock(broken) => durable::give_way(server, &[broken.open]),
        Break::Lease(broken) => {
            let opens = server.object_store.lease_opens(broken.client, broken.key);
            durable::give_way(server, &opens)
        }
    }
}

// [MS-SMB2] 3.3.4.6
fn tell_open(server: &Arc<Server>, broken: &OplockBreak) -> Option<()> {
    let open = server.open(broken.open)?;
    open.state.lock().is_level_two_broken = !broken.acknowledge;
    let session = server.session(open.session_id)?;
    let notification = OplockBreakNotification::Oplock(wire::oplock_break::OplockBreak {
        oplock_level: broken.level,
        file_id: open.file_id,
    });
    let connection = session.channels().into_iter().next()?;
    send(server, &connection, &session, &notification)
}

/// The notice goes to a session with an open that shares the lease: who merely says the client's
/// GUID need not be that client.
// [MS-SMB2] 3.3.4.7
fn tell_lease(server: &Arc<Server>, broken: &LeaseBreak) -> Option<()> {
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
    let opens = server.object_store.lease_opens(broken.client, broken.key);
    opens.into_iter().find_map(|open| {
        let session = server.session(server.open(open)?.session_id)?;
        let connection = session.channels().into_iter().next()?;
        send(server, &connection, &session, &notification)
    })
}

/// Posts a message that no request asked for. Not signed; encrypted where the session is.
// [MS-SMB2] 3.3.4.6
// MessageId -1, SessionId and TreeId 0
fn send(
    server: &Server,
    connection: &ConnectionState,
    session: &Arc<Session>,
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
    let sealer = session.encrypt_data.then_some(&**session);
    connection.mailbox.post(Mail::Frame(buffer.finish(sealer)?));
    Some(())
}
