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

#[cfg(test)]
mod tests {
    use wire::create::ShareAccess;
    use wire::dtyp::AccessMask;

    use super::*;
    use crate::object_store::scripts::words::{self, Words};
    use crate::object_store::{Arrival, Attachment, Limits, LockKind, OpenId, Range, StreamKind};

    /// Restores an open of one file that reads and writes and shares everything.
    fn restore(store: &ObjectStore, number: u64, caching: &str) -> Result<Attachment, NtStatus> {
        restore_sharing(store, number, caching, ShareAccess::from_bits(7))
    }

    fn restore_sharing(
        store: &ObjectStore,
        number: u64,
        caching: &str,
        share_access: ShareAccess,
    ) -> Result<Attachment, NtStatus> {
        let name = words::name("file");
        let access = AccessMask::FILE_READ_DATA.with(AccessMask::FILE_WRITE_DATA);
        let words = Words(caching.split(' ').map(str::to_owned).collect());
        let request = OpenRequest {
            object: ObjectId { volume: 1, file: 1 },
            location: words::location(&name),
            kind: StreamKind::Data,
            caller: &words::caller(0),
            arrival: Arrival::Opened,
            desired_access: access,
            granted_access: access,
            share_access,
            delete_on_close: false,
            caching: words::caching(&words),
            open: OpenId(number),
            looked_up: store.moment(),
        };
        store.restore(&request).map(|granted| granted.attachment)
    }

    fn state(store: &ObjectStore, attachment: &Attachment) -> String {
        let lease = store.held(attachment).lease();
        lease.map_or_else(String::new, |lease| words::letters(lease.state))
    }

    fn lock(offset: u64) -> LockElement {
        LockElement {
            range: Range { offset, length: 5 },
            kind: LockKind::Exclusive,
        }
    }

    #[test]
    fn opens_come_back_with_their_leases_and_then_with_their_locks() {
        let store = ObjectStore::new(Limits::default());
        let one = restore(&store, 1, "lease=1:RH client=1").unwrap();
        let two = restore(&store, 2, "lease=2:RH client=2").unwrap();
        store.restore_locks(&one, &[lock(10), lock(0)]).unwrap();
        assert_eq!(
            store.restore_locks(&two, &[lock(20), lock(12)]),
            Err(NtStatus::LOCK_NOT_GRANTED)
        );
        assert_eq!(store.locks(&one), [lock(10), lock(0)]);
        assert_eq!(store.locks(&two), [], "all or none");
        assert_eq!([state(&store, &one), state(&store, &two)], ["RH", "RH"]);
        drop((one, two));
        assert!(store.is_empty());
    }

    #[test]
    fn of_records_that_cannot_both_be_true_the_writer_gives_way_and_nobody_waits() {
        for (first, second) in [("RWH", "RH"), ("RH", "RWH"), ("RWH", "RWH")] {
            let store = ObjectStore::new(Limits::default());
            let one = restore(&store, 1, &format!("lease=1:{first} client=1")).unwrap();
            let two = restore(&store, 2, &format!("lease=2:{second} client=2")).unwrap();
            let held = store.held(&one);
            assert!(!held.breaking);
            assert_eq!([state(&store, &one), state(&store, &two)], ["RH", "RH"]);
        }
    }

    #[test]
    fn an_open_that_the_others_exclude_leaves_no_trace() {
        let store = ObjectStore::new(Limits::default());
        let one = restore_sharing(&store, 1, "", ShareAccess::NONE).unwrap();
        let two = restore(&store, 2, "lease=2:RH client=2");
        assert_eq!(two.err(), Some(NtStatus::SHARING_VIOLATION));
        drop(one);
        assert!(store.is_empty());
    }
}
