//! Breaks of oplocks and leases: telling the holder, and giving up when it does not answer.
//!
//! ```text
//!  the store ──begin──> held back while a request of the holder is unanswered ([`Unanswered`])
//!                │                     │
//!                └────────tell─────────┘──> acknowledged, closed or given up
//! ```
//!
//! An alarm ([`AwaitedBreaks`]) stands by from the beginning: whoever waits for the end of a break waits
//! neither for a client for ever, nor for a reply that never leaves.

mod awaited;
mod notices;
mod unanswered;

use std::sync::Arc;

use wire::oplock_break::{LeaseBreakFlags, LeaseBreakNotification, OplockBreakNotification};

use crate::durable;
use crate::object_store::{BreakId, LeaseBreak, OpenId, OplockBreak};
use crate::open::Open;
use crate::persistence;
use crate::server::Server;
use crate::session::Session;
use crate::share::Answer;

pub(crate) use awaited::{AwaitedBreaks, time_out};
pub use notices::UNACKNOWLEDGED;
pub(crate) use notices::{SentNotices, lose, resend};
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
    if broken.wants_acknowledgment() {
        AwaitedBreaks::start(server, broken.id());
    }
    // What is broken is not to be found again: what it is broken for may come at once. Nobody waits for that,
    // and so not for the records of it either.
    drop(note(server, &broken));
    if let Some(broken) = server.unanswered.hold_back(broken) {
        tell(server, &broken);
    }
}

/// Begins to write the records of those who have lost what is broken, or are about to.
fn note(server: &Server, broken: &Break) -> Vec<Answer<'static, ()>> {
    match broken {
        Break::Oplock(broken) => {
            let open = server.open(broken.open);
            let written = open.and_then(|open| persistence::note(server, &open));
            written.into_iter().collect()
        }
        Break::Lease(broken) => persistence::note_lease(server, broken.client, broken.key),
    }
}

/// Tells the holder of what has been held back.
fn tell_at_last(server: &Arc<Server>, broken: &Break) {
    AwaitedBreaks::restart(server, broken.id());
    tell(server, broken);
}

/// Tells the holder; where nobody can be told, the break ends at once.
fn tell(server: &Arc<Server>, broken: &Break) {
    if notify(server, broken).is_none() {
        end_untold(server, broken);
    }
}

/// Sends the notice to the holder; none where it cannot be told.
fn notify(server: &Arc<Server>, broken: &Break) -> Option<()> {
    match broken {
        Break::Oplock(oplock) => notify_open(server, broken, oplock),
        Break::Lease(lease) => notify_holders(server, broken, lease),
    }
}

/// Ends a break that the holder cannot be told of, if that is still so.
fn end_untold(server: &Arc<Server>, broken: &Break) {
    if close_waiting(server, broken) {
        return;
    }
    if broken.wants_acknowledgment() && is_kept_waiting(server, broken) {
        server.awaited_breaks.suspend(server, *broken);
        // Its client may have come back in this moment, and found nothing to be told.
        if !is_kept_waiting(server, broken) {
            tell_now(server, broken.holder());
        }
        return;
    }
    // Its client may have come back for it in this moment, and is told once it has its reply.
    let ready = server.unanswered.hold_back(*broken);
    if ready.is_some_and(|broken| notify(server, &broken).is_none()) {
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

/// Whether a client that is away is told of the break when it comes back, because its opens are
/// persistent. Until then, or until their time is over, whoever wants the break waits.
// [MS-SMB2] 3.3.4.7
fn is_kept_waiting(server: &Server, broken: &Break) -> bool {
    match broken {
        Break::Oplock(broken) => durable::keeps_caching(server, &[broken.open]),
        Break::Lease(broken) => {
            let opens = server.object_store.lease_opens(broken.client, broken.key);
            durable::keeps_caching(server, &opens)
        }
    }
}

/// Tells a client that has come back of the breaks that it was away for; where it waits for a reply,
/// after that.
// [MS-SMB2] 3.3.5.9.12
pub(crate) fn tell_now(server: &Arc<Server>, holder: CachingHolder) {
    for broken in server.awaited_breaks.take_suspended(holder) {
        if let Some(broken) = server.unanswered.hold_back(broken) {
            tell_at_last(server, &broken);
        }
    }
}

// [MS-SMB2] 3.3.4.6
fn notify_open(server: &Arc<Server>, broken: &Break, oplock: &OplockBreak) -> Option<()> {
    let (open, session) = held(server, oplock.open)?;
    open.state.lock().is_level_two_broken = !oplock.acknowledge;
    let notification = OplockBreakNotification::Oplock(wire::oplock_break::OplockBreak {
        oplock_level: oplock.level,
        file_id: open.file_id,
    });
    notices::send(server, broken, &session, &notification)
}

/// The notice goes to a session with an open that shares the lease: who merely says the client's
/// GUID need not be that client.
// [MS-SMB2] 3.3.4.7
fn notify_holders(server: &Arc<Server>, broken: &Break, lease: &LeaseBreak) -> Option<()> {
    let flags = if lease.acknowledge {
        LeaseBreakFlags::ACK_REQUIRED
    } else {
        LeaseBreakFlags::NONE
    };
    let notification = OplockBreakNotification::Lease(LeaseBreakNotification {
        new_epoch: lease.epoch,
        flags,
        lease_key: lease.key,
        current_lease_state: lease.current,
        new_lease_state: lease.new,
    });
    let opens = server.object_store.lease_opens(lease.client, lease.key);
    opens.into_iter().find_map(|open| {
        let (_, session) = held(server, open)?;
        notices::send(server, broken, &session, &notification)
    })
}

/// An open and the session that has it; none while the open waits for its client. That may be so although
/// its last session stands: when that one's attempt to take it up has failed.
fn held(server: &Server, id: OpenId) -> Option<(Arc<Open>, Arc<Session>)> {
    let open = server.open(id)?;
    if server.disconnected.find(id).is_some() {
        return None;
    }
    let session = server.session(open.session_id)?;
    Some((open, session))
}
