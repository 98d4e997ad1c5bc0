//! Why a command does not run, and what its stub exits with.

use crate::sys::process::ExecError;
use crate::text::bytes::has;
use crate::text::line::Line;
use crate::{add, exit};
use core::ffi::CStr;
use rustix::io::Errno;

/// Where a bare name is looked for when the command got no `PATH`.
pub const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// A command that does not run: the exit code of its stub. The reason is in the line that was passed along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u8);

/// Says why k8psh itself cannot run a command: a text and its parts, added to a line.
macro_rules! unavailable {
    ($reason:expr, $($part:expr),* $(,)?) => {{
        $crate::add!($reason, $($part),*);
        $crate::session::command::refusal::Refused($crate::exit::UNAVAILABLE)
    }};
}

pub(super) use unavailable;

/// Adds to `reason` why the program could not be started. `search` is where a bare name was looked for.
pub fn explain(error: ExecError, program: &CStr, search: &[u8], reason: &mut Line) -> Refused {
    let ExecError { errno, exists } = error;
    if !exists && !has(program.to_bytes(), b'/') {
        add!(reason, "{}: not found in PATH={}", program, search);
        return Refused(exit::NOT_FOUND);
    }
    add!(reason, "{}: {}", program, errno);
    if matches!(errno, Errno::AGAIN | Errno::NOMEM | Errno::NFILE | Errno::MFILE) {
        // This process is short of something, which is not the program's fault.
        return unavailable!(reason, "; is a limit too low?");
    }
    if !exists {
        return Refused(exit::NOT_FOUND);
    }
    // The file is there, so what the kernel did not find is what the file names.
    if errno == Errno::NOENT {
        add!(reason, " (its interpreter or loader)");
    }
    Refused(exit::NOT_EXECUTABLE)
}
