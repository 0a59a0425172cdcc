//! Changes that others make in the share's folder, told to whoever watches it.
//!
//! Owns one inotify instance per share and, while anybody watches, one thread that reads it. What
//! the server does itself is reported by the commands: names that it is about to make or remove are
//! announced here first, and what it has open, or had a moment ago, is not told of. Bounded in
//! folders watched; a folder beyond the bound, or without the host's leave, is served without its
//! outside changes.
//!
//! ```text
//! (nobody) --first watch--> thread reads --last handle closed: watches go, the kernel says so-->
//! (nobody)
//! ```

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::fs::{Dir, FileType, OFlags};
use server::object_store::WatchScope;
use server::share::{Name, ObjectId};
use wire::fscc::{CompletionFilter, FileAction};

use super::file::Opening;
use super::resolve::{join, link_stat, name_of, object_id};
use super::watch_events::{RawChange, start_reading};
pub(super) use super::watch_table::Kind;
use super::watch_table::WatchTable;
use super::{DiskShare, resolve};

/// Hears of changes that others than the server made.
pub trait ChangeSink: Send + Sync {
    /// `name` below the share's root has changed. The two halves of a rename come one after the
    /// other.
    fn report(&self, name: &Name, action: FileAction, filter: CompletionFilter);

    /// Some changes were missed: whoever watches has to look for itself.
    fn lost(&self) {}
}

/// The watches of one share.
#[derive(Default)]
pub(super) struct Watcher {
    /// Whom to tell; without it nothing is watched.
    sink: OnceLock<Arc<dyn ChangeSink>>,
    inotify: OnceLock<Option<OwnedFd>>,
    /// Folders watched now: most of the time none, which costs everybody else one load.
    count: AtomicUsize,
    table: Mutex<WatchTable>,
}

/// The name in a folder that the server is about to change.
pub(super) type OwnName<'a> = (ObjectId, &'a [u8], Kind);

impl Watcher {
    /// Tells `sink` from now on; the first one stays.
    pub(super) fn report_to(&self, sink: Arc<dyn ChangeSink>) {
        let _ = self.sink.set(sink);
    }

    /// Does `work`, which changes these names, without telling of it.
    pub(super) fn own<T, E>(
        &self,
        names: &[OwnName<'_>],
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return work();
        }
        for name in names {
            self.table.lock().announce(owned(name));
        }
        let result = work();
        let mut table = self.table.lock();
        for name in names {
            // A folder that is not watched by now has told nothing.
            if result.is_err() || !table.is_watched(name.0) {
                table.take_own(&owned(name));
            }
        }
        result
    }

    /// The server has just made an object, or closed its last open.
    pub(super) fn touched(&self, id: ObjectId) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.table.lock().touched(id);
        }
    }

    /// Ends a handle's wish, and the watches that nobody else wants.
    fn forget(&self, wish: u64) {
        let Some(Some(inotify)) = self.inotify.get() else {
            return;
        };
        let mut table = self.table.lock();
        for watch in table.forget(wish) {
            // The kernel answers with an event, which takes it out of the table.
            let _ = inotify::remove_watch(inotify, watch);
        }
    }

    /// What to read from, for the one thread that is to read now; none if one does, or nothing is
    /// watched.
    pub(super) fn begin_reading(&self) -> Option<OwnedFd> {
        let mut table = self.table.lock();
        if table.reading || table.len() == 0 {
            return None;
        }
        let inotify = self.inotify()?.try_clone().ok()?;
        table.reading = true;
        Some(inotify)
    }

    /// The thread has ended, or never begun.
    pub(super) fn stopped_reading(&self) {
        self.table.lock().reading = false;
    }

    /// Takes a watch out that the kernel has removed; `false` when it was the last and the reader
    /// is to end.
    pub(super) fn is_read_on_without(&self, watch: i32) -> bool {
        let mut table = self.table.lock();
        table.remove(watch);
        self.count.store(table.len(), Ordering::Relaxed);
        table.reading = table.len() > 0;
        if !table.reading {
            table.forget_own();
        }
        table.reading
    }

    /// The kernel has dropped changes.
    pub(super) fn lost(&self) {
        self.sink.get().inspect(|sink| sink.lost());
    }

    fn inotify(&self) -> Option<&OwnedFd> {
        self.inotify
            .get_or_init(|| inotify::init(CreateFlags::CLOEXEC).ok())
            .as_ref()
    }

    /// Watches one folder.
    fn add(&self, folder: &OwnedFd, path: &[u8]) -> Option<()> {
        let inotify = self.inotify()?;
        let id = object_id(&resolve::stat(folder.as_fd()).ok()?);
        let link = format!("/proc/self/fd/{}", folder.as_raw_fd());
        let flags = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVE
            | WatchFlags::MODIFY
            | WatchFlags::ATTRIB
            | WatchFlags::ONLYDIR;
        let mut table = self.table.lock();
        if table.len() >= MOST_WATCHES {
            return None;
        }
        // The server's own changes are kept note of before the kernel tells of any.
        self.count.store(table.len() + 1, Ordering::Relaxed);
        let watch = inotify::add_watch(inotify, link, flags).ok();
        if let Some(watch) = watch {
            table.add(watch, path, id);
        }
        self.count.store(table.len(), Ordering::Relaxed);
        watch.map(drop)
    }
}

impl Opening {
    /// Has outside changes of this folder reported until the handle is closed; asking again changes
    /// nothing.
    pub(super) fn watch_now(self: &Arc<Self>, scope: WatchScope) {
        let watcher = &self.share.watcher;
        if watcher.sink.get().is_none()
            || !self.file.directory
            || self.watching.swap(true, Ordering::Relaxed)
        {
            return;
        }
        let opening = Arc::clone(self);
        // Nobody waits for it: changes count from when the watch is there.
        drop(self.share.work.on_pool(None, move || {
            let Ok(path) = opening.share.root.path_of(opening.file.as_fd()) else {
                return Ok(());
            };
            let watcher = &opening.share.watcher;
            let wish = watcher.table.lock().wish(path.clone(), scope);
            *opening.wish.lock() = Some(wish);
            opening.share.watch_tree(&path, scope);
            start_reading(&opening.share);
            Ok(())
        }));
    }

    /// Ends what [`Opening::watch_now`] began.
    pub(super) fn stop_watching(&self) {
        if let Some(wish) = self.wish.lock().take() {
            self.share.watcher.forget(wish);
        }
    }
}

impl DiskShare {
    /// Watches a folder, and those below it, as far as the bound goes.
    fn watch_tree(&self, path: &[u8], scope: WatchScope) {
        let mut waiting = VecDeque::from([path.to_vec()]);
        while let Some(path) = waiting.pop_front() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
            let Ok(folder) = self.root.open_path(&path, flags) else {
                continue;
            };
            if self.watcher.add(&folder, &path).is_none() {
                return;
            }
            if scope == WatchScope::Tree {
                waiting.extend(
                    folders_in(folder)
                        .into_iter()
                        .map(|name| join(&path, &name)),
                );
            }
        }
    }

    /// One change that inotify tells of.
    pub(super) fn outside_change(&self, change: &RawChange) {
        let Some(sink) = self.watcher.sink.get() else {
            return;
        };
        let (path, id) = {
            let mut table = self.watcher.table.lock();
            let Some((path, id)) = table.folder(change.watch).cloned() else {
                return;
            };
            if let Some(kind) = change.kind {
                let own = table.take_own(&(id, change.name.clone(), kind));
                drop(table);
                self.follow_folders(change, &join(&path, &change.name), kind);
                if own {
                    return;
                }
            }
            (path, id)
        };
        if change.kind.is_none() && self.is_own(id, &path, &change.name) {
            return;
        }
        sink.report(
            &name_of(&join(&path, &change.name)),
            change.action,
            change.filter(),
        );
    }

    /// Keeps the watches of a tree where its folders are.
    fn follow_folders(&self, change: &RawChange, path: &[u8], kind: Kind) {
        if !change.directory {
            return;
        }
        let in_tree = self.watcher.table.lock().is_in_tree(path);
        match kind {
            Kind::Added if in_tree => self.watch_tree(path, WatchScope::Tree),
            Kind::Added => {}
            Kind::Removed => self.unwatch_below(path),
        }
    }

    fn unwatch_below(&self, path: &[u8]) {
        let Some(inotify) = self.watcher.inotify() else {
            return;
        };
        let table = self.watcher.table.lock();
        for (_, watch) in table.below(path) {
            let _ = inotify::remove_watch(inotify, *watch);
        }
    }

    /// Whether a change of contents or attributes is the server's own: of what it has open, or had.
    fn is_own(&self, folder: ObjectId, path: &[u8], name: &[u8]) -> bool {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let Ok(opened) = self.root.open_path(path, flags) else {
            return true;
        };
        let Ok(stat) = link_stat(opened.as_fd(), name) else {
            return true;
        };
        let id = object_id(&stat);
        id == folder || self.objects.is_open(id) || self.watcher.table.lock().was_touched(id)
    }
}

fn folders_in(folder: OwnedFd) -> Vec<Vec<u8>> {
    let Ok(entries) = Dir::new(folder) else {
        return Vec::new();
    };
    let folders = entries
        .flatten()
        .filter(|entry| entry.file_type() == FileType::Directory);
    let names = folders.map(|entry| entry.file_name().to_bytes().to_vec());
    names
        .filter(|name| !matches!(&name[..], b"." | b".."))
        .collect()
}

fn owned((folder, name, kind): &OwnName<'_>) -> (ObjectId, Vec<u8>, Kind) {
    (*folder, name.to_vec(), *kind)
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.stop_watching();
    }
}

/// The most folders of one share that are watched.
const MOST_WATCHES: usize = 8192;
#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    use server::share::{CloseHow, Opened, Replace};

    use super::super::testing::{Fixture, delete, rename, write};
    use super::*;
    use crate::offload::tests::wait;

    struct Report(Mutex<Sender<(String, FileAction)>>);

    impl ChangeSink for Report {
        fn report(&self, name: &Name, action: FileAction, _filter: CompletionFilter) {
            let _ = self.0.lock().send((name.to_string(), action));
        }
    }

    type Reports = Receiver<(String, FileAction)>;

    fn watching(fixture: &Fixture, folder: &str, scope: WatchScope) -> (Opened, Reports) {
        let (sender, reports) = channel();
        fixture
            .handler
            .report_to(Arc::new(Report(Mutex::new(sender))));
        let opened = fixture.existing(folder).unwrap();
        opened.handle.watch(scope).unwrap();
        let watcher = &fixture.handler.share.watcher;
        while !watcher.table.lock().reading {
            std::thread::yield_now();
        }
        (opened, reports)
    }

    fn next(reports: &Reports) -> (String, FileAction) {
        reports.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    fn nothing(reports: &Reports) {
        let report = reports.recv_timeout(Duration::from_millis(200));
        assert!(report.is_err(), "{report:?}");
    }

    #[test]
    fn what_others_do_in_a_watched_folder_is_reported() {
        let fixture = Fixture::new();
        let (_opened, reports) = watching(&fixture, "", WatchScope::Directory);
        fs::write(fixture.path("a"), "").unwrap();
        assert_eq!(next(&reports), ("a".to_owned(), FileAction::ADDED));
        fs::rename(fixture.path("a"), fixture.path("b")).unwrap();
        assert_eq!(
            next(&reports),
            ("a".to_owned(), FileAction::RENAMED_OLD_NAME)
        );
        assert_eq!(
            next(&reports),
            ("b".to_owned(), FileAction::RENAMED_NEW_NAME)
        );
        fs::write(fixture.path("b"), "x").unwrap();
        assert_eq!(next(&reports), ("b".to_owned(), FileAction::MODIFIED));
        fs::remove_file(fixture.path("b")).unwrap();
        while next(&reports) != ("b".to_owned(), FileAction::REMOVED) {}
        fs::create_dir(fixture.path("folder")).unwrap();
        assert_eq!(next(&reports), ("folder".to_owned(), FileAction::ADDED));
        fs::write(fixture.path("folder/deep"), "").unwrap();
        nothing(&reports);
    }

    #[test]
    fn a_tree_is_followed_as_folders_come_and_move() {
        let fixture = Fixture::new();
        fs::create_dir_all(fixture.path("one/two")).unwrap();
        let (_opened, reports) = watching(&fixture, "", WatchScope::Tree);
        fs::write(fixture.path("one/two/file"), "").unwrap();
        assert_eq!(
            next(&reports),
            ("one\\two\\file".to_owned(), FileAction::ADDED)
        );
        fs::rename(fixture.path("one"), fixture.path("other")).unwrap();
        assert_eq!(next(&reports).0, "one");
        assert_eq!(next(&reports).0, "other");
        // Moved folders are watched anew once the reader has come to it.
        std::thread::sleep(Duration::from_millis(100));
        fs::remove_file(fixture.path("other/two/file")).unwrap();
        assert_eq!(
            next(&reports),
            ("other\\two\\file".to_owned(), FileAction::REMOVED)
        );
    }

    #[test]
    fn what_the_server_does_itself_is_not_reported() {
        let fixture = Fixture::new();
        let (_opened, reports) = watching(&fixture, "", WatchScope::Tree);
        let file = fixture.create("file");
        write(&file.handle, 0, b"x").unwrap();
        rename(&file, "other", Replace::Never).unwrap();
        wait(file.handle.close(CloseHow::Keep)).unwrap();
        drop(file);
        fixture.create("folder\\");
        delete(&fixture.existing("other").unwrap()).unwrap();
        nothing(&reports);
        fs::write(fixture.path("outside"), "").unwrap();
        assert_eq!(next(&reports).0, "outside");
    }

    #[test]
    fn nothing_is_watched_once_the_handle_is_closed() {
        let fixture = Fixture::new();
        let (opened, reports) = watching(&fixture, "", WatchScope::Directory);
        wait(opened.handle.close(CloseHow::Keep)).unwrap();
        let watcher = &fixture.handler.share.watcher;
        while watcher.count.load(Ordering::Relaxed) != 0 {
            std::thread::yield_now();
        }
        fs::write(fixture.path("a"), "").unwrap();
        nothing(&reports);
        let again = fixture.existing("").unwrap();
        again.handle.watch(WatchScope::Directory).unwrap();
        while !watcher.table.lock().reading {
            std::thread::yield_now();
        }
        fs::write(fixture.path("b"), "").unwrap();
        assert_eq!(next(&reports), ("b".to_owned(), FileAction::ADDED));
    }
}
