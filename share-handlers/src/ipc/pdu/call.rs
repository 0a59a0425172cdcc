//! The packets of calls: requests, and the parts that responses are cut into.

use bytes::{BufMut, BytesMut};

use super::super::ndr::{Decoder, Malformed, Syntax};
use super::{Header, flag};

/// What a request says besides its arguments.
// [C706] 12.6.4.9
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Request {
    /// p_cont_id.
    pub context: u16,
    /// opnum.
    pub operation: u16,
    /// Where stub_data begins in the packet.
    pub stub_at: usize,
}

impl Request {
    /// Reads a whole packet.
    pub(in crate::ipc) fn decode(packet: &[u8], header: &Header) -> Result<Self, Malformed> {
        let mut reader = Decoder::new(packet, header.order, Syntax::Ndr32);
        reader.array::<{ Header::SIZE }>()?;
        let _alloc_hint = reader.u32()?;
        let (context, operation) = (reader.u16()?, reader.u16()?);
        if header.flags & flag::OBJECT != 0 {
            reader.array::<16>()?;
        }
        Ok(Self {
            context,
            operation,
            stub_at: packet.len() - reader.rest().len(),
        })
    }
}

/// The parts that a stub is sent in, each with its flags and what is left from it on; none is longer than `most`.
// [C706] 12.6.4.10
pub(in crate::ipc) fn response_parts(stub: &[u8], most: usize) -> Vec<(u8, &[u8], usize)> {
    // Each part but the last is a multiple of 16 bytes long, as encryption and alignment want.
    let most = (most & !15).max(16);
    let mut rest = stub;
    let mut parts = Vec::new();
    loop {
        let (part, later) = rest.split_at(rest.len().min(most));
        let mut flags = if parts.is_empty() { flag::FIRST } else { 0 };
        if later.is_empty() {
            flags |= flag::LAST;
        }
        parts.push((flags, part, rest.len()));
        if later.is_empty() {
            return parts;
        }
        rest = later;
    }
}

/// What stands in front of the stub data of a response, behind the header.
pub(in crate::ipc) fn response_prefix(context: u16, left: usize) -> BytesMut {
    let mut body = BytesMut::with_capacity(8);
    body.put_u32_le(u32::try_from(left).unwrap_or(u32::MAX));
    body.put_u16_le(context);
    body.put_u16_le(0);
    body
}
