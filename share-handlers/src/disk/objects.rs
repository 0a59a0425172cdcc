//! What all opens of one object share while it is open.
//!
//! Owns the table of open objects and two things that Windows keeps about each: how much was
//! reserved for it, and the write time that is shown. A write does not move the write time that
//! clients see at once: it becomes visible two seconds later, or when the file is flushed, its size
//! or its attributes are set, or when it is closed, whichever comes first.
//!
//! ```text
//! Present --write--> Held (old time, until two seconds later)
//! Held --two seconds, flush, size or attributes set--> Shown (the time at that moment)
//! Held or Shown --close by a handle that wrote--> Present; what was written since Shown bears the
//! time of the close
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::fs::Statx;
use server::share::{FileStat, ObjectId};
use wire::dtyp::FileTime;

use super::attributes::{UNIT, allocation, time};
use super::streams::OpenStream;
use super::watch::Watcher;

/// The objects of a share that are open now.
pub(super) struct Objects {
    open: Mutex<HashMap<ObjectId, Weak<Object>>>,
    watcher: Arc<Watcher>,
}

impl Objects {
    /// No objects yet; the watcher hears of each that is closed.
    pub(super) fn new(watcher: Arc<Watcher>) -> Self {
        Self {
            open: Mutex::default(),
            watcher,
        }
    }

    /// Whether anybody has the object open.
    pub(super) fn is_open(&self, id: ObjectId) -> bool {
        self.open
            .lock()
            .get(&id)
            .is_some_and(|object| object.strong_count() > 0)
    }

    /// What the opens of `id` share; made when this is the first.
    pub(super) fn share(self: &Arc<Self>, id: ObjectId) -> Arc<Object> {
        let mut open = self.open.lock();
        if let Some(object) = open.get(&id).and_then(Weak::upgrade) {
            return object;
        }
        let object = Arc::new(Object {
            id,
            table: Arc::clone(self),
            attributes: Mutex::new(()),
            streams: Mutex::default(),
            state: Mutex::default(),
        });
        open.insert(id, Arc::downgrade(&object));
        object
    }
}

/// What the opens of one object share.
pub(super) struct Object {
    /// Its identity.
    pub id: ObjectId,
    table: Arc<Objects>,
    /// Held while the kept attributes are read, changed and written.
    pub attributes: Mutex<()>,
    /// The streams that are open; held while a stream is read, changed and written.
    pub streams: Mutex<Vec<Weak<OpenStream>>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The write time that is shown instead of the present one.
    shown: Option<Shown>,
    /// Bytes that were asked to be reserved.
    reserved: u64,
}

struct Shown {
    time: FileTime,
    /// When the present time is to be shown instead, once.
    until: Option<Instant>,
    /// Something was written that is not seen before the file is closed.
    written_since: bool,
}

impl Shown {
    fn at(time: FileTime) -> Self {
        Self {
            time,
            until: None,
            written_since: false,
        }
    }
}

impl Object {
    /// Before a write: `present` is asked for the present write time if it has to be remembered.
    pub(super) fn before_write(&self, present: impl FnOnce() -> Option<FileTime>) {
        let mut state = self.state.lock();
        match &mut state.shown {
            Some(shown) => shown.written_since |= shown.until.is_none(),
            None => {
                let until = Some(Instant::now() + HOLD_BACK);
                state.shown = present().map(|time| Shown {
                    until,
                    ..Shown::at(time)
                });
            }
        }
    }

    /// Lets the present write time be seen; later writes stay hidden until the next such moment.
    pub(super) fn release(&self, host: &Statx) {
        if let Some(shown) = &mut self.state.lock().shown {
            *shown = Shown::at(time(host.stx_mtime));
        }
    }

    /// Whether a write time is held back, so that [`Object::release`] has work to do.
    pub(super) fn holds_back(&self) -> bool {
        self.state.lock().shown.is_some()
    }

    /// A client has set the write time.
    pub(super) fn write_time_was_set(&self, time: FileTime) {
        if let Some(shown) = &mut self.state.lock().shown {
            *shown = Shown::at(time);
        }
    }

    /// A handle that has written is closed: what is on disk is what is seen. `true` when the write
    /// time has to be set to that of the close.
    #[must_use]
    pub(super) fn closed_by_writer(&self) -> bool {
        self.state
            .lock()
            .shown
            .take()
            .is_some_and(|shown| shown.written_since)
    }

    /// Remembers that so many bytes were asked to be reserved, in whole units.
    pub(super) fn reserve(&self, bytes: u64) {
        let bytes = bytes.checked_next_multiple_of(UNIT).unwrap_or(bytes);
        self.state.lock().reserved = bytes;
    }

    /// Shows in `stat`, read as `host`, what is held back.
    pub(super) fn show(&self, stat: &mut FileStat, host: &Statx) {
        let mut state = self.state.lock();
        if let Some(shown) = &mut state.shown {
            if shown.until.is_some_and(|until| until <= Instant::now()) {
                *shown = Shown::at(time(host.stx_mtime));
            }
            stat.last_write_time = shown.time;
        }
        if state.reserved > 0 {
            stat.allocation_size = allocation(host, state.reserved).max(state.reserved);
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.table.watcher.touched(self.id);
        let mut open = self.table.open.lock();
        // Another open may have put a new one in its place already.
        if open
            .get(&self.id)
            .is_some_and(|object| object.strong_count() == 0)
        {
            open.remove(&self.id);
        }
    }
}

/// How long a write stays unseen at most.
const HOLD_BACK: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const ID: ObjectId = ObjectId { volume: 1, file: 2 };

    #[test]
    fn opens_of_one_object_share_and_the_last_one_forgets() {
        let objects = Arc::new(Objects::new(Arc::default()));
        let first = objects.share(ID);
        assert!(Arc::ptr_eq(&first, &objects.share(ID)));
        drop(first);
        assert!(objects.open.lock().is_empty());
    }

    #[test]
    fn only_the_first_write_asks_for_the_time_before_it() {
        let object = Arc::new(Objects::new(Arc::default())).share(ID);
        object.before_write(|| Some(FileTime(1)));
        object.before_write(|| panic!("asked twice"));
        assert!(object.holds_back());
        assert!(!object.closed_by_writer());
        assert!(!object.holds_back());
    }
}
