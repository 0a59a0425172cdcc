//! The classes of a fixed size.

use crate::dtyp::{AccessMask, FileTime};
use crate::flags::{wire_flags, wire_values};
use crate::fscc::layout::{newtype_field, wire_struct};
use crate::fscc::{FileAttributes, ReparseTag};

wire_struct! {
    /// FileAccessInformation: the access granted to the open.
    // [MS-FSCC] 2.4.1
    pub struct AccessInformation {
        /// AccessFlags.
        pub access_flags: AccessMask,
    }
}

wire_struct! {
    /// FileAlignmentInformation: the alignment that the device needs of buffers, less one, in
    /// bytes.
    // [MS-FSCC] 2.4.3
    pub struct AlignmentInformation {
        /// AlignmentRequirement: 0 for none.
        pub alignment_requirement: u32,
    }
}

wire_struct! {
    /// FileAttributeTagInformation.
    // [MS-FSCC] 2.4.6
    pub struct AttributeTagInformation {
        /// FileAttributes.
        pub file_attributes: FileAttributes,
        /// ReparseTag, zero without a reparse point.
        pub reparse_tag: ReparseTag,
    }
}

wire_struct! {
    /// FileBasicInformation as it is queried; a change is [`BasicChange`](super::BasicChange).
    // [MS-FSCC] 2.4.7
    pub struct BasicInformation {
        /// CreationTime.
        pub creation_time: FileTime,
        /// LastAccessTime.
        pub last_access_time: FileTime,
        /// LastWriteTime.
        pub last_write_time: FileTime,
        /// ChangeTime.
        pub change_time: FileTime,
        /// FileAttributes. Four bytes are reserved behind it.
        pub file_attributes: FileAttributes, + 4,
    }
}

wire_values! {
    /// How a file is compressed on its volume.
    // [MS-FSCC] 2.3.67
    pub struct CompressionFormat: u16 {
        /// Not at all.
        const NONE = 0;
        /// As the file system likes; when setting only.
        const DEFAULT = 1;
        /// LZNT1.
        const LZNT1 = 2;
    }
}

wire_struct! {
    /// FileCompressionInformation.
    // [MS-FSCC] 2.4.9
    pub struct CompressionInformation {
        /// CompressedFileSize in bytes.
        pub compressed_file_size: u64,
        /// CompressionFormat.
        pub compression_format: CompressionFormat,
        /// CompressionUnitShift: the unit as a power of two bytes.
        pub compression_unit_shift: u8,
        /// ChunkShift: the chunk as a power of two bytes.
        pub chunk_shift: u8,
        /// ClusterShift: the cluster as a power of two bytes. Three bytes are reserved behind it.
        pub cluster_shift: u8, + 3,
    }
}

wire_struct! {
    /// FileEaInformation: the size of the extended attributes.
    // [MS-FSCC] 2.4.13
    pub struct EaInformation {
        /// EaSize in bytes.
        pub ea_size: u32,
    }
}

wire_struct! {
    /// FileIdInformation.
    // [MS-FSCC] 2.4.26
    pub struct IdInformation {
        /// VolumeSerialNumber.
        pub volume_serial_number: u64,
        /// FileId, 128 bits.
        pub file_id: [u8; 16],
    }
}

wire_struct! {
    /// FileInternalInformation.
    // [MS-FSCC] 2.4.27
    pub struct InternalInformation {
        /// IndexNumber, the 64-bit file id.
        pub index_number: u64,
    }
}

wire_flags! {
    /// How an open is used: a part of the options that it was created with.
    // [MS-FSCC] 2.4.31
    pub struct FileMode: u32 {
        /// Writes reach the disk before they are answered.
        const WRITE_THROUGH = 0x0000_0002;
        /// Access will be sequential.
        const SEQUENTIAL_ONLY = 0x0000_0004;
        /// Nothing is cached.
        const NO_INTERMEDIATE_BUFFERING = 0x0000_0008;
        /// Synchronous, and waits can be interrupted.
        const SYNCHRONOUS_IO_ALERT = 0x0000_0010;
        /// Synchronous, and waits cannot be interrupted.
        const SYNCHRONOUS_IO_NONALERT = 0x0000_0020;
        /// Never reported.
        const DELETE_ON_CLOSE = 0x0000_1000;
    }
}

wire_struct! {
    /// FileModeInformation.
    // [MS-FSCC] 2.4.31
    pub struct ModeInformation {
        /// Mode.
        pub mode: FileMode,
    }
}

wire_struct! {
    /// FileNetworkOpenInformation.
    // [MS-FSCC] 2.4.34
    pub struct NetworkOpenInformation {
        /// CreationTime.
        pub creation_time: FileTime,
        /// LastAccessTime.
        pub last_access_time: FileTime,
        /// LastWriteTime.
        pub last_write_time: FileTime,
        /// ChangeTime.
        pub change_time: FileTime,
        /// AllocationSize in bytes.
        pub allocation_size: u64,
        /// EndOfFile in bytes.
        pub end_of_file: u64,
        /// FileAttributes. Four bytes are reserved behind it.
        pub file_attributes: FileAttributes, + 4,
    }
}

wire_struct! {
    /// FilePositionInformation.
    // [MS-FSCC] 2.4.40
    pub struct PositionInformation {
        /// CurrentByteOffset.
        pub current_byte_offset: u64,
    }
}

wire_struct! {
    /// FileStandardInformation.
    // [MS-FSCC] 2.4.47
    pub struct StandardInformation {
        /// AllocationSize in bytes.
        pub allocation_size: u64,
        /// EndOfFile in bytes.
        pub end_of_file: u64,
        /// NumberOfLinks, those not deleted.
        pub number_of_links: u32,
        /// DeletePending.
        pub delete_pending: bool,
        /// Directory. Two bytes are reserved behind it.
        pub directory: bool, + 2,
    }
}

newtype_field! {
    FileMode: u32, FileMode::from_bits, FileMode::bits;
    CompressionFormat: u16, CompressionFormat, u16::from;
}
