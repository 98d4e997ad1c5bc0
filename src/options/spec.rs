//! What the table says of an option, and of a program that has options.

use super::value::Kind;
use crate::text::bytes::{after, line, until};
use crate::text::packed::Text;

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
#[derive(Debug)]
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
    /// Two lines for `--help`: its long name, hyphens included, and what stands for its value, if it takes one (in brackets,
    /// that is a word that may follow); what it does, as a sentence without capital and full stop, packed.
    pub text: &'static [u8],
}

impl OptionSpec {
    /// Its long name and what stands for its value, as they are written.
    pub fn usage(&self) -> &'static [u8] {
        line(self.text, 0)
    }

    /// Its long name.
    pub fn name(&self) -> &'static [u8] {
        until(until(self.usage(), b' '), b'[')
    }

    /// What stands for its value; empty where it takes none.
    pub fn metavar(&self) -> &'static [u8] {
        after(self.usage(), self.name().len() + 1)
    }

    /// What it does.
    pub fn help(&self) -> Text {
        Text::new(after(self.text, self.usage().len() + 1))
    }
}

impl PartialEq for OptionSpec {
    fn eq(&self, other: &OptionSpec) -> bool {
        self.id == other.id && self.text == other.text
    }
}

impl Eq for OptionSpec {}

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

impl ProgramSpec {
    /// The option of this name, hyphens included: `--long` or `-x`.
    pub fn find(&self, name: &[u8]) -> Option<&'static OptionSpec> {
        self.options.iter().find(|option| match name {
            [b'-', letter] => option.letter == Some(*letter),
            _ => option.name() == name,
        })
    }
}
