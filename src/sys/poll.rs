//! Waiting until something can be read or written (poll(2)).

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::BorrowedFd;

/// Waits until something has come, for so many milliseconds at most; `u64::MAX`: without end. It may return before that
/// without anything having come, by a signal: callers that wait in a loop look at their deadlines themselves.
pub fn wait(entries: &mut [PollFd<'_>], milliseconds: u64) {
    let time = Timespec {
        tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX),
        tv_nsec: (milliseconds % 1000 * 1_000_000).cast_signed(),
    };
    // Without a time the kernel sets no timer.
    let time = (milliseconds != u64::MAX).then_some(&time);
    let _ = rustix::event::poll(entries, time);
}

/// Whether this process may wait at all: a seccomp profile may deny it.
pub fn check() -> rustix::io::Result<()> {
    rustix::event::poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).map(drop)
}

/// Whether one of `events` is there, or comes within so many milliseconds.
pub fn is_ready(fd: BorrowedFd<'_>, events: PollFlags, milliseconds: u64) -> bool {
    let mut set = [PollFd::from_borrowed_fd(fd, events)];
    wait(&mut set, milliseconds);
    !set[0].revents().is_empty()
}
