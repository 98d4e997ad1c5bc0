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

    /// Its variables: those of the section header above it, then its own. Patterns are not among them.
    pub fn environment(self) -> impl Iterator<Item = Variable<'c>> {
        self.words().filter_map(move |word| Variable::of(self.config, *word))
    }

    /// The patterns among its environment words, as they are written, with their offsets in the source.
    pub fn patterns(self) -> impl Iterator<Item = (&'c [u8], usize)> {
        let patterns = self.words().filter(|word| word.is_pattern);
        patterns.map(move |word| (self.config.bytes(*word), word.at as usize))
    }

    /// All environment words, the header's first.
    fn words(self) -> impl Iterator<Item = &'c Word> {
        (0..).map_while(move |number| self.word(number))
    }

    /// The environment word of that number.
    fn word(self, number: u32) -> Option<&'c Word> {
        let header = self.config.header(self.entry);
        let shared = header.options - (header.name + 1);
        let (first, end) = match number.checked_sub(shared) {
            None => (header.name + 1 + number, header.options),
            Some(own) => (self.entry.name + 1 + own, self.entry.arguments),
        };
        self.config.words.get(first as usize).filter(|_| first < end)
    }

    /// The kind of the pattern by which a command gets a variable of this name. `None`: no pattern matches it, or a word names
    /// it in full, which wins. Of several patterns the strictest counts. None matches a variable of k8psh's own: in another
    /// container it means something else.
    pub fn pattern_for(self, name: &[u8]) -> Option<Kind> {
        let mut kind = None;
        for word in self.words() {
            let (own, text) = Kind::of(self.config.bytes(*word));
            if word.is_pattern {
                let stem = text.strip_suffix(b"*=").filter(|stem| name.starts_with(stem));
                kind = kind.max(stem.map(|_| own));
            } else if text.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"=")) {
                return None;
            }
        }
        kind.filter(|_| !name.starts_with(b"K8PSH_"))
    }

    /// The executable and its arguments. The executable is the name if the file gives none.
    pub fn arguments(self) -> impl Iterator<Item = &'c CStr> {
        let Entry { name, arguments, end, .. } = *self.entry;
        let words = if arguments == end { name..name + 1 } else { arguments..end };
        self.config.range(words).iter().map(move |word| self.config.c_str_from(word.start as usize))
    }
}

/// Where a variable's value comes from; the strictest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `NAME=default`: the client's, else the default.
    Sent,
    /// `?NAME=default`: the client's, else the default, else the server's own.
    Optional,
    /// `=NAME=value`: the value, else the server's own; never the client's.
    Fixed,
}

impl Kind {
    /// The kind of an environment word, and the word without its prefix.
    fn of(word: &[u8]) -> (Kind, &[u8]) {
        match word {
            [b'?', text @ ..] => (Kind::Optional, text),
            [b'=', text @ ..] => (Kind::Fixed, text),
            text => (Kind::Sent, text),
        }
    }
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
    /// The value may have references that [`super::expansion::expand`] has to replace when the command starts.
    pub deferred: bool,
}

impl<'c> Variable<'c> {
    /// The variable of an environment word. `None`: it is a pattern.
    fn of(config: &'c Config, word: Word) -> Option<Self> {
        if word.is_pattern {
            return None;
        }
        let (kind, bytes) = Kind::of(config.bytes(word));
        let text = config.c_str_from(word.end() - bytes.len());
        let name = until(bytes, b'=');
        Some(Self { kind, name, value: after(bytes, name.len() + 1), word: text, deferred: word.deferred })
    }
}
