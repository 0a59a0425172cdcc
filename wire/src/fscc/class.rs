//! The numbers of the information classes and the buffers that each needs at least.

use crate::flags::wire_values;

wire_values! {
    /// What is asked or set about a file, or how a directory is listed.
    // [MS-FSCC] 2.4
    pub struct FileInfoClass: u8 {
        /// Listing: times, sizes, attributes, name.
        const DIRECTORY = 1;
        /// Listing: and the size of extended attributes.
        const FULL_DIRECTORY = 2;
        /// Listing: and the short name.
        const BOTH_DIRECTORY = 3;
        /// Times and attributes.
        const BASIC = 4;
        /// Sizes, links, whether deleted, whether a directory.
        const STANDARD = 5;
        /// The 64-bit file id.
        const INTERNAL = 6;
        /// The size of extended attributes.
        const EA = 7;
        /// The access granted to the open.
        const ACCESS = 8;
        /// The name; local use only.
        const NAME = 9;
        /// Rename.
        const RENAME = 10;
        /// Make a hard link.
        const LINK = 11;
        /// Listing: names only.
        const NAMES = 12;
        /// Delete on close, or not.
        const DISPOSITION = 13;
        /// The position of the open.
        const POSITION = 14;
        /// Extended attributes.
        const FULL_EA = 15;
        /// The mode of the open.
        const MODE = 16;
        /// The alignment that the device needs.
        const ALIGNMENT = 17;
        /// Nine classes at once.
        const ALL = 18;
        /// Reserve space.
        const ALLOCATION = 19;
        /// Set the size.
        const END_OF_FILE = 20;
        /// The short name.
        const ALTERNATE_NAME = 21;
        /// The streams.
        const STREAM = 22;
        /// The modes of a pipe.
        const PIPE = 23;
        /// One end of a pipe.
        const PIPE_LOCAL = 24;
        /// The client's end of a pipe.
        const PIPE_REMOTE = 25;
        /// A mailslot; local use only.
        const MAILSLOT_QUERY = 26;
        /// A mailslot; local use only.
        const MAILSLOT_SET = 27;
        /// How the file is compressed.
        const COMPRESSION = 28;
        /// Object ids; local use only.
        const OBJECT_ID = 29;
        /// Defragmentation; local use only.
        const MOVE_CLUSTER = 31;
        /// Quotas.
        const QUOTA = 32;
        /// Reparse points; local use only.
        const REPARSE_POINT = 33;
        /// Times, sizes and attributes.
        const NETWORK_OPEN = 34;
        /// Attributes and reparse tag.
        const ATTRIBUTE_TAG = 35;
        /// Link tracking; local use only.
        const TRACKING = 36;
        /// Listing: full, short name and 64-bit id.
        const ID_BOTH_DIRECTORY = 37;
        /// Listing: full and 64-bit id.
        const ID_FULL_DIRECTORY = 38;
        /// Set the valid data length.
        const VALID_DATA_LENGTH = 39;
        /// Set the short name.
        const SHORT_NAME = 40;
        /// Bandwidth; local use only.
        const SFIO_RESERVE = 44;
        /// Bandwidth; local use only.
        const SFIO_VOLUME = 45;
        /// The hard links; local use only.
        const HARD_LINK = 46;
        /// The name with its case as stored.
        const NORMALIZED_NAME = 48;
        /// Listing for transactions; local use only.
        const ID_GLOBAL_TX_DIRECTORY = 50;
        /// The number of links; local use only.
        const STANDARD_LINK = 54;
        /// Volume serial number and 128-bit id.
        const ID = 59;
        /// Listing: full, reparse tag and 128-bit id.
        const ID_EXTD_DIRECTORY = 60;
        /// Delete with options.
        const DISPOSITION_EX = 64;
        /// Rename with options.
        const RENAME_EX = 65;
        /// Listing: full, reparse tag and 64-bit id.
        const ID_64_EXTD_DIRECTORY = 78;
        /// Listing: full, reparse tag, 64-bit id and short name.
        const ID_64_EXTD_BOTH_DIRECTORY = 79;
        /// Listing: full, reparse tag and both ids.
        const ID_ALL_EXTD_DIRECTORY = 80;
        /// Listing: full, reparse tag, both ids and short name.
        const ID_ALL_EXTD_BOTH_DIRECTORY = 81;
    }
}

impl FileInfoClass {
    /// The smallest output buffer that a query of this class accepts, in bytes; a smaller one is
    /// INFO_LENGTH_MISMATCH. `None` where the class cannot be queried over the network.
    ///
    /// The sizes are those of the structures with their padding at the end.
    // [MS-FSA] 2.1.5.12
    #[must_use]
    pub const fn minimum_query_length(self) -> Option<usize> {
        Some(match self {
            Self::BASIC => 40,
            Self::STANDARD | Self::ID => 24,
            Self::INTERNAL | Self::POSITION | Self::ATTRIBUTE_TAG | Self::PIPE => 8,
            Self::EA | Self::ACCESS | Self::MODE | Self::ALIGNMENT => 4,
            Self::ALL => 104,
            Self::ALTERNATE_NAME | Self::NORMALIZED_NAME => 8,
            Self::STREAM => 32,
            Self::PIPE_LOCAL => 40,
            Self::PIPE_REMOTE | Self::COMPRESSION => 16,
            Self::NETWORK_OPEN => 56,
            // Too little room for the first entry is BUFFER_TOO_SMALL.
            Self::FULL_EA => 0,
            _ => return None,
        })
    }

    /// The smallest input buffer that setting this class needs, in bytes; a smaller one is
    /// INFO_LENGTH_MISMATCH. `None` where the class cannot be set over the network.
    // [MS-FSA] 2.1.5.15
    #[must_use]
    pub const fn minimum_set_length(self) -> Option<usize> {
        Some(match self {
            Self::BASIC => 40,
            Self::RENAME | Self::RENAME_EX | Self::LINK => 24,
            Self::DISPOSITION => 1,
            Self::DISPOSITION_EX | Self::MODE => 4,
            Self::POSITION | Self::ALLOCATION | Self::END_OF_FILE | Self::VALID_DATA_LENGTH => 8,
            Self::PIPE | Self::SHORT_NAME => 8,
            Self::FULL_EA => 0,
            _ => return None,
        })
    }
}

wire_values! {
    /// What is asked or set about a volume.
    // [MS-FSCC] 2.5
    pub struct FsInfoClass: u8 {
        /// Label, serial number, creation time.
        const VOLUME = 1;
        /// The label; local use only.
        const LABEL = 2;
        /// Space available to the caller.
        const SIZE = 3;
        /// The kind of device.
        const DEVICE = 4;
        /// What the file system can do.
        const ATTRIBUTE = 5;
        /// Quotas.
        const CONTROL = 6;
        /// Space available to the caller and in all.
        const FULL_SIZE = 7;
        /// The volume's object id.
        const OBJECT_ID = 8;
        /// Drivers; local use only.
        const DRIVER_PATH = 9;
        /// Flags; local use only.
        const VOLUME_FLAGS = 10;
        /// Sector sizes and alignment.
        const SECTOR_SIZE = 11;
    }
}

impl FsInfoClass {
    /// The smallest output buffer that a query of this class accepts, in bytes; a smaller one is
    /// INFO_LENGTH_MISMATCH. `None` where the class cannot be queried over the network.
    // [MS-FSA] 2.1.5.13
    #[must_use]
    pub const fn minimum_query_length(self) -> Option<usize> {
        Some(match self {
            Self::VOLUME | Self::SIZE => 24,
            Self::DEVICE => 8,
            // departs [MS-FSA] 2.1.5.13.5: the structure with its padding, which is what Windows
            // asks
            Self::ATTRIBUTE => 16,
            Self::CONTROL => 48,
            Self::FULL_SIZE => 32,
            Self::OBJECT_ID => 64,
            Self::SECTOR_SIZE => 28,
            _ => return None,
        })
    }

    /// The smallest input buffer that setting this class needs, in bytes. `None` where the class
    /// cannot be set over the network.
    // [MS-FSA] 2.1.5.16
    #[must_use]
    pub const fn minimum_set_length(self) -> Option<usize> {
        Some(match self {
            Self::CONTROL => 48,
            Self::OBJECT_ID => 64,
            _ => return None,
        })
    }
}
