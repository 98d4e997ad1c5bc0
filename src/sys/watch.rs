//! One turn of a poll loop: the set is made anew each time, from what can make progress.

use crate::sys::clock::Instant;
use crate::sys::poll::{self, Entry};
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;

/// Slots of a turn: signals, the connection and three streams.
const SLOTS: usize = 5;

/// Descriptors that one turn waits for, each known by its slot.
pub struct Watch<'f>([Entry<'f>; SLOTS]);

/// What was ready, by slot.
pub struct Ready([PollFlags; SLOTS]);

impl<'f> Watch<'f> {
    /// A turn that waits for nothing yet.
    pub fn new() -> Self {
        Watch([Entry::NONE; SLOTS])
    }

    /// Waits for `events` on `fd` too; for none of them: only for its other end to go. Each slot is used once.
    #[inline(never)]
    pub fn add(&mut self, slot: usize, fd: BorrowedFd<'f>, events: PollFlags) {
        self.0[slot] = Entry::new(fd, events);
    }

    /// Waits until something is ready or the deadline has come.
    pub fn wait(mut self, deadline: Instant) -> Ready {
        poll::wait(&mut self.0, deadline.remaining());
        Ready(self.0.map(|entry| entry.ready()))
    }
}

impl Ready {
    /// What became of a slot; nothing for one that was not waited for.
    pub fn of(&self, slot: usize) -> PollFlags {
        self.0[slot]
    }
}
