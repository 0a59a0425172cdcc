//! Opens that wait for their share, or for the volume that their file is on: what a server that is started
//! before them finds in the records.
//!
//! Owns what has been left of them and until when it waits, by the number of the open. Never opens anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use wire::dtyp::Guid;

use super::restore::Remains;
use crate::durable::DurableOwner;
use crate::object_store::OpenId;
use crate::share::Opened;

/// All such opens.
#[derive(Debug, Default)]
pub(crate) struct AbsentOpens {
    /// How many there are, so that a server without any takes no lock.
    count: AtomicUsize,
    table: Mutex<BTreeMap<u64, Absent>>,
    /// Somebody is making opens out of them.
    is_looked_for: AtomicBool,
}

/// The right to make opens out of what is left, which one task has at a time: of two, the second would find
/// the first one's opens in its way, and drop their records.
pub(super) struct Search<'a>(&'a AtomicBool);

impl Drop for Search<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// One of them.
#[derive(Debug)]
struct Absent {
    remains: Arc<Remains>,
    until: Instant,
}

impl AbsentOpens {
    /// The number of opens.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Begins to look for what they wait for; none while somebody else does.
    pub(super) fn search(&self) -> Option<Search<'_>> {
        let others = self.is_looked_for.swap(true, Ordering::AcqRel);
        (!others).then(|| Search(&self.is_looked_for))
    }

    /// Has an open wait until then, or as long as was said before.
    pub(super) fn insert(&self, number: u64, remains: Arc<Remains>, until: Instant) {
        self.change(|table| {
            table.entry(number).or_insert(Absent { remains, until });
        });
    }

    /// Forgets an open.
    pub(super) fn remove(&self, number: u64) {
        if self.len() > 0 {
            self.change(|table| drop(table.remove(&number)));
        }
    }

    /// Takes out the opens whose time is over: their numbers.
    pub(super) fn take_expired(&self, now: Instant) -> Vec<u64> {
        let mut expired = Vec::new();
        self.change(|table| {
            table.retain(|number, absent| {
                let waits = absent.until > now;
                if !waits {
                    expired.push(*number);
                }
                waits
            });
        });
        expired
    }

    /// All opens, those made last first.
    pub(super) fn all(&self) -> Vec<(u64, Arc<Remains>)> {
        let table = self.table.lock();
        let all = table.iter().rev();
        all.map(|(number, absent)| (*number, absent.remains.clone()))
            .collect()
    }

    /// Whether one of this owner has this number, or this CreateGuid.
    pub(crate) fn has(
        &self,
        owner: &DurableOwner,
        id: Option<OpenId>,
        create_guid: Option<Guid>,
    ) -> bool {
        self.any(|number, remains| {
            let is_it = id == Some(OpenId(number)) || create_guid == Some(remains.create_guid());
            is_it && remains.owner() == owner
        })
    }

    /// Whether one is on what was opened.
    pub(crate) fn has_file(&self, opened: &Opened) -> bool {
        self.any(|_, remains| remains.is_on(opened))
    }

    fn any(&self, holds: impl Fn(u64, &Remains) -> bool) -> bool {
        self.len() > 0 && {
            let table = self.table.lock();
            let mut all = table.iter();
            all.any(|(number, absent)| holds(*number, &absent.remains))
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<u64, Absent>)) {
        let mut table = self.table.lock();
        change(&mut table);
        self.count.store(table.len(), Ordering::Release);
    }
}
