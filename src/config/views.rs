//! A configuration's servers, commands and variables, as everybody else sees them: views of its tables.

use super::tables::{Config, Entry, Header, Word};
use crate::text::bytes::{after, until};
use core::ffi::CStr;

impl Config {
    /// The command that a client of that name means: the last.
    pub fn command(&self, name: &[u8]) -> Option<Command<'_>> {
        self.commands_of(name).next()
    }

    /// All commands in the file's order, also those of the same name.
    pub fn commands(&self) -> impl Iterator<Item = Command<'_>> + '_ {
        self.entries.iter().enumerate().map(|(number, entry)| Command { config: self, number, entry })
    }

    /// All servers, in the order of the file.
    pub fn servers(&self) -> impl Iterator<Item = Server<'_>> + '_ {
        let is_first = |(number, header): &(usize, &Header)| header.first as usize == *number;
        self.headers.iter().enumerate().filter(is_first).map(|(_, header)| Server { config: self, header })
    }

    /// The server of that name.
    pub fn server(&self, name: &[u8]) -> Option<Server<'_>> {
        let header = self.find_header(name)?;
        Some(Server { config: self, header })
    }

    /// All commands of that name, the last first.
    fn commands_of(&self, name: &[u8]) -> impl Iterator<Item = Command<'_>> {
        let entries = self.entry_index.candidates(name).filter_map(|number| Some((number, self.entries.get(number)?)));
        let named = entries.filter(move |(_, entry)| self.bytes_of(entry.name) == name);
        named.map(|(number, entry)| Command { config: self, number, entry })
    }
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
        let Server { config, header: own } = self;
        let headers = config.headers.iter().filter(move |header| header.first == own.first);
        let words = headers.flat_map(move |header| config.range(header.options..header.end));
        words.map(move |word| OptionWord { text: config.c_str_from(word.start as usize), at: word.at as usize })
    }

    /// Whether it has anything to run.
    pub fn has_commands(self) -> bool {
        self.header.has_commands
    }

    /// Its command of that name; the last, as with clients.
    pub fn command(self, name: &[u8]) -> Option<Command<'c>> {
        self.config.commands_of(name).find(|command| self.config.header(command.entry).first == self.header.first)
    }

    /// The first server above that has this one's port, too, of those with commands: no other listens.
    pub fn same_port(self) -> Option<Server<'c>> {
        let mut above = self.config.servers().take_while(|other| other.header.first != self.header.first);
        above.find(|other| other.header.port == self.header.port && other.has_commands() && self.has_commands())
    }
}

/// A command of a server.
#[derive(Clone, Copy)]
pub struct Command<'c> {
    config: &'c Config,
    number: usize,
    entry: &'c Entry,
}

impl<'c> Command<'c> {
    /// Its place among [`Config::commands`], from 0.
    pub fn number(self) -> usize {
        self.number
    }

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

    /// Its variables and patterns: those of the section header above it, then its own.
    pub fn environment(self) -> impl Iterator<Item = Variable<'c>> {
        let (config, header) = (self.config, self.config.header(self.entry));
        let shared = config.range(header.name + 1..header.options);
        let own = config.range(self.entry.name + 1..self.entry.arguments);
        shared.iter().chain(own).map(move |word| Variable::new(config, *word))
    }

    /// Whether there are patterns among them.
    pub fn has_patterns(self) -> bool {
        self.environment().any(|variable| variable.stem().is_some())
    }

    /// The kind of the pattern by which the command gets the variable of an entry `NAME=value`. `None`: no pattern matches
    /// it, or a word has its full name, which wins. If several patterns match, the strictest counts. None matches k8psh's own
    /// variables, which mean something else in another container.
    pub fn pattern_for(self, entry: &CStr) -> Option<Kind> {
        let entry = entry.to_bytes();
        let name = until(entry, b'=');
        if name.is_empty() || name.len() == entry.len() || name.starts_with(b"K8PSH_") {
            return None;
        }
        let mut strictest = None;
        for variable in self.environment() {
            match variable.stem() {
                Some(stem) if name.starts_with(stem) => strictest = strictest.max(Some(variable.kind)),
                None if variable.name == name => return None,
                _ => {}
            }
        }
        strictest
    }

    /// The executable and its arguments. The executable is the name if the file gives none.
    pub fn arguments(self) -> impl Iterator<Item = &'c CStr> {
        let Entry { name, arguments, end, .. } = *self.entry;
        let words = if arguments == end { name..name + 1 } else { arguments..end };
        self.config.range(words).iter().map(move |word| self.config.c_str_from(word.start as usize))
    }
}

/// Where a variable's value comes from. The strictest is the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Its name, never empty; that of a pattern ends in `*`.
    pub name: &'c [u8],
    /// Its default or value; may be empty.
    pub value: &'c [u8],
    /// `NAME=value`, as execve takes it.
    pub word: &'c CStr,
    /// The whole word, with its prefix.
    pub written: &'c [u8],
    /// The offset in the source where it is written.
    pub at: usize,
    /// The value may have references that [`super::expansion::pieces`] finds, to be replaced when the command starts.
    pub deferred: bool,
}

impl<'c> Variable<'c> {
    /// What the names begin with that it stands for, if it is a pattern.
    pub fn stem(&self) -> Option<&'c [u8]> {
        self.name.strip_suffix(b"*")
    }

    fn new(config: &'c Config, word: Word) -> Self {
        let (kind, prefix) = match config.text.get(word.start as usize) {
            Some(b'?') => (Kind::Optional, 1),
            Some(b'=') => (Kind::Fixed, 1),
            _ => (Kind::Sent, 0),
        };
        let text = config.c_str_from(word.start as usize + prefix);
        let bytes = text.to_bytes();
        let name = until(bytes, b'=');
        let (value, written, at) = (after(bytes, name.len() + 1), config.bytes(word), word.at as usize);
        Self { kind, name, value, word: text, deferred: word.deferred, written, at }
    }
}
