//! What can be wrong with a configuration, and where.

use super::capacity::{COMMANDS, FILE, SECTIONS, TEXT, WORDS};
use crate::limits::{NAME, PATH};

/// The first thing that is wrong with a configuration; nothing of such a configuration is used.
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

impl Reason {
    /// A message of one line, without the position and the limit.
    pub fn text(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown setting",
            Self::NotSetting => "neither a setting (key = value) nor in a section ([ name ])",
            Self::TrailingWord => "a setting has one value; quote it if it contains white space",
            Self::OpenQuote => "this quote is never closed",
            Self::BadEscape => "unknown escape in double quotes",
            Self::BadHex => "\\x needs two hexadecimal digits",
            Self::Nul => "NUL bytes cannot be used",
            Self::OpenSection => "[ without ] on the same line",
            Self::SectionWords => "a section's name is one word",
            Self::EmptySection => "a section needs a name",
            Self::BadPort => "a port is a number",
            Self::PortRange => "a port is at most 65535",
            Self::NextPort => "the port after 65535 does not exist; give one",
            Self::PortConflict => "this section came before with another port",
            Self::CommandName => "a command's name cannot be empty, . or .. and cannot contain /",
            Self::CommandNameLong => "command's name is too long",
            Self::EmptyVariable => "environment variable without a name",
            Self::BadNumber => "not a number of milliseconds",
            Self::PathLong => "path is too long",
            Self::FileLong => "configuration is too large",
            Self::TextFull => "too much text in the configuration",
            Self::WordsFull => "too many words in the configuration",
            Self::CommandsFull => "too many commands in the configuration",
            Self::SectionsFull => "too many sections in the configuration",
        }
    }

    /// The limit that was exceeded, where it is one: bytes, or a number of things.
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
    fn lines_and_columns_count_from_one() {
        let source = b"ab\n\ncd\r\n";
        let expected = [(1, 1), (1, 2), (1, 3), (2, 1), (3, 1), (3, 2), (3, 3), (3, 4), (4, 1)];
        for (at, expected) in expected.into_iter().enumerate() {
            assert_eq!(position(source, at), expected, "offset {at}");
        }
        assert_eq!(position(source, 1000), (4, 1));
    }
}
