//! The server's end of one connection: takes the request, starts the command, relays, reports, ends.
//!
//! The connection is a lease. When it goes before the command has ended, the command goes, and everything that it left
//! behind: its orphans become children of this process, so each of them can be found.
//!
//! [`Session::serve`] runs one, in a poll loop. What a session is at is one value, `phases::State`; all its deadlines are
//! one table, in `deadlines`. Neither makes a system call.

pub mod command;
pub mod connection;
mod deadlines;
mod ending;
mod event_loop;
pub mod log;
mod messages;
mod phases;
pub mod service;
pub mod status;
mod streams;
mod terminal;
mod trigger;
mod wire;

pub use event_loop::{Buffers, Session};
