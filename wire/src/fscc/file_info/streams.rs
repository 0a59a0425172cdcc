//! FileStreamInformation.

use super::Fit;
use crate::fscc::layout::{Chain, Entries};
use crate::{DecodeError, Reader, Utf16String, Writer};

/// One stream of a file.
// [MS-FSCC] 2.4.49
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamInformation {
    /// StreamSize in bytes.
    pub stream_size: u64,
    /// StreamAllocationSize in bytes.
    pub stream_allocation_size: u64,
    /// StreamName: `::$DATA` or `:name:$DATA`.
    pub stream_name: Utf16String,
}

impl StreamInformation {
    const FIXED_SIZE: usize = 24;
    const ALIGNMENT: usize = 8;

    /// Appends as many whole entries as `room` bytes hold.
    // [MS-FSA] 2.1.5.12.29
    pub fn encode_list(list: &[Self], out: &mut Writer<'_>, room: usize) -> Fit {
        let mut chain = Chain::new(out, room, Self::ALIGNMENT);
        for stream in list {
            let name = &stream.stream_name;
            if !chain.begin(out, name.len_bytes().saturating_add(Self::FIXED_SIZE)) {
                return Fit::Part;
            }
            out.size32(name.len_bytes());
            out.u64(stream.stream_size);
            out.u64(stream.stream_allocation_size);
            name.encode(out);
        }
        Fit::Whole
    }

    /// Reads a list.
    ///
    /// # Errors
    /// An offset or a length that leaves the list.
    pub fn decode_list(bytes: &[u8]) -> Result<Vec<Self>, DecodeError> {
        Entries::new("FileStreamInformation", bytes, Self::ALIGNMENT)
            .map(|entry| Self::decode(&mut entry?))
            .collect()
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name_length = reader.size32()?;
        Ok(Self {
            stream_size: reader.u64()?,
            stream_allocation_size: reader.u64()?,
            stream_name: Utf16String::decode(reader.bytes(name_length)?)?,
        })
    }
}
