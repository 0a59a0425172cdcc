//! Waiting for a pipe to take one more client.
//!
//! Pipes here are always ready for one more, and one that does not exist never will be: nothing is waited for.

use bytes::Bytes;
use wire::dtyp::AccessMask;
use wire::fscc::fsctl_data::PipeWaitRequest;
use wire::{IoctlRequest, NtStatus};

use crate::context::Context;
use crate::share::{CloseHow, Name, OpenHow, ShareKind};

/// Says whether there is a pipe of that name.
///
/// # Errors
/// `OBJECT_NAME_NOT_FOUND` for a malformed request, and for what is not the name of a pipe.
// [MS-SMB2] 3.3.5.15.10
pub(super) async fn run(context: &Context, request: &IoctlRequest) -> Result<Bytes, NtStatus> {
    let not_found = NtStatus::OBJECT_NAME_NOT_FOUND;
    let share = &context.tree()?.share;
    if share.features().kind != ShareKind::Pipe {
        return Err(not_found);
    }
    let wait = PipeWaitRequest::decode(&request.input).map_err(|_| not_found)?;
    let name = Name::parse(&wait.name).map_err(|_| not_found)?;
    let how = OpenHow::to_look(AccessMask::FILE_READ_ATTRIBUTES);
    let caller = context.caller()?;
    let opened = share.handler.open(&caller, &name, &how).await?;
    opened.handle.close(CloseHow::Keep).await?;
    Ok(Bytes::new())
}
