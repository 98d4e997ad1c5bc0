//! One turn of a poll loop: the set is made anew each time, from what can make progress.

use crate::sys::poll::{self, Entry};
use crate::sys::time::Moment;
use rustix::event::PollFlags;
use rustix::fd::BorrowedFd;

/// Slots of a turn: signals, the connection and three streams.
const SLOTS: usize = 5;

/// Descriptors that one turn waits for, each known by its slot.
pub(super) struct Watch<'f>([Entry<'f>; SLOTS]);

/// What was ready, by slot.
pub(super) struct Ready([PollFlags; SLOTS]);

impl<'f> Watch<'f> {
    /// A turn that waits for nothing yet.
    pub(super) fn new() -> Self {
        Watch([Entry::NONE; SLOTS])
    }

    /// Waits for `events` on `fd` too; for none of them: only for its other end to go. Each slot is used once.
    #[inline(never)]
    pub(super) fn add(&mut self, slot: usize, fd: BorrowedFd<'f>, events: PollFlags) {
        self.0[slot] = Entry::new(fd, events);
    }

    /// Waits until something is ready or the deadline has come.
    pub(super) fn wait(mut self, deadline: Moment) -> Ready {
        poll::wait(&mut self.0, deadline.left());
        Ready(self.0.map(|entry| entry.ready()))
    }
}

impl Ready {
    /// What became of a slot; nothing for one that was not waited for.
    pub(super) fn of(&self, slot: usize) -> PollFlags {
        self.0[slot]
    }
}
