//! Putting replies together: compounding, padding, signing and sealing, all in one buffer.
//!
//! The buffer starts with room for a transform header, so that a sealed frame is encrypted where
//! it stands. A READ's data is read straight into it, behind its own header.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use wire::read::ReadResponse;
use wire::transform::{TransformFlags, TransformHeader};
use wire::{Encode, Header, HeaderFlags, Writer};

use super::buffer::BufferPool;
use crate::session::{Channel, Session};
use crate::share::{FileRegion, ReplyRoom};

/// Bytes to send as one transport message.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Everything, or everything before the region.
    pub head: Bytes,
    /// File contents that follow the head.
    pub region: Option<FileRegion>,
}

impl Frame {
    /// The length of the whole frame, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        let region = self.region.as_ref().map_or(0, |region| region.length);
        self.head
            .len()
            .saturating_add(usize::try_from(region).unwrap_or(usize::MAX))
    }
}

/// Who signs a message, if anybody.
pub(crate) type Signer = Option<Arc<Channel>>;

/// The replies of one job that have not been sent yet.
#[derive(Debug)]
pub(crate) struct ReplyBuffer {
    pool: BufferPool,
    out: BytesMut,
    /// Where the last message starts and who signs it; it is completed when the next one
    /// starts, because padding and NextCommand are signed too.
    last: Option<(usize, Signer)>,
    /// Where the next message starts, once the last one has been completed for it.
    begun: Option<usize>,
    count: usize,
    region: Option<FileRegion>,
}

impl ReplyBuffer {
    pub(crate) fn new(pool: BufferPool) -> Self {
        Self {
            pool,
            out: BytesMut::new(),
            last: None,
            begun: None,
            count: 0,
            region: None,
        }
    }

    /// Whether no reply is waiting.
    pub(crate) fn is_empty(&self) -> bool {
        self.last.is_none()
    }

    /// Appends a reply.
    pub(crate) fn append(&mut self, header: &Header, body: &impl Encode, signer: Signer) {
        let start = self.begin(0);
        let mut writer = Writer::resume(&mut self.out, start);
        header.encode(&mut writer);
        body.encode(&mut writer);
        self.complete_later(start, signer);
    }

    /// Lends the room of a READ reply of at most `length` bytes. It comes back by
    /// [`ReplyBuffer::append_data`] or [`ReplyBuffer::give_back`].
    pub(crate) fn lend_room(&mut self, length: usize) -> ReplyRoom {
        let start = self.begin(length);
        let head = start.saturating_add(READ_HEAD);
        ReplyRoom::new(std::mem::take(&mut self.out), head, length).pooled(self.pool.clone())
    }

    /// Takes an unused room back, as if it had never been lent.
    pub(crate) fn give_back(&mut self, room: ReplyRoom) {
        let Some(start) = room.head().checked_sub(READ_HEAD) else {
            // The buffer was lost with the work that was to fill it, and the replies in it too.
            self.count = 0;
            return;
        };
        self.out = room.into_parts().0;
        self.out.truncate(start);
        self.begun = Some(start);
    }

    /// Appends a READ reply whose first `filled` bytes of data are in `room`.
    pub(crate) fn append_data(
        &mut self,
        header: &Header,
        room: ReplyRoom,
        filled: u32,
        signer: Signer,
    ) {
        let head = room.head();
        let start = head.saturating_sub(READ_HEAD);
        let (out, region) = room.into_parts();
        self.out = out;
        let in_memory = if region.is_some() { 0 } else { filled };
        let end = head.saturating_add(usize::try_from(in_memory).unwrap_or_default());
        self.out.truncate(end);
        self.region = region;
        let mut encoded = BytesMut::with_capacity(Header::SIZE);
        header.encode(&mut Writer::new(&mut encoded));
        let head_end = start.saturating_add(Header::SIZE);
        if let Some(place) = self.out.get_mut(start..head_end) {
            place.copy_from_slice(&encoded);
        }
        if let Some(place) = self.out.get_mut(head_end..head) {
            ReadResponse::write_head(place, filled);
        }
        self.complete_later(start, signer);
    }

    /// Completes the frame: pads, signs and, for a `sealer`, encrypts. None when no reply waits.
    pub(crate) fn finish(&mut self, sealer: Option<&Session>) -> Option<Frame> {
        self.last.as_ref()?;
        // [MS-SMB2] 3.3.4.1.3
        if self.count > 1 {
            self.pad();
        }
        self.sign_last(0, sealer.is_some());
        let mut out = std::mem::take(&mut self.out);
        self.count = 0;
        let sealing = sealer.and_then(|session| Some((session, session.sealing_key()?)));
        let from = match sealing {
            // [MS-SMB2] 3.3.4.1.4
            Some((session, key)) => {
                let header = TransformHeader {
                    signature: [0; 16],
                    nonce: [0; 16],
                    original_message_size: message_length(&out),
                    flags: TransformFlags::ENCRYPTED,
                    session_id: session.id,
                };
                if let Some(place) = out.first_chunk_mut() {
                    *place = header.to_bytes();
                }
                if key.seal_frame(&mut out).is_err() {
                    return None;
                }
                0
            }
            None => TransformHeader::SIZE,
        };
        Some(Frame {
            head: self.pool.freeze(out, from),
            region: self.region.take(),
        })
    }

    /// Completes the last message and returns where the next one starts.
    fn begin(&mut self, data_length: usize) -> usize {
        if let Some(start) = self.begun.take() {
            return start;
        }
        if self.last.is_some() {
            self.pad();
            let next = self.out.len();
            self.sign_last(next, false);
            return next;
        }
        // The room of a large READ comes from the pool, and only if it is asked for.
        let small = HEADS.saturating_add(data_length).max(SMALL_REPLY);
        let room = if small > SMALL_ROOM {
            SMALL_REPLY
        } else {
            small
        };
        self.out = BytesMut::with_capacity(room);
        self.out.resize(TransformHeader::SIZE, 0);
        TransformHeader::SIZE
    }

    fn complete_later(&mut self, start: usize, signer: Signer) {
        self.last = Some((start, signer));
        self.count = self.count.saturating_add(1);
    }

    fn pad(&mut self) {
        let start = self.last.as_ref().map_or(0, |(start, _)| *start);
        Writer::resume(&mut self.out, start).pad_to(8);
    }

    /// Sets NextCommand of the last message, which ends at `next` unless that is 0, and signs.
    fn sign_last(&mut self, next: usize, sealed: bool) {
        let Some((start, signer)) = self.last.take() else {
            return;
        };
        let Some(message) = self.out.get_mut(start..) else {
            return;
        };
        if next != 0 {
            let offset = u32::try_from(next.saturating_sub(start)).unwrap_or_default();
            set_u32(message, Header::NEXT_COMMAND_OFFSET, offset);
        }
        // [MS-SMB2] 3.3.4.1.1
        // A sealed frame carries no signatures.
        if let Some(channel) = signer.filter(|_| !sealed) {
            let flags = HeaderFlags::SIGNED.bits();
            let old = get_u32(message, Header::FLAGS_OFFSET);
            set_u32(message, Header::FLAGS_OFFSET, old | flags);
            // Cannot fail: the message holds a whole header.
            let _ = channel.signing_key.sign(message);
        }
    }
}

/// What a reply with data has before them, at the start of a frame.
const HEADS: usize = TransformHeader::SIZE + READ_HEAD;

/// What a READ reply has before its data.
const READ_HEAD: usize = Header::SIZE + ReadResponse::HEAD_SIZE;

/// Up to this much the allocator serves READs well itself.
const SMALL_ROOM: usize = 16 << 10;

/// What most replies need: transform header, header and a small body.
const SMALL_REPLY: usize = 256;

fn message_length(frame: &BytesMut) -> u32 {
    u32::try_from(frame.len().saturating_sub(TransformHeader::SIZE)).unwrap_or(u32::MAX)
}

fn get_u32(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk::<4>);
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

fn set_u32(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(word) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) {
        *word = value.to_le_bytes();
    }
}
