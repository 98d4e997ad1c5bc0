//! Options as words: `-x`, `--long`, `-x VALUE`, `--long VALUE`, `--long=VALUE`. Which there are is read from the usage text
//! that `--help` prints, so the two cannot differ. Knows no option's meaning.

use crate::add;
use crate::text::bytes::{after, until};
use crate::text::line::{Line, Show};
use core::ffi::CStr;

/// An option that a program knows: a line `  -x, --long VALUE  …` or `      --long VALUE  …` of its usage text. One that
/// takes a value has a capital letter behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Which of the options it is, from 0.
    pub number: usize,
    /// Its long name, hyphens included.
    pub name: &'static [u8],
    takes_value: bool,
}

/// A word, or an option and its value, among the words that a program was given.
#[derive(Debug, PartialEq, Eq)]
pub enum Word<'w> {
    /// An option, and its value where it takes one (empty where not).
    Given(Spec, &'w CStr),
    /// A word that is no option.
    Plain(&'w CStr),
}

/// What is wrong with an option.
#[derive(Debug, PartialEq, Eq)]
pub enum UsageError<'w> {
    /// There is none of this name.
    Unknown(&'w [u8]),
    /// A word that is no option, where only options may stand.
    Unexpected(&'w [u8]),
    /// It is the last word and takes a value.
    NoValue(&'static [u8]),
    /// It takes none but was given one.
    NeedlessValue(&'static [u8]),
}

impl UsageError<'_> {
    /// Whether the words around it still make sense without it.
    pub fn can_be_ignored(&self) -> bool {
        matches!(self, UsageError::Unknown(_) | UsageError::Unexpected(_))
    }
}

impl Show for UsageError<'_> {
    fn show(&self, line: &mut Line) {
        let (text, word) = match self {
            UsageError::Unknown(word) => ("unknown option {}", word),
            UsageError::Unexpected(word) => ("unexpected argument {}", word),
            UsageError::NoValue(name) => ("{} needs a value", name),
            UsageError::NeedlessValue(name) => ("{} takes no value", name),
        };
        add!(line, text, word);
    }
}

/// The option of this name, hyphens included, among those that a usage text lists.
#[inline(never)]
pub fn find(usage: &'static str, name: &[u8]) -> Option<Spec> {
    let mut number = 0;
    let mut rest = usage.as_bytes();
    while !rest.is_empty() {
        let line = until(rest, b'\n');
        rest = after(rest, line.len() + 1);
        let (Some(letter), Some(long @ [b'-', b'-', ..])) = (line.get(2..4), line.get(6..)) else { continue };
        let long = until(long, b' ');
        if name == long || name == letter {
            let takes_value = line.get(7 + long.len()).is_some_and(u8::is_ascii_uppercase);
            return Some(Spec { number, name: long, takes_value });
        }
        number += 1;
    }
    None
}

/// The word that ends the options: what follows is a program and its arguments.
pub const END: &[u8] = b"--";

/// The value of the option of that number among `words`, the last where it is given more than once. What is wrong with the
/// others is not its business.
#[inline(never)]
pub fn value<'w>(usage: &'static str, words: &mut dyn Iterator<Item = &'w CStr>, number: usize) -> Option<&'w CStr> {
    let mut last = None;
    while let Some(word) = next(usage, words) {
        match word {
            Ok(Word::Given(option, value)) if option.number == number => last = Some(value),
            Err(UsageError::Unknown(END)) => break,
            _ => {}
        }
    }
    last
}

/// The next of `words` by this usage text.
pub fn next<'w>(
    usage: &'static str,
    words: &mut dyn Iterator<Item = &'w CStr>,
) -> Option<Result<Word<'w>, UsageError<'w>>> {
    let word = words.next()?;
    let text = word.to_bytes();
    let name = match text {
        [b'-', b'-', ..] => until(text, b'='),
        [b'-', _, ..] => text,
        _ => return Some(Ok(Word::Plain(word))),
    };
    let Some(spec) = find(usage, name) else { return Some(Err(UsageError::Unknown(text))) };
    let attached = word.to_bytes_with_nul().get(name.len() + 1..).and_then(crate::text::bytes::c_str);
    let value = match (spec.takes_value, attached) {
        (false, None) => Ok(c""),
        (false, Some(_)) => Err(UsageError::NeedlessValue(spec.name)),
        (true, Some(value)) => Ok(value),
        (true, None) => words.next().ok_or(UsageError::NoValue(spec.name)),
    };
    Some(value.map(|value| Word::Given(spec, value)))
}

/// The place of a value in the list of those that there are, as a message shows it: with a comma and a blank between them.
#[inline(never)]
pub fn choice(list: &str, value: &[u8]) -> Option<usize> {
    let mut rest = list.as_bytes();
    for place in 0.. {
        let word = until(rest, b',');
        if word == value {
            return Some(place);
        }
        rest = rest.get(word.len() + 2..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const USAGE: &str = "\
Usage: program [options]

Options:
  -f, --flag          a flag;
                      -1: no flag
  -v, --value NUMBER  a value
      --long [WORD]
      --longer HOW  a choice
--last
";

    fn all(words: &[&'static CStr]) -> Vec<Result<(usize, &'static CStr), UsageError<'static>>> {
        let mut words = words.iter().copied();
        let number = |word: Word<'static>| match word {
            Word::Given(spec, value) => (spec.number, value),
            Word::Plain(word) => (usize::MAX, word),
        };
        core::iter::from_fn(|| Some(next(USAGE, &mut words)?.map(number))).collect()
    }

    #[test]
    fn options_are_known_by_letter_and_by_name() {
        const PLAIN: usize = usize::MAX;
        for (words, wanted) in [
            (&[c"-f", c"--flag"][..], vec![Ok((0, c"")), Ok((0, c""))]),
            (
                &[c"-v", c"-f", c"--value", c"", c"--value=a=b", c"--value="],
                vec![Ok((1, c"-f")), Ok((1, c"")), Ok((1, c"a=b")), Ok((1, c""))],
            ),
            (&[c"--long", c"--longer", c"x"], vec![Ok((2, c"")), Ok((3, c"x"))]),
            (&[c"-", c"x", c""], vec![Ok((PLAIN, c"-")), Ok((PLAIN, c"x")), Ok((PLAIN, c""))]),
            (
                &[c"--flag=x", c"-v"],
                vec![Err(UsageError::NeedlessValue(b"--flag")), Err(UsageError::NoValue(b"--value"))],
            ),
        ] {
            assert_eq!(all(words), wanted);
        }
    }

    #[test]
    fn nothing_else_in_the_usage_is_an_option() {
        for word in [
            c"--flags",
            c"--flag ",
            c"--flag          a flag;",
            c"--lon",
            c"--last",
            c"--",
            c"--=",
            c"-fv",
            c"-f=1",
            c"-1",
            c"-1:",
            c"-f,",
            c"- ",
            c"-\n",
        ] {
            assert_eq!(all(&[word]), [Err(UsageError::Unknown(word.to_bytes()))]);
        }
    }
}
