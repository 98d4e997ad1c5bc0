//! What can be wrong with a connection.

/// Why a connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A message of the handshake is not authentic.
    Handshake,
    /// Bytes are not the record that has to come next.
    Record,
    /// Content does not fit into a record or its buffer: a mistake of the caller.
    Size,
}

impl Error {
    /// The reason as words of a message, which names the peer before them.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Error::Handshake => "its token is another one, or its version: use the same k8psh and token at both ends",
            Error::Record => "what came is not what was sent: somebody changes the connection on its way",
            Error::Size => "a record is too large",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_what_to_look_at() {
        assert!(Error::Handshake.reason().contains("same k8psh and token"));
        assert!(Error::Record.reason().contains("changes the connection"));
        assert!(Error::Size.reason().contains("too large"));
    }
}
