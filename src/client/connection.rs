//! A stub's connection: what is sent to the server, and what the server says.

use super::connect::{Connection, connect, reset_at_end};
use super::stub::{Handled, Interrupt, Stub};
use crate::debug;
use crate::options::value::Transport;
use crate::protocol::ProtocolError;
use crate::protocol::client::{Peer, ServerMessage};
use crate::sys::clock::Instant;
use crate::sys::fd;
use crate::sys::socket::unix;
use crate::text::bytes::first;
use crate::text::line::Show;
use rustix::event::PollFlags;
use rustix::io::{Errno, Result};

impl Stub {
    /// Sends what there is to send.
    pub(super) fn transmit(&mut self) {
        while self.server_reads && self.channel.has_unsent(self.machine.outgoing()) {
            self.machine.sent(self.channel.seal(self.machine.outgoing()));
            match self.send_next() {
                Ok(count) => self.machine.sent(self.channel.sent(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // What the server said before it went can still be read.
                Err(_) => self.server_reads = self.fall_back(),
            }
        }
    }

    /// Sends the next of what there is to send, together with descriptors as long as some have to go along: no more of them
    /// than one message can hold, and each message needs a byte.
    fn send_next(&mut self) -> Result<usize> {
        let outgoing = self.channel.unsent(self.machine.outgoing());
        if self.unsent.is_empty() {
            return fd::send(&self.connection.socket, outgoing);
        }
        let (now, later) = self.unsent.split_at(self.unsent.len().min(unix::MOST));
        let bytes = if later.is_empty() { outgoing } else { first(outgoing, 1) };
        let sent = unix::send(&self.connection.socket, bytes, now)?;
        self.unsent = later;
        Ok(sent)
    }

    /// The direct connection has ended. A server that went before it had taken the request may have a successor: once, the
    /// relay is tried.
    fn fall_back(&mut self) -> bool {
        let may_fall_back = self.connection.is_direct
            && self.route.transport == Transport::Auto
            && self.machine.peer() == Peer::Unknown;
        if !may_fall_back {
            return false;
        }
        debug!(Client, "the direct connection ended: going on by TCP");
        let Ok(connection) = connect(&self.route.by_relay(), Instant::PAST, false) else { return false };
        self.adopt(connection);
        true
    }

    /// Goes on with another connection, from the start of the request.
    fn adopt(&mut self, connection: Connection) {
        self.connection = connection;
        self.unsent = &[];
        self.server_reads = true;
        self.terminal.offer(false);
        self.terminal.await_answer(false);
        self.take_streams();
        self.machine.rewind();
    }

    /// Reads the connection once and does what it says.
    pub(super) fn receive(&mut self, flags: PollFlags, inbox: &mut [u8]) -> Handled {
        if !flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return Ok(());
        }
        match fd::receive(&self.connection.socket, self.channel.space(inbox)) {
            Ok(count @ 1..) => self.arrive(inbox, count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            // What was sent was never read (unix(7)), so nothing was started.
            Err(Errno::CONNRESET) if self.fall_back() => Ok(()),
            Ok(0) | Err(_) => self.on_disconnect(),
        }
    }

    /// The connection has ended without a last frame.
    fn on_disconnect(&self) -> Handled {
        // A server of protocol 1 has no other way to say that a signal ended the command.
        let reason = if self.machine.peer() == Peer::Plain {
            "the connection ended before the command did (k8psh 0.9 does so when a signal ends the command)"
        } else {
            "the connection ended before the command did"
        };
        self.fail(&reason)
    }

    /// The session cannot go on.
    fn fail(&self, reason: &dyn Show) -> Handled {
        Err(Interrupt::Failed(self.route.report(reason)))
    }

    /// Ends the session whose server does not read what it asked for.
    pub(super) fn check_overrun(&mut self) -> Handled {
        if self.machine.take_overrun() { self.fail(&ProtocolError::Overrun) } else { Ok(()) }
    }

    /// So many bytes have come.
    fn arrive(&mut self, inbox: &mut [u8], count: usize) -> Handled {
        self.channel.arrived(count);
        while self.end.is_none() {
            match self.channel.next(inbox) {
                Ok(Some(content)) => self.process(content)?,
                Ok(None) => break,
                Err(error) => self.fail(&error.reason())?,
            }
        }
        Ok(())
    }

    fn process(&mut self, mut arrived: &[u8]) -> Handled {
        let was_unknown = self.machine.peer() == Peer::Unknown;
        while self.end.is_none() {
            match self.machine.receive(&mut arrived) {
                Ok(Some(message)) => self.handle(message)?,
                Ok(None) => break,
                Err(error) => self.fail(&error)?,
            }
            self.check_overrun()?;
        }
        if was_unknown && self.machine.peer() == Peer::Negotiated && !self.connection.is_direct {
            reset_at_end(&self.connection.socket);
        }
        Ok(())
    }

    fn handle(&mut self, message: ServerMessage<'_>) -> Handled {
        match message {
            ServerMessage::Output(which, bytes) => self.output(which, bytes)?,
            ServerMessage::InputClosed => self.close_input(),
            ServerMessage::Failure(text) => text.show(self.reason),
            ServerMessage::Ended(end) => self.ended(end),
            ServerMessage::Stopped(signal) => self.stop(signal)?,
            ServerMessage::Terminal { is_there, is_shared } => self.answered(is_there, is_shared),
            ServerMessage::Keys(keys) => self.give_keys(keys)?,
        }
        Ok(())
    }
}
