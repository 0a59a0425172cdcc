//! The buffers of file-system control codes.
//!
//! Owns their layouts. Ranges are kept as they were sent: whether an offset is negative or beyond
//! the file is for the command to judge, with the status that [MS-FSA] gives.

mod copy;
mod network;
mod pipe;

pub use copy::{
    CopyChunk, CopyChunkRequest, CopyChunkResponse, DuplicateExtents, DuplicateExtentsEx,
    DuplicateExtentsFlags, ResumeKey, ResumeKeyResponse,
};
pub use network::{
    InterfaceCapability, NetworkInterface, ValidateNegotiateRequest, ValidateNegotiateResponse,
};
pub use pipe::{PipePeekResponse, PipeWaitRequest};

use super::file_info::CompressionFormat;
use super::layout::{Field, newtype_field, wire_struct};
use crate::dtyp::Guid;
use crate::flags::{wire_flags, wire_values};
use crate::{DecodeError, Reader, Utf16String, Writer};

wire_struct! {
    /// FILE_ALLOCATED_RANGE_BUFFER: the range to look through, or one that is allocated.
    // [MS-FSCC] 2.3.51
    pub struct AllocatedRange {
        /// FileOffset in bytes.
        pub file_offset: i64,
        /// Length in bytes.
        pub length: i64,
    }
}

wire_struct! {
    /// FILE_ZERO_DATA_INFORMATION: the range to fill with zeros.
    // [MS-FSCC] 2.3.85
    pub struct ZeroData {
        /// FileOffset in bytes.
        pub file_offset: i64,
        /// BeyondFinalZero: the first byte behind the range.
        pub beyond_final_zero: i64,
    }
}

wire_struct! {
    /// NETWORK_RESILIENCY_REQUEST: how long the open is to wait for its client.
    // [MS-SMB2] 2.2.31.3
    pub struct ResiliencyRequest {
        /// Timeout in milliseconds; 0 leaves it to the server.
        pub timeout_ms: u32, + 4,
    }
}

wire_struct! {
    /// GET_COMPRESSION reply and SET_COMPRESSION request.
    // [MS-FSCC] 2.3.18
    pub struct CompressionState {
        /// CompressionState.
        pub compression_state: CompressionFormat,
    }
}

wire_values! {
    /// How integrity is checked.
    // [MS-FSCC] 2.3.73
    pub struct ChecksumAlgorithm: u16 {
        /// Not at all.
        const NONE = 0x0000;
        /// CRC-32.
        const CRC32 = 0x0001;
        /// CRC-64.
        const CRC64 = 0x0002;
        /// As it is; when setting only.
        const UNCHANGED = 0xFFFF;
    }
}

wire_flags! {
    /// How integrity is enforced.
    // [MS-FSCC] 2.3.20
    pub struct IntegrityFlags: u32 {
        /// A wrong checksum fails no operation.
        const CHECKSUM_ENFORCEMENT_OFF = 0x0000_0001;
    }
}

wire_struct! {
    /// GET_INTEGRITY_INFORMATION reply.
    // [MS-FSCC] 2.3.20
    pub struct IntegrityInformation {
        /// ChecksumAlgorithm. Two bytes are reserved behind it.
        pub checksum_algorithm: ChecksumAlgorithm, + 2,
        /// Flags.
        pub flags: IntegrityFlags,
        /// ChecksumChunkSizeInBytes.
        pub checksum_chunk_size_in_bytes: u32,
        /// ClusterSizeInBytes.
        pub cluster_size_in_bytes: u32,
    }
}

wire_struct! {
    /// SET_INTEGRITY_INFORMATION request.
    // [MS-FSCC] 2.3.73
    pub struct SetIntegrityInformation {
        /// ChecksumAlgorithm. Two bytes are reserved behind it.
        pub checksum_algorithm: ChecksumAlgorithm, + 2,
        /// Flags.
        pub flags: IntegrityFlags,
    }
}

wire_struct! {
    /// FILE_OBJECTID_BUFFER, type 1.
    // [MS-FSCC] 2.1.3.1
    pub struct ObjectIdBuffer {
        /// ObjectId.
        pub object_id: Guid,
        /// BirthVolumeId.
        pub birth_volume_id: Guid,
        /// BirthObjectId.
        pub birth_object_id: Guid,
        /// DomainId, zero.
        pub domain_id: Guid,
    }
}

wire_struct! {
    /// FILE_LEVEL_TRIM reply.
    // [MS-FSCC] 2.3.14
    pub struct TrimResponse {
        /// NumRangesProcessed.
        pub num_ranges_processed: u32,
    }
}

wire_struct! {
    /// FILE_LEVEL_TRIM_RANGE.
    // [MS-FSCC] 2.3.13.1
    pub struct TrimRange {
        /// Offset in bytes.
        pub offset: u64,
        /// Length in bytes.
        pub length: u64,
    }
}

newtype_field! {
    ChecksumAlgorithm: u16, ChecksumAlgorithm, u16::from;
    IntegrityFlags: u32, IntegrityFlags::from_bits, IntegrityFlags::bits;
}

/// FILE_LEVEL_TRIM request.
// [MS-FSCC] 2.3.13
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrimRequest {
    /// Key of byte-range locks, zero.
    pub key: u32,
    /// Ranges.
    pub ranges: Vec<TrimRange>,
}

impl TrimRequest {
    /// Reads the request.
    ///
    /// # Errors
    /// Too few bytes for the ranges that are announced.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("FILE_LEVEL_TRIM", bytes);
        let key = reader.u32()?;
        let count = reader.size32()?;
        Ok(Self {
            key,
            ranges: read_array(&mut reader, count)?,
        })
    }

    /// Appends the request.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.u32(self.key);
        out.size32(self.ranges.len());
        for range in &self.ranges {
            range.encode(out);
        }
    }
}

/// Reads the SET_SPARSE request: whether the file is to be sparse. No buffer means yes.
// [MS-FSCC] 2.3.83
#[must_use]
pub fn decode_set_sparse(bytes: &[u8]) -> bool {
    bytes.first().is_none_or(|set_sparse| *set_sparse != 0)
}

/// SRV_SNAPSHOT_ARRAY: the previous versions, newest first.
// [MS-SMB2] 2.2.32.2
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotArray {
    /// NumberOfSnapShots: how many there are, which may be more than are told.
    pub number_of_snap_shots: u32,
    /// SnapShots: `@GMT-YYYY.MM.DD-HH.MM.SS` each.
    pub snap_shots: Vec<Utf16String>,
}

impl SnapshotArray {
    /// The smallest output buffer that the request may offer, in bytes.
    // [MS-SMB2] 3.3.5.15.1
    pub const MINIMUM_OUTPUT: usize = 16;

    /// All of these versions.
    #[must_use]
    pub fn new(snap_shots: Vec<Utf16String>) -> Self {
        let number_of_snap_shots = u32::try_from(snap_shots.len()).unwrap_or(u32::MAX);
        Self {
            number_of_snap_shots,
            snap_shots,
        }
    }

    /// Appends the array; where `room` bytes are too few for all of it, only how many versions
    /// there are and how large the array is.
    pub fn encode(&self, out: &mut Writer<'_>, room: usize) {
        // Each version ends with a null character, and the array with another.
        let size = self.snap_shots.iter().fold(2_usize, |size, version| {
            size.saturating_add(version.len_bytes()).saturating_add(2)
        });
        let fits = size.saturating_add(12) <= room && !self.snap_shots.is_empty();
        out.u32(self.number_of_snap_shots);
        out.size32(if fits { self.snap_shots.len() } else { 0 });
        out.size32(size);
        if fits {
            for version in &self.snap_shots {
                version.encode(out);
                out.u16(0);
            }
            out.u16(0);
        } else {
            // An array without versions is null characters up to the smallest buffer.
            out.zeros(4);
        }
    }

    /// Reads the array.
    ///
    /// # Errors
    /// Too few bytes for the versions that are announced, or one without its end.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("SRV_SNAPSHOT_ARRAY", bytes);
        let number_of_snap_shots = reader.u32()?;
        let returned = reader.size32()?;
        let size = reader.size32()?;
        let mut snap_shots = Vec::new();
        if returned > 0 {
            let text = Utf16String::decode(reader.bytes(size)?)?;
            let versions = text
                .as_units()
                .split(|unit| *unit == 0)
                .filter(|units| !units.is_empty());
            snap_shots = versions
                .map(|units| Utf16String::from_units(units.to_vec()))
                .collect();
        }
        if snap_shots.len() != returned {
            return Err(reader.error());
        }
        Ok(Self {
            number_of_snap_shots,
            snap_shots,
        })
    }
}

/// Reads `count` structures of a fixed size.
fn read_array<T: Field>(reader: &mut Reader<'_>, count: usize) -> Result<Vec<T>, DecodeError> {
    // Checked before anything is allocated.
    if count
        .checked_mul(T::SIZE)
        .is_none_or(|size| size > reader.remaining())
    {
        return Err(reader.error());
    }
    (0..count).map(|_| T::read(reader)).collect()
}

#[cfg(test)]
mod tests;
