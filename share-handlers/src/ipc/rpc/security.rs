//! What protects the packets of an association: nothing, or what a log-on inside the pipe agreed on.
//!
//! Owns the levels, which bytes a signature is over, and which are encrypted. How a client proves who it is, and the
//! cryptography, are the mechanism's.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use server::accounts::MessageProtection;
use server::share::LogOn;

use super::super::pdu::{self, Header, Trailer, flag, kind};
use super::Fault;

/// Who the client has proved to be inside the pipe, and what follows from it.
#[derive(Default)]
pub(super) enum Security {
    /// Nobody: who is on the other end is known from the session.
    #[default]
    None,
    /// A log-on waits for the client's next token.
    Negotiating(Agreement, LogOn),
    /// The log-on is done.
    Established(Agreement, Option<Box<dyn MessageProtection>>),
    /// The log-on failed: nothing is carried out any more.
    Failed,
}

/// What a log-on was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreement {
    /// Mechanism, level and the client's number for the log-on.
    pub trailer: Trailer,
    /// Whether both sides have said that signatures are over headers, too, as NTLM's always are.
    pub signs_headers: bool,
}

/// auth_level.
// [MS-RPCE] 2.2.1.1.8
mod level {
    pub(super) const CONNECT: u8 = 2;
    /// The same as [`PACKET`].
    pub(super) const CALL: u8 = 3;
    /// Signed as with [`INTEGRITY`]: what tells who sent a packet tells what was in it, too.
    pub(super) const PACKET: u8 = 4;
    pub(super) const INTEGRITY: u8 = 5;
    pub(super) const PRIVACY: u8 = 6;
}

/// auth_type.
// [MS-RPCE] 2.2.1.1.7
mod mechanism {
    pub(super) const SPNEGO: u8 = 9;
    pub(super) const NTLM: u8 = 10;
}

impl Agreement {
    /// What the client asks for with a bind; none for a mechanism or level that is not served.
    pub(super) fn new(trailer: Trailer, header: &Header) -> Option<Self> {
        let is_served = matches!(trailer.kind, mechanism::SPNEGO | mechanism::NTLM)
            && matches!(
                trailer.level,
                level::CONNECT | level::CALL | level::PACKET | level::INTEGRITY | level::PRIVACY
            );
        is_served.then_some(Self {
            trailer,
            signs_headers: header.flags & flag::SUPPORT_HEADER_SIGN != 0,
        })
    }

    /// The flags with which the server agrees.
    pub(super) fn flags(&self) -> u8 {
        if self.signs_headers {
            flag::SUPPORT_HEADER_SIGN
        } else {
            0
        }
    }

    fn is_same(&self, other: &Trailer) -> bool {
        let Trailer {
            kind,
            level,
            context_id,
            ..
        } = self.trailer;
        (kind, level, context_id) == (other.kind, other.level, other.context_id)
    }

    fn protects(&self) -> bool {
        self.trailer.level > level::CONNECT
    }
}

impl Security {
    /// Verifies and decrypts a fragment of a request whose stub begins at `stub_at`; gives where the stub is.
    // [MS-RPCE] 3.3.1.5.2.2
    pub(super) fn unprotect(
        &mut self,
        packet: &mut BytesMut,
        header: &Header,
        stub_at: usize,
    ) -> Result<Range<usize>, Fault> {
        let found = Trailer::find(packet, header).map_err(|_| Fault::PROTOCOL)?;
        let found = found.map(|credentials| {
            let signature = <[u8; 16]>::try_from(credentials.value).ok();
            (credentials.trailer, credentials.at, signature)
        });
        let (agreement, protection) = match (self, found) {
            (Self::None, None) => return Ok(stub_at..packet.len()),
            (Self::Established(agreement, protection), _) => (agreement, protection),
            _ => return Err(Fault::ACCESS_DENIED),
        };
        let Some((trailer, at, signature)) = found else {
            return if agreement.protects() {
                Err(Fault::ACCESS_DENIED)
            } else {
                Ok(stub_at..packet.len())
            };
        };
        let stub_end = at - usize::from(trailer.padding);
        if !agreement.is_same(&trailer) || stub_end < stub_at {
            return Err(Fault::ACCESS_DENIED);
        }
        if agreement.protects() {
            let (Some(protection), Some(signature)) = (protection, signature) else {
                return Err(Fault::SECURITY);
            };
            let (signed, secret) = regions(agreement, stub_at, at);
            let message = packet.get_mut(signed).unwrap_or_default();
            if !protection.unseal(message, secret, &signature) {
                return Err(Fault::SECURITY);
            }
        }
        Ok(stub_at..stub_end)
    }

    /// What a log-on inside the pipe agreed on; none before there was one.
    pub(super) fn agreement(&self) -> Option<&Agreement> {
        match self {
            Self::Established(agreement, _) => Some(agreement),
            _ => None,
        }
    }

    /// The bytes of a response's stub that fit into a packet of this length.
    pub(super) fn room(&self, max_fragment: usize) -> usize {
        let overhead = match self {
            Self::Established(agreement, Some(_)) if agreement.protects() => {
                RESPONSE_HEAD + Trailer::SIZE + SIGNATURE
            }
            _ => RESPONSE_HEAD,
        };
        max_fragment.saturating_sub(overhead)
    }

    /// A part of a response as a packet, signed and encrypted as agreed.
    pub(super) fn protect(
        &mut self,
        (flags, part, left): (u8, &[u8], usize),
        call_id: u32,
        context: u16,
    ) -> Bytes {
        let mut body = pdu::response_prefix(context, left);
        body.extend_from_slice(part);
        match self {
            Self::Established(agreement, Some(protection)) if agreement.protects() => {
                let padded = (body.len() - RESPONSE_PREFIX).next_multiple_of(SIGNATURE);
                body.resize(RESPONSE_PREFIX + part.len(), 0);
                let at = RESPONSE_HEAD + padded;
                append_trailer(agreement, &mut body, padded);
                let packet =
                    pdu::packet_with(kind::RESPONSE, flags, call_id, &body, &[0; SIGNATURE]);
                let mut packet = BytesMut::from(packet);
                let (signed, secret) = regions(agreement, RESPONSE_HEAD, at);
                let message = packet.get_mut(signed).unwrap_or_default();
                let signature = protection.seal(message, secret);
                packet.truncate(at + Trailer::SIZE);
                packet.extend_from_slice(&signature);
                packet.freeze()
            }
            _ => pdu::packet_with(kind::RESPONSE, flags, call_id, &body, &[]),
        }
    }
}

/// Fills the stub up to `padded` bytes and appends the head of the credentials.
fn append_trailer(agreement: &Agreement, body: &mut BytesMut, padded: usize) {
    let padding = RESPONSE_PREFIX + padded - body.len();
    body.resize(RESPONSE_PREFIX + padded, 0);
    let at = body.len();
    agreement.trailer.append(body, 1);
    if let (Some(told), Ok(padding)) = (body.get_mut(at + 2), u8::try_from(padding)) {
        *told = padding;
    }
}

/// The bytes of a packet that its signature is over, and of those the ones that are encrypted.
// departs [MS-RPCE] 3.3.1.5.2.2: NTLM signs the whole packet also where nobody has agreed to sign headers, as Windows,
// Samba and impacket have it
fn regions(
    agreement: &Agreement,
    stub_at: usize,
    trailer_at: usize,
) -> (Range<usize>, Range<usize>) {
    let signed = 0..trailer_at + Trailer::SIZE;
    let secret = if agreement.trailer.level == level::PRIVACY {
        stub_at..trailer_at
    } else {
        0..0
    };
    (signed, secret)
}

/// What stands in front of the stub of a response, without and with the header.
const RESPONSE_PREFIX: usize = 8;
const RESPONSE_HEAD: usize = Header::SIZE + RESPONSE_PREFIX;
/// Bytes of a signature of NTLM.
const SIGNATURE: usize = 16;
