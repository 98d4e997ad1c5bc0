//! One connection that has not proven yet that it has the token: what is expected of it, and what becomes of it.

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

/// What is expected of a connection.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// The token as its first line, or a stub's first message.
    AwaitingLine,
    /// A stub's first message of the handshake.
    AwaitingMessage,
    /// Its end: it does not get in, and is closed in a while.
    Refused,
    /// Nothing: it has proven that it has the token, as so many events came before, and waits for a worker.
    Ready(u64),
}

/// A connection that is not served yet.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    pub(super) address: IpAddr,
    pub(super) stage: Stage,
    /// Whether it has proven that by a message, which is still to be answered.
    pub(super) has_message: bool,
    /// Whether its other end sends no more.
    pub(super) has_ended: bool,
    /// How many events came before it.
    pub(super) order: u64,
    /// When it is looked at although nothing has come: its proof has to be there, or its penalty is over.
    pub(super) due: Instant,
}

impl Connection {
    /// Whether it waits for a worker.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready(_))
    }
}

/// What becomes of a connection that was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More has to come, or its penalty to end.
    Waits,
    /// It has proven that it has the token.
    Enters,
    /// It is closed.
    Closes,
}

/// What is said of a connection with another token.
const WRONG: &str = "wrong token";

/// What a connection has sent: the longest token, CR and LF, or a message.
pub(super) type Buffer = [u8; limits::TOKEN + 2];

/// By what connections are judged.
pub(super) struct Verifier {
    pub(super) now: Instant,
    pub(super) buffer: &'static mut Buffer,
    pub(super) penalties: &'static mut Penalties,
    pub(super) environment: Environment<'static>,
}

impl Verifier {
    /// Looks at what a connection has sent so far, or at what has become of it.
    pub(super) fn look(&mut self, connection: &mut Connection, source: Option<TokenSource<'_>>) -> Verdict {
        let count = match fd::peek(&connection.socket, self.buffer) {
            Ok(count @ 1..) => count,
            Err(Errno::AGAIN) => 0,
            // Without a word: somebody has looked whether somebody listens.
            Ok(0) | Err(_) => return Verdict::Closes,
        };
        let is_line = matches!(connection.stage, Stage::AwaitingLine);
        let is_request = count > 0 && self.buffer[0] <= Kind::Start as u8;
        let length = match connection.stage {
            Stage::Ready(_) => return Verdict::Waits,
            Stage::Refused => usize::MAX,
            Stage::AwaitingLine => until(first(self.buffer, count), b'\n').len() + 1,
            // No message begins like this: see `handshake::agree`.
            Stage::AwaitingMessage if is_request => return self.explain(connection),
            Stage::AwaitingMessage => MESSAGE,
        };
        let is_complete = count >= length || is_line && (connection.has_ended || count == self.buffer.len());
        let mut verdict = Verdict::Waits;
        if is_complete || is_line && count >= MESSAGE {
            // Only the token tells a message from a part of a line.
            verdict = self.judge(connection, count, is_complete.then_some(length.min(count)), source);
        }
        let is_late = !is_complete && (connection.has_ended || connection.due <= self.now);
        if verdict == Verdict::Waits && is_late { self.give_up(connection) } else { verdict }
    }

    /// Nothing more comes, or not in time.
    fn give_up(&mut self, connection: &Connection) -> Verdict {
        match connection.stage {
            Stage::Refused => Verdict::Closes,
            _ => self.refuse(connection, "no token"),
        }
    }

    /// Judges the so many bytes that a connection has sent, the length of a whole line if there is one, by the token as it is
    /// now; later, if its address has failed.
    fn judge(
        &mut self,
        connection: &mut Connection,
        count: usize,
        line: Option<usize>,
        source: Option<TokenSource<'_>>,
    ) -> Verdict {
        let judged_at = self.penalties.judged_at(Network::of(&connection.address), self.now);
        if judged_at > self.now {
            connection.due = judged_at;
            return Verdict::Waits;
        }
        let Some(key) = self.read_key(source) else { return Verdict::Closes };
        connection.has_message = count >= MESSAGE && self.has_message(&key);
        match (connection.stage, line) {
            _ if connection.has_message => self.decide(connection, true),
            (Stage::AwaitingLine, Some(length)) => self.judge_line(connection, length, &key),
            (Stage::AwaitingMessage, _) => self.refuse_message(connection),
            _ => Verdict::Waits,
        }
    }

    /// Whether what has come begins with a message by somebody with the token. It stays where it is.
    fn has_message(&self, key: &PreSharedKey) -> bool {
        self.buffer.first_chunk().is_some_and(|message| Responder::check(key, message).is_ok())
    }

    /// Whether the line of so many bytes is the token.
    fn judge_line(&mut self, connection: &Connection, length: usize, key: &PreSharedKey) -> Verdict {
        // What follows is the session's.
        let _ = fd::receive(&connection.socket, &mut self.buffer[..length]);
        let is_right = key.is_of(without_newline(first(self.buffer, length)));
        self.decide(connection, is_right)
    }

    /// A stub's message is by somebody without the token. The stub is to know that it was read and refused, without a byte of
    /// an answer: it sees no reset, and the end only after a while.
    fn refuse_message(&mut self, connection: &mut Connection) -> Verdict {
        let _ = fd::receive(&connection.socket, self.buffer);
        self.count_failure(connection, WRONG);
        (connection.stage, connection.due) = (Stage::Refused, Instant::after(limits::REFUSAL_MS));
        // Where there is no room, it goes before those that may still get in.
        connection.order = 0;
        Verdict::Waits
    }

    /// The key of the token as it is now. Without one nobody gets in, and whose fault that is was said.
    pub(super) fn read_key(&self, source: Option<TokenSource<'_>>) -> Option<PreSharedKey> {
        read_key(source?, &self.environment).ok()
    }

    fn decide(&mut self, connection: &Connection, is_right: bool) -> Verdict {
        if !is_right {
            return self.refuse(connection, WRONG);
        }
        // The failures were mistakes.
        self.penalties.forgive(Network::of(&connection.address));
        Verdict::Enters
    }

    /// The connection does not get in, because of `why`: closed without a byte, and a failure of its address.
    fn refuse(&mut self, connection: &Connection, why: &str) -> Verdict {
        self.count_failure(connection, why);
        // Closed with bytes unread, it would be reset, which tells a stub to try again.
        let _ = fd::receive(&connection.socket, self.buffer);
        Verdict::Closes
    }

    fn count_failure(&mut self, connection: &Connection, why: &str) {
        report!("{}: {}", &connection.address, why);
        self.penalties.count(Network::of(&connection.address), self.now);
    }

    /// A stub that knows of no token: tells it, so that its user knows what to do, and waits for its end. Closing now would
    /// reset the connection, with its request unread, and could lose that (RFC 2525, 2.17).
    fn explain(&mut self, connection: &mut Connection) -> Verdict {
        /// Hello, a failure and an exit, as a stub of protocol 2 expects them.
        const EXPLANATION: &[u8] = b"\x10\x02\0\0\0\x11\x3b\0\0\0\
            it wants a token: give its section --token-file/--token-env\
            \x08\x7d\0\0\0";
        const _: () = assert!(EXPLANATION.len() == 3 * HEADER + 0x3b);
        self.count_failure(connection, "no token");
        let _ = fd::send(&connection.socket, EXPLANATION);
        let _ = rustix::net::shutdown(&connection.socket, Shutdown::Write);
        connection.stage = Stage::Refused;
        Verdict::Waits
    }
}
