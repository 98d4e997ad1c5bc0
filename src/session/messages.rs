//! What a session's client says, and what is done about it.

use super::command::{self, Event, Refused, Running};
use super::event_loop::{Client, Session};
use super::log::EndReason;
use super::phases::{Cleanup, Command, Link, Patience};
use super::status::board::Phase;
use crate::protocol::Which;
use crate::protocol::frame::{ARRAY, TABLE};
use crate::protocol::request::Request;
use crate::protocol::server::ClientMessage;
use crate::sys::clock::Instant;
use crate::sys::process::{self, Reception};
use crate::sys::signal;
use crate::sys::terminal;
use crate::text::line::{Line, Show};
use crate::{add, debug, exit, limits, report};

impl<'s> Session<'s> {
    /// Does what the client's frames ask for. What comes once everything is said is dropped.
    pub(super) fn process(&mut self, mut arrived: &[u8]) {
        while self.state.link.takes_frames() {
            match self.server_end.receive(&mut arrived) {
                Ok(Some(message)) => self.handle(message),
                Ok(None) => break,
                Err(error) => self.protocol_error(&error),
            }
        }
        self.write_coalesced();
    }

    fn handle(&mut self, message: ClientMessage<'_>) {
        if !matches!(message, ClientMessage::Input(_)) {
            self.write_coalesced();
        }
        match message {
            ClientMessage::Start => self.start(),
            ClientMessage::Input(bytes) => self.input(bytes),
            ClientMessage::InputEnded => self.write_input(b""),
            ClientMessage::Signal(signal) => self.signal(signal),
            ClientMessage::Terminate => self.end_command(EndReason::Client, &"the client terminates it"),
            ClientMessage::HangUp(which) => self.hang_up(which),
            ClientMessage::Resize(size) => {
                if let Some(terminal) = self.terminal() {
                    terminal::set_size(terminal, size);
                }
            }
            ClientMessage::Modes => self.set_modes(),
            ClientMessage::Waiting(waits) => self.on_waiting(waits),
            ClientMessage::Foreground(is_foreground) => self.set_foreground(is_foreground),
        }
    }

    /// The request is complete: starts the command, or says why not.
    fn start(&mut self) {
        let Some(mut request) = self.server_end.take_request() else { return };
        let is_lent = self.client == Client::Plain;
        self.state.link.on_request(is_lent);
        self.name = request.command();
        match self.name.to_bytes() {
            TABLE => return self.tell_status(false),
            ARRAY => return self.tell_status(true),
            _ => {}
        }
        self.record.started(self.service, &request, self.state.link.socket().filter(|_| is_lent));
        let mut reason = Line::new();
        let result = self.restrict(&mut request, &mut reason).and_then(|()| self.launch(&request, &mut reason));
        if !reason.bytes().is_empty() {
            report!("{}: {}", self.name, reason);
        }
        match result {
            Ok(running) => {
                self.server_end.warn(reason.bytes());
                self.started(running, &request);
                self.begin_answer();
            }
            Err(Refused(code)) => {
                self.record.refused = code;
                self.server_end.fail(code, reason.bytes());
                self.begin_linger();
            }
        }
    }

    /// Starts the command. `reason` gets why it was refused, or a warning.
    fn launch(&mut self, request: &Request<'s>, reason: &mut Line) -> Result<Running, Refused> {
        self.is_reusable &= request.descriptors().all(|number| number < limits::REUSE_DESCRIPTOR);
        let has_passed = matches!(self.client, Client::DirectStub | Client::Plain);
        let passed = has_passed.then_some(&mut *self.passed);
        command::start(self.service, request, passed, self.command_buffers, reason)
    }

    /// The command runs. A stub that has a terminal hears whether the command shares it.
    fn started(&mut self, mut running: Running, request: &Request<'s>) {
        let attributes = request.attributes();
        let streams = &mut running.streams;
        for which in Which::BOTH {
            if streams.outputs[which as usize].is_none() {
                self.server_end.hang_up(which);
            }
        }
        if streams.input.is_none() {
            self.server_end.drop_input();
        }
        if attributes.is_background() {
            streams.background = Some(running.pid);
        }
        self.record.note_command(self.service, request, running.pid);
        let has_keys = streams.has_keys;
        let is_watched = has_keys && streams.shared_modes.is_some() && streams.background.is_none();
        self.state.command = Command::Running {
            running,
            until: self.service.settings.session_timeout.map_or(Instant::NEVER, Instant::after),
        };
        if is_watched {
            self.on_terminal_event(Event::Begin);
        }
        let modes = self.terminal().and_then(|terminal| terminal::modes(terminal).ok());
        let end_mark = modes.filter(|_| has_keys).map(|modes| modes.end_mark());
        let has_offered = attributes.terminal.is_some() || self.client != Client::Stub;
        let is_shared = self.state.command.streams().is_some_and(|streams| streams.shared_modes.is_some());
        let has_terminal = self.terminal().map(|_| is_shared);
        self.server_end.started(has_terminal, end_mark, has_offered);
    }

    /// A signal for the command. One that has ended already, or is on its way out, did not get it: then it is meant for
    /// whoever still stands for the command, so that a key that ends a whole pipeline ends the stub in it too.
    fn signal(&mut self, signal: u8) {
        self.reap();
        let is_deadly = signal::DEADLY.has(signal);
        if let Some(pid) = self.state.command.pid() {
            debug!(Session, "{}: signal {}", self.name, signal);
            // One that ends whatever gets it does not come to a command that exits with a code nevertheless.
            let survives = |status: Reception| !is_deadly || status.guarded.has(signal);
            // Before: what handles it may do so once. After: what begins may not have come to it.
            let before = process::reception(pid);
            self.on_terminal_event(Event::Signal(signal));
            // A group in any case: others may be in it.
            let _ = signal::send(-self.target_of(signal, pid), signal);
            if signal == signal::name::CONT && self.state.cleanup == Cleanup::NotNeeded {
                self.record.note(Phase::Running);
            }
            if !before.is_exiting && (survives(before) || survives(process::reception(pid))) {
                self.server_end.delivered();
            }
        } else if is_deadly {
            self.state.command.on_late_signal(signal);
        }
    }

    /// A stream of the stub's has no reader any more. Where that is its terminal, the command's has no more input. A
    /// process that the kernel tells of the hang-up gets a signal, which the stub forwards; no other one is to end.
    fn hang_up(&mut self, which: Which) {
        self.server_end.hang_up(which);
        self.close_output(which);
        if self.state.command.streams().is_some_and(|streams| streams.has_keys && streams.screen == Some(which)) {
            self.server_end.drop_input();
            self.close_input();
        }
    }

    /// What the peer sent makes no sense. It is told why, and the command ends.
    pub(super) fn protocol_error(&mut self, error: &dyn Show) {
        let mut reason = Line::new();
        error.show(&mut reason);
        if self.server_end.is_plain() {
            add!(&mut reason, "; this port is for k8psh's stubs");
        }
        report!("{}: {}", self.name, reason);
        self.server_end.fail(exit::UNAVAILABLE, reason.bytes());
        self.state.link.linger(Patience::None, Instant::now());
        if self.server_end.check().is_err() {
            self.disconnect();
        }
        if self.state.command.is_running() {
            self.end_command(EndReason::Fault, &reason);
        }
    }

    /// The lease has ended: the command goes.
    pub(super) fn on_disconnect(&mut self) {
        let is_stub = matches!(self.client, Client::Stub | Client::DirectStub);
        let why = if !is_stub { "the client has gone" } else { "the stub has gone" };
        match &self.state.link {
            Link::Lent { socket } => self.record.measure(socket),
            Link::AwaitingRequest { .. } if self.server_end.is_midway() => {
                report!("a connection ended before its request was complete: {}", why);
            }
            _ => {}
        }
        self.disconnect();
        let settings = &self.service.settings;
        if settings.trigger.is_some() && settings.detach_on_close {
            if !self.exchange.has_ended {
                self.close_input();
            }
        } else if self.state.command.is_running() {
            self.end_command(EndReason::Gone, &why);
        }
    }
}
