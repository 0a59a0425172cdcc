//! Copying on the server: resume keys, chunks and shared extents.

use super::read_array;
use crate::flags::wire_flags;
use crate::fscc::layout::{newtype_field, wire_struct};
use crate::{DecodeError, FileId, Reader, Writer};

/// The key that a server gives to an open, for another open to copy from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ResumeKey(pub [u8; 24]);

/// SRV_REQUEST_RESUME_KEY reply.
// [MS-SMB2] 2.2.32.3
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResumeKeyResponse {
    /// ResumeKey. ContextLength, which is zero, and four bytes of Context follow.
    pub resume_key: ResumeKey,
}

impl ResumeKeyResponse {
    /// Bytes on the wire, with four zero bytes of Context as Windows sends them.
    // [MS-SMB2] 2.2.32.3
    pub const SIZE: usize = 32;

    /// Reads the reply.
    ///
    /// # Errors
    /// Too few bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("SRV_REQUEST_RESUME_KEY", bytes);
        let resume_key = ResumeKey(reader.array()?);
        reader.skip(4)?;
        Ok(Self { resume_key })
    }

    /// Appends the reply.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.bytes(&self.resume_key.0);
        out.zeros(8);
    }
}

wire_struct! {
    /// SRV_COPYCHUNK: one range to copy.
    // [MS-SMB2] 2.2.31.1.1
    pub struct CopyChunk {
        /// SourceOffset in bytes.
        pub source_offset: u64,
        /// TargetOffset in bytes.
        pub target_offset: u64,
        /// Length in bytes. Four bytes are reserved behind it.
        pub length: u32, + 4,
    }
}

/// SRV_COPYCHUNK_COPY: the request of SRV_COPYCHUNK and SRV_COPYCHUNK_WRITE.
// [MS-SMB2] 2.2.31.1
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CopyChunkRequest {
    /// SourceKey.
    pub source_key: ResumeKey,
    /// Chunks. ChunkCount and four reserved bytes lie in front.
    pub chunks: Vec<CopyChunk>,
}

impl CopyChunkRequest {
    /// Reads the request.
    ///
    /// # Errors
    /// Too few bytes for the chunks that are announced.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("SRV_COPYCHUNK_COPY", bytes);
        let source_key = ResumeKey(reader.array()?);
        let count = reader.size32()?;
        reader.skip(4)?;
        Ok(Self {
            source_key,
            chunks: read_array(&mut reader, count)?,
        })
    }

    /// Appends the request.
    pub fn encode(&self, out: &mut Writer<'_>) {
        out.bytes(&self.source_key.0);
        out.size32(self.chunks.len());
        out.u32(0);
        for chunk in &self.chunks {
            chunk.encode(out);
        }
    }
}

wire_struct! {
    /// SRV_COPYCHUNK_RESPONSE: what was copied, or with INVALID_PARAMETER what may be asked for.
    // [MS-SMB2] 2.2.32.1
    pub struct CopyChunkResponse {
        /// ChunksWritten, or the most chunks of a request.
        pub chunks_written: u32,
        /// ChunkBytesWritten of a chunk that failed, or the most bytes of a chunk.
        pub chunk_bytes_written: u32,
        /// TotalBytesWritten, or the most bytes of a request.
        pub total_bytes_written: u32,
    }
}

wire_struct! {
    /// SMB2_DUPLICATE_EXTENTS_DATA.
    // [MS-FSCC] 2.3.7.2
    pub struct DuplicateExtents {
        /// SourceFileID.
        pub source_file_id: FileId,
        /// SourceFileOffset in bytes.
        pub source_file_offset: i64,
        /// TargetFileOffset in bytes.
        pub target_file_offset: i64,
        /// ByteCount.
        pub byte_count: i64,
    }
}

wire_flags! {
    /// How extents are duplicated.
    // [MS-FSCC] 2.3.9.2
    pub struct DuplicateExtentsFlags: u32 {
        /// The source is seen as it is at one moment.
        const SOURCE_ATOMIC = 0x0000_0001;
    }
}

wire_struct! {
    /// SMB2_DUPLICATE_EXTENTS_DATA_EX.
    // [MS-FSCC] 2.3.9.2
    pub struct DuplicateExtentsEx {
        /// StructureSize, which must be 0x30.
        pub structure_size: u64,
        /// SourceFileID.
        pub source_file_id: FileId,
        /// SourceFileOffset in bytes.
        pub source_file_offset: i64,
        /// TargetFileOffset in bytes.
        pub target_file_offset: i64,
        /// ByteCount.
        pub byte_count: i64,
        /// Flags. Four bytes are reserved behind it.
        pub flags: DuplicateExtentsFlags, + 4,
    }
}

newtype_field! {
    DuplicateExtentsFlags: u32, DuplicateExtentsFlags::from_bits, DuplicateExtentsFlags::bits;
}
