//! An open's place in the store.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use parking_lot::Mutex;
use wire::LeaseKey;
use wire::dtyp::AccessMask;

use super::holding::Holder;
use super::notify::Watch;
use super::object::{LinkId, Object, StreamId};
use super::share_mode::Mode;
use super::{OpenId, StreamKind, disposition};
use crate::share::Caller;

/// An open that the store has agreed to: what every later call is about.
///
/// Cheap to clone. The open ends by [`super::ObjectStore::close`]; when the last clone is dropped
/// without that, the open ends too, but what was to be deleted stays.
#[derive(Clone)]
pub struct Attachment(Arc<Attached>);

/// The number of an attachment, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttachmentId(pub(super) u64);

/// The facts of one open, for the store alone; those that change are atomic or have a lock.
pub struct Attached {
    pub(super) id: AttachmentId,
    pub(super) object: Arc<Object>,
    pub(super) stream: StreamId,
    pub(super) link: LinkId,
    pub(super) kind: StreamKind,
    pub(super) mode: Mode,
    /// Whose caching the open shares, and is never broken by.
    pub(super) holder: Holder,
    /// The key of leases on the parent directory that this open's changes do not break.
    pub(super) parent: Option<LeaseKey>,
    pub(super) open: OpenId,
    /// Who opened it: whoever asks for a deletion by it asks as this caller.
    pub(super) caller: Caller,
    pub(super) delete_on_close: AtomicBool,
    /// The directory was marked as deleted through this open: it can no longer be watched.
    pub(super) marked_deleted: AtomicBool,
    /// Where in its life the open is, one of [`phase`].
    pub(super) phase: AtomicU8,
    /// The file was written through this open: its entry in the directory changes at the close.
    pub(super) has_written: AtomicBool,
    /// The close deletes what another open has asked to have deleted, and its own client does not know of.
    pub(super) deletes_for_others: AtomicBool,
    pub(super) watch: Mutex<Option<Arc<Watch>>>,
}

/// The phases of an attachment's life.
pub(super) mod phase {
    /// In use.
    pub(in super::super) const OPEN: u8 = 0;
    /// Closed as the last of something whose deletion is the handler's turn now.
    pub(in super::super) const DELETING: u8 = 1;
    /// Gone.
    pub(in super::super) const ENDED: u8 = 2;
}

impl Attachment {
    pub(super) fn new(attached: Attached) -> Self {
        Self(Arc::new(attached))
    }

    /// The key of leases on the directory above that this open has named as its own, if any.
    #[must_use]
    pub fn parent_key(&self) -> Option<LeaseKey> {
        self.0.parent
    }

    /// The number of this attachment.
    #[must_use]
    pub fn id(&self) -> AttachmentId {
        self.0.id
    }

    /// The caller's number of the open.
    #[must_use]
    pub fn open(&self) -> OpenId {
        self.0.open
    }

    /// The access that the open holds.
    #[must_use]
    pub fn granted_access(&self) -> AccessMask {
        self.0.mode.access
    }

    /// Whether the object is to be deleted because of this open alone.
    #[must_use]
    pub fn delete_on_close(&self) -> bool {
        self.0.delete_on_close.load(Ordering::Acquire)
    }

    /// Whether the file was written through this open.
    #[must_use]
    pub fn has_written(&self) -> bool {
        self.0.has_written.load(Ordering::Acquire)
    }

    /// Whether reads and writes can pass without asking: no byte-range lock and no oplock or lease
    /// exists on any stream of the object.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.0.object.is_quiet()
    }
}

impl Attached {
    /// The key of leases on the parent directory that what is done by this open spares now.
    pub(super) fn spares(&self) -> Option<LeaseKey> {
        let is_known = !self.deletes_for_others.load(Ordering::Acquire);
        self.parent.filter(|_| is_known)
    }

    /// Whether the open has been closed; what still waits on its behalf comes too late.
    pub(super) fn has_ended(&self) -> bool {
        self.phase.load(Ordering::Acquire) != phase::OPEN
    }
}

impl std::ops::Deref for Attachment {
    type Target = Attached;

    fn deref(&self) -> &Attached {
        &self.0
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        // The effects wake who waits when they are dropped; without deletion they break nothing.
        disposition::keep_on_close(self);
        drop(disposition::close(self));
        disposition::deleted(self);
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment")
            .field("id", &self.0.id.0)
            .finish_non_exhaustive()
    }
}
