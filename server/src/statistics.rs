//! Counters of what the server did, cheap enough to be always on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

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
    /// Requests to open that were refused for lack of rights.
    pub refused_opens: Counter,
    requests: [RequestCounters; 19],
    disconnects: [Counter; DisconnectReason::ALL.len()],
}

/// What is counted of one command, apart from what is counted of others: threads that carry out
/// different commands do not wait for each other's counters.
#[derive(Debug, Default)]
#[repr(align(128))]
struct RequestCounters {
    succeeded: Counter,
    failed: Counter,
    waited: Counter,
    nanoseconds: Counter,
    by_time: [Counter; ResponseTimes::CLASSES],
}

/// How a request went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// It was answered with an error.
    pub failed: bool,
    /// How long it took from its arrival to its reply; none for one that waited for somebody else: for a
    /// lock, for a break, for a change.
    pub took: Option<Duration>,
}

/// What is known of all requests of one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestStatistics {
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Those among both that waited for somebody else, whose time is not measured.
    pub waited: u64,
    /// The time of all others.
    pub times: ResponseTimes,
}

/// How long requests took, in classes of which each reaches twice as far as the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponseTimes {
    /// All of it.
    pub total: Duration,
    /// How many took less than 1 µs, less than 2 µs, less than 4 µs and so on, each without those
    /// before; the last class has no end.
    pub classes: [u64; Self::CLASSES],
}

impl ResponseTimes {
    /// The number of classes: the last one begins at 4 s.
    pub const CLASSES: usize = 24;

    /// How many requests were measured.
    #[must_use]
    pub fn measured(&self) -> u64 {
        self.classes
            .iter()
            .fold(0, |all, class| all.saturating_add(*class))
    }

    /// The mean time; zero if there was no request.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let nanoseconds = u64::try_from(self.total.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(nanoseconds.checked_div(self.measured()).unwrap_or(0))
    }

    /// A time that this many percent of the requests did not exceed: the end of the class that they
    /// reach into.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> Duration {
        let measured = u128::from(self.measured());
        let wanted = measured.saturating_mul(percent.into()).div_ceil(100);
        let mut seen = 0_u128;
        let mut end = Duration::from_micros(1);
        for class in self.classes {
            seen = seen.saturating_add(class.into());
            if seen >= wanted {
                break;
            }
            end = end.saturating_mul(2);
        }
        if measured == 0 { Duration::ZERO } else { end }
    }

    /// The class of a time: the number of binary digits of its whole microseconds.
    fn class_of(took: Duration) -> usize {
        let digits = u128::BITS.saturating_sub(took.as_micros().leading_zeros());
        let last = Self::CLASSES.saturating_sub(1);
        usize::try_from(digits).map_or(last, |class| class.min(last))
    }
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
    /// Counts a request.
    pub fn count_request(&self, command: Command, served: Served) {
        let Some(counters) = self.requests.get(usize::from(command.code())) else {
            return;
        };
        if served.failed {
            counters.failed.add(1);
        } else {
            counters.succeeded.add(1);
        }
        let Some(took) = served.took else {
            counters.waited.add(1);
            return;
        };
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        counters.nanoseconds.add(nanoseconds);
        if let Some(class) = counters.by_time.get(ResponseTimes::class_of(took)) {
            class.add(1);
        }
    }

    /// What is known of the requests of `command`.
    #[must_use]
    pub fn requests(&self, command: Command) -> RequestStatistics {
        let counters = self.requests.get(usize::from(command.code()));
        counters.map_or_else(RequestStatistics::default, RequestCounters::now)
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

impl RequestCounters {
    fn now(&self) -> RequestStatistics {
        RequestStatistics {
            succeeded: self.succeeded.value(),
            failed: self.failed.value(),
            waited: self.waited.value(),
            times: ResponseTimes {
                total: Duration::from_nanos(self.nanoseconds.value()),
                classes: std::array::from_fn(|class| {
                    self.by_time.get(class).map_or(0, Counter::value)
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(took: Duration) -> Served {
        Served {
            failed: false,
            took: Some(took),
        }
    }

    #[test]
    fn times_fall_into_classes_of_which_each_reaches_twice_as_far() {
        let class_of = |nanoseconds| ResponseTimes::class_of(Duration::from_nanos(nanoseconds));
        assert_eq!(class_of(0), 0);
        assert_eq!(class_of(999), 0);
        assert_eq!(class_of(1_000), 1);
        assert_eq!(class_of(1_999), 1);
        assert_eq!(class_of(2_000), 2);
        assert_eq!(class_of(1_000_000), 10);
        assert_eq!(class_of(u64::MAX), ResponseTimes::CLASSES - 1);
    }

    #[test]
    fn percentiles_are_the_ends_of_the_classes_that_they_reach_into() {
        let statistics = Statistics::default();
        let count = |took| statistics.count_request(Command::Read, served(took));
        (0..90).for_each(|_| count(Duration::from_nanos(700)));
        (0..10).for_each(|_| count(Duration::from_micros(100)));
        let times = statistics.requests(Command::Read).times;
        assert_eq!(times.measured(), 100);
        assert_eq!(times.percentile(50), Duration::from_micros(1));
        assert_eq!(times.percentile(90), Duration::from_micros(1));
        assert_eq!(times.percentile(91), Duration::from_micros(128));
        assert_eq!(times.percentile(100), Duration::from_micros(128));
        assert_eq!(times.mean(), Duration::from_nanos(10_630));
        let none = statistics.requests(Command::Write).times;
        assert_eq!(none.mean(), Duration::ZERO);
        assert_eq!(none.percentile(99), Duration::ZERO);
    }

    #[test]
    fn a_request_that_waited_counts_without_its_time() {
        let statistics = Statistics::default();
        let waited = Served {
            failed: true,
            took: None,
        };
        statistics.count_request(Command::Lock, waited);
        let lock = statistics.requests(Command::Lock);
        assert_eq!((lock.succeeded, lock.failed, lock.waited), (0, 1, 1));
        assert_eq!(lock.times.measured(), 0);
    }
}
