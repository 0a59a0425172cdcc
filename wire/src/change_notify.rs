//! CHANGE_NOTIFY, [MS-SMB2] 2.2.35 and 2.2.36.

use bytes::Bytes;

use crate::flags::wire_flags;
use crate::fscc::CompletionFilter;
use crate::output_buffer::output_response;
use crate::{Decode, DecodeError, Encode, FileId, Reader, Writer};

/// Asks to be told of changes in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeNotifyRequest {
    /// How deep to watch.
    pub flags: ChangeNotifyFlags,
    /// How much may be returned, in bytes.
    pub output_buffer_length: u32,
    /// The directory.
    pub file_id: FileId,
    /// Which changes to tell of.
    pub completion_filter: CompletionFilter,
    // Reserved (4 bytes).
}

impl Decode for ChangeNotifyRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("CHANGE_NOTIFY request", message, REQUEST_SIZE)?;
        let flags = ChangeNotifyFlags::from_bits(body.u16()?);
        let output_buffer_length = body.u32()?;
        let file_id = FileId::read(&mut body)?;
        let completion_filter = CompletionFilter::from_bits(body.u32()?);
        body.skip(4)?;
        Ok(Self {
            flags,
            output_buffer_length,
            file_id,
            completion_filter,
        })
    }
}

impl Encode for ChangeNotifyRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.u16(self.flags.bits());
        out.u32(self.output_buffer_length);
        self.file_id.write(out);
        out.u32(self.completion_filter.bits());
        out.u32(0);
    }
}

output_response! {
    /// Changes, a list of FILE_NOTIFY_INFORMATION; empty where they did not fit.
    ChangeNotifyResponse, "CHANGE_NOTIFY response"
}

wire_flags! {
    /// How deep to watch.
    pub struct ChangeNotifyFlags: u16 {
        /// All that lies below the directory.
        const WATCH_TREE = 0x0001;
    }
}

const REQUEST_SIZE: u16 = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_file_id, check_vector, codec_tests};

    #[test]
    fn a_request_is_its_fields_in_order() {
        let request = ChangeNotifyRequest {
            flags: ChangeNotifyFlags::WATCH_TREE,
            output_buffer_length: 0x20,
            file_id: FileId {
                persistent: 1,
                volatile: 2,
            },
            completion_filter: CompletionFilter::FILE_NAME | CompletionFilter::DIR_NAME,
        };
        check_vector(
            "2000 0100 20000000 0100000000000000 0200000000000000 03000000 00000000",
            &request,
        );
    }

    codec_tests!(
        ChangeNotifyRequest,
        [32],
        (any::<(u16, u32, u32)>(), any_file_id()).prop_map(
            |((flags, output_buffer_length, filter), file_id)| ChangeNotifyRequest {
                flags: ChangeNotifyFlags::from_bits(flags),
                output_buffer_length,
                file_id,
                completion_filter: CompletionFilter::from_bits(filter),
            }
        )
    );
}
