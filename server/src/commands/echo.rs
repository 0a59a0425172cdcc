//! ECHO. [MS-SMB2] 3.3.5.17

use wire::{EchoResponse, NtStatus, Response, SessionId};

use super::Answer;
use crate::context::Context;

/// Answers, whether there is a session or not.
///
/// # Errors
/// `USER_SESSION_DELETED` for a SessionId that is not 0 and not known.
pub fn run(context: &mut Context) -> Result<Answer, NtStatus> {
    let named = context.header.session_id;
    if named != SessionId(0)
        && let Some(attached) = context.connection.session(named)
    {
        context.use_session(attached);
    }
    Ok(Response::Echo(EchoResponse).into())
}
