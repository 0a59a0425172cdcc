//! WRITE, [MS-SMB2] 2.2.21 and 2.2.22.

use bytes::Bytes;

use crate::flags::wire_flags;
use crate::read::Channel;
use crate::reader::slice;
use crate::{Decode, DecodeError, Encode, FileId, Reader, Writer};

/// Brings data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteRequest {
    // DataOffset (2 bytes), Length (4 bytes).
    /// Where to begin in the file, in bytes.
    pub offset: u64,
    /// The open.
    pub file_id: FileId,
    /// How the data go; 3.x only.
    pub channel: Channel,
    /// How much to write where the data do not go in the message, in bytes.
    pub remaining_bytes: u32,
    // WriteChannelInfoOffset (2 bytes), WriteChannelInfoLength (2 bytes).
    /// Describes the channel; empty for [`Channel::NONE`].
    pub channel_info: Bytes,
    /// How to write.
    pub flags: WriteFlags,
    /// The data: a part of the message, not a copy.
    pub data: Bytes,
}

impl Decode for WriteRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("WRITE request", message, REQUEST_SIZE)?;
        let data_offset = body.size16()?;
        let length = body.size32()?;
        let offset = body.u64()?;
        let file_id = FileId::read(&mut body)?;
        let channel = Channel(body.u32()?);
        let remaining_bytes = body.u32()?;
        let (info_offset, info_length) = (body.size16()?, body.size16()?);
        let flags = WriteFlags::from_bits(body.u32()?);
        // [MS-SMB2] 3.3.5.13
        if channel == Channel::NONE && data_offset > MAX_DATA_OFFSET {
            return Err(body.error_in("WRITE DataOffset"));
        }
        let first = body.position();
        let channel_info =
            channel.info("WRITE channel", message, first, info_offset, info_length)?;
        let data = slice("WRITE data", message, first, data_offset, length)?;
        Ok(Self {
            offset,
            file_id,
            channel,
            remaining_bytes,
            channel_info,
            flags,
            data,
        })
    }
}

impl Encode for WriteRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        let data_offset_at = out.reserve_u16();
        out.size32(self.data.len());
        out.u64(self.offset);
        self.file_id.write(out);
        out.u32(self.channel.0);
        out.u32(self.remaining_bytes);
        let info_offset_at = out.reserve_u16();
        out.size16(self.channel_info.len());
        out.u32(self.flags.bits());
        if self.channel == Channel::NONE || !self.data.is_empty() {
            out.patch_size16(data_offset_at, out.position());
            out.bytes(&self.data);
        }
        if !self.channel_info.is_empty() {
            out.patch_size16(info_offset_at, out.position());
            out.bytes(&self.channel_info);
        }
    }
}

/// The data are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteResponse {
    // Reserved (2 bytes).
    /// How much was written, in bytes.
    pub count: u32,
    // Remaining (4 bytes), WriteChannelInfoOffset (2 bytes), WriteChannelInfoLength (2 bytes): reserved.
}

impl Decode for WriteResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("WRITE response", message, RESPONSE_SIZE)?;
        body.skip(2)?;
        let count = body.u32()?;
        body.skip(8)?;
        Ok(Self { count })
    }
}

impl Encode for WriteResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(RESPONSE_SIZE);
        out.u16(0);
        out.u32(self.count);
        out.zeros(8);
    }
}

wire_flags! {
    /// How to write.
    pub struct WriteFlags: u32 {
        /// The response comes only when the data are on the disk; not in 2.0.2.
        const WRITE_THROUGH = 0x0000_0001;
        /// The data are not cached; 3.0.2 and 3.1.1 only.
        const WRITE_UNBUFFERED = 0x0000_0002;
    }
}

const REQUEST_SIZE: u16 = 49;
const RESPONSE_SIZE: u16 = 17;
/// The data of a message may begin here at the latest.
const MAX_DATA_OFFSET: usize = 0x100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_bytes, any_file_id, check_vector, codec_tests, message};

    const HEAD: &str = "0000000000000000 0500000000000000 05000000ffffffff 00000000 00000000 0000 0000 \
                        00000000";

    // test [MS-SMB2] 4.4
    #[test]
    fn a_request_is_as_in_the_example() {
        let request = WriteRequest {
            offset: 0,
            file_id: FileId {
                persistent: 5,
                volatile: 0xffff_ffff_0000_0005,
            },
            channel: Channel::NONE,
            remaining_bytes: 0,
            channel_info: Bytes::new(),
            flags: WriteFlags::NONE,
            data: Bytes::from_static(&[0xab; 116]),
        };
        let data = "ab".repeat(116);
        check_vector(&format!("3100 7000 74000000 {HEAD} {data}"), &request);
    }

    // test [MS-SMB2] 4.4
    #[test]
    fn a_response_is_as_in_the_example() {
        let response = WriteResponse { count: 116 };
        check_vector("1100 0000 74000000 00000000 0000 0000", &response);
    }

    #[test]
    fn the_payload_is_a_part_of_the_message() {
        let message = message(&format!("3100 7000 04000000 {HEAD} 64617461"));
        let request = WriteRequest::decode(&message).unwrap();
        assert_eq!(request.data.as_ptr(), message[0x70..].as_ptr());
    }

    // test [MS-SMB2] 3.3.5.13
    #[test]
    fn data_that_begin_too_late_or_leave_the_message_are_malformed() {
        let padding = "00".repeat(0x100);
        let late = message(&format!("3100 0101 04000000 {HEAD} {padding}"));
        assert_eq!(
            WriteRequest::decode(&late).unwrap_err().what,
            "WRITE DataOffset"
        );
        let short = message(&format!("3100 7000 05000000 {HEAD} 64617461"));
        assert_eq!(WriteRequest::decode(&short).unwrap_err().what, "WRITE data");
        let in_front = message(&format!("3100 6f00 04000000 {HEAD} 64617461"));
        assert_eq!(
            WriteRequest::decode(&in_front).unwrap_err().what,
            "WRITE data"
        );
    }

    mod request {
        use super::*;

        fn any_request() -> impl Strategy<Value = WriteRequest> {
            let fixed = any::<(u64, u32, u32)>();
            (fixed, any_file_id(), 0_u32..5, any_bytes(), any_bytes()).prop_map(
                |((offset, remaining_bytes, flags), file_id, channel, info, data)| WriteRequest {
                    offset,
                    file_id,
                    channel: Channel(channel),
                    remaining_bytes,
                    channel_info: if channel == 0 { Bytes::new() } else { info },
                    flags: WriteFlags::from_bits(flags),
                    data,
                },
            )
        }

        codec_tests!(WriteRequest, [49], any_request());
    }

    mod response {
        use super::*;

        codec_tests!(
            WriteResponse,
            [17],
            any::<u32>().prop_map(|count| WriteResponse { count })
        );
    }
}
