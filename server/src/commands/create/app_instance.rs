//! A CREATE on behalf of an application that has moved to another client: it takes the place of the opens
//! that the application had there.

use std::sync::Arc;

use wire::create::{CreateContext, CreateContexts};
use wire::dtyp::{AccessMask, SecurityInformation};
use wire::{Dialect, NtStatus};

use super::plan::Plan;
use crate::access;
use crate::commands::negotiate::Negotiated;
use crate::commands::teardown;
use crate::context::Context;
use crate::durable::AppInstance;
use crate::open::Open;

/// The application that a CREATE says it is for, as far as the dialect knows of it.
// [MS-SMB2] 3.3.5.9
pub(super) fn named(negotiated: &Negotiated, contexts: &CreateContexts) -> Option<AppInstance> {
    let id = contexts.find_map(|each| match each {
        CreateContext::AppInstanceId(id) => Some(*id),
        _ => None,
    });
    let version = contexts.find_map(|each| match each {
        CreateContext::AppInstanceVersion { high, low } => Some((*high, *low)),
        _ => None,
    });
    let knows_version = negotiated.dialect == Dialect::SMB_3_1_1;
    Some(AppInstance {
        id: id.filter(|_| negotiated.is_smb3())?,
        version: version.filter(|_| knows_version),
    })
}

/// Closes what the application has open by this name on other clients.
///
/// # Errors
/// `FILE_FORCED_CLOSED` when a later start of the application has it open.
// [MS-SMB2] 3.3.5.9.13
pub(super) async fn take_over(context: &Context, plan: &Plan) -> Result<(), NtStatus> {
    let Some(instance) = plan.app_instance else {
        return Ok(());
    };
    for id in context.server.app_instances.find(instance.id) {
        let Some(open) = context.server.open(id) else {
            continue;
        };
        if !is_elsewhere(context, plan, &open)? {
            continue;
        }
        if is_superseded(instance, &open) {
            return Err(NtStatus::FILE_FORCED_CLOSED);
        }
        let is_kept_for_nobody =
            open.create_guid.is_none() && !open.tree.share.is_continuously_available();
        if may_read(context, &open).await? || is_kept_for_nobody {
            close(context, open).await;
        }
    }
    Ok(())
}

/// Whether the open is by the same name on the same share, but another client's.
fn is_elsewhere(context: &Context, plan: &Plan, open: &Open) -> Result<bool, NtStatus> {
    let share = &context.tree()?.share;
    let location = share.location(&plan.name);
    Ok(open.tree.share.id == share.id
        && open.client_guid != context.session()?.client_guid
        && context
            .server
            .object_store
            .is_named(&open.attachment, &location))
}

/// Whether the open is of a later start of the application, or of one that says which it is while the
/// request does not.
fn is_superseded(instance: AppInstance, open: &Open) -> bool {
    let known = open.app_instance.and_then(|instance| instance.version);
    match (known, instance.version) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(known), Some(version)) => known >= version,
    }
}

/// Whether the user who asks may read the file.
async fn may_read(context: &Context, open: &Open) -> Result<bool, NtStatus> {
    let parts = SecurityInformation::OWNER
        .with(SecurityInformation::GROUP)
        .with(SecurityInformation::DACL);
    let descriptor = open.handle.security(parts).await?;
    let allowed = access::maximal_access(&context.caller()?.token, &descriptor);
    Ok(allowed.contains(AccessMask::FILE_GENERIC_READ))
}

/// Closes an open wherever it is: in its session, or waiting for its client.
// [MS-SMB2] 3.3.4.17
async fn close(context: &Context, open: Arc<Open>) {
    let server = &context.server;
    let of_session = server
        .session(open.session_id)
        .and_then(|session| session.opens.remove(open.file_id));
    let taken = of_session.or_else(|| server.disconnected.take(server, open.id()));
    teardown::opens(server, taken.into_iter().collect()).await;
}
