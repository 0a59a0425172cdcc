//! The write time of a file, and the one that clients see while it is written.
//!
//! A write does not move the time that is seen at once: it becomes visible two seconds later, or when the
//! file is flushed, its size or attributes are set, or it is closed by whoever wrote, whichever comes first.
//! What is written after that stays unseen until the next such moment.
//!
//! ```text
//! Present --write--> Held (old time; from two seconds on, that of the last write before)
//! Held --flush, size or attributes set--> Held (the present time)
//! Held --close by a handle that wrote--> Present
//! ```

use std::time::Duration;

use wire::dtyp::FileTime;

/// LastModificationTime, as it is and as it is seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteTime {
    present: FileTime,
    held: Option<Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    /// What is seen before `until`.
    before: FileTime,
    until: FileTime,
    /// What is seen from `until` on.
    after: FileTime,
}

impl WriteTime {
    /// A time that is seen.
    pub(super) fn new(time: FileTime) -> Self {
        Self {
            present: time,
            held: None,
        }
    }

    /// What clients see; the clock is asked only where that matters.
    pub(super) fn seen(&self, now: impl FnOnce() -> FileTime) -> FileTime {
        match self.held {
            None => self.present,
            Some(held) if !held.until.is_zero() && now() < held.until => held.before,
            Some(held) => held.after,
        }
    }

    /// Contents are written.
    pub(super) fn written(&mut self, now: FileTime) {
        let held = self.held.get_or_insert(Held {
            before: self.present,
            until: FileTime(now.0.saturating_add(HOLD_BACK)),
            after: now,
        });
        if now < held.until {
            held.after = now;
        }
        self.present = now;
    }

    /// The size is set.
    pub(super) fn resized(&mut self, now: FileTime) {
        self.present = now;
        self.held = Some(Held::released(now));
    }

    /// A client sets the time.
    pub(super) fn set(&mut self, time: FileTime) {
        self.present = time;
        self.release();
    }

    /// Lets what has been written so far be seen.
    pub(super) fn release(&mut self) {
        self.held = self.held.map(|_| Held::released(self.present));
    }

    /// A handle that wrote is closed.
    pub(super) fn end(&mut self) {
        self.held = None;
    }
}

impl Held {
    fn released(present: FileTime) -> Self {
        Self {
            before: present,
            until: FileTime::ZERO,
            after: present,
        }
    }
}

/// In ticks of 100 ns.
const HOLD_BACK: u64 = (Duration::from_secs(2).as_nanos() / 100) as u64;

#[cfg(test)]
mod tests {
    use super::*;

    /// A time in seconds.
    fn at(seconds: u64) -> FileTime {
        FileTime(1_000_000_000 + seconds * 10_000_000)
    }

    #[test]
    fn a_write_is_seen_two_seconds_later() {
        let mut time = WriteTime::new(at(0));
        time.written(at(10));
        time.written(at(11));
        assert_eq!(time.seen(|| at(11)), at(0));
        assert_eq!(time.seen(|| at(12)), at(11));
        time.written(at(20));
        assert_eq!(time.seen(|| at(30)), at(11), "until the next release");
        time.release();
        assert_eq!(time.seen(|| at(30)), at(20));
    }

    #[test]
    fn closing_and_setting_the_size_show_the_present_time() {
        let mut time = WriteTime::new(at(0));
        time.written(at(10));
        time.resized(at(11));
        assert_eq!(time.seen(|| at(11)), at(11));
        time.written(at(20));
        assert_eq!(time.seen(|| at(60)), at(11));
        time.end();
        assert_eq!(time.seen(|| at(20)), at(20));
    }

    #[test]
    fn a_time_that_is_set_is_seen() {
        let mut time = WriteTime::new(at(50));
        time.written(at(60));
        time.set(at(5));
        assert_eq!(time.seen(|| at(60)), at(5));
    }
}
