//! The room of a READ reply: handlers fill the reply's own buffer.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::BytesMut;

/// Where a handler puts the bytes it reads: a stretch of the reply's own buffer, behind the space
/// reserved for headers.
///
/// The memory is initialised (it may hold bytes of earlier replies, which are never sent: only
/// what the handler reports as read leaves the server).
#[derive(Debug)]
pub struct ReplyRoom {
    buffer: BytesMut,
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
        let total = head.saturating_add(length);
        if buffer.len() < total {
            buffer.resize(total, 0);
        }
        Self {
            buffer,
            head,
            length,
            region: None,
            region_allowed: false,
            is_partial: false,
        }
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
        self.buffer.get_mut(self.head..end).unwrap_or_default()
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
