//! Opens that outlive the server: what must be known of one to bring it back, and how it comes back.
//!
//! Bringing opens back arbitrates little: they stood beside each other before, and nobody else is there
//! yet. First all of them are entered, with what each caches, and only then the locks, beside which no
//! caching could be given any more.

use wire::{LeaseKey, NtStatus};

use super::attachment::Attachment;
use super::byte_range::{LockChange, LockElement, LockExtent};
use super::{
    BreakId, Caching, Disposition, Granted, ObjectStore, OpenRequest, disposition, lease, open,
};
use crate::share::ObjectId;

impl ObjectStore {
    /// Enters an open that was there before. It gets the caching asked for, or what of it can stand
    /// beside the others; a lease goes on from the epoch that is given. The open's own key of the lease on
    /// the directory above may be another than that which its lease was made with.
    ///
    /// # Errors
    /// `SHARING_VIOLATION` when the others exclude it; `INVALID_PARAMETER` for a lease key that belongs
    /// to another file; `INSUFFICIENT_RESOURCES`.
    pub fn restore(
        &self,
        request: &OpenRequest<'_>,
        own_parent: Option<LeaseKey>,
    ) -> Result<Granted, NtStatus> {
        let granted = open::restore(&self.shared, request, own_parent)?;
        if let Caching::Lease(asked) = &request.caching {
            let attachment = &granted.attachment;
            let mut state = attachment.object.lock();
            if let Some(stream) = state.stream_mut(attachment.stream) {
                lease::restore_epoch(stream, asked);
            }
        }
        Ok(granted)
    }

    /// Keeps note of the changes of an open's byte-range locks from now on, for
    /// [`ObjectStore::locks_to_record`].
    pub fn record_locks(&self, attachment: &Attachment) {
        let mut state = attachment.object.lock();
        if let Some(stream) = state.stream_mut(attachment.stream) {
            stream.locks.record(attachment.id);
        }
    }

    /// What is to be recorded of an open's byte-range locks, the oldest first. Whoever asks records it.
    #[must_use]
    pub fn locks_to_record(&self, attachment: &Attachment, extent: LockExtent) -> Vec<LockChange> {
        let mut state = attachment.object.lock();
        let stream = state.stream_mut(attachment.stream);
        stream.map_or_else(Vec::new, |stream| {
            stream.locks.take_to_record(attachment.id, extent)
        })
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
    use crate::object_store::{
        Arrival, Attachment, Decision, Limits, LockKind, OpenId, Range, StreamKind,
    };

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
        let granted = store.restore(&request, None)?;
        Ok(granted.attachment)
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
        let locks = |attachment| -> Vec<_> {
            let all = store.locks_to_record(attachment, LockExtent::All);
            all.into_iter().filter_map(|change| change.lock).collect()
        };
        assert_eq!(locks(&one), [lock(10), lock(0)]);
        assert_eq!(locks(&two), [], "all or none");
        assert_eq!([state(&store, &one), state(&store, &two)], ["RH", "RH"]);
        drop((one, two));
        assert!(store.is_empty());
    }

    #[test]
    fn each_change_of_a_lock_is_told_once_to_who_records_it() {
        let store = ObjectStore::new(Limits::default());
        let [one, other] = [1, 2].map(|number| restore(&store, number, "").unwrap());
        let changes = |attachment| store.locks_to_record(attachment, LockExtent::Changes);
        store.restore_locks(&one, &[lock(0)]).unwrap();
        assert_eq!(changes(&one), [], "nobody has asked for them");
        store.record_locks(&one);
        store.restore_locks(&one, &[lock(10), lock(20)]).unwrap();
        store.restore_locks(&other, &[lock(30)]).unwrap();
        let numbered = |number, lock| LockChange { number, lock };
        let come = [numbered(1, Some(lock(10))), numbered(2, Some(lock(20)))];
        assert_eq!(changes(&one), come);
        assert_eq!(changes(&one), []);
        let taken = [lock(40), lock(30)];
        let refused = store.restore_locks(&one, &taken);
        assert_eq!(refused, Err(NtStatus::LOCK_NOT_GRANTED));
        assert_eq!(changes(&one), [], "what is taken back is told neither way");
        let unlocked = store.unlock(&one, &[lock(0).range, lock(20).range]);
        assert!(matches!(unlocked.decision, Decision::Grant(())));
        assert_eq!(changes(&one), [numbered(0, None), numbered(2, None)]);
        let all = store.locks_to_record(&one, LockExtent::All);
        assert_eq!(all, [numbered(1, Some(lock(10)))]);
        assert_eq!(changes(&other), []);
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
