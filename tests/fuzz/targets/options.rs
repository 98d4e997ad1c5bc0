//! Options: a value is taken exactly where a strict reading of its kind takes it, and what a server starts with keeps to
//! what its options demand of each other. Whatever is refused is said, and nothing is said of what is taken.

use super::signature;
use crate::config::file::File;
use crate::config::{Config, Server, Source};
use crate::diag::said;
use crate::options::command_line::{Asked, CommandLine};
use crate::options::section::End;
use crate::options::settings::Settings;
use crate::options::table::{CLIENT, OptionSpec, SERVER};
use crate::options::value::{Kind, Transport, Tty};
use crate::options::words::{UsageError, Word, next};
use crate::sys::program::{Program, Strings};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::net::IpAddr;
use std::sync::Mutex;

pub(crate) const WORDS: &[&[u8]] = &[
    b"\0",
    b"--allow-uid\0",
    b"--background",
    b"--check",
    b"--config\0",
    b"--connect\0",
    b"--detach-on-close\0",
    b"--http\0",
    b"--http=status\0",
    b"--listen=",
    b"--log=json\0",
    b"--log-arguments\0",
    b"--max-connections=",
    b"--max-sessions=",
    b"--no-token\0",
    b"--no-wait\0",
    b"--pid-file\0/p\0",
    b"--plain=no\0",
    b"--server-uid=",
    b"--session-timeout=",
    b"--timeout=",
    b"--token-env=T\0",
    b"--token-file=/t\0",
    b"--transport=direct\0",
    b"--transport=relay\0",
    b"--trigger=c\0",
    b"--tty=always\0",
    b"--name=s\0",
    b"-i\0",
    b"--ignore-invalid-arguments\0",
    b"--",
    b"=",
    b",",
    b"-1",
    b"0",
    b"4096",
    b"4294967295",
    b"0.0.0.0\0",
    b"::1\0",
    b"127.0.0.1\0",
    b"--tok",
    b"--new\0",
    b"-k\0",
    b"-n\0x\0",
    b"9223372036854775808",
    b"=4294967295\0",
    b"=4096\0",
    b"=4097\0",
    b"=0\0",
];

static PLACE: Mutex<Config> = Mutex::new(Config::empty());

pub(crate) fn run(input: &[u8]) -> u64 {
    let mut words = input.split(|byte| *byte == 0).map(|word| CString::new(word).expect("cut at NUL"));
    let header: Vec<CString> = words.by_ref().take_while(|word| word.as_c_str() != c"|").collect();
    let line: Vec<CString> = words.collect();
    let seen = [check_words(&header), check_words(&line)];
    let mut place = PLACE.lock().expect("one at a time");
    let source = source(&header);
    place.load(&Source { bytes: &source, only: None, environment: &|_| None }, &mut |_, _| {}, &mut |problem| {
        panic!("{:?}: {}", problem.reason, String::from_utf8_lossy(&source));
    });
    let server = place.server(b"s").expect("it is there");
    let mut behaviour = Vec::new();
    let stub = Settings::of_section(server, &File);
    behaviour.extend(check_said(&stub));
    let checked = Settings::checked(server, &File);
    behaviour.extend(check_said(&checked));
    if let Ok(settings) = &checked {
        check_settings(settings, server, &header);
        assert!(stub.is_ok(), "a stub refuses what its server takes");
    }
    let all = [header, line.clone()].concat();
    with_program(&line, |command_line| {
        let read = CommandLine::read(command_line);
        if matches!(read, Ok(Asked::Help | Asked::Version)) {
            // What was wrong before it was said, and help comes all the same.
            said();
            return;
        }
        behaviour.extend(check_said(&read));
        if read.is_err() {
            return;
        }
        let settings = Settings::of_server(Some(server), &File, command_line, End::ServerAgain);
        behaviour.extend(check_said(&settings));
        if let Ok(settings) = &settings {
            check_settings(settings, server, &all);
        }
        let settings = Settings::of_server(None, &File, command_line, End::ServerAgain);
        check_bounds(&settings);
        said();
    });
    let behaviour: BTreeSet<_> = behaviour.into_iter().collect();
    signature(&(seen, behaviour.len().min(3), behaviour.first().cloned()))
}

/// A section with these words.
fn source(header: &[CString]) -> Vec<u8> {
    // A header's first words may be variables; an option ends them, and this one changes nothing.
    let mut source = b"[ s:2000 ] --tty=auto".to_vec();
    for word in header {
        let quoted: String = word.as_bytes().iter().map(|byte| format!("\\x{byte:02x}")).collect();
        source.extend(format!(" \"{quoted}\"").bytes());
    }
    source.extend_from_slice(b"\nc x\n");
    source
}

/// Reads words as options: values are taken where they should be.
fn check_words(words: &[CString]) -> u64 {
    let mut seen = Vec::new();
    for program in [&CLIENT, &SERVER] {
        let mut rest = words.iter().map(CString::as_c_str);
        while let Some(word) = next(program, &mut rest) {
            match word {
                Ok(Word::Option(option, value)) => {
                    assert!(option.value.map_or(value.is_empty(), |kind| is_strictly(kind, value)), "{value:?}");
                    seen.push((option.name(), true));
                }
                Err(UsageError::BadValue(option, kind, value)) => {
                    assert!(option.value == Some(kind) && !is_strictly(kind, value), "{kind:?} refuses {value:?}");
                    seen.push((option.name(), false));
                }
                Err(UsageError::Unknown(word)) => {
                    assert!(word.to_bytes().starts_with(b"-") && program.find(word.to_bytes()).is_none_or(needs_value));
                }
                Ok(Word::Plain(word)) => {
                    assert!(!word.to_bytes().starts_with(b"-") || word == c"-", "{word:?}");
                }
                _ => {}
            }
        }
    }
    // Many words do not make an input a new one.
    signature(&seen.iter().rev().take(2).collect::<Vec<_>>())
}

fn needs_value(option: &OptionSpec) -> bool {
    option.value.is_some()
}

/// Whether a value is of this kind, read by somebody else.
fn is_strictly(kind: Kind, value: &CStr) -> bool {
    let Ok(text) = value.to_str() else {
        let bytes = value.to_bytes();
        return match kind {
            Kind::Any | Kind::Path | Kind::Name => true,
            Kind::NewFile => bytes[0] != b'-',
            Kind::AbsolutePath => bytes[0] == b'/',
            Kind::VariableName => !bytes.contains(&b'='),
            _ => false,
        };
    };
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number =
        || -> Option<i64> { is_digits(text.strip_prefix('-').unwrap_or(text)).then(|| text.parse().ok()).flatten() };
    let uid = |text: &str| is_digits(text) && text.parse::<u32>().is_ok_and(|uid| uid < u32::MAX);
    let address = |text: &str| {
        let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        inner.parse::<IpAddr>().is_ok()
    };
    match kind {
        Kind::Any => true,
        Kind::Path | Kind::Name => !text.is_empty(),
        Kind::NewFile => !text.is_empty() && !text.starts_with('-'),
        Kind::Milliseconds => number().is_some_and(|number| number > 0),
        Kind::Limit => number().is_some(),
        Kind::TimeLimit => number().is_some_and(|number| number != 0),
        Kind::Sessions => is_digits(text) && number().is_some_and(|number| (1..=4096).contains(&number)),
        Kind::Address => address(text),
        Kind::AddressOrNone => text.is_empty() || address(text),
        Kind::Uid => uid(text),
        Kind::Uids => text.split(',').all(uid),
        Kind::AbsolutePath => text.starts_with('/'),
        Kind::VariableName => !text.is_empty() && !text.contains('='),
        Kind::Http => ["stream", "status"].contains(&text),
        Kind::Log => ["text", "json", "none"].contains(&text),
        Kind::Transport => ["auto", "direct", "relay"].contains(&text),
        Kind::Tty => ["auto", "always", "never"].contains(&text),
        Kind::YesNo => ["yes", "no"].contains(&text),
    }
}

/// What was refused was said, and what was taken was not, but for warnings.
fn check_said<T, E>(outcome: &Result<T, E>) -> Vec<String> {
    let said = said();
    let (warnings, errors): (Vec<_>, Vec<_>) = said.into_iter().partition(|message| message.starts_with("warning: "));
    assert_eq!(outcome.is_err(), !errors.is_empty(), "{errors:?}");
    let beginning = |message: String| message.split(' ').next().unwrap_or_default().to_owned();
    warnings.into_iter().chain(errors).map(beginning).collect()
}

/// What goes together in what a server would start with.
fn check_settings(settings: &Settings<'_>, server: Server<'_>, words: &[CString]) {
    let is_given = |name: &CStr| words.iter().any(|word| word.as_c_str() == name);
    let token = settings.token().is_some();
    assert!(settings.listen.is_loopback() || token || is_given(c"--no-token"), "open to everybody: {words:?}");
    if let Some(trigger) = settings.trigger {
        assert!(server.command(trigger.to_bytes()).is_some(), "{trigger:?} is no command");
        assert!(settings.transport != Transport::Direct && settings.tty != Tty::Always);
    }
    assert!(settings.trigger.is_some() || !settings.detach_on_close);
    let protects = settings.allow_uids.is_some() || settings.server_uid.is_some();
    let is_direct = settings.transport != Transport::Relay && settings.trigger.is_none() && !token;
    assert!(!protects || is_direct, "users are told apart by the direct transport alone: {words:?}");
    // An unknown option that looks like one that protects is never passed over.
    let mut rest = words.iter().map(CString::as_c_str);
    while let Some(word) = next(&SERVER, &mut rest) {
        match word {
            Err(UsageError::Unknown(word)) => {
                let is_like =
                    [&b"--tok"[..], b"--all", b"--ser", b"--tra"].iter().any(|one| word.to_bytes().starts_with(one));
                assert!(!is_like && settings.ignore_invalid, "{word:?} was passed over");
            }
            Err(error) => panic!("{:?} was passed over", error.option().map(OptionSpec::name)),
            Ok(Word::End) => break,
            Ok(_) => {}
        }
    }
    check_bounds(&Ok::<_, ()>(settings.clone()));
}

fn check_bounds<E>(settings: &Result<Settings<'_>, E>) {
    let Ok(settings) = settings else { return };
    assert!((1..=k8psh::limits::MAX_SESSIONS).contains(&settings.max_sessions));
    assert!(settings.timeout.is_none_or(|limit| i64::try_from(limit).is_ok()));
    assert!(settings.session_timeout.is_none_or(|limit| limit > 0 && i64::try_from(limit).is_ok()));
    assert!(settings.server_uid != Some(u32::MAX));
    assert!(!settings.executable_directory.is_empty());
}

/// Hands words over as the kernel hands a new program its arguments.
#[expect(unsafe_code, reason = "a list of arguments is read by address")]
fn with_program(words: &[CString], then: impl FnOnce(Strings)) {
    let mut stack = vec![words.len()];
    stack.extend(words.iter().map(|word| word.as_ptr() as usize));
    // The end of the arguments, of the environment and of the auxiliary vector.
    stack.extend([0, 0, 0, 0]);
    // SAFETY: this is laid out as the kernel does it, and neither it nor the words change before `then` has returned, which
    // keeps nothing of them.
    let program = unsafe { Program::new(stack.as_ptr()) };
    then(program.arguments);
}
