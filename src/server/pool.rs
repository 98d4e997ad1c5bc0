//! The pool of workers: which processes there are and what each is doing, in memory that all of them share.

use crate::limits;
use crate::session::status::board::Board;
use crate::sys::signal;
use crate::sys::statics;
use core::sync::atomic::{AtomicI32, Ordering};
use rustix::io::Result;

/// What a slot of the pool holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No worker.
    Free,
    /// A worker that is being forked, and has not said yet what it does.
    Starting,
    /// An idle worker with this PID: it waits for a connection.
    Idle(i32),
    /// A worker with this PID that serves a connection.
    Busy(i32),
}

impl State {
    /// As a number: the kind of state in the lowest two bits, and the PID above them. A PID has 22 bits at the most
    /// (`PID_MAX_LIMIT`, `include/linux/threads.h`). 0 is [`State::Free`], which is what new memory holds.
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

    /// The worker's PID, once it is known.
    const fn pid(self) -> Option<i32> {
        match self {
            State::Idle(pid) | State::Busy(pid) => Some(pid),
            State::Free | State::Starting => None,
        }
    }
}

/// Each worker reads the slots of the others after it has written to its own. If several begin to serve at the same time,
/// the last one has to see what the others wrote, so that one of them tells the listener that no idle worker is left. So
/// all accesses have one order.
const ORDER: Ordering = Ordering::SeqCst;

/// A worker's slot in the [`Pool`]. Once the worker runs, it alone writes to its slot, and the listener again when it has
/// ended.
#[derive(Clone, Copy)]
pub(super) struct Slot(&'static AtomicI32);

impl Slot {
    fn state(self) -> State {
        State::decode(self.0.load(ORDER))
    }

    fn set(self, state: State) {
        self.0.store(state.encode(), ORDER);
    }

    /// Called by the worker: it waits for a connection.
    pub(super) fn wait(self, pid: i32) {
        self.set(State::Idle(pid));
    }

    /// Called by the worker: it serves a connection, or is about to exit.
    pub(super) fn serve(self, pid: i32) {
        self.set(State::Busy(pid));
    }

    /// Called by the listener: the PID of the worker that it has forked for this slot, and whether for a connection.
    pub(super) fn started(self, pid: i32, is_busy: bool) {
        let state = if is_busy { State::Busy(pid) } else { State::Idle(pid) };
        // The worker may have been quicker, and have written what it does by now.
        let _ = self.0.compare_exchange(State::Starting.encode(), state.encode(), ORDER, ORDER);
    }

    /// Called by the listener: there is no worker for this slot.
    pub(super) fn free(self) {
        self.set(State::Free);
    }
}

/// The workers of a server, in memory that all of them share.
#[derive(Clone, Copy)]
pub(super) struct Pool {
    /// A slot for each worker, as many as there may ever be.
    slots: &'static [AtomicI32; limits::MAX_SESSIONS],
    /// What their sessions note.
    pub(super) board: Board,
    /// The PID of the process that has reported a shortage; 0: none has.
    shortage: &'static AtomicI32,
    /// How many workers there may be now.
    most: usize,
    /// The largest `most` so far: slots beyond that were never used.
    used: usize,
}

impl Pool {
    /// No worker, and room for none. Fails if there is no memory.
    pub(super) fn new() -> Result<Pool> {
        let [shortage] = statics::shared()?;
        Ok(Pool { slots: statics::shared()?, board: Board::new()?, shortage, most: 0, used: 0 })
    }

    /// Allows `most` workers, no more than [`limits::MAX_SESSIONS`]. If there are more, none is started until enough have
    /// ended.
    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.used = self.used.max(most);
    }

    /// The slots that may have been used. The memory of the others is not touched.
    fn slots(self) -> impl Iterator<Item = Slot> {
        self.slots.iter().take(self.used).map(Slot)
    }

    fn states(self) -> impl Iterator<Item = State> {
        self.slots().map(Slot::state)
    }

    /// Reserves a free slot for a worker that is about to be forked.
    pub(super) fn reserve(self) -> Option<Slot> {
        let slot = self.slots().find(|slot| slot.state() == State::Free)?;
        slot.set(State::Starting);
        Some(slot)
    }

    /// The slot of the worker with this PID.
    fn find(self, pid: i32) -> Option<Slot> {
        self.slots().find(|slot| slot.state().pid() == Some(pid))
    }

    fn free(self) -> usize {
        self.states().filter(|state| *state == State::Free).count()
    }

    /// Whether there may be one more worker.
    pub(super) fn has_room(self) -> bool {
        self.free() + self.most > self.used
    }

    /// Whether there is no worker.
    pub(super) fn is_empty(self) -> bool {
        self.free() == self.used
    }

    /// How many workers are idle.
    pub(super) fn idle(self) -> usize {
        self.states().filter(|state| matches!(state, State::Starting | State::Idle(_))).count()
    }

    /// How many workers are idle, and how many serve a connection.
    pub(super) fn workers(self) -> [usize; 2] {
        let busy = self.states().filter(|state| matches!(state, State::Busy(_))).count();
        [self.idle(), busy]
    }

    /// Forgets a process that has ended, and returns whether it was an idle worker. `None`: it was not a worker.
    pub(super) fn forget(self, pid: i32) -> Option<bool> {
        let slot = self.find(pid)?;
        let was_idle = slot.state() == State::Idle(pid);
        self.board.forget(pid);
        slot.free();
        Some(was_idle)
    }

    /// Sends a signal to every worker.
    pub(super) fn signal(self, signal: u8) {
        for pid in self.states().filter_map(State::pid) {
            let _ = signal::send(pid, signal);
        }
    }

    /// Notes that this process has met a shortage. Returns whether it is the first, which reports it for all of them.
    pub(super) fn begin_shortage(self, pid: i32) -> bool {
        self.shortage.compare_exchange(0, pid, ORDER, ORDER).is_ok()
    }

    /// Whether this process has reported a shortage that is not over yet.
    pub(super) fn has_told_shortage(self, pid: i32) -> bool {
        self.shortage.load(ORDER) == pid
    }

    /// Notes that this process has got what the system was short of. Returns whether it reports the end of the shortage:
    /// if it has reported the shortage itself, or the process that did has ended.
    pub(super) fn end_shortage(self, pid: i32) -> bool {
        let reporter = self.shortage.load(ORDER);
        let is_over = reporter == pid || reporter != 0 && self.find(reporter).is_none();
        is_over && self.shortage.compare_exchange(reporter, 0, ORDER, ORDER).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_can_be_read_back_from_its_number() {
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
    fn a_pool_counts_what_its_workers_do() {
        let mut pool = Pool::new().expect("memory");
        assert!(!pool.has_room() && pool.is_empty());
        pool.resize(2);
        let slot = pool.reserve().expect("a slot");
        assert_eq!((pool.idle(), pool.is_empty()), (1, false));
        slot.serve(10);
        slot.started(10, false);
        assert_eq!(pool.idle(), 0, "the worker was quicker");
        let other = pool.reserve().expect("another");
        other.started(11, false);
        assert!(!pool.has_room() && pool.reserve().is_none());
        assert_eq!((pool.forget(11), pool.forget(10), pool.forget(12)), (Some(true), Some(false), None));
        assert!(pool.is_empty());
    }

    #[test]
    fn a_shortage_and_its_end_are_each_reported_once() {
        let mut pool = Pool::new().expect("memory");
        pool.resize(2);
        for pid in [10, 11] {
            pool.reserve().expect("a slot").started(pid, false);
        }
        assert!(pool.begin_shortage(10) && !pool.begin_shortage(10) && !pool.begin_shortage(11));
        assert!(!pool.end_shortage(11), "the one that reported it still runs");
        assert!(pool.end_shortage(10) && !pool.end_shortage(10));
        assert!(pool.begin_shortage(10));
        pool.forget(10);
        assert!(pool.end_shortage(11));
    }
}
