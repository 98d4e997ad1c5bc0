//! One turn of a poll loop: the set of descriptors is made anew each time, from those that can make progress.

use crate::sys::clock::Instant;
use crate::sys::poll;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::BorrowedFd;

/// Slots of a turn: signals, the connection and three streams.
const SLOTS: usize = 5;

/// The descriptors that one turn waits for, each with its slot.
#[derive(Default)]
pub struct Watch<'f> {
    entries: heapless::Vec<PollFd<'f>, SLOTS>,
    slots: heapless::Vec<usize, SLOTS>,
}

/// What was ready, by slot.
pub struct Ready([PollFlags; SLOTS]);

impl<'f> Watch<'f> {
    /// A turn that waits for nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Waits for `events` on `fd` too; without any, for its other end to close. Each slot is used once, and is below
    /// `SLOTS`.
    pub fn add(&mut self, slot: usize, fd: BorrowedFd<'f>, events: PollFlags) {
        let _ = self.entries.push(PollFd::from_borrowed_fd(fd, events));
        let _ = self.slots.push(slot);
    }

    /// Waits until something is ready or the deadline has come.
    pub fn wait(mut self, deadline: Instant) -> Ready {
        poll::wait(&mut self.entries, deadline.remaining());
        let mut ready = [PollFlags::empty(); SLOTS];
        for (slot, entry) in self.slots.iter().zip(&self.entries) {
            ready[*slot] = entry.revents();
        }
        Ready(ready)
    }
}

impl Ready {
    /// What came for a slot; nothing for one that was not waited for.
    pub fn of(&self, slot: usize) -> PollFlags {
        self.0[slot]
    }
}
