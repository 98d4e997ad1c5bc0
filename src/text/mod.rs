//! Text: numbers, times, addresses and reasons as bytes, and lines put together from them. Pure.

pub mod address;
pub mod bytes;
pub mod errno;
pub mod json;
pub mod line;
pub mod name;
pub mod number;
pub mod packed;
pub mod time;
