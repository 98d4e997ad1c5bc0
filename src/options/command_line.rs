//! A server's command line, beyond what it shares with its section's header; and how errors in options are reported.

use super::table::{Id, SERVER};
use super::words::{UsageError, Word, contains, next};
use crate::diag::{self, Reported};
use crate::sys::program::Strings;
use crate::text::line::{Part, Show};
use crate::told;
use core::ffi::CStr;

/// What a server's command line says beyond [`super::settings::Settings`].
pub struct CommandLine {
    /// All of its words.
    pub words: Strings,
    /// The configuration file.
    pub config: Option<&'static CStr>,
    /// The server's name.
    pub name: Option<&'static CStr>,
    /// The program behind `--` and its arguments.
    pub program: Option<Strings>,
}

/// What a server's command line asks for.
pub enum Asked {
    /// To run the server.
    Serve(CommandLine),
    /// To print its usage.
    Help,
    /// To print its version.
    Version,
}

impl CommandLine {
    /// Reads a server's command line. Whatever is wrong with it is reported.
    pub fn read(words: Strings) -> Result<Asked, Reported> {
        let ignores = ignores_invalid(&mut { words });
        let mut line = CommandLine { words, config: None, name: None, program: None };
        let mut outcome = Ok(());
        let mut rest = words;
        while let Some(word) = next(&SERVER, &mut rest) {
            let error = match word {
                Ok(Word::Option(option, value)) => {
                    match option.id {
                        Id::Help => return Ok(Asked::Help),
                        Id::Version => return Ok(Asked::Version),
                        Id::Config => line.config = Some(value),
                        Id::Name => line.name = Some(value),
                        _ => {}
                    }
                    continue;
                }
                Ok(Word::End) => {
                    line.program = Some(rest);
                    break;
                }
                Ok(Word::Plain(word)) => UsageError::Unexpected(word),
                Err(error) => error,
            };
            outcome = report_error(&error, ignores, &mut |text, parts| diag::report(text, parts)).and(outcome);
        }
        outcome?;
        if line.program.is_some_and(|mut program| program.next().is_none()) {
            return Err(told!("-- needs a program; see k8pshd --help"));
        }
        Ok(Asked::Serve(line))
    }
}

/// Whether `--ignore-invalid-arguments` is among the words: an unknown option before or after it is then only a warning.
pub(super) fn ignores_invalid(words: &mut dyn Iterator<Item = &CStr>) -> bool {
    contains(&SERVER, words, Id::IgnoreInvalid)
}

/// Reports what is wrong with an option, by `tell`. If it `ignores` unknown options, these are only a warning.
pub(super) fn report_error(
    error: &UsageError<'_>,
    ignores: bool,
    tell: &mut dyn FnMut(&str, &[Part<'_>]),
) -> Result<(), Reported> {
    if ignores && error.can_be_ignored() {
        tell("warning: {}: ignored", &[error.part()]);
        return Ok(());
    }
    let text = if error.is_of_value() { "{}" } else { "{}; see k8pshd --help" };
    tell(text, &[error.part()]);
    Err(Reported)
}
