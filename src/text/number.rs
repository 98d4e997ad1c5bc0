//! Numbers as digits, written and read whole: a sign, a blank or one digit too many makes it no number.

/// The number that `digits` write in this radix, of 36 at most; `None` where it is none or does not fit.
pub fn parse(digits: &[u8], radix: u32) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = char::from(*byte).to_digit(radix)?;
        number.checked_mul(radix.into())?.checked_add(digit.into())
    })
}

/// The largest number that [`parse_signed`] reads.
pub const MOST: u64 = i64::MAX as u64;

/// The number that decimal digits write, behind a `-` for a negative one.
pub fn parse_signed(text: &[u8]) -> Option<i64> {
    match text {
        [b'-', digits @ ..] => 0_i64.checked_sub_unsigned(parse(digits, 10)?),
        digits => i64::try_from(parse(digits, 10)?).ok(),
    }
}

/// The digit for a value below 36.
pub fn digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' + value - 10 }
}

/// Room for the digits of any number in radix 8 and above.
pub type Digits = [u8; 24];

/// The digits of a number in this radix, of 8 to 36, at the end of `room`; at least one.
pub fn digits(mut value: u64, radix: u64, room: &mut Digits) -> &[u8] {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = digit((value % radix).to_le_bytes()[0]);
        value /= radix;
        if value == 0 {
            return &room[at..];
        }
    }
}

/// The same with zeros before it, up to so many digits, of 24 at most.
pub fn padded(value: u64, radix: u64, least: usize, room: &mut Digits) -> &[u8] {
    room.fill(b'0');
    let length = digits(value, radix, room).len().max(least);
    &room[room.len() - length..]
}

#[cfg(test)]
mod tests {
    use super::{digits, padded, parse, parse_signed};

    #[test]
    fn a_padded_number_has_at_least_so_many_digits() {
        for (value, radix, least, wanted) in
            [(7, 10, 3, "007"), (0, 10, 1, "0"), (0, 10, 2, "00"), (1234, 10, 3, "1234"), (0x9b, 16, 4, "009b")]
        {
            assert_eq!(padded(value, radix, least, &mut [7; 24]), wanted.as_bytes());
        }
    }

    #[test]
    fn a_number_is_written_as_it_is_read() {
        for value in [0, 7, 8, 9, 10, 255, 0o777, 1 << 32, u64::MAX] {
            for radix in [8, 10, 16, 36] {
                let mut room = [0; 24];
                let text = digits(value, radix.into(), &mut room);
                assert_eq!(parse(text, radix), Some(value));
                assert!(text == b"0" || text[0] != b'0');
            }
        }
    }

    #[test]
    fn a_number_may_have_a_sign() {
        for (text, wanted) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("-1", Some(-1)),
            ("12x", None),
            ("-", None),
            ("--1", None),
            ("", None),
            (" 1", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-9223372036854775808", Some(i64::MIN)),
        ] {
            assert_eq!(parse_signed(text.as_bytes()), wanted, "{text:?}");
        }
    }

    #[test]
    fn a_number_is_read_whole() {
        for (text, radix, wanted) in [
            ("0", 10, Some(0)),
            ("12", 10, Some(12)),
            ("022", 8, Some(0o22)),
            ("8001", 16, Some(0x8001)),
            ("fF", 16, Some(255)),
            ("18446744073709551615", 10, Some(u64::MAX)),
            ("18446744073709551616", 10, None),
            ("8", 8, None),
            ("12x", 10, None),
            ("+1", 10, None),
            (" 1", 10, None),
            ("", 10, None),
        ] {
            assert_eq!(parse(text.as_bytes(), radix), wanted, "{text:?} in radix {radix}");
        }
    }
}
