//! The object store: who may do what to an object while others have it open.
//!
//! Owns share modes, pending deletion, byte-range locks, change notification, oplocks and leases,
//! by the algorithms of [MS-FSA]. Knows no packet, no disk and no clock, blocks nobody and sends
//! nothing: each call returns a [`Decision`] and the [`Effects`] that the caller carries out.
//!
//! An object is known by the [`ObjectId`] that its handler reports, its streams by their folded
//! names. CREATE first has the handler open the name without harm, then calls
//! [`ObjectStore::open`] until it grants or denies, and only then does what destroys:
//!
//! ```text
//! store.check_path(location)?              nothing on the way is being deleted
//! handler.open(..)                         identity, no harm
//! loop { store.open(request) }             Wait: await, again   Deny: handler.close   Grant: go on
//! handler.set(Overwrite)                   the harm
//! ...                                      check_read, check_write, lock, prepare, watch, report
//! store.close(attachment)                  says what the last close deletes
//! handler.close(..), store.deleted(..)     the name is free again
//! ```
//!
//! Locks are taken in this order and never the other way: shard, object, then one of the name
//! table, the lease table or a watch. A waiter's own lock comes last of all.

mod attachment;
mod byte_range;
mod census;
mod disposition;
mod effect;
mod held;
mod holding;
mod lease;
mod location;
mod lock_sequence;
mod lost_names;
mod names;
mod notify;
mod object;
mod open;
mod oplock;
mod rename;
mod restored;
mod share_mode;
mod wait;

#[cfg(test)]
mod scripts;
#[cfg(test)]
mod stress;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use wire::create::ShareAccess;
use wire::dtyp::{AccessMask, Guid};
use wire::{LeaseKey, NtStatus, OplockLevel};

pub use wire::create::LeaseState;

pub use attachment::{Attachment, AttachmentId};
pub use byte_range::{Blocking, ListedLock, LockChange, LockElement, LockExtent, LockKind, Range};
pub use census::Census;
pub use effect::{Decision, Effect, Effects, LeaseBreak, OplockBreak, Outcome};
pub use held::Held;
pub use lease::{LeaseGrant, LeaseRequest, LeaseVersion};
pub use location::{Location, NameCase};
pub use lock_sequence::{LockSequences, Replay};
pub use lost_names::Moment;
pub use notify::{Change, Changes, WatchRequest, WatchScope};
pub use oplock::{Operation, spares_oplocks};
pub use rename::{Rename, RenameKind};
pub use wait::{Turn, Waiter, Wakeup};

use crate::share::{Caller, ObjectId};
use object::Shared;

/// Everything that opens of all shares contend for. Cheap to share: methods take `&self`.
pub struct ObjectStore {
    shared: Arc<Shared>,
}

/// Upper bounds, so that no client can grow the store without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Byte-range locks granted on one stream.
    pub locks: usize,
    /// Lock requests that wait on one stream.
    pub waiting_locks: usize,
    /// CHANGE_NOTIFY requests that wait on one open.
    pub waiting_notifies: usize,
    /// Bytes of changes kept between two CHANGE_NOTIFY requests of one open, whatever it asked for.
    pub notify_buffer_bytes: u32,
    /// Operations that wait for oplock and lease breaks on one object.
    pub waiting_breaks: usize,
}

/// A share, as far as the store tells shares apart: names are unique within one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShareId(pub u32);

/// The caller's own number of an open, handed back in [`OplockBreak`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpenId(pub u64);

/// One break of one oplock or lease; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BreakId {
    object: ObjectId,
    number: u64,
}

/// An open that the handler has made and the store must agree to.
#[derive(Debug, Clone, Copy)]
pub struct OpenRequest<'a> {
    /// What was opened.
    pub object: ObjectId,
    /// Its stored name, with the stream.
    pub location: Location<'a>,
    /// What kind of stream was opened.
    pub kind: StreamKind,
    /// Who opens it.
    pub caller: &'a Caller,
    /// What the open does to what it found.
    pub arrival: Arrival,
    /// The access that the client asked for, generic bits mapped and `MAXIMUM_ALLOWED` resolved,
    /// without what the disposition implies.
    pub desired_access: AccessMask,
    /// The access that the open holds.
    pub granted_access: AccessMask,
    /// What the open lets others do meanwhile.
    pub share_access: ShareAccess,
    /// FILE_DELETE_ON_CLOSE.
    pub delete_on_close: bool,
    /// The oplock or lease wanted.
    pub caching: Caching,
    /// The caller's number of the open.
    pub open: OpenId,
    /// When the name was looked up, from [`ObjectStore::moment`].
    pub looked_up: Moment,
}

/// What kind of stream an open is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// A file's contents, or a named stream of a file or directory.
    Data,
    /// A directory itself.
    Directory,
}

/// What an open does to what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The object or stream is new.
    Created,
    /// FILE_OPEN, or FILE_OPEN_IF that met an existing object.
    Opened,
    /// FILE_OVERWRITE or FILE_OVERWRITE_IF that met an existing object.
    Overwritten,
    /// FILE_SUPERSEDE that met an existing object.
    Superseded,
}

/// The caching that an open asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caching {
    /// None.
    None,
    /// An oplock: `II`, `EXCLUSIVE` or `BATCH`.
    Oplock(OplockLevel),
    /// A lease.
    Lease(LeaseRequest),
}

/// The caching that an open got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantedCaching {
    /// An oplock, or `NONE`.
    Oplock(OplockLevel),
    /// A lease, maybe with no state at all.
    Lease(LeaseGrant),
}

/// An open that the store has agreed to.
#[derive(Debug)]
pub struct Granted {
    /// The open's place in the store.
    pub attachment: Attachment,
    /// Its oplock or lease.
    pub caching: GrantedCaching,
}

/// What the end of an open means.
#[must_use = "what is to be deleted must be deleted"]
#[derive(Debug)]
pub struct Closed {
    /// What is to be deleted now.
    pub delete: Deletion,
    /// What must be done for others.
    pub effects: Effects,
}

/// What the last close deletes, and who was the first to ask for it: the deletion is that caller's,
/// whoever closes last.
#[derive(Debug, Clone)]
pub enum Deletion {
    /// Nothing.
    Nothing,
    /// The stream that the open was for.
    Stream(Caller),
    /// The file's name, even where this open was for a named stream of it.
    File(Caller),
}

/// Whether an object is to be deleted at its last close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// It stays.
    Keep,
    /// It goes.
    Delete,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            locks: 65_536,
            waiting_locks: 8_192,
            waiting_notifies: 512,
            notify_buffer_bytes: 65_536,
            waiting_breaks: 8_192,
        }
    }
}

impl ObjectStore {
    /// An empty store.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            shared: Arc::new(Shared::new(limits)),
        }
    }

    /// Whether nothing is left of any open: no share mode, lock, lease, name or listener.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shared.is_empty()
    }

    /// How much the store holds; a walk through all of it.
    #[must_use]
    pub fn census(&self) -> Census {
        census::take(&self.shared)
    }

    /// Up to `most` locks and requests that wait for one, in no order.
    #[must_use]
    pub fn all_locks(&self, most: usize) -> Vec<ListedLock> {
        self.shared.locks(most)
    }

    /// Checks, before the handler opens or creates, that neither the name nor a directory above it
    /// is being deleted, and that a lease asked for is not already one on another file.
    ///
    /// # Errors
    /// `DELETE_PENDING`; `INVALID_PARAMETER` for the lease.
    pub fn check_path(&self, location: &Location<'_>, caching: &Caching) -> Result<(), NtStatus> {
        // [MS-FSA] 2.1.5.1
        self.shared.names.check_deleted(location)?;
        // [MS-SMB2] 3.3.5.9.8
        lease::check_name(&self.shared, location, caching)
    }

    /// The moment to note before a handler looks a name up.
    #[must_use]
    pub fn moment(&self) -> Moment {
        self.shared.lost_names.now()
    }

    /// Arbitrates an open; after `Wait`, await and call again with the same request.
    ///
    /// # Errors
    /// `SHARING_VIOLATION`, `DELETE_PENDING`; `INVALID_PARAMETER` for a lease key that belongs to
    /// another file; `INSUFFICIENT_RESOURCES` over a limit; `RETRY` when the object has lost its
    /// name since it was looked up, which is for the caller to do again.
    pub fn open(&self, request: &OpenRequest<'_>) -> Outcome<Granted> {
        open::open(&self.shared, request)
    }

    /// Whether share modes as they are now would let this open in.
    #[must_use]
    pub fn is_shared(&self, request: &OpenRequest<'_>) -> bool {
        open::is_shared(&self.shared, request)
    }

    /// Ends an open: releases its locks, oplock and watch, and tells whether it was the last one of
    /// something to be deleted. A second call does nothing.
    ///
    /// For an open with delete-on-close of a directory that is not empty, call
    /// [`ObjectStore::keep_on_close`] first.
    pub fn close(&self, attachment: &Attachment) -> Closed {
        disposition::close(attachment)
    }

    /// Tells that the handler has done what [`Closed::delete`] asked for, with or without success:
    /// until then, nobody can open what is being deleted.
    pub fn deleted(&self, attachment: &Attachment) {
        disposition::deleted(attachment);
    }

    /// Takes delete-on-close back from one open.
    pub fn keep_on_close(&self, attachment: &Attachment) {
        disposition::keep_on_close(attachment);
    }

    /// Sets or clears pending deletion (FileDispositionInformation); after `Wait`, await and call
    /// again. The caller has checked DELETE access and asked the handler with `check_delete`.
    pub fn set_delete(&self, attachment: &Attachment, disposition: Disposition) -> Outcome<()> {
        disposition::set_delete(attachment, disposition)
    }

    /// Whether the name or stream of this open is to be deleted.
    #[must_use]
    pub fn is_delete_pending(&self, attachment: &Attachment) -> bool {
        disposition::is_delete_pending(attachment)
    }

    /// What the open caches now.
    #[must_use]
    pub fn held(&self, attachment: &Attachment) -> Held {
        held::held(attachment)
    }

    /// Whether `location` is the present name of what is open, or that has none any more.
    #[must_use]
    pub fn is_named(&self, attachment: &Attachment, location: &Location<'_>) -> bool {
        held::is_named(attachment, location)
    }

    /// Breaks what others cache and the operation would make stale; after `Wait`, await and call
    /// again. Reads, writes and renames have their own calls that include this.
    pub fn prepare(&self, attachment: &Attachment, operation: Operation) -> Outcome<()> {
        oplock::prepare(attachment, operation)
    }

    /// Agrees to a rename or a further link; after `Wait`, await and call again. Call
    /// [`ObjectStore::renamed`] once the handler has renamed.
    ///
    /// # Errors
    /// `ACCESS_DENIED` when the object is being deleted, when a directory has open objects below,
    /// or when the file to be replaced is open; `DELETE_PENDING` when that one is being deleted;
    /// `SHARING_VIOLATION` when the target directory is open in a way that forbids a new entry.
    pub fn check_rename(&self, attachment: &Attachment, rename: &Rename<'_>) -> Outcome<()> {
        rename::check(attachment, rename)
    }

    /// Notes that the object of this open now has the name `to` (as stored) instead of its old
    /// one; its other opens by that name and a watch on it follow.
    pub fn renamed(&self, attachment: &Attachment, to: &Location<'_>) {
        rename::renamed(attachment, to);
    }

    /// Notes that a rename or a link has taken the name of `object`, which is gone now.
    pub fn replaced(&self, object: ObjectId) {
        self.shared.lost_names.record(object);
    }

    /// Locks all ranges or none. `Wait` yields the end of the request.
    ///
    /// # Errors
    /// `LOCK_NOT_GRANTED`; `INVALID_LOCK_RANGE` for a range past 2^64; `INVALID_PARAMETER` for a
    /// directory, or for several elements that are to wait; `FILE_CLOSED` when the open has ended;
    /// `INSUFFICIENT_RESOURCES` over a limit.
    pub fn lock(
        &self,
        attachment: &Attachment,
        elements: &[LockElement],
        blocking: Blocking,
    ) -> Outcome<(), Result<(), NtStatus>> {
        byte_range::lock(attachment, elements, blocking)
    }

    /// Ends what waits for a lock of an open, as its close would: who has asked is not there any more.
    pub fn end_waits(&self, attachment: &Attachment) -> Effects {
        byte_range::end_waits(attachment)
    }

    /// Takes back what [`ObjectStore::lock`] has granted, as if it had not: a range may have other locks of
    /// the same open, which stay.
    pub fn take_back(&self, attachment: &Attachment, elements: &[LockElement]) -> Effects {
        byte_range::take_back(attachment, elements)
    }

    /// Unlocks ranges one by one, each exactly as it was locked; stops at the first failure, and
    /// what was unlocked before stays so.
    ///
    /// # Errors
    /// `RANGE_NOT_LOCKED`, `INVALID_LOCK_RANGE`; `INVALID_PARAMETER` for a directory.
    pub fn unlock(&self, attachment: &Attachment, ranges: &[Range]) -> Outcome<()> {
        byte_range::unlock(attachment, ranges)
    }

    /// Agrees to a read. Takes no lock when the object has neither locks nor caching to break.
    ///
    /// # Errors
    /// `FILE_LOCK_CONFLICT`.
    #[inline]
    pub fn check_read(&self, attachment: &Attachment, offset: u64, length: u64) -> Outcome<()> {
        if attachment.is_quiet() {
            return Outcome::grant(());
        }
        byte_range::check_io(attachment, Operation::Read, offset, length)
    }

    /// Agrees to a write; after `Wait`, await and call again. Takes no lock when the object has
    /// neither locks nor caching to break.
    ///
    /// # Errors
    /// `FILE_LOCK_CONFLICT`.
    #[inline]
    pub fn check_write(&self, attachment: &Attachment, offset: u64, length: u64) -> Outcome<()> {
        if attachment.is_quiet() {
            return Outcome::grant(());
        }
        byte_range::check_io(attachment, Operation::Write, offset, length)
    }

    /// Asks for the next changes below a directory. `Wait` yields them.
    ///
    /// The filter, the scope and the buffer size of the first request hold for the open's life.
    ///
    /// # Errors
    /// `NOTIFY_ENUM_DIR` when more has happened than fits; `DELETE_PENDING` when the directory is
    /// being deleted; `NOTIFY_CLEANUP` when it is closed; `INVALID_PARAMETER` for what is not a
    /// directory; `INSUFFICIENT_RESOURCES` over a limit.
    pub fn watch(
        &self,
        attachment: &Attachment,
        request: &WatchRequest,
    ) -> Outcome<Changes, Result<Changes, NtStatus>> {
        notify::watch(attachment, request)
    }

    /// Tells all watches, and all holders of directory leases, of changes that belong together,
    /// such as the two names of a rename. Costs next to nothing when the server has neither.
    ///
    /// `by` is the open that made the change, if it was a client: its own parent lease stays.
    pub fn report(&self, changes: &[Change<'_>], by: Option<&Attachment>) -> Effects {
        notify::report(&self.shared, changes, by)
    }

    /// Notes that data was written through an open. Who caches the directory hears of it when that
    /// open is closed, by [`ObjectStore::report_written`]: a listing shows it only then.
    pub fn wrote(&self, attachment: &Attachment) {
        attachment.has_written.store(true, Ordering::Release);
    }

    /// Tells all watches of data written, but no holder of a directory lease.
    pub fn report_writing(&self, change: Change<'_>) -> Effects {
        let mut effects = Effects::default();
        notify::tell_watches(&self.shared, &[change], &mut effects);
        effects
    }

    /// Tells all holders of directory leases that an open is closed through which the file at
    /// `location` was written.
    // [MS-SMB2] 3.3.1.4
    pub fn report_written(&self, location: &Location<'_>, by: &Attachment) -> Effects {
        let mut effects = Effects::default();
        notify::break_above(&self.shared, location, Some(by), &mut effects);
        effects
    }

    /// Whether anybody watches what this open is for, so that the name of what was written need not
    /// be looked up for nothing.
    #[must_use]
    pub fn is_watched(&self, attachment: &Attachment) -> bool {
        notify::is_watched(attachment)
    }

    /// Whether anybody watches what this open is for or caches the directory that holds it. Costs the
    /// depth of its name, however many watches there are elsewhere.
    #[must_use]
    pub fn hears_of(&self, attachment: &Attachment) -> bool {
        notify::hears_of(attachment)
    }

    /// Whether anybody would hear of any change at all.
    #[must_use]
    pub fn has_listeners(&self) -> bool {
        self.shared.names.is_observed()
    }

    /// Takes a client's acknowledgement of an oplock break and returns the level it has now.
    ///
    /// # Errors
    /// `INVALID_DEVICE_STATE` when no break is in progress, `INVALID_PARAMETER` for level `LEASE`,
    /// `INVALID_OPLOCK_PROTOCOL` for a level that was not offered.
    pub fn acknowledge_oplock(
        &self,
        attachment: &Attachment,
        level: OplockLevel,
    ) -> (Result<OplockLevel, NtStatus>, Effects) {
        oplock::acknowledge(attachment, level)
    }

    /// Takes a client's acknowledgement of a lease break and returns the state it has now.
    ///
    /// # Errors
    /// `OBJECT_NAME_NOT_FOUND` for an unknown lease, `UNSUCCESSFUL` when no break is in progress,
    /// `REQUEST_NOT_ACCEPTED` for a state that was not offered.
    pub fn acknowledge_lease(
        &self,
        client: Guid,
        key: LeaseKey,
        state: LeaseState,
    ) -> (Result<LeaseState, NtStatus>, Effects) {
        lease::acknowledge(&self.shared, client, key, state)
    }

    /// The opens that share a lease, the oldest first; none if there is no such lease.
    #[must_use]
    pub fn lease_opens(&self, client: Guid, key: LeaseKey) -> Vec<OpenId> {
        lease::opens(&self.shared, client, key)
    }

    /// The break of a lease as it is to be told once more, with an epoch of its own; as it was where the
    /// lease has changed since.
    pub fn count_again(&self, broken: &LeaseBreak) -> LeaseBreak {
        lease::count_again(&self.shared, broken)
    }

    /// Ends a break that nobody acknowledges: it timed out or could not be sent. The holder keeps
    /// nothing. Does nothing when the break has ended otherwise.
    // [MS-SMB2] 3.3.6.1
    // [MS-SMB2] 3.3.6.5
    pub fn give_up(&self, id: BreakId) -> Effects {
        oplock::give_up(&self.shared, id)
    }
}

impl fmt::Debug for ObjectStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectStore").finish_non_exhaustive()
    }
}
