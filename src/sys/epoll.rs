//! Waiting for a connection beside other processes that wait for the same (epoll(7)), of which the kernel wakes one; and for
//! many connections at once, with which nothing is done until something comes. Everything else waits with poll(2).

use super::fd::own::OwnedFd;
use core::mem::MaybeUninit;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::{Errno, Result};

/// A set of descriptors to wait for, each known by a number. A child process needs one of its own: which process is woken,
/// and whose signals a signalfd reads, is decided by the process that made the set.
pub struct Set(OwnedFd);

impl Set {
    /// An empty one.
    pub fn new() -> Result<Set> {
        epoll::create(CreateFlags::CLOEXEC).map(Set)
    }

    /// Waits for data on `fd` too. `alone`: it is enough to wake one process for it. Kernels before 4.5, and some that only
    /// resemble Linux, wake all of them, one of which gets it.
    pub fn add(&self, fd: BorrowedFd<'_>, data: u64, alone: bool) -> Result<()> {
        let exclusive = if alone { EventFlags::EXCLUSIVE } else { EventFlags::empty() };
        match self.add_for(fd, data, EventFlags::IN | exclusive) {
            Err(Errno::INVAL) => self.add_for(fd, data, EventFlags::IN),
            result => result,
        }
    }

    /// Waits for data on `fd` too, and for its end. Each arrival is reported once: what is looked at and left where it is
    /// does not come up again by itself.
    pub fn add_for_arrivals(&self, fd: BorrowedFd<'_>, data: u64) -> Result<()> {
        self.add_for(fd, data, EventFlags::IN | EventFlags::RDHUP | EventFlags::ET)
    }

    fn add_for(&self, fd: BorrowedFd<'_>, data: u64, events: EventFlags) -> Result<()> {
        epoll::add(&self.0, fd, EventData::new_u64(data), events)
    }

    /// Waits for `fd` no more. Called before it is closed: where another process has the file open too, closing alone does
    /// not take it out (epoll(7), question 6).
    pub fn remove(&self, fd: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.0, fd);
    }

    /// Waits, so many milliseconds at most: the number of one descriptor that is ready. `None` where the time is over, or
    /// the wait was interrupted.
    pub fn wait(&self, milliseconds: i32) -> Option<u64> {
        self.wait_for_arrival(milliseconds).map(|(data, _)| data)
    }

    /// The same, and whether the other end has closed or shut down its sending side.
    pub fn wait_for_arrival(&self, milliseconds: i32) -> Option<(u64, bool)> {
        let milliseconds = i64::from(milliseconds);
        let time = Timespec { tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000 };
        // A negative time has no end.
        let time = (milliseconds >= 0).then_some(&time);
        let mut room = [MaybeUninit::<Event>::uninit()];
        let (events, _) = epoll::wait(&self.0, &mut room, time).ok()?;
        let event = events.first()?;
        let end = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        Some((event.data.u64(), { event.flags }.intersects(end)))
    }
}

/// It can be read where one of its descriptors is ready.
impl AsFd for Set {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
