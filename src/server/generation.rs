//! What a server was started with, and its generations: a configuration, this server's settings in it, and the stubs that
//! were made for it. There are two of them: one is in force, and a reload prepares the other.

use super::stubs::Stubs;
use super::supervise::Invocation;
use crate::auth::token::read_key;
use crate::config::Server;
use crate::config::file::{File, Loaded, path};
use crate::diag::Reported;
use crate::options::command_line::CommandLine;
use crate::options::section::End;
use crate::options::settings::Settings;
use crate::reported;
use crate::sys::program::Program;
use crate::sys::signal;
use core::ffi::CStr;
use rustix::system::Uname;

/// What a server was started with.
pub(super) struct Setup<'p> {
    pub(super) program: &'p Program,
    /// What the command line says beyond the settings.
    pub(super) line: CommandLine,
    /// The configuration's path.
    pub(super) file: &'static CStr,
    /// The signals that were ignored when this server was started.
    pub(super) ignored: signal::Set,
}

impl<'p> Setup<'p> {
    pub(super) fn new(program: &'p Program, line: CommandLine) -> Setup<'p> {
        let file = path(line.config, &program.environment);
        Setup { program, line, file, ignored: signal::ignored() }
    }

    /// The program behind `--`, if there is one.
    pub(super) fn invocation(&self) -> Option<Invocation<'_>> {
        let (environment, config) = (&self.program.environment, self.line.config);
        self.line.program.map(|words| Invocation { environment, words, config })
    }

    /// This server's section.
    pub(super) fn section<'g>(&self, loaded: Loaded<'g>) -> Option<Server<'g>> {
        loaded.config.server(self.name(&rustix::system::uname()))
    }

    /// This server's name: that of `--name`, else of the environment, else the host's.
    pub(super) fn name<'h>(&self, host: &'h Uname) -> &'h [u8] {
        let from_environment = || self.program.environment.get(b"K8PSH_NAME").filter(|name| !name.is_empty());
        let name = self.line.name.map(CStr::to_bytes).or_else(from_environment);
        name.unwrap_or(host.nodename().to_bytes())
    }

    /// Whether the section has a token. It is read, so that an unreadable one is an error at the start, and not only when
    /// the first client comes.
    pub(super) fn has_token(&self, settings: &Settings<'_>) -> Result<bool, Reported> {
        let Some(source) = settings.token() else { return Ok(false) };
        read_key(source, &self.program.environment)?;
        Ok(true)
    }
}

/// A configuration and the stubs that were made for it. Large, so it lives in a static.
pub(super) struct Generation {
    pub(super) file: File,
    pub(super) stubs: Stubs,
}

impl Generation {
    /// A generation without a configuration.
    pub(super) const fn empty() -> Generation {
        Generation { file: File::empty(), stubs: Stubs::NONE }
    }
}

/// What a configuration says about this server.
pub(super) struct Plan<'g> {
    pub(super) loaded: Loaded<'g>,
    /// This server, if the configuration has commands for it.
    pub(super) server: Option<Server<'g>>,
    /// The settings of its section, if it has one, and of the command line.
    pub(super) settings: Settings<'g>,
}

impl<'g> Plan<'g> {
    /// Loads the configuration into `file`. Whatever is wrong with it is reported.
    pub(super) fn load(setup: &Setup<'_>, file: &'g mut File) -> Result<Plan<'g>, Reported> {
        file.load(setup.file, &setup.program.environment)?;
        Plan::read(setup, file.sound()?, End::Server)
    }

    /// The plan of a configuration that is loaded already. Its warnings are not repeated.
    pub(super) fn again(setup: &Setup<'_>, loaded: Loaded<'g>) -> Result<Plan<'g>, Reported> {
        Plan::read(setup, loaded, End::ServerAgain)
    }

    fn read(setup: &Setup<'_>, loaded: Loaded<'g>, end: End) -> Result<Plan<'g>, Reported> {
        let section = setup.section(loaded);
        let settings = Settings::of_server(section, loaded, setup.line.words, end)?;
        if section.is_some() && setup.line.program.is_some() && settings.background {
            return Err(reported!("--background does not go with a program behind --"));
        }
        Ok(Plan { loaded, server: section.filter(|server| server.has_commands()), settings })
    }
}
