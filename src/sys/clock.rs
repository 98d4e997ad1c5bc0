//! Clocks, read by system calls and not through the vDSO: a process reads them only a few times, and finding the vDSO
//! would cost more.

use super::call::{number, syscall};

/// Reads a clock (clock_gettime(2)), in milliseconds.
fn read(clock: libc::clockid_t) -> u64 {
    // The kernel's 64-bit pair, on the architectures of 32 bits as well.
    let mut time = [0_u64; 2];
    // SAFETY: `time` is the two 64-bit words that the call writes.
    let result = unsafe { ask(CLOCK_GETTIME, clock, (&raw mut time) as usize) };
    if cfg!(target_pointer_width = "32") && result != 0 {
        time = read_narrow(clock);
    }
    time[0] * 1000 + time[1] / 1_000_000
}

/// The call that writes 64-bit words: another one on the architectures of 32 bits, and of one number on all of them
/// (`scripts/syscall.tbl`).
const CLOCK_GETTIME: usize = if cfg!(target_pointer_width = "32") { 403 } else { number(libc::SYS_clock_gettime) };

/// Reads a clock as 32-bit words, for 32-bit kernels before 5.1 and seccomp profiles that do not know the newer call.
fn read_narrow(clock: libc::clockid_t) -> [u64; 2] {
    let mut time = [0_u32; 2];
    // SAFETY: `time` is the two 32-bit words that this call writes where a register has 32 bits; elsewhere this function
    // is not called.
    unsafe { ask(number(libc::SYS_clock_gettime), clock, (&raw mut time) as usize) };
    time.map(u64::from)
}

/// Makes a call that writes a clock's value at an address.
///
/// # Safety
/// `to` is the address of what the call writes.
unsafe fn ask(call: usize, clock: libc::clockid_t, to: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { syscall(call, [clock.unsigned_abs() as usize, to, 0]) }
}

/// An instant of a clock that never steps back, in milliseconds since some fixed point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// An instant that never comes.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// An instant before all others.
    pub const PAST: Instant = Instant(0);

    /// The present instant.
    pub fn now() -> Instant {
        Instant(read(libc::CLOCK_MONOTONIC))
    }

    /// The instant so many milliseconds from now.
    #[inline(never)] // A call takes less code at each of its many places.
    pub fn after(milliseconds: u64) -> Instant {
        Instant::now().plus(milliseconds)
    }

    /// The instant so many milliseconds after this one.
    pub fn plus(self, milliseconds: u64) -> Instant {
        Instant(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds since this one.
    pub fn elapsed(self) -> u64 {
        Instant::now().0.saturating_sub(self.0)
    }

    /// Milliseconds until this one; 0 if it is past, and `u64::MAX` for [`Instant::NEVER`], without reading the clock.
    pub fn remaining(self) -> u64 {
        if self == Instant::NEVER { u64::MAX } else { self.0.saturating_sub(Instant::now().0) }
    }
}

/// The wall clock: milliseconds since 1970, UTC.
pub fn wall() -> u64 {
    read(libc::CLOCK_REALTIME)
}
