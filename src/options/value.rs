//! The values that options take, each with the one function that reads it.

use super::words::choice;
use crate::text::number;

/// Which ways lead to a server.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Transport {
    /// The direct one, and where it is closed the relay.
    #[default]
    Auto,
    /// A socket within this kernel, by which the caller's own descriptors go along.
    Direct,
    /// TCP, with the streams in frames.
    Relay,
}

impl Transport {
    /// Their names, in their order.
    pub const NAMES: &str = "auto, direct, relay";

    /// The transport of this name.
    pub fn named(name: &[u8]) -> Option<Transport> {
        [Transport::Auto, Transport::Direct, Transport::Relay].get(choice(Transport::NAMES, name)?).copied()
    }
}

/// The users of a list of numbers with commas between them; `None` for one that is none.
pub fn users(list: &[u8]) -> impl Iterator<Item = Option<u32>> {
    list.split(|byte| *byte == b',').map(user)
}

/// The user of a number.
#[inline(never)]
pub fn user(number: &[u8]) -> Option<u32> {
    u32::try_from(number::parse(number, 10)?).ok()
}

/// Whether a command gets a terminal.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Tty {
    /// Where its stub's stdin and stdout are one.
    #[default]
    Auto,
    Always,
    Never,
}

impl Tty {
    /// Their names, in their order.
    pub const NAMES: &str = "auto, always, never";

    /// The rule of this name.
    pub fn named(name: &[u8]) -> Option<Tty> {
        [Tty::Auto, Tty::Always, Tty::Never].get(choice(Tty::NAMES, name)?).copied()
    }
}

/// How a session's lines are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
    /// There are none.
    None,
}

impl Format {
    /// Their names, in their order.
    pub const NAMES: &str = "text, json, none";

    /// The format of this name.
    pub fn named(name: &[u8]) -> Option<Format> {
        [Format::Text, Format::Json, Format::None].get(choice(Format::NAMES, name)?).copied()
    }

    /// The one of a section that does not say: who sets off a trigger may be anybody.
    pub fn of_trigger(is_trigger: bool) -> Format {
        if is_trigger { Format::Text } else { Format::None }
    }
}

/// The option by which a section's port takes plain bytes: a stub could not speak to it.
pub const TRIGGER: &[u8] = b"--trigger";

/// What a stub is told that is left over, or has another configuration.
pub const MISPLACED: &str = "section {} is a trigger: any client but a stub may connect to port {}";
