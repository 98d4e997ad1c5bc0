//! The configuration: bytes in, typed sections and commands out. Pure; the caller reads the file and knows the
//! environment.
//!
//! ```text
//! baseDirectory = ${WORKSPACE:-.}   # common settings first: key = value
//!
//! [ gcc:2102 ] LANG=C --no-wait     # a section per server: name, port, environment, server options
//! gcc                               # a command: name, environment, executable, arguments
//! g++ CCACHE_DIR= ?TMPDIR= /usr/bin/g++ -pipe
//! ```
//!
//! - `lexer` makes words of the bytes; [`expansion`] replaces references to variables, for it and again when a command
//!   starts
//! - `parser` makes a [`Config`] of the words; `problem` says what is wrong with them, `position` where
//! - `tables` is what a [`Config`] is kept as, within the limits of `capacity`; `index` finds things by their names
//! - `views` shows it as [`Server`]s, [`Command`]s and [`Variable`]s
//! - [`mod@file`] finds and reads the file; [`crate::files::path`] resolves `baseDirectory` and working directories

mod capacity;
pub mod expansion;
pub mod file;
mod index;
mod lexer;
mod parser;
mod position;
mod problem;
mod tables;
#[cfg(test)]
mod tests;
mod views;

pub use parser::Source;
pub use problem::{Problem, Reason};
pub use tables::Config;
pub use views::{Command, Kind, OptionWord, Server, Variable};
