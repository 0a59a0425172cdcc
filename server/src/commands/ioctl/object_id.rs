//! FSCTL_CREATE_OR_GET_OBJECT_ID and FSCTL_GET_OBJECT_ID. [MS-FSCC] 2.3.1

use bytes::{BufMut, Bytes, BytesMut};
use wire::NtStatus;

use crate::open::Open;

/// FILE_OBJECTID_BUFFER, in bytes. [MS-FSCC] 2.1.3
const SIZE: usize = 64;

/// The object id of a file: its identity, which never changes while the file exists, and no birth
/// ids, because the link tracking that they serve does not exist here.
///
/// # Errors
/// `INVALID_PARAMETER` when the client has too little room.
// [MS-FSA] 2.1.5.10.1
pub(super) fn answer(open: &Open, room: usize) -> Result<Bytes, NtStatus> {
    if room < SIZE {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    let object = open.handle.object();
    let mut out = BytesMut::with_capacity(SIZE);
    out.put_u64_le(object.file);
    out.put_u64_le(object.volume);
    out.put_bytes(0, SIZE.saturating_sub(out.len()));
    Ok(out.freeze())
}
