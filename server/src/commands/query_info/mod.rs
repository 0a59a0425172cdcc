//! QUERY_INFO. [MS-SMB2] 3.3.5.20

mod file;
mod file_system;
mod security;

use bytes::Bytes;
use wire::error::{ErrorContext, ErrorId};
use wire::fscc::Fit;
use wire::query_info::InfoType;
use wire::{Dialect, ErrorResponse, NtStatus, QueryInfoRequest, QueryInfoResponse, Response};

use super::Answer;
use crate::context::Context;

/// Tells about a file, its volume, its security or its quota.
///
/// # Errors
/// `FILE_CLOSED`, `ACCESS_DENIED`, `INVALID_PARAMETER`, `INVALID_INFO_CLASS`, `NOT_SUPPORTED`,
/// `INFO_LENGTH_MISMATCH`, `BUFFER_TOO_SMALL`, and what the handler says.
pub async fn run(context: &mut Context, request: QueryInfoRequest) -> Result<Answer, NtStatus> {
    let open = context.open(request.file_id)?;
    context.check_transact_size(request.output_buffer_length)?;
    let dialect = context.negotiated()?.dialect;
    match request.info_type {
        InfoType::FILE => file::query(context, &open, &request, dialect).await,
        InfoType::FILESYSTEM => file_system::query(&open, &request).await,
        InfoType::SECURITY => security::query(&open, &request, dialect).await,
        // [MS-SMB2] 3.3.5.20.4
        // There are no quotas here.
        InfoType::QUOTA => Err(NtStatus::NOT_SUPPORTED),
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}

/// An answer that may have been cut to the client's room.
fn answer(output: Bytes, fit: Fit) -> Answer {
    let status = match fit {
        Fit::Whole => NtStatus::SUCCESS,
        Fit::Part => NtStatus::BUFFER_OVERFLOW,
    };
    Answer::with_status(status, Response::QueryInfo(QueryInfoResponse { output }))
}

/// A failure for lack of room; 3.1.1 wraps its error data in a context.
// [MS-SMB2] 2.2.2
fn short_of_room(status: NtStatus, needed: Option<u32>, dialect: Dialect) -> Answer {
    let data = needed.map_or_else(Bytes::new, |needed| needed.to_le_bytes().to_vec().into());
    let body = if dialect == Dialect::SMB_3_1_1 {
        ErrorResponse::Contexts(vec![ErrorContext {
            error_id: ErrorId::DEFAULT,
            data,
        }])
    } else {
        ErrorResponse::Data(data)
    };
    Answer::with_status(status, Response::Error(body))
}
