//! A session's streams: this process's ends of the command's pipes or terminal.

use super::event_loop::{Client, OVERTIME, Session};
use super::log::EndReason;
use super::phases::Link;
use super::terminal::without_returns;
use crate::protocol::Which;
use crate::sys::fd::{self, OwnedFd};
use crate::{exit, limits, report};
use rustix::event::PollFlags;
use rustix::io::Errno;

impl Session<'_> {
    /// Bytes for the command's stdin. Few of them wait for those that have come with them.
    pub(super) fn input(&mut self, bytes: &[u8]) {
        self.record.count(0, bytes.len());
        if bytes.len() < limits::COALESCE_BYTES && (self.coalesces || !self.server_end.has_input()) {
            self.coalesces = true;
            let _ = self.server_end.write_input(bytes, &mut |_| Some(0));
        } else {
            self.write_coalesced();
            self.write_input(bytes);
        }
    }

    /// Writes what has waited for more to be written with it: nothing more has come.
    pub(super) fn write_coalesced(&mut self) {
        if core::mem::take(&mut self.coalesces) {
            self.write_input(b"");
        }
    }

    /// Writes to the command's stdin: what has arrived, or with nothing what waits.
    pub(super) fn write_input(&mut self, arrived: &[u8]) {
        let pipe = self.state.command.streams().and_then(|streams| streams.input.as_ref());
        let is_done = self.server_end.write_input(arrived, &mut |bytes| write(pipe?, bytes, !arrived.is_empty()));
        if is_done {
            self.close_input();
        }
    }

    /// What may be moved from the connection to stdin, as `ServerEnd::movable` tells.
    pub(super) fn movable(&self) -> Option<usize> {
        self.server_end.movable().filter(|_| self.channel.is_plain() && self.state.link.takes_frames())
    }

    /// Moves bytes from the connection to the command's stdin. False where they have to be read: where this is impossible, or
    /// the pipe is full, so that what comes behind them is not held up.
    pub(super) fn move_input(&mut self) -> bool {
        let Some(count @ 1..) = self.movable() else { return false };
        let pipe = self.state.command.streams().and_then(|streams| streams.input.as_ref());
        let (Some(socket), Some(pipe)) = (self.state.link.socket(), pipe) else { return false };
        match fd::splice(socket, pipe, count) {
            Ok(count) => {
                self.server_end.moved(count);
                self.record.count(0, count);
                return count > 0;
            }
            Err(Errno::AGAIN | Errno::INTR) => fd::enlarge(pipe),
            Err(_) => self.server_end.copy(),
        }
        false
    }

    /// The stdin pipe has room, or no reader. Then the caller's writer is to notice.
    pub(super) fn on_input_ready(&mut self, flags: PollFlags) {
        if flags.contains(PollFlags::ERR) {
            self.server_end.close_input();
            self.close_input();
        } else {
            self.write_input(b"");
        }
    }

    pub(super) fn close_input(&mut self) {
        if let Some(streams) = self.state.command.streams_mut() {
            streams.input = None;
        }
    }

    /// How many bytes of one of the command's streams may be read now.
    pub(super) fn wanted(&self, which: Which) -> usize {
        self.server_end.allowance(which).min(self.state.command.left(which as usize))
    }

    /// Reads one of the command's streams once.
    pub(super) fn read_output(&mut self, which: Which) {
        // How the terminal's modes are now is how it is shown.
        let adds_returns = self.adds_returns(which);
        let (index, count) = (which as usize, self.wanted(which));
        let Some(streams) = self.state.command.streams().filter(|_| count > 0) else { return };
        let Some(output) = &streams.outputs[index] else { return };
        let may_move = self.conduit.is_preferred()
            && self.channel.is_plain()
            && streams.terminal.is_none()
            && self.client != Client::Http;
        let socket = self.state.link.socket().filter(|_| may_move);
        let space = self.server_end.space(which, count);
        // Where the last byte is half of a pair, there has to be room for the other half.
        let first = if adds_returns { (count - 1).max(1) } else { count };
        let result = match socket {
            Some(socket) => self.conduit.fill(output, socket, count),
            None => fd::read(output, &mut space[..first]),
        };
        self.conduit.note(result, count);
        match result {
            Ok(0) => self.end_output(which),
            Ok(count) => {
                if count >= PIPE {
                    fd::enlarge(output);
                }
                let kept = if adds_returns { without_returns(output, space, count) } else { count };
                if socket.is_some() {
                    self.server_end.announce(which, kept);
                } else {
                    self.server_end.send(which, kept);
                }
                self.record.count(1, kept);
                self.state.command.on_read(index, count);
            }
            // A terminal has given all that was written to it before the command ended.
            Err(Errno::AGAIN) if !self.state.command.is_running() => self.state.command.on_read(index, usize::MAX),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // It is read the next time.
            Err(_) if socket.is_some() => {}
            Err(errno) => {
                report!("{}: reading its output: {}", self.name, errno);
                self.end_output(which);
            }
        }
    }

    /// One of the command's streams has ended.
    fn end_output(&mut self, which: Which) {
        self.server_end.send(which, 0);
        self.close_output(which);
    }

    pub(super) fn close_output(&mut self, which: Which) {
        self.state.command.on_read(which as usize, usize::MAX);
        if let Some(streams) = self.state.command.streams_mut() {
            streams.outputs[which as usize] = None;
        }
    }

    /// Once the command has ended: passes on what it had written, then its end.
    pub(super) fn report_end(&mut self) {
        let is_open = matches!(self.state.link, Link::Relaying { .. } | Link::Lent { .. });
        if !is_open || self.state.command.end().is_none() {
            return;
        }
        for which in Which::BOTH {
            while self.wanted(which) > 0 {
                self.read_output(which);
            }
        }
        let Some(end) = self.state.command.drained() else { return };
        if let Link::Lent { socket } = &self.state.link {
            self.record.measure(socket);
        }
        let is_late = self.record.cut == Some(EndReason::Timeout);
        self.exchange.answer.end(end, is_late);
        if is_late && self.client != Client::Plain {
            self.server_end.fail(exit::TIMED_OUT, OVERTIME.as_bytes());
        } else {
            self.server_end.finish(end);
        }
        self.begin_linger();
    }
}

/// Writes as much to a command's stdin as there is room for; `None`: it has no reader. With `may_enlarge`, a pipe that is
/// full is made larger.
fn write(pipe: &OwnedFd, bytes: &[u8], may_enlarge: bool) -> Option<usize> {
    match fd::write(pipe, bytes) {
        Ok(count) => {
            if may_enlarge && count < bytes.len() {
                fd::enlarge(pipe);
            }
            Some(count)
        }
        Err(Errno::AGAIN | Errno::INTR) => Some(0),
        Err(_) => None,
    }
}

/// Bytes that a pipe holds unless it is enlarged (pipe(7)).
const PIPE: usize = 64 << 10;
