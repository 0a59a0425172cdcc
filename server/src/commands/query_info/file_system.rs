//! QUERY_INFO of a volume. [MS-SMB2] 3.3.5.20.2

use bytes::BytesMut;
use wire::dtyp::Guid;
use wire::fscc::volume_info::{
    AttributeInformation, ControlInformation, DeviceCharacteristics, DeviceInformation, DeviceType,
    FileSystemAttributes, FullSizeInformation, SectorSizeFlags, SectorSizeInformation,
    SizeInformation, VolumeInformation, VolumeObjectIdInformation,
};
use wire::fscc::{FsInfoClass, FsInformation};
use wire::{NtStatus, QueryInfoRequest, Utf16String, Writer};

use super::answer;
use crate::commands::Answer;
use crate::open::Open;
use crate::share::{Features, ShareKind, Volume};

/// Answers one information class of the volume that the open is on.
pub(super) async fn query(open: &Open, request: &QueryInfoRequest) -> Result<Answer, NtStatus> {
    let class = request.file_info_class.of_file_system();
    let room = usize::try_from(request.output_buffer_length).unwrap_or_default();
    let minimum = class
        .minimum_query_length()
        .ok_or(NtStatus::INVALID_INFO_CLASS)?;
    if room < minimum {
        return Err(NtStatus::INFO_LENGTH_MISMATCH);
    }
    let features = open.tree.share.features();
    let volume = open.tree.share.handler.volume().await?;
    let information = information(class, features, &volume)?;
    let mut out = BytesMut::new();
    let fit = information.encode(&mut Writer::new(&mut out), room)?;
    Ok(answer(out.freeze(), fit))
}

fn information(
    class: FsInfoClass,
    features: Features,
    volume: &Volume,
) -> Result<FsInformation, NtStatus> {
    Ok(match class {
        FsInfoClass::VOLUME => FsInformation::Volume(VolumeInformation {
            volume_creation_time: volume.creation_time,
            volume_serial_number: volume.serial_number,
            supports_objects: true,
            volume_label: Utf16String::from(volume.label.as_str()),
        }),
        FsInfoClass::SIZE => FsInformation::Size(SizeInformation {
            total_allocation_units: volume.total_units,
            available_allocation_units: volume.caller_free_units,
            sectors_per_allocation_unit: volume.sectors_per_unit,
            bytes_per_sector: volume.bytes_per_sector,
        }),
        FsInfoClass::FULL_SIZE => FsInformation::FullSize(FullSizeInformation {
            total_allocation_units: volume.total_units,
            caller_available_allocation_units: volume.caller_free_units,
            actual_available_allocation_units: volume.free_units,
            sectors_per_allocation_unit: volume.sectors_per_unit,
            bytes_per_sector: volume.bytes_per_sector,
        }),
        FsInfoClass::DEVICE => FsInformation::Device(device(features)),
        FsInfoClass::ATTRIBUTE => FsInformation::Attribute(AttributeInformation {
            file_system_attributes: attributes(features),
            maximum_component_name_length: volume.longest_name,
            file_system_name: Utf16String::from(volume.file_system.as_str()),
        }),
        // Nothing is limited by quotas.
        FsInfoClass::CONTROL => FsInformation::Control(ControlInformation {
            default_quota_threshold: u64::MAX,
            default_quota_limit: u64::MAX,
            ..ControlInformation::default()
        }),
        FsInfoClass::OBJECT_ID => FsInformation::ObjectId(VolumeObjectIdInformation {
            object_id: Guid(volume.object_id),
        }),
        FsInfoClass::SECTOR_SIZE => FsInformation::SectorSize(sector_size(volume)),
        _ => return Err(NtStatus::NOT_SUPPORTED),
    })
}

fn device(features: Features) -> DeviceInformation {
    let (device_type, characteristics) = match features.kind {
        ShareKind::Disk => (DeviceType::DISK, DeviceCharacteristics::DEVICE_IS_MOUNTED),
        ShareKind::Pipe | ShareKind::Print => (DeviceType::NAMED_PIPE, DeviceCharacteristics::NONE),
    };
    let read_only = if features.read_only {
        DeviceCharacteristics::READ_ONLY_DEVICE
    } else {
        DeviceCharacteristics::NONE
    };
    DeviceInformation {
        device_type,
        characteristics: characteristics.with(read_only),
    }
}

// [MS-FSCC] 2.5.1
fn attributes(features: Features) -> FileSystemAttributes {
    let always = FileSystemAttributes::CASE_PRESERVED_NAMES
        .with(FileSystemAttributes::UNICODE_ON_DISK)
        .with(FileSystemAttributes::CASE_SENSITIVE_SEARCH);
    let optional = [
        (features.streams, FileSystemAttributes::NAMED_STREAMS),
        (features.security, FileSystemAttributes::PERSISTENT_ACLS),
        (features.sparse, FileSystemAttributes::SUPPORTS_SPARSE_FILES),
        (
            features.reparse_points,
            FileSystemAttributes::SUPPORTS_REPARSE_POINTS,
        ),
        (
            features.extended_attributes,
            FileSystemAttributes::SUPPORTS_EXTENDED_ATTRIBUTES,
        ),
        (features.read_only, FileSystemAttributes::READ_ONLY_VOLUME),
    ];
    optional
        .into_iter()
        .filter(|(has, _)| *has)
        .fold(always, |attributes, (_, attribute)| {
            attributes.with(attribute)
        })
}

fn sector_size(volume: &Volume) -> SectorSizeInformation {
    let unit = volume
        .bytes_per_sector
        .saturating_mul(volume.sectors_per_unit);
    SectorSizeInformation {
        logical_bytes_per_sector: volume.bytes_per_sector,
        physical_bytes_per_sector_for_atomicity: unit,
        physical_bytes_per_sector_for_performance: unit,
        effective_physical_bytes_per_sector_for_atomicity: unit,
        flags: SectorSizeFlags::ALIGNED_DEVICE.with(SectorSizeFlags::PARTITION_ALIGNED_ON_DEVICE),
        byte_offset_for_sector_alignment: 0,
        byte_offset_for_partition_alignment: 0,
    }
}
