//! A command that runs, as far as the phases of a session know it: whether its streams are open, in place of descriptors.

#[path = "../../src/session/command/keyboard.rs"]
#[allow(dead_code, unused_imports, reason = "the library uses the rest of it")]
mod keyboard;

use crate::sys::signal::Set;
pub(in crate::session) use keyboard::{Event, Keyboard, Look, Step};

/// See `src/session/command/running.rs`.
#[derive(Debug, Default)]
pub(in crate::session) struct Streams {
    pub(in crate::session) keyboard: Keyboard,
    pub(in crate::session) input: Option<()>,
    pub(in crate::session) outputs: [Option<()>; 2],
}

/// See `src/session/command/running.rs`.
#[derive(Debug)]
pub(in crate::session) struct Running {
    pub(in crate::session) pid: i32,
    pub(in crate::session) ignored: Set,
    pub(in crate::session) streams: Streams,
}
