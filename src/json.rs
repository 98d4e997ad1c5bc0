//! JSON (RFC 8259), for output that a program reads. Written piece by piece; nothing is kept, and nothing is cut.

use crate::number;

/// Who takes bytes, one piece after the other.
pub trait Sink {
    /// Takes these.
    fn add(&mut self, bytes: &[u8]);
}

/// Writes what stands for a text between two of these quotes: in a string of JSON's, where they are `"`. What is no UTF-8
/// in it, which JSON has no word for, becomes U+FFFD, byte by byte.
pub fn escape(text: &[u8], quote: u8, out: &mut dyn Sink) {
    let mut rest = text;
    while let Some(&byte) = rest.first() {
        let length = character(rest);
        if byte == quote || byte == b'\\' {
            out.add(b"\\");
        }
        match rest.get(..length).filter(|_| byte >= 32) {
            None => out.add(&[b'\\', b'u', b'0', b'0', number::digit(byte >> 4), number::digit(byte & 15)]),
            Some([]) => out.add("\u{fffd}".as_bytes()),
            Some(character) => out.add(character),
        }
        rest = rest.get(length.max(1)..).unwrap_or_default();
    }
}

/// Bytes of the UTF-8 character that a text begins with; 0 if it is none (RFC 3629, 3 and 4).
fn character(text: &[u8]) -> usize {
    let code = (0..4).fold(0, |code, at| code << 8 | text.get(at).map_or(0, |byte| u32::from(*byte)));
    // The bits that say how long it is; then those of which some have to be set, since it would be shorter without.
    if code >> 31 == 0 {
        1
    } else if code & 0xe0c0_0000 == 0xc080_0000 && code & 0x1e00_0000 != 0 {
        2
    } else if code & 0xf0c0_c000 == 0xe080_8000 && !matches!(code & 0x0f20_0000, 0 | 0x0d20_0000) {
        3
    } else if code & 0xf8c0_c0c0 == 0xf080_8080 && code & 0x0730_0000 != 0 && code < 0xf490_0000 {
        4
    } else {
        0
    }
}

/// Writes a text as it is, and each value in the place of a `$` in it: between quotes any text, without them the digits of
/// a number.
pub fn fill(text: &str, values: &[&[u8]], out: &mut dyn Sink) {
    let mut values = values.iter();
    for byte in text.as_bytes() {
        match byte {
            b'$' => escape(values.next().copied().unwrap_or_default(), b'"', out),
            _ => out.add(&[*byte]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Sink for Vec<u8> {
        fn add(&mut self, bytes: &[u8]) {
            self.extend_from_slice(bytes);
        }
    }

    fn written(text: &[u8]) -> String {
        let mut out = Vec::new();
        fill("\"$\"", &[text], &mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn a_string_is_read_as_it_was_by_another_program() {
        let mut random = fastrand::Rng::with_seed(7);
        let all: String = (0..0x3000).chain(0xd700..0x11000).filter_map(char::from_u32).collect();
        for text in ["", "\"\\/'", "\0\x1b\n\r\t\x7f", "ä€😀\u{10ffff}", &all] {
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
    fn values_take_their_places() {
        let mut out = Vec::new();
        fill("{\"a\":\"$\",\"b\":$}\n", &[b"$\n", b"7"], &mut out);
        assert_eq!(out, b"{\"a\":\"$\\u000a\",\"b\":7}\n");
    }
}
