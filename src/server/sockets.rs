//! The sockets that a server listens on.

use crate::diag::Reported;
use crate::limits;
use crate::options::value::Transport;
use crate::report;
use crate::session::connection::Accepted;
use crate::session::service::Intake;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::socket::{tcp, unix};
use crate::text::address::Address;
use crate::told;
use rustix::fs::OFlags;
use rustix::io::{Errno, Result};

/// The sockets that a server listens on, where its section does not turn the transport off.
pub(super) struct Sockets {
    /// The relay's.
    pub(super) relay: Option<OwnedFd>,
    /// The direct transport's.
    pub(super) direct: Option<OwnedFd>,
    /// The port of both, as the configuration has it, and the relay's address.
    port: u16,
    host: Address,
}

impl Sockets {
    /// None.
    pub(super) const NONE: Sockets = Sockets { relay: None, direct: None, port: 0, host: Address::ANY };

    /// Listens on a port of this address, and by its name within this Pod. What `before` has of these it keeps: whoever
    /// connects meanwhile finds it open.
    pub(super) fn bind(
        host: &Address,
        port: u16,
        transport: Transport,
        before: &Sockets,
    ) -> core::result::Result<Sockets, Reported> {
        let mut sockets = Sockets { relay: None, direct: None, port, host: *host };
        let before = (before.port == port).then_some(before);
        if transport != Transport::Direct {
            let kept = before.filter(|before| before.host == sockets.host).and_then(|before| before.relay.as_ref());
            let socket = kept.map_or_else(|| bind(host, port), fd::duplicate);
            sockets.relay = Some(socket.map_err(|errno| {
                let text = if *host == Address::LOOPBACK { "port {}: {}" } else { "port {}: {}: --listen {}" };
                told!(text, port, errno, host)
            })?);
        }
        if transport != Transport::Relay {
            let kept = before.and_then(|before| before.direct.as_ref());
            match kept.map_or_else(|| bind_direct(port), fd::duplicate) {
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
        Ok(Accepted { socket, is_direct })
    }
}

/// Listens for what can hand over descriptors: whatever is in this network namespace.
fn bind_direct(port: u16) -> Result<OwnedFd> {
    let socket = fd::local_socket()?;
    unix::bind(&socket, port)?;
    rustix::net::listen(&socket, limits::BACKLOG)?;
    Ok(socket)
}

/// Listens on a port of this address; of a loopback one, nothing beyond this Pod reaches it.
fn bind(host: &Address, port: u16) -> Result<OwnedFd> {
    let socket = tcp::socket(host)?;
    // A connection that is gone again before it is accepted must not hold up the server (accept(2)).
    rustix::fs::fcntl_setfl(&socket, OFlags::NONBLOCK)?;
    // A server that is started again must not wait for what is left of the last one's connections (socket(7)).
    tcp::set_reused(&socket)?;
    if host.as_v4().is_none() {
        tcp::set_dual(&socket)?;
    }
    if !host.is_loopback() {
        tcp::set_watched(&socket)?;
    }
    tcp::bind(&socket, host, port)?;
    rustix::net::listen(&socket, limits::BACKLOG)?;
    Ok(socket)
}

impl Intake for Sockets {
    fn close(&mut self) {
        *self = Sockets::NONE;
    }
}
