//! Options: what they are called, what values they take, and how they are read from words.

pub mod value;
pub mod words;
