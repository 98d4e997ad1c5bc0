//! The caller's terminal, while the command shares it: the command has a pseudo-terminal of its own. This one is left alone
//! until the command asks for its keys: what was typed is read when the command reads, and while that has set modes of its
//! own this terminal is raw, so that every key acts there. In the background it is left alone in any case.

pub(super) mod raw;
mod sharing;

use crate::protocol::{self, Keys};
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
    /// It does, and gets the keys that it asks for.
    Foreground,
}

/// The caller's terminal.
pub(super) struct Terminal {
    /// It: the first of the standard streams that is a terminal, or else the controlling one.
    pub(super) fd: BorrowedFd<'static>,
    /// Which of the standard streams are on it.
    pub(super) streams: [bool; 3],
    /// Whether the server can make one like it, as the request says.
    is_offered: bool,
    /// Whether the keys are what is relayed as the command's input.
    has_keys: bool,
    pub(super) sharing: Sharing,
    /// What the command does with the keys.
    keys: Keys,
    /// Whether the server knows that something waits to be read.
    has_told: bool,
    /// Whether the modes that the server knows are the job's. In the background they are those of the shell, which sets
    /// its own while it reads a line.
    pub(super) has_sent_modes: bool,
}

impl Terminal {
    /// The terminal of this process.
    pub(super) fn of_caller() -> Terminal {
        let standard = fd::standard_fds();
        let first = standard.into_iter().find(|stream| terminal::is_one(*stream));
        let fd = first.or_else(terminal::controlling).unwrap_or(standard[0]);
        Terminal {
            fd,
            streams: standard.map(|stream| terminal::is_one(stream) && fd::is_same_device(stream, fd)),
            is_offered: false,
            has_keys: false,
            sharing: Sharing::None,
            keys: Keys::None,
            has_told: false,
            has_sent_modes: terminal::is_in_foreground(fd),
        }
    }

    /// Whether any of the caller's streams is a terminal.
    pub(super) fn has_any_stream(&self) -> bool {
        fd::standard_fds().into_iter().any(terminal::is_one)
    }

    /// The request will go by this transport. By the relay, where the terminal's output is relayed as that of a stream that is
    /// on it, there has to be one.
    pub(super) fn offer(&mut self, is_direct: bool) {
        let [input, output, error] = self.streams;
        self.is_offered = (is_direct || output || error) && terminal::is_one(self.fd);
        self.has_keys = is_direct || input;
    }

    /// The request goes to a server that answers which streams it relays: where it could have the caller's own, and where
    /// it could share the terminal.
    pub(super) fn await_answer(&mut self, is_direct: bool) {
        let answers = is_direct || self.is_offered;
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
        if !self.is_offered {
            return None;
        }
        let modes = self.modes()?;
        let [input, output, error] = self.streams;
        let flags = [
            (error, protocol::Terminal::ERROR),
            (self.has_sent_modes, protocol::Terminal::FOREGROUND),
            (!input, protocol::Terminal::NO_INPUT),
            (!output, protocol::Terminal::NO_OUTPUT),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).fold(0, |flags, (_, flag)| flags | flag);
        Some(protocol::Terminal::new(flags, terminal::size(self.fd), modes.as_bytes()))
    }

    /// The modes that the job gave it: another stub may have made it raw.
    fn modes(&self) -> Option<Modes> {
        let mut modes = terminal::modes(self.fd).ok()?;
        modes.before_raw();
        Some(modes)
    }

    /// Whether the command shares it.
    pub(super) fn is_shared(&self) -> bool {
        matches!(self.sharing, Sharing::Background | Sharing::Foreground)
    }

    /// Whether this process may use it.
    pub(super) fn is_in_foreground(&self) -> bool {
        terminal::is_in_foreground(self.fd)
    }

    /// Whether stdin is watched: to be read, or to tell the server that there is something to read.
    pub(super) fn watches_input(&self) -> bool {
        !self.has_keys || self.sharing == Sharing::Foreground && (self.takes_all() || !self.has_told)
    }

    /// Whether the keys are the command's input, as far as it asks for them.
    pub(super) fn has_shared_keys(&self) -> bool {
        self.has_keys && self.is_shared()
    }

    /// Whether every key is the command's at once.
    pub(super) fn takes_all(&self) -> bool {
        self.keys.takes_all()
    }

    /// Makes the terminal what the command wants it to be, if this process is in the foreground.
    pub(super) fn take(&mut self) {
        self.sharing = if self.is_in_foreground() { Sharing::Foreground } else { Sharing::Background };
        self.has_told = false;
        if self.takes_all() && !raw::enter(self.fd, self.keys) {
            self.sharing = Sharing::Background;
        }
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
