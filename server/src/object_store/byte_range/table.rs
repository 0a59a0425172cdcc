//! The locks of one stream.
//!
//! Owns which ranges are locked, by whom and how, and the queue of those that wait; decides what overlaps
//! and what conflicts. Never knows opens, oplocks or who is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wire::NtStatus;

use super::super::attachment::AttachmentId;
use super::super::effect::Effects;
use super::super::oplock::Operation;
use super::super::wait::Completer;
use super::counts::RangeCounts;
use super::unrecorded::{LockChange, LockExtent, Unrecorded};
use super::{LockElement, LockKind, Range};

/// The locks of one stream.
#[derive(Default)]
pub(in super::super) struct LockTable {
    pub(super) granted: BTreeSet<Lock>,
    /// Those that are shared.
    shared: RangeCounts,
    /// Those that are exclusive.
    exclusive: RangeCounts,
    /// Those that are exclusive, of each open that has had any.
    own_exclusive: BTreeMap<AttachmentId, RangeCounts>,
    pub(super) waiting: VecDeque<WaitingLock>,
    next_age: u64,
    unrecorded: Unrecorded,
}

/// A range that is locked. Those of one open stand together, and there those of one range: what unlocks it
/// takes the last of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lock {
    pub(super) owner: AttachmentId,
    pub(super) range: Range,
    pub(super) kind: LockKind,
    /// Later ones have higher numbers.
    pub(super) age: u64,
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

    /// The last byte; none for a range of no length. What would lie past 2^64 is not there.
    pub(super) fn last(self) -> Option<u64> {
        let further = self.length.checked_sub(1)?;
        Some(self.offset.saturating_add(further))
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

    /// Whether somebody's lock refuses `owner` what it intends. An exclusive one lets its owner read, write and
    /// lock the range shared, but nobody lock it exclusively; a shared one lets nobody write.
    // [MS-FSA] 2.1.4.10
    fn conflicts(&self, range: Range, intent: Intent, owner: AttachmentId) -> bool {
        let is_shared = || self.shared.overlapping(range) > 0;
        let exclusive = self.exclusive.overlapping(range);
        let is_others = || {
            let own = self.own_exclusive.get(&owner).filter(|_| exclusive > 0);
            exclusive > own.map_or(0, |own| own.overlapping(range))
        };
        match intent {
            Intent::Read | Intent::Lock(LockKind::Shared) => is_others(),
            Intent::Write => is_others() || is_shared(),
            Intent::Lock(LockKind::Exclusive) => exclusive > 0 || is_shared(),
        }
    }

    fn insert(&mut self, element: LockElement, owner: AttachmentId) -> Lock {
        let LockElement { range, kind } = element;
        let age = self.next_age;
        self.next_age = self.next_age.wrapping_add(1);
        self.unrecorded.locked(owner, age, element);
        match kind {
            LockKind::Shared => self.shared.insert(range),
            LockKind::Exclusive => {
                self.exclusive.insert(range);
                self.own_exclusive.entry(owner).or_default().insert(range);
            }
        }
        let lock = Lock {
            owner,
            range,
            kind,
            age,
        };
        self.granted.insert(lock);
        lock
    }

    fn remove(&mut self, lock: Lock) {
        if !self.granted.remove(&lock) {
            return;
        }
        let Lock {
            owner, range, kind, ..
        } = lock;
        self.unrecorded.unlocked(owner, lock.age);
        match kind {
            LockKind::Shared => self.shared.remove(range),
            LockKind::Exclusive => {
                self.exclusive.remove(range);
                if let Some(own) = self.own_exclusive.get_mut(&owner) {
                    own.remove(range);
                }
            }
        }
    }

    fn try_lock(&mut self, element: LockElement, owner: AttachmentId) -> Option<Lock> {
        let free = !self.conflicts(element.range, Intent::Lock(element.kind), owner);
        free.then(|| self.insert(element, owner))
    }

    /// The locks of one open.
    fn held_by(&self, owner: AttachmentId) -> impl Iterator<Item = &Lock> {
        let first = Lock::least(owner, Range::LEAST);
        let held = self.granted.range(first..);
        held.take_while(move |lock| lock.owner == owner)
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
        let mut all: Vec<_> = self
            .held_by(owner)
            .map(|lock| LockChange {
                number: lock.age,
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
                Ok(lock) => taken.push(lock),
                Err(status) => {
                    taken.into_iter().for_each(|lock| self.remove(lock));
                    return Err(status);
                }
            }
        }
        Ok(())
    }

    /// Removes one lock after the other until there is none; grants what has waited for them.
    // [MS-FSA] 2.1.5.9
    pub(super) fn unlock_all(
        &mut self,
        ranges: &[Range],
        owner: AttachmentId,
        effects: &mut Effects,
    ) -> Result<(), NtStatus> {
        let mut freed = Vec::with_capacity(ranges.len());
        let result = ranges.iter().try_for_each(|range| {
            self.unlock(*range, owner)?;
            freed.push(*range);
            Ok(())
        });
        self.grant_waiting(&freed, effects);
        result
    }

    /// Removes one lock: an exclusive one where several are exactly this range, else the latest.
    // [MS-FSA] 2.1.5.9
    fn unlock(&mut self, range: Range, owner: AttachmentId) -> Result<(), NtStatus> {
        range.check()?;
        let same = Lock::least(owner, range)..=Lock::greatest(owner, range);
        let lock = self.granted.range(same).next_back();
        let lock = *lock.ok_or(NtStatus::RANGE_NOT_LOCKED)?;
        self.remove(lock);
        Ok(())
    }

    /// Removes locks that were granted and should not have been: of each range and kind the latest.
    pub(super) fn take_back(
        &mut self,
        elements: &[LockElement],
        owner: AttachmentId,
        effects: &mut Effects,
    ) {
        let mut freed = Vec::with_capacity(elements.len());
        for LockElement { range, kind } in elements {
            let of = |age| Lock {
                kind: *kind,
                age,
                ..Lock::least(owner, *range)
            };
            let latest = self.granted.range(of(0)..=of(u64::MAX)).next_back();
            if let Some(lock) = latest.copied() {
                self.remove(lock);
                freed.push(*range);
            }
        }
        self.grant_waiting(&freed, effects);
    }

    /// Grants, first come first served, what has waited for the ranges that are free now and meets no other lock.
    // [MS-FSA] 2.1.5.8
    fn grant_waiting(&mut self, freed: &[Range], effects: &mut Effects) {
        if self.waiting.is_empty() {
            return;
        }
        let mut counts = RangeCounts::default();
        freed.iter().for_each(|range| counts.insert(*range));
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|wait| {
            let LockElement { range, kind } = wait.element;
            let has_waited = counts.overlapping(range) > 0;
            if !has_waited || self.conflicts(range, Intent::Lock(kind), wait.owner) {
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
        self.unrecorded.end(owner);
        let held: Vec<_> = self.held_by(owner).copied().collect();
        let freed: Vec<_> = held.iter().map(|lock| lock.range).collect();
        held.into_iter().for_each(|lock| self.remove(lock));
        self.own_exclusive.remove(&owner);
        self.end_waits(owner, effects);
        self.grant_waiting(&freed, effects);
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

impl Lock {
    /// What stands before all locks of a range by an open.
    fn least(owner: AttachmentId, range: Range) -> Self {
        Self {
            owner,
            range,
            kind: LockKind::Shared,
            age: 0,
        }
    }

    /// What stands behind all locks of a range by an open.
    fn greatest(owner: AttachmentId, range: Range) -> Self {
        Self {
            owner,
            range,
            kind: LockKind::Exclusive,
            age: u64::MAX,
        }
    }
}

impl Range {
    /// What stands before all other ranges.
    const LEAST: Self = Self {
        offset: 0,
        length: 0,
    };
}

#[cfg(test)]
impl LockTable {
    /// One line for each lock and each wait.
    pub(in super::super) fn show(&self) -> Vec<String> {
        let of =
            |range: Range, kind: LockKind| format!("{kind:?} {} {}", range.offset, range.length);
        let mut granted: Vec<_> = self.granted.iter().collect();
        granted.sort_by_key(|lock| (lock.range.offset, lock.age));
        let granted = granted
            .into_iter()
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

    use super::super::counts::tests::overlaps_by_the_book;
    use super::*;

    fn range(offset: u64, length: u64) -> Range {
        Range { offset, length }
    }

    const ALICE: AttachmentId = AttachmentId(1);
    const BOB: AttachmentId = AttachmentId(2);

    /// Whether a lock that overlaps refuses what somebody intends, or its own owner.
    // [MS-FSA] 2.1.4.10
    fn refuses(kind: LockKind, is_own: bool, intent: Intent) -> bool {
        match (kind, intent) {
            (LockKind::Exclusive, Intent::Lock(LockKind::Exclusive)) => true,
            (LockKind::Exclusive, _) => !is_own,
            (LockKind::Shared, Intent::Write | Intent::Lock(LockKind::Exclusive)) => true,
            (LockKind::Shared, Intent::Read | Intent::Lock(LockKind::Shared)) => false,
        }
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
                        let is_own = *by == owner;
                        overlaps_by_the_book(*held, range) && refuses(*kind, is_own, intent)
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
