//! CLOSE. [MS-SMB2] 3.3.5.10

use wire::close::CloseFlags;
use wire::dtyp::FileTime;
use wire::fscc::FileAttributes;
use wire::{CloseRequest, CloseResponse, NtStatus, Response};

use super::{Answer, effects, teardown};
use crate::context::Context;
use crate::object_store::Operation;
use crate::open::Open;

/// Closes an open, deleting what was to be deleted at its end.
///
/// # Errors
/// `FILE_CLOSED`.
pub async fn run(context: &mut Context, request: CloseRequest) -> Result<Answer, NtStatus> {
    let open = context.open(request.file_id)?;
    let session = context.session()?.clone();
    release_handles(context, &open).await;
    // Of two that close at once, the one that takes it out closes it.
    let open = session
        .opens
        .remove(open.file_id)
        .ok_or(NtStatus::FILE_CLOSED)?;
    let wants_attributes = request.flags.contains(CloseFlags::POSTQUERY_ATTRIB);
    let stat = if wants_attributes {
        open.handle.final_stat().await.ok()
    } else {
        None
    };
    if let Err(status) = teardown::open(&context.server, &open).await {
        tracing::debug!(target: "smb::request", %status, "the file was closed with an error");
    }
    let response = match stat {
        Some(stat) => CloseResponse {
            flags: CloseFlags::POSTQUERY_ATTRIB,
            creation_time: stat.creation_time,
            last_access_time: stat.last_access_time,
            last_write_time: stat.last_write_time,
            change_time: stat.change_time,
            allocation_size: stat.allocation_size,
            end_of_file: stat.end_of_file,
            file_attributes: stat.attributes,
        },
        None => CloseResponse {
            flags: CloseFlags::NONE,
            creation_time: FileTime::ZERO,
            last_access_time: FileTime::ZERO,
            last_write_time: FileTime::ZERO,
            change_time: FileTime::ZERO,
            allocation_size: 0,
            end_of_file: 0,
            file_attributes: FileAttributes::NONE,
        },
    };
    Ok(Response::Close(response).into())
}

/// Has others close the handles that they only cache, where the file is to be deleted with this open:
/// as long as one is left it stays.
// [MS-FSA] 2.1.5.15.3
// What makes deletion pending takes handle caching first, and waits for it.
async fn release_handles(context: &mut Context, open: &Open) {
    if open.attachment.delete_on_close() {
        // Whoever ends the wait wants the open closed all the same.
        let _ = effects::prepare(context, open, Operation::Delete).await;
    }
}
