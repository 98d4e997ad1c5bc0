#![doc = include_str!("README.md")]

pub mod handshake;
pub mod key;
pub mod record;
mod symmetric;

use record::{Opener, Sealer};

/// Both directions of a connection after its handshake. They know nothing of each other, so they can be used at once.
pub struct Transport {
    /// For what is to be sent.
    pub sealer: Sealer,
    /// For what has come.
    pub opener: Opener,
}

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A message of the handshake is not authentic.
    Handshake,
    /// Bytes are not the record that has to come next.
    Record,
    /// The stream has ended before its last record.
    Truncated,
    /// A direction was used after its last record: a mistake of the caller.
    Closed,
    /// Content does not fit into a record or its buffer: a mistake of the caller.
    Size,
}

impl Error {
    /// The reason as words of a message, which says whom it concerns before them.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Error::Handshake => "its token is another one, or its version: use the same k8psh and token at both ends",
            Error::Record => "what it sent was changed on the way",
            Error::Truncated => "the connection was cut",
            Error::Closed => "the connection is used after its end",
            Error::Size => "a record is too large",
        }
    }
}
