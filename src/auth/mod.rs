//! Who may use a section with a token.

pub mod gate;
pub mod handshake;
pub mod proof;
pub mod token;
