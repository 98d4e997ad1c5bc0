//! What carries out a session's machines, told again for a command and a wire that are values: `src/session/event_loop.rs`,
//! `messages.rs`, `streams.rs`, `wire.rs` and `ending.rs`, function by function.

use super::command::{Running, Streams};
use super::deadlines::Due;
use super::phases::{Cleanup, Command, Link, Patience, State};
use crate::exit::{self, End};
use crate::limits;
use crate::process::{Child, Process};
use crate::protocol::server::{Buffers, ClientMessage, ServerEnd};
use crate::protocol::{ProtocolError, Which};
use crate::sys::clock::Instant;
use crate::sys::signal::{self, Set, name};
use crate::wire::{Wire, bytes_at};
use std::hash::{Hash, Hasher};

/// When everything begins.
const START: u64 = 1_000_000;

/// Milliseconds that a command may run.
const TIME: u64 = 60_000;

/// A session.
pub(crate) struct Server<'s> {
    pub(crate) end: ServerEnd<'s>,
    state: State<()>,
    now: u64,
    has_timeout: bool,
    pub(crate) process: Process,
    /// Whether the command's end is not its own: `Record::cut`.
    pub(crate) is_cut: bool,
    has_timed_out: bool,
    /// Whether the client may learn nothing: its time for the request, or the server's own, was over.
    pub(crate) is_excused: bool,
    /// Whether a signal came after the command's end.
    pub(crate) has_late_signal: bool,
    /// Bytes of each output that were read for the client.
    pub(crate) passed_on: [usize; 2],
}

impl<'s> Server<'s> {
    pub(crate) fn new(buffers: &'s mut Buffers, process: Process, has_timeout: bool) -> Server<'s> {
        let now = Instant::PAST.plus(START);
        Server {
            end: ServerEnd::new(buffers, b"k8pshd"),
            state: State::new((), limits::REQUEST_MS, now),
            now: START,
            has_timeout,
            process,
            is_cut: false,
            has_timed_out: false,
            is_excused: false,
            has_late_signal: false,
            passed_on: [0; 2],
        }
    }

    fn now(&self) -> Instant {
        Instant::PAST.plus(self.now)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state.is_over()
    }

    pub(crate) fn is_relaying(&self) -> bool {
        matches!(self.state.link, Link::Relaying { .. })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.state.link.socket().is_some()
    }

    /// Whether the command was started.
    pub(crate) fn has_command(&self) -> bool {
        !matches!(self.state.command, Command::None)
    }

    pub(crate) fn has_deadline(&self) -> bool {
        self.state.next_deadline() != Instant::NEVER
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.state.cleanup != Cleanup::NotNeeded
    }

    /// Whether the connection is read.
    pub(crate) fn reads(&self) -> bool {
        self.is_connected() && (matches!(self.state.link, Link::Lingering { .. }) || self.end.has_room())
    }

    /// Whether it waits for room on the connection.
    pub(crate) fn wants_to_send(&self) -> bool {
        let is_held = matches!(self.state.link, Link::Relaying { flush_at, .. } if flush_at != Instant::NEVER);
        self.is_connected() && !self.end.outgoing().is_empty() && !is_held
    }

    /// Does what is due and what can be done without waiting.
    pub(crate) fn advance(&mut self, down: &mut Wire) {
        if self.end.check().is_err() {
            self.protocol_error(&ProtocolError::Overrun);
        }
        while let Some(due) = self.state.due(self.now()) {
            self.on_deadline(due, down);
        }
        self.report_end();
        self.transmit(down);
        down.is_closed |= !self.is_connected();
    }

    /// Time passes until something is due.
    pub(crate) fn pass_time(&mut self) {
        self.now += self.until(self.state.next_deadline()).expect("something is to come");
    }

    fn on_deadline(&mut self, due: Due, down: &mut Wire) {
        let now = self.now();
        match due {
            Due::Request => {
                if !(self.end.negotiated && self.state.link.extend(now)) {
                    self.is_excused = true;
                    self.disconnect();
                }
            }
            Due::Flush => self.flush(down),
            Due::Linger => self.stop_lingering(now),
            Due::Timeout => {
                if let Command::Running { until, .. } = &mut self.state.command {
                    *until = Instant::NEVER;
                }
                self.has_timed_out |= self.state.cleanup == Cleanup::NotNeeded;
                self.end_command();
            }
            Due::Terminal => unreachable!("there is no terminal"),
            Due::Kill => self.kill(now),
            Due::Leave => {
                self.is_excused = true;
                self.disconnect();
            }
        }
    }

    /// Bytes have come.
    pub(crate) fn arrive(&mut self, mut bytes: &[u8]) {
        while self.state.link.takes_frames() {
            match self.end.receive(&mut bytes) {
                Ok(Some(message)) => self.handle(message),
                Ok(None) => break,
                Err(error) => self.protocol_error(&error),
            }
        }
    }

    fn handle(&mut self, message: ClientMessage<'_>) {
        match message {
            ClientMessage::Start => self.start(),
            ClientMessage::Input(bytes) => self.write_input(bytes),
            ClientMessage::InputEnded => self.write_input(b""),
            ClientMessage::Signal(signal) => self.signal(signal),
            ClientMessage::Terminate => self.end_command(),
            ClientMessage::HangUp(which) => {
                self.end.hang_up(which);
                self.close_output(which);
            }
            _ => {}
        }
    }

    fn start(&mut self) {
        let request = self.end.take_request().expect("it is complete");
        assert_eq!(request.command(), c"c", "the request arrives as it was sent");
        self.state.link.on_request(false);
        let streams = Streams { input: Some(()), outputs: [Some(()); 2], ..Streams::default() };
        let until = if self.has_timeout { self.now().plus(TIME) } else { Instant::NEVER };
        self.state.command = Command::Running { running: Running { pid: 7, ignored: Set::default(), streams }, until };
        self.end.started(None, None, false);
    }

    fn write_input(&mut self, arrived: &[u8]) {
        let is_open = self.state.command.streams().is_some_and(|streams| streams.input.is_some());
        let pipe = &mut self.process.input;
        let is_done = self.end.write_input(arrived, &mut |bytes| if is_open { pipe.write(bytes) } else { None });
        if is_done {
            self.close_input();
        }
    }

    /// Whether stdin's pipe is ready: for more, or it has no reader.
    pub(crate) fn input_is_ready(&self) -> bool {
        let is_open = self.state.command.streams().is_some_and(|streams| streams.input.is_some());
        let pipe = &self.process.input;
        is_open && (!pipe.has_reader || self.end.has_input() && pipe.room() > 0)
    }

    pub(crate) fn on_input_ready(&mut self) {
        if self.process.input.has_reader {
            self.write_input(b"");
        } else {
            self.end.close_input();
            self.close_input();
        }
    }

    fn close_input(&mut self) {
        self.process.input.has_writer = false;
        if let Some(streams) = self.state.command.streams_mut() {
            streams.input = None;
        }
    }

    fn signal(&mut self, signal: u8) {
        self.reap();
        let is_deadly = signal::DEADLY.has(signal);
        if self.state.command.is_running() {
            let survives = !is_deadly || self.process.guards;
            self.process.signal(signal);
            if survives {
                self.end.delivered();
            }
        } else if is_deadly {
            self.has_late_signal = true;
            self.state.command.on_late_signal(signal);
        }
    }

    pub(crate) fn protocol_error(&mut self, error: &ProtocolError) {
        panic!("an end says what the other does not understand: {error:?}");
    }

    /// The connection has ended.
    pub(crate) fn on_disconnect(&mut self) {
        self.disconnect();
        if self.state.command.is_running() {
            self.end_command();
        }
    }

    fn disconnect(&mut self) {
        self.state.link.close();
    }

    fn transmit(&mut self, down: &mut Wire) {
        let may_wait = self.state.command.is_running() && self.end.is_deferrable();
        let (has_outgoing, now) = (!self.end.outgoing().is_empty(), self.now());
        match &mut self.state.link {
            Link::Closed => self.end.forget_peer(),
            Link::Relaying { flush_at, .. } if may_wait && has_outgoing => {
                *flush_at = (*flush_at).min(now.plus(limits::COALESCE_MS));
            }
            _ => self.flush(down),
        }
    }

    fn flush(&mut self, down: &mut Wire) {
        if let Link::Relaying { flush_at, .. } = &mut self.state.link {
            *flush_at = Instant::NEVER;
        }
        while self.is_connected() && !self.end.outgoing().is_empty() {
            match down.send(self.end.outgoing()) {
                Some(0) => return,
                Some(count) => self.end.sent(count),
                None => self.on_disconnect(),
            }
        }
        down.is_closed |= matches!(self.state.link, Link::Lingering { .. });
    }

    fn wanted(&self, which: Which) -> usize {
        self.end.allowance(which).min(self.state.command.left(which as usize))
    }

    /// Whether an output has something to read, or its end.
    pub(crate) fn output_is_ready(&self, which: Which) -> bool {
        let pipe = &self.process.outputs[which as usize];
        let is_open = self.state.command.streams().is_some_and(|streams| streams.outputs[which as usize].is_some());
        is_open && self.wanted(which) > 0 && (pipe.waiting() > 0 || !pipe.has_writer)
    }

    pub(crate) fn read_output(&mut self, which: Which) {
        let (index, count) = (which as usize, self.wanted(which));
        if count == 0 || self.state.command.streams().is_none_or(|streams| streams.outputs[index].is_none()) {
            return;
        }
        let pipe = &mut self.process.outputs[index];
        let count = count.min(pipe.waiting());
        if count == 0 && pipe.has_writer {
            return;
        }
        self.end.space(which, count).copy_from_slice(&bytes_at(pipe.read, count));
        pipe.read += count;
        self.end.send(which, count);
        self.passed_on[index] += count;
        if count == 0 {
            self.close_output(which);
        }
        self.state.command.on_read(index, count);
    }

    fn close_output(&mut self, which: Which) {
        self.state.command.on_read(which as usize, usize::MAX);
        if let Some(streams) = self.state.command.streams_mut() {
            streams.outputs[which as usize] = None;
            self.process.outputs[which as usize].has_reader = false;
        }
    }

    fn report_end(&mut self) {
        if !self.is_relaying() || self.state.command.end().is_none() {
            return;
        }
        for which in Which::BOTH {
            while self.output_is_ready(which) {
                self.read_output(which);
            }
        }
        let Some(end) = self.state.command.drained() else { return };
        if self.has_timed_out {
            self.end.fail(exit::TIMED_OUT, b"late");
        } else {
            self.end.finish(end);
        }
        self.state.link.linger(Patience::UntilAcknowledged, self.now());
    }

    fn stop_lingering(&mut self, now: Instant) {
        let has_outgoing = !self.end.outgoing().is_empty();
        let Link::Lingering { until, patience, .. } = &mut self.state.link else { return };
        if *patience == Patience::UntilAcknowledged && has_outgoing {
            *until = now.plus(limits::LINGER_MS);
        } else {
            self.disconnect();
        }
    }

    /// Children have ended or stopped.
    pub(crate) fn reap(&mut self) {
        while let Some(news) = self.process.news.pop_front() {
            match news {
                Child::Ended(end) => self.command_ended(end),
                Child::Stopped(signal) if self.state.cleanup == Cleanup::NotNeeded => self.command_stopped(signal),
                Child::Stopped(_) => {}
            }
        }
        if !self.process.is_alive && !self.process.has_orphan {
            return self.state.cleanup.finish();
        }
        if let Some(signal) = self.state.cleanup.signal() {
            self.signal_children(signal);
        }
    }

    fn command_ended(&mut self, end: End) {
        self.end.drop_input();
        self.process.input.has_writer = false;
        let unread = |index: usize| self.process.outputs[index].waiting();
        let unread = [0, 1].map(unread);
        self.state
            .command
            .on_end(end, |streams| [0, 1].map(|index| streams.outputs[index].map_or(0, |()| unread[index])));
    }

    fn command_stopped(&mut self, signal: u8) {
        for which in Which::BOTH {
            if self.process.outputs[which as usize].waiting() > 0 {
                self.read_output(which);
            }
        }
        self.end.stopped(signal);
    }

    fn end_command(&mut self) {
        if !self.state.command.is_running() {
            return self.disconnect();
        }
        if self.state.cleanup != Cleanup::NotNeeded {
            return;
        }
        self.is_cut = true;
        if !self.is_connected() {
            self.close_input();
        }
        self.process.signal(name::TERM);
        self.process.signal(name::CONT);
        self.state.cleanup = Cleanup::Terminating { kill_at: self.now().plus(limits::GRACE_MS) };
        self.signal_children(name::TERM);
    }

    fn kill(&mut self, now: Instant) {
        self.state.cleanup.begin_round(now);
        self.process.signal(name::KILL);
        self.signal_children(name::KILL);
        self.reap();
    }

    /// What the command has left behind falls to this process once that has ended.
    fn signal_children(&mut self, signal: u8) {
        if !self.process.is_alive && (signal == name::KILL || !self.process.guards) {
            self.process.end_orphan();
        }
    }

    /// The listener wants no further sessions.
    pub(crate) fn drain(&mut self) {
        self.state.link.hasten(self.now());
    }

    /// The server ends.
    pub(crate) fn end_with_server(&mut self) {
        self.drain();
        self.state.leave_at = self.state.leave_at.min(self.now().plus(limits::GRACE_MS));
        self.state.cleanup.hasten(self.now());
        // Nothing was begun, and another server may do it.
        self.is_excused |= !self.has_command();
        if self.state.command.end().is_none() {
            self.end_command();
        }
    }

    /// Milliseconds until an instant.
    fn until(&self, at: Instant) -> Option<u64> {
        let (mut least, mut most) = (0, 1 << 20);
        while least < most {
            let middle = (least + most) / 2;
            if self.now().plus(middle) >= at { most = middle } else { least = middle + 1 }
        }
        (at != Instant::NEVER).then_some(least)
    }
}

/// Instants count by how far they are.
impl Hash for Server<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.end.hash(hasher);
        match &self.state.link {
            Link::AwaitingRequest { by, limit, .. } => (0, self.until(*by), *limit).hash(hasher),
            Link::Relaying { flush_at, .. } => (1, self.until(*flush_at)).hash(hasher),
            Link::Lent { .. } => 2.hash(hasher),
            Link::Lingering { until, patience, .. } => {
                (3, self.until(*until), *patience == Patience::None).hash(hasher);
            }
            Link::Closed => 4.hash(hasher),
        }
        match &self.state.command {
            Command::None => 0.hash(hasher),
            Command::Running { until, .. } => (1, self.until(*until)).hash(hasher),
            Command::Ended { left, end, .. } => (2, *left, format!("{end:?}")).hash(hasher),
        }
        self.state.command.streams().map(|streams| (streams.input, streams.outputs)).hash(hasher);
        match self.state.cleanup {
            Cleanup::NotNeeded => 0.hash(hasher),
            Cleanup::Terminating { kill_at } => (1, self.until(kill_at)).hash(hasher),
            Cleanup::Killing { next, pause, .. } => (2, self.until(next), pause).hash(hasher),
            Cleanup::Done => 3.hash(hasher),
        }
        self.until(self.state.leave_at).hash(hasher);
        (self.is_cut, self.has_timed_out, self.is_excused, self.has_late_signal).hash(hasher);
        (self.passed_on, self.process.key()).hash(hasher);
    }
}
