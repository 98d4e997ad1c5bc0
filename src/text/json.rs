//! Texts as strings of JSON's (RFC 8259), for output that a program reads. Must not let through what a terminal or a reader of
//! lines takes for more than text.

use super::line::buffer::Line;
use super::number;

/// What one string takes of a line at the most, in bytes, so that what follows has room; a longer one ends in an ellipsis.
const MOST: usize = 240;

/// Adds a text as a string, quotes included.
pub fn string(text: &[u8], line: &mut Line) {
    line.add(b"\"");
    escape(text, b'"', line);
    line.add(b"\"");
}

/// Adds a text between two of these quotes, which are `"` in JSON, with what may not stand there escaped. Each byte that is
/// not UTF-8, for which JSON has no word, becomes U+FFFD.
pub fn escape(text: &[u8], quote: u8, line: &mut Line) {
    let end = line.bytes().len() + MOST;
    for chunk in text.utf8_chunks() {
        let replaced = chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER);
        for character in chunk.valid().chars().chain(replaced) {
            if line.bytes().len() > end && !line.is_endless() {
                return line.add("…".as_bytes());
            }
            escape_character(character, quote, line);
        }
    }
}

/// C0, DEL and C1 are escaped by number: the last two need not be in JSON, but terminals act on them.
fn escape_character(character: char, quote: u8, line: &mut Line) {
    if character.is_control() {
        line.add(b"\\u");
        return line.add(number::padded(u32::from(character).into(), 16, 4, &mut [0; 24]));
    }
    if character == char::from(quote) || character == '\\' {
        line.add(b"\\");
    }
    line.add(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;
    use crate::text::line::Part;

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

    #[test]
    fn a_string_is_cut_at_its_length_wherever_it_stands() {
        for (length, rest) in [(MOST + 1, "\""), (MOST + 2, "…\"")] {
            let text = "x".repeat(length);
            let shown = line!("before: {}", Part::Json(text.as_bytes()));
            let expected = format!("before: \"{}{rest}", "x".repeat(MOST + 1));
            assert_eq!(core::str::from_utf8(shown.bytes()), Ok(&*expected));
        }
    }
}
