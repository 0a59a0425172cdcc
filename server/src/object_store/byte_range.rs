//! Byte-range locks: who may lock, read and write which bytes of a stream.
//!
//! Owns what is locked ([`table`]) and the calls on an open that use it. Locks belong to opens; nothing
//! here knows processes or lock sequences.

mod counts;
mod listing;
mod table;
mod unrecorded;

use wire::NtStatus;

pub use listing::ListedLock;
pub(super) use table::LockTable;
use table::WaitingLock;
pub use unrecorded::{LockChange, LockExtent};

use super::attachment::{Attachment, AttachmentId};
use super::effect::{Decision, Effects, Outcome};
use super::object::Stream;
use super::oplock::{self, Contender, Operation};
use super::wait;
use super::{Limits, StreamKind};

/// A range of bytes as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Range {
    /// The first byte.
    pub offset: u64,
    /// The number of bytes; a range of none lies between two bytes.
    pub length: u64,
}

/// One range to be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockElement {
    /// The bytes.
    pub range: Range,
    /// How.
    pub kind: LockKind,
}

/// How a range is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockKind {
    /// Others may read and lock shared; nobody may write.
    Shared,
    /// Others may do nothing.
    Exclusive,
}

/// What a lock request does when it meets a conflicting lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// Fail with `LOCK_NOT_GRANTED`.
    FailImmediately,
    /// Wait until it can be granted.
    Wait,
}

/// Agrees to a read or write: breaks what it makes stale, and looks for locks of others.
pub(super) fn check_io(
    attachment: &Attachment,
    operation: Operation,
    offset: u64,
    length: u64,
) -> Outcome<()> {
    let mut outcome = oplock::prepare(attachment, operation);
    // [MS-FSA] 2.1.4.10
    if matches!(outcome.decision, Decision::Grant(())) {
        let state = attachment.object.lock();
        let refuses = |stream: &Stream| {
            stream
                .locks
                .refuses_io(operation, offset, length, attachment.id)
        };
        if state.stream(attachment.stream).is_some_and(refuses) {
            outcome.decision = Decision::Deny(NtStatus::FILE_LOCK_CONFLICT);
        }
    }
    outcome
}

/// Locks all ranges or none.
// [MS-SMB2] 3.3.5.14.2
pub(super) fn lock(
    attachment: &Attachment,
    elements: &[LockElement],
    blocking: Blocking,
) -> Outcome<(), Result<(), NtStatus>> {
    // [MS-FSA] 2.1.5.8
    if attachment.kind == StreamKind::Directory {
        return Outcome::deny(NtStatus::INVALID_PARAMETER);
    }
    if blocking == Blocking::Wait && elements.len() > 1 {
        return Outcome::deny(NtStatus::INVALID_PARAMETER);
    }
    let (object, limits) = (&attachment.object, attachment.object.limits());
    let mut effects = Effects::default();
    let mut state = object.lock();
    if attachment.has_ended() {
        return Outcome::deny(NtStatus::FILE_CLOSED);
    }
    // Nobody who may lock meets write caching of others, so there is nothing to wait for.
    let (id, loss, contender) = (
        attachment.stream,
        Operation::Lock.into(),
        Contender::of(attachment),
    );
    oplock::check(object, &mut state, id, loss, &contender, &mut effects);
    let Some(stream) = state.stream_mut(attachment.stream) else {
        return Outcome::deny(NtStatus::FILE_CLOSED);
    };
    let result = stream.locks.lock_all(elements, attachment.id, limits.locks);
    let decision = match (result, elements) {
        (Ok(()), _) => Decision::Grant(()),
        (Err(NtStatus::LOCK_NOT_GRANTED), [element]) if blocking == Blocking::Wait => {
            wait_for(attachment, *element, &mut stream.locks, limits)
        }
        (Err(status), _) => Decision::Deny(status),
    };
    drop(state);
    Outcome::new(decision, effects)
}

fn wait_for(
    attachment: &Attachment,
    element: LockElement,
    locks: &mut LockTable,
    limits: &Limits,
) -> Decision<(), Result<(), NtStatus>> {
    if locks.waiting.len() >= limits.waiting_locks {
        return Decision::Deny(NtStatus::INSUFFICIENT_RESOURCES);
    }
    let owner = attachment.id;
    let (object, stream) = (attachment.object.clone(), attachment.stream);
    let (completer, waiter) = wait::pair(move |result| {
        let mut effects = Effects::default();
        let mut state = object.lock();
        if let Some(stream) = state.stream_mut(stream) {
            if result == Some(Ok(())) {
                // Granted, but nobody heard of it: as if it had been cancelled a moment before.
                stream.locks.take_back(&[element], owner, &mut effects);
            } else {
                stream
                    .locks
                    .waiting
                    .retain(|wait| wait.completer.is_awaited());
            }
        }
    });
    locks.waiting.push_back(WaitingLock {
        element,
        owner,
        completer,
    });
    Decision::Wait(waiter)
}

/// Ends what waits for a lock of this open.
pub(super) fn end_waits(attachment: &Attachment) -> Effects {
    let mut effects = Effects::default();
    let mut state = attachment.object.lock();
    if let Some(stream) = state.stream_mut(attachment.stream) {
        stream.locks.end_waits(attachment.id, &mut effects);
    }
    drop(state);
    effects
}

/// Takes back locks that were granted, whatever else is locked of their ranges.
pub(super) fn take_back(attachment: &Attachment, elements: &[LockElement]) -> Effects {
    let mut effects = Effects::default();
    let mut state = attachment.object.lock();
    if let Some(stream) = state.stream_mut(attachment.stream) {
        let locks = &mut stream.locks;
        locks.take_back(elements, attachment.id, &mut effects);
    }
    drop(state);
    effects
}

/// Unlocks ranges one by one until one is not locked.
// [MS-SMB2] 3.3.5.14.1
pub(super) fn unlock(attachment: &Attachment, ranges: &[Range]) -> Outcome<()> {
    // [MS-FSA] 2.1.5.9
    if attachment.kind == StreamKind::Directory {
        return Outcome::deny(NtStatus::INVALID_PARAMETER);
    }
    let mut effects = Effects::default();
    let mut state = attachment.object.lock();
    let Some(stream) = state.stream_mut(attachment.stream) else {
        return Outcome::deny(NtStatus::FILE_CLOSED);
    };
    let result = stream.locks.unlock_all(ranges, attachment.id, &mut effects);
    drop(state);
    Outcome::new(result.map_or_else(Decision::Deny, Decision::Grant), effects)
}
