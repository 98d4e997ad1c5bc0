//! The route to a server: its address, its port, and the transports that may lead there.

use crate::auth::handshake::{Refusal, agree};
use crate::auth::token::read_key;
use crate::config::Server;
use crate::diag::Reported;
use crate::options::Named;
use crate::options::settings::{Connect, Settings, TokenSource};
use crate::options::value::{self, Kind};
use crate::protocol::frame;
use crate::secure::Transport;
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::poll;
use crate::sys::program::Environment;
use crate::text::address;
use crate::text::line::Show;
use crate::text::packed::Text;
use crate::{line, reported, text};
use core::net::IpAddr;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

/// The route to a server.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) server: Server<'static>,
    pub(super) host: IpAddr,
    pub(super) transport: value::Transport,
    /// The user that the server has to be, in which case the transport is the direct one; `None`: any.
    pub(super) user: Option<u32>,
    /// Where the section's token is, if it has one.
    token: Option<TokenSource<'static>>,
    /// Whether the section has `--connect`. Servers of 0.9 have no such sections.
    has_address: bool,
}

/// Waits for a server's greeting, which stays in the socket. A server at its `--max-sessions` takes long to send it.
fn greet(socket: &OwnedFd) -> Result<(), Refusal> {
    // Whether the connection has ended shows when the greeting is read.
    let _ = fd::send(socket, frame::PROBE);
    loop {
        match fd::peek(socket, &mut [0]) {
            Ok(1..) => return Ok(()),
            Err(Errno::AGAIN | Errno::INTR) => _ = poll::is_ready(socket.as_fd(), PollFlags::IN, u64::MAX),
            Ok(0) | Err(_) => return Err(Refusal::Ended),
        }
    }
}

/// The message for a connection that has ended.
pub(super) const ENDED: Text = text!("the connection ended before the command did");

/// The error of a connection to a server that is not the route's user.
pub(super) const WRONG_USER: Errno = Errno::ACCESS;

/// The variable that forces one transport.
const TRANSPORT: &[u8] = b"K8PSH_TRANSPORT";

impl Route {
    /// The route to this server: as the environment says, else as its section does.
    pub(super) fn to(
        server: Server<'static>,
        settings: &Settings<'static>,
        environment: &Environment,
    ) -> Result<Route, Reported> {
        let mut transport = settings.transport;
        if let Some(name) = environment.get(TRANSPORT).filter(|name| !name.is_empty()) {
            let asked = value::Transport::named(name);
            transport = asked.ok_or_else(|| reported!("K8PSH_TRANSPORT: {} is not {}", name, Kind::Transport))?;
        }
        let host = match settings.connect {
            Connect::Here => address::LOOPBACK,
            Connect::At(host) => host,
            Connect::Unknown => {
                return Err(reported!(
                    "server {}: --connect has no address; create the server's Service before this Pod",
                    server.name()
                ));
            }
        };
        // A server elsewhere, and one with a token, is reached by TCP alone.
        if settings.connect != Connect::Here || settings.token().is_some() {
            transport = value::Transport::Relay;
        }
        // TCP does not show the user of the other end, so a server that is reached by TCP is refused like one of another user.
        if settings.server_uid.is_some() {
            if transport == value::Transport::Relay {
                return Err(reported!("K8PSH_TRANSPORT: relay cannot show that the server has --server-uid"));
            }
            transport = value::Transport::Direct;
        }
        let has_address = settings.connect != Connect::Here;
        Ok(Route { server, host, transport, user: settings.server_uid, token: settings.token(), has_address })
    }

    /// The same route by TCP alone.
    pub(super) fn by_relay(self) -> Route {
        Route { transport: value::Transport::Relay, ..self }
    }

    /// The same route for a question, whose answer shows that the server serves.
    pub(super) fn for_question(mut self) -> Route {
        self.has_address = false;
        if self.transport == value::Transport::Auto {
            // The port is open to every user, the direct transport's name may not be.
            self.transport = value::Transport::Relay;
        }
        self
    }

    /// Reports why no server could be reached by this route, and what to look at if nothing listens there.
    pub(super) fn report_unreachable(&self, errno: Errno) -> Reported {
        if self.user.is_some() && errno == WRONG_USER {
            return self.report(&text!("another user than --server-uid"));
        }
        if errno == Errno::CONNREFUSED {
            return self.report(&line!("{}; is k8pshd --name {} running there?", errno, self.server.name()));
        }
        self.report(&errno)
    }

    /// Reports what is wrong with the server at the end of this route.
    pub(super) fn report(&self, reason: &dyn Show) -> Reported {
        let (name, port) = (self.server.name(), self.server.port());
        if self.transport == value::Transport::Direct {
            return reported!("server {} at k8psh:{}: {}", name, port, reason);
        }
        match self.host {
            IpAddr::V4(_) => reported!("server {} at {}:{}: {}", name, self.host, port, reason),
            IpAddr::V6(_) => reported!("server {} at [{}]:{}: {}", name, self.host, port, reason),
        }
    }

    /// If the section has a token, both ends prove it before the deadline, and the result is the keys of the connection. If
    /// it has only an address, which several servers may share, the server shows by a greeting that it serves.
    pub(super) fn authenticate(
        &self,
        environment: &Environment,
        socket: &OwnedFd,
        deadline: Instant,
    ) -> Result<Option<Transport>, Refusal> {
        let Some(source) = self.token else {
            return if self.has_address { greet(socket).map(|()| None) } else { Ok(None) };
        };
        let key = read_key(source, environment).map_err(Refusal::Reported)?;
        agree(socket, &key, deadline).map(Some)
    }

    /// Reports why a server takes no request.
    pub(super) fn refused(&self, why: Refusal) -> Reported {
        match why {
            Refusal::Ended => self.report(&ENDED),
            Refusal::Because(why) => self.report(&why),
            Refusal::Reported(reported) => reported,
        }
    }
}
