//! Descriptors: those that this program opens, and those that it shares with others.
//!
//! A stub's standard streams are open files of its caller's, and so are its flags: switching one to non-blocking would
//! switch it for everybody. Here one call at a time is made not to block instead, in the way that its kind allows.

use crate::sys::{arch, call, check, number, poll, terminal};
use core::ffi::CStr;
use rustix::event::PollFlags;
pub use rustix::fd::OwnedFd;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd};
use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, Result};

/// The descriptor that a system call has just returned, or its error.
///
/// # Safety
/// Nobody else owns the descriptor.
pub(in crate::sys) unsafe fn owned(result: isize) -> Result<OwnedFd> {
    // SAFETY: the kernel has just given this number to this process, and what is no error is not negative.
    check(result).map(|number| unsafe { OwnedFd::from_raw_fd(number) })
}

/// A descriptor as rustix takes it. Its own function for that asserts that the number is not -1, which is as much again at
/// every place where a descriptor is used.
///
/// # Safety
/// The number is not -1, and either stays open as long as the borrow, or nothing is done that could harm its next owner.
unsafe fn borrow<'fd>(number: i32) -> BorrowedFd<'fd> {
    // SAFETY: the one is a transparent wrapper around the other; the rest is the caller's promise.
    unsafe { core::mem::transmute(number) }
}

/// A number as a system call takes it.
pub(in crate::sys) fn word(number: i32) -> usize {
    (number as isize).cast_unsigned()
}

/// Opens a path (open(2)).
pub fn open(path: &CStr, flags: OFlags, mode: u32) -> Result<OwnedFd> {
    open_at(rustix::fs::CWD, path, flags, mode)
}

/// Opens a path as seen from a directory (openat(2)).
#[inline(never)]
pub fn open_at(directory: impl AsFd, path: &CStr, flags: OFlags, mode: u32) -> Result<OwnedFd> {
    // Without it a 32-bit program cannot open what is larger than 2 GiB (open(2)); the others need not ask.
    let large = if cfg!(target_pointer_width = "32") { OFlags::LARGEFILE } else { OFlags::empty() };
    let flags = (flags | large | OFlags::CLOEXEC).bits() as usize;
    let directory = word(directory.as_fd().as_raw_fd());
    // SAFETY: the path ends with a NUL; the new descriptor is nobody else's.
    unsafe {
        let call = number(libc::SYS_openat);
        owned(arch::syscall6(call, [directory, path.as_ptr() as usize, flags, mode as usize, 0, 0]))
    }
}

/// A pipe: the end to read and the end to write (pipe(2)).
pub fn pipe() -> Result<[OwnedFd; 2]> {
    let mut ends = [0_i32; 2];
    // SAFETY: the kernel writes two numbers of descriptors that are nobody else's.
    unsafe {
        call((&raw mut ends) as usize, word(libc::O_CLOEXEC), 0, libc::SYS_pipe2)?;
        Ok(ends.map(|end| OwnedFd::from_raw_fd(end)))
    }
}

/// The next connection of a listening socket (accept(2)).
pub fn accept(socket: &OwnedFd) -> Result<OwnedFd> {
    // SAFETY: without room for an address none is written; the new descriptor is nobody else's.
    unsafe {
        let call = number(libc::SYS_accept4);
        owned(arch::syscall6(call, [word(socket.as_raw_fd()), 0, 0, word(libc::SOCK_CLOEXEC), 0, 0]))
    }
}

/// The same file by a descriptor above the three streams.
#[inline(never)]
pub fn above_streams(descriptor: OwnedFd) -> Result<OwnedFd> {
    above(descriptor, 2)
}

/// The same open file by a descriptor above this number.
pub fn above(descriptor: OwnedFd, number: i32) -> Result<OwnedFd> {
    if descriptor.as_raw_fd() > number { Ok(descriptor) } else { duplicate_above(&descriptor, number) }
}

/// Another descriptor of the same open file, above the three streams.
pub fn duplicate(descriptor: &OwnedFd) -> Result<OwnedFd> {
    duplicate_above(descriptor, 2)
}

/// Another descriptor of the same open file, above this number (fcntl(2), `F_DUPFD_CLOEXEC`).
fn duplicate_above(descriptor: &OwnedFd, most: i32) -> Result<OwnedFd> {
    // SAFETY: the call takes numbers; the new descriptor is nobody else's.
    unsafe {
        let call = number(libc::SYS_fcntl);
        let least = word(most) + 1;
        owned(arch::syscall(call, [word(descriptor.as_raw_fd()), word(libc::F_DUPFD_CLOEXEC), least]))
    }
}

/// Makes `number` the same open file, for a program that is executed next, or closes it (dup3(2)). Nobody may use the
/// number for anything else.
pub fn place(descriptor: Option<&OwnedFd>, number: i32) -> Result<()> {
    // SAFETY: the call takes numbers; that nobody uses this one is the caller's promise.
    unsafe {
        let Some(descriptor) = descriptor else {
            // It may be closed already.
            arch::syscall(crate::sys::number(libc::SYS_close), [word(number), 0, 0]);
            return Ok(());
        };
        call(word(descriptor.as_raw_fd()), word(number), 0, libc::SYS_dup3).map(drop)
    }
}

/// Reads bytes (read(2)).
#[inline(always)]
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes into the buffer.
    unsafe { transfer::<{ libc::SYS_read }, 0>(fd.as_fd(), buffer.as_mut_ptr(), buffer.len()) }.map(length)
}

/// Writes bytes (write(2)).
#[inline(always)]
pub fn write(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads the bytes.
    unsafe { transfer::<{ libc::SYS_write }, 0>(fd.as_fd(), bytes.as_ptr(), bytes.len()) }.map(length)
}

/// Reads what has come to a socket (recv(2)), without blocking.
#[inline(always)]
pub fn receive(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    const FLAGS: i32 = libc::MSG_DONTWAIT;
    // SAFETY: as in `read`; no address is asked for.
    unsafe { transfer::<{ libc::SYS_recvfrom }, FLAGS>(fd.as_fd(), buffer.as_mut_ptr(), buffer.len()) }.map(length)
}

/// Reads what has come to a socket and leaves it there (recv(2), `MSG_PEEK`), without blocking.
#[inline(always)]
pub fn peek(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_PEEK;
    // SAFETY: as in `read`; no address is asked for.
    unsafe { transfer::<{ libc::SYS_recvfrom }, FLAGS>(fd.as_fd(), buffer.as_mut_ptr(), buffer.len()) }.map(length)
}

/// Writes to a socket (send(2)), without blocking.
#[inline(always)]
pub fn send(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: as in `write`; no address is given.
    unsafe { transfer::<{ libc::SYS_sendto }, FLAGS>(fd.as_fd(), bytes.as_ptr(), bytes.len()) }.map(length)
}

/// Makes a call that reads or writes bytes, and gives their number as the kernel does: a result of that width is returned in
/// a register, one with a length of this program's in memory. Flags and the lack of an address are for calls on sockets
/// alone: the others do not look at them.
///
/// # Safety
/// `count` bytes can be read or written there, as the call does.
#[inline(never)]
unsafe fn transfer<const CALL: libc::c_long, const FLAGS: i32>(
    fd: BorrowedFd<'_>,
    bytes: *const u8,
    count: usize,
) -> Result<i32> {
    // SAFETY: the caller's promise.
    check(unsafe { arch::syscall6(number(CALL), [word(fd.as_raw_fd()), bytes as usize, count, word(FLAGS), 0, 0]) })
}

/// How many bytes can be read at once from a pipe, terminal or socket (`FIONREAD`); 0 where the kernel does not know.
pub fn unread(fd: impl AsFd) -> usize {
    rustix::io::ioctl_fionread(fd).map_or(0, |count| usize::try_from(count).unwrap_or(0))
}

/// How many bytes of what was written to a socket are not acknowledged yet (`SIOCOUTQ`, tcp(7)).
pub fn unsent(fd: impl AsFd) -> u64 {
    use rustix::ioctl::{Getter, Opcode, ioctl};
    #[allow(clippy::cast_possible_truncation, reason = "requests have 32 bits")]
    const SIOCOUTQ: Opcode = libc::TIOCOUTQ as Opcode;
    // SAFETY: the request writes a C int.
    let count = unsafe { ioctl(fd, Getter::<SIOCOUTQ, i32>::new()) };
    count.map_or(0, |count: i32| count.unsigned_abs().into())
}

/// A length that the kernel has returned.
pub(in crate::sys) fn length(result: i32) -> usize {
    result.cast_unsigned() as usize
}

/// How a descriptor is kept from blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Files and devices that are not waited for.
    File,
    /// A pipe: `RWF_NOWAIT`, known to pipes since Linux 6.4.
    Pipe,
    /// A pipe of an older kernel, a device: a small piece after poll(2) has said that there is room.
    Careful,
    /// A terminal, opened anew without blocking: it is one file for all who have it open, but the flags are those of each.
    Own,
    /// A socket: `MSG_DONTWAIT`.
    Socket,
}

/// What a pipe takes without blocking once poll(2) calls it writable: one page (`PIPE_BUF`, pipe(7)).
const CAREFUL: usize = 4096;

/// How the file of a descriptor is kept from blocking; `None` where it is closed.
fn kind(fd: BorrowedFd<'static>) -> Option<Kind> {
    let status = rustix::fs::fstat(fd).ok()?;
    Some(match FileType::from_raw_mode(status.st_mode) {
        FileType::Fifo => Kind::Pipe,
        FileType::Socket => Kind::Socket,
        FileType::CharacterDevice => Kind::Careful,
        _ => Kind::File,
    })
}

/// One of the caller's streams.
pub struct Stream {
    fd: BorrowedFd<'static>,
    kind: Kind,
}

impl Stream {
    /// The stream at `fd`; `None` where it is closed.
    pub fn new(fd: BorrowedFd<'static>) -> Option<Stream> {
        let kind = kind(fd)?;
        if let Some(own) = reopen_terminal(fd) {
            return Some(Stream { fd: own, kind: Kind::Own });
        }
        Some(Stream { fd, kind })
    }

    /// Reads what is there; `Errno::AGAIN` where nothing is. 0 is the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: the kernel writes into the buffer.
        if let Some(result) = unsafe { self.try_at_once(libc::SYS_preadv2, buffer.as_mut_ptr(), buffer.len()) } {
            return result;
        }
        if self.kind == Kind::Socket { receive(self.fd, buffer) } else { read(self.fd, buffer) }
    }

    /// Writes what there is room for; `Errno::AGAIN` where there is none.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        // SAFETY: the kernel reads the bytes.
        if let Some(result) = unsafe { self.try_at_once(libc::SYS_pwritev2, bytes.as_ptr(), bytes.len()) } {
            return result;
        }
        match self.kind {
            Kind::Socket => send(self.fd, bytes),
            Kind::Careful if !poll::is_ready(self.fd, PollFlags::OUT, 0) => Err(Errno::AGAIN),
            Kind::Careful => write(self.fd, bytes.get(..CAREFUL).unwrap_or(bytes)),
            _ => write(self.fd, bytes),
        }
    }

    /// Makes the call of a pipe, preadv2(2) or pwritev2(2). `None` where the stream is none, or the kernel does not know
    /// `RWF_NOWAIT` for it: then it is handled with care from now on.
    ///
    /// # Safety
    /// As for [`transfer`].
    unsafe fn try_at_once(&mut self, call: libc::c_long, bytes: *const u8, count: usize) -> Option<Result<usize>> {
        if self.kind != Kind::Pipe {
            return None;
        }
        let vector = [bytes as usize, count];
        let arguments =
            [word(self.fd.as_raw_fd()), (&raw const vector) as usize, 1, CURRENT, CURRENT, word(libc::RWF_NOWAIT)];
        // SAFETY: the vector names one area, for which the caller answers.
        match check(unsafe { arch::syscall6(number(call), arguments) }) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.kind = Kind::Careful;
                None
            }
            result => Some(result.map(length)),
        }
    }
}

/// Writes what may have to wait for room, but no longer than so many milliseconds.
pub fn write_soon(fd: BorrowedFd<'static>, bytes: &[u8], milliseconds: u64) -> Result<usize> {
    let mut stream = Stream { fd, kind: kind(fd).ok_or(Errno::BADF)? };
    poll::is_ready(fd, PollFlags::OUT, milliseconds);
    stream.write(bytes)
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

/// The terminal at `fd` by another descriptor that does not block; `None` where it is none, or cannot be opened again
/// because it is another user's or there is no /proc.
fn reopen_terminal(fd: BorrowedFd<'static>) -> Option<BorrowedFd<'static>> {
    if !terminal::is_one(fd) {
        return None;
    }
    let path = [c"/proc/self/fd/0", c"/proc/self/fd/1", c"/proc/self/fd/2"];
    let path = path.get(usize::try_from(fd.as_raw_fd()).ok()?)?;
    let own = above_streams(open(path, OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK, 0).ok()?).ok()?;
    // SAFETY: it is never closed.
    Some(unsafe { borrow(own.into_raw_fd()) })
}

/// Half of the offset by which preadv2(2) means the file's own position, -1: where a register has 64 bits the lower half is
/// all of it (`pos_from_hilo`, fs/read_write.c).
const CURRENT: usize = usize::MAX;

/// The three standard streams, borrowed for good; one that the caller closed is `None`.
pub fn standard() -> [Option<Stream>; 3] {
    let [input, output, error] = standard_fds();
    [Stream::new(input), Stream::new(output), Stream::new(error)]
}

/// Their descriptors; a call on one that the caller closed is an error.
pub fn standard_fds() -> [BorrowedFd<'static>; 3] {
    // SAFETY: nothing in this program closes descriptors 0 to 2 but through `close`, whose callers drop the
    // stream with it; a number that is closed gives an error, never somebody else's file, since the program raises its
    // own descriptors above them.
    unsafe { [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] }
}

/// Whether two descriptors are of one device, as two of a terminal are.
pub fn is_same_device(one: BorrowedFd<'_>, other: BorrowedFd<'_>) -> bool {
    let device = |fd| rustix::fs::fstat(fd).map_or(0, |status| status.st_rdev);
    device(one) == device(other)
}

/// Closes a standard stream, so that who is at its other end notices.
pub fn close(stream: Stream) {
    // SAFETY: the stream owned the use of this descriptor and is gone after this.
    unsafe { rustix::io::close(stream.fd.as_raw_fd()) }
}

/// Closes every descriptor that this program was started with beyond the three streams: they are its caller's business and
/// must not reach what it starts.
pub fn close_inherited() {
    // SAFETY: called before the program opens descriptors that it keeps, so no owner of any of them exists.
    let result = unsafe { call(3, u32::MAX as usize, 0, libc::SYS_close_range) };
    // Kernels before 5.9 do not have the call; the usual limit of open files bounds what there can be.
    if result.is_err() {
        for fd in 3..1024 {
            // SAFETY: as above.
            unsafe { rustix::io::close(fd) };
        }
    }
    // What is opened later must not take the place of a stream that the caller has closed: every root has a directory.
    while let Ok(descriptor) = open(c"/", OFlags::PATH, 0) {
        if descriptor.as_raw_fd() > 2 {
            break;
        }
        descriptor.into_raw_fd();
    }
}

/// Whether a descriptor of this number is open.
pub fn is_open(number: i32) -> bool {
    // SAFETY: nothing is done with it but asking for its flags.
    rustix::io::fcntl_getfd(unsafe { borrow(number) }).is_ok()
}

/// Closes descriptors that went to another process, from number `least` on, so that who is at their other ends notices when
/// it closes them. Not stderr, where this process may still have something to say.
pub fn close_passed(numbers: &[i32], least: i32) {
    for number in numbers.iter().filter(|number| **number >= least && **number != 2) {
        // SAFETY: they are the caller's of this program, which uses them no more.
        unsafe { rustix::io::close(*number) }
    }
}

/// Standard output, for what the program itself prints.
pub fn output() -> BorrowedFd<'static> {
    // SAFETY: as in `standard`.
    unsafe { rustix::stdio::stdout() }
}

/// Standard error, for what the program itself prints.
pub fn error() -> BorrowedFd<'static> {
    // SAFETY: as in `standard`.
    unsafe { rustix::stdio::stderr() }
}

/// Gives up the first streams of the caller's, so that a caller that reads them to their end is not kept waiting: stdin
/// has ended, and the others nobody reads. An empty root has no null device for that.
pub fn leave_streams(count: i32) -> Result<()> {
    let ([ended, _], [_, unread]) = (pipe()?, pipe()?);
    let mut stream = &ended;
    for number in 0..count {
        let _ = place(Some(stream), number);
        stream = &unread;
    }
    Ok(())
}
