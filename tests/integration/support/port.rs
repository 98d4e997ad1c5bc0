//! Ports that no other test has, and which addresses have listeners.
//!
//! `scripts/endurance` has this file too.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::until;

/// A TCP port of 127.0.0.1 that no other test takes, in this test program or in one that runs beside it.
///
/// It lies below the range from which the kernel takes the ports of outgoing connections, and is claimed by the
/// name of an abstract socket as long as this value lives.
pub(crate) struct Port {
    pub number: u16,
    _claim: UnixListener,
}

impl Port {
    pub(crate) fn free() -> Port {
        until("a free port", || {
            let number = fastrand::u16(10_000..32_000);
            let name = SocketAddr::from_abstract_name(format!("k8psh-test-port-{number}")).expect("a socket's name");
            let claim = UnixListener::bind_addr(&name).ok()?;
            // Reads /proc instead of binding: a child that another test forks at this time would keep such a socket open.
            // A test may also leave a listener at the name of its port.
            if is_listening(number) || has_name(number) {
                return None;
            }
            Some(Port { number, _claim: claim })
        })
    }
}

/// Whether something listens on this port of 127.0.0.1. Asks the kernel, since connecting would start a session.
pub(crate) fn is_listening(port: u16) -> bool {
    let local = format!(" {:08X}:{port:04X} ", u32::from_ne_bytes([127, 0, 0, 1]));
    let sockets = fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    sockets.lines().any(|line| line.contains(&local) && line.contains(" 0A "))
}

/// Whether something listens on this port, whatever the address.
pub(crate) fn is_listening_anywhere(port: u16) -> bool {
    let wanted = format!(":{port:04X} ");
    ["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|file| {
        let sockets = fs::read_to_string(file).unwrap_or_default();
        sockets.lines().any(|line| line.contains(&wanted) && line.contains(" 0A "))
    })
}

/// Whether something listens at the abstract socket of the server with this port.
pub(crate) fn has_name(port: u16) -> bool {
    let sockets = fs::read_to_string("/proc/net/unix").expect("/proc/net/unix");
    sockets.lines().any(|line| line.ends_with(&format!(" @k8psh:{port}")))
}
