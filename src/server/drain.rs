//! How a server ends: by signals, by its program, by its limits; and what becomes of its processes.

use super::listener::{Listener, Phase};
use super::sockets::Sockets;
use crate::exit::{self, End};
use crate::limits;
use crate::session::connection::Accepted;
use crate::sys::clock::Instant;
use crate::sys::fd::OwnedFd;
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
            self.stop_listening();
            if self.waits_for_sessions {
                self.end_sessions();
            }
        }
        let was_idle = self.pool.forget(child.pid).unwrap_or(false);
        if was_idle && child.end != End::Code(exit::SUCCESS) {
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
        self.leave_waiting();
        self.pool.signal(name::TERM);
    }

    /// Stops listening: a client that connects from now on is refused at once. Connections that wait to be accepted are
    /// served.
    pub(super) fn drain(&mut self) {
        if let Some(queue) = &mut self.pre_auth {
            queue.end();
        }
        let sockets = self.close_sockets();
        sockets.stop_arrivals();
        for is_direct in [true, false] {
            while let Some(socket) = sockets.take_waiting(is_direct)
                && self.keep(socket, is_direct)
            {}
        }
        sockets.refuse_arrivals();
        self.pre_auth_closes = Instant::after(limits::DRAIN_MS);
    }

    /// Stops listening, and closes the connections that wait.
    pub(super) fn stop_listening(&mut self) {
        drop(self.close_sockets());
        self.leave_waiting();
    }

    /// Closes the connections that wait for a worker.
    fn leave_waiting(&mut self) {
        self.waiting = None;
        self.backlog.clear();
        self.close_pre_auth();
    }

    /// Gives up the sockets, and makes the workers do so.
    fn close_sockets(&mut self) -> Sockets {
        self.phase = Phase::Draining;
        // The workers have the sockets open, too, until they get this.
        self.pool.signal(name::USR1);
        self.take_back();
        core::mem::replace(&mut self.sockets, Sockets::NONE)
    }

    /// Keeps a connection until there is a worker for it. False if there is no room for another one.
    pub(super) fn keep(&mut self, socket: OwnedFd, is_direct: bool) -> bool {
        match &mut self.pre_auth {
            Some(queue) if self.has_token => {
                queue.enter(socket);
                queue.has_room()
            }
            _ => self.backlog.push(Accepted::plain(socket, is_direct)),
        }
    }

    /// Whether an accepted connection still waits for a worker.
    pub(super) fn has_waiting(&self) -> bool {
        let has_unproven = self.has_token && self.pre_auth.as_ref().is_some_and(|queue| !queue.is_empty());
        self.waiting.is_some() || has_unproven || !self.backlog.is_empty()
    }

    /// Closes the pre-auth queue and the connections in it.
    pub(super) fn close_pre_auth(&mut self) {
        self.has_token = false;
        if let Some(queue) = &mut self.pre_auth {
            queue.leave();
        }
    }

    /// Closes the connections that have not proven the token once a server that drains has given them their time, and
    /// returns when that is over.
    pub(super) fn close_pre_auth_in_time(&mut self, now: Instant) -> Instant {
        if self.pre_auth_closes <= now
            && let Some(queue) = &mut self.pre_auth
        {
            self.pre_auth_closes = Instant::NEVER;
            queue.leave_unproven();
        }
        self.pre_auth_closes
    }
}
