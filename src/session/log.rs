//! The log: a line at the start and at the end of each session, for those who have to answer for what ran. Must not hold a
//! session up, whatever becomes of stderr.

use super::connection::Peer;
use super::service::Service;
use super::status::board::{Note, Phase, Place};
use crate::exit::{self, End};
use crate::options::value::Format;
use crate::protocol::request::Request;
use crate::sys::clock::{self, Instant};
use crate::sys::fd::OwnedFd;
use crate::sys::process;
use crate::sys::socket::tcp;
use crate::sys::statics::Global;
use crate::text::bytes::{first, value_of};
use crate::text::json::string;
use crate::text::line::{Line, Part, Show};
use crate::text::number;
use crate::text::packed::Text;
use crate::{add, diag, limits, line};
use core::ffi::CStr;

/// The method of a request by HTTP, and its path, which are among its variables.
fn method<'r>(request: &Request<'r>) -> Part<'r> {
    variable(request, b"REQUEST_METHOD")
}

fn path<'r>(request: &Request<'r>) -> Part<'r> {
    variable(request, b"SCRIPT_NAME")
}

fn variable<'r>(request: &Request<'r>, name: &[u8]) -> Part<'r> {
    Part::Json(request.variable(name).and_then(|entry| value_of(entry, name)).unwrap_or_default())
}

/// Why a command was ended before it ended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
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

impl EndReason {
    /// What the log calls it.
    fn name(self) -> &'static str {
        match self {
            EndReason::Client => "terminated",
            EndReason::Gone => "gone",
            EndReason::Fault => "fault",
            EndReason::Server => "server",
            EndReason::Timeout => "timeout",
        }
    }
}

/// What the log tells of one session.
pub struct Record<'s> {
    /// Why the command was ended, if it was.
    pub cut: Option<EndReason>,
    /// The exit code of a request that was refused.
    pub refused: u8,
    /// The peer.
    pub peer: Peer,
    /// Bytes that came from the peer and that went to it, as far as they are seen here.
    bytes: Option<[u64; 2]>,
    /// Bytes of a trigger's connection that were read before the session began: the token.
    ahead: u64,
    /// Where it is noted what the session does, once its command has started.
    place: Option<&'static Place>,
    /// Whether the client speaks HTTP.
    pub is_http: bool,
    /// The status of the answer, once there is one.
    pub status: Option<Text>,
    /// `None` before a request is complete.
    start: Option<Started<'s>>,
}

/// What is known of a session that has begun.
struct Started<'s> {
    /// What tells it from every other session of its process.
    number: u64,
    since: Instant,
    command: &'s CStr,
}

impl<'s> Record<'s> {
    /// That of a session that has not begun.
    pub fn new(peer: Peer) -> Record<'s> {
        Record {
            cut: None,
            refused: 0,
            peer,
            bytes: None,
            ahead: 0,
            place: None,
            is_http: false,
            status: None,
            start: None,
        }
    }

    /// Notes that the command of this request runs, as this process.
    pub fn note_command(&mut self, service: &Service<'_>, request: &Request<'s>, command: i32) {
        let Some(start) = &self.start else { return };
        let mut line = Line::new();
        line.add(first(start.command.to_bytes(), limits::NAME));
        line.add(b"\0");
        if service.settings.log_arguments {
            Arguments(request).show(&mut line);
        }
        let mut text = [0; limits::MESSAGE];
        text[..line.bytes().len()].copy_from_slice(line.bytes());
        let note = Note { number: start.number, processes: [process::id(), command], peer: self.peer, text };
        self.place = service.board.place(&note);
    }

    /// Notes what the session does.
    pub fn note(&self, phase: Phase) {
        if let Some(place) = self.place {
            place.set_mark(phase as i32);
        }
    }

    /// A request is complete. `connection` is that of a trigger, which can be asked for its bytes at the end; those of a
    /// relay are counted here, and those of the direct transport seen by the command alone.
    pub fn started(&mut self, service: &Service<'_>, request: &Request<'s>, connection: Option<&OwnedFd>) {
        static LAST: Global<u64> = Global::new(0);
        // The number of a process comes back only after a while, so the time tells two of them apart.
        let number = (LAST.get() + 1).max(clock::wall());
        LAST.set(number);
        if let Some(connection) = connection {
            self.ahead = tcp::traffic(connection).read;
        } else if !matches!(self.peer, Peer::User(_)) {
            self.bytes = Some([0; 2]);
        }
        let start = Started { number, since: Instant::now(), command: request.command() };
        match service.settings.log() {
            Format::None => {}
            Format::Text => self.log_start(service, &start, request),
            Format::Json => self.log_start_as_json(service, &start, request),
        }
        self.start = Some(start);
    }

    /// So many bytes came from the peer (0), or went to it (1).
    pub fn count(&mut self, direction: usize, count: usize) {
        if let Some(bytes) = &mut self.bytes {
            bytes[direction] += count as u64;
        }
    }

    /// Asks the kernel what the command of a trigger has read and written itself, before the connection goes.
    pub fn measure(&mut self, connection: &OwnedFd) {
        let traffic = tcp::traffic(connection);
        self.bytes = Some([traffic.read.saturating_sub(self.ahead), traffic.written]);
    }

    /// The session is over. `end`: how the command ended, if it ran and has.
    pub fn ended(&self, service: &Service<'_>, end: Option<End>) {
        let Some(start) = &self.start else { return };
        let (outcome, code) = self.outcome(end);
        service.board.count(outcome, self.traffic());
        if let Some(place) = self.place {
            place.set_mark(0);
        }
        match service.settings.log() {
            Format::None => {}
            Format::Text => self.log_end(service, start, outcome, code),
            Format::Json => self.log_end_as_json(service, start, outcome, code),
        }
    }

    /// What became of the command, and its exit code or signal, where it has one that means something.
    fn outcome(&self, end: Option<End>) -> (&'static str, Option<u64>) {
        let (outcome, code) = match (self.cut, end) {
            (Some(EndReason::Timeout), _) => (EndReason::Timeout.name(), Some(exit::TIMED_OUT)),
            (Some(reason), _) => (reason.name(), None),
            (None, Some(End::Code(code))) => ("exit", Some(code)),
            (None, Some(End::Signal(signal))) => ("signal", Some(signal)),
            (None, None) => ("refused", Some(self.refused)),
        };
        (outcome, code.map(u64::from))
    }

    fn log_start(&self, service: &Service<'_>, start: &Started<'_>, request: &Request<'_>) {
        let mut line = self.head(service, start, "start");
        if self.is_http {
            add!(&mut line, " method={} path={}", method(request), path(request));
        }
        if service.settings.log_arguments {
            add!(&mut line, " arguments={}", Part::Other(&Arguments(request)));
        }
        diag::log(&mut line);
    }

    fn log_end(&self, service: &Service<'_>, start: &Started<'_>, outcome: &str, code: Option<u64>) {
        let mut line = self.head(service, start, "end");
        let ([came, went], time) = (self.traffic(), start.since.elapsed());
        add!(&mut line, " outcome={} code={} ms={} in={} out={}", outcome, code, time, came, went);
        if self.is_http {
            add!(&mut line, " status={}", self.status());
        }
        diag::log(&mut line);
    }

    /// What both lines begin with.
    fn head(&self, service: &Service<'_>, start: &Started<'_>, event: &str) -> Line {
        let mut line = Line::new();
        add!(&mut line, "{} {} session={}-{}", Part::Time(clock::wall()), event, process::id(), start.number);
        let (section, command) = (service.server.name().to_bytes(), start.command.to_bytes());
        const TEXT: &str = " peer=\"{}\" section={} command={}";
        add!(&mut line, TEXT, self.peer, Part::Json(section), Part::Json(command));
        line
    }

    fn log_start_as_json(&self, service: &Service<'_>, start: &Started<'_>, request: &Request<'_>) {
        let mut line = self.head_as_json(service, start, "start");
        if self.is_http {
            add!(&mut line, ",\"method\":{},\"path\":{}", method(request), path(request));
        }
        if service.settings.log_arguments {
            add!(&mut line, ",\"arguments\":{}", Part::Other(&Arguments(request)));
        }
        line.add(b"}");
        diag::log(&mut line);
    }

    fn log_end_as_json(&self, service: &Service<'_>, start: &Started<'_>, outcome: &str, code: Option<u64>) {
        let mut line = self.head_as_json(service, start, "end");
        let ([came, went], time) = (self.traffic(), start.since.elapsed());
        add!(&mut line, ",\"outcome\":\"{}\",\"code\":{},\"ms\":{}", outcome, code, time);
        add!(&mut line, ",\"in\":{},\"out\":{}", came, went);
        if self.is_http {
            add!(&mut line, ",\"status\":{}", self.status());
        }
        line.add(b"}");
        diag::log(&mut line);
    }

    /// The same as [`Self::head`], without the object's end.
    fn head_as_json(&self, service: &Service<'_>, start: &Started<'_>, event: &str) -> Line {
        let mut line = Line::new();
        line.add(b"{");
        add!(&mut line, "\"time\":\"{}\",\"event\":\"{}\",", Part::Time(clock::wall()), event);
        add!(&mut line, "\"session\":\"{}-{}\",\"peer\":\"{}\"", process::id(), start.number, self.peer);
        let (section, command) = (service.server.name().to_bytes(), start.command.to_bytes());
        add!(&mut line, ",\"section\":{},\"command\":{}", Part::Json(section), Part::Json(command));
        line
    }

    /// What tells the session from every other one; empty before it has begun.
    pub fn session(&self) -> Line {
        self.start.as_ref().map_or(Line::new(), |start| line!("{}-{}", process::id(), start.number))
    }

    /// The code of the answer by HTTP.
    fn status(&self) -> Option<u64> {
        number::parse(first(line!("{}", self.status?).bytes(), 3), 10)
    }

    /// Bytes that came, and that went.
    fn traffic(&self) -> [Option<u64>; 2] {
        [0, 1].map(|direction| self.bytes.map(|bytes| bytes[direction]))
    }
}

/// The arguments of a request as a list, as far as there is room.
struct Arguments<'r, 's>(&'r Request<'s>);

impl Show for Arguments<'_, '_> {
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
