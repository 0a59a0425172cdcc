//! Days and months of a time, in UTC.

use wire::dtyp::FileTime;

use super::ndr::ndr_struct;

ndr_struct! {
    /// SYSTEMTIME.
    // [MS-DTYP] 2.3.13
    pub(super) struct SystemTime {
        pub year: u16,
        pub month: u16,
        /// Sunday is 0.
        pub weekday: u16,
        pub day: u16,
        pub hour: u16,
        pub minute: u16,
        pub second: u16,
        pub milliseconds: u16,
    }
}

impl From<FileTime> for SystemTime {
    fn from(time: FileTime) -> Self {
        const DAY: i64 = 86_400;
        let (seconds, nanoseconds) = time.to_unix();
        let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let low = |number: i64| u16::try_from(number).unwrap_or_default();
        Self {
            year: low(year),
            month: low(month),
            // 1970-01-01 was a Thursday.
            weekday: low((days + 4).rem_euclid(7)),
            day: low(day),
            hour: low(of_day / 3600),
            minute: low(of_day / 60 % 60),
            second: low(of_day % 60),
            milliseconds: low((nanoseconds / 1_000_000).into()),
        }
    }
}

/// Year, month and day of the day with this number, of which 1970-01-01 has 0.
fn date(days: i64) -> (i64, i64, i64) {
    // Counted in years that begin in March, so that the leap day is the last one.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found_before_and_after_leap_days() {
        let of = |seconds| {
            let time = SystemTime::from(FileTime::from_unix(seconds, 0));
            (time.year, time.month, time.day, time.weekday)
        };
        assert_eq!(of(0), (1970, 1, 1, 4));
        assert_eq!(of(951_782_400), (2000, 2, 29, 2));
        assert_eq!(of(951_868_800), (2000, 3, 1, 3));
        assert_eq!(of(1_795_221_745), (2026, 11, 21, 6));
    }
}
