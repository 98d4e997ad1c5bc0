//! The parts of a line, and how each is shown.

use super::buffer::Line;
use crate::text::packed::Text;
use crate::text::{errno, json, number, time};
use core::ffi::CStr;
use rustix::io::Errno;

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

/// A part of a message. The usual ones are passed by value: that takes less code than a reference to each and one to the
/// function that shows it.
#[derive(Clone, Copy)]
pub enum Part<'p> {
    /// Words of this program's, or a line: shown as they are.
    Words(&'p [u8]),
    /// The same, packed.
    Text(Text),
    /// Somebody else's bytes.
    Bytes(&'p [u8]),
    /// The same as a string of JSON's.
    Json(&'p [u8]),
    /// The same as the kernel and the configuration hand them over.
    String(&'p CStr),
    /// A number.
    Number(u64),
    /// A number that may be unknown: `null`, as JSON says it.
    Optional(Option<u64>),
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
            Part::Text(text) => add(line, text, &[]),
            Part::Bytes(bytes) => show_bytes(bytes, line),
            Part::Json(text) => json::string(text, line),
            Part::String(string) => show_bytes(string.to_bytes(), line),
            Part::Optional(None) => line.add(b"null"),
            Part::Optional(Some(number)) | Part::Number(number) => show_number(number, line),
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
    Text, text => Part::Text(text);
    &[u8], bytes => Part::Bytes(bytes);
    &CStr, string => Part::String(string);
    u8, number => Part::Number(number.into());
    u16, number => Part::Number(number.into());
    u32, number => Part::Number(number.into());
    u64, number => Part::Number(number);
    Option<u64>, number => Part::Optional(number);
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
        Part::Words(self.bytes())
    }
}

/// What a message shows of one part, in bytes, so that a long path leaves room for the reason.
const PART: usize = 512;

/// Shows bytes of unknown origin: what a terminal takes for a command, or a reader of lines for their end, and what is not
/// UTF-8 is escaped. Nothing is shown as `''`. Everything else stays as it is.
fn show_bytes(bytes: &[u8], line: &mut Line) {
    if bytes.is_empty() {
        return line.add(b"''");
    }
    let shown = &bytes[..bytes.len().min(PART)];
    for chunk in shown.utf8_chunks() {
        for character in chunk.valid().chars() {
            show_character(character, line);
        }
        // A character that the limit has cut through is not the text's fault.
        let is_cut = shown.len() < bytes.len() && shown.as_ptr_range().end == chunk.invalid().as_ptr_range().end;
        if !is_cut {
            chunk.invalid().iter().for_each(|byte| show_escape(*byte, line));
        }
    }
    if shown.len() < bytes.len() {
        line.add("…".as_bytes());
    }
}

/// Shows a character, or the bytes of one that is not printable: of C0, DEL or C1.
fn show_character(character: char, line: &mut Line) {
    let mut bytes = [0; 4];
    let bytes = character.encode_utf8(&mut bytes).as_bytes();
    match character {
        '\n' => line.add(b"\\n"),
        _ if character.is_control() => bytes.iter().for_each(|byte| show_escape(*byte, line)),
        _ => line.add(bytes),
    }
}

/// Shows a byte as `\xHH`.
fn show_escape(byte: u8, line: &mut Line) {
    line.add(b"\\x");
    show_hex(byte, line);
}

fn show_hex(byte: u8, line: &mut Line) {
    line.add(&[number::digit(byte >> 4), number::digit(byte & 15)]);
}

fn show_number(value: u64, line: &mut Line) {
    line.add(number::digits(value, 10, &mut [0; 24]));
}

fn show_signed(value: i32, line: &mut Line) {
    if value < 0 {
        line.add(b"-");
    }
    show_number(value.unsigned_abs().into(), line);
}

fn show_errno(errno: Errno, line: &mut Line) {
    match errno::text(errno) {
        Some(text) => add(line, text, &[]),
        None => {
            line.add(b"error ");
            show_signed(errno.raw_os_error(), line);
        }
    }
}

/// How many parts a text takes: the number of `{}` in it.
pub const fn placeholders(text: &str) -> usize {
    let text = text.as_bytes();
    let (mut at, mut count) = (0, 0);
    while at + 1 < text.len() {
        if text[at] == b'{' && text[at + 1] == b'}' {
            count += 1;
        }
        at += 1;
    }
    count
}

/// A line of a text, with a part in the place of each `{}` in it.
pub fn of(text: Text, parts: &[Part<'_>]) -> Line {
    let mut line = Line::new();
    add(&mut line, text, parts);
    line
}

/// Adds a text to a line, with a part in the place of each `{}` in it.
pub fn add(line: &mut Line, text: Text, parts: &[Part<'_>]) {
    let mut parts = parts.iter();
    text.unpack(&mut |character| match character {
        Some(character) => line.add(&[character]),
        None => parts.next().into_iter().for_each(|part| part.show(line)),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MESSAGE;
    use crate::line;

    #[test]
    fn a_line_is_put_together_from_its_parts() {
        let line = line!("cannot open {}: {} {} {} {}", &b"a\nb\x1b\x7f\xff"[..], Errno::NOENT, 0_u8, -12, u64::MAX);
        assert_eq!(
            line.bytes(),
            b"cannot open a\\nb\\x1b\\x7f\\xff: No such file or directory 0 -12 18446744073709551615"
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
    fn a_part_that_is_empty_is_seen() {
        assert_eq!(line!("{}: no {}{}", &b""[..], c"", "").bytes(), b"'': no ''");
    }

    #[test]
    fn an_unknown_error_is_shown_by_its_number() {
        assert_eq!(line!("{}", Errno::from_raw_os_error(4000)).bytes(), b"error 4000");
    }

    #[test]
    fn nothing_that_is_shown_controls_a_terminal() {
        for (bytes, wanted) in [
            (&b"\x00\t\r\x1b[31m\x7f"[..], "\\x00\\x09\\x0d\\x1b[31m\\x7f"),
            (b"\x9b31m", "\\x9b31m"),
            (b"a\xc2\x80\xc2\x9f\xc2\xa0b", "a\\xc2\\x80\\xc2\\x9f\u{a0}b"),
            (b"\xe4 \xc3", "\\xe4 \\xc3"),
            (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
            ("ä€😀".as_bytes(), "ä€😀"),
        ] {
            assert_eq!(line!("{}", bytes).bytes(), wanted.as_bytes());
        }
    }

    #[test]
    fn a_character_is_not_cut_in_two() {
        let long = [&[b'x'; PART - 1][..], "ä!".as_bytes()].concat();
        assert!(line!("{}", &long[..]).bytes().ends_with("xx…".as_bytes()));
        let broken = [&[b'x'; PART - 1][..], b"\xff"].concat();
        assert!(line!("{}", &broken[..]).bytes().ends_with(b"xx\\xff"));
    }

    #[test]
    fn a_line_is_cut_between_characters_wherever_it_ends() {
        for before in MESSAGE - 20..MESSAGE {
            let line = line!("{}{}{}", Part::Words(&vec![b'x'; before]), "ä…😀".repeat(4).as_bytes(), "more");
            let text = str::from_utf8(line.bytes()).expect("UTF-8");
            assert!(text.ends_with('…') && text.len() <= MESSAGE - 2, "{before}: {text}");
            assert_eq!(text.matches("……").count(), 0, "{before}: {text}");
        }
    }

    #[test]
    fn placeholders_are_counted() {
        assert_eq!([placeholders(""), placeholders("{}: {}"), placeholders("{\"{}\":}")], [0, 2, 1]);
        assert_eq!([placeholders("{"), placeholders("a{"), placeholders("{}{")], [0, 0, 1]);
    }

    #[test]
    fn what_is_shown_by_reference_or_as_a_line_is_the_same() {
        let mut line = Line::new();
        (&&7_usize).show(&mut line);
        line!("{}", 8_usize).show(&mut line);
        assert_eq!(line.bytes(), b"78");
    }

    #[test]
    fn a_number_below_zero_has_a_sign_and_no_other() {
        assert_eq!(line!("{} {} {}", -1_i32, 0_i32, i32::MIN).bytes(), b"-1 0 -2147483648");
    }
}
