//! LOCK. [MS-SMB2] 3.3.5.14

use wire::dtyp::AccessMask;
use wire::lock::LockFlags;
use wire::negotiate::Capabilities;
use wire::{Dialect, LockRequest, LockResponse, NtStatus, Response};

use super::{Answer, effects};
use crate::context::Context;
use crate::durable::Durability;
use crate::object_store::{Blocking, Decision, LockElement, LockKind, Range, Replay};
use crate::open::Open;
use crate::persistence;

/// Locks or unlocks byte ranges.
///
/// # Errors
/// `FILE_CLOSED`, `ACCESS_DENIED` without the right to read or write, `INVALID_PARAMETER`,
/// `LOCK_NOT_GRANTED`, `RANGE_NOT_LOCKED`, `INVALID_LOCK_RANGE`, `CANCELLED`, `NETWORK_SESSION_EXPIRED`.
pub async fn run(context: &mut Context, request: LockRequest) -> Result<Answer, NtStatus> {
    let open = context.open(request.file_id)?;
    open.require_any(AccessMask::FILE_READ_DATA.with(AccessMask::FILE_WRITE_DATA))?;
    let replay = verify_sequence(context, &open, &request);
    if replay == Replay::Done {
        // The record of the first request may be on its way still, or fail, and that one then too.
        persistence::save(&context.server, &open).await?;
        let sequence = request.lock_sequence.0;
        let is_done = open.state.lock().lock_sequences.confirm(sequence);
        let is_done = is_done.then_some(Response::Lock(LockResponse).into());
        return is_done.ok_or(NtStatus::INSUFFICIENT_RESOURCES);
    }
    let done = carry_out(context, &open, &request).await;
    if done.is_err() && replay == Replay::Superseding {
        // Else what it has superseded would be known again after a restart. The client is told why its request has
        // failed, whatever becomes of the record.
        let _ = persistence::save(&context.server, &open).await;
    }
    done?;
    Ok(Response::Lock(LockResponse).into())
}

/// Locks or unlocks what has not been before.
async fn carry_out(
    context: &mut Context,
    open: &Open,
    request: &LockRequest,
) -> Result<(), NtStatus> {
    let first = request.locks.first().ok_or(NtStatus::INVALID_PARAMETER)?;
    if first.flags.contains(LockFlags::UNLOCK) {
        return unlock(context, open, request).await;
    }
    // observed: Windows (smb2.session.expire2); an expired session may give locks up, but take none
    if context.session()?.is_expired(context.server.environment()) {
        return Err(NtStatus::NETWORK_SESSION_EXPIRED);
    }
    lock(context, open, request).await?;
    note_done(context, open, request);
    match persistence::save(&context.server, open).await {
        Err(status) if undo(context, open, request) => Err(status),
        _ => Ok(()),
    }
}

/// Takes back locks of which there is no record, or nobody knows whether there is one; false if a repetition of
/// the request has been told meanwhile that they stand, and has had them recorded.
fn undo(context: &Context, open: &Open, request: &LockRequest) -> bool {
    let sequence = request.lock_sequence.0;
    if !open.state.lock().lock_sequences.forget(sequence) {
        return false;
    }
    let elements = request.locks.iter().map(lock_element);
    let granted: Vec<_> = elements.filter_map(Result::ok).collect();
    let store = &context.server.object_store;
    let todo = store.take_back(&open.attachment, &granted);
    // Before whoever waits for the ranges gets them. Nobody waits for this record: the request has failed.
    drop(persistence::note(&context.server, open));
    effects::carry_out(&context.server, todo);
    true
}

/// Whether the request has been carried out before, where such requests are told from new ones.
// [MS-SMB2] 3.3.5.14
fn verify_sequence(context: &Context, open: &Open, request: &LockRequest) -> Replay {
    if verifies_sequence(context, open) {
        let sequence = request.lock_sequence.0;
        open.state.lock().lock_sequences.check(sequence)
    } else {
        Replay::New
    }
}

/// Notes that the request has been carried out, by what the open is now: it may have been made resilient while a
/// lock was waited for.
// [MS-SMB2] 3.3.5.14.1
// [MS-SMB2] 3.3.5.14.2
fn note_done(context: &Context, open: &Open, request: &LockRequest) {
    if verifies_sequence(context, open) {
        let sequence = request.lock_sequence.0;
        open.state.lock().lock_sequences.record(sequence);
    }
}

/// Whether repeated requests are told from new ones: the open outlives its connection, or requests
/// are repeated on other channels.
// [MS-SMB2] 3.3.5.14
fn verifies_sequence(context: &Context, open: &Open) -> bool {
    let Some(negotiated) = context.connection.negotiated() else {
        return false;
    };
    let has_channels = negotiated
        .server_capabilities
        .contains(Capabilities::MULTI_CHANNEL);
    let is_kept = open.state.lock().durability != Durability::None;
    negotiated.dialect != Dialect::SMB_2_0_2 && (is_kept || has_channels)
}

/// Unlocks one range after the other until one is not locked, and notes the request as carried out if all were.
// [MS-SMB2] 3.3.5.14.1
async fn unlock(context: &Context, open: &Open, request: &LockRequest) -> Result<(), NtStatus> {
    // [MS-SMB2] 2.2.26.1
    // UNLOCK stands alone.
    let is_unlock = |element: &&wire::lock::LockElement| element.flags == LockFlags::UNLOCK;
    let elements = request.locks.iter().take_while(is_unlock);
    let ranges: Vec<_> = elements.map(range).collect();
    let store = &context.server.object_store;
    let outcome = store.unlock(&open.attachment, &ranges);
    let unlocked = match outcome.decision {
        Decision::Deny(status) => Err(status),
        Decision::Grant(_) | Decision::Wait(_) if ranges.len() < request.locks.len() => {
            Err(NtStatus::INVALID_PARAMETER)
        }
        Decision::Grant(_) | Decision::Wait(_) => Ok(()),
    };
    if unlocked.is_ok() {
        note_done(context, open, request);
    }
    // Before whoever waits for the ranges gets them: no two records may say that they have them. What stands
    // before an element that fails is unlocked all the same, and stays so whatever becomes of the record.
    let written = persistence::note(&context.server, open);
    effects::carry_out(&context.server, outcome.effects);
    let written = persistence::all(written).await;
    if written.is_err() {
        // Others may have the ranges by now: what is recorded must not say for longer than need be that these are
        // locked still.
        drop(persistence::note(&context.server, open));
    }
    unlocked.and(written)
}

// [MS-SMB2] 3.3.5.14.2
async fn lock(context: &mut Context, open: &Open, request: &LockRequest) -> Result<(), NtStatus> {
    let fails_at_once = |flags: LockFlags| flags.contains(LockFlags::FAIL_IMMEDIATELY);
    let count = request.locks.len();
    if count > 1
        && !request
            .locks
            .iter()
            .all(|element| fails_at_once(element.flags))
    {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    // departs [MS-SMB2] 3.3.5.14.2: what stands before an element that is no lock is not locked either;
    // its client believes it refused, and would never unlock it
    let elements = request
        .locks
        .iter()
        .map(lock_element)
        .collect::<Result<Vec<_>, NtStatus>>()?;
    let blocking = match request.locks.first() {
        Some(first) if !fails_at_once(first.flags) => Blocking::Wait,
        _ => Blocking::FailImmediately,
    };
    let outcome = context
        .server
        .object_store
        .lock(&open.attachment, &elements, blocking);
    effects::carry_out(&context.server, outcome.effects);
    match outcome.decision {
        Decision::Grant(()) => Ok(()),
        Decision::Deny(status) => Err(status),
        Decision::Wait(waiter) => context.wait(waiter).await?,
    }
}

fn lock_element(element: &wire::lock::LockElement) -> Result<LockElement, NtStatus> {
    let kinds = LockFlags::SHARED_LOCK
        .with(LockFlags::EXCLUSIVE_LOCK)
        .with(LockFlags::UNLOCK);
    let kind = match element.flags & kinds {
        LockFlags::SHARED_LOCK => LockKind::Shared,
        LockFlags::EXCLUSIVE_LOCK => LockKind::Exclusive,
        _ => return Err(NtStatus::INVALID_PARAMETER),
    };
    if !element.flags.unknown().is_empty() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    Ok(LockElement {
        range: range(element),
        kind,
    })
}

fn range(element: &wire::lock::LockElement) -> Range {
    Range {
        offset: element.offset,
        length: element.length,
    }
}
