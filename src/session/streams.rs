//! A session's streams: this end of the command's pipes or terminal.

use super::log::EndReason;
use super::{OVERTIME, Session};
use crate::protocol::Which;
use crate::sys::fd::{self, OwnedFd};
use crate::{exit, limits, report};
use rustix::event::PollFlags;
use rustix::io::Errno;

impl Session<'_> {
    /// Bytes for stdin: written at once as far as they can be, unless others wait already.
    pub(super) fn input(&mut self, bytes: &[u8]) {
        let pipe = self.command.input.as_ref();
        let written = match pipe.filter(|_| self.far.input().waiting().is_empty()) {
            Some(pipe) => fd::write(pipe, bytes),
            None => Ok(0),
        };
        if let (Some(pipe), Ok(count)) = (pipe, written)
            && count < bytes.len()
        {
            enlarge(pipe);
        }
        match written {
            Ok(count) => self.far.keep(bytes, count),
            Err(Errno::AGAIN | Errno::INTR) => self.far.keep(bytes, 0),
            Err(_) => self.close_input(),
        }
    }

    /// The stdin pipe has room, or no reader.
    pub(super) fn write_input(&mut self, flags: PollFlags) {
        let Some(input) = &self.command.input else { return };
        let written = if flags.contains(PollFlags::ERR) {
            Err(Errno::PIPE)
        } else {
            fd::write(input, self.far.input().waiting())
        };
        match written {
            Ok(count) => self.far.pass(count),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.close_input(),
        }
        self.close_input_when_done();
    }

    /// The command reads its stdin no more: the caller's writer is to notice.
    fn close_input(&mut self) {
        self.command.input = None;
        self.far.close_input();
    }

    /// stdin has ended, and the command has been given all of it: so it sees the end.
    pub(super) fn close_input_when_done(&mut self) {
        if self.far.input().is_done() {
            self.command.input = None;
        }
    }

    /// How many bytes of one of the command's streams may be read now.
    #[inline(never)]
    pub(super) fn wanted(&self, which: Which) -> usize {
        let most = if self.end.is_some() { self.left[which as usize] } else { usize::MAX };
        self.far.allowance(which).min(most)
    }

    /// Reads one of the command's streams once.
    pub(super) fn read_output(&mut self, which: Which) {
        let index = which as usize;
        let count = self.wanted(which);
        let Some(output) = &self.command.outputs[index] else { return };
        if count == 0 {
            return;
        }
        let is_background = self.background.is_some() && index == 0;
        let space = self.far.space(which, count);
        match fd::read(output, space) {
            Ok(0) => self.end_output(which),
            Ok(count) => {
                if count >= PIPE {
                    enlarge(output);
                }
                let kept = if is_background { without_returns(space, count) } else { count };
                self.far.send(which, kept);
                self.record.count(1, kept);
                self.left[index] = self.left[index].saturating_sub(count);
            }
            // A terminal has given all that was written to it.
            Err(Errno::AGAIN) if self.end.is_some() => self.left[index] = 0,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => {
                report!("{}: reading its output: {}", self.name, errno);
                self.end_output(which);
            }
        }
    }

    /// One of the command's streams has ended.
    fn end_output(&mut self, which: Which) {
        self.far.send(which, 0);
        self.close_output(which);
    }

    pub(super) fn close_output(&mut self, which: Which) {
        self.left[which as usize] = 0;
        self.command.outputs[which as usize] = None;
    }

    /// Once the command has ended: passes on what it had written, then its end.
    pub(super) fn report_end(&mut self) {
        let Some(end) = self.end.filter(|_| self.connection.is_some() && !self.is_finished) else { return };
        for which in Which::BOTH {
            while self.wanted(which) > 0 {
                self.read_output(which);
            }
        }
        if self.left != [0; 2] {
            return;
        }
        if self.record.cut == EndReason::Timeout && !self.is_trigger {
            self.far.fail(exit::TIMED_OUT, OVERTIME.as_bytes());
        } else {
            self.far.finish(end);
        }
        if self.is_trigger {
            if let Some(connection) = &self.connection {
                self.record.measure(connection);
            }
            self.begin_linger();
            return;
        }
        // However slow its reader: the stub is there, and what it has not read yet would be lost.
        self.is_finished = true;
    }
}

/// Takes the returns away that the first `count` bytes have before their line feeds, and returns how many bytes are left.
/// The command's terminal has put them in, and that of a stub in the background, which is not raw, does so again.
fn without_returns(bytes: &mut [u8], count: usize) -> usize {
    let mut kept = 0;
    for index in 0..count {
        if bytes[index] != b'\r' || index + 1 == count || bytes[index + 1] != b'\n' {
            bytes[kept] = bytes[index];
            kept += 1;
        }
    }
    kept
}

/// Bytes that a pipe holds unless it is enlarged (pipe(7)).
const PIPE: usize = 64 << 10;

/// Makes a pipe hold a whole window, so that both its ends work in fewer and larger turns. Only for one that was found
/// full: most commands say little. Where the user has too many large pipes it stays as it is (`pipe-user-pages-soft`).
fn enlarge(pipe: &OwnedFd) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, limits::WINDOW);
}
