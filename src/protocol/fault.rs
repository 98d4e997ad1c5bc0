//! What a peer may do wrong.

use super::{decoder, frame, queue, request};
use crate::add;
use crate::text::line::{Line, Show};

/// Why a connection cannot go on: what the peer sent makes no sense, or more than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A frame of a kind that does not exist.
    Unknown(usize),
    /// A frame that its sender may not send, or not now.
    Unexpected(frame::Kind),
    /// A request that is larger than anything that could be executed.
    RequestTooLarge(request::RequestTooLarge),
    /// The peer does not read what it asked for.
    Overrun,
}

impl From<decoder::Unknown> for ProtocolError {
    fn from(unknown: decoder::Unknown) -> ProtocolError {
        ProtocolError::Unknown(unknown.0)
    }
}

impl From<queue::Full> for ProtocolError {
    fn from(_: queue::Full) -> ProtocolError {
        ProtocolError::Overrun
    }
}

impl Show for ProtocolError {
    fn show(&self, line: &mut Line) {
        match self {
            ProtocolError::Unknown(kind) => add!(line, "frame of unknown type {}", kind),
            ProtocolError::Unexpected(kind) => add!(line, "unexpected frame of type {}", *kind as u8),
            ProtocolError::RequestTooLarge(excess) => excess.show(line),
            ProtocolError::Overrun => add!(line, "the peer does not read what it asked for"),
        }
    }
}
