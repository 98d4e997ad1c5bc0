//! What runs on a server, for those who ask: `k8psh --status`.
//!
//! - `board`: the memory in which each session says what it is at, and which all processes of the server share
//! - `answer`: what is made of it, by a process of its own that a session starts in the place of a command

mod answer;
pub mod board;

pub(super) use answer::print;
