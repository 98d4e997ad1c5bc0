//! Times as RFC 3339 writes them, in UTC.

use super::line::buffer::Line;
use super::number;

/// A day of the Gregorian calendar.
struct Date {
    year: u32,
    month: u32,
    day: u32,
}

/// Days of 400 years, after which the calendar repeats.
const ERA: u32 = 146_097;

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: u32 = 719_468;

impl Date {
    /// The day so many days after 1970-01-01. Years are counted from March on, so that a leap day is a year's last.
    fn of(days: u32) -> Date {
        let days = days + EPOCH;
        let (era, day_of_era) = (days / ERA, days % ERA);
        // Without the leap days before it, each year of an era has 365 days: one per 4 years, but not per 100 years.
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // From March on, months have 31, 30, 31, 30 and 31 days, and so on: 153 in five of them.
        let months_since_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
        let month = (months_since_march + 2) % 12 + 1;
        let year = 400 * era + year_of_era + u32::from(month <= 2);
        Date { year, month, day }
    }
}

/// Shows a time, in milliseconds since 1970, such as `2024-02-29T23:59:59.007Z`. Up to the year 9999.
pub fn show(milliseconds: u64, line: &mut Line) {
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hours, minute) = (minutes / 60, minutes % 60);
    let (days, hour) = (hours / 24, hours % 24);
    let Date { year, month, day } = Date::of(u32::try_from(days).unwrap_or(0));
    for (number, digits, behind) in [
        (year.into(), 4, b"-"),
        (month.into(), 2, b"-"),
        (day.into(), 2, b"T"),
        (hour, 2, b":"),
        (minute, 2, b":"),
        (second, 2, b"."),
        (milliseconds, 3, b"Z"),
    ] {
        line.add(number::padded(number, 10, digits, &mut [0; 24]));
        line.add(behind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_calendar_has_it() {
        for (seconds, wanted) in [
            (0, "1970-01-01T00:00:00.007Z"),
            (951_782_399, "2000-02-28T23:59:59.007Z"),
            (951_782_400, "2000-02-29T00:00:00.007Z"),
            (951_868_800, "2000-03-01T00:00:00.007Z"),
            (1_735_689_599, "2024-12-31T23:59:59.007Z"),
            (4_107_542_400, "2100-03-01T00:00:00.007Z"),
            (253_402_300_799, "9999-12-31T23:59:59.007Z"),
        ] {
            let mut line = Line::new();
            show(seconds * 1000 + 7, &mut line);
            assert_eq!(line.bytes(), wanted.as_bytes());
        }
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..2_932_897 {
            let date = Date::of(days);
            assert_eq!((date.year, date.month, date.day), (year, month, day));
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = [31, 28 + u32::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1];
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }
}
