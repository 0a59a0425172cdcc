//! Breaks that are held back until the client knows what it holds.
//!
//! From the moment in which the object store grants an oplock or a lease, any other open may break
//! it, but the client learns of it only by the CREATE's reply; a notice that comes before that reply
//! means nothing to it. The same holds for what an acknowledgment leaves it. Owns the notices that
//! wait for a reply; what they say is [`super`]'s.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use wire::LeaseKey;
use wire::dtyp::Guid;

use super::{Break, tell_at_last};
use crate::object_store::{Caching, LeaseBreak, OpenId};
use crate::server::Server;

/// A request that decides what its client may cache, and whose reply has not left yet.
///
/// Exists from before the object store is asked until the reply stands in its connection's queue, or
/// is lost. Dropping it sends the breaks that have come meanwhile.
pub(crate) struct Unanswered {
    server: Arc<Server>,
    holder: CachingHolder,
}

/// Who is told of a break: an open, or all that share a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CachingHolder {
    Open(OpenId),
    Lease(Guid, LeaseKey),
}

/// The requests that are not answered yet, by whose caching they decide.
#[derive(Default)]
pub(crate) struct UnansweredTable(Mutex<HashMap<CachingHolder, Entry>>);

#[derive(Default)]
struct Entry {
    requests: u32,
    held_back: Vec<Break>,
}

impl Unanswered {
    /// Begins to hold back the breaks of what a holder has.
    pub(crate) fn begin(server: &Arc<Server>, holder: CachingHolder) -> Self {
        let mut table = server.unanswered.0.lock();
        let entry = table.entry(holder).or_default();
        entry.requests = entry.requests.saturating_add(1);
        drop(table);
        let server = server.clone();
        Self { server, holder }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        for broken in self.server.unanswered.end_one(self.holder) {
            tell_at_last(&self.server, &broken);
        }
    }
}

impl CachingHolder {
    /// Who is told of breaks of what `open` asks for; nobody where it asks for nothing.
    pub(crate) fn of(caching: &Caching, open: OpenId) -> Option<Self> {
        match caching {
            Caching::None => None,
            Caching::Oplock(_) => Some(Self::Open(open)),
            Caching::Lease(lease) => Some(Self::Lease(lease.client, lease.key)),
        }
    }
}

impl UnansweredTable {
    /// Keeps `broken` for later if a request of its holder is not answered yet; hands it back if
    /// it can be sent now.
    pub(super) fn hold_back(&self, broken: Break) -> Option<Break> {
        let holder = broken.holder();
        match self.0.lock().get_mut(&holder) {
            Some(entry) => entry.held_back.push(broken),
            None => return Some(broken),
        }
        None
    }

    /// The break that brought a lease to this epoch, if it is kept for later.
    pub(crate) fn kept(&self, client: Guid, key: LeaseKey, epoch: u16) -> Option<LeaseBreak> {
        let table = self.0.lock();
        let entry = table.get(&CachingHolder::Lease(client, key))?;
        entry
            .held_back
            .iter()
            .rev()
            .find_map(|broken| match broken {
                Break::Lease(broken) if broken.epoch == epoch => Some(*broken),
                Break::Lease(_) | Break::Oplock(_) => None,
            })
    }

    /// The number of holders about whose caching a request is not answered yet.
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Counts a request as answered, and returns what waited if it was the holder's last.
    fn end_one(&self, holder: CachingHolder) -> Vec<Break> {
        let mut table = self.0.lock();
        if let Some(entry) = table.get_mut(&holder) {
            entry.requests = entry.requests.saturating_sub(1);
            if entry.requests > 0 {
                return Vec::new();
            }
        }
        let ended = table.remove(&holder);
        ended.map(|entry| entry.held_back).unwrap_or_default()
    }
}

impl std::fmt::Debug for Unanswered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unanswered")
            .field("holder", &self.holder)
            .finish_non_exhaustive()
    }
}
