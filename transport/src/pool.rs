//! Buffers that are used again, so that large messages do not fault in fresh pages each time.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

/// A bounded store of unused buffers, cheap to clone and shared by any number of links.
///
/// Giving a buffer back is always optional: one that is dropped instead is simply freed.
#[derive(Clone)]
pub struct BufferPool {
    shelf: Arc<Mutex<Shelf>>,
}

struct Shelf {
    /// Unused buffers, the least recently used first.
    buffers: VecDeque<BytesMut>,
    /// Sum of their capacities.
    held_bytes: usize,
    limit_bytes: usize,
}

impl BufferPool {
    /// A pool that keeps at most `limit_bytes` of unused buffers.
    #[must_use]
    pub fn new(limit_bytes: usize) -> Self {
        let shelf = Shelf {
            buffers: VecDeque::new(),
            held_bytes: 0,
            limit_bytes,
        };
        Self {
            shelf: Arc::new(Mutex::new(shelf)),
        }
    }

    /// An empty buffer with room for at least `room` bytes.
    #[must_use]
    pub fn take(&self, room: usize) -> BytesMut {
        self.shelf().take(room).unwrap_or_else(|| {
            BytesMut::with_capacity(room.checked_next_multiple_of(GRAIN).unwrap_or(room))
        })
    }

    /// Keeps a buffer for later if nobody else uses it and there is room for it.
    pub fn give_back(&self, mut buffer: BytesMut) {
        buffer.clear();
        // What lies before the start of an advanced buffer comes back only when asked for.
        if buffer.try_reclaim(SMALLEST) {
            self.shelf().put(buffer);
        }
    }

    /// Keeps the buffer below `bytes` for later if this is the last reference to it.
    pub fn recycle(&self, bytes: Bytes) {
        if bytes.len() >= SMALLEST
            && let Ok(buffer) = bytes.try_into_mut()
        {
            self.give_back(buffer);
        }
    }

    /// Freezes a buffer so that it comes back by itself when the last slice of it is dropped.
    #[must_use]
    pub fn freeze(&self, buffer: BytesMut) -> Bytes {
        if buffer.capacity() < SMALLEST {
            return buffer.freeze();
        }
        Bytes::from_owner(Returning {
            buffer,
            pool: self.clone(),
        })
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shelf = self.shelf();
        f.debug_struct("BufferPool")
            .field("buffers", &shelf.buffers.len())
            .field("held_bytes", &shelf.held_bytes)
            .finish_non_exhaustive()
    }
}

impl Shelf {
    /// The most recently used buffer that is large enough and not wastefully so.
    fn take(&mut self, room: usize) -> Option<BytesMut> {
        let most = room.saturating_mul(2);
        let at = self
            .buffers
            .iter()
            .rposition(|buffer| (room..=most).contains(&buffer.capacity()))?;
        let buffer = self.buffers.remove(at)?;
        self.held_bytes -= buffer.capacity();
        Some(buffer)
    }

    fn put(&mut self, buffer: BytesMut) {
        if buffer.capacity() > self.limit_bytes {
            return;
        }
        self.held_bytes += buffer.capacity();
        self.buffers.push_back(buffer);
        while self.held_bytes > self.limit_bytes || self.buffers.len() > MOST_BUFFERS {
            let Some(oldest) = self.buffers.pop_front() else {
                break;
            };
            self.held_bytes -= oldest.capacity();
        }
    }
}

/// A buffer on loan to a [`Bytes`].
struct Returning {
    buffer: BytesMut,
    pool: BufferPool,
}

impl AsRef<[u8]> for Returning {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.buffer));
    }
}

/// Smaller buffers are not worth keeping: the allocator is as fast.
const SMALLEST: usize = 16 * 1024;
/// Capacities are multiples of this, so that nearly equal messages can share buffers.
const GRAIN: usize = 4 * 1024;
/// Keeps the search short.
const MOST_BUFFERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_given_back_is_the_next_one_taken() {
        let pool = BufferPool::new(1 << 20);
        let mut buffer = pool.take(100_000);
        buffer.extend_from_slice(&[1; 100_000]);
        let address = buffer.as_ptr();
        pool.give_back(buffer);
        let again = pool.take(90_000);
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
    }

    #[test]
    fn a_frozen_buffer_comes_back_when_its_last_slice_is_dropped() {
        let pool = BufferPool::new(1 << 20);
        let mut buffer = pool.take(100_000);
        buffer.extend_from_slice(&[1; 100_000]);
        let address = buffer.as_ptr();
        let bytes = pool.freeze(buffer);
        let slice = bytes.slice(500..600);
        drop(bytes);
        assert_ne!(pool.take(100_000).as_ptr(), address);
        drop(slice);
        assert_eq!(pool.take(100_000).as_ptr(), address);
    }

    #[test]
    fn recycled_bytes_come_back_only_from_their_last_holder() {
        let pool = BufferPool::new(1 << 20);
        let mut buffer = pool.take(100_000);
        buffer.extend_from_slice(&[1; 90_000]);
        let address = buffer.as_ptr();
        let bytes = buffer.freeze();
        pool.recycle(bytes.clone());
        assert_ne!(pool.take(100_000).as_ptr(), address);
        pool.recycle(bytes);
        assert_eq!(pool.take(100_000).as_ptr(), address);
    }

    #[test]
    fn no_more_is_kept_than_the_limit_and_the_oldest_goes_first() {
        let pool = BufferPool::new(300_000);
        let buffers: Vec<BytesMut> = (1..=4).map(|n| pool.take(n * 40_960)).collect();
        let newest = buffers.last().unwrap().as_ptr();
        for buffer in buffers {
            pool.give_back(buffer);
        }
        assert!(pool.shelf().held_bytes <= 300_000);
        assert_eq!(pool.take(4 * 40_960).as_ptr(), newest);
        pool.give_back(BytesMut::with_capacity(300_001));
        assert!(pool.shelf().held_bytes <= 300_000);
    }

    #[test]
    fn a_huge_buffer_is_not_spent_on_a_small_message() {
        let pool = BufferPool::new(16 << 20);
        pool.give_back(BytesMut::with_capacity(8 << 20));
        assert!(pool.take(64 << 10).capacity() < 1 << 20);
    }
}
