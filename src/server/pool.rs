//! The pool of workers: which processes there are and what each is doing, in memory that all of them share.

use crate::limits;
use crate::session::status::board::{Board, Phase};
use crate::sys::signal;
use crate::sys::statics;
use core::sync::atomic::{AtomicI32, Ordering};
use rustix::io::Result;

/// What a slot of the pool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No process.
    Free,
    /// One that is about to be forked, and will wait for a connection if it is quicker than its parent.
    Starting,
    /// The process of this number, which waits for a connection.
    Idle(i32),
    /// The process of this number, which serves a connection.
    Busy(i32),
}

impl State {
    /// As a number: what it is in the lowest two bits, and the PID above them. A PID has 22 bits at the most (`PID_MAX_LIMIT`,
    /// `include/linux/threads.h`). 0 is [`State::Free`], which is what new memory holds.
    const fn encode(self) -> i32 {
        match self {
            State::Free => 0,
            State::Starting => 1,
            State::Idle(pid) => pid << 2 | 2,
            State::Busy(pid) => pid << 2 | 3,
        }
    }

    /// The state that a number stands for.
    const fn decode(number: i32) -> State {
        let pid = number >> 2;
        match number & 3 {
            0 => State::Free,
            1 => State::Starting,
            2 => State::Idle(pid),
            _ => State::Busy(pid),
        }
    }

    /// The process, once its number is known.
    const fn pid(self) -> Option<i32> {
        match self {
            State::Idle(pid) | State::Busy(pid) => Some(pid),
            State::Free | State::Starting => None,
        }
    }
}

/// Each process looks at the slots of the others once it has written to its own. Of several that begin to serve at the same
/// moment the last one has to see all, so that one of them tells the listener that none is left to wait.
const ORDER: Ordering = Ordering::SeqCst;

/// A process's place in the [`Pool`]. Only the process itself writes to one that is taken, and the listener when that has
/// ended.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    state: &'static AtomicI32,
    /// Its number.
    pub(super) index: usize,
}

impl Slot {
    fn state(self) -> State {
        State::decode(self.state.load(ORDER))
    }

    fn set(self, state: State) {
        self.state.store(state.encode(), ORDER);
    }

    /// The process itself notes that it waits for a connection.
    pub(super) fn wait(self, pid: i32) {
        self.set(State::Idle(pid));
    }

    /// The process itself notes that it serves one, or thinks of going.
    pub(super) fn serve(self, pid: i32) {
        self.set(State::Busy(pid));
    }

    /// The listener notes which process it has forked for this slot, and whether it was forked for a connection.
    pub(super) fn started(self, pid: i32, is_busy: bool) {
        let state = if is_busy { State::Busy(pid) } else { State::Idle(pid) };
        // The process itself may have been quicker, and serve another one by now.
        let _ = self.state.compare_exchange(State::Starting.encode(), state.encode(), ORDER, ORDER);
    }

    /// There is no process for it.
    pub(super) fn free(self) {
        self.set(State::Free);
    }
}

/// The processes of a server, in memory that all of them share.
#[derive(Clone, Copy)]
pub(super) struct Pool {
    /// A slot for each process, as many as there ever may be.
    slots: &'static [AtomicI32; limits::MAX_SESSIONS],
    /// What their sessions are at.
    pub(super) board: Board,
    /// The process that has said that the system is short of something; 0: none has.
    shortage: &'static AtomicI32,
    /// How many processes there may be.
    most: usize,
    /// How many there were allowed to be at any time.
    used: usize,
}

impl Pool {
    /// No process yet, and room for none.
    pub(super) fn new() -> Result<Pool> {
        let [shortage] = statics::shared::<1>()?;
        Ok(Pool { slots: statics::shared()?, board: Board::new()?, shortage, most: 0, used: 0 })
    }

    /// Makes room for so many, no more than [`limits::MAX_SESSIONS`]. Where there are more, they are to end first.
    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.used = self.used.max(most);
    }

    /// The slots. Those that no process ever had are not touched.
    fn slots(self) -> impl Iterator<Item = Slot> {
        let slots = self.slots.iter().take(self.used).enumerate();
        slots.map(|(index, state)| Slot { state, index })
    }

    fn states(self) -> impl Iterator<Item = State> {
        self.slots.iter().take(self.used).map(|slot| State::decode(slot.load(ORDER)))
    }

    /// A free slot, taken for a process that is about to be forked.
    pub(super) fn reserve(self) -> Option<Slot> {
        let slot = self.slots().find(|slot| slot.state() == State::Free)?;
        slot.set(State::Starting);
        Some(slot)
    }

    /// The slot of a process.
    fn find(self, pid: i32) -> Option<Slot> {
        self.slots().find(|slot| slot.state().pid() == Some(pid))
    }

    fn free(self) -> usize {
        self.states().filter(|state| *state == State::Free).count()
    }

    /// Whether one more process has a slot.
    pub(super) fn has_room(self) -> bool {
        self.free() + self.most > self.used
    }

    /// Whether there is no process.
    pub(super) fn is_empty(self) -> bool {
        self.free() == self.used
    }

    /// How many wait for a connection.
    pub(super) fn spares(self) -> usize {
        self.states().filter(|state| matches!(state, State::Starting | State::Idle(_))).count()
    }

    /// How many wait for a connection, and how many serve one.
    pub(super) fn workers(self) -> [usize; 2] {
        let busy = self.states().filter(|state| matches!(state, State::Busy(_))).count();
        [self.spares(), busy]
    }

    /// Forgets a process that has ended. Whether it waited for a connection then; `None`: it was none of these.
    pub(super) fn forget(self, pid: i32) -> Option<bool> {
        let slot = self.find(pid)?;
        let was_idle = slot.state() == State::Idle(pid);
        self.board.entry(slot.index).set(Phase::None);
        slot.free();
        Some(was_idle)
    }

    /// Sends a signal to each.
    pub(super) fn signal(self, signal: u8) {
        for pid in self.states().filter_map(State::pid) {
            let _ = signal::send(pid, signal);
        }
    }

    /// Notes that this process has met a shortage. Whether it is the first to do so, who says it for all of them.
    pub(super) fn begin_shortage(self, pid: i32) -> bool {
        self.shortage.compare_exchange(0, pid, ORDER, ORDER).is_ok()
    }

    /// Whether this process has said that there is a shortage, and it is not over.
    pub(super) fn has_told_shortage(self, pid: i32) -> bool {
        self.shortage.load(ORDER) == pid
    }

    /// Notes that this process got what the system was short of. Whether it is to say so: it, or one that is gone, had said
    /// that there was a shortage.
    pub(super) fn end_shortage(self, pid: i32) -> bool {
        let teller = self.shortage.load(ORDER);
        let is_over = teller == pid || teller != 0 && self.find(teller).is_none();
        is_over && self.shortage.compare_exchange(teller, 0, ORDER, ORDER).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_one_state_and_back() {
        const PID_MAX_LIMIT: i32 = 1 << 22;
        for state in [State::Free, State::Starting]
            .into_iter()
            .chain([1, 2, 4711, PID_MAX_LIMIT].into_iter().flat_map(|pid| [State::Idle(pid), State::Busy(pid)]))
        {
            assert_eq!(State::decode(state.encode()), state);
        }
        assert_eq!(State::decode(0), State::Free);
    }

    #[test]
    fn a_pool_counts_what_its_processes_say() {
        let mut pool = Pool::new().expect("memory");
        assert!(!pool.has_room() && pool.is_empty());
        pool.resize(2);
        let slot = pool.reserve().expect("a slot");
        assert_eq!((pool.spares(), pool.is_empty()), (1, false));
        slot.serve(10);
        slot.started(10, false);
        assert_eq!(pool.spares(), 0, "the process was quicker");
        let other = pool.reserve().expect("another");
        other.started(11, false);
        assert!(!pool.has_room() && pool.reserve().is_none());
        assert_eq!((pool.forget(11), pool.forget(10), pool.forget(12)), (Some(true), Some(false), None));
        assert!(pool.is_empty());
    }

    #[test]
    fn a_shortage_is_said_once_and_once_when_it_is_over() {
        let mut pool = Pool::new().expect("memory");
        pool.resize(2);
        for pid in [10, 11] {
            pool.reserve().expect("a slot").started(pid, false);
        }
        assert!(pool.begin_shortage(10) && !pool.begin_shortage(10) && !pool.begin_shortage(11));
        assert!(!pool.end_shortage(11), "the one that said so still runs");
        assert!(pool.end_shortage(10) && !pool.end_shortage(10));
        assert!(pool.begin_shortage(10));
        pool.forget(10);
        assert!(pool.end_shortage(11));
    }
}
