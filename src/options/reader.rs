//! Reading the options of a server, from its command line or from its section's header: each is handed on, and whatever is
//! wrong is reported. Knows what `--ignore-invalid-arguments` forgives.

use super::spec::{OptionSpec, Scope};
use super::table::{Id, SERVER};
use super::words::{UsageError, Word, contains, next};
use crate::diag::Reported;
use crate::text;
use crate::text::bytes::{first, has, until};
use crate::text::line::{Part, Show};
use crate::text::packed::Text;
use core::ffi::CStr;

/// How options are read.
pub(super) struct Reader {
    /// Where they stand: [`Scope::CommandLine`] or [`Scope::Header`].
    pub(super) place: Scope,
    /// Whether what is unknown is ignored.
    pub(super) ignores: bool,
    /// Whether what is ignored is warned of.
    pub(super) warns: bool,
}

impl Reader {
    /// Hands each option to `take` with its value, until that is false, and what is wrong to `tell`. Whether the words ended
    /// with `--`, behind which they are a program's.
    pub(super) fn read<'w>(
        &self,
        words: &mut dyn Iterator<Item = &'w CStr>,
        take: &mut dyn FnMut(Id, &'w CStr) -> bool,
        tell: &mut dyn FnMut(Text, &[Part<'_>]),
    ) -> Result<bool, Reported> {
        let mut outcome = Ok(false);
        let mut may_be_value = false;
        while let Some(word) = next(&SERVER, words) {
            let error = match word {
                Ok(Word::Option(option, value)) => match self.misplaced(option) {
                    None if take(option.id, value) => {
                        may_be_value = false;
                        continue;
                    }
                    None => break,
                    Some(error) => error,
                },
                Ok(Word::End) if self.place == Scope::CommandLine => return outcome.map(|_| true),
                Ok(Word::End) => UsageError::Unknown(c"--"),
                Ok(Word::Plain(word)) => UsageError::Unexpected(word),
                Err(error) => error,
            };
            let is_ignored = self.ignores && can_be_ignored(&error, may_be_value);
            may_be_value = matches!(error, UsageError::Unknown(word) if !has(word.to_bytes(), b'='));
            if !is_ignored {
                let text = if error.is_of_value() { text!("{}") } else { text!("{}; see k8pshd --help") };
                tell(text, &[error.part()]);
                outcome = Err(Reported);
            } else if self.warns {
                tell(text!("warning: {}: ignored"), &[error.part()]);
            }
        }
        outcome
    }

    /// What is wrong with the place of this option.
    fn misplaced(&self, option: &'static OptionSpec) -> Option<UsageError<'static>> {
        match (option.scope, self.place) {
            (Scope::CommandLine, Scope::Header) => Some(UsageError::NotInHeader(option)),
            (Scope::Header, Scope::CommandLine) => Some(UsageError::NotOnCommandLine(option)),
            _ => None,
        }
    }
}

/// Whether `--ignore-invalid-arguments` is among the words: an unknown option before or after it is then only a warning.
pub(super) fn ignores_invalid(words: &mut dyn Iterator<Item = &CStr>) -> bool {
    contains(&SERVER, words, Id::IgnoreInvalid)
}

/// Whether the words around it make sense without it: an unknown option, or a word behind one, which `may_be_value` of that.
/// But a misspelt option that protects the section must not leave it without protection.
fn can_be_ignored(error: &UsageError<'_>, may_be_value: bool) -> bool {
    match error {
        UsageError::Unknown(word) => !protects(until(word.to_bytes(), b'=')),
        UsageError::Unexpected(_) => may_be_value,
        _ => false,
    }
}

/// As many bytes of a name tell which option is meant: two letters.
const BEGINNING: usize = 4;

/// Whether an unknown option begins like one that protects.
fn protects(word: &[u8]) -> bool {
    let beginning = first(word, BEGINNING);
    SERVER.options.iter().any(|option| option.id.protects() && option.name().starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_an_option_that_protects_is_told_from_the_rest() {
        for word in
            ["--server-uids", "--serveruid", "--token", "--tok", "--token-fiel", "--transprot", "--alow-uid", "--"]
        {
            assert!(protects(word.as_bytes()), "{word}");
        }
        for word in [
            "-x",
            "--odd",
            "--no-such-option",
            "--new",
            "--log-level",
            "--max-jobs",
            "--verbose",
            "--stats",
            "--threads",
        ] {
            assert!(!protects(word.as_bytes()), "{word}");
        }
    }
}
