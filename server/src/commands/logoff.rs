//! LOGOFF. [MS-SMB2] 3.3.5.6

use wire::{LogoffResponse, NtStatus, Response};

use super::{Answer, teardown};
use crate::context::Context;

/// Ends the session on all its connections.
///
/// # Errors
/// None once the session is found.
pub async fn run(context: &mut Context) -> Result<Answer, NtStatus> {
    let session = context.session()?.clone();
    teardown::session(&context.server, &session).await;
    Ok(Response::Logoff(LogoffResponse).into())
}
