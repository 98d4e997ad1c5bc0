//! What runs on a server now, and how what has run has ended. Each session notes what it does in memory that all processes
//! of the server share, and the one that is asked reads all notes. Neither waits for the other or makes a system call.

use crate::limits;
use crate::session::connection::Peer;
use crate::sys::statics::{SharedCell, shared};
use crate::text::bytes::{line, lines};
use core::sync::atomic::{AtomicUsize, Ordering};
use rustix::io::Result;

/// What a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The command runs.
    Running = 1,
    /// The command is stopped.
    Stopped,
    /// What is left of the command is being ended.
    Ending,
    /// The command has ended, and the client is to read the rest.
    Lingering,
}

/// What the phases are called, a line each, behind that of a free place.
const PHASES: &[u8] = b"\nrunning\nstopped\nending\nlingering";

/// How sessions end, as the log calls it, a line each.
const OUTCOMES: &[u8] = b"exit\nsignal\nrefused\ntimeout\ngone\nterminated\nfault\nserver";

/// How much is counted: each outcome, and bytes in both directions.
pub(super) const COUNTERS: usize = 8 + 2;

/// What is known of a session whose command has started.
#[derive(Clone, Copy)]
pub struct Note {
    /// Its number in the log, which is also when it began, in milliseconds since 1970.
    pub number: u64,
    /// Its PID, and the command's.
    pub processes: [i32; 2],
    /// Its peer.
    pub peer: Peer,
    /// The command's name, NUL, its arguments as a list of JSON's if they may be shown, and NULs.
    pub text: [u8; limits::MESSAGE],
}

/// Where a session has its note. The mark is its [`Phase`].
pub type Place = SharedCell<Note>;

/// The notes of all sessions.
#[derive(Clone, Copy)]
pub struct Board {
    places: &'static [Place; limits::MAX_SESSIONS],
    /// Sessions by their outcome, and bytes that came from peers and went to them.
    counters: &'static [AtomicUsize; COUNTERS],
}

impl Board {
    /// An empty board.
    pub fn new() -> Result<Board> {
        Ok(Board { places: shared()?, counters: shared()? })
    }

    /// Places this note of a session whose command runs: in the first place that is free, so that those behind the last one
    /// in use were never touched.
    pub fn place(self, note: &Note) -> Option<&'static Place> {
        self.places.iter().find(|place| place.take(note, Phase::Running as i32))
    }

    /// Visits the sessions whose command has started, with the name of the phase of each.
    pub fn visit(self, visit: &mut dyn FnMut(&'static Place, &'static [u8], &Note)) {
        for place in self.places.iter().take_while(|place| place.was_taken()) {
            let name = line(PHASES, usize::try_from(place.mark()).unwrap_or_default());
            if !name.is_empty()
                && let Some(note) = place.load()
            {
                visit(place, name, &note);
            }
        }
    }

    /// Removes the note of a process that was killed.
    pub fn forget(self, pid: i32) {
        self.visit(&mut |place, _, note| {
            if note.processes[0] == pid {
                place.set_mark(0);
            }
        });
    }

    /// Counts a session that has ended so, and bytes that came from its peer and went to it, as far as they are known.
    #[allow(clippy::cast_possible_truncation, reason = "it wraps like the counter")]
    pub fn count(self, outcome: &str, traffic: [Option<u64>; 2]) {
        let outcomes = lines(OUTCOMES).map(|name| u64::from(name == outcome.as_bytes()));
        for (counter, more) in self.counters.iter().zip(outcomes.chain(traffic.map(Option::unwrap_or_default))) {
            counter.fetch_add(more as usize, Ordering::Relaxed);
        }
    }

    /// How many sessions have ended in each way, in the order of [`OUTCOMES`], and the bytes.
    pub(super) fn counts(self) -> [usize; COUNTERS] {
        self.counters.each_ref().map(|counter| counter.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(number: u64) -> Note {
        Note {
            number,
            processes: [i32::try_from(number).expect("small"), 2],
            peer: Peer::User(3),
            text: [b'x'; limits::MESSAGE],
        }
    }

    #[test]
    fn what_a_session_notes_is_read_until_it_ends() {
        let board = Board::new().expect("memory");
        let shown = || {
            let mut all = Vec::new();
            board.visit(&mut |_, phase, note| all.push((String::from_utf8_lossy(phase).into_owned(), note.number)));
            all
        };
        assert_eq!(shown(), []);
        let [first, _, _] = [7, 8, 9].map(|number| board.place(&note(number)).expect("a place"));
        let running = |number| ("running".to_owned(), number);
        assert_eq!(shown(), [7, 8, 9].map(running));
        for (phase, name) in [(Phase::Stopped, "stopped"), (Phase::Ending, "ending"), (Phase::Lingering, "lingering")] {
            first.set_mark(phase as i32);
            assert_eq!(shown()[0].0, name);
        }
        first.set_mark(0);
        assert_eq!(shown(), [8, 9].map(running));
        assert!(core::ptr::eq(board.place(&note(10)).expect("a place"), first), "the first that is free");
        board.forget(8);
        assert_eq!(shown(), [10, 9].map(running));
    }

    #[test]
    fn ends_are_counted_by_their_name() {
        let board = Board::new().expect("memory");
        for (outcome, traffic) in [("gone", [Some(1), Some(20)]), ("server", [None; 2]), ("gone", [None, Some(3)])] {
            board.count(outcome, traffic);
        }
        assert_eq!(board.counts(), [0, 0, 0, 0, 2, 0, 0, 1, 1, 23]);
    }
}
