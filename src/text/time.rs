//! Times as RFC 3339 writes them, in UTC.

use super::line::Line;

/// Shows a time, in milliseconds since 1970, as RFC 3339 writes it, in UTC.
pub fn show(milliseconds: u64, line: &mut Line) {
    // All the digits as one number: 1970-01-01T00:00:00.000 is 19700101000000000.
    let (mut rest, mut number, mut unit) = (milliseconds, 0, 1);
    for radix in [1000_u16, 60, 60, 24] {
        number += rest % u64::from(radix) * unit;
        rest /= u64::from(radix);
        unit *= if radix == 1000 { 1000 } else { 100 };
    }
    let (mut year, mut month) = (1970_u32, 1_u32);
    // A loop for each takes half the code of a formula for all.
    let mut days = u32::try_from(rest).unwrap_or(0);
    loop {
        let is_leap = year % 4 == 0 && (year % 25 != 0 || year % 16 == 0);
        let length = if month == 2 { 28 + u32::from(is_leap) } else { 30 + ((month ^ month >> 3) & 1) };
        if days < length {
            break;
        }
        days -= length;
        month += 1;
        if month > 12 {
            (year, month) = (year + 1, 1);
        }
    }
    number += unit * u64::from((year * 100 + month) * 100 + days + 1);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for place in text.iter_mut().rev().filter(|place| **place == b'0') {
        *place += (number % 10).to_le_bytes()[0];
        number /= 10;
    }
    line.add(&text);
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
}
