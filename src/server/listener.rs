//! The server's first process: it binds, forks workers, reaps, drains and cleans up. It reads no byte that a peer has
//! sent, so that no peer can harm it; the only exception is the proof of a token, see [`crate::auth::queue`].

use super::pool::Pool;
use super::sockets::{self, Backlog, Sockets};
use super::supervise::Supervised;
use super::worker::Worker;
use crate::auth::queue::{Clients, PreAuthQueue};
use crate::exit::End;
use crate::files::path::Path;
use crate::options::settings::Settings;
use crate::session::connection::Accepted;
use crate::session::service::Service;
use crate::sys::clock::Instant;
use crate::sys::fd::OwnedFd;
use crate::sys::process;
use crate::sys::program::Environment;
use crate::sys::signal::{self, Set, name};
use crate::sys::socket::unix;
use crate::sys::watch::Watch;
use crate::text::packed::Text;
use crate::{exit, limits, report, text};
use core::ffi::CStr;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::{Errno, Result};

/// The slots of the poll loop.
const SIGNALS: usize = 0;
/// The relay's socket, and behind it the direct transport's.
const SOCKETS: usize = 1;
const PRE_AUTH: usize = 3;

/// How far the server is on the way to its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It accepts connections.
    Serving,
    /// No further connections; running sessions finish.
    Draining,
    /// Running sessions have been told to end.
    Ending,
    /// They have been killed.
    Killing,
}

/// A server that listens.
pub(super) struct Listener {
    /// Connections after which it ends; `None`: no limit.
    max_connections: Option<u64>,
    /// Milliseconds after which it ends; `None`: no limit.
    timeout: Option<u64>,
    /// Whether it waits for its sessions before it ends.
    pub(super) waits_for_sessions: bool,
    pub(super) phase: Phase,
    /// Connections that got a worker of their own, which `--max-connections` counts.
    accepted: u64,
    /// The workers.
    pub(super) pool: Pool,
    /// Where it hands connections that have proven the token to idle workers, and where they take them; `None` until a
    /// section has a token.
    to_workers: Option<OwnedFd>,
    from_listener: Option<OwnedFd>,
    /// An accepted connection that has no worker yet.
    pub(super) waiting: Option<Accepted>,
    /// Accepted connections behind that one: the next one, those that no worker has taken, and all that waited when the
    /// server began to drain.
    pub(super) backlog: Backlog,
    /// The pre-auth queue; `None` until a section has a token.
    pub(super) pre_auth: Option<&'static mut PreAuthQueue>,
    /// Whether the section has a token.
    pub(super) has_token: bool,
    /// When a server that drains closes the connections that have not proven the token.
    pub(super) pre_auth_closes: Instant,
    /// When to try again after a shortage; in the past if there is none.
    pub(super) pause: Instant,
    /// When to accept again after accept(2) has failed for want of something. Where only a fork has, idle workers go on.
    accepts_from: Instant,
    /// When `--timeout` ends it.
    end: Instant,
    pub(super) signals: OwnedFd,
    /// Whether HUP reloads the configuration instead of ending the server.
    pub(super) reloads: bool,
    /// Whether a HUP has asked for a reload.
    pub(super) reload: bool,
    /// Whether [`Listener::serve`] has been called before.
    pub(super) has_begun: bool,
    /// Whether idle workers with the configuration before a reload have yet to exit.
    awaits_old_workers: bool,
    /// The program behind `--`: it gets the signals, and the server ends as it ends.
    pub(super) supervised: Supervised,
    /// A daemon's PID file.
    pub(super) pid_file: Option<&'static Path>,
    /// The listening sockets, until the server drains.
    pub(super) sockets: Sockets,
}

impl Listener {
    /// A server that listens nowhere yet.
    pub(super) fn new(supervised: Supervised) -> Result<Listener> {
        let (pool, signals) = (Pool::new()?, signal::descriptor(Set::ALL)?);
        Ok(Listener {
            sockets: Sockets::NONE,
            max_connections: None,
            timeout: None,
            waits_for_sessions: true,
            phase: Phase::Serving,
            accepted: 0,
            pool,
            to_workers: None,
            from_listener: None,
            waiting: None,
            backlog: Backlog::new(),
            pre_auth: None,
            has_token: false,
            pre_auth_closes: Instant::NEVER,
            pause: Instant::PAST,
            accepts_from: Instant::PAST,
            end: Instant::NEVER,
            signals,
            reloads: supervised.is_some(),
            reload: false,
            has_begun: false,
            awaits_old_workers: false,
            supervised,
            pid_file: None,
        })
    }

    /// Applies these settings from now on. A time-out that has not changed keeps running.
    pub(super) fn follow(&mut self, settings: &Settings<'_>) {
        if settings.timeout != self.timeout {
            self.timeout = settings.timeout;
            self.end = settings.timeout.map_or(Instant::NEVER, Instant::after);
        }
        self.max_connections = settings.max_connections;
        self.waits_for_sessions = !settings.no_wait;
        self.pool.resize(settings.max_sessions);
    }

    /// Makes what a section with a token needs, unless there is that already.
    pub(super) fn prepare_pre_auth(&mut self, environment: Environment<'static>) -> Result<()> {
        if self.pre_auth.is_none() {
            let (to_workers, from_listener) = unix::pair()?;
            (self.to_workers, self.from_listener) = (Some(to_workers), Some(from_listener));
            self.pre_auth = Some(PreAuthQueue::new(environment)?);
        }
        Ok(())
    }

    /// Listens on these sockets from now on, with new workers that have the new configuration. Those of before finish
    /// what they serve; a connection that comes before there are new ones waits in the backlog. `pre_auth`: who has to prove
    /// the token or to speak HTTP, if anybody has.
    pub(super) fn renew(&mut self, sockets: Sockets, pre_auth: Option<Clients>) {
        self.sockets = sockets;
        match (&mut self.pre_auth, pre_auth) {
            (Some(queue), Some(clients)) => {
                self.has_token = true;
                queue.expect(clients);
            }
            _ => self.close_pre_auth(),
        }
        self.awaits_old_workers = self.has_begun;
        self.pool.signal(name::USR1);
        self.take_back();
    }

    /// Serves until a signal or a limit ends the server, and returns how it ends: as the program behind `--`, if there is
    /// one. `None`: it has to reload. With `daemon`, the path of a PID file, the first call becomes a daemon.
    pub(super) fn serve(&mut self, service: &Service<'_>, daemon: Option<&CStr>) -> Option<End> {
        if !self.has_begun && self.begin(daemon, service.loaded.path()).is_err() {
            return Some(End::Code(exit::FAILURE));
        }
        loop {
            let now = Instant::now();
            if self.phase == Phase::Serving && self.end <= now {
                self.drain();
            }
            let is_full = self.max_connections.is_some_and(|most| self.accepted >= most);
            if is_full && (self.phase == Phase::Serving || self.has_waiting()) {
                self.stop_listening();
            }
            if self.phase != Phase::Serving
                && !self.supervised.runs()
                && !self.has_waiting()
                && (self.pool.is_empty() || !self.waits_for_sessions)
            {
                return Some(self.supervised.end.unwrap_or(End::Code(exit::SUCCESS)));
            }
            if core::mem::take(&mut self.reload) && self.phase == Phase::Serving {
                return None;
            }
            if self.awaits_old_workers && self.pool.idle() == 0 {
                self.awaits_old_workers = false;
                report!("reloaded {}", service.loaded.path());
            }
            self.turn(service, now);
        }
    }

    /// One turn of the loop: forks a worker if one is needed; otherwise waits for what comes next, and handles it.
    fn turn(&mut self, service: &Service<'_>, now: Instant) {
        let mut end = if self.phase == Phase::Serving { self.end } else { Instant::NEVER };
        let is_short = self.pause > now;
        let has_room = !is_short && self.pool.has_room();
        let mut takes = has_room && self.accepts();
        let has_worker = has_room || self.has_idle_worker();
        if self.has_token
            && let Some(queue) = &mut self.pre_auth
        {
            end = end.min(queue.turn(service.settings.token()));
            if has_worker && self.waiting.is_none() {
                self.waiting = queue
                    .take_ready()
                    .map(|(socket, has_message)| Accepted { has_message, ..Accepted::plain(socket, false) });
            }
            // The queue holds connections without a worker.
            takes = self.accepts_from <= now && queue.has_room();
            end = end.min(self.close_pre_auth_in_time(now));
        }
        if self.waiting.is_none() {
            self.waiting = self.backlog.pop();
        }
        if self.hand_over() {
            return;
        }
        if has_room && (self.waiting.is_some() || self.is_short_of_idle_workers()) {
            self.start_worker(service);
            return;
        }
        let mut watch = Watch::new();
        watch.add(SIGNALS, self.signals.as_fd(), PollFlags::IN);
        if self.has_token
            && let Some(queue) = &self.pre_auth
        {
            watch.add(PRE_AUTH, queue.as_fd(), PollFlags::IN);
        }
        // If there is no room, further connections wait in the backlog.
        for is_direct in [false, true] {
            if let Some(socket) = self.sockets.of(is_direct).filter(|_| takes) {
                watch.add(SOCKETS + usize::from(is_direct), socket.as_fd(), PollFlags::IN);
            }
        }
        if is_short {
            end = end.min(self.pause);
        }
        let ready = watch.wait(end);
        if !ready.of(SIGNALS).is_empty() {
            self.take_signals();
        }
        // One connection each turn: the next one may have to wait for room.
        for is_direct in [true, false] {
            if !ready.of(SOCKETS + usize::from(is_direct)).is_empty() {
                self.accept(is_direct);
            }
        }
    }

    /// Whether the listener accepts connections itself, to count them or to check their token. Otherwise the workers do.
    fn accepts(&self) -> bool {
        self.max_connections.is_some() || self.has_token
    }

    /// Whether there are too few idle workers for the next connections. If one has failed while it was idle, the kernel
    /// may have woken it alone for a connection that still waits. Only a new worker looks for that by itself, so until
    /// one has been started there are too few, however many are idle.
    fn is_short_of_idle_workers(&self) -> bool {
        let are_few = self.pause != Instant::PAST || self.pool.idle() < limits::IDLE_LEAST;
        let come_to_workers = self.hands_over() || !self.accepts();
        self.phase == Phase::Serving && !self.awaits_old_workers && come_to_workers && are_few
    }

    /// Whether connections that the listener accepts go to workers that were forked ahead. Those that are counted do not:
    /// each is a worker's only one.
    fn hands_over(&self) -> bool {
        self.has_token && self.max_connections.is_none()
    }

    /// Whether there is an idle worker to hand a connection to.
    fn has_idle_worker(&self) -> bool {
        self.hands_over() && self.phase == Phase::Serving && !self.awaits_old_workers && self.pool.idle() > 0
    }

    /// Hands the connection that waits to an idle worker; false where there is none of either.
    fn hand_over(&mut self) -> bool {
        if self.has_idle_worker()
            && let (Some(socket), Some(connection)) = (&self.to_workers, &self.waiting)
            && sockets::hand_over(socket, connection).is_ok()
        {
            self.waiting = None;
            return true;
        }
        false
    }

    /// Takes back what no worker has taken.
    pub(super) fn take_back(&mut self) {
        while let Some(socket) = &self.from_listener {
            match sockets::take_handed(socket) {
                Ok(connection) => _ = self.backlog.push(connection),
                Err(errno @ Errno::MFILE) => report!("cannot take a connection back: {}", errno),
                Err(_) => return,
            }
        }
    }

    /// Accepts a connection, into the pre-auth queue if there is a token.
    fn accept(&mut self, is_direct: bool) {
        let accepted = self.sockets.accept(is_direct);
        if accepted.is_ok() {
            self.end_shortage();
        }
        match accepted {
            Ok(socket) => _ = self.keep(socket, is_direct),
            // The connection has gone, or a worker has accepted it.
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            Err(errno) => {
                self.run_short(text!("accept a connection"), errno);
                self.accepts_from = self.pause;
            }
        }
    }

    /// Forks a worker, for the connection that waits or for those to come. If fork(2) fails, the connection keeps
    /// waiting.
    fn start_worker(&mut self, service: &Service<'_>) {
        let Some(slot) = self.pool.reserve() else { return };
        let parent = process::id();
        match process::fork() {
            Ok(0) => {
                if self.renew_signals().is_err() {
                    process::exit(exit::UNAVAILABLE);
                }
                if self.accepts() {
                    self.sockets = Sockets::NONE;
                }
                if self.hands_over() {
                    self.sockets.handed = self.from_listener.take();
                }
                let has_token = self.has_token;
                self.close_pre_auth();
                self.backlog.clear();
                let sockets = core::mem::replace(&mut self.sockets, Sockets::NONE);
                let (signals, pre_auth) = (&self.signals, self.pre_auth.as_deref().filter(|_| has_token));
                let worker = Worker { sockets, pre_auth, signals, service, pool: self.pool, slot, parent };
                // With `--no-wait`, sessions outlive the server.
                worker.run(self.waiting.take(), self.waits_for_sessions)
            }
            Ok(pid) => {
                self.pause = Instant::PAST;
                let has_connection = self.waiting.take().is_some();
                self.accepted += u64::from(has_connection);
                slot.started(pid, has_connection);
                if self.phase != Phase::Serving {
                    // This connection is its only one.
                    let _ = signal::send(pid, name::USR1);
                }
                // If the listener accepts, the next connection shows whether the shortage is over.
                if !self.accepts() {
                    self.end_shortage();
                }
            }
            Err(errno) => {
                slot.free();
                self.run_short(text!("start a session"), errno);
            }
        }
    }

    /// Makes this process a signalfd of its own after a fork: gVisor's reports the signals of the process that has made
    /// it.
    pub(super) fn renew_signals(&mut self) -> Result<()> {
        self.signals = signal::descriptor(Set::ALL)?;
        Ok(())
    }

    /// Reports that the shortage is over, if this process has reported one.
    fn end_shortage(&self) {
        let pid = process::id();
        if self.pool.has_told_shortage(pid) && self.pool.end_shortage(pid) {
            report!("connections are accepted again");
        }
    }

    /// The system lacks a process, a descriptor or memory: reports that once until it is over, and pauses before the next
    /// attempt.
    fn run_short(&mut self, what: Text, errno: Errno) {
        if self.pool.begin_shortage(process::id()) {
            report!("cannot {}: {}; trying again", what, errno);
        }
        self.pause = Instant::after(limits::RESOURCE_RETRY_MS);
    }
}
