//! Whose the keys of the caller's terminal are. They are the caller's until the command asks for them: it reads, or sets
//! modes of its own. No system calls: [`Step`]s say what to do.
//!
//! Modes can be looked at, but nobody is told that a process waits in read(2). The kernel knows: it stops a process that
//! reads the terminal from the background (TTIN). So as soon as something waits to be read at the stub's terminal, and not
//! before, the command is put into the background of its own:
//!
//! ```text
//!         something waits            all have stopped            one of them reads
//!  Idle ──────────────────→ Stopping ────────────────→ Offered ────────────────────→ Asked ──→ Idle
//!         STOP: a read that                CONT; the bait                               the stub sends what
//!         waits is broken off              wakes those in poll(2)                       there is to read, CONT
//! ```
//!
//! A command that never reads stays `Offered`, and what was typed stays where it is. To a program that ignores, blocks or
//! handles TTIN a read from the background would be an error, or without end: it gets everything that is typed.

use crate::limits;
use crate::protocol::Keys;
use crate::sys::clock::Instant;
use crate::sys::process::Group;
use crate::sys::signal::name;

/// What is to be done to the command and its terminal, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Step {
    /// Put the command into the background of its terminal.
    Hide,
    /// Put it into the foreground again.
    Show,
    /// Stop its process group.
    Stop,
    /// Have the group go on.
    Continue,
    /// Make the terminal look as though there were something to read.
    Bait,
    /// Drop that again.
    DropBait,
    /// Have the terminal take what the stub sends as it is, and not show it: it was typed and shown at the caller's.
    Quiet,
    /// Give the terminal its own modes back.
    Loud,
    /// Tell the stub.
    Tell(Keys),
    /// Tell the stub that the command was stopped by this signal.
    Report(u8),
}

/// Several of them.
pub(in crate::session) type Steps = heapless::Vec<Step, 8>;

/// How often in succession a command is seen to guard TTIN before it is believed: every program blocks all signals for a
/// moment while it starts another one.
const GUARDED: u8 = 4;

/// How far it is known whether the command reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing waits at the stub's terminal, or it was not told so.
    #[default]
    Idle,
    /// Something does, and the command is to be looked at. So many times in succession it was seen to guard TTIN.
    Waiting { guarded: u8 },
    /// The group is being stopped, until then at the longest.
    Stopping { guards: bool, has_stopped: bool, until: Instant },
    /// The command runs in the background of its terminal. Until then it is looked at whether one process has stopped without
    /// the others.
    Offered { until: Instant },
    /// It is stopped, and the stub was asked for what there is to read.
    Asked,
}

/// What is seen when the terminal is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) struct Look {
    /// What its modes say.
    pub(in crate::session) keys: Keys,
    /// Whether another group than the command's is in the foreground, or none, or the command is seen to be a shell.
    pub(in crate::session) has_jobs: bool,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Event {
    /// The stub has come to the foreground of its terminal: from now on the command's is looked at.
    Begin,
    /// The stub has left the foreground.
    End,
    /// Something waits at the stub's terminal.
    Waiting,
    /// The stub has sent what there was to read.
    Answer,
    /// The terminal was looked at.
    Look(Look),
    /// The time to look at the processes has come. `is_free`: nothing that the stub has sent is still to be read.
    Time { is_free: bool, group: Option<Group> },
    /// The command was stopped by this signal.
    Stopped(u8),
    /// The command is about to get this signal from the stub.
    Signal(u8),
}

/// The state of it.
#[derive(Debug)]
pub(in crate::session) struct Keyboard {
    phase: Phase,
    /// What the stub knows of the modes.
    told: Keys,
    /// Whether the command gives its terminal to other groups, as a shell does: then the keys are for it to distribute.
    has_jobs: bool,
    /// When the terminal is looked at next.
    next: Instant,
    /// Milliseconds until the time after that.
    pause: u64,
    /// Until when a signal that stops may take to do so.
    settled: Instant,
}

impl Default for Keyboard {
    fn default() -> Keyboard {
        Keyboard {
            phase: Phase::Idle,
            told: Keys::None,
            has_jobs: false,
            next: Instant::NEVER,
            pause: limits::COALESCE_MS,
            settled: Instant::PAST,
        }
    }
}

impl Keyboard {
    /// When the terminal is to be looked at.
    pub(in crate::session) fn next(&self) -> Instant {
        self.next
    }

    /// Takes an event: what is to be done.
    pub(in crate::session) fn handle(&mut self, event: Event, now: Instant) -> Steps {
        let steps = &mut Steps::new();
        match event {
            Event::Begin => self.look_at(now),
            Event::End => {
                self.withdraw(steps);
                self.next = Instant::NEVER;
            }
            Event::Waiting => self.on_waiting(now),
            Event::Answer => self.on_answer(steps),
            Event::Look(look) => self.on_look(look, steps),
            Event::Time { is_free, group } => self.on_time(now, is_free, group, steps),
            Event::Stopped(signal) => self.on_stopped(signal, steps),
            Event::Signal(signal) => self.on_signal(signal, now, steps),
        }
        core::mem::take(steps)
    }

    /// Looks at that time, and again when the stub is told something anyway.
    fn look_at(&mut self, at: Instant) {
        (self.next, self.pause) = (at, limits::COALESCE_MS);
    }

    /// Something waits at the stub's terminal.
    fn on_waiting(&mut self, now: Instant) {
        if self.phase == Phase::Idle && self.told == Keys::None && self.next != Instant::NEVER {
            self.phase = Phase::Waiting { guarded: 0 };
            self.look_at(if now < self.settled { self.settled } else { now });
        }
    }

    /// Whether the processes of the command are to be looked at.
    pub(in crate::session) fn needs_group(&self) -> bool {
        match self.phase {
            Phase::Waiting { .. } | Phase::Stopping { .. } => true,
            Phase::Offered { until } => until != Instant::PAST,
            Phase::Idle | Phase::Asked => false,
        }
    }

    /// The terminal was looked at. While its modes are not the command's own, or will be looked at again, that says nothing.
    fn on_look(&mut self, look: Look, steps: &mut Steps) {
        match self.phase {
            Phase::Idle | Phase::Waiting { .. } => self.has_jobs |= look.has_jobs,
            Phase::Offered { .. } => {}
            Phase::Stopping { .. } | Phase::Asked => return,
        }
        let keys = if self.has_jobs && look.keys == Keys::None { Keys::All } else { look.keys };
        if keys != self.told {
            self.leave_offer(steps);
            self.phase = Phase::Idle;
            self.told = keys;
            push(steps, Step::Tell(keys));
        }
    }

    /// The time to look has come.
    fn on_time(&mut self, now: Instant, is_free: bool, group: Option<Group>, steps: &mut Steps) {
        self.next = now.plus(self.pause);
        self.pause = (2 * self.pause).min(limits::TERMINAL_MS);
        match (self.phase, group) {
            (Phase::Waiting { guarded }, Some(group)) if is_free && !group.is_stopped => {
                let guards = group.guarded.has(name::TTIN);
                if guards && guarded < GUARDED {
                    self.phase = Phase::Waiting { guarded: guarded + 1 };
                } else {
                    self.stop(now, guards, steps);
                }
            }
            (Phase::Stopping { has_stopped: true, .. }, Some(group)) if group.is_stopped => self.offer(now, steps),
            (Phase::Stopping { until, .. }, _) if until <= now => {
                // One of them cannot stop now, as while it waits for one that has (vfork(2)).
                self.leave_stopping(steps);
                self.phase = Phase::Waiting { guarded: 0 };
                self.next = now.plus(limits::TERMINAL_MS);
            }
            (Phase::Offered { until }, _) if until <= now => self.phase = Phase::Offered { until: Instant::PAST },
            // One was continued ahead of the others, and has read before they were. A process that is continued loses the
            // stops that wait for it (signal(7)): TTIN, here. So the others run, and nobody would hear of the read.
            (Phase::Offered { .. }, Some(group)) if group.has_stopped && !group.is_stopped => {
                push(steps, Step::Continue);
            }
            _ => {}
        }
    }

    fn stop(&mut self, now: Instant, guards: bool, steps: &mut Steps) {
        if !guards {
            push(steps, Step::Hide);
        }
        push(steps, Step::Stop);
        self.phase = Phase::Stopping { guards, has_stopped: false, until: now.plus(limits::TERMINAL_MS) };
        self.look_at(now.plus(1));
    }

    fn has_offered(&self) -> bool {
        matches!(self.phase, Phase::Offered { .. })
    }

    /// All are stopped, so none of them reads.
    fn offer(&mut self, now: Instant, steps: &mut Steps) {
        push(steps, Step::Bait);
        push(steps, Step::Continue);
        self.phase = Phase::Offered { until: now.plus(limits::TERMINAL_MS) };
        self.look_at(now.plus(1));
    }

    fn ask(&mut self, steps: &mut Steps) {
        push(steps, Step::Quiet);
        push(steps, Step::Tell(Keys::Once));
        self.phase = Phase::Asked;
    }

    /// The command was stopped by this signal.
    fn on_stopped(&mut self, signal: u8, steps: &mut Steps) {
        match (self.phase, signal) {
            (Phase::Stopping { guards: true, .. }, name::STOP) => self.ask(steps),
            (Phase::Stopping { guards, until, .. }, name::STOP) => {
                self.phase = Phase::Stopping { guards, has_stopped: true, until };
                self.next = Instant::PAST;
            }
            (Phase::Stopping { guards: false, .. }, name::TTIN) => self.ask(steps),
            (Phase::Offered { .. }, name::TTIN) => {
                push(steps, Step::DropBait);
                self.ask(steps);
            }
            // It sets modes, or it writes and may not (TOSTOP): in the foreground it may do both.
            (Phase::Stopping { .. } | Phase::Offered { .. }, name::TTOU) => self.withdraw_and(Step::Continue, steps),
            (Phase::Stopping { .. } | Phase::Offered { .. }, _) => self.withdraw_and(Step::Report(signal), steps),
            // Somebody else has had it go on, and it reads again.
            (Phase::Asked, name::TTIN) => {}
            (Phase::Asked, _) => {
                push(steps, Step::Loud);
                self.withdraw_and(Step::Report(signal), steps);
            }
            (Phase::Idle | Phase::Waiting { .. }, _) => {
                self.phase = Phase::Idle;
                push(steps, Step::Report(signal));
            }
        }
    }

    /// The stub has sent what there was to read.
    fn on_answer(&mut self, steps: &mut Steps) {
        if self.phase == Phase::Asked {
            self.leave_asking(steps);
            self.phase = Phase::Idle;
        }
    }

    /// The command gets this signal: it must be as though there had been no look whether it reads.
    fn on_signal(&mut self, signal: u8, now: Instant, steps: &mut Steps) {
        self.withdraw(steps);
        if matches!(signal, name::TSTP | name::TTIN | name::TTOU) {
            self.settled = now.plus(limits::SETTLE_MS);
        }
    }

    /// Back to the start. The stub is to say again whether something waits.
    fn withdraw(&mut self, steps: &mut Steps) {
        let was_idle = self.phase == Phase::Idle;
        self.leave_offer(steps);
        match self.phase {
            Phase::Stopping { .. } => self.leave_stopping(steps),
            Phase::Asked => self.leave_asking(steps),
            Phase::Idle | Phase::Waiting { .. } | Phase::Offered { .. } => {}
        }
        self.phase = Phase::Idle;
        if !was_idle {
            push(steps, Step::Tell(Keys::None));
        }
    }

    /// Back to the start for a command that has stopped by itself.
    fn withdraw_and(&mut self, step: Step, steps: &mut Steps) {
        self.leave_offer(steps);
        push(steps, Step::Show);
        push(steps, step);
        push(steps, Step::Tell(Keys::None));
        self.phase = Phase::Idle;
        self.next = Instant::PAST;
    }

    fn leave_offer(&self, steps: &mut Steps) {
        if self.has_offered() {
            push(steps, Step::DropBait);
            push(steps, Step::Show);
        }
    }

    fn leave_stopping(&self, steps: &mut Steps) {
        push(steps, Step::Show);
        push(steps, Step::Continue);
    }

    fn leave_asking(&self, steps: &mut Steps) {
        push(steps, Step::Loud);
        push(steps, Step::Show);
        push(steps, Step::Continue);
    }
}

/// Adds a step; there is room for those of every event.
#[inline(never)] // A call takes less code at each of its places.
fn push(steps: &mut Steps, step: Step) {
    let _ = steps.push(step);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::signal::Set;

    /// What the steps have made of the command and its terminal.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    struct World {
        is_hidden: bool,
        is_stopped: bool,
        has_bait: bool,
        is_quiet: bool,
        /// Whether the stub was told of a stop since it had the command go on.
        is_reported: bool,
    }

    impl World {
        fn take(&mut self, step: Step) {
            match step {
                Step::Hide => self.is_hidden = true,
                Step::Show => self.is_hidden = false,
                Step::Stop => self.is_stopped = true,
                Step::Continue => self.is_stopped = false,
                Step::Bait => {
                    assert!(self.is_hidden, "nobody may read the bait");
                    self.has_bait = true;
                }
                Step::DropBait => self.has_bait = false,
                Step::Quiet => {
                    assert!(self.is_stopped, "a command that runs could set modes as well");
                    self.is_quiet = true;
                }
                Step::Loud => self.is_quiet = false,
                Step::Report(_) => self.is_reported = true,
                Step::Tell(_) => {}
            }
        }
    }

    /// A command whose processes are all stopped or not, and guard TTIN or not.
    fn group(is_stopped: bool, guards: bool) -> Option<Group> {
        let guarded = if guards { Set::default().with(name::TTIN) } else { Set::default() };
        Some(Group { is_stopped, has_stopped: is_stopped, guarded })
    }

    /// All that can happen; `Instant` is when.
    fn events(world: &World, guards: bool) -> Vec<Event> {
        let look = |keys, has_jobs| Event::Look(Look { keys, has_jobs });
        let mut events = vec![
            Event::Begin,
            Event::End,
            Event::Waiting,
            Event::Answer,
            look(Keys::None, false),
            look(Keys::All, false),
            look(Keys::Verbatim, true),
            Event::Time { is_free: true, group: group(world.is_stopped, guards) },
            Event::Time { is_free: false, group: group(world.is_stopped, guards) },
            Event::Signal(name::INT),
            Event::Signal(name::TSTP),
        ];
        // The kernel stops a reader, or one that sets modes, in the background alone.
        let background = if world.is_hidden { &[name::TTIN, name::TTOU][..] } else { &[] };
        let stops = [name::STOP, name::TSTP];
        events.extend(stops.iter().chain(background).map(|signal| Event::Stopped(*signal)));
        events
    }

    /// Plays every order of `depth` further events.
    fn explore(path: &mut Vec<Event>, guards: bool, depth: usize, count: &mut usize) {
        let (mut keyboard, mut world, mut now) = (Keyboard::default(), World::default(), Instant::PAST.plus(1000));
        for event in path.iter() {
            if let Event::Stopped(_) = event {
                world.is_stopped = true;
            }
            for step in keyboard.handle(*event, now) {
                world.take(step);
            }
            if let Event::Signal(_) = event {
                (world.is_stopped, world.is_reported) = (false, false);
            }
            now = now.plus(30);
        }
        *count += 1;
        check(&keyboard, &world, path);
        if depth > 0 {
            for event in events(&world, guards) {
                path.push(event);
                explore(path, guards, depth - 1, count);
                path.pop();
            }
        }
    }

    /// Nothing of a look is left once it is over, and who is stopped is so for a reason that ends.
    fn check(keyboard: &Keyboard, world: &World, path: &[Event]) {
        let is_at_rest = matches!(keyboard.phase, Phase::Idle | Phase::Waiting { .. });
        assert!(!is_at_rest || !world.is_hidden, "in the background for nothing: {path:?}");
        assert!(!is_at_rest || !world.is_stopped || world.is_reported, "stopped for nothing: {path:?}");
        assert_eq!(world.is_quiet, keyboard.phase == Phase::Asked, "{path:?}");
        assert_eq!(world.has_bait, keyboard.has_offered(), "{path:?}");
        let is_watched = keyboard.next != Instant::NEVER;
        assert!(is_watched || !matches!(keyboard.phase, Phase::Waiting { .. } | Phase::Stopping { .. }), "{path:?}");
    }

    #[test]
    fn whatever_happens_in_whatever_order_the_command_is_never_left_stopped_or_hidden() {
        for guards in [false, true] {
            let mut count = 0;
            explore(&mut Vec::new(), guards, 6, &mut count);
            assert!(count > 1_000_000, "{count}");
        }
    }

    /// When the events of the tests below happen that do not say when.
    fn at_start() -> Instant {
        Instant::PAST.plus(1000)
    }

    /// What an event at that time leads to.
    fn steps(keyboard: &mut Keyboard, event: Event) -> Vec<Step> {
        keyboard.handle(event, at_start()).to_vec()
    }

    fn look(keys: Keys, has_jobs: bool) -> Event {
        Event::Look(Look { keys, has_jobs })
    }

    fn time(is_stopped: bool, guards: bool) -> Event {
        Event::Time { is_free: true, group: group(is_stopped, guards) }
    }

    fn idle() -> Keyboard {
        let mut keyboard = Keyboard::default();
        assert_eq!(steps(&mut keyboard, Event::Begin), []);
        assert_eq!((keyboard.next(), keyboard.needs_group()), (at_start(), false));
        keyboard
    }

    fn waiting() -> Keyboard {
        let mut keyboard = idle();
        keyboard.next = Instant::PAST;
        assert_eq!(steps(&mut keyboard, Event::Waiting), []);
        assert_eq!((keyboard.next(), keyboard.needs_group()), (at_start(), true));
        keyboard
    }

    fn stopping() -> Keyboard {
        let mut keyboard = waiting();
        assert_eq!(steps(&mut keyboard, time(false, false)), [Step::Hide, Step::Stop]);
        assert_eq!((keyboard.next(), keyboard.needs_group()), (at_start().plus(1), true));
        keyboard
    }

    fn offered() -> Keyboard {
        let mut keyboard = stopping();
        assert_eq!(steps(&mut keyboard, Event::Stopped(name::STOP)), []);
        assert_eq!(keyboard.next(), Instant::PAST, "the others are looked at, too");
        assert_eq!(steps(&mut keyboard, time(false, false)), [], "one of them runs");
        assert_eq!(steps(&mut keyboard, time(true, false)), [Step::Bait, Step::Continue]);
        assert_eq!((keyboard.next(), keyboard.needs_group()), (at_start().plus(1), true));
        keyboard
    }

    fn asked() -> Keyboard {
        let mut keyboard = offered();
        let wanted = [Step::DropBait, Step::Quiet, Step::Tell(Keys::Once)];
        assert_eq!(steps(&mut keyboard, Event::Stopped(name::TTIN)), wanted);
        keyboard
    }

    #[test]
    fn a_command_that_reads_gets_what_there_is_to_read_and_goes_on() {
        let mut keyboard = asked();
        assert_eq!(steps(&mut keyboard, Event::Answer), [Step::Loud, Step::Show, Step::Continue]);
        assert_eq!(steps(&mut keyboard, Event::Answer), [], "once");
    }

    #[test]
    fn a_command_is_looked_at_when_something_waits_and_not_in_the_background_nor_when_it_has_all_keys() {
        let mut keyboard = Keyboard::default();
        assert_eq!((steps(&mut keyboard, Event::Waiting), keyboard.needs_group()), (vec![], false));
        let mut keyboard = idle();
        assert_eq!(steps(&mut keyboard, look(Keys::All, false)), [Step::Tell(Keys::All)]);
        assert_eq!((steps(&mut keyboard, Event::Waiting), keyboard.needs_group()), (vec![], false));
    }

    #[test]
    fn a_process_that_has_read_before_the_others_were_continued_reads_again() {
        let mut keyboard = offered();
        let part = Group { is_stopped: false, has_stopped: true, guarded: Set::default() };
        let event = Event::Time { is_free: false, group: Some(part) };
        assert_eq!(steps(&mut keyboard, event), [Step::Continue]);
        assert_eq!(steps(&mut keyboard, event), [Step::Continue], "the others were slow again");
        assert_eq!(steps(&mut keyboard, time(false, false)), [], "none is stopped");
        assert_eq!(steps(&mut keyboard, time(true, false)), [], "all are: that will be heard of");
        let later = at_start().plus(limits::TERMINAL_MS);
        assert_eq!(keyboard.handle(event, later).to_vec(), [], "somebody else has stopped it");
        assert!(!keyboard.needs_group());
    }

    #[test]
    fn a_command_that_guards_ttin_again_and_again_is_asked_without_a_look() {
        let mut keyboard = waiting();
        for _ in 0..GUARDED {
            assert_eq!(steps(&mut keyboard, time(false, true)), []);
            assert_eq!(steps(&mut keyboard, Event::Waiting), [], "that is known");
        }
        assert_eq!(steps(&mut keyboard, time(false, true)), [Step::Stop]);
        assert_eq!(steps(&mut keyboard, Event::Stopped(name::STOP)), [Step::Quiet, Step::Tell(Keys::Once)]);
    }

    #[test]
    fn a_command_is_not_stopped_while_it_has_something_to_read_or_is_stopped() {
        let mut keyboard = waiting();
        let busy = Event::Time { is_free: false, group: group(false, false) };
        for event in [busy, time(true, false), Event::Time { is_free: true, group: None }] {
            assert_eq!((steps(&mut keyboard, event), keyboard.needs_group()), (vec![], true));
        }
    }

    #[test]
    fn a_look_becomes_rarer_until_something_happens() {
        let mut keyboard = idle();
        for pause in [limits::COALESCE_MS, 4, 8, 16, 32, limits::TERMINAL_MS, limits::TERMINAL_MS] {
            assert_eq!(steps(&mut keyboard, time(false, false)), []);
            assert_eq!(keyboard.next(), at_start().plus(pause));
        }
        assert_eq!(steps(&mut keyboard, Event::Waiting), []);
        assert_eq!(keyboard.next(), at_start());
        assert_eq!(steps(&mut keyboard, time(true, false)), []);
        assert_eq!(keyboard.next(), at_start().plus(limits::COALESCE_MS));
    }

    #[test]
    fn a_command_of_which_one_process_does_not_stop_is_looked_at_again_later() {
        for has_stopped in [false, true] {
            let mut keyboard = stopping();
            if has_stopped {
                assert_eq!(steps(&mut keyboard, Event::Stopped(name::STOP)), []);
            }
            let (event, until) = (time(!has_stopped, false), at_start().plus(limits::TERMINAL_MS));
            assert_eq!(keyboard.handle(event, at_start().plus(limits::TERMINAL_MS - 1)).to_vec(), []);
            assert_eq!(keyboard.handle(event, until).to_vec(), [Step::Show, Step::Continue]);
            assert_eq!((keyboard.next(), keyboard.needs_group()), (until.plus(limits::TERMINAL_MS), true));
        }
    }

    #[test]
    fn a_stop_is_reported_unless_it_is_part_of_a_look() {
        let (told, report) = (Step::Tell(Keys::None), Step::Report(name::TSTP));
        for (mut keyboard, signal, wanted) in [
            (idle(), name::TSTP, vec![report]),
            (waiting(), name::TSTP, vec![report]),
            (stopping(), name::TSTP, vec![Step::Show, report, told]),
            (offered(), name::TSTP, vec![Step::DropBait, Step::Show, Step::Show, report, told]),
            (asked(), name::TSTP, vec![Step::Loud, Step::Show, report, told]),
            (stopping(), name::TTIN, vec![Step::Quiet, Step::Tell(Keys::Once)]),
            (asked(), name::TTIN, vec![]),
            (stopping(), name::TTOU, vec![Step::Show, Step::Continue, told]),
            (offered(), name::TTOU, vec![Step::DropBait, Step::Show, Step::Show, Step::Continue, told]),
        ] {
            let before = keyboard.phase;
            assert_eq!(steps(&mut keyboard, Event::Stopped(signal)), wanted, "{before:?}, {signal}");
            assert_eq!(keyboard.phase == Phase::Idle, !matches!(signal, name::TTIN), "{before:?}, {signal}");
        }
    }

    #[test]
    fn a_command_that_guards_ttin_and_is_stopped_by_it_has_stopped_by_itself() {
        let mut keyboard = waiting();
        keyboard.phase = Phase::Stopping { guards: true, has_stopped: false, until: at_start() };
        let wanted = [Step::Show, Step::Report(name::TTIN), Step::Tell(Keys::None)];
        assert_eq!(steps(&mut keyboard, Event::Stopped(name::TTIN)), wanted);
    }

    #[test]
    fn nothing_of_a_look_is_left_when_the_stub_goes_to_the_background_or_a_signal_comes() {
        let told = Step::Tell(Keys::None);
        for (make, wanted) in [
            (idle as fn() -> Keyboard, vec![]),
            (waiting, vec![told]),
            (stopping, vec![Step::Show, Step::Continue, told]),
            (offered, vec![Step::DropBait, Step::Show, told]),
            (asked, vec![Step::Loud, Step::Show, Step::Continue, told]),
        ] {
            for event in [Event::End, Event::Signal(name::INT)] {
                let mut keyboard = make();
                assert_eq!(steps(&mut keyboard, event), wanted, "{event:?}");
                assert_eq!(keyboard.phase, Phase::Idle);
                assert_eq!(keyboard.next() == Instant::NEVER, event == Event::End);
            }
        }
    }

    #[test]
    fn a_signal_that_stops_has_time_to_do_so_before_the_next_look() {
        let settled = at_start().plus(limits::SETTLE_MS);
        for (signal, now, next) in [
            (name::TSTP, at_start(), settled),
            (name::TTIN, at_start(), settled),
            (name::TTOU, at_start(), settled),
            (name::TSTP, settled.plus(1), settled.plus(1)),
            (name::INT, at_start(), at_start()),
        ] {
            let mut keyboard = idle();
            assert_eq!(steps(&mut keyboard, Event::Signal(signal)), []);
            assert_eq!(keyboard.handle(Event::Waiting, now).to_vec(), []);
            assert_eq!(keyboard.next(), next);
        }
    }

    #[test]
    fn modes_of_its_own_give_a_command_the_keys_and_so_do_jobs() {
        let mut keyboard = idle();
        assert_eq!(steps(&mut keyboard, look(Keys::None, false)), []);
        assert_eq!(steps(&mut keyboard, look(Keys::All, false)), [Step::Tell(Keys::All)]);
        assert_eq!(steps(&mut keyboard, look(Keys::All, false)), [], "that is known");
        assert_eq!(steps(&mut keyboard, look(Keys::Verbatim, false)), [Step::Tell(Keys::Verbatim)]);
        assert_eq!(steps(&mut keyboard, look(Keys::None, false)), [Step::Tell(Keys::None)]);
        assert_eq!(steps(&mut keyboard, look(Keys::None, true)), [Step::Tell(Keys::All)], "a shell's job");
        assert_eq!(steps(&mut keyboard, look(Keys::None, false)), [], "and it keeps them");
    }

    #[test]
    fn a_shell_that_is_seen_as_one_keeps_the_keys_for_its_first_job() {
        let mut keyboard = idle();
        assert_eq!(steps(&mut keyboard, look(Keys::All, true)), [Step::Tell(Keys::All)]);
        assert_eq!(steps(&mut keyboard, look(Keys::None, false)), []);
    }

    #[test]
    fn a_look_at_the_modes_counts_unless_the_terminal_is_as_the_session_has_made_it() {
        for make in [stopping, asked] {
            let mut keyboard = make();
            let phase = keyboard.phase;
            assert_eq!(steps(&mut keyboard, look(Keys::All, true)), []);
            assert_eq!((keyboard.phase, keyboard.has_jobs), (phase, false));
        }
        let mut keyboard = offered();
        assert_eq!(steps(&mut keyboard, look(Keys::None, true)), [], "it is in the background on purpose");
        let wanted = [Step::DropBait, Step::Show, Step::Tell(Keys::All)];
        assert_eq!(steps(&mut keyboard, look(Keys::All, true)), wanted);
        assert_eq!(keyboard.phase, Phase::Idle);
    }
}
