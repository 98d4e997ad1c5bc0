//! The names by which this program is called, and by which its processes find each other.

use crate::line;
use crate::text::line::Line;

/// A client, and what checks, lists and installs.
pub const PROGRAM: &[u8] = b"k8psh";

/// A server.
pub const SERVER: &[u8] = b"k8pshd";

/// The abstract name of the socket by which the server of a port takes direct connections (unix(7)), without the NUL
/// before it. It belongs to the network namespace, which the containers of a Pod share.
pub fn socket(port: u16) -> Line {
    line!("k8psh:{}", port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_named_after_the_program_and_the_port() {
        assert_eq!(socket(2102).bytes(), b"k8psh:2102");
    }
}
