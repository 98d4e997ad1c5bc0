//! How much a configuration holds. Little in tests: they reach every limit, and a configuration fits on a stack.

#[cfg(not(test))]
pub(super) use crate::limits::{
    CONFIG_COMMANDS as COMMANDS, CONFIG_FILE as FILE, CONFIG_SECTIONS as SECTIONS, CONFIG_TEXT as TEXT,
    CONFIG_WORDS as WORDS,
};

#[cfg(test)]
pub(super) const FILE: usize = 16 << 10;
#[cfg(test)]
pub(super) const TEXT: usize = 8 << 10;
#[cfg(test)]
pub(super) const WORDS: usize = 128;
#[cfg(test)]
pub(super) const COMMANDS: usize = 32;
#[cfg(test)]
pub(super) const SECTIONS: usize = 8;
