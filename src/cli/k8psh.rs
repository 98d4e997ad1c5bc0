//! `k8psh`: runs a command by name, inspects the configuration, installs the program, or turns into the server.

use super::{check, install, list, run_command};
use crate::client::inspect::{probe, status};
use crate::options::help;
use crate::options::table::{CLIENT, Id, SERVER};
use crate::options::words::{UsageError, Word, next};
use crate::sys::process::exit;
use crate::sys::program::{Program, Strings};
use crate::text::line::Show;
use crate::text::number::parse;
use crate::{diag, exit, fail, limits, server};
use core::ffi::CStr;

/// What a command line without a command asks for.
enum Task {
    Check,
    List,
    Probe { name: Option<&'static CStr> },
    Status { name: Option<&'static CStr> },
}

/// What the options say so far.
struct CommandLine {
    config: Option<&'static CStr>,
    task: Option<Task>,
    is_json: bool,
    /// Milliseconds that a server's answer may take.
    timeout: Option<u64>,
}

/// Plays the role.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    let mut words = arguments;
    let mut line = CommandLine { config: None, task: None, is_json: false, timeout: None };
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
            Some(Ok(Word::End)) => misused(&UsageError::Unknown(c"--")),
            // An option of the server's may come before the one that says so.
            Some(Err(_)) if asks_for_server(arguments) => server::main(program, arguments),
            Some(Err(error)) => misused(&error),
            None => break,
        }
    }
    line.run(program)
}

impl CommandLine {
    fn take(&mut self, id: Id, value: &'static CStr) {
        match id {
            Id::Config => self.config = Some(value),
            Id::Json => self.is_json = true,
            Id::Timeout => self.timeout = parse(value.to_bytes(), 10),
            Id::Check => self.task = Some(Task::Check),
            Id::List => self.task = Some(Task::List),
            Id::Probe => self.task = Some(Task::Probe { name: None }),
            Id::Status => self.task = Some(Task::Status { name: None }),
            _ => {}
        }
    }

    /// Takes a word that is not an option: the name of a server to ask, or else the command, which everything behind it
    /// belongs to.
    fn take_word(&mut self, program: &Program, word: &'static CStr, arguments: Strings) {
        match &mut self.task {
            None if !self.is_json && self.timeout.is_none() => {
                run_command(program, self.config, word.to_bytes(), arguments)
            }
            Some(Task::Probe { name: name @ None } | Task::Status { name: name @ None }) => *name = Some(word),
            _ => misused(&UsageError::Unexpected(word)),
        }
    }

    fn run(self, program: &Program) -> ! {
        let environment = &program.environment;
        let timeout = self.timeout.unwrap_or(limits::PROBE_MS);
        let outcome = match self.task {
            Some(Task::Check) => check::run(self.config, environment, self.is_json),
            Some(Task::List) => list::run(self.config, environment, self.is_json),
            Some(Task::Probe { name }) => probe::run(program, self.config, name, timeout),
            Some(Task::Status { name }) => status::run(program, self.config, name, self.is_json),
            None => misused(&"no command given; k8psh --list shows which there are"),
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

/// Ends this process: nobody knows what it was to do.
fn misused(why: &dyn Show) -> ! {
    fail!(exit::UNAVAILABLE, "{}; see k8psh --help", why)
}
