//! What the table says of an option, and of a program that has options; and how the compiler packs the texts of options
//! into one.

use super::value::Kind;
use crate::text::packed::{self, Text};

/// Every option, as the code that reads it names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table says what each is")]
pub enum Id {
    AllowUid,
    Background,
    Check,
    Config,
    Connect,
    DetachOnClose,
    DisableStubs,
    ExecutableDirectory,
    Help,
    Http,
    IgnoreInvalid,
    Install,
    Json,
    KeepStubs,
    List,
    Listen,
    LocalStubs,
    Log,
    LogArguments,
    MaxConnections,
    MaxSessions,
    Name,
    NoToken,
    NoWait,
    OverwriteFiles,
    PidFile,
    Plain,
    Probe,
    Server,
    ServerUid,
    SessionTimeout,
    Status,
    Timeout,
    TokenEnv,
    TokenFile,
    Transport,
    Trigger,
    Tty,
    Version,
}

impl Id {
    /// Whether it keeps somebody out, so that a section without it is open to more clients or servers.
    pub fn protects(self) -> bool {
        matches!(self, Id::AllowUid | Id::ServerUid | Id::TokenEnv | Id::TokenFile | Id::Transport)
    }
}

/// Where an option may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// On the command line alone.
    CommandLine,
    /// In a section's header too.
    Either,
    /// In a section's header alone: the server does not read it.
    Header,
}

/// The ends that an option in a section's header concerns. Both of them check its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The server.
    Server,
    /// The section's stubs.
    Stub,
    /// Both.
    Both,
}

/// An option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// Which option it is.
    pub id: Id,
    /// The letter of its short name, `-x`.
    pub letter: Option<u8>,
    /// What its value has to be; `None` where it takes none.
    pub value: Option<Kind>,
    /// Where it may stand.
    pub scope: Scope,
    /// The ends that it concerns.
    pub audience: Audience,
    /// Where its texts begin among those of all options.
    pub(super) start: u16,
}

/// The options of a program, and what `--help` says around them.
#[derive(Debug)]
pub struct ProgramSpec {
    /// Its name.
    pub name: &'static str,
    /// The line behind `Usage: `.
    pub usage: &'static str,
    /// What it does.
    pub about: Text,
    /// Its options, in alphabetical order of their long names.
    pub options: &'static [OptionSpec],
    /// The text behind the options.
    pub notes: Text,
}

/// An option with its texts, as the table spells them.
#[derive(Clone, Copy)]
pub(super) struct Described {
    pub(super) option: OptionSpec,
    /// Its long name, hyphens included, and what stands for its value, if it takes one. In brackets, that is a word that may
    /// follow.
    pub(super) usage: &'static str,
    /// What it does, as a sentence without capital and full stop.
    pub(super) help: &'static str,
}

impl Described {
    /// How many bytes its texts have.
    const fn length(&self) -> usize {
        self.usage.len() + packed::length(self.help) + 2
    }
}

/// Puts the texts of these options there, and returns where they end.
pub(super) const fn put(options: &[Described], texts: &mut [u8], start: usize) -> usize {
    let (mut rest, mut at) = (options, start);
    while let [Described { usage, help, .. }, others @ ..] = rest {
        texts.split_at_mut(at).1.split_at_mut(usage.len()).0.copy_from_slice(usage.as_bytes());
        at = packed::put(help, texts, at + usage.len() + 1) + 1;
        rest = others;
    }
    at
}

/// How many bytes the texts of these options have.
pub(super) const fn length(options: &[Described]) -> usize {
    let (mut rest, mut length) = (options, 0);
    while let [option, others @ ..] = rest {
        length += option.length();
        rest = others;
    }
    length
}

/// The options, with the places of their texts, of which the first begins at `start`.
pub(super) const fn placed<const COUNT: usize>(options: &[Described], mut start: usize) -> [OptionSpec; COUNT] {
    let mut placed = [options[0].option; COUNT];
    let mut number = 0;
    while number < COUNT {
        assert!(start <= u16::MAX as usize, "the texts are longer than 64 KiB");
        #[allow(clippy::cast_possible_truncation, reason = "they are not longer than that")]
        let option = OptionSpec { start: start as u16, ..options[number].option };
        placed[number] = option;
        start += options[number].length();
        number += 1;
    }
    placed
}
