//! The sockets that a server listens on.

use crate::diag::Reported;
use crate::options::value::Transport;
use crate::session::connection::Accepted;
use crate::session::service::Intake;
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::poll;
use crate::sys::socket::{tcp, unix};
use crate::sys::statics::StaticCell;
use crate::text::{address, name};
use crate::{debug, limits, report, reported};
use core::net::{IpAddr, SocketAddr};
use heapless::Deque;
use rustix::fd::AsRawFd;
use rustix::fs::OFlags;
use rustix::io::{Errno, Result};
use rustix::net::{Shutdown, sockopt};

/// The sockets that a server listens on; `None` for a transport that its section turns off.
pub(super) struct Sockets {
    /// The relay's, by TCP.
    pub(super) relay: Option<OwnedFd>,
    /// The direct transport's, an abstract Unix socket.
    pub(super) direct: Option<OwnedFd>,
    /// In a worker of a listener that accepts connections itself: where it hands them over, see [`hand_over`].
    pub(super) handed: Option<OwnedFd>,
    /// The port of both, as in the configuration; 0 if there is none.
    port: u16,
    /// The relay's address.
    host: IpAddr,
}

impl Sockets {
    /// No sockets.
    pub(super) const NONE: Sockets = Sockets { relay: None, direct: None, handed: None, port: 0, host: address::ANY };

    /// Listens on this address and port, and at the name of the port within this Pod. Sockets that `before` has of these
    /// stay open, so that no client is refused meanwhile. If an address is in use, tries again until `deadline`.
    pub(super) fn bind(
        host: &IpAddr,
        port: u16,
        transport: Transport,
        before: &Sockets,
        deadline: Instant,
    ) -> core::result::Result<Sockets, Reported> {
        let mut sockets = Sockets { port, host: *host, ..Sockets::NONE };
        let before = (before.port == port).then_some(before);
        if transport != Transport::Direct {
            let kept = before.filter(|before| before.host == sockets.host).and_then(|before| before.relay.as_ref());
            let socket = kept.map_or_else(|| retry(deadline, port, || bind(host, port)), fd::duplicate);
            sockets.relay = Some(socket.map_err(|errno| {
                if *host == address::LOOPBACK {
                    reported!("port {}: {}", port, errno)
                } else {
                    reported!("port {}: {}: --listen {}", port, errno, host)
                }
            })?);
        }
        if transport != Transport::Relay {
            let kept = before.and_then(|before| before.direct.as_ref());
            match kept.map_or_else(|| retry(deadline, port, || bind_direct(port)), fd::duplicate) {
                Ok(socket) => sockets.direct = Some(socket),
                Err(errno) if transport == Transport::Direct => {
                    return Err(reported!("name k8psh:{}: {}", port, errno));
                }
                Err(errno) => report!("warning: name k8psh:{}: {}: going on without direct transport", port, errno),
            }
        }
        Ok(sockets)
    }

    /// Whether there is no socket.
    pub(super) fn are_closed(&self) -> bool {
        self.relay.is_none() && self.direct.is_none() && self.handed.is_none()
    }

    /// The socket of one transport.
    pub(super) fn of(&self, is_direct: bool) -> Option<&OwnedFd> {
        if is_direct { self.direct.as_ref() } else { self.relay.as_ref() }
    }

    /// Accepts a connection of one transport. `EAGAIN` if it has no socket, or none waits.
    pub(super) fn accept(&self, is_direct: bool) -> Result<OwnedFd> {
        fd::accept(self.of(is_direct).ok_or(Errno::AGAIN)?)
    }

    /// The next connection that the listener has handed over. `EAGAIN` if there is none.
    pub(super) fn take_handed(&self) -> Result<Accepted> {
        take_handed(self.handed.as_ref().ok_or(Errno::AGAIN)?)
    }

    /// Has no further connection established. Those that wait can still be accepted.
    pub(super) fn stop_arrivals(&self) {
        if let Some(socket) = &self.direct {
            // Connecting fails from now on, and accepting goes on (`net/unix/af_unix.c`).
            let _ = rustix::net::shutdown(socket, Shutdown::Read);
        }
        if let Some(socket) = &self.relay {
            tcp::stop_arrivals(socket);
        }
    }

    /// Accepts the next connection of one transport that waits after [`Sockets::stop_arrivals`], if there is one.
    pub(super) fn take_waiting(&self, is_direct: bool) -> Option<OwnedFd> {
        loop {
            match self.accept(is_direct) {
                Ok(socket) => return Some(socket),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN | Errno::INVAL) => return None,
                Err(errno) => {
                    report!("cannot accept a connection: {}; those that wait are lost", errno);
                    return None;
                }
            }
        }
    }

    /// Refuses clients that connect after [`Sockets::stop_arrivals`], which would otherwise wait for the workers that still
    /// have the socket open.
    pub(super) fn refuse_arrivals(&self) {
        if let Some(socket) = &self.relay {
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
    }
}

/// Binds, and tries again until the deadline while the address is in use: the workers of a server that was killed close
/// its sockets only once they notice its end.
fn retry(deadline: Instant, port: u16, bind: impl Fn() -> Result<OwnedFd>) -> Result<OwnedFd> {
    let mut result = bind();
    if matches!(result, Err(Errno::ADDRINUSE)) && deadline.remaining() > 0 {
        debug!(Server, "port {} is in use: trying again for {} ms", port, deadline.remaining());
    }
    while matches!(result, Err(Errno::ADDRINUSE)) && deadline.remaining() > 0 {
        poll::wait(&mut [], limits::BIND_RETRY_MS);
        result = bind();
    }
    result
}

/// Listens at the name of this port, for clients in this network namespace that pass descriptors.
fn bind_direct(port: u16) -> Result<OwnedFd> {
    let socket = unix::socket()?;
    rustix::net::bind(&socket, &unix::abstract_name(name::socket(port).bytes())?)?;
    rustix::net::listen(&socket, limits::BACKLOG)?;
    Ok(socket)
}

/// Listens on this address and port. A loopback address cannot be reached from beyond this Pod.
fn bind(host: &IpAddr, port: u16) -> Result<OwnedFd> {
    let socket = tcp::socket(host)?;
    // A connection that has gone before it is accepted must not block the server (accept(2)).
    rustix::fs::fcntl_setfl(&socket, OFlags::NONBLOCK)?;
    // A server that is started again must not wait for the TIME-WAIT of its predecessor's connections (socket(7)).
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if host.is_ipv6() {
        // `::` takes connections by IPv4 as well, whatever the system's default (ipv6(7)).
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    if !host.is_loopback() {
        tcp::set_keepalive(&socket, limits::KEEPALIVE_S, limits::KEEPALIVE_COUNT)?;
        sockopt::set_tcp_user_timeout(&socket, limits::TCP_USER_TIMEOUT_MS)?;
    }
    rustix::net::bind(&socket, &SocketAddr::new(*host, port))?;
    rustix::net::listen(&socket, limits::BACKLOG)?;
    Ok(socket)
}

/// Hands a connection to whichever worker takes it first. Fails if too many wait.
pub(super) fn hand_over(socket: &OwnedFd, connection: &Accepted) -> Result<()> {
    let kind = [u8::from(connection.is_direct) | u8::from(connection.has_message) << 1];
    unix::send(socket, &kind, &[connection.socket.as_raw_fd()]).map(drop)
}

/// Takes a connection that was handed over. `EAGAIN` if there is none; `EMFILE` if one was lost because this process has no
/// room for a descriptor (unix(7)), to which its stub tries again.
pub(super) fn take_handed(socket: &OwnedFd) -> Result<Accepted> {
    let (mut kind, mut connection) = ([0], None);
    unix::receive(socket, &mut kind, &mut |socket| connection = Some(socket))?;
    let connection = connection.ok_or(Errno::MFILE)?;
    Ok(Accepted { has_message: kind[0] & 2 != 0, ..Accepted::plain(connection, kind[0] & 1 != 0) })
}

impl Intake for Sockets {
    fn close(&mut self) {
        *self = Sockets::NONE;
    }
}

/// Accepted connections without a worker, such as those that waited when the server began to drain.
pub(super) struct Backlog(&'static mut Waiting);

type Waiting = Deque<Accepted, { limits::PRE_AUTH }>;

impl Backlog {
    /// Makes an empty one, of which a process has one: a second call panics.
    pub(super) fn new() -> Backlog {
        static WAITING: StaticCell<Waiting> = StaticCell::new(Waiting::new());
        Backlog(WAITING.take())
    }

    /// Whether no connection waits.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a connection. False if there is no room for another one.
    pub(super) fn push(&mut self, connection: Accepted) -> bool {
        let _ = self.0.push_back(connection);
        !self.0.is_full()
    }

    /// Removes the connection that has waited longest.
    pub(super) fn pop(&mut self) -> Option<Accepted> {
        self.0.pop_front()
    }

    /// Closes all connections. In a worker, those of its listener stay open.
    pub(super) fn clear(&mut self) {
        while self.0.pop_front().is_some() {}
    }
}
