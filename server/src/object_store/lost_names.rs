//! Which objects have lately lost the name they had: deleted, or renamed.
//!
//! CREATE looks a name up first and asks the store afterwards. Whatever loses its name in between,
//! while the handler works or the open waits for a break, must be looked up again.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::share::ObjectId;

/// A moment, as the store counts them: by names lost so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(u64);

/// The latest objects that lost a name.
#[derive(Debug, Default)]
pub(super) struct LostNames {
    count: AtomicU64,
    latest: Mutex<VecDeque<ObjectId>>,
}

impl LostNames {
    pub(super) fn now(&self) -> Moment {
        Moment(self.count.load(Ordering::Acquire))
    }

    pub(super) fn record(&self, object: ObjectId) {
        let mut latest = self.latest.lock();
        if latest.len() >= KEPT {
            latest.pop_front();
        }
        latest.push_back(object);
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Any object may have lost its name: a directory above it has another.
    pub(super) fn record_all(&self) {
        let mut latest = self.latest.lock();
        latest.clear();
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Whether the object may have lost its name since; true when that is too long ago to know.
    pub(super) fn has_lost(&self, object: ObjectId, since: Moment) -> bool {
        if self.now() == since {
            return false;
        }
        let latest = self.latest.lock();
        let lost = self.now().0.wrapping_sub(since.0);
        match usize::try_from(lost) {
            Ok(lost) if lost <= latest.len() => {
                latest.iter().rev().take(lost).any(|other| *other == object)
            }
            _ => true,
        }
    }
}

/// How many are remembered: more than can go while one open waits for the disk.
const KEPT: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn object(file: u64) -> ObjectId {
        ObjectId { volume: 1, file }
    }

    #[test]
    fn only_what_was_lost_since_counts_and_a_forgotten_moment_counts_for_all() {
        let lost = LostNames::default();
        let first = lost.now();
        lost.record(object(1));
        let second = lost.now();
        lost.record(object(2));
        assert!(lost.has_lost(object(1), first));
        assert!(!lost.has_lost(object(1), second));
        assert!(lost.has_lost(object(2), second));
        assert!(!lost.has_lost(object(3), first));
        (0..KEPT as u64).for_each(|file| lost.record(object(file + 10)));
        assert!(lost.has_lost(object(3), first));
    }

    #[test]
    fn every_name_may_be_lost_with_that_of_a_directory() {
        let lost = LostNames::default();
        lost.record(object(1));
        let before = lost.now();
        lost.record_all();
        let after = lost.now();
        lost.record(object(2));
        assert!(lost.has_lost(object(3), before));
        assert!(!lost.has_lost(object(3), after));
        assert!(lost.has_lost(object(2), after));
    }
}
