//! Files and their paths: reads whole files, makes temporary names, and has advice for errors.

pub mod path;

use crate::sys::{self, fd, process};
use crate::text::line::{Line, Part, Show};
use crate::text::packed::Text;
use crate::{add, limits, text};
use core::ffi::CStr;
use path::Path;
use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, Result};

/// Reads a regular file, as much as the buffer holds: a buffer of one byte more than a limit shows whether the file is
/// too large. `EISDIR` for a directory, `EINVAL` for any other kind of file.
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

/// Why [`read`] has failed.
pub fn why(errno: &Errno) -> Part<'_> {
    match *errno {
        Errno::INVAL => "not a regular file".part(),
        errno => Part::Errno(errno),
    }
}

/// Sets `path` to `of`, as seen from the working directory if it is relative.
pub fn make_absolute(path: &mut Path, of: &[u8]) -> Result<()> {
    let mut here = [0; limits::PATH];
    // An absolute path does not need the working directory, which may have been removed.
    let here = if of.starts_with(b"/") { b"" } else { process::working_directory(&mut here)? };
    path.join(here, of)
}

/// What to do if a file cannot be made because of this error: `closed` for a place that is read-only or another user's;
/// empty if there is no advice.
pub fn advice(errno: Errno, closed: Text) -> Text {
    match errno {
        // EPERM: in a sticky directory, users may replace only their own files (rename(2)).
        Errno::ROFS | Errno::ACCESS | Errno::PERM => closed,
        Errno::NOENT => text!("; make the directory, or mount a volume"),
        _ => Text::EMPTY,
    }
}

/// Sets `path` to a random name in the directory. The PID would not make it unique: containers that share a volume may
/// all run as PID 1. The target's name is not part of it, since that may have the full length.
pub fn temporary<'p>(directory: &[u8], path: &'p mut Path) -> Result<&'p CStr> {
    let (mut number, mut name) = ([0; 4], Line::new());
    sys::random(&mut number)?;
    add!(&mut name, ".k8psh-{}", u32::from_ne_bytes(number));
    path.join(directory, name.bytes())?;
    Ok(path.as_c_str())
}
