//! IOCTL, [MS-SMB2] 2.2.31 and 2.2.32.
//!
//! Input and output are bytes here; their forms are in `fscc::fsctl_data`.

use bytes::Bytes;

use crate::flags::wire_flags;
use crate::fscc::Fsctl;
use crate::reader::slice;
use crate::{Decode, DecodeError, Encode, FileId, Header, Reader, Writer};

/// Sends a control code to a file or to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoctlRequest {
    // Reserved (2 bytes).
    /// What to do.
    pub ctl_code: Fsctl,
    /// The open; [`FileId::NONE`] for codes that are for the server.
    pub file_id: FileId,
    // InputOffset (4 bytes), InputCount (4 bytes).
    /// How much of the input may be returned, in bytes.
    pub max_input_response: u32,
    // OutputOffset (4 bytes), OutputCount (4 bytes): ignored.
    /// How much output may be returned, in bytes.
    pub max_output_response: u32,
    /// Whether it is a code of a file system.
    pub flags: IoctlFlags,
    // Reserved2 (4 bytes).
    /// What goes with the code.
    pub input: Bytes,
}

impl IoctlRequest {
    /// The code in a whole message that is not decoded yet.
    #[must_use]
    pub fn peek_ctl_code(message: &[u8]) -> Option<Fsctl> {
        let code = message.get(const { Header::SIZE + CTL_CODE_OFFSET }..)?;
        code.first_chunk()
            .map(|code| Fsctl(u32::from_le_bytes(*code)))
    }
}

impl Decode for IoctlRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("IOCTL request", message, REQUEST_SIZE)?;
        body.skip(2)?;
        let ctl_code = Fsctl(body.u32()?);
        let file_id = FileId::read(&mut body)?;
        let (offset, count) = (body.size32()?, body.size32()?);
        let max_input_response = body.u32()?;
        body.skip(8)?;
        let max_output_response = body.u32()?;
        let flags = IoctlFlags::from_bits(body.u32()?);
        body.skip(4)?;
        // [MS-SMB2] 3.3.5.15
        if count != 0 && !offset.is_multiple_of(ALIGNMENT) {
            return Err(body.error_in("IOCTL InputOffset"));
        }
        let input = slice("IOCTL input", message, body.position(), offset, count)?;
        Ok(Self {
            ctl_code,
            file_id,
            max_input_response,
            max_output_response,
            flags,
            input,
        })
    }
}

impl Encode for IoctlRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.u16(0);
        out.u32(self.ctl_code.0);
        self.file_id.write(out);
        out.u32(REQUEST_BUFFER_OFFSET);
        out.size32(self.input.len());
        out.u32(self.max_input_response);
        out.zeros(8);
        out.u32(self.max_output_response);
        out.u32(self.flags.bits());
        out.u32(0);
        out.bytes(&self.input);
    }
}

/// What the control code did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoctlResponse {
    // Reserved (2 bytes).
    /// The code.
    pub ctl_code: Fsctl,
    /// The open.
    pub file_id: FileId,
    // InputOffset, InputCount, OutputOffset, OutputCount (4 bytes each), Flags (4 bytes), Reserved2
    // (4 bytes).
    /// The input, where a pass-through returns it; else empty.
    pub input: Bytes,
    /// The output.
    pub output: Bytes,
}

impl Decode for IoctlResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("IOCTL response", message, RESPONSE_SIZE)?;
        body.skip(2)?;
        let ctl_code = Fsctl(body.u32()?);
        let file_id = FileId::read(&mut body)?;
        let (input_offset, input_count) = (body.size32()?, body.size32()?);
        let (output_offset, output_count) = (body.size32()?, body.size32()?);
        body.skip(8)?;
        let first = body.position();
        let input = slice("IOCTL input", message, first, input_offset, input_count)?;
        let output = slice("IOCTL output", message, first, output_offset, output_count)?;
        Ok(Self {
            ctl_code,
            file_id,
            input,
            output,
        })
    }
}

impl Encode for IoctlResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(RESPONSE_SIZE);
        out.u16(0);
        out.u32(self.ctl_code.0);
        self.file_id.write(out);
        out.u32(RESPONSE_BUFFER_OFFSET);
        out.size32(self.input.len());
        let output_offset_at = out.reserve_u32();
        out.size32(self.output.len());
        out.zeros(8);
        out.bytes(&self.input);
        // [MS-SMB2] 2.2.32
        if !self.output.is_empty() {
            out.pad_to(ALIGNMENT);
            out.patch_size32(output_offset_at, out.position());
            out.bytes(&self.output);
        }
    }
}

wire_flags! {
    /// Flags of an IOCTL request.
    pub struct IoctlFlags: u32 {
        /// The code is one of a file system.
        const IS_FSCTL = 0x0000_0001;
    }
}

/// Where CtlCode stands in the body, behind StructureSize and Reserved.
const CTL_CODE_OFFSET: usize = 4;
const REQUEST_SIZE: u16 = 57;
const REQUEST_BUFFER_OFFSET: u32 = 0x78;
const RESPONSE_SIZE: u16 = 49;
const RESPONSE_BUFFER_OFFSET: u32 = 0x70;
const ALIGNMENT: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_bytes, any_file_id, check_vector, codec_tests, message};

    #[test]
    fn a_request_for_the_server_names_no_file() {
        let request = IoctlRequest {
            ctl_code: Fsctl::QUERY_NETWORK_INTERFACE_INFO,
            file_id: FileId::NONE,
            max_input_response: 0,
            max_output_response: 65_536,
            flags: IoctlFlags::IS_FSCTL,
            input: Bytes::new(),
        };
        check_vector(
            "3900 0000 fc011400 ffffffffffffffffffffffffffffffff 78000000 00000000 00000000 00000000 \
             00000000 00000100 01000000 00000000",
            &request,
        );
    }

    // test [MS-SMB2] 4.4
    #[test]
    fn a_request_for_a_pipe_is_as_in_the_example() {
        let request = message(&format!(
            "3900 0000 17c01100 0500000000000000 05000000ffffffff 78000000 44000000 00000000 78000000 00000000 \
             00040000 01000000 00000000 {}",
            "ab".repeat(68)
        ));
        let request = IoctlRequest::decode(&request).unwrap();
        assert_eq!(request.ctl_code, Fsctl::PIPE_TRANSCEIVE);
        assert_eq!(request.max_output_response, 1024);
        assert_eq!(request.input, [0xab; 68][..]);
    }

    // test [MS-SMB2] 4.4
    #[test]
    fn output_begins_at_a_multiple_of_eight_behind_the_input_as_in_the_example() {
        let response = IoctlResponse {
            ctl_code: Fsctl::PIPE_TRANSCEIVE,
            file_id: FileId {
                persistent: 5,
                volatile: 0xffff_ffff_0000_0005,
            },
            input: Bytes::from_static(&[0xab; 68]),
            output: Bytes::from_static(&[0xcd; 112]),
        };
        check_vector(
            &format!(
                "3100 0000 17c01100 0500000000000000 05000000ffffffff 70000000 44000000 b8000000 70000000 \
                 00000000 00000000 {} 00000000 {}",
                "ab".repeat(68),
                "cd".repeat(112)
            ),
            &response,
        );
    }

    // test [MS-SMB2] 3.3.5.15
    #[test]
    fn input_that_is_misaligned_or_leaves_the_message_is_malformed() {
        let with = |offset: &str, count: &str| {
            IoctlRequest::decode(&message(&format!(
                "3900 0000 fc011400 ffffffffffffffffffffffffffffffff {offset} {count} 00000000 \
                 ffffffff ffffffff 00000100 01000000 00000000 0102030405060708 0102030405060708"
            )))
        };
        assert_eq!(with("80000000", "08000000").unwrap().input.len(), 8);
        assert_eq!(with("ffffffff", "00000000").unwrap().input.len(), 0);
        assert_eq!(
            with("79000000", "01000000").unwrap_err().what,
            "IOCTL InputOffset"
        );
        assert_eq!(
            with("70000000", "01000000").unwrap_err().what,
            "IOCTL input"
        );
        assert_eq!(
            with("80000000", "09000000").unwrap_err().what,
            "IOCTL input"
        );
    }

    mod request {
        use super::*;

        codec_tests!(
            IoctlRequest,
            [57],
            (any::<(u32, u32, u32, u32)>(), any_file_id(), any_bytes()).prop_map(
                |((code, max_input_response, max_output_response, flags), file_id, input)| {
                    IoctlRequest {
                        ctl_code: Fsctl(code),
                        file_id,
                        max_input_response,
                        max_output_response,
                        flags: IoctlFlags::from_bits(flags),
                        input,
                    }
                }
            )
        );
    }

    mod response {
        use super::*;

        codec_tests!(
            IoctlResponse,
            [49],
            (any::<u32>(), any_file_id(), any_bytes(), any_bytes()).prop_map(
                |(code, file_id, input, output)| IoctlResponse {
                    ctl_code: Fsctl(code),
                    file_id,
                    input,
                    output,
                }
            )
        );
    }
}
