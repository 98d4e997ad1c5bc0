//! The deadlines of a session: one table, made of what the phases say. No system calls.

use super::phases::{Cleanup, Command, Link, State};
use crate::sys::clock::Instant;

/// What is to be done when a deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The request is not complete: the connection ends.
    Request,
    /// Frames that the client does not wait for have waited long enough for others to go with.
    Flush,
    /// A client that was told everything has had its time.
    Linger,
    /// The command has run long enough.
    Timeout,
    /// The command's terminal is to be looked at.
    Terminal,
    /// What is left of the command gets KILL.
    Kill,
    /// The server ends: its client is left.
    Leave,
}

impl<S> State<S> {
    /// Every deadline; [`Instant::NEVER`] for those that there are not now. Beyond these the command may run for as long as
    /// it likes, and its client be as slow.
    fn deadlines(&self) -> [(Instant, Due); 7] {
        let [mut request, mut flush, mut linger, mut timeout, mut terminal, mut kill] = [Instant::NEVER; 6];
        let mut leave = self.leave_at;
        match &self.link {
            Link::AwaitingRequest { by, .. } => request = *by,
            Link::Relaying { flush_at, .. } => flush = *flush_at,
            Link::Lingering { until, .. } => linger = *until,
            Link::Lent { .. } => {}
            Link::Closed => leave = Instant::NEVER,
        }
        if let Command::Running { until, running } = &self.command {
            timeout = *until;
            if self.cleanup == Cleanup::NotNeeded {
                terminal = running.streams.keyboard.next();
            }
        }
        match self.cleanup {
            Cleanup::Terminating { kill_at } => kill = kill_at,
            Cleanup::Killing { next, .. } => kill = next,
            Cleanup::NotNeeded | Cleanup::Done => {}
        }
        [
            (request, Due::Request),
            (flush, Due::Flush),
            (linger, Due::Linger),
            (timeout, Due::Timeout),
            (terminal, Due::Terminal),
            (kill, Due::Kill),
            (leave, Due::Leave),
        ]
    }

    /// When something is to be done even if nothing happens.
    pub(super) fn next_deadline(&self) -> Instant {
        self.deadlines().iter().fold(Instant::NEVER, |next, (at, _)| next.min(*at))
    }

    /// What is to be done now. Doing it has to move the deadline, or end what it belongs to.
    pub(super) fn due(&self, now: Instant) -> Option<Due> {
        self.deadlines().into_iter().find(|(at, _)| *at <= now).map(|(_, due)| due)
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Event;
    use super::super::command::{Running, Streams};
    use super::super::phases::Patience;
    use super::*;
    use crate::exit::End;
    use crate::limits;
    use crate::sys::signal::Set;

    const START: Instant = Instant::PAST;

    fn at(milliseconds: u64) -> Instant {
        START.plus(milliseconds)
    }

    fn new() -> State<&'static str> {
        State::new("socket", limits::REQUEST_MS, START)
    }

    fn running(until: Instant) -> State<&'static str> {
        let mut state = new();
        state.link.on_request(false);
        let running = Running { pid: 7, ignored: Set::default(), streams: Streams::default() };
        state.command = Command::Running { running, until };
        state
    }

    #[test]
    fn a_request_has_its_time_and_less_when_the_server_drains() {
        let mut state = new();
        assert_eq!(state.next_deadline(), at(limits::REQUEST_MS));
        assert_eq!(state.due(at(limits::REQUEST_MS - 1)), None);
        assert_eq!(state.due(at(limits::REQUEST_MS)), Some(Due::Request));
        state.link.hasten(at(5));
        assert_eq!(state.next_deadline(), at(5 + limits::DRAIN_MS));
        state.link.hasten(at(100));
        assert_eq!(state.next_deadline(), at(5 + limits::DRAIN_MS), "a second word does not give more time");
    }

    #[test]
    fn a_stub_that_was_answered_by_a_server_that_drains_gets_more_time_once() {
        let mut state = new();
        assert!(!state.link.extend(at(1)), "its time is not shortened yet");
        state.link.hasten(at(2));
        assert!(state.link.extend(at(2 + limits::DRAIN_MS)));
        assert_eq!(state.next_deadline(), at(2 + limits::DRAIN_MS + limits::DRAIN_TAKEN_MS));
        assert!(!state.link.extend(at(20_000)));
    }

    #[test]
    fn a_command_that_runs_has_no_deadline_but_its_own() {
        let mut state = running(Instant::NEVER);
        assert_eq!(state.next_deadline(), Instant::NEVER);
        state.link.hasten(at(1));
        assert_eq!(state.next_deadline(), Instant::NEVER, "a drain waits for it");
        assert_eq!(running(at(50)).due(at(50)), Some(Due::Timeout));
    }

    #[test]
    fn a_terminal_is_looked_at_until_its_command_is_ended() {
        let mut state = running(Instant::NEVER);
        let streams = state.command.streams_mut().expect("it runs");
        streams.keyboard.handle(Event::Begin, at(40));
        assert_eq!(state.due(at(40)), Some(Due::Terminal));
        state.cleanup = Cleanup::Terminating { kill_at: at(50) };
        assert_eq!((state.due(at(49)), state.due(at(50))), (None, Some(Due::Kill)));
    }

    #[test]
    fn what_was_said_lingers_and_less_when_the_server_drains() {
        let mut state = running(at(99));
        state.command.on_end(End::Code(0), |_| [0; 2]);
        state.link.linger(Patience::UntilAcknowledged, at(10));
        assert_eq!(state.next_deadline(), at(10 + limits::LINGER_MS), "the time of a command ends with it");
        assert_eq!(state.due(at(10 + limits::LINGER_MS)), Some(Due::Linger));
        state.link.hasten(at(20));
        assert_eq!(state.next_deadline(), at(20 + limits::DRAIN_MS));
        assert!(!state.is_over());
        assert_eq!(state.link.close(), Some("socket"));
        assert!(state.is_over());
    }

    #[test]
    fn the_output_of_a_command_that_has_ended_is_what_it_had_written() {
        let mut state = running(Instant::NEVER);
        assert_eq!(state.command.left(0), usize::MAX);
        state.command.on_end(End::Signal(9), |_| [10, 0]);
        assert_eq!([state.command.left(0), state.command.left(1)], [10, 0]);
        assert_eq!(state.command.drained(), None);
        state.command.on_read(0, 4);
        state.command.on_read(0, 60);
        assert_eq!(state.command.drained(), Some(End::Signal(9)));
        assert!(!state.is_over(), "its client is still there");
    }

    #[test]
    fn the_processes_of_a_command_are_ended_in_rounds_that_become_rarer() {
        let mut state = running(Instant::NEVER);
        state.link.close();
        assert!(!state.is_over(), "its command runs");
        state.cleanup = Cleanup::Terminating { kill_at: at(2000) };
        assert_eq!(state.due(at(2000)), Some(Due::Kill));
        assert!(!state.cleanup.on_survivor(), "TERM may be ignored");
        let (mut now, mut pauses) = (at(2000), Vec::new());
        for _ in 0..10 {
            state.cleanup.begin_round(now);
            let next = state.next_deadline();
            pauses.push((0..).find(|pause| now.plus(*pause) == next).expect("a later moment"));
            now = next;
        }
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert!(state.cleanup.on_survivor());
        state.cleanup.begin_round(now);
        assert!(!state.cleanup.on_survivor(), "once is enough");
        state.cleanup.hasten(now);
        assert_eq!(state.due(now), Some(Due::Kill), "a server that ends does not wait for the next round");
        state.command.on_end(End::Signal(9), |_| [5, 5]);
        assert!(!state.is_over(), "there may be others");
        state.cleanup.finish();
        assert!(state.is_over());
        assert_eq!(state.next_deadline(), Instant::NEVER);
    }

    #[test]
    fn a_command_that_outlives_its_connection_is_over_when_it_has_ended() {
        let mut state = running(Instant::NEVER);
        state.link.close();
        assert!(!state.is_over());
        state.command.on_end(End::Code(3), |_| [100, 100]);
        assert!(state.is_over(), "nobody reads what it has written");
        state.cleanup.finish();
        assert_eq!(state.cleanup, Cleanup::NotNeeded);
    }

    #[test]
    fn a_connection_that_has_ended_stays_so() {
        let mut state = new();
        state.link.close();
        state.link.linger(Patience::None, START);
        state.link.on_request(true);
        assert!(state.link.socket().is_none() && state.is_over());
    }

    #[test]
    fn a_server_that_ends_leaves_a_client_that_does_not_read() {
        let mut state = running(Instant::NEVER);
        state.command.on_end(End::Code(0), |_| [1, 0]);
        state.leave_at = at(30);
        assert_eq!(state.due(at(30)), Some(Due::Leave));
        state.link.close();
        assert_eq!(state.next_deadline(), Instant::NEVER);
    }
}
