//! The program's limits, but for the sizes of what flows: as small as they can be in the same proportions.

pub(crate) use k8psh::limits::*;

pub(crate) const FRAME: usize = 16;
pub(crate) const WINDOW: usize = 2 * FRAME;
pub(crate) const WINDOW_CREDIT: i64 = 32;
pub(crate) const INBOX: usize = 2 * FRAME;
pub(crate) const WORTHWHILE: u16 = 1;
pub(crate) const MESSAGE: usize = 32;

pub(crate) const REQUEST_BYTES: usize = 64;
pub(crate) const REQUEST_STRING: usize = 32;
pub(crate) const REQUEST_STRINGS: usize = 8;
