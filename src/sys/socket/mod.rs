//! Sockets: of TCP, and of this kernel alone.

pub mod tcp;
pub mod unix;
