//! Connecting to a server: tried again until it listens or the deadline has come.

use super::route::{Route, WRONG_USER};
use crate::options::value::Transport;
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::poll;
use crate::sys::socket::{tcp, unix};
use crate::sys::terminal;
use crate::text::name;
use crate::{add, debug, limits, line};
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

/// Connects to a server before the deadline. `retries`: a server that does not listen yet is tried again, and at a terminal
/// a person is told what the stub waits for.
pub(super) fn connect(route: &Route, deadline: Instant, retries: bool) -> Result<Connection> {
    let mut pause = limits::RETRY_FIRST_MS;
    let mut is_first = true;
    let is_watched = retries && terminal::is_one(fd::error());
    let mut notice = if is_watched { Instant::after(limits::NOTICE_MS) } else { Instant::NEVER };
    loop {
        let errno = match attempt(route, deadline.min(notice), is_first) {
            // Not there yet, or too busy to answer. No other error goes away by itself.
            Err(
                errno @ (Errno::CONNREFUSED
                | Errno::TIMEDOUT
                | Errno::HOSTUNREACH
                | Errno::CONNRESET
                | Errno::INPROGRESS
                | Errno::AGAIN
                | Errno::INTR),
            ) => errno,
            result => return result,
        };
        let left = deadline.remaining();
        if left == 0 || !retries {
            return Err(if errno == Errno::INPROGRESS { Errno::TIMEDOUT } else { errno });
        }
        debug!(Client, "port {}: {}; trying again", route.server.port(), errno);
        if notice <= Instant::now() {
            notice = Instant::NEVER;
            report_wait(route, errno, left);
        }
        poll::wait(&mut [], pause.min(left));
        pause = (2 * pause).min(limits::RETRY_LAST_MS);
        is_first = false;
    }
}

/// Tells that the stub waits for so many milliseconds more, or without a limit.
fn report_wait(route: &Route, errno: Errno, left: u64) {
    let mut reason = line!("{}; waiting", errno);
    if left < u64::MAX / 2 {
        add!(&mut reason, " {} s more (connectTimeoutMs)", left.div_ceil(1000));
    }
    route.report(&reason);
}

/// Further attempts after connections that have ended before a server had taken the request.
pub(super) struct Retries {
    left: u32,
    /// Milliseconds before the next one: none before the first, because the next server may be there already.
    pause: u64,
}

impl Retries {
    /// Allows so many further attempts.
    pub(super) const fn new(most: u32) -> Retries {
        Retries { left: most, pause: 0 }
    }

    /// Whether to try again, after a pause. The first attempt does not depend on the deadline.
    pub(super) fn again(&mut self, deadline: Instant) -> bool {
        let is_first = self.pause == 0;
        poll::wait(&mut [], self.pause.min(deadline.remaining()));
        if self.left == 0 || !is_first && deadline.remaining() == 0 {
            return false;
        }
        (self.left, self.pause) = (self.left - 1, limits::RETRY_LAST_MS);
        true
    }
}

/// One attempt: by the direct transport, and where that fails for whatever reason (no server there, another network
/// namespace, a security module) by the relay.
fn attempt(route: &Route, deadline: Instant, is_first: bool) -> Result<Connection> {
    if route.transport != Transport::Relay {
        match attempt_direct(route) {
            Ok(socket) => return Ok(Connection { socket, is_direct: true }),
            Err(errno) if route.transport == Transport::Direct => return Err(errno),
            Err(errno) => debug!(Client, "direct transport of port {}: {}", route.server.port(), errno),
        }
    }
    let socket = attempt_relay(route, deadline, is_first)?;
    Ok(Connection { socket, is_direct: false })
}

/// One attempt by the direct transport. It does not wait: a full backlog is an error.
fn attempt_direct(route: &Route) -> Result<OwnedFd> {
    let socket = unix::socket()?;
    let name = name::socket(route.server.port());
    rustix::net::connect(&socket, &unix::abstract_name(name.bytes())?)?;
    // Any process of the Pod can have bound the name.
    if route.user.is_some() && unix::peer_user(&socket) != route.user {
        return Err(WRONG_USER);
    }
    Ok(socket)
}

/// One attempt by TCP. A server whose backlog is full does not answer, so it may take all the time that is left.
fn attempt_relay(route: &Route, deadline: Instant, is_first: bool) -> Result<OwnedFd> {
    let socket = tcp::socket(&route.host)?;
    // It bounds connecting as well (socket(7)); 0 would be no bound.
    let patience = Duration::from_millis(deadline.remaining().max(1));
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(patience))?;
    let is_local = route.host.is_loopback();
    if !is_first && is_local {
        // Where no server listens, the kernel may choose that very port for this socket, which then connects to itself
        // (RFC 9293, 3.5, simultaneous open). From another address it cannot.
        let other = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        let _ = rustix::net::bind(&socket, &SocketAddr::new(other, 0));
    }
    rustix::net::connect(&socket, &SocketAddr::new(route.host, route.server.port()))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if !is_local {
        tcp::set_keepalive(&socket, limits::KEEPALIVE_S, limits::KEEPALIVE_COUNT)?;
        sockopt::set_tcp_user_timeout(&socket, limits::TCP_USER_TIMEOUT_MS)?;
    }
    Ok(socket)
}

/// Has closing the connection reset it: the server learns at once that the stub has gone, even while it reads nothing, and
/// no port is left in TIME_WAIT, of which ten thousand calls would use up the range. Only for a server of protocol 2: one of
/// protocol 1 takes a reset for a fault of its own and leaves the command running.
pub(super) fn reset_at_end(socket: &OwnedFd) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}
