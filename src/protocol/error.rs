//! What a peer may do wrong.

use super::frame::Kind;
use super::queue::Full;
use crate::text::line::{Line, Show};
use crate::{add, limits};

/// Why a connection cannot go on: what the peer sent makes no sense, or is more than there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A frame of a type that does not exist.
    Unknown(u8),
    /// A frame that its sender may not send, or not now.
    Unexpected(Kind),
    /// A request that is larger than anything that could be executed.
    RequestTooLarge(RequestTooLarge),
    /// The peer does not read what it asked for.
    Overrun,
}

/// What a request has too much of, or what in it makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestTooLarge {
    /// A string is longer than execve takes: its length.
    String(usize),
    /// All strings together are longer: their length as far as known.
    Total(usize),
    /// There are more strings.
    Count,
    /// A string holds a NUL.
    Nul,
}

impl From<RequestTooLarge> for ProtocolError {
    fn from(excess: RequestTooLarge) -> ProtocolError {
        ProtocolError::RequestTooLarge(excess)
    }
}

impl From<Full> for ProtocolError {
    fn from(_: Full) -> ProtocolError {
        ProtocolError::Overrun
    }
}

impl Show for ProtocolError {
    fn show(&self, line: &mut Line) {
        match self {
            ProtocolError::Unknown(kind) => add!(line, "frame of unknown type {}", *kind),
            ProtocolError::Unexpected(kind) => add!(line, "unexpected frame of type {}", *kind as u8),
            ProtocolError::RequestTooLarge(excess) => excess.show(line),
            ProtocolError::Overrun => add!(line, "the peer does not read what it asked for"),
        }
    }
}

impl Show for RequestTooLarge {
    fn show(&self, line: &mut Line) {
        let (what, need, limit) = match self {
            RequestTooLarge::Nul => return add!(line, "a string of the request holds a NUL byte"),
            RequestTooLarge::Count => {
                return add!(line, "more than {} arguments and variables", limits::REQUEST_STRINGS);
            }
            RequestTooLarge::String(need) => ("one argument or variable needs", *need, limits::REQUEST_STRING),
            RequestTooLarge::Total(need) => ("arguments and environment need", *need, limits::REQUEST_BYTES),
        };
        add!(line, "argument list too long: {} {} bytes, the limit is {}", what, need, limit);
    }
}
