//! What carries out the stub's machine, told again for streams and a wire that are values: `src/client/stub.rs`,
//! `connection.rs`, `streams.rs` and `signals.rs`.

use crate::exit::End;
use crate::protocol::client::{Buffers, ClientEnd, Peer, ServerMessage};
use crate::protocol::{Queue, Which};
use crate::sys::signal::{self, name};
use crate::wire::{Wire, bytes_at};
use std::hash::{Hash, Hasher};

/// How a stub ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Ended(End),
    /// The connection has ended before the command's end was told.
    Failed,
    /// It was killed.
    Killed,
}

/// Where the command's output goes.
#[derive(Default, Hash)]
pub(crate) struct Sink {
    pub(crate) has_no_reader: bool,
    /// Bytes that were written to it, or dropped since it has no reader.
    pub(crate) passed: usize,
    /// Bytes that have come for it.
    pub(crate) arrived: usize,
}

/// A stub.
pub(crate) struct Stub<'s> {
    pub(crate) end: ClientEnd<'s>,
    /// Bytes of stdin that were read, and whether it is still open.
    pub(crate) typed: usize,
    pub(crate) has_input: bool,
    pub(crate) sinks: [Sink; 2],
    /// Whether its outputs take what comes only later.
    pub(crate) is_slow: bool,
    pub(crate) is_stopped: bool,
    pub(crate) told: Option<End>,
    pub(crate) over: Option<Over>,
    reads: bool,
    /// Signals that came before the server greeted.
    held: Vec<u8>,
    /// How many signals it has got, and whether one of them was meant to end it.
    pub(crate) signals: usize,
    pub(crate) has_deadly: bool,
    /// Whether stdin's window was left alone for want of a greeting.
    pub(crate) has_overflowed: bool,
}

impl<'s> Stub<'s> {
    pub(crate) fn new(request: Queue<'s>, buffers: &'s mut Buffers, is_slow: bool) -> Stub<'s> {
        Stub {
            end: ClientEnd::new(request, buffers),
            typed: 0,
            has_input: true,
            sinks: Default::default(),
            is_slow,
            is_stopped: false,
            told: None,
            over: None,
            reads: true,
            held: Vec::new(),
            signals: 0,
            has_deadly: false,
            has_overflowed: false,
        }
    }

    /// Whether it does anything but wait for a CONT.
    pub(crate) fn runs(&self) -> bool {
        self.over.is_none() && !self.is_stopped
    }

    pub(crate) fn wants_to_send(&self) -> bool {
        self.reads && !self.end.outgoing().is_empty()
    }

    /// Sends what there is to send.
    pub(crate) fn transmit(&mut self, up: &mut Wire) {
        match up.send(self.end.outgoing()) {
            Some(count) => self.end.sent(count),
            None => self.reads = false,
        }
    }

    /// Whether stdin is read, if it has something.
    pub(crate) fn may_read(&self) -> bool {
        self.has_input && self.told.is_none() && self.end.allowance() > 0
    }

    /// Reads up to so many bytes of stdin.
    pub(crate) fn read_input(&mut self, most: usize) {
        let count = self.end.allowance().min(most);
        self.end.space(count).copy_from_slice(&bytes_at(self.typed, count));
        self.end.send(count);
        self.typed += count;
    }

    pub(crate) fn end_input(&mut self) {
        self.has_input = false;
        self.end.send(0);
    }

    /// The greeting has not come in time.
    pub(crate) fn stop_awaiting(&mut self) {
        self.end.stop_awaiting();
        self.has_overflowed = true;
    }

    /// Bytes have come from the server.
    pub(crate) fn arrive(&mut self, mut bytes: &[u8]) {
        while self.told.is_none() {
            match self.end.receive(&mut bytes) {
                Ok(Some(message)) => self.handle(message),
                Ok(None) => break,
                Err(error) => panic!("the server says what the stub does not understand: {error:?}"),
            }
            assert!(!self.end.take_overrun(), "something is lost for want of room");
        }
        assert!(bytes.is_empty(), "something follows the last frame");
        if self.end.peer() == Peer::Negotiated {
            for signal in std::mem::take(&mut self.held) {
                self.forward(signal);
            }
        }
    }

    /// Nothing comes any more.
    pub(crate) fn on_disconnect(&mut self) {
        if self.told.is_none() {
            self.over = Some(Over::Failed);
        }
    }

    fn handle(&mut self, message: ServerMessage<'_>) {
        match message {
            ServerMessage::Output(which, bytes) => self.output(which, bytes),
            ServerMessage::InputClosed => self.has_input = false,
            ServerMessage::Ended(end) => self.told = Some(end),
            ServerMessage::Stopped(_) => self.is_stopped = true,
            ServerMessage::Failure(_) | ServerMessage::Terminal { .. } | ServerMessage::Keys(_) => {}
        }
    }

    fn output(&mut self, which: Which, bytes: &[u8]) {
        let sink = &mut self.sinks[which as usize];
        assert_eq!(bytes, bytes_at(sink.arrived, bytes.len()), "bytes at {} of {which:?}", sink.arrived);
        sink.arrived += bytes.len();
        let written = if self.is_slow && !sink.has_no_reader { 0 } else { bytes.len() };
        sink.passed += written;
        self.end.keep(which, bytes, written);
    }

    pub(crate) fn has_waiting(&self, which: Which) -> bool {
        !self.end.stream(which).waiting().is_empty()
    }

    /// An output takes what waits.
    pub(crate) fn flush(&mut self, which: Which) {
        let count = self.end.stream(which).waiting().len();
        self.sinks[which as usize].passed += count;
        self.end.pass(which, count);
    }

    /// An output has lost its reader.
    pub(crate) fn hang_up(&mut self, which: Which) {
        let sink = &mut self.sinks[which as usize];
        (sink.has_no_reader, sink.passed) = (true, sink.arrived);
        self.end.hang_up(which);
    }

    /// It gets a signal.
    pub(crate) fn signal(&mut self, signal: u8) {
        self.signals += 1;
        if signal == name::CONT {
            self.is_stopped = false;
        }
        match self.end.peer() {
            _ if self.told.is_some() => self.default_action(signal),
            Peer::Negotiated => self.forward(signal),
            Peer::Plain => self.default_action(signal),
            Peer::Unknown => self.held.push(signal),
        }
    }

    /// Its shell has it go on.
    pub(crate) fn resume(&mut self) {
        self.is_stopped = false;
        if self.end.peer() == Peer::Negotiated && self.told.is_none() {
            self.forward(name::CONT);
        }
    }

    fn forward(&mut self, signal: u8) {
        let is_deadly = signal::DEADLY.has(signal);
        self.has_deadly |= is_deadly;
        self.end.signal(signal, is_deadly);
    }

    fn default_action(&mut self, signal: u8) {
        if signal::DEADLY.has(signal) {
            self.over = Some(Over::Killed);
        }
        self.is_stopped |= signal == name::TSTP;
    }

    /// Ends where everything was said and passed on.
    pub(crate) fn leave(&mut self) {
        if let Some(end) = self.told
            && self.over.is_none()
            && Which::BOTH.into_iter().all(|which| !self.has_waiting(which))
        {
            self.over = Some(Over::Ended(end));
        }
    }
}

impl Hash for Stub<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.end.hash(hasher);
        (self.typed, self.has_input, &self.sinks, self.is_stopped, self.reads, &self.held, self.signals).hash(hasher);
        (self.has_deadly, self.has_overflowed, format!("{:?}{:?}", self.told, self.over)).hash(hasher);
    }
}
