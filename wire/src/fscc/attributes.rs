//! File attributes and reparse tags.

use super::layout::newtype_field;
use crate::flags::{wire_flags, wire_values};

wire_flags! {
    /// The attributes of a file or directory.
    // [MS-FSCC] 2.6
    pub struct FileAttributes: u32 {
        /// Cannot be written or deleted.
        const READONLY = 0x0000_0001;
        /// Not shown in ordinary listings.
        const HIDDEN = 0x0000_0002;
        /// Belongs to the operating system.
        const SYSTEM = 0x0000_0004;
        /// A directory.
        const DIRECTORY = 0x0000_0010;
        /// To be archived.
        const ARCHIVE = 0x0000_0020;
        /// No other attribute; ignored beside others.
        const NORMAL = 0x0000_0080;
        /// For temporary storage.
        const TEMPORARY = 0x0000_0100;
        /// Sparse.
        const SPARSE_FILE = 0x0000_0200;
        /// Has a reparse point.
        const REPARSE_POINT = 0x0000_0400;
        /// Compressed.
        const COMPRESSED = 0x0000_0800;
        /// The data is not at hand.
        const OFFLINE = 0x0000_1000;
        /// Not to be indexed.
        const NOT_CONTENT_INDEXED = 0x0000_2000;
        /// Encrypted by the file system.
        const ENCRYPTED = 0x0000_4000;
        /// Protected by checksums.
        const INTEGRITY_STREAM = 0x0000_8000;
        /// Excluded from integrity scans.
        const NO_SCRUB_DATA = 0x0002_0000;
        /// Has no physical form here; in listings only.
        const RECALL_ON_OPEN = 0x0004_0000;
        /// To be kept at hand.
        const PINNED = 0x0008_0000;
        /// Not to be kept at hand.
        const UNPINNED = 0x0010_0000;
        /// Not all of it is at hand.
        const RECALL_ON_DATA_ACCESS = 0x0040_0000;
    }
}

impl FileAttributes {
    /// The attributes that FileBasicInformation can change.
    // [MS-FSA] 2.1.5.15.2
    pub const SETTABLE: Self = Self::READONLY
        .with(Self::HIDDEN)
        .with(Self::SYSTEM)
        .with(Self::ARCHIVE)
        .with(Self::TEMPORARY)
        .with(Self::OFFLINE)
        .with(Self::NOT_CONTENT_INDEXED);

    /// The attributes as they are reported: NORMAL when there is no other, never beside others.
    #[must_use]
    pub const fn reported(self) -> Self {
        let others = self.without(Self::NORMAL);
        if others.is_empty() {
            Self::NORMAL
        } else {
            others
        }
    }
}

wire_values! {
    /// What a reparse point is.
    // [MS-FSCC] 2.1.2.1
    pub struct ReparseTag: u32 {
        /// No reparse point.
        const NONE = 0x0000_0000;
        /// A mount point or junction.
        const MOUNT_POINT = 0xA000_0003;
        /// Hierarchical storage, obsolete.
        const HSM = 0xC000_0004;
        /// Home server drive extender.
        const DRIVE_EXTENDER = 0x8000_0005;
        /// Hierarchical storage, obsolete.
        const HSM2 = 0x8000_0006;
        /// Single-instance storage.
        const SIS = 0x8000_0007;
        /// A mounted image.
        const WIM = 0x8000_0008;
        /// A cluster volume, obsolete.
        const CSV = 0x8000_0009;
        /// A DFS link.
        const DFS = 0x8000_000A;
        /// For tests of the filter manager.
        const FILTER_MANAGER = 0x8000_000B;
        /// A symbolic link.
        const SYMLINK = 0xA000_000C;
        /// A cache of the web server.
        const IIS_CACHE = 0xA000_0010;
        /// DFS replication.
        const DFSR = 0x8000_0012;
        /// Deduplicated data.
        const DEDUP = 0x8000_0013;
        /// Not used.
        const APPXSTRM = 0xC000_0014;
        /// A special file of an NFS client.
        const NFS = 0x8000_0014;
        /// Obsolete.
        const FILE_PLACEHOLDER = 0x8000_0015;
        /// Dynamic file filter.
        const DFM = 0x8000_0016;
        /// A compressed or image-backed file.
        const WOF = 0x8000_0017;
        /// Container isolation.
        const WCI = 0x8000_0018;
        /// A named pipe outside the container.
        const GLOBAL_REPARSE = 0xA000_0019;
        /// A file of a synchronization engine; bits 12 to 15 vary.
        const CLOUD = 0x9000_001A;
        /// An application launcher.
        const APPEXECLINK = 0x8000_001B;
        /// A projected file.
        const PROJFS = 0x9000_001C;
        /// A symbolic link of the Linux subsystem.
        const LX_SYMLINK = 0xA000_001D;
        /// File synchronization.
        const STORAGE_SYNC = 0x8000_001E;
        /// A deleted file of a container.
        const WCI_TOMBSTONE = 0xA000_001F;
        /// Container isolation.
        const UNHANDLED = 0x8000_0020;
        /// Not used.
        const ONEDRIVE = 0x8000_0021;
        /// A deleted projected file.
        const PROJFS_TOMBSTONE = 0xA000_0022;
        /// A Unix socket.
        const AF_UNIX = 0x8000_0023;
        /// A named pipe of the Linux subsystem.
        const LX_FIFO = 0x8000_0024;
        /// A character device of the Linux subsystem.
        const LX_CHR = 0x8000_0025;
        /// A block device of the Linux subsystem.
        const LX_BLK = 0x8000_0026;
        /// Container isolation.
        const WCI_LINK = 0xA000_0027;
        /// File synchronization of a folder.
        const STORAGE_SYNC_FOLDER = 0x9000_0027;
        /// Container isolation.
        const WCI_1 = 0x9000_1018;
        /// Container isolation.
        const WCI_LINK_1 = 0xA000_1027;
    }
}

impl ReparseTag {
    /// Whether Microsoft owns the tag; the data of other tags begins with a GUID.
    #[must_use]
    pub const fn is_microsoft(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }

    /// Whether the file stands for another one.
    #[must_use]
    pub const fn is_name_surrogate(self) -> bool {
        self.0 & 0x2000_0000 != 0
    }
}

newtype_field! {
    FileAttributes: u32, FileAttributes::from_bits, FileAttributes::bits;
    ReparseTag: u32, ReparseTag, u32::from;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_reported_as_normal_only_when_there_is_no_other() {
        let archive = FileAttributes::ARCHIVE;
        assert_eq!(FileAttributes::NONE.reported(), FileAttributes::NORMAL);
        assert_eq!(FileAttributes::NORMAL.reported(), FileAttributes::NORMAL);
        assert_eq!((archive | FileAttributes::NORMAL).reported(), archive);
    }

    #[test]
    fn the_high_bits_of_a_tag_say_whose_it_is() {
        assert!(ReparseTag::SYMLINK.is_microsoft() && ReparseTag::SYMLINK.is_name_surrogate());
        assert!(ReparseTag::NFS.is_microsoft() && !ReparseTag::NFS.is_name_surrogate());
        assert!(!ReparseTag(0x1234).is_microsoft());
    }
}
