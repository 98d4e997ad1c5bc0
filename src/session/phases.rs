//! What a session is at. Two things go on independently, the connection and the command: a client may go while its command
//! runs, and a command may end long before its client has read everything. Each is in one phase, which has its data. No
//! system calls: the caller tells the time and what became of processes.

use super::command::{Running, Streams};
use crate::exit::End;
use crate::limits;
use crate::sys::clock::Instant;
use crate::sys::signal::{Set, name};

/// The connection. `S` is its socket.
#[derive(Debug)]
pub(super) enum Link<S> {
    /// The request is on its way.
    AwaitingRequest {
        socket: S,
        /// When it has to be complete.
        by: Instant,
        /// Milliseconds that it has for that.
        limit: u64,
    },
    /// Frames go both ways. Those that the client does not wait for are sent at `flush_at`.
    Relaying { socket: S, flush_at: Instant },
    /// The connection is the streams of a trigger's command: this process reads and writes nothing.
    Lent { socket: S },
    /// Everything was said. The client reads it and closes; closing before that could lose it, since the kernel resets a
    /// connection on which unread data is left (RFC 2525, 2.17).
    Lingering {
        socket: S,
        /// When the connection is closed, unless the client gets more time.
        until: Instant,
        patience: Patience,
    },
    /// The client has gone, or was left.
    Closed,
}

/// Whether a client that lets its time pass gets as much again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// It does not: it did something wrong.
    None,
    /// While its kernel has not acknowledged everything.
    UntilAcknowledged,
    /// While it reads: so many bytes had been acknowledged when that was looked at last.
    WhileReading(u64),
}

/// The command.
#[derive(Debug)]
pub(super) enum Command {
    /// There is none yet, or it was refused.
    None,
    Running {
        running: Running,
        /// When it has run long enough.
        until: Instant,
    },
    /// What it had written is passed on.
    Ended {
        end: End,
        streams: Streams,
        /// Bytes of its stdout and stderr that are still to be passed on: those that were in the pipes when it ended. A
        /// grandchild may hold them open and go on writing; a shell would not wait for it either.
        left: [usize; 2],
        /// What it had ignored, unless it said otherwise itself, and so had the stub's caller.
        ignored: Set,
    },
}

/// How far a command's processes have been ended that did not end by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cleanup {
    /// They need not be.
    NotNeeded,
    /// They got TERM, and get KILL then.
    Terminating { kill_at: Instant },
    /// They got KILL. What is killed leaves its children to this process, so there are further rounds.
    Killing {
        next: Instant,
        /// Milliseconds until the one after the next.
        pause: u64,
        /// Whether it was reported that one of them cannot be ended.
        has_reported: bool,
    },
    /// None of them is left, or none that could be ended.
    Done,
}

/// All of it.
#[derive(Debug)]
pub(super) struct State<S> {
    pub(super) link: Link<S>,
    pub(super) command: Command,
    pub(super) cleanup: Cleanup,
    /// When the client is left, however much it has read, since the server ends; [`Instant::NEVER`] while that does not.
    pub(super) leave_at: Instant,
}

impl<S> Link<S> {
    pub(super) fn socket(&self) -> Option<&S> {
        match self {
            Link::AwaitingRequest { socket, .. }
            | Link::Relaying { socket, .. }
            | Link::Lent { socket }
            | Link::Lingering { socket, .. } => Some(socket),
            Link::Closed => None,
        }
    }

    /// Whether what comes is frames that count.
    pub(super) fn takes_frames(&self) -> bool {
        matches!(self, Link::AwaitingRequest { .. } | Link::Relaying { .. })
    }

    /// Ends it; the socket, if there was one.
    pub(super) fn close(&mut self) -> Option<S> {
        match core::mem::replace(self, Link::Closed) {
            Link::AwaitingRequest { socket, .. }
            | Link::Relaying { socket, .. }
            | Link::Lent { socket }
            | Link::Lingering { socket, .. } => Some(socket),
            Link::Closed => None,
        }
    }

    /// The stub has shown that it is there: it gets its time for the request, unless the server ends.
    pub(super) fn on_confirmed(&mut self, now: Instant) {
        if let Link::AwaitingRequest { by, limit, .. } = self
            && *limit == limits::PROOF_MS
        {
            (*by, *limit) = (now.plus(limits::REQUEST_MS), limits::REQUEST_MS);
        }
    }

    /// Gives the request more time, once, if it is only the short time of a drain that is over. Whether it did.
    pub(super) fn extend(&mut self, now: Instant) -> bool {
        match self {
            Link::AwaitingRequest { by, limit: limit @ limits::DRAIN_MS, .. } => {
                (*by, *limit) = (now.plus(limits::DRAIN_TAKEN_MS), limits::DRAIN_TAKEN_MS);
                true
            }
            _ => false,
        }
    }

    /// The request is complete.
    pub(super) fn on_request(&mut self, is_lent: bool) {
        if let Some(socket) = self.close() {
            *self = if is_lent { Link::Lent { socket } } else { Link::Relaying { socket, flush_at: Instant::NEVER } };
        }
    }

    /// Everything was said.
    pub(super) fn linger(&mut self, patience: Patience, now: Instant) {
        if let Some(socket) = self.close() {
            *self = Link::Lingering { socket, until: now.plus(limits::LINGER_MS), patience };
        }
    }

    /// The server takes no more connections. A client that has not asked for anything, or has its answer, does not keep it.
    pub(super) fn hasten(&mut self, now: Instant) {
        let soon = now.plus(limits::DRAIN_MS);
        match self {
            Link::AwaitingRequest { by, limit, .. } if *by > soon => (*by, *limit) = (soon, limits::DRAIN_MS),
            Link::Lingering { until, .. } => *until = soon.min(*until),
            _ => {}
        }
    }
}

impl Command {
    pub(super) fn is_running(&self) -> bool {
        matches!(self, Command::Running { .. })
    }

    /// Its process, as long as it runs.
    pub(super) fn pid(&self) -> Option<i32> {
        if let Command::Running { running, .. } = self { Some(running.pid) } else { None }
    }

    /// How it ended.
    pub(super) fn end(&self) -> Option<End> {
        if let Command::Ended { end, .. } = self { Some(*end) } else { None }
    }

    pub(super) fn streams(&self) -> Option<&Streams> {
        match self {
            Command::None => None,
            Command::Running { running: Running { streams, .. }, .. } | Command::Ended { streams, .. } => Some(streams),
        }
    }

    pub(super) fn streams_mut(&mut self) -> Option<&mut Streams> {
        match self {
            Command::None => None,
            Command::Running { running: Running { streams, .. }, .. } | Command::Ended { streams, .. } => Some(streams),
        }
    }

    /// The process ended. `unread` tells how many bytes of each output it has written that were not read yet.
    pub(super) fn on_end(&mut self, end: End, unread: impl FnOnce(&Streams) -> [usize; 2]) {
        if let Command::Running { running, .. } = self {
            let mut streams = core::mem::take(&mut running.streams);
            streams.input = None;
            *self = Command::Ended { end, left: unread(&streams), streams, ignored: running.ignored };
        }
    }

    /// A signal came for a command that has ended: what it had written and is not passed on is dropped, as when a process
    /// dies that is still writing, and its stub ends by the signal. One that its caller ignores ends neither.
    pub(super) fn on_late_signal(&mut self, signal: u8) {
        if let Command::Ended { end, left, ignored, .. } = self
            && !ignored.has(signal)
        {
            (*end, *left) = (End::Signal(signal), [0; 2]);
        }
    }

    /// How many bytes of this output may still be read, as far as the command is concerned.
    pub(super) fn left(&self, output: usize) -> usize {
        if let Command::Ended { left, .. } = self { left[output] } else { usize::MAX }
    }

    /// So many bytes of an output were read.
    pub(super) fn on_read(&mut self, output: usize, count: usize) {
        if let Command::Ended { left, .. } = self {
            left[output] = left[output].saturating_sub(count);
        }
    }

    /// How it ended, once all that it had written was read.
    pub(super) fn drained(&self) -> Option<End> {
        if let Command::Ended { end, left: [0, 0], .. } = self { Some(*end) } else { None }
    }
}

impl Cleanup {
    /// What the processes get while they are being ended.
    pub(super) fn signal(self) -> Option<u8> {
        match self {
            Cleanup::Terminating { .. } => Some(name::TERM),
            Cleanup::Killing { .. } => Some(name::KILL),
            Cleanup::NotNeeded | Cleanup::Done => None,
        }
    }

    /// They get KILL now. The pauses between rounds grow, for what KILL does not end.
    pub(super) fn begin_round(&mut self, now: Instant) {
        let (pause, has_reported) = match *self {
            Cleanup::Killing { pause, has_reported, .. } => (pause, has_reported),
            _ => (limits::KILL_FIRST_MS, false),
        };
        let longer = (2 * pause).min(limits::KILL_LAST_MS);
        *self = Cleanup::Killing { next: now.plus(pause), pause: longer, has_reported };
    }

    /// The server ends: the next round is now.
    pub(super) fn hasten(&mut self, now: Instant) {
        if let Cleanup::Killing { next, .. } = self {
            *next = now;
        }
    }

    /// KILL has not ended one of them, since this process may not. Whether that is to be reported: the first time.
    pub(super) fn on_survivor(&mut self) -> bool {
        match self {
            Cleanup::Killing { has_reported, .. } => !core::mem::replace(has_reported, true),
            _ => false,
        }
    }

    /// There is nothing left to end.
    pub(super) fn finish(&mut self) {
        if self.signal().is_some() {
            *self = Cleanup::Done;
        }
    }
}

impl<S> State<S> {
    /// A connection whose request, or first record, is to be complete within so many milliseconds.
    pub(super) fn new(socket: S, limit: u64, now: Instant) -> State<S> {
        State {
            link: Link::AwaitingRequest { socket, by: now.plus(limit), limit },
            command: Command::None,
            cleanup: Cleanup::NotNeeded,
            leave_at: Instant::NEVER,
        }
    }

    /// Whether there is no client to tell anything and nothing to end any more.
    pub(super) fn is_over(&self) -> bool {
        let is_cleaned_up = match self.cleanup {
            Cleanup::NotNeeded => !self.command.is_running(),
            Cleanup::Terminating { .. } | Cleanup::Killing { .. } => false,
            Cleanup::Done => true,
        };
        matches!(self.link, Link::Closed) && is_cleaned_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::PAST;

    fn at(milliseconds: u64) -> Instant {
        START.plus(milliseconds)
    }

    fn links() -> [Link<&'static str>; 5] {
        let (socket, patience) = ("socket", Patience::None);
        [
            Link::AwaitingRequest { socket, by: START, limit: 1 },
            Link::Relaying { socket, flush_at: Instant::NEVER },
            Link::Lent { socket },
            Link::Lingering { socket, until: START, patience },
            Link::Closed,
        ]
    }

    fn running() -> Command {
        let running = Running { pid: 7, ignored: Set::default(), streams: Streams::default() };
        Command::Running { running, until: Instant::NEVER }
    }

    #[test]
    fn a_link_has_its_socket_until_it_is_closed_and_takes_frames_until_all_was_said() {
        let sockets = links().map(|link| link.socket().copied());
        assert_eq!(sockets, [Some("socket"), Some("socket"), Some("socket"), Some("socket"), None]);
        assert_eq!(links().map(|mut link| link.close()), sockets);
        assert_eq!(links().map(|link| link.takes_frames()), [true, true, false, false, false]);
    }

    #[test]
    fn a_stub_that_has_shown_that_it_is_there_gets_the_time_of_a_request() {
        let confirmed = |limit: u64| {
            let mut link = State::new("socket", limit, START).link;
            link.on_confirmed(at(7));
            let Link::AwaitingRequest { by, limit, .. } = link else { panic!("{link:?}") };
            (by, limit)
        };
        assert_eq!(confirmed(limits::PROOF_MS), (at(7 + limits::REQUEST_MS), limits::REQUEST_MS));
        assert_eq!(confirmed(limits::DRAIN_MS), (at(limits::DRAIN_MS), limits::DRAIN_MS), "the server ends");
    }

    #[test]
    fn a_request_whose_time_a_drain_does_not_shorten_gets_no_more() {
        let mut link = State::new("socket", limits::REQUEST_MS, START).link;
        link.hasten(at(limits::REQUEST_MS - limits::DRAIN_MS));
        assert!(!link.extend(at(limits::REQUEST_MS)));
    }

    #[test]
    fn a_command_has_a_process_while_it_runs_and_then_an_end() {
        let mut command = Command::None;
        assert_eq!((command.pid(), command.end(), command.streams().is_some()), (None, None, false));
        assert!(command.streams_mut().is_none());
        command = running();
        assert_eq!((command.pid(), command.end(), command.streams().is_some()), (Some(7), None, true));
        command.on_end(End::Code(3), |_| [1, 0]);
        assert_eq!((command.pid(), command.end(), command.drained()), (None, Some(End::Code(3)), None));
        let streams: *const Streams = command.streams().expect("what it had written");
        assert!(core::ptr::eq(streams, command.streams_mut().expect("the same")));
    }

    #[test]
    fn a_signal_that_comes_too_late_ends_what_is_passed_on_unless_it_is_ignored() {
        let mut command = running();
        command.on_late_signal(2);
        assert_eq!(command.left(0), usize::MAX, "it runs");
        let Command::Running { running, .. } = &mut command else { unreachable!("it runs") };
        running.ignored = Set::default().with(1);
        command.on_end(End::Code(0), |_| [5, 5]);
        command.on_late_signal(1);
        assert_eq!((command.end(), command.left(0)), (Some(End::Code(0)), 5));
        command.on_late_signal(2);
        assert_eq!(command.drained(), Some(End::Signal(2)));
    }

    #[test]
    fn processes_that_are_ended_get_term_and_then_kill() {
        let mut cleanup = Cleanup::Terminating { kill_at: START };
        assert_eq!([Cleanup::NotNeeded.signal(), cleanup.signal(), Cleanup::Done.signal()], [None, Some(15), None]);
        cleanup.begin_round(START);
        assert_eq!(cleanup.signal(), Some(9));
        cleanup.finish();
        assert_eq!(cleanup, Cleanup::Done);
    }
}
