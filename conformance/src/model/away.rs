//! Opens that outlive their connection: which are kept, who may take them up again, and when they go.

use std::collections::BTreeSet;
use std::time::Duration;

use wire::NtStatus;
use wire::create::LeaseState;

use super::files::{Model, Open};
use super::operation::{Holder, Operation};

/// What makes an open durable.
#[derive(Debug, Clone, Hash)]
pub(super) struct Durable {
    pub(super) timeout: Duration,
    /// CreateGuid; 0 where the client gave none.
    pub(super) create_guid: u128,
    pub(super) user: &'static str,
    /// The client that made the open.
    pub(super) maker: usize,
    /// Whether it outlives the server.
    pub(super) is_persistent: bool,
}

impl Model {
    /// A client is gone, and the server keeps these opens of all clients: all others of its are closed.
    /// These operations of others are under way.
    ///
    /// # Errors
    /// One was kept that nobody may come back for, or was not although there was room for it and nobody
    /// else needs its file.
    pub fn disconnect(
        &mut self,
        client: usize,
        kept: &BTreeSet<u64>,
        under_way: &[Operation],
    ) -> Result<(), String> {
        self.watches.remove(&client);
        let is_here = |open: &&Open| open.client == client && open.away.is_none();
        let here = self.opens.iter().filter(|(_, open)| is_here(open));
        let here: Vec<_> = here.map(|(id, _)| *id).collect();
        let deleting = here.iter().map(|id| &self.opens[id]);
        let deleting = deleting.filter(|open| open.delete_on_close);
        self.disturbed = deleting.map(|open| open.file).collect();
        for id in here {
            let open = &self.opens[&id];
            let contends = |operation: &Operation| self.concerns(operation, open.file);
            let may_go = !open.is_persistent() && kept.len() >= MOST_AWAY;
            let contending = under_way.iter().filter(|operation| contends(operation));
            let contending: Vec<_> = contending.cloned().collect();
            let is_needed = may_go
                || self.has_lost_lease(open)
                || self.disturbed.contains(&open.file)
                || !contending.is_empty();
            let timeout = self.durability(open);
            match (timeout, kept.contains(&id)) {
                (Some(timeout), true) => {
                    let until = self.now + timeout;
                    if let Some(open) = self.opens.get_mut(&id) {
                        open.away = Some(until);
                        open.wanted_by = contending;
                    }
                }
                (None, true) => return Err(format!("{id} was kept: {open:?}")),
                (Some(_), false) if open.is_persistent() || !is_needed => {
                    return Err(format!("{id} was not kept: {open:?}"));
                }
                (_, false) => self.close(id),
            }
        }
        Ok(())
    }

    /// The opens that wait for their client.
    pub fn away(&self) -> impl Iterator<Item = u64> {
        let away = self.opens.iter().filter(|(_, open)| open.away.is_some());
        away.map(|(id, _)| *id)
    }

    /// The server has closed an open that waited, while these operations were under way.
    ///
    /// # Errors
    /// Its time is not over, and it is in nobody's way.
    pub(super) fn vanish(&mut self, id: u64, under_way: &[Operation]) -> Result<(), String> {
        let Some(open) = self.opens.get(&id) else {
            return Err(format!("{id} waits no more, and did not wait"));
        };
        let file = open.file;
        let is_over = open.away.is_some_and(|until| until <= self.now);
        let contends = |operation: &Operation| self.concerns(operation, file);
        // A break that its client was told of over a connection that is lost now.
        let cache = self.caches.get(&open.holder);
        let is_breaking = cache.is_some_and(|cache| cache.breaking.is_some());
        let is_disturbed = is_breaking || self.disturbed.contains(&file);
        let may_go = is_disturbed || under_way.iter().any(contends);
        // [MS-SMB2] 3.3.4.7
        if !is_over && (open.is_persistent() || !may_go) {
            return Err(format!(
                "{id} was closed, though nobody needs its file: {open:?}"
            ));
        }
        if open.delete_on_close {
            self.disturbed.insert(file);
        }
        self.close(id);
        Ok(())
    }

    /// How long this open is kept if its client is lost now.
    // [MS-SMB2] 3.3.7.1
    fn durability(&self, open: &Open) -> Option<Duration> {
        let durable = open.durable.as_ref()?;
        if durable.is_persistent || self.has_lost_lease(open) {
            return Some(durable.timeout);
        }
        let cache = self.caches.get(&open.holder)?;
        let keeps = cache.state.contains(LeaseState::HANDLE_CACHING) && cache.breaking.is_none();
        keeps.then_some(durable.timeout)
    }

    /// Whether an operation is about a file.
    fn concerns(&self, operation: &Operation, file: u64) -> bool {
        let is_named = |name: &String| self.names.get(name) == Some(&file);
        match operation {
            Operation::Open { name, .. } => is_named(name),
            Operation::Rename { open, target, .. } => {
                is_named(target) || self.opens.get(open).is_some_and(|open| open.file == file)
            }
            Operation::Read { open, .. }
            | Operation::Write { open, .. }
            | Operation::SetEndOfFile { open, .. }
            | Operation::SetDisposition { open, .. }
            | Operation::Close { open }
            | Operation::Lock { open, .. }
            | Operation::LockList { open, .. } => {
                self.opens.get(open).is_some_and(|open| open.file == file)
            }
            _ => false,
        }
    }
}

/// The right answers to a client that wants its open back.
// [MS-SMB2] 3.3.5.9.7
// [MS-SMB2] 3.3.5.9.12
pub(super) fn allowed(model: &Model, client: usize, operation: &Operation) -> Vec<NtStatus> {
    let Operation::Reconnect {
        open,
        name,
        lease,
        create_guid,
        persistent,
        user,
    } = operation
    else {
        return Vec::new();
    };
    let waiting = model.opens.get(open).filter(|open| open.away.is_some());
    let durable = waiting.and_then(|open| open.durable.as_ref());
    let (Some(open), Some(durable)) = (waiting, durable) else {
        return vec![NtStatus::OBJECT_NAME_NOT_FOUND];
    };
    let mut wrong = Vec::new();
    let is_its_lease = match open.holder {
        Holder::Open(_) => lease.is_none(),
        Holder::Lease { client: own, key } => {
            let file = &model.files[&open.file];
            if file.name != *name && !file.delete_pending {
                wrong.push(NtStatus::INVALID_PARAMETER);
            }
            let is_v2 = model.caches.get(&open.holder).map(|cache| cache.is_v2);
            let named = lease.map(|lease| (lease.key, Some(lease.is_v2)));
            own == client && named == Some((key, is_v2))
        }
    };
    let is_its_guid = create_guid.is_none_or(|guid| guid == durable.create_guid);
    let is_over = open.away.is_some_and(|until| until <= model.now);
    let is_kept = durable.is_persistent || model.keeps_handle(open);
    let wants_less = create_guid.is_some() && durable.is_persistent && !persistent;
    if !is_its_lease || !is_its_guid || is_over || !is_kept || wants_less {
        wrong.push(NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    if create_guid.is_some() && *persistent && !durable.is_persistent {
        wrong.push(NtStatus::INVALID_PARAMETER);
    }
    if durable.user != *user {
        wrong.push(NtStatus::ACCESS_DENIED);
    }
    if wrong.is_empty() || model.has_lost_lease(open) {
        wrong.push(NtStatus::SUCCESS);
    }
    wrong
}

/// How many opens of one user the server keeps: the simulated one's setting, by which all may be of one.
const MOST_AWAY: usize = 8;
