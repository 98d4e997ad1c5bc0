//! k8psh, the Kubernetes Pod Shell: runs a program that lives in another container as though it were installed here.
//!
//! One file plays all roles; the name by which it is called says which. A stub sends its request to the server that the
//! configuration names, a session there starts the command, and both relay until it has ended, unless the command was
//! given the caller's own descriptors:
//!
//! ```text
//!  caller ── stub ══ frames over a socket ══ session ── command
//!            client                          session, in a worker process that
//!            protocol::client                server::listener forked ahead; protocol::server
//! ```
//!
//! Rooms by subject:
//!
//! - [`cli`]: which role this process plays; the command line of `k8psh`: check, list, install.
//! - [`client`]: a stub: its route, its request, its relay; the probe, the status.
//! - [`server`]: `k8pshd`: start and reload, the listener, its workers, stubs as files, the program behind `--`.
//! - [`session`]: the server's end of one connection: launch, relay, end, the log.
//! - [`auth`]: the token, and connections that have not proven that they have it.
//! - [`secure`]: encryption of connections to a section with a token. Bytes in, bytes out, no system call.
//! - [`http`]: requests and answers of a trigger by HTTP. Bytes in, bytes out, no system call.
//! - [`options`]: what options there are and what they say.
//! - [`config`]: bytes to a typed configuration.
//! - [`protocol`]: frames, and the state machines of both ends. Bytes in, actions out, no system call.
//! - [`files`]: paths and files.
//! - [`diag`]: the only writer of messages.
//! - [`mod@text`]: lines, numbers, times, addresses, JSON; the texts of messages, packed. Pure.
//! - [`sys`]: the kernel's side, and all that is unsafe. The entry point and the memory functions of the freestanding
//!   program are in `sys/freestanding`, which is part of the binary alone.
//! - [`limits`], [`exit`]: every capacity and time-out; exit codes. Everybody may use them.
//!
//! What each may use, and nothing else. `tests/structure.rs` holds the code to it:
//!
//! ```text
//! cli      → client server options config files diag text sys
//! client   → auth secure options config protocol files diag text sys
//! server   → session auth options config files diag text sys
//! session  → secure http options config protocol files diag text sys
//! auth     → secure http options protocol files diag text sys
//! secure   →
//! http     → protocol text
//! options  → config diag text sys
//! config   → files diag text sys
//! protocol → text
//! files    → text sys
//! diag     → text sys
//! text     →
//! sys      →
//! ```
#![cfg_attr(not(test), no_std)]

pub mod auth;
pub mod cli;
pub mod client;
pub mod config;
pub mod diag;
pub mod exit;
pub mod files;
pub mod http;
pub mod limits;
pub mod options;
pub mod protocol;
pub mod secure;
pub mod server;
pub mod session;
pub mod sys;
pub mod text;
