//! Byte-range locks: who may lock, read and write which bytes of a stream.
//!
//! Owns one stream's granted locks and the queue of those that wait, and the calls on an open that
//! use them. Locks belong to opens; nothing here knows processes or lock sequences.

mod listing;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use wire::NtStatus;

pub use listing::ListedLock;

use super::attachment::{Attachment, AttachmentId};
use super::effect::{Decision, Effects, Outcome};
use super::object::Stream;
use super::oplock::{self, Contender, Operation};
use super::wait::{self, Completer};
use super::{Limits, StreamKind};

/// A range of bytes as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Range {
    /// The first byte.
    pub offset: u64,
    /// The number of bytes; a range of none lies between two bytes.
    pub length: u64,
}

/// One range to be locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockElement {
    /// The bytes.
    pub range: Range,
    /// How.
    pub kind: LockKind,
}

/// How a range is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// Others may read and lock shared; nobody may write.
    Shared,
    /// Others may do nothing.
    Exclusive,
}

/// What a lock request does when it meets a conflicting lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocking {
    /// Fail with `LOCK_NOT_GRANTED`.
    FailImmediately,
    /// Wait until it can be granted.
    Wait,
}

/// The locks of one stream.
#[derive(Default)]
pub(super) struct LockTable {
    /// By first byte, then by age.
    granted: BTreeMap<(u64, u64), Lock>,
    /// The longest granted range since the table was last empty: a lock that overlaps a byte
    /// starts at most this far before it.
    longest: u64,
    waiting: VecDeque<WaitingLock>,
    next_age: u64,
}

struct Lock {
    range: Range,
    kind: LockKind,
    owner: AttachmentId,
}

struct WaitingLock {
    element: LockElement,
    owner: AttachmentId,
    completer: Completer<Result<(), NtStatus>>,
}

/// What somebody wants to do with a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intent {
    Read,
    Write,
    Lock(LockKind),
}

impl Range {
    /// # Errors
    /// `INVALID_LOCK_RANGE` when the last byte would lie past 2^64.
    // [MS-FSA] 2.1.5.8
    fn check(self) -> Result<(), NtStatus> {
        match self
            .length
            .checked_sub(1)
            .map(|length| self.offset.checked_add(length))
        {
            Some(None) => Err(NtStatus::INVALID_LOCK_RANGE),
            None | Some(Some(_)) => Ok(()),
        }
    }

    /// Whether two ranges have a byte in common, or one of no length lies inside the other. Nothing
    /// overlaps the range of no length at 0, nor one of no length another.
    // [MS-FSA] 2.1.4.10
    fn overlaps(self, other: Self) -> bool {
        let is_before_end = |at: u64, range: Self| at.saturating_sub(range.offset) < range.length;
        match (self.length, other.length) {
            (0, 0) => false,
            (0, _) => self.offset > other.offset && is_before_end(self.offset, other),
            (_, 0) => other.offset > self.offset && is_before_end(other.offset, self),
            _ if self.offset >= other.offset => is_before_end(self.offset, other),
            _ => is_before_end(other.offset, self),
        }
    }
}

impl Lock {
    // [MS-FSA] 2.1.4.10
    fn refuses(&self, intent: Intent, owner: AttachmentId) -> bool {
        match (self.kind, intent) {
            (LockKind::Exclusive, Intent::Lock(LockKind::Exclusive)) => true,
            (LockKind::Exclusive, _) => self.owner != owner,
            (LockKind::Shared, Intent::Write | Intent::Lock(LockKind::Exclusive)) => true,
            (LockKind::Shared, Intent::Read | Intent::Lock(LockKind::Shared)) => false,
        }
    }
}

impl LockTable {
    /// Whether any range is locked: then no oplock can be granted.
    pub(super) fn has_locks(&self) -> bool {
        !self.granted.is_empty()
    }

    /// The number of ranges that are locked.
    pub(super) fn len(&self) -> usize {
        self.granted.len()
    }

    /// The number of requests that wait.
    pub(super) fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a read or a write of the range by `owner` meets a lock of others, or a write one
    /// that is shared.
    pub(super) fn refuses_io(
        &self,
        operation: Operation,
        offset: u64,
        length: u64,
        owner: AttachmentId,
    ) -> bool {
        let intent = if operation == Operation::Write {
            Intent::Write
        } else {
            Intent::Read
        };
        length > 0 && self.conflicts(Range { offset, length }, intent, owner)
    }

    fn conflicts(&self, range: Range, intent: Intent, owner: AttachmentId) -> bool {
        let first = range.offset.saturating_sub(self.longest);
        let last = range.offset.saturating_add(range.length);
        self.granted
            .range((first, 0)..=(last, u64::MAX))
            .any(|(_, lock)| lock.refuses(intent, owner) && lock.range.overlaps(range))
    }

    fn insert(&mut self, element: LockElement, owner: AttachmentId) -> (u64, u64) {
        let LockElement { range, kind } = element;
        let key = (range.offset, self.next_age);
        self.next_age = self.next_age.wrapping_add(1);
        self.longest = self.longest.max(range.length);
        self.granted.insert(key, Lock { range, kind, owner });
        key
    }

    fn remove(&mut self, key: (u64, u64)) {
        self.granted.remove(&key);
        if self.granted.is_empty() {
            self.longest = 0;
        }
    }

    fn try_lock(&mut self, element: LockElement, owner: AttachmentId) -> Option<(u64, u64)> {
        let free = !self.conflicts(element.range, Intent::Lock(element.kind), owner);
        free.then(|| self.insert(element, owner))
    }

    /// The locks of an open, the oldest first.
    pub(super) fn held_by(&self, owner: AttachmentId) -> Vec<LockElement> {
        let held = self.granted.iter().filter(|(_, lock)| lock.owner == owner);
        let mut held: Vec<_> = held.map(|((_, age), lock)| (*age, lock)).collect();
        held.sort_unstable_by_key(|(age, _)| *age);
        let element = |(_, lock): (u64, &Lock)| LockElement {
            range: lock.range,
            kind: lock.kind,
        };
        held.into_iter().map(element).collect()
    }

    /// Takes all locks or none.
    pub(super) fn lock_all(
        &mut self,
        elements: &[LockElement],
        owner: AttachmentId,
        limit: usize,
    ) -> Result<(), NtStatus> {
        let mut taken = Vec::with_capacity(elements.len());
        for element in elements {
            let result = match element.range.check() {
                Ok(()) if self.granted.len() >= limit => Err(NtStatus::INSUFFICIENT_RESOURCES),
                Ok(()) => self
                    .try_lock(*element, owner)
                    .ok_or(NtStatus::LOCK_NOT_GRANTED),
                Err(status) => Err(status),
            };
            match result {
                Ok(key) => taken.push(key),
                Err(status) => {
                    taken.into_iter().for_each(|key| self.remove(key));
                    return Err(status);
                }
            }
        }
        Ok(())
    }

    /// Removes one lock: the exclusive one where several are exactly this range, else the latest.
    // [MS-FSA] 2.1.5.9
    fn unlock(&mut self, range: Range, owner: AttachmentId) -> Result<(), NtStatus> {
        range.check()?;
        let same_start = (
            Bound::Included((range.offset, 0)),
            Bound::Included((range.offset, u64::MAX)),
        );
        let mut found = None;
        for (key, lock) in self.granted.range(same_start) {
            if lock.range == range && lock.owner == owner {
                found = Some(*key);
                if lock.kind == LockKind::Exclusive {
                    break;
                }
            }
        }
        let key = found.ok_or(NtStatus::RANGE_NOT_LOCKED)?;
        self.remove(key);
        Ok(())
    }

    /// Grants, first come first served, what no longer meets a conflict.
    // [MS-FSA] 2.1.5.8
    fn grant_waiting(&mut self, effects: &mut Effects) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|wait| {
            if self.conflicts(
                wait.element.range,
                Intent::Lock(wait.element.kind),
                wait.owner,
            ) {
                return true;
            }
            if let Some(wakeup) = wait.completer.complete(Ok(())) {
                self.insert(wait.element, wait.owner);
                effects.wake(Some(wakeup));
            }
            false
        });
        self.waiting = waiting;
    }

    /// Releases all locks of an open and ends its waits.
    pub(super) fn release(&mut self, owner: AttachmentId, effects: &mut Effects) {
        let held = self.granted.len();
        self.granted.retain(|_, lock| lock.owner != owner);
        if self.granted.is_empty() {
            self.longest = 0;
        }
        self.end_waits(owner, effects);
        if self.granted.len() < held {
            self.grant_waiting(effects);
        }
    }

    /// Ends the waits of an open, as the unlock of what was never locked would end.
    fn end_waits(&mut self, owner: AttachmentId, effects: &mut Effects) {
        self.waiting.retain(|wait| {
            let ended = wait.owner == owner;
            if ended {
                effects.wake(wait.completer.complete(Err(NtStatus::RANGE_NOT_LOCKED)));
            }
            !ended
        });
    }
}

#[cfg(test)]
impl LockTable {
    /// One line for each lock and each wait.
    pub(super) fn show(&self) -> Vec<String> {
        let of =
            |range: Range, kind: LockKind| format!("{kind:?} {} {}", range.offset, range.length);
        let granted = self
            .granted
            .values()
            .map(|lock| format!("    {}", of(lock.range, lock.kind)));
        let waiting = self
            .waiting
            .iter()
            .map(|wait| format!("    waiting {}", of(wait.element.range, wait.element.kind)));
        granted.chain(waiting).collect()
    }
}

/// Agrees to a read or write: breaks what it makes stale, and looks for locks of others.
pub(super) fn check_io(
    attachment: &Attachment,
    operation: Operation,
    offset: u64,
    length: u64,
) -> Outcome<()> {
    let mut outcome = oplock::prepare(attachment, operation);
    // [MS-FSA] 2.1.4.10
    if matches!(outcome.decision, Decision::Grant(())) {
        let state = attachment.object.lock();
        let refuses = |stream: &Stream| {
            stream
                .locks
                .refuses_io(operation, offset, length, attachment.id)
        };
        if state.stream(attachment.stream).is_some_and(refuses) {
            outcome.decision = Decision::Deny(NtStatus::FILE_LOCK_CONFLICT);
        }
    }
    outcome
}

/// Locks all ranges or none.
// [MS-SMB2] 3.3.5.14.2
pub(super) fn lock(
    attachment: &Attachment,
    elements: &[LockElement],
    blocking: Blocking,
) -> Outcome<(), Result<(), NtStatus>> {
    // [MS-FSA] 2.1.5.8
    if attachment.kind == StreamKind::Directory {
        return Outcome::deny(NtStatus::INVALID_PARAMETER);
    }
    if blocking == Blocking::Wait && elements.len() > 1 {
        return Outcome::deny(NtStatus::INVALID_PARAMETER);
    }
    let (object, limits) = (&attachment.object, attachment.object.limits());
    let mut effects = Effects::default();
    let mut state = object.lock();
    if attachment.has_ended() {
        return Outcome::deny(NtStatus::FILE_CLOSED);
    }
    // Nobody who may lock meets write caching of others, so there is nothing to wait for.
    let (id, loss, contender) = (
        attachment.stream,
        Operation::Lock.into(),
        Contender::of(attachment),
    );
    oplock::check(object, &mut state, id, loss, &contender, &mut effects);
    let Some(stream) = state.stream_mut(attachment.stream) else {
        return Outcome::deny(NtStatus::FILE_CLOSED);
    };
    let result = stream.locks.lock_all(elements, attachment.id, limits.locks);
    let decision = match (result, elements) {
        (Ok(()), _) => Decision::Grant(()),
        (Err(NtStatus::LOCK_NOT_GRANTED), [element]) if blocking == Blocking::Wait => {
            wait_for(attachment, *element, &mut stream.locks, limits)
        }
        (Err(status), _) => Decision::Deny(status),
    };
    drop(state);
    Outcome::new(decision, effects)
}

fn wait_for(
    attachment: &Attachment,
    element: LockElement,
    locks: &mut LockTable,
    limits: &Limits,
) -> Decision<(), Result<(), NtStatus>> {
    if locks.waiting.len() >= limits.waiting_locks {
        return Decision::Deny(NtStatus::INSUFFICIENT_RESOURCES);
    }
    let owner = attachment.id;
    let (object, stream) = (attachment.object.clone(), attachment.stream);
    let (completer, waiter) = wait::pair(move |result| {
        let mut effects = Effects::default();
        let mut state = object.lock();
        if let Some(stream) = state.stream_mut(stream) {
            if result == Some(Ok(())) {
                // Granted, but nobody heard of it: as if it had been cancelled a moment before.
                let _ = stream.locks.unlock(element.range, owner);
                stream.locks.grant_waiting(&mut effects);
            } else {
                stream
                    .locks
                    .waiting
                    .retain(|wait| wait.completer.is_awaited());
            }
        }
    });
    locks.waiting.push_back(WaitingLock {
        element,
        owner,
        completer,
    });
    Decision::Wait(waiter)
}

/// Ends what waits for a lock of this open.
pub(super) fn end_waits(attachment: &Attachment) -> Effects {
    let mut effects = Effects::default();
    let mut state = attachment.object.lock();
    if let Some(stream) = state.stream_mut(attachment.stream) {
        stream.locks.end_waits(attachment.id, &mut effects);
    }
    drop(state);
    effects
}

/// Unlocks ranges one by one until one is not locked.
// [MS-SMB2] 3.3.5.14.1
pub(super) fn unlock(attachment: &Attachment, ranges: &[Range]) -> Outcome<()> {
    // [MS-FSA] 2.1.5.9
    if attachment.kind == StreamKind::Directory {
        return Outcome::deny(NtStatus::INVALID_PARAMETER);
    }
    let mut effects = Effects::default();
    let mut state = attachment.object.lock();
    let Some(stream) = state.stream_mut(attachment.stream) else {
        return Outcome::deny(NtStatus::FILE_CLOSED);
    };
    let locks = &mut stream.locks;
    let result = ranges
        .iter()
        .try_for_each(|range| locks.unlock(*range, attachment.id));
    locks.grant_waiting(&mut effects);
    drop(state);
    Outcome::new(result.map_or_else(Decision::Deny, Decision::Grant), effects)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(offset: u64, length: u64) -> Range {
        Range { offset, length }
    }

    const ALICE: AttachmentId = AttachmentId(1);
    const BOB: AttachmentId = AttachmentId(2);

    /// The overlap as [MS-FSA] 2.1.4.10 writes it, in numbers that do not wrap.
    fn overlaps_by_the_book(left: Range, right: Range) -> bool {
        if left == range(0, 0) || right == range(0, 0) {
            return false;
        }
        let last = |range: Range| i128::from(range.offset) + i128::from(range.length) - 1;
        i128::from(left.offset) <= last(right) && last(left) >= i128::from(right.offset)
    }

    fn small_range() -> impl Strategy<Value = Range> {
        let edge = prop_oneof![0..12_u64, (u64::MAX - 6)..=u64::MAX];
        (edge, 0..7_u64)
            .prop_map(|(offset, length)| range(offset, length))
            .prop_filter("a range that wraps is refused before", |range| {
                range.check().is_ok()
            })
    }

    proptest! {
        // test [MS-FSA] 2.1.4.10
        #[test]
        fn overlap_is_that_of_the_specification(left in small_range(), right in small_range()) {
            prop_assert_eq!(left.overlaps(right), overlaps_by_the_book(left, right));
        }

        // test [MS-FSA] 2.1.5.8
        // test [MS-FSA] 2.1.5.9
        #[test]
        fn a_table_does_what_a_plain_list_does(
            steps in prop::collection::vec((0..6_u8, 1..4_u64, small_range()), 1..60),
        ) {
            let mut table = LockTable::default();
            let mut list: Vec<(Range, LockKind, AttachmentId)> = Vec::new();
            for (step, owner, range) in steps {
                let owner = AttachmentId(owner);
                let conflict = |intent: Intent, list: &[(Range, LockKind, AttachmentId)]| {
                    list.iter().any(|(held, kind, by)| {
                        let lock = Lock { range: *held, kind: *kind, owner: *by };
                        overlaps_by_the_book(*held, range) && lock.refuses(intent, owner)
                    })
                };
                match step {
                    0 | 1 => {
                        let kind = if step == 0 { LockKind::Shared } else { LockKind::Exclusive };
                        let expected = !conflict(Intent::Lock(kind), &list);
                        let taken = table.try_lock(LockElement { range, kind }, owner).is_some();
                        prop_assert_eq!(taken, expected);
                        if expected {
                            list.push((range, kind, owner));
                        }
                    }
                    2 => {
                        let mine = |held: &(Range, LockKind, AttachmentId)| {
                            held.0 == range && held.2 == owner
                        };
                        let exclusive =
                            list.iter().position(|held| mine(held) && held.1 == LockKind::Exclusive);
                        let place = exclusive.or_else(|| list.iter().rposition(mine));
                        prop_assert_eq!(table.unlock(range, owner).is_ok(), place.is_some());
                        place.map(|place| list.remove(place));
                    }
                    3 | 4 => {
                        let (operation, intent) = if step == 3 {
                            (Operation::Read, Intent::Read)
                        } else {
                            (Operation::Write, Intent::Write)
                        };
                        let expected = range.length > 0 && conflict(intent, &list);
                        let refused = table.refuses_io(operation, range.offset, range.length, owner);
                        prop_assert_eq!(refused, expected);
                    }
                    _ => {
                        table.release(owner, &mut Effects::default());
                        list.retain(|held| held.2 != owner);
                    }
                }
                prop_assert_eq!(table.granted.len(), list.len());
            }
        }
    }

    // test [MS-FSA] 2.1.5.8
    #[test]
    fn a_range_that_passes_the_last_byte_is_invalid() {
        assert!(range(u64::MAX, 1).check().is_ok());
        assert!(range(u64::MAX, 0).check().is_ok());
        assert!(range(1, u64::MAX).check().is_ok());
        assert_eq!(
            range(u64::MAX, 2).check(),
            Err(NtStatus::INVALID_LOCK_RANGE)
        );
        assert_eq!(
            range(2, u64::MAX).check(),
            Err(NtStatus::INVALID_LOCK_RANGE)
        );
    }

    // test [MS-FSA] 2.1.4.10
    #[test]
    fn a_range_of_no_length_conflicts_only_strictly_inside_another() {
        for (other, expected) in [
            (range(10, 0), false),
            (range(9, 1), false),
            (range(10, 1), false),
            (range(11, 1), false),
            (range(9, 2), true),
            (range(10, 2), false),
            (range(9, 3), true),
        ] {
            assert_eq!(range(10, 0).overlaps(other), expected, "{other:?}");
            assert_eq!(other.overlaps(range(10, 0)), expected, "{other:?}");
        }
    }

    // test [MS-SMB2] 3.3.5.14.2
    #[test]
    fn of_several_elements_none_stays_locked_when_one_is_refused() {
        let exclusive = |offset| LockElement {
            range: range(offset, 10),
            kind: LockKind::Exclusive,
        };
        let mut table = LockTable::default();
        table.lock_all(&[exclusive(20)], BOB, 10).unwrap();
        let elements = [exclusive(0), exclusive(10), exclusive(20)];
        assert_eq!(
            table.lock_all(&elements, ALICE, 10),
            Err(NtStatus::LOCK_NOT_GRANTED)
        );
        assert_eq!(table.granted.len(), 1);
        assert_eq!(
            table.lock_all(&elements[..2], ALICE, 2),
            Err(NtStatus::INSUFFICIENT_RESOURCES)
        );
        assert_eq!(table.granted.len(), 1);
        table.lock_all(&elements[..2], ALICE, 3).unwrap();
    }
}
