//! What all pipes of a server may hold together: answers that nobody has read, and requests that nobody has finished.
//!
//! Owns the count and the bound. One pipe is bounded by itself, but a client may open thousands; which pipe has to give
//! up what it holds is decided here, what follows from it is the pipe's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that pipes hold, and the most that they may.
#[derive(Clone)]
pub(super) struct Budget {
    held: Arc<AtomicUsize>,
    most: usize,
}

/// A pipe's part of the budget, given back when it is dropped.
pub(super) struct Part {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    /// A budget of so many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self {
            held: Arc::default(),
            most,
        }
    }

    /// A part of it that holds nothing yet.
    pub(super) fn part(&self) -> Part {
        Part {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

impl Default for Budget {
    /// As much as a few hundred clients with long lists under way hold.
    fn default() -> Self {
        Self::new(128 << 20)
    }
}

impl Part {
    /// The pipe holds so many bytes now. Tells whether it may: while all together hold too many, only a little.
    pub(super) fn holds(&mut self, bytes: usize) -> bool {
        let held = &self.budget.held;
        let (more, less) = (
            bytes.saturating_sub(self.bytes),
            self.bytes.saturating_sub(bytes),
        );
        self.bytes = bytes;
        let all = held.fetch_add(more, Ordering::Relaxed) + more;
        held.fetch_sub(less, Ordering::Relaxed);
        bytes <= LITTLE || all - less <= self.budget.most
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.holds(0);
    }
}

/// About one packet.
const LITTLE: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_hold_little_when_all_together_hold_too_much() {
        let budget = Budget::new(100_000);
        let (mut one, mut other) = (budget.part(), budget.part());
        assert!(one.holds(90_000));
        assert!(!other.holds(20_000), "all hold too much");
        assert!(other.holds(LITTLE));
        assert!(one.holds(50_000), "it holds less than before");
        assert!(other.holds(20_000));
        drop((one, other));
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
