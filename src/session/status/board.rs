//! What runs on a server now, and what has run since it began: memory that all of its processes share. Each session writes
//! its own entry when its phase changes, and whoever is asked reads them all. Neither waits for the other or makes a system
//! call.

use crate::limits;
use crate::session::connection::Peer;
use crate::sys::statics::{SharedCell, shared, shared_cells};
use core::sync::atomic::{AtomicI32, Ordering};
use rustix::io::Result;

/// What a session is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Phase {
    /// There is none, or it tells of the others.
    None,
    /// The command runs.
    Running,
    /// The command is stopped.
    Stopped,
    /// What is left of the command is ended.
    Ending,
    /// The command has ended, and the client is to read the rest.
    Lingering,
}

/// What each phase is called, but for the first.
pub(super) const PHASES: [&str; 4] = ["running", "stopped", "ending", "lingering"];

/// How sessions end, as the log calls it.
pub(super) const OUTCOMES: [&str; 8] =
    ["exit", "signal", "refused", "timeout", "gone", "terminated", "fault", "server"];

/// A counter for each of them, and two words each for the bytes that came from peers and went to them.
const TOTALS: usize = OUTCOMES.len() + 4;

/// What is known of a session whose command runs.
#[derive(Clone, Copy)]
pub struct Running {
    /// What it is called in the log, behind its process.
    pub number: u64,
    /// Its process, and the command's.
    pub processes: [i32; 2],
    /// Who is at the other end.
    pub peer: Peer,
    /// The command's name, as long as it is.
    pub name: ([u8; limits::NAME], u8),
}

/// What all processes of a server tell of themselves.
#[derive(Clone, Copy)]
pub struct Board {
    phases: &'static [AtomicI32; limits::MAX_SESSIONS],
    sessions: &'static [SharedCell<Running>; limits::MAX_SESSIONS],
    totals: &'static [AtomicI32; TOTALS],
}

/// One process's part of it, which that process alone writes, or the listener when it has ended.
#[derive(Clone, Copy)]
pub struct Entry {
    phase: &'static AtomicI32,
    session: &'static SharedCell<Running>,
    board: Board,
}

impl Board {
    /// One of which nothing is written. A page of it is taken when it is touched.
    pub fn new() -> Result<Board> {
        Ok(Board { phases: shared()?, sessions: shared_cells()?, totals: shared()? })
    }

    /// The part of the process of that number, below [`limits::MAX_SESSIONS`].
    pub fn entry(self, index: usize) -> Entry {
        let index = index % limits::MAX_SESSIONS;
        Entry { phase: &self.phases[index], session: &self.sessions[index], board: self }
    }

    /// How many sessions run now.
    pub(super) fn count(self) -> usize {
        self.phases.iter().filter(|phase| phase.load(Ordering::Relaxed) != Phase::None as i32).count()
    }

    /// Visits the sessions that run now, with what the phase of each is called.
    pub(super) fn visit(self, visit: &mut dyn FnMut(&str, &Running)) {
        for (phase, session) in self.phases.iter().zip(self.sessions) {
            let phase = usize::try_from(phase.load(Ordering::Acquire)).unwrap_or(0);
            let name = PHASES.get(phase.wrapping_sub(1));
            if let (Some(name), Some(session)) = (name, session.load()) {
                visit(name, &session);
            }
        }
    }

    /// How many sessions have ended in the way of that number.
    pub(super) fn outcome(self, number: usize) -> u64 {
        self.totals.get(number).map_or(0, |count| count.load(Ordering::Relaxed).cast_unsigned().into())
    }

    /// Bytes that came from peers (0), or went to them (1), in all sessions that have ended.
    pub(super) fn bytes(self, direction: usize) -> u64 {
        let at = OUTCOMES.len() + 2 * direction;
        self.outcome(at + 1) << 32 | self.outcome(at)
    }

    /// Adds to a counter; the number that it passes what it holds by.
    fn add(self, at: usize, count: u64) -> u64 {
        let low = u32::try_from(count & u64::from(u32::MAX)).unwrap_or(0);
        let Some(total) = self.totals.get(at) else { return 0 };
        let before = total.fetch_add(low.cast_signed(), Ordering::Relaxed).cast_unsigned();
        (u64::from(before) + count) >> 32
    }
}

impl Entry {
    /// The session is at something else.
    pub fn set(self, phase: Phase) {
        self.phase.store(phase as i32, Ordering::Release);
    }

    /// A session's command runs.
    pub fn begin(self, session: Running) {
        self.session.store(session);
        self.set(Phase::Running);
    }

    /// The session has ended like this, after so many bytes either way.
    pub fn end(self, outcome: &str, bytes: [Option<u64>; 2]) {
        self.set(Phase::None);
        if let Some(number) = OUTCOMES.iter().position(|known| *known == outcome) {
            self.board.add(number, 1);
        }
        for (direction, bytes) in bytes.into_iter().enumerate() {
            let at = OUTCOMES.len() + 2 * direction;
            let carry = self.board.add(at, bytes.unwrap_or(0));
            self.board.add(at + 1, carry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(number: u64) -> Running {
        Running { number, processes: [1, 2], peer: Peer::User(3), name: ([b'x'; limits::NAME], 4) }
    }

    #[test]
    fn what_a_session_writes_is_read_until_it_ends() {
        let board = Board::new().expect("memory");
        let entry = board.entry(3);
        assert_eq!(board.count(), 0);
        entry.begin(session(7));
        board.entry(limits::MAX_SESSIONS - 1).begin(session(8));
        let shown = || {
            let mut all = Vec::new();
            board.visit(&mut |phase, session| all.push((phase.to_owned(), session.number)));
            all
        };
        assert_eq!(shown(), [("running".to_owned(), 7), ("running".to_owned(), 8)]);
        for (phase, name) in [(Phase::Stopped, "stopped"), (Phase::Ending, "ending"), (Phase::Lingering, "lingering")] {
            entry.set(phase);
            assert_eq!(shown()[0].0, name);
        }
        entry.end("exit", [Some(1), None]);
        assert_eq!((board.count(), shown().len(), board.outcome(0), board.outcome(1)), (1, 1, 1, 0));
    }

    #[test]
    fn bytes_are_counted_beyond_what_a_word_holds() {
        let board = Board::new().expect("memory");
        for bytes in [u64::from(u32::MAX), 1, 5 << 32 | 3] {
            board.entry(0).end("gone", [Some(bytes), Some(2)]);
        }
        assert_eq!((board.bytes(0), board.bytes(1)), ((6 << 32) + 3, 6));
        assert_eq!(
            (0..OUTCOMES.len()).map(|number| board.outcome(number)).collect::<Vec<_>>(),
            [0, 0, 0, 0, 3, 0, 0, 0]
        );
    }
}
