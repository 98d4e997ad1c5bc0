//! What /proc shows of processes (proc(5)).

use super::ids::id;
use crate::sys::fd::own::{OwnedFd, open, open_at, read};
use core::ffi::CStr;
use core::fmt::Write;
use core::mem::MaybeUninit;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{OFlags, RawDir};
use rustix::io::Result;

/// Calls `each` with the PID of every child of this process that /proc shows, adopted ones included (proc(5)).
pub fn children(mut each: impl FnMut(i32)) -> Result<()> {
    let me = id();
    numbers(c"/proc", &mut |processes, pid| {
        if parent_of(processes, pid) == Some(me) {
            each(pid);
        }
    })
}

/// Calls `each` with every descriptor that this process has open (proc(5)).
pub fn open_descriptors(mut each: impl FnMut(i32)) -> Result<()> {
    numbers(c"/proc/self/fd", &mut |directory, number| {
        if number != directory.as_fd().as_raw_fd() {
            each(number);
        }
    })
}

/// Calls `each` with the directory and every number that is a name in it.
fn numbers(directory: &CStr, each: &mut dyn FnMut(&OwnedFd, i32)) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let directory = open(directory, flags, 0)?;
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        if let Some(number) = decimal(entry?.file_name().to_bytes()) {
            each(&directory, number);
        }
    }
    Ok(())
}

/// The parent of a process: the second field behind its name in `/proc/PID/stat`. The name stands in parentheses and may
/// hold any byte, so it ends at the last one of them.
fn parent_of(processes: &OwnedFd, pid: i32) -> Option<i32> {
    let mut path = heapless::String::<24>::new();
    write!(path, "{pid}/stat\0").ok()?;
    let path = CStr::from_bytes_until_nul(path.as_bytes()).ok()?;
    let file = open_at(processes, path, OFlags::RDONLY, 0).ok()?;
    let mut text = [0_u8; 512];
    let length = read(&file, &mut text).ok()?;
    let text = text.get(..length)?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    // Behind it a blank, the state in one letter, a blank.
    decimal(text.get(end + 4..)?.split(|byte| *byte == b' ').next()?)
}

/// A number in decimal digits.
fn decimal(text: &[u8]) -> Option<i32> {
    core::str::from_utf8(text).ok()?.parse().ok()
}
