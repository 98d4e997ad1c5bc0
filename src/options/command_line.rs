//! The server's command line: what is on it beside what a section's header can say too.

use super::settings::{ignores_invalid, report_error};
use super::table::{Id, SERVER};
use super::words::{UsageError, Word, next};
use crate::diag::{self, Reported};
use crate::sys::program::Strings;
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

/// What a command line asks for.
pub enum Asked {
    /// To be the server.
    Serve(CommandLine),
    /// Its usage.
    Help,
    /// Its version.
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
