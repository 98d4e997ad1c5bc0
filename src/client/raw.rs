//! The caller's terminal in raw mode: its own modes are kept here, so that every way out of the process restores them.

use crate::diag;
use crate::sys::process::at_exit;
use crate::sys::statics::Global;
use crate::sys::terminal::{Modes, get_modes, is_in_foreground, set_modes};
use rustix::fd::BorrowedFd;

/// The terminal that is raw, and its modes before that.
static SAVED: Global<Option<(BorrowedFd<'static>, Modes)>> = Global::new(None);

/// Makes the caller's terminal raw until [`restore`]. False where this process may not: a background job
/// leaves it alone.
pub(super) fn enter(fd: BorrowedFd<'static>) -> bool {
    if !is_in_foreground(fd) {
        return false;
    }
    if !is_raw() {
        let mut modes = Modes::default();
        if get_modes(fd, &mut modes).is_err() {
            return false;
        }
        modes.before_raw();
        SAVED.set(Some((fd, modes)));
        at_exit(restore);
        // A terminal in raw mode begins a new line below, not at the left.
        diag::set_line_end(b"\r\n");
    }
    let Some((_, mut modes)) = SAVED.get() else { return false };
    modes.make_raw();
    set_modes(fd, &modes).is_ok()
}

/// Whether a terminal is raw.
fn is_raw() -> bool {
    SAVED.get().is_some()
}

/// Restores the modes that the terminal had, unless it is another job's by now.
pub(super) fn restore() {
    if let Some((fd, modes)) = SAVED.get() {
        SAVED.set(None);
        diag::set_line_end(b"\n");
        if is_in_foreground(fd) {
            let _ = set_modes(fd, &modes);
        }
    }
}
