//! Byte-range locks: which there are, what they keep others from, and requests that name several.

use std::collections::BTreeMap;

use wire::NtStatus;

use super::files::{File, Model};
use super::operation::Operation;

/// A range that is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Lock {
    pub(super) open: u64,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) exclusive: bool,
}

/// What an element of a LOCK request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ElementKind {
    /// SMB2_LOCKFLAG_SHARED_LOCK.
    Shared,
    /// SMB2_LOCKFLAG_EXCLUSIVE_LOCK.
    Exclusive,
    /// SMB2_LOCKFLAG_UNLOCK.
    Unlock,
}

/// One element of a LOCK request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Element {
    /// What it is for.
    pub kind: ElementKind,
    /// Whether to wait for a range that is locked.
    pub wait: bool,
    /// The first byte.
    pub offset: u64,
    /// How many.
    pub length: u64,
}

/// By what a LOCK request is known again, where its dialect has that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LockSequence {
    /// LockSequenceIndex, from 1 to 64.
    pub index: u8,
    /// LockSequenceNumber.
    pub number: u8,
    /// Whether it counts for durable opens alone.
    pub needs_durable: bool,
    /// Whether a request like this had been carried out when it came.
    pub is_repeated: bool,
}

/// The requests of an open that were carried out: the number by the index.
pub(super) type LockSequences = BTreeMap<u8, u8>;

impl Element {
    fn of(self, open: u64) -> Lock {
        Lock {
            open,
            offset: self.offset,
            length: self.length,
            exclusive: self.kind == ElementKind::Exclusive,
        }
    }
}

impl Model {
    /// A LOCK has reached the server, which looks for its sequence number before anything else.
    // [MS-SMB2] 3.3.5.14
    pub(super) fn receive_lock(&mut self, operation: &mut Operation) {
        let Operation::LockList { open, sequence, .. } = operation else {
            return;
        };
        let Some(open) = self.opens.get_mut(open) else {
            return;
        };
        if !open.access.read && !open.access.write {
            return;
        }
        let Some(sequence) = sequence.as_mut().filter(|it| open.verifies(it)) else {
            return;
        };
        let known = open.lock_sequences.get(&sequence.index);
        sequence.is_repeated = known == Some(&sequence.number);
        if !sequence.is_repeated {
            open.lock_sequences.remove(&sequence.index);
        }
    }

    /// Judges the answer to a LOCK of several elements, and goes on as it says.
    ///
    /// # Errors
    /// What would have been right.
    pub(super) fn judge_list(
        &mut self,
        id: u64,
        elements: &[Element],
        sequence: Option<LockSequence>,
        status: NtStatus,
    ) -> Result<(), String> {
        let (locks, right) = self.after_list(id, elements, sequence);
        let waits = elements.iter().any(|element| element.wait);
        if status != right || status == NtStatus::LOCK_NOT_GRANTED && waits {
            return Err(format!(
                "LOCK by {id} of {elements:?} gave {status:?}; right is {right:?}"
            ));
        }
        let Some(open) = self.opens.get_mut(&id) else {
            return Ok(());
        };
        let done = sequence.filter(|it| status == NtStatus::SUCCESS && open.verifies(it));
        if let Some(done) = done {
            open.lock_sequences.insert(done.index, done.number);
        }
        self.files.entry(open.file).or_default().locks = locks;
        Ok(())
    }

    /// The locks of the file after a LOCK of several elements, and the status that is right.
    pub(super) fn after_list(
        &self,
        id: u64,
        elements: &[Element],
        sequence: Option<LockSequence>,
    ) -> (Vec<Lock>, NtStatus) {
        let open = &self.opens[&id];
        let file = &self.files[&open.file];
        let unlocks = |element: &Element| element.kind == ElementKind::Unlock;
        if !open.access.read && !open.access.write {
            (file.locks.clone(), NtStatus::ACCESS_DENIED)
        } else if sequence.is_some_and(|sequence| sequence.is_repeated) {
            (file.locks.clone(), NtStatus::SUCCESS)
        } else if elements.first().is_some_and(unlocks) {
            after_unlocks(&file.locks, id, elements)
        } else {
            after_locks(&file.locks, id, elements)
        }
    }
}

/// What stands before an element that fails stays unlocked.
// [MS-SMB2] 3.3.5.14.1
fn after_unlocks(locks: &[Lock], open: u64, elements: &[Element]) -> (Vec<Lock>, NtStatus) {
    let mut left = locks.to_vec();
    for element in elements {
        if element.kind != ElementKind::Unlock {
            return (left, NtStatus::INVALID_PARAMETER);
        }
        if let Err(status) = unlock(&mut left, open, element.offset, element.length) {
            return (left, status);
        }
    }
    (left, NtStatus::SUCCESS)
}

/// What stands before an element that conflicts is unlocked again.
// [MS-SMB2] 3.3.5.14.2
fn after_locks(locks: &[Lock], open: u64, elements: &[Element]) -> (Vec<Lock>, NtStatus) {
    let is_odd = |element: &Element| element.kind == ElementKind::Unlock;
    let waits = |element: &Element| element.wait;
    if elements.iter().any(is_odd) || elements.len() > 1 && elements.iter().any(waits) {
        return (locks.to_vec(), NtStatus::INVALID_PARAMETER);
    }
    let mut taken = locks.to_vec();
    for element in elements {
        let lock = element.of(open);
        if let Err(status) = lock.check() {
            return (locks.to_vec(), status);
        }
        if taken.iter().any(|other| other.excludes(&lock)) {
            return (locks.to_vec(), NtStatus::LOCK_NOT_GRANTED);
        }
        taken.push(lock);
    }
    (taken, NtStatus::SUCCESS)
}

/// Removes the exclusive lock of the range, else the latest.
// [MS-FSA] 2.1.5.9
fn unlock(locks: &mut Vec<Lock>, open: u64, offset: u64, length: u64) -> Result<(), NtStatus> {
    let wanted = Lock {
        open,
        offset,
        length,
        exclusive: false,
    };
    wanted.check()?;
    let is_it = |lock: &Lock| (lock.open, lock.offset, lock.length) == (open, offset, length);
    let exclusive = locks.iter().position(|lock| is_it(lock) && lock.exclusive);
    let latest = || locks.iter().rposition(is_it);
    let at = exclusive
        .or_else(latest)
        .ok_or(NtStatus::RANGE_NOT_LOCKED)?;
    locks.remove(at);
    Ok(())
}

impl Lock {
    /// The last byte, or the one before the first if there is none.
    fn last(&self) -> i128 {
        i128::from(self.offset) + i128::from(self.length) - 1
    }

    // [MS-FSA] 2.1.5.8
    fn check(&self) -> Result<(), NtStatus> {
        if self.last() > u64::MAX.into() {
            return Err(NtStatus::INVALID_LOCK_RANGE);
        }
        Ok(())
    }

    // [MS-FSA] 2.1.4.10
    fn overlaps(&self, other: &Self) -> bool {
        let is_nothing = |lock: &Self| (lock.offset, lock.length) == (0, 0);
        !is_nothing(self)
            && !is_nothing(other)
            && i128::from(self.offset) <= other.last()
            && self.last() >= other.offset.into()
    }

    /// Whether this lock keeps another from being granted.
    // [MS-FSA] 2.1.4.10
    fn excludes(&self, other: &Self) -> bool {
        let is_foreign = self.exclusive && self.open != other.open;
        self.overlaps(other) && (is_foreign || other.exclusive)
    }
}

impl File {
    // [MS-FSA] 2.1.4.10
    pub(super) fn is_locked(&self, wanted: &Lock) -> bool {
        self.locks.iter().any(|lock| lock.excludes(wanted))
    }

    pub(super) fn is_locked_for_read(&self, open: u64, offset: u64, length: u64) -> bool {
        self.is_locked(&Lock {
            open,
            offset,
            length,
            exclusive: false,
        })
    }

    // [MS-FSA] 2.1.4.10
    pub(super) fn is_locked_for_write(&self, open: u64, offset: u64, length: u64) -> bool {
        let wanted = Lock {
            open,
            offset,
            length,
            exclusive: false,
        };
        let refuses = |lock: &Lock| !lock.exclusive || lock.open != open;
        let mut locks = self.locks.iter().filter(|lock| lock.overlaps(&wanted));
        locks.any(refuses)
    }

    /// Unlocks one range.
    ///
    /// # Errors
    /// `RANGE_NOT_LOCKED`.
    pub(super) fn unlock(&mut self, open: u64, offset: u64, length: u64) -> Result<(), NtStatus> {
        unlock(&mut self.locks, open, offset, length)
    }
}
