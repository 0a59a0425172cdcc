//! The command sequence window: which message ids a client may use next.
//!
//! The window is a stretch of ids from the lowest unused one on, with a mark for each id inside
//! that is used already. A client that leaves a low id unused keeps the window from moving on,
//! and so its own credits from growing: memory stays bounded by the largest window.

use std::collections::VecDeque;

/// Connection.CommandSequenceWindow. [MS-SMB2] 3.3.1.1
#[derive(Debug)]
pub struct SequenceWindow {
    /// The lowest id that may still be used.
    lowest: u64,
    /// One mark per id from `lowest` on; true when used. The front is never true.
    used: VecDeque<bool>,
    /// The most ids that the window may span.
    span: usize,
    /// Ids in the window that are not used.
    available: usize,
}

impl SequenceWindow {
    /// A window that holds id 0 alone and never spans more than `span` ids.
    #[must_use]
    pub fn new(span: usize) -> Self {
        Self {
            lowest: 0,
            used: VecDeque::from([false]),
            span: span.max(1),
            available: 1,
        }
    }

    /// The number of ids that the client may use at once.
    #[must_use]
    pub fn available(&self) -> usize {
        self.available
    }

    /// Uses `count` ids from `first` on. False, and nothing is used, unless all are available.
    // [MS-SMB2] 3.3.5.2.3
    #[must_use]
    pub fn consume(&mut self, first: u64, count: u16) -> bool {
        let count = usize::from(count.max(1));
        let Some(start) = first
            .checked_sub(self.lowest)
            .and_then(|at| usize::try_from(at).ok())
        else {
            return false;
        };
        let Some(end) = start
            .checked_add(count)
            .filter(|end| *end <= self.used.len())
        else {
            return false;
        };
        if self.used.range(start..end).any(|used| *used) {
            return false;
        }
        for used in self.used.range_mut(start..end) {
            *used = true;
        }
        self.available = self.available.saturating_sub(count);
        while self.used.front() == Some(&true) {
            self.used.pop_front();
            self.lowest = self.lowest.saturating_add(1);
        }
        true
    }

    /// Opens the window for up to `wanted` more ids and returns how many were granted.
    // [MS-SMB2] 3.3.1.2
    pub fn grant(&mut self, wanted: u16) -> u16 {
        let room = self.span.saturating_sub(self.used.len());
        let granted = u16::try_from(room).unwrap_or(u16::MAX).min(wanted);
        self.used
            .extend(std::iter::repeat_n(false, usize::from(granted)));
        self.available = self.available.saturating_add(usize::from(granted));
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_window_holds_the_id_zero_only() {
        let mut window = SequenceWindow::new(8);
        assert!(!window.consume(1, 1));
        assert!(window.consume(0, 1));
        assert!(!window.consume(0, 1));
        assert_eq!(window.available(), 0);
    }

    #[test]
    fn a_charge_uses_consecutive_ids_or_none() {
        let mut window = SequenceWindow::new(16);
        assert!(window.consume(0, 0));
        assert_eq!(window.grant(8), 8);
        assert!(window.consume(3, 2));
        assert!(!window.consume(2, 2));
        assert!(window.consume(1, 2));
        assert!(window.consume(5, 4));
        assert!(!window.consume(9, 1));
        assert_eq!(window.available(), 0);
    }

    #[test]
    fn an_id_left_unused_keeps_the_window_from_growing() {
        let mut window = SequenceWindow::new(4);
        assert!(window.consume(0, 1));
        assert_eq!(window.grant(10), 4);
        for id in 2..5 {
            assert!(window.consume(id, 1));
        }
        assert_eq!(window.grant(10), 0);
        assert!(window.consume(1, 1));
        assert_eq!(window.grant(10), 4);
    }

    #[test]
    fn ids_at_the_end_of_the_number_range_do_not_overflow() {
        let mut window = SequenceWindow::new(4);
        assert!(!window.consume(u64::MAX, 1));
        assert!(!window.consume(u64::MAX, u16::MAX));
    }
}
