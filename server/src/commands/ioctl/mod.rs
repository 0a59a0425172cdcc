//! IOCTL. [MS-SMB2] 3.3.5.15
//!
//! What concerns the connection or more than one open is carried out here; every other code is
//! the share handler's.

mod compression;
mod copy;
mod lab;
mod network_interfaces;
mod object_id;
mod pipe_wait;
mod resiliency;
mod validate_negotiate;

pub(crate) use lab::needs_no_session;

use bytes::Bytes;
use wire::dtyp::AccessMask;
use wire::fscc::Fsctl;
use wire::fscc::fsctl_data::ZeroData;
use wire::ioctl::IoctlFlags;
use wire::{FileId, IoctlRequest, IoctlResponse, NtStatus, Response};

use super::{Answer, effects};
use crate::context::Context;
use crate::object_store::Operation;
use crate::open::Open;
use crate::share::ShareKind;

/// Carries a control code out.
///
/// # Errors
/// `NOT_SUPPORTED` for device controls and for codes that no specification has, `INVALID_PARAMETER`,
/// `FILE_CLOSED`, `FS_DRIVER_REQUIRED` for DFS, `INVALID_DEVICE_REQUEST` for what the share does not have, and
/// what else the handler says.
pub async fn run(context: &mut Context, request: IoctlRequest) -> Result<Answer, NtStatus> {
    check(context, &request)?;
    let code = request.ctl_code;
    if code.needs_no_open() {
        return without_open(context, &request, code).await;
    }
    if code == Fsctl::LAB_PLAY_DEAD && lab::is_enabled(context, code) {
        let output = lab::play_dead(context, &request)?;
        return Ok(answer(&request, FileId::NONE, NtStatus::SUCCESS, output));
    }
    let open = context.open(request.file_id)?;
    let room = usize::try_from(request.max_output_response).unwrap_or_default();
    let output = match code {
        Fsctl::PIPE_TRANSCEIVE => return transceive(context, &open, &request, room).await,
        Fsctl::LAB_PAUSE if lab::is_enabled(context, code) => lab::pause(context, &request).await?,
        Fsctl::SRV_REQUEST_RESUME_KEY => copy::resume_key(context, &open, room)?,
        Fsctl::SRV_COPYCHUNK | Fsctl::SRV_COPYCHUNK_WRITE => {
            return copy::run(context, &open, &request).await;
        }
        Fsctl::CREATE_OR_GET_OBJECT_ID | Fsctl::GET_OBJECT_ID => object_id::answer(&open, room)?,
        Fsctl::GET_COMPRESSION if is_on_disk(&open) => compression::state(room)?,
        Fsctl::SET_COMPRESSION if is_on_disk(&open) => compression::set(&open, &request.input)?,
        Fsctl::LMR_REQUEST_RESILIENCY => resiliency::request(context, &open, &request.input)?,
        _ if !is_passed_through(code) => return Err(NtStatus::NOT_SUPPORTED),
        _ => {
            if let Some(needed) = needed_access(code) {
                open.require_any(needed)?;
            }
            if code == Fsctl::SET_ZERO_DATA {
                prepare_zeros(context, &open, &request.input).await?;
            }
            let control = open.handle.control(code, request.input.clone(), room);
            let controlled = control.await?;
            let status = status_with(controlled.more);
            return Ok(answer(&request, open.file_id, status, controlled.output));
        }
    };
    Ok(answer(&request, open.file_id, NtStatus::SUCCESS, output))
}

/// Whether a handler is asked for a code: one that a specification permits over the network. Those by which local
/// programs ask for oplocks are none.
// [MS-SMB2] 3.3.5.15.8
// [MS-FSCC] 2.3
fn is_passed_through(code: Fsctl) -> bool {
    code.is_known() && !code.is_lab_control()
}

fn is_on_disk(open: &Open) -> bool {
    open.tree.share.features().kind == ShareKind::Disk
}

/// Has caches broken and locks looked at, as for a write of zeros up to the end of the file.
// [MS-FSA] 2.1.5.10.39
async fn prepare_zeros(context: &mut Context, open: &Open, input: &[u8]) -> Result<(), NtStatus> {
    let zeros = ZeroData::decode(input).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    let invalid = |_| NtStatus::INVALID_PARAMETER;
    let from = u64::try_from(zeros.file_offset).map_err(invalid)?;
    let behind = u64::try_from(zeros.beyond_final_zero).map_err(invalid)?;
    effects::prepare(context, open, Operation::ZeroData).await?;
    let end = open.handle.stat().await?.end_of_file.min(behind);
    effects::prepare_write(context, open, from, end.saturating_sub(from)).await
}

fn check(context: &Context, request: &IoctlRequest) -> Result<(), NtStatus> {
    if request.flags != IoctlFlags::IS_FSCTL {
        return Err(NtStatus::NOT_SUPPORTED);
    }
    let input = u32::try_from(request.input.len()).unwrap_or(u32::MAX);
    let largest = input
        .max(request.max_input_response)
        .max(request.max_output_response);
    context.check_transact_size(largest)
}

/// Codes that are for the server rather than for a file.
async fn without_open(
    context: &mut Context,
    request: &IoctlRequest,
    code: Fsctl,
) -> Result<Answer, NtStatus> {
    if request.file_id != FileId::NONE {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    match code {
        Fsctl::VALIDATE_NEGOTIATE_INFO => {
            let output = validate_negotiate::run(context, request)?;
            Ok(answer(request, FileId::NONE, NtStatus::SUCCESS, output))
        }
        // [MS-SMB2] 3.3.5.15.2
        // This server is no DFS server.
        Fsctl::DFS_GET_REFERRALS | Fsctl::DFS_GET_REFERRALS_EX => Err(NtStatus::FS_DRIVER_REQUIRED),
        Fsctl::PIPE_WAIT => {
            let output = pipe_wait::run(context, request).await?;
            Ok(answer(request, FileId::NONE, NtStatus::SUCCESS, output))
        }
        Fsctl::QUERY_NETWORK_INTERFACE_INFO => {
            let output = network_interfaces::run(context, request)?;
            Ok(answer(request, FileId::NONE, NtStatus::SUCCESS, output))
        }
        _ => Err(NtStatus::NOT_SUPPORTED),
    }
}

// [MS-SMB2] 3.3.5.15.10
async fn transceive(
    context: &mut Context,
    open: &Open,
    request: &IoctlRequest,
    room: usize,
) -> Result<Answer, NtStatus> {
    let transacted = {
        let transacting = open.handle.transact(request.input.clone(), room);
        context.wait(transacting).await??
    };
    let status = status_with(transacted.more);
    Ok(answer(request, open.file_id, status, transacted.data))
}

/// The status beside an output that is whole, or only the part of it that fits.
// [MS-SMB2] 3.3.4.4
fn status_with(more: bool) -> NtStatus {
    if more {
        NtStatus::BUFFER_OVERFLOW
    } else {
        NtStatus::SUCCESS
    }
}

/// The access that a control code needs besides what the handler checks; any of it will do.
// [MS-FSCC] 2.3
// Bits 14 and 15 of a code
fn needed_access(code: Fsctl) -> Option<AccessMask> {
    const READ: u32 = 0x4000;
    const WRITE: u32 = 0x8000;
    match code {
        Fsctl::SET_SPARSE => Some(
            AccessMask::FILE_WRITE_DATA
                .with(AccessMask::FILE_APPEND_DATA)
                .with(AccessMask::FILE_WRITE_ATTRIBUTES),
        ),
        Fsctl::SET_REPARSE_POINT | Fsctl::DELETE_REPARSE_POINT => {
            Some(AccessMask::FILE_WRITE_DATA.with(AccessMask::FILE_WRITE_ATTRIBUTES))
        }
        code if code.0 & WRITE != 0 => Some(AccessMask::FILE_WRITE_DATA),
        code if code.0 & READ != 0 => Some(AccessMask::FILE_READ_DATA),
        _ => None,
    }
}

fn answer(request: &IoctlRequest, file_id: FileId, status: NtStatus, output: Bytes) -> Answer {
    let response = IoctlResponse {
        ctl_code: request.ctl_code,
        file_id,
        input: Bytes::new(),
        output,
    };
    Answer::with_status(status, Response::Ioctl(response))
}
