//! What stands in front of credentials: whose they are, and how much they protect.

use bytes::{BufMut, BytesMut};

use super::super::ndr::Malformed;
use super::Header;

/// The head of the credentials at the end of a packet.
// [MS-RPCE] 2.2.2.11
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Trailer {
    /// auth_type.
    pub kind: u8,
    /// auth_level.
    pub level: u8,
    /// auth_pad_length: bytes between the body and this.
    pub padding: u8,
    /// auth_context_id.
    pub context_id: u32,
}

/// A packet with credentials, cut into its pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ipc) struct Credentials<'a> {
    /// The head.
    pub trailer: Trailer,
    /// Where it begins in the packet.
    pub at: usize,
    /// auth_value.
    pub value: &'a [u8],
}

impl Trailer {
    /// Bytes of the head.
    pub(in crate::ipc) const SIZE: usize = 8;

    /// The credentials of a whole packet; none if it has none.
    pub(in crate::ipc) fn find<'a>(
        packet: &'a [u8],
        header: &Header,
    ) -> Result<Option<Credentials<'a>>, Malformed> {
        let length = usize::from(header.auth_length);
        if length == 0 {
            return Ok(None);
        }
        let value_at = packet.len().checked_sub(length).ok_or(Malformed)?;
        let at = value_at.checked_sub(Self::SIZE).ok_or(Malformed)?;
        let head = packet.get(at..).and_then(<[u8]>::first_chunk);
        let [kind, level, padding, _, a, b, c, d] = *head.ok_or(Malformed)?;
        let is_behind = at.checked_sub(usize::from(padding));
        if is_behind.is_none_or(|body_end| body_end < Header::SIZE) {
            return Err(Malformed);
        }
        let id = [a, b, c, d];
        let trailer = Self {
            kind,
            level,
            padding,
            context_id: match header.order {
                super::ByteOrder::Little => u32::from_le_bytes(id),
                super::ByteOrder::Big => u32::from_be_bytes(id),
            },
        };
        let value = packet.get(value_at..).ok_or(Malformed)?;
        Ok(Some(Credentials { trailer, at, value }))
    }

    /// Fills a body up to a multiple of `alignment` and appends the head behind it.
    pub(in crate::ipc) fn append(&self, body: &mut BytesMut, alignment: usize) {
        let length = body.len();
        body.resize(length.next_multiple_of(alignment), 0);
        let padding = u8::try_from(body.len() - length).unwrap_or_default();
        body.extend_from_slice(&[self.kind, self.level, padding, 0]);
        body.put_u32_le(self.context_id);
    }
}
