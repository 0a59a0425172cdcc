//! SET_INFO. [MS-SMB2] 3.3.5.21

mod disposition;
mod file;
mod rename;
mod security;

use wire::query_info::InfoType;
use wire::{NtStatus, Response, SetInfoRequest, SetInfoResponse};

use super::Answer;
use crate::context::Context;

/// Changes a file or its security.
///
/// # Errors
/// `FILE_CLOSED`, `ACCESS_DENIED`, `INVALID_PARAMETER`, `INVALID_INFO_CLASS`, `NOT_SUPPORTED`,
/// `INFO_LENGTH_MISMATCH`, `SHARING_VIOLATION`, and what the handler says.
pub async fn run(context: &mut Context, request: SetInfoRequest) -> Result<Answer, NtStatus> {
    let open = context.open(request.file_id)?;
    context.check_transact_size(u32::try_from(request.buffer.len()).unwrap_or(u32::MAX))?;
    match request.info_type {
        InfoType::FILE => file::set(context, &open, &request).await?,
        InfoType::SECURITY => security::set(context, &open, &request).await?,
        // [MS-SMB2] 3.3.5.21.2
        // [MS-SMB2] 3.3.5.21.4
        // Volumes and quotas cannot be changed here.
        InfoType::FILESYSTEM | InfoType::QUOTA => return Err(NtStatus::NOT_SUPPORTED),
        _ => return Err(NtStatus::INVALID_PARAMETER),
    }
    Ok(Response::SetInfo(SetInfoResponse).into())
}
