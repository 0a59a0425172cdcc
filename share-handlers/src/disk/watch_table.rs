//! Which folders of a share are watched, for whom, and which changes are the server's own.
//!
//! Every question costs the depth of a path at most, however many folders are watched; only ending
//! a wish for a tree looks at what lies below it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use server::object_store::WatchScope;
use server::share::ObjectId;

/// What happens to a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// It comes to be.
    Added,
    /// It is gone.
    Removed,
}

/// The name in a folder that the server itself changes.
pub(super) type OwnName = (ObjectId, Vec<u8>, Kind);

/// The watches of one share.
#[derive(Default)]
pub(super) struct WatchTable {
    /// By the kernel's number: the folder's path below the root, on disk, and which folder it is.
    watches: HashMap<i32, (Vec<u8>, ObjectId)>,
    by_path: BTreeMap<Vec<u8>, i32>,
    /// How many of the watches are of this folder.
    folders: HashMap<ObjectId, usize>,
    wishes: HashMap<u64, (Vec<u8>, WatchScope)>,
    /// How many wishes there are for exactly this folder, and for all that lies below it.
    wished: HashMap<(Vec<u8>, WatchScope), usize>,
    last_wish: u64,
    own_names: HashMap<OwnName, usize>,
    /// What the server has made or closed a moment ago.
    recent: VecDeque<(Instant, ObjectId)>,
    /// A thread reads what the kernel tells.
    pub reading: bool,
}

impl WatchTable {
    /// The number of folders watched.
    pub(super) fn len(&self) -> usize {
        self.watches.len()
    }

    /// The folder that the kernel knows by this number.
    pub(super) fn folder(&self, watch: i32) -> Option<&(Vec<u8>, ObjectId)> {
        self.watches.get(&watch)
    }

    /// Enters a watch; a folder that is watched already has the same number again.
    pub(super) fn add(&mut self, watch: i32, path: &[u8], id: ObjectId) {
        self.remove(watch);
        self.by_path.insert(path.to_vec(), watch);
        self.watches.insert(watch, (path.to_vec(), id));
        *self.folders.entry(id).or_default() += 1;
    }

    /// Takes a watch out that the kernel has removed.
    pub(super) fn remove(&mut self, watch: i32) {
        let Some((path, id)) = self.watches.remove(&watch) else {
            return;
        };
        if self.by_path.get(&path) == Some(&watch) {
            self.by_path.remove(&path);
        }
        decrease(&mut self.folders, id);
    }

    /// Notes what a handle asked to be told of, and returns its number.
    pub(super) fn wish(&mut self, path: Vec<u8>, scope: WatchScope) -> u64 {
        self.last_wish += 1;
        let wish = (path, scope);
        *self.wished.entry(wish.clone()).or_default() += 1;
        self.wishes.insert(self.last_wish, wish);
        self.last_wish
    }

    /// Ends a wish, and returns the watches that nobody wants any more.
    pub(super) fn forget(&mut self, wish: u64) -> Vec<i32> {
        let Some((path, scope)) = self.wishes.remove(&wish) else {
            return Vec::new();
        };
        decrease(&mut self.wished, (path.clone(), scope));
        let concerned: Vec<_> = match scope {
            WatchScope::Directory => self.by_path.get_key_value(&path).into_iter().collect(),
            WatchScope::Tree => self.below(&path).collect(),
        };
        let unwanted = concerned
            .into_iter()
            .filter(|(path, _)| !self.is_wished(path));
        unwanted.map(|(_, watch)| *watch).collect()
    }

    fn is_wished(&self, path: &[u8]) -> bool {
        self.is_in_tree(path)
            || self
                .wished
                .contains_key(&(path.to_vec(), WatchScope::Directory))
    }

    /// Whether somebody asked for all that lies below the folder, or below one above it.
    pub(super) fn is_in_tree(&self, path: &[u8]) -> bool {
        let is_tree = |path: &[u8]| {
            let wish = (path.to_vec(), WatchScope::Tree);
            self.wished.contains_key(&wish)
        };
        let ends = path.iter().enumerate();
        let mut above = ends
            .filter(|(_, byte)| **byte == b'/')
            .map(|(end, _)| &path[..end]);
        is_tree(path) || is_tree(b"") || above.any(is_tree)
    }

    /// The watches of a folder and of those in it.
    pub(super) fn below<'a>(
        &'a self,
        path: &'a [u8],
    ) -> impl Iterator<Item = (&'a Vec<u8>, &'a i32)> {
        // What lies in the folder is not next to it: `a.b` stands between `a` and `a/b`.
        let inside = if path.is_empty() {
            Vec::new()
        } else {
            [path, b"/"].concat()
        };
        let prefix = inside.clone();
        let itself = self.by_path.get_key_value(path);
        let rest = self
            .by_path
            .range(inside..)
            .take_while(move |(other, _)| other.starts_with(&prefix))
            .filter(move |(other, _)| other.as_slice() != path);
        itself.into_iter().chain(rest)
    }

    /// Whether the kernel tells what happens in the folder.
    pub(super) fn is_watched(&self, folder: ObjectId) -> bool {
        self.folders.contains_key(&folder)
    }

    /// Announces a change of a name, though its folder be watched only by the time that it happens.
    pub(super) fn announce(&mut self, name: OwnName) {
        *self.own_names.entry(name).or_default() += 1;
    }

    /// Whether a change of a name was announced; then it is no more.
    pub(super) fn take_own(&mut self, name: &OwnName) -> bool {
        let was_announced = self.own_names.contains_key(name);
        if was_announced {
            decrease(&mut self.own_names, name.clone());
        }
        was_announced
    }

    /// Notes that the server has just done something to an object.
    pub(super) fn touched(&mut self, id: ObjectId) {
        if self.recent.len() >= MOST_RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((Instant::now(), id));
    }

    /// Whether the server did something to the object a moment ago.
    pub(super) fn was_touched(&mut self, id: ObjectId) -> bool {
        let is_over = |(at, _): &(Instant, ObjectId)| at.elapsed() > RECENT;
        while self.recent.front().is_some_and(is_over) {
            self.recent.pop_front();
        }
        self.recent.iter().any(|(_, recent)| *recent == id)
    }

    /// Forgets what the server did: nobody listens any more.
    pub(super) fn forget_own(&mut self) {
        self.own_names.clear();
        self.recent.clear();
    }
}

fn decrease<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

/// How long what the server did to an object counts as the reason of its changes.
const RECENT: Duration = Duration::from_secs(2);
const MOST_RECENT: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(file: u64) -> ObjectId {
        ObjectId { volume: 1, file }
    }

    #[test]
    fn a_watch_goes_with_the_last_wish_that_covers_it() {
        let mut table = WatchTable::default();
        for (watch, path) in [(1, &b"a"[..]), (2, b"a/b"), (3, b"a.b"), (4, b"c")] {
            table.add(watch, path, id(watch as u64));
        }
        let tree = table.wish(b"a".to_vec(), WatchScope::Tree);
        let folder = table.wish(b"a/b".to_vec(), WatchScope::Directory);
        let again = table.wish(b"a/b".to_vec(), WatchScope::Directory);
        assert!(table.is_in_tree(b"a/b/c"));
        assert!(!table.is_in_tree(b"a.b"));
        assert_eq!(table.forget(tree), [1]);
        assert!(table.forget(folder).is_empty());
        assert_eq!(table.forget(again), [2]);
        assert!(table.forget(again).is_empty(), "only once");
        let root = table.wish(Vec::new(), WatchScope::Tree);
        assert!(table.is_in_tree(b"c"));
        let mut all = table.forget(root);
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3, 4]);
    }

    #[test]
    fn a_name_is_the_servers_own_as_often_as_it_was_announced() {
        let mut table = WatchTable::default();
        let name = |folder| (id(folder), b"x".to_vec(), Kind::Added);
        table.announce(name(1));
        table.add(7, b"a", id(1));
        assert!(table.is_watched(id(1)));
        assert!(table.take_own(&name(1)), "announced before it was watched");
        table.announce(name(1));
        table.announce(name(1));
        assert!(table.take_own(&name(1)));
        assert!(table.take_own(&name(1)));
        assert!(!table.take_own(&name(1)));
        table.remove(7);
        assert!(!table.is_watched(id(1)));
        assert_eq!(table.len(), 0);
    }
}
