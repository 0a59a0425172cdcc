//! The locks of one stream.
//!
//! Owns which ranges are locked, by whom and how, and the queue of those that wait; decides what overlaps
//! and what conflicts. Never knows opens, oplocks or who is told.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use wire::NtStatus;

use super::super::attachment::AttachmentId;
use super::super::effect::Effects;
use super::super::oplock::Operation;
use super::super::wait::Completer;
use super::unrecorded::{LockChange, LockExtent, Unrecorded};
use super::{LockElement, LockKind, Range};

/// The locks of one stream.
#[derive(Default)]
pub(in super::super) struct LockTable {
    /// By first byte, then by age.
    pub(super) granted: BTreeMap<(u64, u64), Lock>,
    /// The longest granted range since the table was last empty: a lock that overlaps a byte
    /// starts at most this far before it.
    longest: u64,
    pub(super) waiting: VecDeque<WaitingLock>,
    next_age: u64,
    unrecorded: Unrecorded,
}

pub(super) struct Lock {
    pub(super) range: Range,
    pub(super) kind: LockKind,
    pub(super) owner: AttachmentId,
}

pub(super) struct WaitingLock {
    pub(super) element: LockElement,
    pub(super) owner: AttachmentId,
    pub(super) completer: Completer<Result<(), NtStatus>>,
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
    pub(in super::super) fn has_locks(&self) -> bool {
        !self.granted.is_empty()
    }

    /// The number of ranges that are locked.
    pub(in super::super) fn len(&self) -> usize {
        self.granted.len()
    }

    /// The number of requests that wait.
    pub(in super::super) fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a read or a write of the range by `owner` meets a lock of others, or a write one
    /// that is shared.
    pub(in super::super) fn refuses_io(
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
        self.unrecorded.locked(owner, key.1, element);
        self.granted.insert(key, Lock { range, kind, owner });
        key
    }

    fn remove(&mut self, key: (u64, u64)) {
        if let Some(lock) = self.granted.remove(&key) {
            self.unrecorded.unlocked(lock.owner, key.1);
        }
        if self.granted.is_empty() {
            self.longest = 0;
        }
    }

    fn try_lock(&mut self, element: LockElement, owner: AttachmentId) -> Option<(u64, u64)> {
        let free = !self.conflicts(element.range, Intent::Lock(element.kind), owner);
        free.then(|| self.insert(element, owner))
    }

    /// Keeps note of the changes of an open's locks from now on.
    pub(in super::super) fn record(&mut self, owner: AttachmentId) {
        self.unrecorded.begin(owner);
    }

    /// The locks of an open whose locks are recorded, the oldest first; all of them, or what has changed since
    /// this was last asked.
    pub(in super::super) fn take_to_record(
        &mut self,
        owner: AttachmentId,
        extent: LockExtent,
    ) -> Vec<LockChange> {
        let changes = self.unrecorded.take(owner);
        if extent == LockExtent::Changes {
            return changes;
        }
        let held = self.granted.iter().filter(|(_, lock)| lock.owner == owner);
        let mut all: Vec<_> = held
            .map(|((_, age), lock)| LockChange {
                number: *age,
                lock: Some(LockElement {
                    range: lock.range,
                    kind: lock.kind,
                }),
            })
            .collect();
        all.sort_unstable_by_key(|change| change.number);
        all
    }

    /// Takes all locks or none.
    pub(in super::super) fn lock_all(
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
    pub(super) fn unlock(&mut self, range: Range, owner: AttachmentId) -> Result<(), NtStatus> {
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
    pub(super) fn grant_waiting(&mut self, effects: &mut Effects) {
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
    pub(in super::super) fn release(&mut self, owner: AttachmentId, effects: &mut Effects) {
        let held = self.granted.len();
        self.unrecorded.end(owner);
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
    pub(super) fn end_waits(&mut self, owner: AttachmentId, effects: &mut Effects) {
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
    pub(in super::super) fn show(&self) -> Vec<String> {
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
