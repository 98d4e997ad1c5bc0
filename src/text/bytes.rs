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

/// What is left behind the first `count` bytes; nothing if there are no more.
pub fn after(bytes: &[u8], count: usize) -> &[u8] {
    &bytes[count.min(bytes.len())..]
}

/// The first `count` bytes; everything if there are no more.
pub fn first(bytes: &[u8], count: usize) -> &[u8] {
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

/// What follows `name=` in an entry `NAME=value` for that name.
pub fn value_of<'e>(entry: &'e CStr, name: &[u8]) -> Option<&'e [u8]> {
    entry.to_bytes().strip_prefix(name)?.strip_prefix(b"=")
}

/// The name in an entry `NAME=value`; `None` where the entry is none.
pub fn variable_name(entry: &CStr) -> Option<&[u8]> {
    let entry = entry.to_bytes();
    let name = until(entry, b'=');
    (!name.is_empty() && name.len() < entry.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{has, line, until};

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
}
