//! Numbers as digits, read whole: a sign, a blank or one digit too many makes it no number.

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

#[cfg(test)]
mod tests {
    use super::parse;

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
