//! Words to settings, sections and commands. A line is one of the three, which its beginning and its place tell.

use super::lexer::{Lexer, Place};
use super::{Config, Entry, Header, Problem, Reason, Word, index};
use crate::limits::{FIRST_PORT, NAME, PATH};

/// Reads the whole source into an empty configuration.
pub(super) fn parse(config: &mut Config, lexer: Lexer<'_, '_>) -> Result<(), Problem> {
    let mut parser = Parser { config, lexer };
    while parser.lexer.next_line() {
        parser.line()?;
    }
    Ok(())
}

struct Parser<'p, 's, 'e> {
    config: &'p mut Config,
    lexer: Lexer<'s, 'e>,
}

/// A setting's key.
enum Key {
    BaseDirectory,
    ConnectTimeout,
}

impl Parser<'_, '_, '_> {
    fn line(&mut self) -> Result<(), Problem> {
        let at = self.lexer.at;
        if self.lexer.accept(b'[') {
            self.section(at)
        } else if self.config.headers.is_empty() {
            self.setting()
        } else {
            self.command()
        }
    }

    /// `key = value`
    fn setting(&mut self) -> Result<(), Problem> {
        let key = self.key()?;
        self.lexer.skip_blank();
        let value = self.word(Place::Elsewhere)?;
        if !self.lexer.at_line_end() {
            return Err(Reason::TrailingWord.at(self.lexer.at));
        }
        match key {
            Key::BaseDirectory => self.base_directory(value),
            Key::ConnectTimeout => {
                let number = milliseconds(self.config.bytes(value));
                self.config.timeout = Some(number.ok_or(value.problem(Reason::BadNumber))?);
                Ok(())
            }
        }
    }

    /// `key =`
    fn key(&mut self) -> Result<Key, Problem> {
        let key = self.word(Place::Key)?;
        self.lexer.skip_blank();
        if !self.lexer.accept(b'=') {
            return Err(key.problem(Reason::NotSetting));
        }
        match self.config.bytes(key) {
            b"baseDirectory" => Ok(Key::BaseDirectory),
            b"connectTimeoutMs" => Ok(Key::ConnectTimeout),
            _ => Err(key.problem(Reason::UnknownKey)),
        }
    }

    fn base_directory(&mut self, value: Word) -> Result<(), Problem> {
        if self.config.bytes(value).len() >= PATH {
            return Err(value.problem(Reason::PathLong));
        }
        self.config.base = Some(self.keep(value)?);
        Ok(())
    }

    /// `name[:port] ] [environment…] [options…]`, after the `[` at `open`.
    fn section(&mut self, open: usize) -> Result<(), Problem> {
        let name = self.section_name(open)?;
        let (name, port) = self.split_port(name)?;
        let first = self.first_header(self.config.bytes(name));
        let port = self.port(name, port, first)?;
        let name = self.keep(name)?;
        let options = self.environment(|word| !word.starts_with(b"-"))?;
        let end = self.remaining_words()?;
        let first = first.map_or_else(|| index(self.config.headers.len()), |(first, _)| first);
        let header = Header { name, options, end, first, port };
        self.config.headers.push(header).map_err(|_| Reason::SectionsFull.at(open))
    }

    /// The one word in the brackets.
    fn section_name(&mut self, open: usize) -> Result<Word, Problem> {
        self.lexer.skip_blank();
        let name = self.word(Place::Section)?;
        if self.lexer.at_line_end() {
            return Err(Reason::OpenSection.at(open));
        }
        if self.lexer.accept(b']') { Ok(name) } else { Err(Reason::SectionWords.at(self.lexer.at)) }
    }

    /// Cuts the word at its first `:`, where the name gets its NUL. The port is nothing if there is no `:`.
    fn split_port(&mut self, word: Word) -> Result<(Word, Option<Word>), Problem> {
        let colon = self.config.bytes(word).iter().position(|byte| *byte == b':');
        if word.len == 0 || colon == Some(0) {
            return Err(word.problem(Reason::EmptySection));
        }
        let Some(colon) = colon else { return Ok((word, None)) };
        let (name, port) = (Word { len: index(colon), ..word }, self.tail(word, index(colon) + 1));
        if let Some(separator) = self.config.text.get_mut(name.end()) {
            *separator = 0;
        }
        Ok((name, Some(port)))
    }

    /// The word from `offset` on. Where it stands in the source is known only if it was written without quotes,
    /// escapes and references; else it stands where the word does.
    fn tail(&self, word: Word, offset: u32) -> Word {
        let source = self.lexer.source.get(word.at as usize..).unwrap_or_default();
        let as_written = source.starts_with(self.config.bytes(word));
        Word {
            start: word.start + offset,
            len: word.len - offset,
            at: word.at + if as_written { offset } else { 0 },
            deferred: word.deferred,
        }
    }

    /// The first header of that name, and its port.
    fn first_header(&self, name: &[u8]) -> Option<(u32, u16)> {
        let mut headers = self.config.headers.iter();
        headers.find(|header| self.config.name_of(header) == name).map(|header| (header.first, header.port))
    }

    /// The port that a section has: the one that is given, else the one it has already, else the next.
    fn port(&self, name: Word, given: Option<Word>, first: Option<(u32, u16)>) -> Result<u16, Problem> {
        match (given, first) {
            (None, None) => self.next_port().ok_or(name.problem(Reason::NextPort)),
            (None, Some((_, port))) => Ok(port),
            (Some(word), first) => {
                let port = port_number(self.config.bytes(word)).map_err(|reason| word.problem(reason))?;
                let agrees = first.is_none_or(|(_, before)| before == port);
                if agrees { Ok(port) } else { Err(word.problem(Reason::PortConflict)) }
            }
        }
    }

    fn next_port(&self) -> Option<u16> {
        match self.config.headers.last() {
            None => Some(FIRST_PORT),
            Some(previous) => previous.port.checked_add(1),
        }
    }

    /// `name [environment…] [executable [arguments…]]`
    fn command(&mut self) -> Result<(), Problem> {
        let name = self.word(Place::Elsewhere)?;
        if let Some(reason) = bad_command_name(self.config.bytes(name)) {
            return Err(name.problem(reason));
        }
        let header = index(self.config.headers.len().saturating_sub(1));
        let at = name.at as usize;
        let name = self.keep(name)?;
        let arguments = self.environment(|_| true)?;
        let end = self.remaining_words()?;
        let entry = Entry { name, arguments, end, header };
        self.config.entries.push(entry).map_err(|_| Reason::CommandsFull.at(at))
    }

    /// Keeps the line's words up to the first that is no variable, and that one; gives the number of the first that is
    /// none.
    fn environment(&mut self, may_be: fn(&[u8]) -> bool) -> Result<u32, Problem> {
        while let Some(word) = self.next_word()? {
            let text = self.config.bytes(word);
            let name_end = name_end(text).filter(|_| may_be(text));
            if name_end == Some(1) && matches!(text.first(), Some(b'?' | b'=')) {
                return Err(word.problem(Reason::EmptyVariable));
            }
            let number = self.keep(word)?;
            if name_end.is_none() {
                return Ok(number);
            }
        }
        Ok(index(self.config.words.len()))
    }

    /// Keeps the line's remaining words; gives the number of the next word.
    fn remaining_words(&mut self) -> Result<u32, Problem> {
        while let Some(word) = self.next_word()? {
            self.keep(word)?;
        }
        Ok(index(self.config.words.len()))
    }

    /// The next word of the line.
    fn next_word(&mut self) -> Result<Option<Word>, Problem> {
        if self.lexer.at_line_end() {
            return Ok(None);
        }
        self.word(Place::Elsewhere).map(Some)
    }

    fn word(&mut self, place: Place) -> Result<Word, Problem> {
        self.lexer.word(place, &mut self.config.text)
    }

    /// Adds a word to the configuration's; gives its number.
    fn keep(&mut self, word: Word) -> Result<u32, Problem> {
        let number = index(self.config.words.len());
        self.config.words.push(word).map_err(|_| word.problem(Reason::WordsFull))?;
        Ok(number)
    }
}

/// Where the name of a variable ends; nothing for a word that is no variable. A `=` at the front is a prefix.
pub(super) fn name_end(word: &[u8]) -> Option<usize> {
    word.iter().skip(1).position(|byte| *byte == b'=').map(|after| after + 1)
}

/// A command becomes a file in a directory, under its own name.
fn bad_command_name(name: &[u8]) -> Option<Reason> {
    if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
        return Some(Reason::CommandName);
    }
    (name.len() > NAME).then_some(Reason::CommandNameLong)
}

fn port_number(digits: &[u8]) -> Result<u16, Reason> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Reason::BadPort);
    }
    decimal(digits).and_then(|port| u16::try_from(port).ok()).ok_or(Reason::PortRange)
}

/// A number of milliseconds, or anything negative.
fn milliseconds(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => decimal(digits).map(|number| -number),
        None => decimal(text),
    }
}

/// The whole text as a number.
fn decimal(digits: &[u8]) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_i64, |number, digit| {
        let digit = char::from(*digit).to_digit(10)?;
        number.checked_mul(10)?.checked_add(i64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(source: &str) -> Result<Config, Problem> {
        let mut config = Config::empty();
        let done = config.load(source.as_bytes(), &|_| None, &mut |_, _| {});
        done.map(|()| config)
    }

    fn loaded(source: &str) -> Config {
        load(source).unwrap_or_else(|problem| panic!("{source:?}: {problem:?}"))
    }

    /// A `^` in a source is where the problem is, and no part of it.
    fn check_problems(table: &[(&str, Reason)]) {
        for (marked, reason) in table {
            let at = marked.find('^').expect("a mark");
            assert_eq!(load(&marked.replace('^', "")).err(), Some(reason.at(at)), "{marked:?}");
        }
    }

    #[test]
    fn settings() {
        for (source, base, timeout) in [
            ("", None, Some(30_000)),
            ("# nothing\r\n\n", None, Some(30_000)),
            ("baseDirectory = /work # here\nconnectTimeoutMs=5", Some("/work"), Some(5)),
            ("\"base\"Directory='a b'\r\n", Some("a b"), Some(30_000)),
            ("baseDirectory = a=b\nbaseDirectory = c", Some("c"), Some(30_000)),
            ("baseDirectory =", Some(""), Some(30_000)),
            ("baseDirectory = ${U:-x y}", Some("x y"), Some(30_000)),
            ("connectTimeoutMs = -1", None, None),
            ("connectTimeoutMs = -0", None, Some(0)),
            ("connectTimeoutMs = \"007\"", None, Some(7)),
            ("connectTimeoutMs = 9223372036854775807", None, Some(i64::MAX as u64)),
            ("connectTimeoutMs = -9223372036854775807", None, None),
        ] {
            let config = loaded(source);
            assert_eq!(config.base_directory(), base.map(str::as_bytes), "{source:?}");
            assert_eq!(config.connect_timeout(), timeout, "{source:?}");
        }
    }

    #[test]
    fn bad_settings() {
        check_problems(&[
            ("\n ^port = 1", Reason::UnknownKey),
            ("^basedirectory = 1", Reason::UnknownKey),
            ("^= 1", Reason::UnknownKey),
            ("^\"\" = 1", Reason::UnknownKey),
            ("^baseDirectory", Reason::NotSetting),
            ("^baseDirectory /work", Reason::NotSetting),
            ("^baseDirectory # = /work", Reason::NotSetting),
            ("# x\n^gcc A= gcc", Reason::NotSetting),
            ("^baseDirectory\n= /work", Reason::NotSetting),
            ("baseDirectory = a ^b", Reason::TrailingWord),
            ("baseDirectory = = ^b", Reason::TrailingWord),
            ("connectTimeoutMs =^", Reason::BadNumber),
            ("connectTimeoutMs = ^12x", Reason::BadNumber),
            ("connectTimeoutMs = ^-", Reason::BadNumber),
            ("connectTimeoutMs = ^+1", Reason::BadNumber),
            ("connectTimeoutMs = ^--1", Reason::BadNumber),
            ("connectTimeoutMs = ^' 1'", Reason::BadNumber),
            ("connectTimeoutMs = ^9223372036854775808", Reason::BadNumber),
            ("baseDirectory = ^'", Reason::OpenQuote),
            ("baseDirectory = \"^\\q\"", Reason::BadEscape),
            ("baseDirectory = a^\0b", Reason::Nul),
            ("# a^\0b", Reason::Nul),
        ]);
    }

    #[test]
    fn ports() {
        for (source, expected) in [
            ("[a]", "a:1120"),
            ("[ a ]\n[b]\n[c]", "a:1120 b:1121 c:1122"),
            ("[a:5]\n[b]\n[c:0]\n[d]", "a:5 b:6 c:0 d:1"),
            ("[a:65535]\n[b:000080]", "a:65535 b:80"),
            ("[a:5]\n[b]\n[a]\n[c]", "a:5 b:6 a:5 c:6"),
            ("[a:65535]\n[a]", "a:65535 a:65535"),
            ("[a]\n[a:1120]", "a:1120 a:1120"),
            ("[ 'a b':5]", "a b:5"),
            ("['a]#:5' ]", "a]#:5"),
            ("[${U:-a:5}]", "a:5"),
            ("[\ta:5\r]", "a:5"),
        ] {
            let config = loaded(source);
            let show = |header: &Header| {
                format!("{}:{}", core::str::from_utf8(config.name_of(header)).expect("ASCII"), header.port)
            };
            assert_eq!(config.headers.iter().map(show).collect::<Vec<_>>().join(" "), expected, "{source:?}");
        }
    }

    #[test]
    fn bad_sections() {
        check_problems(&[
            ("^[", Reason::OpenSection),
            ("^[a", Reason::OpenSection),
            ("^[a\n]", Reason::OpenSection),
            ("^[ # a ]", Reason::OpenSection),
            ("\n ^[a:1 # ]", Reason::OpenSection),
            ("[a ^b]", Reason::SectionWords),
            ("[a ^:1]", Reason::SectionWords),
            ("[^]", Reason::EmptySection),
            ("[ ^]", Reason::EmptySection),
            ("[ ^'' ]", Reason::EmptySection),
            ("[ ^:1 ]", Reason::EmptySection),
            ("[ ^${U} ]", Reason::EmptySection),
            ("[a:^]", Reason::BadPort),
            ("[ a:^x]", Reason::BadPort),
            ("[a:^1:2]", Reason::BadPort),
            ("[a:^-1]", Reason::BadPort),
            ("[a:^+1]", Reason::BadPort),
            ("[^'a':x]", Reason::BadPort),
            ("[a:^65536]", Reason::PortRange),
            ("[a:^99999999999999999999999]", Reason::PortRange),
            ("[a:65535]\n[ ^b]", Reason::NextPort),
            ("[a:1]\n[a:^2]", Reason::PortConflict),
            ("[a]\n[b]\n[a:^1121]", Reason::PortConflict),
            ("[^'a]", Reason::OpenQuote),
            ("[a] ^==x", Reason::EmptyVariable),
            ("[a] ^?=x", Reason::EmptyVariable),
        ]);
    }

    #[test]
    fn bad_commands() {
        check_problems(&[
            ("[a]\n^''", Reason::CommandName),
            ("[a]\n^.", Reason::CommandName),
            ("[a]\n ^.. x", Reason::CommandName),
            ("[a]\n^/bin/sh", Reason::CommandName),
            ("[a]\n^a/", Reason::CommandName),
            ("[a]\nb A= ^?=x", Reason::EmptyVariable),
            ("[a]\nb ^==", Reason::EmptyVariable),
            ("[a]\nb ^'='=", Reason::EmptyVariable),
            ("[a]\nb c ^\"", Reason::OpenQuote),
        ]);
    }

    #[test]
    fn limits_are_errors() {
        use crate::config::capacity::{COMMANDS, FILE, SECTIONS, TEXT, WORDS};
        let name = "[a]\n".to_owned() + &"n".repeat(NAME);
        let path = "baseDirectory=".to_owned() + &"p".repeat(PATH - 1);
        let file = "#".repeat(FILE);
        let text = "[a] ".to_owned() + &"x".repeat(TEXT - 3);
        let words = "[a]".to_owned() + &" x".repeat(WORDS - 1);
        let commands = "[a]".to_owned() + &"\nx".repeat(COMMANDS);
        let sections = "[a]\n".repeat(SECTIONS);
        for (fits, more, at, reason, limit) in [
            (&name, "n", 4, Reason::CommandNameLong, 255),
            (&path, "p", 14, Reason::PathLong, 4095),
            (&file, "#", FILE, Reason::FileLong, FILE),
            (&text, "x", 4, Reason::TextFull, TEXT),
            (&words, " x", words.len() + 1, Reason::WordsFull, WORDS),
            (&commands, "\nx", commands.len() + 1, Reason::CommandsFull, COMMANDS),
            (&sections, "[a]", sections.len(), Reason::SectionsFull, SECTIONS),
        ] {
            assert_eq!(load(fits).err(), None, "{reason:?}");
            assert_eq!(load(&(fits.clone() + more)).err(), Some(reason.at(at)), "{reason:?}");
            assert_eq!(reason.limit(), Some(limit));
        }
        assert_eq!(Reason::NextPort.limit(), None);
    }
}
