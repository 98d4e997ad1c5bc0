//! Access to a section with a token.
//!
//! - [`token`]: reads the token
//! - [`handshake`]: the stub's half of the proof, over its socket
//! - [`queue`]: the pre-auth queue; `verifier`: the proof of one connection; `request`: the
//!   same by HTTP; `penalties`: delays after failures

pub mod handshake;
mod penalties;
pub mod queue;
mod request;
pub mod token;
mod verifier;
