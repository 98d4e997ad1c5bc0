//! `k8psh --probe`: whether servers are up, for the probes of containers that have no shell. `k8psh --status`: what they
//! run. Neither starts anything.
//!
//! A kernel accepts connections for a process that hangs, so a probe asks the server something: [`frame::PROBE`].

use super::connect::connect;
use super::route::Route;
use crate::config::Server;
use crate::config::file::{self, Loaded};
use crate::diag::{self, Reported, array};
use crate::options::settings::Settings;
use crate::protocol::Decoder;
use crate::protocol::frame::{self, Kind};
use crate::secure::channel::{Channel, Sealed};
use crate::secure::record::RECORD;
use crate::sys::clock::Instant;
use crate::sys::program::{Environment, Program};
use crate::sys::socket::tcp;
use crate::sys::statics::StaticCell;
use crate::sys::{fd, poll};
use crate::text::line::Show;
use crate::text::packed::Text;
use crate::{reported, text};
use core::ffi::CStr;
use core::net::{IpAddr, SocketAddr};
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{Shutdown, sockopt};

/// What a server is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Whether it answers.
    Probe,
    /// What it runs.
    Status,
}

/// Asks the server of that name, or every server that has commands: a probe up to the first that does not answer, and for
/// the status those that a connection alone does not set off.
pub fn run(
    program: &Program,
    config: Option<&'static CStr>,
    (question, name): (Question, Option<&'static CStr>),
    milliseconds: u64,
    is_json: bool,
) -> Result<(), Reported> {
    static BUFFERS: StaticCell<[Sealed; 2]> = StaticCell::new([[0; RECORD]; 2]);
    let buffers = BUFFERS.take();
    let loaded = file::load(config, &program.environment)?;
    array::begin(is_json);
    let deadline = Instant::after(milliseconds);
    let is_named = name.is_some();
    let mut ask = |server, deadline| ask((question, is_named), server, loaded, &program.environment, buffers, deadline);
    let mut outcome = Ok(());
    if let Some(name) = name {
        let server = loaded.config.server(name.to_bytes());
        outcome = match server {
            Some(server) => ask(server, deadline),
            None => Err(reported!("{}: there is no server {}", loaded.path(), name)),
        };
    }
    for server in loaded.config.servers().filter(|server| name.is_none() && server.has_commands()) {
        match question {
            Question::Probe => ask(server, deadline)?,
            // Each has that time: one that does not answer hides no other.
            Question::Status => outcome = ask(server, Instant::after(milliseconds)).and(outcome),
        }
    }
    array::end(&mut diag::output());
    outcome
}

/// Asks a server, which was named or is one of many. What it is asked is decided here and nowhere else.
fn ask(
    (question, is_named): (Question, bool),
    server: Server<'static>,
    loaded: Loaded<'static>,
    environment: &Environment,
    [sealed, inbox]: &mut [Sealed; 2],
    deadline: Instant,
) -> Result<(), Reported> {
    let settings = Settings::of_section(server, loaded)?;
    let route = Route::to(server, &settings, environment)?.for_question();
    let is_set_off = settings.plain_trigger().is_some() && settings.http.is_none() && settings.token().is_none();
    if question == Question::Status && is_set_off {
        let why = || reported!("section {} is a trigger: its log tells what it runs", server.name());
        return if is_named { Err(why()) } else { Ok(()) };
    }
    if question == Question::Probe && settings.plain_trigger().is_some() {
        return look(settings.listen, server.port()).map_err(|errno| route.report(&errno));
    }
    let socket = connect(&route, deadline, false).map_err(|errno| route.report_unreachable(errno))?.socket;
    let keys = route.authenticate(environment, &socket, deadline).map_err(|why| route.refused(why))?;
    talk(question, &socket, Channel::of_initiator(keys, sealed), inbox, deadline).map_err(|errno| {
        route.report(match errno {
            Errno::TIMEDOUT => &SILENT,
            Errno::ACCESS => &UNASKED,
            _ => &errno,
        })
    })
}

/// Why a server does not answer the question.
const SILENT: Text = text!("timed out; at its --max-sessions it answers later: see --timeout");
const UNASKED: Text = text!("it wants a token, and the section here has none");

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

/// Asks the server at the other end, and waits for its answer.
fn talk(
    question: Question,
    socket: &fd::OwnedFd,
    mut channel: Channel<'_>,
    inbox: &mut Sealed,
    deadline: Instant,
) -> Result<(), Errno> {
    let words = match question {
        Question::Probe => frame::PROBE,
        Question::Status => &frame::STATUS[usize::from(array::is_array())],
    };
    channel.seal(words);
    fd::send(socket, channel.unsent(words))?;
    if question == Question::Probe {
        // The end of the request. Where the connection has ended already this fails, which the answer shows as well.
        let _ = rustix::net::shutdown(socket, Shutdown::Write);
    }
    let (mut decoder, mut out) = (Decoder::new(), diag::output());
    loop {
        poll::is_ready(socket.as_fd(), PollFlags::IN, deadline.remaining());
        match fd::receive(socket, channel.space(inbox)) {
            Ok(count @ 1..) => channel.arrived(count),
            // A server of protocol 1 closes the connection when the request ends, without a frame.
            Ok(_) if question == Question::Probe && channel.is_plain() => return Ok(()),
            Ok(_) => return Err(Errno::CONNRESET),
            Err(Errno::AGAIN) => return Err(Errno::TIMEDOUT),
            Err(errno) => return Err(errno),
        }
        while let Some(mut content) = channel.next(inbox).map_err(|_| Errno::PROTO)? {
            while let Some(chunk) = decoder.next(&mut content).map_err(|_| Errno::PROTO)? {
                match (question, chunk.kind, chunk.number) {
                    (Question::Probe, Kind::Hello, _) => return Ok(()),
                    (Question::Status, Kind::Output, 1..) => {
                        if chunk.first {
                            array::next().show(&mut out);
                        }
                        out.add(chunk.bytes);
                        if chunk.last {
                            array::has_object();
                            out.flush();
                        }
                    }
                    (Question::Status, Kind::Exit, 0) => return Ok(()),
                    // It explains that it wants a token.
                    (Question::Status, Kind::Hello, _) => return Err(Errno::ACCESS),
                    // Both streams end.
                    (Question::Status, Kind::Output | Kind::Error, 0) => {}
                    // A server that has no such answer takes the question for a command.
                    (Question::Status, Kind::Error, _) => return Err(Errno::NOSYS),
                    _ => return Err(Errno::PROTO),
                }
            }
        }
    }
}
