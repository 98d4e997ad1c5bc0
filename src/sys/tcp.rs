//! TCP sockets on this Pod's loopback interface (tcp(7), ip(7)), and their options (socket(7)).

use super::descriptor::{Descriptor, name, word};
use super::{arch, check, number};
use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Result;

/// `struct sockaddr_in`, with the port in the network's order of bytes.
#[repr(C)]
struct Address {
    family: u16,
    port: [u8; 2],
    host: [u8; 4],
    rest: [u8; 8],
}

/// Makes `call` on the socket and a port of a host.
fn call_with_address(call: libc::c_long, socket: &Descriptor, host: [u8; 4], port: u16) -> Result<()> {
    let address = Address { family: 2, port: port.to_be_bytes(), host, rest: [0; 8] };
    // SAFETY: the address is of the length that goes along.
    unsafe { name(call, socket, (&raw const address).cast(), size_of::<Address>()) }
}

/// Gives the socket an address (bind(2)). Port 0: one that is free.
pub fn bind(socket: &Descriptor, host: [u8; 4], port: u16) -> Result<()> {
    call_with_address(libc::SYS_bind, socket, host, port)
}

/// Connects to a port of this Pod (connect(2)).
pub fn connect(socket: &Descriptor, port: u16) -> Result<()> {
    call_with_address(libc::SYS_connect, socket, [127, 0, 0, 1], port)
}

/// Sets an option (setsockopt(2)).
///
/// # Safety
/// `value` is of the type that the option takes.
unsafe fn set<T>(socket: &Descriptor, level: i32, option: i32, value: &T) -> Result<()> {
    let socket = word(socket.as_fd().as_raw_fd());
    let value = [core::ptr::from_ref(value) as usize, size_of::<T>()];
    // SAFETY: the caller's promise.
    let result = unsafe {
        arch::syscall6(number(libc::SYS_setsockopt), [socket, word(level), word(option), value[0], value[1], 0])
    };
    check(result).map(drop)
}

/// Has frames leave when they are complete (`TCP_NODELAY`).
pub fn set_undelayed(socket: &Descriptor) -> Result<()> {
    // SAFETY: the option takes a number.
    unsafe { set(socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, &1_i32) }
}

/// Lets the socket have an address of which connections are left (`SO_REUSEADDR`).
pub fn set_reused(socket: &Descriptor) -> Result<()> {
    // SAFETY: the option takes a number.
    unsafe { set(socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_i32) }
}

/// Bounds how long sending waits, and connecting (`SO_SNDTIMEO`); not for 0 milliseconds.
pub fn set_patience(socket: &Descriptor, milliseconds: u64) -> Result<()> {
    // A word each, as in `struct timeval`: the other form of this option has another number on 32 bits.
    let milliseconds = usize::try_from(milliseconds).unwrap_or(usize::MAX);
    let time = [milliseconds / 1000, milliseconds % 1000 * 1000];
    // SAFETY: the option takes seconds and microseconds, a word each.
    unsafe { set(socket, libc::SOL_SOCKET, libc::SO_SNDTIMEO, &time) }
}

/// Has closing the socket reset the connection (`SO_LINGER`, for no time).
pub fn set_reset_at_end(socket: &Descriptor) -> Result<()> {
    // SAFETY: the option takes whether and how long, two numbers.
    unsafe { set(socket, libc::SOL_SOCKET, libc::SO_LINGER, &[1_i32, 0]) }
}
