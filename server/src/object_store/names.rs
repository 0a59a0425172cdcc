//! The names that are open: which objects are open below which directory, which of them are being
//! deleted, and who watches where.
//!
//! Owns a tree with a node for each open name and each directory above one; a node goes when
//! nothing is open at or below it. Every walk costs the depth of a name.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use wire::NtStatus;

use super::Disposition;
use super::location::{Location, PathKey};
use super::notify::Watch;
use super::object::Object;

/// All open names of all shares.
#[derive(Default)]
pub(super) struct Names {
    hash: RandomState,
    /// How many objects are marked deleted by a name; most of the time none, and then no walk is needed.
    deleted: AtomicUsize,
    /// How many watches there are.
    watches: AtomicUsize,
    /// How many directories have caching to break.
    leased: AtomicUsize,
    nodes: Mutex<Nodes>,
}

type Nodes = HashMap<PathKey, Node, BuildHasherDefault<Prehashed>>;

#[derive(Default)]
struct Node {
    /// The directory above; none for a share's root.
    parent: Option<PathKey>,
    children: HashSet<PathKey, BuildHasherDefault<Prehashed>>,
    /// The objects open by this name; more than one only when somebody outside the server replaced
    /// the file.
    objects: Vec<OpenObject>,
}

/// An object as far as it is open by one name.
struct OpenObject {
    object: Arc<Object>,
    opens: u32,
    /// The name goes with the last of them.
    deleted: bool,
    watches: Vec<Arc<Watch>>,
}

/// Keys are hashes already.
#[derive(Default)]
struct Prehashed(u64);

impl Names {
    /// The keys of the share's root, of each directory on the way, and of the object itself.
    pub(super) fn keys(&self, location: &Location<'_>) -> Vec<PathKey> {
        location.keys(&self.hash)
    }

    /// Notes that `object` is open by the name with these keys.
    pub(super) fn enter(&self, keys: &[PathKey], object: &Arc<Object>) {
        let mut nodes = self.nodes.lock();
        let Some(node) = node_at(&mut nodes, keys) else {
            return;
        };
        match node.find(object) {
            Some(open) => open.opens = open.opens.saturating_add(1),
            None => node.objects.push(OpenObject {
                object: Arc::clone(object),
                opens: 1,
                deleted: false,
                watches: Vec::new(),
            }),
        }
    }

    /// Notes that one open of `object` by this name has ended.
    pub(super) fn leave(&self, key: PathKey, object: &Arc<Object>) {
        let mut nodes = self.nodes.lock();
        let Some(node) = nodes.get_mut(&key) else {
            return;
        };
        if let Some(open) = node.find(object) {
            open.opens = open.opens.saturating_sub(1);
        }
        node.objects.retain(|open| {
            let stays = open.opens > 0;
            if !stays && open.deleted {
                self.deleted.fetch_sub(1, Ordering::AcqRel);
            }
            stays
        });
        prune(&mut nodes, key);
    }

    /// Moves all opens of `object`, with their watches and a deletion that is pending, from one name to
    /// another. Opens by that name are joined.
    pub(super) fn rename(&self, from: PathKey, to: &[PathKey], object: &Arc<Object>) {
        let mut nodes = self.nodes.lock();
        if to.last() == Some(&from) {
            return;
        }
        let Some(node) = nodes.get_mut(&from) else {
            return;
        };
        let is_it = |open: &OpenObject| Arc::ptr_eq(&open.object, object);
        let Some(place) = node.objects.iter().position(is_it) else {
            return;
        };
        let moved = node.objects.swap_remove(place);
        if let Some(node) = node_at(&mut nodes, to) {
            match node.find(object) {
                Some(open) => {
                    if open.deleted && moved.deleted {
                        self.deleted.fetch_sub(1, Ordering::AcqRel);
                    }
                    open.join(moved);
                }
                None => node.objects.push(moved),
            }
        }
        prune(&mut nodes, from);
    }

    /// The objects open by this name.
    pub(super) fn objects_at(&self, key: PathKey) -> Vec<Arc<Object>> {
        let nodes = self.nodes.lock();
        nodes
            .get(&key)
            .into_iter()
            .flat_map(Node::open_objects)
            .collect()
    }

    /// The objects open anywhere below this name, by id.
    pub(super) fn objects_below(&self, key: PathKey) -> Vec<Arc<Object>> {
        let nodes = self.nodes.lock();
        let children = |node: &Node| node.children.iter().copied().collect::<Vec<_>>();
        let mut objects: Vec<Arc<Object>> = Vec::new();
        let mut rest = nodes.get(&key).map(children).unwrap_or_default();
        while let Some(key) = rest.pop() {
            if let Some(node) = nodes.get(&key) {
                rest.extend(children(node));
                objects.extend(node.open_objects());
            }
        }
        drop(nodes);
        objects.sort_unstable_by_key(|object| object.id);
        objects
    }

    /// Marks the name of an object as being deleted, or as one that stays.
    pub(super) fn set_disposition(
        &self,
        key: PathKey,
        object: &Arc<Object>,
        disposition: Disposition,
    ) {
        let deleted = disposition == Disposition::Delete;
        let mut nodes = self.nodes.lock();
        let open = nodes.get_mut(&key).and_then(|node| node.find(object));
        let Some(open) = open.filter(|open| open.deleted != deleted) else {
            return;
        };
        open.deleted = deleted;
        if deleted {
            self.deleted.fetch_add(1, Ordering::AcqRel);
        } else {
            self.deleted.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Whether the name or a directory above it is being deleted.
    // [MS-FSA] 2.1.5.1
    pub(super) fn check_deleted(&self, location: &Location<'_>) -> Result<(), NtStatus> {
        if self.deleted.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        self.check_none_deleted(&self.keys(location))
    }

    /// Whether any of the names with these keys is being deleted.
    pub(super) fn check_none_deleted(&self, keys: &[PathKey]) -> Result<(), NtStatus> {
        if self.deleted.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let nodes = self.nodes.lock();
        if keys
            .iter()
            .any(|key| nodes.get(key).is_some_and(Node::is_deleted))
        {
            return Err(NtStatus::DELETE_PENDING);
        }
        Ok(())
    }

    /// Puts a watch on an object by the name with this key.
    pub(super) fn add_watch(&self, key: PathKey, object: &Arc<Object>, watch: &Arc<Watch>) {
        let mut nodes = self.nodes.lock();
        if let Some(open) = nodes.get_mut(&key).and_then(|node| node.find(object)) {
            open.watches.push(Arc::clone(watch));
            self.watches.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Takes a watch off an object by the name with this key.
    pub(super) fn remove_watch(&self, key: PathKey, object: &Arc<Object>, watch: &Arc<Watch>) {
        let mut nodes = self.nodes.lock();
        let Some(open) = nodes.get_mut(&key).and_then(|node| node.find(object)) else {
            return;
        };
        if let Some(place) = open.watches.iter().position(|at| Arc::ptr_eq(at, watch)) {
            open.watches.swap_remove(place);
            self.watches.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// The watches of an object by the name with this key.
    pub(super) fn watches_of(&self, key: PathKey, object: &Arc<Object>) -> Vec<Arc<Watch>> {
        let mut nodes = self.nodes.lock();
        let open = nodes.get_mut(&key).and_then(|node| node.find(object));
        open.map(|open| open.watches.clone()).unwrap_or_default()
    }

    /// Counts a directory with caching to break.
    pub(super) fn observe(&self) {
        self.leased.fetch_add(1, Ordering::AcqRel);
    }

    /// Forgets one of those.
    pub(super) fn unobserve(&self) {
        self.leased.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether anybody watches.
    pub(super) fn is_watched(&self) -> bool {
        self.watches.load(Ordering::Acquire) > 0
    }

    /// Whether anybody must hear of changes.
    pub(super) fn is_observed(&self) -> bool {
        self.is_watched() || self.leased.load(Ordering::Acquire) > 0
    }

    /// Whether anybody watches a directory above the open name with this key. Costs the depth of the
    /// name, however many watches there are elsewhere.
    pub(super) fn is_watched_above(&self, key: PathKey) -> bool {
        let nodes = self.nodes.lock();
        let parent_of = |key| nodes.get(&key).and_then(|node: &Node| node.parent);
        std::iter::successors(parent_of(key), |key| parent_of(*key))
            .any(|key| nodes.get(&key).is_some_and(Node::is_watched))
    }

    /// Whether anybody caches the directory that holds the open name with this key.
    pub(super) fn is_cached_above(&self, key: PathKey) -> bool {
        let nodes = self.nodes.lock();
        let parent = nodes.get(&key).and_then(|node| node.parent);
        let is_cached = |node: &Node| node.objects.iter().any(|open| !open.object.is_quiet());
        parent.is_some_and(|parent| nodes.get(&parent).is_some_and(is_cached))
    }

    /// Calls `visit` for each watch on each of `keys`, with the depth of the key, root first.
    pub(super) fn each_watch(&self, keys: &[PathKey], mut visit: impl FnMut(usize, &Arc<Watch>)) {
        let nodes = self.nodes.lock();
        for (depth, key) in keys.iter().enumerate() {
            for watch in nodes.get(key).into_iter().flat_map(Node::watches) {
                visit(depth, watch);
            }
        }
    }

    /// The number of nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.lock().len()
    }

    /// The number of watches.
    pub(super) fn watches(&self) -> usize {
        self.watches.load(Ordering::Acquire)
    }

    /// The number of directories with caching to break.
    pub(super) fn cached_directories(&self) -> usize {
        self.leased.load(Ordering::Acquire)
    }

    /// Whether nothing is open and nobody watches.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.lock().is_empty()
            && !self.is_observed()
            && self.deleted.load(Ordering::Acquire) == 0
    }
}

impl Node {
    fn open_objects(&self) -> impl Iterator<Item = Arc<Object>> + '_ {
        self.objects.iter().map(|open| Arc::clone(&open.object))
    }

    fn find(&mut self, object: &Arc<Object>) -> Option<&mut OpenObject> {
        let is_it = |open: &&mut OpenObject| Arc::ptr_eq(&open.object, object);
        self.objects.iter_mut().find(is_it)
    }

    fn is_deleted(&self) -> bool {
        self.objects.iter().any(|open| open.deleted)
    }

    fn watches(&self) -> impl Iterator<Item = &Arc<Watch>> {
        self.objects.iter().flat_map(|open| &open.watches)
    }

    fn is_watched(&self) -> bool {
        self.watches().next().is_some()
    }

    fn is_idle(&self) -> bool {
        self.children.is_empty() && self.objects.is_empty()
    }
}

impl OpenObject {
    /// Takes what is the same object's and has come to the same name.
    fn join(&mut self, other: Self) {
        self.opens = self.opens.saturating_add(other.opens);
        self.deleted |= other.deleted;
        self.watches.extend(other.watches);
    }
}

/// The node at the end of `keys`, made with all nodes above it if it is not there.
fn node_at<'a>(nodes: &'a mut Nodes, keys: &[PathKey]) -> Option<&'a mut Node> {
    let (mut child, parents) = keys.split_last()?;
    let last = child;
    if !nodes.contains_key(last) {
        for parent in parents.iter().rev() {
            nodes.entry(*child).or_default().parent = Some(*parent);
            let known = nodes.contains_key(parent);
            nodes.entry(*parent).or_default().children.insert(*child);
            if known {
                break;
            }
            child = parent;
        }
    }
    Some(nodes.entry(*last).or_default())
}

/// Removes the node and those above it as far as they serve nothing.
fn prune(nodes: &mut Nodes, mut key: PathKey) {
    while nodes.get(&key).is_some_and(Node::is_idle) {
        let Some(parent) = nodes.remove(&key).and_then(|node| node.parent) else {
            return;
        };
        if let Some(node) = nodes.get_mut(&parent) {
            node.children.remove(&key);
        }
        key = parent;
    }
}

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use crate::object_store::scripts::words::{location, name, open_to_read as open};
    use crate::object_store::*;
    use wire::fscc::CompletionFilter;

    #[test]
    fn a_change_meets_the_watches_above_it_and_none_of_ten_thousand_others() {
        let store = ObjectStore::new(Limits::default());
        let request = WatchRequest {
            filter: CompletionFilter::FILE_NAME,
            scope: WatchScope::Tree,
            room_bytes: 1000,
        };
        let mut waits = Vec::new();
        for number in 0..10_000 {
            let directory = open(&store, &format!("watched\\{number}"), number);
            let outcome = store.watch(&directory, &request);
            waits.push((directory, outcome));
        }
        let visits = |text: &str| {
            let keys = store.shared.names.keys(&location(&name(text)));
            let mut visits = 0;
            store.shared.names.each_watch(&keys, |_, _| visits += 1);
            visits
        };
        let elsewhere = open(&store, "elsewhere\\deep\\file", 10_001);
        assert!(!store.is_watched(&elsewhere) && !store.hears_of(&elsewhere));
        assert_eq!(visits("elsewhere\\deep\\file"), 0);
        let below = open(&store, "watched\\77\\file", 10_002);
        assert!(store.is_watched(&below) && store.hears_of(&below));
        assert_eq!(visits("watched\\77\\file"), 1);
        drop((waits, elsewhere, below));
        assert!(store.shared.is_empty());
    }
}
