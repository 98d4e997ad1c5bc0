//! What the kernel knows this process by: its IDs, its parent, its umask, its working directory.

use crate::sys::call::call;
use core::ffi::CStr;
use rustix::fs::Mode;
use rustix::io::{Errno, Result};
use rustix::process::Signal;

/// This process's PID.
pub fn id() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// This process's group (getpgid(2)); 0 where it is one from outside this process's PID namespace.
pub fn group() -> i32 {
    // Not rustix's, to which the kernel's 0, a group from outside this process's PID namespace, is a broken promise.
    // SAFETY: the call takes a number; 0 is this process, of which it cannot fail.
    unsafe { call(0, 0, 0, libc::SYS_getpgid).unwrap_or(0) }
}

/// Has this process receive `signal` when its parent ends (`PR_SET_PDEATHSIG`). False where `parent` is gone already.
pub fn follow_parent(parent: i32, signal: Signal) -> bool {
    let _ = rustix::process::set_parent_process_death_signal(Some(signal));
    // The parent may have ended before the call; then another process has become the parent.
    is_child_of(parent)
}

/// Whether `parent` is this process's parent. 0 stands for one outside this process's namespace.
pub fn is_child_of(parent: i32) -> bool {
    rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get()) == parent
}

/// This process's file mode creation mask, which can only be read by setting it (umask(2)).
pub fn umask() -> u32 {
    let mask = rustix::process::umask(Mode::empty());
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

/// Reads the working directory into `buffer`, and returns it without its NUL (getcwd(2)). `ERANGE` if the buffer is too
/// short, `ENOENT` if the directory has been removed or cannot be reached.
pub fn working_directory(buffer: &mut [u8]) -> Result<&[u8]> {
    // SAFETY: the kernel writes at most the length that it is told.
    let result = unsafe { call(buffer.as_mut_ptr() as usize, buffer.len(), 0, libc::SYS_getcwd) };
    result?;
    let path = CStr::from_bytes_until_nul(buffer).map_err(|_| Errno::RANGE)?.to_bytes();
    // A directory outside of this process's root is written without a leading slash (getcwd(3), "(unreachable)").
    if path.starts_with(b"/") { Ok(path) } else { Err(Errno::NOENT) }
}
