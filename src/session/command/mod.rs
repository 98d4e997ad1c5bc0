//! The command that a request asks for: where it runs, with what streams, environment and arguments, and how it is started.

mod directory;
mod environment;
mod io;
mod launch;
mod refusal;
mod running;

pub(super) use io::Passed;
pub(super) use launch::{Buffers, start, start_own};
pub use refusal::{DEFAULT_PATH, Refused, explain};
pub(super) use running::{Running, Streams};
