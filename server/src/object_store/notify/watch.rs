//! What one open of a directory is to be told: the changes since it was last asked, and the requests that wait.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use wire::fscc::{CompletionFilter, FileAction, FileNotifyInformation};
use wire::{NtStatus, Utf16String};

use super::super::Limits;
use super::super::effect::{Decision, Effects};
use super::super::wait::{self, Completer};
use super::{Changes, WatchRequest, WatchScope};

/// The watch of one open of a directory.
// [MS-FSA] 2.1.1.6
pub(in super::super) struct Watch {
    filter: CompletionFilter,
    scope: WatchScope,
    capacity_bytes: u32,
    state: Mutex<WatchState>,
}

#[derive(Default)]
struct WatchState {
    events: Changes,
    /// The encoded size of the events.
    bytes: u32,
    /// More has happened than the buffer holds; then it holds nothing.
    overflowed: bool,
    waiting: VecDeque<WaitingNotify>,
}

struct WaitingNotify {
    room_bytes: u32,
    completer: Completer<Result<Changes, NtStatus>>,
}

impl Watch {
    pub(super) fn new(request: &WatchRequest, limits: &Limits) -> Self {
        Self {
            filter: request.filter,
            scope: request.scope,
            capacity_bytes: request.room_bytes.min(limits.notify_buffer_bytes),
            state: Mutex::default(),
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
        let mut state = std::mem::take(&mut *self.state.lock());
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
        let bytes = size_with(self.bytes, &event).filter(|bytes| *bytes <= capacity_bytes);
        match bytes {
            Some(bytes) => {
                self.bytes = bytes;
                self.events.push(event);
            }
            None => self.overflow(),
        }
    }

    fn overflow(&mut self) {
        *self = Self {
            overflowed: true,
            waiting: std::mem::take(&mut self.waiting),
            ..Self::default()
        };
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
        let fits = !self.overflowed && self.bytes <= room_bytes;
        self.overflowed = false;
        self.bytes = 0;
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
        self.bytes = 0;
        for event in earlier.into_iter().chain(later) {
            self.push(event, capacity_bytes);
        }
    }
}

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
