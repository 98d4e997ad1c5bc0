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
use crate::text::line::{Line, Part, Show, UNKNOWN, fill};
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
    bytes: [u64; 2],
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
            bytes: [UNKNOWN; 2],
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
            self.bytes = [0; 2];
        }
        let arguments = Arguments(request);
        self.write(work, Part::Other(&arguments), None);
    }

    /// So many bytes came from the peer (0), or went to it (1).
    pub fn count(&mut self, direction: usize, count: usize) {
        if let Some(bytes) = self.bytes.get_mut(direction).filter(|bytes| **bytes != UNKNOWN) {
            *bytes += count as u64;
        }
    }

    /// Asks the kernel what the command of a trigger has read and written itself, before the connection goes.
    pub fn measure(&mut self, connection: &OwnedFd) {
        let traffic = tcp::traffic(connection);
        self.bytes = [traffic.read.saturating_sub(self.ahead), traffic.written];
    }

    /// The session is over.
    #[inline(never)]
    pub fn end(&self, work: &Service<'_>, end: Option<End>) {
        let (outcome, code) = match (self.cut, end) {
            (EndReason::No, None) => (REFUSED, self.refused.into()),
            (EndReason::No, Some(End::Code(code))) => (EndReason::No as usize, code.into()),
            (EndReason::No, Some(End::Signal(signal))) => (SIGNAL, signal.into()),
            (EndReason::Timeout, _) => (EndReason::Timeout as usize, exit::TIMED_OUT.into()),
            (cut, _) => (cut as usize, UNKNOWN),
        };
        if self.number != 0 {
            self.write(work, Part::Words(bytes::line(CUTS, outcome)), Some(code));
        }
    }

    /// Writes a line, if there is a log: that of the end where there is a code, with the outcome; else that of the start, with
    /// the arguments if they are wanted.
    #[inline(never)]
    fn write(&self, work: &Service<'_>, what: Part<'_>, code: Option<u64>) {
        let format = work.log.format;
        if format == Format::None {
            return;
        }
        let tail = match code {
            Some(_) => 2,
            None if work.log.has_arguments => 4,
            None => 6,
        };
        let parts = [
            Part::Words(b"{"),
            Part::Time(time::wall()),
            Part::Words(if code.is_some() { b"end" } else { b"start" }),
            Part::Signed(process::id()),
            Part::Number(self.number),
            self.peer.part(),
            Part::Json(work.server.name().to_bytes()),
            Part::Json(self.command.to_bytes()),
            what,
            Part::Number(code.unwrap_or(0)),
            Part::Number(self.since.elapsed()),
            Part::Number(self.bytes[0]),
            Part::Number(self.bytes[1]),
        ];
        let mut line = Line::new();
        let (head, parts) = if format == Format::Json { (1, &parts[..]) } else { (0, &parts[1..]) };
        let parts = fill(&mut line, bytes::line(TEXTS, head), parts);
        fill(&mut line, bytes::line(TEXTS, tail + head), parts);
        diag::log(&mut line);
    }
}

/// What stands between the parts of a line, as text and as JSON: of its head, and of the three tails that it may have.
const TEXTS: &[u8] = br#"{} {} session={}-{} peer="{}" section={} command={}
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
