//! The folded names of folders, so that a name in another case is found, or known to be missing,
//! without reading its folder.
//!
//! Owns one index per recently used folder and one inotify instance that keeps them true: every
//! change to a folder, the server's own included, is an event that the kernel has queued before the
//! change's system call returns, and all queued events are applied before an index is asked. When
//! inotify is not to be had, or the file system's changes can come from elsewhere (network, FUSE),
//! folders are read instead: slower, never wrong.
//!
//! ```text
//! folder unknown --find--> Building (events are kept aside) --read to its end--> Ready
//! Ready --event--> Ready    Ready/Building --overflow, removal, eviction--> unknown
//! ```

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use parking_lot::Mutex;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{Mode, OFlags, RawDir};
use rustix::io::Errno;
use server::share::{ObjectId, is_short_name_of};
use wire::fscc::upcase::{eq_ignore_case, hash_ignore_case};

use super::{identity, names};

/// Finds names in folders without regard to case.
pub(super) struct NameIndex {
    hasher: RandomState,
    inotify: Option<OwnedFd>,
    table: Mutex<Table>,
}

impl NameIndex {
    /// An index for folders on a file system all of whose changes this kernel sees (`local`).
    pub(super) fn new(local: bool) -> Self {
        let flags = CreateFlags::CLOEXEC | CreateFlags::NONBLOCK;
        let inotify = if local {
            inotify::init(flags).ok()
        } else {
            None
        };
        Self {
            hasher: RandomState::new(),
            inotify,
            table: Mutex::default(),
        }
    }

    /// The name on disk in `folder` (whose identity is `id`) that is `component` but for case; none
    /// if there is none. Of several, any.
    ///
    /// # Errors
    /// What the host answers to reading the folder.
    pub(super) fn find(
        &self,
        folder: BorrowedFd<'_>,
        id: ObjectId,
        component: &[u16],
    ) -> Result<Option<Vec<u8>>, Errno> {
        let Some(inotify) = &self.inotify else {
            return scan_for(folder, component);
        };
        {
            let mut table = self.table.lock();
            self.apply_events(inotify, &mut table);
            table.clock += 1;
            let now = table.clock;
            if let Some(Folder {
                state: State::Ready(names),
                used,
                ..
            }) = table.folders.get_mut(&id)
            {
                *used = now;
                return Ok(names.find(&self.hasher, component));
            }
        }
        self.build(inotify, folder, id, component)
    }

    /// Reads the folder into a new index, while events about it are kept aside.
    fn build(
        &self,
        inotify: &OwnedFd,
        folder: BorrowedFd<'_>,
        id: ObjectId,
        component: &[u16],
    ) -> Result<Option<Vec<u8>>, Errno> {
        if !self.begin(inotify, folder, id) {
            return scan_for(folder, component);
        }
        let mut names = Names::default();
        let read = for_each_name(folder, |name| names.insert(&self.hasher, name));
        let mut table = self.table.lock();
        self.apply_events(inotify, &mut table);
        let Some(entry) = table.folders.get_mut(&id) else {
            return read.map(|()| names.find(&self.hasher, component));
        };
        if let State::Building(events) = &mut entry.state {
            for event in std::mem::take(events) {
                names.apply(&self.hasher, &event);
            }
        }
        let found = names.find(&self.hasher, component);
        let fits = names.bytes() <= MOST_BYTES;
        entry.state = State::Ready(names);
        if read.is_err() || !fits {
            table.remove(inotify, id);
        }
        table.evict(inotify);
        read.map(|()| found)
    }

    /// Watches the folder; `false` when it cannot be watched or another thread is building its
    /// index.
    fn begin(&self, inotify: &OwnedFd, folder: BorrowedFd<'_>, id: ObjectId) -> bool {
        let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let mut table = self.table.lock();
        if table.folders.contains_key(&id) {
            return false;
        }
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        let watch = identity::as_self(|| inotify::add_watch(inotify, path.as_str(), flags));
        let Ok(Ok(watch)) = watch else { return false };
        let used = table.clock;
        table.folders.insert(
            id,
            Folder {
                watch,
                used,
                state: State::Building(Vec::new()),
            },
        );
        table.watches.insert(watch, id);
        true
    }

    /// Applies all changes that the kernel has queued.
    fn apply_events(&self, inotify: &OwnedFd, table: &mut Table) {
        let mut buffer = [MaybeUninit::uninit(); EVENT_BUFFER];
        let mut reader = inotify::Reader::new(inotify, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => return,
            };
            if event.events().contains(ReadFlags::QUEUE_OVERFLOW) {
                table.clear(inotify);
                continue;
            }
            let Some(id) = table.watches.get(&event.wd()).copied() else {
                continue;
            };
            if event.events().contains(ReadFlags::IGNORED) {
                table.watches.remove(&event.wd());
                table.folders.remove(&id);
                continue;
            }
            let (Some(name), Some(folder)) = (event.file_name(), table.folders.get_mut(&id)) else {
                continue;
            };
            let added = event
                .events()
                .intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            let event = Event {
                added,
                name: name.to_bytes().into(),
            };
            match &mut folder.state {
                State::Ready(names) => names.apply(&self.hasher, &event),
                State::Building(events) if events.len() < MOST_EVENTS => events.push(event),
                State::Building(_) => table.remove(inotify, id),
            }
        }
    }
}

#[derive(Default)]
struct Table {
    folders: HashMap<ObjectId, Folder>,
    watches: HashMap<i32, ObjectId>,
    /// Counts uses, to tell which folder was used least recently.
    clock: u64,
}

impl Table {
    fn remove(&mut self, inotify: &OwnedFd, id: ObjectId) {
        if let Some(folder) = self.folders.remove(&id) {
            self.watches.remove(&folder.watch);
            // The kernel may have removed it by itself.
            let _ = inotify::remove_watch(inotify, folder.watch);
        }
    }

    fn clear(&mut self, inotify: &OwnedFd) {
        for (watch, _) in std::mem::take(&mut self.watches) {
            let _ = inotify::remove_watch(inotify, watch);
        }
        self.folders.clear();
    }

    /// Forgets the least recently used folders until the rest is within bounds.
    fn evict(&mut self, inotify: &OwnedFd) {
        loop {
            let bytes: usize = self.folders.values().map(Folder::bytes).sum();
            if bytes <= MOST_BYTES && self.folders.len() <= MOST_FOLDERS {
                return;
            }
            let oldest = self.folders.iter().min_by_key(|(_, folder)| folder.used);
            let Some((id, _)) = oldest else { return };
            let id = *id;
            self.remove(inotify, id);
        }
    }
}

struct Folder {
    watch: i32,
    used: u64,
    state: State,
}

impl Folder {
    fn bytes(&self) -> usize {
        match &self.state {
            State::Ready(names) => names.bytes(),
            State::Building(_) => 0,
        }
    }
}

enum State {
    Building(Vec<Event>),
    Ready(Names),
}

struct Event {
    added: bool,
    name: Box<[u8]>,
}

/// The names of one folder by the hash of their folded form. The names stand one behind another in
/// `text`, each after its length.
#[derive(Default)]
struct Names {
    places: HashMap<u64, Places, PassThrough>,
    text: Vec<u8>,
    /// Bytes of `text` that belong to removed names.
    wasted: usize,
}

/// Where the names with one hash stand: nearly always one.
enum Places {
    One(u32),
    Several(Vec<u32>),
}

impl Places {
    fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(place) => std::slice::from_ref(place),
            Self::Several(places) => places,
        }
    }
}

impl Names {
    fn find(&self, hasher: &RandomState, component: &[u16]) -> Option<Vec<u8>> {
        let places = self.places.get(&folded_hash(hasher, component))?;
        let names = places.as_slice().iter().map(|place| self.name(*place));
        names
            .filter(|name| eq_ignore_case(&names::from_disk(name), component))
            .map(<[u8]>::to_vec)
            .next()
    }

    fn apply(&mut self, hasher: &RandomState, event: &Event) {
        self.remove(hasher, &event.name);
        if event.added {
            self.insert(hasher, &event.name);
        }
        if self.wasted > self.text.len() / 2 + 4096 {
            self.compact(hasher);
        }
    }

    fn insert(&mut self, hasher: &RandomState, name: &[u8]) {
        let (Ok(place), Ok(length)) = (u32::try_from(self.text.len()), u8::try_from(name.len()))
        else {
            return;
        };
        self.text.push(length);
        self.text.extend_from_slice(name);
        let hash = folded_hash(hasher, &names::from_disk(name));
        self.places
            .entry(hash)
            .and_modify(|places| {
                let mut several = places.as_slice().to_vec();
                several.push(place);
                *places = Places::Several(several);
            })
            .or_insert(Places::One(place));
    }

    fn remove(&mut self, hasher: &RandomState, name: &[u8]) {
        let hash = folded_hash(hasher, &names::from_disk(name));
        let Some(places) = self.places.get(&hash) else {
            return;
        };
        let kept: Vec<u32> = places
            .as_slice()
            .iter()
            .copied()
            .filter(|place| self.name(*place) != name)
            .collect();
        self.wasted += (places.as_slice().len() - kept.len()) * (name.len() + 1);
        match kept.as_slice() {
            [] => self.places.remove(&hash),
            [place] => self.places.insert(hash, Places::One(*place)),
            _ => self.places.insert(hash, Places::Several(kept)),
        };
    }

    fn compact(&mut self, hasher: &RandomState) {
        let mut compacted = Self::default();
        let places = self
            .places
            .values()
            .flat_map(|places| places.as_slice().iter().copied());
        for place in places {
            compacted.insert(hasher, self.name(place));
        }
        *self = compacted;
    }

    fn name(&self, place: u32) -> &[u8] {
        let start = place as usize;
        let length = usize::from(self.text[start]);
        &self.text[start + 1..=start + length]
    }

    fn bytes(&self) -> usize {
        self.text.capacity() + self.places.capacity() * (size_of::<(u64, Places)>() + 1)
    }
}

fn folded_hash(hasher: &RandomState, component: &[u16]) -> u64 {
    let mut state = hasher.build_hasher();
    hash_ignore_case(component, &mut state);
    std::hash::Hasher::finish(&state)
}

/// Hashes that are hashes already.
#[derive(Clone, Copy, Default)]
struct PassThrough;

impl BuildHasher for PassThrough {
    type Hasher = PassedThrough;

    fn build_hasher(&self) -> PassedThrough {
        PassedThrough(0)
    }
}

struct PassedThrough(u64);

impl std::hash::Hasher for PassedThrough {
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

fn scan_for(folder: BorrowedFd<'_>, component: &[u16]) -> Result<Option<Vec<u8>>, Errno> {
    let mut found = None;
    for_each_name(folder, |name| {
        if found.is_none() && eq_ignore_case(&names::from_disk(name), component) {
            found = Some(name.to_vec());
        }
    })?;
    Ok(found)
}

/// The name on disk of the file that `short` is the 8.3 name of. Reads the whole folder.
pub(super) fn scan_for_short(
    folder: BorrowedFd<'_>,
    short: &[u16],
) -> Result<Option<Vec<u8>>, Errno> {
    let mut found = None;
    for_each_name(folder, |name| {
        if found.is_none() && is_short_name_of(short, &names::from_disk(name)) {
            found = Some(name.to_vec());
        }
    })?;
    Ok(found)
}

/// Reads all names of a folder, as the server itself: whoever may pass through a folder may ask for
/// a name in any case without the right to list.
fn for_each_name(folder: BorrowedFd<'_>, mut take: impl FnMut(&[u8])) -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = identity::as_self(|| rustix::fs::openat(folder, c".", flags, Mode::empty()));
    let listed = opened.map_err(|_| Errno::ACCESS)??;
    let mut buffer = Vec::with_capacity(LIST_BUFFER);
    let mut entries = RawDir::new(listed.as_fd(), buffer.spare_capacity_mut());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") && !names::is_on_its_way(name) {
            take(name);
        }
    }
    Ok(())
}

/// Bounds of what a share's indexes may hold: 64 MiB are about two million names.
const MOST_BYTES: usize = 64 << 20;
const MOST_FOLDERS: usize = 1024;
/// Changes kept aside while a folder is read; with more, its index is given up.
const MOST_EVENTS: usize = 100_000;
const EVENT_BUFFER: usize = 4096;
const LIST_BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    struct Folder {
        directory: tempfile::TempDir,
        opened: OwnedFd,
    }

    impl Folder {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let opened = File::open(directory.path()).unwrap().into();
            Self { directory, opened }
        }

        fn path(&self, name: &str) -> std::path::PathBuf {
            self.directory.path().join(name)
        }

        fn find(&self, index: &NameIndex, name: &str) -> Option<String> {
            let id = ObjectId { volume: 1, file: 1 };
            let found = index.find(self.opened.as_fd(), id, &units(name)).unwrap();
            found.map(|name| String::from_utf8(name).unwrap())
        }
    }

    #[test]
    fn names_are_found_in_any_case_and_followed_through_changes() {
        for index in [NameIndex::new(true), NameIndex::new(false)] {
            let folder = Folder::new();
            fs::write(folder.path("Grüße.TXT"), "").unwrap();
            assert_eq!(folder.find(&index, "gRÜSSE.txt"), None);
            assert_eq!(
                folder.find(&index, "grÜße.txt").as_deref(),
                Some("Grüße.TXT")
            );
            fs::write(folder.path("Second"), "").unwrap();
            assert_eq!(folder.find(&index, "SECOND").as_deref(), Some("Second"));
            fs::rename(folder.path("Second"), folder.path("sEcond")).unwrap();
            assert_eq!(folder.find(&index, "SECOND").as_deref(), Some("sEcond"));
            fs::remove_file(folder.path("sEcond")).unwrap();
            assert_eq!(folder.find(&index, "SECOND"), None);
        }
    }

    #[test]
    fn two_names_that_differ_in_case_are_both_kept() {
        let index = NameIndex::new(true);
        let folder = Folder::new();
        fs::write(folder.path("A"), "").unwrap();
        fs::write(folder.path("a"), "").unwrap();
        assert!(folder.find(&index, "A").is_some());
        fs::remove_file(folder.path("A")).unwrap();
        assert_eq!(folder.find(&index, "A").as_deref(), Some("a"));
    }

    #[test]
    fn changes_while_the_folder_is_read_are_not_lost() {
        let index = NameIndex::new(true);
        let folder = Folder::new();
        for number in 0..3_000 {
            fs::write(folder.path(&format!("Old{number}")), "").unwrap();
        }
        let path = folder.directory.path().to_owned();
        let changer = std::thread::spawn(move || {
            for number in 0..3_000 {
                fs::rename(
                    path.join(format!("Old{number}")),
                    path.join(format!("New{number}")),
                )
                .unwrap();
            }
        });
        folder.find(&index, "x");
        changer.join().unwrap();
        for number in 0..3_000 {
            assert!(
                folder.find(&index, &format!("NEW{number}")).is_some(),
                "{number}"
            );
            assert_eq!(
                folder.find(&index, &format!("OLD{number}")),
                None,
                "{number}"
            );
        }
    }

    #[test]
    fn a_removed_folder_is_forgotten() {
        let index = NameIndex::new(true);
        let parent = tempfile::tempdir().unwrap();
        fs::create_dir(parent.path().join("sub")).unwrap();
        let id = ObjectId { volume: 1, file: 2 };
        let opened: OwnedFd = File::open(parent.path().join("sub")).unwrap().into();
        assert_eq!(index.find(opened.as_fd(), id, &units("x")), Ok(None));
        fs::remove_dir(parent.path().join("sub")).unwrap();
        drop(opened);
        let other = Folder::new();
        fs::write(other.path("X"), "").unwrap();
        let found = index.find(other.opened.as_fd(), id, &units("x")).unwrap();
        assert_eq!(
            found.as_deref(),
            Some(Path::new("X").as_os_str().as_bytes())
        );
    }

    #[test]
    fn names_are_compacted_after_many_changes() {
        let hasher = RandomState::new();
        let mut names = Names::default();
        for round in 0..2_000 {
            let name = format!("name{}", round % 10);
            names.apply(
                &hasher,
                &Event {
                    added: round % 3 != 0,
                    name: name.as_bytes().into(),
                },
            );
        }
        assert!(names.text.len() < 16_384);
    }
}
