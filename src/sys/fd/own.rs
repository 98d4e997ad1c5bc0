//! Descriptors that this program opens. All of them are close-on-exec.

use crate::sys::call::{call, word};
use core::ffi::CStr;
use core::mem::ManuallyDrop;
use rustix::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, RawFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::{DupFlags, Result};
use rustix::net::{RecvFlags, SendFlags, SocketFlags};
use rustix::pipe::PipeFlags;

pub use rustix::fd::OwnedFd;
pub use rustix::io::write;

/// Opens a path (open(2)).
pub fn open(path: &CStr, flags: OFlags, mode: u32) -> Result<OwnedFd> {
    open_at(rustix::fs::CWD, path, flags, mode)
}

/// Opens a path relative to a directory (openat(2)).
pub fn open_at(directory: impl AsFd, path: &CStr, flags: OFlags, mode: u32) -> Result<OwnedFd> {
    rustix::fs::openat(directory, path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(mode))
}

/// A pipe: the end to read and the end to write (pipe(2)).
pub fn pipe() -> Result<[OwnedFd; 2]> {
    let (read, write) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    Ok([read, write])
}

/// The next connection of a listening socket (accept(2)).
pub fn accept(socket: &OwnedFd) -> Result<OwnedFd> {
    rustix::net::accept_with(socket, SocketFlags::CLOEXEC)
}

/// The same open file by a descriptor above the three standard streams, one of which this program may have been started
/// without: a descriptor in its place would be taken for it.
pub fn above_streams(fd: OwnedFd) -> Result<OwnedFd> {
    above(fd, 2)
}

/// The same open file by a descriptor above this number.
pub fn above(fd: OwnedFd, number: RawFd) -> Result<OwnedFd> {
    let mut fd = fd;
    raise(&mut fd, number)?;
    Ok(fd)
}

/// Has this descriptor be above this number; where it cannot, it stays as it is.
pub fn raise(fd: &mut OwnedFd, number: RawFd) -> Result<()> {
    if fd.as_raw_fd() <= number {
        *fd = rustix::io::fcntl_dupfd_cloexec(&*fd, number.saturating_add(1))?;
    }
    Ok(())
}

/// Another descriptor of the same open file, above the three standard streams.
pub fn duplicate(fd: &OwnedFd) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(fd, 3)
}

/// Makes `number` a descriptor of the same open file that stays open on exec (dup3(2)), or closes it. Whatever had the
/// number before is closed, so it must not be that of an [`OwnedFd`].
pub fn place(fd: Option<&OwnedFd>, number: RawFd) -> Result<()> {
    let Some(fd) = fd else {
        // SAFETY: nothing in this process owns the number, as the caller promises.
        unsafe { close_number(number) }
        return Ok(());
    };
    // SAFETY: as above; it is not dropped, so nothing owns it afterwards either.
    let mut target = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
    rustix::io::dup3(fd, &mut target, DupFlags::empty())
}

/// Closes a descriptor by its number, which may not be open.
///
/// # Safety
/// Nothing in this process owns the number.
pub(in crate::sys) unsafe fn close_number(number: RawFd) {
    // SAFETY: the caller's promise.
    let _ = unsafe { call(word(number), 0, 0, libc::SYS_close) };
}

/// Leaves a descriptor to the end of this process, which closes it. Closing one may take as long as its peer or its file
/// system likes; the end of a process does not wait for a peer (`PF_EXITING` in `inet_release`), and nobody for that end.
pub fn leave_open(fd: OwnedFd) {
    let _ = fd.into_raw_fd();
}

/// Reads bytes (read(2)).
pub fn read(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    rustix::io::read(fd, buffer)
}

/// Reads what has come to a socket (recv(2)), without blocking.
pub fn receive(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT).map(|(count, _)| count)
}

/// Reads what has come to a socket and leaves it there (recv(2), `MSG_PEEK`), without blocking.
pub fn peek(fd: impl AsFd, buffer: &mut [u8]) -> Result<usize> {
    rustix::net::recv(fd, buffer, RecvFlags::DONTWAIT | RecvFlags::PEEK).map(|(count, _)| count)
}

/// Writes to a socket (send(2)), without blocking.
pub fn send(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
}

/// The same for bytes that others follow at once, with which they may share a packet (`MSG_MORE`).
pub fn send_part(fd: impl AsFd, bytes: &[u8]) -> Result<usize> {
    rustix::net::send(fd, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL | SendFlags::MORE)
}

/// How many bytes can be read at once from a pipe, terminal or socket (`FIONREAD`); 0 where the kernel does not know.
pub fn unread(fd: impl AsFd) -> usize {
    rustix::io::ioctl_fionread(fd).map_or(0, |count| usize::try_from(count).unwrap_or(0))
}
