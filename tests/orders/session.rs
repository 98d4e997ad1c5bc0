//! The session's machines, and what is told again of what carries them out.

#[path = "command.rs"]
pub(crate) mod command;
#[path = "../../src/session/deadlines.rs"]
#[allow(dead_code, unused_imports, reason = "the library uses the rest of it")]
mod deadlines;
#[path = "keys.rs"]
pub(crate) mod keys;
#[path = "../../src/session/phases.rs"]
#[allow(dead_code, unused_imports, reason = "the library uses the rest of it")]
mod phases;
#[path = "server.rs"]
pub(crate) mod server;
