//! CHANGE_NOTIFY. [MS-SMB2] 3.3.5.19

use bytes::BytesMut;
use wire::change_notify::ChangeNotifyFlags;
use wire::dtyp::AccessMask;
use wire::fscc::FileNotifyInformation;
use wire::{ChangeNotifyRequest, ChangeNotifyResponse, NtStatus, Response, Writer};

use super::{Answer, effects};
use crate::context::Context;
use crate::object_store::{Changes, Decision, WatchRequest, WatchScope};

/// Waits for the next changes below a directory.
///
/// # Errors
/// `FILE_CLOSED`, `ACCESS_DENIED`, `INVALID_PARAMETER`, `NOTIFY_ENUM_DIR` when more happened than the
/// client has room for, `NOTIFY_CLEANUP` when the directory is closed, `DELETE_PENDING`,
/// `CANCELLED`; `INTERNAL_ERROR` in the middle of a compound, where nothing may wait.
pub async fn run(context: &mut Context, request: ChangeNotifyRequest) -> Result<Answer, NtStatus> {
    let open = context.open(request.file_id)?;
    context.check_transact_size(request.output_buffer_length)?;
    if !open.is_directory {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    open.require(AccessMask::FILE_LIST_DIRECTORY)?;
    context.refuse_waiting_in_compound()?;
    let watch = WatchRequest {
        filter: request.completion_filter,
        scope: if request.flags.contains(ChangeNotifyFlags::WATCH_TREE) {
            WatchScope::Tree
        } else {
            WatchScope::Directory
        },
        room_bytes: request.output_buffer_length,
    };
    open.handle.watch(watch.scope)?;
    let outcome = context.server.object_store.watch(&open.attachment, &watch);
    effects::carry_out(&context.server, outcome.effects);
    let changes = match outcome.decision {
        Decision::Grant(changes) => changes,
        Decision::Deny(status) => return Err(status),
        Decision::Wait(waiter) => context.wait(waiter).await??,
    };
    answer(&changes, request.output_buffer_length)
}

fn answer(changes: &Changes, room_bytes: u32) -> Result<Answer, NtStatus> {
    let room = usize::try_from(room_bytes).unwrap_or_default();
    let mut out = BytesMut::new();
    if !FileNotifyInformation::encode_list(changes, &mut Writer::new(&mut out), room) {
        return Err(NtStatus::NOTIFY_ENUM_DIR);
    }
    Ok(Response::ChangeNotify(ChangeNotifyResponse {
        output: out.freeze(),
    })
    .into())
}
