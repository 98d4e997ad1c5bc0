//! What can be wrong with a configuration, and what is said about it.

use super::capacity::{COMMANDS, FILE, SECTIONS, TEXT, WORDS};
use super::expansion::unreplaced;
use crate::add;
use crate::limits::{NAME, PATH};
use crate::text::bytes::until;
use crate::text::line::{Line, Show};
use crate::text::number::MOST;

/// Something that is wrong with a configuration; nothing of such a configuration is used. It is shown as one line.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'p> {
    /// Offset in the source of the thing concerned, never beyond its end.
    pub at: usize,
    /// What is wrong with it.
    pub reason: Reason,
    /// The thing concerned: a word, or a part of one.
    pub(super) word: &'p [u8],
    /// What it belongs to: the setting's name, or the section's.
    pub(super) owner: &'p [u8],
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A setting that does not exist.
    UnknownSetting,
    /// A line before the first section that has no `=`.
    NotSetting,
    /// A setting with more than one word; the further one is concerned.
    TrailingWord,
    /// A quote that is never closed; the opening one is concerned.
    OpenQuote,
    /// A backslash with something after it that is no escape.
    BadEscape,
    /// `\x` without two hexadecimal digits.
    BadHex,
    /// A NUL byte, which no argument and no variable can hold.
    Nul,
    /// `[` without `]` on its line.
    OpenSection,
    /// More than one word between `[` and `]`; the further one is concerned.
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
    /// A command that has a name of this program's, so that no stub can be called by it.
    CommandReserved,
    /// A command whose name is longer than a file's name can be.
    CommandNameLong,
    /// `?=value` or `==value`.
    EmptyVariable,
    /// A variable's name with a `*` that does not end it, or with a value behind it.
    BadPattern,
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

/// A reason and its place: a problem before anything is said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) reason: Reason,
}

impl Reason {
    /// Whether nothing after it makes sense: there is no room.
    pub(super) fn is_final(self) -> bool {
        matches!(
            self,
            Reason::FileLong | Reason::TextFull | Reason::WordsFull | Reason::CommandsFull | Reason::SectionsFull
        )
    }

    /// How many bytes at the offset are concerned where the lexer has made no word of them: up to the end of the line.
    pub(super) fn source_len(self) -> Option<usize> {
        match self {
            Reason::OpenQuote => Some(1),
            Reason::BadEscape => Some(2),
            Reason::BadHex => Some(4),
            _ => None,
        }
    }

    /// This reason, at an offset.
    pub(super) fn at(self, at: usize) -> Fault {
        Fault { at, reason: self }
    }
}

impl Show for Problem<'_> {
    fn show(&self, line: &mut Line) {
        let (word, owner) = (self.word, self.owner);
        match self.reason {
            Reason::UnknownSetting => add!(line, "unknown setting {}", word),
            Reason::NotSetting => add!(line, "{} is neither a setting, key = value, nor below a [ section ]", word),
            Reason::TrailingWord => {
                add!(line, "unexpected word {} after the value of {}; quote white space in it", word, owner);
            }
            Reason::OpenQuote => add!(line, "the quote {} is never closed", word),
            Reason::BadEscape => add!(line, "unknown escape {}", word),
            Reason::BadHex => add!(line, "{}: \\x needs two hexadecimal digits", word),
            Reason::Nul => add!(line, "NUL bytes cannot be used"),
            Reason::OpenSection => add!(line, "section {}: there is no ] on this line", word),
            Reason::SectionWords if word.starts_with(b":") || owner.ends_with(b":") => {
                let name = until(owner, b':');
                add!(line, "section {}: white space beside the : before its port; write [ {}:PORT ]", name, name);
            }
            Reason::SectionWords => {
                add!(line, "section {}: unexpected word {}; quote white space in a name", owner, word);
            }
            Reason::EmptySection => add!(line, "a section needs a name"),
            Reason::BadPort => {
                add!(line, "section {}: port {} is not a number{}", owner, word, unreplaced(word));
            }
            Reason::PortRange => add!(line, "section {}: port {} is above 65535", owner, word),
            Reason::NextPort => add!(line, "section {}: there is no port after 65535; give one", owner),
            Reason::PortConflict => add!(line, "section {}: port {} is not the one that it has above", owner, word),
            Reason::CommandName => {
                add!(line, "command {}: a name cannot be empty, . or .., nor contain /", word);
            }
            Reason::CommandReserved => {
                add!(line, "command {}: called by this name, the program is no stub; choose another", word);
            }
            Reason::CommandNameLong => add!(line, "command {}: the name is longer than {} bytes", word, NAME),
            Reason::EmptyVariable => add!(line, "variable {} has no name", word),
            Reason::BadPattern => add!(line, "variable {}: a * ends the name, and takes no value", word),
            Reason::BadNumber => add!(line, "{}: {} is not a number of milliseconds, {} at most", owner, word, MOST),
            Reason::PathLong => add!(line, "{}: the path is longer than {} bytes", owner, PATH - 1),
            Reason::FileLong => add!(line, "the file is longer than {} bytes", FILE),
            Reason::TextFull => add!(line, "there are more than {} bytes of text", TEXT),
            Reason::WordsFull => add!(line, "there are more than {} words", WORDS),
            Reason::CommandsFull => add!(line, "there are more than {} commands", COMMANDS),
            Reason::SectionsFull => add!(line, "there are more than {} sections", SECTIONS),
        }
    }
}
