//! Telling who watches of what comes and goes by itself: processes that end, compartments that others make,
//! sessions and opens.
//!
//! Owns the wishes of those who watch and what was seen last. While there is a wish, a task looks every now
//! and then, for there is nothing that the kernel would tell of a process that has come. What clients change
//! through the share the server tells itself, so that is taken note of and not told again.
//!
//! ```text
//! (nobody watches) --first wish--> look, sleep, look, ... --no wish left--> (nobody watches)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use server::Environment;
use server::object_store::WatchScope;
use server::share::Name;
use wire::fscc::{CompletionFilter, FileAction};
use wire::{NtStatus, Utf16String};

use super::Worker;
use super::items::{Folder, Item, Kind, Place, Target, walk};
use crate::disk::ChangeSink;

/// The watches of one share.
pub(super) struct Watcher {
    root: Arc<dyn Folder>,
    sink: Arc<dyn ChangeSink>,
    environment: Arc<dyn Environment>,
    worker: Worker,
    every: Duration,
    state: Mutex<State>,
    /// Held by who looks: what was seen first is told first.
    looking: Mutex<()>,
}

#[derive(Default)]
struct State {
    wishes: BTreeMap<u64, (Name, WatchScope)>,
    last_wish: u64,
    /// The task runs.
    is_looking: bool,
    seen: Seen,
    /// What was deleted through the share and takes a while to be gone.
    leaving: BTreeSet<Name>,
    /// How often the share was changed through itself.
    own_changes: u64,
}

/// What folders held.
type Seen = BTreeMap<Name, BTreeMap<Utf16String, Kind>>;

impl Watcher {
    /// Tells `sink` of the folders below `root`, which are looked at so often.
    pub(super) fn new(
        root: Arc<dyn Folder>,
        sink: Arc<dyn ChangeSink>,
        environment: Arc<dyn Environment>,
        worker: Worker,
        every: Duration,
    ) -> Self {
        Self {
            root,
            sink,
            environment,
            worker,
            every,
            state: Mutex::default(),
            looking: Mutex::default(),
        }
    }

    /// Has changes in this folder told from now on; gives the number by which the wish is forgotten.
    ///
    /// # Errors
    /// `INSUFFICIENT_RESOURCES` when too many watch.
    pub(super) fn watch(self: &Arc<Self>, name: &Name, scope: WatchScope) -> Result<u64, NtStatus> {
        let (number, is_first) = {
            let mut state = self.state.lock();
            if state.wishes.len() >= MOST_WISHES {
                return Err(NtStatus::INSUFFICIENT_RESOURCES);
            }
            state.last_wish += 1;
            let number = state.last_wish;
            state.wishes.insert(number, (name.clone(), scope));
            (number, !std::mem::replace(&mut state.is_looking, true))
        };
        // Changes count from when the folder has been seen. Nobody waits for that.
        let this = Arc::clone(self);
        drop(self.worker.work(move || {
            this.look();
            Ok(())
        }));
        if is_first {
            let task = keep_looking(Arc::downgrade(self));
            self.environment.spawn(Box::pin(task));
        }
        Ok(number)
    }

    /// Ends a wish.
    pub(super) fn forget(&self, wish: u64) {
        self.state.lock().wishes.remove(&wish);
    }

    /// Something was made through the share, or moved to this name.
    pub(super) fn added(&self, name: &Name, kind: Kind) {
        let mut state = self.state.lock();
        state.own_changes += 1;
        state.leaving.remove(name);
        if let Some((folder, last)) = split(name)
            && let Some(entries) = state.seen.get_mut(&folder)
        {
            entries.insert(last, kind);
        }
    }

    /// Something was deleted through the share, or moved to another name.
    pub(super) fn removed(&self, name: &Name) {
        let mut state = self.state.lock();
        state.own_changes += 1;
        state.seen.remove(name);
        if let Some((folder, last)) = split(name)
            && let Some(entries) = state.seen.get_mut(&folder)
        {
            entries.remove(&last);
            state.leaving.insert(name.clone());
        }
    }

    /// Looks once more; false when there is nobody to tell any more.
    fn look_on(&self) -> bool {
        {
            let mut state = self.state.lock();
            if state.wishes.is_empty() {
                *state = State {
                    last_wish: state.last_wish,
                    ..State::default()
                };
                return false;
            }
        }
        self.look();
        true
    }

    /// Looks, and tells what is not as it was seen before.
    fn look(&self) {
        let _one_at_a_time = self.looking.lock();
        let (wishes, own_changes) = {
            let state = self.state.lock();
            let wishes: Vec<_> = state.wishes.values().cloned().collect();
            (wishes, state.own_changes)
        };
        let mut seen = Seen::new();
        let mut room = MOST_ENTRIES;
        for (name, scope) in wishes {
            if let Ok(Place::Found(Target::Folder(folder), _)) = walk(&self.root, &name) {
                see(&folder, &name, scope, DEEPEST, &mut room, &mut seen);
            }
        }
        let changes = {
            let mut state = self.state.lock();
            // What was seen may be from before a change or from after it: the next look tells.
            if state.own_changes != own_changes {
                return;
            }
            state.leave(&mut seen);
            let changes = differences(&state.seen, &seen);
            state.seen = seen;
            changes
        };
        for (name, action, kind) in changes {
            let filter = match kind {
                Kind::Folder => CompletionFilter::DIR_NAME,
                Kind::File => CompletionFilter::FILE_NAME,
            };
            self.sink.report(&name, action, filter);
        }
    }
}

impl State {
    /// Overlooks what has been deleted and is not gone yet.
    fn leave(&mut self, seen: &mut Seen) {
        self.leaving.retain(|name| {
            let folder =
                split(name).and_then(|(folder, last)| Some((seen.get_mut(&folder)?, last)));
            folder.is_some_and(|(entries, last)| entries.remove(&last).is_some())
        });
    }
}

/// Looks until nobody watches any more, or the share is gone.
async fn keep_looking(watcher: Weak<Watcher>) {
    while let Some(this) = watcher.upgrade() {
        let (environment, every) = (Arc::clone(&this.environment), this.every);
        let worker = this.worker.clone();
        drop(this);
        environment.sleep(every).await;
        let Some(this) = watcher.upgrade() else {
            return;
        };
        if worker.work(move || Ok(this.look_on())).await == Ok(false) {
            return;
        }
    }
}

/// Notes what is in a folder, and in those below it if the whole tree is wanted.
fn see(
    folder: &Arc<dyn Folder>,
    name: &Name,
    scope: WatchScope,
    deepest: usize,
    room: &mut usize,
    seen: &mut Seen,
) {
    let Ok(entries) = folder.entries() else {
        return;
    };
    let entries: Vec<_> = entries.into_iter().take(*room).collect();
    *room -= entries.len();
    let found = seen.entry(name.clone()).or_default();
    found.extend(entries.iter().map(|entry| (entry.name.clone(), entry.kind)));
    if scope != WatchScope::Tree || deepest == 0 {
        return;
    }
    for entry in entries.iter().filter(|entry| entry.kind == Kind::Folder) {
        if let Ok(Some((_, Item::Folder(below)))) = folder.find(&entry.name) {
            let name = name.child(entry.name.clone());
            see(&below, &name, scope, deepest - 1, room, seen);
        }
    }
}

/// What has come and gone in folders that were looked at before.
fn differences(before: &Seen, after: &Seen) -> Vec<(Name, FileAction, Kind)> {
    let mut changes = Vec::new();
    for (folder, now) in after {
        let Some(then) = before.get(folder) else {
            continue;
        };
        let gone = then.iter().filter(|(name, _)| !now.contains_key(*name));
        let come = now.iter().filter(|(name, _)| !then.contains_key(*name));
        let change = |action| {
            move |(name, kind): (&Utf16String, &Kind)| (folder.child(name.clone()), action, *kind)
        };
        changes.extend(gone.map(change(FileAction::REMOVED)));
        changes.extend(come.map(change(FileAction::ADDED)));
    }
    changes
}

fn split(name: &Name) -> Option<(Name, Utf16String)> {
    Some((name.parent()?, name.file_name()?.clone()))
}

/// Watches of one share at a time.
const MOST_WISHES: usize = 1_000;
/// Entries looked at in one go.
const MOST_ENTRIES: usize = 50_000;
/// Folders below each other in a tree that is watched.
const DEEPEST: usize = 32;
