//! What is asked and set about a volume.

use super::layout::{newtype_field, wire_struct, write_units};
use super::{Fit, FsInfoClass};
use crate::dtyp::{FileTime, Guid};
use crate::flags::{wire_flags, wire_values};
use crate::{DecodeError, NtStatus, Reader, Utf16String, Writer};

/// FileFsVolumeInformation.
// [MS-FSCC] 2.5.9
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeInformation {
    /// VolumeCreationTime.
    pub volume_creation_time: FileTime,
    /// VolumeSerialNumber.
    pub volume_serial_number: u32,
    /// SupportsObjects. A byte is reserved behind it.
    pub supports_objects: bool,
    /// VolumeLabel; 32 units at most are sent.
    pub volume_label: Utf16String,
}

impl VolumeInformation {
    const FIXED_SIZE: usize = 18;

    /// What is longer is cut without an error before it is sent, [MS-FSCC] 2.5.9, so that nobody sends it.
    const LABEL_UNITS: usize = 32;

    fn encode(&self, out: &mut Writer<'_>, room: usize) -> Fit {
        let units = self.volume_label.as_units();
        let label = units.get(..Self::LABEL_UNITS).unwrap_or(units);
        out.u64(self.volume_creation_time.0);
        out.u32(self.volume_serial_number);
        out.size32(label.len().saturating_mul(2));
        out.u8(self.supports_objects.into());
        out.u8(0);
        encode_text(label, out, room.saturating_sub(Self::FIXED_SIZE))
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("FileFsVolumeInformation", bytes);
        let volume_creation_time = FileTime(reader.u64()?);
        let volume_serial_number = reader.u32()?;
        let label_length = reader.size32()?;
        if label_length > Self::LABEL_UNITS.saturating_mul(2) {
            return Err(reader.error_in("VolumeLabelLength"));
        }
        let [supports_objects, _reserved] = reader.array()?;
        Ok(Self {
            volume_creation_time,
            volume_serial_number,
            supports_objects: supports_objects != 0,
            volume_label: Utf16String::decode(reader.bytes(label_length)?)?,
        })
    }
}

wire_struct! {
    /// FileFsSizeInformation.
    // [MS-FSCC] 2.5.8
    pub struct SizeInformation {
        /// TotalAllocationUnits, as far as the caller may use them.
        pub total_allocation_units: u64,
        /// AvailableAllocationUnits, as far as the caller may use them.
        pub available_allocation_units: u64,
        /// SectorsPerAllocationUnit.
        pub sectors_per_allocation_unit: u32,
        /// BytesPerSector.
        pub bytes_per_sector: u32,
    }
}

wire_struct! {
    /// FileFsFullSizeInformation.
    // [MS-FSCC] 2.5.4
    pub struct FullSizeInformation {
        /// TotalAllocationUnits, as far as the caller may use them.
        pub total_allocation_units: u64,
        /// CallerAvailableAllocationUnits.
        pub caller_available_allocation_units: u64,
        /// ActualAvailableAllocationUnits.
        pub actual_available_allocation_units: u64,
        /// SectorsPerAllocationUnit.
        pub sectors_per_allocation_unit: u32,
        /// BytesPerSector.
        pub bytes_per_sector: u32,
    }
}

wire_values! {
    /// What a volume lies on.
    // [MS-FSCC] 2.5.10
    pub struct DeviceType: u32 {
        /// A CD-ROM.
        const CD_ROM = 0x0000_0002;
        /// A disk.
        const DISK = 0x0000_0007;
        /// A named pipe, which is what IPC$ answers.
        const NAMED_PIPE = 0x0000_0011;
    }
}

wire_flags! {
    /// What is particular about a volume's device.
    // [MS-FSCC] 2.5.10
    pub struct DeviceCharacteristics: u32 {
        /// The medium can be removed.
        const REMOVABLE_MEDIA = 0x0000_0001;
        /// Cannot be written.
        const READ_ONLY_DEVICE = 0x0000_0002;
        /// A floppy disk.
        const FLOPPY_DISKETTE = 0x0000_0004;
        /// Can be written once.
        const WRITE_ONCE_MEDIA = 0x0000_0008;
        /// A remote file system.
        const REMOTE_DEVICE = 0x0000_0010;
        /// A file system is mounted.
        const DEVICE_IS_MOUNTED = 0x0000_0020;
        /// Not on a medium of its own.
        const VIRTUAL_VOLUME = 0x0000_0040;
        /// The volume's own security descriptor is checked as well.
        const DEVICE_SECURE_OPEN = 0x0000_0100;
        /// Belongs to a terminal session.
        const CHARACTERISTIC_TS_DEVICE = 0x0000_1000;
        /// A WebDAV file system.
        const CHARACTERISTIC_WEBDAV_DEVICE = 0x0000_2000;
        /// The whole device can be removed.
        const PORTABLE_DEVICE = 0x0000_4000;
        /// Application containers may traverse.
        const DEVICE_ALLOW_APPCONTAINER_TRAVERSAL = 0x0002_0000;
    }
}

wire_struct! {
    /// FileFsDeviceInformation.
    // [MS-FSCC] 2.5.10
    pub struct DeviceInformation {
        /// DeviceType.
        pub device_type: DeviceType,
        /// Characteristics.
        pub characteristics: DeviceCharacteristics,
    }
}

wire_flags! {
    /// What a file system can do.
    // [MS-FSCC] 2.5.1
    pub struct FileSystemAttributes: u32 {
        /// Names can be looked up with case.
        const CASE_SENSITIVE_SEARCH = 0x0000_0001;
        /// Names keep their case.
        const CASE_PRESERVED_NAMES = 0x0000_0002;
        /// Names are Unicode.
        const UNICODE_ON_DISK = 0x0000_0004;
        /// Access control lists are kept and enforced.
        const PERSISTENT_ACLS = 0x0000_0008;
        /// Files can be compressed.
        const FILE_COMPRESSION = 0x0000_0010;
        /// Users have quotas.
        const VOLUME_QUOTAS = 0x0000_0020;
        /// Files can be sparse.
        const SUPPORTS_SPARSE_FILES = 0x0000_0040;
        /// Reparse points exist.
        const SUPPORTS_REPARSE_POINTS = 0x0000_0080;
        /// Remote storage exists.
        const SUPPORTS_REMOTE_STORAGE = 0x0000_0100;
        /// Cleanup reports what it did.
        const RETURNS_CLEANUP_RESULT_INFO = 0x0000_0200;
        /// Files can be deleted and renamed as POSIX does.
        const SUPPORTS_POSIX_UNLINK_RENAME = 0x0000_0400;
        /// The whole volume is compressed.
        const VOLUME_IS_COMPRESSED = 0x0000_8000;
        /// Object ids exist.
        const SUPPORTS_OBJECT_IDS = 0x0001_0000;
        /// Files can be encrypted.
        const SUPPORTS_ENCRYPTION = 0x0002_0000;
        /// Named streams exist.
        const NAMED_STREAMS = 0x0004_0000;
        /// Mounted read-only.
        const READ_ONLY_VOLUME = 0x0008_0000;
        /// Can be written once, in order.
        const SEQUENTIAL_WRITE_ONCE = 0x0010_0000;
        /// Transactions exist.
        const SUPPORTS_TRANSACTIONS = 0x0020_0000;
        /// Hard links exist.
        const SUPPORTS_HARD_LINKS = 0x0040_0000;
        /// Extended attributes exist.
        const SUPPORTS_EXTENDED_ATTRIBUTES = 0x0080_0000;
        /// Files can be opened by their id.
        const SUPPORTS_OPEN_BY_FILE_ID = 0x0100_0000;
        /// A change journal exists.
        const SUPPORTS_USN_JOURNAL = 0x0200_0000;
        /// Integrity streams exist.
        const SUPPORT_INTEGRITY_STREAMS = 0x0400_0000;
        /// Files can share blocks.
        const SUPPORTS_BLOCK_REFCOUNTING = 0x0800_0000;
        /// Each cluster is valid or not by itself.
        const SUPPORTS_SPARSE_VDL = 0x1000_0000;
    }
}

/// FileFsAttributeInformation.
// [MS-FSCC] 2.5.1
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributeInformation {
    /// FileSystemAttributes.
    pub file_system_attributes: FileSystemAttributes,
    /// MaximumComponentNameLength in units, at most 255.
    pub maximum_component_name_length: u32,
    /// FileSystemName.
    pub file_system_name: Utf16String,
}

impl AttributeInformation {
    const FIXED_SIZE: usize = 12;

    fn encode(&self, out: &mut Writer<'_>, room: usize) -> Fit {
        out.u32(self.file_system_attributes.bits());
        out.u32(self.maximum_component_name_length);
        out.size32(self.file_system_name.len_bytes());
        let room = room.saturating_sub(Self::FIXED_SIZE);
        encode_text(self.file_system_name.as_units(), out, room)
    }

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("FileFsAttributeInformation", bytes);
        let file_system_attributes = FileSystemAttributes::from_bits(reader.u32()?);
        let maximum_component_name_length = reader.u32()?;
        let name_length = reader.size32()?;
        let file_system_name = Utf16String::decode(reader.bytes(name_length)?)?;
        Ok(Self {
            file_system_attributes,
            maximum_component_name_length,
            file_system_name,
        })
    }
}

wire_flags! {
    /// How quotas are kept.
    // [MS-FSCC] 2.5.2
    pub struct FileSystemControlFlags: u32 {
        /// Tracked, not enforced.
        const QUOTA_TRACK = 0x0000_0001;
        /// Tracked and enforced.
        const QUOTA_ENFORCE = 0x0000_0002;
        /// Contents are not indexed.
        const CONTENT_INDEX_DISABLED = 0x0000_0008;
        /// Log who passes the threshold.
        const LOG_QUOTA_THRESHOLD = 0x0000_0010;
        /// Log who passes the limit.
        const LOG_QUOTA_LIMIT = 0x0000_0020;
        /// Log when the volume passes its threshold.
        const LOG_VOLUME_THRESHOLD = 0x0000_0040;
        /// Log when the volume passes its limit.
        const LOG_VOLUME_LIMIT = 0x0000_0080;
        /// What is known of quotas is incomplete.
        const QUOTAS_INCOMPLETE = 0x0000_0100;
        /// What is known of quotas is being rebuilt.
        const QUOTAS_REBUILDING = 0x0000_0200;
    }
}

wire_struct! {
    /// FileFsControlInformation.
    // [MS-FSCC] 2.5.2
    pub struct ControlInformation {
        /// FreeSpaceStartFiltering, zero.
        pub free_space_start_filtering: u64,
        /// FreeSpaceThreshold, zero.
        pub free_space_threshold: u64,
        /// FreeSpaceStopFiltering, zero.
        pub free_space_stop_filtering: u64,
        /// DefaultQuotaThreshold in bytes; all ones for none.
        pub default_quota_threshold: u64,
        /// DefaultQuotaLimit in bytes; all ones for none.
        pub default_quota_limit: u64,
        /// FileSystemControlFlags. Four bytes of padding follow.
        pub file_system_control_flags: FileSystemControlFlags, + 4,
    }
}

wire_struct! {
    /// FileFsObjectIdInformation, without extended information (48 zero bytes).
    // [MS-FSCC] 2.5.6
    pub struct VolumeObjectIdInformation {
        /// ObjectId.
        pub object_id: Guid, + 48,
    }
}

wire_flags! {
    /// What is known of a device's sectors.
    // [MS-FSCC] 2.5.7
    pub struct SectorSizeFlags: u32 {
        /// Logical and physical sectors begin together.
        const ALIGNED_DEVICE = 0x0000_0001;
        /// The partition begins with a physical sector.
        const PARTITION_ALIGNED_ON_DEVICE = 0x0000_0002;
        /// Seeking costs nothing.
        const NO_SEEK_PENALTY = 0x0000_0004;
        /// Trimming works.
        const TRIM_ENABLED = 0x0000_0008;
    }
}

wire_struct! {
    /// FileFsSectorSizeInformation.
    // [MS-FSCC] 2.5.7
    pub struct SectorSizeInformation {
        /// LogicalBytesPerSector.
        pub logical_bytes_per_sector: u32,
        /// PhysicalBytesPerSectorForAtomicity.
        pub physical_bytes_per_sector_for_atomicity: u32,
        /// PhysicalBytesPerSectorForPerformance.
        pub physical_bytes_per_sector_for_performance: u32,
        /// FileSystemEffectivePhysicalBytesPerSectorForAtomicity.
        pub effective_physical_bytes_per_sector_for_atomicity: u32,
        /// Flags.
        pub flags: SectorSizeFlags,
        /// ByteOffsetForSectorAlignment; all ones if unknown.
        pub byte_offset_for_sector_alignment: u32,
        /// ByteOffsetForPartitionAlignment; all ones if unknown.
        pub byte_offset_for_partition_alignment: u32,
    }
}

/// The answer to a query about a volume, or a change to one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FsInformation {
    /// FileFsAttributeInformation.
    Attribute(AttributeInformation),
    /// FileFsControlInformation.
    Control(ControlInformation),
    /// FileFsDeviceInformation.
    Device(DeviceInformation),
    /// FileFsFullSizeInformation.
    FullSize(FullSizeInformation),
    /// FileFsObjectIdInformation.
    ObjectId(VolumeObjectIdInformation),
    /// FileFsSectorSizeInformation.
    SectorSize(SectorSizeInformation),
    /// FileFsSizeInformation.
    Size(SizeInformation),
    /// FileFsVolumeInformation.
    Volume(VolumeInformation),
}

impl FsInformation {
    /// The class that this answers.
    #[must_use]
    pub const fn class(&self) -> FsInfoClass {
        match self {
            Self::Attribute(_) => FsInfoClass::ATTRIBUTE,
            Self::Control(_) => FsInfoClass::CONTROL,
            Self::Device(_) => FsInfoClass::DEVICE,
            Self::FullSize(_) => FsInfoClass::FULL_SIZE,
            Self::ObjectId(_) => FsInfoClass::OBJECT_ID,
            Self::SectorSize(_) => FsInfoClass::SECTOR_SIZE,
            Self::Size(_) => FsInfoClass::SIZE,
            Self::Volume(_) => FsInfoClass::VOLUME,
        }
    }

    /// Appends the answer, or as much of its name as `room` bytes hold.
    ///
    /// # Errors
    /// INFO_LENGTH_MISMATCH when the fixed part does not fit. Nothing is appended then.
    // [MS-FSA] 2.1.5.13
    pub fn encode(&self, out: &mut Writer<'_>, room: usize) -> Result<Fit, NtStatus> {
        if self
            .class()
            .minimum_query_length()
            .is_none_or(|minimum| room < minimum)
        {
            return Err(NtStatus::INFO_LENGTH_MISMATCH);
        }
        match self {
            Self::Attribute(info) => return Ok(info.encode(out, room)),
            Self::Control(info) => info.encode(out),
            Self::Device(info) => info.encode(out),
            Self::FullSize(info) => info.encode(out),
            Self::ObjectId(info) => info.encode(out),
            Self::SectorSize(info) => info.encode(out),
            Self::Size(info) => info.encode(out),
            Self::Volume(info) => return Ok(info.encode(out, room)),
        }
        Ok(Fit::Whole)
    }

    /// Reads a whole answer of this class; `None` if the class has no answer.
    ///
    /// # Errors
    /// Too few bytes, or a length that leaves them.
    pub fn decode(class: FsInfoClass, bytes: &[u8]) -> Option<Result<Self, DecodeError>> {
        Some(match class {
            FsInfoClass::ATTRIBUTE => AttributeInformation::decode(bytes).map(Self::Attribute),
            FsInfoClass::CONTROL => ControlInformation::decode(bytes).map(Self::Control),
            FsInfoClass::DEVICE => DeviceInformation::decode(bytes).map(Self::Device),
            FsInfoClass::FULL_SIZE => FullSizeInformation::decode(bytes).map(Self::FullSize),
            FsInfoClass::OBJECT_ID => VolumeObjectIdInformation::decode(bytes).map(Self::ObjectId),
            FsInfoClass::SECTOR_SIZE => SectorSizeInformation::decode(bytes).map(Self::SectorSize),
            FsInfoClass::SIZE => SizeInformation::decode(bytes).map(Self::Size),
            FsInfoClass::VOLUME => VolumeInformation::decode(bytes).map(Self::Volume),
            _ => return None,
        })
    }

    /// Reads the buffer of a SET_INFO request for a volume.
    ///
    /// # Errors INVALID_INFO_CLASS when the class cannot be set, INFO_LENGTH_MISMATCH when the
    /// buffer is smaller than the structure.
    // [MS-FSA] 2.1.5.16
    pub fn decode_set(class: FsInfoClass, bytes: &[u8]) -> Result<Self, NtStatus> {
        class
            .minimum_set_length()
            .ok_or(NtStatus::INVALID_INFO_CLASS)?;
        let decoded = Self::decode(class, bytes).ok_or(NtStatus::INVALID_INFO_CLASS)?;
        decoded.map_err(|_| NtStatus::INFO_LENGTH_MISMATCH)
    }
}

newtype_field! {
    DeviceType: u32, DeviceType, u32::from;
    DeviceCharacteristics: u32, DeviceCharacteristics::from_bits, DeviceCharacteristics::bits;
    FileSystemControlFlags: u32, FileSystemControlFlags::from_bits, FileSystemControlFlags::bits;
    SectorSizeFlags: u32, SectorSizeFlags::from_bits, SectorSizeFlags::bits;
}

/// Appends as many whole units as `room` bytes hold.
// [MS-FSA] 2.1.5.13.1
fn encode_text(units: &[u16], out: &mut Writer<'_>, room: usize) -> Fit {
    match units
        .get(..room / 2)
        .filter(|part| part.len() < units.len())
    {
        Some(part) => {
            write_units(part, out);
            Fit::Part
        }
        None => {
            write_units(units, out);
            Fit::Whole
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    fn encode(info: &FsInformation, room: usize) -> (Result<Fit, NtStatus>, BytesMut) {
        let mut bytes = BytesMut::new();
        let result = info.encode(&mut Writer::new(&mut bytes), room);
        assert!(bytes.len() <= room, "{info:?} in {room}");
        (result, bytes)
    }

    fn volume(label: &str) -> FsInformation {
        FsInformation::Volume(VolumeInformation {
            volume_creation_time: FileTime(1),
            volume_serial_number: 2,
            supports_objects: true,
            volume_label: label.into(),
        })
    }

    fn samples() -> Vec<FsInformation> {
        vec![
            FsInformation::Attribute(AttributeInformation {
                file_system_attributes: FileSystemAttributes::NAMED_STREAMS,
                maximum_component_name_length: 255,
                file_system_name: "NTFS".into(),
            }),
            FsInformation::Control(ControlInformation {
                free_space_start_filtering: 1,
                free_space_threshold: 2,
                free_space_stop_filtering: 3,
                default_quota_threshold: 4,
                default_quota_limit: u64::MAX,
                file_system_control_flags: FileSystemControlFlags::QUOTA_TRACK,
            }),
            FsInformation::Device(DeviceInformation {
                device_type: DeviceType::DISK,
                characteristics: DeviceCharacteristics::DEVICE_IS_MOUNTED,
            }),
            FsInformation::FullSize(FullSizeInformation {
                total_allocation_units: 1,
                caller_available_allocation_units: 2,
                actual_available_allocation_units: 3,
                sectors_per_allocation_unit: 4,
                bytes_per_sector: 512,
            }),
            FsInformation::ObjectId(VolumeObjectIdInformation {
                object_id: Guid([7; 16]),
            }),
            FsInformation::SectorSize(SectorSizeInformation {
                logical_bytes_per_sector: 512,
                physical_bytes_per_sector_for_atomicity: 4096,
                physical_bytes_per_sector_for_performance: 4097,
                effective_physical_bytes_per_sector_for_atomicity: 4098,
                flags: SectorSizeFlags::ALIGNED_DEVICE,
                byte_offset_for_sector_alignment: 0,
                byte_offset_for_partition_alignment: u32::MAX,
            }),
            FsInformation::Size(SizeInformation {
                total_allocation_units: 1,
                available_allocation_units: 2,
                sectors_per_allocation_unit: 8,
                bytes_per_sector: 512,
            }),
            volume("label"),
        ]
    }

    #[test]
    fn every_answer_decodes_to_what_was_encoded() {
        for info in samples() {
            let (result, bytes) = encode(&info, 65_535);
            assert_eq!(result, Ok(Fit::Whole));
            assert_eq!(FsInformation::decode(info.class(), &bytes), Some(Ok(info)));
        }
    }

    // test [MS-FSA] 2.1.5.13
    #[test]
    fn a_small_buffer_is_a_mismatch_below_the_fixed_part_and_an_overflow_above() {
        for info in samples() {
            let minimum = info.class().minimum_query_length().unwrap();
            for room in 0..encode(&info, 65_535).1.len() {
                let expected = if room < minimum {
                    Err(NtStatus::INFO_LENGTH_MISMATCH)
                } else {
                    Ok(Fit::Part)
                };
                assert_eq!(encode(&info, room).0, expected, "{info:?} in {room}");
            }
        }
    }

    // test [MS-FSCC] 2.5.9
    #[test]
    fn a_label_of_more_than_32_units_is_cut_without_an_error_and_never_taken() {
        let (result, bytes) = encode(&volume(&"x".repeat(40)), 65_535);
        assert_eq!(result, Ok(Fit::Whole));
        assert_eq!((bytes.len(), bytes[12]), (18 + 64, 64));
        let mut longer = bytes;
        longer[12] = 66;
        longer.extend_from_slice(&[0; 2]);
        let decoded = FsInformation::decode(FsInfoClass::VOLUME, &longer);
        assert!(matches!(decoded, Some(Err(_))), "{decoded:?}");
    }

    #[test]
    fn only_quotas_and_the_object_id_can_be_set() {
        let set = |class, length| FsInformation::decode_set(class, &[0; 64][..length]).map(|_| ());
        assert_eq!(set(FsInfoClass::CONTROL, 48), Ok(()));
        assert_eq!(
            set(FsInfoClass::CONTROL, 47),
            Err(NtStatus::INFO_LENGTH_MISMATCH)
        );
        assert_eq!(set(FsInfoClass::OBJECT_ID, 64), Ok(()));
        assert_eq!(
            set(FsInfoClass::SIZE, 64),
            Err(NtStatus::INVALID_INFO_CLASS)
        );
        assert_eq!(set(FsInfoClass(99), 64), Err(NtStatus::INVALID_INFO_CLASS));
    }

    proptest! {
        #[test]
        fn decoding_never_panics(class in 0..12_u8, bytes: Vec<u8>) {
            let _ = FsInformation::decode(FsInfoClass(class), &bytes);
            let _ = FsInformation::decode_set(FsInfoClass(class), &bytes);
        }
    }
}
