//! Options as words: `-x`, `--long`, `-x VALUE`, `--long VALUE`, `--long=VALUE`. Knows no option's meaning.

use super::table::{Id, OptionSpec, ProgramSpec};
use super::value::Kind;
use crate::config::expansion::unreplaced;
use crate::text::bytes::c_str;
use crate::text::line::{Line, Part, Show, add};
use crate::{add, text};
use core::ffi::CStr;

/// A word, or an option and its value.
#[derive(Debug, PartialEq, Eq)]
pub enum Word<'w> {
    /// An option, and its value where it takes one (empty where not).
    Option(&'static OptionSpec, &'w CStr),
    /// A word that is not an option.
    Plain(&'w CStr),
    /// `--`: what follows is a program and its arguments.
    End,
}

/// What is wrong with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageError<'w> {
    /// There is no option of this name.
    Unknown(&'w CStr),
    /// A word that is not an option, where only options may stand.
    Unexpected(&'w CStr),
    /// It is the last word and takes a value.
    NoValue(&'static OptionSpec),
    /// It takes no value but was given one.
    NeedlessValue(&'static OptionSpec),
    /// Its value is not of the kind that it takes.
    BadValue(&'static OptionSpec, Kind, &'w CStr),
    /// It may not stand in a section's header.
    NotInHeader(&'static OptionSpec),
    /// It may not stand on a server's command line.
    NotOnCommandLine(&'static OptionSpec),
}

impl UsageError<'_> {
    /// The option that is used wrongly, if there is one.
    pub fn option(&self) -> Option<&'static OptionSpec> {
        match *self {
            UsageError::NoValue(option)
            | UsageError::NeedlessValue(option)
            | UsageError::BadValue(option, ..)
            | UsageError::NotInHeader(option)
            | UsageError::NotOnCommandLine(option) => Some(option),
            UsageError::Unknown(_) | UsageError::Unexpected(_) => None,
        }
    }

    /// Whether only the value or the place of the option is wrong. The message explains that, without pointing to
    /// `--help`.
    pub fn is_of_value(&self) -> bool {
        self.option().is_some() && !matches!(self, UsageError::NoValue(_) | UsageError::NeedlessValue(_))
    }
}

impl Show for UsageError<'_> {
    fn show(&self, line: &mut Line) {
        let (concerned, text) = match self {
            UsageError::Unknown(word) => (word.part(), text!("unknown option {}")),
            UsageError::Unexpected(word) => (word.part(), text!("unexpected argument {}")),
            UsageError::BadValue(option, kind, value) => return show_bad_value(option, *kind, value, line),
            UsageError::NoValue(option) => (option.part(), text!("{} needs a value")),
            UsageError::NeedlessValue(option) => (option.part(), text!("{} takes no value behind =")),
            UsageError::NotInHeader(option) => (option.part(), text!("{} belongs on the command line")),
            UsageError::NotOnCommandLine(option) => (option.part(), text!("{} belongs in the section's header")),
        };
        add(line, text, &[concerned]);
    }
}

fn show_bad_value(option: &OptionSpec, kind: Kind, value: &CStr, line: &mut Line) {
    if value.is_empty() {
        return add!(line, "{} has an empty value, which is not {}", option, kind);
    }
    let (kind, part) = kind.concerned(value);
    let (of, whole) = if part == value.to_bytes() { ("", "".part()) } else { (" in ", value.part()) };
    add!(line, "{}: {}{}{} is not {}{}", option, part, of, whole, kind, unreplaced(part));
}

/// An option in a message, by its name.
impl Show for OptionSpec {
    fn show(&self, line: &mut Line) {
        self.part().show(line);
    }

    fn part(&self) -> Part<'_> {
        Part::Bytes(self.name())
    }
}

/// The next of the words, as an option of this program if it is one. `None` at the end. An option's value is checked.
pub fn next<'w>(
    program: &ProgramSpec,
    words: &mut dyn Iterator<Item = &'w CStr>,
) -> Option<Result<Word<'w>, UsageError<'w>>> {
    let word = words.next()?;
    let text = word.to_bytes();
    let name = match text {
        b"--" => return Some(Ok(Word::End)),
        [b'-', b'-', ..] => text.split(|byte| *byte == b'=').next().unwrap_or(text),
        [b'-', _, ..] => text,
        _ => return Some(Ok(Word::Plain(word))),
    };
    let Some(option) = program.find(name) else { return Some(Err(UsageError::Unknown(word))) };
    let attached = word.to_bytes_with_nul().get(name.len() + 1..).and_then(c_str);
    Some(value_of(option, attached, words).map(|value| Word::Option(option, value)))
}

/// Whether this option is among the words, whatever else is.
pub fn contains(program: &ProgramSpec, words: &mut dyn Iterator<Item = &CStr>, id: Id) -> bool {
    while let Some(word) = next(program, words) {
        match word {
            Ok(Word::Option(option, _)) if option.id == id => return true,
            Ok(Word::End) => return false,
            _ => {}
        }
    }
    false
}

/// The value of an option: the one that is attached to it, or the next word.
fn value_of<'w>(
    option: &'static OptionSpec,
    attached: Option<&'w CStr>,
    words: &mut dyn Iterator<Item = &'w CStr>,
) -> Result<&'w CStr, UsageError<'w>> {
    let Some(kind) = option.value else {
        return if attached.is_some() { Err(UsageError::NeedlessValue(option)) } else { Ok(c"") };
    };
    let value = attached.or(kind.default()).or_else(|| words.next()).ok_or(UsageError::NoValue(option))?;
    if kind.accepts(value) { Ok(value) } else { Err(UsageError::BadValue(option, kind, value)) }
}

#[cfg(test)]
mod tests {
    use super::super::table::SERVER;
    use super::*;

    type Seen = Result<(Option<Id>, &'static CStr), UsageError<'static>>;

    fn all(words: &[&'static CStr]) -> Vec<Seen> {
        let mut words = words.iter().copied();
        let seen = |word: Word<'static>| match word {
            Word::Option(option, value) => (Some(option.id), value),
            Word::Plain(word) => (None, word),
            Word::End => (None, c"--"),
        };
        core::iter::from_fn(|| Some(next(&SERVER, &mut words)?.map(seen))).collect()
    }

    fn option(name: &str) -> &'static OptionSpec {
        SERVER.find(name.as_bytes()).expect("an option")
    }

    #[test]
    fn options_are_known_by_letter_and_by_name() {
        let (keep, name) = (Some(Id::KeepStubs), Some(Id::Name));
        for (words, wanted) in [
            (&[c"-k", c"--keep-client-executables"][..], vec![Ok((keep, c"")), Ok((keep, c""))]),
            (
                &[c"-n", c"-k", c"--name", c"x", c"--name=a=b"],
                vec![Ok((name, c"-k")), Ok((name, c"x")), Ok((name, c"a=b"))],
            ),
            (&[c"-", c"x", c"", c"--"], vec![Ok((None, c"-")), Ok((None, c"x")), Ok((None, c"")), Ok((None, c"--"))]),
            (
                &[c"--no-wait=x", c"-n"],
                vec![Err(UsageError::NeedlessValue(option("-w"))), Err(UsageError::NoValue(option("-n")))],
            ),
            (&[c"--tty=x", c"-k"], vec![Err(UsageError::BadValue(option("--tty"), Kind::Tty, c"x")), Ok((keep, c""))]),
        ] {
            assert_eq!(all(words), wanted);
        }
    }

    #[test]
    fn nothing_else_is_an_option() {
        for word in [c"--names", c"--name ", c"--nam", c"--=", c"-kn", c"-k=1", c"-1", c"-k,", c"- ", c"-\n", c"---"] {
            assert_eq!(all(&[word]), [Err(UsageError::Unknown(word))]);
        }
    }
}
