//! The poll loop of a session: what it waits for, and what it does about it.

use super::command::{self, Passed};
use super::connection::{Accepted, Peer};
use super::deadlines::Due;
use super::log::{EndReason, Record};
use super::phases::{Command, Link, Patience, State};
use super::service::{Intake, Service};
use super::status::board::Phase;
use crate::http::answer;
use crate::http::exchange::Exchange;
use crate::options::value::uids;
use crate::protocol::server::{self, ServerEnd};
use crate::protocol::{ProtocolError, Which};
use crate::secure::channel::{Channel, Sealed};
use crate::secure::handshake::{Ephemeral, Responder};
use crate::secure::record::RECORD;
use crate::sys::clock::Instant;
use crate::sys::fd::{Conduit, OwnedFd};
use crate::sys::process::{self, Children};
use crate::sys::socket::tcp;
use crate::sys::statics::wipe;
use crate::sys::watch::{Ready, Watch};
use crate::text::name;
use crate::{debug, limits, report};
use core::ffi::CStr;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::net::Shutdown;

/// The slots of the poll loop.
const SIGNALS: usize = 0;
const CONNECTION: usize = 1;
const INPUT: usize = 2;
const OUTPUT: usize = 3;

/// Why a command ends that has run long enough.
pub(super) const OVERTIME: &str = "its time is over (--session-timeout)";

/// The memory of one session after the other, of which each leaves nothing to the next.
pub struct Buffers {
    passed: Passed,
    command: command::Buffers,
    inbox: [u8; limits::INBOX],
    server_end: server::Buffers,
    sealed: Sealed,
    answer: answer::Buffer,
}

impl Buffers {
    /// Nothing in them.
    pub const EMPTY: Buffers = Buffers {
        passed: Passed::new(),
        command: command::Buffers::EMPTY,
        inbox: [0; limits::INBOX],
        server_end: server::Buffers::EMPTY,
        sealed: [0; RECORD],
        answer: [0; answer::SIZE],
    };

    /// Closes the descriptors that no command took, and wipes the bytes that the session has received and sent.
    pub fn clear(&mut self) {
        self.passed.clear();
        self.command.wipe();
        let server::Buffers { request, outbox, input } = &mut self.server_end;
        for buffer in [&mut request[..], outbox, input, &mut self.inbox, &mut self.sealed, &mut self.answer] {
            wipe(buffer);
        }
    }
}

/// The kind of client at the other end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Client {
    /// A stub, by TCP.
    Stub,
    /// A stub of this Pod, whose descriptors come along.
    DirectStub,
    /// The client of a trigger, which sends and gets plain bytes.
    Plain,
    /// The client of a trigger, which speaks HTTP.
    Http,
}

/// A session.
pub struct Session<'s> {
    pub(super) service: &'s Service<'s>,
    pub(super) signals: &'s OwnedFd,
    /// Where this process's next connection comes from; closed when there is to be none.
    pub(super) intake: &'s mut dyn Intake,
    /// The process of the listener.
    pub(super) parent: i32,
    pub(super) client: Client,
    pub(super) server_end: ServerEnd<'s>,
    /// What the connection's bytes go through.
    pub(super) channel: Channel<'s>,
    pub(super) state: State<OwnedFd>,
    /// The command's name, for messages, once a request has told it.
    pub(super) name: &'s CStr,
    /// What the log tells of it.
    pub(super) record: Record<'s>,
    /// The descriptors that have come along with the request.
    pub(super) passed: &'s mut Passed,
    pub(super) command_buffers: &'s mut command::Buffers,
    /// The request by HTTP, where the client speaks that.
    pub(super) exchange: Exchange<'s>,
    /// Where the connection is read to.
    inbox: &'s mut [u8],
    /// What moves large streams to the connection.
    pub(super) conduit: Conduit,
    /// Whether bytes of stdin wait to be written with what comes next: see [`limits::COALESCE_BYTES`].
    pub(super) coalesces: bool,
    /// Whether this process may be kept for another session: neither its buffers nor its table of descriptors have
    /// become large, and no descriptor of this one is left.
    pub(super) is_reusable: bool,
}

impl<'s> Session<'s> {
    /// Runs the session of this connection. `handshake`: what answers its first message, in a section with a token.
    /// `parent`: the listener's PID. Returns whether this process can serve another connection: nothing of this one is left in
    /// it.
    pub fn serve(
        connection: Accepted,
        handshake: Option<(Responder, Ephemeral)>,
        buffers: &'s mut Buffers,
        intake: &'s mut dyn Intake,
        signals: &'s OwnedFd,
        service: &'s Service<'s>,
        parent: i32,
    ) -> bool {
        if !connection.is_direct {
            // What is sent leaves at once, not when what was sent before it is acknowledged (tcp(7)).
            let _ = rustix::net::sockopt::set_tcp_nodelay(&connection.socket, true);
        }
        let unconfirmed = handshake.map(|handshake| connection.answer(handshake));
        let limit = if unconfirmed.is_some() { limits::PROOF_MS } else { limits::REQUEST_MS };
        let mut session = Session {
            service,
            signals,
            intake,
            parent,
            client: if connection.is_direct { Client::DirectStub } else { Client::Stub },
            server_end: ServerEnd::new(&mut buffers.server_end, name::SERVER),
            channel: Channel::of_responder(unconfirmed, &mut buffers.sealed),
            record: Record::new(connection.peer()),
            state: State::new(connection.socket, limit, Instant::now()),
            name: c"a connection",
            passed: &mut buffers.passed,
            command_buffers: &mut buffers.command,
            exchange: Exchange::new(&mut buffers.answer),
            inbox: &mut buffers.inbox,
            conduit: Conduit::default(),
            coalesces: false,
            is_reusable: true,
        };
        session.run()
    }

    fn run(&mut self) -> bool {
        if !self.is_welcome() {
            self.disconnect();
            return self.is_reusable;
        }
        let inbox = core::mem::take(&mut self.inbox);
        self.begin_trigger(inbox);
        while !self.advance() {
            let ready = self.wait();
            self.on_ready(&ready, inbox);
        }
        self.record.status = self.exchange.answer.status();
        self.record.ended(self.service, self.state.command.end());
        // Descriptors that no command took are closed by the end of this process: closing one may take as long as its peer or
        // its file system likes (SO_LINGER, socket(7)), which the end of a process does not wait for.
        let has_leftovers = self.passed.iter().any(Option::is_some);
        self.leave_terminal() && self.is_reusable && !has_leftovers && process::reap() == Children::None
    }

    /// Whether the stub's user may use the direct transport. To one that may not it looks as if there were none, and it uses
    /// the other.
    fn is_welcome(&self) -> bool {
        let (Some(list), Client::DirectStub) = (self.service.settings.allow_uids, self.client) else { return true };
        let peer = self.record.peer;
        let is_welcome = matches!(peer, Peer::User(user) if uids(list).any(|known| known == Some(user)));
        if !is_welcome {
            debug!(Session, "{}: not in --allow-uid", peer);
        }
        is_welcome
    }

    /// Does what is due and what can be done without waiting. Whether the session is over.
    fn advance(&mut self) -> bool {
        if self.server_end.check().is_err() {
            self.protocol_error(&ProtocolError::Overrun);
        }
        let now = Instant::now();
        while let Some(due) = self.state.due(now) {
            self.on_deadline(due, now);
        }
        self.report_end();
        self.is_reusable &= self.server_end.kept() <= limits::REUSE_BYTES;
        self.transmit(now);
        self.state.is_over()
    }

    fn on_deadline(&mut self, due: Due, now: Instant) {
        match due {
            Due::Request => self.give_up_request(now),
            Due::Flush => self.flush(),
            Due::Linger => self.stop_lingering(now),
            Due::Timeout => self.time_out(),
            Due::Terminal => self.look_at_terminal(),
            Due::Kill => self.kill(now),
            Due::Leave => self.disconnect(),
        }
    }

    /// The request did not come in time. A stub that this server has answered does not go to another server: during a drain
    /// it gets more time.
    fn give_up_request(&mut self, now: Instant) {
        let has_answered = !self.channel.is_plain() || self.server_end.negotiated;
        if has_answered && self.state.link.extend(now) {
            return;
        }
        if let Link::AwaitingRequest { limit, .. } = self.state.link {
            report!("a connection did not deliver its request within {} ms", limit);
        }
        self.disconnect();
    }

    /// The command has run long enough.
    fn time_out(&mut self) {
        if let Command::Running { until, .. } = &mut self.state.command {
            *until = Instant::NEVER;
        }
        self.end_command(EndReason::Timeout, &OVERTIME);
    }

    /// Waits for what can make progress.
    fn wait(&self) -> Ready {
        let mut watch = Watch::new();
        watch.add(SIGNALS, self.signals.as_fd(), PollFlags::IN);
        if let Some(socket) = self.state.link.socket() {
            watch.add(CONNECTION, socket.as_fd(), self.connection_events());
        }
        if let Some(streams) = self.state.command.streams() {
            if let Some(input) = &streams.input {
                // Without a reader, an error comes even where nothing is waited for.
                let mut events = PollFlags::empty();
                events.set(PollFlags::OUT, self.server_end.has_input());
                watch.add(INPUT, input.as_fd(), events);
            }
            for which in Which::BOTH {
                let output = &streams.outputs[which as usize];
                if let Some(output) = output.as_ref().filter(|_| self.wanted(which) > 0) {
                    watch.add(OUTPUT + which as usize, output.as_fd(), PollFlags::IN);
                }
            }
        }
        watch.wait(self.state.next_deadline())
    }

    /// What the connection is watched for. That its other end hangs up is told in any case.
    fn connection_events(&self) -> PollFlags {
        let has_outgoing = self.has_outgoing();
        let (may_read, may_write) = match self.state.link {
            // A half-close is for the command.
            Link::Lent { .. } => return PollFlags::empty(),
            Link::Lingering { .. } => (true, has_outgoing),
            Link::Relaying { flush_at, .. } => (self.server_end.has_room(), has_outgoing && flush_at == Instant::NEVER),
            _ => (self.server_end.has_room(), has_outgoing),
        };
        // The end of the lease is told even while a full buffer keeps the connection from being read.
        let mut events = PollFlags::RDHUP;
        events.set(PollFlags::IN, may_read);
        events.set(PollFlags::OUT, may_write);
        events
    }

    /// Does what can be done: signals first, then what the client says, then the command's streams.
    fn on_ready(&mut self, ready: &Ready, inbox: &mut [u8]) {
        if !ready.of(SIGNALS).is_empty() {
            self.take_signals();
        }
        if !ready.of(CONNECTION).is_empty() {
            self.receive(ready.of(CONNECTION), inbox);
        }
        if !ready.of(INPUT).is_empty() {
            self.on_input_ready(ready.of(INPUT));
        }
        for which in Which::BOTH {
            if !ready.of(OUTPUT + which as usize).is_empty() {
                self.read_output(which);
            }
        }
    }

    /// Everything is said that the client is to hear.
    pub(super) fn begin_linger(&mut self) {
        let is_plain = self.client == Client::Plain;
        let patience = if is_plain { Patience::WhileReading(0) } else { Patience::UntilAcknowledged };
        self.state.link.linger(patience, Instant::now());
        self.record.note(Phase::Lingering);
    }

    /// The client has had its time to read the end. One that reads slowly gets more: what it still sends would otherwise
    /// make its kernel drop what it has not read (RFC 2525, 2.17). Any other holder of the socket, such as a
    /// process that the command left behind, loses the connection.
    fn stop_lingering(&mut self, now: Instant) {
        let has_outgoing = self.has_outgoing();
        let Link::Lingering { socket, until, patience } = &mut self.state.link else { return };
        let has_more_time = match patience {
            Patience::None => false,
            // By the direct transport, what was sent is where the stub reads it already.
            Patience::UntilAcknowledged => {
                has_outgoing || self.client == Client::Stub && tcp::unacknowledged(socket) > 0
            }
            Patience::WhileReading(before) => {
                let arrived = tcp::traffic(socket).acknowledged;
                core::mem::replace(before, arrived) != arrived
            }
        };
        if has_more_time {
            *until = now.plus(limits::LINGER_MS);
        } else {
            let _ = rustix::net::shutdown(&*socket, Shutdown::Both);
            self.disconnect();
        }
    }
}
