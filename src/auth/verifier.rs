//! The proof of one connection that it has the token: what is expected of it, and the verdict.

use super::penalties::{Network, Penalties};
use super::token::{read_key, without_newline};
use crate::options::settings::TokenSource;
use crate::protocol::frame::{HEADER, Kind};
use crate::secure::handshake::{MESSAGE, Responder};
use crate::secure::key::PreSharedKey;
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::program::Environment;
use crate::text::bytes::{first, until};
use crate::{limits, report};
use core::net::IpAddr;
use rustix::io::Errno;
use rustix::net::Shutdown;
use zeroize::Zeroize;

/// What is expected of a connection.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// The token as its first line, or a stub's first message of the handshake.
    AwaitingLine,
    /// A stub's first message of the handshake.
    AwaitingMessage,
    /// The head of a request by HTTP, or such a message.
    AwaitingHead,
    /// EOF: it was refused, and is closed after a while.
    Refused,
    /// Nothing: it has proven the token and waits for a worker. The number is its place in the order of such connections.
    Ready(u64),
}

/// A connection that is not served yet.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    pub(super) address: IpAddr,
    pub(super) stage: Stage,
    /// Whether its proof is a stub's message, which has yet to be answered.
    pub(super) has_message: bool,
    /// Whether its peer has closed its sending side.
    pub(super) has_ended: bool,
    /// Its place in the order of arrival.
    pub(super) order: u64,
    /// When its proof has to be there, or its EOF once it was refused.
    pub(super) by: Instant,
    /// When it is checked even if nothing comes: then, or when its penalty is over.
    pub(super) due: Instant,
}

impl Connection {
    /// Whether it waits for a worker.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready(_))
    }

    /// Tells its peer why it is refused. It is closed when the peer's end has come, or its time is over.
    pub(super) fn say_last(&mut self, bytes: &[u8]) {
        let _ = fd::send(&self.socket, bytes);
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
        self.stage = Stage::Refused;
    }
}

/// What becomes of a connection that was checked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More has to come, or its penalty to end.
    Waits,
    /// It has proven that it has the token.
    Enters,
    /// It is closed.
    Closes,
}

/// The reason to refuse a connection with another token.
pub(super) const WRONG: &str = "wrong token";

/// What a connection has sent: the longest token, CR and LF, or a message, or the head of a request by HTTP.
pub(super) type Buffer = [u8; limits::HEAD];

/// Bytes that are looked at unless they are such a head.
const LINE: usize = limits::TOKEN + 2;

/// What connections are checked with.
pub(super) struct Verifier {
    pub(super) now: Instant,
    pub(super) buffer: &'static mut Buffer,
    pub(super) penalties: &'static mut Penalties,
    pub(super) environment: Environment<'static>,
    /// Whether the server ends.
    pub(super) is_ending: bool,
}

impl Verifier {
    /// Checks what a connection has sent so far, and whether it has ended. Nothing of that is kept: it may be the token.
    pub(super) fn check(&mut self, connection: &mut Connection, source: Option<TokenSource<'_>>) -> Verdict {
        let verdict = self.judge(connection, source);
        self.buffer.zeroize();
        verdict
    }

    fn judge(&mut self, connection: &mut Connection, source: Option<TokenSource<'_>>) -> Verdict {
        connection.due = connection.by;
        let room = if matches!(connection.stage, Stage::AwaitingHead) { limits::HEAD } else { LINE };
        let count = match fd::peek(&connection.socket, &mut self.buffer[..room]) {
            Ok(count @ 1..) => count,
            Err(Errno::AGAIN) => 0,
            // It has sent nothing, as one that only tries whether the port is open: not worth a message.
            Ok(0) | Err(_) => return Verdict::Closes,
        };
        let is_line = matches!(connection.stage, Stage::AwaitingLine);
        // The types up to START are those of a request.
        let is_request = count > 0 && self.buffer[0] <= Kind::Start as u8;
        if matches!(connection.stage, Stage::AwaitingHead) {
            return match source {
                Some(_) if is_request => self.explain(connection),
                // It is told by a worker, as by any other server without a token.
                None if is_request => Verdict::Enters,
                _ => self.judge_head(connection, count, source),
            };
        }
        let length = match connection.stage {
            Stage::Ready(_) | Stage::AwaitingHead => return Verdict::Waits,
            Stage::Refused => usize::MAX,
            Stage::AwaitingLine => until(first(self.buffer, count), b'\n').len() + 1,
            // A message never begins like this: see `handshake::start`.
            Stage::AwaitingMessage if is_request => return self.explain(connection),
            Stage::AwaitingMessage => MESSAGE,
        };
        let is_complete = count >= length || is_line && (connection.has_ended || count == room);
        let mut verdict = Verdict::Waits;
        if is_complete || is_line && count >= MESSAGE {
            // Whether these bytes are a message or part of a line, only the token can tell.
            verdict = self.verify(connection, count, is_complete.then_some(length.min(count)), source);
        }
        let is_late = !is_complete && (connection.has_ended || connection.by <= self.now);
        if verdict == Verdict::Waits && is_late { self.refuse_unproven(connection) } else { verdict }
    }

    /// Nothing more has come, or not in time.
    fn refuse_unproven(&mut self, connection: &Connection) -> Verdict {
        match connection.stage {
            Stage::Refused => Verdict::Closes,
            _ => self.refuse(connection, "no token"),
        }
    }

    /// Verifies the first `count` bytes of a connection, of which `line` are a complete line, by the token as it is now;
    /// later, if its address has a penalty.
    fn verify(
        &mut self,
        connection: &mut Connection,
        count: usize,
        line: Option<usize>,
        source: Option<TokenSource<'_>>,
    ) -> Verdict {
        if self.has_penalty(connection, line.is_some()) {
            return Verdict::Waits;
        }
        let Some(key) = self.read_key(source) else { return Verdict::Closes };
        connection.has_message = count >= MESSAGE && self.has_message(&key);
        match (connection.stage, line) {
            _ if connection.has_message => self.decide(connection, true),
            (Stage::AwaitingLine, Some(length)) => self.verify_line(connection, length, &key),
            (Stage::AwaitingMessage, _) => self.refuse_message(connection),
            _ => Verdict::Waits,
        }
    }

    /// Whether the connection's address has a penalty: then it is verified when that is over. What is not complete has to be
    /// in its time all the same.
    pub(super) fn has_penalty(&self, connection: &mut Connection, is_complete: bool) -> bool {
        let verifiable_at = self.penalties.verifiable_at(Network::of(&connection.address), self.now);
        if verifiable_at > self.now {
            connection.due = if is_complete { verifiable_at } else { verifiable_at.min(connection.by) };
        }
        verifiable_at > self.now
    }

    /// Whether the bytes that have come begin with a message that proves the token. It stays in the socket.
    pub(super) fn has_message(&self, key: &PreSharedKey) -> bool {
        self.buffer.first_chunk().is_some_and(|message| Responder::check(key, message).is_ok())
    }

    /// Verifies that the line of so many bytes is the token.
    fn verify_line(&mut self, connection: &Connection, length: usize, key: &PreSharedKey) -> Verdict {
        // No byte more: what follows is the command's.
        let _ = fd::receive(&connection.socket, &mut self.buffer[..length]);
        let is_right = key.is_of(without_newline(first(self.buffer, length)));
        self.decide(connection, is_right)
    }

    /// Refuses a stub whose message does not prove the token. It gets no answer, but it should know that its message was
    /// read: so there is no reset, and EOF comes only after a while.
    fn refuse_message(&mut self, connection: &mut Connection) -> Verdict {
        let _ = fd::receive(&connection.socket, self.buffer);
        self.count_failure(connection, WRONG);
        (connection.stage, connection.by) = (Stage::Refused, Instant::after(limits::REFUSAL_MS));
        connection.due = connection.by;
        // If the queue is full, it is closed before those that may still get in.
        connection.order = 0;
        Verdict::Waits
    }

    /// The key of the token as it is now. `None` if it cannot be read, which has been reported.
    pub(super) fn read_key(&self, source: Option<TokenSource<'_>>) -> Option<PreSharedKey> {
        read_key(source?, &self.environment).ok()
    }

    /// Lets the connection in, or refuses it.
    pub(super) fn decide(&mut self, connection: &Connection, is_right: bool) -> Verdict {
        if !is_right {
            return self.refuse(connection, WRONG);
        }
        // Its earlier failures were mistakes.
        self.penalties.forgive(Network::of(&connection.address));
        Verdict::Enters
    }

    /// Refuses a connection because of `why`: it is closed without a byte, and its address gets a penalty.
    fn refuse(&mut self, connection: &Connection, why: &str) -> Verdict {
        self.count_failure(connection, why);
        // With bytes unread, closing would reset it, and a stub tries again after a reset.
        let _ = fd::receive(&connection.socket, self.buffer);
        Verdict::Closes
    }

    pub(super) fn count_failure(&mut self, connection: &Connection, why: &str) {
        report!("{}: {}", &connection.address, why);
        self.penalties.count(Network::of(&connection.address), self.now);
    }

    /// Tells a stub whose section has no token what is missing, and waits for its EOF. Closing at once would reset the
    /// connection, because its request is unread, and the explanation could be lost (RFC 2525, 2.17).
    fn explain(&mut self, connection: &mut Connection) -> Verdict {
        /// Hello, a failure and an exit, as a stub of protocol 2 expects them.
        const EXPLANATION: &[u8] = b"\x10\x02\0\0\0\x11\x3b\0\0\0\
            it wants a token: give its section --token-file/--token-env\
            \x08\x7d\0\0\0";
        const _: () = assert!(EXPLANATION.len() == 3 * HEADER + 0x3b);
        self.count_failure(connection, "no token");
        connection.say_last(EXPLANATION);
        Verdict::Waits
    }
}
