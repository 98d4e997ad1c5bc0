//! Sockets: TCP and Unix.

pub mod tcp;
pub mod unix;
