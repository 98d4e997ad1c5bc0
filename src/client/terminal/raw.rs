//! The caller's terminal in raw mode: its own modes are kept here, so that every way out of the process restores them.

use crate::diag;
use crate::protocol::Keys;
use crate::sys::fd;
use crate::sys::process::at_exit;
use crate::sys::statics::Global;
use crate::sys::terminal::{Modes, is_in_foreground, modes, set_modes};
use rustix::fd::BorrowedFd;
use rustix::fs::{FlockOperation, flock};

/// A terminal that is raw.
#[derive(Clone, Copy)]
struct Raw {
    fd: BorrowedFd<'static>,
    /// Its modes before that.
    before: Modes,
    /// The modes that it was given.
    given: Modes,
    /// The terminal by an open file of this process's own, where it could be opened: a lock on it says that one more has made
    /// it raw, and goes with the process.
    lock: Option<BorrowedFd<'static>>,
}

static RAW: Global<Option<Raw>> = Global::new(None);

/// Makes the caller's terminal raw until [`restore`], for a command that takes these keys. False where this process may not:
/// a background job leaves it alone.
pub(in crate::client) fn enter(fd: BorrowedFd<'static>, keys: Keys) -> bool {
    if !is_in_foreground(fd) {
        return false;
    }
    let Some(mut raw) = RAW.get().or_else(|| begin(fd)) else { return false };
    raw.given = raw.before;
    raw.given.make_raw(keys.is_verbatim(), keys.leaves_signals());
    RAW.set(Some(raw));
    // Where the terminal does not process its output, it begins a new line below, not at the left.
    diag::set_line_end(if keys.is_verbatim() { b"\r\n" } else { b"\n" });
    set_modes(fd, &raw.given).is_ok()
}

/// Notes the modes that the terminal has.
fn begin(fd: BorrowedFd<'static>) -> Option<Raw> {
    let mut before = modes(fd).ok()?;
    before.before_raw();
    let lock = own_file(fd);
    if let Some(lock) = lock {
        let _ = flock(lock, FlockOperation::NonBlockingLockShared);
    }
    at_exit(restore);
    Some(Raw { fd, before, given: before, lock })
}

/// The terminal by an open file of this process's own, which is opened once.
fn own_file(fd: BorrowedFd<'static>) -> Option<BorrowedFd<'static>> {
    static OWN: Global<Option<BorrowedFd<'static>>> = Global::new(None);
    OWN.set(OWN.get().or_else(|| fd::reopen_terminal(fd)));
    OWN.get()
}

/// Restores the modes that the terminal had. Not where it is another job's by now, or somebody else has set modes since,
/// or made it raw as well: then the last one restores them.
pub(in crate::client) fn restore() {
    let Some(raw) = RAW.get() else { return };
    RAW.set(None);
    diag::set_line_end(b"\n");
    let is_last = raw.lock.is_none_or(|lock| flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok());
    let is_unchanged = modes(raw.fd).is_ok_and(|modes| modes == raw.given);
    if is_last && is_unchanged && is_in_foreground(raw.fd) {
        let _ = set_modes(raw.fd, &raw.before);
    }
    if let Some(lock) = raw.lock {
        let _ = flock(lock, FlockOperation::NonBlockingUnlock);
    }
}
