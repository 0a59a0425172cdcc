//! The private control codes of smbtorture, for laboratories that enable them.
//!
//! They disturb the server on purpose, so that clients and tests can see how it recovers. None exists
//! unless the configuration says `[lab] enabled = true`.

use std::time::Duration;

use bytes::Bytes;
use wire::fscc::Fsctl;
use wire::{IoctlRequest, NtStatus};

use crate::context::Context;

/// Whether `code` is one of them, and they are enabled.
pub(super) fn is_enabled(context: &Context, code: Fsctl) -> bool {
    let settings = context.server.settings();
    code.is_lab_control() && settings.configuration.lab.enabled
}

/// Whether a whole request, not decoded yet, is for one that needs no session.
pub(crate) fn needs_no_session(context: &Context, message: &[u8]) -> bool {
    let code = IoctlRequest::peek_ctl_code(message);
    code == Some(Fsctl::LAB_PLAY_DEAD) && is_enabled(context, Fsctl::LAB_PLAY_DEAD)
}

/// Has the connection behave as if its link were dead.
///
/// # Errors
/// `INVALID_PARAMETER` for any input.
pub(super) fn play_dead(context: &Context, request: &IoctlRequest) -> Result<Bytes, NtStatus> {
    if !request.input.is_empty() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    context.connection.play_dead();
    Ok(Bytes::new())
}

/// Pauses, while the client does something else to the open. What is under way keeps its open.
///
/// # Errors
/// `INVALID_PARAMETER` unless the input is a number of milliseconds in one byte.
pub(super) async fn pause(
    context: &mut Context,
    request: &IoctlRequest,
) -> Result<Bytes, NtStatus> {
    let [milliseconds] = *request.input else {
        return Err(NtStatus::INVALID_PARAMETER);
    };
    let pause = Duration::from_millis(milliseconds.into());
    let paused = context.server.environment().sleep(pause);
    context.wait(paused).await?;
    Ok(Bytes::new())
}
