//! System calls by hand, with rustix's errors.

use super::arch;
pub(super) use super::arch::{number, syscall, syscall6};
use rustix::io::Errno;

/// A descriptor, PID or flag as a system call takes it.
pub(super) fn word(number: i32) -> usize {
    (number as isize).cast_unsigned()
}

/// The kernel returns -4095 to -1 for an error (`include/linux/err.h`), and anything else as the result.
///
/// Descriptors, PIDs and lengths, which is what the calls here return, are no wider than 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "see above")]
pub(super) fn check(result: isize) -> Result<i32, Errno> {
    match result {
        -4095..=-1 => Err(Errno::from_raw_os_error(-result as i32)),
        value => Ok(value as i32),
    }
}

/// Makes a system call that takes three arguments at most.
///
/// # Safety
/// The arguments must be what that system call expects; pointers among them must be valid for its duration.
pub(super) unsafe fn call(first: usize, second: usize, third: usize, call: libc::c_long) -> Result<i32, Errno> {
    // SAFETY: the caller's promise.
    check(unsafe { arch::syscall(number(call), [first, second, third]) })
}
