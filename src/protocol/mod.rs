//! What travels between a stub and its server, and the state machines of both ends: bytes in, actions out. Nothing here
//! names a descriptor or makes a system call; [`crate::client`] and [`crate::session`] carry the actions out.
//!
//! ```text
//!  client: the stub                                 server: its session
//!  stdin  → Outgoing ─┐                         ┌─→ Incoming → command's stdin
//!  stdout ← Incoming ←┼── frames, connection ───┼── Outgoing ← command's stdout
//!  stderr ← Incoming ←┘                         └── Outgoing ← command's stderr
//! ```

pub mod client;
mod decoder;
mod error;
mod flow;
pub mod frame;
mod outbox;
mod queue;
pub mod request;
pub mod server;
mod terminal;

pub use decoder::Decoder;
pub use error::{ProtocolError, RequestTooLarge};
pub use flow::{Incoming, Which};
pub use queue::Queue;
pub use terminal::{Keys, MODES, Terminal};
