//! The log: a line at the start and at the end of each session, for who has to answer for what ran. Must not hold a session
//! up, whatever becomes of stderr.

use super::connection::Peer;
use super::service::Service;
use crate::diag;
use crate::exit::{self, End};
use crate::limits;
use crate::options::value::Format;
use crate::protocol::request::Request;
use crate::sys::clock::{self as time, Instant};
use crate::sys::fd::OwnedFd;
use crate::sys::process;
use crate::sys::socket::tcp;
use crate::sys::statics::Global;
use crate::text::bytes;
use crate::text::json::string;
use crate::text::line::{Line, Part, Show, add};
use core::ffi::CStr;

/// What is said of each session of a server.
pub struct Log {
    pub format: Format,
    /// Whether arguments are part of it. They may hold secrets.
    pub has_arguments: bool,
}

/// Why a command was ended before it ended itself.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
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
pub struct Record<'s> {
    /// Why the command was ended.
    pub cut: EndReason,
    /// The code of a request that was refused.
    pub refused: u8,
    peer: Peer,
    /// Bytes that came from the peer and that went to it.
    bytes: [Option<u64>; 2],
    /// What of a trigger's connection was read before: the token.
    ahead: u64,
    since: Instant,
    /// What it is told apart by from every other session of its process; 0: it has not begun.
    number: u64,
    command: &'s CStr,
}

impl<'s> Record<'s> {
    /// That of a session that has not begun.
    #[inline(never)]
    pub fn new(peer: Peer) -> Record<'s> {
        Record {
            cut: EndReason::No,
            refused: 0,
            peer,
            bytes: [None; 2],
            ahead: 0,
            since: Instant::NEVER,
            number: 0,
            command: c"",
        }
    }

    /// A request is complete, that of a session whose bytes are seen here if there is no `connection` to ask for them.
    #[inline(never)]
    pub fn begin(&mut self, work: &Service<'_>, request: &Request<'s>, connection: Option<&OwnedFd>) {
        static LAST: Global<u64> = Global::new(0);
        // The number of a process comes back only after a while, so that the time tells two of them apart.
        self.number = (LAST.get() + 1).max(time::wall());
        LAST.set(self.number);
        self.since = Instant::now();
        self.command = request.command();
        if let Some(connection) = connection {
            self.ahead = tcp::traffic(connection).read;
        } else if !matches!(self.peer, Peer::User(_)) {
            self.bytes = [Some(0); 2];
        }
        let arguments = Arguments(request);
        self.write(work, Part::Other(&arguments), None);
    }

    /// So many bytes came from the peer (0), or went to it (1).
    pub fn count(&mut self, direction: usize, count: usize) {
        if let Some(Some(bytes)) = self.bytes.get_mut(direction) {
            *bytes += count as u64;
        }
    }

    /// Asks the kernel what the command of a trigger has read and written itself, before the connection goes.
    pub fn measure(&mut self, connection: &OwnedFd) {
        let traffic = tcp::traffic(connection);
        self.bytes = [Some(traffic.read.saturating_sub(self.ahead)), Some(traffic.written)];
    }

    /// The session is over.
    #[inline(never)]
    pub fn end(&self, work: &Service<'_>, end: Option<End>) {
        let (outcome, code) = match (self.cut, end) {
            (EndReason::No, None) => (REFUSED, Some(self.refused)),
            (EndReason::No, Some(End::Code(code))) => (EndReason::No as usize, Some(code)),
            (EndReason::No, Some(End::Signal(signal))) => (SIGNAL, Some(signal)),
            (EndReason::Timeout, _) => (EndReason::Timeout as usize, Some(exit::TIMED_OUT)),
            (cut, _) => (cut as usize, None),
        };
        if self.number != 0 {
            self.write(work, Part::Words(bytes::line(CUTS, outcome)), Some(code.map(u64::from)));
        }
    }

    /// Writes a line, if there is a log: that of the end where there is a code, with the outcome; else that of the start, with
    /// the arguments if they are wanted.
    #[inline(never)]
    fn write(&self, work: &Service<'_>, what: Part<'_>, code: Option<Option<u64>>) {
        let format = work.log.format;
        if format == Format::None {
            return;
        }
        let tail = match code {
            Some(_) => 2,
            None if work.log.has_arguments => 4,
            None => 6,
        };
        let event: &[u8] = if code.is_some() { b"end" } else { b"start" };
        let head_parts = [
            Part::Words(b"{"),
            Part::Time(time::wall()),
            Part::Words(event),
            Part::Signed(process::id()),
            Part::Number(self.number),
            self.peer.part(),
            Part::Json(work.server.name().to_bytes()),
            Part::Json(self.command.to_bytes()),
        ];
        let tail_parts = [
            what,
            Part::Optional(code.flatten()),
            Part::Number(self.since.elapsed()),
            Part::Optional(self.bytes[0]),
            Part::Optional(self.bytes[1]),
        ];
        let mut line = Line::new();
        let (head, head_parts) = if format == Format::Json { (1, &head_parts[..]) } else { (0, &head_parts[1..]) };
        add(&mut line, text(head), head_parts);
        add(&mut line, text(tail + head), &tail_parts);
        diag::log(&mut line);
    }
}

/// The line of [`TEXTS`] of that number.
fn text(number: usize) -> &'static str {
    TEXTS.split('\n').nth(number).unwrap_or_default()
}

/// What stands between the parts of a line, as text and as JSON: of its head, and of the three tails that it may have.
const TEXTS: &str = r#"{} {} session={}-{} peer="{}" section={} command={}
{}"time":"{}","event":"{}","session":"{}-{}","peer":"{}","section":{},"command":{}
 outcome={} code={} ms={} in={} out={}
,"outcome":"{}","code":{},"ms":{},"in":{},"out":{}}
 arguments={}
,"arguments":{}}

}"#;

/// The arguments of a request as a list.
struct Arguments<'r, 's>(&'r Request<'s>);

/// As far as there is room.
impl Show for Arguments<'_, '_> {
    #[inline(never)]
    fn show(&self, line: &mut Line) {
        line.add(b"[");
        let mut separator: &[u8] = b"";
        for argument in self.0.arguments() {
            line.add(separator);
            separator = b",";
            // One more has room, and the end.
            if line.bytes().len() > limits::MESSAGE / 3 {
                line.add(b"\"...\"");
                break;
            }
            string(argument.to_bytes(), line);
        }
        line.add(b"]");
    }
}
