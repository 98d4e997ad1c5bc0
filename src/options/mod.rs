//! Options: what they are called, what values they take, where they may stand, and what they say.
//!
//! - [`table`]: every option, spelled once; `spec`: what is known of each
//! - [`words`]: words to options and values, by the table
//! - [`value`], `names`: the kinds of values, each read by one function
//! - [`settings`]: what the options of a section's header and of the command line say, as one typed value
//! - [`command_line`]: what else a server's command line says
//! - [`help`]: `--help`, by the table

pub mod command_line;
pub mod help;
mod names;
pub mod settings;
mod spec;
pub mod table;
pub mod value;
pub mod words;

pub use names::Named;
