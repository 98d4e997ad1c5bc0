//! The kernel's side: all that is `unsafe`, and the system calls that rustix does not offer.
//!
//! What it exports is safe to call. It decides nothing: what to run, relay or report, and the names, times and codes for
//! it, come from its callers.
//!
//! What stays by hand, and why:
//!
//! | call | reason |
//! | ---- | ------ |
//! | `clone` | rustix has no fork, and no clone onto another stack |
//! | `execve`, `exit_group` | rustix keeps them for implementations of a C library, as unstable |
//! | `rt_sigaction`, `rt_sigprocmask` | the same |
//! | `signalfd4` | rustix does not have it |
//! | `kill` | rustix has names for signals 1 to 31 alone |
//! | `close_range` | rustix does not have it |
//! | `close` of a number | rustix asserts in a debug build that the number was open |
//! | `getsockopt` for `TCP_INFO` | rustix does not have it |
//! | `getsockopt` for `SO_PEERCRED` | the PID of a process outside of this PID namespace is 0, which rustix's type excludes |
//! | `getpgid` | the same, for the group that this process was started in |
//! | `getcwd` | rustix's needs an allocator |
//! | `clock_gettime` | rustix's reads the clock through the vDSO, which has to be found first: more code and time than the few calls of a process take |
//! | ioctl requests `TCGETS`, `TCSETS` | rustix's structure has speeds in it; a client's modes go over the wire as the kernel's older one |
#![allow(unsafe_code)]

mod arch;
mod call;
pub mod clock;
pub mod epoll;
pub mod fd;
pub mod poll;
pub mod process;
pub mod program;
mod random;
pub mod signal;
pub mod socket;
pub mod statics;
pub mod terminal;
pub mod watch;

pub use random::random;
