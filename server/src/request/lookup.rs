//! Finding the session and the tree connect of a request.

use wire::{Command, NtStatus, TreeId};

use crate::commands::Rule;
use crate::context::Context;

/// Finds the session where the command needs one.
///
/// # Errors
/// `USER_SESSION_DELETED`; in a related request `INVALID_PARAMETER` when the one before it had none.
// [MS-SMB2] 3.3.5.2.9
pub(super) fn session(
    context: &mut Context,
    rule: &Rule,
    is_related: bool,
) -> Result<(), NtStatus> {
    if !rule.needs_session {
        return Ok(());
    }
    let id = if is_related {
        // [MS-SMB2] 3.3.5.2.7.2
        context
            .related
            .session_id
            .ok_or(NtStatus::INVALID_PARAMETER)?
    } else {
        context.header.session_id
    };
    let attached = context
        .connection
        .session(id)
        .ok_or(NtStatus::USER_SESSION_DELETED)?;
    // [MS-SMB2] 3.3.5.2.8
    attached.session.note_request(context.begun());
    context.use_session(attached);
    Ok(())
}

/// Refuses what the session's state does not allow.
///
/// # Errors
/// `NETWORK_SESSION_EXPIRED`, `ACCESS_DENIED` for an unencrypted request.
// [MS-SMB2] 3.3.5.2.9
pub(super) fn session_state(
    context: &Context,
    rule: &Rule,
    command: Command,
) -> Result<(), NtStatus> {
    let Some(session) = context.session.as_ref().filter(|_| rule.needs_session) else {
        return Ok(());
    };
    let works_expired = matches!(command, Command::Logoff | Command::Close | Command::Lock);
    if session.is_expired(context.server.environment()) && !works_expired {
        return Err(NtStatus::NETWORK_SESSION_EXPIRED);
    }
    if session.encrypt_data && context.sealed_by.is_none() {
        return Err(NtStatus::ACCESS_DENIED);
    }
    Ok(())
}

/// Finds the tree connect where the command needs one.
///
/// # Errors
/// `NETWORK_NAME_DELETED`, `ACCESS_DENIED` for an unencrypted request to an encrypted share;
/// in a related request `INVALID_PARAMETER` when the one before it had none.
// [MS-SMB2] 3.3.5.2.11
pub(super) fn tree(context: &mut Context, rule: &Rule, is_related: bool) -> Result<(), NtStatus> {
    if !rule.needs_tree {
        return Ok(());
    }
    let id = if is_related {
        context.related.tree_id.ok_or(NtStatus::INVALID_PARAMETER)?
    } else {
        context.header.tree_id().unwrap_or(TreeId(0))
    };
    let tree = context
        .session()?
        .tree_connect(id)
        .ok_or(NtStatus::NETWORK_NAME_DELETED)?;
    if tree.share.encrypt_data() && context.sealed_by.is_none() {
        return Err(NtStatus::ACCESS_DENIED);
    }
    context.related.tree_id = Some(tree.id);
    context.tree = Some(tree);
    Ok(())
}
