//! The configuration: bytes in, typed sections and commands out. Pure; the caller reads the file and knows the
//! environment.
//!
//! ```text
//! baseDirectory = ${WORKSPACE:-.}   # common settings first: key = value
//!
//! [ gcc:2102 ] LANG=C --no-wait     # a section per server: name, port, environment, server options
//! gcc                               # a command: name, environment, executable, arguments
//! g++ CCACHE_DIR= ?TMPDIR= /usr/bin/g++ -pipe
//! ```
//!
//! `lexer` makes words of the bytes, `parser` makes a [`Config`] of the words, [`expansion`] replaces references to
//! variables for the lexer, and again when a command starts. [`Config`] is four flat tables: all text in one arena with
//! a NUL after each word, the words in file order, and section headers and commands that are ranges of words.
//! [`Server`] and [`Command`] are views of it. [`crate::files::path`] resolves what `baseDirectory` and working directories are.

pub mod expansion;
pub mod file;
mod lexer;
mod parser;
mod problem;
#[cfg(test)]
mod tests;

use core::ffi::CStr;
use core::ops::Range;

use heapless::Vec;

pub use problem::{Problem, Reason, position};

use crate::limits::CONNECT_MS;
use crate::text::bytes::{after, until};

/// How much a configuration holds. Little in tests: they reach every limit, and a configuration fits on a stack.
mod capacity {
    #[cfg(not(test))]
    pub(super) use crate::limits::{
        CONFIG_COMMANDS as COMMANDS, CONFIG_FILE as FILE, CONFIG_SECTIONS as SECTIONS, CONFIG_TEXT as TEXT,
        CONFIG_WORDS as WORDS,
    };

    #[cfg(test)]
    pub(super) const FILE: usize = 16 << 10;
    #[cfg(test)]
    pub(super) const TEXT: usize = 8 << 10;
    #[cfg(test)]
    pub(super) const WORDS: usize = 128;
    #[cfg(test)]
    pub(super) const COMMANDS: usize = 32;
    #[cfg(test)]
    pub(super) const SECTIONS: usize = 8;
}

type Text = Vec<u8, { capacity::TEXT }>;

/// One word of the file after quoting and expansion. A NUL follows it in the arena, so that execve takes it as it is.
#[derive(Clone, Copy)]
struct Word {
    start: u32,
    /// Without the NUL.
    len: u32,
    /// Where it began in the source.
    at: u32,
    /// A single-quoted part of it has `${` in it.
    deferred: bool,
}

impl Word {
    fn end(self) -> usize {
        self.start as usize + self.len as usize
    }

    fn problem(self, reason: Reason) -> Problem {
        reason.at(self.at as usize)
    }
}

/// A section header. Its words are consecutive: `name`, the environment up to `options`, the options up to `end`.
struct Header {
    name: u32,
    options: u32,
    end: u32,
    /// The first header of the same name: which server it is.
    first: u32,
    port: u16,
}

/// A command. Its words are consecutive: `name`, the environment up to `arguments`, executable and arguments up to
/// `end`.
struct Entry {
    name: u32,
    arguments: u32,
    end: u32,
    /// The header above it.
    header: u32,
}

/// A configuration. Large, so it is made as a static, where it is all zero and costs nothing until it is filled.
pub struct Config {
    text: Text,
    words: Vec<Word, { capacity::WORDS }>,
    headers: Vec<Header, { capacity::SECTIONS }>,
    entries: Vec<Entry, { capacity::COMMANDS }>,
    /// The number of a word. Not the word: its niche would make nothing other than zero.
    base: Option<u32>,
    timeout: Option<i64>,
}

impl Config {
    /// A configuration without anything.
    pub const fn empty() -> Self {
        Self {
            text: Vec::new(),
            words: Vec::new(),
            headers: Vec::new(),
            entries: Vec::new(),
            base: None,
            timeout: None,
        }
    }

    /// Becomes what `source` says: all of it, unless there is a problem with it.
    ///
    /// `environment` looks up a variable of this process. `unset` hears of each reference without a default whose
    /// variable is not set: its name, and its offset in the source. `problems` hears of each problem, in the order of
    /// the source; the lines concerned are left out, for those who look for more problems. Nobody else may use such a
    /// configuration.
    pub fn load<'e>(
        &mut self,
        source: &[u8],
        environment: &dyn Fn(&[u8]) -> Option<&'e [u8]>,
        unset: &mut dyn FnMut(&[u8], usize),
        problems: &mut dyn FnMut(Problem),
    ) {
        self.clear();
        match check_bytes(source) {
            Ok(()) => parser::parse(self, lexer::Lexer::new(source, environment, unset), problems),
            Err(problem) => problems(problem),
        }
    }

    /// Field by field: a new one would be built on the stack first.
    #[inline(never)]
    fn clear(&mut self) {
        self.text.clear();
        self.words.clear();
        self.headers.clear();
        self.entries.clear();
        self.base = None;
        self.timeout = None;
    }

    /// The directory that all containers share, as it is written. Nothing if the file does not say.
    pub fn base_directory(&self) -> Option<&[u8]> {
        self.base.map(|word| self.c_str(word).to_bytes())
    }

    /// How long a client keeps trying to connect, in milliseconds; `u64::MAX`: for ever.
    pub fn connect_timeout(&self) -> u64 {
        u64::try_from(self.timeout.unwrap_or(CONNECT_MS)).unwrap_or(u64::MAX)
    }

    /// The command that a client of that name means: the last.
    pub fn command(&self, name: &[u8]) -> Option<Command<'_>> {
        self.last(name, None)
    }

    /// All commands in the file's order, also those of the same name.
    pub fn commands(&self) -> impl Iterator<Item = Command<'_>> + '_ {
        self.entries.iter().map(|entry| Command { config: self, entry })
    }

    /// All servers, in the order of the file.
    pub fn servers(&self) -> impl Iterator<Item = Server<'_>> + '_ {
        Servers { config: self, number: 0 }
    }

    /// The server of that name.
    pub fn server(&self, name: &[u8]) -> Option<Server<'_>> {
        let header = self.find_header(name)?;
        Some(Server { config: self, header })
    }

    /// The last command of that name: of that server, or of any.
    #[inline(never)]
    fn last(&self, name: &[u8], server: Option<Server<'_>>) -> Option<Command<'_>> {
        let is_wanted = |entry: &&Entry| {
            server.is_none_or(|server| server.owns(entry)) && self.c_str(entry.name).to_bytes() == name
        };
        let entry = self.entries.iter().rev().find(is_wanted)?;
        Some(Command { config: self, entry })
    }

    /// The first section header of that name.
    #[inline(never)]
    fn find_header(&self, name: &[u8]) -> Option<&Header> {
        self.headers.iter().find(|header| self.name_of(header) == name)
    }

    #[inline(never)]
    fn header(&self, entry: &Entry) -> &Header {
        const NONE: &Header = &Header { name: 0, options: 0, end: 0, first: 0, port: 0 };
        self.headers.get(entry.header as usize).unwrap_or(NONE)
    }

    fn name_of(&self, header: &Header) -> &[u8] {
        self.c_str(header.name).to_bytes()
    }

    /// The words of those numbers.
    fn range(&self, numbers: Range<u32>) -> &[Word] {
        self.words.get(numbers.start as usize..numbers.end as usize).unwrap_or_default()
    }

    /// Where the word of that number stands in the source.
    fn at(&self, number: u32) -> usize {
        self.words.get(number as usize).map_or(0, |word| word.at as usize)
    }

    /// The text of the word of that number.
    fn c_str(&self, number: u32) -> &CStr {
        self.words.get(number as usize).map_or(c"", |word| self.c_str_from(word.start as usize))
    }

    /// The text from an offset to the next NUL.
    fn c_str_from(&self, start: usize) -> &CStr {
        crate::text::bytes::c_str(after(&self.text, start)).unwrap_or_default()
    }

    fn bytes(&self, word: Word) -> &[u8] {
        self.text.get(word.start as usize..word.end()).unwrap_or_default()
    }
}

/// What can be said before any word is read.
fn check_bytes(source: &[u8]) -> Result<(), Problem> {
    if source.len() > capacity::FILE {
        return Err(Reason::FileLong.at(capacity::FILE));
    }
    let nul = until(source, 0).len();
    if nul < source.len() { Err(Reason::Nul.at(nul)) } else { Ok(()) }
}

/// Offsets and numbers take half the room this way.
#[allow(clippy::cast_possible_truncation, reason = "all are below the capacities")]
fn index(number: usize) -> u32 {
    number as u32
}

/// A server: all sections of one name.
#[derive(Clone, Copy)]
pub struct Server<'c> {
    config: &'c Config,
    /// The first of them.
    header: &'c Header,
}

/// A server option from a section header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionWord<'c> {
    /// The option, or its value.
    pub text: &'c CStr,
    /// Its offset in the source.
    pub at: usize,
}

impl<'c> Server<'c> {
    /// The section's name.
    pub fn name(self) -> &'c CStr {
        self.config.c_str(self.header.name)
    }

    /// The offset in the source where it is defined.
    pub fn at(self) -> usize {
        self.config.at(self.header.name)
    }

    /// The port that it listens on.
    pub fn port(self) -> u16 {
        self.header.port
    }

    /// The options of all its headers, in order.
    pub fn options(self) -> impl Iterator<Item = OptionWord<'c>> {
        Options { server: self, headers: &self.config.headers, words: &[] }
    }

    /// Whether it has anything to run.
    pub fn has_commands(self) -> bool {
        self.config.entries.iter().any(|entry| self.owns(entry))
    }

    /// Its command of that name; the last, as with clients.
    pub fn command(self, name: &[u8]) -> Option<Command<'c>> {
        self.config.last(name, Some(self))
    }

    /// The first server above that has this one's port, too, of those with commands: no other listens.
    pub fn same_port(self) -> Option<Server<'c>> {
        let mut above = self.config.servers().take_while(|other| other.header.first != self.header.first);
        above.find(|other| other.header.port == self.header.port && other.has_commands() && self.has_commands())
    }

    fn owns(self, entry: &Entry) -> bool {
        self.config.header(entry).first == self.header.first
    }
}

/// See [`Config::servers`].
struct Servers<'c> {
    config: &'c Config,
    /// The header to look at next.
    number: u32,
}

impl<'c> Iterator for Servers<'c> {
    type Item = Server<'c>;

    #[inline(never)]
    fn next(&mut self) -> Option<Server<'c>> {
        loop {
            let header = self.config.headers.get(self.number as usize)?;
            self.number += 1;
            if header.first + 1 == self.number {
                return Some(Server { config: self.config, header });
            }
        }
    }
}

/// See [`Server::options`].
struct Options<'c> {
    server: Server<'c>,
    /// The headers after the one of `words`.
    headers: &'c [Header],
    words: &'c [Word],
}

impl<'c> Iterator for Options<'c> {
    type Item = OptionWord<'c>;

    fn next(&mut self) -> Option<OptionWord<'c>> {
        let config = self.server.config;
        while self.words.is_empty() {
            let (header, rest) = self.headers.split_first()?;
            self.headers = rest;
            if header.first == self.server.header.first {
                self.words = config.range(header.options..header.end);
            }
        }
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(OptionWord { text: config.c_str_from(word.start as usize), at: word.at as usize })
    }
}

/// A command of a server.
#[derive(Clone, Copy)]
pub struct Command<'c> {
    config: &'c Config,
    entry: &'c Entry,
}

impl<'c> Command<'c> {
    /// What clients call it.
    pub fn name(self) -> &'c CStr {
        self.config.c_str(self.entry.name)
    }

    /// The offset in the source where it is defined.
    pub fn at(self) -> usize {
        self.config.at(self.entry.name)
    }

    /// The server that runs it.
    pub fn server(self) -> Server<'c> {
        let header = self.config.header(self.entry);
        Server { config: self.config, header: self.config.headers.get(header.first as usize).unwrap_or(header) }
    }

    /// Its variables: those of the section header above it, then its own.
    pub fn environment(self) -> impl Iterator<Item = Variable<'c>> {
        let (config, header) = (self.config, self.config.header(self.entry));
        let shared = config.range(header.name + 1..header.options);
        let own = config.range(self.entry.name + 1..self.entry.arguments);
        Variables { config, words: shared, then: own }
    }

    /// The executable and its arguments. The executable is the name if the file gives none.
    pub fn arguments(self) -> impl Iterator<Item = &'c CStr> {
        let Entry { name, arguments, end, .. } = *self.entry;
        let words = if arguments == end { name..name + 1 } else { arguments..end };
        self.config.range(words).iter().map(move |word| self.config.c_str_from(word.start as usize))
    }
}

/// See [`Command::environment`].
struct Variables<'c> {
    config: &'c Config,
    words: &'c [Word],
    then: &'c [Word],
}

impl<'c> Iterator for Variables<'c> {
    type Item = Variable<'c>;

    #[inline(never)]
    fn next(&mut self) -> Option<Variable<'c>> {
        if self.words.is_empty() {
            self.words = core::mem::take(&mut self.then);
        }
        let (word, rest) = self.words.split_first()?;
        self.words = rest;
        Some(Variable::new(self.config, *word))
    }
}

/// Where a variable's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `NAME=default`: the client's, else the default.
    Sent,
    /// `?NAME=default`: the client's, else the default, else the server's own.
    Optional,
    /// `=NAME=value`: the value, else the server's own; never the client's.
    Fixed,
}

/// An environment variable that a command gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable<'c> {
    /// Where its value comes from.
    pub kind: Kind,
    /// Its name; never empty.
    pub name: &'c [u8],
    /// Its default or value; may be empty.
    pub value: &'c [u8],
    /// `NAME=value`, as execve takes it.
    pub word: &'c CStr,
    /// The value may have references that [`expansion::expand`] has to replace when the command starts.
    pub deferred: bool,
}

impl<'c> Variable<'c> {
    fn new(config: &'c Config, word: Word) -> Self {
        let (kind, prefix) = match config.text.get(word.start as usize) {
            Some(b'?') => (Kind::Optional, 1),
            Some(b'=') => (Kind::Fixed, 1),
            _ => (Kind::Sent, 0),
        };
        let text = config.c_str_from(word.start as usize + prefix);
        let bytes = text.to_bytes();
        let name = until(bytes, b'=');
        Self { kind, name, value: after(bytes, name.len() + 1), word: text, deferred: word.deferred }
    }
}
