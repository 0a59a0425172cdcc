//! Opens that outlive their connection: which are kept, who may take them up again, and when they go.

use std::collections::BTreeSet;
use std::time::Duration;

use wire::NtStatus;
use wire::create::LeaseState;

use super::caching::{Cache, Doubt};
use super::files::{Model, Open};
use super::operation::{Holder, Operation};

/// What makes an open outlive its connection.
#[derive(Debug, Clone, Hash)]
pub(super) struct Durable {
    pub(super) timeout: Duration,
    /// CreateGuid; 0 where the client gave none.
    pub(super) create_guid: u128,
    pub(super) user: &'static str,
    /// The client that made the open.
    pub(super) maker: usize,
    pub(super) keeping: Keeping,
}

/// How firmly an open is kept for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Keeping {
    /// Unless somebody else needs the file.
    Durable,
    /// Whoever needs the file.
    Resilient,
    /// The same, and it outlives the server.
    Persistent,
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
        let mut left = Vec::new();
        for id in here {
            let open = &self.opens[&id];
            let contends = |operation: &Operation| self.concerns(operation, open.file);
            let may_go = !open.is_persistent() && kept.len() >= MOST_AWAY;
            let contending = under_way.iter().filter(|operation| contends(operation));
            let contending: Vec<_> = contending.cloned().collect();
            let is_in_way = self.has_lost_lease(open)
                || self.disturbed.contains(&open.file)
                || !contending.is_empty();
            let is_needed = may_go || is_in_way && !open.is_kept_firmly();
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
                (Some(_), false) if !is_needed => {
                    return Err(format!("{id} was not kept: {open:?}"));
                }
                (_, false) => left.push(id),
            }
        }
        // Of what these end, nobody can tell those that wait.
        left.into_iter().for_each(|id| self.close(id));
        self.doubt_absent(|model, cache| {
            let wants = |operation: &Operation| model.concerns(operation, cache.file);
            let is_disturbed = model.disturbed.contains(&cache.file);
            cache.breaking.is_some() || is_disturbed || under_way.iter().any(wants)
        });
        Ok(())
    }

    /// An open is to be kept for its client for so long, whoever needs its file.
    // [MS-SMB2] 3.3.5.15.9
    pub(super) fn make_resilient(&mut self, id: u64, timeout: Duration, user: &'static str) {
        let Some(open) = self.opens.get_mut(&id) else {
            return;
        };
        let timeout = if timeout.is_zero() {
            RESILIENCY
        } else {
            timeout
        };
        open.durable = Some(Durable {
            timeout,
            create_guid: open.create_guid.unwrap_or(0),
            user,
            maker: open.client,
            keeping: Keeping::Resilient,
        });
    }

    /// Something has happened that others may lose caching by: those who are away, and whose opens stay, lose
    /// all of it unheard, and see that when they come back.
    // [MS-SMB2] 3.3.4.7
    pub(super) fn doubt_absent(&mut self, may_lose: impl Fn(&Self, &Cache) -> bool) {
        let loses = |cache: &Cache| self.is_unheard(cache) && may_lose(self, cache);
        let losing = self.caches.iter().filter(|(_, cache)| loses(cache));
        let losing: Vec<_> = losing.map(|(holder, _)| *holder).collect();
        for holder in losing {
            if let Some(cache) = self.caches.get_mut(&holder) {
                (cache.doubt, cache.breaking) = (Doubt::Lost, None);
            }
        }
    }

    /// A request has come: by it, those who are away may lose caching so.
    pub(super) fn doubt_for(&mut self, operation: &Operation) {
        self.doubt_absent(|model, cache| model.concerns(operation, cache.file));
    }

    /// Whether nobody can be told that this caching is broken, and no open ends by that.
    pub(super) fn is_unheard(&self, cache: &Cache) -> bool {
        let mut opens = cache.opens.iter().filter_map(|id| self.opens.get(id));
        self.is_absent(cache) && !opens.any(Open::is_persistent)
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
        if !is_over && (open.is_kept_firmly() || !may_go) {
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
        if open.is_kept_firmly() || self.has_lost_lease(open) {
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
                let is_about = |open: &Open| open.file == file || self.is_below(file, open.file);
                is_named(target) || self.opens.get(open).is_some_and(is_about)
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
    let is_kept = open.is_kept_firmly() || model.keeps_handle(open);
    let may_be_kept = is_kept || model.may_keep_handle(open);
    let wants_less = create_guid.is_some() && open.is_persistent() && !persistent;
    if !is_its_lease || !is_its_guid || is_over || !may_be_kept || wants_less {
        wrong.push(NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    if create_guid.is_some() && *persistent && !open.is_persistent() {
        wrong.push(NtStatus::INVALID_PARAMETER);
    }
    if durable.user != *user {
        wrong.push(NtStatus::ACCESS_DENIED);
    }
    if wrong.is_empty() || model.has_lost_lease(open) {
        wrong.push(NtStatus::SUCCESS);
    }
    if !is_kept {
        // Of a lease that another open keeps, resilient, its durable ones go with what the server alone knows to be lost.
        wrong.push(NtStatus::OBJECT_NAME_NOT_FOUND);
    }
    wrong
}

/// The right answer to a client that wants an open to be resilient.
// [MS-SMB2] 3.3.5.15.9
pub(super) fn allowed_resiliency(timeout: Duration, is_known: bool) -> NtStatus {
    if !is_known {
        NtStatus::INVALID_DEVICE_REQUEST
    } else if timeout > LONGEST_RESILIENCY {
        NtStatus::INVALID_PARAMETER
    } else {
        NtStatus::SUCCESS
    }
}

impl Open {
    /// Whether it outlives the server.
    pub(super) fn is_persistent(&self) -> bool {
        self.is_kept_as(|keeping| keeping == Keeping::Persistent)
    }

    /// Whether it is kept for its client whoever needs the file.
    pub(super) fn is_kept_firmly(&self) -> bool {
        self.is_kept_as(|keeping| keeping != Keeping::Durable)
    }

    fn is_kept_as(&self, is_it: impl Fn(Keeping) -> bool) -> bool {
        let durable = self.durable.as_ref();
        durable.is_some_and(|durable| is_it(durable.keeping))
    }
}

/// How long the server keeps a resilient open when the client leaves that to it.
const RESILIENCY: Duration = Duration::from_mins(2);
/// The simulated server's setting.
const LONGEST_RESILIENCY: Duration = Duration::from_mins(5);

/// How many opens of one user the server keeps: the simulated one's setting, by which all may be of one.
const MOST_AWAY: usize = 8;
