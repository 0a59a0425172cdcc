//! SET_INFO, [MS-SMB2] 2.2.39 and 2.2.40.
//!
//! What is set is in the forms of `fscc` and `dtyp`; here it is bytes.

use bytes::Bytes;

use crate::dtyp::SecurityInformation;
use crate::query_info::{InfoClass, InfoType};
use crate::reader::slice;
use crate::{Decode, DecodeError, Encode, FileId, Reader, Writer};

/// Changes a file, a volume, its security or its quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetInfoRequest {
    /// What it is about.
    pub info_type: InfoType,
    /// Which information; its meaning depends on `info_type`.
    pub file_info_class: InfoClass,
    // BufferLength (4 bytes), BufferOffset (2 bytes), Reserved (2 bytes).
    /// Parts of the security descriptor.
    pub additional_information: u32,
    /// The open.
    pub file_id: FileId,
    /// The new values; may be empty, which the server must refuse.
    pub buffer: Bytes,
}

impl SetInfoRequest {
    /// The parts of the security descriptor that are set, where `info_type` is `SECURITY`.
    #[must_use]
    pub const fn security_information(&self) -> SecurityInformation {
        SecurityInformation::from_bits(self.additional_information)
    }
}

impl Decode for SetInfoRequest {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        let mut body = Reader::body("SET_INFO request", message, REQUEST_SIZE)?;
        let info_type = InfoType(body.u8()?);
        let file_info_class = InfoClass(body.u8()?);
        let (length, offset) = (body.size32()?, body.size16()?);
        body.skip(2)?;
        let additional_information = body.u32()?;
        let file_id = FileId::read(&mut body)?;
        let buffer = slice("SET_INFO buffer", message, body.position(), offset, length)?;
        Ok(Self {
            info_type,
            file_info_class,
            additional_information,
            file_id,
            buffer,
        })
    }
}

impl Encode for SetInfoRequest {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(REQUEST_SIZE);
        out.u8(self.info_type.0);
        out.u8(self.file_info_class.0);
        out.size32(self.buffer.len());
        out.u16(REQUEST_BUFFER_OFFSET);
        out.u16(0);
        out.u32(self.additional_information);
        self.file_id.write(out);
        out.bytes(&self.buffer);
    }
}

/// It is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetInfoResponse;

impl Decode for SetInfoResponse {
    fn decode(message: &Bytes) -> Result<Self, DecodeError> {
        Reader::body("SET_INFO response", message, RESPONSE_SIZE).map(|_| Self)
    }
}

impl Encode for SetInfoResponse {
    fn encode(&self, out: &mut Writer<'_>) {
        out.u16(RESPONSE_SIZE);
    }
}

const REQUEST_SIZE: u16 = 33;
const REQUEST_BUFFER_OFFSET: u16 = 0x60;
const RESPONSE_SIZE: u16 = 2;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{any_bytes, any_file_id, check_vector, codec_tests};

    #[test]
    fn a_request_is_its_fields_in_order() {
        let request = SetInfoRequest {
            info_type: InfoType::FILE,
            file_info_class: InfoClass(20),
            additional_information: 0,
            file_id: FileId {
                persistent: 1,
                volatile: 2,
            },
            buffer: Bytes::from_static(&[3, 0, 0, 0, 0, 0, 0, 0]),
        };
        check_vector(
            "2100 01 14 08000000 6000 0000 00000000 0100000000000000 0200000000000000 \
             0300000000000000",
            &request,
        );
        check_vector("0200", &SetInfoResponse);
    }

    codec_tests!(
        SetInfoRequest,
        [33],
        (any::<(u8, u8, u32)>(), any_file_id(), any_bytes()).prop_map(
            |((info_type, class, additional_information), file_id, buffer)| SetInfoRequest {
                info_type: InfoType(info_type),
                file_info_class: InfoClass(class),
                additional_information,
                file_id,
                buffer,
            }
        )
    );
}
