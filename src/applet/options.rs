//! Options as words: `-x`, `--long`, `-x VALUE`, `--long VALUE`, `--long=VALUE`. Knows no option's meaning.

use crate::add;
use crate::diag::{Line, Show};
use core::ffi::CStr;

/// An option that a program knows.
pub(super) struct Spec<T: 'static> {
    /// Its letter.
    pub(super) letter: u8,
    /// Its long name, without the hyphens.
    pub(super) name: &'static str,
    /// Whether a value belongs to it.
    pub(super) takes_value: bool,
    /// What it is.
    pub(super) id: T,
}

impl<T> Spec<T> {
    /// An option without a value.
    pub(super) const fn flag(letter: u8, name: &'static str, id: T) -> Spec<T> {
        Spec { letter, name, takes_value: false, id }
    }

    /// An option with a value.
    pub(super) const fn value(letter: u8, name: &'static str, id: T) -> Spec<T> {
        Spec { letter, name, takes_value: true, id }
    }
}

/// A word, or an option and its value, among the words that a program was given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word<T> {
    /// An option, and its value where it takes one (empty where not).
    Given(T, &'static CStr),
    /// A word that is no option.
    Plain(&'static CStr),
}

/// What is wrong with an option.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misuse {
    /// There is none of this name.
    Unknown(&'static CStr),
    /// A word that is no option, where only options may stand.
    Unexpected(&'static CStr),
    /// It is the last word and takes a value.
    NoValue(&'static str),
    /// It takes none but was given one.
    NeedlessValue(&'static str),
}

impl Misuse {
    /// Whether the words around it still make sense without it.
    pub(super) fn can_be_ignored(&self) -> bool {
        matches!(self, Misuse::Unknown(_) | Misuse::Unexpected(_))
    }
}

impl Show for Misuse {
    fn show(&self, line: &mut Line) {
        match self {
            Misuse::Unknown(word) => add!(line, "unknown option {}", word),
            Misuse::Unexpected(word) => add!(line, "unexpected argument {}", word),
            Misuse::NoValue(name) => add!(line, "--{} needs a value", name),
            Misuse::NeedlessValue(name) => add!(line, "--{} takes no value", name),
        }
    }
}

/// The next of `words` by this table.
pub(super) fn next<T: Copy>(
    table: &'static [Spec<T>],
    words: &mut dyn Iterator<Item = &'static CStr>,
) -> Option<Result<Word<T>, Misuse>> {
    let word = words.next()?;
    let text = word.to_bytes();
    if !text.starts_with(b"-") || text == b"-" {
        return Some(Ok(Word::Plain(word)));
    }
    let equals = text.iter().position(|byte| *byte == b'=').filter(|_| text.starts_with(b"--"));
    let name = text.get(..equals.unwrap_or(text.len())).unwrap_or_default();
    let Some(spec) = find(table, name) else { return Some(Err(Misuse::Unknown(word))) };
    let attached = equals.and_then(|at| CStr::from_bytes_until_nul(word.to_bytes_with_nul().get(at + 1..)?).ok());
    let value = match (spec.takes_value, attached) {
        (false, None) => Ok(c""),
        (false, Some(_)) => Err(Misuse::NeedlessValue(spec.name)),
        (true, Some(value)) => Ok(value),
        (true, None) => words.next().ok_or(Misuse::NoValue(spec.name)),
    };
    Some(value.map(|value| Word::Given(spec.id, value)))
}

/// The option of this name, hyphens included.
fn find<T>(table: &'static [Spec<T>], name: &[u8]) -> Option<&'static Spec<T>> {
    table.iter().find(|spec| match name {
        [b'-', b'-', long @ ..] => long == spec.name.as_bytes(),
        [b'-', letter] => *letter == spec.letter && spec.letter != 0,
        _ => false,
    })
}

/// A whole decimal number; `None` for anything else, and for one that does not fit.
pub(super) fn number(text: &CStr) -> Option<i64> {
    let text = text.to_bytes();
    match text.strip_prefix(b"-") {
        Some(digits) => 0_i64.checked_sub_unsigned(crate::number::parse(digits, 10)?),
        None => i64::try_from(crate::number::parse(text, 10)?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TABLE: [Spec<u8>; 2] = [Spec::flag(b'f', "flag", 1), Spec::value(b'v', "value", 2)];

    fn all(words: &[&'static CStr]) -> Vec<Result<Word<u8>, Misuse>> {
        let mut words = words.iter().copied();
        core::iter::from_fn(|| next(&TABLE, &mut words)).collect()
    }

    #[test]
    fn options_are_known_by_letter_and_by_name() {
        use Word::{Given, Plain};
        for (words, wanted) in [
            (&[c"-f", c"--flag"][..], vec![Ok(Given(1, c"")), Ok(Given(1, c""))]),
            (
                &[c"-v", c"-f", c"--value", c"", c"--value=a=b", c"--value="],
                vec![Ok(Given(2, c"-f")), Ok(Given(2, c"")), Ok(Given(2, c"a=b")), Ok(Given(2, c""))],
            ),
            (&[c"-", c"x", c""], vec![Ok(Plain(c"-")), Ok(Plain(c"x")), Ok(Plain(c""))]),
            (
                &[c"--flags", c"-fv", c"--", c"-f=1"],
                vec![
                    Err(Misuse::Unknown(c"--flags")),
                    Err(Misuse::Unknown(c"-fv")),
                    Err(Misuse::Unknown(c"--")),
                    Err(Misuse::Unknown(c"-f=1")),
                ],
            ),
            (&[c"--flag=x", c"-v"], vec![Err(Misuse::NeedlessValue("flag")), Err(Misuse::NoValue("value"))]),
        ] {
            assert_eq!(all(words), wanted);
        }
    }

    #[test]
    fn a_number_is_checked_whole() {
        for (text, wanted) in [(c"0", Some(0)), (c"-1", Some(-1)), (c"12x", None), (c"", None), (c" 1", None)] {
            assert_eq!(number(text), wanted);
        }
        assert_eq!([number(c"9223372036854775808"), number(c"9223372036854775807")], [None, Some(i64::MAX)]);
    }
}
