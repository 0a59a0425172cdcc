//! The status that every response carries, [MS-ERREF] 2.3.
//!
//! Names are those of the specification without `STATUS_`. The list has what an SMB server answers; other
//! values are kept and shown as numbers.

use std::fmt;

use crate::flags::wire_values;

wire_values! {
    /// An NTSTATUS: the one error of commands, share handlers and the object store.
    pub struct NtStatus: u32 {
        /// It worked.
        const SUCCESS = 0x0000_0000;
        /// The request goes on; its answer follows later.
        const PENDING = 0x0000_0103;
        /// The name met a reparse point: go on with another name.
        const REPARSE = 0x0000_0104;
        /// Some names or ids were translated, others not.
        const SOME_NOT_MAPPED = 0x0000_0107;
        /// The open goes on although an oplock is still being broken.
        const OPLOCK_BREAK_IN_PROGRESS = 0x0000_0108;
        /// A change notification ended because the directory was closed.
        const NOTIFY_CLEANUP = 0x0000_010b;
        /// More changed than fits the answer: list the directory again.
        const NOTIFY_ENUM_DIR = 0x0000_010c;
        /// An object of this name was there already, and was opened.
        const OBJECT_NAME_EXISTS = 0x4000_0000;
        /// The answer is cut short: there is more than fits.
        const BUFFER_OVERFLOW = 0x8000_0005;
        /// The listing is at its end.
        const NO_MORE_FILES = 0x8000_0006;
        /// The printer has no paper.
        const DEVICE_PAPER_EMPTY = 0x8000_000e;
        /// The device is doing something else.
        const DEVICE_BUSY = 0x8000_0011;
        /// There are no more extended attributes.
        const NO_MORE_EAS = 0x8000_0012;
        /// The name of an extended attribute is not allowed.
        const INVALID_EA_NAME = 0x8000_0013;
        /// The list of extended attributes is malformed.
        const EA_LIST_INCONSISTENT = 0x8000_0014;
        /// An extended attribute has a flag that does not exist.
        const INVALID_EA_FLAG = 0x8000_0015;
        /// The enumeration is at its end.
        const NO_MORE_ENTRIES = 0x8000_001a;
        /// The name goes through a symbolic link, which the client must follow.
        const STOPPED_ON_SYMLINK = 0x8000_002d;
        /// It failed, and there is no better word for why.
        const UNSUCCESSFUL = 0xc000_0001;
        /// The operation is known and not there.
        const NOT_IMPLEMENTED = 0xc000_0002;
        /// This class of information does not exist, or not here.
        const INVALID_INFO_CLASS = 0xc000_0003;
        /// The buffer's length is wrong for this class of information.
        const INFO_LENGTH_MISMATCH = 0xc000_0004;
        /// The handle is not one, or is of the wrong kind.
        const INVALID_HANDLE = 0xc000_0008;
        /// The request is malformed or contradicts itself.
        const INVALID_PARAMETER = 0xc000_000d;
        /// The device does not exist.
        const NO_SUCH_DEVICE = 0xc000_000e;
        /// No file matches the pattern, or the file is gone.
        const NO_SUCH_FILE = 0xc000_000f;
        /// This kind of object cannot do that.
        const INVALID_DEVICE_REQUEST = 0xc000_0010;
        /// There is nothing to read at this offset.
        const END_OF_FILE = 0xc000_0011;
        /// Another medium is in the drive.
        const WRONG_VOLUME = 0xc000_0012;
        /// No medium is in the drive.
        const NO_MEDIA_IN_DEVICE = 0xc000_0013;
        /// The authentication goes on with another message.
        const MORE_PROCESSING_REQUIRED = 0xc000_0016;
        /// Memory ran out.
        const NO_MEMORY = 0xc000_0017;
        /// The address range is taken.
        const CONFLICTING_ADDRESSES = 0xc000_0018;
        /// A range is longer than what it is taken from.
        const INVALID_VIEW_SIZE = 0xc000_001f;
        /// The caller may not do this.
        const ACCESS_DENIED = 0xc000_0022;
        /// Not even the smallest answer fits.
        const BUFFER_TOO_SMALL = 0xc000_0023;
        /// The object is of another type.
        const OBJECT_TYPE_MISMATCH = 0xc000_0024;
        /// The name breaks the rules for names.
        const OBJECT_NAME_INVALID = 0xc000_0033;
        /// There is no object of this name.
        const OBJECT_NAME_NOT_FOUND = 0xc000_0034;
        /// There is an object of this name already.
        const OBJECT_NAME_COLLISION = 0xc000_0035;
        /// A part of the path is not a directory.
        const OBJECT_PATH_INVALID = 0xc000_0039;
        /// A directory on the path does not exist.
        const OBJECT_PATH_NOT_FOUND = 0xc000_003a;
        /// The path breaks the rules for paths.
        const OBJECT_PATH_SYNTAX_BAD = 0xc000_003b;
        /// The medium returned wrong data.
        const DATA_ERROR = 0xc000_003e;
        /// Another open does not share this access.
        const SHARING_VIOLATION = 0xc000_0043;
        /// A quota is used up.
        const QUOTA_EXCEEDED = 0xc000_0044;
        /// The file system keeps no extended attributes.
        const EAS_NOT_SUPPORTED = 0xc000_004f;
        /// The extended attributes are larger than can be kept.
        const EA_TOO_LARGE = 0xc000_0050;
        /// The file has no such extended attribute.
        const NONEXISTENT_EA_ENTRY = 0xc000_0051;
        /// The file has no extended attributes.
        const NO_EAS_ON_FILE = 0xc000_0052;
        /// The stored extended attributes are damaged.
        const EA_CORRUPT_ERROR = 0xc000_0053;
        /// A byte-range lock of another forbids this read or write.
        const FILE_LOCK_CONFLICT = 0xc000_0054;
        /// The lock conflicts with another.
        const LOCK_NOT_GRANTED = 0xc000_0055;
        /// The file will be deleted and cannot be opened any more.
        const DELETE_PENDING = 0xc000_0056;
        /// The revision of the structure is not known.
        const UNKNOWN_REVISION = 0xc000_0058;
        /// The two revisions do not go together.
        const REVISION_MISMATCH = 0xc000_0059;
        /// This security identifier may not own the object.
        const INVALID_OWNER = 0xc000_005a;
        /// The group is not one that the object can have.
        const INVALID_PRIMARY_GROUP = 0xc000_005b;
        /// The log-on session does not exist.
        const NO_SUCH_LOGON_SESSION = 0xc000_005f;
        /// The caller lacks a privilege.
        const PRIVILEGE_NOT_HELD = 0xc000_0061;
        /// There is an account of this name already.
        const USER_EXISTS = 0xc000_0063;
        /// There is no account of this name.
        const NO_SUCH_USER = 0xc000_0064;
        /// There is a group of this name already.
        const GROUP_EXISTS = 0xc000_0065;
        /// There is no group of this name.
        const NO_SUCH_GROUP = 0xc000_0066;
        /// The password is not the account's.
        const WRONG_PASSWORD = 0xc000_006a;
        /// The new password breaks a rule for passwords.
        const PASSWORD_RESTRICTION = 0xc000_006c;
        /// The name or the password is wrong.
        const LOGON_FAILURE = 0xc000_006d;
        /// A rule of the account forbids this log-on.
        const ACCOUNT_RESTRICTION = 0xc000_006e;
        /// The account may not log on at this time.
        const INVALID_LOGON_HOURS = 0xc000_006f;
        /// The account may not log on from this machine.
        const INVALID_WORKSTATION = 0xc000_0070;
        /// The password is too old.
        const PASSWORD_EXPIRED = 0xc000_0071;
        /// The account is disabled.
        const ACCOUNT_DISABLED = 0xc000_0072;
        /// No name or id was translated.
        const NONE_MAPPED = 0xc000_0073;
        /// The access control list is malformed.
        const INVALID_ACL = 0xc000_0077;
        /// The security identifier is malformed.
        const INVALID_SID = 0xc000_0078;
        /// The security descriptor is malformed.
        const INVALID_SECURITY_DESCR = 0xc000_0079;
        /// The caller has no token of identity.
        const NO_TOKEN = 0xc000_007c;
        /// The list of a new object could not be made from its parent's.
        const BAD_INHERITANCE_ACL = 0xc000_007d;
        /// The range to unlock is not locked.
        const RANGE_NOT_LOCKED = 0xc000_007e;
        /// The volume is full.
        const DISK_FULL = 0xc000_007f;
        /// The file changed so that the open is no longer valid.
        const FILE_INVALID = 0xc000_0098;
        /// A limit of the server is reached.
        const INSUFFICIENT_RESOURCES = 0xc000_009a;
        /// The volume is read-only.
        const MEDIA_WRITE_PROTECTED = 0xc000_00a2;
        /// The impersonation level does not exist or does not suffice.
        const BAD_IMPERSONATION_LEVEL = 0xc000_00a5;
        /// All instances of the pipe are taken.
        const INSTANCE_NOT_AVAILABLE = 0xc000_00ab;
        /// No instance of the pipe is free.
        const PIPE_NOT_AVAILABLE = 0xc000_00ac;
        /// The pipe cannot do this in its state.
        const INVALID_PIPE_STATE = 0xc000_00ad;
        /// The pipe is busy with another client.
        const PIPE_BUSY = 0xc000_00ae;
        /// The other end of the pipe was disconnected.
        const PIPE_DISCONNECTED = 0xc000_00b0;
        /// The other end of the pipe is closing.
        const PIPE_CLOSING = 0xc000_00b1;
        /// The pipe is connected already.
        const PIPE_CONNECTED = 0xc000_00b2;
        /// The pipe waits for a client.
        const PIPE_LISTENING = 0xc000_00b3;
        /// The pipe does not have this read mode.
        const INVALID_READ_MODE = 0xc000_00b4;
        /// It took too long.
        const IO_TIMEOUT = 0xc000_00b5;
        /// The file was closed by an administrator.
        const FILE_FORCED_CLOSED = 0xc000_00b6;
        /// A file was asked for, and this is a directory.
        const FILE_IS_A_DIRECTORY = 0xc000_00ba;
        /// The server does not do this.
        const NOT_SUPPORTED = 0xc000_00bb;
        /// The remote machine does not listen.
        const REMOTE_NOT_LISTENING = 0xc000_00bc;
        /// The name is in use on the network.
        const DUPLICATE_NAME = 0xc000_00bd;
        /// The network path was not found.
        const BAD_NETWORK_PATH = 0xc000_00be;
        /// The network is busy.
        const NETWORK_BUSY = 0xc000_00bf;
        /// The answer is not one that the protocol allows.
        const INVALID_NETWORK_RESPONSE = 0xc000_00c3;
        /// Something failed on the network.
        const UNEXPECTED_NETWORK_ERROR = 0xc000_00c4;
        /// The print queue is full.
        const PRINT_QUEUE_FULL = 0xc000_00c6;
        /// There is no room for the document.
        const NO_SPOOL_SPACE = 0xc000_00c7;
        /// The tree connect or the share no longer exists.
        const NETWORK_NAME_DELETED = 0xc000_00c9;
        /// Access over the network is not allowed.
        const NETWORK_ACCESS_DENIED = 0xc000_00ca;
        /// The share is of another type.
        const BAD_DEVICE_TYPE = 0xc000_00cb;
        /// There is no share of this name.
        const BAD_NETWORK_NAME = 0xc000_00cc;
        /// A limit on sessions or connections is reached.
        const REQUEST_NOT_ACCEPTED = 0xc000_00d0;
        /// Source and target are on different volumes.
        const NOT_SAME_DEVICE = 0xc000_00d4;
        /// The file was renamed meanwhile.
        const FILE_RENAMED = 0xc000_00d5;
        /// There is nothing to read in the pipe.
        const PIPE_EMPTY = 0xc000_00d9;
        /// The domain does not exist.
        const NO_SUCH_DOMAIN = 0xc000_00df;
        /// The acknowledgment does not fit the state of the oplock.
        const INVALID_OPLOCK_PROTOCOL = 0xc000_00e3;
        /// The server contradicts itself.
        const INTERNAL_ERROR = 0xc000_00e5;
        /// The buffer cannot be accessed.
        const INVALID_USER_BUFFER = 0xc000_00e8;
        /// Input or output failed in a way that has no better word.
        const UNEXPECTED_IO_ERROR = 0xc000_00e9;
        /// The client's redirector does not run.
        const REDIRECTOR_NOT_STARTED = 0xc000_00fb;
        /// The directory has entries.
        const DIRECTORY_NOT_EMPTY = 0xc000_0101;
        /// The file or directory is damaged.
        const FILE_CORRUPT_ERROR = 0xc000_0102;
        /// A directory was asked for, and this is none.
        const NOT_A_DIRECTORY = 0xc000_0103;
        /// The name or the path is too long.
        const NAME_TOO_LONG = 0xc000_0106;
        /// Files are open below the directory.
        const FILES_OPEN = 0xc000_0107;
        /// The pipe has no identity to take on yet.
        const CANNOT_IMPERSONATE = 0xc000_010d;
        /// A limit on open files is reached.
        const TOO_MANY_OPENED_FILES = 0xc000_011f;
        /// The request was cancelled.
        const CANCELLED = 0xc000_0120;
        /// The file may not be deleted.
        const CANNOT_DELETE = 0xc000_0121;
        /// The computer's name is malformed.
        const INVALID_COMPUTER_NAME = 0xc000_0122;
        /// The file was deleted.
        const FILE_DELETED = 0xc000_0123;
        /// The open does not exist, or no longer.
        const FILE_CLOSED = 0xc000_0128;
        /// The level of information does not exist.
        const INVALID_LEVEL = 0xc000_0148;
        /// The other end of the pipe is closed.
        const PIPE_BROKEN = 0xc000_014b;
        /// There is no alias of this name or number.
        const NO_SUCH_ALIAS = 0xc000_0151;
        /// There is an alias of this name already.
        const ALIAS_EXISTS = 0xc000_0154;
        /// The account may not log on in this way.
        const LOGON_TYPE_NOT_GRANTED = 0xc000_015b;
        /// A character has no counterpart.
        const UNMAPPABLE_CHARACTER = 0xc000_0162;
        /// The device cannot do this in its state.
        const INVALID_DEVICE_STATE = 0xc000_0184;
        /// The device failed.
        const IO_DEVICE_ERROR = 0xc000_0185;
        /// The trust between machine and domain failed.
        const TRUSTED_RELATIONSHIP_FAILURE = 0xc000_018d;
        /// The trust between domains failed.
        const TRUST_FAILURE = 0xc000_0190;
        /// The log-on service does not run.
        const NETLOGON_NOT_STARTED = 0xc000_0192;
        /// The account is no longer valid.
        const ACCOUNT_EXPIRED = 0xc000_0193;
        /// Only a file system driver may do this.
        const FS_DRIVER_REQUIRED = 0xc000_019c;
        /// The range to lock goes beyond the last offset.
        const INVALID_LOCK_RANGE = 0xc000_01a1;
        /// The session does not exist, or no longer.
        const USER_SESSION_DELETED = 0xc000_0203;
        /// The connection was closed.
        const CONNECTION_DISCONNECTED = 0xc000_020c;
        /// The connection was reset.
        const CONNECTION_RESET = 0xc000_020d;
        /// The password must be changed first.
        const PASSWORD_MUST_CHANGE = 0xc000_0224;
        /// It was not found.
        const NOT_FOUND = 0xc000_0225;
        /// The object id is in use.
        const DUPLICATE_OBJECTID = 0xc000_022a;
        /// The object has an object id already.
        const OBJECTID_EXISTS = 0xc000_022b;
        /// It could not be done as things were: try it again.
        const RETRY = 0xc000_022d;
        /// No domain controller was found.
        const DOMAIN_CONTROLLER_NOT_FOUND = 0xc000_0233;
        /// The account is locked after too many failures.
        const ACCOUNT_LOCKED_OUT = 0xc000_0234;
        /// The connection was refused.
        const CONNECTION_REFUSED = 0xc000_0236;
        /// There is no way to the network.
        const NETWORK_UNREACHABLE = 0xc000_023c;
        /// The connection was ended by this side.
        const CONNECTION_ABORTED = 0xc000_0241;
        /// The path belongs to another server of the namespace.
        const PATH_NOT_COVERED = 0xc000_0257;
        /// The file has as many names as a file can have.
        const TOO_MANY_LINKS = 0xc000_0265;
        /// The volume is gone.
        const VOLUME_DISMOUNTED = 0xc000_026e;
        /// The file is not a reparse point.
        const NOT_A_REPARSE_POINT = 0xc000_0275;
        /// The tag of the reparse point is malformed.
        const IO_REPARSE_TAG_INVALID = 0xc000_0276;
        /// The tag is not that of the reparse point.
        const IO_REPARSE_TAG_MISMATCH = 0xc000_0277;
        /// The data of the reparse point is malformed.
        const IO_REPARSE_DATA_INVALID = 0xc000_0278;
        /// Nothing handles reparse points of this tag.
        const IO_REPARSE_TAG_NOT_HANDLED = 0xc000_0279;
        /// The reparse point could not be followed.
        const REPARSE_POINT_NOT_RESOLVED = 0xc000_0280;
        /// The directory is a reparse point.
        const DIRECTORY_IS_A_REPARSE_POINT = 0xc000_0281;
        /// The volume keeps no change journal.
        const JOURNAL_NOT_ACTIVE = 0xc000_02b8;
        /// The file has no object id.
        const OBJECTID_NOT_FOUND = 0xc000_02f0;
        /// The certificate log-on failed.
        const PKINIT_FAILURE = 0xc000_0320;
        /// The client is bound to another secure channel.
        const BAD_BINDINGS = 0xc000_035b;
        /// The session must be authenticated again.
        const NETWORK_SESSION_EXPIRED = 0xc000_035c;
        /// Somebody tried to weaken the authentication.
        const DOWNGRADE_DETECTED = 0xc000_0388;
        /// The volume does not compress.
        const COMPRESSION_DISABLED = 0xc000_0426;
        /// The request does not fit the state that others have led to.
        const REQUEST_OUT_OF_SEQUENCE = 0xc000_042a;
        /// The token does not stand for data, or no longer.
        const INVALID_TOKEN = 0xc000_0465;
        /// The server is not available at present.
        const SERVER_UNAVAILABLE = 0xc000_0466;
        /// The file is not available at present.
        const FILE_NOT_AVAILABLE = 0xc000_0467;
        /// The share is not available at present.
        const SHARE_UNAVAILABLE = 0xc000_0480;
        /// The request is not the one that it says it repeats.
        const CONTEXT_MISMATCH = 0xc000_0719;
        /// The signature is wrong.
        const INVALID_SIGNATURE = 0xc000_a000;
        /// The message was tampered with.
        const AUTH_TAG_MISMATCH = 0xc000_a002;
        /// The share keeps no content hashes.
        const HASH_NOT_SUPPORTED = 0xc000_a100;
        /// The file has no content hash.
        const HASH_NOT_PRESENT = 0xc000_a101;
        /// A filter does not support offloaded reads.
        const OFFLOAD_READ_FLT_NOT_SUPPORTED = 0xc000_a2a1;
        /// A filter does not support offloaded writes.
        const OFFLOAD_WRITE_FLT_NOT_SUPPORTED = 0xc000_a2a2;
        /// The file does not support offloaded reads.
        const OFFLOAD_READ_FILE_NOT_SUPPORTED = 0xc000_a2a3;
        /// The file does not support offloaded writes.
        const OFFLOAD_WRITE_FILE_NOT_SUPPORTED = 0xc000_a2a4;
        /// Client and server share no pre-authentication hash.
        const SMB_NO_PREAUTH_INTEGRITY_HASH_OVERLAP = 0xc05d_0000;
        /// The dialect differs from that of the cluster's earlier connections.
        const SMB_BAD_CLUSTER_DIALECT = 0xc05d_0001;
    }
}

/// The two highest bits of a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It worked.
    Success,
    /// It worked, and there is something to tell.
    Informational,
    /// It worked in part.
    Warning,
    /// It failed.
    Error,
}

impl NtStatus {
    /// How bad it is.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self.0 >> 30 {
            0 => Severity::Success,
            1 => Severity::Informational,
            2 => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Whether the severity is `Error`; warnings such as `BUFFER_OVERFLOW` are none.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(self.severity(), Severity::Error)
    }

    /// Whether the severity is `Success` or `Informational`: what `NT_SUCCESS` asks for.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self.severity(), Severity::Success | Severity::Informational)
    }
}

impl fmt::Display for NtStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#010x}", self.0),
        }
    }
}

impl std::error::Error for NtStatus {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_severity_is_in_the_two_highest_bits() {
        assert_eq!(NtStatus::PENDING.severity(), Severity::Success);
        assert_eq!(
            NtStatus::OBJECT_NAME_EXISTS.severity(),
            Severity::Informational
        );
        assert_eq!(NtStatus::BUFFER_OVERFLOW.severity(), Severity::Warning);
        assert_eq!(NtStatus::ACCESS_DENIED.severity(), Severity::Error);
        assert!(NtStatus::ACCESS_DENIED.is_error());
        assert!(!NtStatus::BUFFER_OVERFLOW.is_error());
        assert!(!NtStatus::BUFFER_OVERFLOW.is_success());
        assert!(NtStatus::NOTIFY_ENUM_DIR.is_success());
    }

    #[test]
    fn names_are_shown_where_there_is_one() {
        assert_eq!(NtStatus(0xc000_0022).to_string(), "ACCESS_DENIED");
        assert_eq!(format!("{:?}", NtStatus::LOGON_FAILURE), "LOGON_FAILURE");
        assert_eq!(NtStatus(0xc0ff_0001).to_string(), "0xc0ff0001");
    }
}
