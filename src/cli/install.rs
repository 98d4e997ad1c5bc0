//! `--install`: installs this program at another place, completely or not at all. Replaces nothing but files and symlinks.

use crate::diag::Reported;
use crate::files::path::{self, Path};
use crate::files::{advice, temporary};
use crate::sys::fd;
use crate::sys::program::Program;
use crate::text::name;
use crate::{limits, reported, text};
use core::ffi::CStr;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::{Errno, Result};

/// The running program, even if it was started by a link or has been deleted since (proc(5)).
const SELF: &CStr = c"/proc/self/exe";

/// The mode of an installed copy, whatever the umask.
const MODE: u32 = 0o755;

/// Installs at `target`.
pub(super) fn run(program: &Program, target: &CStr) -> core::result::Result<(), Reported> {
    let own = source(program);
    if !is_directory(target) {
        return install(own, target);
    }
    // The client in a directory, and the server beside it: the same file, where its file system has links.
    let (mut client, mut server) = (Path::new(), Path::new());
    for (path, name) in [(&mut client, name::PROGRAM), (&mut server, name::SERVER)] {
        path.join(target.to_bytes(), name).map_err(|errno| failed(target, errno))?;
        check(path.as_c_str())?;
    }
    install(own, client.as_c_str())?;
    install(client.as_c_str(), server.as_c_str())
}

/// Reports why nothing could be installed there, and what to do.
fn failed(target: &CStr, errno: Errno) -> Reported {
    reported!("cannot install {}: {}{}", target, errno, advice(errno, text!("; give --install a writable volume")))
}

/// Checks that nothing is at `target` but what may be replaced. A device or FIFO that is gone would be missed.
fn check(target: &CStr) -> core::result::Result<(), Reported> {
    let Ok(status) = rustix::fs::lstat(target) else { return Ok(()) };
    let what = match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile | FileType::Symlink => return Ok(()),
        FileType::Directory => text!("directory"),
        FileType::Fifo => text!("FIFO"),
        FileType::Socket => text!("socket"),
        _ => text!("device"),
    };
    Err(reported!("cannot install {}: it is a {}, which --install leaves alone", target, what))
}

/// Installs at a path, which is no directory's.
fn install(own: &CStr, target: &CStr) -> core::result::Result<(), Reported> {
    check(target)?;
    replace(own, target).map_err(|errno| failed(target, errno))
}

fn is_directory(path: &CStr) -> bool {
    rustix::fs::stat(path).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::Directory)
}

/// Puts the program at `target`: written beside it, then renamed, so that half of it is never seen there, and a copy that
/// is running goes on.
fn replace(own: &CStr, target: &CStr) -> Result<()> {
    let mut beside = Path::new();
    let beside = temporary(path::directory(target.to_bytes()), &mut beside)?;
    let result = link(own, beside).or_else(|_| copy(own, beside)).and_then(|()| rustix::fs::rename(beside, target));
    // Renaming one name of a file to another name of it does nothing and succeeds (rename(2)), so it may still be there.
    let _ = rustix::fs::unlink(beside);
    result
}

/// A hard link to the program, if that has the mode of an installed one; `EPERM` otherwise.
fn link(source: &CStr, beside: &CStr) -> Result<()> {
    if rustix::fs::stat(source)?.st_mode & 0o777 != MODE {
        return Err(Errno::PERM);
    }
    rustix::fs::linkat(CWD, source, CWD, beside, AtFlags::SYMLINK_FOLLOW)
}

/// The program's file: by the kernel's link to it, or without /proc by the path that it was started by.
fn source(program: &Program) -> &'static CStr {
    let started = program.path.unwrap_or(SELF);
    if rustix::fs::stat(SELF).is_ok() { SELF } else { started }
}

/// A copy of the program. /proc/self/exe opens even when the file has no name any more.
fn copy(source: &CStr, beside: &CStr) -> Result<()> {
    let from = fd::open(source, OFlags::RDONLY, 0)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let to = fd::open(beside, flags, 0o600)?;
    while rustix::fs::sendfile(&to, &from, None, limits::FRAME)? > 0 {}
    rustix::fs::fchmod(&to, Mode::from_raw_mode(MODE))
}
