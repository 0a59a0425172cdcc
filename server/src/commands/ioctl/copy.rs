//! Server-side copy. [MS-SMB2] 3.3.5.15.5 and 3.3.5.15.6

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wire::dtyp::AccessMask;
use wire::fscc::Fsctl;
use wire::fscc::fsctl_data::{
    CopyChunk, CopyChunkRequest, CopyChunkResponse, ResumeKey, ResumeKeyResponse,
};
use wire::{FileId, IoctlRequest, NtStatus, Writer};

use super::answer;
use crate::commands::{Answer, effects};
use crate::context::Context;
use crate::open::Open;
use crate::share::{Place, ReplyRoom, WriteAt};

/// ServerSideCopyMaxNumberofChunks. [MS-SMB2] note 197
const MOST_CHUNKS: u32 = 256;
/// ServerSideCopyMaxChunkSize, in bytes.
const LARGEST_CHUNK: u32 = 1 << 20;
/// ServerSideCopyMaxDataSize, in bytes.
const MOST_BYTES: u32 = 16 << 20;
/// The target offset that stands for the end of the file.
const AT_END: u64 = u64::MAX;
/// SRV_COPYCHUNK_RESPONSE, in bytes. [MS-SMB2] 2.2.32.1
const RESPONSE_SIZE: u32 = 12;

/// The key by which a copy names this open as its source.
///
/// # Errors
/// `INVALID_PARAMETER` when the client has too little room.
// [MS-SMB2] 3.3.5.15.5
pub(super) fn resume_key(_: &Context, open: &Open, room: usize) -> Result<Bytes, NtStatus> {
    if room < ResumeKeyResponse::SIZE {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let mut out = BytesMut::new();
    ResumeKeyResponse {
        resume_key: key_of(open.file_id),
    }
    .encode(&mut Writer::new(&mut out));
    Ok(out.freeze())
}

fn key_of(id: FileId) -> ResumeKey {
    let mut key = [0; 24];
    let (persistent, volatile) = (id.persistent.to_le_bytes(), id.volatile.to_le_bytes());
    for (to, from) in key.iter_mut().zip(persistent.into_iter().chain(volatile)) {
        *to = from;
    }
    ResumeKey(key)
}

/// How far a copy has come, and what stopped it.
#[derive(Default)]
struct Progress {
    chunks: u32,
    bytes: u32,
}

/// Copies ranges from the open that the key names to this one.
///
/// # Errors
/// `OBJECT_NAME_NOT_FOUND` for an unknown key, `ACCESS_DENIED`, `INVALID_PARAMETER`; a
/// failure of the copy itself comes with how far it got.
// [MS-SMB2] 3.3.5.15.6
pub(super) async fn run(
    context: &mut Context,
    target: &Arc<Open>,
    request: &IoctlRequest,
) -> Result<Answer, NtStatus> {
    if request.max_output_response < RESPONSE_SIZE {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let asked =
        CopyChunkRequest::decode(&request.input).map_err(|_| NtStatus::INVALID_PARAMETER)?;
    // A key names an open of the same session; any other is not found.
    let opens = context.session()?.opens.all();
    let source = opens
        .into_iter()
        .find(|open| key_of(open.file_id) == asked.source_key);
    let source = source.ok_or(NtStatus::OBJECT_NAME_NOT_FOUND)?;
    if !is_within_limits(&asked.chunks) || is_special(&source) || is_special(target) {
        return Ok(respond(
            request,
            target,
            NtStatus::INVALID_PARAMETER,
            limits(),
        ));
    }
    // [MS-SMB2] 3.3.5.9
    // Whoever may execute may read.
    let reading = AccessMask::FILE_READ_DATA.with(AccessMask::FILE_EXECUTE);
    source.require_any(reading)?;
    target.require_any(AccessMask::FILE_WRITE_DATA.with(AccessMask::FILE_APPEND_DATA))?;
    if request.ctl_code == Fsctl::SRV_COPYCHUNK {
        target.require(AccessMask::FILE_READ_DATA)?;
    }
    let mut progress = Progress::default();
    let mut status = NtStatus::SUCCESS;
    for chunk in &asked.chunks {
        if let Err(failure) = copy(context, &source, target, chunk).await {
            status = failure;
            break;
        }
        progress.chunks = progress.chunks.saturating_add(1);
        progress.bytes = progress.bytes.saturating_add(chunk.length);
    }
    effects::report_write(&context.server, target).await;
    let response = CopyChunkResponse {
        chunks_written: progress.chunks,
        chunk_bytes_written: 0,
        total_bytes_written: progress.bytes,
    };
    Ok(respond(request, target, status, response))
}

fn is_within_limits(chunks: &[CopyChunk]) -> bool {
    let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
    let total = chunks
        .iter()
        .fold(0_u32, |total, chunk| total.saturating_add(chunk.length));
    let sizes = chunks
        .iter()
        .all(|chunk| (1..=LARGEST_CHUNK).contains(&chunk.length));
    count <= MOST_CHUNKS && sizes && total <= MOST_BYTES
}

fn is_special(open: &Open) -> bool {
    open.is_directory || open.tree.share.is_pipe()
}

fn limits() -> CopyChunkResponse {
    CopyChunkResponse {
        chunks_written: MOST_CHUNKS,
        chunk_bytes_written: LARGEST_CHUNK,
        total_bytes_written: MOST_BYTES,
    }
}

async fn copy(
    context: &mut Context,
    source: &Open,
    target: &Open,
    chunk: &CopyChunk,
) -> Result<(), NtStatus> {
    let length = u64::from(chunk.length);
    effects::prepare_read(context, source, chunk.source_offset, length).await?;
    effects::prepare_write(context, target, chunk.target_offset, length).await?;
    let room_length = usize::try_from(chunk.length).unwrap_or_default();
    let mut room = ReplyRoom::new(context.server.buffers.take(room_length), 0, room_length);
    let read = source.handle.read(chunk.source_offset, &mut room).await?;
    // [MS-SMB2] 3.3.5.15.6
    // A range that ends behind the source is not copied.
    if read < chunk.length {
        return Err(NtStatus::INVALID_VIEW_SIZE);
    }
    let (mut buffer, _) = room.into_parts();
    buffer.truncate(room_length);
    let place = if chunk.target_offset == AT_END {
        Place::End
    } else {
        Place::Offset(chunk.target_offset)
    };
    let at = WriteAt {
        place,
        write_through: false,
    };
    target
        .handle
        .write(at, context.server.buffers.freeze(buffer, 0))
        .await?;
    Ok(())
}

fn respond(
    request: &IoctlRequest,
    target: &Open,
    status: NtStatus,
    response: CopyChunkResponse,
) -> Answer {
    let mut out = BytesMut::new();
    response.encode(&mut Writer::new(&mut out));
    answer(request, target.file_id, status, out.freeze())
}
