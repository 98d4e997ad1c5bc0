//! The server's first process: accepts, starts a session for each connection, reaps, drains and cleans up. It never reads a
//! byte that a peer sent, so no peer can harm it; but for the token, where there is one, see [`super::gate`].

use super::command::Tty;
use super::configuration::Loaded;
use super::connect::{Connection, Transport};
use super::end_like;
use super::gate::Gate;
use super::log::Log;
use super::stubs::Stubs;
use super::supervise::Supervised;
use super::watch::Watch;
use super::worker::{self, Crew, Worker};
use crate::address::Address;
use crate::config::Server;
use crate::config::path::Path;
use crate::diag::{Line, Told};
use crate::exit::End;
use crate::sys::descriptor::{self, Descriptor};
use crate::sys::local;
use crate::sys::memory::Place;
use crate::sys::process::{self, Children, Reaped};
use crate::sys::program::Environment;
use crate::sys::signal::{self, Set, name};
use crate::sys::tcp;
use crate::sys::time::Moment;
use crate::{add, debug, exit, fail, limits, report, told};
use core::ffi::CStr;
use core::sync::atomic::Ordering;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::fs::OFlags;
use rustix::io::{Errno, Result};

/// When a server ends by itself, and how many it serves at once.
pub(super) struct Limits {
    /// Connections that it takes.
    pub(super) connections: Option<u64>,
    /// Its time.
    pub(super) milliseconds: Option<u64>,
    /// Whether it waits for its sessions before it ends.
    pub(super) wait: bool,
}

/// What every session of a server works from.
pub(super) struct Work {
    /// The configuration.
    pub(super) loaded: Loaded,
    /// This server's part of it.
    pub(super) server: Server<'static>,
    /// This server's own environment.
    pub(super) environment: Environment,
    /// This server's own file mode creation mask: what a client that does not say its own gets.
    pub(super) umask: u32,
    /// The signals that this server was started to ignore, which its commands are not to inherit.
    pub(super) ignored: Set,
    /// Which commands get a terminal.
    pub(super) tty: Tty,
    /// The users whose stubs may come by the direct transport, with commas between them; all if there are none.
    pub(super) users: Option<&'static CStr>,
    /// The command that a connection alone starts; `None`: there are stubs to ask for one.
    pub(super) trigger: Option<&'static CStr>,
    /// Whether that one runs on when its client hangs up.
    pub(super) detaches: bool,
    /// How long a command may run, in milliseconds.
    pub(super) session_ms: Option<u64>,
    /// What is said of each session.
    pub(super) log: Log,
}

/// The sockets that a server listens on, where its section does not turn the transport off.
#[derive(Default)]
pub(super) struct Sockets {
    /// The relay's.
    pub(super) relay: Option<Descriptor>,
    /// The direct transport's.
    pub(super) direct: Option<Descriptor>,
}

impl Sockets {
    /// Listens on a port of this address, and by its name within this Pod.
    pub(super) fn bind(host: &Address, port: u16, transport: Transport) -> core::result::Result<Sockets, Told> {
        let mut sockets = Sockets::default();
        if transport != Transport::Direct {
            sockets.relay = Some(bind(host, port).map_err(|errno| {
                let text = if *host == Address::LOOPBACK { "port {}: {}" } else { "port {}: {}: --listen {}" };
                told!(text, port, errno, host)
            })?);
        }
        if transport != Transport::Relay {
            match bind_direct(port) {
                Ok(socket) => sockets.direct = Some(socket),
                Err(errno) if transport == Transport::Direct => return Err(told!("name k8psh:{}: {}", port, errno)),
                Err(errno) => report!("warning: name k8psh:{}: {}: going on without direct transport", port, errno),
            }
        }
        Ok(sockets)
    }

    /// Whether there is none.
    pub(super) fn are_closed(&self) -> bool {
        self.relay.is_none() && self.direct.is_none()
    }

    /// A connection that waits at one of them.
    pub(super) fn accept(&self, is_direct: bool) -> Result<Connection> {
        let socket = if is_direct { &self.direct } else { &self.relay };
        let socket = descriptor::accept(socket.as_ref().ok_or(Errno::AGAIN)?)?;
        Ok(Connection { socket, is_direct })
    }
}

/// Listens for what can hand over descriptors: whatever is in this network namespace.
fn bind_direct(port: u16) -> Result<Descriptor> {
    let socket = descriptor::local_socket()?;
    local::bind(&socket, port)?;
    rustix::net::listen(&socket, limits::BACKLOG)?;
    Ok(socket)
}

/// Listens on a port of this address; of a loopback one, nothing beyond this Pod reaches it.
fn bind(host: &Address, port: u16) -> Result<Descriptor> {
    let socket = tcp::socket(host)?;
    // A connection that is gone again before it is accepted must not hold up the server (accept(2)).
    rustix::fs::fcntl_setfl(&socket, OFlags::NONBLOCK)?;
    // A server that is started again must not wait for what is left of the last one's connections (socket(7)).
    tcp::set_reused(&socket)?;
    if host.as_v4().is_none() {
        tcp::set_dual(&socket)?;
    }
    if !host.is_loopback() {
        tcp::set_watched(&socket)?;
    }
    tcp::bind(&socket, host, port)?;
    rustix::net::listen(&socket, limits::BACKLOG)?;
    Ok(socket)
}

/// The slots of the poll loop.
const SIGNALS: usize = 0;
const RELAY: usize = 1;
const DIRECT: usize = 2;
const GATE: usize = 3;

/// What ends the server, in the order in which it becomes urgent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    /// No further connections; running sessions finish.
    Draining,
    /// Running sessions were told to end.
    Ending,
    /// They were killed.
    Killing,
}

/// A server that listens. What is used most comes first, where short instructions reach it.
#[repr(C)]
pub(super) struct Listener {
    /// The listening sockets, until the server drains.
    sockets: Sockets,
    limits: Limits,
    phase: Phase,
    /// Connections that it has taken, where it takes them itself.
    accepted: u64,
    /// The processes that serve connections.
    crew: Crew,
    /// A connection for which there was no process yet.
    waiting: Option<Connection>,
    /// Where there is a token: what holds the connections until they have proven that they have it.
    gate: Option<&'static mut Gate>,
    /// When to try again after a shortage.
    pause: Option<Moment>,
    /// Whether HUP ends it.
    hangs_up: bool,
    /// The program that it was started with, which has the signals and is what it ends with.
    supervised: Option<Supervised>,
    work: Work,
    stubs: Option<Stubs>,
}

impl Listener {
    /// A server that has bound its port and made its stubs.
    pub(super) fn new(
        sockets: Sockets,
        gate: Option<&'static mut Gate>,
        crew: Crew,
        limits: Limits,
        stubs: Option<Stubs>,
        work: Work,
        supervised: Option<Supervised>,
    ) -> Listener {
        Listener {
            sockets,
            limits,
            stubs,
            work,
            phase: Phase::Serving,
            accepted: 0,
            crew,
            waiting: None,
            gate,
            pause: None,
            hangs_up: true,
            supervised,
        }
    }

    /// Serves until told to end or a limit is reached. With a PID file it goes to the background first.
    pub(super) fn run(mut self, daemon: Option<&CStr>) -> ! {
        static PID_FILE: Place<Path> = Place::new(Path::new());
        let pid_file = PID_FILE.take();
        if let Some(path) = daemon {
            self.hangs_up = false;
            if become_daemon(path, pid_file).is_err() {
                self.remove_stubs();
                process::exit(exit::FAILURE);
            }
        }
        let signals = signal::descriptor(Set::ALL).unwrap_or_else(|errno| {
            self.remove_stubs();
            fail!(exit::FAILURE, "cannot wait for signals: {}", errno)
        });
        debug!(Applet, "server {} listens on port {}", self.work.server.name(), self.work.server.port());
        if let Some(supervised) = &self.supervised {
            supervised.begin();
        }
        self.serve(&signals);
        self.remove_stubs();
        if daemon.is_some() {
            let _ = rustix::fs::unlink(pid_file.as_c_str());
        }
        end_like(self.supervised.and_then(|supervised| supervised.end).unwrap_or(End::Code(exit::SUCCESS)))
    }

    fn remove_stubs(&mut self) {
        if let Some(stubs) = &mut self.stubs {
            stubs.remove();
        }
    }

    /// The poll loop.
    fn serve(&mut self, signals: &Descriptor) {
        let end = self.limits.milliseconds.map_or(Moment::NEVER, Moment::after);
        loop {
            let is_over = end <= Moment::now();
            let is_full = self.limits.connections.is_some_and(|most| self.accepted >= most);
            if self.phase == Phase::Serving && (is_over || is_full) {
                self.drain();
            }
            let has_program = self.program().is_some();
            if self.phase > Phase::Serving && !has_program && (self.crew.is_empty() || !self.limits.wait) {
                return;
            }
            self.turn(signals, if self.phase == Phase::Serving { end } else { Moment::NEVER });
        }
    }

    fn turn(&mut self, signals: &Descriptor, end: Moment) {
        let pause = self.pause.filter(|until| *until > Moment::now());
        let has_room = pause.is_none() && self.crew.has_room();
        let mut takes = has_room && self.accepts();
        let mut end = end;
        if let Some(gate) = &mut self.gate {
            end = end.min(gate.turn());
            if has_room && self.waiting.is_none() {
                self.waiting = gate.next().map(|socket| Connection { socket, is_direct: false });
            }
            // Who waits there has room of its own.
            takes = pause.is_none() && gate.has_room();
        }
        if has_room && (self.waiting.is_some() || self.is_short_of_spares()) {
            self.start_worker(signals);
            return;
        }
        let mut watch = Watch::new();
        watch.add(SIGNALS, signals.as_fd(), PollFlags::IN);
        if let Some(gate) = &self.gate {
            watch.add(GATE, gate.as_fd(), PollFlags::IN);
        }
        // Full: further connections wait in the backlog.
        for (slot, socket) in [(RELAY, &self.sockets.relay), (DIRECT, &self.sockets.direct)] {
            if let Some(socket) = socket.as_ref().filter(|_| takes) {
                watch.add(slot, socket.as_fd(), PollFlags::IN);
            }
        }
        let ready = watch.wait(Some(pause.map_or(end, |until| until.min(end))));
        if !ready.of(SIGNALS).is_empty() {
            self.take_signals(signals);
        }
        // One connection each turn: the next one may have to wait for room.
        for (slot, is_direct) in [(DIRECT, true), (RELAY, false)] {
            if (self.waiting.is_none() || self.gate.is_some()) && !ready.of(slot).is_empty() {
                self.accept(is_direct);
            }
        }
    }

    /// Whether this process takes connections itself, to count or to judge them. Otherwise those that serve them do.
    fn accepts(&self) -> bool {
        self.limits.connections.is_some() || self.gate.is_some()
    }

    /// Whether the next connections would find too few processes that wait for them.
    fn is_short_of_spares(&self) -> bool {
        self.phase == Phase::Serving && !self.accepts() && self.crew.spares() < limits::SPARES
    }

    /// The program that it was started with, while that runs.
    fn program(&self) -> Option<&Supervised> {
        self.supervised.as_ref().filter(|supervised| supervised.end.is_none())
    }

    fn take_signals(&mut self, signals: &Descriptor) {
        while let Some(signal) = signal::next(signals) {
            if signal.signal != name::CHLD
                && let Some(program) = self.program()
            {
                program.pass_on(signal);
                continue;
            }
            match signal.signal {
                name::CHLD => self.reap(),
                name::HUP if !self.hangs_up => {}
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
                Children::Stopped(pid, signal) => {
                    if let Some(program) = self.program() {
                        program.stopped(pid, signal);
                    }
                }
                Children::Running | Children::None => return,
            }
        }
    }

    /// A process is no more. Where one fails that has nothing to do yet, the next one would as well.
    fn forget(&mut self, child: Reaped) {
        if let Some(supervised) = &mut self.supervised
            && supervised.has_ended(child)
        {
            self.drain();
            if self.limits.wait {
                self.end_sessions();
            }
        }
        let was_spare = self.crew.forget(child.pid).unwrap_or(false);
        if was_spare && child.end != End::Code(exit::SUCCESS) {
            self.pause = Some(Moment::after(limits::SHORTAGE_MS));
        }
    }

    /// Told to end, more urgently each time.
    fn escalate(&mut self) {
        match self.phase {
            Phase::Serving => self.drain(),
            Phase::Draining => self.end_sessions(),
            Phase::Ending | Phase::Killing => {
                self.phase = Phase::Killing;
                self.crew.signal(name::KILL);
            }
        }
    }

    /// Ends what runs, as far as it lets itself be ended.
    fn end_sessions(&mut self) {
        self.phase = Phase::Ending;
        self.crew.signal(name::TERM);
    }

    /// Takes no further connections: who connects now is refused at once and can look elsewhere.
    fn drain(&mut self) {
        self.phase = Phase::Draining;
        self.sockets = Sockets::default();
        self.waiting = None;
        self.close_gate();
        // They have the sockets, too.
        self.crew.signal(name::USR1);
    }

    fn close_gate(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.leave();
        }
    }

    fn accept(&mut self, is_direct: bool) {
        match (self.sockets.accept(is_direct), &mut self.gate) {
            (Ok(connection), Some(gate)) => gate.enter(connection.socket),
            (Ok(connection), None) => self.waiting = Some(connection),
            // The connection went again, or was taken already.
            (Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED), _) => {}
            (Err(errno), _) => self.run_short("accept a connection", errno),
        }
    }

    /// Starts a process for the connection that waits, or for those to come. The connection goes on waiting when the system
    /// has no process to spare.
    fn start_worker(&mut self, signals: &Descriptor) {
        let Some(slot) = self.crew.reserve() else { return };
        let parent = process::id();
        match process::fork() {
            Ok(None) => {
                if self.accepts() {
                    self.sockets = Sockets::default();
                }
                self.close_gate();
                let sockets = core::mem::take(&mut self.sockets);
                let worker = Worker { sockets, signals, work: &self.work, crew: self.crew, slot, parent };
                // Without waiting for them, sessions outlive the server.
                worker.run(self.waiting.take(), self.limits.wait)
            }
            Ok(Some(pid)) => {
                self.pause = None;
                self.accepted += u64::from(self.waiting.take().is_some());
                worker::settle(slot, pid);
            }
            Err(errno) => {
                slot.store(0, Ordering::Relaxed);
                self.run_short("start a session", errno);
            }
        }
    }

    /// The system is short of something: says so once, and leaves it in peace for a moment each time.
    fn run_short(&mut self, what: &str, errno: Errno) {
        if self.pause.is_none() {
            report!("cannot {}: {}; trying again", what, errno);
        }
        self.pause = Some(Moment::after(limits::SHORTAGE_MS));
    }
}

/// Goes to the background: the parent writes the PID file and exits, the child goes on. `pid_file` becomes the file's
/// absolute path.
fn become_daemon(path: &CStr, pid_file: &mut Path) -> core::result::Result<(), Told> {
    let explain = |errno: Errno| told!("PID file {}: {}", path, errno);
    let mut here = [0; limits::PATH];
    let here = process::working_directory(&mut here).map_err(explain)?;
    pid_file.join(here, path.to_bytes()).map_err(|_| explain(Errno::NAMETOOLONG))?;
    // Before the fork, while somebody can still be told.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = descriptor::open(pid_file.as_c_str(), flags, 0o644).map_err(explain)?;
    let pid = process::fork().map_err(|errno| {
        let _ = rustix::fs::unlink(pid_file.as_c_str());
        told!("cannot go to the background: {}", errno)
    })?;
    if let Some(pid) = pid {
        let mut text = Line::new();
        add!(&mut text, "{}\n", pid);
        match descriptor::write(&file, text.bytes()) {
            Ok(_) => process::exit(exit::SUCCESS),
            Err(errno) => {
                let _ = signal::send(pid, name::TERM);
                explain(errno);
                process::exit(exit::FAILURE);
            }
        }
    }
    let _ = rustix::process::setsid();
    let _ = rustix::process::chdir(c"/");
    let _ = leave_streams(3);
    Ok(())
}

/// Gives up the first streams of the caller's, so that a caller that reads them to their end is not kept waiting. An empty
/// root has no null device; then stdin is a pipe that has ended, and the others one that nobody reads.
pub(super) fn leave_streams(count: i32) -> Result<()> {
    let null = descriptor::open(c"/dev/null", OFlags::RDWR, 0).ok();
    let (ended, unread) = (descriptor::pipe()?.0, descriptor::pipe()?.1);
    let mut other = &ended;
    for number in 0..count {
        // It fails where the number is that of the null device itself.
        let _ = descriptor::place(null.as_ref().or(Some(other)), number);
        other = &unread;
    }
    Ok(())
}
