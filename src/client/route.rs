//! The route to a server: its address, its port, and the transports that may lead there.

use crate::auth::handshake::prove;
use crate::auth::proof::Key;
use crate::auth::token::Source;
use crate::config::Server;
use crate::diag::Reported;
use crate::options::value::{Transport, user};
use crate::sys::clock::Instant;
use crate::sys::fd::OwnedFd;
use crate::sys::program::Environment;
use crate::text::address::Address;
use crate::text::bytes::until;
use crate::text::line::Show;
use crate::told;
use core::ffi::CStr;

/// The route to a server.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) server: Server<'static>,
    pub(super) host: Address,
    pub(super) transport: Transport,
    /// The user that a server reached by the direct transport has to be; `None`: any.
    pub(super) user: Option<u32>,
}

/// The variable that forces one transport.
const TRANSPORT: &[u8] = b"K8PSH_TRANSPORT";

impl Route {
    /// The route to this server: as the environment says, else as its section does.
    pub(super) fn to(server: Server<'static>, environment: &Environment) -> Result<Route, Reported> {
        let asked = environment
            .get(TRANSPORT)
            .filter(|name| !name.is_empty())
            .or_else(|| server.option(b"--transport").map(CStr::to_bytes));
        let transport = asked.map_or(Some(Transport::Auto), Transport::named);
        let transport =
            transport.ok_or_else(|| told!("transport {}: there are auto, direct, relay", asked.unwrap_or_default()))?;
        let user = server.option(b"--server-uid").and_then(|list| user(until(list.to_bytes(), b',')));
        let mut route = Route { server, host: Address::LOOPBACK, transport, user };
        if let Some(host) = server.option(b"--connect") {
            // There is no resolver here: it would be larger than everything else.
            let text = "--connect {}: not an address; names are not looked up; {} has a Service's";
            route.host = Address::parse(host.to_bytes()).ok_or_else(|| told!(text, host, "${NAME_SERVICE_HOST}"))?;
            route.transport = Transport::Relay;
        }
        if Source::of_section(server).is_some() {
            // A server with a token listens on TCP alone.
            route.transport = Transport::Relay;
        }
        Ok(route)
    }

    /// The same route by TCP alone.
    pub(super) fn by_relay(self) -> Route {
        Route { transport: Transport::Relay, ..self }
    }

    /// Reports what is wrong with the server at the end of this route.
    pub(super) fn report(&self, reason: &dyn Show) -> Reported {
        let (name, port) = (self.server.name(), self.server.port());
        if self.transport == Transport::Direct {
            return told!("server {} at k8psh:{}: {}", name, port, reason);
        }
        let text = if self.host.as_v4().is_some() { "server {} at {}:{}: {}" } else { "server {} at [{}]:{}: {}" };
        told!(text, name, self.host, port, reason)
    }

    /// Has both ends prove that they have the token of the server's section, where it has one, before the deadline.
    pub(super) fn authenticate(
        &self,
        environment: &Environment,
        socket: &OwnedFd,
        deadline: Instant,
    ) -> Result<(), Reported> {
        let Some(source) = Source::of_section(self.server) else { return Ok(()) };
        let mut key = Key::NONE;
        source.key(environment, &mut key)?;
        prove(socket, &key, deadline).map_err(|why| self.report(&why))
    }
}
