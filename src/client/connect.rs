//! The way to a server: tried again until it is up or the time is over.

use super::route::Route;
use crate::options::value::Transport;
use crate::protocol::direct::direct_name;
use crate::sys::clock::Instant;
use crate::sys::fd::OwnedFd;
use crate::sys::poll;
use crate::sys::socket::{tcp, unix};
use crate::{debug, limits};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use rustix::io::{Errno, Result};
use rustix::net::sockopt;

/// A connection to a server.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    /// Whether descriptors can go along with it.
    pub(super) is_direct: bool,
}

/// Connects to a server, until then. One that does not listen yet is tried `again`.
pub(super) fn connect(way: &Route, deadline: Instant, again: bool) -> Result<Connection> {
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
        let left = deadline.remaining();
        if left == 0 || !again {
            return Err(if errno == Errno::INPROGRESS { Errno::TIMEDOUT } else { errno });
        }
        debug!(Client, "port {}: {}; trying again", way.port, errno);
        poll::wait(&mut [], pause.min(left));
        pause = (2 * pause).min(limits::RETRY_LAST_MS);
        is_first = false;
    }
}

/// One attempt: the direct transport if it answers, whatever the reason if not (nobody there, another network namespace, a
/// security module), else the relay.
fn attempt(way: &Route, deadline: Instant, is_first: bool) -> Result<Connection> {
    if way.transport != Transport::Relay {
        match attempt_direct(way) {
            Ok(socket) => return Ok(Connection { socket, is_direct: true }),
            Err(errno) if way.transport == Transport::Direct => return Err(errno),
            Err(errno) => debug!(Client, "direct transport of port {}: {}", way.port, errno),
        }
    }
    let socket = attempt_relay(way, deadline, is_first)?;
    Ok(Connection { socket, is_direct: false })
}

/// One attempt by the direct transport. It does not wait: a full backlog is an error.
fn attempt_direct(way: &Route) -> Result<OwnedFd> {
    let socket = unix::socket()?;
    rustix::net::connect(&socket, &unix::abstract_name(direct_name(way.port).bytes())?)?;
    // Anybody in the Pod can have taken the name.
    if way.user.is_some() && unix::peer_user(&socket) != way.user {
        return Err(Errno::ACCESS);
    }
    Ok(socket)
}

/// One attempt by TCP. A server whose backlog is full does not answer, so it may take all the time that is left.
fn attempt_relay(way: &Route, deadline: Instant, is_first: bool) -> Result<OwnedFd> {
    let socket = tcp::socket(&way.host)?;
    // It bounds connecting as well (socket(7)); 0 would be no bound.
    let patience = Duration::from_millis(deadline.remaining().max(1));
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(patience))?;
    let is_here = way.host.is_loopback();
    if !is_first && is_here {
        // Where nobody listens, a connection can end up at its own other end: when the kernel happens to choose the very
        // port for this one (RFC 9293, 3.5, simultaneous open). From another address it cannot.
        let _ = rustix::net::bind(&socket, &SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0));
    }
    rustix::net::connect(&socket, &SocketAddr::new(way.host, way.port))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if !is_here {
        tcp::set_keepalive(&socket, limits::KEEPALIVE_S, limits::KEEPALIVE_COUNT)?;
        sockopt::set_tcp_user_timeout(&socket, limits::TCP_USER_TIMEOUT_MS)?;
    }
    Ok(socket)
}

/// Has the connection end with a reset: the server learns at once that the stub has gone, even while it reads nothing, and
/// no port is left waiting (TIME_WAIT), of which ten thousand calls would use up the range. Only for a server of protocol
/// 2: one of protocol 1 takes a reset for a fault of its own and leaves the command running.
pub(super) fn reset_at_end(socket: &OwnedFd) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}
