//! The session's machines, and what `tests/orders` tells again of what carries them out.

#[path = "../orders/command.rs"]
#[allow(dead_code, unused_imports, reason = "there is no terminal here")]
mod command;
#[path = "../../src/session/deadlines.rs"]
#[allow(dead_code, unused_imports, reason = "the library uses the rest of it")]
mod deadlines;
#[path = "../../src/session/phases.rs"]
#[allow(dead_code, unused_imports, reason = "the library uses the rest of it")]
mod phases;
#[path = "../orders/server.rs"]
pub(crate) mod server;
