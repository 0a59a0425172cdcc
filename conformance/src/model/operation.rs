//! Operations that the model knows, and what came of them.

use wire::NtStatus;

/// The access of an open, as far as it matters to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// FILE_READ_DATA.
    pub read: bool,
    /// FILE_WRITE_DATA.
    pub write: bool,
    /// DELETE.
    pub delete: bool,
}

/// What an open lets others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharing {
    /// FILE_SHARE_READ.
    pub read: bool,
    /// FILE_SHARE_WRITE.
    pub write: bool,
    /// FILE_SHARE_DELETE.
    pub delete: bool,
}

/// What CREATE does to what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// FILE_OPEN.
    Open,
    /// FILE_CREATE.
    Create,
    /// FILE_OPEN_IF.
    OpenIf,
    /// FILE_OVERWRITE.
    Overwrite,
    /// FILE_OVERWRITE_IF.
    OverwriteIf,
    /// FILE_SUPERSEDE.
    Supersede,
}

impl Disposition {
    /// Whether what exists loses its contents.
    #[must_use]
    pub fn destroys(self) -> bool {
        matches!(self, Self::Overwrite | Self::OverwriteIf | Self::Supersede)
    }
}

/// An operation of a client. Opens are known by the number that the server gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// CREATE of a file in the root.
    Open {
        /// The file's name.
        name: String,
        /// The access asked for.
        access: Access,
        /// What others may do.
        sharing: Sharing,
        /// What happens to what is there.
        disposition: Disposition,
        /// FILE_DELETE_ON_CLOSE.
        delete_on_close: bool,
    },
    /// READ.
    Read {
        /// Through which open.
        open: u64,
        /// The first byte.
        offset: u64,
        /// At most so many.
        length: u32,
    },
    /// WRITE.
    Write {
        /// Through which open.
        open: u64,
        /// The first byte.
        offset: u64,
        /// The bytes.
        data: Vec<u8>,
    },
    /// SET_INFO of FileEndOfFileInformation.
    SetEndOfFile {
        /// Through which open.
        open: u64,
        /// The new length.
        length: u64,
    },
    /// SET_INFO of FileDispositionInformation.
    SetDisposition {
        /// Through which open.
        open: u64,
        /// Whether to delete at the last close.
        delete: bool,
    },
    /// SET_INFO of FileRenameInformation.
    Rename {
        /// Through which open.
        open: u64,
        /// The new name.
        target: String,
        /// ReplaceIfExists.
        replace: bool,
    },
    /// QUERY_INFO of FileStandardInformation.
    Query {
        /// Through which open.
        open: u64,
    },
    /// LOCK of one range.
    Lock {
        /// Through which open.
        open: u64,
        /// The first byte.
        offset: u64,
        /// How many.
        length: u64,
        /// Whether nobody else may even read.
        exclusive: bool,
        /// Whether to wait for a range that is locked.
        wait: bool,
    },
    /// LOCK that unlocks one range.
    Unlock {
        /// Through which open.
        open: u64,
        /// The first byte.
        offset: u64,
        /// How many.
        length: u64,
    },
    /// QUERY_DIRECTORY of the whole root.
    List,
    /// CLOSE.
    Close {
        /// Which open.
        open: u64,
    },
}

/// What the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An error.
    Refused(NtStatus),
    /// CREATE.
    Opened {
        /// The open's number.
        id: u64,
        /// Whether the file is new.
        created: bool,
    },
    /// READ: the bytes.
    Data(Vec<u8>),
    /// QUERY_INFO: the length, and whether the file is to be deleted.
    Standing {
        /// EndOfFile.
        length: u64,
        /// DeletePending.
        delete_pending: bool,
    },
    /// QUERY_DIRECTORY: the names.
    Names(Vec<String>),
    /// Anything else that succeeded.
    Done,
}

impl Outcome {
    /// The status that the client saw.
    #[must_use]
    pub fn status(&self) -> NtStatus {
        match self {
            Self::Refused(status) => *status,
            _ => NtStatus::SUCCESS,
        }
    }
}
