//! The tests that run the real binary: real processes, sockets and terminals.
//!
//! One crate, a module per subject. What has to hold for both transports runs once for each, see `support::transport`; what
//! a machine cannot run is counted as skipped, see `support::skip`.

mod support;

mod chroot;
mod command_line;
mod configuration;
mod conflicts;
mod direct;
mod exhaustion;
mod fallbacks;
mod first_steps;
mod hostile;
mod http;
mod inspection;
mod install;
mod jobs;
mod lease;
mod listener;
mod log;
mod make;
mod makeflags;
mod moves;
mod options;
mod places;
mod probe;
mod protocol;
mod reload;
mod replicas;
mod sessions;
mod shortages;
mod signals;
mod status;
mod streams;
mod stubs;
mod supervise;
mod terminals;
mod tokens;
mod triggers;
mod variables;
mod workers;
