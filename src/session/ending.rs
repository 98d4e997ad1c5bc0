//! The end of a command and of everything that it left behind.

use super::Session;

use super::log::EndReason;
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

/// Bytes of a terminal's output that wait at the most: what its buffers take is far below (`drivers/tty/pty.c`).
const TERMINAL: usize = 64 << 10;

impl Session<'_> {
    pub(super) fn take_signals(&mut self) {
        while let Some(arrival) = signal::next(self.signals) {
            match arrival.signal {
                name::CHLD => self.reap(),
                name::USR1 | name::TERM => {
                    self.intake.close();
                    if arrival.signal == name::TERM {
                        self.end_with_server();
                    }
                }
                _ => {}
            }
        }
    }

    /// The listener ends its sessions; or it is no more, which the stub is to notice at once.
    fn end_with_server(&mut self) {
        if !process::is_child_of(self.parent) {
            self.connection = None;
        }
        self.end_command(EndReason::Server, &"the server ends");
    }

    /// Takes all children that have ended: the command, and what fell to this process.
    fn reap(&mut self) {
        loop {
            match process::reap() {
                Children::Ended(child) if self.is_command(child.pid) => self.command_ended(child.end),
                Children::Stopped(pid, signal) if self.is_command(pid) && self.ending.is_none() => {
                    self.command_stopped(signal);
                }
                Children::Ended(_) | Children::Stopped(..) => {}
                Children::Running => break,
                Children::None => {
                    // Anybody can send CHLD, even before there is a command.
                    self.is_childless = self.ending.is_some();
                    return;
                }
            }
        }
        // What one of them left behind is found only now.
        if let Some(signal) = self.ending {
            self.signal_children(signal);
        }
    }

    fn is_command(&self, pid: i32) -> bool {
        self.command.pid == pid
    }

    /// The command has ended: what is in its pipes now is what it had written.
    fn command_ended(&mut self, end: End) {
        self.end = Some(end);
        self.far.drop_input();
        let command = &mut self.command;
        command.input = None;
        if let Some(terminal) = &command.terminal {
            // When this process goes, which leads the terminal's session, its foreground gets HUP. What the command left in
            // the background is not to.
            let _ = terminal::set_foreground(terminal.as_fd(), process::id());
        }
        self.left = Which::BOTH.map(|which| self.written(which));
    }

    /// How many bytes the command has written at the most that were not read yet.
    fn written(&self, which: Which) -> usize {
        let command = &self.command;
        match &command.outputs[which as usize] {
            Some(_) if command.terminal.is_some() && which == Which::Output => TERMINAL,
            Some(pipe) => fd::unread(pipe),
            None => 0,
        }
    }

    /// The command has stopped. What it had written is passed on first, as far as there is credit: an editor leaves its
    /// screen before it stops.
    fn command_stopped(&mut self, signal: u8) {
        for which in Which::BOTH {
            if self.written(which) > 0 {
                self.read_output(which);
            }
        }
        self.far.stopped(signal);
    }

    /// Ends the command and all its descendants, because of `why`, which the log calls `cut`.
    pub(super) fn end_command(&mut self, cut: EndReason, why: &dyn Show) {
        if !self.is_running() {
            // A session that only waits for somebody just ends.
            self.connection = None;
            return;
        }
        if self.ending.is_some() {
            return;
        }
        self.record.cut = cut;
        let command = &mut self.command;
        report!("{}: {}: ending process {}", self.name, why, command.pid);
        if self.connection.is_none() {
            command.input = None;
        }
        if command.terminal.is_some() {
            // What a terminal says when it goes. An interactive shell ignores TERM.
            let _ = signal::send(-command.pid, name::HUP);
        }
        // The group has its number as long as any process is in it. A stopped one has to go on to end.
        let _ = signal::send(-command.pid, name::TERM);
        let _ = signal::send(-command.pid, name::CONT);
        self.kill_at = Instant::after(limits::GRACE_MS);
        self.ending = Some(name::TERM);
        self.signal_children(name::TERM);
    }

    /// The grace is over.
    pub(super) fn kill(&mut self) {
        if self.is_running() {
            let _ = signal::send(-self.command.pid, name::KILL);
        }
        self.signal_children(name::KILL);
        // What is killed leaves its children to this process, so there is another round for them.
        self.kill_at = Instant::after(limits::KILL_MS);
        self.ending = Some(name::KILL);
        self.reap();
    }

    /// Sends a signal to all children but the command, whose group was told: those that fell to this process.
    fn signal_children(&mut self, signal: u8) {
        let command = self.command.pid;
        let told = process::children(|pid| {
            if pid != command {
                let _ = signal::send(pid, signal);
                let _ = signal::send(pid, name::CONT);
            }
        });
        if let Err(errno) = told {
            // What cannot be found cannot be waited for.
            self.is_childless = signal == name::KILL;
            debug!(Session, "{}: cannot look for descendants in /proc: {}", self.name, errno);
        }
    }
}
