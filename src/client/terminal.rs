//! The caller's terminal, while the command shares it: the command has a pseudo-terminal of its own, and this one is raw,
//! so that every key reaches that and acts there. In the background the terminal is left alone.

use super::{Stub, raw};
use crate::protocol::client::Peer;
use crate::report;
use crate::sys::fd;
use crate::sys::terminal::{self, Modes};
use rustix::fd::BorrowedFd;

/// How far the command shares the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not at all, or not yet.
    Apart,
    /// It does, and this process leaves the terminal to the foreground.
    Background,
    /// It does, and has the keys.
    Foreground,
}

/// The caller's terminal.
pub(super) struct Terminal {
    /// stdin.
    fd: BorrowedFd<'static>,
    /// Whether both stdin and stdout are one.
    is_there: bool,
    state: State,
    /// Whether the modes that the server knows are the job's. In the background they are those of the shell, which sets
    /// its own while it reads a line.
    has_told_modes: bool,
}

impl Terminal {
    /// The terminal that both stdin and stdout are, if they are one.
    pub(super) fn of_caller() -> Terminal {
        let [input, output, _] = fd::standard_fds();
        let is_there = terminal::is_one(input) && terminal::is_one(output);
        Terminal { fd: input, is_there, state: State::Apart, has_told_modes: terminal::is_in_foreground(input) }
    }

    /// What the server needs to make another one like it.
    pub(super) fn describe(&self) -> Option<crate::protocol::Terminal> {
        let mut modes = Modes::default();
        if !self.is_there || terminal::get_modes(self.fd, &mut modes).is_err() {
            return None;
        }
        let [.., error] = fd::standard_fds();
        let mut flags = 0;
        if fd::is_same_device(self.fd, error) {
            flags |= crate::protocol::Terminal::ERROR;
        }
        if self.has_told_modes {
            flags |= crate::protocol::Terminal::FOREGROUND;
        }
        Some(crate::protocol::Terminal::new(flags, terminal::size(self.fd), modes.as_bytes()))
    }

    /// Whether both stdin and stdout are one.
    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// Whether the command shares it.
    pub(super) fn is_shared(&self) -> bool {
        self.state != State::Apart
    }

    /// Whether this process may use it.
    pub(super) fn is_in_foreground(&self) -> bool {
        terminal::is_in_foreground(self.fd)
    }

    /// Takes the keys, if this process is in the foreground.
    fn take(&mut self) {
        self.state = if raw::enter(self.fd) { State::Foreground } else { State::Background };
    }

    /// Leaves the keys to the foreground where that is another job by now; false where it is not.
    pub(super) fn leave_to_foreground(&mut self) -> bool {
        let leaves = !self.is_in_foreground();
        if leaves {
            self.state = State::Background;
        }
        leaves
    }
}

impl Stub {
    /// Whether stdin may be read. Before it is known whose keys they are, a read could take what a shell is to get.
    pub(super) fn may_read(&self) -> bool {
        if self.awaits_answer && self.near.peer() != Peer::Plain {
            return false;
        }
        match self.terminal.state {
            State::Apart => !self.awaits_stop,
            State::Background => false,
            State::Foreground => true,
        }
    }

    /// The server's answer: whether the command has a terminal, which is the caller's where there is one. Where there is
    /// none on either side, the command has what came along.
    pub(super) fn answered(&mut self, has_terminal: bool) {
        self.tell_reason();
        self.awaits_answer = false;
        if self.connection.is_direct {
            self.let_go(!has_terminal);
            if !has_terminal {
                return;
            }
            self.take_streams();
        }
        if has_terminal && self.terminal.is_there {
            self.terminal.state = State::Background;
        }
        self.resume_terminal();
    }

    /// The job goes on: in the foreground it takes the keys, and the command its own terminal's.
    pub(super) fn resume_terminal(&mut self) {
        if !self.terminal.is_shared() {
            return;
        }
        self.resize_terminal();
        let mut modes = Modes::default();
        let has_modes = terminal::get_modes(self.terminal.fd, &mut modes).is_ok();
        self.terminal.take();
        let has_keys = self.terminal.state == State::Foreground;
        if has_modes && has_keys && !self.terminal.has_told_modes {
            self.terminal.has_told_modes = true;
            self.near.modes(modes.as_bytes());
        }
        self.near.foreground(has_keys);
    }

    /// The job could not stop, so the command may use its terminal: in the background it would be stopped again at once.
    pub(super) fn insist_on_terminal(&mut self) {
        if self.terminal.is_shared() {
            self.terminal.take();
            self.near.foreground(true);
        }
    }

    /// Tells the server the terminal's size.
    pub(super) fn resize_terminal(&mut self) {
        self.near.resize(terminal::size(self.terminal.fd));
    }

    /// Tells the caller what the server has said of itself.
    pub(super) fn tell_reason(&mut self) {
        if !self.reason.bytes().is_empty() {
            report!("server {}: {}", self.server.name(), *self.reason);
            *self.reason = crate::text::line::Line::new();
        }
    }
}
