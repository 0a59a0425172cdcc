//! The packets of connection-oriented remote procedure calls.
//!
//! Here are headers, and the packets that agree on something; those of calls are in [`call`], credentials in
//! [`trailer`]. Owns their layouts and nothing that happens because of them. Incoming packets may have either byte order; outgoing
//! ones are little-endian.

mod call;
mod trailer;

use bytes::{BufMut, Bytes, BytesMut};

use super::ndr::{ByteOrder, Decoder, Malformed, Syntax};

pub(super) use call::{Request, response_parts, response_prefix};
pub(super) use trailer::Trailer;

/// What every packet begins with.
// [C706] 12.6.3.1
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// PTYPE.
    pub kind: u8,
    /// pfc_flags.
    pub flags: u8,
    /// packed_drep.
    pub representation: [u8; 4],
    /// What the first byte of that says of integers.
    pub order: ByteOrder,
    /// frag_length: of the packet in bytes, this header included.
    pub length: usize,
    /// auth_length: bytes of credentials at the end, without their own header.
    pub auth_length: u16,
    /// call_id.
    pub call_id: u32,
}

impl Header {
    /// Bytes of a header.
    pub(super) const SIZE: usize = 16;

    /// Reads a header; none while there are too few bytes for one.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let Some(header) = bytes.first_chunk::<{ Self::SIZE }>() else {
            return Ok(None);
        };
        let [major, minor, kind, flags, a, b, c, d, ..] = *header;
        // [C706] 14.1: the other half of the byte says how letters are written, of which there are none.
        let order = match a >> 4 {
            0 => ByteOrder::Big,
            _ => ByteOrder::Little,
        };
        let mut reader = Decoder::new(&header[8..], order, Syntax::Ndr32);
        let length = usize::from(reader.u16()?);
        let auth_length = reader.u16()?;
        let call_id = reader.u32()?;
        // [MS-RPCE] 3.3.1.5.1
        if major != 5 || minor > 1 || length < Self::SIZE {
            return Err(Malformed);
        }
        Ok(Some(Self {
            kind,
            flags,
            representation: [a, b, c, d],
            order,
            length,
            auth_length,
            call_id,
        }))
    }
}

/// PTYPE.
// [C706] 12.6.3.1
pub(super) mod kind {
    pub(in crate::ipc) const REQUEST: u8 = 0;
    pub(in crate::ipc) const RESPONSE: u8 = 2;
    pub(in crate::ipc) const FAULT: u8 = 3;
    pub(in crate::ipc) const BIND: u8 = 11;
    pub(in crate::ipc) const BIND_ACK: u8 = 12;
    pub(in crate::ipc) const BIND_NAK: u8 = 13;
    pub(in crate::ipc) const ALTER_CONTEXT: u8 = 14;
    pub(in crate::ipc) const ALTER_CONTEXT_RESPONSE: u8 = 15;
    pub(in crate::ipc) const AUTH3: u8 = 16;
    pub(in crate::ipc) const CANCEL: u8 = 18;
    pub(in crate::ipc) const ORPHANED: u8 = 19;
}

/// pfc_flags.
// [C706] 12.6.3.1
pub(super) mod flag {
    pub(in crate::ipc) const FIRST: u8 = 0x01;
    pub(in crate::ipc) const LAST: u8 = 0x02;
    /// In a bind: headers can be signed, too. [MS-RPCE] 2.2.2.3
    pub(in crate::ipc) const SUPPORT_HEADER_SIGN: u8 = 0x04;
    pub(in crate::ipc) const DID_NOT_EXECUTE: u8 = 0x20;
    pub(in crate::ipc) const OBJECT: u8 = 0x80;
}

/// An interface or a way to write data, and its version.
// [C706] 12.6.3.1, p_syntax_id_t
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyntaxId {
    /// The identifier, as little-endian machines write it.
    pub id: [u8; 16],
    /// The major version below, the minor one in the upper half.
    pub version: u32,
}

impl SyntaxId {
    /// The 32-bit representation of [`super::ndr`].
    // [C706] 14
    pub(super) const NDR: Self = Self {
        id: *b"\x04\x5d\x88\x8a\xeb\x1c\xc9\x11\x9f\xe8\x08\x00\x2b\x10\x48\x60",
        version: 2,
    };
    /// The 64-bit representation.
    // [MS-RPCE] 2.2.5.1
    pub(super) const NDR64: Self = Self {
        id: *b"\x33\x05\x71\x71\xba\xbe\x37\x49\x83\x19\xb5\xdb\xef\x9c\xcc\x36",
        version: 1,
    };
    /// No syntax.
    pub(super) const NONE: Self = Self {
        id: [0; 16],
        version: 0,
    };

    /// The features that this proposes instead of a way to write data; none if it is one.
    // [MS-RPCE] 2.2.2.14
    pub(super) fn features(&self) -> Option<u16> {
        let [prefix @ .., low, high, _, _, _, _, _, _] = &self.id;
        let is_bitmask = prefix == b"\x2c\x1c\xb7\x6c\x12\x98\x40\x45" && self.version == 1;
        is_bitmask.then(|| u16::from_le_bytes([*low, *high]))
    }

    fn decode(reader: &mut Decoder<'_>) -> Result<Self, Malformed> {
        let mut id = [0; 16];
        let (one, two, three) = (reader.u32()?, reader.u16()?, reader.u16()?);
        id[..4].copy_from_slice(&one.to_le_bytes());
        id[4..6].copy_from_slice(&two.to_le_bytes());
        id[6..8].copy_from_slice(&three.to_le_bytes());
        id[8..].copy_from_slice(&reader.array::<8>()?);
        let version = reader.u32()?;
        Ok(Self { id, version })
    }

    /// The identifier and the version, as little-endian machines write them.
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> + use<> {
        self.id.into_iter().chain(self.version.to_le_bytes())
    }

    fn encode(&self, out: &mut BytesMut) {
        out.extend(self.bytes());
    }
}

/// What a client proposes with bind or alter_context.
// [C706] 12.6.4.3
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bind {
    /// max_xmit_frag: the longest packet that the client sends.
    pub max_sent: u16,
    /// max_recv_frag: the longest packet that the client takes.
    pub max_received: u16,
    /// assoc_group_id.
    pub group: u32,
    /// p_context_elem.
    pub contexts: Vec<Proposal>,
}

/// One proposed presentation context.
// [C706] 12.6.3.1, p_cont_elem_t
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposal {
    /// p_cont_id.
    pub id: u16,
    /// abstract_syntax.
    pub interface: SyntaxId,
    /// transfer_syntaxes.
    pub transfer: Vec<SyntaxId>,
}

impl Bind {
    /// Reads a whole packet.
    pub(super) fn decode(packet: &[u8], order: ByteOrder) -> Result<Self, Malformed> {
        let mut reader = Decoder::new(packet, order, Syntax::Ndr32);
        reader.array::<{ Header::SIZE }>()?;
        let (max_sent, max_received) = (reader.u16()?, reader.u16()?);
        let group = reader.u32()?;
        let [count, _, _, _] = reader.array()?;
        let mut contexts = Vec::new();
        for _ in 0..count {
            reader.align(4);
            let id = reader.u16()?;
            let [transfers, _] = reader.array()?;
            let interface = SyntaxId::decode(&mut reader)?;
            let transfer = (0..transfers).map(|_| SyntaxId::decode(&mut reader));
            contexts.push(Proposal {
                id,
                interface,
                transfer: transfer.collect::<Result<_, _>>()?,
            });
        }
        Ok(Self {
            max_sent,
            max_received,
            group,
            contexts,
        })
    }
}

/// What became of a proposed presentation context.
// [C706] 12.6.3.1, p_result_t
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// result.
    pub result: u16,
    /// reason, or the features that both sides have.
    pub reason: u16,
    /// transfer_syntax.
    pub transfer: SyntaxId,
}

/// The answer to [`Bind`].
// [C706] 12.6.4.4
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ipc) struct BindAck {
    /// max_xmit_frag and max_recv_frag.
    pub max_fragment: [u16; 2],
    /// assoc_group_id.
    pub group: u32,
    /// sec_addr: empty in the answer to alter_context.
    pub address: String,
    /// p_result_list.
    pub outcomes: Vec<Outcome>,
}

impl BindAck {
    /// The whole packet, with a token of a log-on where there is one.
    pub(super) fn encode(
        &self,
        kind: u8,
        flags: u8,
        call_id: u32,
        token: Option<(&Trailer, &[u8])>,
    ) -> Bytes {
        let mut body = BytesMut::new();
        for length in self.max_fragment {
            body.put_u16_le(length);
        }
        body.put_u32_le(self.group);
        if self.address.is_empty() {
            body.put_u16_le(0);
        } else {
            body.put_u16_le(u16::try_from(self.address.len() + 1).unwrap_or(u16::MAX));
            body.extend_from_slice(self.address.as_bytes());
            body.put_u8(0);
        }
        // The header is a multiple of 4 bytes long.
        body.resize(body.len().next_multiple_of(4), 0);
        body.put_u32_le(u32::try_from(self.outcomes.len()).unwrap_or(u32::MAX));
        for outcome in &self.outcomes {
            body.put_u16_le(outcome.result);
            body.put_u16_le(outcome.reason);
            outcome.transfer.encode(&mut body);
        }
        let Some((trailer, token)) = token else {
            return packet(kind, flag::FIRST | flag::LAST, call_id, &body);
        };
        trailer.append(&mut body, 4);
        packet_with(
            kind,
            flag::FIRST | flag::LAST | flags,
            call_id,
            &body,
            token,
        )
    }
}

/// The refusal of a whole [`Bind`].
// [C706] 12.6.4.5
pub(super) fn bind_nak(call_id: u32, reason: u16) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u16_le(reason);
    // One version is supported: 5.0.
    body.extend_from_slice(&[1, 5, 0]);
    body.resize(body.len().next_multiple_of(4), 0);
    packet(kind::BIND_NAK, flag::FIRST | flag::LAST, call_id, &body)
}

/// The failure of a call.
// [C706] 12.6.4.7
pub(super) fn fault(call_id: u32, context: u16, status: u32, executed: bool) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u32_le(0);
    body.put_u16_le(context);
    body.put_u16_le(0);
    body.put_u32_le(status);
    body.put_u32_le(0);
    let not_executed = if executed { 0 } else { flag::DID_NOT_EXECUTE };
    packet(
        kind::FAULT,
        flag::FIRST | flag::LAST | not_executed,
        call_id,
        &body,
    )
}

fn packet(kind: u8, flags: u8, call_id: u32, body: &[u8]) -> Bytes {
    packet_with(kind, flags, call_id, body, &[])
}

/// A packet whose body ends with a [`Trailer`], in front of `credentials`.
pub(super) fn packet_with(
    kind: u8,
    flags: u8,
    call_id: u32,
    body: &[u8],
    credentials: &[u8],
) -> Bytes {
    let length = Header::SIZE + body.len() + credentials.len();
    let mut out = BytesMut::with_capacity(length);
    // Version 5.0, little-endian, ASCII, IEEE.
    out.extend_from_slice(&[5, 0, kind, flags, 0x10, 0, 0, 0]);
    out.put_u16_le(u16::try_from(length).unwrap_or(u16::MAX));
    out.put_u16_le(u16::try_from(credentials.len()).unwrap_or(u16::MAX));
    out.put_u32_le(call_id);
    out.extend_from_slice(body);
    out.extend_from_slice(credentials);
    out.freeze()
}
