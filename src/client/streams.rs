//! A stub's streams: the caller's stdin, stdout and stderr, whose flags are not its own to change.

use super::stub::{Handled, Stub};
use crate::protocol::Which;
use crate::protocol::client::Peer;
use crate::sys::fd::{self, Stream};
use crate::sys::signal::{self, name};
use crate::sys::terminal;
use crate::text::bytes::after;
use crate::{limits, report};
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

impl Stub {
    /// Takes the caller's streams to relay them.
    pub(super) fn take_streams(&mut self) {
        let [input, output, error] = fd::standard();
        if input.is_none() {
            self.machine.send(0);
        }
        self.streams.input = input;
        self.streams.outputs = [output, error];
    }

    /// Takes the caller's terminal for that of the command, which has everything else by itself.
    pub(super) fn take_terminal(&mut self) {
        let [input, output, error] = self.terminal.streams;
        let standard = fd::standard_fds();
        // A stream may be closed, and the terminal is still needed then.
        let own = || terminal::controlling().unwrap_or(self.terminal.fd);
        let stream = |is_on: bool, index: usize| if is_on { standard[index] } else { own() };
        self.streams.input = Stream::new(stream(input, 0));
        let screen = if output { Which::Output } else { Which::Error };
        let shown = stream(output || error, if output { 1 } else { 2 });
        self.streams.outputs[screen as usize] = Stream::new(shown);
    }

    /// Reads stdin once, as much as may be sent.
    pub(super) fn read_input(&mut self) -> Handled {
        if self.terminal.has_shared_keys() && !self.terminal.takes_all() {
            self.on_typed();
            return Ok(());
        }
        let allowance = self.machine.allowance();
        // What came earlier in this turn may have made it 0, and a read of no bytes looks like EOF.
        let Some(input) = self.streams.input.as_mut().filter(|_| allowance > 0) else { return Ok(()) };
        let moves = self.conduit.is_preferred() && self.channel.is_plain() && input.prepare_to_move_from();
        let result = if moves {
            self.conduit.fill(&*input, &self.connection.socket, allowance)
        } else {
            input.read(self.machine.space(allowance))
        };
        self.conduit.note(result, allowance);
        match result {
            Ok(0) => self.end_input()?,
            Ok(count) if moves => self.machine.announce(count),
            Ok(count) => self.machine.send(count),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // It is read the next time.
            Err(_) if moves => {}
            Err(Errno::IO) if self.waits_for_foreground() => {}
            Err(errno) => self.fail_input(errno)?,
        }
        Ok(())
    }

    /// stdin cannot be read. A closed one is no input, as nohup(1) leaves it, and a terminal that hangs up has no more. Any
    /// other error is not the end of the data.
    pub(super) fn fail_input(&mut self, errno: Errno) -> Handled {
        let has_hung_up = self.streams.input.as_ref().is_some_and(|input| input.has_hung_up(errno));
        if errno != Errno::BADF && !has_hung_up {
            report!("stdin: {}", errno);
            self.streams.has_failed = true;
        }
        self.end_input()
    }

    /// stdin has ended. A signal that ended its writer may have come for this process as well: it goes first, since a local
    /// command would have got it before the end.
    fn end_input(&mut self) -> Handled {
        self.take_signals()?;
        self.machine.send(0);
        self.streams.input = None;
        Ok(())
    }

    /// stdin is a terminal that could not be read. That is the end of the input where it has hung up, but a background job
    /// may not read its terminal either: then it waits for the foreground.
    fn waits_for_foreground(&mut self) -> bool {
        if self.terminal.has_shared_keys() {
            return self.terminal.leave_to_foreground();
        }
        let is_background = self.streams.input.as_ref().is_some_and(|input| !terminal::is_in_foreground(input.as_fd()));
        if is_background {
            // TTIN is blocked here, so it comes as an error (termios(4)). The kernel would have sent it to the whole job,
            // which stops or goes on as one. A server of protocol 1 cannot be asked to stop its command.
            self.streams.input_awaits_stop = self.machine.peer() == Peer::Negotiated;
            let _ = signal::send(0, name::TTIN);
        }
        is_background
    }

    /// The command reads its stdin no more. The writer of this one is to notice, as it would with a local command.
    pub(super) fn close_input(&mut self) {
        if let Some(input) = self.streams.input.take() {
            fd::close(input);
        }
    }

    /// What may be moved from the connection to an output, as `ClientEnd::movable` tells.
    pub(super) fn movable(&self) -> Option<(Which, usize)> {
        self.machine.movable().filter(|_| self.channel.is_plain())
    }

    /// Moves bytes of the command's output from the connection to the pipe that they are for. False where they have to be
    /// read: where this is impossible, or the pipe is full, so that what comes behind them is not held up.
    pub(super) fn move_output(&mut self) -> bool {
        let Some((which, count @ 1..)) = self.movable() else { return false };
        let Some(output) = &mut self.streams.outputs[which as usize] else { return false };
        let may_move = output.prepare_to_move();
        match if may_move { fd::splice(&self.connection.socket, &*output, count) } else { Err(Errno::INVAL) } {
            Ok(count) => {
                self.machine.moved(which, count);
                return count > 0;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.machine.copy(which),
        }
        false
    }

    /// Bytes of the command's output. Few of them wait for those that have come with them; others are written at once as far
    /// as possible, unless some wait for room already.
    pub(super) fn output(&mut self, which: Which, bytes: &[u8]) -> Handled {
        if self.streams.output(which).is_none() {
            self.drop_output(which)?;
            self.machine.keep(which, bytes, bytes.len());
            return Ok(());
        }
        let is_coalescing = self.streams.coalescing == Some(which);
        if !is_coalescing || self.waiting(which) + bytes.len() > limits::COALESCE_BYTES {
            self.write_coalesced();
        }
        let mut written = 0;
        if self.waiting(which) == 0 || is_coalescing {
            if bytes.len() < limits::COALESCE_BYTES {
                self.streams.coalescing = Some(which);
            } else {
                written = self.write(which, bytes);
            }
        }
        // What is kept for a stream that has lost its reader meanwhile is dropped.
        self.machine.keep(which, bytes, written);
        Ok(())
    }

    /// Writes what has waited for more to be written with it: nothing more has come.
    pub(super) fn write_coalesced(&mut self) {
        if let Some(which) = self.streams.coalescing.take() {
            self.flush(which, PollFlags::OUT);
        }
    }

    /// How many bytes of the command's output wait here.
    fn waiting(&self, which: Which) -> usize {
        self.machine.stream(which).waiting().len()
    }

    /// Writes bytes as far as possible: how many.
    fn write(&mut self, which: Which, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while let Some(output) = self.streams.outputs[which as usize].as_mut().filter(|_| !rest.is_empty()) {
            match output.write(rest) {
                Ok(count) => rest = after(rest, count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => self.cannot_write(which, errno),
            }
        }
        bytes.len() - rest.len()
    }

    /// The stream has room, or has lost its reader.
    pub(super) fn flush(&mut self, which: Which, flags: PollFlags) {
        let Some(output) = &mut self.streams.outputs[which as usize] else { return };
        if flags.intersects(PollFlags::ERR | PollFlags::NVAL) {
            return self.cannot_write(which, Errno::PIPE);
        }
        let waiting = self.machine.stream(which).waiting();
        if waiting.is_empty() {
            // A terminal that has hung up, a socket whose other end is closed.
            if flags.contains(PollFlags::HUP) {
                self.cannot_write(which, Errno::PIPE);
            }
            return;
        }
        match output.write(waiting) {
            Ok(count) => self.machine.pass(which, count),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => self.cannot_write(which, errno),
        }
    }

    /// Nothing can be written to the stream any more. The command is to notice at its next write, as it would locally.
    fn cannot_write(&mut self, which: Which, errno: Errno) {
        let stream = self.streams.outputs[which as usize].take();
        if stream.is_some_and(|stream| !stream.has_hung_up(errno)) {
            report!("{}: {}", if which == Which::Output { "stdout" } else { "stderr" }, errno);
            self.streams.has_failed = true;
        }
        self.machine.hang_up(which);
    }

    /// Output for a stream without a reader. A server of protocol 1 cannot be told, so the stub does what the command would
    /// do.
    fn drop_output(&self, which: Which) -> Handled {
        if self.machine.peer() == Peer::Plain && which == Which::Output {
            return self.default_action(name::PIPE);
        }
        Ok(())
    }

    /// Closes a stream that the command has closed and whose bytes were passed on, so that its reader sees EOF as early as
    /// locally.
    pub(super) fn close_if_done(&mut self, which: Which) {
        if self.machine.stream(which).is_done()
            && let Some(output) = self.streams.outputs[which as usize].take()
        {
            fd::close(output);
        }
    }
}
