//! Bytes that the kernel moves from one descriptor to another without copying them to this process and back (splice(2)).

use super::own::{OwnedFd, pipe};
use crate::limits;
use rustix::fd::AsFd;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, Result};
use rustix::pipe::{SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size};

/// Moves at most `count` bytes. One of the two has to be a pipe, and not every kind of file can be the other: `EINVAL`.
/// The flag is for pipes only. A socket has to be told otherwise not to block (splice(2)).
pub fn splice(source: impl AsFd, sink: impl AsFd, count: usize) -> Result<usize> {
    rustix::pipe::splice(source, None, sink, None, count, SpliceFlags::NONBLOCK)
}

/// Moves streams to a connection, through a pipe of this process: once bytes are in it, their number is known, whatever
/// becomes of their source and whoever else reads that.
#[derive(Default)]
pub struct Conduit {
    /// The ends to read and to write. None before the first bytes.
    ends: Option<[OwnedFd; 2]>,
    /// Whether the last read of a stream brought so much that the next is worth being moved.
    is_bulk: bool,
    /// Whether moving failed: everything is copied from then on.
    has_failed: bool,
}

impl Conduit {
    /// Whether bytes are to be moved and not to be read.
    pub fn is_preferred(&self) -> bool {
        self.is_bulk && !self.has_failed
    }

    /// What came of reading or moving at most `count` bytes.
    pub fn note(&mut self, result: Result<usize>, count: usize) {
        self.is_bulk = result.is_ok_and(|arrived| arrived >= limits::BULK.min(count));
    }

    /// Moves at most `count` bytes of the source in, while it is empty. 0: EOF. `EAGAIN` if nothing is there. Any other
    /// error: they cannot be moved to this socket, and have to be read.
    pub fn fill(&mut self, source: impl AsFd, socket: &OwnedFd, count: usize) -> Result<usize> {
        let result = self.open(socket).and_then(|sink| splice(source, sink, count));
        self.has_failed = result.is_err_and(|errno| !matches!(errno, Errno::AGAIN | Errno::INTR));
        result
    }

    /// Moves at most `count` of the bytes in it to the socket. `EAGAIN` if there is no room.
    pub fn drain(&self, socket: &OwnedFd, count: usize) -> Result<usize> {
        let [source, _] = self.ends.as_ref().ok_or(Errno::BADF)?;
        splice(source, socket, count)
    }

    /// The end to write.
    fn open(&mut self, socket: &OwnedFd) -> Result<&OwnedFd> {
        if self.ends.is_none() {
            self.ends = Some(connect(socket)?);
        }
        self.ends.as_ref().map(|[_, sink]| sink).ok_or(Errno::BADF)
    }
}

/// A pipe from which bytes can be moved to this socket.
fn connect(socket: &OwnedFd) -> Result<[OwnedFd; 2]> {
    fcntl_setfl(socket, fcntl_getfl(socket)? | OFlags::NONBLOCK)?;
    let ends = pipe()?;
    // As long as it is empty, that is all that a kernel can object to.
    let Err(Errno::AGAIN) = splice(&ends[0], socket, 1) else { return Err(Errno::INVAL) };
    enlarge(&ends[1]);
    Ok(ends)
}

/// Makes a pipe hold much, so that both its ends work in fewer and larger turns. Only for one that was found full: most
/// commands say little. Where the user has too many large pipes it stays as it is (`pipe-user-pages-soft`).
pub fn enlarge(pipe: impl AsFd) {
    let pipe = pipe.as_fd();
    let Ok(current) = fcntl_getpipe_size(pipe) else { return };
    let _ = limits::PIPES.into_iter().find(|size| current >= *size || fcntl_setpipe_size(pipe, *size).is_ok());
}
