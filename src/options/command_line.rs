//! A server's command line, beyond what it shares with its section's header.

use super::reader::{Reader, ignores_invalid};
use super::spec::Scope;
use super::table::Id;
use crate::diag::{self, Reported};
use crate::reported;
use crate::sys::program::Strings;
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
        let mut line = CommandLine { words, config: None, name: None, program: None };
        let mut asked = None;
        let mut take = |id, value| {
            match id {
                Id::Help => asked = Some(Asked::Help),
                Id::Version => asked = Some(Asked::Version),
                Id::Config => line.config = Some(value),
                Id::Name => line.name = Some(value),
                _ => {}
            }
            !matches!(id, Id::Help | Id::Version)
        };
        let mut rest = words;
        let reader = Reader { place: Scope::CommandLine, ignores: ignores_invalid(&mut { words }), warns: true };
        let outcome = reader.read(&mut rest, &mut take, &mut |text, parts| diag::report(text, parts));
        if let Some(asked) = asked {
            return Ok(asked);
        }
        line.program = outcome?.then_some(rest);
        if line.program.is_some_and(|mut program| program.next().is_none()) {
            return Err(reported!("-- needs a program; see k8pshd --help"));
        }
        Ok(Asked::Serve(line))
    }
}
