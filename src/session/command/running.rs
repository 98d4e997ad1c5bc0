//! A command that runs.

use super::keyboard::Keyboard;
use crate::protocol::Which;
use crate::sys::fd::OwnedFd;
use crate::sys::signal::Set;
use crate::sys::terminal::Modes;

/// This process's ends of a command's streams.
#[derive(Debug, Default)]
pub(in crate::session) struct Streams {
    /// Its terminal, where it has one, as the command sees it.
    pub(in crate::session) terminal: Option<OwnedFd>,
    /// Which of [`Self::outputs`] is this process's end of that.
    pub(in crate::session) screen: Option<Which>,
    /// Whether [`Self::input`] is this process's end of it, too. Otherwise it is not the command's controlling terminal.
    pub(in crate::session) has_keys: bool,
    /// While the stub is in the background: the process group that gets the terminal's foreground back.
    pub(in crate::session) background: Option<i32>,
    /// The modes that it began with, where they are those of the stub's terminal, which then processes its output.
    pub(in crate::session) shared_modes: Option<Modes>,
    /// Whose the keys are of the stub's terminal.
    pub(in crate::session) keyboard: Keyboard,
    /// Where its stdin is written to, non-blocking, until either side closes it.
    pub(in crate::session) input: Option<OwnedFd>,
    /// Where its stdout and stderr are read from, until they end.
    pub(in crate::session) outputs: [Option<OwnedFd>; 2],
}

/// A command that was started.
#[derive(Debug)]
pub(in crate::session) struct Running {
    /// Its process, and its process group.
    pub(in crate::session) pid: i32,
    /// The signals that it was started to ignore, as the stub's caller ignores them.
    pub(in crate::session) ignored: Set,
    pub(in crate::session) streams: Streams,
}
