//! From packets to messages: IP, TCP reassembly, and the session service's framing.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;

use super::pcap::Packet;
use super::{Conversation, Side};

type Endpoint = (IpAddr, u16);

/// One TCP segment.
struct Segment<'a> {
    from: Endpoint,
    to: Endpoint,
    sequence: u32,
    is_first: bool,
    payload: &'a [u8],
}

/// The connections on which SMB was spoken, in the order in which they began.
pub fn conversations(packets: &[Packet<'_>]) -> Vec<Conversation> {
    let mut order = Vec::new();
    let mut halves: BTreeMap<(Endpoint, Endpoint), Half> = BTreeMap::new();
    for segment in packets.iter().filter_map(segment) {
        let key = (segment.from, segment.to);
        let pair = (segment.from.min(segment.to), segment.from.max(segment.to));
        let at = match order.iter().position(|(other, _)| *other == pair) {
            Some(at) => at,
            None => {
                order.push((pair, Conversation::default()));
                order.len() - 1
            }
        };
        let side = if is_server(segment.from, segment.to) {
            Side::Server
        } else {
            Side::Client
        };
        let half = halves.entry(key).or_default();
        half.push(&segment);
        while let Some(message) = half.next_message() {
            order[at].1.messages.push((side, message));
        }
    }
    let all = order.into_iter().map(|(_, conversation)| conversation);
    all.filter(|conversation| !conversation.messages.is_empty())
        .collect()
}

/// The well-known port is the server's; a proxy's is the lower one.
fn is_server(from: Endpoint, to: Endpoint) -> bool {
    let known = |port| matches!(port, 139 | 445);
    match (known(from.1), known(to.1)) {
        (true, false) => true,
        (false, true) => false,
        _ => from.1 < to.1,
    }
}

/// One direction of a connection.
#[derive(Default)]
struct Half {
    next: Option<u32>,
    early: BTreeMap<u32, Vec<u8>>,
    stream: Vec<u8>,
    taken: usize,
}

impl Half {
    fn push(&mut self, segment: &Segment<'_>) {
        if segment.is_first {
            self.next = Some(segment.sequence.wrapping_add(1));
            self.stream.clear();
            self.taken = 0;
            self.early.clear();
            return;
        }
        if segment.payload.is_empty() {
            return;
        }
        let next = *self.next.get_or_insert(segment.sequence);
        let ahead = segment.sequence.wrapping_sub(next);
        if ahead < MOST_AHEAD {
            self.early
                .insert(segment.sequence, segment.payload.to_vec());
        } else {
            // Sent again; maybe with more behind what is known.
            let known = next.wrapping_sub(segment.sequence) as usize;
            if let Some(news) = segment.payload.get(known..).filter(|news| !news.is_empty()) {
                self.early.insert(next, news.to_vec());
            }
        }
        self.stitch();
    }

    fn stitch(&mut self) {
        while let Some(next) = self.next {
            let Some(payload) = self.early.remove(&next) else {
                break;
            };
            self.next = Some(next.wrapping_add(u32::try_from(payload.len()).unwrap_or(0)));
            self.stream.extend_from_slice(&payload);
        }
    }

    /// The next SMB message. A stream that begins in the middle is skipped up to the next one.
    fn next_message(&mut self) -> Option<Bytes> {
        loop {
            let rest = self.stream.get(self.taken..)?;
            let [kind, high, middle, low, ..] = *rest else {
                return None;
            };
            let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            let is_message = kind == 0 && rest.get(5..8).is_none_or(|name| name == b"SMB");
            let is_other = matches!(kind, 0x81..=0x85) && length < 256;
            if !is_message && !is_other {
                self.taken += 1;
                continue;
            }
            let message = rest.get(4..4 + length)?;
            let message = Bytes::copy_from_slice(message);
            self.taken += 4 + length;
            if is_message && length > 4 {
                return Some(message);
            }
        }
    }
}

fn segment<'a>(packet: &Packet<'a>) -> Option<Segment<'a>> {
    let bytes = packet.bytes;
    let ip = match packet.link_type {
        1 => match bytes.get(12..14)? {
            [0x81, 0x00] => bytes.get(18..)?,
            _ => bytes.get(14..)?,
        },
        0 => bytes.get(4..)?,
        12 | 101 => bytes,
        113 => bytes.get(16..)?,
        276 => bytes.get(20..)?,
        _ => return None,
    };
    let (from, to, tcp) = match ip.first()? >> 4 {
        4 => {
            let header = usize::from(ip[0] & 15) * 4;
            let total = usize::from(u16::from_be_bytes(*ip.get(2..)?.first_chunk()?));
            if *ip.get(9)? != TCP {
                return None;
            }
            let from = IpAddr::from(*ip.get(12..)?.first_chunk::<4>()?);
            let to = IpAddr::from(*ip.get(16..)?.first_chunk::<4>()?);
            // Short frames are padded; offloaded ones say 0.
            let end = if total == 0 {
                ip.len()
            } else {
                total.min(ip.len())
            };
            (from, to, ip.get(header..end)?)
        }
        6 => {
            if *ip.get(6)? != TCP {
                return None;
            }
            let from = IpAddr::from(*ip.get(8..)?.first_chunk::<16>()?);
            let to = IpAddr::from(*ip.get(24..)?.first_chunk::<16>()?);
            (from, to, ip.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes(*tcp.get(at..)?.first_chunk()?));
    let header = usize::from(tcp.get(12)? >> 4) * 4;
    Some(Segment {
        from: (from, port(0)?),
        to: (to, port(2)?),
        sequence: u32::from_be_bytes(*tcp.get(4..)?.first_chunk()?),
        is_first: tcp.get(13)? & 0x02 != 0,
        payload: tcp.get(header..)?,
    })
}

const TCP: u8 = 6;

/// A segment further ahead than this is an old one, in bytes.
const MOST_AHEAD: u32 = 1 << 30;
