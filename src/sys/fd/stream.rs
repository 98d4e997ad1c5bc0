//! The caller's standard streams, read and written without blocking.
//!
//! A stream is an open file that this program shares with its caller, and so are its flags: `O_NONBLOCK` would be set for
//! every process that has it. Instead each call is made not to block, in the way that the kind of file allows.

use super::caller::standard_fds;
use super::conduit::enlarge;
use super::own::{above_streams, open, read, receive, send, write};
use crate::sys::poll;
use crate::sys::terminal::is_one;
use rustix::event::PollFlags;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd};
use rustix::fs::{FileType, OFlags, fcntl_getfl};
use rustix::io::{Errno, IoSlice, IoSliceMut, ReadWriteFlags, Result, preadv2, pwritev2};

/// How reading and writing a stream is kept from blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    /// A regular file, a directory, a block device: no call blocks for long.
    File,
    /// A pipe: `RWF_NOWAIT`, which pipes know since Linux 6.4.
    Pipe,
    /// A character device of which it is not known yet whether it is a terminal: it may never be read or written.
    Device,
    /// A pipe on an older kernel, another character device: a small chunk after poll(2) has said that there is room.
    Careful,
    /// A terminal, opened once more with `O_NONBLOCK`: it is one file for all openers, with flags for each.
    Terminal,
    /// A pipe, opened once more likewise.
    OwnPipe,
    /// A socket: `MSG_DONTWAIT`.
    Socket,
}

/// What a pipe takes without blocking once poll(2) calls it writable: one page (`PIPE_BUF`, pipe(7)).
const CHUNK: usize = 4096;

/// The offset by which preadv2(2) and pwritev2(2) mean the file's own position.
const CURRENT: u64 = u64::MAX;

/// How the file of a descriptor is kept from blocking; `None` where it is closed.
fn method(fd: BorrowedFd<'static>) -> Option<Method> {
    let status = rustix::fs::fstat(fd).ok()?;
    Some(match FileType::from_raw_mode(status.st_mode) {
        FileType::Fifo => Method::Pipe,
        FileType::Socket => Method::Socket,
        FileType::CharacterDevice => Method::Device,
        _ => Method::File,
    })
}

/// One of the caller's streams.
pub struct Stream {
    fd: BorrowedFd<'static>,
    method: Method,
    /// The caller's own descriptor of a pipe that was opened once more: the other end is to notice when both are closed.
    original: Option<BorrowedFd<'static>>,
}

impl Stream {
    /// The stream at `fd`; `None` where it is closed.
    pub fn new(fd: BorrowedFd<'static>) -> Option<Stream> {
        Some(Stream { fd, method: method(fd)?, original: None })
    }

    /// Finds out what a character device is, before it is read or written for the first time.
    fn look_at_device(&mut self) {
        if self.method == Method::Device {
            self.method = Method::Careful;
            if let Some(own) = reopen_terminal(self.fd) {
                (self.fd, self.method) = (own, Method::Terminal);
            }
        }
    }

    /// Prepares it for moving bytes to it by splice(2), or from it. False where it is not a pipe, or cannot be opened.
    ///
    /// It is opened once more, since on an open file that was ever used by splice(2) the kernel refuses `RWF_NOWAIT`
    /// (`pipe_clear_nowait`, fs/splice.c), to others as well.
    pub fn prepare_to_move(&mut self) -> bool {
        if self.method == Method::Pipe
            && let Ok(flags) = fcntl_getfl(self.fd)
            && let Some(own) = reopen(self.fd, flags & OFlags::ACCMODE)
        {
            (self.method, self.original) = (Method::OwnPipe, Some(self.fd));
            self.fd = own;
            enlarge(own);
        }
        self.method == Method::OwnPipe
    }

    /// Prepares it for moving bytes from it by splice(2).
    pub fn prepare_to_move_from(&mut self) -> bool {
        self.method == Method::File || self.prepare_to_move()
    }

    /// Reads what is there: `Errno::AGAIN` where nothing is, 0 bytes at EOF.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.look_at_device();
        if self.method == Method::Pipe {
            let result = preadv2(self.fd, &mut [IoSliceMut::new(buffer)], CURRENT, ReadWriteFlags::NOWAIT);
            if !self.lacks_nowait(result) {
                return result;
            }
        }
        // A stream is read only once poll(2) has called it readable, after which read(2) does not block.
        if self.method == Method::Socket { receive(self.fd, buffer) } else { read(self.fd, buffer) }
    }

    /// Writes what there is room for: `Errno::AGAIN` where there is none.
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.look_at_device();
        if self.method == Method::Pipe {
            let result = pwritev2(self.fd, &[IoSlice::new(bytes)], CURRENT, ReadWriteFlags::NOWAIT);
            if !self.lacks_nowait(result) {
                return result;
            }
        }
        match self.method {
            Method::Socket => send(self.fd, bytes),
            Method::Careful if !poll::is_ready(self.fd, PollFlags::OUT, 0) => Err(Errno::AGAIN),
            Method::Careful => write(self.fd, bytes.get(..CHUNK).unwrap_or(bytes)),
            _ => write(self.fd, bytes),
        }
    }

    /// Whether an error of a call says that the other end is closed. Which one a terminal gives that hangs up is a
    /// matter of the moment: while its other end is being closed, EIO (`n_tty_read`, drivers/tty/n_tty.c).
    pub fn has_hung_up(&self, errno: Errno) -> bool {
        errno == Errno::PIPE || errno == Errno::IO && matches!(self.method, Method::Careful | Method::Terminal)
    }

    /// Whether a call on a pipe failed because the kernel has no `RWF_NOWAIT` for pipes. If so, it is not tried again.
    fn lacks_nowait(&mut self, result: Result<usize>) -> bool {
        let lacks = matches!(result, Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL));
        if lacks {
            self.method = Method::Careful;
        }
        lacks
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}

/// The three standard streams; `None` for one that the caller closed.
pub fn standard() -> [Option<Stream>; 3] {
    standard_fds().map(Stream::new)
}

/// Closes a standard stream, so that its other end notices. The caller's terminal stays open: it may still be asked who is in
/// its foreground.
pub fn close(stream: Stream) {
    if stream.fd.as_raw_fd() <= 2 && is_one(stream.fd) {
        return;
    }
    for fd in [Some(stream.fd), stream.original].into_iter().flatten() {
        // SAFETY: only this stream used the descriptor, and it ends here. A call on a standard stream that is closed is an
        // error.
        unsafe { rustix::io::close(fd.as_raw_fd()) }
    }
}

/// Writes bytes, waiting for room no longer than so many milliseconds.
pub fn write_soon(fd: BorrowedFd<'static>, bytes: &[u8], milliseconds: u64) -> Result<usize> {
    let mut stream = Stream { fd, method: method(fd).ok_or(Errno::BADF)?, original: None };
    if stream.method == Method::Device {
        // Nobody would close a terminal that is opened for one message.
        stream.method = Method::Careful;
    }
    poll::is_ready(fd, PollFlags::OUT, milliseconds);
    stream.write(bytes)
}

/// The terminal at `fd` by another descriptor that does not block. `None` where it is not a terminal, or cannot be opened
/// again because it is another user's or there is no /proc.
pub fn reopen_terminal(fd: BorrowedFd<'static>) -> Option<BorrowedFd<'static>> {
    is_one(fd).then(|| reopen(fd, OFlags::RDWR | OFlags::NOCTTY)).flatten()
}

/// The file of a standard stream by another descriptor that does not block. `None` where it cannot be opened again.
fn reopen(fd: BorrowedFd<'static>, flags: OFlags) -> Option<BorrowedFd<'static>> {
    let path = [c"/proc/self/fd/0", c"/proc/self/fd/1", c"/proc/self/fd/2"];
    let path = path.get(usize::try_from(fd.as_raw_fd()).ok()?)?;
    let own = above_streams(open(path, flags | OFlags::NONBLOCK, 0).ok()?).ok()?;
    // SAFETY: it is never closed but by `close`, which takes the stream.
    Some(unsafe { BorrowedFd::borrow_raw(own.into_raw_fd()) })
}
