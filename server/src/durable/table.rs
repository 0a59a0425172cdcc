//! The table of opens that wait for their client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::DurableOwner;
use crate::alarms::{self, Alarm, AlarmId};
use crate::object_store::OpenId;
use crate::open::Open;
use crate::server::Server;

/// The opens that wait for their client. Whoever takes one out closes it or takes it up again.
#[derive(Debug, Default)]
pub(crate) struct DisconnectedOpens(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    opens: BTreeMap<OpenId, Waiting>,
    per_owner: BTreeMap<DurableOwner, u32>,
}

#[derive(Debug)]
struct Waiting {
    open: Arc<Open>,
    alarm: AlarmId,
}

impl DisconnectedOpens {
    /// Has an open wait for as long as `timeout`; false if too many wait already.
    pub(super) fn insert(&self, server: &Arc<Server>, open: &Arc<Open>, timeout: Duration) -> bool {
        let limits = server.limits();
        let most = usize::try_from(limits.disconnected_opens).unwrap_or(usize::MAX);
        let mut table = self.0.lock();
        let of_owner = table.per_owner.get(&open.owner).copied().unwrap_or(0);
        if table.opens.len() >= most || of_owner >= limits.disconnected_opens_per_user {
            return false;
        }
        table
            .per_owner
            .insert(open.owner.clone(), of_owner.saturating_add(1));
        let alarm = alarms::set(server, timeout, Alarm::DisconnectedOpen(open.id()));
        let open = open.clone();
        table.opens.insert(open.id(), Waiting { open, alarm });
        true
    }

    /// The open with this number, if it waits.
    pub(crate) fn find(&self, id: OpenId) -> Option<Arc<Open>> {
        Some(self.0.lock().opens.get(&id)?.open.clone())
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().opens.len()
    }

    /// All that wait, in the order of their numbers.
    pub(crate) fn all(&self) -> Vec<Arc<Open>> {
        let table = self.0.lock();
        let waiting = table.opens.values();
        waiting.map(|waiting| waiting.open.clone()).collect()
    }

    /// Takes the open with this number.
    pub(crate) fn take(&self, server: &Server, id: OpenId) -> Option<Arc<Open>> {
        self.take_if(server, id, |_| true)
    }

    /// Takes the open with this number if it is one of those wanted.
    pub(super) fn take_if(
        &self,
        server: &Server,
        id: OpenId,
        wanted: impl FnOnce(&Open) -> bool,
    ) -> Option<Arc<Open>> {
        let mut table = self.0.lock();
        table
            .opens
            .get(&id)
            .filter(|waiting| wanted(&waiting.open))?;
        table.remove(server, id)
    }

    /// Takes all, in the order of their numbers.
    pub(super) fn take_all(&self, server: &Server) -> Vec<Arc<Open>> {
        let mut table = self.0.lock();
        let ids: Vec<_> = table.opens.keys().copied().collect();
        ids.into_iter()
            .filter_map(|id| table.remove(server, id))
            .collect()
    }
}

impl Table {
    fn remove(&mut self, server: &Server, id: OpenId) -> Option<Arc<Open>> {
        let Waiting { open, alarm } = self.opens.remove(&id)?;
        server.alarms.cancel(alarm);
        if let Some(count) = self.per_owner.get_mut(&open.owner) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.per_owner.remove(&open.owner);
            }
        }
        Some(open)
    }
}
