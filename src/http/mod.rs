//! HTTP as a trigger with `--http` speaks it: one request a connection, which is closed behind the answer (RFC 9110,
//! RFC 9112). Bytes in, bytes out, no system call.

pub mod answer;
pub mod body;
pub mod exchange;
pub mod fault;
pub mod head;

pub use fault::Fault;
