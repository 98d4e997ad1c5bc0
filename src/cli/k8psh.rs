//! `k8psh`: runs a command by name, inspects the configuration, installs the program, or turns into the server.

use super::{check, install, list, run_command};
use crate::client::probe;
use crate::options::help;
use crate::options::table::{CLIENT, Id, SERVER};
use crate::options::words::{UsageError, Word, next};
use crate::sys::process::exit;
use crate::sys::program::{Program, Strings};
use crate::text::line::Show;
use crate::text::number::parse;
use crate::{diag, exit, fail, limits, server};
use core::ffi::CStr;

/// The task of a command line without a command.
enum Task {
    Check,
    List,
    Probe { name: Option<&'static CStr> },
}

/// What the options say so far.
struct Invocation {
    config: Option<&'static CStr>,
    task: Option<Task>,
    is_json: bool,
    /// Milliseconds that a probe may take.
    timeout: Option<u64>,
}

/// Runs `k8psh`, and ends the process.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    let mut words = arguments;
    let mut line = Invocation { config: None, task: None, is_json: false, timeout: None };
    loop {
        match next(&CLIENT, &mut words) {
            Some(Ok(Word::Option(option, value))) => match option.id {
                Id::Help => print_help(),
                Id::Version => diag::print_and_exit(concat!("k8psh ", env!("CARGO_PKG_VERSION"), "\n")),
                Id::Install => install::main(program, value),
                Id::Server => server::main(program, arguments),
                id => line.take(id, value),
            },
            Some(Ok(Word::Plain(word))) => line.take_word(program, word, words),
            Some(Ok(Word::End)) => usage_error(&UsageError::Unknown(c"--")),
            // It may be an option of the server, if `--server` comes after it.
            Some(Err(_)) if asks_for_server(arguments) => server::main(program, arguments),
            Some(Err(error)) => usage_error(&error),
            None => break,
        }
    }
    line.run(program)
}

impl Invocation {
    fn take(&mut self, id: Id, value: &'static CStr) {
        match id {
            Id::Config => self.config = Some(value),
            Id::Json => self.is_json = true,
            Id::Timeout => self.timeout = parse(value.to_bytes(), 10),
            Id::Check => self.task = Some(Task::Check),
            Id::List => self.task = Some(Task::List),
            Id::Probe => self.task = Some(Task::Probe { name: None }),
            _ => {}
        }
    }

    /// Takes a word that is not an option: the name of a server to probe, or else the command, which gets all words
    /// behind it.
    fn take_word(&mut self, program: &Program, word: &'static CStr, arguments: Strings) {
        match &mut self.task {
            None if !self.is_json && self.timeout.is_none() => {
                run_command(program, self.config, word.to_bytes(), arguments)
            }
            Some(Task::Probe { name: name @ None }) => *name = Some(word),
            _ => usage_error(&UsageError::Unexpected(word)),
        }
    }

    fn run(self, program: &Program) -> ! {
        let environment = &program.environment;
        let outcome = match self.task {
            Some(Task::Check) => check::run(self.config, environment, self.is_json),
            Some(Task::List) => list::run(self.config, environment, self.is_json),
            Some(Task::Probe { name }) => {
                probe::run(program, self.config, name, self.timeout.unwrap_or(limits::PROBE_MS))
            }
            None => usage_error(&"no command given"),
        };
        exit(if outcome.is_ok() { exit::SUCCESS } else { exit::FAILURE })
    }
}

/// Whether `--server` is among the options before the command, as the server would read them.
fn asks_for_server(mut words: Strings) -> bool {
    while let Some(word) = next(&SERVER, &mut words) {
        match word {
            Ok(Word::Option(option, _)) if option.id == Id::Server => return true,
            Ok(Word::Plain(_) | Word::End) => return false,
            Ok(Word::Option(..)) | Err(_) => {}
        }
    }
    false
}

fn print_help() -> ! {
    help::print(&CLIENT);
    exit(exit::SUCCESS)
}

/// Reports a usage error, and ends this process.
fn usage_error(why: &dyn Show) -> ! {
    fail!(exit::UNAVAILABLE, "{}; see k8psh --help", why)
}
