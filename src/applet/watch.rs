//! One turn of a poll loop: the set is made anew each time, from what can make progress.

use crate::sys::time::Moment;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::BorrowedFd;

/// Slots of a turn: signals, the connection and three streams.
const SLOTS: usize = 5;

/// Descriptors that one turn waits for, each known by its slot.
pub(super) struct Watch<'f> {
    set: heapless::Vec<PollFd<'f>, SLOTS>,
    slots: heapless::Vec<usize, SLOTS>,
}

/// What was ready, by slot.
pub(super) struct Ready([PollFlags; SLOTS]);

impl<'f> Watch<'f> {
    /// A turn that waits for nothing yet.
    pub(super) fn new() -> Self {
        Watch { set: heapless::Vec::new(), slots: heapless::Vec::new() }
    }

    /// Waits for `events` on `fd` too; for none of them: only for its other end to go. Each slot is used once.
    pub(super) fn add(&mut self, slot: usize, fd: BorrowedFd<'f>, events: PollFlags) {
        if self.set.push(PollFd::from_borrowed_fd(fd, events)).is_ok() {
            let _ = self.slots.push(slot);
        }
    }

    /// Waits until something is ready or the deadline, if there is one, has come.
    pub(super) fn wait(mut self, deadline: Option<Moment>) -> Ready {
        let timeout = deadline.map(|deadline| {
            let left = i64::try_from(deadline.left(Moment::now())).unwrap_or(i64::MAX);
            Timespec { tv_sec: left / 1000, tv_nsec: left % 1000 * 1_000_000 }
        });
        let mut ready = Ready([PollFlags::empty(); SLOTS]);
        // An error is an interruption: the next turn asks again.
        if rustix::event::poll(&mut self.set, timeout.as_ref()).is_ok() {
            for (slot, entry) in self.slots.iter().zip(&self.set) {
                if let Some(flags) = ready.0.get_mut(*slot) {
                    *flags = entry.revents();
                }
            }
        }
        ready
    }
}

impl Ready {
    /// What became of a slot; nothing for one that was not waited for.
    pub(super) fn of(&self, slot: usize) -> PollFlags {
        self.0.get(slot).copied().unwrap_or(PollFlags::empty())
    }
}
