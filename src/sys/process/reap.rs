//! Children that have ended or stopped.

use crate::exit::End;
use rustix::io::Errno;
use rustix::process::{WaitOptions, WaitStatus};

/// A child that changed: what a reaper learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Whose child.
    pub pid: i32,
    /// How it ended.
    pub end: End,
}

/// What [`reap`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// One has ended, and is no more.
    Ended(Reaped),
    /// One was stopped by this signal.
    Stopped(i32, u8),
    /// There are some, all of them running.
    Running,
    /// There is none.
    None,
}

/// Takes the next child that has ended or stopped (waitpid(2)), adopted ones included.
pub fn reap() -> Children {
    let (pid, status) = match rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
        Ok(Some((pid, status))) => (pid.as_raw_nonzero().get(), status),
        Ok(None) => return Children::Running,
        Err(_) => return Children::None,
    };
    match status.stopping_signal() {
        Some(signal) => Children::Stopped(pid, byte(signal)),
        None => Children::Ended(Reaped { pid, end: end_of(status) }),
    }
}

/// Waits until a child has ended: how. `None`: there is none.
pub fn wait() -> Option<End> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((_, status))) => return Some(end_of(status)),
            Err(Errno::INTR) => {}
            _ => return None,
        }
    }
}

/// How a child has ended that is not stopped.
fn end_of(status: WaitStatus) -> End {
    match status.terminating_signal() {
        Some(signal) => End::Signal(byte(signal)),
        None => End::Code(byte(status.exit_status().unwrap_or(0))),
    }
}

/// A signal or exit code, of which waitpid(2) has no more than 8 bits.
fn byte(value: i32) -> u8 {
    value.to_le_bytes()[0]
}

/// Makes this process the one that its orphaned descendants fall to (`PR_SET_CHILD_SUBREAPER`, prctl(2)), so that they
/// can be found and ended.
pub fn adopt_orphans() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}
