//! `k8psh --probe`: whether servers are up, for the probes of containers that have no shell. Starts nothing.
//!
//! A kernel accepts connections for a process that hangs, so the server is asked something: [`frame::PROBE`].

use super::connect::connect;
use super::route::{Route, fail_at, pass, route as way};
use crate::config::Server;
use crate::config::file as configuration;
use crate::options::value::{TRIGGER, Transport};
use crate::protocol::frame;
use crate::sys::clock::Instant;
use crate::sys::fd;
use crate::sys::poll;
use crate::sys::process::exit;
use crate::sys::program::{Environment, Program};
use crate::sys::socket::tcp;
use crate::text::address;
use crate::{exit, fail};
use core::ffi::CStr;
use core::net::SocketAddr;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::{Errno, Result};

/// Plays the role: asks the server of that name, or all that have commands. Ends with the first that does not answer.
pub fn main(program: &Program, config: Option<&'static CStr>, name: Option<&'static CStr>, milliseconds: u64) -> ! {
    let deadline = Instant::after(milliseconds);
    let environment = &program.environment;
    let Ok(loaded) = configuration::load(config, environment) else { exit(exit::FAILURE) };
    let mut is_known = name.is_none();
    for server in loaded.config.servers() {
        if name.map_or_else(|| server.has_commands(), |name| server.name() == name) {
            is_known = true;
            probe(server, environment, deadline);
        }
    }
    if !is_known {
        fail!(exit::FAILURE, "{}: there is no server {}", loaded.path(), name.unwrap_or_default());
    }
    exit(exit::SUCCESS)
}

/// Ends this process if the server is not up.
///
/// What a server is asked is decided here and nowhere else.
fn probe(server: Server<'static>, environment: &Environment, deadline: Instant) {
    let mut way = way(server, environment);
    if way.transport == Transport::Auto {
        // Its port is open to every user.
        way.transport = Transport::Relay;
    }
    let is_trigger = server.option(TRIGGER).is_some();
    let result = if is_trigger { look(server) } else { ask(server, &way, environment, deadline) };
    if let Err(errno) = result {
        let errno = if errno == Errno::AGAIN { Errno::TIMEDOUT } else { errno };
        fail_at(exit::FAILURE, server, &way, &errno);
    }
}

/// Looks for a trigger without a connection, which would set it off: that something listens on a port shows when a socket
/// with `SO_REUSEADDR` cannot have it (`EADDRINUSE`; socket(7)).
fn look(server: Server<'static>) -> Result<()> {
    let address = server.option(b"--listen").and_then(|address| address::parse(address.to_bytes()));
    let address = address.unwrap_or(address::LOOPBACK);
    let socket = tcp::socket(&address)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    match rustix::net::bind(&socket, &SocketAddr::new(address, server.port())) {
        Err(Errno::ADDRINUSE) => Ok(()),
        result => Err(result.err().unwrap_or(Errno::CONNREFUSED)),
    }
}

/// Asks, and waits for the answer.
fn ask(server: Server<'static>, way: &Route, environment: &Environment, deadline: Instant) -> Result<()> {
    let socket = connect(way, deadline, false)?.socket;
    pass(exit::FAILURE, server, way, environment, &socket, deadline);
    fd::send(&socket, frame::PROBE)?;
    // The end of the request. It fails where the connection has ended already, which is found below.
    let _ = rustix::net::shutdown(&socket, rustix::net::Shutdown::Write);
    poll::is_ready(socket.as_fd(), PollFlags::IN, deadline.remaining());
    let mut answer = [0; frame::HEADER];
    match fd::receive(&socket, &mut answer)? {
        1.. if answer[0] != frame::Kind::Hello as u8 => Err(Errno::PROTO),
        // One of protocol 1 ends when the request does, without a word.
        _ => Ok(()),
    }
}
