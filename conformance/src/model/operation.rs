//! Operations that the model knows, and what came of them.

use std::time::Duration;

use wire::NtStatus;
use wire::create::LeaseState;
use wire::fscc::FileAction;

use super::locks::{Element, LockSequence};

/// The access of an open, as far as it matters to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Access {
    /// FILE_READ_DATA.
    pub read: bool,
    /// FILE_WRITE_DATA.
    pub write: bool,
    /// DELETE.
    pub delete: bool,
}

/// Whose caching it is: that of one open, or of all opens that share a client's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holder {
    /// An oplock.
    Open(u64),
    /// A lease.
    Lease {
        /// Whose.
        client: usize,
        /// Its key.
        key: u128,
    },
}

impl Access {
    /// None of these.
    pub(super) const NONE: Self = Self {
        read: false,
        write: false,
        delete: false,
    };
}

/// What an open lets others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sharing {
    /// FILE_SHARE_READ.
    pub read: bool,
    /// FILE_SHARE_WRITE.
    pub write: bool,
    /// FILE_SHARE_DELETE.
    pub delete: bool,
}

impl Sharing {
    /// Everything.
    pub(super) const ALL: Self = Self {
        read: true,
        write: true,
        delete: true,
    };
}

/// What CREATE does to what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// What a CREATE opens or makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// FILE_NON_DIRECTORY_FILE.
    File,
    /// FILE_DIRECTORY_FILE.
    Folder,
}

/// The lease that a CREATE asks for or names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leasing {
    /// The client's key.
    pub key: u128,
    /// The key of the client's lease on the folder above.
    pub parent: Option<u128>,
    /// Whether the context is of version 2.
    pub is_v2: bool,
}

/// An operation of a client. Opens are known by the number that the server gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Operation {
    /// CREATE of a file or folder.
    Open {
        /// Its name, with those of the folders that it is in.
        name: String,
        /// Which of them. No name is of both.
        kind: Kind,
        /// The access asked for.
        access: Access,
        /// What others may do.
        sharing: Sharing,
        /// What happens to what is there.
        disposition: Disposition,
        /// FILE_DELETE_ON_CLOSE.
        delete_on_close: bool,
        /// The lease asked for.
        lease: Option<Leasing>,
        /// CreateGuid, where the open is to be durable by version 2.
        create_guid: Option<u128>,
        /// SMB2_DHANDLE_FLAG_PERSISTENT, where the server knows it.
        persistent: bool,
        /// As whom.
        user: &'static str,
    },
    /// CREATE of an open that waits for its client.
    Reconnect {
        /// Which.
        open: u64,
        /// The name in the request.
        name: String,
        /// The lease in the request.
        lease: Option<Leasing>,
        /// CreateGuid, where the context is of version 2.
        create_guid: Option<u128>,
        /// SMB2_DHANDLE_FLAG_PERSISTENT.
        persistent: bool,
        /// As whom.
        user: &'static str,
    },
    /// CREATE of the root, to cache what is in it.
    OpenRoot {
        /// The lease asked for.
        lease: Leasing,
    },
    /// OPLOCK_BREAK: what the client keeps.
    Acknowledge {
        /// Of which oplock or lease.
        holder: Holder,
        /// What it keeps.
        kept: LeaseState,
    },
    /// CHANGE_NOTIFY for the names in the root.
    Watch {
        /// For how many bytes of changes.
        room: u32,
        /// Whether the names of folders are watched too.
        folders: bool,
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
    /// LOCK of any elements.
    LockList {
        /// Through which open.
        open: u64,
        /// At least one.
        elements: Vec<Element>,
        /// By what it is known again.
        sequence: Option<LockSequence>,
    },
    /// FSCTL_LMR_REQUEST_RESILIENCY.
    MakeResilient {
        /// Which open.
        open: u64,
        /// For how long it is to be kept; zero for what the server likes.
        timeout: Duration,
        /// As whom.
        user: &'static str,
        /// Whether the dialect has that.
        is_known: bool,
    },
    /// CREATE that is known to have been carried out, and is repeated.
    OpenAgain {
        /// What came of it.
        open: u64,
        /// The lease asked for.
        lease: Option<Leasing>,
    },
    /// Whatever cannot be carried out now.
    Refusal {
        /// Why.
        status: NtStatus,
    },
    /// QUERY_DIRECTORY of the whole root.
    List,
    /// CLOSE.
    Close {
        /// Which open.
        open: u64,
    },
}

impl Operation {
    /// Whether nothing is left of it when its client has not been answered and is gone.
    #[must_use]
    pub fn leaves_no_trace(&self) -> bool {
        match self {
            Self::Open {
                disposition,
                delete_on_close,
                ..
            } => *disposition == Disposition::Open && !delete_on_close,
            Self::Read { .. } | Self::Query { .. } | Self::List => true,
            _ => false,
        }
    }

    /// Whether it may wait for a range to be unlocked.
    #[must_use]
    pub fn is_lock(&self) -> bool {
        matches!(self, Self::Lock { .. } | Self::LockList { .. })
    }

    /// The lease that a CREATE asks for or names.
    #[must_use]
    pub fn lease(&self) -> Option<Leasing> {
        match self {
            Self::Open { lease, .. }
            | Self::Reconnect { lease, .. }
            | Self::OpenAgain { lease, .. } => *lease,
            Self::OpenRoot { lease } => Some(*lease),
            _ => None,
        }
    }
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
        /// The other half of its FileId.
        volatile: u64,
        /// Whether the file is new.
        created: bool,
        /// What it may cache; an oplock as what it stands for.
        state: LeaseState,
        /// For how long it is kept without its client.
        durable: Option<Duration>,
        /// Whether it outlives the server.
        persistent: bool,
    },
    /// OPLOCK_BREAK: what the client keeps.
    Kept(LeaseState),
    /// CHANGE_NOTIFY: what has changed.
    Changes(Vec<(FileAction, String)>),
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
    /// Whether it is an error.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    /// The status that the client saw.
    #[must_use]
    pub fn status(&self) -> NtStatus {
        match self {
            Self::Refused(status) => *status,
            _ => NtStatus::SUCCESS,
        }
    }
}
