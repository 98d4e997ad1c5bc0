//! How a server ends: by signals, by its program, by its limits; and what becomes of its processes.

use super::listener::{Listener, Phase};
use super::sockets::Sockets;
use crate::exit::{self, End};
use crate::limits;
use crate::sys::clock::Instant;
use crate::sys::process::{self, Children, Reaped};
use crate::sys::signal::{self, name};

impl Listener {
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

    /// Takes all children that have ended; as process 1 of a container there are others than sessions among them.
    fn reap(&mut self) {
        loop {
            match process::reap() {
                Children::Ended(child) => self.forget(child),
                Children::Stopped(pid, signal) => self.supervised.stopped(pid, signal),
                Children::Running | Children::None => return,
            }
        }
    }

    /// A process is no more. Where one fails that has nothing to do yet, the next one would as well.
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

    /// The server is told to end, more urgently each time.
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

    /// Ends what runs, as far as it lets itself be ended.
    fn end_sessions(&mut self) {
        self.phase = Phase::Ending;
        self.pool.signal(name::TERM);
    }

    /// Takes no further connections: who connects now is refused at once and can look elsewhere.
    pub(super) fn drain(&mut self) {
        self.phase = Phase::Draining;
        self.sockets = Sockets::NONE;
        self.waiting = None;
        self.close_gate();
        // They have the sockets, too.
        self.pool.signal(name::USR1);
    }
}
