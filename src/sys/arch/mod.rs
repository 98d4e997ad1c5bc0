//! What differs between processors: the system call instruction, and a clone that starts its child on another stack.
//!
//! Each file has the same functions, so that nothing above this module names a processor.

#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "arm", path = "arm.rs")]
#[cfg_attr(target_arch = "powerpc64", path = "powerpc64.rs")]
#[cfg_attr(target_arch = "riscv64", path = "riscv64.rs")]
#[cfg_attr(target_arch = "s390x", path = "s390x.rs")]
#[cfg_attr(target_arch = "x86", path = "x86.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod processor;

mod number;

pub(super) use number::number;
#[cfg(target_arch = "x86_64")]
pub(super) use processor::syscall;
pub(super) use processor::{clone_onto, syscall6};

/// Makes system call `number`, which takes three arguments at most, and returns the kernel's raw result. (x86_64, where bytes
/// are counted, leaves the other registers as they are.)
///
/// # Safety
/// As for [`syscall6`].
#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn syscall(number: usize, arguments: [usize; 3]) -> isize {
    let [a, b, c] = arguments;
    // SAFETY: the caller's promise; a call ignores arguments that it does not take.
    unsafe { syscall6(number, [a, b, c, 0, 0, 0]) }
}

/// The arguments of clone(2) for these flags and this end of a stack, 0 for the parent's. Only s390x has them the other
/// way round (`CONFIG_CLONE_BACKWARDS2`). The other arguments, whose order differs more, are never used here.
pub(super) const fn clone_arguments(flags: usize, stack: usize) -> [usize; 6] {
    if cfg!(target_arch = "s390x") { [stack, flags, 0, 0, 0, 0] } else { [flags, stack, 0, 0, 0, 0] }
}
