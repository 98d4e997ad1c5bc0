//! Reading and writing descriptors that others share.
//!
//! A stub's standard streams are open files of its caller's, and so are its flags: switching one to non-blocking would
//! switch it for everybody. Here one call at a time is made not to block instead, in the way that its kind allows.

use rustix::fd::{AsFd, BorrowedFd};
use rustix::fs::FileType;
use rustix::io::{Errno, IoSlice, IoSliceMut, ReadWriteFlags, Result};
use rustix::net::{RecvFlags, SendFlags};

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
    // SAFETY: nothing in this program closes descriptors 0 to 2 but through `close_standard`, whose callers drop the
    // stream with it; a number that is closed gives an error, never somebody else's file, since the program raises its
    // own descriptors above them.
    let fds = unsafe { [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] };
    fds.map(Stream::new)
}

/// Closes a standard stream, so that who is at its other end notices.
pub fn close(stream: Stream) {
    use rustix::fd::AsRawFd;
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
