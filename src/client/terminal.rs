//! The caller's terminal, while the command shares it: the command has a pseudo-terminal of its own, and this one is raw,
//! so that every key reaches that and acts there. In the background the terminal is left alone.

use super::raw;
use crate::protocol;
use crate::sys::fd;
use crate::sys::terminal::{self, Modes};
use rustix::fd::BorrowedFd;

/// How far the command shares the terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sharing {
    /// The server has not answered which streams it relays. While the stub `waits` for that, nothing is read from stdin: a
    /// read could take what the next reader is to get.
    Unanswered { waits: bool },
    /// Not at all.
    None,
    /// It does, and this process leaves the keys to the foreground.
    Background,
    /// It does, and has the keys.
    Foreground,
}

/// The caller's terminal.
pub(super) struct Terminal {
    /// stdin.
    pub(super) fd: BorrowedFd<'static>,
    /// Whether both stdin and stdout are one.
    is_there: bool,
    pub(super) sharing: Sharing,
    /// Whether the modes that the server knows are the job's. In the background they are those of the shell, which sets
    /// its own while it reads a line.
    pub(super) has_sent_modes: bool,
}

impl Terminal {
    /// The terminal that both stdin and stdout are, if they are one.
    pub(super) fn of_caller() -> Terminal {
        let [input, output, _] = fd::standard_fds();
        Terminal {
            fd: input,
            is_there: terminal::is_one(input) && terminal::is_one(output),
            sharing: Sharing::None,
            has_sent_modes: terminal::is_in_foreground(input),
        }
    }

    /// No terminal, even if the caller has one.
    pub(super) fn none() -> Terminal {
        Terminal { is_there: false, ..Terminal::of_caller() }
    }

    /// Whether any of the caller's streams is a terminal.
    pub(super) fn has_any_stream(&self) -> bool {
        fd::standard_fds().into_iter().any(terminal::is_one)
    }

    /// The request goes to a server that answers which streams it relays: where it could have the caller's own, and where
    /// it could share the terminal.
    pub(super) fn await_answer(&mut self, is_direct: bool) {
        let answers = is_direct || self.is_there;
        self.sharing = if answers { Sharing::Unanswered { waits: true } } else { Sharing::None };
    }

    /// Whether nothing is read until the server has answered.
    pub(super) fn awaits_answer(&self) -> bool {
        self.sharing == Sharing::Unanswered { waits: true }
    }

    /// The answer did not come in time; it still counts when it comes.
    pub(super) fn stop_awaiting(&mut self) {
        self.sharing = Sharing::Unanswered { waits: false };
    }

    /// What the server needs to make another one like it.
    pub(super) fn describe(&self) -> Option<protocol::Terminal> {
        let mut modes = Modes::default();
        if !self.is_there || terminal::get_modes(self.fd, &mut modes).is_err() {
            return None;
        }
        let [.., error] = fd::standard_fds();
        let mut flags = 0;
        if fd::is_same_device(self.fd, error) {
            flags |= protocol::Terminal::ERROR;
        }
        if self.has_sent_modes {
            flags |= protocol::Terminal::FOREGROUND;
        }
        Some(protocol::Terminal::new(flags, terminal::size(self.fd), modes.as_bytes()))
    }

    /// Whether both stdin and stdout are one.
    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// Whether the command shares it.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.sharing, Sharing::Background | Sharing::Foreground)
    }

    /// Whether this process may use it.
    pub(super) fn is_in_foreground(&self) -> bool {
        terminal::is_in_foreground(self.fd)
    }

    /// Takes the keys, if this process is in the foreground.
    pub(super) fn take(&mut self) {
        self.sharing = if raw::enter(self.fd) { Sharing::Foreground } else { Sharing::Background };
    }

    /// Leaves the keys to the foreground where that is another job by now; false where it is not.
    pub(super) fn leave_to_foreground(&mut self) -> bool {
        let leaves = !self.is_in_foreground();
        if leaves {
            self.sharing = Sharing::Background;
        }
        leaves
    }
}
