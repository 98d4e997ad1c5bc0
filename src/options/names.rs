//! Values that are one of a few names.

use crate::text::bytes::lines;

/// A value that is one of a few names.
pub trait Named: Copy + 'static {
    /// The names, a line each, the default first. One text, because several would have an address and a length each.
    const NAMES: &'static [u8];
    /// What each of them stands for.
    const VALUES: &'static [Self];

    /// What this name stands for.
    fn named(name: &[u8]) -> Option<Self> {
        Self::VALUES.get(position(name, Self::NAMES)?).copied()
    }
}

/// Where this name is among others. It is the same code for all types of values.
#[inline(never)]
fn position(name: &[u8], names: &[u8]) -> Option<usize> {
    lines(names).position(|known| known == name)
}

/// Which transports lead to a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// The direct transport if it is available, else the relay.
    #[default]
    Auto,
    /// A Unix socket, by which the caller's own descriptors are passed.
    Direct,
    /// TCP, with the streams in frames.
    Relay,
}

impl Named for Transport {
    const NAMES: &'static [u8] = b"auto\ndirect\nrelay";
    const VALUES: &'static [Transport] = &[Transport::Auto, Transport::Direct, Transport::Relay];
}

/// Whether a command gets a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tty {
    /// If its stub has one that can be shown.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Named for Tty {
    const NAMES: &'static [u8] = b"auto\nalways\nnever";
    const VALUES: &'static [Tty] = &[Tty::Auto, Tty::Always, Tty::Never];
}

/// When an answer by HTTP comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http {
    /// With the output, as that comes.
    #[default]
    Stream,
    /// When the command has ended, with its status.
    Status,
}

impl Named for Http {
    const NAMES: &'static [u8] = b"stream\nstatus";
    const VALUES: &'static [Http] = &[Http::Stream, Http::Status];
}

impl Named for bool {
    const NAMES: &'static [u8] = b"yes\nno";
    const VALUES: &'static [bool] = &[true, false];
}

/// How the lines of the log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As words and `key=value`.
    Text,
    /// As one JSON object each.
    Json,
    /// Not at all.
    None,
}

impl Named for Format {
    const NAMES: &'static [u8] = b"text\njson\nnone";
    const VALUES: &'static [Format] = &[Format::Text, Format::Json, Format::None];
}
