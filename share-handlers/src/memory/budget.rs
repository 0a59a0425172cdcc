//! How much memory a volume may hold, and how much it holds.

use std::sync::atomic::{AtomicU64, Ordering};

use wire::NtStatus;

/// Bytes of one volume: taken before anything is stored, given back when it goes.
#[derive(Debug)]
pub(super) struct Budget {
    limit: u64,
    used: AtomicU64,
}

impl Budget {
    /// A budget of `limit` bytes, none of them used.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
        }
    }

    /// Takes `bytes`, or nothing.
    ///
    /// # Errors
    /// `DISK_FULL`.
    pub(super) fn take(&self, bytes: u64) -> Result<(), NtStatus> {
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(bytes).filter(|used| *used <= self.limit)
            })
            .map(drop)
            .map_err(|_| NtStatus::DISK_FULL)
    }

    /// Gives `bytes` back that were taken before.
    pub(super) fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// Fails when `bytes` could not be taken now; takes nothing.
    ///
    /// # Errors
    /// `DISK_FULL`.
    pub(super) fn check(&self, bytes: u64) -> Result<(), NtStatus> {
        if bytes <= self.free() {
            Ok(())
        } else {
            Err(NtStatus::DISK_FULL)
        }
    }

    /// Bytes in all.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that can still be taken.
    pub(super) fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_exceeded_and_refuses_whole_requests() {
        let budget = Budget::new(10);
        assert_eq!(budget.take(7), Ok(()));
        assert_eq!(budget.take(4), Err(NtStatus::DISK_FULL));
        assert_eq!(budget.free(), 3);
        budget.give(7);
        assert_eq!(budget.take(10), Ok(()));
        assert_eq!(budget.take(u64::MAX), Err(NtStatus::DISK_FULL));
    }
}
