//! One command that runs for one stub: the state machines of both ends, bytes in and actions out. Nothing here names a
//! descriptor or makes a system call; the applets carry the actions out.
//!
//! ```text
//!  near: the stub                                   far: the server's session
//!  stdin  → Outgoing ─┐                         ┌─→ Incoming → command's stdin
//!  stdout ← Incoming ←┼── frames, connection ───┼── Outgoing ← command's stdout
//!  stderr ← Incoming ←┘                         └── Outgoing ← command's stderr
//! ```

pub mod far;
mod flow;
pub mod near;
mod queue;
pub mod request;
mod terminal;

use crate::add;
pub use flow::{Incoming, Which};
pub use queue::Queue;
pub use terminal::{MODES, Terminal};

use crate::diag::{Line, Show};
use crate::limits;

/// Bytes of the buffer behind a stream that arrives: its window, and what one read of the connection can bring on top
/// where the peer knows no window. With that much free, another read is always safe.
pub const BACKLOG: usize = limits::WINDOW + limits::INBOX;

/// Bytes of the buffer of frames that leave: two pieces of a stream and what is kept free for [`CONTROL`].
pub const OUTBOX: usize = 2 * limits::FRAME + CONTROL;

/// Bytes that a stream leaves free in the outbox, so that a frame about something else always finds room.
pub const CONTROL: usize = limits::MESSAGE + 1024;

/// Why a connection cannot go on: what the peer sent makes no sense, or more than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A frame of a kind that does not exist.
    Unknown(usize),
    /// A frame that its sender may not send, or not now.
    Unexpected(crate::wire::Kind),
    /// A request that is larger than anything that could be executed.
    Excess(request::Excess),
    /// The peer does not read what it asked for.
    Overrun,
}

impl From<crate::wire::Unknown> for Fault {
    fn from(unknown: crate::wire::Unknown) -> Fault {
        Fault::Unknown(unknown.0)
    }
}

impl From<queue::Full> for Fault {
    fn from(_: queue::Full) -> Fault {
        Fault::Overrun
    }
}

impl Show for Fault {
    fn show(&self, line: &mut Line) {
        match self {
            Fault::Unknown(kind) => add!(line, "frame of unknown type {}", kind),
            Fault::Unexpected(kind) => add!(line, "unexpected frame of type {}", *kind as u8),
            Fault::Excess(excess) => excess.show(line),
            Fault::Overrun => add!(line, "the peer does not read what it asked for"),
        }
    }
}
