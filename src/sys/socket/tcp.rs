//! TCP sockets by IPv4 and IPv6 (tcp(7), ip(7), ipv6(7)), and their options (socket(7)).

use crate::limits;
use crate::sys::fd::{self, OwnedFd, name, word};
use crate::sys::{arch, check, number};
use crate::text::address::Address;
use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Result;

/// `struct sockaddr_in6`, or at its beginning `struct sockaddr_in`, which has the host where IPv6 has the flow; with the port
/// in the network's order of bytes. The kernel takes one that is longer than its family's.
#[repr(C, align(4))]
struct Name {
    family: u16,
    port: [u8; 2],
    flow: [u8; 4],
    host: [u8; 16],
    scope: [u8; 4],
}

/// Makes `call` on the socket and a port of a host.
#[inline(never)]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "families are small")]
fn call_with_address(call: libc::c_long, socket: &OwnedFd, address: &Address, port: u16) -> Result<()> {
    let port = port.to_be_bytes();
    let mut place = Name { family: libc::AF_INET6 as u16, port, flow: [0; 4], host: address.bytes(), scope: [0; 4] };
    if let Some(host) = address.as_v4() {
        place.family = libc::AF_INET as u16;
        place.flow = host;
    }
    // SAFETY: the name has as many bytes.
    unsafe { name(call, socket, (&raw const place).cast(), size_of::<Name>()) }
}

/// A socket for this address's family.
pub fn socket(address: &Address) -> Result<OwnedFd> {
    fd::tcp_socket(address.as_v4().is_some())
}

/// Gives the socket an address (bind(2)). Port 0: one that is free.
pub fn bind(socket: &OwnedFd, address: &Address, port: u16) -> Result<()> {
    call_with_address(libc::SYS_bind, socket, address, port)
}

/// Connects to a port of a host (connect(2)).
pub fn connect(socket: &OwnedFd, address: &Address, port: u16) -> Result<()> {
    call_with_address(libc::SYS_connect, socket, address, port)
}

/// The address of the other end (getpeername(2)); that of all hosts, `::`, where the connection is no more.
#[inline(never)]
pub fn peer(socket: &OwnedFd) -> Address {
    let mut place = Name { family: 0, port: [0; 2], flow: [0; 4], host: [0; 16], scope: [0; 4] };
    let mut length = 28_i32;
    let socket = word(socket.as_fd().as_raw_fd());
    let arguments = [socket, (&raw mut place) as usize, (&raw mut length) as usize];
    // SAFETY: the kernel writes at most the length that it is told, which is the name's, and that.
    unsafe { arch::syscall(number(libc::SYS_getpeername), arguments) };
    if i32::from(place.family) == libc::AF_INET { Address::v4(place.flow) } else { Address::v6(place.host) }
}

/// What has gone over a connection, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Traffic {
    /// What was read of what has come.
    pub read: u64,
    /// What was written, on its way or not.
    pub written: u64,
    /// What of that the other end's kernel has.
    pub arrived: u64,
}

/// What has gone over a connection until now (tcp(7), `TCP_INFO`); zeros where it is none of TCP, or the kernel is older
/// than 4.1.
#[inline(never)]
pub fn traffic(socket: &OwnedFd) -> Traffic {
    // `struct tcp_info` (`include/uapi/linux/tcp.h`) as words of 64 bits: the state is its first byte, what was acknowledged
    // and what was received are words 15 and 16.
    let mut words = [0_u64; 17];
    let mut length = 136_i32;
    let mut state = u8::MAX;
    let fd = socket.as_fd();
    let socket = word(fd.as_raw_fd());
    let option = [word(libc::IPPROTO_TCP), word(libc::TCP_INFO)];
    let place = [(&raw mut words) as usize, (&raw mut length) as usize];
    // The state is read ahead of the rest, and a connection that ends in between would seem to have a byte more.
    loop {
        // SAFETY: the kernel writes at most the length that it is told, and that.
        unsafe {
            arch::syscall6(number(libc::SYS_getsockopt), [socket, option[0], option[1], place[0], place[1], 0]);
        }
        let [now, ..] = words[0].to_ne_bytes();
        if core::mem::replace(&mut state, now) == now {
            break;
        }
    }
    // The other end's end counts as a byte (`net/tcp_states.h`: CLOSE_WAIT, LAST_ACK, CLOSING).
    let end = u64::from(state > 7 && state != 10);
    let unread = fd::count(fd, libc::FIONREAD);
    Traffic {
        read: words[16].saturating_sub(end + unread),
        written: words[15] + fd::count(fd, libc::TIOCOUTQ),
        arrived: words[15],
    }
}

/// Bytes that were written to a connection and that the other end's kernel does not have yet (tcp(7), `SIOCOUTQ`).
pub fn unacknowledged(socket: &OwnedFd) -> u64 {
    fd::count(socket.as_fd(), libc::TIOCOUTQ)
}

/// Sets an option (setsockopt(2)).
///
/// # Safety
/// `value` is of the type that the option takes.
unsafe fn set<T>(socket: &OwnedFd, level: i32, option: i32, value: &T) -> Result<()> {
    // SAFETY: the caller's promise.
    unsafe { set_bytes(socket, level, option, core::ptr::from_ref(value) as usize, size_of::<T>()) }
}

/// Sets an option to so many bytes at an address.
///
/// # Safety
/// They can be read, and are of the type that the option takes.
#[inline(never)]
unsafe fn set_bytes(socket: &OwnedFd, level: i32, option: i32, value: usize, length: usize) -> Result<()> {
    let socket = word(socket.as_fd().as_raw_fd());
    // SAFETY: the caller's promise.
    check(unsafe {
        arch::syscall6(number(libc::SYS_setsockopt), [socket, word(level), word(option), value, length, 0])
    })
    .map(drop)
}

/// Has frames leave when they are complete (`TCP_NODELAY`).
pub fn set_undelayed(socket: &OwnedFd) -> Result<()> {
    // SAFETY: the option takes a number.
    unsafe { set(socket, libc::IPPROTO_TCP, libc::TCP_NODELAY, &1_i32) }
}

/// Has the kernel ask a silent other end whether it is there (`SO_KEEPALIVE`), as often as [`limits::KEEPALIVE_S`] and
/// [`limits::KEEPALIVE_COUNT`] say.
pub fn set_keepalive(socket: &OwnedFd) {
    static OPTIONS: [[i32; 3]; 4] = [
        [libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1],
        [libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, limits::KEEPALIVE_S],
        [libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, limits::KEEPALIVE_S],
        [libc::IPPROTO_TCP, libc::TCP_KEEPCNT, limits::KEEPALIVE_COUNT],
    ];
    for [level, option, value] in &OPTIONS {
        // SAFETY: each option takes a number.
        let _ = unsafe { set(socket, *level, *option, value) };
    }
}

/// Lets the socket have an address of which connections are left (`SO_REUSEADDR`).
pub fn set_reused(socket: &OwnedFd) -> Result<()> {
    // SAFETY: the option takes a number.
    unsafe { set(socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1_i32) }
}

/// Lets a listening socket for all addresses of IPv6 take connections by IPv4 as well, whatever the system's habit
/// (`IPV6_V6ONLY`, ipv6(7)).
pub fn set_dual(socket: &OwnedFd) -> Result<()> {
    // SAFETY: the option takes a number.
    unsafe { set(socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, &0_i32) }
}

/// Has a connection end whose other end has vanished: it is asked for a sign of life when it has been silent for a while
/// (`SO_KEEPALIVE`), and what it leaves unacknowledged ends it too (`TCP_USER_TIMEOUT`). On a listening socket: all of its
/// connections, which inherit the options.
pub fn set_watched(socket: &OwnedFd) -> Result<()> {
    set_keepalive(socket);
    // SAFETY: the option takes a number.
    unsafe { set(socket, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, &limits::TCP_USER_TIMEOUT_MS) }
}

/// Bounds how long sending waits, and connecting (`SO_SNDTIMEO`); not for 0 milliseconds.
pub fn set_patience(socket: &OwnedFd, milliseconds: u64) -> Result<()> {
    // A word each, as in `struct timeval`: the other form of this option has another number on 32 bits.
    let milliseconds = usize::try_from(milliseconds).unwrap_or(usize::MAX);
    let time = [milliseconds / 1000, milliseconds % 1000 * 1000];
    // SAFETY: the option takes seconds and microseconds, a word each.
    unsafe { set(socket, libc::SOL_SOCKET, libc::SO_SNDTIMEO, &time) }
}

/// Has closing the socket reset the connection (`SO_LINGER`, for no time).
pub fn set_reset_at_end(socket: &OwnedFd) -> Result<()> {
    // SAFETY: the option takes whether and how long, two numbers.
    unsafe { set(socket, libc::SOL_SOCKET, libc::SO_LINGER, &[1_i32, 0]) }
}
