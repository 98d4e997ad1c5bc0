//! TCP sockets by IPv4 and IPv6 (tcp(7), ip(7), ipv6(7)): what takes more than one call of rustix's, or one that it lacks.

use crate::sys::call::{number, syscall6, word};
use crate::sys::fd::own::{OwnedFd, above_streams, unread};
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use rustix::fd::{AsFd, AsRawFd};
use rustix::io::Result;
use rustix::ioctl::{Getter, Opcode, ioctl};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// A blocking stream socket of this address's family, above the three standard streams.
pub fn socket(address: &IpAddr) -> Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    above_streams(rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// The address of the other end in canonical form (getpeername(2)); `None` where the connection is gone already.
pub fn peer(socket: &OwnedFd) -> Option<IpAddr> {
    let peer = SocketAddr::try_from(rustix::net::getpeername(socket).ok()??).ok()?;
    Some(peer.ip().to_canonical())
}

/// Has the kernel probe the other end after so many seconds of silence and as often again, and end the connection after
/// `count` probes without an answer (`SO_KEEPALIVE`, tcp(7)). A listening socket's connections inherit this.
pub fn set_keepalive(socket: &OwnedFd, seconds: u64, count: u32) -> Result<()> {
    let interval = Duration::from_secs(seconds);
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, interval)?;
    sockopt::set_tcp_keepintvl(socket, interval)?;
    sockopt::set_tcp_keepcnt(socket, count)
}

/// Whether closing this descriptor may take as long as the other end likes (`SO_LINGER`, socket(7)).
pub fn lingers(fd: &OwnedFd) -> bool {
    sockopt::socket_linger(fd).is_ok_and(|time| time.is_some())
}

/// An instruction of a socket filter (`struct sock_filter`, `include/uapi/linux/filter.h`).
#[repr(C)]
struct Instruction {
    code: u16,
    jumps: [u8; 2],
    value: u32,
}

/// A socket filter (`struct sock_fprog`).
#[repr(C)]
struct Filter {
    length: u16,
    instructions: *const Instruction,
}

/// Makes a listening socket drop all packets: no further connection is established, and those that wait to be accepted
/// stay (`SO_ATTACH_FILTER`, socket(7)). Closing the socket alone would reset a connection that is established between
/// the last accept(2) and the close. If the kernel has no filters, it does.
pub fn stop_arrivals(socket: &OwnedFd) {
    /// Keeps none of the packet's bytes (`BPF_RET | BPF_K`).
    const DROP: Instruction = Instruction { code: 6, jumps: [0; 2], value: 0 };
    let instruction = DROP;
    let filter = Filter { length: 1, instructions: &raw const instruction };
    let option = [word(libc::SOL_SOCKET), word(libc::SO_ATTACH_FILTER)];
    let arguments =
        [word(socket.as_raw_fd()), option[0], option[1], (&raw const filter) as usize, size_of::<Filter>(), 0];
    // SAFETY: the kernel copies the filter, and as many instructions as its length says.
    unsafe { syscall6(number(libc::SYS_setsockopt), arguments) };
}

/// What has gone over a connection, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Received, and read from the socket.
    pub read: u64,
    /// Written to the socket, acknowledged or not.
    pub written: u64,
    /// Written, and acknowledged by the other end's kernel.
    pub acknowledged: u64,
}

/// `struct tcp_info` (`include/uapi/linux/tcp.h`) as words of 64 bits, up to the last one that is needed.
type Info = [u64; 17];

/// Bytes of [`Info`], as the kernel counts them (`socklen_t`).
const INFO_BYTES: u32 = 17 * 8;

/// Words of [`Info`]: `tcpi_bytes_acked` and `tcpi_bytes_received`.
const BYTES_ACKED: usize = 15;
const BYTES_RECEIVED: usize = 16;

/// States of a connection whose other end has sent its FIN, which counts as a byte received (`net/tcp_states.h`).
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const CLOSING: u8 = 11;

/// What has gone over a connection until now (`TCP_INFO`, since Linux 4.1); zeros for what is not a TCP connection.
pub fn traffic(socket: &OwnedFd) -> Traffic {
    let mut info = info(socket);
    loop {
        // The kernel reads the state before the counters: a FIN in between would look like a byte of data.
        let again = self::info(socket);
        let is_same = state(&again) == state(&info);
        info = again;
        if is_same {
            break;
        }
    }
    let fin = u64::from(matches!(state(&info), CLOSE_WAIT | LAST_ACK | CLOSING));
    Traffic {
        read: info[BYTES_RECEIVED].saturating_sub(fin + unread(socket) as u64),
        written: info[BYTES_ACKED] + unacknowledged(socket),
        acknowledged: info[BYTES_ACKED],
    }
}

/// Bytes that were written to a connection and that the other end's kernel has not acknowledged yet (`SIOCOUTQ`, tcp(7)).
pub fn unacknowledged(socket: &OwnedFd) -> u64 {
    #[allow(clippy::cast_possible_truncation, reason = "requests have 32 bits")]
    const SIOCOUTQ: Opcode = libc::TIOCOUTQ as Opcode;
    // SAFETY: the request writes a C int.
    let count = unsafe { ioctl(socket, Getter::<SIOCOUTQ, i32>::new()) };
    count.map_or(0, |count: i32| count.unsigned_abs().into())
}

/// `tcpi_state`, the first byte.
fn state(info: &Info) -> u8 {
    info[0].to_ne_bytes()[0]
}

fn info(socket: &OwnedFd) -> Info {
    let mut info = [0_u64; 17];
    let mut length = INFO_BYTES;
    let option = [word(libc::IPPROTO_TCP), word(libc::TCP_INFO)];
    let arguments = [
        word(socket.as_fd().as_raw_fd()),
        option[0],
        option[1],
        (&raw mut info) as usize,
        (&raw mut length) as usize,
        0,
    ];
    // SAFETY: the kernel writes at most `length` bytes to `info`, which has as many, and then `length` itself.
    unsafe { syscall6(number(libc::SYS_getsockopt), arguments) };
    info
}
