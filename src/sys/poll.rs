//! Waiting until something can be read or written (poll(2)).

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fd::BorrowedFd;

/// Waits until an entry is ready, for so many milliseconds at most; `u64::MAX`: without end. A signal can end it early,
/// so callers that wait in a loop check their deadlines themselves.
pub fn wait(entries: &mut [PollFd<'_>], milliseconds: u64) {
    let time = Timespec {
        tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(i64::MAX),
        tv_nsec: (milliseconds % 1000 * 1_000_000).cast_signed(),
    };
    // Without a time the kernel sets no timer.
    let time = (milliseconds != u64::MAX).then_some(&time);
    let _ = rustix::event::poll(entries, time);
}

/// Checks that this process may wait at all: a seccomp profile may deny poll(2).
pub fn check() -> rustix::io::Result<()> {
    rustix::event::poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).map(drop)
}

/// Whether one of `events` has come, or comes within so many milliseconds.
pub fn is_ready(fd: BorrowedFd<'_>, events: PollFlags, milliseconds: u64) -> bool {
    let mut set = [PollFd::from_borrowed_fd(fd, events)];
    wait(&mut set, milliseconds);
    !set[0].revents().is_empty()
}
