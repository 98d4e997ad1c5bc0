//! Descriptors: those that this program opens, and those that it shares with others.
//!
//! Opening goes by raw calls: rustix's owned descriptor asserts that its number is not -1, and the formatting that comes
//! along with that assertion is 3 KB of a file that has to fit into 64. All else goes through rustix.
//!
//! A stub's standard streams are open files of its caller's, and so are its flags: switching one to non-blocking would
//! switch it for everybody. Here one call at a time is made not to block instead, in the way that its kind allows.

use super::{arch, check, number};
use core::ffi::CStr;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{FileType, OFlags};
use rustix::io::{Errno, IoSlice, IoSliceMut, ReadWriteFlags, Result};
use rustix::net::{RecvFlags, SendFlags};

/// A descriptor that belongs to its holder and is closed with it, and on exec.
pub struct Descriptor(i32);

impl Descriptor {
    /// The descriptor that a system call has just returned.
    ///
    /// # Safety
    /// Nobody else owns it.
    #[inline(never)]
    pub(super) unsafe fn new(result: isize) -> Result<Descriptor> {
        check(result).map(|number| Descriptor(i32::try_from(number).unwrap_or(i32::MAX)))
    }
}

impl Drop for Descriptor {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: it is this value's own, and nothing uses it afterwards.
        unsafe { rustix::io::close(self.0) }
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it stays open as long as this value, which the borrow cannot outlive.
        unsafe { BorrowedFd::borrow_raw(self.0) }
    }
}

/// A number as a system call takes it.
pub(super) fn word(number: i32) -> usize {
    (number as isize).cast_unsigned()
}

/// Opens a path (open(2)).
pub fn open(path: &CStr, flags: OFlags, mode: u32) -> Result<Descriptor> {
    open_at(rustix::fs::CWD, path, flags, mode)
}

/// Opens a path as seen from a directory (openat(2)).
#[inline(never)]
pub fn open_at(directory: impl AsFd, path: &CStr, flags: OFlags, mode: u32) -> Result<Descriptor> {
    let flags = (flags | OFlags::CLOEXEC).bits() as usize;
    let directory = word(directory.as_fd().as_raw_fd());
    // SAFETY: the path ends with a NUL; the new descriptor is nobody else's.
    unsafe {
        let call = number(libc::SYS_openat);
        Descriptor::new(arch::syscall(call, [directory, path.as_ptr() as usize, flags, mode as usize, 0, 0]))
    }
}

/// A pipe: the end to read and the end to write (pipe(2)).
pub fn pipe() -> Result<(Descriptor, Descriptor)> {
    let mut ends = [0_i32; 2];
    // SAFETY: the kernel writes two numbers of descriptors that are nobody else's.
    let result = unsafe {
        let call = number(libc::SYS_pipe2);
        arch::syscall(call, [(&raw mut ends) as usize, word(libc::O_CLOEXEC), 0, 0, 0, 0])
    };
    check(result).map(|_| (Descriptor(ends[0]), Descriptor(ends[1])))
}

/// A TCP socket for IPv4 (socket(2)), above the three streams, one of which this program may have been started without.
/// A socket in its place would be taken for it.
pub fn tcp_socket() -> Result<Descriptor> {
    // SAFETY: the call takes numbers; the new descriptor is nobody else's.
    let socket = unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        let call = number(libc::SYS_socket);
        Descriptor::new(arch::syscall(call, [word(libc::AF_INET), word(kind), word(libc::IPPROTO_TCP), 0, 0, 0]))
    };
    above_streams(socket?)
}

/// The next connection of a listening socket (accept(2)).
pub fn accept(socket: &Descriptor) -> Result<Descriptor> {
    // SAFETY: without room for an address none is written; the new descriptor is nobody else's.
    unsafe {
        let call = number(libc::SYS_accept4);
        Descriptor::new(arch::syscall(call, [word(socket.0), 0, 0, word(libc::SOCK_CLOEXEC), 0, 0]))
    }
}

/// The same file by a descriptor above the three streams.
#[inline(never)]
pub fn above_streams(descriptor: Descriptor) -> Result<Descriptor> {
    if descriptor.0 > 2 {
        return Ok(descriptor);
    }
    // SAFETY: the call takes numbers; the new descriptor is nobody else's.
    unsafe {
        let call = number(libc::SYS_fcntl);
        Descriptor::new(arch::syscall(call, [word(descriptor.0), word(libc::F_DUPFD_CLOEXEC), 3, 0, 0, 0]))
    }
}

/// How a descriptor is kept from blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Files and devices that are not waited for.
    File,
    /// A pipe: `RWF_NOWAIT`, known to pipes since Linux 6.4.
    Pipe,
    /// A pipe of an older kernel, a terminal: a small piece after poll(2) has said that there is room.
    Careful,
    /// A socket: `MSG_DONTWAIT`.
    Socket,
}

/// What a pipe takes without blocking once poll(2) calls it writable: one page (`PIPE_BUF`, pipe(7)).
const CAREFUL: usize = 4096;

/// One of the caller's streams.
pub struct Stream {
    fd: BorrowedFd<'static>,
    kind: Kind,
}

impl Stream {
    /// The stream at `fd`; `None` where it is closed.
    pub fn new(fd: BorrowedFd<'static>) -> Option<Stream> {
        let status = rustix::fs::fstat(fd).ok()?;
        let kind = match FileType::from_raw_mode(status.st_mode) {
            FileType::Fifo => Kind::Pipe,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice => Kind::Careful,
            _ => Kind::File,
        };
        Some(Stream { fd, kind })
    }

    /// Reads what is there; `Errno::AGAIN` where nothing is. 0 is the end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        match self.kind {
            Kind::Socket => rustix::net::recv(self.fd, buffer, RecvFlags::DONTWAIT).map(|(length, _)| length),
            Kind::Pipe => {
                let result =
                    rustix::io::preadv2(self.fd, &mut [IoSliceMut::new(buffer)], CURRENT, ReadWriteFlags::NOWAIT);
                if self.lacks_nowait(result) { self.read(buffer) } else { result }
            }
            Kind::File | Kind::Careful => rustix::io::read(self.fd, buffer),
        }
    }

    /// Writes what there is room for; `Errno::AGAIN` where there is none.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.kind {
            Kind::File => rustix::io::write(self.fd, bytes),
            Kind::Socket => rustix::net::send(self.fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            Kind::Pipe => {
                let result = rustix::io::pwritev2(self.fd, &[IoSlice::new(bytes)], CURRENT, ReadWriteFlags::NOWAIT);
                if self.lacks_nowait(result) { self.write(bytes) } else { result }
            }
            Kind::Careful if !is_ready(self.fd, rustix::event::PollFlags::OUT) => Err(Errno::AGAIN),
            Kind::Careful => rustix::io::write(self.fd, bytes.get(..CAREFUL).unwrap_or(bytes)),
        }
    }

    /// Whether it is this process's controlling terminal, with another process group in the foreground.
    pub fn is_in_background(&self) -> bool {
        rustix::termios::tcgetpgrp(self.fd).is_ok_and(|group| group != rustix::process::getpgrp())
    }

    /// Whether the kernel does not know `RWF_NOWAIT` here; the stream is then handled with care from now on.
    fn lacks_nowait(&mut self, result: Result<usize>) -> bool {
        let lacks = matches!(result, Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL));
        if lacks {
            self.kind = Kind::Careful;
        }
        lacks
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

/// The offset by which preadv2(2) means the file's own position.
const CURRENT: u64 = u64::MAX;

/// Whether poll(2) finds one of `events` at once.
fn is_ready(fd: BorrowedFd<'_>, events: rustix::event::PollFlags) -> bool {
    let mut set = [rustix::event::PollFd::from_borrowed_fd(fd, events)];
    let none = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut set, Some(&none)).is_ok() && !set[0].revents().is_empty()
}

/// The three standard streams, borrowed for good; one that the caller closed is `None`.
pub fn standard() -> [Option<Stream>; 3] {
    // SAFETY: nothing in this program closes descriptors 0 to 2 but through `close`, whose callers drop the
    // stream with it; a number that is closed gives an error, never somebody else's file, since the program raises its
    // own descriptors above them.
    let fds = unsafe { [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] };
    fds.map(Stream::new)
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
    let result = unsafe {
        let call = super::number(libc::SYS_close_range);
        super::check(super::arch::syscall(call, [3, u32::MAX as usize, 0, 0, 0, 0]))
    };
    // Kernels before 5.9 do not have the call; the usual limit of open files bounds what there can be.
    if result.is_err() {
        for fd in 3..1024 {
            // SAFETY: as above.
            unsafe { rustix::io::close(fd) };
        }
    }
    // What is opened later must not take the place of a stream that the caller has closed: every root has a directory.
    while let Ok(descriptor) = open(c"/", OFlags::PATH, 0) {
        if descriptor.0 > 2 {
            break;
        }
        core::mem::forget(descriptor);
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
