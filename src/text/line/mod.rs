//! Lines of text that are put together from parts. Pure: who writes them is [`crate::diag`]'s business.

pub(in crate::text) mod buffer;
pub(in crate::text) mod part;

pub use buffer::Line;
pub use part::{Part, Show, add, placeholders};
