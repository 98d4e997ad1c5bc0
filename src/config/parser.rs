//! Words to settings, sections and commands. A line is one of the three, which its beginning and its place tell.

use super::lexer::{Lexer, Place};
use super::{Config, Entry, Header, Problem, Reason, Word, index};
use crate::limits::{FIRST_PORT, NAME, PATH};
use crate::text::bytes::{after, has, until};
use crate::text::number;

/// Reads the whole source into an empty configuration. `problems` hears of everything that is wrong, in the order in which
/// it stands there: the next line is read as though the one concerned were not there.
pub(super) fn parse(config: &mut Config, lexer: Lexer<'_, '_>, problems: &mut dyn FnMut(Problem)) {
    let mut parser = Parser {
        config,
        lexer,
        word: Word { start: 0, len: 0, at: 0, deferred: false },
        variables_end: 0,
        next_port: Some(FIRST_PORT),
        in_sections: false,
        header: None,
    };
    while parser.lexer.next_line() {
        let (text, words) = (parser.config.text.len(), parser.config.words.len());
        let Err(problem) = parser.line() else { continue };
        problems(problem);
        if problem.reason.is_final() {
            break;
        }
        if problem.reason == Reason::OpenQuote {
            // It has taken in everything up to the end.
            parser.lexer.at = problem.at;
        }
        parser.lexer.at = parser.lexer.line_end();
        parser.config.text.truncate(text);
        parser.config.words.truncate(words);
    }
}

struct Parser<'p, 's, 'e> {
    config: &'p mut Config,
    lexer: Lexer<'s, 'e>,
    /// The word that was read last.
    word: Word,
    /// The number of the first word that is no variable, after a name.
    variables_end: u32,
    /// The port after the last section's.
    next_port: Option<u16>,
    /// Whether a section's header has come, good or bad.
    in_sections: bool,
    /// The number of the header that the next command belongs to; none for a bad one.
    header: Option<u32>,
}

impl Parser<'_, '_, '_> {
    #[inline(never)]
    fn line(&mut self) -> Result<(), Problem> {
        let at = self.lexer.at;
        if self.lexer.accept(b'[') {
            self.in_sections = true;
            self.header = None;
            self.section(at)
        } else if self.in_sections {
            self.command()
        } else {
            self.setting()
        }
    }

    /// `key = value`
    fn setting(&mut self) -> Result<(), Problem> {
        self.read(Place::Key)?;
        self.lexer.skip_blank();
        if !self.lexer.accept(b'=') {
            return self.wrong(Reason::NotSetting);
        }
        let is_base = self.text() == b"baseDirectory";
        if !is_base && self.text() != b"connectTimeoutMs" {
            return self.wrong(Reason::UnknownKey);
        }
        self.lexer.skip_blank();
        self.read(Place::Elsewhere)?;
        if !self.lexer.at_line_end() {
            return Err(Reason::TrailingWord.at(self.lexer.at));
        }
        if is_base { self.base_directory() } else { self.connect_timeout() }
    }

    fn base_directory(&mut self) -> Result<(), Problem> {
        if self.text().len() >= PATH {
            return self.wrong(Reason::PathLong);
        }
        self.config.base = Some(self.next_number());
        self.keep()
    }

    fn connect_timeout(&mut self) -> Result<(), Problem> {
        self.config.timeout = number::parse_signed(self.text());
        if self.config.timeout.is_none() { self.wrong(Reason::BadNumber) } else { Ok(()) }
    }

    /// `name[:port] ] [environment…] [options…]`, after the `[` at `open`.
    fn section(&mut self, open: usize) -> Result<(), Problem> {
        self.lexer.skip_blank();
        self.read(Place::Section)?;
        if self.lexer.at_line_end() {
            return Err(Reason::OpenSection.at(open));
        }
        if !self.lexer.accept(b']') {
            return Err(Reason::SectionWords.at(self.lexer.at));
        }
        let (first, port) = self.name_and_port()?;
        let name = self.next_number();
        self.rest_of_line(true)?;
        let header = Header { name, options: self.variables_end, end: self.next_number(), first, port };
        self.header = Some(index(self.config.headers.len()));
        self.config.headers.push(header).map_err(|_| Reason::SectionsFull.at(open))
    }

    /// Cuts the word at its first `:`, where the name gets its NUL. Gives the first header of that name, and the port:
    /// the one that is given, else the one that the section has already, else the next.
    fn name_and_port(&mut self) -> Result<(u32, u16), Problem> {
        let text = self.text();
        let name = until(text, b':');
        if name.is_empty() {
            return self.wrong(Reason::EmptySection);
        }
        let before = self.config.find_header(name);
        let first = before.map_or(index(self.config.headers.len()), |header| header.first);
        let before = before.map(|header| header.port);
        let port = match text.get(name.len() + 1..) {
            None => before.or(self.next_port).ok_or(self.word.problem(Reason::NextPort))?,
            Some(digits) => {
                let port = given_port(digits, before);
                port.map_err(|reason| reason.at(self.place_of(name.len() + 1)))?
            }
        };
        self.word.len = index(name.len());
        if let Some(separator) = self.config.text.get_mut(self.word.end()) {
            *separator = 0;
        }
        self.next_port = port.checked_add(1);
        Ok((first, port))
    }

    /// Where the word's byte at `offset` stands in the source. That is known only if the word was written without quotes,
    /// escapes and references; else it is where the word stands.
    fn place_of(&self, offset: usize) -> usize {
        let at = self.word.at as usize;
        let source = after(self.lexer.source, at);
        if source.starts_with(self.text()) { at + offset } else { at }
    }

    /// `name [environment…] [executable [arguments…]]`
    fn command(&mut self) -> Result<(), Problem> {
        self.read(Place::Elsewhere)?;
        if let Some(reason) = bad_command_name(self.text()) {
            return self.wrong(reason);
        }
        let at = self.word.at as usize;
        let name = self.next_number();
        self.rest_of_line(false)?;
        let Some(header) = self.header else { return Ok(()) };
        let entry = Entry { name, arguments: self.variables_end, end: self.next_number(), header };
        self.config.entries.push(entry).map_err(|_| Reason::CommandsFull.at(at))
    }

    /// Keeps the name and the words after it, and finds `variables_end`. In a section an option is no variable,
    /// whatever is in it.
    fn rest_of_line(&mut self, in_section: bool) -> Result<(), Problem> {
        self.keep()?;
        self.variables_end = self.next_number();
        while !self.lexer.at_line_end() {
            self.read(Place::Elsewhere)?;
            let is_next = self.variables_end == self.next_number();
            let is_variable = is_next && self.is_variable(in_section)?;
            self.keep()?;
            self.variables_end += u32::from(is_variable);
        }
        Ok(())
    }

    /// Whether the word is `NAME=value`; a `=` or `?` at its front is a prefix.
    fn is_variable(&self, in_section: bool) -> Result<bool, Problem> {
        match self.text() {
            [b'-', ..] if in_section => Ok(false),
            [b'?' | b'=', b'=', ..] => self.wrong(Reason::EmptyVariable),
            [_, rest @ ..] => Ok(has(rest, b'=')),
            [] => Ok(false),
        }
    }

    /// Reads a word.
    fn read(&mut self, place: Place) -> Result<(), Problem> {
        self.word = self.lexer.word(place, &mut self.config.text)?;
        Ok(())
    }

    /// Its text.
    #[inline(never)]
    fn text(&self) -> &[u8] {
        self.config.bytes(self.word)
    }

    /// What is wrong with it.
    fn wrong<T>(&self, reason: Reason) -> Result<T, Problem> {
        Err(self.word.problem(reason))
    }

    /// Adds it to the configuration's.
    fn keep(&mut self) -> Result<(), Problem> {
        self.config.words.push(self.word).map_err(|word| word.problem(Reason::WordsFull))
    }

    /// The number that the next word of the configuration gets.
    fn next_number(&self) -> u32 {
        index(self.config.words.len())
    }
}

/// A command becomes a file in a directory, under its own name.
fn bad_command_name(name: &[u8]) -> Option<Reason> {
    if name.is_empty() || name == b"." || name == b".." || has(name, b'/') {
        return Some(Reason::CommandName);
    }
    (name.len() > NAME).then_some(Reason::CommandNameLong)
}

/// The port that is given to a section which may have one from before.
fn given_port(digits: &[u8], before: Option<u16>) -> Result<u16, Reason> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Reason::BadPort);
    }
    let port = number::parse(digits, 10).and_then(|port| u16::try_from(port).ok()).ok_or(Reason::PortRange)?;
    if before.is_none_or(|before| before == port) { Ok(port) } else { Err(Reason::PortConflict) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(source: &str) -> Result<Config, Problem> {
        let mut config = Config::empty();
        let mut problems = Vec::new();
        config.load(source.as_bytes(), &|_| None, &mut |_, _| {}, &mut |problem| problems.push(problem));
        problems.first().map_or(Ok(config), |problem| Err(*problem))
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
            ("", None, 30_000),
            ("# nothing\r\n\n", None, 30_000),
            ("baseDirectory = /work # here\nconnectTimeoutMs=5", Some("/work"), 5),
            ("\"base\"Directory='a b'\r\n", Some("a b"), 30_000),
            ("baseDirectory = a=b\nbaseDirectory = c", Some("c"), 30_000),
            ("baseDirectory =", Some(""), 30_000),
            ("baseDirectory = ${U:-x y}", Some("x y"), 30_000),
            ("connectTimeoutMs = -1", None, u64::MAX),
            ("connectTimeoutMs = -0", None, 0),
            ("connectTimeoutMs = \"007\"", None, 7),
            ("connectTimeoutMs = 9223372036854775807", None, i64::MAX as u64),
            ("connectTimeoutMs = -9223372036854775807", None, u64::MAX),
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
    fn every_problem_is_heard_of_and_none_brings_another() {
        for marked in [
            "^x\n^port = 1\nbaseDirectory = a ^b c\nconnectTimeoutMs = ^x",
            "[a:^x]\nb\n^. c\n[c]\nd",
            "[a] ^==x ==y\nb ^?=\nc ^?=",
            "[^]\n^[a\n[a ^b]\n[a:^65536]\nb",
            "baseDirectory = ^'a\n^x\n^y",
            "[a]\nb \"^\\q\" \"\\q\"\nc ^'d\n^a/b\ne \"^\\xg",
            "[a:1]\n[a:^2]\n[b]\n[b:^1]",
            "^x\n[a]\nb \"\n^\\q\"\n^..",
        ] {
            let source = marked.replace('^', "");
            let wanted: Vec<_> = marked.match_indices('^').enumerate().map(|(before, (at, _))| at - before).collect();
            let (mut config, mut found) = (Config::empty(), Vec::new());
            config.load(source.as_bytes(), &|_| None, &mut |_, _| {}, &mut |problem| found.push(problem.at));
            assert_eq!(found, wanted, "{marked:?}");
        }
    }

    #[test]
    fn what_is_right_beside_a_problem_stays() {
        let (mut config, mut count) = (Config::empty(), 0);
        let source = b"connectTimeoutMs = 5\nx\n[a:7] -x\n.\nb 'c\nd e\n[f";
        config.load(source, &|_| None, &mut |_, _| {}, &mut |_| count += 1);
        assert_eq!((count, config.connect_timeout()), (4, 5));
        let names: Vec<_> = config.commands().map(|command| (command.name(), command.server().port())).collect();
        assert_eq!(names, [(c"d", 7)]);
    }

    #[test]
    fn a_full_table_is_the_last_problem() {
        let source = "x\n[a]".to_owned() + &"\nx".repeat(crate::config::capacity::COMMANDS + 9) + "\n.";
        let (mut config, mut found) = (Config::empty(), Vec::new());
        config.load(source.as_bytes(), &|_| None, &mut |_, _| {}, &mut |problem| found.push(problem.reason));
        assert_eq!(found, [Reason::NotSetting, Reason::CommandsFull]);
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
