//! Opens that outlive the server: what must be known of one to bring it back, and how it comes back.
//!
//! Bringing opens back arbitrates little: they stood beside each other before, and nobody else is there
//! yet. First all of them are entered, with what each caches, and only then the locks, beside which no
//! caching could be given any more.

use wire::NtStatus;

use super::attachment::Attachment;
use super::byte_range::LockElement;
use super::{
    BreakId, Caching, Disposition, Granted, ObjectStore, OpenRequest, disposition, lease, open,
};
use crate::share::ObjectId;

impl ObjectStore {
    /// Enters an open that was there before. It gets the caching asked for, or what of it can stand
    /// beside the others; a lease goes on from the epoch that is given.
    ///
    /// # Errors
    /// `SHARING_VIOLATION` when the others exclude it; `INVALID_PARAMETER` for a lease key that belongs
    /// to another file; `INSUFFICIENT_RESOURCES`.
    pub fn restore(&self, request: &OpenRequest<'_>) -> Result<Granted, NtStatus> {
        let granted = open::restore(&self.shared, request)?;
        if let Caching::Lease(asked) = &request.caching {
            let attachment = &granted.attachment;
            let mut state = attachment.object.lock();
            if let Some(stream) = state.stream_mut(attachment.stream) {
                lease::restore_epoch(stream, asked);
            }
        }
        Ok(granted)
    }

    /// The byte-range locks of an open, the oldest first.
    #[must_use]
    pub fn locks(&self, attachment: &Attachment) -> Vec<LockElement> {
        let state = attachment.object.lock();
        let stream = state.stream(attachment.stream);
        stream.map_or_else(Vec::new, |stream| stream.locks.held_by(attachment.id))
    }

    /// Gives an open that was entered by [`ObjectStore::restore`] its locks again: all of them or none.
    ///
    /// # Errors
    /// Those of [`ObjectStore::lock`].
    pub fn restore_locks(
        &self,
        attachment: &Attachment,
        locks: &[LockElement],
    ) -> Result<(), NtStatus> {
        let limit = attachment.object.limits().locks;
        let mut state = attachment.object.lock();
        let stream = state.stream_mut(attachment.stream);
        let stream = stream.ok_or(NtStatus::FILE_CLOSED)?;
        stream.locks.lock_all(locks, attachment.id, limit)
    }

    /// Has the file or stream of an open deleted with its last open, as that was so before.
    pub fn restore_disposition(&self, attachment: &Attachment, disposition: Disposition) {
        if disposition == Disposition::Delete {
            disposition::restore_delete(attachment);
        }
    }
}

impl BreakId {
    /// The object whose caching is broken.
    #[must_use]
    pub fn object(self) -> ObjectId {
        self.object
    }
}
