//! Opens that outlive the server: what is as it was when it is there again, and what is gone with it.

use std::collections::BTreeSet;
use std::time::Duration;

use wire::create::LeaseState;

use super::caching::{Cache, Doubt};
use super::files::{Model, Open, expect};
use super::operation::{Access, Holder, Operation};

/// Whether a file is kept from a CREATE, for a client that is away and has a persistent open of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reservation {
    /// It is not.
    None,
    /// It is.
    ForAnother,
    /// It was not yet when the CREATE came, which has waited since. Whether the server looks again is its business.
    SinceItBegan,
}

impl Model {
    /// The server has been killed while these operations were under way, and another has these opens of it: all
    /// persistent ones whose time is not over, with what they cache, lock and delete. Says how many there are no
    /// more.
    ///
    /// # Errors
    /// One is there that must not be, or one that must be is not.
    // [MS-SMB2] 3.3.5.9.12
    // [MS-SMB2] 3.3.6.2
    pub fn restart(
        &mut self,
        now: Duration,
        kept: &BTreeSet<u64>,
        under_way: &[Operation],
    ) -> Result<u64, String> {
        let before = self.opens.len();
        for operation in under_way {
            self.unsettle(operation);
        }
        self.watches.clear();
        self.disturbed.clear();
        let is_lost = |(id, open): &(&u64, &Open)| {
            let may_be_lost = self.has_lost_lease(open) && !kept.contains(id);
            !open.is_persistent() || may_be_lost
        };
        let lost = self.opens.iter().filter(is_lost);
        let lost: Vec<_> = lost.map(|(id, _)| *id).collect();
        lost.into_iter().for_each(|id| self.forget(id));
        for cache in self.caches.values_mut() {
            // [MS-SMB2] 3.3.6.1
            // [MS-SMB2] 3.3.6.5
            // Nobody will acknowledge a break of the server that is gone.
            if cache.breaking.take().is_some() || cache.doubt != Doubt::None {
                cache.doubt = Doubt::Lost;
            }
        }
        self.now = now;
        for open in self.opens.values_mut() {
            let timeout = open.durable.as_ref().map_or(now, |it| now + it.timeout);
            open.away.get_or_insert(timeout);
        }
        let is_over = |open: &Open| open.away.is_some_and(|until| until <= now);
        let over = self.opens.iter().filter(|(_, open)| is_over(open));
        let over: Vec<_> = over.map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.close(id));
        expect("what waits again", kept, &self.away().collect())?;
        Ok((before - self.opens.len()) as u64)
    }

    /// An open is gone with the server: what it would have done in the end is not done.
    fn forget(&mut self, id: u64) {
        let Some(open) = self.opens.remove(&id) else {
            return;
        };
        self.release(id, open.holder);
        let is_open = self.opens.values().any(|other| {
            let is_kept = other.is_persistent();
            other.file == open.file && is_kept
        });
        if let Some(file) = self.files.get_mut(&open.file) {
            file.locks.retain(|lock| lock.open != id);
            file.delete_pending &= is_open;
        }
    }

    /// Whether a file is kept from a CREATE.
    // [MS-SMB2] 3.3.5.9
    pub(super) fn reservation(
        &self,
        client: usize,
        operation: &Operation,
        file: u64,
    ) -> Reservation {
        let Operation::Open {
            access,
            disposition,
            lease,
            ..
        } = operation
        else {
            return Reservation::None;
        };
        let key = lease.map(|lease| lease.key);
        let holder = key.map(|key| Holder::Lease { client, key });
        let only_looks = *access == Access::NONE && !disposition.destroys();
        let is_harmed = |open: &&Open| {
            let maker = open.durable.as_ref().map(|durable| durable.maker);
            maker != Some(client) || !only_looks && holder != Some(open.holder)
        };
        let mut for_others = self.waiting_for(file).filter(is_harmed).peekable();
        if for_others.peek().is_none() {
            Reservation::None
        } else if for_others.all(|open| open.wanted_by.contains(operation)) {
            Reservation::SinceItBegan
        } else {
            Reservation::ForAnother
        }
    }

    /// The persistent opens of a file that wait for their client.
    fn waiting_for(&self, file: u64) -> impl Iterator<Item = &Open> {
        let waits =
            move |open: &&Open| open.file == file && open.away.is_some() && open.is_persistent();
        self.opens.values().filter(waits)
    }

    /// Whether all opens of a holder wait for their client, and its caching does too.
    pub(super) fn is_absent(&self, cache: &Cache) -> bool {
        let opens = cache.opens.iter().filter_map(|id| self.opens.get(id));
        let is_here = opens.clone().any(|open| open.away.is_none());
        !is_here && opens.clone().any(Open::is_kept_firmly)
    }

    /// A request has come that others may lose caching by: those who are away are told later, or see it.
    // [MS-SMB2] 3.3.4.6
    // [MS-SMB2] 3.3.4.7
    pub(super) fn unsettle(&mut self, operation: &Operation) {
        self.doubt_for(operation);
        let asking = operation.open().and_then(|id| self.opens.get(&id));
        let asking = asking.map(|open| (open.file, Some(open.holder)));
        let named = |name: &String| self.names.get(name).copied();
        let (own, other) = match operation {
            Operation::Write { .. }
            | Operation::SetEndOfFile { .. }
            | Operation::SetDisposition { .. }
            | Operation::Lock { .. }
            | Operation::LockList { .. } => (asking, None),
            // [MS-FSA] 2.1.4.12
            Operation::Close { open } if self.deletes_on_close(*open) => (asking, None),
            // [MS-FSA] 2.1.5.15.12
            Operation::Rename { target, .. } => {
                let replaced = asking.and_then(|(_, holder)| Some((named(target)?, holder)));
                (asking, replaced)
            }
            // All others are refused for those who are away.
            Operation::Open { name, .. } => {
                let is_old = |file: &u64| {
                    let mut waiting = self.waiting_for(*file);
                    waiting.any(|open| open.wanted_by.contains(operation))
                };
                (None, named(name).filter(is_old).map(|file| (file, None)))
            }
            _ => (None, None),
        };
        for (file, holder) in own.into_iter().chain(other) {
            self.doubt_others(file, holder);
        }
    }

    fn deletes_on_close(&self, open: u64) -> bool {
        self.opens
            .get(&open)
            .is_some_and(|open| open.delete_on_close)
    }

    /// Something may be taken from those who cache a file, but for one, of which those who are away are not told.
    pub(super) fn doubt_others(&mut self, file: u64, holder: Option<Holder>) {
        let concerns = |(other, cache): &(&Holder, &Cache)| {
            cache.file == file && Some(**other) != holder && self.is_absent(cache)
        };
        let others = self.caches.iter().filter(concerns);
        let others: Vec<_> = others.map(|(holder, _)| *holder).collect();
        for holder in others {
            if let Some(cache) = self.caches.get_mut(&holder) {
                cache.doubt = cache.doubt.max(Doubt::Broken);
            }
        }
        self.doubt_absent(|_, cache| cache.file == file);
    }

    /// A client that has an open back hears what is left of its caching, where that may be less than it was.
    pub(super) fn settle_doubt(&mut self, open: u64, told: LeaseState) {
        let holder = self.opens[&open].holder;
        if let Some(cache) = self.caches.get_mut(&holder)
            && std::mem::take(&mut cache.doubt) != Doubt::None
            && cache.state.contains(told)
        {
            cache.state = told;
        }
    }
}
