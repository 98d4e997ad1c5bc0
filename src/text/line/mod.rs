//! Lines of text that are put together from parts. Pure: [`crate::diag`] writes them.

pub(in crate::text) mod buffer;
pub(in crate::text) mod part;

pub use buffer::Line;
pub use part::{Part, Show, add, of, placeholders};

/// Puts a [`Line`] together from a text and what stands in the place of each `{}` in it.
#[macro_export]
macro_rules! line {
    ($text:expr $(, $part:expr)* $(,)?) => {{
        $crate::assert_parts!($text $(, $part)*);
        $crate::text::line::of($crate::text!($text), &[$($crate::text::line::Show::part(&$part)),*])
    }};
}

/// Adds a text and its parts to a [`Line`].
#[macro_export]
macro_rules! add {
    ($line:expr, $text:expr $(, $part:expr)* $(,)?) => {{
        $crate::assert_parts!($text $(, $part)*);
        $crate::text::line::add($line, $crate::text!($text), &[$($crate::text::line::Show::part(&$part)),*])
    }};
}

/// Does not compile unless the text, which has to be a constant, has a `{}` for each part.
#[macro_export]
macro_rules! assert_parts {
    ($text:expr $(, $part:expr)*) => {
        const {
            let parts: &[&str] = &[$(stringify!($part)),*];
            assert!($crate::text::line::placeholders($text) == parts.len(), "a text has a placeholder for each part");
        }
    };
}
