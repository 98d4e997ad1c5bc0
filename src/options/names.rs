//! Values that are one of a few names.

/// A value that is one of a few names.
pub trait Named: Copy + 'static {
    /// Each name and what it stands for, the default first.
    const NAMES: &'static [(&'static str, Self)];

    /// What this name stands for.
    fn named(name: &[u8]) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, value)| *value)
    }
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
    const NAMES: &'static [(&'static str, Transport)] =
        &[("auto", Transport::Auto), ("direct", Transport::Direct), ("relay", Transport::Relay)];
}

/// Whether a command gets a terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tty {
    /// If its stub's stdin and stdout are a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Named for Tty {
    const NAMES: &'static [(&'static str, Tty)] =
        &[("auto", Tty::Auto), ("always", Tty::Always), ("never", Tty::Never)];
}

impl Named for bool {
    const NAMES: &'static [(&'static str, bool)] = &[("yes", true), ("no", false)];
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
    const NAMES: &'static [(&'static str, Format)] =
        &[("text", Format::Text), ("json", Format::Json), ("none", Format::None)];
}
