//! Descriptors that this program was started with: its caller's.

use super::own::{OwnedFd, close_number, open, pipe, place};
use crate::sys::call::{call, check, number, syscall6, word};
use crate::sys::process::id;
use rustix::fd::{AsRawFd, BorrowedFd, IntoRawFd, RawFd};
use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Result;
use rustix::process::{Resource, getrlimit};

/// The three standard streams. Where the caller closed one, a call on it is an error.
pub fn standard_fds() -> [BorrowedFd<'static>; 3] {
    // SAFETY: the program keeps its own descriptors above these numbers, so one that is closed gives an error and never
    // another file.
    unsafe { [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] }
}

/// Standard output, for what the program itself prints.
pub fn output() -> BorrowedFd<'static> {
    standard_fds()[1]
}

/// Standard error, for what the program itself prints.
pub fn error() -> BorrowedFd<'static> {
    standard_fds()[2]
}

/// Whether two descriptors are of one device, as two of a terminal are.
pub fn is_same_device(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let device = |fd| fstat(fd).map_or(0, |status| status.st_rdev);
    device(one) == device(other)
}

/// Whether two descriptors write to one place in one order: they share an open file, or are of one pipe, socket or device.
/// Two open files of one regular file each have an offset of their own. False where it cannot be told.
pub fn is_same_output(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let (Ok(first), Ok(second)) = (fstat(one), fstat(other)) else { return false };
    if (first.st_dev, first.st_ino) != (second.st_dev, second.st_ino) {
        return false;
    }
    FileType::from_raw_mode(first.st_mode) != FileType::RegularFile || is_same_open_file(one, other)
}

/// Whether two descriptors of a regular file share an open file. Docker's default seccomp profile denies kcmp(2), which says
/// so. But fcntl(2) sets for an open file by which signal it tells that it can be read or written, and regular files never
/// do: set by one descriptor and then set back by the other, it is as before if they share one.
fn is_same_open_file(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    /// `include/uapi/asm-generic/fcntl.h`
    const F_SETSIG: usize = 10;
    const F_GETSIG: usize = 11;
    let signal = |fd: BorrowedFd<'_>, action, value| {
        // SAFETY: the call takes numbers, and changes nothing that a regular file acts by.
        unsafe { call(word(fd.as_raw_fd()), action, value, libc::SYS_fcntl) }
    };
    // Another stub that does the same at this moment likely has another number.
    let own = id() & 63 | 1;
    let _ = signal(one, F_SETSIG, word(own));
    let _ = signal(other, F_SETSIG, 0);
    signal(one, F_GETSIG, 0).is_ok_and(|found| found != own)
}

/// Numbers below this are low.
const LOW: usize = 256;

/// No time, as both layouts of a `struct timespec` have it.
static NO_TIME: [u64; 2] = [0; 2];

/// Whether no descriptor but low ones can be open. select(2) leaves out those for which the kernel's table has no room, as it
/// has for no more than twice the highest one (or 64), and fails for any other that is closed.
pub fn are_low() -> bool {
    let mut set = [0_u64; 2 * LOW / 64];
    set[LOW / 64..].fill(u64::MAX);
    let arguments = [2 * LOW, set.as_mut_ptr() as usize, 0, 0, (&raw const NO_TIME) as usize, 0];
    // SAFETY: the set has a bit for each number, and the kernel reads and writes no more. Looking at a file does nothing to it.
    unsafe { check(syscall6(number(libc::SYS_pselect6), arguments)) == Ok(0) }
}

/// Calls `each` with every low descriptor that is open: of the others poll(2) says that they are not. That takes a fifth of
/// the time that /proc/self/fd does, where the kernel makes an inode of each descriptor.
pub fn each_low(each: &mut dyn FnMut(RawFd)) {
    let mut all = [libc::pollfd { fd: 0, events: 0, revents: libc::POLLNVAL }; LOW];
    for (number, entry) in (0..).zip(&mut all) {
        entry.fd = number;
    }
    // One call takes no more entries than this process may have descriptors.
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    for part in all.chunks_mut(limit.unwrap_or(LOW).clamp(1, LOW)) {
        let arguments = [part.as_mut_ptr() as usize, part.len(), (&raw const NO_TIME) as usize, 0, 0, 0];
        // SAFETY: the kernel is told how many entries there are. Looking at a file does nothing to it.
        let _ = unsafe { check(syscall6(number(libc::SYS_ppoll), arguments)) };
    }
    all.iter().filter(|entry| entry.revents & libc::POLLNVAL == 0).for_each(|entry| each(entry.fd));
}

/// Closes every descriptor that this program was started with beyond the three streams: they must not reach what it starts.
/// Opens those of the three that are closed, so that no descriptor of this program's takes their place.
pub fn close_inherited() {
    // SAFETY: called before the program opens descriptors that it keeps, so no owner of any of them exists.
    let result = unsafe { call(3, u32::MAX as usize, 0, libc::SYS_close_range) };
    // Kernels before 5.9 lack the call. On these, only the numbers below the usual limit of open files are closed.
    if result.is_err() {
        for fd in 3..1024 {
            // SAFETY: as above.
            unsafe { close_number(fd) };
        }
    }
    // An empty image has no null device, but every image has a root directory.
    while let Ok(descriptor) = open(c"/", OFlags::PATH, 0) {
        if descriptor.as_raw_fd() > 2 {
            break;
        }
        let _ = descriptor.into_raw_fd();
    }
}

/// Closes descriptors that were passed to another process, so that their other ends notice when it closes them. Not the
/// standard streams that are `kept`, nor stderr, which this process may still write messages to.
pub fn close_passed(numbers: &[RawFd], kept: [bool; 3]) {
    let is_kept =
        |number: RawFd| usize::try_from(number).is_ok_and(|number| number == 2 || kept.get(number) == Some(&true));
    for number in numbers.iter().filter(|number| !is_kept(**number)) {
        // SAFETY: they were open when this program started, and it uses them no more.
        unsafe { close_number(*number) }
    }
}

/// Gives up the caller's first `count` streams, so that a caller that reads them to EOF is not kept waiting: stdin becomes
/// a pipe at EOF, the others one without a reader. An empty image has no null device for that.
pub fn leave_streams(count: RawFd) -> Result<()> {
    let ([ended, _], [_, unread]) = (pipe()?, pipe()?);
    let mut stream: &OwnedFd = &ended;
    for number in 0..count {
        let _ = place(Some(stream), number);
        stream = &unread;
    }
    Ok(())
}
