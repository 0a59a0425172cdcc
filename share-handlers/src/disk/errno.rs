//! The one table from the host's errors to NT statuses.

use rustix::io::Errno;
use wire::NtStatus;

/// What an operation on an open file or on a name answers when the host refuses with `error`.
pub(crate) fn status(error: Errno) -> NtStatus {
    match error {
        Errno::NOENT | Errno::NODATA => NtStatus::OBJECT_NAME_NOT_FOUND,
        Errno::EXIST => NtStatus::OBJECT_NAME_COLLISION,
        // A link or a mount leads out of the share, or links are not followed: openat2 refuses.
        Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::XDEV => NtStatus::ACCESS_DENIED,
        Errno::ISDIR => NtStatus::FILE_IS_A_DIRECTORY,
        Errno::NOTDIR => NtStatus::NOT_A_DIRECTORY,
        Errno::NOTEMPTY => NtStatus::DIRECTORY_NOT_EMPTY,
        Errno::NAMETOOLONG | Errno::ILSEQ => NtStatus::OBJECT_NAME_INVALID,
        Errno::NOSPC => NtStatus::DISK_FULL,
        Errno::FBIG => NtStatus::DISK_FULL,
        Errno::DQUOT => NtStatus::QUOTA_EXCEEDED,
        Errno::ROFS => NtStatus::MEDIA_WRITE_PROTECTED,
        Errno::MFILE | Errno::NFILE => NtStatus::TOO_MANY_OPENED_FILES,
        Errno::NOMEM | Errno::NOBUFS | Errno::AGAIN => NtStatus::INSUFFICIENT_RESOURCES,
        // A lease or an executable of the host's own is in the way.
        Errno::TXTBSY | Errno::BUSY => NtStatus::SHARING_VIOLATION,
        Errno::MLINK => NtStatus::INSUFFICIENT_RESOURCES,
        Errno::INVAL | Errno::OVERFLOW => NtStatus::INVALID_PARAMETER,
        Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY => NtStatus::NOT_SUPPORTED,
        Errno::BADF => NtStatus::INVALID_DEVICE_REQUEST,
        // A socket, or a pipe that nobody reads, is nothing to be opened.
        Errno::NXIO => NtStatus::ACCESS_DENIED,
        Errno::NODEV => NtStatus::NO_SUCH_DEVICE,
        Errno::RANGE | Errno::TOOBIG => NtStatus::EA_TOO_LARGE,
        Errno::STALE => NtStatus::FILE_INVALID,
        Errno::IO => NtStatus::IO_DEVICE_ERROR,
        _ => NtStatus::UNEXPECTED_IO_ERROR,
    }
}

/// [`status`] for an error of the standard library.
pub(crate) fn of_io(error: &std::io::Error) -> NtStatus {
    Errno::from_io_error(error).map_or(NtStatus::UNEXPECTED_IO_ERROR, status)
}

/// [`status`] for a name whose folder is what is missing.
pub(super) fn path_status(error: Errno) -> NtStatus {
    match error {
        // [MS-FSA] 2.1.5.1
        Errno::NOENT | Errno::NOTDIR => NtStatus::OBJECT_PATH_NOT_FOUND,
        error => status(error),
    }
}

/// [`status`] for the files of a control group, whose refusals are about values and processes.
pub(crate) fn control_group_status(error: Errno) -> NtStatus {
    match error {
        // The group, or the process, has gone.
        Errno::NODEV | Errno::SRCH => NtStatus::OBJECT_NAME_NOT_FOUND,
        Errno::RANGE | Errno::NXIO | Errno::TOOBIG | Errno::DOM => NtStatus::INVALID_PARAMETER,
        error => status(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_and_a_missing_file_are_told_apart() {
        assert_eq!(status(Errno::NOENT), NtStatus::OBJECT_NAME_NOT_FOUND);
        assert_eq!(path_status(Errno::NOENT), NtStatus::OBJECT_PATH_NOT_FOUND);
        assert_eq!(path_status(Errno::NOTDIR), NtStatus::OBJECT_PATH_NOT_FOUND);
        assert_eq!(path_status(Errno::ACCESS), NtStatus::ACCESS_DENIED);
    }

    #[test]
    fn an_unknown_error_is_still_an_error() {
        assert_eq!(status(Errno::XFULL), NtStatus::UNEXPECTED_IO_ERROR);
    }
}
