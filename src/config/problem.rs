//! What can be wrong with a configuration, and what is said about it.

use super::capacity::{COMMANDS, FILE, SECTIONS, TEXT, WORDS};
use super::expansion::unreplaced;
use crate::limits::{NAME, PATH};
use crate::text;
use crate::text::bytes::until;
use crate::text::line::{Line, Part, Show, add};
use crate::text::number::MOST;
use crate::text::packed::Text;

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

/// Makes [`Reason`], and what is said of each: a `match` would have a list of parts for each.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident => $text:literal,)*) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        const TEXTS: Text = text!(concat!($($text, "\n"),*));
    };
}

reasons! {
    /// A setting that does not exist.
    UnknownSetting => "unknown setting {}",
    /// A line before the first section that has no `=`.
    NotSetting => "{} is neither a setting, key = value, nor below a [ section ]",
    /// A setting with more than one word; the further one is concerned.
    TrailingWord => "unexpected word {} after the value of {}; quote white space in it",
    /// A quote that is never closed; the opening one is concerned.
    OpenQuote => "the quote {} is never closed",
    /// A backslash with something after it that is no escape.
    BadEscape => "unknown escape {}",
    /// `\x` without two hexadecimal digits.
    BadHex => "{}: \\x needs two hexadecimal digits",
    /// A NUL byte, which no argument and no variable can hold.
    Nul => "NUL bytes cannot be used",
    /// `[` without `]` on its line.
    OpenSection => "section {}: there is no ] on this line",
    /// More than one word between `[` and `]`; the further one is concerned.
    SectionWords => "section {}: unexpected word {}; quote white space in a name",
    /// A section without a name.
    EmptySection => "a section needs a name",
    /// A port that is not made of digits.
    BadPort => "section {}: port {} is not a number{}",
    /// A port beyond 65535.
    PortRange => "section {}: port {} is above 65535",
    /// No port given after a section with the port 65535.
    NextPort => "section {}: there is no port after 65535; give one",
    /// A section that comes twice with two ports.
    PortConflict => "section {}: port {} is not the one that it has above",
    /// A command that cannot be a file's name.
    CommandName => "command {}: a name cannot be empty, . or .., nor contain /",
    /// A command that has a name of this program's, so that no stub can be called by it.
    CommandReserved => "command {}: called by this name, the program is no stub; choose another",
    /// A command whose name is longer than a file's name can be.
    CommandNameLong => "command {}: the name is longer than {} bytes",
    /// `?=value` or `==value`.
    EmptyVariable => "variable {} has no name",
    /// A variable's name with a `*` that does not end it, or with a value behind it.
    BadPattern => "variable {}: a * ends the name, and takes no value",
    /// A number of milliseconds that is none.
    BadNumber => "{}: {} is not a number of milliseconds, {} at most",
    /// A `baseDirectory` longer than any path can be.
    PathLong => "{}: the path is longer than {} bytes",
    /// More bytes than a configuration may have.
    FileLong => "the file is longer than {} bytes",
    /// More text after expansion than there is room for.
    TextFull => "there are more than {} bytes of text",
    /// More words than there is room for.
    WordsFull => "there are more than {} words",
    /// More commands than there is room for.
    CommandsFull => "there are more than {} commands",
    /// More section headers than there is room for.
    SectionsFull => "there are more than {} sections",
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
        let (word, owner) = (Part::Bytes(self.word), Part::Bytes(self.owner));
        let most = |count: usize| Part::Number(count as u64);
        let mut text = TEXTS.line(self.reason as usize);
        // Those that a text has no place for are not shown.
        let parts = match self.reason {
            Reason::SectionWords if self.word.starts_with(b":") || self.owner.ends_with(b":") => {
                text = text!("section {}: white space beside the : before its port; write [ {}:PORT ]");
                [Part::Bytes(until(self.owner, b':')); 3]
            }
            Reason::BadPort => [owner, word, Part::Text(unreplaced(self.word))],
            Reason::SectionWords | Reason::PortRange | Reason::NextPort | Reason::PortConflict => [owner, word, word],
            Reason::BadNumber => [owner, word, Part::Number(MOST)],
            Reason::CommandNameLong => [word, most(NAME), word],
            Reason::PathLong => [owner, most(PATH - 1), word],
            Reason::FileLong => [most(FILE); 3],
            Reason::TextFull => [most(TEXT); 3],
            Reason::WordsFull => [most(WORDS); 3],
            Reason::CommandsFull => [most(COMMANDS); 3],
            Reason::SectionsFull => [most(SECTIONS); 3],
            _ => [word, owner, owner],
        };
        add(line, text, &parts);
    }
}
