//! What holds by the direct transport has to hold by the relay: the same tests again, with stubs that use nothing else.
#![allow(clippy::duplicate_mod, reason = "each of them is a test program of its own, too")]

#[path = "jobs.rs"]
mod jobs;
#[path = "lease.rs"]
mod lease;
#[path = "make.rs"]
mod make;
#[path = "sessions.rs"]
mod sessions;
#[path = "signals.rs"]
mod signals;
#[path = "streams.rs"]
mod streams;
#[path = "terminals.rs"]
mod terminals;
