//! The session's side of a shared terminal: the program's [`Keyboard`], what carries its steps out told again from
//! `src/session/terminal/mod.rs`, and the command's terminal as the kernel treats it.

use super::command::{Event, Keyboard, Look, Step};
use crate::client::stub::{Said, Told};
use crate::protocol::Keys;
use crate::sys::clock::Instant;
use crate::sys::process::Group;
use crate::sys::signal::{Set, name};
use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

/// What a command is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Doing {
    Working,
    /// It waits in read(2).
    Reading,
    /// It waits in poll(2) for something to read.
    Polling,
    /// It wants its own modes, and will be told that it may not.
    SettingModes,
}

/// A session, its command, and that one's terminal.
pub(crate) struct SharedTerminal {
    keyboard: Keyboard,
    now: u64,
    pub(crate) told: VecDeque<Told>,
    delivered: usize,
    pub(crate) is_alive: bool,
    pub(crate) is_stopped: bool,
    pub(crate) doing: Doing,
    guards: bool,
    pub(crate) has_raw_modes: bool,
    /// Whether the command is in its terminal's foreground, and what that was before the stub left its own.
    pub(crate) is_shown: bool,
    before: Option<bool>,
    pub(crate) has_bait: bool,
    pub(crate) is_quiet: bool,
    /// Lines for it to read, and those that it has read.
    pub(crate) lines: usize,
    pub(crate) read: usize,
    /// What this process has not been told of the command.
    pub(crate) news: VecDeque<u8>,
}

impl SharedTerminal {
    pub(crate) fn new(guards: bool) -> SharedTerminal {
        let mut session = SharedTerminal {
            keyboard: Keyboard::default(),
            now: 1_000_000,
            told: VecDeque::new(),
            delivered: 0,
            is_alive: true,
            is_stopped: false,
            doing: Doing::Working,
            guards,
            has_raw_modes: false,
            is_shown: true,
            before: None,
            has_bait: false,
            is_quiet: false,
            lines: 0,
            read: 0,
            news: VecDeque::new(),
        };
        session.handle(Event::Begin);
        session
    }

    fn now(&self) -> Instant {
        Instant::PAST.plus(self.now)
    }

    fn handle(&mut self, event: Event) {
        for step in self.keyboard.handle(event, self.now()) {
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        if !self.is_alive {
            return;
        }
        match step {
            Step::Tell(keys) => self.told.push_back(Told::Keys(keys as u32)),
            Step::Report(signal) => self.told.push_back(Told::Stopped(signal, self.delivered)),
            Step::Stop => self.stop(name::STOP),
            Step::Continue => self.go_on(),
            Step::Bait => {
                assert!(!self.is_shown, "it may read the bait");
                self.has_bait = true;
            }
            Step::DropBait => self.has_bait = false,
            Step::Hide => self.is_shown = false,
            Step::Show => self.is_shown = true,
            Step::Quiet => self.is_quiet = true,
            Step::Loud => self.is_quiet = false,
        }
        self.proceed();
    }

    fn stop(&mut self, signal: u8) {
        if self.is_alive && !self.is_stopped {
            self.is_stopped = true;
            self.news.push_back(signal);
        }
    }

    /// It goes on: what it waited for is tried again, and the kernel asks whether it may.
    fn go_on(&mut self) {
        if self.is_stopped {
            self.is_stopped = false;
            if self.doing == Doing::Reading {
                self.begin_read();
            }
        }
        self.proceed();
    }

    fn begin_read(&mut self) {
        self.doing = Doing::Reading;
        match (self.is_shown, self.guards) {
            (true, _) => {}
            // The read fails (EIO).
            (false, true) => self.doing = Doing::Working,
            (false, false) => self.stop(name::TTIN),
        }
    }

    /// What it waits for may be there.
    fn proceed(&mut self) {
        if !self.is_alive || self.is_stopped {
            return;
        }
        match self.doing {
            Doing::Reading if self.lines > 0 && self.is_shown => {
                (self.lines, self.read, self.doing) = (self.lines - 1, self.read + 1, Doing::Working);
            }
            Doing::Polling if self.has_bait || self.lines > 0 => {
                self.begin_read();
                self.proceed();
            }
            Doing::SettingModes if self.is_shown || self.guards => {
                (self.has_raw_modes, self.doing) = (true, Doing::Working);
            }
            Doing::SettingModes => self.stop(name::TTOU),
            _ => {}
        }
    }

    /// The command does something.
    pub(crate) fn act(&mut self, doing: Doing) {
        self.doing = doing;
        if doing == Doing::Reading {
            self.begin_read();
        }
        self.proceed();
    }

    pub(crate) fn end(&mut self) {
        self.is_alive = false;
        self.told.push_back(Told::Ended);
    }

    /// A child has stopped.
    pub(crate) fn reap(&mut self) {
        while let Some(signal) = self.news.pop_front() {
            self.handle(Event::Stopped(signal));
        }
    }

    pub(crate) fn hear(&mut self, said: Said) {
        match said {
            Said::Foreground(is_foreground) => self.set_foreground(is_foreground),
            Said::Waiting(true) => self.handle(Event::Waiting),
            Said::Waiting(false) => self.handle(Event::Answer),
            Said::Line => self.lines += 1,
            Said::Signal(signal) => self.signal(signal),
        }
        self.proceed();
    }

    fn set_foreground(&mut self, is_foreground: bool) {
        self.handle(if is_foreground { Event::Begin } else { Event::End });
        if !is_foreground && self.before.is_none() {
            self.before = Some(self.is_shown);
            self.is_shown = false;
        } else if is_foreground && let Some(is_shown) = self.before.take() {
            self.is_shown = is_shown;
        }
    }

    fn signal(&mut self, signal: u8) {
        self.reap();
        if !self.is_alive {
            return;
        }
        self.handle(Event::Signal(signal));
        match signal {
            name::CONT => self.go_on(),
            name::TSTP => self.stop(signal),
            _ => self.end(),
        }
        self.delivered += 1;
    }

    /// Whether the terminal is to be looked at.
    pub(crate) fn has_time(&self) -> bool {
        self.is_alive && self.keyboard.next() != Instant::NEVER
    }

    /// It is time to look at it.
    pub(crate) fn look(&mut self) {
        self.now += self.until_next();
        if self.before.is_none() {
            let keys = if self.has_raw_modes { Keys::All } else { Keys::None };
            self.handle(Event::Look(Look { keys, has_jobs: false }));
        }
        let guarded = if self.guards { Set::default().with(name::TTIN) } else { Set::default() };
        let group = self.keyboard.needs_group().then_some(Group {
            is_stopped: self.is_stopped,
            has_stopped: self.is_stopped,
            guarded,
        });
        self.handle(Event::Time { is_free: self.lines == 0, group });
    }

    /// Milliseconds until then; none is as good as the next one.
    fn until_next(&self) -> u64 {
        (0..=200).find(|ms| self.now().plus(*ms) >= self.keyboard.next()).unwrap_or(200)
    }
}

impl Hash for SharedTerminal {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        // The phase, what was told, and whose the keys are. Instants have many digits: how far the next one is counts alone.
        let state = format!("{:?}", self.keyboard);
        let state = state.split(" next:").next().unwrap_or_default();
        let words = state.split(|one: char| !one.is_alphanumeric());
        let phase: Vec<&str> = words.filter(|word| word.len() < 4 || word.parse::<u64>().is_err()).collect();
        (phase, self.has_time(), self.until_next() == 0, &self.told, self.delivered).hash(hasher);
        (self.is_alive, self.is_stopped, self.doing, self.has_raw_modes, self.is_shown, self.before).hash(hasher);
        (self.has_bait, self.is_quiet, self.lines, self.read, &self.news).hash(hasher);
    }
}
