//! The way to a server: tried again until it is up or the time is over.

use crate::sys::descriptor::{self, Descriptor};
use crate::sys::time::Moment;
use crate::{debug, limits};
use core::net::{Ipv4Addr, SocketAddrV4};
use core::time::Duration;
use rustix::io::{Errno, Result};
use rustix::net::sockopt;

/// Connects to the server on this port of the Pod, for at most so many milliseconds (`None`: for ever).
pub(super) fn connect(port: u16, timeout: Option<u64>) -> Result<Descriptor> {
    let deadline = timeout.map(|time| Moment::now().after(time));
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
    let mut pause = limits::RETRY_FIRST_MS;
    let mut is_first = true;
    loop {
        let left = deadline.map(|deadline| deadline.left(Moment::now()));
        let errno = match attempt(&address, left, is_first) {
            Ok(socket) => return Ok(socket),
            // Not there yet, or too busy to answer: every other error will not go away by itself.
            Err(errno @ (Errno::CONNREFUSED | Errno::TIMEDOUT | Errno::INPROGRESS | Errno::AGAIN | Errno::INTR)) => {
                errno
            }
            Err(errno) => return Err(errno),
        };
        let left = deadline.map_or(pause, |deadline| deadline.left(Moment::now()));
        if left == 0 {
            return Err(if errno == Errno::INPROGRESS { Errno::TIMEDOUT } else { errno });
        }
        debug!(Applet, "port {}: {}; trying again", port, errno);
        sleep(pause.min(left));
        pause = (2 * pause).min(limits::RETRY_LAST_MS);
        is_first = false;
    }
}

/// One attempt. A server whose backlog is full does not answer, so it may take all the time that is left.
fn attempt(address: &SocketAddrV4, left: Option<u64>, is_first: bool) -> Result<Descriptor> {
    let socket = descriptor::tcp_socket()?;
    if let Some(left) = left {
        // connect(2) waits no longer than a send would (socket(7), SO_SNDTIMEO).
        let time = Duration::from_millis(left.max(1));
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(time))?;
    }
    if !is_first {
        // Where nobody listens, a connection can end up at its own other end: when the kernel happens to choose the very
        // port for this one (RFC 9293, 3.5, simultaneous open). From another address it cannot.
        let _ = rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), 0));
    }
    rustix::net::connect(&socket, address)?;
    // Frames leave when they are complete (tcp(7), TCP_NODELAY).
    sockopt::set_tcp_nodelay(&socket, true)?;
    Ok(socket)
}

/// Waits so many milliseconds.
fn sleep(milliseconds: u64) {
    super::watch::Watch::new().wait(Some(Moment::now().after(milliseconds)));
}

/// Has the connection end with a reset: the server learns at once that the stub has gone, even while it reads nothing, and
/// no port is left waiting (TIME_WAIT), of which ten thousand calls would use up the range. Only for a server of protocol
/// 2: one of protocol 1 takes a reset for a fault of its own and leaves the command running.
pub(super) fn reset_at_end(socket: &Descriptor) {
    let _ = sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}
