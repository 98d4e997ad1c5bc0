//! Waiting for a connection beside other processes that wait for the same (epoll(7)): the kernel wakes one of them.
//! Everything else waits with poll(2).

use super::descriptor::{Descriptor, word};
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
pub struct Set(Descriptor);

impl Set {
    /// An empty one.
    pub fn new() -> Result<Set> {
        // SAFETY: the call takes a flag; the new descriptor is nobody else's.
        let result = unsafe { arch::syscall(number(libc::SYS_epoll_create1), [word(libc::EPOLL_CLOEXEC), 0, 0]) };
        // SAFETY: as above.
        unsafe { Descriptor::new(result) }.map(Set)
    }

    /// Waits for data on `fd` too. `alone`: one process is enough for it. Kernels before 4.5 and some that only look like
    /// Linux wake all of them, of which one finds it.
    pub fn add(&self, fd: BorrowedFd<'_>, data: u64, alone: bool) -> Result<()> {
        let exclusive = if alone { libc::EPOLLEXCLUSIVE } else { 0 };
        match self.control(fd, &Event { events: libc::EPOLLIN | exclusive, data }) {
            Err(Errno::INVAL) => self.control(fd, &Event { events: libc::EPOLLIN, data }),
            result => result,
        }
    }

    fn control(&self, fd: BorrowedFd<'_>, event: &Event) -> Result<()> {
        let fd = word(fd.as_raw_fd());
        let arguments = [self.number(), word(libc::EPOLL_CTL_ADD), fd, core::ptr::from_ref(event) as usize, 0, 0];
        // SAFETY: the kernel reads one event.
        check(unsafe { arch::syscall6(number(libc::SYS_epoll_ctl), arguments) }).map(drop)
    }

    /// Waits, so many milliseconds at most: the number of one descriptor that is ready. `None` where the time is over, or
    /// the wait was interrupted.
    pub fn wait(&self, milliseconds: i32) -> Option<u64> {
        let mut event = Event { events: 0, data: 0 };
        let place = (&raw mut event) as usize;
        // SAFETY: the kernel writes one event at the most.
        let result = unsafe {
            arch::syscall6(number(libc::SYS_epoll_pwait), [self.number(), place, 1, word(milliseconds), 0, 0])
        };
        (result == 1).then_some(event.data)
    }

    fn number(&self) -> usize {
        word(self.0.as_fd().as_raw_fd())
    }
}
