//! The persistent opens of a server, by what they are looked up by.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use wire::dtyp::Guid;

use super::absent::AbsentOpens;
use crate::object_store::OpenId;
use crate::open::Open;
use crate::server::Server;
use crate::share::ObjectId;

/// All persistent opens, those that wait for their client among them.
#[derive(Debug, Default)]
pub(crate) struct PersistentOpens {
    /// How many there are, so that a server without any takes no lock.
    count: AtomicUsize,
    table: Mutex<Table>,
    /// Those that wait for their share or volume, and are no opens yet.
    pub(crate) absent: AbsentOpens,
}

#[derive(Debug, Default)]
struct Table {
    by_object: BTreeSet<(ObjectId, OpenId)>,
    by_create_guid: BTreeMap<Guid, BTreeSet<OpenId>>,
}

impl PersistentOpens {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of opens.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Adds an open.
    pub(super) fn insert(&self, open: &Open) {
        let mut table = self.table.lock();
        let id = open.id();
        table.by_object.insert((open.handle.object(), id));
        if let Some(guid) = open.create_guid {
            table.by_create_guid.entry(guid).or_default().insert(id);
        }
        self.count.store(table.by_object.len(), Ordering::Release);
    }

    /// Forgets an open.
    pub(super) fn remove(&self, open: &Open) {
        let mut table = self.table.lock();
        let id = open.id();
        table.by_object.remove(&(open.handle.object(), id));
        if let Some(guid) = open.create_guid
            && let Some(opens) = table.by_create_guid.get_mut(&guid)
        {
            opens.remove(&id);
            if opens.is_empty() {
                table.by_create_guid.remove(&guid);
            }
        }
        self.count.store(table.by_object.len(), Ordering::Release);
    }

    /// The opens of a file and all its streams, the oldest first.
    pub(crate) fn of_object(&self, server: &Server, object: ObjectId) -> Vec<Arc<Open>> {
        if self.is_empty() {
            return Vec::new();
        }
        let ids: Vec<_> = {
            let table = self.table.lock();
            let all = (object, OpenId(0))..=(object, OpenId(u64::MAX));
            table.by_object.range(all).map(|(_, id)| *id).collect()
        };
        ids.into_iter().filter_map(|id| server.open(id)).collect()
    }

    /// The opens with this CreateGuid, the oldest first. Clients choose it, so there may be several.
    pub(crate) fn of_create_guid(&self, server: &Server, guid: Guid) -> Vec<Arc<Open>> {
        if self.is_empty() {
            return Vec::new();
        }
        let ids = self.table.lock().by_create_guid.get(&guid).cloned();
        let ids = ids.unwrap_or_default();
        ids.into_iter().filter_map(|id| server.open(id)).collect()
    }
}
