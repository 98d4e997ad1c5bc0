//! The kernel's side of the house: everything that needs `unsafe`, and the few system calls that rustix does not offer.
//!
//! What it exports is safe to call. It decides nothing: what to run, relay or report is its callers' business.
#![allow(unsafe_code)]

mod arch;
pub mod clock;
pub mod epoll;
pub mod fd;
pub mod poll;
pub mod process;
pub mod program;
pub mod signal;
pub mod socket;
pub mod statics;
pub mod terminal;
pub mod watch;

use rustix::io::Errno;

/// Fills the buffer, of 256 bytes at most, with random bytes fit for secrets (getrandom(2), which does not cut so few).
pub fn random(buffer: &mut [u8]) -> Result<(), Errno> {
    rustix::rand::getrandom(buffer, rustix::rand::GetRandomFlags::empty()).map(drop)
}

/// A system call's number as the architecture's table has it, in the register's type.
#[allow(clippy::cast_possible_truncation, reason = "the type is as wide as a register")]
const fn number(call: libc::c_long) -> usize {
    call.unsigned_abs() as usize
}

/// The kernel returns -4095 to -1 for an error (`include/linux/err.h`), and anything else as the result.
///
/// Descriptors, process numbers and lengths, which is what the calls here return, are no wider than 32 bits.
#[allow(clippy::cast_possible_truncation, reason = "see above")]
fn check(result: isize) -> Result<i32, Errno> {
    match result {
        -4095..=-1 => Err(Errno::from_raw_os_error(-result as i32)),
        value => Ok(value as i32),
    }
}

/// Makes a system call that takes three arguments at most. They come first, as they do in the registers.
///
/// # Safety
/// The arguments must be what that system call expects; pointers among them must be valid for its duration.
#[inline(never)]
unsafe fn call(first: usize, second: usize, third: usize, call: libc::c_long) -> Result<i32, Errno> {
    // SAFETY: the caller's promise.
    check(unsafe { arch::syscall(number(call), [first, second, third]) })
}
