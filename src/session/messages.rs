//! What a session's client says, and what is done about it.

use super::command::{self, Refused, Running};
use super::event_loop::{Client, Session};
use super::log::EndReason;
use super::phases::{Cleanup, Command, Link, Patience};
use super::status::{self, board::Phase};
use crate::options::settings::NOT_FOR_STUBS;
use crate::protocol::Which;
use crate::protocol::request::{Attributes, Request, STATUS};
use crate::protocol::server::ClientMessage;
use crate::sys::clock::Instant;
use crate::sys::process;
use crate::sys::signal::{self, name};
use crate::sys::terminal::{self, Modes};
use crate::text::line::{Line, Show};
use crate::{add, debug, exit, limits, report};
use rustix::fd::{AsFd, BorrowedFd};

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
    }

    fn handle(&mut self, message: ClientMessage<'_>) {
        match message {
            ClientMessage::Start => self.start(),
            ClientMessage::Input(bytes) => {
                self.record.count(0, bytes.len());
                self.write_input(bytes);
            }
            ClientMessage::InputEnded => self.write_input(b""),
            ClientMessage::Signal(signal) => self.signal(signal),
            ClientMessage::Terminate => self.end_command(EndReason::Client, &"the client terminates it"),
            ClientMessage::HangUp(which) => self.hang_up(which),
            ClientMessage::Resize(size) => {
                if let Some(terminal) = self.terminal() {
                    terminal::set_size(terminal, size);
                }
            }
            ClientMessage::Modes => {
                if let (Some(terminal), Some(modes)) = (self.terminal(), self.server_end.terminal_modes()) {
                    let _ = terminal::set_modes(terminal, &Modes::from_bytes(modes));
                }
            }
            ClientMessage::Foreground(is_foreground) => self.set_foreground(is_foreground),
        }
    }

    /// The request is complete: starts the command, or says why not.
    fn start(&mut self) {
        let Some(request) = self.server_end.take_request() else { return };
        let is_lent = self.client == Client::Plain;
        self.state.link.on_request(is_lent);
        self.name = request.command();
        if self.name.to_bytes() != STATUS {
            self.record.started(self.service, &request, self.state.link.socket().filter(|_| is_lent));
        }
        let mut reason = Line::new();
        let result = self.launch(&request, &mut reason);
        if !reason.bytes().is_empty() {
            report!("{}: {}", self.name, reason);
        }
        match result {
            Ok(running) => {
                self.server_end.warn(reason.bytes());
                self.started(running, request.attributes());
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
        if self.service.settings.trigger.is_some() && self.client != Client::Plain {
            add!(reason, NOT_FOR_STUBS, self.service.server.name(), self.service.server.port());
            return Err(Refused(exit::UNAVAILABLE));
        }
        if self.name.to_bytes() == STATUS {
            let service = self.service;
            let passed = (self.client != Client::Stub).then_some(&mut *self.passed);
            return command::start_own(request, passed, self.command_buffers, reason, &|| {
                status::print(service, request);
            });
        }
        self.is_small &= request.descriptors().all(|number| number < limits::SPARE_DESCRIPTOR);
        let passed = (self.client != Client::Stub).then_some(&mut *self.passed);
        command::start(self.service, request, passed, self.command_buffers, reason)
    }

    /// The command runs. A stub that has a terminal hears whether the command shares it.
    fn started(&mut self, mut running: Running, attributes: &Attributes) {
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
        self.record.show_running(running.pid);
        self.state.command = Command::Running {
            running,
            until: self.service.settings.session_timeout.map_or(Instant::NEVER, Instant::after),
        };
        let modes = self.terminal().and_then(|terminal| terminal::modes(terminal).ok());
        let has_offered = attributes.terminal.is_some() || self.client != Client::Stub;
        self.server_end.started(modes.map(|modes| modes.end_mark()), has_offered);
    }

    /// The command's terminal, if it has one.
    fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.state.command.streams()?.terminal.as_ref().map(AsFd::as_fd)
    }

    /// A signal for the command. One that has ended already did not get it: then it is meant for whoever still stands for
    /// the command, so that a key that ends a whole pipeline ends the stub in it too.
    fn signal(&mut self, signal: u8) {
        self.reap();
        if let Some(pid) = self.state.command.pid() {
            debug!(Session, "{}: signal {}", self.name, signal);
            self.server_end.delivered();
            let _ = signal::send(-pid, signal);
            if signal == name::CONT && self.state.cleanup == Cleanup::NotNeeded {
                self.record.show(Phase::Running);
            }
        } else if matches!(signal, name::HUP | name::INT | name::QUIT | name::TERM) {
            self.state.command.on_late_signal(signal);
        }
    }

    /// The stub has come to its terminal's foreground, or left it, and so do the processes in that of the command's. The
    /// kernel stops a background process that reads or sets its terminal, and the stub will hear of it.
    fn set_foreground(&mut self, is_foreground: bool) {
        let Some(streams) = self.state.command.streams_mut() else { return };
        let Some(terminal) = &streams.terminal else { return };
        if !is_foreground && streams.background.is_none() {
            streams.background = Some(terminal::foreground(terminal.as_fd()));
            let _ = terminal::set_foreground(terminal.as_fd(), process::id());
        } else if is_foreground && let Some(group) = streams.background.take() {
            let _ = terminal::set_foreground(terminal.as_fd(), group);
        }
    }

    /// A stream of the stub's has no reader any more. Where that is its terminal, the command's has no more input. Whom the
    /// kernel tells of a hang-up hears of it by a signal, which the stub forwards; nobody else is to end.
    fn hang_up(&mut self, which: Which) {
        self.server_end.hang_up(which);
        self.close_output(which);
        if which == Which::Output && self.terminal().is_some() {
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
            self.state.link.close();
        }
        if self.state.command.is_running() {
            self.end_command(EndReason::Fault, &reason);
        }
    }

    /// The lease has ended: the command goes.
    pub(super) fn on_disconnect(&mut self) {
        let is_plain = self.client == Client::Plain;
        let why = if is_plain { "the client has gone" } else { "the stub has gone" };
        match &self.state.link {
            Link::Lent { socket } => self.record.measure(socket),
            Link::AwaitingRequest { .. } if self.server_end.is_midway() => {
                report!("a connection ended before its request was complete: {}", why);
            }
            _ => {}
        }
        self.state.link.close();
        if self.state.command.is_running() && !(is_plain && self.service.settings.detach_on_close) {
            self.end_command(EndReason::Gone, &why);
        }
    }
}
