//! Counters of what the server did, cheap enough to be always on.

use std::sync::atomic::{AtomicU64, Ordering};

use wire::Command;

use crate::disconnect::DisconnectReason;

/// Server-wide counters. [MS-SMB2] 3.3.1.5, ServerStatistics
#[derive(Debug, Default)]
pub struct Statistics {
    /// Bytes received, headers included.
    pub bytes_received: Counter,
    /// Bytes sent, headers included.
    pub bytes_sent: Counter,
    /// Connections accepted.
    pub connections: Counter,
    /// Sessions set up.
    pub sessions: Counter,
    /// Log-ons that failed.
    pub failed_logons: Counter,
    /// Files, directories and pipes opened.
    pub opens: Counter,
    requests: [Counter; 19],
    failed_requests: [Counter; 19],
    disconnects: [Counter; DisconnectReason::ALL.len()],
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Statistics {
    /// Counts a request and whether it failed.
    pub fn count_request(&self, command: Command, failed: bool) {
        let index = usize::from(command.code());
        let counters = if failed {
            &self.failed_requests
        } else {
            &self.requests
        };
        if let Some(counter) = counters.get(index) {
            counter.add(1);
        }
    }

    /// Requests of `command` that succeeded and that failed.
    #[must_use]
    pub fn requests(&self, command: Command) -> (u64, u64) {
        let index = usize::from(command.code());
        let of = |counters: &[Counter; 19]| counters.get(index).map_or(0, Counter::value);
        (of(&self.requests), of(&self.failed_requests))
    }

    /// Counts a disconnect that the server decided on.
    pub fn count_disconnect(&self, reason: DisconnectReason) {
        let index = DisconnectReason::ALL
            .iter()
            .position(|known| *known == reason);
        if let Some(counter) = index.and_then(|index| self.disconnects.get(index)) {
            counter.add(1);
        }
    }

    /// Disconnects for `reason`.
    #[must_use]
    pub fn disconnects(&self, reason: DisconnectReason) -> u64 {
        let index = DisconnectReason::ALL
            .iter()
            .position(|known| *known == reason);
        index
            .and_then(|index| self.disconnects.get(index))
            .map_or(0, Counter::value)
    }
}
