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
mod fault;
mod flow;
pub mod frame;
mod queue;
pub mod request;
pub mod server;
mod terminal;

pub use fault::ProtocolError;
pub use flow::{Incoming, Which};
pub use queue::Queue;
pub use terminal::{MODES, Terminal};

use crate::limits;

/// Bytes of the buffer behind a stream that arrives: its window, and what one read of the connection can bring on top
/// where the peer knows no window. With that much free, another read is always safe.
pub const BACKLOG: usize = limits::WINDOW + limits::INBOX;

/// Bytes of the buffer of frames that leave: two pieces of a stream and what is kept free for [`CONTROL`].
pub const OUTBOX: usize = 2 * limits::FRAME + CONTROL;

/// Bytes that a stream leaves free in the outbox, so that a frame about something else always finds room.
pub const CONTROL: usize = limits::MESSAGE + 1024;
