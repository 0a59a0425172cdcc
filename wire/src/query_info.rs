//! QUERY_INFO, [MS-SMB2] 2.2.37 and 2.2.38.
//!
//! What is asked and answered is in the forms of `fscc` and `dtyp`; here it is bytes.

use bytes::Bytes;

use crate::dtyp::SecurityInformation;
use crate::flags::{wire_flags, wire_values};
use crate::fscc::{FileInfoClass, FsInfoClass};
use crate::output_buffer::output_response;
use crate::reader::slice;
use crate::{Decode, DecodeError, Encode, FileId, Reader, Writer};

/// Asks about a file, a volume, its security or its quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryInfoRequest {
    /// What it is about.
    pub info_type: InfoType,
    /// Which information; its meaning depends on `info_type`.
    pub file_info_class: InfoClass,
    /// How much may be returned, in bytes.
    pub output_buffer_length: u32,
    // InputBufferOffset (2 bytes), Reserved (2 bytes), InputBufferLength (4 bytes).
    /// Parts of the security descriptor, or the index of an extended attribute.
    pub additional_information: u32,
    /// How to go through extended attributes.
    pub flags: QueryInfoFlags,
    /// The open.
    pub file_id: FileId,
    /// What the question needs: a list of names or of SIDs. Empty for questions that need nothing.
    pub input: Bytes,
}

impl QueryInfoRequest {
    /// The parts of the security descriptor that are asked for, where `info_type` is `SECURITY`.
    #[must_use]
    pub const fn security_information(&self) -> SecurityInformation {
        SecurityInformation::from_bits(self.additional_information)
    }
}

impl Decode for QueryInfoRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("QUERY_INFO request", message, REQUEST_SIZE)?;
        let info_type = InfoType(body.u8()?);
        let file_info_class = InfoClass(body.u8()?);
        let output_buffer_length = body.u32()?;
        let offset = body.size16()?;
        body.skip(2)?;
        let length = body.size32()?;
        let additional_information = body.u32()?;
        let flags = QueryInfoFlags::from_bits(body.u32()?);
        let file_id = FileId::read(&mut body)?;
        // [MS-SMB2] 3.3.5.20
        let input = if takes_input(info_type, file_info_class) {
            slice("QUERY_INFO input", message, body.position(), offset, length)?
        } else {
            Bytes::new()
        };
        Ok(Self {
            info_type,
            file_info_class,
            output_buffer_length,
            additional_information,
            flags,
            file_id,
            input,
        })
    }
}

impl Encode for QueryInfoRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.u8(self.info_type.0);
        out.u8(self.file_info_class.0);
        out.u32(self.output_buffer_length);
        out.u16(if self.input.is_empty() {
            0
        } else {
            REQUEST_BUFFER_OFFSET
        });
        out.u16(0);
        out.size32(self.input.len());
        out.u32(self.additional_information);
        out.u32(self.flags.bits());
        self.file_id.write(out);
        out.bytes(&self.input);
    }
}

/// Whether a question has an input; for all others its offset and length mean nothing.
fn takes_input(info_type: InfoType, class: InfoClass) -> bool {
    info_type == InfoType::QUOTA
        || (info_type == InfoType::FILE && class.of_file() == FileInfoClass::FULL_EA)
}

output_response! {
    /// The answer, in the form asked for.
    QueryInfoResponse, "QUERY_INFO response"
}

wire_values! {
    /// What QUERY_INFO and SET_INFO are about.
    pub struct InfoType: u8 {
        /// A file.
        const FILE = 0x01;
        /// The volume on which it lies.
        const FILESYSTEM = 0x02;
        /// Its security descriptor.
        const SECURITY = 0x03;
        /// The quotas of its volume.
        const QUOTA = 0x04;
    }
}

/// Which information: what the number means depends on the [`InfoType`] beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct InfoClass(pub u8);

impl InfoClass {
    /// Its meaning beside [`InfoType::FILE`].
    #[must_use]
    pub const fn of_file(self) -> FileInfoClass {
        FileInfoClass(self.0)
    }

    /// Its meaning beside [`InfoType::FILESYSTEM`].
    #[must_use]
    pub const fn of_file_system(self) -> FsInfoClass {
        FsInfoClass(self.0)
    }
}

impl From<FileInfoClass> for InfoClass {
    fn from(class: FileInfoClass) -> Self {
        Self(class.0)
    }
}

impl From<FsInfoClass> for InfoClass {
    fn from(class: FsInfoClass) -> Self {
        Self(class.0)
    }
}

wire_flags! {
    /// How to go through extended attributes.
    pub struct QueryInfoFlags: u32 {
        /// Begin at the first.
        const RESTART_SCAN = 0x0000_0001;
        /// Return one.
        const RETURN_SINGLE_ENTRY = 0x0000_0002;
        /// Begin at the one of this index.
        const INDEX_SPECIFIED = 0x0000_0004;
    }
}

const REQUEST_SIZE: u16 = 41;
const REQUEST_BUFFER_OFFSET: u16 = 0x68;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_bytes, any_file_id, check_vector, codec_tests, message};

    #[test]
    fn a_question_about_a_file_has_no_input() {
        let request = QueryInfoRequest {
            info_type: InfoType::FILE,
            file_info_class: InfoClass(5),
            output_buffer_length: 24,
            additional_information: 0,
            flags: QueryInfoFlags::NONE,
            file_id: FileId {
                persistent: 1,
                volatile: 2,
            },
            input: Bytes::new(),
        };
        check_vector(
            "2900 01 05 18000000 0000 0000 00000000 00000000 00000000 \
             0100000000000000 0200000000000000",
            &request,
        );
    }

    // test [MS-SMB2] 3.3.5.20
    #[test]
    fn the_input_length_is_ignored_where_no_input_is_needed_and_checked_where_it_is() {
        let with = |info_type: &str, class: &str| {
            message(&format!(
                "2900 {info_type} {class} 18000000 6800 0000 ffff0000 00000000 00000000 \
                 0100000000000000 0200000000000000"
            ))
        };
        assert_eq!(
            QueryInfoRequest::decode(&with("01", "05")).unwrap().input,
            Bytes::new()
        );
        assert_eq!(
            QueryInfoRequest::decode(&with("03", "00")).unwrap().input,
            Bytes::new()
        );
        assert!(QueryInfoRequest::decode(&with("01", "0f")).is_err());
        assert!(QueryInfoRequest::decode(&with("04", "00")).is_err());
    }

    fn any_request() -> impl Strategy<Value = QueryInfoRequest> {
        let info = prop_oneof![Just((1, 15)), Just((4, 0)), any::<(u8, u8)>()];
        (info, any::<(u32, u32, u32)>(), any_file_id(), any_bytes()).prop_map(
            |((info_type, class), (length, additional_information, flags), file_id, input)| {
                let (info_type, file_info_class) = (InfoType(info_type), InfoClass(class));
                let input = if takes_input(info_type, file_info_class) {
                    input
                } else {
                    Bytes::new()
                };
                QueryInfoRequest {
                    info_type,
                    file_info_class,
                    output_buffer_length: length,
                    additional_information,
                    flags: QueryInfoFlags::from_bits(flags),
                    file_id,
                    input,
                }
            },
        )
    }

    codec_tests!(QueryInfoRequest, [41], any_request());
}
