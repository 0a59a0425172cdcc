//! The one body that four responses share: StructureSize 9, an offset, a length and the bytes.

use bytes::Bytes;

use crate::reader::slice;
use crate::{DecodeError, Reader, Writer};

/// Reads the body of a QUERY_INFO, QUERY_DIRECTORY or CHANGE_NOTIFY response.
pub(crate) fn decode(what: &'static str, message: &Bytes) -> Result<Bytes, DecodeError> {
    let mut body = Reader::body(what, message, STRUCTURE_SIZE)?;
    let (offset, length) = (body.size16()?, body.size32()?);
    slice(what, message, body.position(), offset, length)
}

/// Appends the body of a QUERY_INFO, QUERY_DIRECTORY or CHANGE_NOTIFY response.
pub(crate) fn encode(out: &mut Writer<'_>, output: &[u8]) {
    out.u16(STRUCTURE_SIZE);
    out.u16(BUFFER_OFFSET);
    out.size32(output.len());
    out.bytes(output);
}

/// Defines one such response.
macro_rules! output_response {
    ($(#[$meta:meta])* $name:ident, $what:expr) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            // OutputBufferOffset (2 bytes), OutputBufferLength (4 bytes).
            /// The answer, in the form that the request asked for.
            pub output: bytes::Bytes,
        }

        impl $crate::Decode for $name {
            fn decode(message: &bytes::Bytes) -> Result<Self, $crate::DecodeError> {
                $crate::output_buffer::decode($what, message).map(|output| Self { output })
            }
        }

        impl $crate::Encode for $name {
            fn encode(&self, out: &mut $crate::Writer<'_>) {
                $crate::output_buffer::encode(out, &self.output);
            }
        }
    };
}

pub(crate) use output_response;

const STRUCTURE_SIZE: u16 = 9;
const BUFFER_OFFSET: u16 = 0x48;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::QueryInfoResponse;
    use crate::testing::{any_bytes, check_vector, codec_tests};

    #[test]
    fn the_output_follows_the_eight_bytes_of_the_body() {
        let output = bytes::Bytes::from_static(&[1, 2, 3]);
        check_vector("0900 4800 03000000 010203", &QueryInfoResponse { output });
        check_vector("0900 4800 00000000", &QueryInfoResponse::default());
    }

    codec_tests!(
        QueryInfoResponse,
        [9],
        any_bytes().prop_map(|output| QueryInfoResponse { output })
    );
}
