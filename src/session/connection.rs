//! A connection that a server has accepted, and its peer.

use crate::add;
use crate::secure::handshake::{Ephemeral, Responder, Unconfirmed};
use crate::sys::fd::{self, OwnedFd};
use crate::sys::socket::{tcp, unix};
use crate::text::line::{Line, Show};
use core::net::IpAddr;

/// A connection that was accepted.
pub struct Accepted {
    /// Its socket.
    pub socket: OwnedFd,
    /// Whether descriptors can come along with it.
    pub is_direct: bool,
    /// Whether it begins with a stub's message, which proves the token.
    pub has_message: bool,
}

impl Accepted {
    /// A connection that does not begin with such a message.
    pub fn plain(socket: OwnedFd, is_direct: bool) -> Accepted {
        Accepted { socket, is_direct, has_message: false }
    }
}

/// The peer of a connection, as far as the kernel says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A user in this network namespace, by the direct transport.
    User(u32),
    /// A host, by the relay.
    Host(IpAddr),
    /// Gone before the kernel was asked.
    Gone,
}

impl Accepted {
    /// Answers its first message.
    pub(super) fn answer(&self, (responder, ephemeral): (Responder, Ephemeral)) -> Unconfirmed {
        let (public, answer) = responder.answer(ephemeral);
        // Both parts always fit into an empty socket; a connection that has ended is noticed by what comes. The stub computes
        // the keys from the first one, on another processor, while this process does.
        let _ = fd::send(&self.socket, &public);
        let (tag, unconfirmed) = answer.finish();
        let _ = fd::send(&self.socket, &tag);
        unconfirmed
    }

    /// Its peer.
    pub fn peer(&self) -> Peer {
        if self.is_direct {
            unix::peer_user(&self.socket).map_or(Peer::Gone, Peer::User)
        } else {
            tcp::peer(&self.socket).map_or(Peer::Gone, Peer::Host)
        }
    }
}

impl Show for Peer {
    fn show(&self, line: &mut Line) {
        match self {
            Peer::User(user) => add!(line, "user {}", *user),
            Peer::Gone => line.add(b"a peer that has gone"),
            Peer::Host(address) => address.show(line),
        }
    }
}
