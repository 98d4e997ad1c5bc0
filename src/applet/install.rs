//! `--install`: puts this very program somewhere else, whole or not at all.

use crate::config::path::{self, Path};
use crate::diag::{self, Line};
use crate::sys::descriptor;
use crate::sys::process::exit;
use crate::sys::program::Program;
use crate::{add, exit, fail, limits, sys};
use core::ffi::CStr;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

/// The running program, also where it was reached through a link or deleted since (proc(5)).
const SELF: &CStr = c"/proc/self/exe";

/// The mode of an installed copy, whatever the umask.
const MODE: u32 = 0o755;

/// Installs at `target` and ends the process.
pub(super) fn main(program: &Program, target: &CStr) -> ! {
    let own = source(program);
    let result = if is_directory(target) { install_both(own, target) } else { install(own, target) };
    match result {
        Ok(()) => exit(exit::SUCCESS),
        Err(errno) => {
            let advice = advice(errno, "; give --install a writable volume");
            fail!(exit::FAILURE, "cannot install {}: {}{}", target, errno, advice)
        }
    }
}

/// What to do about a place where nothing can be made: another user's, read-only, or not there at all.
pub(super) fn advice(errno: Errno, closed: &'static str) -> &'static str {
    match errno {
        // EPERM where each may replace his own files only (a sticky directory, rename(2)).
        Errno::ROFS | Errno::ACCESS | Errno::PERM => closed,
        Errno::NOENT => "; make the directory, or mount a volume",
        _ => "",
    }
}

/// Installs the client in a directory, and the server beside it: the same file, where its file system has links.
fn install_both(own: &CStr, directory: &CStr) -> Result<()> {
    let (mut client, mut server) = (Path::new(), Path::new());
    client.join(directory.to_bytes(), b"k8psh")?;
    server.join(directory.to_bytes(), diag::SERVER)?;
    install(own, client.as_c_str())?;
    install(client.as_c_str(), server.as_c_str())
}

fn is_directory(path: &CStr) -> bool {
    rustix::fs::stat(path).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

/// Puts the program at `target`: written beside it, then renamed, so that nobody ever sees half of it and a copy that is
/// running there goes on.
fn install(own: &CStr, target: &CStr) -> Result<()> {
    let mut beside = Path::new();
    let beside = temporary(path::directory(target.to_bytes()), &mut beside)?;
    let result = link(own, beside).or_else(|_| copy(own, beside)).and_then(|()| rustix::fs::rename(beside, target));
    // Renaming one name of a file to another name of it does nothing and succeeds (rename(2)), so it may still be there.
    let _ = rustix::fs::unlink(beside);
    result
}

/// `path` becomes a name in the directory that is this process's alone: not by its number, since in a volume that several
/// containers have each of them is process 1. It has nothing of the target's, which may have the full length.
#[inline(never)]
pub(super) fn temporary<'p>(directory: &[u8], path: &'p mut Path) -> Result<&'p CStr> {
    let (mut number, mut name) = ([0; 4], Line::new());
    sys::random(&mut number)?;
    add!(&mut name, ".k8psh-{}", u32::from_ne_bytes(number));
    path.join(directory, name.bytes())?;
    Ok(path.as_c_str())
}

/// A hard link to the program; only to one that everybody may execute, as an installed one has to be.
fn link(source: &CStr, beside: &CStr) -> Result<()> {
    if rustix::fs::stat(source)?.st_mode & 0o777 != MODE {
        return Err(Errno::PERM);
    }
    rustix::fs::linkat(CWD, source, CWD, beside, AtFlags::SYMLINK_FOLLOW)
}

/// The program's file: by what the kernel keeps of it, or without /proc by the path that it was started by.
fn source(program: &Program) -> &'static CStr {
    let started = program.path.unwrap_or(SELF);
    if rustix::fs::stat(SELF).is_ok() { SELF } else { started }
}

/// A copy of the program. /proc/self/exe opens even when the file has no name any more.
fn copy(source: &CStr, beside: &CStr) -> Result<()> {
    let from = descriptor::open(source, OFlags::RDONLY, 0)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let to = descriptor::open(beside, flags, 0o600)?;
    while rustix::fs::sendfile(&to, &from, None, limits::FRAME)? > 0 {}
    rustix::fs::fchmod(&to, Mode::from_raw_mode(MODE))
}
