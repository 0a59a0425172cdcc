//! Records of persistent opens in memory, which outlive a simulated server.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use server::persistence::{Change, PersistentStore, Row};
use server::share::Answer;
use wire::NtStatus;

/// The rows, in their order.
#[derive(Debug, Default)]
pub struct Records(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rows: BTreeMap<Row, Bytes>,
    /// How many more requests there is room for; none for any number.
    room: Option<u32>,
    failures: u64,
    puts: u64,
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

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("one thread")
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
        for change in changes {
            match change {
                Change::Put(row, bytes) => {
                    state.puts += 1;
                    state.rows.insert(row, bytes);
                }
                Change::Remove(row) => {
                    state.rows.remove(&row);
                }
                Change::RemoveAll(open) => state.rows.retain(|row, _| row.open != open),
            }
        }
        Box::pin(ready(Ok(())))
    }

    fn settle(&self) -> Answer<'static, ()> {
        Box::pin(ready(Ok(())))
    }

    fn failures(&self) -> u64 {
        self.lock().failures
    }
}
