//! FLUSH. [MS-SMB2] 3.3.5.11

use wire::dtyp::AccessMask;
use wire::{FlushRequest, FlushResponse, NtStatus, Response};

use super::Answer;
use crate::context::Context;

/// Puts everything written on stable storage before it answers.
///
/// # Errors
/// `FILE_CLOSED`, `ACCESS_DENIED` without any right to write, and what the handler says.
pub async fn run(context: &mut Context, request: FlushRequest) -> Result<Answer, NtStatus> {
    let open = context.open(request.file_id)?;
    // [MS-SMB2] 3.3.5.11
    let writes = AccessMask::FILE_WRITE_DATA.with(AccessMask::FILE_APPEND_DATA);
    if !open.tree.share.is_pipe() {
        open.require_any(writes)?;
    }
    // departs [MS-SMB2] 3.3.5.11: a persistent open is flushed too: a new end of file is not written through
    open.handle.flush().await?;
    Ok(Response::Flush(FlushResponse).into())
}
