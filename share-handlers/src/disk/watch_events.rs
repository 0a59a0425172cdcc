//! Reading what inotify tells of the folders that are watched.
//!
//! Owns the thread that reads and the translation of its events: two events that are one rename
//! become one. Which folders are watched, and what is told to whom, is [`super::watch`]'s.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

use rustix::fs::inotify::{self, ReadFlags};
use rustix::io::Errno;
use wire::fscc::{CompletionFilter, FileAction};

use super::watch::Kind;
use super::{DiskShare, identity, names};

/// One event, in the server's terms.
pub(super) struct RawChange {
    pub watch: i32,
    pub name: Vec<u8>,
    pub action: FileAction,
    pub kind: Option<Kind>,
    pub directory: bool,
    attributes: bool,
    cookie: u32,
}

impl RawChange {
    fn of(event: &inotify::Event<'_>) -> Option<Self> {
        let flags = event.events();
        let (action, kind) = if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            (FileAction::ADDED, Some(Kind::Added))
        } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            (FileAction::REMOVED, Some(Kind::Removed))
        } else if flags.intersects(ReadFlags::MODIFY | ReadFlags::ATTRIB) {
            (FileAction::MODIFIED, None)
        } else {
            return None;
        };
        let name = event.file_name()?.to_bytes();
        // Nobody is told of what nobody is shown: where it goes to, a name is added.
        if names::is_on_its_way(name) {
            return None;
        }
        Some(Self {
            watch: event.wd(),
            name: name.to_vec(),
            action,
            kind,
            directory: flags.contains(ReadFlags::ISDIR),
            attributes: flags.contains(ReadFlags::ATTRIB),
            cookie: event.cookie(),
        })
    }

    // [MS-FSCC] 2.6
    pub(super) fn filter(&self) -> CompletionFilter {
        match (self.kind, self.directory, self.attributes) {
            (Some(_), true, _) => CompletionFilter::DIR_NAME,
            (Some(_), false, _) => CompletionFilter::FILE_NAME,
            (None, _, true) => CompletionFilter::ATTRIBUTES | CompletionFilter::SECURITY,
            (None, _, false) => CompletionFilter::SIZE | CompletionFilter::LAST_WRITE,
        }
    }
}

/// Starts the thread that reads, unless it runs.
pub(super) fn start_reading(share: &Arc<DiskShare>) {
    let Some(inotify) = share.watcher.begin_reading() else {
        return;
    };
    let weak = Arc::downgrade(share);
    let started = std::thread::Builder::new()
        .name("watch".to_owned())
        .spawn(move || read_changes(&inotify, &weak));
    if started.is_err() {
        share.watcher.stopped_reading();
    }
}

/// Reads until nothing is watched any more, which the removal of the last watch tells.
fn read_changes(inotify: &OwnedFd, share: &Weak<DiskShare>) {
    // This thread only asks what names are now, as the server.
    let _ = identity::wear(None);
    let mut buffer = [MaybeUninit::uninit(); EVENT_BUFFER];
    let mut reader = inotify::Reader::new(inotify, &mut buffer);
    let mut moved: Option<RawChange> = None;
    loop {
        let (change, flags, watch) = match reader.next() {
            Ok(event) => (RawChange::of(&event), event.events(), event.wd()),
            Err(Errno::INTR) => continue,
            Err(_) => break,
        };
        let Some(share) = share.upgrade() else { return };
        if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
            share.watcher.lost();
        }
        if flags.contains(ReadFlags::IGNORED) && !share.watcher.is_read_on_without(watch) {
            return;
        }
        let Some(mut change) = change else { continue };
        if let Some(mut from) = moved.take() {
            // [MS-FSA] 2.1.4.1
            // A move within a folder is a rename, any other is two changes.
            if from.cookie == change.cookie && from.watch == change.watch {
                from.action = FileAction::RENAMED_OLD_NAME;
                change.action = FileAction::RENAMED_NEW_NAME;
            }
            share.outside_change(&from);
        }
        let is_first_half = flags.contains(ReadFlags::MOVED_FROM) && !reader.is_buffer_empty();
        if is_first_half {
            moved = Some(change);
        } else {
            share.outside_change(&change);
        }
    }
    if let Some(share) = share.upgrade() {
        share.watcher.stopped_reading();
    }
}

const EVENT_BUFFER: usize = 16 << 10;
