//! The route to a server: its address, its port, and the transports that may lead there.

use crate::auth::handshake::prove;
use crate::auth::proof::Key;
use crate::auth::token::Source;
use crate::config::Server;
use crate::exit;
use crate::fail;
use crate::options::value::{Transport, user};
use crate::sys::clock::Instant;
use crate::sys::fd::OwnedFd;
use crate::sys::process::exit;
use crate::sys::program::Environment;
use crate::text::address;
use crate::text::bytes::until;
use crate::text::line::Show;
use core::ffi::CStr;
use core::net::IpAddr;

/// A way to a server.
#[derive(Clone, Copy)]
pub(super) struct Route {
    pub(super) host: IpAddr,
    pub(super) port: u16,
    pub(super) transport: Transport,
    /// The user that a server at the other end of the direct transport has to be.
    pub(super) user: Option<u32>,
}

/// The variable that forces one transport.
const TRANSPORT: &[u8] = b"K8PSH_TRANSPORT";

/// The way to a server: as the caller says, else as the section does.
pub(super) fn route(server: Server<'static>, environment: &Environment) -> Route {
    let asked = environment
        .get(TRANSPORT)
        .filter(|name| !name.is_empty())
        .or_else(|| server.option(b"--transport").map(CStr::to_bytes));
    let transport = asked.map_or(Some(Transport::Auto), Transport::named);
    let user = server.option(b"--server-uid").and_then(|list| user(until(list.to_bytes(), b',')));
    let Some(transport) = transport else {
        fail!(exit::UNAVAILABLE, "transport {}: there are auto, direct, relay", asked.unwrap_or_default())
    };
    let mut way = Route { host: address::LOOPBACK, port: server.port(), transport, user };
    if let Some(host) = server.option(b"--connect") {
        // There is no resolver here: it would be larger than all of this.
        way.host = address::parse(host.to_bytes()).unwrap_or_else(|| {
            fail!(
                exit::UNAVAILABLE,
                "--connect {}: not an address; names are not looked up; {} has a Service's",
                host,
                "${NAME_SERVICE_HOST}"
            )
        });
        way.transport = Transport::Relay;
    }
    if Source::of_section(server).is_some() {
        // The server has no other one open.
        way.transport = Transport::Relay;
    }
    way
}

/// Ends this process with that code: with the server at the other end of this way it cannot go on.
pub(super) fn fail_at(code: u8, server: Server<'static>, way: &Route, reason: &dyn Show) -> ! {
    let is_direct = way.transport == Transport::Direct;
    let host: &dyn Show = if is_direct { &"k8psh" } else { &way.host };
    if is_direct || way.host.is_ipv4() {
        fail!(code, "server {} at {}:{}: {}", server.name(), host, way.port, reason);
    }
    fail!(code, "server {} at [{}]:{}: {}", server.name(), host, way.port, reason)
}

/// Has both ends prove the token of the server's section, where it has one, until then. Otherwise this process ends with
/// that code.
#[inline(never)]
pub(super) fn pass(
    code: u8,
    server: Server<'static>,
    way: &Route,
    environment: &Environment,
    socket: &OwnedFd,
    deadline: Instant,
) {
    let Some(source) = Source::of_section(server) else { return };
    let mut key = Key::NONE;
    if source.key(environment, &mut key).is_err() {
        exit(code)
    }
    if let Err(why) = prove(socket, &key, deadline) {
        fail_at(code, server, way, &why)
    }
}
