//! Waiting until something can be read or written (poll(2)).

use super::{arch, number};
use core::marker::PhantomData;
use rustix::event::PollFlags;
use rustix::fd::{AsRawFd, BorrowedFd};

/// A descriptor to wait for: the kernel's `struct pollfd`, which is passed over where the number is negative.
#[repr(C)]
pub struct Entry<'f> {
    number: i32,
    wanted: PollFlags,
    ready: PollFlags,
    descriptor: PhantomData<BorrowedFd<'f>>,
}

impl<'f> Entry<'f> {
    /// Nothing to wait for.
    pub const NONE: Entry<'static> =
        Entry { number: -1, wanted: PollFlags::empty(), ready: PollFlags::empty(), descriptor: PhantomData };

    /// Waits for `wanted` on a descriptor; for none of them: only for its other end to go.
    pub fn new(fd: BorrowedFd<'f>, wanted: PollFlags) -> Entry<'f> {
        Entry { number: fd.as_raw_fd(), wanted, ..Entry::NONE }
    }

    /// What has come.
    pub fn ready(&self) -> PollFlags {
        self.ready
    }
}

/// Waits until something has come, so many milliseconds at most; `u64::MAX`: for ever. An interruption looks like the end of
/// that time, and 32 bits have room for 49 days: whoever waits in a loop asks again.
pub fn wait(entries: &mut [Entry<'_>], milliseconds: u64) {
    let is_endless = milliseconds == u64::MAX;
    let milliseconds = usize::try_from(milliseconds).unwrap_or(usize::MAX);
    let time = [milliseconds / 1000, milliseconds % 1000 * 1_000_000];
    // For no time at all the kernel sets no timer.
    let time = if is_endless { 0 } else { (&raw const time) as usize };
    // SAFETY: the kernel reads and writes the entries, whose number it is told, and reads the time, if there is one, as two
    // words: the call of this number is the older one where there are two, whose time has 32 bits on such machines.
    unsafe {
        arch::syscall6(number(libc::SYS_ppoll), [entries.as_mut_ptr() as usize, entries.len(), time, 0, 0, 0]);
    }
}

/// Whether this process may call ppoll(2) at all.
pub fn check() -> rustix::io::Result<()> {
    let time = [0_usize; 2];
    // SAFETY: there are no entries; the kernel reads the time, as two words.
    super::check(unsafe { arch::syscall6(number(libc::SYS_ppoll), [0, 0, (&raw const time) as usize, 0, 0, 0]) })
        .map(drop)
}

/// Whether one of `events` is there, or comes within so many milliseconds.
#[inline(never)]
pub fn is_ready(fd: BorrowedFd<'_>, events: PollFlags, milliseconds: u64) -> bool {
    let mut set = [Entry::new(fd, events)];
    wait(&mut set, milliseconds);
    !set[0].ready.is_empty()
}
