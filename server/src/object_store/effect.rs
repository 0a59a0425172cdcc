//! What the object store decides and what has to be done about it.
//!
//! The store never sends, wakes or closes anything itself: it returns effects, and the layer above
//! carries them out after every lock is released.

use std::fmt;

use wire::dtyp::Guid;
use wire::{LeaseKey, NtStatus, OplockLevel};

use super::wait::{Turn, Waiter, Wakeup};
use super::{BreakId, LeaseState, OpenId};

/// The store's answer: a decision, and what must be done besides whatever it is.
#[must_use = "effects must be carried out whatever the decision is"]
#[derive(Debug)]
pub struct Outcome<T, W = Turn> {
    /// Whether the operation may go on.
    pub decision: Decision<T, W>,
    /// What must be done for others.
    pub effects: Effects,
}

/// Whether an operation may go on.
#[derive(Debug)]
pub enum Decision<T, W = Turn> {
    /// Go on.
    Grant(T),
    /// Await the waiter. Where it yields a [`Turn`], make the same call again afterwards, and drop
    /// that then; else it yields the end of the operation.
    Wait(Waiter<W>),
    /// Fail with this status.
    Deny(NtStatus),
}

/// A list of effects, in the order in which they happened.
///
/// Dropping it wakes whom it holds but loses the break notices.
#[must_use = "breaks that are not sent leave others waiting for the time-out"]
#[derive(Default)]
pub struct Effects(Vec<Effect>);

/// One thing to be done for somebody else.
#[derive(Debug)]
pub enum Effect {
    /// Send an oplock break notification.
    // [MS-SMB2] 3.3.4.6
    OplockBreak(OplockBreak),
    /// Send a lease break notification.
    // [MS-SMB2] 3.3.4.7
    LeaseBreak(LeaseBreak),
    /// A break that was to be acknowledged is over: its timer can stop.
    BreakEnded(BreakId),
    /// Wake a task that waits for the store; happens at the latest when dropped.
    Wake(Wakeup),
}

/// An oplock that must be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OplockBreak {
    /// The break, for [`super::ObjectStore::give_up`].
    pub id: BreakId,
    /// The open that holds the oplock.
    pub open: OpenId,
    /// The level it may keep: `II` or `NONE`.
    pub level: OplockLevel,
    /// The client must acknowledge; others may be waiting for it.
    pub acknowledge: bool,
}

/// A lease that must be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseBreak {
    /// The break, for [`super::ObjectStore::give_up`].
    pub id: BreakId,
    /// The client that holds the lease.
    pub client: Guid,
    /// The client's key of the lease.
    pub key: LeaseKey,
    /// The state the lease has now.
    pub current: LeaseState,
    /// The state it may keep.
    pub new: LeaseState,
    /// The epoch after the change; 0 for a version 1 lease.
    pub epoch: u16,
    /// The client must acknowledge; others may be waiting for it.
    pub acknowledge: bool,
}

impl<T, W> Outcome<T, W> {
    pub(super) fn new(decision: Decision<T, W>, effects: Effects) -> Self {
        Self { decision, effects }
    }

    pub(super) fn grant(value: T) -> Self {
        Self::new(Decision::Grant(value), Effects::default())
    }

    pub(super) fn deny(status: NtStatus) -> Self {
        Self::new(Decision::Deny(status), Effects::default())
    }
}

impl Effects {
    pub(super) fn push(&mut self, effect: Effect) {
        self.0.push(effect);
    }

    pub(super) fn wake(&mut self, wakeup: Option<Wakeup>) {
        self.0.extend(wakeup.map(Effect::Wake));
    }

    /// Adds the effects of a further step.
    pub fn append(&mut self, mut later: Self) {
        self.0.append(&mut later.0);
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = std::vec::IntoIter<Effect>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}
