//! What /proc shows of processes (proc(5)).

use super::ids::id;
use crate::sys::fd::own::{OwnedFd, open, open_at, read};
use crate::sys::signal::Set;
use core::ffi::CStr;
use core::fmt::Write;
use core::mem::MaybeUninit;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{OFlags, RawDir};
use rustix::io::Result;

/// Calls `each` with every child of this process, adopted ones included, that /proc shows (proc(5)).
pub fn children(mut each: impl FnMut(i32)) -> Result<()> {
    let me = id();
    numbers(c"/proc", &mut |processes, pid| {
        if status(processes, pid).is_some_and(|status| status.parent == me) {
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

/// What `/proc/PID/stat` says of a process, as far as it is of use here.
struct Status {
    is_stopped: bool,
    parent: i32,
    group: i32,
    /// The signals up to 31 that it blocks, ignores or handles: signal n as bit n - 1.
    guarded: u32,
}

/// The status of a process. Its name stands in parentheses and may hold any byte, so it ends at the last one of them.
fn status(processes: &OwnedFd, pid: i32) -> Option<Status> {
    let mut path = heapless::String::<24>::new();
    write!(path, "{pid}/stat\0").ok()?;
    let path = CStr::from_bytes_until_nul(path.as_bytes()).ok()?;
    let file = open_at(processes, path, OFlags::RDONLY, 0).ok()?;
    let mut text = [0_u8; 512];
    let length = read(&file, &mut text).ok()?;
    let text = text.get(..length)?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    let mut fields = text.get(end + 2..)?.split(|byte| *byte == b' ');
    // What has ended counts, too: it does nothing any more.
    let is_stopped = fields.next()?.first().is_some_and(|state| b"TtZX".contains(state));
    let (parent, group) = (decimal(fields.next()?)?, decimal(fields.next()?)?);
    // Of the signals the blocked, ignored and handled ones are fields 32 to 34; the group was the fifth.
    let guarded = fields.skip(26).take(3).filter_map(decimal).fold(0, |set, field| set | field.cast_unsigned());
    Some(Status { is_stopped, parent, group, guarded })
}

/// The processes of a group, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Whether all of them are stopped.
    pub is_stopped: bool,
    /// The signals up to 31 that one of them blocks, ignores or handles.
    pub guarded: Set,
}

/// What /proc shows of the processes of a group.
pub fn group_status(group: i32) -> Result<Group> {
    let mut found = Group { is_stopped: true, guarded: Set::default() };
    numbers(c"/proc", &mut |processes, pid| {
        if let Some(status) = status(processes, pid).filter(|status| status.group == group) {
            found.is_stopped &= status.is_stopped;
            found.guarded.0 |= u64::from(status.guarded);
        }
    })?;
    Ok(found)
}

/// A number in decimal digits.
fn decimal(text: &[u8]) -> Option<i32> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_i32, |number, byte| {
        let digit = byte.wrapping_sub(b'0');
        number.checked_mul(10)?.checked_add(i32::from(digit)).filter(|_| digit < 10)
    })
}
