//! Words to settings, sections and commands. A line is one of the three, which its beginning and its place tell.

use super::capacity;
use super::lexer::{Lexer, Place};
use super::problem::{Fault, Problem, Reason};
use super::tables::{Config, Entry, Header, Word, index, text_of};
use crate::limits::{FIRST_PORT, NAME, PATH};
use crate::text::bytes::{after, c_str, first, has, until};
use crate::text::name::{PROGRAM, SERVER};
use crate::text::number;

/// What a configuration is loaded from.
pub struct Source<'s, 'e> {
    /// The file's bytes.
    pub bytes: &'s [u8],
    /// The name of the only command that is wanted: others are checked, but not kept. `None`: all are.
    pub only: Option<&'s [u8]>,
    /// Looks up a variable of this process.
    pub environment: &'s dyn Fn(&[u8]) -> Option<&'e [u8]>,
}

impl Config {
    /// Becomes what the source says: all of it, unless there is a problem with it.
    ///
    /// `unset` hears of each reference without a default whose variable is not set: its name, and its offset in the
    /// source. `problems` hears of each problem, in the order of the source; the lines concerned are left out, for those who
    /// look for more problems. Such a configuration is of no other use.
    pub fn load(
        &mut self,
        source: &Source<'_, '_>,
        unset: &mut dyn FnMut(&[u8], usize),
        problems: &mut dyn FnMut(Problem<'_>),
    ) {
        self.clear();
        match check_bytes(source.bytes) {
            Ok(()) => {
                let lexer = Lexer::new(source.bytes, source.environment, unset);
                parse(self, lexer, source.only, problems);
            }
            Err(Fault { at, reason }) => problems(Problem { at, reason, word: &[], owner: &[] }),
        }
    }
}

/// What can be said before any word is read.
fn check_bytes(source: &[u8]) -> Result<(), Fault> {
    if source.len() > capacity::FILE {
        return Err(Reason::FileLong.at(capacity::FILE));
    }
    c_str(source).map_or(Ok(()), |before| Err(Reason::Nul.at(before.count_bytes())))
}

/// After so many quotes that are never closed there are enough: to find each, the rest of the file is read.
const OPEN_QUOTES: u32 = 16;

/// Reads the whole source into an empty configuration. `problems` hears of everything that is wrong, in the order in which
/// it stands there: the next line is read as though the one concerned were not there.
fn parse(config: &mut Config, lexer: Lexer<'_, '_>, only: Option<&[u8]>, problems: &mut dyn FnMut(Problem<'_>)) {
    let mut parser = Parser {
        config,
        lexer,
        only,
        word: Word::NONE,
        owner: Word::NONE,
        variables_end: 0,
        next_port: Some(FIRST_PORT),
        in_sections: false,
        header: None,
        commands: 0,
    };
    let mut open_quotes = 0;
    while parser.lexer.next_line() {
        if parser.skip_commands() {
            continue;
        }
        let (text, words) = (parser.config.text.len(), parser.config.words.len());
        match parser.line() {
            Ok(true) => continue,
            Ok(false) => {}
            Err(fault) => {
                problems(parser.problem(fault));
                open_quotes += u32::from(fault.reason == Reason::OpenQuote);
                if fault.reason.is_final() || open_quotes == OPEN_QUOTES {
                    break;
                }
                if fault.reason == Reason::OpenQuote {
                    // It has taken in everything up to the end.
                    parser.lexer.at = fault.at;
                }
                parser.lexer.at = parser.lexer.line_end();
            }
        }
        parser.config.text.truncate(text);
        parser.config.words.truncate(words);
    }
}

struct Parser<'p, 's, 'e> {
    config: &'p mut Config,
    lexer: Lexer<'s, 'e>,
    /// The command that is wanted, if not all are.
    only: Option<&'p [u8]>,
    /// The word that was read last, or the part of it that is concerned.
    word: Word,
    /// What it belongs to: a setting's name, or a section's.
    owner: Word,
    /// The number of the first word that is no variable, after a name.
    variables_end: u32,
    /// The port after the last section's.
    next_port: Option<u16>,
    /// Whether a section's header has come, good or bad.
    in_sections: bool,
    /// The number of the header that the next command belongs to; none for a bad one.
    header: Option<u32>,
    /// How many commands there are, kept or not.
    commands: usize,
}

impl Parser<'_, '_, '_> {
    /// Reads a line. Whether its words are kept.
    fn line(&mut self) -> Result<bool, Fault> {
        let at = self.lexer.at;
        if self.lexer.accept(b'[') {
            self.in_sections = true;
            self.header = None;
            self.section(at).map(|()| true)
        } else if self.in_sections {
            self.command()
        } else {
            self.setting().map(|()| true)
        }
    }

    /// `key = value`
    fn setting(&mut self) -> Result<(), Fault> {
        self.read(Place::Key)?;
        self.lexer.skip_blank();
        if !self.lexer.accept(b'=') {
            return self.wrong(Reason::NotSetting);
        }
        let is_base = self.text() == b"baseDirectory";
        if !is_base && self.text() != b"connectTimeoutMs" {
            return self.wrong(Reason::UnknownSetting);
        }
        self.owner = self.word;
        self.lexer.skip_blank();
        self.read(Place::Elsewhere)?;
        let value = self.word;
        if !self.lexer.at_line_end() {
            self.read(Place::Elsewhere)?;
            return self.wrong(Reason::TrailingWord);
        }
        self.word = value;
        if is_base { self.base_directory() } else { self.connect_timeout() }
    }

    fn base_directory(&mut self) -> Result<(), Fault> {
        if self.text().len() >= PATH {
            return self.wrong(Reason::PathLong);
        }
        self.config.base = Some(self.next_number());
        self.keep()
    }

    fn connect_timeout(&mut self) -> Result<(), Fault> {
        self.config.timeout = number::parse_signed(self.text());
        if self.config.timeout.is_none() { self.wrong(Reason::BadNumber) } else { Ok(()) }
    }

    /// `name[:port] ] [environment…] [options…]`, after the `[` at `open`.
    fn section(&mut self, open: usize) -> Result<(), Fault> {
        self.lexer.skip_blank();
        self.read(Place::Section)?;
        if self.lexer.at_line_end() {
            return Err(Reason::OpenSection.at(open));
        }
        self.owner = self.word;
        if !self.lexer.accept(b']') {
            self.read(Place::Section)?;
            return self.wrong(Reason::SectionWords);
        }
        let (first, port) = self.name_and_port()?;
        let name = self.next_number();
        self.rest_of_line(true)?;
        let header =
            Header { name, options: self.variables_end, end: self.next_number(), first, port, has_commands: false };
        self.header = Some(index(self.config.headers.len()));
        self.config.headers.push(header).map_err(|_| Reason::SectionsFull.at(open))?;
        self.config.header_index.add(text_of(&self.config.text, self.owner));
        Ok(())
    }

    /// Cuts the word at its first `:`, where the name gets its NUL. Gives the first header of that name, and the port:
    /// the one that is given, else the one that the section has already, else the next.
    fn name_and_port(&mut self) -> Result<(u32, u16), Fault> {
        let (whole, name_len) = (self.word, until(self.text(), b':').len());
        if name_len == 0 {
            return self.wrong(Reason::EmptySection);
        }
        self.owner.len = index(name_len);
        let before = self.config.find_header(self.config.bytes(self.owner)).map(|header| (header.first, header.port));
        let port = if index(name_len) == whole.len {
            before.map(|(_, port)| port).or(self.next_port).ok_or(Reason::NextPort)
        } else {
            self.word = self.part(name_len + 1);
            given_port(self.text(), before.map(|(_, port)| port))
        };
        let port = port.or_else(|reason| self.wrong(reason))?;
        self.word = Word { len: index(name_len), ..whole };
        if let Some(separator) = self.config.text.get_mut(self.word.end()) {
            *separator = 0;
        }
        self.next_port = port.checked_add(1);
        let first = before.map_or(index(self.config.headers.len()), |(first, _)| first);
        Ok((first, port))
    }

    /// The word from an offset on. Where that stands in the source is known only if the word was written without quotes,
    /// escapes and references; else it is where the word stands.
    fn part(&self, offset: usize) -> Word {
        let Word { start, len, at, .. } = self.word;
        let is_plain = after(self.lexer.source, at as usize).starts_with(self.text());
        let offset = index(offset);
        Word { start: start + offset, len: len - offset, at: if is_plain { at + offset } else { at }, deferred: false }
    }

    /// `name [environment…] [executable [arguments…]]`. Whether it is kept.
    fn command(&mut self) -> Result<bool, Fault> {
        let at = self.lexer.at;
        self.read(Place::Elsewhere)?;
        if let Some(reason) = bad_command_name(self.text()) {
            return self.wrong(reason);
        }
        let (name, word) = (self.next_number(), self.word);
        self.rest_of_line(false)?;
        self.count_commands(1);
        if self.commands > capacity::COMMANDS {
            return Err(Reason::CommandsFull.at(at));
        }
        let text = text_of(&self.config.text, word);
        let Some(header) = self.header.filter(|_| self.only.is_none_or(|only| only == text)) else { return Ok(false) };
        let entry = Entry { name, arguments: self.variables_end, end: self.next_number(), header };
        self.config.entry_index.add(text);
        self.config.entries.push(entry).map_err(|_| Reason::CommandsFull.at(at))?;
        Ok(true)
    }

    /// Passes over commands that are not wanted, where that can be told without making words of them. Whether there are any.
    fn skip_commands(&mut self) -> bool {
        let (Some(only), Some(_)) = (self.only, self.header) else { return false };
        let count = self.lexer.skip_plain_commands(only, capacity::COMMANDS - self.commands);
        self.count_commands(count);
        count > 0
    }

    /// Counts commands of the current section, kept or not.
    fn count_commands(&mut self, count: usize) {
        let Some(header) = self.header.and_then(|number| self.config.headers.get(number as usize)) else { return };
        let first = header.first as usize;
        if let Some(first) = self.config.headers.get_mut(first) {
            first.has_commands |= count > 0;
        }
        self.commands += count;
    }

    /// Keeps the name and the words after it, and finds `variables_end`. In a section an option is no variable,
    /// whatever is in it.
    fn rest_of_line(&mut self, in_section: bool) -> Result<(), Fault> {
        self.keep()?;
        self.variables_end = self.next_number();
        while !self.lexer.at_line_end() {
            self.read(Place::Elsewhere)?;
            let is_next = self.variables_end == self.next_number();
            let is_variable = is_next && self.is_variable(in_section)?;
            if is_variable {
                self.check_pattern()?;
            }
            self.keep()?;
            self.variables_end += u32::from(is_variable);
        }
        Ok(())
    }

    /// Whether the word is `NAME=value`; a `=` or `?` at its front is a prefix.
    fn is_variable(&self, in_section: bool) -> Result<bool, Fault> {
        match self.text() {
            [b'-', ..] if in_section => Ok(false),
            [b'?' | b'=', b'=', ..] => self.wrong(Reason::EmptyVariable),
            [_, rest @ ..] => Ok(has(rest, b'=')),
            [] => Ok(false),
        }
    }

    /// Checks that a `*` in a variable's name ends it, and that no value follows.
    fn check_pattern(&self) -> Result<(), Fault> {
        let (text, star) = (self.text(), until(self.text(), b'*').len());
        // The first byte is a prefix, or the first of the name.
        let name_end = 1 + until(after(text, 1), b'=').len();
        if star < name_end && after(text, star) != b"*=" { self.wrong(Reason::BadPattern) } else { Ok(()) }
    }

    /// Reads a word.
    fn read(&mut self, place: Place) -> Result<(), Fault> {
        self.word = self.lexer.word(place, &mut self.config.text)?;
        Ok(())
    }

    /// Its text.
    fn text(&self) -> &[u8] {
        self.config.bytes(self.word)
    }

    /// What is wrong with it.
    fn wrong<T>(&self, reason: Reason) -> Result<T, Fault> {
        Err(reason.at(self.word.at as usize))
    }

    /// A fault with the words that its message has.
    fn problem(&self, Fault { at, reason }: Fault) -> Problem<'_> {
        let word = reason
            .source_len()
            .map_or_else(|| self.text(), |len| until(first(after(self.lexer.source, at), len), b'\n'));
        Problem { at, reason, word, owner: self.config.bytes(self.owner) }
    }

    /// Adds it to the configuration's.
    fn keep(&mut self) -> Result<(), Fault> {
        self.config.words.push(self.word).map_err(|word| Reason::WordsFull.at(word.at as usize))
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
    if name == PROGRAM || name == SERVER {
        return Some(Reason::CommandReserved);
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
    use crate::line;

    /// Loads a source without any variable; all that is wrong with it, each with its message.
    fn load_into(config: &mut Config, source: &str, only: Option<&[u8]>) -> Vec<(Fault, String)> {
        let mut problems = Vec::new();
        let source = Source { bytes: source.as_bytes(), only, environment: &|_| None };
        config.load(&source, &mut |_, _| {}, &mut |problem| {
            let message = String::from_utf8(line!("{}", problem).bytes().to_vec()).expect("ASCII");
            problems.push((problem.reason.at(problem.at), message));
        });
        problems
    }

    fn load(source: &str) -> Result<Config, Fault> {
        let mut config = Config::empty();
        let problems = load_into(&mut config, source, None);
        problems.first().map_or(Ok(config), |(fault, _)| Err(*fault))
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
            ("\n ^port = 1", Reason::UnknownSetting),
            ("^basedirectory = 1", Reason::UnknownSetting),
            ("^= 1", Reason::UnknownSetting),
            ("^\"\" = 1", Reason::UnknownSetting),
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
            ("[s]\nc ^A*=x", Reason::BadPattern),
            ("[s]\nc ^A**=", Reason::BadPattern),
            ("[s]\nc ^*A=", Reason::BadPattern),
            ("[s]\nc A= ^?A*B=", Reason::BadPattern),
            ("[s]\nc ^=*=x", Reason::BadPattern),
            ("[s]\nc ^'**='", Reason::BadPattern),
            ("[s ^A*=x]\n", Reason::SectionWords),
            ("[s] ^A*=x\n", Reason::BadPattern),
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
            ("[a]\nk8pshc\n^k8psh x", Reason::CommandReserved),
            ("[a]\n^'k8pshd'", Reason::CommandReserved),
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
            let problems = load_into(&mut Config::empty(), &source, None);
            let found: Vec<_> = problems.iter().map(|(fault, _)| fault.at).collect();
            assert_eq!(found, wanted, "{marked:?}");
        }
    }

    #[test]
    fn what_is_right_beside_a_problem_stays() {
        let mut config = Config::empty();
        let source = "connectTimeoutMs = 5\nx\n[a:7] -x\n.\nb 'c\nd e\n[f";
        assert_eq!((load_into(&mut config, source, None).len(), config.connect_timeout()), (4, 5));
        let names: Vec<_> = config.commands().map(|command| (command.name(), command.server().port())).collect();
        assert_eq!(names, [(c"d", 7)]);
    }

    #[test]
    fn a_full_table_is_the_last_problem() {
        let source = "x\n[a]".to_owned() + &"\nx".repeat(crate::config::capacity::COMMANDS + 9) + "\n.";
        for only in [None, Some(&b"y"[..])] {
            let problems = load_into(&mut Config::empty(), &source, only);
            let found: Vec<_> = problems.iter().map(|(fault, _)| fault.reason).collect();
            assert_eq!(found, [Reason::NotSetting, Reason::CommandsFull]);
        }
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
        for (fits, more, at, reason) in [
            (&name, "n", 4, Reason::CommandNameLong),
            (&path, "p", 14, Reason::PathLong),
            (&file, "#", FILE, Reason::FileLong),
            (&text, "x", 4, Reason::TextFull),
            (&words, " x", words.len() + 1, Reason::WordsFull),
            (&commands, "\nx", commands.len() + 1, Reason::CommandsFull),
            (&sections, "[a]", sections.len(), Reason::SectionsFull),
        ] {
            assert_eq!(load(fits).err(), None, "{reason:?}");
            assert_eq!(load(&(fits.clone() + more)).err(), Some(reason.at(at)), "{reason:?}");
        }
    }

    #[test]
    fn a_message_names_the_thing_concerned() {
        for (source, message) in [
            ("baseDirektory = x", "unknown setting baseDirektory"),
            ("gcc A=", "gcc is neither a setting, key = value, nor below a [ section ]"),
            (
                "connectTimeoutMs = 12x",
                "connectTimeoutMs: 12x is not a number of milliseconds, 9223372036854775807 at most",
            ),
            ("connectTimeoutMs =", "connectTimeoutMs: '' is not a number of milliseconds, 9223372036854775807 at most"),
            (
                "baseDirectory = a extra",
                "unexpected word extra after the value of baseDirectory; quote white space in it",
            ),
            ("baseDirectory = \"a", "the quote \" is never closed"),
            ("baseDirectory = \"\\q\"", "unknown escape \\q"),
            ("baseDirectory = \"\\x4g\"", "\\x4g: \\x needs two hexadecimal digits"),
            ("baseDirectory = \"\\x4\n", "\\x4: \\x needs two hexadecimal digits"),
            ("[a", "section a: there is no ] on this line"),
            ("[a b]", "section a: unexpected word b; quote white space in a name"),
            ("[ a : 1 ]", "section a: white space beside the : before its port; write [ a:PORT ]"),
            ("[ a: 1 ]", "section a: white space beside the : before its port; write [ a:PORT ]"),
            ("[ a :1 ]", "section a: white space beside the : before its port; write [ a:PORT ]"),
            ("[]", "a section needs a name"),
            ("[a:${P]", "section a: port ${P is not a number; ${ without a name and } is taken as it stands"),
            ("[a:x]", "section a: port x is not a number"),
            ("[a:]", "section a: port '' is not a number"),
            ("[a:xy]", "section a: port xy is not a number"),
            ("[a:65536]", "section a: port 65536 is above 65535"),
            ("[a:65535]\n[b]", "section b: there is no port after 65535; give one"),
            ("[a:1]\n[a:2]", "section a: port 2 is not the one that it has above"),
            ("[a]\nb/c d", "command b/c: a name cannot be empty, . or .., nor contain /"),
            ("[a]\nk8psh x", "command k8psh: called by this name, the program is no stub; choose another"),
            ("[a]\n''", "command '': a name cannot be empty, . or .., nor contain /"),
            ("[a]\nb ?=x", "variable ?=x has no name"),
        ] {
            let problems = load_into(&mut Config::empty(), source, None);
            assert_eq!(problems.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>(), [message], "{source:?}");
        }
    }

    #[test]
    fn open_quotes_are_looked_for_up_to_a_limit() {
        let source = "[a]\n".to_owned() + &"\\\"\n".repeat(100);
        let problems = load_into(&mut Config::empty(), &source, None);
        assert_eq!(problems.len(), OPEN_QUOTES as usize);
        assert!(problems.iter().all(|(fault, _)| fault.reason == Reason::OpenQuote));
    }

    #[test]
    fn one_command_is_found_as_in_the_whole_configuration() {
        let lines = [
            "c A=1 =B=2 x",
            "c",
            "d ?C= 'quoted'",
            "c.d e/f #",
            "[a] -k",
            "[b:7] X=1",
            " c \"\n\" y",
            "'c' z",
            "cc c",
            "b ?=x",
            "b A*=",
            "c A*= ?*=",
            "d *=x",
            "d *.c",
            "b e *x=",
            ".",
            "e/f",
            "c ${U:-x y}",
            "k8pshd x",
        ];
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..20_000 {
            let source: String =
                (0..random.usize(..7)).map(|_| lines[random.usize(..lines.len())].to_owned() + "\n").collect();
            let source = "[a]\n".to_owned() + &source;
            let (mut all, mut one) = (Config::empty(), Config::empty());
            let problems = load_into(&mut all, &source, None);
            assert_eq!(load_into(&mut one, &source, Some(b"c")), problems, "{source:?}");
            let shown = |config: &Config| {
                let shown = |command: crate::config::Command<'_>| {
                    let variables: Vec<_> = command.environment().map(|variable| variable.word.to_owned()).collect();
                    let arguments: Vec<_> = command.arguments().map(ToOwned::to_owned).collect();
                    (command.name().to_owned(), command.at(), command.server().at(), variables, arguments)
                };
                config.commands().filter(|command| command.name() == c"c").map(shown).collect::<Vec<_>>()
            };
            assert_eq!(shown(&one), shown(&all), "{source:?}");
            assert_eq!(one.commands().count(), shown(&one).len());
            let owners =
                |config: &Config| config.servers().map(crate::config::Server::has_commands).collect::<Vec<_>>();
            assert_eq!(owners(&one), owners(&all), "{source:?}");
        }
    }
}
