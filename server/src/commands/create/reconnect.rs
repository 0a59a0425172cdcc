//! A CREATE that takes up an open again which has waited for its client. Nothing is opened: what
//! CREATE says beside the contexts for it is not looked at.

use std::sync::Arc;

use wire::create::{CreateAction, DurableHandleFlags};
use wire::dtyp::Guid;
use wire::{CreateRequest, NtStatus};

use super::contexts::{self, Questions};
use super::durable::{Reconnect, ReconnectV2, has_persistent_handles};
use super::{caching, response};
use crate::commands::breaks::tell_now;
use crate::commands::{Answer, teardown};
use crate::context::Context;
use crate::durable::{self, Durability};
use crate::object_store::{Held, LeaseVersion, OpenId};
use crate::open::{Open, Resumption};
use crate::persistence;
use crate::share::Name;

/// Gives a client its open back.
///
/// # Errors
/// `OBJECT_NAME_NOT_FOUND` when there is no such open that waits, or not for this client;
/// `FILE_NOT_AVAILABLE` when it waits for its volume; `INVALID_PARAMETER` for a lease on another name, or for
/// an open as persistent that is not; `ACCESS_DENIED` for another user.
pub(super) async fn run(
    context: &mut Context,
    request: &CreateRequest,
    reconnect: Reconnect,
) -> Result<Answer, NtStatus> {
    // departs [MS-SMB2] 3.3.5.9.12: an open that waits for its volume is there again in a moment; so answered,
    // clients ask again
    if is_absent(context, reconnect)? {
        return Err(NtStatus::FILE_NOT_AVAILABLE);
    }
    let known = find(context, reconnect).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    check(context, request, reconnect, &known)?;
    let open = resume(context, known.id()).await?;
    let stat = match open.handle.stat().await {
        Ok(stat) => stat,
        Err(status) => return Err(leave_session(context, open, status).await),
    };
    context.related.file_id = Some(open.file_id);
    context.related.has_file = true;
    let questions = Questions::new(&request.contexts);
    let mut answered = questions.answer_again(context, &open, &stat).await;
    let held = context.server.object_store.held(&open.attachment);
    let caching = caching::told(context, &open, held.caching);
    answered.extend(contexts::lease(caching));
    let action = CreateAction::OPENED;
    Ok(response::new(&open, &stat, action, caching, answered).into())
}

/// Takes an open that waits for its client into the session.
///
/// # Errors
/// `OBJECT_NAME_NOT_FOUND` when it waits no longer; `USER_SESSION_DELETED` and the like when the session
/// ends meanwhile; what the store of persistent opens says.
pub(super) async fn resume(context: &mut Context, id: OpenId) -> Result<Arc<Open>, NtStatus> {
    let server = context.server.clone();
    let known = server.open(id).ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    let holder = caching::hold_back_breaks(context, &known);
    // Another reconnect, the timer, or a break may have come first.
    let waiting = server.disconnected.take(&server, id);
    let waiting = waiting.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    let open = Arc::new(waiting.resumed(Resumption {
        session_id: context.session()?.id,
        tree: context.tree()?.clone(),
        channel_sequence: context.header.channel_sequence(),
    }));
    server.replace_open(&open);
    tell_now(&server, holder);
    let written = persistence::note(&server, &open);
    // A client may have sent more behind this request, which is not to wait for the record.
    if let Err(status) = super::enter_session(context, &open) {
        keep_waiting(context, open).await;
        return Err(status);
    }
    match persistence::all(written).await {
        Ok(()) => Ok(open),
        Err(status) => Err(leave_session(context, open, status).await),
    }
}

/// Whether the open waits for its share or volume. Of others' opens nobody is told.
fn is_absent(context: &Context, reconnect: Reconnect) -> Result<bool, NtStatus> {
    let owner = context.session()?.owner();
    let id = OpenId(reconnect.file_id.persistent);
    let create_guid = reconnect.v2.map(|v2| v2.create_guid);
    let absent = &context.server.persistent.absent;
    Ok(absent.has(&owner, Some(id), create_guid))
}

/// The open that a client wants back.
// [MS-SMB2] 3.3.5.9.12
fn find(context: &Context, reconnect: Reconnect) -> Option<Arc<Open>> {
    let server = &context.server;
    let by_id = server.open(OpenId(reconnect.file_id.persistent));
    let v2 = reconnect.v2.filter(|v2| {
        let is_persistent = v2.flags.contains(DurableHandleFlags::PERSISTENT);
        is_persistent && has_persistent_handles(context)
    });
    by_id.or_else(|| {
        let opens = server.persistent.of_create_guid(server, v2?.create_guid);
        opens.into_iter().next()
    })
}

/// Has an open wait again that the session has, unless it is closed already; returns why.
async fn leave_session(context: &Context, open: Arc<Open>, status: NtStatus) -> NtStatus {
    let session = context.session();
    let taken = session.ok().and_then(|it| it.opens.remove(open.file_id));
    if taken.is_some() {
        keep_waiting(context, open).await;
    }
    status
}

/// Has an open wait again that could not be given back.
async fn keep_waiting(context: &Context, open: Arc<Open>) {
    if !durable::preserve(&context.server, &open) {
        teardown::opens(&context.server, vec![open]).await;
    }
}

/// Checks that this is the client whose open it is, and that the open waits.
// [MS-SMB2] 3.3.5.9.7
// [MS-SMB2] 3.3.5.9.12
fn check(
    context: &Context,
    request: &CreateRequest,
    reconnect: Reconnect,
    open: &Open,
) -> Result<(), NtStatus> {
    let held = context.server.object_store.held(&open.attachment);
    if held.lease().is_some() && !is_same_client(context, open) {
        return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    let is_it = waits(context, open)
        && is_on_same_share(context, open)?
        && has_same_lease(request, held)
        && reconnect.v2.is_none_or(|v2| has_same_guid(open, v2));
    let durability = open.state.lock().durability;
    let is_kept = match durability {
        Durability::None => false,
        Durability::Durable(_) => held.has_handle(),
        // departs [MS-SMB2] 3.3.5.9.12: one that caches nothing comes back too, else it would have been
        // granted for nothing; Windows does so too
        Durability::Resilient(_) | Durability::Persistent(_) => true,
    };
    let is_persistent = matches!(durability, Durability::Persistent(_));
    let wants = |v2: ReconnectV2| v2.flags.contains(DurableHandleFlags::PERSISTENT);
    let wants_other = reconnect.v2.is_some_and(|v2| is_persistent && !wants(v2));
    if !is_it || !is_kept || wants_other {
        return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    // departs [MS-SMB2] 3.3.5.9.7: the name is looked at only now, as for version 2; Windows does so too
    check_name(context, request, open, held)?;
    if reconnect.v2.is_some_and(wants) && !is_persistent {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    check_owner(context, open)?;
    check_share(context, open)
}

/// Checks that the open is the user's.
///
/// # Errors
/// `ACCESS_DENIED`.
pub(super) fn check_owner(context: &Context, open: &Open) -> Result<(), NtStatus> {
    let session = context.session()?;
    // Guests, and those who have no name, are told apart by their clients alone.
    let is_known = !session.is_guest_or_anonymous() || is_same_client(context, open);
    if session.owner() == open.owner && is_known {
        Ok(())
    } else {
        Err(NtStatus::ACCESS_DENIED)
    }
}

/// Checks that the open is on this share, and that the user may still use it so.
///
/// # Errors
/// `OBJECT_NAME_NOT_FOUND` for another share, `ACCESS_DENIED`.
pub(super) fn check_share(context: &Context, open: &Open) -> Result<(), NtStatus> {
    if !is_on_same_share(context, open)? {
        return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    // The user's rights on the share may have shrunk meanwhile.
    let share_allows = context.tree()?.maximal_access;
    if !share_allows.contains(open.tree.maximal_access) {
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(())
}

pub(super) fn is_same_client(context: &Context, open: &Open) -> bool {
    let negotiated = context.connection.negotiated();
    negotiated.is_some_and(|negotiated| negotiated.client_guid == open.client_guid)
}

/// Whether Open.Session is NULL.
fn waits(context: &Context, open: &Open) -> bool {
    context.server.disconnected.find(open.id()).is_some()
}

/// An open stays on the share that it was made on: other shares have other rules.
fn is_on_same_share(context: &Context, open: &Open) -> Result<bool, NtStatus> {
    Ok(context.tree()?.share.id == open.tree.share.id)
}

/// Whether the request names the open's lease, in the version that it has, or none if there is none.
pub(super) fn has_same_lease(request: &CreateRequest, held: Held) -> bool {
    match (held.lease(), request.contexts.lease()) {
        (None, None) => true,
        (Some(lease), Some(named)) => {
            let is_v2 = lease.version == LeaseVersion::V2;
            lease.key == named.lease_key && is_v2 == named.v2.is_some()
        }
        _ => false,
    }
}

/// An open that was made without a GUID has NULL, which a client writes as zeros.
fn has_same_guid(open: &Open, v2: ReconnectV2) -> bool {
    open.create_guid.unwrap_or(Guid::ZERO) == v2.create_guid
}

/// A lease is on a name, which the request must repeat.
fn check_name(
    context: &Context,
    request: &CreateRequest,
    open: &Open,
    held: Held,
) -> Result<(), NtStatus> {
    if held.lease().is_none() {
        return Ok(());
    }
    let name = Name::parse(&request.name).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let location = open.tree.share.location(&name);
    let store = &context.server.object_store;
    if store.is_named(&open.attachment, &location) {
        Ok(())
    } else {
        Err(NtStatus::INVALID_PARAMETER)
    }
}
