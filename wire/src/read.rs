//! READ, [MS-SMB2] 2.2.19 and 2.2.20.
//!
//! A server writes the data first, behind room for the head, and the head when it knows their length.

use bytes::Bytes;

use crate::flags::{wire_flags, wire_values};
use crate::header::Header;
use crate::reader::slice;
use crate::{Decode, DecodeError, Encode, FileId, Reader, Writer};

/// Asks for data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Where the client would like the data to lie in the response; not binding.
    pub padding: u8,
    /// How to read; 3.0.2 and 3.1.1 only.
    pub flags: ReadFlags,
    /// How much to read at most, in bytes.
    pub length: u32,
    /// Where to begin in the file, in bytes.
    pub offset: u64,
    /// The open.
    pub file_id: FileId,
    /// With less than this the request fails, in bytes.
    pub minimum_count: u32,
    /// How the data go; 3.x only.
    pub channel: Channel,
    /// How much to read where the data do not go in the response, in bytes.
    pub remaining_bytes: u32,
    // ReadChannelInfoOffset (2 bytes), ReadChannelInfoLength (2 bytes).
    /// Describes the channel; empty for [`Channel::NONE`].
    pub channel_info: Bytes,
}

impl Decode for ReadRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("READ request", message, REQUEST_SIZE)?;
        let padding = body.u8()?;
        let flags = ReadFlags::from_bits(body.u8()?);
        let length = body.u32()?;
        let offset = body.u64()?;
        let file_id = FileId::read(&mut body)?;
        let minimum_count = body.u32()?;
        let channel = Channel(body.u32()?);
        let remaining_bytes = body.u32()?;
        let (info_offset, info_length) = (body.size16()?, body.size16()?);
        let channel_info = channel.info(
            "READ channel",
            message,
            body.position(),
            info_offset,
            info_length,
        )?;
        Ok(Self {
            padding,
            flags,
            length,
            offset,
            file_id,
            minimum_count,
            channel,
            remaining_bytes,
            channel_info,
        })
    }
}

impl Encode for ReadRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.u8(self.padding);
        out.u8(self.flags.bits());
        out.u32(self.length);
        out.u64(self.offset);
        self.file_id.write(out);
        out.u32(self.minimum_count);
        out.u32(self.channel.0);
        out.u32(self.remaining_bytes);
        let offset_at = out.reserve_u16();
        out.size16(self.channel_info.len());
        if self.channel_info.is_empty() {
            // The buffer has one byte at least.
            out.u8(0);
        } else {
            out.patch_size16(offset_at, out.position());
            out.bytes(&self.channel_info);
        }
    }
}

/// The data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadResponse {
    // DataOffset (1 byte), Reserved (1 byte), DataLength (4 bytes).
    /// How much went by the channel of the request, in bytes.
    pub data_remaining: u32,
    /// What the data are; 3.1.1 only.
    pub flags: ReadResponseFlags,
    /// The data that were read.
    pub data: Bytes,
}

impl ReadResponse {
    /// Size of the body in front of the data, in bytes.
    pub const HEAD_SIZE: usize = 16;

    /// Where the data begin in a message whose head is [`ReadResponse::head`].
    pub const DATA_OFFSET: u8 = 0x50;

    /// The body in front of data that follow at once.
    #[must_use]
    pub const fn head(data_length: u32) -> [u8; Self::HEAD_SIZE] {
        let [size_low, size_high] = RESPONSE_SIZE.to_le_bytes();
        let [a, b, c, d] = data_length.to_le_bytes();
        [
            size_low,
            size_high,
            Self::DATA_OFFSET,
            0,
            a,
            b,
            c,
            d,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ]
    }

    /// Writes [`ReadResponse::head`] into the first bytes of `buffer`, the room behind the header.
    ///
    /// A buffer shorter than [`ReadResponse::HEAD_SIZE`] is left as it is.
    pub fn write_head(buffer: &mut [u8], data_length: u32) {
        debug_assert!(buffer.len() >= Self::HEAD_SIZE, "no room for the head");
        if let Some(head) = buffer.first_chunk_mut() {
            *head = Self::head(data_length);
        }
    }
}

impl Decode for ReadResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("READ response", message, RESPONSE_SIZE)?;
        let offset = usize::from(body.u8()?);
        body.skip(1)?;
        let length = body.size32()?;
        let data_remaining = body.u32()?;
        let flags = ReadResponseFlags::from_bits(body.u32()?);
        let data = slice("READ data", message, body.position(), offset, length)?;
        Ok(Self {
            data_remaining,
            flags,
            data,
        })
    }
}

impl Encode for ReadResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(RESPONSE_SIZE);
        out.u8(Self::DATA_OFFSET);
        out.u8(0);
        out.size32(self.data.len());
        out.u32(self.data_remaining);
        out.u32(self.flags.bits());
        out.bytes(&self.data);
    }
}

const _: () = assert!(Header::SIZE + ReadResponse::HEAD_SIZE == 0x50);

wire_flags! {
    /// How to read.
    pub struct ReadFlags: u8 {
        /// From the storage itself.
        const READ_UNBUFFERED = 0x01;
        /// With the response compressed; 3.1.1 only.
        const REQUEST_COMPRESSED = 0x02;
    }
}

wire_flags! {
    /// What the data of a response are.
    pub struct ReadResponseFlags: u32 {
        /// A transform that belongs to data sent by RDMA.
        const RDMA_TRANSFORM = 0x0000_0001;
    }
}

wire_values! {
    /// How the data of READ and WRITE go.
    pub struct Channel: u32 {
        /// In the message.
        const NONE = 0x0000_0000;
        /// By RDMA.
        const RDMA_V1 = 0x0000_0001;
        /// By RDMA, and the client's buffer is invalidated by the response.
        const RDMA_V1_INVALIDATE = 0x0000_0002;
        /// By RDMA, encrypted or signed.
        const RDMA_TRANSFORM = 0x0000_0003;
    }
}

impl Channel {
    /// Cuts out the description of the channel, which is to be ignored where there is none.
    // [MS-SMB2] 2.2.19
    #[inline]
    pub(crate) fn info(
        self,
        what: &'static str,
        message: &Bytes,
        first: usize,
        offset: usize,
        length: usize,
    ) -> Result<Bytes, DecodeError> {
        if self == Self::NONE {
            return Ok(Bytes::new());
        }
        slice(what, message, first, offset, length)
    }
}

const REQUEST_SIZE: u16 = 49;
const RESPONSE_SIZE: u16 = 17;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_bytes, any_file_id, check_vector, codec_tests, message, message_of};

    // test [MS-SMB2] 4.5
    #[test]
    fn a_request_is_as_in_the_example() {
        let request = ReadRequest {
            padding: 0x50,
            flags: ReadFlags::NONE,
            length: 98,
            offset: 0,
            file_id: FileId {
                persistent: 0x11,
                volatile: 0xffff_ffff_0000_0009,
            },
            minimum_count: 0,
            channel: Channel::NONE,
            remaining_bytes: 0,
            channel_info: Bytes::new(),
        };
        check_vector(
            "3100 50 00 62000000 0000000000000000 1100000000000000 09000000ffffffff 00000000 00000000 \
             00000000 0000 0000 00",
            &request,
        );
    }

    // test [MS-SMB2] 2.2.19
    #[test]
    fn a_channel_description_without_a_channel_is_ignored() {
        let request = message(
            "3100 50 00 62000000 0000000000000000 1100000000000000 09000000ffffffff 00000000 00000000 \
             00000000 ffff ffff 00",
        );
        assert_eq!(
            ReadRequest::decode(&request).unwrap().channel_info,
            Bytes::new()
        );
    }

    // test [MS-SMB2] 4.5
    #[test]
    fn the_head_is_what_encoding_the_whole_response_gives() {
        let response = ReadResponse {
            data_remaining: 0,
            flags: ReadResponseFlags::NONE,
            data: Bytes::from_static(&[0xab; 98]),
        };
        let data = "ab".repeat(98);
        check_vector(
            &format!("1100 50 00 62000000 00000000 00000000 {data}"),
            &response,
        );
        let message = message_of(&response);
        assert_eq!(message[64..80], ReadResponse::head(98));
        let mut room = [0xff; 20];
        ReadResponse::write_head(&mut room, 98);
        assert_eq!(room[..16], message[64..80]);
        assert_eq!(room[16..], [0xff; 4]);
    }

    mod request {
        use super::*;

        fn any_request() -> impl Strategy<Value = ReadRequest> {
            let fixed = any::<(u8, u8, u32, u64, u32, u32)>();
            (fixed, any_file_id(), 0_u32..5, any_bytes()).prop_map(
                |((padding, flags, length, offset, minimum, remaining), file_id, channel, info)| {
                    ReadRequest {
                        padding,
                        flags: ReadFlags::from_bits(flags),
                        length,
                        offset,
                        file_id,
                        minimum_count: minimum,
                        channel: Channel(channel),
                        remaining_bytes: remaining,
                        channel_info: if channel == 0 { Bytes::new() } else { info },
                    }
                },
            )
        }

        codec_tests!(ReadRequest, [49], any_request());
    }

    mod response {
        use super::*;

        codec_tests!(
            ReadResponse,
            [17],
            (any::<(u32, u32)>(), any_bytes()).prop_map(|((data_remaining, flags), data)| {
                ReadResponse {
                    data_remaining,
                    flags: ReadResponseFlags::from_bits(flags),
                    data,
                }
            })
        );
    }
}
