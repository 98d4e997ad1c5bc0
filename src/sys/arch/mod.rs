//! What differs between processors: the system call instruction, and a clone that starts its child on another stack.
//!
//! Each file has the same two functions, so that nothing above this module names a processor.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(super) use aarch64::{clone_onto, syscall};
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::{clone_onto, syscall};
