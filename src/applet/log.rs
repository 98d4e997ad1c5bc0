//! The log: a line at the start and at the end of each session, for who has to answer for what ran. Must not hold a session
//! up, whatever becomes of stderr.

use super::connect::Peer;
use super::listener::Work;
use super::options::choice;
use crate::bytes;
use crate::diag::{self, Line, Part, Show, Time};
use crate::exit::{self, End};
use crate::session::request::Request;
use crate::sys::descriptor::Descriptor;
use crate::sys::memory::Setting;
use crate::sys::time::{self, Moment};
use crate::sys::{process, tcp};
use crate::{add, limits};
use core::ffi::CStr;

/// How a session's lines are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// There are none.
    None,
    Text,
    Json,
}

impl Format {
    /// The format of this name.
    pub(super) fn named(name: &[u8]) -> Option<Format> {
        choice(&["none", "text", "json"], name).map(|place| [Format::None, Format::Text, Format::Json][place])
    }

    /// The one of a section that does not say: who sets off a trigger may be anybody.
    pub(super) fn of_trigger(is_trigger: bool) -> Format {
        if is_trigger { Format::Text } else { Format::None }
    }
}

/// What is said of each session of a server.
pub(super) struct Log {
    pub(super) format: Format,
    /// Whether arguments are part of it. They may hold secrets.
    pub(super) has_arguments: bool,
}

/// Why a command was ended before it ended itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// It was not.
    No,
    /// Its client asked for it.
    Client,
    /// Its client, or the stub, has gone.
    Gone,
    /// What the stub sent makes no sense.
    Fault,
    /// The server ends.
    Server,
    /// Its time is over.
    Timeout,
}

/// What the log calls them, a line each, in their order.
const CUTS: &[u8] = b"exit\nterminated\ngone\nfault\nserver\ntimeout\nsignal\nrefused";
/// What else there is: the last two of them.
const SIGNAL: usize = 6;
const REFUSED: usize = 7;

/// What the log tells of one session.
pub(super) struct Record<'s> {
    /// Why the command was ended.
    pub(super) cut: Cut,
    /// The code of a request that was refused.
    pub(super) refused: u8,
    peer: Peer,
    /// Bytes that came from the peer and that went to it.
    bytes: [u64; 2],
    /// What of a trigger's connection was read before: the token.
    ahead: u64,
    since: Moment,
    /// What it is told apart by from every other session of its process; 0: it has not begun.
    number: u64,
    command: &'s CStr,
}

impl<'s> Record<'s> {
    /// That of a session that has not begun.
    pub(super) fn new(peer: Peer) -> Record<'s> {
        Record {
            cut: Cut::No,
            refused: 0,
            peer,
            bytes: [diag::UNKNOWN; 2],
            ahead: 0,
            since: Moment::NEVER,
            number: 0,
            command: c"",
        }
    }

    /// A request is complete, that of a session whose bytes are seen here if there is no `connection` to ask for them.
    #[inline(never)]
    pub(super) fn begin(&mut self, work: &Work<'_>, request: &Request<'s>, connection: Option<&Descriptor>) {
        static LAST: Setting<u64> = Setting::new(0);
        // The number of a process comes back only after a while, so that the time tells two of them apart.
        let (seconds, milliseconds) = time::wall();
        self.number = (LAST.get() + 1).max(seconds * 1000 + u64::from(milliseconds));
        LAST.set(self.number);
        self.since = Moment::now();
        self.command = request.command();
        if let Some(connection) = connection {
            self.ahead = tcp::traffic(connection).read;
        } else if !matches!(self.peer, Peer::User(_)) {
            self.bytes = [0; 2];
        }
        let arguments = Arguments(request);
        self.write(work, Part::Other(&arguments), None);
    }

    /// So many bytes came from the peer (0), or went to it (1).
    pub(super) fn count(&mut self, direction: usize, count: usize) {
        if let Some(bytes) = self.bytes.get_mut(direction).filter(|bytes| **bytes != diag::UNKNOWN) {
            *bytes += count as u64;
        }
    }

    /// Asks the kernel what the command of a trigger has read and written itself, before the connection goes.
    pub(super) fn measure(&mut self, connection: &Descriptor) {
        let traffic = tcp::traffic(connection);
        self.bytes = [traffic.read.saturating_sub(self.ahead), traffic.written];
    }

    /// The session is over.
    #[inline(never)]
    pub(super) fn end(&self, work: &Work<'_>, end: Option<End>) {
        let (outcome, code) = match (self.cut, end) {
            (Cut::No, None) => (REFUSED, self.refused.into()),
            (Cut::No, Some(End::Code(code))) => (Cut::No as usize, code.into()),
            (Cut::No, Some(End::Signal(signal))) => (SIGNAL, signal.into()),
            (Cut::Timeout, _) => (Cut::Timeout as usize, exit::TIMED_OUT.into()),
            (cut, _) => (cut as usize, diag::UNKNOWN),
        };
        if self.number != 0 {
            self.write(work, Part::Words(bytes::line(CUTS, outcome)), Some(code));
        }
    }

    /// Writes a line, if there is a log: that of the end where there is a code, with the outcome; else that of the start, with
    /// the arguments if they are wanted.
    #[inline(never)]
    fn write(&self, work: &Work<'_>, what: Part<'_>, code: Option<u64>) {
        let is_json = work.log.format == Format::Json;
        let (open, head, close) = match work.log.format {
            Format::None => return,
            Format::Text => ("", "{}{} {} session={}-{} peer=\"{}\" section={} command={}", ""),
            Format::Json => {
                ("{", r#"{}"time":"{}","event":"{}","session":"{}-{}","peer":"{}","section":{},"command":{}"#, "}")
            }
        };
        let tail = match (code.is_some(), is_json) {
            (true, true) => r#","outcome":"{}","code":{},"ms":{},"in":{},"out":{}"#,
            (true, false) => " outcome={} code={} ms={} in={} out={}",
            (false, true) => r#","arguments":{}"#,
            (false, false) => " arguments={}",
        };
        let mut line = Line::new();
        self.show_head(work, head, if code.is_some() { "end" } else { "start" }, open, &mut line);
        if code.is_some() || work.log.has_arguments {
            add!(&mut line, tail, what, code.unwrap_or(0), self.since.passed(), self.bytes[0], self.bytes[1]);
        }
        add!(&mut line, close);
        line.log();
    }

    #[inline(never)]
    fn show_head(&self, work: &Work<'_>, head: &str, event: &str, open: &str, line: &mut Line) {
        let (section, command) = (work.server.name().to_bytes(), self.command.to_bytes());
        let process = process::id();
        add!(line, head, open, Time::now(), event, process, self.number, self.peer, Json(section), Json(command));
    }
}

/// The arguments of a request as a list.
struct Arguments<'r, 's>(&'r Request<'s>);

/// As far as there is room.
impl Show for Arguments<'_, '_> {
    #[inline(never)]
    fn show(&self, line: &mut Line) {
        add!(line, "[");
        for argument in self.0.arguments() {
            if line.bytes().last() != Some(&b'[') {
                add!(line, ",");
            }
            // One more has room, and the end.
            if line.bytes().len() > limits::MESSAGE / 3 {
                add!(line, "\"...\"");
                break;
            }
            Json(argument.to_bytes()).show(line);
        }
        add!(line, "]");
    }
}

/// Somebody else's bytes as a JSON string (RFC 8259), quotes included, in printable ASCII alone: what a terminal or a reader of
/// lines takes for more than text is escaped. A byte beyond ASCII is the character of that number.
struct Json<'j>(&'j [u8]);

/// What one string takes of a line at the most, in bytes, so that what follows has room; a longer one ends in an ellipsis.
const MOST: usize = 240;

impl Show for Json<'_> {
    fn show(&self, line: &mut Line) {
        let end = line.bytes().len() + MOST;
        add!(line, "\"");
        for byte in self.0 {
            if line.bytes().len() > end {
                add!(line, "…");
                break;
            }
            match byte {
                b'"' | b'\\' | 0..32 | 127.. => add!(line, "\\u00{}", Part::Hex(*byte)),
                _ => Part::Words(core::slice::from_ref(byte)).show(line),
            }
        }
        add!(line, "\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line;

    #[test]
    fn nothing_but_printable_ascii_gets_through() {
        let line = line!("{}", Json(b"a\"b\\c\n\x1b[31m\x7f\xc2\x9b/{}"));
        assert_eq!(line.bytes(), br#""a\u0022b\u005cc\u000a\u001b[31m\u007f\u00c2\u009b/{}""#);
    }

    #[test]
    fn a_long_string_is_closed_all_the_same() {
        let line = line!("{}", Json(&[b'\n'; 1000]));
        assert!(line.bytes().len() < MOST + 20 && line.bytes().ends_with("\\u000a…\"".as_bytes()));
    }
}
