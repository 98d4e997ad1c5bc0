//! Clocks. Called directly, not through the vDSO: it is read a few times a call, and finding the vDSO would cost more.

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

/// The clock as a 32-bit kernel before 5.1 tells it, and one whose container may make only the calls that are older.
fn read_narrow(clock: libc::clockid_t) -> [u64; 2] {
    let mut time = [0_u32; 2];
    // SAFETY: `time` is the two 32-bit words that this call writes where a register has 32 bits; elsewhere nobody calls
    // this function.
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

/// A moment, in milliseconds since some fixed point; it never steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// One that does not come.
    pub const NEVER: Instant = Instant(u64::MAX);

    /// One that has been.
    pub const PAST: Instant = Instant(0);

    /// The present one.
    pub fn now() -> Instant {
        Instant(read(libc::CLOCK_MONOTONIC))
    }

    /// The one so many milliseconds from now.
    pub fn after(milliseconds: u64) -> Instant {
        Instant::now().plus(milliseconds)
    }

    /// The one so many milliseconds after this.
    pub fn plus(self, milliseconds: u64) -> Instant {
        Instant(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds since this one.
    pub fn elapsed(self) -> u64 {
        Instant::now().0.saturating_sub(self.0)
    }

    /// Milliseconds until this one; 0 when it is past. The clock is not asked about [`Instant::NEVER`].
    pub fn remaining(self) -> u64 {
        if self == Instant::NEVER { u64::MAX } else { self.0.saturating_sub(Instant::now().0) }
    }
}

/// The wall clock: milliseconds since 1970, UTC.
pub fn wall() -> u64 {
    read(libc::CLOCK_REALTIME)
}
