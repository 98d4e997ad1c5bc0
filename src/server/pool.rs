//! The pool of workers: which processes there are and what each is doing, in memory that all of them share.

use crate::limits;
use crate::sys::signal;
use crate::sys::statics;
use core::sync::atomic::{AtomicI32, Ordering};
use rustix::io::Result;

/// The processes of a server, in memory that all of them share. Each has a slot: its number while it serves a connection,
/// the number's negative while it waits for one; 0 where there is none.
#[derive(Clone, Copy)]
pub(super) struct Pool {
    /// As many as there ever may be.
    slots: &'static [Slot; limits::MAX_SESSIONS],
    /// How many processes there may be.
    most: usize,
    /// How many there were allowed to be at any time.
    used: usize,
}

/// A process's place in the [`Pool`]. Only the process itself writes to one that is taken, and the listener when that has
/// ended.
pub(super) type Slot = AtomicI32;

/// Each process looks at the slots of the others once it has written to its own. Of several that begin to serve at the same
/// moment the last one has to see all, so that one of them tells the listener that none is left to wait.
pub(super) const ORDER: Ordering = Ordering::SeqCst;

/// In a slot for a process that waits and whose number is not known yet.
const UNBORN: i32 = i32::MIN;

impl Pool {
    /// No process yet, and room for none.
    pub(super) fn new() -> Result<Pool> {
        Ok(Pool { slots: statics::shared()?, most: 0, used: 0 })
    }

    /// Makes room for so many, no more than [`limits::MAX_SESSIONS`]. Where there are more, they are to end first.
    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.used = self.used.max(most);
    }

    /// The slots. Those that no process ever had are not touched.
    fn slots(self) -> impl Iterator<Item = &'static Slot> {
        self.slots.iter().take(self.used)
    }

    /// What is in the slots.
    fn numbers(self) -> impl Iterator<Item = i32> {
        self.slots().map(|slot| slot.load(ORDER))
    }

    /// A free slot, taken for a process that is about to be forked.
    pub(super) fn reserve(self) -> Option<&'static Slot> {
        let slot = self.find(0)?;
        slot.store(UNBORN, ORDER);
        Some(slot)
    }

    /// The slot of a process; of 0: a free one.
    #[inline(never)]
    fn find(self, pid: i32) -> Option<&'static Slot> {
        self.slots().find(|slot| slot.load(ORDER).wrapping_abs() == pid)
    }

    /// Whether one more process has a slot.
    pub(super) fn has_room(self) -> bool {
        self.count(0) + self.most > self.used
    }

    /// Whether there is no process.
    pub(super) fn is_empty(self) -> bool {
        self.count(0) == self.used
    }

    /// How many wait for a connection.
    pub(super) fn spares(self) -> usize {
        self.count(-1)
    }

    /// How many slots hold a number of this sign.
    #[inline(never)]
    fn count(self, sign: i32) -> usize {
        self.numbers().filter(|number| number.signum() == sign).count()
    }

    /// Forgets a process that has ended. Whether it waited for a connection then; `None`: it was none of these.
    pub(super) fn forget(self, pid: i32) -> Option<bool> {
        Some(self.find(pid)?.swap(0, ORDER) < 0)
    }

    /// Sends a signal to each.
    pub(super) fn signal(self, signal: u8) {
        for number in self.numbers().filter(|number| *number != 0) {
            let _ = signal::send(number.wrapping_abs(), signal);
        }
    }
}

/// Notes in a slot the number of a process, or the negative of one that waits for a connection.
pub(super) fn settle(slot: &Slot, number: i32) {
    // The process itself may have been quicker, and serve another one by now.
    let _ = slot.compare_exchange(UNBORN, number, ORDER, ORDER);
}
