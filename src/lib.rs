//! k8psh, the Kubernetes Pod Shell: runs a program that lives in another container as though it were installed here.
//!
//! One file plays all roles; the name by which it is called says which. A stub sends its request to the server that the
//! configuration names, a session there starts the command, and both relay until it has ended, unless the command was
//! given the caller's own descriptors:
//!
//! ```text
//!  caller ── stub ══ frames by a socket ══ session ── command
//!            applet::stub                  applet::session, in a process of applet::worker's,
//!            session::near                 session::far, forked ahead by applet::listener
//! ```
//!
//! Dependencies go one way, from the top of this list down:
//!
//! - [`applet`]: the roles, their options and poll loops. They carry out what the core decides.
//! - [`session`]: the state machines of both ends of a session; [`config`]: bytes to a typed configuration. The core: bytes
//!   in, actions out, without a descriptor or a system call.
//! - the frames, in [`wire`].
//! - [`limits`], [`exit`], [`number`], [`errno`], [`bytes`], [`address`], [`proof`]: capacities, exit codes, digits, the
//!   kernel's reasons in words, searches, addresses of hosts, proofs of a token.
//! - [`json`]: output for programs.
//! - [`diag`]: the only writer of messages.
//! - [`sys`]: the kernel's side, and all that is unsafe. The entry point and the memory functions of the freestanding
//!   program are in `sys/freestanding`, which is part of the binary alone.
#![cfg_attr(not(test), no_std)]

pub mod address;
pub mod applet;
pub mod bytes;
pub mod config;
pub mod diag;
pub mod errno;
pub mod exit;
pub mod json;
pub mod limits;
pub mod number;
pub mod proof;
pub mod session;
pub mod sys;
pub mod wire;
