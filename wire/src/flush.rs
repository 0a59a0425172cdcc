//! FLUSH, [MS-SMB2] 2.2.17 and 2.2.18.

use bytes::Bytes;

use crate::empty::empty_body;
use crate::{Decode, DecodeError, Encode, FileId, Reader, Writer};

/// Asks to write what is cached of an open to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlushRequest {
    // Reserved1 (2 bytes), Reserved2 (4 bytes).
    /// The open.
    pub file_id: FileId,
}

impl Decode for FlushRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("FLUSH request", message, REQUEST_SIZE)?;
        body.skip(6)?;
        Ok(Self {
            file_id: FileId::read(&mut body)?,
        })
    }
}

impl Encode for FlushRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.zeros(6);
        self.file_id.write(out);
    }
}

empty_body! {
    /// It is written.
    FlushResponse, "FLUSH response"
}

const REQUEST_SIZE: u16 = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_file_id, codec_tests};

    codec_tests!(
        FlushRequest,
        [24],
        any_file_id().prop_map(|file_id| FlushRequest { file_id })
    );
}
