//! The command, as the kernel treats a process: what it may do, and what signals do to it.

use crate::exit::End;
use crate::limits;
use crate::sys::signal::name;
use crate::wire::Pipe;
use std::collections::VecDeque;

/// What its parent is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    Ended(End),
    Stopped(u8),
}

/// The command, and a process that it may have left behind.
pub(crate) struct Process {
    pub(crate) is_alive: bool,
    pub(crate) is_stopped: bool,
    /// Whether it ignores what can be ignored.
    pub(crate) guards: bool,
    /// A signal that waits for it to go on.
    pending: Option<u8>,
    /// What its parent has not been told of.
    pub(crate) news: VecDeque<Child>,
    /// Whether a process lives that it has started, which holds its outputs open.
    pub(crate) has_orphan: bool,
    pub(crate) input: Pipe,
    pub(crate) outputs: [Pipe; 2],
    /// What it had written when it ended.
    pub(crate) had_written: [usize; 2],
    pub(crate) end: Option<End>,
    pub(crate) has_stopped_itself: bool,
}

impl Process {
    pub(crate) fn new(guards: bool, has_orphan: bool) -> Process {
        Process {
            is_alive: true,
            is_stopped: false,
            guards,
            pending: None,
            news: VecDeque::new(),
            has_orphan,
            input: Pipe::new(),
            outputs: [Pipe::new(), Pipe::new()],
            had_written: [0; 2],
            end: None,
            has_stopped_itself: false,
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.is_alive && !self.is_stopped
    }

    /// It gets a signal.
    pub(crate) fn signal(&mut self, signal: u8) {
        match signal {
            _ if !self.is_alive => {}
            name::KILL => self.die(End::Signal(signal)),
            name::CONT => {
                self.is_stopped = false;
                if let Some(signal) = self.pending.take() {
                    self.signal(signal);
                }
            }
            name::STOP | name::TSTP => self.stop(signal),
            _ if self.guards => {}
            _ if self.is_stopped => self.pending = Some(signal),
            _ => self.die(End::Signal(signal)),
        }
    }

    pub(crate) fn stop(&mut self, signal: u8) {
        if !self.is_stopped {
            self.is_stopped = true;
            self.news.push_back(Child::Stopped(signal));
        }
    }

    pub(crate) fn die(&mut self, end: End) {
        (self.is_alive, self.is_stopped, self.end) = (false, false, Some(end));
        self.had_written = self.outputs.each_ref().map(|output| output.written);
        self.news.push_back(Child::Ended(end));
        self.input.has_reader = false;
        for output in &mut self.outputs {
            output.has_writer &= self.has_orphan;
        }
    }

    pub(crate) fn end_orphan(&mut self) {
        self.has_orphan = false;
        for output in &mut self.outputs {
            output.has_writer &= self.is_alive;
        }
    }

    /// It, or what it left behind, writes a frame's worth.
    pub(crate) fn write(&mut self, output: usize) {
        let pipe = &mut self.outputs[output];
        if pipe.has_reader {
            pipe.written += limits::FRAME.min(pipe.room());
        } else if self.is_alive {
            self.signal(name::PIPE);
        }
    }

    /// For the key of a state.
    pub(crate) fn key(&self) -> impl std::hash::Hash + use<'_> {
        let news: Vec<_> = self.news.iter().map(|news| format!("{news:?}")).collect();
        let end = self.end.map(|end| match end {
            End::Code(code) => (0, code),
            End::Signal(signal) => (1, signal),
        });
        let flags = [self.is_alive, self.is_stopped, self.has_orphan, self.has_stopped_itself];
        (flags, self.pending, news, &self.input, &self.outputs, self.had_written, end)
    }
}
