//! What can be wrong with a configuration, and where.

use super::capacity::{COMMANDS, FILE, SECTIONS, TEXT, WORDS};
use crate::limits::{NAME, PATH};
use crate::text::bytes;

/// Something that is wrong with a configuration; nothing of such a configuration is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Offset in the source of the thing concerned, never beyond its end. See [`position`].
    pub at: usize,
    /// What is wrong with it.
    pub reason: Reason,
}

/// What is wrong. Variants carry nothing: the offset beside it leads to the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A setting that does not exist.
    UnknownKey,
    /// A line before the first section that has no `=`.
    NotSetting,
    /// A setting with more than one word.
    TrailingWord,
    /// A quote that is never closed; the offset is the opening one's.
    OpenQuote,
    /// A backslash with something after it that is no escape.
    BadEscape,
    /// `\x` without two hexadecimal digits.
    BadHex,
    /// A NUL byte, which no argument and no variable can hold.
    Nul,
    /// `[` without `]` on its line.
    OpenSection,
    /// More than one word between `[` and `]`.
    SectionWords,
    /// A section without a name.
    EmptySection,
    /// A port that is not made of digits.
    BadPort,
    /// A port beyond 65535.
    PortRange,
    /// No port given after a section with the port 65535.
    NextPort,
    /// A section that comes twice with two ports.
    PortConflict,
    /// A command that cannot be a file's name.
    CommandName,
    /// A command whose name is longer than a file's name can be.
    CommandNameLong,
    /// `?=value` or `==value`.
    EmptyVariable,
    /// A number of milliseconds that is none.
    BadNumber,
    /// A `baseDirectory` longer than any path can be.
    PathLong,
    /// More bytes than a configuration may have.
    FileLong,
    /// More text after expansion than there is room for.
    TextFull,
    /// More words than there is room for.
    WordsFull,
    /// More commands than there is room for.
    CommandsFull,
    /// More section headers than there is room for.
    SectionsFull,
}

/// The message of each [`Reason`], a line each, in their order: one text, so that there is no table of addresses.
const TEXTS: &[u8] = b"\
unknown setting
neither key = value nor below a [ section ]
a setting has one value; quote white space in it
this quote is never closed
unknown escape
\\x needs two hexadecimal digits
NUL bytes cannot be used
[ without ] on its line
a section's name is one word
a section needs a name
a port is a number
a port is at most 65535
no port after 65535; give one
this section has another port above
a command's name cannot be empty, . or .., nor contain /
command's name is too long
variable without a name
not a number of milliseconds
path is too long
file is too large
too much text
too many words
too many commands
too many sections";

impl Reason {
    /// A message of one line, without the position and the limit.
    pub fn text(self) -> &'static [u8] {
        bytes::line(TEXTS, self as usize)
    }

    /// The limit that was exceeded, where it is one: bytes, or a number of things.
    #[inline(never)]
    pub fn limit(self) -> Option<usize> {
        match self {
            Self::CommandNameLong => Some(NAME),
            Self::PathLong => Some(PATH - 1),
            Self::FileLong => Some(FILE),
            Self::TextFull => Some(TEXT),
            Self::WordsFull => Some(WORDS),
            Self::CommandsFull => Some(COMMANDS),
            Self::SectionsFull => Some(SECTIONS),
            _ => None,
        }
    }

    /// Whether nothing after it makes sense: there is no room.
    pub(super) fn is_final(self) -> bool {
        self as u8 >= Self::FileLong as u8
    }

    /// This reason, at a place.
    pub(super) fn at(self, at: usize) -> Problem {
        Problem { at, reason: self }
    }
}

/// Line and column of an offset, both from 1. The column counts bytes: no encoding is assumed.
pub fn position(source: &[u8], at: usize) -> (usize, usize) {
    let (mut line, mut column) = (1, 1);
    for byte in source.iter().take(at) {
        column += 1;
        if *byte == b'\n' {
            (line, column) = (line + 1, 1);
        }
    }
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_message() {
        for (reason, text) in [
            (Reason::UnknownKey, "unknown setting"),
            (Reason::OpenQuote, "this quote is never closed"),
            (Reason::BadHex, "\\x needs two hexadecimal digits"),
            (Reason::EmptySection, "a section needs a name"),
            (Reason::PortRange, "a port is at most 65535"),
            (Reason::CommandNameLong, "command's name is too long"),
            (Reason::FileLong, "file is too large"),
            (Reason::SectionsFull, "too many sections"),
        ] {
            assert_eq!(reason.text(), text.as_bytes());
        }
        assert_eq!(TEXTS.split(|byte| *byte == b'\n').count(), Reason::SectionsFull as usize + 1);
    }

    #[test]
    fn lines_and_columns_count_from_one() {
        let source = b"ab\n\ncd\r\n";
        let expected = [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2), (3, 3), (3, 4), (4, 1)];
        for (at, expected) in expected.into_iter().enumerate() {
            assert_eq!(position(source, at), expected, "offset {at}");
        }
        assert_eq!(position(source, 1000), (4, 1));
    }
}
