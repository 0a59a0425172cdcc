//! A CREATE that a client repeats, because it has had no answer to the first: the open that is there
//! already is the answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use config::PendingReplay;
use wire::create::LeaseState;
use wire::dtyp::Guid;
use wire::{CreateRequest, HeaderFlags, NtStatus, OplockLevel};

use super::contexts::{self, Questions};
use super::durable::{Wish, has_persistent_handles};
use super::{caching, plan, reconnect, response};
use crate::commands::Answer;
use crate::context::Context;
use crate::durable::{CreateName, Known, UnderWay};
use crate::object_store::{GrantedCaching, OpenId};
use crate::open::Open;
use crate::persistence;
use crate::share::ShareKind;

/// What a CREATE is, as far as the client's GUID for it tells.
pub(super) enum Admission {
    /// A new one; held until it has an open or has failed.
    New(Option<UnderWay>),
    /// One that has been carried out already, with this open.
    Repeated(Arc<Open>),
    /// One that has been carried out already, with this open, which waits for its client.
    Waiting(OpenId),
}

/// Tells a repeated CREATE from a new one.
///
/// # Errors
/// `ACCESS_DENIED` for another user's open, another lease, or a request that is still under way;
/// `FILE_NOT_AVAILABLE` for the last where the share is set so; `DUPLICATE_OBJECTID` for a GUID that is in
/// use without this being a repetition, or in another session; `CONTEXT_MISMATCH` for a repetition of
/// something else.
// [MS-SMB2] 3.3.5.9
// [MS-SMB2] 3.3.5.9.10
pub(super) fn admit(
    context: &Context,
    request: &CreateRequest,
    wish: Wish,
) -> Result<Admission, NtStatus> {
    let share = &context.tree()?.share;
    let Some(create) = wish.create_guid() else {
        return Ok(Admission::New(None));
    };
    if share.features().kind != ShareKind::Disk {
        return Ok(Admission::New(None));
    }
    let name = CreateName {
        client: context.session()?.client_guid,
        create,
    };
    let is_replay = context.header.flags.contains(HeaderFlags::REPLAY_OPERATION);
    if is_replay && let Some(open) = persistent(context, wish, create)? {
        check_persistent(context, request, &open)?;
        return Ok(Admission::Waiting(open.id()));
    }
    match UnderWay::begin(&context.server, name) {
        Ok(under_way) => Ok(Admission::New(Some(under_way))),
        Err(Known::Open(id)) => {
            let Some(open) = context.server.open(id) else {
                return Ok(Admission::New(None));
            };
            if !is_replay {
                return Err(NtStatus::DUPLICATE_OBJECTID);
            }
            check(context, request, wish, &open)?;
            Ok(Admission::Repeated(open))
        }
        Err(known) => {
            refuse_under_way(share.settings.pending_replay, known, is_replay)?;
            Ok(Admission::New(None))
        }
    }
}

/// Refuses a repetition of what is still under way. An open that waits for others' caching is in the
/// tables already, but has no owner yet, and by that is denied; one that waits for its sharing is not.
// [MS-SMB2] 3.3.5.9
fn refuse_under_way(setting: PendingReplay, known: Known, is_replay: bool) -> Result<(), NtStatus> {
    match (setting, known, is_replay) {
        (PendingReplay::Unavailable, _, true) => Err(NtStatus::FILE_NOT_AVAILABLE),
        (PendingReplay::Denied, Known::Opening, true) | (_, Known::Opening, false) => Ok(()),
        (PendingReplay::Denied, _, true) => Err(NtStatus::ACCESS_DENIED),
        (_, _, false) => Err(NtStatus::DUPLICATE_OBJECTID),
    }
}

// [MS-SMB2] 3.3.5.9
fn check(
    context: &Context,
    request: &CreateRequest,
    wish: Wish,
    open: &Open,
) -> Result<(), NtStatus> {
    let session = context.session()?;
    if session.owner() != open.owner {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let lease = context.server.object_store.held(&open.attachment).lease();
    let is_asked = request.requested_oplock_level == OplockLevel::LEASE;
    let named = request.contexts.lease().filter(|_| is_asked);
    if lease.map(|lease| lease.key) != named.map(|lease| lease.lease_key) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    if open.session_id != session.id {
        return Err(NtStatus::DUPLICATE_OBJECTID);
    }
    if persistence::is_persistent(open) && !wish.is_persistent() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    Ok(())
}

/// The persistent open that a CREATE has made, which waits for its client.
///
/// # Errors
/// `FILE_NOT_AVAILABLE` when its client has it, and has used it since, or when it waits for its volume.
// [MS-SMB2] 3.3.5.9
fn persistent(context: &Context, wish: Wish, create: Guid) -> Result<Option<Arc<Open>>, NtStatus> {
    if !wish.is_persistent() || !has_persistent_handles(context) {
        return Ok(None);
    }
    let server = &context.server;
    let owner = context.session()?.owner();
    if server.persistent.absent.has(&owner, None, Some(create)) {
        return Err(NtStatus::FILE_NOT_AVAILABLE);
    }
    let opens = server.persistent.of_create_guid(server, create);
    // Others may have chosen the same GUID.
    let own = opens.iter().find(|open| open.owner == owner);
    let Some(open) = own.or(opens.first()) else {
        return Ok(None);
    };
    if server.disconnected.find(open.id()).is_some() {
        return Ok(Some(open.clone()));
    }
    let is_own = open.client_guid == context.session()?.client_guid;
    if is_own && open.is_replay_eligible.load(Ordering::Acquire) {
        Ok(None)
    } else {
        Err(NtStatus::FILE_NOT_AVAILABLE)
    }
}

/// Checks that whoever repeats a CREATE is the open's owner, with its lease, and asks for the same.
// [MS-SMB2] 3.3.5.9
fn check_persistent(
    context: &Context,
    request: &CreateRequest,
    open: &Open,
) -> Result<(), NtStatus> {
    reconnect::check_owner(context, open)?;
    // As of one whose session is there: a lease is its client's, under its key.
    let held = context.server.object_store.held(&open.attachment);
    let is_leased_to_other = held.lease().is_some() && !reconnect::is_same_client(context, open);
    if is_leased_to_other || !reconnect::has_same_lease(request, held) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    let is_same = open.create_options == plan::options(context, request)
        && open.desired_access == request.desired_access
        && open.share_access == request.share_access;
    if !is_same {
        return Err(NtStatus::CONTEXT_MISMATCH);
    }
    reconnect::check_share(context, open)
}

/// Answers with the open that is there.
pub(super) async fn answer(
    context: &mut Context,
    request: &CreateRequest,
    wish: Wish,
    open: &Open,
) -> Result<Answer, NtStatus> {
    context.related.file_id = Some(open.file_id);
    context.related.has_file = true;
    caching::hold_back_breaks(context, open);
    let stat = open.handle.stat().await?;
    let questions = Questions::new(&request.contexts);
    let mut answered = questions.answer_again(context, open, &stat).await;
    let held = context.server.object_store.held(&open.attachment);
    // observed: smbtorture, made on Windows: the client is told no higher oplock than it asks for
    // (smb2.replay.replay-dhv2-oplock2)
    let caching = match caching::told(context, open, held.caching) {
        GrantedCaching::Oplock(level) if level.0 > request.requested_oplock_level.0 => {
            GrantedCaching::Oplock(request.requested_oplock_level)
        }
        told => told,
    };
    let keeps_handle = match caching {
        GrantedCaching::Oplock(level) => level == OplockLevel::BATCH,
        GrantedCaching::Lease(lease) => lease.state.contains(LeaseState::HANDLE_CACHING),
    };
    answered.extend(contexts::lease(caching));
    let is_told = keeps_handle || persistence::is_persistent(open);
    answered.extend(wish.answer(open).filter(|_| is_told));
    Ok(response::new(open, &stat, open.create_action, caching, answered).into())
}
