//! A stub's signals: what reaches it is the command's, what ends or stops the command ends or stops it alike.

use super::{PASSED_ON, Stub, raw};
use crate::exit::End;
use crate::protocol::client::Peer;
use crate::sys::clock::Instant;
use crate::sys::process::{self, exit};
use crate::sys::signal::{self, Set, name};
use crate::{debug, exit, limits};

impl Stub {
    /// Passes on what has come.
    pub(super) fn take_signals(&mut self) {
        while let Some(arrival) = signal::next(&self.signals) {
            // A write that nobody reads any more raises PIPE here, besides its error. It is no message to the command.
            let is_own = arrival.signal == name::PIPE && arrival.sender == process::id().unsigned_abs();
            if !is_own {
                self.pass_on(arrival.signal);
            }
        }
    }

    /// Passes a signal on, or keeps it until the server has greeted. One of protocol 2 does so at once.
    pub(super) fn pass_on(&mut self, signal: u8) {
        match self.near.peer() {
            // The command has ended, so the signal is for who still writes what it has written.
            _ if self.end.is_some() => self.default_action(signal),
            // A server that does not read its connection any more will not read this either; it ends with the connection.
            Peer::Negotiated => {
                self.passed = self.passed.with(signal);
                self.tell(signal);
                if self.near.take_overrun() {
                    self.default_action(signal);
                }
            }
            Peer::Plain => self.default_action(signal),
            Peer::Unknown => self.held = self.held.with(signal),
        }
    }

    /// Tells the server of a signal. What concerns the terminal goes by it.
    fn tell(&mut self, signal: u8) {
        if signal == name::WINCH && self.terminal.is_shared() {
            return self.resize_terminal();
        }
        if signal == name::CONT {
            self.resume_terminal();
        }
        self.near.signal(signal);
    }

    /// Does what waited for the server's greeting when that has come, or when its time is over.
    pub(super) fn await_greeting(&mut self) {
        let is_known = self.near.peer() != Peer::Unknown;
        // One that has the caller's descriptors answers, however late; one of protocol 1 never does.
        let awaits_answer = self.awaits_answer && !is_known && !self.connection.is_direct;
        if self.held == Set::default() && !self.near.awaits_greeting() && !awaits_answer {
            self.greet_by = Instant::NEVER;
            return;
        }
        self.greet_by = self.greet_by.min(Instant::after(limits::GREETING_MS));
        if !is_known && self.greet_by.remaining() > 0 {
            return;
        }
        self.near.stop_awaiting();
        self.awaits_answer &= !awaits_answer;
        for signal in core::mem::take(&mut self.held).iter() {
            if is_known { self.pass_on(signal) } else { self.default_action(signal) }
        }
    }

    /// There is nobody to pass the signal on to, so the stub does what it means: a server of protocol 1 ends the command
    /// when the connection ends.
    pub(super) fn default_action(&self, signal: u8) {
        if matches!(signal, name::TSTP | name::TTIN | name::TTOU) {
            signal::stop_by(signal, PASSED_ON, false);
        } else if !matches!(signal, name::CONT | name::URG | name::WINCH) {
            signal::die_of(signal);
            exit(128 + signal);
        }
    }

    /// The command was stopped, so this process stops as it did: its caller sees a stopped job. What resumes it arrives as
    /// a signal and is passed on.
    pub(super) fn stop(&mut self, signal: u8) {
        self.transmit();
        // A key of the terminal, or a background process's use of it, stops a whole job; a signal to this process stops it
        // alone.
        let is_jobs = matches!(signal, name::TSTP | name::TTIN | name::TTOU) && !self.passed.has(signal);
        self.passed = self.passed.without(signal);
        let by_terminal = self.terminal.is_shared() && is_jobs;
        if by_terminal && signal != name::TSTP && self.terminal.is_in_foreground() {
            // A shell does not tell a job that ran when it came to the foreground.
            return self.tell(name::CONT);
        }
        signal::stop_by(signal, PASSED_ON, by_terminal);
        let awaited = core::mem::take(&mut self.awaits_stop) || by_terminal && signal == name::TTIN;
        let mut was_resumed = false;
        while let Some(arrival) = signal::next(&self.signals) {
            was_resumed |= arrival.signal == name::CONT;
            self.pass_on(arrival.signal);
        }
        if was_resumed {
            return;
        }
        // An orphaned process group does not stop (setpgid(2)), so its command goes on too, without the terminal's input.
        if awaited && self.input.take().is_some() {
            self.near.send(0);
        }
        self.insist_on_terminal();
        self.near.signal(name::CONT);
    }

    /// The command has ended, or could not be run.
    pub(super) fn ended(&mut self, end: End) {
        debug!(Client, "the command has ended");
        self.tell_reason();
        self.end = Some(end);
    }

    /// How this process is to end, now that all is passed on. A key that ended the command would have reached the whole job
    /// of a local one: the script or make that called it is to end as well.
    pub(super) fn mirror(&self, end: End) -> End {
        raw::restore();
        match end {
            _ if self.has_failed => End::Code(exit::UNAVAILABLE),
            End::Signal(signal @ (name::INT | name::QUIT)) if self.terminal.is_shared() && !self.passed.has(signal) => {
                let _ = signal::send(0, signal);
                end
            }
            _ => end,
        }
    }
}
