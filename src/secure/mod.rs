#![doc = include_str!("README.md")]

pub mod channel;
mod error;
pub mod handshake;
pub mod key;
pub mod record;
mod symmetric;
mod transport;

pub use error::Error;
pub use transport::Transport;
