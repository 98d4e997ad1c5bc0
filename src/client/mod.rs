//! A stub: finds the command's server, sends the request, relays, and ends as the command ended. And what asks
//! a server something else: `inspect`.
//!
//! - `run`: from the configuration to a connected `Stub`
//! - `route`, `connect`: where a server is, and how to get there
//! - `request`: what the stub asks for, and the caller's descriptors that go along
//! - `stub`: the state of a connected stub, and its poll loop; `connection`, `streams`, `signals` and `terminal::sharing`
//!   are its handlers, one for each kind of event
//! - `terminal`: the caller's terminal, and how it becomes raw and is restored on every way out

mod connect;
mod connection;
pub mod inspect;
mod request;
mod route;
mod run;
mod signals;
mod streams;
mod stub;
mod terminal;

pub use run::run;
