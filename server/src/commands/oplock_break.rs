//! OPLOCK_BREAK: acknowledgments of oplock and lease breaks. [MS-SMB2] 3.3.5.22

use std::sync::Arc;

use wire::oplock_break::{LeaseBreak, OplockBreak};
use wire::{NtStatus, OplockBreakAcknowledgment, OplockBreakResponse, Response};

use super::breaks::{CachingHolder, Unanswered};
use super::{Answer, effects};
use crate::context::Context;
use crate::durable;
use crate::open::Open;
use crate::persistence;

/// Takes an acknowledgment and answers with what the client has now.
///
/// # Errors
/// `FILE_CLOSED`; `INVALID_DEVICE_STATE`, `INVALID_OPLOCK_PROTOCOL`, `INVALID_PARAMETER` for an oplock;
/// `OBJECT_NAME_NOT_FOUND`, `UNSUCCESSFUL`, `REQUEST_NOT_ACCEPTED` for a lease.
pub async fn run(
    context: &mut Context,
    request: OplockBreakAcknowledgment,
) -> Result<Answer, NtStatus> {
    let response = match request {
        OplockBreakAcknowledgment::Oplock(broken) => acknowledge_oplock(context, broken).await?,
        OplockBreakAcknowledgment::Lease(broken) => acknowledge_lease(context, broken).await?,
    };
    Ok(Response::OplockBreak(response).into())
}

// [MS-SMB2] 3.3.5.22.1
async fn acknowledge_oplock(
    context: &mut Context,
    broken: OplockBreak,
) -> Result<OplockBreakResponse, NtStatus> {
    let open = context.open(broken.file_id)?;
    let unanswered = Unanswered::begin(&context.server, CachingHolder::Open(open.id()));
    context.hold_back_breaks(unanswered);
    let store = &context.server.object_store;
    let (level, todo) = store.acknowledge_oplock(&open.attachment, broken.oplock_level);
    // Before whoever waits for the end of the break goes on.
    let written = persistence::note(&context.server, &open);
    effects::carry_out(&context.server, todo);
    persistence::all(written).await?;
    let was_level_two = std::mem::take(&mut open.state.lock().is_level_two_broken);
    let oplock_level = level.map_err(|status| match status {
        // [MS-FSA] 2.1.5.19
        // Nobody waits for the end of level II.
        NtStatus::INVALID_DEVICE_STATE if was_level_two => NtStatus::INVALID_OPLOCK_PROTOCOL,
        other => other,
    })?;
    Ok(OplockBreakResponse::Oplock(OplockBreak {
        oplock_level,
        ..broken
    }))
}

/// Takes it on a session that has something open which shares the lease, or on another one of that user.
// [MS-SMB2] 3.3.5.22.2
// departs [MS-SMB2] 3.3.5.22.2: that ClientGuid and LeaseKey are the lease's is not enough, as they are no secrets
async fn acknowledge_lease(
    context: &mut Context,
    broken: LeaseBreak,
) -> Result<OplockBreakResponse, NtStatus> {
    let negotiated = context.negotiated()?;
    let (client, key) = (negotiated.client_guid, broken.lease_key);
    let unanswered = Unanswered::begin(&context.server, CachingHolder::Lease(client, key));
    context.hold_back_breaks(unanswered);
    let store = &context.server.object_store;
    let (session, user) = (context.session()?.id, context.session()?.owner());
    let opens = store.lease_opens(client, key).into_iter();
    let opens: Vec<_> = opens.filter_map(|id| context.server.open(id)).collect();
    let is_theirs = |open: &Arc<Open>| open.session_id == session || open.owner == user;
    if !opens.iter().any(is_theirs) {
        return Err(NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    for open in &opens {
        durable::end_replay(&context.server, open);
    }
    let (state, todo) = store.acknowledge_lease(client, key, broken.lease_state);
    // Before whoever waits for the end of the break goes on.
    let written = persistence::note_lease(&context.server, client, key);
    effects::carry_out(&context.server, todo);
    persistence::all(written).await?;
    Ok(OplockBreakResponse::Lease(LeaseBreak {
        lease_state: state?,
        ..broken
    }))
}
