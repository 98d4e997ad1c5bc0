//! A session's connection: what comes over it, and what goes out.

use super::command::keep;
use super::event_loop::{Client, Session};
use super::phases::Link;
use crate::protocol::frame::HEADER;
use crate::secure;
use crate::sys::clock::Instant;
use crate::sys::fd;
use crate::sys::socket::unix;
use crate::{limits, report};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::Shutdown;

impl Session<'_> {
    /// Reads the connection once and does what it says.
    pub(super) fn receive(&mut self, flags: PollFlags, inbox: &mut [u8]) {
        if !flags.contains(PollFlags::IN) {
            // Data that a full buffer leaves unread does not keep the command of a dead stub.
            if flags.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                self.on_disconnect();
            }
            return;
        }
        if self.move_input() {
            return;
        }
        let Some(socket) = self.state.link.socket() else { return };
        let space = match self.movable() {
            // Before a body that is to be moved, only its header is read.
            Some(0) => &mut inbox[..HEADER],
            _ if self.state.link.takes_frames() => self.channel.space(inbox),
            // What comes once everything is said is dropped.
            _ => &mut *inbox,
        };
        let arrived = if self.client == Client::DirectStub {
            unix::receive(socket, space, &mut |descriptor| keep(self.passed, descriptor))
        } else {
            fd::receive(socket, space)
        };
        self.is_reusable &= arrived.unwrap_or(0) <= limits::REUSE_BYTES;
        match arrived {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok(count @ 1..) => self.arrive(inbox, count),
            Ok(0) | Err(_) => self.on_disconnect(),
        }
    }

    /// So many bytes have come.
    fn arrive(&mut self, inbox: &mut [u8], count: usize) {
        if self.state.link.takes_frames() {
            self.channel.arrived(count);
        }
        while self.state.link.takes_frames() {
            let was_confirmed = self.channel.may_send();
            match self.channel.next(inbox) {
                Ok(Some(content)) => {
                    if !was_confirmed {
                        self.state.link.on_confirmed(Instant::now());
                    }
                    if self.client == Client::Http { self.take_body(content) } else { self.process(content) }
                }
                Ok(None) => break,
                Err(error) => self.on_bad_record(error),
            }
        }
    }

    /// What has come is not what the stub has sent. A stub that never was there is told nothing.
    fn on_bad_record(&mut self, error: secure::Error) {
        if self.channel.may_send() {
            self.protocol_error(&error.reason());
        } else {
            report!("a connection: {}", error.reason());
            self.disconnect();
        }
    }

    /// Whether there is something to send.
    pub(super) fn has_outgoing(&self) -> bool {
        let outgoing = self.server_end.outgoing();
        if self.client == Client::Http {
            return self.exchange.answer.has_unsent(outgoing);
        }
        self.channel.has_unsent(outgoing) || self.server_end.body_due() > 0
    }

    /// Sends what there is to send, unless it may wait for what comes next: most commands have ended by then, and the stub
    /// is woken once.
    pub(super) fn transmit(&mut self, now: Instant) {
        let may_wait = self.state.command.is_running() && self.server_end.is_deferrable();
        let has_outgoing = self.has_outgoing();
        match &mut self.state.link {
            Link::Closed => self.server_end.forget_peer(),
            Link::Relaying { flush_at, .. } if may_wait && has_outgoing => {
                *flush_at = (*flush_at).min(now.plus(limits::COALESCE_MS));
            }
            _ => self.flush(),
        }
    }

    /// Sends what there is to send.
    pub(super) fn flush(&mut self) {
        if let Link::Relaying { flush_at, .. } = &mut self.state.link {
            *flush_at = Instant::NEVER;
        }
        while let Some(socket) = self.state.link.socket().filter(|_| self.has_outgoing()) {
            let frames = self.server_end.outgoing();
            let is_http = self.client == Client::Http;
            let taken = if is_http { self.exchange.answer.take(frames) } else { self.channel.seal(frames) };
            self.server_end.sent(taken);
            let outgoing =
                if is_http { self.exchange.answer.unsent() } else { self.channel.unsent(self.server_end.outgoing()) };
            let result = match self.server_end.body_due() {
                0 if self.server_end.has_body() => fd::send_part(socket, outgoing),
                0 => fd::send(socket, outgoing),
                due => self.conduit.drain(socket, due),
            };
            match result {
                Ok(count) if is_http => self.exchange.answer.sent(count),
                Ok(count) => self.server_end.sent(self.channel.sent(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.on_disconnect(),
            }
        }
        if let Link::Lingering { socket, .. } = &self.state.link
            && !self.server_end.negotiated
        {
            // A client of protocol 1 learns a death by signal from the end of the connection. A later one knows by its last
            // frame, and is not woken once more.
            let _ = rustix::net::shutdown(socket, Shutdown::Write);
        }
    }

    /// Closes the connection. Descriptors that are still on their way by it would be closed along, so a direct one on which
    /// unread data is left stays open until this process ends. To a stub whose request was not read that is a reset then
    /// (unix(7)), by which it knows that nothing was started.
    pub(super) fn disconnect(&mut self) {
        let is_unasked = matches!(self.state.link, Link::AwaitingRequest { .. });
        let Some(socket) = self.state.link.close() else { return };
        if self.client != Client::DirectStub {
            return;
        }
        // First: nothing more can arrive.
        let _ = rustix::net::shutdown(&socket, if is_unasked { Shutdown::Read } else { Shutdown::Both });
        if fd::unread(&socket) > 0 {
            self.is_reusable = false;
            fd::leave_open(socket);
        }
    }
}
