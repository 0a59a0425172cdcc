//! The room of a READ reply: handlers fill the reply's own buffer.
//!
//! The buffer is made when a handler asks for it: one that answers with a stretch of a file needs
//! none.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::BytesMut;

use crate::packet::BufferPool;

/// Where a handler puts the bytes it reads: a stretch of the reply's own buffer, behind the space
/// reserved for headers.
///
/// The memory is initialised (it may hold bytes of earlier replies, which are never sent: only
/// what the handler reports as read leaves the server).
#[derive(Debug)]
pub struct ReplyRoom {
    /// Holds what is in front of the room, and the room itself once it was asked for.
    buffer: BytesMut,
    pool: Option<BufferPool>,
    head: usize,
    length: usize,
    region: Option<FileRegion>,
    region_allowed: bool,
    is_partial: bool,
}

/// Bytes of a file that the transport may send without bringing them into memory.
#[derive(Debug, Clone)]
pub struct FileRegion {
    /// The open file.
    pub file: Arc<OwnedFd>,
    /// The first byte.
    pub offset: u64,
    /// The number of bytes; all of them existed when the region was made.
    pub length: u32,
}

impl ReplyRoom {
    /// A room of `length` bytes behind `head` bytes in `buffer`, which is lengthened to fit.
    #[must_use]
    pub fn new(mut buffer: BytesMut, head: usize, length: usize) -> Self {
        if buffer.len() < head {
            buffer.resize(head, 0);
        }
        Self {
            buffer,
            pool: None,
            head,
            length,
            region: None,
            region_allowed: false,
            is_partial: false,
        }
    }

    /// Takes a larger buffer from `pool` where the given one has no room.
    #[must_use]
    pub(crate) fn pooled(mut self, pool: BufferPool) -> Self {
        self.pool = Some(pool);
        self
    }

    /// Lets the handler answer with [`ReplyRoom::put_region`].
    #[must_use]
    pub fn allow_region(mut self) -> Self {
        self.region_allowed = true;
        self
    }

    /// The bytes to fill; as many as the client asked for.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        let end = self.head.saturating_add(self.length);
        if self.buffer.len() < end {
            self.grow(end);
        }
        self.buffer.get_mut(self.head..end).unwrap_or_default()
    }

    /// Makes the buffer `total` bytes long.
    fn grow(&mut self, total: usize) {
        if let Some(pool) = &self.pool
            && self.buffer.capacity() < total
        {
            let mut larger = pool.take(total);
            let head = self.head.min(self.buffer.len());
            if larger.len() < total {
                larger.resize(total, 0);
            }
            if let (Some(to), Some(from)) = (larger.get_mut(..head), self.buffer.get(..head)) {
                to.copy_from_slice(from);
            }
            self.buffer = larger;
        }
        if self.buffer.len() < total {
            self.buffer.resize(total, 0);
        }
    }

    /// The number of bytes before the room, which are the reply's headers.
    pub(crate) fn head(&self) -> usize {
        self.head
    }

    /// The number of bytes that may be filled.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Whether the reply is neither signed, encrypted nor compressed, so that the transport may
    /// send straight from the file.
    #[must_use]
    pub fn region_allowed(&self) -> bool {
        self.region_allowed
    }

    /// Answers with a stretch of a file instead of filling the buffer. Ignored unless
    /// [`ReplyRoom::region_allowed`].
    pub fn put_region(&mut self, region: FileRegion) {
        if self.region_allowed {
            self.region = Some(region);
        }
    }

    /// Says that more of the message that was read is left: `BUFFER_OVERFLOW` to the client.
    pub fn mark_partial(&mut self) {
        self.is_partial = true;
    }

    /// Whether [`ReplyRoom::mark_partial`] was called.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// The buffer, head included, and the region put, if any.
    #[must_use]
    pub fn into_parts(self) -> (BytesMut, Option<FileRegion>) {
        (self.buffer, self.region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_keeps_what_is_in_front_of_it_when_it_moves_to_a_larger_buffer() {
        let pool = BufferPool::new(4 << 20);
        let small = BytesMut::from(&b"head"[..]);
        let mut room = ReplyRoom::new(small, 4, 1 << 20).pooled(pool);
        assert_eq!(room.as_mut_slice().len(), 1 << 20);
        room.as_mut_slice().fill(7);
        let (buffer, _) = room.into_parts();
        assert_eq!(buffer.get(..4), Some(&b"head"[..]));
        assert_eq!(buffer.get(4..5), Some(&[7][..]));
    }

    #[test]
    fn a_room_that_nobody_asks_for_takes_no_buffer() {
        let pool = BufferPool::new(4 << 20);
        let room = ReplyRoom::new(BytesMut::with_capacity(64), 16, 1 << 20).pooled(pool);
        let (buffer, _) = room.into_parts();
        assert_eq!(buffer.len(), 16);
        assert!(buffer.capacity() < 1 << 20);
    }
}
