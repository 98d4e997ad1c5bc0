//! `k8pshd`: reads its options and the configuration, makes the stubs, serves, and runs the program behind `--`.
//!
//! - `serve`: the role, from the command line to the end
//! - `start`: the first start, and reloads; `generation`: one configuration and its stubs
//! - `listener`: the first process, and how it ends (`drain`); `sockets`: where it listens
//! - `pool`, `worker`: the processes that serve connections
//! - `stubs`: the symbolic links by whose names clients call commands
//! - `daemon`: `--background`; `supervise`: the program behind `--`

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
