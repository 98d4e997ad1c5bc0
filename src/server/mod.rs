//! `k8pshd`: reads its options and the configuration, makes the stubs, serves, and runs the program behind `--`.
//!
//! - `serve`: the role, from the command line to the end
//! - `start`: the first configuration and the next ones come into force; `generation` is one of them
//! - `listener`: the first process, and how it ends (`drain`); `sockets`: where it listens
//! - `pool`, `worker`: the processes that serve connections
//! - `stubs`: the files by whose names clients call commands
//! - `daemon`, `supervise`: how the server leaves its caller, and the program that it is the parent of

mod daemon;
mod drain;
mod generation;
mod listener;
mod pool;
mod serve;
mod sockets;
mod start;
mod stubs;
mod supervise;
mod worker;

pub use serve::main;
