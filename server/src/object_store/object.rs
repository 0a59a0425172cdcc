//! Objects: files and directories that somebody has open, with their streams and names.
//!
//! Owns the table of objects and the record of each; the rules of opening, sharing, locking and
//! caching are those of the neighbouring modules.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use wire::{LeaseKey, NtStatus};

use super::attachment::AttachmentId;
use super::byte_range::{ListedLock, LockTable};
use super::effect::{Decision, Effects};
use super::holding::Oplocks;
use super::lease::Leases;
use super::location::{Location, PathKey};
use super::lost_names::LostNames;
use super::names::Names;
use super::notify::KeptBytes;
use super::oplock::is_user;
use super::share_mode::{Mode, ShareCounts};
use super::wait::{self, Completer, Turn};
use super::{Limits, StreamKind};
use crate::share::{Caller, ObjectId, StreamName};

/// What all objects share.
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) names: Names,
    pub(super) leases: Leases,
    pub(super) lost_names: LostNames,
    /// What watches keep.
    pub(super) kept_bytes: KeptBytes,
    hash: RandomState,
    shards: Vec<Mutex<Shard>>,
    next_attachment: AtomicU64,
    next_break: AtomicU64,
}

pub(super) type Shard = HashMap<ObjectId, Arc<Object>>;

/// A file or directory with at least one open.
pub(super) struct Object {
    pub(super) id: ObjectId,
    pub(super) shared: Arc<Shared>,
    /// [`LOCKED`] and [`CACHED`], so that reads and writes need not look.
    hints: AtomicU8,
    state: Mutex<FileState>,
}

/// The object's state; leaving it publishes the hints.
pub(super) struct StateGuard<'a> {
    object: &'a Object,
    state: MutexGuard<'a, FileState>,
}

/// Everything about the object that opens contend for.
#[derive(Default)]
pub(super) struct FileState {
    pub(super) links: Vec<Link>,
    pub(super) streams: Vec<Stream>,
    /// Opens of the file or directory itself that hold DELETE.
    deleters: u32,
    /// Opens of any stream that keep others from deleting the file.
    delete_refusers: u32,
    next_id: u64,
    /// Who waits for a break on any stream to end.
    waiting: VecDeque<Completer<Turn>>,
    /// Whether this is counted among those that must hear of changes.
    observes: bool,
}

/// A stream of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamId(u64);

/// A name of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LinkId(u64);

/// A name by which the object is open.
pub(super) struct Link {
    id: LinkId,
    /// The ids of links that had other names and have this one now.
    joined: Vec<LinkId>,
    pub(super) key: PathKey,
    pub(super) opens: u32,
    /// How many have ended and left the handler something to delete, which it has not done yet.
    pub(super) deleting: u32,
    /// Who asked for its deletion, while that is pending.
    pub(super) deleter: Option<Deleter>,
}

/// Who has asked for a deletion.
#[derive(Clone)]
pub(super) struct Deleter {
    pub(super) caller: Caller,
    /// The key of the leases on the directory above that are spared, as that client knows what it has asked for.
    pub(super) spares: Option<LeaseKey>,
}

/// A stream that is open.
pub(super) struct Stream {
    pub(super) id: StreamId,
    /// Folded; none for the file or directory itself.
    pub(super) name: Option<Box<[u16]>>,
    pub(super) kind: StreamKind,
    pub(super) opens: u32,
    /// Opens that use more than attributes.
    pub(super) users: u32,
    share: ShareCounts,
    /// Who asked for its deletion, while that is pending.
    pub(super) deleter: Option<Deleter>,
    pub(super) locks: LockTable,
    pub(super) oplocks: Oplocks,
}

/// Some range of some stream is locked.
const LOCKED: u8 = 1;
/// Some oplock or lease is held on some stream.
const CACHED: u8 = 2;
const SHARDS: usize = 64;

impl Shared {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            names: Names::default(),
            leases: Leases::default(),
            lost_names: LostNames::default(),
            kept_bytes: KeptBytes::default(),
            hash: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            next_attachment: AtomicU64::new(1),
            next_break: AtomicU64::new(1),
        }
    }

    pub(super) fn next_attachment(&self) -> AttachmentId {
        AttachmentId(self.next_attachment.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn next_break(&self) -> u64 {
        self.next_break.fetch_add(1, Ordering::Relaxed)
    }

    /// Up to `most` locks and waits for one. Objects are looked at one after the other, so that nobody
    /// is held up for long.
    pub(super) fn locks(&self, most: usize) -> Vec<ListedLock> {
        let mut found = Vec::new();
        for shard in &self.shards {
            let objects: Vec<_> = shard.lock().values().cloned().collect();
            let is_locked =
                |object: &&Arc<Object>| object.hints.load(Ordering::Acquire) & LOCKED != 0;
            for object in objects.iter().filter(is_locked) {
                let state = object.state.lock();
                let locks = state.streams.iter().flat_map(|stream| stream.locks.all());
                found.extend(locks.take(most.saturating_sub(found.len())));
            }
        }
        found
    }

    pub(super) fn shard(&self, id: ObjectId) -> Option<MutexGuard<'_, Shard>> {
        let count = u64::try_from(SHARDS).ok()?;
        let place = usize::try_from(self.hash.hash_one(id).checked_rem(count)?).ok()?;
        self.shards.get(place).map(Mutex::lock)
    }

    /// The object, if anybody has it open.
    pub(super) fn object(&self, id: ObjectId) -> Option<Arc<Object>> {
        self.shard(id)?.get(&id).cloned()
    }

    /// All objects, by id.
    pub(super) fn objects(&self) -> Vec<Arc<Object>> {
        let shards = self.shards.iter().map(Mutex::lock);
        let mut objects: Vec<_> = shards
            .flat_map(|shard| shard.values().cloned().collect::<Vec<_>>())
            .collect();
        objects.sort_by_key(|object| object.id);
        objects
    }

    /// Whether nothing is left of any open.
    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
            && self.names.is_empty()
            && self.leases.is_empty()
    }
}

impl Object {
    pub(super) fn new(id: ObjectId, shared: &Arc<Shared>) -> Self {
        let (hints, state) = (AtomicU8::new(0), Mutex::default());
        Self {
            id,
            shared: Arc::clone(shared),
            hints,
            state,
        }
    }

    pub(super) fn lock(&self) -> StateGuard<'_> {
        StateGuard {
            object: self,
            state: self.state.lock(),
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Whether no range is locked and nothing is cached.
    #[inline]
    pub(super) fn is_quiet(&self) -> bool {
        self.hints.load(Ordering::Acquire) == 0
    }

    /// A wait for the next end of a break on this object.
    pub(super) fn wait_for_break<T>(self: &Arc<Self>, state: &mut FileState) -> Decision<T> {
        state.waiting.retain(Completer::is_awaited);
        if state.waiting.len() >= self.limits().waiting_breaks {
            return Decision::Deny(NtStatus::INSUFFICIENT_RESOURCES);
        }
        let object = Arc::downgrade(self);
        let (completer, waiter) = wait::pair(move |_turn| {
            if let Some(object) = object.upgrade() {
                object.lock().waiting.retain(Completer::is_awaited);
            }
        });
        state.waiting.push_back(completer);
        Decision::Wait(waiter)
    }
}

impl FileState {
    pub(super) fn stream(&self, id: StreamId) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.id == id)
    }

    pub(super) fn stream_mut(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.streams.iter_mut().find(|stream| stream.id == id)
    }

    pub(super) fn stream_named(&self, name: Option<&[u16]>) -> Option<&Stream> {
        self.streams
            .iter()
            .find(|stream| stream.name.as_deref() == name)
    }

    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.iter().find(|link| link.has_id(id))
    }

    pub(super) fn link_mut(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.has_id(id))
    }

    /// Gives a link another name. One that has this name already becomes one with it.
    pub(super) fn rename_link(&mut self, id: LinkId, key: PathKey) {
        let Some(place) = self.links.iter().position(|link| link.has_id(id)) else {
            return;
        };
        let mut renamed = self.links.swap_remove(place);
        renamed.key = key;
        match self.links.iter_mut().find(|link| link.key == key) {
            Some(link) => link.join(renamed),
            None => self.links.push(renamed),
        }
    }

    /// Forgets a link that no open needs any more.
    pub(super) fn forget_link(&mut self, id: LinkId) {
        let is_needed = |link: &Link| link.opens > 0 || link.deleting > 0;
        self.links
            .retain(|link| is_needed(link) || !link.has_id(id));
    }

    /// The link with this key, made if there is none.
    pub(super) fn enter_link(&mut self, key: PathKey) -> LinkId {
        let id = match self.links.iter_mut().find(|link| link.key == key) {
            Some(link) => {
                link.opens = link.opens.saturating_add(1);
                return link.id;
            }
            None => LinkId(self.new_id()),
        };
        self.links.push(Link {
            id,
            joined: Vec::new(),
            key,
            opens: 1,
            deleting: 0,
            deleter: None,
        });
        id
    }

    /// The stream with this folded name, made if there is none; counts an open of it.
    pub(super) fn enter_stream(
        &mut self,
        name: Option<Box<[u16]>>,
        kind: StreamKind,
        mode: Mode,
    ) -> StreamId {
        self.count_file(name.is_none(), mode, |count| {
            *count = count.saturating_add(1);
        });
        let known = self.streams.iter().position(|stream| stream.name == name);
        let place = known.unwrap_or(self.streams.len());
        if known.is_none() {
            let id = StreamId(self.new_id());
            self.streams.push(Stream::new(id, name, kind));
        }
        let Some(stream) = self.streams.get_mut(place) else {
            return StreamId(0);
        };
        stream.opens = stream.opens.saturating_add(1);
        stream.users = stream.users.saturating_add(u32::from(is_user(mode.access)));
        stream.share.add(mode);
        stream.id
    }

    /// Forgets one open of a stream, but not the stream.
    pub(super) fn leave_stream(&mut self, id: StreamId, mode: Mode) {
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        stream.opens = stream.opens.saturating_sub(1);
        stream.users = stream.users.saturating_sub(u32::from(is_user(mode.access)));
        stream.share.remove(mode);
        let is_file = stream.name.is_none();
        self.count_file(is_file, mode, |count| {
            *count = count.saturating_sub(1);
        });
    }

    fn count_file(&mut self, is_file: bool, mode: Mode, step: impl Fn(&mut u32)) {
        if is_file && mode.deletes() {
            step(&mut self.deleters);
        }
        if mode.refuses_delete() {
            step(&mut self.delete_refusers);
        }
    }

    /// Whether an open with `mode` would share neither the file's deletion nor the stream as its
    /// other opens need it.
    pub(super) fn sharing_conflicts(&self, name: Option<&[u16]>, mode: Mode) -> bool {
        // [MS-FSA] 2.1.5.1.2.1
        (mode.refuses_delete() && self.deleters > 0)
            || (name.is_none() && mode.deletes() && self.delete_refusers > 0)
            // [MS-FSA] 2.1.5.1.2.2
            || self.stream_named(name).is_some_and(|stream| stream.share.conflicts_with(mode))
    }

    fn new_id(&mut self) -> u64 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }

    /// Whether anybody has a named stream open.
    pub(super) fn has_open_named_streams(&self) -> bool {
        self.streams
            .iter()
            .any(|stream| stream.name.is_some() && stream.opens > 0)
    }

    /// Whether the stream or the file goes with its last open.
    pub(super) fn is_going(&self, stream: StreamId) -> bool {
        self.links.iter().any(Link::is_deleted)
            || self.stream(stream).is_none_or(Stream::is_deleted)
    }

    /// Has all who wait for a break look again, each for itself and in the order in which they came.
    pub(super) fn wake_waiting(&mut self, effects: &mut Effects) {
        effects.wake(Turn::begin(std::mem::take(&mut self.waiting)));
    }

    /// How many wait for a break.
    pub(super) fn waiting_breaks(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody has the object open and nothing of it is being deleted.
    pub(super) fn is_idle(&self) -> bool {
        self.links.is_empty()
    }
}

impl Link {
    pub(super) fn is_deleted(&self) -> bool {
        self.deleter.is_some()
    }

    fn has_id(&self, id: LinkId) -> bool {
        self.id == id || self.joined.contains(&id)
    }

    /// Takes the opens of a link that has come to the same name.
    fn join(&mut self, other: Self) {
        self.joined.push(other.id);
        self.joined.extend(other.joined);
        self.opens = self.opens.saturating_add(other.opens);
        self.deleting = self.deleting.saturating_add(other.deleting);
        self.deleter = self.deleter.take().or(other.deleter);
    }
}

impl Stream {
    pub(super) fn is_deleted(&self) -> bool {
        self.deleter.is_some()
    }

    /// Whether a location names this stream of whatever file.
    pub(super) fn is_named(&self, location: &Location<'_>) -> bool {
        let folded = |name: &StreamName| location.case.fold(name.0.as_units());
        self.name == location.name.stream().map(folded)
    }

    fn new(id: StreamId, name: Option<Box<[u16]>>, kind: StreamKind) -> Self {
        Self {
            id,
            name,
            kind,
            opens: 0,
            users: 0,
            share: ShareCounts::default(),
            deleter: None,
            locks: LockTable::default(),
            oplocks: Oplocks::default(),
        }
    }
}

impl Deref for StateGuard<'_> {
    type Target = FileState;

    fn deref(&self) -> &FileState {
        &self.state
    }
}

impl DerefMut for StateGuard<'_> {
    fn deref_mut(&mut self) -> &mut FileState {
        &mut self.state
    }
}

impl Drop for StateGuard<'_> {
    fn drop(&mut self) {
        let (mut hints, mut observes) = (0, false);
        for stream in &self.state.streams {
            if stream.locks.has_locks() {
                hints |= LOCKED;
            }
            if !stream.oplocks.is_empty() {
                hints |= CACHED;
                observes |= stream.kind == StreamKind::Directory;
            }
        }
        self.object.hints.store(hints, Ordering::Release);
        if observes != self.state.observes {
            self.state.observes = observes;
            if observes {
                self.object.shared.names.observe();
            } else {
                self.object.shared.names.unobserve();
            }
        }
    }
}
