//! `k8psh --probe`: whether servers are up, for the probes of containers that have no shell. Starts nothing.
//!
//! A kernel accepts connections for a process that hangs, so the server is asked something: [`frame::PROBE`].

use crate::client::connect::connect;
use crate::client::route::Route;
use crate::config::Server;
use crate::config::file::{self, Loaded};
use crate::diag::Reported;
use crate::options::settings::Settings;
use crate::options::value::Transport;
use crate::protocol::frame;
use crate::secure::channel::{Channel, Sealed};
use crate::secure::record::RECORD;
use crate::sys::clock::Instant;
use crate::sys::program::{Environment, Program};
use crate::sys::socket::tcp;
use crate::sys::statics::StaticCell;
use crate::sys::{fd, poll};
use crate::told;
use core::ffi::CStr;
use core::net::{IpAddr, SocketAddr};
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{Shutdown, sockopt};

/// Probes the server of that name, or every server that has commands, up to the first that does not answer.
pub fn run(
    program: &Program,
    config: Option<&'static CStr>,
    name: Option<&'static CStr>,
    milliseconds: u64,
) -> Result<(), Reported> {
    static SEALED: StaticCell<Sealed> = StaticCell::new([0; RECORD]);
    let sealed = SEALED.take();
    let deadline = Instant::after(milliseconds);
    let loaded = file::load(config, &program.environment)?;
    let Some(name) = name else {
        let mut servers = loaded.config.servers().filter(|server| server.has_commands());
        return servers.try_for_each(|server| probe(server, loaded, &program.environment, sealed, deadline));
    };
    let server = loaded.config.server(name.to_bytes());
    let server = server.ok_or_else(|| told!("{}: there is no server {}", loaded.path(), name))?;
    probe(server, loaded, &program.environment, sealed, deadline)
}

/// Whether the server is up. What it is asked is decided here and nowhere else.
fn probe(
    server: Server<'static>,
    loaded: Loaded<'static>,
    environment: &Environment,
    sealed: &mut Sealed,
    deadline: Instant,
) -> Result<(), Reported> {
    let settings = Settings::of_section(server, loaded)?;
    let mut route = Route::to(server, &settings, environment)?;
    if route.transport == Transport::Auto {
        // The port is open to every user, the direct transport's name may not be.
        route.transport = Transport::Relay;
    }
    if settings.trigger.is_some() {
        return look(settings.listen, server.port()).map_err(|errno| route.report(&errno));
    }
    let socket = connect(&route, deadline, false).map_err(|errno| route.report(&errno))?.socket;
    let keys = route.authenticate(environment, &socket, deadline)?;
    ask(&socket, Channel::of_initiator(keys, sealed), deadline).map_err(|errno| route.report(&errno))
}

/// Looks for a trigger without connecting, which would set it off: where something listens on a port, a socket with
/// `SO_REUSEADDR` cannot bind it (`EADDRINUSE`; socket(7)).
fn look(address: IpAddr, port: u16) -> Result<(), Errno> {
    let socket = tcp::socket(&address)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    match rustix::net::bind(&socket, &SocketAddr::new(address, port)) {
        Err(Errno::ADDRINUSE) => Ok(()),
        Ok(()) => Err(Errno::CONNREFUSED),
        Err(errno) => Err(errno),
    }
}

/// Bytes of the longest answer: a padded record.
const ANSWER: usize = 2048;

/// Asks the server, and waits for its answer.
fn ask(socket: &fd::OwnedFd, mut channel: Channel<'_>, deadline: Instant) -> Result<(), Errno> {
    channel.seal(frame::PROBE);
    fd::send(socket, channel.unsent(frame::PROBE))?;
    // The end of the request. Where the connection has ended already this fails, which the answer shows as well.
    let _ = rustix::net::shutdown(socket, Shutdown::Write);
    let mut inbox = [0; ANSWER];
    loop {
        poll::is_ready(socket.as_fd(), PollFlags::IN, deadline.remaining());
        match fd::receive(socket, channel.space(&mut inbox)) {
            Ok(count @ 1..) => channel.arrived(count),
            // A server of protocol 1 closes the connection when the request ends, without a frame.
            Ok(_) if channel.is_plain() => return Ok(()),
            Ok(_) => return Err(Errno::CONNRESET),
            Err(Errno::AGAIN) => return Err(Errno::TIMEDOUT),
            Err(errno) => return Err(errno),
        }
        match channel.next(&mut inbox) {
            Ok(Some([kind, ..])) if *kind == frame::Kind::Hello as u8 => return Ok(()),
            Ok(None) => {}
            _ => return Err(Errno::PROTO),
        }
    }
}
