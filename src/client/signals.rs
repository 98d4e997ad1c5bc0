//! A stub's signals: what it receives is the command's, and what stops or ends the command stops or ends it alike.

use super::stub::{FORWARDED, Handled, Interrupt, Stub};
use super::terminal::raw;
use crate::exit::{self, End};
use crate::protocol::client::Peer;
use crate::sys::clock::Instant;
use crate::sys::process;
use crate::sys::signal::{self, Set, name};
use crate::{debug, limits};

impl Stub {
    /// Forwards what has come.
    pub(super) fn take_signals(&mut self) -> Handled {
        while let Some(arrival) = signal::next(&self.signals) {
            // A write without a reader raises PIPE here besides its error. That is no message to the command.
            let is_own = arrival.signal == name::PIPE && arrival.sender == process::id().unsigned_abs();
            if !is_own {
                self.forward(arrival.signal)?;
            }
        }
        Ok(())
    }

    /// Forwards a signal, or holds it until the server has greeted, which one of protocol 2 does at once.
    fn forward(&mut self, signal: u8) -> Handled {
        match self.machine.peer() {
            // The command has ended, so the signal is for this process, which still passes on what it has written.
            _ if self.end.is_some() => return self.default_action(signal),
            Peer::Negotiated => {
                self.forwarded = self.forwarded.with(signal);
                self.send_signal(signal);
                // A server that does not read its connection will not read this either; it ends with the connection.
                if self.machine.take_overrun() {
                    return self.default_action(signal);
                }
            }
            Peer::Plain => return self.default_action(signal),
            Peer::Unknown => self.greeting.held = self.greeting.held.with(signal),
        }
        Ok(())
    }

    /// Tells the server of a signal; of one that concerns the terminal by what it means there.
    fn send_signal(&mut self, signal: u8) {
        if signal == name::WINCH && self.terminal.is_shared() {
            return self.resize_terminal();
        }
        if signal == name::CONT {
            // It undoes a stop that has not been reported yet.
            self.forwarded = self.forwarded.without(name::TSTP).without(name::TTIN).without(name::TTOU);
            self.resume_terminal();
        }
        self.machine.signal(signal, signal::DEADLY.has(signal) && !signal::is_ignored(signal));
    }

    /// Does what waits for the server's greeting once that has come, or its time is over.
    pub(super) fn await_greeting(&mut self) -> Handled {
        let is_known = self.machine.peer() != Peer::Unknown;
        // A server that has the caller's descriptors answers, however late; one of protocol 1 never does.
        let awaits_answer = self.terminal.awaits_answer() && !is_known && !self.connection.is_direct;
        if self.greeting.held == Set::default() && !self.machine.awaits_greeting() && !awaits_answer {
            self.greeting.by = Instant::NEVER;
            return Ok(());
        }
        self.greeting.by = self.greeting.by.min(Instant::after(limits::GREETING_MS));
        if !is_known && self.greeting.by.remaining() > 0 {
            return Ok(());
        }
        self.machine.stop_awaiting();
        if awaits_answer {
            self.terminal.stop_awaiting();
        }
        for signal in core::mem::take(&mut self.greeting.held).iter() {
            if is_known { self.forward(signal)? } else { self.default_action(signal)? }
        }
        Ok(())
    }

    /// The signal cannot be forwarded, so the stub does what it means: a server of protocol 1 ends the command
    /// when the connection ends.
    pub(super) fn default_action(&self, signal: u8) -> Handled {
        match signal {
            // A blocked signal comes here even where it is ignored (signal(7)).
            _ if signal::is_ignored(signal) => {}
            name::TSTP | name::TTIN | name::TTOU => signal::stop_by(signal, FORWARDED, false),
            name::CONT | name::URG | name::WINCH => {}
            _ => return Err(Interrupt::Signal(signal)),
        }
        Ok(())
    }

    /// The command was stopped, so this process stops as it did: its caller sees a stopped job. What resumes it arrives as
    /// a signal and is forwarded.
    pub(super) fn stop(&mut self, signal: u8) -> Handled {
        self.transmit();
        // A key of the terminal, or a background job's use of it, stops a whole job; a signal to this process stops it
        // alone.
        let is_jobs = matches!(signal, name::TSTP | name::TTIN | name::TTOU) && !self.forwarded.has(signal);
        self.forwarded = self.forwarded.without(signal);
        let by_terminal = self.terminal.is_shared() && is_jobs;
        if by_terminal && signal != name::TSTP && self.terminal.is_in_foreground() {
            // A shell does not tell a running job that it has come to the foreground.
            self.send_signal(name::CONT);
            return Ok(());
        }
        let awaited_input = core::mem::take(&mut self.streams.input_awaits_stop) || by_terminal && signal == name::TTIN;
        raw::restore();
        // A shell may have resumed the job already: the rest of it stopped earlier. A stop would make that undone.
        if self.forward_pending()? {
            return Ok(());
        }
        signal::stop_by(signal, FORWARDED, by_terminal);
        if !self.forward_pending()? {
            self.go_on_without_stop(awaited_input);
        }
        Ok(())
    }

    /// Forwards what has come; true where it had this process go on.
    fn forward_pending(&mut self) -> Result<bool, Interrupt> {
        let mut was_resumed = false;
        while let Some(arrival) = signal::next(&self.signals) {
            was_resumed |= arrival.signal == name::CONT;
            self.forward(arrival.signal)?;
        }
        Ok(was_resumed)
    }

    /// An orphaned process group does not stop (setpgid(2)), so its command goes on too, without the terminal's input.
    fn go_on_without_stop(&mut self, awaited_input: bool) {
        if awaited_input && self.streams.input.take().is_some() {
            self.machine.send(0);
        }
        self.insist_on_terminal();
        self.machine.signal(name::CONT, false);
    }

    /// The command has ended, or could not be run.
    pub(super) fn ended(&mut self, end: End) {
        debug!(Client, "the command has ended");
        self.report_reason();
        self.end = Some(end);
    }

    /// How this process is to end, now that everything was passed on. A key that ended the command would have reached the
    /// whole job of a local one: the script or make that called it is to end as well.
    pub(super) fn mirror(&self, end: End) -> End {
        raw::restore();
        match end {
            _ if self.streams.has_failed => End::Code(exit::UNAVAILABLE),
            End::Signal(signal @ (name::INT | name::QUIT))
                if self.terminal.is_shared() && !self.forwarded.has(signal) =>
            {
                let _ = signal::send(0, signal);
                end
            }
            _ => end,
        }
    }
}
