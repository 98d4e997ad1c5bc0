//! The end of a command and of everything that it left behind.

use super::command::{Event, Streams};
use super::event_loop::Session;
use super::log::EndReason;
use super::phases::{Cleanup, Link};
use super::status::board::Phase;
use crate::exit::End;
use crate::protocol::Which;
use crate::sys::clock::Instant;
use crate::sys::fd;
use crate::sys::process::{self, Children};
use crate::sys::signal::{self, name};
use crate::sys::terminal;
use crate::text::line::Show;
use crate::{debug, limits, report};
use rustix::fd::AsFd;
use rustix::io::Errno;

/// Bytes of a terminal's output that wait at the most: what its buffers take is far below (`drivers/tty/pty.c`).
const TERMINAL: usize = 64 << 10;

impl Session<'_> {
    pub(super) fn take_signals(&mut self) {
        while let Some(arrival) = signal::next(self.signals) {
            match arrival.signal {
                name::CHLD => self.reap(),
                name::USR1 => self.drain(),
                name::TERM => {
                    self.drain();
                    self.end_with_server();
                }
                _ => {}
            }
        }
    }

    /// The listener wants no further sessions of this process.
    fn drain(&mut self) {
        self.intake.close();
        self.state.link.hasten(Instant::now());
    }

    /// The listener ends its sessions; or it is no more, which the stub is to notice at once.
    fn end_with_server(&mut self) {
        if !process::is_child_of(self.parent) {
            self.disconnect();
        }
        let now = Instant::now();
        self.state.leave_at = self.state.leave_at.min(now.plus(limits::GRACE_MS));
        self.state.cleanup.hasten(now);
        // One that has ended by itself has that told to its client first.
        if self.state.command.end().is_none() {
            self.end_command(EndReason::Server, &"the server ends");
        }
    }

    /// Takes all children that have ended: the command, and its orphans.
    pub(super) fn reap(&mut self) {
        loop {
            let command = self.state.command.pid();
            match process::reap() {
                Children::Ended(child) if command == Some(child.pid) => self.command_ended(child.end),
                Children::Stopped(pid, signal) if command == Some(pid) && self.state.cleanup == Cleanup::NotNeeded => {
                    self.command_stopped(signal);
                }
                Children::Ended(_) | Children::Stopped(..) => {}
                Children::Running => break,
                Children::None => return self.state.cleanup.finish(),
            }
        }
        // What one of them left behind is found only now.
        if let Some(signal) = self.state.cleanup.signal() {
            self.signal_children(signal);
        }
    }

    /// The command has ended: what is in its pipes now is what it had written.
    fn command_ended(&mut self, end: End) {
        self.server_end.drop_input();
        self.state.command.on_end(end, |streams| Which::BOTH.map(|which| unread(streams, which)));
        let terminal = self.state.command.streams().and_then(|streams| streams.terminal.as_ref());
        if let Some(terminal) = terminal {
            // When this process goes, which leads the terminal's session, its foreground gets HUP. What the command left in
            // the background is not to.
            let _ = terminal::set_foreground(terminal.as_fd(), process::id());
        }
    }

    /// The command has stopped. What it had written is passed on first, as far as there is credit: an editor leaves its
    /// screen before it stops.
    fn command_stopped(&mut self, signal: u8) {
        for which in Which::BOTH {
            if self.state.command.streams().is_some_and(|streams| unread(streams, which) > 0) {
                self.read_output(which);
            }
        }
        self.on_terminal_event(Event::Stopped(signal));
    }

    /// Ends the command and all its descendants for this reason, which `why` puts in words. A session without a command
    /// that runs just ends.
    pub(super) fn end_command(&mut self, reason: EndReason, why: &dyn Show) {
        let Some(pid) = self.state.command.pid() else {
            self.disconnect();
            return;
        };
        if self.state.cleanup != Cleanup::NotNeeded {
            return;
        }
        self.record.cut = Some(reason);
        self.record.note(Phase::Ending);
        report!("{}: {}: ending process {}", self.name, why, pid);
        if matches!(self.state.link, Link::Closed) {
            self.close_input();
        }
        if self.state.command.streams().is_some_and(|streams| streams.has_keys) {
            // What a terminal says when it goes. An interactive shell ignores TERM.
            let _ = signal::send(-pid, name::HUP);
        }
        // The group has its number as long as any process is in it. A stopped one has to go on to end.
        let _ = signal::send(-pid, name::TERM);
        let _ = signal::send(-pid, name::CONT);
        self.state.cleanup = Cleanup::Terminating { kill_at: Instant::after(limits::GRACE_MS) };
        self.signal_children(name::TERM);
    }

    /// The grace is over: KILL for everything that is left.
    pub(super) fn kill(&mut self, now: Instant) {
        self.state.cleanup.begin_round(now);
        if let Some(pid) = self.state.command.pid()
            && signal::send(-pid, name::KILL) == Err(Errno::PERM)
        {
            self.on_survivor(pid);
        }
        self.signal_children(name::KILL);
        self.reap();
    }

    /// Sends a signal to all children but the command, whose group got it: those that fell to this process.
    fn signal_children(&mut self, signal: u8) {
        let command = self.state.command.pid();
        let mut survivor = None;
        let found = process::children(|pid| {
            if command != Some(pid) {
                if signal::send(pid, signal) == Err(Errno::PERM) {
                    survivor = Some(pid);
                }
                let _ = signal::send(pid, name::CONT);
            }
        });
        if let Some(pid) = survivor {
            self.on_survivor(pid);
        }
        if let Err(errno) = found {
            debug!(Session, "{}: cannot look for descendants in /proc: {}", self.name, errno);
            if signal == name::KILL {
                // What cannot be found cannot be waited for.
                self.state.cleanup.finish();
            }
        }
    }

    /// This process may not end that one, which is reported once. A server that ends does not wait for it.
    fn on_survivor(&mut self, pid: i32) {
        if self.state.cleanup.on_survivor() {
            report!("{}: process {} belongs to another user and cannot be ended", self.name, pid);
        }
        if self.state.leave_at != Instant::NEVER && self.state.cleanup.signal() == Some(name::KILL) {
            self.state.cleanup.finish();
        }
    }
}

/// How many bytes the command has written at the most that were not read yet.
fn unread(streams: &Streams, which: Which) -> usize {
    match &streams.outputs[which as usize] {
        Some(_) if streams.screen == Some(which) => TERMINAL,
        Some(pipe) => fd::unread(pipe),
        None => 0,
    }
}
