//! Callers beside each other, and what became of their calls.

use std::fmt::{self, Display};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::call::{Answer, answer, copy, stay};
use crate::place::Server;
use crate::{Result, joined, number};

/// How many calls ended how.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) right: u64,
    killed: u64,
    told: u64,
    /// What the first wrong one of each caller was.
    wrong: Vec<String>,
}

impl Tally {
    fn note(&mut self, answer: Result<Answer>) {
        match answer {
            Ok(Answer::Right) => self.right += 1,
            Ok(Answer::Killed) => self.killed += 1,
            Ok(Answer::Told) => self.told += 1,
            Err(error) => self.wrong.push(error.to_string()),
        }
    }

    fn with(mut self, other: Self) -> Self {
        self.right += other.right;
        self.killed += other.killed;
        self.told += other.told;
        self.wrong.extend(other.wrong);
        self
    }

    /// Fails if an answer was wrong.
    pub(crate) fn none_wrong(&self) -> Result<()> {
        if self.wrong.is_empty() { Ok(()) } else { Err(format!("wrong: {}", self.wrong.join("; ")).into()) }
    }

    /// Fails unless all calls were answered rightly.
    pub(crate) fn all_right(&self) -> Result<()> {
        self.none_wrong()?;
        if self.killed + self.told == 0 { Ok(()) } else { Err(format!("calls failed: {self}").into()) }
    }
}

impl Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {}, {}", number(self.right), number(self.killed), number(self.told))
    }
}

/// So many callers make so many calls in all, with small answers.
pub(crate) fn call(server: &Server<'_>, callers: usize, calls: u64) -> Result<Tally> {
    let next = AtomicU64::new(0);
    together(callers, |_| {
        let number = next.fetch_add(1, Ordering::Relaxed);
        (number < calls).then(|| answer(server, number))
    })
}

/// So many callers make calls of all kinds until it is over.
pub(crate) fn call_until(server: &Server<'_>, callers: usize, is_over: &AtomicBool) -> Result<Tally> {
    together(callers, |caller| {
        (!is_over.load(Ordering::Relaxed)).then(|| match fastrand::u8(..8) {
            0 => stay(server),
            1 | 2 => copy(server, caller),
            _ => answer(server, fastrand::u64(..)),
        })
    })
}

/// Callers in threads, each of which calls until there is nothing more to call, or an answer was wrong.
fn together(callers: usize, call: impl Fn(usize) -> Option<Result<Answer>> + Sync) -> Result<Tally> {
    let call = &call;
    std::thread::scope(|scope| {
        let one = |caller| {
            move || {
                let mut tally = Tally::default();
                while let Some(answer) = tally.wrong.is_empty().then(|| call(caller)).flatten() {
                    tally.note(answer);
                }
                Ok(tally)
            }
        };
        let threads: Vec<_> = (0..callers).map(|caller| scope.spawn(one(caller))).collect();
        threads.into_iter().try_fold(Tally::default(), |tally, thread| Ok(tally.with(joined(thread)?)))
    })
}
