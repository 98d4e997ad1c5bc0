//! Sockets within one kernel (unix(7)): by an abstract name, which belongs to the network namespace that the containers of
//! a Pod share, and with open descriptors as part of what is sent.

use crate::sys::fd::{OwnedFd, length, name, word};
use crate::sys::{arch, number};
use rustix::fd::AsRawFd;
use rustix::fd::{AsFd, FromRawFd};
use rustix::io::Result;

/// `struct sockaddr_un` with the name of the server at a port: a NUL, and `k8psh:PORT` without one at its end.
#[repr(C)]
struct Address {
    family: u16,
    name: [u8; 13],
}

/// Makes `call` on the socket and the name of the server at this port.
fn call_with_name(call: libc::c_long, socket: &OwnedFd, port: u16) -> Result<()> {
    let mut address = Address { family: 1, name: *b"\0k8psh:\0\0\0\0\0\0" };
    let mut digits = [0; 24];
    let digits = crate::text::number::digits(port.into(), 10, &mut digits);
    address.name[7..7 + digits.len()].copy_from_slice(digits);
    let length = size_of::<u16>() + 7 + digits.len();
    // SAFETY: the address has `length` bytes and more.
    unsafe { name(call, socket, (&raw const address).cast(), length) }
}

/// Gives the socket the name of the server at this port (bind(2)).
pub fn bind(socket: &OwnedFd, port: u16) -> Result<()> {
    call_with_name(libc::SYS_bind, socket, port)
}

/// Connects to the server at this port (connect(2)).
pub fn connect(socket: &OwnedFd, port: u16) -> Result<()> {
    call_with_name(libc::SYS_connect, socket, port)
}

/// The user of the process at the other end when it connected, or began to listen (`SO_PEERCRED`).
pub fn peer_user(socket: &OwnedFd) -> Option<u32> {
    // `struct ucred`: process, user, group.
    let mut peer = [0_u32; 3];
    let mut length = 12_i32;
    let socket = word(socket.as_fd().as_raw_fd());
    let place = [(&raw mut peer) as usize, (&raw mut length) as usize];
    // SAFETY: the kernel writes at most the length that it is told, and that.
    let result = unsafe {
        arch::syscall6(
            number(libc::SYS_getsockopt),
            [socket, word(libc::SOL_SOCKET), word(libc::SO_PEERCRED), place[0], place[1], 0],
        )
    };
    (result == 0).then_some(peer[1])
}

/// Most descriptors in one message (`SCM_MAX_FD`, include/net/scm.h).
pub const MOST: usize = 253;

/// A control message with descriptors (cmsg(3), `SCM_RIGHTS`). The header's size is what the data is aligned to anyway.
#[repr(C)]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    descriptors: [i32; MOST],
}

/// Bytes of a control message before its descriptors.
const HEADER: usize = core::mem::offset_of!(Control, descriptors);

/// Makes `call` on the socket with a message of these bytes and this control message.
fn call_with_message(
    call: libc::c_long,
    socket: &OwnedFd,
    bytes: (*mut u8, usize),
    control: (&mut Control, usize),
    flags: i32,
) -> Result<usize> {
    let mut vector = libc::iovec { iov_base: bytes.0.cast(), iov_len: bytes.1 };
    let mut message = libc::msghdr {
        msg_name: core::ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: &raw mut vector,
        msg_iovlen: 1,
        msg_control: (&raw mut *control.0).cast(),
        msg_controllen: control.1,
        msg_flags: 0,
    };
    let socket = word(socket.as_fd().as_raw_fd());
    // SAFETY: the message names one buffer and one control message that its callers hold, with their lengths.
    unsafe { crate::sys::call(socket, (&raw mut message) as usize, word(flags), call) }.map(length)
}

/// Sends bytes, and up to [`MOST`] descriptors along with the first of them (sendmsg(2)), without blocking.
pub fn send(socket: &OwnedFd, bytes: &[u8], descriptors: &[i32]) -> Result<usize> {
    let length = HEADER + size_of_val(descriptors);
    let mut control = Control { length, level: libc::SOL_SOCKET, kind: libc::SCM_RIGHTS, descriptors: [0; MOST] };
    for (place, descriptor) in control.descriptors.iter_mut().zip(descriptors) {
        *place = *descriptor;
    }
    let bytes = (bytes.as_ptr().cast_mut(), bytes.len());
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    call_with_message(libc::SYS_sendmsg, socket, bytes, (&mut control, length), flags)
}

/// Receives bytes, and hands on each descriptor that comes along (recvmsg(2)), without blocking.
pub fn receive(socket: &OwnedFd, buffer: &mut [u8], take: &mut dyn FnMut(OwnedFd)) -> Result<usize> {
    let mut control = Control { length: 0, level: 0, kind: 0, descriptors: [0; MOST] };
    let bytes = (buffer.as_mut_ptr(), buffer.len());
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    let room = size_of::<Control>();
    let result = call_with_message(libc::SYS_recvmsg, socket, bytes, (&mut control, room), flags);
    if result.is_ok() && control.kind == libc::SCM_RIGHTS {
        let count = control.length.saturating_sub(HEADER) / size_of::<i32>();
        for descriptor in control.descriptors.iter().take(count) {
            // SAFETY: the kernel has just made these numbers this process's.
            take(unsafe { OwnedFd::from_raw_fd(*descriptor) });
        }
    }
    result
}
