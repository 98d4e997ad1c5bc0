//! `${NAME}` and `${NAME:-default}`: where they are in a text, and what takes their place.
//!
//! A name is made of ASCII letters, digits, `_ - . ( )` and space; a default ends at the first `}`. What only looks
//! like a reference is ordinary text, so nothing here fails.

use crate::text;
use crate::text::bytes::{after, until};
use crate::text::packed::Text;

/// A reference to a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'v> {
    /// The variable; never empty.
    pub name: &'v [u8],
    /// What stands for it while it is unset.
    pub default: Option<&'v [u8]>,
}

/// A stretch of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'v> {
    /// Stays as it stands.
    Text(&'v [u8]),
    /// Is replaced.
    Reference(Reference<'v>),
}

/// The pieces of `value` in order.
pub fn pieces(value: &[u8]) -> Pieces<'_> {
    Pieces { rest: value }
}

/// See [`pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'v> {
    rest: &'v [u8],
}

impl<'v> Iterator for Pieces<'v> {
    type Item = Piece<'v>;

    fn next(&mut self) -> Option<Piece<'v>> {
        if self.rest.is_empty() {
            return None;
        }
        let (reference, len) = match find(self.rest, None) {
            Found::Whole(reference, len) => (Some(reference), len),
            Found::Open => (None, self.rest.len()),
            Found::Nothing => (None, text_len(self.rest)),
        };
        let (text, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(reference.map_or(Piece::Text(text), Piece::Reference))
    }
}

/// How far a text that does not begin with a reference is none: up to the next `$` that may begin one.
fn text_len(text: &[u8]) -> usize {
    text.get(1..).map_or(0, |after| 1 + until(after, b'$').len())
}

/// What a text begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'v> {
    /// No reference.
    Nothing,
    /// What would be a reference if it had an end. There is no `}` up to the barrier, so no other reference with a default
    /// either: a caller that remembers this need not search again.
    Open,
    /// A reference of that length.
    Whole(Reference<'v>, usize),
}

/// What `text` begins with. A default does not reach beyond a `barrier`.
pub(super) fn find(text: &[u8], barrier: Option<u8>) -> Found<'_> {
    let Some(Head { name, has_default, len }) = head(text) else { return Found::Nothing };
    if !has_default {
        return Found::Whole(Reference { name, default: None }, len);
    }
    let rest = after(text, len);
    let end = rest.iter().position(|byte| *byte == b'}' || Some(*byte) == barrier);
    match end.and_then(|end| rest.split_at_checked(end)) {
        Some((default, [b'}', ..])) => {
            Found::Whole(Reference { name, default: Some(default) }, len + default.len() + 1)
        }
        _ => Found::Open,
    }
}

/// A reference as far as its meaning is the same in every kind of text: `${NAME}`, or `${NAME:-`.
pub(super) struct Head<'v> {
    pub(super) name: &'v [u8],
    pub(super) has_default: bool,
    pub(super) len: usize,
}

/// The head that `text` begins with.
pub(super) fn head(text: &[u8]) -> Option<Head<'_>> {
    let [b'$', b'{', inner @ ..] = text else { return None };
    let end = inner.iter().position(|byte| !is_name(*byte)).filter(|end| *end > 0)?;
    let (name, rest) = inner.split_at_checked(end)?;
    match rest {
        [b'}', ..] => Some(Head { name, has_default: false, len: end + 3 }),
        [b':', b'-', ..] => Some(Head { name, has_default: true, len: end + 4 }),
        _ => None,
    }
}

/// What a message says behind a text that is wrong, if it has a `${` in it: that was not replaced.
pub fn unreplaced(text: &[u8]) -> Text {
    if text.windows(2).any(|pair| pair == b"${") {
        text!("; ${ without a name and } is taken as it stands")
    } else {
        Text::EMPTY
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'(' | b')' | b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &[u8]) -> Option<&'static [u8]> {
        match name {
            b"A" => Some(b"1"),
            b"long name-._()9" => Some(b"2"),
            b"EMPTY" => Some(b""),
            b"NESTED" => Some(b"${A}"),
            _ => None,
        }
    }

    fn expanded(value: &str) -> String {
        let mut text = Vec::new();
        for piece in pieces(value.as_bytes()) {
            text.extend_from_slice(match piece {
                Piece::Text(part) => part,
                Piece::Reference(Reference { name, default }) => lookup(name).or(default).unwrap_or_default(),
            });
        }
        String::from_utf8(text).expect("ASCII")
    }

    #[test]
    fn references_are_replaced_and_the_rest_stays() {
        for (value, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("${A}", "1"),
            ("x${A}y${A}z", "x1y1z"),
            ("${long name-._()9}", "2"),
            ("${U}", ""),
            ("${U:-d}", "d"),
            ("${U:-}", ""),
            ("${A:-d}", "1"),
            ("${EMPTY:-d}", ""),
            ("${U:-a b\n#\"c}d}", "a b\n#\"cd}"),
            ("${U:-${A}}", "${A}"),
            ("${NESTED}", "${A}"),
            ("$", "$"),
            ("$$", "$$"),
            ("$${A}", "$1"),
            ("${", "${"),
            ("${A", "${A"),
            ("${}", "${}"),
            ("${:-d}", "${:-d}"),
            ("${A:d}", "${A:d}"),
            ("${A:-d", "${A:-d"),
            ("${A}${A:-${A:-", "1${A:-${A:-"),
            ("${A/b}", "${A/b}"),
            ("${A${A}", "${A1"),
            ("${A\n}", "${A\n}"),
            ("$A {A} }", "$A {A} }"),
        ] {
            assert_eq!(expanded(value), expected, "{value:?}");
        }
    }

    #[test]
    fn a_default_ends_at_a_barrier() {
        let whole = Found::Whole(Reference { name: b"A", default: Some(b"b") }, 7);
        assert_eq!(find(b"${A:-b}\n", Some(b'\n')), whole);
        assert_eq!(find(b"${A:-b\nc}", Some(b'\n')), Found::Open);
        assert_eq!(find(b"${A:-b", Some(b'\n')), Found::Open);
        assert_eq!(find(b"${A\n}", Some(b'\n')), Found::Nothing);
    }

    #[test]
    fn a_text_comes_in_stretches_as_long_as_can_be() {
        let reference = Piece::Reference(Reference { name: b"A", default: None });
        let found: Vec<_> = pieces(b"ab c$d${A}}e").collect();
        assert_eq!(found, [Piece::Text(b"ab c"), Piece::Text(b"$d"), reference, Piece::Text(b"}e")]);
    }
}
