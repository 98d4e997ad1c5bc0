//! The route to a server: its address, its port, and the transports that may lead there.

use crate::auth::handshake::agree;
use crate::auth::token::read_key;
use crate::config::Server;
use crate::diag::Reported;
use crate::options::Named;
use crate::options::settings::{Connect, Settings, TokenSource};
use crate::options::value::{self, Kind};
use crate::secure::Transport;
use crate::sys::clock::Instant;
use crate::sys::fd::OwnedFd;
use crate::sys::program::Environment;
use crate::text::address;
use crate::text::line::Show;
use crate::{add, line, told};
use core::net::IpAddr;
use rustix::io::Errno;

/// The route to a server.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) server: Server<'static>,
    pub(super) host: IpAddr,
    pub(super) transport: value::Transport,
    /// The user that a server reached by the direct transport has to be; `None`: any.
    pub(super) user: Option<u32>,
    /// Where the section's token is, if it has one.
    token: Option<TokenSource<'static>>,
}

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
            transport = asked.ok_or_else(|| told!("K8PSH_TRANSPORT: {} is not {}", name, Kind::Transport))?;
        }
        let host = match settings.connect {
            Connect::Here => address::LOOPBACK,
            Connect::At(host) => host,
            Connect::Unknown => {
                return Err(told!(
                    "server {}: --connect has no address; create the server's Service before this Pod",
                    server.name()
                ));
            }
        };
        // A server elsewhere, and one with a token, is reached by TCP alone.
        if settings.connect != Connect::Here || settings.token().is_some() {
            transport = value::Transport::Relay;
        }
        Ok(Route { server, host, transport, user: settings.server_uid, token: settings.token() })
    }

    /// The same route by TCP alone.
    pub(super) fn by_relay(self) -> Route {
        Route { transport: value::Transport::Relay, ..self }
    }

    /// Reports what is wrong with the server at the end of this route.
    pub(super) fn report(&self, reason: &dyn Show) -> Reported {
        let (name, port) = (self.server.name(), self.server.port());
        if self.transport == value::Transport::Direct {
            return told!("server {} at k8psh:{}: {}", name, port, reason);
        }
        match self.host {
            IpAddr::V4(_) => told!("server {} at {}:{}: {}", name, self.host, port, reason),
            IpAddr::V6(_) => told!("server {} at [{}]:{}: {}", name, self.host, port, reason),
        }
    }

    /// Reports that the server is not reached, and what to look at where nothing listens.
    pub(super) fn report_missing(&self, errno: Errno) -> Reported {
        let mut reason = line!("{}", errno);
        if errno == Errno::CONNREFUSED {
            add!(&mut reason, "; is k8pshd --name {} running there?", self.server.name());
        }
        self.report(&reason)
    }

    /// Has both ends show that they have the token of the server's section, where it has one, before the deadline: the keys of
    /// the connection.
    pub(super) fn authenticate(
        &self,
        environment: &Environment,
        socket: &OwnedFd,
        deadline: Instant,
    ) -> Result<Option<Transport>, Reported> {
        let Some(source) = self.token else { return Ok(None) };
        let key = read_key(source, environment)?;
        agree(socket, &key, deadline).map(Some).map_err(|why| self.report(&why))
    }
}
