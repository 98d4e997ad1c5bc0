//! What a server runs, for `k8psh --status`.
//!
//! - `board`: where each session notes what it does, in memory that all processes of the server share
//! - `answer`: what a client that asks is told of it

mod answer;
pub mod board;
