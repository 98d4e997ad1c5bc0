//! What a configuration is kept as: four flat tables. All text is in one arena with a NUL after each word; words are in the
//! order of the file; section headers and commands are ranges of words.

use super::capacity;
use super::index::Index;
use crate::limits::CONNECT_MS;
use crate::text::bytes::after;
use core::ffi::CStr;
use core::ops::Range;
use heapless::Vec;

/// The text of all words.
pub(super) type WordBytes = Vec<u8, { capacity::TEXT }>;

/// One word of the file after quoting and expansion. A NUL follows it in the arena, so that execve takes it as it is.
#[derive(Clone, Copy)]
pub(super) struct Word {
    pub(super) start: u32,
    /// Without the NUL.
    pub(super) len: u32,
    /// Where it began in the source.
    pub(super) at: u32,
    /// A single-quoted part of it has `${` in it.
    pub(super) deferred: bool,
}

impl Word {
    /// No word: it has no text.
    pub(super) const NONE: Word = Word { start: 0, len: 0, at: 0, deferred: false };

    /// Where its NUL is in the arena.
    pub(super) fn end(self) -> usize {
        self.start as usize + self.len as usize
    }
}

/// A section header. Its words are consecutive: `name`, the environment up to `options`, the options up to `end`.
pub(super) struct Header {
    pub(super) name: u32,
    pub(super) options: u32,
    pub(super) end: u32,
    /// The first header of the same name: which server it is.
    pub(super) first: u32,
    pub(super) port: u16,
    /// Whether its server has a command. Only the first header of a name knows.
    pub(super) has_commands: bool,
}

/// A command. Its words are consecutive: `name`, the environment up to `arguments`, executable and arguments up to
/// `end`.
pub(super) struct Entry {
    pub(super) name: u32,
    pub(super) arguments: u32,
    pub(super) end: u32,
    /// The header above it.
    pub(super) header: u32,
}

/// A configuration. Large, so it is made as a static, where it is all zero and costs nothing until it is filled.
pub struct Config {
    pub(super) text: WordBytes,
    pub(super) words: Vec<Word, { capacity::WORDS }>,
    pub(super) headers: Vec<Header, { capacity::SECTIONS }>,
    pub(super) entries: Vec<Entry, { capacity::COMMANDS }>,
    /// The headers by their names.
    pub(super) header_index: Index<{ capacity::SECTIONS }>,
    /// The commands by their names.
    pub(super) entry_index: Index<{ capacity::COMMANDS }>,
    /// The number of a word. Not the word: its niche would make nothing other than zero.
    pub(super) base: Option<u32>,
    pub(super) timeout: Option<i64>,
}

impl Config {
    /// A configuration without anything.
    pub const fn empty() -> Self {
        Self {
            text: Vec::new(),
            words: Vec::new(),
            headers: Vec::new(),
            entries: Vec::new(),
            header_index: Index::new(),
            entry_index: Index::new(),
            base: None,
            timeout: None,
        }
    }

    /// Forgets everything, field by field: a new one would be built on the stack first.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.words.clear();
        self.headers.clear();
        self.entries.clear();
        self.header_index.clear();
        self.entry_index.clear();
        self.base = None;
        self.timeout = None;
    }

    /// The directory that all containers share, as it is written. Nothing if the file does not say.
    pub fn base_directory(&self) -> Option<&[u8]> {
        self.base.map(|word| self.c_str(word).to_bytes())
    }

    /// Where that directory is written.
    pub fn base_directory_at(&self) -> usize {
        self.base.map_or(0, |word| self.at(word))
    }

    /// How long a client keeps trying to connect, in milliseconds; `u64::MAX`: for ever.
    pub fn connect_timeout(&self) -> u64 {
        u64::try_from(self.timeout.unwrap_or(CONNECT_MS)).unwrap_or(u64::MAX)
    }

    /// The first section header of that name.
    pub(super) fn find_header(&self, name: &[u8]) -> Option<&Header> {
        let mut headers = self.header_index.candidates(name).filter_map(|number| self.headers.get(number));
        let header = headers.find(|header| self.name_of(header) == name)?;
        self.headers.get(header.first as usize)
    }

    /// The header above a command.
    pub(super) fn header(&self, entry: &Entry) -> &Header {
        const NONE: &Header = &Header { name: 0, options: 0, end: 0, first: 0, port: 0, has_commands: false };
        self.headers.get(entry.header as usize).unwrap_or(NONE)
    }

    /// The name in a header.
    pub(super) fn name_of(&self, header: &Header) -> &[u8] {
        self.bytes_of(header.name)
    }

    /// The words of those numbers.
    pub(super) fn range(&self, numbers: Range<u32>) -> &[Word] {
        self.words.get(numbers.start as usize..numbers.end as usize).unwrap_or_default()
    }

    /// Where the word of that number stands in the source.
    pub(super) fn at(&self, number: u32) -> usize {
        self.words.get(number as usize).map_or(0, |word| word.at as usize)
    }

    /// The text of the word of that number, as system calls take it.
    pub(super) fn c_str(&self, number: u32) -> &CStr {
        self.words.get(number as usize).map_or(c"", |word| self.c_str_from(word.start as usize))
    }

    /// The text from an offset to the next NUL.
    pub(super) fn c_str_from(&self, start: usize) -> &CStr {
        crate::text::bytes::c_str(after(&self.text, start)).unwrap_or_default()
    }

    /// The text of the word of that number.
    pub(super) fn bytes_of(&self, number: u32) -> &[u8] {
        self.words.get(number as usize).map_or(&[], |word| self.bytes(*word))
    }

    /// The text of a word.
    pub(super) fn bytes(&self, word: Word) -> &[u8] {
        text_of(&self.text, word)
    }
}

/// The text of a word in this arena.
#[inline(never)] // A call takes less code at each of its places.
pub(super) fn text_of(text: &WordBytes, word: Word) -> &[u8] {
    text.get(word.start as usize..word.end()).unwrap_or_default()
}

/// Offsets and numbers take half the room this way.
#[allow(clippy::cast_possible_truncation, reason = "all are below the capacities")]
pub(super) fn index(number: usize) -> u32 {
    number as u32
}
