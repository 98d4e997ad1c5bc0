//! What /proc shows of processes (proc(5)).

use super::ids::id;
use crate::sys::fd::own::{OwnedFd, open, read};
use crate::sys::signal::Set;
use core::ffi::CStr;
use core::mem::MaybeUninit;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{OFlags, RawDir};
use rustix::io::Result;
use rustix::path::DecInt;

/// Calls `each` with the PID of every child of this process that /proc shows, adopted ones included (proc(5)).
pub fn children(mut each: impl FnMut(i32)) -> Result<()> {
    let me = id();
    numbers(c"/proc", &mut |_, pid| {
        if status(pid).is_some_and(|status| status.parent == me) {
            each(pid);
        }
    })
}

/// Calls `each` with every descriptor that this process has open (proc(5)).
pub fn open_descriptors(each: &mut dyn FnMut(i32)) -> Result<()> {
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
    is_exiting: bool,
    /// The signals up to 31 that it ignores.
    ignored: Set,
    /// Those that it blocks, ignores or handles.
    guarded: Set,
}

/// Fields behind the name up to the handled signals, the last one of use here.
const FIELDS: usize = 32;

/// The status of a process. Its name stands in parentheses and may hold any byte, so it ends at the last one of them.
fn status(pid: i32) -> Option<Status> {
    const PF_EXITING: i32 = 4;
    let mut path = heapless::Vec::<u8, 24>::new();
    for part in [&b"/proc/"[..], DecInt::new(pid).as_bytes(), b"/stat\0"] {
        path.extend_from_slice(part).ok()?;
    }
    let path = CStr::from_bytes_until_nul(&path).ok()?;
    let mut text = [0_u8; 512];
    let length = read(&open(path, OFlags::RDONLY, 0).ok()?, &mut text).ok()?;
    let text = text.get(..length)?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    // What is behind the name: field 3 of proc(5) and the following ones, numbers but for the state.
    let rest = text.get(end + 2..)?;
    let mut numbers = [0; FIELDS];
    for (number, field) in numbers.iter_mut().zip(rest.split(|byte| *byte == b' ')) {
        *number = decimal(field).unwrap_or(0);
    }
    let [_, parent, group, _, _, _, flags, _, _, _, _, _, _, _, _, _, _, threads, .., blocked, ignored, handled] =
        numbers;
    Some(Status {
        // What has ended counts, too: it does nothing any more.
        is_stopped: rest.first().is_some_and(|state| matches!(state, b'T' | b't' | b'Z' | b'X')),
        parent,
        group,
        // Not that of its threads which ends before the others (`include/linux/sched.h`).
        is_exiting: flags & PF_EXITING != 0 && threads <= 1,
        // Signal n is bit n - 1.
        ignored: Set(ignored.cast_unsigned().into()),
        guarded: Set((blocked | ignored | handled).cast_unsigned().into()),
    })
}

/// What becomes of a signal that is sent to a process now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reception {
    /// Whether the process is on its way out, so that the signal is dropped.
    pub is_exiting: bool,
    /// The signals up to 31 that it ignores.
    pub ignored: Set,
    /// Those about which the process does anything but end: that it blocks, ignores or handles.
    pub guarded: Set,
}

/// How a process receives signals, which /proc shows until it is reaped. Where that does not say, it gets them all and
/// guards and ignores them.
pub fn reception(pid: i32) -> Reception {
    let unknown = Reception { is_exiting: false, ignored: Set::ALL, guarded: Set::ALL };
    status(pid).map_or(unknown, |status| Reception {
        is_exiting: status.is_exiting,
        ignored: status.ignored,
        guarded: status.guarded,
    })
}

/// The processes of a group, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Whether all of them are stopped.
    pub is_stopped: bool,
    /// Whether one of them is.
    pub has_stopped: bool,
    /// The signals up to 31 that one of them blocks, ignores or handles.
    pub guarded: Set,
}

/// What /proc shows of the processes of a group.
pub fn group_status(group: i32) -> Result<Group> {
    let mut found = Group { is_stopped: true, has_stopped: false, guarded: Set::default() };
    numbers(c"/proc", &mut |_, pid| {
        if let Some(status) = status(pid).filter(|status| status.group == group) {
            found.is_stopped &= status.is_stopped;
            found.has_stopped |= status.is_stopped;
            found.guarded.0 |= status.guarded.0;
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
