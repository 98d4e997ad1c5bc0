//! epoll(7), for what poll(2) cannot do: of several processes that wait for a connection, the kernel wakes only one; and
//! one process waits for a thousand connections, most of them silent. Everything else waits with poll(2).

use super::fd::own::OwnedFd;
use core::mem::MaybeUninit;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::{Errno, Result};

/// A set of descriptors to wait for, each known by a number. A child process needs one of its own: the process that has
/// made a set decides which one is woken, and whose signals a signalfd in it reports.
pub struct Set(OwnedFd);

impl Set {
    /// An empty set.
    pub fn new() -> Result<Set> {
        epoll::create(CreateFlags::CLOEXEC).map(Set)
    }

    /// Adds `fd`, known by `data`, to wait until it is readable. `alone`: waking one of several processes is enough
    /// (`EPOLLEXCLUSIVE`). Kernels before 4.5, and some that only resemble Linux, wake all of them.
    pub fn add(&self, fd: BorrowedFd<'_>, data: u64, alone: bool) -> Result<()> {
        let exclusive = if alone { EventFlags::EXCLUSIVE } else { EventFlags::empty() };
        match self.add_for(fd, data, EventFlags::IN | exclusive) {
            Err(Errno::INVAL) => self.add_for(fd, data, EventFlags::IN),
            result => result,
        }
    }

    /// Adds `fd`, known by `data`, to wait for bytes and for EOF. Each arrival is reported once (`EPOLLET`): bytes that
    /// are left unread are not reported again.
    pub fn add_for_arrivals(&self, fd: BorrowedFd<'_>, data: u64) -> Result<()> {
        self.add_for(fd, data, EventFlags::IN | EventFlags::RDHUP | EventFlags::ET)
    }

    fn add_for(&self, fd: BorrowedFd<'_>, data: u64, events: EventFlags) -> Result<()> {
        epoll::add(&self.0, fd, EventData::new_u64(data), events)
    }

    /// Removes `fd`. To be called before it is closed: as long as another process has the file open, closing alone does
    /// not remove it (epoll(7), question 6).
    pub fn remove(&self, fd: BorrowedFd<'_>) {
        let _ = epoll::delete(&self.0, fd);
    }

    /// Waits for so many milliseconds at most, without end if negative, and returns the number of one descriptor that is
    /// ready. `None` if the time is over or a signal has interrupted the wait.
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

/// Readable when one of its descriptors is ready.
impl AsFd for Set {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
