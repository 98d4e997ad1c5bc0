//! How a server ends: by signals, by its program, by its limits; and what becomes of its processes.

use super::listener::{Listener, Phase};
use super::sockets::Sockets;
use crate::exit::{self, End};
use crate::limits;
use crate::sys::clock::Instant;
use crate::sys::process::{self, Children, Reaped};
use crate::sys::signal::{self, name};

impl Listener {
    /// Handles all signals that have come. A HUP that the kernel sends because the terminal has gone does not reload.
    pub(super) fn take_signals(&mut self) {
        while let Some(arrival) = signal::next(&self.signals) {
            let is_hangup = arrival.signal == name::HUP && arrival.by_kernel;
            match arrival.signal {
                name::CHLD => self.reap(),
                name::HUP if self.reloads && !is_hangup => self.reload = true,
                _ if self.supervised.runs() => self.supervised.pass_on(arrival),
                name::INT | name::TERM | name::HUP => self.escalate(),
                _ => {}
            }
        }
    }

    /// Reaps all children that have ended. As PID 1 of a container, this process also gets orphans that it did not start.
    fn reap(&mut self) {
        loop {
            match process::reap() {
                Children::Ended(child) => self.forget(child),
                Children::Stopped(pid, signal) => self.supervised.stopped(pid, signal),
                Children::Running | Children::None => return,
            }
        }
    }

    /// Forgets a child that has ended. If an idle worker has failed, the next one would probably fail as well, so it is
    /// started after a pause.
    fn forget(&mut self, child: Reaped) {
        if self.supervised.has_ended(child) {
            self.drain();
            if self.waits_for_sessions {
                self.end_sessions();
            }
        }
        let was_spare = self.pool.forget(child.pid).unwrap_or(false);
        if was_spare && child.end != End::Code(exit::SUCCESS) {
            self.pause = Instant::after(limits::RESOURCE_RETRY_MS);
        }
    }

    /// Handles a signal that asks the server to end: each further one is more urgent.
    fn escalate(&mut self) {
        match self.phase {
            Phase::Serving => self.drain(),
            Phase::Draining => self.end_sessions(),
            Phase::Ending | Phase::Killing => {
                self.phase = Phase::Killing;
                self.pool.signal(name::KILL);
            }
        }
    }

    /// Tells all workers to end their commands.
    fn end_sessions(&mut self) {
        self.phase = Phase::Ending;
        self.pool.signal(name::TERM);
    }

    /// Stops listening: a client that connects from now on is refused at once.
    pub(super) fn drain(&mut self) {
        self.phase = Phase::Draining;
        self.sockets = Sockets::NONE;
        self.waiting = None;
        self.close_gate();
        // The workers have the sockets open, too, until they get this.
        self.pool.signal(name::USR1);
    }
}
