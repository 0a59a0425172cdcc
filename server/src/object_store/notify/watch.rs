//! What one open of a directory is to be told: the changes since it was last asked, and the requests that wait.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use wire::fscc::{CompletionFilter, FileAction, FileNotifyInformation};
use wire::{NtStatus, Utf16String};

use super::super::Limits;
use super::super::effect::{Decision, Effects};
use super::super::wait::{self, Completer};
use super::{Changes, WatchRequest, WatchScope};

/// The bytes of changes that all watches of a store keep.
#[derive(Clone, Default)]
pub(in super::super) struct KeptBytes(Arc<AtomicU64>);

/// The watch of one open of a directory.
// [MS-FSA] 2.1.1.6
pub(in super::super) struct Watch {
    filter: CompletionFilter,
    scope: WatchScope,
    capacity_bytes: u32,
    state: Mutex<WatchState>,
}

struct WatchState {
    events: Changes,
    kept: Kept,
    /// More has happened than the buffer holds; then it holds nothing.
    overflowed: bool,
    waiting: VecDeque<WaitingNotify>,
}

/// The encoded size of the events, counted among those of all watches.
struct Kept {
    bytes: u32,
    all: KeptBytes,
}

struct WaitingNotify {
    room_bytes: u32,
    completer: Completer<Result<Changes, NtStatus>>,
}

impl Watch {
    pub(super) fn new(request: &WatchRequest, limits: &Limits, all: KeptBytes) -> Self {
        let state = WatchState {
            events: Changes::new(),
            kept: Kept { bytes: 0, all },
            overflowed: false,
            waiting: VecDeque::new(),
        };
        Self {
            filter: request.filter,
            scope: request.scope,
            capacity_bytes: request.room_bytes.min(limits.notify_buffer_bytes),
            state: Mutex::new(state),
        }
    }

    /// Whether the watch wants to hear of a change in the directory `depth` above what changed.
    pub(super) fn wants(&self, filter: CompletionFilter, is_parent: bool) -> bool {
        (is_parent || self.scope == WatchScope::Tree) && self.filter.intersects(filter)
    }

    /// Answers with what has happened, or waits in line.
    // [MS-FSA] 2.1.5.11.1
    pub(super) fn request(
        self: &Arc<Self>,
        room_bytes: u32,
        limits: &Limits,
    ) -> Decision<Changes, Result<Changes, NtStatus>> {
        let mut state = self.state.lock();
        state.waiting.retain(|wait| wait.completer.is_awaited());
        if state.waiting.is_empty() && state.has_something() {
            return match state.take(room_bytes) {
                Ok(changes) => Decision::Grant(changes),
                Err(status) => Decision::Deny(status),
            };
        }
        if state.waiting.len() >= limits.waiting_notifies {
            return Decision::Deny(NtStatus::INSUFFICIENT_RESOURCES);
        }
        let watch = Arc::downgrade(self);
        let (completer, waiter) = wait::pair(move |result| {
            if let Some(watch) = watch.upgrade() {
                watch.withdraw(result);
            }
        });
        state.waiting.push_back(WaitingNotify {
            room_bytes,
            completer,
        });
        Decision::Wait(waiter)
    }

    pub(super) fn push(&self, action: FileAction, file_name: Utf16String) {
        let event = FileNotifyInformation { action, file_name };
        self.state.lock().push(event, self.capacity_bytes);
    }

    /// Forgets a request that has gone; what it was answered with, the next one hears.
    fn withdraw(&self, answered: Option<Result<Changes, NtStatus>>) {
        // Dropped last, when it wakes who hears.
        let mut effects = Effects::default();
        let mut state = self.state.lock();
        state.waiting.retain(|wait| wait.completer.is_awaited());
        match answered {
            Some(Ok(changes)) => state.restore(changes, self.capacity_bytes),
            Some(Err(NtStatus::NOTIFY_ENUM_DIR)) => state.overflow(),
            Some(Err(_)) | None => {}
        }
        state.answer(&mut effects);
    }

    /// Answers the oldest request, if something has happened.
    pub(super) fn flush(&self, effects: &mut Effects) {
        self.state.lock().answer(effects);
    }

    /// Ends all requests with `status` and forgets what has happened.
    pub(in super::super) fn end(&self, status: NtStatus, effects: &mut Effects) {
        let mut state = self.state.lock();
        state.forget();
        state.overflowed = false;
        for wait in state.waiting.drain(..) {
            effects.wake(wait.completer.complete(Err(status)));
        }
    }
}

impl WatchState {
    fn has_something(&self) -> bool {
        self.overflowed || !self.events.is_empty()
    }

    fn push(&mut self, event: FileNotifyInformation, capacity_bytes: u32) {
        if self.overflowed {
            return;
        }
        let bytes = size_with(self.kept.bytes, &event).filter(|bytes| *bytes <= capacity_bytes);
        match bytes {
            Some(bytes) if self.may_keep(bytes) => self.events.push(event),
            _ => self.overflow(),
        }
    }

    /// Counts that so many bytes are kept; false if that is too much, all watches taken together. Who waits is
    /// told in a moment, and so never keeps too much.
    fn may_keep(&mut self, bytes: u32) -> bool {
        let all = self.kept.set(bytes);
        all <= MOST_KEPT || !self.waiting.is_empty()
    }

    fn overflow(&mut self) {
        self.forget();
        self.overflowed = true;
    }

    fn forget(&mut self) {
        self.events = Changes::new();
        self.kept.set(0);
    }

    /// Answers the oldest request, if something has happened.
    fn answer(&mut self, effects: &mut Effects) {
        while self.has_something() {
            let Some(WaitingNotify {
                room_bytes,
                completer,
            }) = self.waiting.pop_front()
            else {
                return;
            };
            let answered = completer.complete_with(|| self.take(room_bytes));
            if answered.is_some() {
                effects.wake(answered);
                return;
            }
        }
    }

    /// All that has happened, if it fits.
    // [MS-FSA] 2.1.5.11.1
    fn take(&mut self, room_bytes: u32) -> Result<Changes, NtStatus> {
        let fits = !self.overflowed && self.kept.bytes <= room_bytes;
        self.overflowed = false;
        self.kept.set(0);
        let events = std::mem::take(&mut self.events);
        if fits {
            Ok(events)
        } else {
            Err(NtStatus::NOTIFY_ENUM_DIR)
        }
    }

    /// Puts back what was answered to a request that had gone.
    fn restore(&mut self, earlier: Changes, capacity_bytes: u32) {
        let later = std::mem::take(&mut self.events);
        self.kept.set(0);
        for event in earlier.into_iter().chain(later) {
            self.push(event, capacity_bytes);
        }
    }
}

impl Kept {
    /// Counts so many bytes in the place of those before; what all watches keep then.
    fn set(&mut self, bytes: u32) -> u64 {
        let before = std::mem::replace(&mut self.bytes, bytes);
        let all = &self.all.0;
        if let Some(more) = bytes.checked_sub(before) {
            let more = u64::from(more);
            all.fetch_add(more, Ordering::Relaxed).saturating_add(more)
        } else {
            let less = u64::from(before.saturating_sub(bytes));
            all.fetch_sub(less, Ordering::Relaxed).saturating_sub(less)
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// What all watches together keep of what has happened, in bytes of encoded changes: beyond that, a watch that
/// nobody waits at keeps that something has happened, and no more. As much as a thousand full buffers.
const MOST_KEPT: u64 = 64 << 20;

/// The encoded size of a list of changes with one more.
// [MS-FSCC] 2.7.1
fn size_with(bytes: u32, event: &FileNotifyInformation) -> Option<u32> {
    const FIXED: u32 = 12;
    const ALIGNMENT: u32 = 4;
    let name = u32::try_from(event.file_name.len_bytes()).ok()?;
    bytes
        .checked_next_multiple_of(ALIGNMENT)?
        .checked_add(FIXED)?
        .checked_add(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: u32 = 4_000;

    fn watch(all: &KeptBytes) -> Arc<Watch> {
        let request = WatchRequest {
            filter: CompletionFilter::FILE_NAME,
            scope: WatchScope::Directory,
            room_bytes: ROOM,
        };
        Arc::new(Watch::new(&request, &Limits::default(), all.clone()))
    }

    fn happens(watch: &Watch) {
        watch.push(FileAction::ADDED, "a".repeat(1_000).as_str().into());
    }

    fn ask(watch: &Arc<Watch>) -> Decision<Changes, Result<Changes, NtStatus>> {
        watch.request(ROOM, &Limits::default())
    }

    fn kept(all: &KeptBytes) -> u64 {
        all.0.load(Ordering::Relaxed)
    }

    #[test]
    fn watches_together_keep_only_so_much_and_who_waits_is_told_all_the_same() {
        let all = KeptBytes::default();
        let mut watches = Vec::new();
        while kept(&all) + 2_012 <= MOST_KEPT {
            let next = watch(&all);
            happens(&next);
            watches.push(next);
        }
        let full = kept(&all);
        let (unasked, asked) = (watch(&all), watch(&all));
        let Decision::Wait(waiter) = ask(&asked) else {
            panic!("nothing has happened");
        };
        happens(&unasked);
        assert_eq!(kept(&all), full, "it keeps no more than that");
        happens(&asked);
        asked.flush(&mut Effects::default());
        assert_eq!(kept(&all), full, "it was told");
        drop(waiter);
        let refused = ask(&unasked);
        assert!(matches!(refused, Decision::Deny(NtStatus::NOTIFY_ENUM_DIR)));
        let told = ask(&watches[0]);
        assert!(matches!(told, Decision::Grant(changes) if changes.len() == 1));
        happens(&unasked);
        let told = ask(&unasked);
        assert!(matches!(told, Decision::Grant(changes) if changes.len() == 1));
        drop((watches, unasked, asked));
        assert_eq!(kept(&all), 0);
    }
}
