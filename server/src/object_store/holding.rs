//! Who caches what of a stream: its oplocks and leases, and the breaks in progress.
//!
//! Owns the holdings of one stream and their counts. Which operation takes what from whom is
//! [`super::oplock`]'s business. [MS-FSA] keeps one state for all holders; here each holder has its
//! own, and the state of the stream is their sum. An exclusive or batch oplock is kept as the
//! caching it stands for (RW, RWH), level II as R.
//!
//! ```text
//!  ──insert──> held ──lose──> breaking ──settle──> held with less, or nothing
//!               │  \__lose of R alone: nothing is awaited__^
//!               └──remove──> gone
//! ```

use std::collections::{BTreeMap, BTreeSet};

use wire::dtyp::Guid;
use wire::{LeaseKey, OplockLevel};

use super::attachment::AttachmentId;
use super::effect::{Effect, Effects, LeaseBreak, OplockBreak};
use super::object::Object;
use super::{BreakId, LeaseState, LeaseVersion, OpenId};

pub(super) const READ: LeaseState = LeaseState::READ_CACHING;
pub(super) const WRITE: LeaseState = LeaseState::WRITE_CACHING;
pub(super) const HANDLE: LeaseState = LeaseState::HANDLE_CACHING;
pub(super) const READ_WRITE: LeaseState = READ.with(WRITE);

/// Whose caching it is: that of one open, or that of a client's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Holder {
    Open(AttachmentId),
    Lease(Guid, LeaseKey),
}

/// The oplocks and leases of one stream, in an order that does not depend on hashing.
#[derive(Default)]
pub(super) struct Oplocks {
    holdings: BTreeMap<Holder, Holding>,
    tally: Tally,
}

/// How many holdings cache what, so that most questions need no walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Those with any state at all.
    pub(super) caching: u32,
    pub(super) writing: u32,
    pub(super) handles: u32,
    pub(super) oplocks: u32,
}

/// One oplock or lease.
pub(super) struct Holding {
    pub(super) state: LeaseState,
    breaking: Option<Breaking>,
    pub(super) kind: HoldingKind,
}

/// What is different between oplocks and leases.
pub(super) enum HoldingKind {
    Oplock(OpenId),
    Lease(LeaseFacts),
}

/// What a lease is besides its state.
// [MS-SMB2] 3.3.1.12
pub(super) struct LeaseFacts {
    pub(super) opens: BTreeSet<OpenId>,
    /// How many of them use more than attributes.
    pub(super) users: u32,
    pub(super) version: LeaseVersion,
    pub(super) epoch: u16,
    pub(super) parent: Option<LeaseKey>,
}

/// A break that awaits its acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Breaking {
    number: u64,
    /// What the holder was told that it may keep.
    to: LeaseState,
    /// What it may keep after all that has come since.
    required: LeaseState,
}

/// What a break needs besides the holding.
pub(super) struct Breaker<'a> {
    pub(super) object: &'a Object,
    pub(super) holder: Holder,
    pub(super) effects: &'a mut Effects,
}

impl Oplocks {
    /// Whether nothing is cached, so that nothing can be broken.
    pub(super) fn is_empty(&self) -> bool {
        self.tally.caching == 0
    }

    /// Whether anybody caches something of `lost`.
    pub(super) fn may_lose(&self, lost: LeaseState) -> bool {
        let Tally {
            caching,
            writing,
            handles,
            ..
        } = self.tally;
        (lost.contains(READ) && caching > 0)
            || (lost.contains(WRITE) && writing > 0)
            || (lost.contains(HANDLE) && handles > 0)
    }

    /// Whether a batch oplock is held: an open breaks it even before share modes are looked at.
    pub(super) fn holds_batch(&self) -> bool {
        let is_batch = |holding: &Holding| holding.is_oplock() && holding.state.contains(HANDLE);
        self.tally.oplocks > 0 && self.tally.handles > 0 && self.holdings.values().any(is_batch)
    }

    /// What all but one holder cache.
    pub(super) fn others(&self, holder: Holder) -> Tally {
        let mut tally = self.tally;
        if let Some(own) = self.holdings.get(&holder) {
            tally.remove(own);
        }
        tally
    }

    pub(super) fn get(&self, holder: Holder) -> Option<&Holding> {
        self.holdings.get(&holder)
    }

    pub(super) fn insert(&mut self, holder: Holder, holding: Holding) {
        self.remove(holder);
        self.tally.add(&holding);
        self.holdings.insert(holder, holding);
    }

    pub(super) fn remove(&mut self, holder: Holder) -> Option<Holding> {
        let holding = self.holdings.remove(&holder)?;
        self.tally.remove(&holding);
        Some(holding)
    }

    /// Changes one holding; an oplock that has nothing left goes, a lease stays with its opens.
    pub(super) fn change<T>(
        &mut self,
        holder: Holder,
        change: impl FnOnce(&mut Holding) -> T,
    ) -> Option<T> {
        let holding = self.holdings.get_mut(&holder)?;
        self.tally.remove(holding);
        let result = change(holding);
        self.tally.add(holding);
        if holding.is_oplock() && holding.state.is_empty() {
            self.holdings.remove(&holder);
        }
        Some(result)
    }

    /// Changes all holdings that `change` chooses to.
    pub(super) fn change_each(&mut self, mut change: impl FnMut(Holder, &mut Holding)) {
        let mut tally = Tally::default();
        self.holdings.retain(|holder, holding| {
            change(*holder, holding);
            tally.add(holding);
            !(holding.is_oplock() && holding.state.is_empty())
        });
        self.tally = tally;
    }

    /// The holder that a break in progress is about.
    pub(super) fn holder_of(&self, number: u64) -> Option<Holder> {
        let is_it = |holding: &Holding| holding.breaking.is_some_and(|it| it.number == number);
        self.holdings
            .iter()
            .find(|(_, holding)| is_it(holding))
            .map(|(holder, _)| *holder)
    }
}

impl Tally {
    fn add(&mut self, holding: &Holding) {
        self.count(holding, |count| {
            *count = count.saturating_add(1);
        });
    }

    fn remove(&mut self, holding: &Holding) {
        self.count(holding, |count| {
            *count = count.saturating_sub(1);
        });
    }

    fn count(&mut self, holding: &Holding, step: impl Fn(&mut u32)) {
        let state = holding.state;
        for (concerned, count) in [
            (!state.is_empty(), &mut self.caching),
            (state.contains(WRITE), &mut self.writing),
            (state.contains(HANDLE), &mut self.handles),
            (holding.is_oplock() && !state.is_empty(), &mut self.oplocks),
        ] {
            if concerned {
                step(count);
            }
        }
    }
}

impl Holding {
    pub(super) fn new(state: LeaseState, kind: HoldingKind) -> Self {
        Self {
            state,
            breaking: None,
            kind,
        }
    }

    pub(super) fn is_breaking(&self) -> bool {
        self.breaking.is_some()
    }

    /// Ends a break in progress with the holding itself; false if there is none.
    pub(super) fn abandon(&mut self, breaker: &mut Breaker<'_>) -> bool {
        let breaking = self.breaking.take();
        breaking.is_some_and(|breaking| {
            breaker.end(breaking.number);
            true
        })
    }

    pub(super) fn is_oplock(&self) -> bool {
        matches!(self.kind, HoldingKind::Oplock(_))
    }

    /// The state that the client has been told it may keep, while a break is in progress.
    pub(super) fn offered(&self) -> Option<LeaseState> {
        self.breaking.map(|breaking| breaking.to)
    }

    /// Takes `lost` away; begins a break or adds to the one in progress.
    // [MS-FSA] 2.1.4.12
    pub(super) fn lose(&mut self, lost: LeaseState, breaker: &mut Breaker<'_>) {
        let base = self
            .breaking
            .map_or(self.state, |breaking| breaking.required);
        let to = legal(base.without(lost));
        match &mut self.breaking {
            Some(breaking) => breaking.required = to,
            None => self.begin(to, breaker),
        }
    }

    /// The holder keeps `kept`; where that is too much by now, a further break follows.
    // [MS-FSA] 2.1.5.19
    pub(super) fn settle(&mut self, kept: LeaseState, breaker: &mut Breaker<'_>) {
        let Some(breaking) = self.breaking.take() else {
            return;
        };
        breaker.end(breaking.number);
        self.state = kept;
        if breaking.required.contains(kept) {
            return;
        }
        // observed: Windows takes handle and write caching first, then read caching by itself
        let to = legal(kept & breaking.required);
        let to = if kept == READ { to } else { to | READ };
        self.begin(to, breaker);
        if let Some(next) = &mut self.breaking {
            next.required = breaking.required & next.required;
        }
    }

    fn begin(&mut self, to: LeaseState, breaker: &mut Breaker<'_>) {
        let number = breaker.object.shared.next_break();
        let id = breaker.id(number);
        let current = self.state;
        // [MS-SMB2] 3.3.4.7
        let acknowledge = current != READ;
        if acknowledge {
            self.breaking = Some(Breaking {
                number,
                to,
                required: to,
            });
        } else {
            self.state = to;
        }
        let effect = match (&mut self.kind, breaker.holder) {
            (HoldingKind::Lease(facts), Holder::Lease(client, key)) => {
                let (new, epoch) = (to, facts.advance());
                Effect::LeaseBreak(LeaseBreak {
                    id,
                    client,
                    key,
                    current,
                    new,
                    epoch,
                    acknowledge,
                })
            }
            (HoldingKind::Oplock(open), _) => {
                let level = level(to);
                Effect::OplockBreak(OplockBreak {
                    id,
                    open: *open,
                    level,
                    acknowledge,
                })
            }
            (HoldingKind::Lease(_), Holder::Open(_)) => return,
        };
        breaker.effects.push(effect);
    }
}

impl Breaker<'_> {
    fn id(&self, number: u64) -> BreakId {
        BreakId {
            object: self.object.id,
            number,
        }
    }

    fn end(&mut self, number: u64) {
        self.effects.push(Effect::BreakEnded(self.id(number)));
    }
}

impl LeaseFacts {
    /// Counts a change of the lease and returns the epoch; none is counted for version 1.
    pub(super) fn advance(&mut self) -> u16 {
        if self.version == LeaseVersion::V1 {
            return 0;
        }
        self.epoch = self.epoch.wrapping_add(1);
        self.epoch
    }
}

/// The nearest state that exists: without read caching there is none.
// [MS-SMB2] 3.3.1.4
pub(super) fn legal(state: LeaseState) -> LeaseState {
    if state.contains(READ) {
        state
    } else {
        LeaseState::NONE
    }
}

/// The oplock level that stands for a state.
pub(super) fn level(state: LeaseState) -> OplockLevel {
    if state.contains(HANDLE) {
        OplockLevel::BATCH
    } else if state.contains(WRITE) {
        OplockLevel::EXCLUSIVE
    } else if state.contains(READ) {
        OplockLevel::II
    } else {
        OplockLevel::NONE
    }
}

#[cfg(test)]
impl Oplocks {
    /// One line for each holding, after checking that the counts are right.
    pub(super) fn show(&self) -> Vec<String> {
        let letters = super::scripts::words::letters;
        let mut tally = Tally::default();
        self.holdings
            .values()
            .for_each(|holding| tally.add(holding));
        assert_eq!(tally, self.tally);
        let of = |(holder, holding): (&Holder, &Holding)| {
            let name = match (holder, &holding.kind) {
                (Holder::Lease(_, key), HoldingKind::Lease(facts)) => {
                    format!("lease {} opens={}", key.0[15], facts.opens.len())
                }
                (_, HoldingKind::Oplock(open)) => format!("oplock {}", open.0),
                _ => String::new(),
            };
            let breaking = holding.breaking.map(|breaking| {
                format!(
                    " breaking to {} ({})",
                    letters(breaking.to),
                    letters(breaking.required)
                )
            });
            format!(
                "    {name} {}{}",
                letters(holding.state),
                breaking.unwrap_or_default()
            )
        };
        self.holdings.iter().map(of).collect()
    }
}
