//! The names by which this program is called, and by which it calls itself in messages.

/// A client, and what checks, lists and installs.
pub const PROGRAM: &[u8] = b"k8psh";

/// A server.
pub const SERVER: &[u8] = b"k8pshd";
