//! The configuration: written out again it is read as the same one, one command of it is found as in the whole, and a plain
//! source is read as a simple reader reads it. What is refused is said in one line each, in the order of the source.

use super::{reference, signature};
use crate::diag::printable;
use k8psh::config::expansion::{Piece, Reference, pieces};
use k8psh::config::{Command, Config, Kind, Server, Source};
use k8psh::{limits, line};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::sync::Mutex;

pub(crate) const WORDS: &[&[u8]] = &[
    b"[",
    b" ]\n",
    b"[ a:1 ]\n",
    b"[b]",
    b"baseDirectory = ",
    b"connectTimeoutMs = ",
    b"\n",
    b"'",
    b"\"",
    b"''",
    b"\\x41",
    b"\\n",
    b"${A}",
    b"${B:-",
    b"}",
    b"${",
    b"$",
    b" = ",
    b" =X=",
    b" ?Y=",
    b" Z=1",
    b"#",
    b"\\\"",
    b" --tty=never",
    b":65535",
    b"k8psh",
    b"..",
    b"/",
    b"\r\n",
    b"\t",
    b"c d e\n",
    b"c\n",
    b"\0",
    b"\xff",
];

/// The places of three configurations, which are large.
static PLACES: [Mutex<Config>; 3] = [const { Mutex::new(Config::empty()) }; 3];

/// The variables that there are.
fn environment(name: &[u8]) -> Option<&'static [u8]> {
    match name {
        b"A" => Some(b"value"),
        b"E" => Some(b""),
        b"Q" => Some(b"a \"b' ${A} \\n#\n[x]"),
        _ => None,
    }
}

/// A problem: its place and its message.
type Told = (usize, String);

pub(crate) fn run(source: &[u8]) -> u64 {
    let [mut whole, mut again, mut one] = PLACES.each_ref().map(|place| place.lock().expect("one at a time"));
    let told = load(&mut whole, source, None);
    check_told(&told, source);
    check_contents(&whole);
    let shown = shown(&whole, told.is_empty());
    let written = write(&whole);
    assert_eq!(load(&mut again, &written, None), [], "{}", String::from_utf8_lossy(&written));
    assert_eq!(self::shown(&again, told.is_empty()), shown, "{}", String::from_utf8_lossy(&written));
    let names: Vec<Vec<u8>> = whole.commands().map(|command| command.name().to_bytes().to_vec()).collect();
    for name in names.iter().map(Vec::as_slice).chain([&b"c"[..]]).take(4) {
        assert_eq!(load(&mut one, source, Some(name)), told, "for {name:?}");
        let of = |config: &Config| of_name(config, name);
        assert_eq!(of(&one), of(&whole));
        assert_eq!(one.commands().count(), of(&one).len(), "no other is kept");
    }
    if told.is_empty() {
        reference::check_plain(source, &whole);
    }
    check_pieces(source);
    let words = |text: &str| text.split(' ').next_back().map(str::len);
    let reasons: BTreeSet<_> = told.iter().map(|(_, text)| words(text)).collect();
    let kinds: BTreeSet<_> =
        whole.commands().flat_map(|command| command.environment().map(|one| one.kind as u8)).collect();
    signature(&(reasons, kinds, shown.len().min(5)))
}

fn load(config: &mut Config, bytes: &[u8], only: Option<&[u8]>) -> Vec<Told> {
    let mut told = Vec::new();
    let mut unset = |name: &[u8], at: usize| {
        assert!(!name.is_empty() && environment(name).is_none() && bytes[at..].starts_with(b"${"), "at {at}");
    };
    config.load(&Source { bytes, only, environment: &environment }, &mut unset, &mut |problem| {
        told.push((problem.at, printable(&line!("{}", problem))));
    });
    told
}

fn check_told(told: &[Told], source: &[u8]) {
    assert!(told.iter().all(|(at, _)| *at <= source.len()));
    assert!(told.is_sorted_by_key(|(at, _)| at), "{told:?}");
    assert!(!source.contains(&0) || !told.is_empty(), "a NUL was accepted");
}

/// What is kept is what could be run.
fn check_contents(config: &Config) {
    assert!(config.base_directory().is_none_or(|path| path.len() < limits::PATH));
    for command in config.commands() {
        let name = command.name().to_bytes();
        assert!((1..=limits::NAME).contains(&name.len()) && !name.contains(&b'/'), "{name:?}");
        assert!(![&b"."[..], b"..", b"k8psh", b"k8pshd"].contains(&name), "{name:?}");
        assert!(!command.server().name().is_empty() && command.arguments().next().is_some());
        for variable in command.environment() {
            assert!(!variable.name.is_empty() && !variable.name[1..].contains(&b'='), "{:?}", variable.word);
            check_pieces(variable.value);
        }
    }
    let headers: Vec<Server<'_>> = config.servers().collect();
    for server in &headers {
        assert_eq!(headers.iter().filter(|other| other.name() == server.name()).count(), 1, "a name is one server's");
        assert!(config.server(server.name().to_bytes()).is_some_and(|found| found.at() == server.at()));
    }
}

/// A configuration as text that tells it from every other.
fn shown(config: &Config, is_sound: bool) -> Vec<String> {
    let mut lines = vec![format!("{:?} {}", config.base_directory(), config.connect_timeout())];
    for server in config.servers() {
        let options: Vec<&CStr> = server.options().map(|word| word.text).collect();
        let has_commands = is_sound && server.has_commands();
        lines.push(format!("{:?}:{} {options:?} {has_commands}", server.name(), server.port()));
    }
    lines.extend(config.commands().map(shown_command));
    lines
}

fn shown_command(command: Command<'_>) -> String {
    let variables: Vec<_> = command.environment().map(|one| (one.kind, one.name, one.value, one.deferred)).collect();
    let arguments: Vec<&CStr> = command.arguments().collect();
    format!("{:?}/{:?} {variables:?} {arguments:?}", command.server().name(), command.name())
}

fn of_name(config: &Config, name: &[u8]) -> Vec<(usize, String)> {
    let named = config.commands().filter(|command| command.name().to_bytes() == name);
    named.map(|command| (command.at(), shown_command(command))).collect()
}

/// Writes a configuration as a source, with each word in quotes.
fn write(config: &Config) -> Vec<u8> {
    let mut source = Vec::new();
    if let Some(base) = config.base_directory() {
        source.extend_from_slice(b"baseDirectory = ");
        quote(base, false, &mut source);
        source.push(b'\n');
    }
    let timeout = i64::try_from(config.connect_timeout()).unwrap_or(-1);
    source.extend(format!("connectTimeoutMs = {timeout}\n").bytes());
    for server in config.servers() {
        write_header(server, &mut source);
        server.options().for_each(|word| quote(word.text.to_bytes(), false, &mut source));
    }
    for command in config.commands() {
        write_header(command.server(), &mut source);
        source.push(b'\n');
        write_command(command, &mut source);
    }
    source
}

fn write_header(server: Server<'_>, source: &mut Vec<u8>) {
    source.extend_from_slice(b"\n[");
    quote(&[server.name().to_bytes(), format!(":{}", server.port()).as_bytes()].concat(), false, source);
    source.push(b']');
}

fn write_command(command: Command<'_>, source: &mut Vec<u8>) {
    quote(command.name().to_bytes(), false, source);
    for variable in command.environment() {
        let prefix: &[u8] = match variable.kind {
            Kind::Sent => b"",
            Kind::Optional => b"?",
            Kind::Fixed => b"=",
        };
        quote(&[prefix, variable.word.to_bytes()].concat(), variable.deferred, source);
    }
    let arguments: Vec<&CStr> = command.arguments().collect();
    // A name alone is its own executable, even where it looks like a variable.
    if arguments != [command.name()] {
        arguments.iter().for_each(|argument| quote(argument.to_bytes(), false, source));
    }
}

/// Adds a word: in single quotes its references are kept for when the command starts.
fn quote(word: &[u8], is_deferred: bool, source: &mut Vec<u8>) {
    let quote = if is_deferred { b'\'' } else { b'"' };
    source.extend_from_slice(&[b' ', quote]);
    for byte in word {
        match byte {
            b'\'' if is_deferred => source.extend_from_slice(b"''"),
            b'"' | b'\\' | b'$' | b'}' if !is_deferred => source.extend(format!("\\x{byte:02x}").bytes()),
            _ => source.push(*byte),
        }
    }
    source.push(quote);
}

/// The pieces of a text are the text, and none that stays has a reference.
fn check_pieces(text: &[u8]) {
    let mut all = Vec::new();
    for piece in pieces(text) {
        match piece {
            Piece::Text(part) => {
                assert!(!part.is_empty() && !reference::has_reference(part), "{part:?} stays");
                all.extend_from_slice(part);
            }
            Piece::Reference(Reference { name, default }) => {
                assert!(reference::is_name(name) && default.is_none_or(|text| !text.contains(&b'}')));
                let default_text = default.map_or(Vec::new(), |text| [b":-", text].concat());
                all.extend([&b"${"[..], name, &default_text, b"}"].concat());
            }
        }
    }
    assert_eq!(all, text);
}
