//! A line of text that is put together from parts, in a buffer of fixed size. Pure: who writes it is [`crate::diag`]'s affair.

use super::{bytes, errno, json, number, time};
use crate::limits::MESSAGE;
use core::ffi::CStr;
use rustix::io::Errno;

/// A line that is being put together.
pub struct Line {
    bytes: heapless::Vec<u8, MESSAGE>,
    /// Where a line of any length leaves for when it is full; `None`: what does not fit is cut.
    overflow: Option<fn(&[u8])>,
}

/// Bytes of a line but for the ellipsis and its end.
const MOST: usize = MESSAGE - 5;

impl Default for Line {
    fn default() -> Line {
        Line::new()
    }
}

impl Line {
    /// An empty line.
    pub const fn new() -> Line {
        Line { bytes: heapless::Vec::new(), overflow: None }
    }

    /// An empty line of any length, which is handed to `overflow` part by part, and the rest with [`Line::flush`].
    pub const fn endless(overflow: fn(&[u8])) -> Line {
        Line { bytes: heapless::Vec::new(), overflow: Some(overflow) }
    }

    /// Whether it takes any length.
    pub fn is_endless(&self) -> bool {
        self.overflow.is_some()
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds bytes as they are.
    pub fn add(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > MOST {
            return self.add_beyond(bytes);
        }
        // What is added was measured.
        let _ = self.bytes.extend_from_slice(bytes);
    }

    /// Adds bytes for which there is not enough room.
    fn add_beyond(&mut self, bytes: &[u8]) {
        if let Some(overflow) = self.overflow {
            self.flush();
            overflow(bytes);
        } else if let Some(bytes) = MOST.checked_sub(self.bytes.len()).and_then(|room| bytes.get(..room)) {
            // Behind them only the ellipsis stands, and nothing follows it: both have room.
            let _ = self.bytes.extend_from_slice(bytes);
            let _ = self.bytes.extend_from_slice("…".as_bytes());
        }
    }

    /// Hands over what a line of any length still holds.
    pub fn flush(&mut self) {
        if let Some(overflow) = self.overflow {
            overflow(&self.bytes);
        }
        self.bytes.clear();
    }

    /// Ends the line with these bytes, for which there is always room behind an ellipsis.
    pub fn end(&mut self, bytes: &[u8]) {
        let _ = self.bytes.extend_from_slice(bytes);
    }
}

/// For what core formats: addresses.
impl core::fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.add(text.as_bytes());
        Ok(())
    }
}

/// Something that can stand in a message.
pub trait Show {
    /// Adds it to the line.
    fn show(&self, line: &mut Line);

    /// It as a part of a message.
    fn part(&self) -> Part<'_>
    where
        Self: Sized,
    {
        Part::Other(self)
    }
}

/// A number that is not known, as JSON says it.
pub const UNKNOWN: u64 = u64::MAX;

/// A part of a message. The usual ones are passed by value: that takes less code than a reference to each and one to the
/// function that shows it. One byte says which it is, for the same reason.
#[repr(u8)]
#[derive(Clone, Copy)]
pub enum Part<'p> {
    /// Words of this program's, or a line: shown as they are.
    Words(&'p [u8]),
    /// Somebody else's bytes.
    Bytes(&'p [u8]),
    /// The same as a string of JSON's.
    Json(&'p [u8]),
    /// The same as the kernel and the configuration hand them over.
    String(&'p CStr),
    /// A number, or [`UNKNOWN`].
    Number(u64),
    /// A number with at least so many digits.
    Padded(u32, u8),
    /// A byte in two hexadecimal digits.
    Hex(u8),
    /// A time, in milliseconds since 1970.
    Time(u64),
    /// A number that may be negative.
    Signed(i32),
    /// A reason of the kernel's.
    Errno(Errno),
    /// Anything else.
    Other(&'p dyn Show),
}

impl Show for Part<'_> {
    fn show(&self, line: &mut Line) {
        match *self {
            Part::Words(words) => line.add(words),
            Part::Bytes(bytes) => show_bytes(bytes, line),
            Part::Json(text) => json::string(text, line),
            Part::String(string) => show_bytes(string.to_bytes(), line),
            Part::Number(UNKNOWN) => line.add(b"null"),
            Part::Number(number) => show_padded(number, 1, line),
            Part::Padded(number, digits) => show_padded(number.into(), digits, line),
            Part::Hex(byte) => show_hex(byte, line),
            Part::Time(milliseconds) => time::show(milliseconds, line),
            Part::Signed(number) => show_signed(number, line),
            Part::Errno(errno) => show_errno(errno, line),
            Part::Other(other) => other.show(line),
        }
    }

    fn part(&self) -> Part<'_> {
        *self
    }
}

/// What is one part is shown as that.
macro_rules! show_as_part {
    ($($type:ty, $value:ident => $part:expr;)*) => {$(
        impl Show for $type {
            fn show(&self, line: &mut Line) {
                self.part().show(line);
            }

            fn part(&self) -> Part<'_> {
                let $value = *self;
                $part
            }
        }
    )*};
}

show_as_part! {
    &str, words => Part::Words(words.as_bytes());
    &[u8], bytes => Part::Bytes(bytes);
    &CStr, string => Part::String(string);
    u8, number => Part::Number(number.into());
    u16, number => Part::Number(number.into());
    u32, number => Part::Number(number.into());
    u64, number => Part::Number(number);
    usize, number => Part::Number(number as u64);
    i32, number => Part::Signed(number);
    Errno, errno => Part::Errno(errno);
    &dyn Show, other => Part::Other(other);
}

impl<T: Show> Show for &T {
    fn show(&self, line: &mut Line) {
        (**self).show(line);
    }

    fn part(&self) -> Part<'_> {
        (**self).part()
    }
}

/// A line within another, as it is.
impl Show for Line {
    fn show(&self, line: &mut Line) {
        self.part().show(line);
    }

    fn part(&self) -> Part<'_> {
        Part::Words(&self.bytes)
    }
}

/// What a message shows of one part, in bytes, so that a long path leaves room for the reason.
const PART: usize = 512;

/// Shows somebody else's bytes: control characters are written as escapes, so that a message stays one line and a
/// terminal stays as it is.
fn show_bytes(bytes: &[u8], line: &mut Line) {
    for byte in bytes.iter().take(PART) {
        match byte {
            b'\n' => line.add(b"\\n"),
            0..=31 | 127 => {
                line.add(b"\\x");
                Part::Hex(*byte).show(line);
            }
            _ => line.add(core::slice::from_ref(byte)),
        }
    }
    if bytes.len() > PART {
        line.add("…".as_bytes());
    }
}

fn show_hex(byte: u8, line: &mut Line) {
    line.add(&[number::digit(byte >> 4), number::digit(byte & 15)]);
}

/// Shows a number with at least so many digits.
fn show_padded(value: u64, digits: u8, line: &mut Line) {
    let mut room = [0; 24];
    let text = number::digits(value, 10, &mut room);
    for _ in text.len()..digits.into() {
        line.add(b"0");
    }
    line.add(text);
}

fn show_signed(value: i32, line: &mut Line) {
    if value < 0 {
        line.add(b"-");
    }
    show_padded(value.unsigned_abs().into(), 1, line);
}

fn show_errno(errno: Errno, line: &mut Line) {
    match errno::text(errno.raw_os_error()) {
        Some(text) => line.add(text),
        None => {
            line.add(b"error ");
            show_signed(errno.raw_os_error(), line);
        }
    }
}

/// Puts a [`Line`] together from a text and what stands in the place of each `{}` in it.
#[macro_export]
macro_rules! line {
    ($text:expr $(, $part:expr)* $(,)?) => {{
        let mut line = $crate::text::line::Line::new();
        $crate::add!(&mut line, $text $(, $part)*);
        line
    }};
}

/// Adds a text and its parts to a [`Line`].
#[macro_export]
macro_rules! add {
    ($line:expr, $text:expr $(, $part:expr)* $(,)?) => {
        $crate::text::line::add($line, $text, &[$($crate::text::line::Show::part(&$part)),*])
    };
}

/// Adds a text to a line, and each part in the place of a `{}` in it. Parts beyond the last `{}` are left out, so several
/// texts can go with the same parts.
pub fn add(line: &mut Line, text: &str, parts: &[Part<'_>]) {
    fill(line, text.as_bytes(), parts);
}

/// The same; the parts that are left.
pub fn fill<'p>(line: &mut Line, text: &[u8], mut parts: &'p [Part<'p>]) -> &'p [Part<'p>] {
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'{') {
        line.add(bytes::first(rest, at));
        if let Some((part, others)) = parts.split_first() {
            part.show(line);
            parts = others;
        }
        rest = bytes::after(rest, at + 2);
    }
    line.add(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_put_together_from_its_parts() {
        let line =
            line!("cannot open {}: {} {} {} {}", &b"a\nb\x1b\x7f\xff"[..], Errno::NOENT, 0_u8, -12, u64::MAX - 1);
        assert_eq!(
            line.bytes(),
            b"cannot open a\\nb\\x1b\\x7f\xff: No such file or directory 0 -12 18446744073709551614"
        );
    }

    #[test]
    fn a_line_that_is_too_long_ends_in_an_ellipsis_once() {
        let parts = [b'x'; PART];
        let line = line!("{}{}{}more", &parts[..], &parts[..], &parts[..]);
        assert!(line.bytes().len() < MESSAGE);
        assert!(line.bytes().ends_with("x…".as_bytes()));
    }

    #[test]
    fn a_long_part_leaves_room_for_the_others() {
        let line = line!("{}: {}", &[b'x'; PART + 1][..], Errno::NAMETOOLONG);
        assert!(line.bytes().ends_with("x…: File name too long".as_bytes()));
    }

    #[test]
    fn an_unknown_error_is_shown_by_its_number() {
        assert_eq!(line!("{}", Errno::from_raw_os_error(4000)).bytes(), b"error 4000");
    }
}
