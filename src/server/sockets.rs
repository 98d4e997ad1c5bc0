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
use crate::{debug, limits, report, told};
use core::net::{IpAddr, SocketAddr};
use heapless::Deque;
use rustix::fs::OFlags;
use rustix::io::{Errno, Result};
use rustix::net::{Shutdown, sockopt};

/// The sockets that a server listens on, where its section does not turn the transport off.
pub(super) struct Sockets {
    /// The relay's.
    pub(super) relay: Option<OwnedFd>,
    /// The direct transport's.
    pub(super) direct: Option<OwnedFd>,
    /// The port of both, as the configuration has it, and the relay's address.
    port: u16,
    host: IpAddr,
}

impl Sockets {
    /// None.
    pub(super) const NONE: Sockets = Sockets { relay: None, direct: None, port: 0, host: address::ANY };

    /// Listens on a port of this address, and by its name within this Pod. What `before` has of these it keeps: whoever
    /// connects meanwhile finds it open. Until `deadline` it tries again where something else still has the address.
    pub(super) fn bind(
        host: &IpAddr,
        port: u16,
        transport: Transport,
        before: &Sockets,
        deadline: Instant,
    ) -> core::result::Result<Sockets, Reported> {
        let mut sockets = Sockets { relay: None, direct: None, port, host: *host };
        let before = (before.port == port).then_some(before);
        if transport != Transport::Direct {
            let kept = before.filter(|before| before.host == sockets.host).and_then(|before| before.relay.as_ref());
            let socket = kept.map_or_else(|| retry(deadline, port, || bind(host, port)), fd::duplicate);
            sockets.relay = Some(socket.map_err(|errno| {
                if *host == address::LOOPBACK {
                    told!("port {}: {}", port, errno)
                } else {
                    told!("port {}: {}: --listen {}", port, errno, host)
                }
            })?);
        }
        if transport != Transport::Relay {
            let kept = before.and_then(|before| before.direct.as_ref());
            match kept.map_or_else(|| retry(deadline, port, || bind_direct(port)), fd::duplicate) {
                Ok(socket) => sockets.direct = Some(socket),
                Err(errno) if transport == Transport::Direct => return Err(told!("name k8psh:{}: {}", port, errno)),
                Err(errno) => report!("warning: name k8psh:{}: {}: going on without direct transport", port, errno),
            }
        }
        Ok(sockets)
    }

    /// Whether there is none.
    pub(super) fn are_closed(&self) -> bool {
        self.relay.is_none() && self.direct.is_none()
    }

    /// One of them.
    pub(super) fn of(&self, is_direct: bool) -> Option<&OwnedFd> {
        if is_direct { self.direct.as_ref() } else { self.relay.as_ref() }
    }

    /// A connection that waits at one of them.
    pub(super) fn accept(&self, is_direct: bool) -> Result<Accepted> {
        let socket = fd::accept(self.of(is_direct).ok_or(Errno::AGAIN)?)?;
        Ok(Accepted::plain(socket, is_direct))
    }

    /// Has no further connection come, hands those that wait to `take`, as long as it has room, and closes. Who connects from
    /// now on is refused.
    pub(super) fn drain(self, take: &mut dyn FnMut(Accepted) -> bool) {
        if let Some(socket) = &self.direct {
            // Connecting fails from now on, and accepting goes on (`net/unix/af_unix.c`).
            let _ = rustix::net::shutdown(socket, Shutdown::Read);
        }
        if let Some(socket) = &self.relay {
            tcp::stop_arrivals(socket);
        }
        for is_direct in [true, false] {
            self.take_waiting(is_direct, take);
        }
        if let Some(socket) = &self.relay {
            // Workers that have not closed theirs yet must not make anybody wait.
            let _ = rustix::net::shutdown(socket, Shutdown::Both);
        }
    }

    fn take_waiting(&self, is_direct: bool, take: &mut dyn FnMut(Accepted) -> bool) {
        loop {
            match self.accept(is_direct) {
                Ok(connection) => {
                    if !take(connection) {
                        return;
                    }
                }
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(Errno::AGAIN | Errno::INVAL) => return,
                Err(errno) => return report!("cannot accept a connection: {}; those that wait are lost", errno),
            }
        }
    }
}

/// Binds, and tries again until the deadline while the address is in use: the workers of a server that was killed close its
/// sockets only once they notice.
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

/// Listens for what can hand over descriptors: whatever is in this network namespace.
fn bind_direct(port: u16) -> Result<OwnedFd> {
    let socket = unix::socket()?;
    rustix::net::bind(&socket, &unix::abstract_name(name::socket(port).bytes())?)?;
    rustix::net::listen(&socket, limits::BACKLOG)?;
    Ok(socket)
}

/// Listens on a port of this address; of a loopback one, nothing beyond this Pod reaches it.
fn bind(host: &IpAddr, port: u16) -> Result<OwnedFd> {
    let socket = tcp::socket(host)?;
    // A connection that is gone again before it is accepted must not hold up the server (accept(2)).
    rustix::fs::fcntl_setfl(&socket, OFlags::NONBLOCK)?;
    // A server that is started again must not wait for what is left of the last one's connections (socket(7)).
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

impl Intake for Sockets {
    fn close(&mut self) {
        *self = Sockets::NONE;
    }
}

/// Connections that were accepted, until there is a process for each: those that waited when the server began to drain.
pub(super) struct Backlog(&'static mut Waiting);

type Waiting = Deque<(OwnedFd, bool), { limits::GATE }>;

impl Backlog {
    /// An empty one, of which a process has one.
    pub(super) fn new() -> Backlog {
        static WAITING: StaticCell<Waiting> = StaticCell::new(Waiting::new());
        Backlog(WAITING.take())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a connection; false where it was the last one for which there is room.
    pub(super) fn push(&mut self, connection: Accepted) -> bool {
        let _ = self.0.push_back((connection.socket, connection.is_direct));
        !self.0.is_full()
    }

    /// The one that has waited longest.
    pub(super) fn pop(&mut self) -> Option<Accepted> {
        let (socket, is_direct) = self.0.pop_front()?;
        Some(Accepted::plain(socket, is_direct))
    }

    /// Closes all, or leaves them to the process that this one is a copy of.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
