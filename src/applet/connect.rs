//! The way to a server: tried again until it is up or the time is over.

use super::options::choice;
use crate::address::Address;
use crate::diag::{Line, Show};
use crate::sys::descriptor::{self, Descriptor};
use crate::sys::time::Moment;
use crate::sys::{local, poll, tcp};
use crate::{add, debug, limits, number};
use rustix::io::{Errno, Result};

/// Which ways lead to a server.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Transport {
    /// The direct one, and where it is closed the relay.
    #[default]
    Auto,
    /// A socket within this kernel, by which the caller's own descriptors go along.
    Direct,
    /// TCP, with the streams in frames.
    Relay,
}

impl Transport {
    /// Their names, in their order.
    pub(super) const NAMES: &str = "auto, direct, relay";

    /// The transport of this name.
    pub(super) fn named(name: &[u8]) -> Option<Transport> {
        [Transport::Auto, Transport::Direct, Transport::Relay].get(choice(Transport::NAMES, name)?).copied()
    }
}

/// A way to a server.
#[derive(Clone, Copy)]
pub(super) struct Way {
    pub(super) host: Address,
    pub(super) port: u16,
    pub(super) transport: Transport,
    /// The user that a server at the other end of the direct transport has to be.
    pub(super) user: Option<u32>,
}

/// The users of a list of numbers with commas between them; `None` for one that is none.
pub(super) fn users(list: &[u8]) -> impl Iterator<Item = Option<u32>> {
    list.split(|byte| *byte == b',').map(user)
}

/// The user of a number.
#[inline(never)]
pub(super) fn user(number: &[u8]) -> Option<u32> {
    u32::try_from(number::parse(number, 10)?).ok()
}

/// A connection to a server.
pub(super) struct Connection {
    pub(super) socket: Descriptor,
    /// Whether descriptors can go along with it.
    pub(super) is_direct: bool,
}

/// Who is at the other end of a connection, as far as the kernel says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    /// A user in this network namespace, by the direct transport.
    User(u32),
    /// A host; [`Address::ANY`] where it has gone.
    Host(Address),
}

impl Connection {
    /// Who is at its other end.
    pub(super) fn peer(&self) -> Peer {
        if self.is_direct {
            local::peer_user(&self.socket).map_or(Peer::Host(Address::ANY), Peer::User)
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

/// Connects to a server, until then. One that does not listen yet is tried `again`.
pub(super) fn connect(way: &Way, deadline: Moment, again: bool) -> Result<Connection> {
    let mut pause = limits::RETRY_FIRST_MS;
    let mut is_first = true;
    loop {
        let errno = match attempt(way, deadline, is_first) {
            // Not there yet, or too busy to answer: every other error will not go away by itself.
            Err(
                errno @ (Errno::CONNREFUSED
                | Errno::TIMEDOUT
                | Errno::HOSTUNREACH
                | Errno::INPROGRESS
                | Errno::AGAIN
                | Errno::INTR),
            ) => errno,
            result => return result,
        };
        let left = deadline.left();
        if left == 0 || !again {
            return Err(if errno == Errno::INPROGRESS { Errno::TIMEDOUT } else { errno });
        }
        debug!(Applet, "port {}: {}; trying again", way.port, errno);
        poll::wait(&mut [], pause.min(left));
        pause = (2 * pause).min(limits::RETRY_LAST_MS);
        is_first = false;
    }
}

/// One attempt: the direct transport if it answers, whatever the reason if not (nobody there, another network namespace, a
/// security module), else the relay.
fn attempt(way: &Way, deadline: Moment, is_first: bool) -> Result<Connection> {
    if way.transport != Transport::Relay {
        match attempt_direct(way) {
            Ok(socket) => return Ok(Connection { socket, is_direct: true }),
            Err(errno) if way.transport == Transport::Direct => return Err(errno),
            Err(errno) => debug!(Applet, "direct transport of port {}: {}", way.port, errno),
        }
    }
    let socket = attempt_relay(way, deadline, is_first)?;
    Ok(Connection { socket, is_direct: false })
}

/// One attempt by the direct transport. It does not wait: a full backlog is an error.
fn attempt_direct(way: &Way) -> Result<Descriptor> {
    let socket = descriptor::local_socket()?;
    local::connect(&socket, way.port)?;
    // Anybody in the Pod can have taken the name.
    if way.user.is_some() && local::peer_user(&socket) != way.user {
        return Err(Errno::ACCESS);
    }
    Ok(socket)
}

/// One attempt by TCP. A server whose backlog is full does not answer, so it may take all the time that is left.
fn attempt_relay(way: &Way, deadline: Moment, is_first: bool) -> Result<Descriptor> {
    let socket = tcp::socket(&way.host)?;
    tcp::set_patience(&socket, deadline.left().max(1))?;
    let is_here = way.host.is_loopback();
    if !is_first && is_here {
        // Where nobody listens, a connection can end up at its own other end: when the kernel happens to choose the very
        // port for this one (RFC 9293, 3.5, simultaneous open). From another address it cannot.
        let _ = tcp::bind(&socket, &Address::v4([127, 0, 0, 2]), 0);
    }
    tcp::connect(&socket, &way.host, way.port)?;
    tcp::set_undelayed(&socket)?;
    if !is_here {
        tcp::set_watched(&socket)?;
    }
    Ok(socket)
}

/// Has the connection end with a reset: the server learns at once that the stub has gone, even while it reads nothing, and
/// no port is left waiting (TIME_WAIT), of which ten thousand calls would use up the range. Only for a server of protocol
/// 2: one of protocol 1 takes a reset for a fault of its own and leaves the command running.
pub(super) fn reset_at_end(socket: &Descriptor) {
    let _ = tcp::set_reset_at_end(socket);
}
