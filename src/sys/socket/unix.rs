//! Sockets within one kernel (unix(7)), which can carry open descriptors.

use crate::sys::call::{number, syscall6, word};
use crate::sys::fd::own::{OwnedFd, above_streams};
use core::mem::MaybeUninit;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::{IoSlice, IoSliceMut, Result};
use rustix::net::{AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer};
use rustix::net::{SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

/// A non-blocking stream socket, above the three standard streams.
pub fn socket() -> Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);
    above_streams(rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Two non-blocking sockets that are connected to each other, and keep messages apart (socketpair(2)).
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);
    rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
}

/// An abstract address: a name in the network namespace, not in any file system.
pub fn abstract_name(name: &[u8]) -> Result<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(name)
}

/// The user ID of the process at the other end, at the time when it connected or began to listen (`SO_PEERCRED`). `None`
/// if the kernel does not say.
pub fn peer_user(socket: &OwnedFd) -> Option<u32> {
    // `struct ucred`: PID, user, group. The PID is 0 for a process outside of this PID namespace.
    let mut peer = [0_u32; 3];
    let mut length = 12_u32;
    let option = [word(libc::SOL_SOCKET), word(libc::SO_PEERCRED)];
    let arguments =
        [word(socket.as_raw_fd()), option[0], option[1], (&raw mut peer) as usize, (&raw mut length) as usize, 0];
    // SAFETY: the kernel writes at most `length` bytes to `peer`, which has as many, and then `length` itself.
    let result = unsafe { syscall6(number(libc::SYS_getsockopt), arguments) };
    (result == 0).then_some(peer[1])
}

/// Most descriptors in one message (`SCM_MAX_FD`, include/net/scm.h).
pub const MOST: usize = 253;

/// Bytes of a control message of as many descriptors.
const CONTROL: usize = rustix::cmsg_space!(ScmRights(MOST));

/// Sends bytes, and up to [`MOST`] descriptors along with the first of them (sendmsg(2)), without blocking.
pub fn send(socket: &OwnedFd, bytes: &[u8], descriptors: &[i32]) -> Result<usize> {
    let mut passed = heapless::Vec::<BorrowedFd<'_>, MOST>::new();
    for number in descriptors {
        // SAFETY: the kernel looks the number up during the call and refuses one that is not open.
        let _ = passed.push(unsafe { BorrowedFd::borrow_raw(*number) });
    }
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&passed));
    let flags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)
}

/// Receives bytes, and hands on each descriptor that comes along (recvmsg(2)), without blocking.
pub fn receive(socket: &OwnedFd, buffer: &mut [u8], take: &mut dyn FnMut(OwnedFd)) -> Result<usize> {
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::DONTWAIT.union(RecvFlags::CMSG_CLOEXEC);
    let received = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, flags)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            descriptors.for_each(&mut *take);
        }
    }
    Ok(received.bytes)
}
