//! What every session of a server works from: plain data.

use crate::auth::token::Source as Token;
use crate::config::Server;
use crate::config::file::Loaded;
use crate::options::value::{Format, Tty};
use crate::sys::program::Environment;
use crate::sys::signal::Set;
use core::ffi::CStr;

/// What every session of a server works from.
pub struct Service<'g> {
    /// The configuration.
    pub loaded: Loaded<'g>,
    /// This server's part of it.
    pub server: Server<'g>,
    /// This server's own environment.
    pub environment: Environment<'g>,
    /// This server's own file mode creation mask: what a client that does not say its own gets.
    pub umask: u32,
    /// The signals that this server was started to ignore, which its commands are not to inherit.
    pub ignored: Set,
    /// Which commands get a terminal.
    pub tty: Tty,
    /// The users whose stubs may come by the direct transport, with commas between them; `None`: all.
    pub users: Option<&'g CStr>,
    /// The command that a connection alone starts; `None`: there are stubs to ask for one.
    pub trigger: Option<&'g CStr>,
    /// Whether that one runs on when its client hangs up.
    pub detaches: bool,
    /// How long a command may run, in milliseconds; [`u64::MAX`]: as long as it takes.
    pub session_ms: u64,
    /// What is said of each session.
    pub log: Log,
    /// Where its token comes from, if it has one.
    pub token: Option<Token<'g>>,
}

/// How the log of a server's sessions is written.
pub struct Log {
    pub format: Format,
    /// Whether arguments are part of it. They may hold secrets.
    pub has_arguments: bool,
}

/// Where a worker's next connection comes from.
pub trait Intake {
    /// Takes no further connection.
    fn close(&mut self);
}
