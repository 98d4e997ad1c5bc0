//! What a stub does about the caller's terminal that its command shares.

use super::stub::Stub;
use super::terminal::Sharing;
use crate::protocol::client::Peer;
use crate::report;
use crate::sys::fd;
use crate::sys::terminal::{self, Modes};
use crate::text::line::Line;

impl Stub {
    /// Whether stdin may be read.
    pub(super) fn may_read(&self) -> bool {
        match self.terminal.sharing {
            Sharing::Unanswered { waits: true } => self.machine.peer() == Peer::Plain,
            Sharing::Unanswered { waits: false } | Sharing::None => !self.streams.input_awaits_stop,
            Sharing::Background => false,
            Sharing::Foreground => true,
        }
    }

    /// The server's answer: whether the command has a terminal, which is the caller's where there is one. Without any on
    /// either side, the command has the descriptors that went along. Only the first answer counts: after that, the numbers
    /// of those descriptors may be this process's own.
    pub(super) fn answered(&mut self, has_terminal: bool) {
        if !matches!(self.terminal.sharing, Sharing::Unanswered { .. }) {
            return;
        }
        self.report_reason();
        let shares = has_terminal && self.terminal.is_there();
        self.terminal.sharing = if shares { Sharing::Background } else { Sharing::None };
        if self.connection.is_direct {
            // The command has them, all or those beyond the streams: what it closes is to be closed for good.
            fd::close_passed(self.descriptors, if has_terminal { 3 } else { 0 });
            if has_terminal {
                self.take_streams();
            }
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
        let has_keys = self.terminal.sharing == Sharing::Foreground;
        if has_modes && has_keys && !self.terminal.has_sent_modes {
            self.terminal.has_sent_modes = true;
            self.machine.modes(modes.as_bytes());
        }
        self.machine.foreground(has_keys);
    }

    /// The job could not stop, so the command may use its terminal: in the background it would be stopped again at once.
    pub(super) fn insist_on_terminal(&mut self) {
        if self.terminal.is_shared() {
            self.terminal.take();
            self.machine.foreground(true);
        }
    }

    /// Tells the server the terminal's size.
    pub(super) fn resize_terminal(&mut self) {
        self.machine.resize(terminal::size(self.terminal.fd));
    }

    /// Reports what the server has said of itself.
    pub(super) fn report_reason(&mut self) {
        if !self.reason.bytes().is_empty() {
            report!("server {}: {}", self.route.server.name(), *self.reason);
            *self.reason = Line::new();
        }
    }
}
