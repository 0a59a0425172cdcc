//! QUERY_DIRECTORY, [MS-SMB2] 2.2.33 and 2.2.34.

use bytes::Bytes;

use crate::flags::wire_flags;
use crate::fscc::FileInfoClass;
use crate::output_buffer::output_response;
use crate::reader::string;
use crate::{Decode, DecodeError, Encode, FileId, Reader, Utf16String, Writer};

/// Asks for entries of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryDirectoryRequest {
    /// The form of the entries.
    pub file_information_class: FileInfoClass,
    /// Where to begin, and how many entries.
    pub flags: QueryDirectoryFlags,
    /// The entry to begin at; valid if `INDEX_SPECIFIED` is set.
    pub file_index: u32,
    /// The directory.
    pub file_id: FileId,
    // FileNameOffset (2 bytes), FileNameLength (2 bytes).
    /// How much may be returned, in bytes.
    pub output_buffer_length: u32,
    /// The pattern of the names; empty if none is given.
    pub file_name: Utf16String,
}

impl Decode for QueryDirectoryRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("QUERY_DIRECTORY request", message, REQUEST_SIZE)?;
        let file_information_class = FileInfoClass(body.u8()?);
        let flags = QueryDirectoryFlags::from_bits(body.u8()?);
        let file_index = body.u32()?;
        let file_id = FileId::read(&mut body)?;
        let (offset, length) = (body.size16()?, body.size16()?);
        let output_buffer_length = body.u32()?;
        let file_name = string(
            "QUERY_DIRECTORY pattern",
            message,
            body.position(),
            offset,
            length,
        )?;
        Ok(Self {
            file_information_class,
            flags,
            file_index,
            file_id,
            output_buffer_length,
            file_name,
        })
    }
}

impl Encode for QueryDirectoryRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.u8(self.file_information_class.0);
        out.u8(self.flags.bits());
        out.u32(self.file_index);
        self.file_id.write(out);
        // [MS-SMB2] 2.2.33
        out.u16(if self.file_name.is_empty() {
            0
        } else {
            REQUEST_BUFFER_OFFSET
        });
        out.size16(self.file_name.len_bytes());
        out.u32(self.output_buffer_length);
        self.file_name.encode(out);
    }
}

output_response! {
    /// Entries of a directory, in the form asked for.
    QueryDirectoryResponse, "QUERY_DIRECTORY response"
}

wire_flags! {
    /// Where to begin, and how many entries to return.
    pub struct QueryDirectoryFlags: u8 {
        /// Begin at the first entry.
        const RESTART_SCANS = 0x01;
        /// Return one entry.
        const RETURN_SINGLE_ENTRY = 0x02;
        /// Begin at the entry of this index.
        const INDEX_SPECIFIED = 0x04;
        /// Begin at the first entry, with another pattern.
        const REOPEN = 0x10;
    }
}

const REQUEST_SIZE: u16 = 33;
const REQUEST_BUFFER_OFFSET: u16 = 0x60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_file_id, any_name, check_vector, codec_tests};

    #[test]
    fn the_pattern_follows_the_fixed_part() {
        let request = QueryDirectoryRequest {
            file_information_class: FileInfoClass(0x25),
            flags: QueryDirectoryFlags::RESTART_SCANS,
            file_index: 0,
            file_id: FileId {
                persistent: 1,
                volatile: 2,
            },
            output_buffer_length: 65_536,
            file_name: Utf16String::from("*"),
        };
        check_vector(
            "2100 25 01 00000000 0100000000000000 0200000000000000 6000 0200 00000100 2a00",
            &request,
        );
    }

    fn any_request() -> impl Strategy<Value = QueryDirectoryRequest> {
        (any::<(u8, u8, u32, u32)>(), any_file_id(), any_name()).prop_map(
            |((class, flags, file_index, output_buffer_length), file_id, file_name)| {
                QueryDirectoryRequest {
                    file_information_class: FileInfoClass(class),
                    flags: QueryDirectoryFlags::from_bits(flags),
                    file_index,
                    file_id,
                    output_buffer_length,
                    file_name,
                }
            },
        )
    }

    codec_tests!(QueryDirectoryRequest, [33], any_request());
}
