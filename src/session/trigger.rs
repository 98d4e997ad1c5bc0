//! A session of a trigger: the connection itself is the command's stdin, stdout and stderr. While the command runs, this
//! process only watches it for its end, and reads and writes nothing.

use super::command::Refused;
use super::event_loop::{Client, Session};
use super::service::Service;
use crate::options::settings::{NOT_FOR_STUBS, ONE_COMMAND};
use crate::protocol::frame::{HEADER, Kind, PROBE, STUB, frame, header, join};
use crate::protocol::request::Request;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::poll;
use crate::sys::socket::tcp;
use crate::text::line::Line;
use crate::{add, exit, limits};
use rustix::event::PollFlags;
use rustix::fd::AsFd;

/// Bytes of a variable with the number of a stream.
const STREAM: usize = HEADER + 18;

/// What the request of a stub says whose three streams go along.
const STREAMS: [u8; 3 * STREAM] = join(&[&stream(b"0"), &stream(b"1"), &stream(b"2")]);

/// The frame that says that the stream of this number goes along.
const fn stream(number: &[u8]) -> [u8; STREAM] {
    frame(Kind::Variable, &join::<{ STREAM - HEADER }>(&[b"K8PSH_DESCRIPTOR=", number]))
}

impl Session<'_> {
    /// Starts the command of a trigger. This process plays the stub that asks for it, whose streams are the connection.
    pub(super) fn begin_trigger(&mut self) {
        let (Some(name), Some(socket)) = (self.service.settings.plain_trigger(), self.state.link.socket()) else {
            return;
        };
        let _ = tcp::set_keepalive(socket, limits::KEEPALIVE_S, limits::KEEPALIVE_COUNT);
        if !self.channel.is_plain() || is_stub(socket) {
            // It is told in frames, once its request is complete, whether it may ask for that.
            return;
        }
        for _ in 0..3 {
            // One that is missing is noticed when they are counted.
            let _ = fd::duplicate(socket).map(|stream| self.passed.push(Some(stream)));
        }
        self.client = Client::Plain;
        self.server_end.be_plain();
        self.process(&STREAMS);
        self.process(&header(Kind::Start, u32::try_from(name.count_bytes()).unwrap_or(0)));
        self.process(name.to_bytes());
    }

    /// Restricts the request of a trigger's stub to what a plain client gets, or adds to `reason` why it gets nothing. Only
    /// a stub with the token may set off a trigger.
    pub(super) fn restrict(&self, request: &mut Request<'_>, reason: &mut Line) -> Result<(), Refused> {
        let Service { server, settings, .. } = self.service;
        let Some(trigger) = settings.trigger.filter(|_| self.client != Client::Plain) else { return Ok(()) };
        if self.channel.is_plain() {
            add!(reason, NOT_FOR_STUBS, server.name(), server.port());
        } else if request.command() != trigger || request.arguments().next().is_some() {
            add!(reason, ONE_COMMAND, server.name(), trigger);
        } else {
            *request = request.bare();
            return Ok(());
        }
        Err(Refused(exit::UNAVAILABLE))
    }
}

/// Whether what has come is the request of a stub, which comes at once. A client that says nothing waits this long.
fn is_stub(socket: &OwnedFd) -> bool {
    let mut start = [0; STUB];
    poll::is_ready(socket.as_fd(), PollFlags::IN, limits::SNIFF_MS);
    fd::peek(socket, &mut start).is_ok() && PROBE.starts_with(&start)
}
