//! FSCTL_GET_COMPRESSION and FSCTL_SET_COMPRESSION on volumes whose files are not compressed.
// observed: Windows Server 2016 on ReFS (smb2.ioctl.compress_notsup_*); [MS-FSA] 2.1.5.10.9 would have both refused

use bytes::Bytes;
use wire::dtyp::AccessMask;
use wire::{NtStatus, Reader};

use crate::open::Open;

/// COMPRESSION_FORMAT_NONE. [MS-FSCC] 2.3.18
const NONE: u16 = 0;
/// COMPRESSION_FORMAT_LZNT1, the last of the formats.
const LZNT1: u16 = 2;

/// No file is compressed.
///
/// # Errors
/// `INVALID_PARAMETER` when the client has too little room.
// [MS-FSA] 2.1.5.10.9
pub(super) fn state(room: usize) -> Result<Bytes, NtStatus> {
    let state = NONE.to_le_bytes();
    if room < state.len() {
        return Err(NtStatus::INVALID_PARAMETER);
    }
    Ok(Bytes::copy_from_slice(&state))
}

/// A file may stay as it is.
///
/// # Errors
/// `ACCESS_DENIED`, `INVALID_PARAMETER` for what is no format, `NOT_SUPPORTED` for one that compresses.
// [MS-FSA] 2.1.5.10.30
pub(super) fn set(open: &Open, input: &Bytes) -> Result<Bytes, NtStatus> {
    open.require(AccessMask::FILE_READ_DATA.with(AccessMask::FILE_WRITE_DATA))?;
    let format = Reader::new("compression state", input).u16();
    match format.map_err(|_| NtStatus::INVALID_PARAMETER)? {
        NONE => Ok(Bytes::new()),
        format if format <= LZNT1 => Err(NtStatus::NOT_SUPPORTED),
        _ => Err(NtStatus::INVALID_PARAMETER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // test [MS-FSA] 2.1.5.10.9
    #[test]
    fn the_state_of_compression_is_none_in_two_bytes() {
        assert_eq!(state(1), Err(NtStatus::INVALID_PARAMETER));
        assert_eq!(state(2).unwrap(), [0, 0].as_slice());
    }
}
