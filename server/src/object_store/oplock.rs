//! What an operation takes from those who cache, and who may cache what beside whom.
//!
//! Owns the rules of oplocks; those of asking for a lease are in [`super::lease`], and who holds what
//! is in [`super::holding`].

use std::sync::Arc;

use wire::dtyp::AccessMask;
use wire::{LeaseKey, NtStatus, OplockLevel};

use super::attachment::{Attached, Attachment, AttachmentId};
use super::effect::{Decision, Effects, Outcome};
use super::holding::{
    Breaker, HANDLE, Holder, Holding, HoldingKind, READ, READ_WRITE, Tally, WRITE, legal, level,
};
use super::object::{FileState, Object, Shared, Stream, StreamId};
use super::{BreakId, LeaseState, OpenId, StreamKind};

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

/// Who does something that may break the caching of others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender {
    /// What is the contender's own, never broken by it.
    pub(super) holder: Holder,
    /// A lease with this key, whoever's, is spared too: ParentOplockKey, where a change to what a directory contains
    /// contends for that directory.
    pub(super) spares: Option<LeaseKey>,
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
        let is_own = contender.holder == holder || contender.spares(holder);
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
        Self {
            holder: attachment.holder,
            spares: None,
            access: attachment.mode.access,
        }
    }

    /// Somebody without a key that any lease could have.
    pub(super) fn nobody(spares: Option<LeaseKey>) -> Self {
        Self {
            // No attachment has this number.
            holder: Holder::Open(AttachmentId(0)),
            spares,
            access: AccessMask::NONE,
        }
    }

    /// Whether the holder's lease has the key of those that are spared.
    // [MS-FSA] 2.1.4.12.2
    fn spares(&self, holder: Holder) -> bool {
        match holder {
            Holder::Lease(_, key) => self.spares == Some(key),
            Holder::Open(_) => false,
        }
    }

    /// Whether an open with this access leaves leases alone.
    // [MS-FSA] 2.1.4.12
    fn spares_leases(&self) -> bool {
        let harmless = ATTRIBUTES.with(AccessMask::READ_CONTROL);
        self.access.without(harmless).is_empty()
    }

    /// Whether an open with this access leaves oplocks alone.
    // [MS-FSA] 2.1.4.12
    fn spares_oplocks(&self) -> bool {
        spares_oplocks(self.access)
    }
}

/// Whether an open with this access leaves oplocks and leases alone.
// [MS-FSA] 2.1.4.12
#[must_use]
pub fn spares_oplocks(access: AccessMask) -> bool {
    access.without(ATTRIBUTES).is_empty()
}

/// Whether an open with this access uses more than attributes, and so is in the way of write caching.
pub(super) fn is_user(access: AccessMask) -> bool {
    !spares_oplocks(access)
}

const ATTRIBUTES: AccessMask = AccessMask::FILE_READ_ATTRIBUTES
    .with(AccessMask::FILE_WRITE_ATTRIBUTES)
    .with(AccessMask::SYNCHRONIZE);

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
    if !stream.oplocks.may_lose(loss.lease) {
        return false;
    }
    let mut must_wait = false;
    stream.oplocks.change_each(|holder, holding| {
        let lost = loss.takes(holder, holding, contender);
        if lost.is_empty() {
            return;
        }
        must_wait |= match holding.kind {
            HoldingKind::Oplock(_) => holding.state != READ,
            HoldingKind::Lease(_) => holding.state.contains(WRITE) || loss.lease.contains(HANDLE),
        };
        holding.lose(
            lost,
            &mut Breaker {
                object,
                holder,
                effects,
            },
        );
    });
    must_wait
}

/// Takes from the others what an open takes from them, without telling anybody.
pub(super) fn overrule(stream: &mut Stream, loss: Loss, contender: &Contender) {
    if stream.oplocks.may_lose(loss.lease) {
        stream.oplocks.change_each(|holder, holding| {
            let lost = loss.takes(holder, holding, contender);
            holding.state = legal(holding.state.without(lost));
        });
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
            && !(state.contains(HANDLE) && self.is_deleted())
            && self.oplocks.others(holder).caching == 0
    }

    /// Whether level II can stand beside what others hold.
    // [MS-FSA] 2.1.5.18
    // [MS-FSA] 2.1.5.18.2
    fn may_hold_two(&self, holder: Holder) -> bool {
        let Tally {
            writing, handles, ..
        } = self.oplocks.others(holder);
        let is_free = writing == 0 && handles == 0 && !self.locks.has_locks();
        self.kind == StreamKind::Data && is_free
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
    let users = u32::from(is_user(attachment.mode.access));
    let has_more_opens = stream.oplocks.change(attachment.holder, |holding| {
        let HoldingKind::Lease(facts) = &mut holding.kind else {
            return false;
        };
        facts.opens.remove(&attachment.open);
        facts.users = facts.users.saturating_sub(users);
        !facts.opens.is_empty()
    });
    if has_more_opens == Some(true) {
        return;
    }
    let removed = stream.oplocks.remove(attachment.holder);
    if let Some(Holding {
        kind: HoldingKind::Lease(_),
        ..
    }) = &removed
    {
        shared
            .leases
            .remove(attachment.holder, attachment.object.id);
    }
    let mut breaker = Breaker {
        object: &attachment.object,
        holder: attachment.holder,
        effects,
    };
    if removed.is_some_and(|mut holding| holding.abandon(&mut breaker)) {
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
    let stream = state.stream(attachment.stream);
    let holding = stream.and_then(|stream| stream.oplocks.get(holder));
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
    let still_breaking = stream.oplocks.change(holder, |holding| {
        holding.settle(
            kept,
            &mut Breaker {
                object,
                holder,
                effects,
            },
        );
        holding.is_breaking()
    });
    // observed: on Windows, who waits goes on waiting while a further break takes the rest
    if still_breaking != Some(true) {
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
