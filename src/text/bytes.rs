//! Searches in byte strings, each in one place: core's own are made for long ones, and take a few hundred bytes of code.

use core::ffi::CStr;

/// The string up to the first NUL; `None` where there is none.
pub fn c_str(bytes: &[u8]) -> Option<&CStr> {
    CStr::from_bytes_until_nul(bytes).ok()
}

/// What comes before the first `byte`; everything if there is none.
pub fn until(bytes: &[u8], byte: u8) -> &[u8] {
    match bytes.iter().position(|found| *found == byte) {
        Some(len) => &bytes[..len],
        None => bytes,
    }
}

/// What is left behind the first `count` elements; nothing if there are no more.
pub fn after<T>(bytes: &[T], count: usize) -> &[T] {
    &bytes[count.min(bytes.len())..]
}

/// The first `count` elements; everything if there are no more.
pub fn first<T>(bytes: &[T], count: usize) -> &[T] {
    &bytes[..count.min(bytes.len())]
}

/// Whether there is such a byte.
pub fn has(bytes: &[u8], byte: u8) -> bool {
    until(bytes, byte).len() < bytes.len()
}

/// The line of that number, from 0; empty behind the last. A text of many lines serves as a table: one of strings would
/// have an address and a length for each, and the address would have to be relocated.
pub fn line(text: &[u8], number: usize) -> &[u8] {
    let mut rest = text;
    for _ in 0..number {
        rest = after(rest, until(rest, b'\n').len() + 1);
    }
    until(rest, b'\n')
}

/// The lines of a text.
pub fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

/// Whether two texts differ in nothing but the case of letters.
pub fn is_like(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// What follows `name=` in an entry `NAME=value` for that name.
pub fn value_of<'e>(entry: &'e CStr, name: &[u8]) -> Option<&'e [u8]> {
    entry.to_bytes().strip_prefix(name)?.strip_prefix(b"=")
}

#[cfg(test)]
mod tests {
    use super::{c_str, has, line, until, value_of};

    #[test]
    fn a_search_ends_at_the_first_or_at_the_end() {
        assert_eq!([until(b"a=b=c", b'='), until(b"=", b'='), until(b"abc", b'=')], [&b"a"[..], b"", b"abc"]);
        assert_eq!([has(b"ab", b'b'), has(b"ab", b'c'), has(b"", 0)], [true, false, false]);
    }

    #[test]
    fn a_text_is_a_table_of_lines() {
        let lines = [0, 1, 2, 3, 4].map(|number| line(b"one\n\nthree", number));
        assert_eq!(lines, [&b"one"[..], b"", b"three", b"", b""]);
    }

    #[test]
    fn a_string_ends_at_its_first_nul() {
        assert_eq!([c_str(b"ab\0c\0"), c_str(b"\0"), c_str(b"ab"), c_str(b"")], [Some(c"ab"), Some(c""), None, None]);
    }

    #[test]
    fn an_entry_has_the_value_of_its_own_name_alone() {
        let entry = c"NAME=a=b";
        assert_eq!(value_of(entry, b"NAME"), Some(&b"a=b"[..]));
        assert_eq!([value_of(entry, b"NAM"), value_of(entry, b"NAMES"), value_of(entry, b"name")], [None; 3]);
        assert_eq!([value_of(c"A=", b"A"), value_of(c"A", b"A")], [Some(&b""[..]), None]);
    }
}
