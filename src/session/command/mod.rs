//! The command that a request asks for: where it runs, with what streams, environment and arguments, and how it is started.

mod directory;
mod environment;
mod io;
mod keyboard;
mod launch;
mod refusal;
mod running;

pub(super) use io::{Passed, keep};
pub(super) use keyboard::{Event, Look, Step};
pub(super) use launch::{Buffers, start};
pub use refusal::{DEFAULT_PATH, Refused, explain};
pub(super) use running::{Running, Streams};
