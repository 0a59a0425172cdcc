//! Oplocks and lease states of one stream: who may cache what, and what breaks it.
//!
//! Owns the holdings of a stream. [MS-FSA] writes the rules as one state for all holders; here each
//! holder has its own, and the state of the stream is their sum. An exclusive or batch oplock is
//! kept as the caching it stands for (RW, RWH), level II as R.
//!
//! ```text
//!  ──grant──> held ──break──> breaking ──acknowledge, give_up──> held with less, or nothing
//!              │  \__break of R alone: nothing is awaited__________________^
//!              └──close──> gone
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use wire::dtyp::{AccessMask, Guid};
use wire::{LeaseKey, NtStatus, OplockLevel};

use super::attachment::{Attached, Attachment, AttachmentId};
use super::effect::{Decision, Effect, Effects, LeaseBreak, OplockBreak, Outcome};
use super::object::{FileState, Object, Shared, Stream, StreamId};
use super::{BreakId, LeaseState, LeaseVersion, OpenId, StreamKind};

/// An operation on an open that may make stale what others cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// READ.
    Read,
    /// WRITE.
    Write,
    /// FLUSH.
    Flush,
    /// LOCK with elements to be locked; [`super::ObjectStore::lock`] includes it.
    Lock,
    /// SET_INFO of the end of file or the allocation size.
    SetSize,
    /// FSCTL_SET_ZERO_DATA and its like.
    ZeroData,
    /// SET_INFO of a name: rename, link, short name.
    Rename,
    /// SET_INFO that makes deletion pending.
    Delete,
    /// SET_INFO of the security descriptor.
    SetSecurity,
}

/// Whose caching it is: that of one open, or that of a client's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Holder {
    Open(AttachmentId),
    Lease(Guid, LeaseKey),
}

/// Who does something that may break the caching of others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender {
    /// What is the contender's own, never broken by it.
    pub(super) holder: Holder,
    /// The contender's own lease on the directory above.
    pub(super) parent: Option<Holder>,
    /// The access wanted, where it is an open that contends.
    pub(super) access: AccessMask,
}

/// What an operation takes from others.
// [MS-FSA] 2.1.4.12
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Loss {
    oplock: OplockLoss,
    lease: LeaseState,
    /// An open for attributes alone takes nothing.
    spares_attributes: bool,
}

/// What an operation takes from oplocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OplockLoss {
    Nothing,
    /// Exclusive and batch become level II: BreakToTwo.
    ToTwo,
    /// All end, the contender's own level II too: BreakToNone.
    ToNone,
    /// Only batch ends.
    BatchToNone,
}

/// The oplocks and leases of one stream, in an order that does not depend on hashing.
#[derive(Default)]
pub(super) struct Oplocks(BTreeMap<Holder, Holding>);

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
    pub(super) opens: u32,
    /// Opens that use more than attributes.
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

const READ: LeaseState = LeaseState::READ_CACHING;
const WRITE: LeaseState = LeaseState::WRITE_CACHING;
const HANDLE: LeaseState = LeaseState::HANDLE_CACHING;
const READ_WRITE: LeaseState = READ.with(WRITE);

impl Loss {
    /// An open that keeps the contents.
    pub(super) const OPEN: Self = Self {
        oplock: OplockLoss::ToTwo,
        lease: WRITE,
        spares_attributes: true,
    };
    /// An open that replaces the contents.
    pub(super) const OVERWRITE: Self = Self {
        oplock: OplockLoss::ToNone,
        lease: READ_WRITE,
        spares_attributes: true,
    };
    /// An open that share modes refuse as long as others keep their handles: OPEN_BREAK_H.
    pub(super) const CONFLICT: Self = Self::of(OplockLoss::Nothing, HANDLE);
    /// A change to what a directory contains: PARENT_OBJECT.
    pub(super) const CONTENT: Self = Self::of(OplockLoss::Nothing, READ_WRITE);
    /// What needs that others close: a rename of the directory above, or over the file.
    pub(super) const HANDLES: Self = Self::of(OplockLoss::BatchToNone, HANDLE);

    const fn of(oplock: OplockLoss, lease: LeaseState) -> Self {
        Self {
            oplock,
            lease,
            spares_attributes: false,
        }
    }

    /// What this means for one holding: the states it loses, none if it keeps all.
    fn takes(self, holder: Holder, holding: &Holding, contender: &Contender) -> LeaseState {
        let is_own = contender.holder == holder;
        let state = holding.state;
        if let HoldingKind::Lease(_) = holding.kind {
            let spared = self.spares_attributes && contender.spares_leases();
            return if is_own || spared {
                LeaseState::NONE
            } else {
                self.lease & state
            };
        }
        if self.spares_attributes && contender.spares_oplocks() {
            return LeaseState::NONE;
        }
        let is_two = state == READ;
        match self.oplock {
            OplockLoss::ToNone if is_two || !is_own => state,
            OplockLoss::ToTwo if !is_two && !is_own => state.without(READ),
            OplockLoss::BatchToNone if state.contains(HANDLE) && !is_own => state,
            _ => LeaseState::NONE,
        }
    }
}

impl From<Operation> for Loss {
    // [MS-FSA] 2.1.4.12
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Read | Operation::Flush => Self::of(OplockLoss::ToTwo, WRITE),
            Operation::Write | Operation::Lock | Operation::SetSize | Operation::ZeroData => {
                Self::of(OplockLoss::ToNone, READ_WRITE)
            }
            Operation::Rename => Self::of(OplockLoss::BatchToNone, HANDLE),
            Operation::Delete | Operation::SetSecurity => Self::of(OplockLoss::Nothing, HANDLE),
        }
    }
}

impl Contender {
    /// An open that does something now.
    pub(super) fn of(attachment: &Attached) -> Self {
        let Attached {
            holder,
            parent,
            mode,
            ..
        } = attachment;
        Self {
            holder: *holder,
            parent: *parent,
            access: mode.access,
        }
    }

    /// Whether an open with this access leaves leases alone.
    // [MS-FSA] 2.1.4.12
    fn spares_leases(&self) -> bool {
        !is_user(self.access)
    }

    /// Whether an open with this access leaves oplocks alone.
    // [MS-FSA] 2.1.4.12
    fn spares_oplocks(&self) -> bool {
        self.access.without(ATTRIBUTES).is_empty()
    }
}

/// Whether an open with this access uses more than attributes.
pub(super) fn is_user(access: AccessMask) -> bool {
    !access
        .without(ATTRIBUTES.with(AccessMask::READ_CONTROL))
        .is_empty()
}

const ATTRIBUTES: AccessMask = AccessMask::FILE_READ_ATTRIBUTES
    .with(AccessMask::FILE_WRITE_ATTRIBUTES)
    .with(AccessMask::SYNCHRONIZE);

impl Oplocks {
    /// Whether nothing is cached, so that nothing can be broken.
    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(|holding| holding.state.is_empty())
    }

    /// Whether a batch oplock is held: an open breaks it even before share modes are looked at.
    pub(super) fn holds_batch(&self) -> bool {
        self.0.values().any(|holding| {
            matches!(holding.kind, HoldingKind::Oplock(_)) && holding.state.contains(HANDLE)
        })
    }

    pub(super) fn get_mut(&mut self, holder: Holder) -> Option<&mut Holding> {
        self.0.get_mut(&holder)
    }

    pub(super) fn insert(&mut self, holder: Holder, holding: Holding) {
        self.0.insert(holder, holding);
    }

    pub(super) fn remove(&mut self, holder: Holder) -> Option<Holding> {
        self.0.remove(&holder)
    }

    /// The holdings of all but one holder that cache something.
    pub(super) fn others(&self, holder: Holder) -> impl Iterator<Item = &Holding> {
        let is_other = move |(other, holding): &(&Holder, &Holding)| {
            **other != holder && !holding.state.is_empty()
        };
        self.0.iter().filter(is_other).map(|(_, holding)| holding)
    }

    /// One line for each holding.
    #[cfg(test)]
    pub(super) fn show(&self) -> Vec<String> {
        let letters = super::scripts::letters;
        let of = |(holder, holding): (&Holder, &Holding)| {
            let name = match (holder, &holding.kind) {
                (Holder::Lease(_, key), HoldingKind::Lease(facts)) => {
                    format!("lease {} opens={}", key.0[15], facts.opens)
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
        self.0.iter().map(of).collect()
    }

    fn holder_of(&self, number: u64) -> Option<Holder> {
        let is_it = |holding: &Holding| holding.breaking.is_some_and(|it| it.number == number);
        self.0
            .iter()
            .find(|(_, holding)| is_it(holding))
            .map(|(holder, _)| *holder)
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

    pub(super) fn is_oplock(&self) -> bool {
        matches!(self.kind, HoldingKind::Oplock(_))
    }

    /// The state that the client has been told it may keep, while a break is in progress.
    pub(super) fn offered(&self) -> Option<LeaseState> {
        self.breaking.map(|breaking| breaking.to)
    }

    /// Takes `lost` away; begins a break or adds to the one in progress.
    // [MS-FSA] 2.1.4.12
    fn lose(&mut self, lost: LeaseState, break_to: &mut Breaker<'_>) {
        let base = self
            .breaking
            .map_or(self.state, |breaking| breaking.required);
        let to = legal(base.without(lost));
        match &mut self.breaking {
            Some(breaking) => breaking.required = to,
            None => self.begin(to, break_to),
        }
    }

    fn begin(&mut self, to: LeaseState, breaker: &mut Breaker<'_>) {
        let number = breaker.object.shared.next_break();
        let id = BreakId {
            object: breaker.object.id,
            number,
        };
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
        let effect = match &mut self.kind {
            HoldingKind::Oplock(open) => Effect::OplockBreak(OplockBreak {
                id,
                open: *open,
                level: level(to),
                acknowledge,
            }),
            HoldingKind::Lease(facts) => {
                let epoch = facts.advance();
                let Holder::Lease(client, key) = breaker.holder else {
                    return;
                };
                let new = to;
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
        };
        breaker.effects.push(effect);
    }

    /// The holder keeps `kept`; where that is too much by now, a further break follows.
    fn settle(&mut self, kept: LeaseState, breaker: &mut Breaker<'_>) {
        let Some(breaking) = self.breaking.take() else {
            return;
        };
        self.state = kept;
        if breaking.required.contains(kept) {
            return;
        }
        // observed: handle and write caching go first, read caching by a break of its own
        let to = legal(kept & breaking.required);
        let to = if kept == READ { to } else { to | READ };
        self.begin(to, breaker);
        if let Some(next) = &mut self.breaking {
            next.required = breaking.required & next.required;
        }
    }
}

/// What a break needs besides the holding.
struct Breaker<'a> {
    object: &'a Object,
    holder: Holder,
    effects: &'a mut Effects,
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

fn level(state: LeaseState) -> OplockLevel {
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

/// Begins the breaks that an operation on a stream needs; returns whether it must wait for one.
// [MS-FSA] 2.1.4.12
pub(super) fn check(
    object: &Object,
    state: &mut FileState,
    stream: StreamId,
    loss: Loss,
    contender: &Contender,
    effects: &mut Effects,
) -> bool {
    let Some(stream) = state.stream_mut(stream) else {
        return false;
    };
    let mut must_wait = false;
    for (holder, holding) in &mut stream.oplocks.0 {
        let lost = loss.takes(*holder, holding, contender);
        if lost.is_empty() {
            continue;
        }
        let waits = match holding.kind {
            HoldingKind::Oplock(_) => holding.state != READ,
            HoldingKind::Lease(_) => holding.state.contains(WRITE) || loss.lease.contains(HANDLE),
        };
        must_wait |= waits;
        holding.lose(
            lost,
            &mut Breaker {
                object,
                holder: *holder,
                effects,
            },
        );
    }
    stream.oplocks.drop_ended_oplocks();
    must_wait
}

impl Oplocks {
    /// Forgets oplocks that have nothing left; a lease stays as long as it has opens.
    fn drop_ended_oplocks(&mut self) {
        self.0
            .retain(|_, holding| !holding.is_oplock() || !holding.state.is_empty());
    }
}

/// Breaks what an operation on an open makes stale.
pub(super) fn prepare(attachment: &Attachment, operation: Operation) -> Outcome<()> {
    let object = &attachment.object;
    let mut effects = Effects::default();
    let mut state = object.lock();
    let (loss, contender) = (Loss::from(operation), Contender::of(attachment));
    let decision = if check(
        object,
        &mut state,
        attachment.stream,
        loss,
        &contender,
        &mut effects,
    ) {
        object.wait_for_break(&mut state)
    } else {
        Decision::Grant(())
    };
    Outcome::new(decision, effects)
}

/// An oplock that an open asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct OplockRequest {
    pub(super) holder: Holder,
    pub(super) open: OpenId,
    pub(super) level: OplockLevel,
}

/// Gives an open with this access the oplock it asks for, or level II, or none.
// [MS-SMB2] 3.3.5.9
pub(super) fn grant(stream: &mut Stream, access: AccessMask, asks: OplockRequest) -> OplockLevel {
    let wanted = match asks.level {
        OplockLevel::BATCH => READ_WRITE.with(HANDLE),
        OplockLevel::EXCLUSIVE => READ_WRITE,
        OplockLevel::II => READ,
        _ => return OplockLevel::NONE,
    };
    let own_users = u32::from(is_user(access));
    let alone = wanted != READ && stream.may_hold_alone(asks.holder, own_users, wanted);
    let granted = if alone {
        wanted
    } else if stream.may_hold_two(asks.holder) {
        READ
    } else {
        return OplockLevel::NONE;
    };
    stream.oplocks.insert(
        asks.holder,
        Holding::new(granted, HoldingKind::Oplock(asks.open)),
    );
    level(granted)
}

impl Stream {
    /// Whether write caching can be held: nobody else caches anything, and no other open uses the
    /// contents. An open for attributes alone is in nobody's way.
    // [MS-FSA] 2.1.5.18
    // [MS-FSA] 2.1.5.18.1
    pub(super) fn may_hold_alone(&self, holder: Holder, own_users: u32, state: LeaseState) -> bool {
        self.kind == StreamKind::Data
            && self.users <= own_users
            && !(state.contains(HANDLE) && self.is_deleted)
            && self.oplocks.others(holder).next().is_none()
    }

    /// Whether level II can stand beside what others hold.
    // [MS-FSA] 2.1.5.18
    // [MS-FSA] 2.1.5.18.2
    fn may_hold_two(&self, holder: Holder) -> bool {
        self.kind == StreamKind::Data
            && !self.locks.has_locks()
            && self.oplocks.others(holder).all(|other| other.state == READ)
    }
}

/// Forgets the caching of an open that ends.
// [MS-FSA] 2.1.4.12
pub(super) fn close(
    shared: &Shared,
    state: &mut FileState,
    attachment: &Attached,
    effects: &mut Effects,
) {
    let Some(stream) = state.stream_mut(attachment.stream) else {
        return;
    };
    let Some(holding) = stream.oplocks.get_mut(attachment.holder) else {
        return;
    };
    if let HoldingKind::Lease(facts) = &mut holding.kind {
        facts.opens = facts.opens.saturating_sub(1);
        facts.users = facts
            .users
            .saturating_sub(u32::from(is_user(attachment.mode.access)));
        if facts.opens > 0 {
            return;
        }
        shared
            .leases
            .remove(attachment.holder, attachment.object.id);
    }
    let removed = stream.oplocks.remove(attachment.holder);
    if removed.is_some_and(|holding| holding.is_breaking()) {
        state.wake_waiting(effects);
    }
}

/// Takes the acknowledgement of an oplock break.
// [MS-SMB2] 3.3.5.22.1
pub(super) fn acknowledge(
    attachment: &Attachment,
    level: OplockLevel,
) -> (Result<OplockLevel, NtStatus>, Effects) {
    let (object, holder) = (&attachment.object, attachment.holder);
    let mut effects = Effects::default();
    let mut state = object.lock();
    let oplocks = state
        .stream_mut(attachment.stream)
        .map(|stream| &mut stream.oplocks);
    let holding = oplocks.and_then(|oplocks| oplocks.get_mut(holder));
    let Some(holding) = holding.filter(|holding| holding.is_oplock() && holding.is_breaking())
    else {
        return (Err(NtStatus::INVALID_DEVICE_STATE), effects);
    };
    let held_batch = holding.state.contains(HANDLE);
    let (kept, error) = match level {
        OplockLevel::NONE => (LeaseState::NONE, None),
        // [MS-FSA] 2.1.5.19
        OplockLevel::II => (holding.offered().unwrap_or_default() & READ, None),
        OplockLevel::EXCLUSIVE if held_batch => (LeaseState::NONE, None),
        OplockLevel::LEASE => (LeaseState::NONE, Some(NtStatus::INVALID_PARAMETER)),
        _ => (LeaseState::NONE, Some(NtStatus::INVALID_OPLOCK_PROTOCOL)),
    };
    let kept_level = self::level(kept);
    settle(
        object,
        &mut state,
        attachment.stream,
        holder,
        kept,
        &mut effects,
    );
    (error.map_or(Ok(kept_level), Err), effects)
}

/// Ends the break in progress of one holder, and wakes who waited.
pub(super) fn settle(
    object: &Arc<Object>,
    state: &mut FileState,
    stream: StreamId,
    holder: Holder,
    kept: LeaseState,
    effects: &mut Effects,
) {
    let Some(stream) = state.stream_mut(stream) else {
        return;
    };
    let mut still_breaking = false;
    if let Some(holding) = stream.oplocks.get_mut(holder) {
        holding.settle(
            kept,
            &mut Breaker {
                object,
                holder,
                effects,
            },
        );
        still_breaking = holding.is_breaking();
    }
    stream.oplocks.drop_ended_oplocks();
    // observed: who waits goes on waiting while a further break takes the rest
    if !still_breaking {
        state.wake_waiting(effects);
    }
}

/// Ends a break that nobody will acknowledge.
pub(super) fn give_up(shared: &Shared, id: BreakId) -> Effects {
    let mut effects = Effects::default();
    let Some(object) = shared.object(id.object) else {
        return effects;
    };
    let mut state = object.lock();
    let found = state
        .streams
        .iter()
        .find_map(|stream| Some((stream.id, stream.oplocks.holder_of(id.number)?)));
    if let Some((stream, holder)) = found {
        settle(
            &object,
            &mut state,
            stream,
            holder,
            LeaseState::NONE,
            &mut effects,
        );
    }
    effects
}
