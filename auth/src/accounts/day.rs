//! Calendar days, for passwords that expire.

use std::fmt;

use wire::dtyp::FileTime;

/// A day of the Gregorian calendar in UTC, from 1970-01-01 to 9999-12-31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(u32);

impl Day {
    /// The day that many days after 1970-01-01; the last day if that is later.
    #[must_use]
    pub fn from_unix(days: u32) -> Self {
        Self(days.min(LAST_DAY))
    }

    /// The day in which `time` lies.
    #[must_use]
    pub fn of(time: FileTime) -> Self {
        let (seconds, _) = time.to_unix();
        Self::from_unix(u32::try_from(seconds.max(0) / 86_400).unwrap_or(u32::MAX))
    }

    /// Reads `YYYY-MM-DD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let year = digits(parts.next()?, 4)?;
        let month = digits(parts.next()?, 2)?;
        let day = digits(parts.next()?, 2)?;
        if !(FIRST_YEAR..=LAST_YEAR).contains(&year)
            || !(1..=12).contains(&month)
            || !(1..=days_in_month(year, month)).contains(&day)
        {
            return None;
        }
        let years = (FIRST_YEAR..year).map(days_in_year).sum::<u32>();
        let months = (1..month)
            .map(|month| days_in_month(year, month))
            .sum::<u32>();
        Some(Self(
            years
                .saturating_add(months)
                .saturating_add(day.saturating_sub(1)),
        ))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0;
        let mut year = FIRST_YEAR;
        while left >= days_in_year(year) {
            left = left.saturating_sub(days_in_year(year));
            year = year.saturating_add(1);
        }
        let mut month = 1;
        while month < 12 && left >= days_in_month(year, month) {
            left = left.saturating_sub(days_in_month(year, month));
            month = month.saturating_add(1);
        }
        write!(f, "{year:04}-{month:02}-{:02}", left.saturating_add(1))
    }
}

/// A number of exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<u32> {
    let plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

const fn days_in_year(year: u32) -> u32 {
    if is_leap(year) { 366 } else { 365 }
}

const fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

const fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const FIRST_YEAR: u32 = 1970;
const LAST_YEAR: u32 = 9999;
/// 9999-12-31.
const LAST_DAY: u32 = 2_932_896;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn days_count_from_1970() {
        assert_eq!(Day::parse("1970-01-01"), Some(Day(0)));
        assert_eq!(Day::parse("2000-03-01"), Some(Day(11_017)));
        assert_eq!(Day::parse("9999-12-31"), Some(Day(LAST_DAY)));
        assert_eq!(
            Day::of(FileTime::from_unix(86_400 * 11_017 - 1, 0)).to_string(),
            "2000-02-29"
        );
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "2023-02-29",
            "2023-13-01",
            "2023-00-01",
            "2023-1-1",
            "1969-12-31",
            "+023-01-01",
            "",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_outside_the_calendar_become_its_ends() {
        assert_eq!(Day::of(FileTime::ZERO), Day(0));
        assert_eq!(Day::of(FileTime::MAX), Day(LAST_DAY));
    }

    proptest! {
        #[test]
        fn every_day_survives_as_text(days in 0..=LAST_DAY) {
            let day = Day::from_unix(days);
            prop_assert_eq!(Day::parse(&day.to_string()), Some(day));
        }
    }
}
