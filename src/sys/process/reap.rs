//! Children that have ended or stopped.

use crate::exit::End;
use rustix::process::WaitOptions;

/// A child that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Its PID.
    pub pid: i32,
    /// How it ended.
    pub end: End,
}

/// What [`reap`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// This one has ended, and has been reaped.
    Ended(Reaped),
    /// The one with this PID was stopped by this signal.
    Stopped(i32, u8),
    /// There are some, all of them running.
    Running,
    /// There is none.
    None,
}

/// Reaps the next child that has ended or stopped, adopted ones included (waitpid(2)).
pub fn reap() -> Children {
    let (pid, status) = match rustix::process::wait(WaitOptions::NOHANG | WaitOptions::UNTRACED) {
        Ok(Some((pid, status))) => (pid.as_raw_nonzero().get(), status),
        Ok(None) => return Children::Running,
        Err(_) => return Children::None,
    };
    if let Some(signal) = status.stopping_signal() {
        return Children::Stopped(pid, byte(signal));
    }
    let end = match status.terminating_signal() {
        Some(signal) => End::Signal(byte(signal)),
        None => End::Code(byte(status.exit_status().unwrap_or(0))),
    };
    Children::Ended(Reaped { pid, end })
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
