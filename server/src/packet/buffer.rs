//! Large reply buffers, used again and again so that a read does not fault fresh pages in.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

/// Room for headers that every size class has beyond its payload, in bytes.
const HEADROOM: usize = 4_096;
/// Payloads that the classes hold, in bytes, ascending.
const CLASSES: [usize; 3] = [64 << 10, 1 << 20, 8 << 20];

/// A bounded store of reply buffers; clones share it.
#[derive(Debug, Clone)]
pub struct BufferPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    classes: [Mutex<Vec<BytesMut>>; 3],
    /// The most bytes that each class keeps.
    kept_bytes: usize,
}

impl BufferPool {
    /// A pool that keeps at most `kept_bytes` of idle buffers in each of its three sizes.
    #[must_use]
    pub fn new(kept_bytes: usize) -> Self {
        Self(Arc::new(Inner {
            classes: Default::default(),
            kept_bytes,
        }))
    }

    /// A buffer with room for `length` bytes; its contents are whatever they were.
    #[must_use]
    pub fn take(&self, length: usize) -> BytesMut {
        let Some((class, capacity)) = class_of(length) else {
            return BytesMut::with_capacity(length);
        };
        let kept = self
            .0
            .classes
            .get(class)
            .and_then(|class| class.lock().pop());
        kept.unwrap_or_else(|| BytesMut::zeroed(capacity))
    }

    /// The bytes from `from` on, whose buffer comes back when the last reference is dropped.
    #[must_use]
    pub fn freeze(&self, buffer: BytesMut, from: usize) -> Bytes {
        if class_of_buffer(&buffer).is_none() {
            return buffer.freeze().slice(from..);
        }
        Bytes::from_owner(Lent {
            buffer,
            from,
            pool: self.clone(),
        })
    }

    fn put_back(&self, buffer: BytesMut) {
        let Some(class) = class_of_buffer(&buffer) else {
            return;
        };
        let Some(kept) = self.0.classes.get(class) else {
            return;
        };
        let mut kept = kept.lock();
        let total = kept
            .len()
            .saturating_add(1)
            .saturating_mul(buffer.capacity());
        if total <= self.0.kept_bytes {
            kept.push(buffer);
        }
    }
}

/// A buffer on its way through a socket.
struct Lent {
    buffer: BytesMut,
    from: usize,
    pool: BufferPool,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(self.from..).unwrap_or_default()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.put_back(std::mem::take(&mut self.buffer));
    }
}

fn capacity_of(class: usize) -> Option<usize> {
    CLASSES
        .get(class)
        .map(|payload| payload.saturating_add(HEADROOM))
}

/// The smallest class that holds `length` bytes; none for what the allocator serves well itself.
fn class_of(length: usize) -> Option<(usize, usize)> {
    if length <= 16 << 10 {
        return None;
    }
    (0..CLASSES.len())
        .filter_map(|class| Some((class, capacity_of(class)?)))
        .find(|(_, capacity)| *capacity >= length)
}

fn class_of_buffer(buffer: &BytesMut) -> Option<usize> {
    (0..CLASSES.len()).find(|class| capacity_of(*class) == Some(buffer.capacity()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_bytes_are_dropped() {
        let pool = BufferPool::new(4 << 20);
        let mut buffer = pool.take(1 << 20);
        buffer.truncate(100);
        let first = buffer.as_ptr();
        let bytes = pool.freeze(buffer, 10);
        assert_eq!(bytes.len(), 90);
        drop(bytes);
        assert_eq!(pool.take(1 << 20).as_ptr(), first);
    }

    #[test]
    fn a_pool_keeps_no_more_than_its_bound() {
        let pool = BufferPool::new(3 << 20);
        let buffers: Vec<_> = (0..8).map(|_| pool.freeze(pool.take(1 << 20), 0)).collect();
        drop(buffers);
        assert_eq!(pool.0.classes[1].lock().len(), 2);
    }

    #[test]
    fn small_and_huge_buffers_are_left_to_the_allocator() {
        let pool = BufferPool::new(1 << 30);
        drop(pool.freeze(pool.take(100), 0));
        drop(pool.freeze(pool.take(9 << 20), 0));
        assert!(pool.0.classes.iter().all(|class| class.lock().is_empty()));
    }
}
