//! Waiting for a connection beside other processes that wait for the same (epoll(7)), of which the kernel wakes one; and for
//! many connections at once, with which nothing is done until something comes. Everything else waits with poll(2).

use super::fd::{OwnedFd, owned, word};
use super::{arch, check, number};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::io::{Errno, Result};

/// `struct epoll_event`, which only x86_64 packs, to be like i386 (`include/uapi/linux/eventpoll.h`).
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
struct Event {
    events: i32,
    data: u64,
}

/// A set of descriptors to wait for, each known by a number. A child process needs one of its own: who is woken, and whose
/// signals a signal descriptor tells, is whose that made the set.
pub struct Set(OwnedFd);

impl Set {
    /// An empty one.
    pub fn new() -> Result<Set> {
        // SAFETY: the call takes a flag; the new descriptor is nobody else's.
        let result = unsafe { arch::syscall(number(libc::SYS_epoll_create1), [word(libc::EPOLL_CLOEXEC), 0, 0]) };
        // SAFETY: as above.
        unsafe { owned(result) }.map(Set)
    }

    /// Waits for data on `fd` too. `alone`: one process is enough for it. Kernels before 4.5 and some that only look like
    /// Linux wake all of them, of which one finds it.
    pub fn add(&self, fd: BorrowedFd<'_>, data: u64, alone: bool) -> Result<()> {
        let exclusive = if alone { libc::EPOLLEXCLUSIVE } else { 0 };
        match self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN | exclusive, data) {
            Err(Errno::INVAL) => self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN, data),
            result => result,
        }
    }

    /// Waits for data on `fd` too, and for its end. Each arrival is told once: what is looked at and left where it is does
    /// not come up again by itself.
    pub fn add_for_arrivals(&self, fd: BorrowedFd<'_>, data: u64) -> Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET, data)
    }

    /// Waits for `fd` no more. To be done before it is closed: where a copy of this process has it too, that alone does not
    /// take it out (epoll(7), question 6).
    pub fn remove(&self, fd: BorrowedFd<'_>) {
        let _ = self.control(libc::EPOLL_CTL_DEL, fd, 0, 0);
    }

    fn control(&self, operation: i32, fd: BorrowedFd<'_>, events: i32, data: u64) -> Result<()> {
        let event = Event { events, data };
        let fd = word(fd.as_raw_fd());
        let arguments = [self.number(), word(operation), fd, (&raw const event) as usize, 0, 0];
        // SAFETY: the kernel reads one event.
        check(unsafe { arch::syscall6(number(libc::SYS_epoll_ctl), arguments) }).map(drop)
    }

    /// Waits, so many milliseconds at most: the number of one descriptor that is ready. `None` where the time is over, or
    /// the wait was interrupted.
    pub fn wait(&self, milliseconds: i32) -> Option<u64> {
        self.wait_for_arrival(milliseconds).map(|(data, _)| data)
    }

    /// The same, and whether its other end sends no more.
    pub fn wait_for_arrival(&self, milliseconds: i32) -> Option<(u64, bool)> {
        let mut event = Event { events: 0, data: 0 };
        let place = (&raw mut event) as usize;
        // SAFETY: the kernel writes one event at the most.
        let result = unsafe {
            arch::syscall6(number(libc::SYS_epoll_pwait), [self.number(), place, 1, word(milliseconds), 0, 0])
        };
        let has_ended = event.events & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) != 0;
        (result == 1).then_some((event.data, has_ended))
    }

    fn number(&self) -> usize {
        word(self.0.as_fd().as_raw_fd())
    }
}

/// It can be read where one of its descriptors is ready.
impl AsFd for Set {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
