//! The values that options take: each kind is read by one function, for both ends and for `--check`.

use super::names::Named;
use crate::text::address;
use crate::text::bytes::{has, lines};
use crate::text::line::{Line, Show};
use crate::text::number;
use crate::{add, limits, text};
use core::ffi::CStr;
use core::net::IpAddr;

pub use super::names::{Format, Http, Transport, Tty};

/// What an option's value has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text: an error in it shows when it is used.
    Any,
    /// A path that is not empty: an unset variable must not stand for one.
    Path,
    /// A name, likewise.
    Name,
    /// A path, likewise, and no option that stands where it should: a file of such a name would be made.
    NewFile,
    /// A time to wait.
    Milliseconds,
    /// A number; a negative one means no limit.
    Limit,
    /// A time; a negative one means no limit. None at all would be meant for no limit by some, and end all by others.
    TimeLimit,
    /// How many sessions there may be at once.
    Sessions,
    /// An address, no name.
    Address,
    /// The same, or nothing: the address of a Service that is younger than this Pod.
    AddressOrNone,
    /// A user ID.
    Uid,
    /// User IDs with commas between them.
    Uids,
    /// A path that begins with `/`.
    AbsolutePath,
    /// The name of a variable.
    VariableName,
    /// An [`Http`], which may be left out.
    Http,
    /// A [`Format`].
    Log,
    /// A [`Transport`].
    Transport,
    /// A [`Tty`].
    Tty,
    /// Whether something is so.
    YesNo,
}

impl Kind {
    /// Whether a text is a value of this kind.
    pub fn accepts(self, text: &CStr) -> bool {
        let bytes = text.to_bytes();
        match self {
            Kind::Any => true,
            Kind::Path | Kind::Name => !bytes.is_empty(),
            Kind::NewFile => !bytes.is_empty() && !bytes.starts_with(b"-"),
            Kind::Milliseconds => limit(bytes).flatten().is_some_and(|number| number > 0),
            Kind::Limit => limit(bytes).is_some(),
            Kind::TimeLimit => limit(bytes).is_some_and(|limit| limit != Some(0)),
            Kind::Sessions => sessions(bytes).is_some(),
            Kind::Address => address::parse(bytes).is_some(),
            Kind::AddressOrNone => bytes.is_empty() || address::parse(bytes).is_some(),
            Kind::Uid => uid(bytes).is_some(),
            Kind::Uids => uids(text).all(|uid| uid.is_some()),
            Kind::AbsolutePath => bytes.starts_with(b"/"),
            Kind::VariableName => !bytes.is_empty() && !has(bytes, b'='),
            Kind::Http => Http::named(bytes).is_some(),
            Kind::Log => Format::named(bytes).is_some(),
            Kind::Transport => Transport::named(bytes).is_some(),
            Kind::Tty => Tty::named(bytes).is_some(),
            Kind::YesNo => bool::named(bytes).is_some(),
        }
    }
}

impl Kind {
    /// The value that stands for one that is left out; `None`: it may not be.
    pub fn default(self) -> Option<&'static CStr> {
        (self == Kind::Http).then_some(c"stream")
    }

    /// What of a wrong value is concerned, and what that is not: of a list the first element that is wrong.
    pub fn concerned(self, value: &CStr) -> (Kind, &[u8]) {
        let bytes = value.to_bytes();
        if self != Kind::Uids {
            return (self, bytes);
        }
        let mut elements = bytes.split(|byte| *byte == b',');
        (Kind::Uid, elements.find(|element| uid(element).is_none()).unwrap_or(bytes))
    }
}

/// The kind in a message, behind "is not".
impl Show for Kind {
    fn show(&self, line: &mut Line) {
        let text = match self {
            Kind::Any => text!("a text"),
            Kind::Path => text!("a path"),
            Kind::Name => text!("a name"),
            Kind::NewFile => text!("a path: ./-x would be one"),
            Kind::Milliseconds => return add!(line, "a number from 1 to {}", number::MOST),
            Kind::Limit => return add!(line, "a number, {} at most", number::MOST),
            Kind::TimeLimit => return add!(line, "a number other than 0, {} at most", number::MOST),
            Kind::Sessions => return add!(line, "a number from 1 to {}", limits::MAX_SESSIONS),
            Kind::Address => text!("an address"),
            Kind::AddressOrNone => {
                text!("an address; names are not looked up, and ${NAME_SERVICE_HOST} has a Service's")
            }
            Kind::Uid => return add!(line, "a user ID, 0 to {}", u32::MAX - 1),
            Kind::Uids => text!("a list of user IDs"),
            Kind::AbsolutePath => text!("an absolute path"),
            Kind::VariableName => text!("the name of a variable"),
            Kind::Http => return show_names(Http::NAMES, line),
            Kind::Log => return show_names(Format::NAMES, line),
            Kind::Transport => return show_names(Transport::NAMES, line),
            Kind::Tty => return show_names(Tty::NAMES, line),
            Kind::YesNo => return show_names(bool::NAMES, line),
        };
        text.show(line);
    }
}

fn show_names(names: &[u8], line: &mut Line) {
    let mut before = "one of ";
    for name in lines(names) {
        add!(line, "{}{}", before, name);
        before = ", ";
    }
}

/// A limit: `Some(None)` for a negative number, which means no limit; `None` for what is not a number.
pub fn limit(text: &[u8]) -> Option<Option<u64>> {
    number::parse_signed(text).map(|number| u64::try_from(number).ok())
}

/// How many sessions there may be at once.
pub fn sessions(text: &[u8]) -> Option<usize> {
    let most = usize::try_from(number::parse(text, 10)?).ok()?;
    (1..=limits::MAX_SESSIONS).contains(&most).then_some(most)
}

/// A user ID. The largest number is not one: it stands for no user (chown(2)).
pub fn uid(text: &[u8]) -> Option<u32> {
    u32::try_from(number::parse(text, 10)?).ok().filter(|uid| *uid != u32::MAX)
}

/// The user IDs of a list with commas between them; `None` for what is not one.
pub fn uids(list: &CStr) -> impl Iterator<Item = Option<u32>> {
    list.to_bytes().split(|byte| *byte == b',').map(uid)
}

/// An address; `None` for nothing, and for what is not one.
pub fn ip_address(text: &CStr) -> Option<IpAddr> {
    address::parse(text.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;

    #[test]
    fn each_kind_accepts_its_own_values_and_no_other() {
        for (kind, good, bad) in [
            (Kind::Any, &[c"", c"-1"][..], &[][..]),
            (Kind::Path, &[c"x", c"/"], &[c""]),
            (Kind::Name, &[c"x", c"-1"], &[c""]),
            (Kind::NewFile, &[c"x", c"./-x"], &[c"", c"-x", c"--check"]),
            (Kind::Milliseconds, &[c"1", c"1000"], &[c"", c"0", c"-1", c"1s", c" 1", c"0x1", c"9223372036854775808"]),
            (Kind::TimeLimit, &[c"1", c"-1"], &[c"", c"0", c"-0", c"1.5", c"9223372036854775808"]),
            (Kind::Limit, &[c"0", c"-1", c"86400000"], &[c"", c"-", c"1.5", c"one", c"9223372036854775808"]),
            (Kind::Sessions, &[c"1", c"4096"], &[c"", c"0", c"-1", c"4097", c"x"]),
            (Kind::Address, &[c"127.0.0.1", c"::", c"[::1]"], &[c"", c"localhost", c"1.2.3", c"1.2.3.4:5", c"::1%lo"]),
            (Kind::AddressOrNone, &[c"", c"10.0.0.1"], &[c"db", c" "]),
            (Kind::Uid, &[c"0", c"65532"], &[c"", c"root", c"0,1000", c"-1", c"4294967295", c"4294967296", c"1 "]),
            (Kind::Uids, &[c"0", c"0,65532"], &[c"", c",", c"0,", c"0,,1", c"0;1", c"0, 1", c"a"]),
            (Kind::AbsolutePath, &[c"/", c"/run/token"], &[c"", c"token", c"./token", c" /token"]),
            (Kind::VariableName, &[c"TOKEN", c"a b"], &[c"", c"A=B", c"="]),
            (Kind::Log, &[c"text", c"json", c"none"], &[c"", c"Text", c"text,", c"yaml", c"text, json"]),
            (Kind::Transport, &[c"auto", c"direct", c"relay"], &[c"", c"tcp", c"aut", c"auto "]),
            (Kind::Tty, &[c"auto", c"always", c"never"], &[c"", c"yes", c"alway"]),
            (Kind::YesNo, &[c"yes", c"no"], &[c"", c"y", c"true", c"Yes", c"no "]),
        ] {
            for text in good {
                assert!(kind.accepts(text), "{kind:?} {text:?}");
            }
            for text in bad {
                assert!(!kind.accepts(text), "{kind:?} {text:?}");
            }
        }
    }

    #[test]
    fn a_kind_says_what_is_expected() {
        assert_eq!(line!("is not {}", Kind::Tty).bytes(), b"is not one of auto, always, never");
        assert_eq!(line!("is not {}", Kind::Sessions).bytes(), b"is not a number from 1 to 4096");
    }
}
