//! Replacing this program by another one (execve(2)), which is looked for as shells look for it.

use super::argv::Vector;
use crate::limits;
use crate::sys::call::call;
use core::ffi::{CStr, c_char};
use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;

/// Why a program could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecError {
    /// The kernel's reason.
    pub errno: Errno,
    /// Whether the file is there.
    pub exists: bool,
}

/// Replaces this program by `program`: a path, or a name that is looked up in the directories of `search`, which has `:`
/// between them. Returns only the error.
pub fn execute(program: &CStr, search: &[u8], arguments: &mut Vector<'_>, environment: &Vector<'_>) -> ExecError {
    let name = program.to_bytes();
    // Not by `contains`, which comes with a search that is made for long texts.
    if name.iter().position(|byte| *byte == b'/').is_some() {
        let errno = execute_path(program, arguments, environment);
        let exists = || rustix::fs::accessat(rustix::fs::CWD, program, Access::EXISTS, AtFlags::empty()).is_ok();
        // ENOENT can mean the file's interpreter, and ENOTDIR that the path leads through a file.
        return ExecError { errno, exists: errno != Errno::NOTDIR && (errno != Errno::NOENT || exists()) };
    }
    let mut error = ExecError { errno: Errno::NOENT, exists: false };
    for directory in search.split(|byte| *byte == b':') {
        let mut buffer = heapless::Vec::new();
        let Some(path) = join(directory, name, &mut buffer) else { continue };
        // Like execvp(3): a file that may not be executed does not end the search, but is remembered.
        match execute_path(path, arguments, environment) {
            Errno::NOENT | Errno::NOTDIR => {}
            errno => error = ExecError { errno, exists: true },
        }
        if error.exists && error.errno != Errno::ACCESS {
            break;
        }
    }
    error
}

/// `directory/name`, or `./name` for an empty directory; `None` where it is too long for a path.
fn join<'b>(directory: &[u8], name: &[u8], path: &'b mut heapless::Vec<u8, { limits::PATH }>) -> Option<&'b CStr> {
    path.extend_from_slice(if directory.is_empty() { b"." } else { directory }).ok()?;
    path.extend_from_slice(b"/").ok()?;
    path.extend_from_slice(name).ok()?;
    path.push(0).ok()?;
    CStr::from_bytes_until_nul(path).ok()
}

/// Replaces this program by the file `path`; a text without `#!` is given to the shell, as execvp(3) and every shell do.
fn execute_path(path: &CStr, arguments: &mut Vector<'_>, environment: &Vector<'_>) -> Errno {
    let errno = execve(path, arguments.as_ptr(), environment.as_ptr());
    if errno == Errno::NOEXEC {
        // If this fails too, the first error is the more useful one.
        execve(SHELL, arguments.as_script(SHELL, path), environment.as_ptr());
    }
    errno
}

/// What runs a text that names no interpreter.
const SHELL: &CStr = c"/bin/sh";

/// execve(2), which returns only its error.
fn execve(path: &CStr, arguments: *const *const c_char, environment: *const *const c_char) -> Errno {
    // SAFETY: both lists are a `Vector`'s: pointers to strings that outlive it, or to `path`, which outlives the call,
    // and a null pointer at the end.
    let result = unsafe { call(path.as_ptr() as usize, arguments as usize, environment as usize, libc::SYS_execve) };
    result.err().unwrap_or(Errno::NOEXEC)
}
