//! One connection's process at the server: takes the request, starts the command, relays, reports, ends.
//!
//! The connection is a lease. When it goes before the command has ended, the command goes, and everything that it left
//! behind: this process is the one that its orphans fall to, so each of them can be found.

pub mod connection;
mod directory;
mod ending;
mod environment;
mod io;
pub mod launch;
pub mod log;
pub mod service;
mod streams;
mod trigger;

use crate::exit::End;
use crate::options::value::{MISPLACED, users};
use crate::protocol::request::Attributes;
use crate::protocol::server::{Buffers, ClientMessage, ServerEnd};
use crate::protocol::{ProtocolError, Which};
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::process::{self, Children};
use crate::sys::signal::{self, name};
use crate::sys::socket::unix;
use crate::sys::terminal::{self, Modes};
use crate::sys::watch::{Ready, Watch};
use crate::text::bytes::first;
use crate::text::line::{Line, Show};
use crate::{add, debug, exit, limits, report};
use connection::Accepted;
use core::ffi::CStr;
use io::Passed;
use launch::{self as command, Refused, Running};
use log::{EndReason, Record};
use rustix::event::PollFlags;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;
use service::{Intake, Service};

/// The slots of the poll loop.
const SIGNALS: usize = 0;
const CONNECTION: usize = 1;
const INPUT: usize = 2;
const OUTPUT: usize = 3;

/// Room for one session after the other, of which each leaves nothing to the next. What every session touches is in the
/// first pages of each part.
#[repr(C)]
pub struct Room {
    passed: Passed,
    command: command::Room,
    inbox: [u8; limits::INBOX],
    buffers: Buffers,
}

impl Room {
    /// Nothing in it.
    pub const EMPTY: Room = Room {
        passed: Passed::new(),
        command: command::Room::EMPTY,
        inbox: [0; limits::INBOX],
        buffers: Buffers::EMPTY,
    };

    /// Closes what came along and no command took.
    pub fn clear(&mut self) {
        self.passed.clear();
    }
}

/// Why a command ends that has run long enough.
const OVERTIME: &str = "its time is over (--session-timeout)";

/// A session. What is used most comes first, where short instructions reach it; what begins alike is beside each other, so
/// that one instruction sets it.
#[repr(C)]
pub struct Session<'s> {
    /// The connection, as long as there is one.
    connection: Option<OwnedFd>,
    is_direct: bool,
    /// Whether this process can serve another one.
    is_reusable: bool,
    /// Whether the connection is the command's streams, of which this process reads and writes nothing.
    is_trigger: bool,
    /// Whether everything is said that the stub is to hear.
    is_finished: bool,
    /// The descriptors that have come along with the request; `None` where none can.
    passed: Option<&'s mut Passed>,
    /// When the request has to be complete, until it is.
    request_by: Instant,
    /// When what the command left behind is told to end again.
    kill_at: Instant,
    /// How long what nobody waits for is kept.
    send_by: Instant,
    /// Until when the stub is waited for once everything is said.
    linger_until: Instant,
    /// When the command has run long enough.
    session_until: Instant,
    /// The command's name, for messages, once a request has told it.
    name: &'s CStr,
    /// Nothing yet, before it runs.
    command: Running,
    /// What had arrived at the peer of a command that has ended, in bytes, when that was looked at last.
    arrived: u64,
    /// What is left of its stdout and stderr to pass on then: what is in the pipes at that moment. A grandchild may hold
    /// them open and go on writing; a shell would not wait for it either.
    left: [usize; 2],
    /// Whether this process has no children left, while it is ending them.
    is_childless: bool,
    /// What the command and all its descendants are told while they are being ended: TERM, and KILL when the grace is
    /// over.
    ending: Option<u8>,
    /// How the command ended.
    end: Option<End>,
    /// While the stub is in the background: the process group that the foreground of the command's terminal is given back
    /// to.
    background: Option<i32>,
    work: &'s Service<'s>,
    signals: &'s OwnedFd,
    /// Where this process's next connection comes from; closed when there is to be none.
    intake: &'s mut dyn Intake,
    /// The listener.
    parent: i32,
    room: &'s mut command::Room,
    /// Where what the stub says is read to.
    inbox: &'s mut [u8],
    far: ServerEnd<'s>,
    /// What the log tells of it.
    record: Record<'s>,
}

impl<'s> Session<'s> {
    /// A session for this connection, of the listener that is process `parent`.
    #[inline(never)]
    pub fn new(
        connection: Accepted,
        room: &'s mut Room,
        intake: &'s mut dyn Intake,
        signals: &'s OwnedFd,
        work: &'s Service<'s>,
        parent: i32,
    ) -> Session<'s> {
        Session {
            work,
            signals,
            intake,
            parent,
            record: Record::new(connection.peer()),
            connection: Some(connection.socket),
            passed: (connection.is_direct || work.trigger.is_some()).then_some(&mut room.passed),
            far: ServerEnd::new(&mut room.buffers),
            room: &mut room.command,
            inbox: &mut room.inbox,
            is_reusable: true,
            is_direct: connection.is_direct,
            is_trigger: false,
            request_by: Instant::after(limits::REQUEST_MS),
            name: c"a connection",
            command: Running::default(),
            background: None,
            end: None,
            left: [0; 2],
            ending: None,
            kill_at: Instant::NEVER,
            is_childless: false,
            send_by: Instant::NEVER,
            is_finished: false,
            linger_until: Instant::NEVER,
            session_until: Instant::NEVER,
            arrived: 0,
        }
    }

    /// Runs it. Whether this process can serve another one then: nothing of this one is left in it.
    #[inline(never)]
    pub fn run(&mut self) -> bool {
        if !self.is_welcome() {
            return true;
        }
        if let Some(connection) = self.connection.as_ref().filter(|_| !self.is_direct) {
            // Frames leave when they are complete, not when the last one was acknowledged (tcp(7)).
            let _ = rustix::net::sockopt::set_tcp_nodelay(connection, true);
        }
        let inbox = core::mem::take(&mut self.inbox);
        self.begin_trigger();
        loop {
            self.meet_deadlines();
            self.report_end();
            self.is_reusable &= self.far.kept() <= limits::SPARE_BYTES;
            self.transmit();
            if self.is_over() {
                self.record.end(self.work, self.end);
                // A process that leads a terminal's session cannot have another terminal.
                return self.is_reusable && !process::leads_session() && process::reap() == Children::None;
            }
            let ready = self.wait();
            self.turn(&ready, inbox);
            self.check();
        }
    }

    /// Whether the stub's user may use the direct transport. One that may not sees nobody there, and uses the other.
    fn is_welcome(&self) -> bool {
        let (Some(list), Some(connection), true) = (self.work.users, &self.connection, self.is_direct) else {
            return true;
        };
        let user = unix::peer_user(connection);
        let is_welcome = users(list.to_bytes()).any(|known| known == user);
        if !is_welcome {
            debug!(Session, "user {}: not in --allow-uid", user.unwrap_or(u32::MAX));
        }
        is_welcome
    }

    /// Whether there is nobody to tell and nothing to end any more.
    fn is_over(&self) -> bool {
        self.connection.is_none() && if self.ending.is_some() { self.is_childless } else { !self.is_running() }
    }

    /// Whether the command runs.
    fn is_running(&self) -> bool {
        self.command.pid != 0 && self.end.is_none()
    }

    /// Waits for what can make progress.
    fn wait(&self) -> Ready {
        let mut watch = Watch::new();
        watch.add(SIGNALS, self.signals.as_fd(), PollFlags::IN);
        if let Some(connection) = &self.connection {
            // The end of the lease is told even while a full buffer keeps the connection from being read.
            let mut events = PollFlags::RDHUP;
            events.set(PollFlags::IN, self.far.has_room() || self.is_finished);
            events.set(PollFlags::OUT, !self.far.outgoing().is_empty() && self.send_by == Instant::NEVER);
            if self.command_owns_socket() {
                // A half-close is for the command. What is told in any case is that the peer has hung up.
                events = PollFlags::empty();
            }
            watch.add(CONNECTION, connection.as_fd(), events);
        }
        if let Some(input) = &self.command.input {
            // Without a reader, an error comes even where nothing is waited for.
            let mut events = PollFlags::empty();
            events.set(PollFlags::OUT, !self.far.input().waiting().is_empty());
            watch.add(INPUT, input.as_fd(), events);
        }
        for which in Which::BOTH {
            let output = &self.command.outputs[which as usize];
            if let Some(output) = output.as_ref().filter(|_| self.wanted(which) > 0) {
                watch.add(OUTPUT + which as usize, output.as_fd(), PollFlags::IN);
            }
        }
        // Beyond these the command may run for as long as it likes, and its stub be as slow.
        watch.wait(self.request_by.min(self.send_by).min(self.kill_at).min(self.linger_until).min(self.session_until))
    }

    /// Does what can be done: signals first, then what the stub says, then the command's streams.
    fn turn(&mut self, ready: &Ready, inbox: &mut [u8]) {
        if !ready.of(SIGNALS).is_empty() {
            self.take_signals();
        }
        if !ready.of(CONNECTION).is_empty() {
            self.receive(ready.of(CONNECTION), inbox);
        }
        if !ready.of(INPUT).is_empty() {
            self.write_input(ready.of(INPUT));
        }
        for which in Which::BOTH {
            if !ready.of(OUTPUT + which as usize).is_empty() {
                self.read_output(which);
            }
        }
    }

    /// The command has run long enough.
    fn time_out(&mut self) {
        self.session_until = Instant::NEVER;
        self.end_command(EndReason::Timeout, &OVERTIME);
    }

    fn meet_deadlines(&mut self) {
        let now = Instant::now();
        if self.request_by <= now {
            report!("a connection did not deliver its request within {} ms", limits::REQUEST_MS);
            self.connection = None;
            self.request_by = Instant::NEVER;
        }
        if self.linger_until <= now {
            self.stop_lingering();
        }
        if self.session_until <= now {
            self.time_out();
        }
        if self.kill_at <= now {
            self.kill();
        }
    }
}

/// What the stub says.
impl Session<'_> {
    /// Reads the connection once and does what it says.
    #[inline(never)]
    fn receive(&mut self, flags: PollFlags, inbox: &mut [u8]) {
        let Some(connection) = &self.connection else { return };
        if !flags.contains(PollFlags::IN) {
            // Only its end can be the reason: data that a full buffer leaves unread does not keep a dead stub's command.
            if flags.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                self.on_disconnect();
            }
            return;
        }
        let arrived = match self.passed.as_mut().filter(|_| self.request_by != Instant::NEVER) {
            // One too many is closed, and missed when they are counted.
            Some(passed) => unix::receive(connection, inbox, &mut |descriptor| drop(passed.push(Some(descriptor)))),
            None => fd::receive(connection, inbox),
        };
        self.is_reusable &= arrived.unwrap_or(0) <= limits::SPARE_BYTES;
        match arrived {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(count @ 1..) if !self.is_finished => self.process(first(inbox, count)),
            Ok(1..) => {}
            Ok(0) | Err(_) => self.on_disconnect(),
        }
    }

    /// Ends the session whose stub does not read what it asked for.
    fn check(&mut self) {
        if self.far.take_overrun() {
            self.protocol_error(ProtocolError::Overrun);
        }
    }

    /// Does what the stub's frames ask for.
    #[inline(never)]
    fn process(&mut self, mut arrived: &[u8]) {
        while self.connection.is_some() && !self.is_finished {
            match self.far.receive(&mut arrived) {
                Ok(Some(order)) => self.handle(order),
                Ok(None) => break,
                Err(fault) => self.protocol_error(fault),
            }
            self.check();
        }
        self.close_input_when_done();
    }

    #[inline(never)]
    fn handle(&mut self, order: ClientMessage<'_>) {
        match order {
            ClientMessage::Start => self.start(),
            ClientMessage::Input(bytes) => {
                self.record.count(0, bytes.len());
                self.input(bytes);
            }
            ClientMessage::Signal(signal) => self.signal(signal),
            ClientMessage::Terminate => {
                self.end_command(EndReason::Client, &"the client terminates it");
            }
            ClientMessage::HangUp(which) => {
                self.far.hang_up(which);
                self.close_output(which);
                self.hang_up_terminal(which);
            }
            ClientMessage::Resize(size) => {
                if let Some(terminal) = self.terminal() {
                    terminal::set_size(terminal, size);
                }
            }
            ClientMessage::Modes => {
                if let (Some(terminal), Some(modes)) = (self.terminal(), self.far.terminal_modes()) {
                    let _ = terminal::set_modes(terminal, &Modes::from_bytes(modes));
                }
            }
            ClientMessage::Foreground(is_foreground) => {
                self.set_foreground(is_foreground);
            }
        }
    }

    /// A signal for the command. Once that has ended, it is meant for who still passes on what it had written.
    fn signal(&mut self, signal: u8) {
        if self.is_running() {
            debug!(Session, "{}: signal {}", self.name, signal);
            let _ = signal::send(-self.command.pid, signal);
        } else if matches!(signal, name::HUP | name::INT | name::TERM) {
            self.left = [0; 2];
        }
    }

    /// The request is complete: starts the command, or says why not.
    // Apart, since what it calls has whole paths on the stack: beside them everything else would be far away.
    #[inline(never)]
    fn start(&mut self) {
        self.request_by = Instant::NEVER;
        self.session_until = Instant::after(self.work.session_ms);
        let Some(request) = self.far.take_request() else { return };
        self.name = request.command();
        self.record.begin(self.work, &request, self.connection.as_ref().filter(|_| self.is_trigger));
        let mut reason = Line::new();
        let result = if self.is_misplaced() {
            add!(&mut reason, MISPLACED, self.work.server.name(), self.work.server.port());
            Err(Refused(exit::UNAVAILABLE))
        } else {
            let passed = self.passed.as_deref_mut();
            command::start(self.work, &request, passed, self.room, &mut self.command, &mut reason)
        };
        // Why it was refused, or a warning.
        if !reason.bytes().is_empty() {
            report!("{}: {}", self.name, reason);
        }
        if let Err(Refused(code)) = result {
            self.record.refused = code;
            self.command = Running::default();
            self.far.fail(code, reason.bytes());
            self.begin_linger();
            return;
        }
        self.far.warn(reason.bytes());
        self.started(request.attributes());
    }

    /// The command runs. A stub that has a terminal hears whether the command shares it.
    fn started(&mut self, attributes: &Attributes) {
        let end_mark = self.terminal().and_then(|terminal| terminal::modes(terminal).ok());
        let end_mark = end_mark.map(|modes| modes.end_mark());
        for which in Which::BOTH {
            if self.command.outputs[which as usize].is_none() {
                self.far.hang_up(which);
            }
        }
        if self.command.input.is_none() {
            self.far.drop_input();
        }
        if attributes.is_background() {
            self.background = Some(self.command.pid);
        }
        self.far.started(end_mark, attributes.terminal.is_some() || self.passed.is_some());
    }

    /// The command's terminal, if it has one.
    fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.command.terminal.as_ref().map(AsFd::as_fd)
    }

    /// The stub has come to its terminal's foreground, or left it, and so does what is in the command's. A background
    /// process that reads or sets its terminal is stopped by the kernel, and the stub will hear of it.
    fn set_foreground(&mut self, is_foreground: bool) {
        let Some(terminal) = self.terminal() else { return };
        if !is_foreground && self.background.is_none() {
            let group = terminal::foreground(terminal);
            let _ = terminal::set_foreground(terminal, process::id());
            self.background = Some(group);
        } else if is_foreground && let Some(group) = self.background {
            let _ = terminal::set_foreground(terminal, group);
            self.background = None;
        }
    }

    /// The stub's terminal has gone, and so goes the command's, if `which` stream is on it.
    fn hang_up_terminal(&mut self, which: Which) {
        if which == Which::Output && self.command.terminal.is_some() {
            self.command.input = None;
            self.signal(name::HUP);
            self.signal(name::CONT);
        }
    }

    /// What the peer sent makes no sense. It is told why, and the command ends.
    fn protocol_error(&mut self, fault: ProtocolError) {
        let mut reason = Line::new();
        fault.show(&mut reason);
        if self.far.is_plain() {
            add!(&mut reason, "; this port is for k8psh's stubs");
        }
        report!("{}: {}", self.name, reason);
        self.request_by = Instant::NEVER;
        self.far.fail(exit::UNAVAILABLE, reason.bytes());
        self.begin_linger();
        if self.far.take_overrun() {
            self.connection = None;
        }
        if self.is_running() {
            self.end_command(EndReason::Fault, &reason);
        }
    }

    /// The lease has ended: the command goes.
    fn on_disconnect(&mut self) {
        if let Some(connection) = self.connection.take().filter(|_| self.command_owns_socket()) {
            self.record.measure(&connection);
        }
        let why = if self.is_trigger { "the client has gone" } else { "the stub has gone" };
        let request_by = core::mem::replace(&mut self.request_by, Instant::NEVER);
        if request_by != Instant::NEVER && self.far.is_midway() {
            report!("a connection ended before its request was complete: {}", why);
        }
        if self.is_running() && !(self.is_trigger && self.work.detaches) {
            self.end_command(EndReason::Gone, &why);
        }
    }

    /// Sends what there is to send.
    fn transmit(&mut self) {
        if self.connection.is_none() {
            self.far.forget_peer();
        }
        if self.may_wait() {
            return;
        }
        while let Some(connection) = self.connection.as_ref().filter(|_| !self.far.outgoing().is_empty()) {
            match fd::send(connection, self.far.outgoing()) {
                Ok(count) => self.far.sent(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.on_disconnect(),
            }
        }
        if let Some(connection) = self.connection.as_ref().filter(|_| self.is_finished) {
            // A client of protocol 1 learns a death by signal from the end of the connection.
            let _ = rustix::net::shutdown(connection, rustix::net::Shutdown::Write);
        }
    }

    /// Whether what is to be sent may wait for company.
    fn may_wait(&mut self) -> bool {
        if self.far.outgoing().is_empty() || !self.is_running() || !self.far.is_deferrable() {
            self.send_by = Instant::NEVER;
            return false;
        }
        self.send_by = self.send_by.min(Instant::after(limits::COALESCE_MS));
        self.send_by > Instant::now()
    }

    /// Everything is said. The stub reads it and goes; closing before that could lose it, since the kernel resets a
    /// connection on which unread data is left (RFC 2525, 2.17).
    fn begin_linger(&mut self) {
        self.is_finished = true;
        self.linger_until = Instant::after(limits::LINGER_MS);
    }
}
