//! A connection that a server has accepted, and who is at its other end.

use crate::add;
use crate::sys::fd::OwnedFd;
use crate::sys::socket::{tcp, unix};
use crate::text::address::Address;
use crate::text::line::{Line, Show};

/// A connection that was accepted.
pub struct Accepted {
    /// Its socket.
    pub socket: OwnedFd,
    /// Whether descriptors can come along with it.
    pub is_direct: bool,
}

/// Who is at the other end of a connection, as far as the kernel says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A user in this network namespace, by the direct transport.
    User(u32),
    /// A host; [`Address::ANY`] where it has gone.
    Host(Address),
}

impl Accepted {
    /// Who is at its other end.
    pub fn peer(&self) -> Peer {
        if self.is_direct {
            unix::peer_user(&self.socket).map_or(Peer::Host(Address::ANY), Peer::User)
        } else {
            Peer::Host(tcp::peer(&self.socket))
        }
    }
}

impl Show for Peer {
    fn show(&self, line: &mut Line) {
        match self {
            Peer::User(user) => add!(line, "user {}", *user),
            Peer::Host(address) if *address == Address::ANY => add!(line, "a peer that has gone"),
            Peer::Host(address) => address.show(line),
        }
    }
}
