//! READ. [MS-SMB2] 3.3.5.12

use wire::dtyp::AccessMask;
use wire::read::Channel;
use wire::{NtStatus, ReadRequest};

use super::{Answer, effects};
use crate::context::Context;
use crate::open::Open;

/// The first byte that no file has. [MS-FSA] 2.1.5.3: offsets are signed.
const END_OF_OFFSETS: u64 = 1 << 63;

/// Reads into the reply's own buffer.
///
/// # Errors
/// `FILE_CLOSED`, `ACCESS_DENIED`, `INVALID_PARAMETER` for lengths and offsets beyond the
/// limits, `INVALID_DEVICE_REQUEST` for a directory, `FILE_LOCK_CONFLICT`, `END_OF_FILE` when fewer than
/// MinimumCount bytes are there.
pub async fn run(context: &mut Context, request: ReadRequest) -> Result<Answer, NtStatus> {
    let open = context.open(request.file_id)?;
    check(context, &open, &request)?;
    let length = u64::from(request.length);
    effects::prepare_read(context, &open, request.offset, length).await?;
    let room_length = usize::try_from(request.length).unwrap_or_default();
    let mut room = context.lend_room(room_length);
    let read = if open.tree.share.is_pipe() {
        let reading = open.handle.read(request.offset, &mut room);
        context.wait(reading).await.and_then(|read| read)
    } else {
        open.handle.read(request.offset, &mut room).await
    };
    let minimum = u64::from(request.minimum_count);
    match read {
        Ok(filled) if is_enough(filled, length, minimum) => {
            let end = request.offset.saturating_add(u64::from(filled));
            open.state.lock().position = end;
            let is_partial = room.is_partial();
            let status = if is_partial {
                NtStatus::BUFFER_OVERFLOW
            } else {
                NtStatus::SUCCESS
            };
            context.keep_room(room);
            Ok(Answer::data(status, filled))
        }
        Ok(_) => {
            context.give_back(room);
            Err(NtStatus::END_OF_FILE)
        }
        Err(status) => {
            context.give_back(room);
            Err(status)
        }
    }
}

/// Nothing read is an error only for who asked for something, and too little for who said how
/// much it needs.
fn is_enough(filled: u32, length: u64, minimum: u64) -> bool {
    let filled = u64::from(filled);
    filled >= minimum && (filled > 0 || length == 0)
}

fn check(context: &Context, open: &Open, request: &ReadRequest) -> Result<(), NtStatus> {
    let negotiated = context.negotiated()?;
    if request.length > negotiated.max_read_size {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    // RDMA buffers are of no use without RDMA.
    if negotiated.is_smb3() && request.channel != Channel::NONE {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    if open.is_directory {
        return Err(NtStatus::INVALID_DEVICE_REQUEST);
    }
    open.require_any(AccessMask::FILE_READ_DATA.with(AccessMask::FILE_EXECUTE))?;
    // [MS-FSA] 2.1.5.3
    let end = request.offset.checked_add(u64::from(request.length));
    if request.offset >= END_OF_OFFSETS || end.is_none_or(|end| end >= END_OF_OFFSETS) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    Ok(())
}
