//! What every session of a server works from: plain data.

use super::status::board::Board;
use crate::config::Server;
use crate::config::file::Loaded;
use crate::options::settings::Settings;
use crate::sys::program::Environment;
use crate::sys::signal::Set;

/// What every session of a server works from.
pub struct Service<'g> {
    /// The configuration.
    pub loaded: Loaded<'g>,
    /// This server's part of it.
    pub server: Server<'g>,
    /// What its sessions note.
    pub board: Board,
    /// How many of its workers are idle, and how many serve a connection.
    pub workers: &'g dyn Fn() -> [usize; 2],
    /// What its options say.
    pub settings: &'g Settings<'g>,
    /// This server's own environment, without its token.
    pub environment: Environment<'g>,
    /// This server's own file mode creation mask: what a client that does not say its own gets.
    pub umask: u32,
    /// The signals that this server was started to ignore, which its commands are not to inherit.
    pub ignored: Set,
}

/// Where a worker's next connection comes from.
pub trait Intake {
    /// Takes no further connection.
    fn close(&mut self);
}
