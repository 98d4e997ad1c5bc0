//! A request by HTTP, as far as it has to be understood before the token is known: its head. Everything that is wrong with
//! that is answered here, so that it costs no process.

use super::verifier::{Connection, Verdict, Verifier, WRONG};
use crate::http::Fault;
use crate::http::head::Head;
use crate::options::settings::TokenSource;
use crate::report;
use crate::secure::handshake::MESSAGE;
use crate::sys::fd;
use crate::text::bytes::first;

impl Verifier {
    /// Judges a connection of which so many bytes have come, which stay in the socket.
    pub(super) fn judge_head(
        &mut self,
        connection: &mut Connection,
        count: usize,
        source: Option<TokenSource<'_>>,
    ) -> Verdict {
        let read = Head::read(first(self.buffer, count));
        let (is_request, token) = match &read {
            Ok(Some(head)) if head.is_probe() => {
                return self.answer(connection, if self.is_ending { Fault::Ending } else { Fault::None });
            }
            Ok(Some(head)) => (true, head.bearer()),
            _ => (false, None),
        };
        // A stub's message may begin like a head, or not.
        if source.is_some() && (is_request || count >= MESSAGE) {
            if self.has_penalty(connection, is_request) {
                return Verdict::Waits;
            }
            let Some(key) = self.read_key(source) else { return Verdict::Closes };
            connection.has_message = count >= MESSAGE && self.has_message(&key);
            if connection.has_message || token.is_some_and(|token| key.is_of(token)) {
                return self.decide(connection, true);
            }
            if is_request {
                self.count_failure(connection, WRONG);
                return self.answer(connection, Fault::Token);
            }
        }
        let is_late = connection.has_ended || connection.by <= self.now;
        match read {
            Ok(Some(_)) => Verdict::Enters,
            // The rest of a message may come.
            Err(_) if source.is_some() && count < MESSAGE && !is_late => Verdict::Waits,
            Err(fault) => self.refuse_request(connection, fault),
            Ok(None) if is_late => self.refuse_request(connection, Fault::Late),
            Ok(None) => Verdict::Waits,
        }
    }

    fn refuse_request(&mut self, connection: &mut Connection, fault: Fault) -> Verdict {
        report!("{}: {}", &connection.address, fault);
        self.answer(connection, fault)
    }

    /// Answers, and waits for the client's end: closing at once would reset the connection if more is on its way, and the
    /// answer could be lost (RFC 2525, 2.17).
    fn answer(&mut self, connection: &mut Connection, fault: Fault) -> Verdict {
        let _ = fd::receive(&connection.socket, self.buffer);
        connection.say_last(fault.answer().bytes());
        if connection.has_ended { Verdict::Closes } else { Verdict::Waits }
    }
}
