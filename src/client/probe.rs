//! `k8psh --probe`: whether servers are up, for the probes of containers that have no shell. Starts nothing.
//!
//! A kernel accepts connections for a process that hangs, so the server is asked something: [`frame::PROBE`].

use super::connect::connect;
use super::route::Route;
use crate::config::Server;
use crate::config::file;
use crate::diag::Reported;
use crate::options::value::{TRIGGER, Transport};
use crate::protocol::frame;
use crate::sys::clock::Instant;
use crate::sys::program::{Environment, Program};
use crate::sys::socket::tcp;
use crate::sys::{fd, poll};
use crate::text::address::Address;
use crate::told;
use core::ffi::CStr;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::Shutdown;

/// Probes the server of that name, or every server that has commands, up to the first that does not answer.
pub fn run(
    program: &Program,
    config: Option<&'static CStr>,
    name: Option<&'static CStr>,
    milliseconds: u64,
) -> Result<(), Reported> {
    let deadline = Instant::after(milliseconds);
    let loaded = file::load(config, &program.environment)?;
    let Some(name) = name else {
        let mut servers = loaded.config.servers().filter(|server| server.has_commands());
        return servers.try_for_each(|server| probe(server, &program.environment, deadline));
    };
    let server = loaded.config.server(name.to_bytes());
    let server = server.ok_or_else(|| told!("{}: there is no server {}", loaded.path(), name))?;
    probe(server, &program.environment, deadline)
}

/// Whether the server is up. What it is asked is decided here and nowhere else.
fn probe(server: Server<'static>, environment: &Environment, deadline: Instant) -> Result<(), Reported> {
    let mut route = Route::to(server, environment)?;
    if route.transport == Transport::Auto {
        // The port is open to every user, the direct transport's name may not be.
        route.transport = Transport::Relay;
    }
    if server.option(TRIGGER).is_some() {
        return look(server).map_err(|errno| route.report(&errno));
    }
    let socket = connect(&route, deadline, false).map_err(|errno| route.report(&errno))?.socket;
    route.authenticate(environment, &socket, deadline)?;
    ask(&socket, deadline).map_err(|errno| route.report(&errno))
}

/// Looks for a trigger without connecting, which would set it off: where something listens on a port, a socket with
/// `SO_REUSEADDR` cannot bind it (`EADDRINUSE`; socket(7)).
fn look(server: Server<'static>) -> Result<(), Errno> {
    let address = server.option(b"--listen").and_then(|address| Address::parse(address.to_bytes()));
    let address = address.unwrap_or(Address::LOOPBACK);
    let socket = tcp::socket(&address)?;
    tcp::set_reused(&socket)?;
    match tcp::bind(&socket, &address, server.port()) {
        Err(Errno::ADDRINUSE) => Ok(()),
        Ok(()) => Err(Errno::CONNREFUSED),
        Err(errno) => Err(errno),
    }
}

/// Asks the server, and waits for its answer.
fn ask(socket: &fd::OwnedFd, deadline: Instant) -> Result<(), Errno> {
    fd::send(socket, frame::PROBE)?;
    // The end of the request. Where the connection has ended already this fails, which the answer shows as well.
    let _ = rustix::net::shutdown(socket, Shutdown::Write);
    poll::is_ready(socket.as_fd(), PollFlags::IN, deadline.remaining());
    let mut answer = [0; frame::HEADER];
    match fd::receive(socket, &mut answer) {
        Ok(1..) if answer[0] == frame::Kind::Hello as u8 => Ok(()),
        Ok(1..) => Err(Errno::PROTO),
        // A server of protocol 1 closes the connection when the request ends, without a frame.
        Ok(0) => Ok(()),
        Err(Errno::AGAIN) => Err(Errno::TIMEDOUT),
        Err(errno) => Err(errno),
    }
}
