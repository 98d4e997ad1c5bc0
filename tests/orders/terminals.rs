//! Every order of what happens to a terminal that a command shares: keys, stops, resumptions, changes of the foreground,
//! reads, modes of its own, its end and a hang-up. Up to so many of these, with all that follows from them in any order.

use crate::client::stub::Stub;
use crate::session::keys::{Doing, SharedTerminal};
use crate::sys::signal::name;
use crate::sys::{caller, cooked};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

/// How many events there are at the most, without those that follow from them.
const EVENTS: usize = 6;

/// Steps in which everything that follows has happened.
const STEPS: usize = 400;

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    // By itself.
    Key,
    StopKey,
    HangUp,
    ToBackground,
    Foreground,
    Background,
    Does(Doing),
    DropsModes,
    Ends,
    // What follows.
    StubReads,
    StubHears,
    SessionHears,
    Reaps,
    Looks,
}

use Happening::*;

struct Scene {
    stub: Stub,
    session: SharedTerminal,
    events: usize,
}

impl Scene {
    fn new(guards: bool) -> Scene {
        Scene { stub: Stub::new(), session: SharedTerminal::new(guards), events: 0 }
    }

    fn after(guards: bool, way: &[Happening]) -> Scene {
        let mut scene = Scene::new(guards);
        way.iter().for_each(|happening| scene.act(*happening));
        scene
    }

    fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.stub, &self.session, self.events).hash(&mut hasher);
        hasher.finish()
    }

    fn enabled(&self) -> Vec<Happening> {
        let (stub, session) = (&self.stub, &self.session);
        let (is_foreground, typed) = caller(|caller| (caller.is_foreground, caller.typed));
        let runs = session.is_alive && !session.is_stopped && session.doing == Doing::Working;
        let own = [
            (Key, typed == 0),
            (StopKey, is_foreground && stub.runs()),
            (HangUp, !stub.is_over),
            (ToBackground, is_foreground && stub.runs()),
            (Foreground, stub.is_stopped || !is_foreground && !stub.is_over),
            (Background, stub.is_stopped),
            (Does(Doing::Reading), runs),
            (Does(Doing::Polling), runs),
            (Does(Doing::SettingModes), runs && !session.has_raw_modes),
            (DropsModes, runs && session.has_raw_modes && session.is_shown),
            (Ends, runs),
        ];
        let more = [
            (StubReads, stub.can_read()),
            (StubHears, stub.runs() && !session.told.is_empty()),
            (SessionHears, !stub.machine.said.is_empty()),
            (Reaps, !session.news.is_empty()),
            (Looks, session.has_time()),
        ];
        let own = own.into_iter().filter(|_| self.events < EVENTS);
        own.chain(more).filter(|(_, is_possible)| *is_possible).map(|(happening, _)| happening).collect()
    }

    fn act(&mut self, happening: Happening) {
        self.events += usize::from(!matches!(happening, StubReads | StubHears | SessionHears | Reaps | Looks));
        match happening {
            Key => caller(|caller| caller.typed += 1),
            StopKey => self.stub.signal(name::TSTP),
            HangUp => self.stub.signal(name::HUP),
            // A shell that takes its terminal gives it its own modes.
            ToBackground => caller(|caller| (caller.is_foreground, caller.modes) = (false, cooked())),
            Foreground => {
                caller(|caller| caller.is_foreground = true);
                self.stub.resume();
            }
            Background => {
                caller(|caller| caller.is_foreground = false);
                self.stub.resume();
            }
            Does(doing) => self.session.act(doing),
            DropsModes => self.session.has_raw_modes = false,
            Ends => self.session.end(),
            StubReads => self.stub.read(),
            StubHears => {
                let told = self.session.told.pop_front().expect("it is there");
                self.stub.hear(told);
            }
            SessionHears => {
                let said = self.stub.machine.said.remove(0);
                self.session.hear(said);
            }
            Reaps => self.session.reap(),
            Looks => self.session.look(),
        }
    }

    /// What holds at every time.
    fn check(&self) {
        let is_away = self.stub.is_stopped || self.stub.is_over;
        assert!(!is_away || !Stub::has_raw_terminal(), "the caller's terminal is left raw");
        assert!(
            !self.session.is_quiet || self.session.is_stopped || !self.session.is_alive,
            "it could set modes as well"
        );
    }

    /// What holds once everything that follows has happened.
    fn settle(&mut self) {
        let (mut looks, mut steps) = (0, 0);
        while looks < 40 {
            steps += 1;
            assert!(steps < STEPS, "it never comes to rest");
            let enabled = self.enabled();
            let next = [Reaps, SessionHears, StubHears, StubReads].into_iter().find(|next| enabled.contains(next));
            looks += usize::from(next.is_none());
            match next {
                Some(next) => self.act(next),
                None if self.session.has_time() => self.act(Looks),
                None => break,
            }
            self.check();
        }
        let (is_foreground, typed) = caller(|caller| (caller.is_foreground, caller.typed));
        let (stub, session) = (&self.stub, &self.session);
        if !session.is_alive || !stub.runs() {
            return;
        }
        assert!(!session.is_stopped, "the command is stopped, and its stub does not know it");
        if is_foreground {
            let waits = matches!(session.doing, Doing::Reading | Doing::Polling);
            assert!(!waits || typed == 0 && session.lines == 0, "the command does not get what was typed for it");
            assert!(session.doing != Doing::SettingModes, "the command never gets its modes");
            assert_eq!(session.has_raw_modes, Stub::has_raw_terminal(), "the terminals differ");
        }
    }
}

/// Visits all states, or so many.
pub(crate) fn explore(most: usize) -> Result<String, String> {
    let mut report = String::from("terminals:");
    for guards in [false, true] {
        let start = Instant::now();
        let (mut seen, mut ways, mut next, mut depth) = (HashSet::new(), vec![Vec::new()], 0, 0);
        while next < ways.len() && seen.len() < most {
            let way: Vec<Happening> = std::mem::take(&mut ways[next]);
            next += 1;
            for happening in Scene::after(guards, &way).enabled() {
                let mut longer = way.clone();
                longer.push(happening);
                let outcome = std::panic::catch_unwind(|| {
                    let mut scene = Scene::after(guards, &longer);
                    scene.check();
                    let key = scene.key();
                    scene.settle();
                    key
                });
                let key = outcome.map_err(|why| format!("{:?} after {longer:?}", why.downcast_ref::<&str>()))?;
                depth = longer.len();
                if seen.insert(key) {
                    ways.push(longer);
                }
            }
        }
        let is_all = if seen.len() < most { "all" } else { "the first" };
        report += &format!(" {is_all} {} states, depth {depth}, {:.1} s;", seen.len(), start.elapsed().as_secs_f32());
    }
    Ok(report)
}
