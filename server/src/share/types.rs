//! The typed requests and answers between commands and share handlers.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use auth::{Identity, SessionKey};
use wire::Utf16String;
use wire::dtyp::{AccessMask, FileTime, SecurityDescriptor};
use wire::fscc::FileAttributes;
use wire::fscc::file_info::{BasicChange, FullEa};

use super::handler::Handle;
use super::name::{Name, StreamName};
use crate::access::SecurityToken;

/// Who asks: the rights of the session, mapped to the host's users where there are any.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The name that the session logged on with, empty for nobody: for logs and queues. It decides
    /// nothing.
    pub user: Arc<str>,
    /// Security identifiers and privileges, for the access check.
    pub token: Arc<SecurityToken>,
    /// The user that file operations are done as; none where the server serves as itself.
    pub host: Option<Arc<HostUser>>,
    /// How the user came in; none for what the server does of its own accord.
    pub log_on: Option<Arc<LogOnFacts>>,
}

/// What a log-on left that services for remote administration need.
#[derive(Debug, Clone)]
pub struct LogOnFacts {
    /// Who the user is.
    pub identity: Arc<Identity>,
    /// The key that encrypts passwords on their way.
    // [MS-SMB2] 3.3.4.5
    pub session_key: Option<SessionKey>,
    /// Where the client is; none for a local socket.
    pub address: Option<IpAddr>,
    /// Whether what the client asks comes encrypted, and only so, as shares that demand encryption want it.
    pub encrypted: bool,
}

/// A user of the host system.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostUser {
    /// The user's number.
    pub uid: u32,
    /// The primary group's number.
    pub gid: u32,
    /// All supplementary groups, ascending.
    pub groups: Vec<u32>,
}

/// What a share is and can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// The share type that TREE_CONNECT reports.
    pub kind: ShareKind,
    /// Names are compared with case.
    pub case_sensitive: bool,
    /// Named streams exist.
    pub streams: bool,
    /// Extended attributes exist.
    pub extended_attributes: bool,
    /// Security descriptors are stored as given.
    pub security: bool,
    /// Sparse files, zeroing and allocated ranges exist.
    pub sparse: bool,
    /// Reparse points can be set and read.
    pub reparse_points: bool,
    /// Nothing can be changed.
    pub read_only: bool,
}

impl Features {
    /// Those of a share that can do nothing beside what every share of its kind can.
    #[must_use]
    pub const fn plain(kind: ShareKind) -> Self {
        Self {
            kind,
            case_sensitive: false,
            streams: false,
            extended_attributes: false,
            security: false,
            sparse: false,
            reparse_points: false,
            read_only: false,
        }
    }
}

/// [MS-SMB2] 2.2.10, ShareType.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareKind {
    /// A folder tree.
    Disk,
    /// Named pipes.
    Pipe,
    /// A print queue.
    Print,
}

/// The identity of an object: what share modes, locks and leases hang on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// The volume; unique among all shares of the server that can reach the same objects.
    pub volume: u64,
    /// The object on its volume, never reused while an open exists.
    pub file: u64,
}

/// What CREATE may do to the name, without harm. [MS-SMB2] 2.2.13, CreateDisposition.
///
/// Overwriting and superseding an existing file are `Existing` or `Either` here; the harm follows
/// by [`SetInfo::Overwrite`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Open what exists, else fail.
    Existing,
    /// Create what does not exist, else fail.
    New,
    /// Open what exists, else create.
    Either,
}

/// Which kind of object the caller will accept or create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// FILE_NON_DIRECTORY_FILE.
    File,
    /// FILE_DIRECTORY_FILE.
    Directory,
    /// Either; a new object becomes a file.
    Any,
}

/// How a name is to be opened.
#[derive(Debug, Clone)]
pub struct OpenHow {
    /// The access asked for, generic bits already mapped; may hold `MAXIMUM_ALLOWED`.
    pub desired_access: AccessMask,
    /// What may happen to the name.
    pub disposition: Disposition,
    /// The existing file's contents will be replaced after arbitration, so the handler opens for it.
    pub overwrite: bool,
    /// The kind of object.
    pub wanted: Wanted,
    /// Attributes of a new object.
    pub attributes: FileAttributes,
    /// The descriptor asked for a new object; none means inherited from the parent.
    pub security: Option<SecurityDescriptor>,
    /// Bytes to reserve for a new file.
    pub allocation_size: u64,
    /// Extended attributes of a new object.
    pub extended_attributes: Vec<FullEa>,
    /// Every write goes to stable storage before it is answered.
    pub write_through: bool,
    /// A reparse point is opened itself, not what it leads to.
    pub open_reparse_point: bool,
    /// The caller uses its backup or restore privilege.
    pub backup_intent: bool,
    /// The version of the past that is wanted.
    pub snapshot: Option<FileTime>,
}

impl OpenHow {
    /// Opens what exists for no more than `access`, whatever it is.
    #[must_use]
    pub fn to_look(access: AccessMask) -> Self {
        Self {
            desired_access: access,
            disposition: Disposition::Existing,
            overwrite: false,
            wanted: Wanted::Any,
            attributes: FileAttributes::NONE,
            security: None,
            allocation_size: 0,
            extended_attributes: Vec::new(),
            write_through: false,
            open_reparse_point: true,
            backup_intent: false,
            snapshot: None,
        }
    }
}

/// A successful open.
pub struct Opened {
    /// The open itself.
    pub handle: Arc<dyn Handle>,
    /// The object did not exist before.
    pub created: bool,
    /// A stream was created, and the file that holds it is new too.
    pub created_with_file: bool,
    /// The metadata at the time of the open.
    pub stat: FileStat,
    /// The object's descriptor; none where the share has no security (everything is granted).
    pub security: Option<Arc<SecurityDescriptor>>,
    /// The stream that was opened, none for the file or directory itself.
    pub stream: Option<StreamName>,
    /// The name below the root as it is stored (its case may differ from the one asked for).
    pub name: Name,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("object", &self.handle.object())
            .field("created", &self.created)
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

/// An object's metadata, as [MS-FSCC] 2.4 knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileStat {
    /// CreationTime.
    pub creation_time: FileTime,
    /// LastAccessTime.
    pub last_access_time: FileTime,
    /// LastWriteTime.
    pub last_write_time: FileTime,
    /// ChangeTime.
    pub change_time: FileTime,
    /// FileAttributes; never empty (`NORMAL` when nothing else is set).
    pub attributes: FileAttributes,
    /// AllocationSize in bytes, 0 for a directory.
    pub allocation_size: u64,
    /// EndOfFile in bytes, 0 for a directory.
    pub end_of_file: u64,
    /// NumberOfLinks.
    pub links: u32,
    /// The 64-bit FileId; equal for all names of one file.
    pub file_id: u64,
    /// The reparse tag, 0 without one.
    pub reparse_tag: u32,
    /// Bytes that the extended attributes take when listed, 0 without any.
    pub ea_size: u32,
}

impl FileStat {
    /// Whether the object is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.attributes.contains(FileAttributes::DIRECTORY)
    }
}

/// Where a write goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteAt {
    /// The place of the first byte.
    pub place: Place,
    /// The data is on stable storage before the write is answered.
    pub write_through: bool,
}

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A byte offset.
    Offset(u64),
    /// The end of the file, wherever it is when the write is done.
    End,
}

/// Where a listing starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFrom {
    /// At the first entry, the directory read anew.
    Start,
    /// Behind the entry with this [`Entry::position`].
    After(u64),
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as stored.
    pub name: Utf16String,
    /// The metadata.
    pub stat: FileStat,
    /// Where a listing resumes behind this entry.
    pub position: u64,
}

/// One data stream of a file. [MS-FSCC] 2.4.49
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEntry {
    /// The full form, such as `::$DATA` or `:name:$DATA`.
    pub name: Utf16String,
    /// Size in bytes.
    pub end_of_file: u64,
    /// Allocated bytes.
    pub allocation_size: u64,
}

/// What happens when a rename or link meets an existing name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// `OBJECT_NAME_COLLISION`.
    Never,
    /// The existing file goes; an existing directory refuses with `ACCESS_DENIED`.
    IfExists,
}

/// A change to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetInfo {
    /// FileBasicInformation.
    Basic(BasicChange),
    /// FileEndOfFileInformation: cut or extend with zeros, in bytes.
    EndOfFile(u64),
    /// FileAllocationInformation: reserve, or cut a file that is longer, in bytes.
    Allocation(u64),
    /// FileRenameInformation: the full new name below the root (a stream keeps its file's name).
    Rename {
        /// The new name.
        target: Name,
        /// What happens to an existing one.
        replace: Replace,
    },
    /// FileLinkInformation: a further name.
    Link {
        /// The new name.
        target: Name,
        /// What happens to an existing one.
        replace: Replace,
    },
    /// FileFullEaInformation: each attribute is set, or removed when its value is empty.
    ExtendedAttributes(Vec<FullEa>),
    /// The harm of FILE_OVERWRITE, FILE_OVERWRITE_IF and FILE_SUPERSEDE, after arbitration:
    /// contents, named streams and extended attributes go; times and attributes are set anew.
    /// Refused with `ACCESS_DENIED`, and nothing is harmed, when the file is stored as hidden or
    /// system and `attributes` does not repeat that. [MS-FSA] 2.1.5.1.2
    Overwrite {
        /// The attributes asked for; `ARCHIVE` is added.
        attributes: FileAttributes,
        /// FILE_SUPERSEDE: attributes replace the old ones instead of adding to them.
        supersede: bool,
        /// Bytes to reserve.
        allocation_size: u64,
        /// Extended attributes of the new contents.
        extended_attributes: Vec<FullEa>,
    },
}

/// How an open ends.
#[derive(Debug, Clone)]
pub enum CloseHow {
    /// The object stays.
    Keep,
    /// What the handle is for is deleted, a file or a named stream: it was the last open of something
    /// whose deletion is pending. It is deleted with the rights of this caller, who asked for it and
    /// need not be the one who opened the handle.
    Delete(Caller),
    /// The file is deleted although the handle is for a named stream of it.
    DeleteFile(Caller),
}

/// What a volume tells of itself. [MS-FSCC] 2.5
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// VolumeLabel.
    pub label: String,
    /// VolumeSerialNumber.
    pub serial_number: u32,
    /// VolumeCreationTime.
    pub creation_time: FileTime,
    /// TotalAllocationUnits.
    pub total_units: u64,
    /// ActualAvailableAllocationUnits.
    pub free_units: u64,
    /// CallerAvailableAllocationUnits.
    pub caller_free_units: u64,
    /// SectorsPerAllocationUnit.
    pub sectors_per_unit: u32,
    /// BytesPerSector.
    pub bytes_per_sector: u32,
    /// FileSystemName, `NTFS` where clients expect its behaviour.
    pub file_system: String,
    /// MaximumComponentNameLength in UTF-16 units.
    pub longest_name: u32,
    /// A stable 16-byte id of the volume.
    pub object_id: [u8; 16],
}

impl Volume {
    /// A volume without room that stands on no disk; `number` tells it from all others.
    #[must_use]
    pub fn virtual_one(label: String, number: u64, creation_time: FileTime) -> Self {
        let [a, b, c, d, rest @ ..] = number.to_le_bytes();
        let serial_number = u32::from_le_bytes([a, b, c, d]) ^ u32::from_le_bytes(rest);
        let object_id = u128::from(number).to_le_bytes();
        Self {
            label,
            serial_number,
            creation_time,
            total_units: 0,
            free_units: 0,
            caller_free_units: 0,
            sectors_per_unit: 1,
            bytes_per_sector: 512,
            file_system: "NTFS".to_owned(),
            longest_name: 255,
            object_id,
        }
    }
}
