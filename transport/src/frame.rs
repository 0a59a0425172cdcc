//! Where one message ends and the next begins, as a state machine without a socket.
//!
//! The owner reads into [`Deframer::room`] and takes out [`Deframer::next_packet`] until there is
//! none. Small packets arrive many at a time in a read-ahead buffer. Once the header of a large
//! one is known, the socket fills that message's own buffer:
//!
//! ```text
//!            header of a large message                 last byte of it
//!  ahead ───────────────────────────────> body ─────────────────────────────> ahead
//! ```
//!
//! Never allocates more than the peer announced and the limit allows, nor much more than has
//! arrived: a peer that announces 16 MiB and sends nothing costs one step of the growth.

use std::fmt;

use bytes::buf::Limit;
use bytes::{Buf, BufMut, BytesMut};

use crate::pool::BufferPool;

/// Length of the transport header, in bytes.
pub const HEADER_LENGTH: usize = 4;
/// The longest message a transport header can announce, in bytes.
pub const MAX_MESSAGE: usize = 0xFF_FFFF;

/// The rules by which transport headers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Direct TCP: only messages, with 24 bits of length.
    DirectTcp,
    /// NetBIOS session service, the session established: messages and keep-alives, 17 bits.
    Netbios,
    /// The first packet decides: a session request means NetBIOS, a message direct TCP.
    Detect,
}

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Packet {
    /// One whole message without its transport header; it may be empty.
    Message(BytesMut),
    /// The two encoded names of a NetBIOS session request.
    SessionRequest(BytesMut),
    /// A NetBIOS keep-alive, which asks for nothing.
    KeepAlive,
}

/// Why a byte stream is not one of packets. Nothing after it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The type byte is unknown, or not allowed at this point.
    #[error("packet type {0:#04x} is not allowed here")]
    UnexpectedType(u8),
    /// The announced length exceeds what this packet type may have.
    #[error("a packet of {length} bytes was announced; {limit} are allowed")]
    TooLong {
        /// Bytes announced.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

/// Cuts a byte stream into packets.
pub struct Deframer {
    framing: Framing,
    largest_message: usize,
    pool: BufferPool,
    /// Bytes read but not yet cut; begins at a packet header.
    ahead: BytesMut,
    body: Option<Body>,
    /// After a large message read little ahead, for the next is likely to be large as well.
    last_was_large: bool,
}

/// A large message being read.
struct Body {
    kind: Kind,
    length: usize,
    /// What has arrived of it, and possibly a little of what follows.
    bytes: BytesMut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Message,
    SessionRequest,
    KeepAlive,
}

impl Deframer {
    /// A deframer at the start of a stream. Messages longer than `largest_message` bytes are
    /// errors.
    #[must_use]
    pub fn new(framing: Framing, largest_message: usize, pool: BufferPool) -> Self {
        Self {
            framing,
            largest_message: largest_message.min(MAX_MESSAGE),
            pool,
            ahead: BytesMut::new(),
            body: None,
            last_was_large: false,
        }
    }

    /// The rules in force; [`Framing::Detect`] until the first packet was cut.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Changes the limit for messages whose header has not been read yet.
    pub fn set_largest_message(&mut self, bytes: usize) {
        self.largest_message = bytes.min(MAX_MESSAGE);
    }

    /// The longest message accepted, in bytes.
    #[must_use]
    pub fn largest_message(&self) -> usize {
        match self.framing {
            // [RFC1002] 4.3.1
            Framing::Netbios => self.largest_message.min(NETBIOS_MAX_MESSAGE),
            Framing::DirectTcp | Framing::Detect => self.largest_message,
        }
    }

    /// Where the next bytes of the stream belong. Never full, if every packet that has arrived
    /// was taken out before.
    pub fn room(&mut self) -> Limit<&mut BytesMut> {
        if let Some(body) = &mut self.body {
            let wanted = (body.length + LOOK_AHEAD).saturating_sub(body.bytes.len());
            if body.bytes.capacity() == body.bytes.len() {
                // Amortised, so that growing costs one copy of the message at the most.
                body.bytes
                    .reserve(wanted.min(body.bytes.len().max(FIRST_STEP)));
            }
            let room = wanted.min(body.bytes.capacity() - body.bytes.len());
            return (&mut body.bytes).limit(room);
        }
        if self.ahead.capacity() == 0 {
            self.ahead = self.pool.take(READ_AHEAD);
        }
        let free = self.ahead.capacity() - self.ahead.len();
        if self.ahead.len() < HEADER_LENGTH && free < READ_AHEAD / 2 {
            // Moves back to the start of the allocation where that is possible.
            self.ahead.reserve(READ_AHEAD - HEADER_LENGTH);
        }
        let wanted = if self.last_was_large {
            LOOK_AHEAD
        } else {
            READ_AHEAD
        };
        let room = wanted.min(self.ahead.capacity() - self.ahead.len());
        (&mut self.ahead).limit(room)
    }

    /// Gives the read-ahead buffer back if it is empty: to be called before a long wait.
    pub fn release(&mut self) {
        if self.ahead.is_empty() && self.ahead.capacity() > 0 {
            self.pool.give_back(std::mem::take(&mut self.ahead));
        }
    }

    /// Whether the stream may end here without cutting a packet off.
    #[must_use]
    pub fn is_between_packets(&self) -> bool {
        self.ahead.is_empty() && self.body.is_none()
    }

    /// Whether exactly a header has arrived, of a packet that has more to it.
    #[must_use]
    pub fn has_header_only(&self) -> bool {
        match &self.body {
            Some(body) => body.bytes.is_empty(),
            None => self.ahead.len() == HEADER_LENGTH,
        }
    }

    /// The next packet, or None until more bytes arrive.
    ///
    /// # Errors
    /// [`FrameError`]; it repeats on every later call.
    pub fn next_packet(&mut self) -> Result<Option<Packet>, FrameError> {
        if self.body.is_some() {
            return Ok(self.finish_body());
        }
        let Some(header) = self.ahead.first_chunk::<HEADER_LENGTH>() else {
            return Ok(None);
        };
        let (kind, length) = self.read_header(*header)?;
        let whole = HEADER_LENGTH + length;
        if self.ahead.len() < whole {
            if whole > READ_AHEAD.min(self.ahead.capacity()) {
                self.start_body(kind, length);
            }
            return Ok(None);
        }
        self.last_was_large = false;
        Ok(Some(self.packet(kind, length)))
    }

    /// Checks a header and, where the first one decides, fixes the framing.
    fn read_header(&mut self, header: [u8; HEADER_LENGTH]) -> Result<(Kind, usize), FrameError> {
        let [type_byte, high, middle, low] = header;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        // [MS-SMB2] 2.1
        let kind = match (type_byte, self.framing) {
            (0x00, _) => Kind::Message,
            (0x81, Framing::Detect) => Kind::SessionRequest,
            (0x85, Framing::Netbios) => Kind::KeepAlive,
            _ => return Err(FrameError::UnexpectedType(type_byte)),
        };
        let limit = match kind {
            Kind::Message => self.largest_message(),
            Kind::SessionRequest => MAX_SESSION_REQUEST,
            Kind::KeepAlive => 0,
        };
        if length > limit {
            return Err(FrameError::TooLong { length, limit });
        }
        if self.framing == Framing::Detect && kind == Kind::Message {
            self.framing = Framing::DirectTcp;
        }
        Ok((kind, length))
    }

    /// Cuts a packet that has arrived whole in the read-ahead buffer.
    fn packet(&mut self, kind: Kind, length: usize) -> Packet {
        self.ahead.advance(HEADER_LENGTH);
        let bytes = if length <= COPIED {
            // A copy costs less than sharing, and a request that stays pending pins no more
            // memory than it is long.
            let bytes = BytesMut::from(&self.ahead[..length]);
            self.ahead.advance(length);
            bytes
        } else if length == self.ahead.len() {
            std::mem::take(&mut self.ahead)
        } else {
            self.ahead.split_to(length)
        };
        self.wrap(kind, bytes)
    }

    fn start_body(&mut self, kind: Kind, length: usize) {
        let mut bytes = self.pool.take((length + LOOK_AHEAD).min(FIRST_STEP));
        bytes.extend_from_slice(&self.ahead[HEADER_LENGTH..]);
        self.ahead.clear();
        self.release();
        self.body = Some(Body {
            kind,
            length,
            bytes,
        });
    }

    /// Cuts a large packet if it has arrived whole, and keeps what came after it.
    fn finish_body(&mut self) -> Option<Packet> {
        let Body {
            kind,
            length,
            mut bytes,
        } = self.body.take_if(|body| body.bytes.len() >= body.length)?;
        if bytes.len() > length {
            if self.ahead.capacity() == 0 {
                self.ahead = self.pool.take(READ_AHEAD);
            }
            self.ahead.extend_from_slice(&bytes[length..]);
            bytes.truncate(length);
        }
        self.last_was_large = true;
        Some(self.wrap(kind, bytes))
    }

    fn wrap(&mut self, kind: Kind, bytes: BytesMut) -> Packet {
        match kind {
            Kind::Message => Packet::Message(bytes),
            Kind::SessionRequest => {
                self.framing = Framing::Netbios;
                Packet::SessionRequest(bytes)
            }
            Kind::KeepAlive => Packet::KeepAlive,
        }
    }
}

impl fmt::Debug for Deframer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deframer")
            .field("framing", &self.framing)
            .field("largest_message", &self.largest_message)
            .field("ahead_bytes", &self.ahead.len())
            .field("body_length", &self.body.as_ref().map(|body| body.length))
            .finish_non_exhaustive()
    }
}

/// Room for small packets: some eight WRITEs of 4 KiB, or 200 requests without data.
const READ_AHEAD: usize = 32 * 1024;
/// Read beyond the end of a large message, so that the next header needs no call of its own.
const LOOK_AHEAD: usize = 4 * 1024;
/// Messages up to this length are copied out of the read-ahead buffer.
const COPIED: usize = 1024;
/// Room made for a large message before any more of it arrives; later steps double.
const FIRST_STEP: usize = 2 * 1024 * 1024;
/// A session header has 17 bits of length.
const NETBIOS_MAX_MESSAGE: usize = 0x1_FFFF;
/// Two names with scopes of the greatest length.
const MAX_SESSION_REQUEST: usize = 2 * 255;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deframer(framing: Framing) -> Deframer {
        Deframer::new(framing, 9 << 20, BufferPool::new(1 << 20))
    }

    fn packet(type_byte: u8, body: &[u8]) -> Vec<u8> {
        let [_, high, middle, low] = u32::try_from(body.len()).unwrap().to_be_bytes();
        [&[type_byte, high, middle, low], body].concat()
    }

    /// Feeds `stream` in pieces of the given lengths, in turn, and collects what comes out.
    fn run(
        deframer: &mut Deframer,
        mut stream: &[u8],
        pieces: &[usize],
    ) -> Result<Vec<Packet>, FrameError> {
        let mut packets = Vec::new();
        let mut pieces = pieces.iter().cycle();
        while !stream.is_empty() {
            let mut room = deframer.room();
            let take = (*pieces.next().unwrap())
                .max(1)
                .min(room.remaining_mut())
                .min(stream.len());
            assert!(take > 0, "no room");
            room.put_slice(&stream[..take]);
            stream = &stream[take..];
            while let Some(packet) = deframer.next_packet()? {
                packets.push(packet);
            }
            deframer.release();
        }
        Ok(packets)
    }

    fn message(bytes: &[u8]) -> Packet {
        Packet::Message(BytesMut::from(bytes))
    }

    // test [MS-SMB2] 2.1
    #[test]
    fn a_message_split_at_any_byte_comes_out_whole() {
        for length in [0, 1, 100, COPIED, COPIED + 1, 5000] {
            let body: Vec<u8> = (0..length).map(|i| i as u8).collect();
            let stream = packet(0, &body);
            for split in 1..=stream.len() {
                let packets = run(&mut deframer(Framing::DirectTcp), &stream, &[split]);
                assert_eq!(packets, Ok(vec![message(&body)]));
            }
        }
    }

    #[test]
    fn large_and_small_messages_in_turn_come_out_in_order() {
        let lengths = [
            70_000,
            10,
            1 << 20,
            2000,
            0,
            5 << 20,
            READ_AHEAD - 4,
            READ_AHEAD - 3,
        ];
        let bodies: Vec<Vec<u8>> = lengths
            .iter()
            .enumerate()
            .map(|(i, length)| vec![i as u8; *length])
            .collect();
        let stream: Vec<u8> = bodies.iter().flat_map(|body| packet(0, body)).collect();
        let expected: Vec<Packet> = bodies.iter().map(|body| message(body)).collect();
        for pieces in [&[usize::MAX][..], &[1 << 16], &[1448], &[1, 100_000, 3]] {
            let mut deframer = deframer(Framing::DirectTcp);
            let packets = run(&mut deframer, &stream, pieces).unwrap();
            assert!(packets == expected);
            assert!(deframer.is_between_packets());
        }
    }

    #[test]
    fn announcing_a_large_message_allocates_only_the_first_step() {
        let mut deframer = deframer(Framing::DirectTcp);
        assert_eq!(run(&mut deframer, &[0, 0x80, 0, 0, 1], &[5]), Ok(vec![]));
        assert!(deframer.body.as_ref().unwrap().bytes.capacity() <= FIRST_STEP);
        assert!(!deframer.is_between_packets());
    }

    #[test]
    fn an_idle_deframer_holds_no_buffer() {
        let mut deframer = deframer(Framing::DirectTcp);
        for body in [&[1; 100][..], &[2; 100_000]] {
            run(&mut deframer, &packet(0, body), &[usize::MAX]).unwrap();
            assert_eq!(deframer.ahead.capacity(), 0);
        }
    }

    #[test]
    fn a_small_message_pins_no_more_memory_than_it_is_long() {
        let mut deframer = deframer(Framing::DirectTcp);
        let packets = run(&mut deframer, &packet(0, &[1; 200]), &[usize::MAX]).unwrap();
        let [Packet::Message(message)] = &packets[..] else {
            panic!()
        };
        assert_eq!(message.capacity(), 200);
    }

    #[test]
    fn a_large_message_gets_its_own_buffer_even_if_it_would_fit_into_the_read_ahead_buffer() {
        let pool = BufferPool::new(1 << 20);
        pool.give_back(BytesMut::with_capacity(2 * READ_AHEAD));
        let mut deframer = Deframer::new(Framing::DirectTcp, 9 << 20, pool);
        let stream = packet(0, &[1; READ_AHEAD + 1000]);
        assert_eq!(run(&mut deframer, &stream[..100], &[100]), Ok(vec![]));
        assert!(deframer.body.is_some());
        assert_eq!(
            deframer.room().remaining_mut(),
            stream.len() - 100 + LOOK_AHEAD
        );
    }

    #[test]
    fn too_long_a_message_is_refused_from_its_header_and_stays_refused() {
        let mut deframer = deframer(Framing::DirectTcp);
        deframer.set_largest_message(1000);
        let error = FrameError::TooLong {
            length: 1001,
            limit: 1000,
        };
        assert_eq!(run(&mut deframer, &[0, 0, 0x03, 0xE9], &[4]), Err(error));
        assert_eq!(deframer.next_packet(), Err(error));
        assert_eq!(deframer.next_packet(), Err(error));
    }

    #[test]
    fn a_header_alone_is_told_from_more_and_from_less() {
        for length in [100, READ_AHEAD * 2] {
            let stream = packet(0, &vec![1; length]);
            for arrived in [0, HEADER_LENGTH - 1, HEADER_LENGTH, HEADER_LENGTH + 1] {
                let mut deframer = deframer(Framing::DirectTcp);
                run(&mut deframer, &stream[..arrived], &[arrived.max(1)]).unwrap();
                assert_eq!(deframer.has_header_only(), arrived == HEADER_LENGTH);
            }
        }
    }

    #[test]
    fn direct_tcp_knows_no_packet_but_messages() {
        for type_byte in 1..=255 {
            let error = FrameError::UnexpectedType(type_byte);
            let stream = packet(type_byte, &[]);
            assert_eq!(
                run(&mut deframer(Framing::DirectTcp), &stream, &[4]),
                Err(error)
            );
        }
    }

    #[test]
    fn a_session_request_first_makes_it_netbios() {
        let stream = [
            packet(0x81, &[7; 68]),
            packet(0x85, &[]),
            packet(0, b"hello"),
        ]
        .concat();
        let mut detecting = deframer(Framing::Detect);
        assert_eq!(
            run(&mut detecting, &stream, &[usize::MAX]),
            Ok(vec![
                Packet::SessionRequest(BytesMut::from(&[7; 68][..])),
                Packet::KeepAlive,
                message(b"hello"),
            ])
        );
        assert_eq!(detecting.framing(), Framing::Netbios);
        let second = run(&mut detecting, &packet(0x81, &[]), &[4]);
        assert_eq!(second, Err(FrameError::UnexpectedType(0x81)));

        let mut long = deframer(Framing::Netbios);
        let error = FrameError::TooLong {
            length: 0x2_0000,
            limit: 0x1_FFFF,
        };
        assert_eq!(run(&mut long, &[0, 2, 0, 0], &[4]), Err(error));
    }

    #[test]
    fn a_message_first_makes_it_direct_tcp() {
        let mut detecting = deframer(Framing::Detect);
        run(&mut detecting, &packet(0, b"hello"), &[usize::MAX]).unwrap();
        assert_eq!(detecting.framing(), Framing::DirectTcp);
        let request = run(&mut detecting, &packet(0x81, &[]), &[4]);
        assert_eq!(request, Err(FrameError::UnexpectedType(0x81)));
    }

    proptest! {
        #[test]
        fn the_pieces_a_stream_arrives_in_make_no_difference(
            lengths in proptest::collection::vec(
                prop_oneof![0..200_usize, 900..1200_usize, 30_000..40_000_usize, 60_000..150_000_usize],
                1..12,
            ),
            pieces in proptest::collection::vec(
                prop_oneof![1..10_usize, 100..5000_usize, 10_000..200_000_usize],
                1..12,
            ),
        ) {
            let bodies: Vec<Vec<u8>> =
                lengths.iter().enumerate().map(|(i, length)| vec![i as u8; *length]).collect();
            let stream: Vec<u8> = bodies.iter().flat_map(|body| packet(0, body)).collect();
            let packets = run(&mut deframer(Framing::DirectTcp), &stream, &pieces).unwrap();
            let expected: Vec<Packet> = bodies.iter().map(|body| message(body)).collect();
            prop_assert!(packets == expected);
        }

        #[test]
        fn garbage_neither_panics_nor_allocates_beyond_the_limit(
            stream in proptest::collection::vec(any::<u8>(), 0..2000),
            piece in 1..300_usize,
        ) {
            for framing in [Framing::DirectTcp, Framing::Netbios, Framing::Detect] {
                let mut deframer = deframer(framing);
                let _ = run(&mut deframer, &stream, &[piece]);
                let body = deframer.body.as_ref().map_or(0, |body| body.bytes.capacity());
                prop_assert!(deframer.ahead.capacity() + body <= FIRST_STEP + READ_AHEAD);
            }
        }
    }
}
