//! Clocks. Called directly, not through the vDSO: it is read a few times a call, and finding the vDSO would cost more.

use super::{arch, number};

/// Reads a clock (clock_gettime(2)) as seconds and nanoseconds.
fn read(clock: libc::clockid_t) -> (u64, u32) {
    // The kernel's 64-bit pair on every architecture of 64 bits.
    let mut time = [0_u64; 2];
    // SAFETY: `time` is the two 64-bit words that the call writes.
    unsafe {
        arch::syscall(
            number(libc::SYS_clock_gettime),
            [clock.unsigned_abs() as usize, (&raw mut time) as usize, 0, 0, 0, 0],
        );
    }
    (time[0], u32::try_from(time[1]).unwrap_or(0))
}

/// A moment, in milliseconds since some fixed point; it never steps back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// The present one.
    pub fn now() -> Moment {
        let (seconds, nanoseconds) = read(libc::CLOCK_MONOTONIC);
        Moment(seconds * 1000 + u64::from(nanoseconds / 1_000_000))
    }

    /// The one `milliseconds` later.
    #[must_use]
    pub fn after(self, milliseconds: u64) -> Moment {
        Moment(self.0.saturating_add(milliseconds))
    }

    /// Milliseconds from `now` until this one; 0 when it is past.
    pub fn left(self, now: Moment) -> u64 {
        self.0.saturating_sub(now.0)
    }
}

/// The wall clock: seconds since 1970, UTC, and milliseconds.
pub fn wall() -> (u64, u32) {
    let (seconds, nanoseconds) = read(libc::CLOCK_REALTIME);
    (seconds, nanoseconds / 1_000_000)
}
