//! Who may use a section with a token.

pub mod gate;
pub mod handshake;
mod penalties;
pub mod token;
mod verifier;
