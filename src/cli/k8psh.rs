//! `k8psh`: runs a command by name, inspects the configuration, installs the program, or turns into the server.

use super::{check, install, list, run_command};
use crate::client::inspect::{self, Question};
use crate::options::help;
use crate::options::table::{CLIENT, Id, SERVER};
use crate::options::words::{UsageError, Word, next};
use crate::sys::process::exit;
use crate::sys::program::{Program, Strings};
use crate::text::line::Show;
use crate::text::number::parse;
use crate::{diag, exit, fail, limits, server, text};
use core::ffi::CStr;

/// The task of a command line without a command.
enum Task {
    Check,
    Install { target: &'static CStr },
    List,
    Ask { question: Question, name: Option<&'static CStr> },
}

/// What the options say so far.
struct Invocation {
    /// All of the words.
    words: Strings,
    config: Option<&'static CStr>,
    task: Option<Task>,
    is_json: bool,
    /// Milliseconds that a probe may take.
    timeout: Option<u64>,
}

/// Runs `k8psh`, and ends the process.
pub(super) fn main(program: &Program, arguments: Strings) -> ! {
    let mut words = arguments;
    let mut line = Invocation { words, config: None, task: None, is_json: false, timeout: None };
    loop {
        match next(&CLIENT, &mut words) {
            Some(Ok(Word::Option(option, value))) => match option.id {
                Id::Help => print_help(),
                Id::Version => diag::print_and_exit(concat!("k8psh ", env!("CARGO_PKG_VERSION"), "\n")),
                Id::Server => server::main(program, arguments),
                id => line.take(id, value),
            },
            Some(Ok(Word::Plain(word))) => line.take_word(program, word, words),
            Some(Ok(Word::End)) => line.usage_error(&UsageError::Unknown(c"--")),
            // It may be an option of the server, if `--server` comes after it.
            Some(Err(_)) if asks_for_server(arguments) => server::main(program, arguments),
            Some(Err(error)) => line.usage_error(&error),
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
            Id::Check => self.begin(Task::Check),
            Id::Install => self.begin(Task::Install { target: value }),
            Id::List => self.begin(Task::List),
            Id::Probe => self.begin(Task::Ask { question: Question::Probe, name: None }),
            Id::Status => self.begin(Task::Ask { question: Question::Status, name: None }),
            _ => {}
        }
    }

    /// Takes the task, of which there is one at the most.
    fn begin(&mut self, task: Task) {
        if self.task.replace(task).is_some() {
            self.usage_error(&text!("only one of --check, --install, --list, --probe and --status can be given"));
        }
    }

    /// Takes a word that is not an option: the name of a server to ask, or else the command, which gets all words
    /// behind it.
    fn take_word(&mut self, program: &Program, word: &'static CStr, arguments: Strings) {
        match &mut self.task {
            None => {
                self.check_options();
                run_command(program, self.config, word.to_bytes(), arguments)
            }
            Some(Task::Ask { name: name @ None, .. }) => *name = Some(word),
            _ => self.usage_error(&UsageError::Unexpected(word)),
        }
    }

    /// Checks that each option belongs to the task, or to the command.
    fn check_options(&self) {
        if self.is_json
            && !matches!(self.task, Some(Task::Check | Task::List | Task::Ask { question: Question::Status, .. }))
        {
            self.usage_error(&text!("--json belongs to --check, --list or --status"));
        }
        if self.timeout.is_some() && !matches!(self.task, Some(Task::Ask { .. })) {
            self.usage_error(&text!("--timeout belongs to --probe or --status"));
        }
    }

    fn run(self, program: &Program) -> ! {
        self.check_options();
        let environment = &program.environment;
        let outcome = match self.task {
            Some(Task::Check) => check::run(self.config, environment, self.is_json),
            Some(Task::Install { target }) => install::run(program, target),
            Some(Task::List) => list::run(self.config, environment, self.is_json),
            Some(Task::Ask { question, name }) => {
                let timeout = self.timeout.unwrap_or(limits::PROBE_MS);
                inspect::run(program, self.config, (question, name), timeout, self.is_json)
            }
            None => self.usage_error(&text!("no command given; k8psh --list shows all")),
        };
        exit(if outcome.is_ok() { exit::SUCCESS } else { exit::FAILURE })
    }

    /// Reports a usage error, and ends this process: with the code of a task that has failed if the words ask for one,
    /// else with that of a command that could not be run.
    fn usage_error(&self, why: &dyn Show) -> ! {
        let code = if asks_for_task(self.words) { exit::FAILURE } else { exit::UNAVAILABLE };
        fail!(code, "{}; see k8psh --help", why)
    }
}

/// Whether a task is among the options before the command, right or wrong.
fn asks_for_task(mut words: Strings) -> bool {
    while let Some(word) = next(&CLIENT, &mut words) {
        let option = match word {
            Ok(Word::Option(option, _)) => Some(option),
            Ok(Word::Plain(_) | Word::End) => return false,
            Err(error) => error.option(),
        };
        if option.is_some_and(|option| matches!(option.id, Id::Check | Id::Install | Id::List | Id::Probe | Id::Status))
        {
            return true;
        }
    }
    false
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
