//! Records of persistent opens in memory, which outlive a simulated server.

use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;
use server::persistence::PersistentStore;
use server::share::Answer;
use wire::NtStatus;

/// The records, by number.
#[derive(Debug, Default)]
pub struct Records(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    records: BTreeMap<u64, Bytes>,
    is_full: bool,
}

impl Records {
    /// All records.
    #[must_use]
    pub fn all(&self) -> Vec<(u64, Bytes)> {
        let state = self.lock();
        let records = state.records.iter();
        records
            .map(|(key, record)| (*key, record.clone()))
            .collect()
    }

    /// Puts any bytes in the place of a record.
    pub fn spoil(&self, key: u64, bytes: Bytes) {
        self.lock().records.insert(key, bytes);
    }

    /// Has nothing more be written, or be written again.
    pub fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("one thread")
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, Bytes>)) -> Answer<'static, ()> {
        let mut state = self.lock();
        if state.is_full {
            return Box::pin(ready(Err(NtStatus::DISK_FULL)));
        }
        change(&mut state.records);
        Box::pin(ready(Ok(())))
    }
}

impl PersistentStore for Records {
    fn put(&self, key: u64, record: Bytes) -> Answer<'static, ()> {
        self.change(|records| {
            records.insert(key, record);
        })
    }

    fn remove(&self, key: u64) -> Answer<'static, ()> {
        self.change(|records| {
            records.remove(&key);
        })
    }

    fn settle(&self) -> Answer<'static, ()> {
        self.change(|_| {})
    }
}
