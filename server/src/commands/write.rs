//! WRITE. [MS-SMB2] 3.3.5.13

use wire::dtyp::AccessMask;
use wire::read::Channel;
use wire::write::WriteFlags;
use wire::{Dialect, NtStatus, Response, WriteRequest, WriteResponse};

use super::{Answer, effects};
use crate::context::Context;
use crate::open::Open;
use crate::share::{Place, WriteAt};

/// The longest file. Windows' limit for NTFS; ext4's is 16 TiB less 4 KiB.
const LONGEST_FILE: u64 = 0x0fff_ffff_0000;

/// The first byte that no file has: offsets are signed.
const END_OF_OFFSETS: u64 = 1 << 63;

/// Writes the payload, which is a slice of the received frame.
///
/// # Errors
/// `FILE_CLOSED`, `ACCESS_DENIED`, `INVALID_PARAMETER` for lengths and offsets beyond the
/// limits, `INVALID_DEVICE_REQUEST` for a directory, `FILE_LOCK_CONFLICT`, `DISK_FULL`.
pub async fn run(context: &mut Context, request: WriteRequest) -> Result<Answer, NtStatus> {
    let open = context.open(request.file_id)?;
    check(context, &open, &request)?;
    let length = u64::try_from(request.data.len()).unwrap_or(u64::MAX);
    effects::prepare_write(context, &open, request.offset, length).await?;
    let count = if length == 0 {
        0
    } else {
        let write_through = writes_through(context, &request);
        let place = Place::Offset(request.offset);
        let at = WriteAt {
            place,
            write_through,
        };
        open.handle.write(at, request.data).await?
    };
    open.state.lock().position = request.offset.saturating_add(u64::from(count));
    if length > 0 && !open.tree.share.is_pipe() {
        effects::report_write(&context.server, &open).await;
    }
    Ok(Response::Write(WriteResponse { count }).into())
}

fn check(context: &Context, open: &Open, request: &WriteRequest) -> Result<(), NtStatus> {
    let negotiated = context.negotiated()?;
    let length = u64::try_from(request.data.len()).unwrap_or(u64::MAX);
    if length > u64::from(negotiated.max_write_size) {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    // RDMA buffers are of no use without RDMA.
    if negotiated.is_smb3() && request.channel != Channel::NONE {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    if open.is_directory {
        return Err(NtStatus::INVALID_DEVICE_REQUEST);
    }
    open.require_any(AccessMask::FILE_WRITE_DATA.with(AccessMask::FILE_APPEND_DATA))?;
    if open.tree.share.is_pipe() {
        return Ok(());
    }
    // [MS-FSA] 2.1.5.4
    let end = request
        .offset
        .checked_add(length)
        .filter(|end| *end < END_OF_OFFSETS);
    let Some(end) = end else {
        return Err(NtStatus::INVALID_PARAMETER);
    };
    if length > 0 && end > LONGEST_FILE {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    Ok(())
}

// [MS-SMB2] 3.3.5.13
fn writes_through(context: &Context, request: &WriteRequest) -> bool {
    let dialect = context
        .connection
        .negotiated()
        .map(|negotiated| negotiated.dialect);
    let knows_flag = dialect.is_some_and(|dialect| dialect != Dialect::SMB_2_0_2);
    knows_flag && request.flags.contains(WriteFlags::WRITE_THROUGH)
}
