//! CLOSE, [MS-SMB2] 2.2.15 and 2.2.16.

use bytes::Bytes;

use crate::dtyp::FileTime;
use crate::flags::wire_flags;
use crate::fscc::FileAttributes;
use crate::{Decode, DecodeError, Encode, FileId, Reader, Writer};

/// Asks to close an open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseRequest {
    /// Whether the response shall tell about the file.
    pub flags: CloseFlags,
    // Reserved (4 bytes).
    /// The open.
    pub file_id: FileId,
}

impl Decode for CloseRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("CLOSE request", message, REQUEST_SIZE)?;
        let flags = CloseFlags::from_bits(body.u16()?);
        body.skip(4)?;
        Ok(Self {
            flags,
            file_id: FileId::read(&mut body)?,
        })
    }
}

impl Encode for CloseRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.u16(self.flags.bits());
        out.u32(0);
        self.file_id.write(out);
    }
}

/// The open is closed. All fields are zero where `flags` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CloseResponse {
    /// Whether the other fields tell something.
    pub flags: CloseFlags,
    // Reserved (4 bytes).
    /// When the file was created.
    pub creation_time: FileTime,
    /// When it was last read or written.
    pub last_access_time: FileTime,
    /// When its data were last written.
    pub last_write_time: FileTime,
    /// When anything about it last changed.
    pub change_time: FileTime,
    /// How much room its data take, in bytes.
    pub allocation_size: u64,
    /// How long its data are, in bytes.
    pub end_of_file: u64,
    /// Its attributes.
    pub file_attributes: FileAttributes,
}

impl Decode for CloseResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("CLOSE response", message, RESPONSE_SIZE)?;
        let flags = CloseFlags::from_bits(body.u16()?);
        body.skip(4)?;
        Ok(Self {
            flags,
            creation_time: FileTime(body.u64()?),
            last_access_time: FileTime(body.u64()?),
            last_write_time: FileTime(body.u64()?),
            change_time: FileTime(body.u64()?),
            allocation_size: body.u64()?,
            end_of_file: body.u64()?,
            file_attributes: FileAttributes::from_bits(body.u32()?),
        })
    }
}

impl Encode for CloseResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(RESPONSE_SIZE);
        out.u16(self.flags.bits());
        out.u32(0);
        out.u64(self.creation_time.0);
        out.u64(self.last_access_time.0);
        out.u64(self.last_write_time.0);
        out.u64(self.change_time.0);
        out.u64(self.allocation_size);
        out.u64(self.end_of_file);
        out.u32(self.file_attributes.bits());
    }
}

wire_flags! {
    /// Flags of CLOSE.
    pub struct CloseFlags: u16 {
        /// The response tells about the file.
        const POSTQUERY_ATTRIB = 0x0001;
    }
}

const REQUEST_SIZE: u16 = 24;
const RESPONSE_SIZE: u16 = 60;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_file_id, any_time, check_vector, codec_tests};

    // test [MS-SMB2] 4.4
    #[test]
    fn a_request_is_as_in_the_example() {
        let request = CloseRequest {
            flags: CloseFlags::POSTQUERY_ATTRIB,
            file_id: FileId {
                persistent: 5,
                volatile: 0xffff_ffff_0000_0005,
            },
        };
        check_vector(
            "1800 0100 00000000 0500000000000000 05000000ffffffff",
            &request,
        );
    }

    // test [MS-SMB2] 4.4
    #[test]
    fn a_response_that_tells_nothing_is_zeros() {
        let mut hex = String::from("3c00");
        hex.extend(["00"; 58]);
        check_vector(&hex, &CloseResponse::default());
    }

    // test [MS-SMB2] 4.5
    #[test]
    fn a_response_that_tells_of_the_file_is_as_in_the_example() {
        let response = CloseResponse {
            flags: CloseFlags::POSTQUERY_ATTRIB,
            creation_time: FileTime(0x01c6_a6c1_cc0b_9280),
            last_access_time: FileTime(0x01c6_a6c2_59fe_5140),
            last_write_time: FileTime(0x01c6_a6c2_4d51_df20),
            change_time: FileTime(0x01c6_a6c2_4d51_df20),
            allocation_size: 0,
            end_of_file: 0,
            file_attributes: FileAttributes::from_bits(0x10),
        };
        check_vector(
            "3c00 0100 00000000 80920bccc1a6c601 4051fe59c2a6c601 20df514dc2a6c601 20df514dc2a6c601 \
             0000000000000000 0000000000000000 10000000",
            &response,
        );
    }

    mod request {
        use super::*;

        codec_tests!(
            CloseRequest,
            [24],
            (any::<u16>(), any_file_id()).prop_map(|(flags, file_id)| {
                CloseRequest {
                    flags: CloseFlags::from_bits(flags),
                    file_id,
                }
            })
        );
    }

    mod response {
        use super::*;

        codec_tests!(
            CloseResponse,
            [60],
            (
                any::<(u16, u64, u64, u32)>(),
                any_time(),
                any_time(),
                any_time(),
                any_time()
            )
                .prop_map(
                    |((flags, allocation_size, end_of_file, attributes), a, b, c, d)| {
                        CloseResponse {
                            flags: CloseFlags::from_bits(flags),
                            creation_time: a,
                            last_access_time: b,
                            last_write_time: c,
                            change_time: d,
                            allocation_size,
                            end_of_file,
                            file_attributes: FileAttributes::from_bits(attributes),
                        }
                    }
                )
        );
    }
}
