//! Files and their paths: read whole, made under a name that nobody else has, and what to do where neither works.

pub mod path;

use crate::sys::{self, fd, process};
use crate::text::line::Line;
use crate::{add, limits};
use core::ffi::CStr;
use path::Path;
use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, Result};

/// A file's content, as much as the buffer holds: one byte more than a limit shows that there is more.
pub fn read<'b>(file: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8]> {
    // Without NONBLOCK, opening a FIFO would wait for a writer.
    let file = fd::open(file, OFlags::RDONLY | OFlags::NONBLOCK, 0)?;
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR),
        _ => return Err(Errno::INVAL),
    }
    let mut length = 0;
    while length < buffer.len() {
        match fd::read(&file, &mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(&buffer[..length])
}

/// Has `path` be this one, seen from the working directory where it is relative.
pub fn make_absolute(path: &mut Path, of: &[u8]) -> Result<()> {
    let mut here = [0; limits::PATH];
    // Where it is not needed, it may be missing.
    let here = if of.starts_with(b"/") { b"" } else { process::working_directory(&mut here)? };
    path.join(here, of)
}

/// What to do about a place where nothing can be made: another user's, read-only, or not there at all.
pub fn advice(errno: Errno, closed: &'static str) -> &'static str {
    match errno {
        // EPERM where each may replace his own files only (a sticky directory, rename(2)).
        Errno::ROFS | Errno::ACCESS | Errno::PERM => closed,
        Errno::NOENT => "; make the directory, or mount a volume",
        _ => "",
    }
}

/// `path` becomes a name in the directory that is this process's alone: not by its number, since in a volume that several
/// containers have each of them is process 1. It has nothing of the target's, which may have the full length.
pub fn temporary<'p>(directory: &[u8], path: &'p mut Path) -> Result<&'p CStr> {
    let (mut number, mut name) = ([0; 4], Line::new());
    sys::random(&mut number)?;
    add!(&mut name, ".k8psh-{}", u32::from_ne_bytes(number));
    path.join(directory, name.bytes())?;
    Ok(path.as_c_str())
}
