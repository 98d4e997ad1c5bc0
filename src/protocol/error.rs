//! What a peer may do wrong.

use super::frame::Kind;
use super::queue::Full;
use crate::text::line::{Line, Show};
use crate::{add, limits, text};

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
            RequestTooLarge::String(need) => (text!("one argument or variable needs"), *need, limits::REQUEST_STRING),
            RequestTooLarge::Total(need) => (text!("arguments and environment need"), *need, limits::REQUEST_BYTES),
        };
        add!(line, "argument list too long: {} {} bytes, the limit is {}", what, need, limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;

    #[test]
    fn a_message_says_what_the_peer_did_wrong() {
        let strings = limits::REQUEST_STRINGS;
        let (string, bytes) = (limits::REQUEST_STRING, limits::REQUEST_BYTES);
        let too_long = "argument list too long:";
        for (error, message) in [
            (ProtocolError::Unknown(99), "frame of unknown type 99".to_owned()),
            (ProtocolError::Unexpected(Kind::Hello), "unexpected frame of type 16".to_owned()),
            (ProtocolError::Overrun, "the peer does not read what it asked for".to_owned()),
            (RequestTooLarge::Nul.into(), "a string of the request holds a NUL byte".to_owned()),
            (RequestTooLarge::Count.into(), format!("more than {strings} arguments and variables")),
            (
                RequestTooLarge::String(7).into(),
                format!("{too_long} one argument or variable needs 7 bytes, the limit is {string}"),
            ),
            (
                RequestTooLarge::Total(8).into(),
                format!("{too_long} arguments and environment need 8 bytes, the limit is {bytes}"),
            ),
        ] {
            assert_eq!(core::str::from_utf8(line!("{}", error).bytes()), Ok(&*message));
        }
    }
}
