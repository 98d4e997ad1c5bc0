//! What /proc shows of processes (proc(5)).

use super::ids::id;
use crate::sys::fd::own::{OwnedFd, open, read};
use core::ffi::CStr;
use core::mem::MaybeUninit;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{OFlags, RawDir};
use rustix::io::Result;
use rustix::path::DecInt;

/// Calls `each` with the PID of every child of this process that /proc shows, adopted ones included (proc(5)).
pub fn children(mut each: impl FnMut(i32)) -> Result<()> {
    let me = id().cast_unsigned();
    numbers(c"/proc", &mut |_, pid| {
        if stat(pid, PARENT) == Some(me) {
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
            each(&directory, number.cast_signed());
        }
    }
    Ok(())
}

/// Whether a process is on its way out, of which signals that come now are dropped: its flags have `PF_EXITING`
/// (`include/linux/sched.h`), and it is not that of its threads which ends before the others.
pub fn is_exiting(pid: i32) -> bool {
    stat(pid, FLAGS).is_some_and(|flags| flags & PF_EXITING != 0)
        && stat(pid, THREADS).is_some_and(|threads| threads <= 1)
}

/// Whether a process does anything about a signal but end by it: blocks, ignores or catches it, which `/proc/PID/status` shows
/// until the process is reaped. True where that does not say.
pub fn handles(pid: i32, signal: u8) -> bool {
    let mut text = [0_u8; 4096];
    let Some(status) = read_of(pid, "status", &mut text) else { return true };
    let lines = status.split(|byte| *byte == b'\n');
    // SigBlk, SigIgn and SigCgt.
    let mut sets = lines.filter(|line| matches!(line, [b'S', b'i', b'g', b'B' | b'I' | b'C', ..]));
    let mut unseen = 3;
    sets.any(|set| {
        unseen -= 1;
        has(set, signal)
    }) || unseen > 0
}

/// Whether a signal is in a set that ends with its hexadecimal digits, as /proc shows one.
fn has(set: &[u8], signal: u8) -> bool {
    let place = signal - 1;
    let digit = set.iter().rev().nth(usize::from(place / 4));
    digit.and_then(|digit| char::from(*digit).to_digit(16)).is_some_and(|digit| digit >> (place % 4) & 1 != 0)
}

const PF_EXITING: u32 = 4;

/// Fields of `/proc/PID/stat`, counted from the state, which stands right behind the name.
const PARENT: usize = 1;
const FLAGS: usize = 6;
const THREADS: usize = 17;

/// A field of `/proc/PID/stat`. The name stands in parentheses and may hold any byte, so it ends at the last one of them.
fn stat(pid: i32, field: usize) -> Option<u32> {
    let mut text = [0_u8; 512];
    let text = read_of(pid, "stat", &mut text)?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    decimal(text.get(end + 2..)?.split(|byte| *byte == b' ').nth(field)?)
}

/// The beginning of a file of a process's.
fn read_of<'t>(pid: i32, name: &str, text: &'t mut [u8]) -> Option<&'t [u8]> {
    let mut path = heapless::Vec::<u8, 24>::new();
    for part in [&b"/proc/"[..], DecInt::new(pid).as_bytes(), b"/", name.as_bytes(), b"\0"] {
        path.extend_from_slice(part).ok()?;
    }
    let path = CStr::from_bytes_until_nul(&path).ok()?;
    let length = read(&open(path, OFlags::RDONLY, 0).ok()?, text).ok()?;
    text.get(..length)
}

/// A number in decimal digits.
fn decimal(text: &[u8]) -> Option<u32> {
    core::str::from_utf8(text).ok()?.parse().ok()
}
