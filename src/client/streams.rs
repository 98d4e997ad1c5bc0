//! A stub's streams: the caller's stdin, stdout and stderr, whose flags are not its own to change.

use super::Stub;
use crate::protocol::Which;
use crate::protocol::client::Peer;
use crate::report;
use crate::sys::fd;
use crate::sys::signal::{self, name};
use crate::sys::terminal;
use crate::text::bytes::after;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

impl Stub {
    /// Reads stdin once, as much as may leave.
    pub(super) fn read_input(&mut self) {
        let Some(input) = &mut self.input else { return };
        let space = self.near.space(self.near.allowance());
        match input.read(space) {
            Ok(0) => {}
            Ok(count) => return self.near.send(count),
            Err(Errno::AGAIN | Errno::INTR) => return,
            // A hang-up ends the input, and a background job may not read its terminal: it waits for the foreground.
            Err(Errno::IO) if self.terminal.is_shared() => {
                if self.terminal.leave_to_foreground() {
                    return;
                }
            }
            // A background job may not read its terminal. TTIN is blocked here, so it comes as an error (termios(4)); the
            // kernel would have sent it to the whole job, which stops or goes on as one.
            Err(Errno::IO) if !terminal::is_in_foreground(input.as_fd()) => {
                // A server of protocol 1 is not asked to stop its command: only the stub stops.
                self.awaits_stop = self.near.peer() == Peer::Negotiated;
                let _ = signal::send(0, name::TTIN);
                return;
            }
            Err(errno) => {
                // Nothing to read from, as nohup(1) leaves it, is no input. Any other end is not that of the data.
                if errno != Errno::BADF {
                    report!("stdin: {}", errno);
                    self.has_failed = true;
                }
            }
        }
        self.near.send(0);
        self.input = None;
    }

    /// The command reads its stdin no more. Whoever writes to this one is to notice, as it would of a local command.
    pub(super) fn close_input(&mut self) {
        if let Some(input) = self.input.take() {
            fd::close(input);
        }
    }

    /// Bytes of the command's output: written at once as far as they can be, unless others wait already.
    pub(super) fn output(&mut self, which: Which, bytes: &[u8]) {
        let mut rest = bytes;
        if let Some(output) = &mut self.outputs[which as usize] {
            while !rest.is_empty() && self.near.stream(which).waiting().is_empty() {
                match output.write(rest) {
                    Ok(count) => rest = after(rest, count),
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => break,
                    Err(errno) => {
                        // What is kept for nobody is dropped.
                        self.cannot_write(which, errno);
                        break;
                    }
                }
            }
        } else {
            self.unread(which);
            rest = &[];
        }
        self.near.keep(which, bytes, bytes.len() - rest.len());
    }

    /// The stream has room, or no reader.
    pub(super) fn flush(&mut self, which: Which, flags: PollFlags) {
        let Some(output) = &mut self.outputs[which as usize] else { return };
        if flags.intersects(PollFlags::ERR | PollFlags::NVAL) {
            self.cannot_write(which, Errno::PIPE);
            return;
        }
        let waiting = self.near.stream(which).waiting();
        if waiting.is_empty() {
            // A terminal that has hung up, a socket whose other end is closed.
            if flags.contains(PollFlags::HUP) {
                self.cannot_write(which, Errno::PIPE);
            }
            return;
        }
        match output.write(waiting) {
            Ok(count) => self.near.pass(which, count),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => self.cannot_write(which, errno),
        }
    }

    /// Nothing can be written to the stream any more. The command is to notice at its next write, as it would locally.
    fn cannot_write(&mut self, which: Which, errno: Errno) {
        if errno != Errno::PIPE {
            report!("{}: {}", if which == Which::Output { "stdout" } else { "stderr" }, errno);
            self.has_failed = true;
        }
        self.outputs[which as usize] = None;
        self.near.hang_up(which);
    }

    /// Output for a stream without a reader. A server of protocol 1 cannot be told of it, so the stub does what the
    /// command would do.
    fn unread(&self, which: Which) {
        if self.near.peer() == Peer::Plain && which == Which::Output {
            self.default_action(name::PIPE);
        }
    }

    /// Closes what the command has closed and was passed on, so that its reader sees the end as early as locally.
    pub(super) fn close_if_done(&mut self, which: Which) {
        if self.near.stream(which).is_done()
            && let Some(output) = self.outputs[which as usize].take()
        {
            fd::close(output);
        }
    }
}
