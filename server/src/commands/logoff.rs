//! LOGOFF. [MS-SMB2] 3.3.5.6

use wire::{LogoffResponse, NtStatus, Response};

use super::Answer;
use super::teardown::{self, Ending};
use crate::context::Context;

/// Ends the session on all its connections.
///
/// # Errors
/// None once the session is found.
pub async fn run(context: &mut Context) -> Result<Answer, NtStatus> {
    let session = context.session()?.clone();
    teardown::session(&context.server, &session, Ending::Left).await;
    Ok(Response::Logoff(LogoffResponse).into())
}
