//! The server's first process: accepts, starts a session for each connection, reaps, drains and cleans up. It never reads a
//! byte that a peer sent, so no peer can harm it; but for the token, where there is one, see [`crate::auth::gate`].

use super::daemon::become_daemon;
use super::pool::Pool;
use super::sockets::{Backlog, Sockets};
use super::supervise::Supervised;
use super::worker::Worker;
use crate::auth::gate::Gate;
use crate::diag::Reported;
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
use crate::sys::statics::StaticCell;
use crate::sys::watch::Watch;
use crate::{exit, limits, report, told};
use core::ffi::CStr;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::{Errno, Result};

/// The slots of the poll loop.
const SIGNALS: usize = 0;
/// The relay's socket, and behind it the direct transport's.
const SOCKETS: usize = 1;
const GATE: usize = 3;

/// What ends the server, in the order in which it becomes urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// No further connections; running sessions finish.
    Draining,
    /// Running sessions were told to end.
    Ending,
    /// They were killed.
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
    /// Connections that it has taken, where it takes them itself.
    accepted: u64,
    /// The processes that serve connections.
    pub(super) pool: Pool,
    /// A connection for which there was no process yet.
    pub(super) waiting: Option<Accepted>,
    /// Those behind it: the next one, and all where the server drains.
    pub(super) backlog: Backlog,
    /// What holds the connections until they have proven that they have the token.
    pub(super) gate: Option<&'static mut Gate>,
    /// Whether there is a token.
    pub(super) has_token: bool,
    /// When those who have not proven by then that they have it are left, since the server drains.
    pub(super) gate_closes: Instant,
    /// When to try again after a shortage; past if there is none.
    pub(super) pause: Instant,
    /// When it ends by itself.
    end: Instant,
    pub(super) signals: OwnedFd,
    /// Whether HUP has it reload instead of ending it, and whether one has come.
    pub(super) reloads: bool,
    pub(super) reload: bool,
    /// Whether it has served.
    has_begun: bool,
    /// Whether idle workers are on their way out that know the configuration before a reload.
    awaits_old_workers: bool,
    /// The program that it was started with, which has the signals and is what it ends with.
    pub(super) supervised: Supervised,
    pid_file: Option<&'static Path>,
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
            waiting: None,
            backlog: Backlog::new(),
            gate: None,
            has_token: false,
            gate_closes: Instant::NEVER,
            pause: Instant::PAST,
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

    /// Goes to the background where there is to be a PID file, and lets the program begin.
    fn begin(&mut self, daemon: Option<&CStr>, file: &CStr) -> core::result::Result<(), Reported> {
        self.has_begun = true;
        if let Some(path) = daemon {
            static PID_FILE: StaticCell<Path> = StaticCell::new(Path::new());
            let pid_file = PID_FILE.take();
            become_daemon(path, pid_file)?;
            self.renew_signals().map_err(|errno| told!("cannot go to the background: {}", errno))?;
            self.pid_file = Some(pid_file);
            self.reloads = true;
            // Unless a reload sees the configuration's path from here.
            if file.to_bytes().starts_with(b"/") {
                let _ = rustix::process::chdir(c"/");
            }
        }
        if self.supervised.is_some() {
            self.supervised.begin();
        }
        Ok(())
    }

    /// Follows these settings from now on. A time-out that has not changed goes on from where it began.
    pub(super) fn follow(&mut self, settings: &Settings<'_>) {
        if settings.timeout != self.timeout {
            self.timeout = settings.timeout;
            self.end = settings.timeout.map_or(Instant::NEVER, Instant::after);
        }
        self.max_connections = settings.max_connections;
        self.waits_for_sessions = !settings.no_wait;
        self.pool.resize(settings.max_sessions);
    }

    /// The sockets that it listens on.
    pub(super) fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Has a gate at hand for a section with a token.
    pub(super) fn prepare_gate(&mut self, environment: Environment<'static>) -> Result<()> {
        if self.gate.is_none() {
            self.gate = Some(Gate::new(environment)?);
        }
        Ok(())
    }

    /// Listens on these sockets from now on, with processes that know the configuration of today. The ones before finish what
    /// they serve; a connection that comes before there are others waits at the socket.
    /// `gate`: whether there is a token, and it may come as a line.
    pub(super) fn renew(&mut self, sockets: Sockets, gate: Option<bool>) {
        self.sockets = sockets;
        match (&mut self.gate, gate) {
            (Some(gate), Some(is_plain)) => {
                self.has_token = true;
                gate.expect(is_plain);
            }
            _ => self.close_gate(),
        }
        self.awaits_old_workers = self.has_begun;
        self.pool.signal(name::USR1);
    }

    /// Removes the PID file of a daemon that ends.
    pub(super) fn remove_pid_file(&self) {
        if let Some(path) = self.pid_file {
            let _ = rustix::fs::unlink(path.as_c_str());
        }
    }

    /// Serves until told to end or a limit is reached, and gives how to end then: as the program did. `None`: told to reload.
    /// At first, with a PID file, it goes to the background.
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
            if self.phase > Phase::Serving
                && !self.supervised.runs()
                && !self.has_waiting()
                && (self.pool.is_empty() || !self.waits_for_sessions)
            {
                return Some(self.supervised.end.unwrap_or(End::Code(exit::SUCCESS)));
            }
            if core::mem::take(&mut self.reload) && self.phase == Phase::Serving {
                return None;
            }
            if self.awaits_old_workers && self.pool.spares() == 0 {
                self.awaits_old_workers = false;
                report!("reloaded {}", service.loaded.path());
            }
            self.turn(service, now);
        }
    }

    fn turn(&mut self, service: &Service<'_>, now: Instant) {
        let mut end = if self.phase == Phase::Serving { self.end } else { Instant::NEVER };
        let is_short = self.pause > now;
        let has_room = !is_short && self.pool.has_room();
        let mut takes = has_room && self.accepts();
        if self.has_token
            && let Some(gate) = &mut self.gate
        {
            end = end.min(gate.turn(service.settings.token()));
            if has_room && self.waiting.is_none() {
                self.waiting = gate
                    .take_ready()
                    .map(|(socket, has_message)| Accepted { has_message, ..Accepted::plain(socket, false) });
            }
            // Who waits there has room of its own.
            takes = !is_short && gate.has_room();
            end = end.min(self.close_gate_in_time(now));
        }
        if self.waiting.is_none() {
            self.waiting = self.backlog.pop();
        }
        if has_room && (self.waiting.is_some() || self.is_short_of_spares()) {
            self.start_worker(service);
            return;
        }
        let mut watch = Watch::new();
        watch.add(SIGNALS, self.signals.as_fd(), PollFlags::IN);
        if self.has_token
            && let Some(gate) = &self.gate
        {
            watch.add(GATE, gate.as_fd(), PollFlags::IN);
        }
        // Full: further connections wait in the backlog.
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

    /// Whether this process takes connections itself, to count or to judge them. Otherwise those that serve them do.
    fn accepts(&self) -> bool {
        self.max_connections.is_some() || self.has_token
    }

    /// Whether the next connections would find too few processes that wait for them. One that failed while it waited may have
    /// been told of a connection of which no other is told again, so until another has been started, which looks for itself,
    /// there are too few however many wait.
    fn is_short_of_spares(&self) -> bool {
        let are_few = self.pause != Instant::PAST || self.pool.spares() < limits::SPARES;
        self.phase == Phase::Serving && !self.awaits_old_workers && !self.accepts() && are_few
    }

    pub(super) fn close_gate(&mut self) {
        self.has_token = false;
        if let Some(gate) = &mut self.gate {
            gate.leave();
        }
    }

    fn accept(&mut self, is_direct: bool) {
        let accepted = self.sockets.accept(is_direct);
        if accepted.is_ok() {
            self.end_shortage();
        }
        match accepted {
            Ok(connection) => _ = self.keep(connection),
            // The connection went again, or was taken already.
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            Err(errno) => self.run_short("accept a connection", errno),
        }
    }

    /// Starts a process for the connection that waits, or for those to come. The connection goes on waiting when the system
    /// has no process to spare.
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
                self.admit(service);
                self.close_gate();
                self.backlog.clear();
                let sockets = core::mem::replace(&mut self.sockets, Sockets::NONE);
                let worker = Worker { sockets, signals: &self.signals, service, pool: self.pool, slot, parent };
                // Without waiting for them, sessions outlive the server.
                worker.run(self.waiting.take(), self.waits_for_sessions)
            }
            Ok(pid) => {
                self.pause = Instant::PAST;
                let has_connection = self.waiting.take().is_some();
                self.accepted += u64::from(has_connection);
                slot.started(pid, has_connection);
                if self.phase > Phase::Serving {
                    // What it has to do is the last.
                    let _ = signal::send(pid, name::USR1);
                }
                // Where this process accepts, the next connection tells.
                if !self.accepts() {
                    self.end_shortage();
                }
            }
            Err(errno) => {
                slot.free();
                self.run_short("start a session", errno);
            }
        }
    }

    /// In a process that is to serve a stub with a token: takes the stub's first message. Ends where the token has changed.
    fn admit(&mut self, service: &Service<'_>) {
        let connection = self.waiting.as_mut().filter(|connection| connection.has_message);
        let (Some(gate), Some(connection)) = (&self.gate, connection) else { return };
        connection.responder = gate.admit(&connection.socket, service.settings.token());
        if connection.responder.is_none() {
            process::exit(exit::SUCCESS);
        }
    }

    /// Has a signal descriptor of this process's own after a fork: gVisor delivers to the one whose process made it.
    fn renew_signals(&mut self) -> Result<()> {
        self.signals = signal::descriptor(Set::ALL)?;
        Ok(())
    }

    /// The system has what this process was short of.
    fn end_shortage(&self) {
        let pid = process::id();
        if self.pool.has_told_shortage(pid) && self.pool.end_shortage(pid) {
            report!("connections are accepted again");
        }
    }

    /// The system is short of something: says so once until that is over, and leaves it in peace for a moment each time.
    fn run_short(&mut self, what: &str, errno: Errno) {
        if self.pool.begin_shortage(process::id()) {
            report!("cannot {}: {}; trying again", what, errno);
        }
        self.pause = Instant::after(limits::RESOURCE_RETRY_MS);
    }
}
