//! The end of opens, and what they leave to be deleted.
//!
//! ```text
//!         set_delete, or close with delete-on-close         last close             deleted
//! stays ─────────────────────────────────────────> pending ──────────> deleting ─────────> gone
//!   ^────────────────── set_delete(Keep) ─────────────┘      the handler's turn
//! ```
//!
//! New opens meet `DELETE_PENDING` from "pending" until the handler has done its part, so that
//! nobody opens a name that is about to vanish.

use std::sync::atomic::Ordering;

use wire::NtStatus;

use super::attachment::{Attached, Attachment, phase};
use super::effect::{Decision, Effects, Outcome};
use super::object::{Deleter, FileState, Link};
use super::oplock::{self, Contender, Loss, Operation};
use super::{Closed, Deletion, Disposition, StreamKind, notify};
use crate::share::Caller;

/// Ends an open, once.
// [MS-FSA] 2.1.5.5
pub(super) fn close(attachment: &Attached) -> Closed {
    let begun = attachment.phase.compare_exchange(
        phase::OPEN,
        phase::ENDED,
        Ordering::AcqRel,
        Ordering::Acquire,
    );
    if begun.is_err() {
        return Closed {
            delete: Deletion::Nothing,
            effects: Effects::default(),
        };
    }
    let mut effects = Effects::default();
    let object = &attachment.object;
    let mut shard = object.shared.shard(object.id);
    let mut state = object.lock();
    notify::end(attachment, &state, NtStatus::NOTIFY_CLEANUP, &mut effects);
    if attachment.delete_on_close.load(Ordering::Acquire) {
        mark(attachment, &mut state, Disposition::Delete, &mut effects);
        // Where a CLOSE has not had that done before: nobody can wait for the end of a connection.
        let (loss, contender) = (Loss::from(Operation::Delete), Contender::of(attachment));
        oplock::check(
            object,
            &mut state,
            attachment.stream,
            loss,
            &contender,
            &mut effects,
        );
    }
    state.leave_stream(attachment.stream, attachment.mode);
    if let Some(stream) = state.stream_mut(attachment.stream) {
        stream.locks.release(attachment.id, &mut effects);
    }
    oplock::close(&object.shared, &mut state, attachment, &mut effects);
    if let Some(link) = state.link_mut(attachment.link) {
        link.opens = link.opens.saturating_sub(1);
    }
    let delete = due(attachment, &state);
    if matches!(delete, Deletion::Nothing) {
        forget(attachment, &mut state);
    } else {
        attachment.phase.store(phase::DELETING, Ordering::Release);
        if let Some(link) = state.link_mut(attachment.link) {
            link.deleting = link.deleting.saturating_add(1);
        }
    }
    if state.is_idle() {
        shard.as_mut().and_then(|shard| shard.remove(&object.id));
    }
    Closed { delete, effects }
}

/// Notes that the handler has deleted, or failed to delete, what the close of this open left.
pub(super) fn deleted(attachment: &Attached) {
    if attachment.phase.swap(phase::ENDED, Ordering::AcqRel) != phase::DELETING {
        return;
    }
    let object = &attachment.object;
    // Dropped last, when it wakes those who wait for the name.
    let mut effects = Effects::default();
    let mut shard = object.shared.shard(object.id);
    let mut state = object.lock();
    state.wake_waiting(&mut effects);
    if let Some(link) = state.link_mut(attachment.link) {
        link.deleting = link.deleting.saturating_sub(1);
    }
    forget(attachment, &mut state);
    object.shared.lost_names.record(object.id);
    if state.is_idle() {
        shard.as_mut().and_then(|shard| shard.remove(&object.id));
    }
}

/// Makes the deletion of the name or stream pending, or takes that back.
// [MS-FSA] 2.1.5.5
// [MS-FSA] 2.1.5.15.3
fn mark(
    attachment: &Attached,
    state: &mut FileState,
    disposition: Disposition,
    effects: &mut Effects,
) {
    let asks = |deleter: Option<Deleter>| match disposition {
        Disposition::Delete => deleter.or_else(|| Some(Deleter::by(attachment))),
        Disposition::Keep => None,
    };
    let Some(stream) = state.stream_mut(attachment.stream) else {
        return;
    };
    if stream.name.is_some() {
        stream.deleter = asks(stream.deleter.take());
        return;
    }
    let Some(link) = state.link_mut(attachment.link) else {
        return;
    };
    link.deleter = asks(link.deleter.take());
    let is_deleted = link.is_deleted();
    let object = &attachment.object;
    let names = &object.shared.names;
    names.set_disposition(link.key, object, disposition);
    if is_deleted && attachment.kind == StreamKind::Directory {
        attachment.marked_deleted.store(true, Ordering::Release);
        for watch in names.watches_of(link.key, object) {
            watch.end(NtStatus::DELETE_PENDING, effects);
        }
    }
}

/// Phases 2 and 3: what nobody has open any more and is to be deleted.
// [MS-FSA] 2.1.5.5
fn due(attachment: &Attached, state: &FileState) -> Deletion {
    let link = state.link(attachment.link);
    let stream = state.stream(attachment.stream);
    let of_link = link.filter(|link| link.opens == 0);
    let of_stream = stream.filter(|stream| stream.opens == 0);
    let of_link = of_link.and_then(|link| link.deleter.clone());
    let of_stream = of_stream.and_then(|stream| stream.deleter.clone());
    if let Some(deleter) = of_link {
        Deletion::File(deleter.begin(attachment))
    } else if let Some(deleter) = of_stream {
        Deletion::Stream(deleter.begin(attachment))
    } else {
        Deletion::Nothing
    }
}

impl Deleter {
    fn by(attachment: &Attached) -> Self {
        Self {
            caller: attachment.caller.clone(),
            spares: attachment.parent,
        }
    }

    /// What is deleted with this open is deleted as this caller.
    // departs [MS-FSA] 2.1.5.5: the lease on the directory that the closing open names is spared only where the
    // one that asked for the deletion names it too; the client of another does not know that an entry goes
    fn begin(self, attachment: &Attached) -> Caller {
        let is_known = self.spares == attachment.parent;
        let is_others = &attachment.deletes_for_others;
        is_others.store(!is_known, Ordering::Release);
        self.caller
    }
}

/// Removes what no open needs any more.
fn forget(attachment: &Attached, state: &mut FileState) {
    let object = &attachment.object;
    if let Some(link) = state.link(attachment.link) {
        object.shared.names.leave(link.key, object);
    }
    state.forget_link(attachment.link);
    state
        .streams
        .retain(|stream| stream.opens > 0 || stream.id != attachment.stream);
}

/// Takes delete-on-close back from one open.
pub(super) fn keep_on_close(attachment: &Attached) {
    attachment.delete_on_close.store(false, Ordering::Release);
}

/// Makes deletion pending once nobody caches the handle, or takes that back.
// [MS-FSA] 2.1.5.15.3
pub(super) fn set_delete(attachment: &Attachment, disposition: Disposition) -> Outcome<()> {
    let object = &attachment.object;
    let mut effects = Effects::default();
    let mut state = object.lock();
    if attachment.has_ended() {
        return Outcome::deny(NtStatus::FILE_CLOSED);
    }
    if disposition == Disposition::Delete {
        let contender = Contender::of(attachment);
        let (id, loss) = (attachment.stream, Loss::from(Operation::Delete));
        if oplock::check(object, &mut state, id, loss, &contender, &mut effects) {
            return Outcome::new(object.wait_for_break(&mut state), effects);
        }
    }
    mark(attachment, &mut state, disposition, &mut effects);
    Outcome::new(Decision::Grant(()), effects)
}

/// Makes deletion pending again that was so before the server was started anew.
pub(super) fn restore_delete(attachment: &Attached) {
    let mut effects = Effects::default();
    let mut state = attachment.object.lock();
    mark(attachment, &mut state, Disposition::Delete, &mut effects);
}

/// Whether the name or stream of this open is to be deleted.
// [MS-FSA] 2.1.5.12.27
pub(super) fn is_delete_pending(attachment: &Attached) -> bool {
    let state = attachment.object.lock();
    match state.stream(attachment.stream) {
        Some(stream) if stream.name.is_some() => stream.is_deleted(),
        _ => state.link(attachment.link).is_some_and(Link::is_deleted),
    }
}
