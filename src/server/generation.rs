//! What a server was started with, and its generations: a configuration, what it says to this server, and the stubs that were
//! made by it. There are two of them: one is in force, and a reload puts the next one together in the other.

use super::stubs::Stubs;
use super::supervise::Invocation;
use crate::auth::token::read_key;
use crate::config::Server;
use crate::config::file::{File, Loaded, entry_for, path};
use crate::diag::Reported;
use crate::options::command_line::CommandLine;
use crate::options::settings::{Reader, Settings};
use crate::sys::program::Program;
use crate::sys::signal;
use crate::told;
use core::ffi::CStr;
use rustix::system::Uname;

/// What a server was started with.
pub(super) struct Setup<'p> {
    pub(super) program: &'p Program,
    /// What the command line says beyond the settings.
    pub(super) line: CommandLine,
    /// The configuration's path.
    pub(super) file: &'static CStr,
    /// The signals that this server was started to ignore.
    pub(super) ignored: signal::Set,
    /// The program behind `--`, if there is one.
    pub(super) invocation: Option<Invocation<'p>>,
}

impl<'p> Setup<'p> {
    pub(super) fn new(program: &'p Program, line: CommandLine) -> Result<Setup<'p>, Reported> {
        let file = path(line.config, &program.environment);
        let environment = &program.environment;
        let mut invocation = line.program.map(|words| Invocation { words, environment, config: None });
        if let (Some(invocation), Some(given)) = (&mut invocation, line.config) {
            invocation.config = entry_for(given, environment)?;
        }
        Ok(Setup { program, line, file, ignored: signal::ignored(), invocation })
    }

    /// This server's section, by its name.
    fn section<'g>(&self, loaded: Loaded<'g>) -> Option<Server<'g>> {
        loaded.config.server(self.name(&rustix::system::uname()))
    }

    /// This server's name: as given, from the environment, or the host's.
    pub(super) fn name<'h>(&self, host: &'h Uname) -> &'h [u8] {
        let from_environment = || self.program.environment.get(b"K8PSH_NAME").filter(|name| !name.is_empty());
        let name = self.line.name.map(CStr::to_bytes).or_else(from_environment);
        name.unwrap_or(host.nodename().to_bytes())
    }

    /// Whether the section has a token. If so, it can be read: that is reported at the start, and not only to the first
    /// client.
    pub(super) fn has_token(&self, settings: &Settings<'_>) -> Result<bool, Reported> {
        let Some(source) = settings.token() else { return Ok(false) };
        read_key(source, &self.program.environment)?;
        Ok(true)
    }
}

/// A configuration and the stubs that were made by it. Large, so it lives in a static.
pub(super) struct Generation {
    pub(super) file: File,
    pub(super) stubs: Stubs,
}

impl Generation {
    /// One of which nothing is loaded.
    pub(super) const fn empty() -> Generation {
        Generation { file: File::empty(), stubs: Stubs::NONE }
    }
}

/// What a configuration says to this server.
pub(super) struct Plan<'g> {
    pub(super) loaded: Loaded<'g>,
    /// This server, if the configuration has commands for it.
    pub(super) server: Option<Server<'g>>,
    /// Whether it has a section of this server's name, with commands or without.
    pub(super) has_section: bool,
    /// What its section, if it has one, and the command line say.
    pub(super) settings: Settings<'g>,
}

impl<'g> Plan<'g> {
    /// Loads the configuration in the place of what was there. Whatever is wrong with it is reported.
    pub(super) fn load(setup: &Setup<'_>, file: &'g mut File) -> Result<Plan<'g>, Reported> {
        file.load(setup.file, &setup.program.environment)?;
        Plan::read(setup, file.sound()?, Reader::Server)
    }

    /// The plan of a configuration that was loaded before.
    pub(super) fn again(setup: &Setup<'_>, loaded: Loaded<'g>) -> Result<Plan<'g>, Reported> {
        Plan::read(setup, loaded, Reader::ServerAgain)
    }

    fn read(setup: &Setup<'_>, loaded: Loaded<'g>, reader: Reader) -> Result<Plan<'g>, Reported> {
        let section = setup.section(loaded);
        let settings = Settings::of_server(section, loaded, setup.line.words, reader)?;
        if section.is_some() && setup.line.program.is_some() && settings.background {
            return Err(told!("--background does not go with a program behind --"));
        }
        let server = section.filter(|server| server.has_commands());
        Ok(Plan { loaded, server, has_section: section.is_some(), settings })
    }
}
