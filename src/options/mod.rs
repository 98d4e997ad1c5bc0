//! Options: their names, the values that they take, where they may stand, and what they mean.
//!
//! - [`table`]: every option, spelled once; `spec`: what is known of each
//! - [`words`]: words to options and values, by the table
//! - [`value`], `names`: the kinds of values, each read by one function
//! - [`settings`]: the options of a section's header and of the command line, as one typed value; [`section`]: how each end
//!   comes by it
//! - `reader`: the options of a server, read from either place; `disagreement`: what of them does not go together
//! - [`command_line`]: the rest of a server's command line
//! - [`help`]: `--help`, by the table

pub mod command_line;
mod disagreement;
pub mod help;
mod names;
mod reader;
pub mod section;
pub mod settings;
mod spec;
pub mod table;
pub mod value;
pub mod words;

pub use names::Named;
