//! A session of a trigger: the connection itself is the command's stdin, stdout and stderr. While the command runs, this
//! process only watches it for its end, and reads and writes nothing. By HTTP it plays the stub: it asks for the command in the
//! request's place, passes the body on as its stdin, and makes the answer of what the session sends.

use super::command::Refused;
use super::event_loop::{Client, Session};
use super::phases::Patience;
use super::service::Service;
use crate::http::Fault;
use crate::http::exchange::Exchange;
use crate::http::head::Head;
use crate::options::settings::{NOT_FOR_STUBS, ONE_COMMAND};
use crate::options::value::Http;
use crate::protocol::frame::{HEADER, Kind, PROBE, STATUS, STUB, attribute, frame, header, join};
use crate::protocol::request::Request;
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::poll;
use crate::sys::socket::tcp;
use crate::text::line::Line;
use crate::{add, exit, limits, line, report};
use core::ffi::CStr;
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
    pub(super) fn begin_trigger(&mut self, inbox: &mut [u8]) {
        let (Some(name), Some(socket)) = (self.service.settings.plain_trigger(), self.state.link.socket()) else {
            return;
        };
        let _ = tcp::set_keepalive(socket, limits::KEEPALIVE_S, limits::KEEPALIVE_COUNT);
        if !self.channel.is_plain() || is_stub(socket) {
            // It is told in frames, once its request is complete, whether it may ask for that.
            return;
        }
        if self.service.settings.http.is_some() {
            return self.begin_exchange(name, inbox);
        }
        for _ in 0..3 {
            // One that is missing is noticed when they are counted.
            let _ = fd::duplicate(socket).map(|stream| self.passed.push(Some(stream)));
        }
        self.client = Client::Plain;
        self.server_end.be_plain();
        self.process(&STREAMS);
        self.say(Kind::Start, &[name.to_bytes()]);
    }

    /// Restricts the request of a trigger's stub to what a plain client gets, or adds to `reason` why it gets nothing. Only
    /// a stub with the token may set off a trigger.
    pub(super) fn restrict(&self, request: &mut Request<'_>, reason: &mut Line) -> Result<(), Refused> {
        let Service { server, settings, .. } = self.service;
        let Some(trigger) = settings.trigger.filter(|_| !matches!(self.client, Client::Plain | Client::Http)) else {
            return Ok(());
        };
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

    /// Starts the command of a trigger for a request whose head was checked, and is there.
    // Out of line: its caller is the loop of every session.
    #[inline(never)]
    fn begin_exchange(&mut self, command: &CStr, inbox: &mut [u8]) {
        let count = self.state.link.socket().map_or(Ok(0), |socket| fd::receive(socket, inbox)).unwrap_or(0);
        let Ok(Some(head)) = Head::read(&inbox[..count]) else { return self.disconnect() };
        (self.client, self.record.is_http) = (Client::Http, true);
        if !head.is_for(command.to_bytes()) {
            return self.refuse_request(Fault::Path);
        }
        let exchange = &mut self.exchange;
        (exchange.body, exchange.waits, exchange.answer.has_chunks) = (head.body, head.waits, head.has_chunks);
        exchange.is_async = head.is_async && self.service.settings.detach_on_close;
        self.say(Kind::Variable, &[attribute::ONE_OUTPUT, b"=1"]);
        self.say_address();
        head.visit_variables(&mut |parts| self.say(Kind::Variable, parts));
        self.say(Kind::Start, &[command.to_bytes()]);
        self.take_body(head.rest);
    }

    /// Its variable for the client's address.
    fn say_address(&mut self) {
        self.say(Kind::Variable, &[line!("REMOTE_ADDR={}", self.record.peer).bytes()]);
    }

    /// Tells the client what is wrong with its request.
    fn refuse_request(&mut self, fault: Fault) {
        report!("{}: {}", self.record.peer, fault);
        if let Some(socket) = self.state.link.socket() {
            let _ = fd::send(socket, fault.answer().bytes());
        }
        self.begin_linger();
    }

    /// Takes a frame as if a stub had sent it.
    fn say(&mut self, kind: Kind, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        self.process(&header(kind, u32::try_from(length).unwrap_or(0)));
        parts.iter().for_each(|part| self.process(part));
    }

    /// The command has started.
    pub(super) fn begin_answer(&mut self) {
        if self.client == Client::Http {
            let Exchange { body, waits, is_async, answer, .. } = &mut self.exchange;
            let is_stream = self.service.settings.http == Some(Http::Stream);
            answer.begin(is_stream && !*is_async, *waits && !body.is_complete());
        }
    }

    /// Bytes of the request's body have come.
    pub(super) fn take_body(&mut self, mut arrived: &[u8]) {
        loop {
            match self.exchange.body.take(&mut arrived) {
                Ok(b"") => break,
                Ok(bytes) => self.say(Kind::Input, &[bytes]),
                Err(fault) => {
                    self.exchange.answer.refuse(fault);
                    return self.protocol_error(&fault);
                }
            }
        }
        if self.exchange.body.is_complete() && !core::mem::replace(&mut self.exchange.has_ended, true) {
            self.say(Kind::Input, &[]);
            self.exchange.answer.begin_stream();
            if self.exchange.is_async && self.state.command.is_running() {
                self.exchange.answer.accept(&self.record.session());
                // Not the session, which goes on: its command runs.
                self.state.link.linger(Patience::UntilAcknowledged, Instant::now());
            }
        }
    }
}

/// Whether what has come is the request of a stub, or the question of what runs here, which come at once. A client that says
/// nothing waits this long.
fn is_stub(socket: &OwnedFd) -> bool {
    let mut start = [0; STUB];
    poll::is_ready(socket.as_fd(), PollFlags::IN, limits::SNIFF_MS);
    let has_come = fd::peek(socket, &mut start).is_ok();
    has_come && (PROBE.starts_with(&start) || STATUS.iter().any(|question| start.starts_with(question)))
}
