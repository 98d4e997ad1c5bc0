//! What servers are asked that is no command: whether they are there, and what they are at.

pub mod probe;
pub mod status;
