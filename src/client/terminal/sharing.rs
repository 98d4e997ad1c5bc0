//! What a stub does about the caller's terminal that its command shares.

use super::{Sharing, raw};
use crate::client::stub::{Handled, Stub};
use crate::protocol::Keys;
use crate::protocol::client::Peer;
use crate::report;
use crate::sys::signal::name;
use crate::sys::terminal::{self, Modes};
use crate::sys::{fd, poll};
use crate::text::line::Line;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

/// Bytes of a line at the most, as the kernel takes one (termios(3)).
const LINE: usize = 4096;

impl Stub {
    /// Whether stdin is watched.
    pub(in crate::client) fn may_read(&self) -> bool {
        match self.terminal.sharing {
            Sharing::Unanswered { waits: true } => self.machine.peer() == Peer::Plain,
            Sharing::Unanswered { waits: false } | Sharing::None => !self.streams.input_awaits_stop,
            Sharing::Background | Sharing::Foreground => self.terminal.watches_input(),
        }
    }

    /// The server's answer: whether the command has a terminal, which is the caller's where there is one. Without any on
    /// either side, the command has the descriptors that went along. Only the first answer counts: after that, the numbers
    /// of those descriptors may be this process's own.
    pub(in crate::client) fn answered(&mut self, has_terminal: bool, is_shared: bool) {
        if !matches!(self.terminal.sharing, Sharing::Unanswered { .. }) {
            return;
        }
        self.report_reason();
        self.terminal.sharing = if is_shared { Sharing::Background } else { Sharing::None };
        if self.connection.is_direct {
            // The command has what is not on its terminal: what it closes is to be closed for good.
            let relayed = if is_shared { self.terminal.streams } else { [has_terminal; 3] };
            fd::close_passed(self.descriptors, relayed);
            if is_shared {
                self.take_terminal();
            } else if has_terminal {
                self.take_streams();
            }
        }
        self.resume_terminal();
    }

    /// The job goes on: in the foreground it takes the keys, and the command its own terminal's.
    pub(in crate::client) fn resume_terminal(&mut self) {
        if !self.terminal.is_shared() {
            return;
        }
        self.resize_terminal();
        let modes = self.terminal.modes();
        self.terminal.take();
        let is_in_foreground = self.terminal.sharing == Sharing::Foreground;
        if let Some(modes) = modes.filter(|_| is_in_foreground && !self.terminal.has_sent_modes) {
            self.terminal.has_sent_modes = true;
            self.machine.modes(modes.as_bytes());
        }
        self.machine.foreground(is_in_foreground);
    }

    /// The command does something else with the keys now.
    pub(in crate::client) fn give_keys(&mut self, keys: Keys) -> Handled {
        if !self.terminal.is_shared() {
            return Ok(());
        }
        if keys == Keys::Once {
            return self.send_line();
        }
        self.terminal.keys = keys;
        self.terminal.has_told = false;
        if !self.terminal.takes_all() {
            raw::restore();
        } else if self.terminal.sharing == Sharing::Foreground {
            self.terminal.take();
        }
        Ok(())
    }

    /// Something can be read at the terminal. What is not the command's is not read: the server is told.
    pub(in crate::client) fn on_typed(&mut self) {
        if self.terminal.leave_to_foreground() {
            self.machine.foreground(false);
        } else {
            self.terminal.has_told = true;
            self.machine.waiting(true);
        }
    }

    /// The command reads: sends it what there is to read, once. A line goes as it was typed and edited here; where it does not
    /// end in a line feed, the end of input has ended it.
    fn send_line(&mut self) -> Handled {
        let count = self.machine.allowance().min(LINE + 1);
        let Some(input) = self.streams.input.as_mut().filter(|_| count > 1) else { return self.end_line() };
        if !poll::is_ready(input.as_fd(), PollFlags::IN, 0) {
            return self.end_line();
        }
        let space = self.machine.space(count);
        let (mark, line) = (count - 1, self.terminal.modes());
        match input.read(&mut space[..mark]) {
            Ok(count) => {
                let line = line.filter(Modes::has_lines);
                let is_ended = line.is_none_or(|modes| count > 0 && modes.ends_line(space[count - 1]));
                if let Some(modes) = line.filter(|_| !is_ended) {
                    space[count] = modes.end_mark();
                }
                self.machine.send(count + usize::from(!is_ended));
            }
            Err(Errno::IO) if self.terminal.leave_to_foreground() => return self.stop(name::TTIN),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => self.fail_input(errno)?,
        }
        self.end_line()
    }

    fn end_line(&mut self) -> Handled {
        self.terminal.has_told = false;
        self.machine.waiting(false);
        Ok(())
    }

    /// The job could not stop, so the command may use its terminal: in the background it would be stopped again at once.
    pub(in crate::client) fn insist_on_terminal(&mut self) {
        if self.terminal.is_shared() {
            self.terminal.take();
            self.machine.foreground(true);
        }
    }

    /// Tells the server the terminal's size.
    pub(in crate::client) fn resize_terminal(&mut self) {
        self.machine.resize(terminal::size(self.terminal.fd));
    }

    /// Reports what the server has said of itself.
    pub(in crate::client) fn report_reason(&mut self) {
        if !self.reason.bytes().is_empty() {
            report!("server {}: {}", self.route.server.name(), *self.reason);
            *self.reason = Line::new();
        }
    }
}
