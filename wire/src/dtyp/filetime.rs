//! Times of files and events.

use std::fmt;

/// A time: 100-nanosecond intervals since 1601-01-01 00:00 UTC.
///
/// Zero stands for "none" or "do not change", depending on the field.
// [MS-DTYP] 2.3.3
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileTime(pub u64);

impl FileTime {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// The latest time that fits a signed 64-bit field, which is what most fields are.
    pub const MAX: Self = Self(i64::MAX.unsigned_abs());

    /// Whether this is [`FileTime::ZERO`].
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Converts from seconds and nanoseconds since 1970, rounding down to 100 ns.
    ///
    /// Times before 1601 become [`FileTime::ZERO`], times after 30828 [`FileTime::MAX`].
    #[must_use]
    pub fn from_unix(seconds: i64, nanoseconds: u32) -> Self {
        let ticks = i128::from(seconds)
            .saturating_add(UNIX_EPOCH_SECONDS.into())
            .saturating_mul(TICKS_PER_SECOND.into())
            .saturating_add(i128::from(nanoseconds / NANOSECONDS_PER_TICK));
        let ticks = u64::try_from(ticks.max(0)).unwrap_or(u64::MAX);
        Self(ticks.min(Self::MAX.0))
    }

    /// Converts to seconds and nanoseconds since 1970; times after 30828 become 30828.
    #[must_use]
    pub fn to_unix(self) -> (i64, u32) {
        let ticks = self.0.min(Self::MAX.0);
        let seconds = i64::try_from(ticks / TICKS_PER_SECOND).unwrap_or(i64::MAX);
        let ticks = u32::try_from(ticks % TICKS_PER_SECOND).unwrap_or(0);
        let nanoseconds = ticks.saturating_mul(NANOSECONDS_PER_TICK);
        (seconds.saturating_sub(UNIX_EPOCH_SECONDS), nanoseconds)
    }
}

impl fmt::Debug for FileTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanoseconds) = self.to_unix();
        write!(
            f,
            "FileTime({} = unix {seconds} s + {nanoseconds} ns)",
            self.0
        )
    }
}

const TICKS_PER_SECOND: u64 = 10_000_000;
const NANOSECONDS_PER_TICK: u32 = 100;

/// Seconds from 1601-01-01 to 1970-01-01.
const UNIX_EPOCH_SECONDS: i64 = 11_644_473_600;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_unix_epoch_is_where_the_calendar_says() {
        // 369 years with 89 leap days lie between the two epochs.
        assert_eq!(UNIX_EPOCH_SECONDS, (369 * 365 + 89) * 86_400);
        assert_eq!(FileTime::from_unix(0, 0), FileTime(116_444_736_000_000_000));
        assert_eq!(FileTime::ZERO.to_unix(), (-UNIX_EPOCH_SECONDS, 0));
    }

    #[test]
    fn times_out_of_range_stop_at_the_ends() {
        assert_eq!(FileTime::from_unix(i64::MIN, 0), FileTime::ZERO);
        assert_eq!(FileTime::from_unix(i64::MAX, u32::MAX), FileTime::MAX);
        assert_eq!(FileTime(u64::MAX).to_unix(), FileTime::MAX.to_unix());
    }

    #[test]
    fn nanoseconds_are_rounded_down_to_a_tick() {
        assert_eq!(FileTime::from_unix(1, 199).to_unix(), (1, 100));
        assert_eq!(
            FileTime::from_unix(-1, 999_999_999).to_unix(),
            (-1, 999_999_900)
        );
    }

    proptest! {
        #[test]
        fn every_time_survives_the_way_to_unix_and_back(ticks in 0..=FileTime::MAX.0) {
            let (seconds, nanoseconds) = FileTime(ticks).to_unix();
            prop_assert_eq!(FileTime::from_unix(seconds, nanoseconds), FileTime(ticks));
        }

        #[test]
        fn conversions_never_panic(seconds: i64, nanoseconds: u32, ticks: u64) {
            let _ = FileTime::from_unix(seconds, nanoseconds);
            let _ = FileTime(ticks).to_unix();
        }
    }
}
