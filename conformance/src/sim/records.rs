//! Records of persistent opens in memory, which outlive a simulated server.

use std::collections::BTreeMap;
use std::future::{poll_fn, ready};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use bytes::Bytes;
use server::persistence::{Change, PersistentStore, Row};
use server::share::Answer;
use wire::NtStatus;

/// The rows, in their order.
#[derive(Debug, Default)]
pub struct Records(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Row, Bytes>,
    /// How many more requests there is room for; none for any number.
    room: Option<u32>,
    failures: u64,
    /// What becomes of the next request.
    next: Option<Trouble>,
    /// Failures that have not been counted yet.
    uncounted: u64,
    puts: u64,
    is_slow: bool,
    /// Who waits for an answer of a slow store.
    waiting: Vec<Waker>,
}

/// How a request fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing is changed.
    NotMade,
    /// The changes are made, and their survival is not sure.
    Made,
}

impl Records {
    /// All rows.
    #[must_use]
    pub fn all(&self) -> Vec<(Row, Bytes)> {
        let state = self.lock();
        let rows = state.rows.iter();
        rows.map(|(row, bytes)| (*row, bytes.clone())).collect()
    }

    /// How often a row was put.
    #[must_use]
    pub fn puts(&self) -> u64 {
        self.lock().puts
    }

    /// Puts any bytes in the place of a row.
    pub fn spoil(&self, row: Row, bytes: Bytes) {
        self.lock().rows.insert(row, bytes);
    }

    /// Has nothing more be written, or be written again.
    pub fn set_full(&self, is_full: bool) {
        self.lock().room = is_full.then_some(0);
    }

    /// Has nothing more be written after so many requests.
    pub fn fill_after(&self, requests: u32) {
        self.lock().room = Some(requests);
    }

    /// Has the next request fail, which nobody can know before its turn has come.
    pub fn fail_next(&self, trouble: Trouble) {
        self.lock().next = Some(trouble);
    }

    /// Has no answer come, or all that are due and those to come.
    pub fn set_slow(&self, is_slow: bool) {
        let mut state = self.lock();
        state.is_slow = is_slow;
        state.waiting.drain(..).for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("one thread")
    }
}

impl State {
    fn make(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Put(row, bytes) => {
                    self.puts += 1;
                    self.rows.insert(row, bytes);
                }
                Change::Remove(row) => {
                    self.rows.remove(&row);
                }
                Change::RemoveAll(open) => self.rows.retain(|row, _| row.open != open),
            }
        }
    }
}

impl PersistentStore for Records {
    fn change(&self, changes: Vec<Change>) -> Answer<'static, ()> {
        let mut state = self.lock();
        match &mut state.room {
            None => {}
            Some(0) => {
                state.failures += 1;
                return Box::pin(ready(Err(NtStatus::DISK_FULL)));
            }
            Some(left) => *left -= 1,
        }
        let trouble = state.next.take();
        if trouble != Some(Trouble::NotMade) {
            state.make(changes);
        }
        state.uncounted += u64::from(trouble.is_some());
        let result = match trouble {
            None => Ok(()),
            Some(_) => Err(NtStatus::DISK_FULL),
        };
        let shared = self.0.clone();
        Box::pin(poll_fn(move |task| {
            let mut state = shared.lock().expect("one thread");
            if state.is_slow {
                state.waiting.push(task.waker().clone());
                return Poll::Pending;
            }
            state.failures += std::mem::take(&mut state.uncounted);
            Poll::Ready(result)
        }))
    }

    fn settle(&self) -> Answer<'static, ()> {
        Box::pin(ready(Ok(())))
    }

    fn failures(&self) -> u64 {
        self.lock().failures
    }
}
