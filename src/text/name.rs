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
