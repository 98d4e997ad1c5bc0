//! Texts as strings of JSON's (RFC 8259), for output that a program reads. Must not let through what a terminal or a reader of
//! lines takes for more than text.

use crate::add;
use crate::text::line::{Line, Part};

/// What one string takes of a line at the most, in bytes, so that what follows has room; a longer one ends in an ellipsis.
const MOST: usize = 240;

/// Adds a text as a string, quotes included.
pub fn string(text: &[u8], line: &mut Line) {
    line.add(b"\"");
    escape(text, b'"', line);
    line.add(b"\"");
}

/// Adds what stands for a text between two of these quotes: in a string of JSON's, where they are `"`. What is no UTF-8
/// in it, which JSON has no word for, becomes U+FFFD, byte by byte.
pub fn escape(text: &[u8], quote: u8, line: &mut Line) {
    let end = line.bytes().len() + MOST;
    let mut rest = text;
    while !rest.is_empty() {
        if line.bytes().len() > end && !line.is_endless() {
            return line.add("…".as_bytes());
        }
        let known = character(rest);
        let (code, length) = known.unwrap_or((0xfffd, 1));
        let Some((character, next)) = rest.split_at_checked(length) else { return };
        rest = next;
        if code < 32 || code.wrapping_sub(127) < 33 {
            add!(line, "\\u00{}", Part::Hex(code.to_le_bytes()[0]));
            continue;
        }
        if code == u32::from(quote) || code == u32::from(b'\\') {
            line.add(b"\\");
        }
        line.add(if known.is_some() { character } else { "\u{fffd}".as_bytes() });
    }
}

/// The number of the UTF-8 character that a text begins with (RFC 3629), and its bytes; `None` if it is none.
fn character(text: &[u8]) -> Option<(u32, usize)> {
    let first = *text.first()?;
    // The bits that say how long it is.
    let length = first.leading_ones();
    let mut code = u32::from(first) & (0x7f >> length);
    let mut end = 1;
    for _ in 1..length {
        let next = text.get(end).filter(|next| **next & 0xc0 == 0x80)?;
        code = code << 6 | u32::from(next & 0x3f);
        end += 1;
    }
    // Of 2, 3 and 4 bytes are only those with more than 7, 11 and 16 bits; some numbers are no characters.
    let is_known = (2..5).contains(&length)
        && code >> ((9 * length - 4) / 2) != 0
        && code >> 11 != 0xd800 >> 11
        && code < 0x0011_0000;
    (length == 0 || is_known).then_some((code, end))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;

    fn written(text: &[u8]) -> String {
        String::from_utf8(line!("{}", Part::Json(text)).bytes().to_vec()).expect("JSON is UTF-8")
    }

    #[test]
    fn nothing_but_text_gets_through() {
        let line = line!("{}", Part::Json(b"a\"b\\c\n\x1b[31m\x7f\xc2\x9b/{}"));
        assert_eq!(line.bytes(), br#""a\"b\\c\u000a\u001b[31m\u007f\u009b/{}""#);
    }

    #[test]
    fn a_long_string_is_closed_all_the_same() {
        let line = line!("{}", Part::Json(&[b'\n'; 1000]));
        assert!(line.bytes().len() < MOST + 20 && line.bytes().ends_with("\\u000a…\"".as_bytes()));
    }

    #[test]
    fn a_string_is_read_as_it_was_by_another_program() {
        let mut random = fastrand::Rng::with_seed(7);
        let all = (0..0x3000).chain(0xd700..0x11000).filter_map(char::from_u32).map(String::from);
        for text in ["", "\"\\/'", "\0\x1b\n\r\t\x7f", "ä€😀\u{10ffff}"].map(String::from).into_iter().chain(all) {
            assert_eq!(serde_json::from_str::<String>(&written(text.as_bytes())).expect("JSON"), text);
        }
        for _ in 0..10_000 {
            let text: Vec<u8> = (0..random.usize(..12)).map(|_| random.u8(..)).collect();
            let read: String = serde_json::from_str(&written(&text)).expect("JSON");
            // The characters are those of everybody else; how many stand for bytes that are none is one's own affair.
            let those = |text: &str| text.chars().filter(|character| *character != '\u{fffd}').collect::<String>();
            assert_eq!(those(&read), those(&String::from_utf8_lossy(&text)), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_utf_8_is_replaced_byte_by_byte() {
        for (text, wanted) in [
            (&b"a\xffb"[..], "a\u{fffd}b"),
            (b"\x80", "\u{fffd}"),
            (b"\xc3", "\u{fffd}"),
            (b"\xc0\x80", "\u{fffd}\u{fffd}"),
            (b"\xe2\x82", "\u{fffd}\u{fffd}"),
            (b"\xe2\x82x", "\u{fffd}\u{fffd}x"),
            (b"\xed\xa0\x80", "\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf4\x90\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
            (b"\xf8\x88\x80\x80\x80", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}"),
        ] {
            assert_eq!(written(text), format!("\"{wanted}\""));
        }
    }
}
