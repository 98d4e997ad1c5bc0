//! A stub's connection: what is sent to the server, and what the server says.

use super::connect::{Connection, connect, reset_at_end};
use super::route::ENDED;
use super::stub::{FORWARDED, Handled, Interrupt, Stub};
use crate::options::value::Transport;
use crate::protocol::ProtocolError;
use crate::protocol::client::{Peer, ServerMessage};
use crate::protocol::frame::HEADER;
use crate::sys::clock::Instant;
use crate::sys::fd;
use crate::sys::signal;
use crate::sys::socket::unix;
use crate::text::bytes::first;
use crate::text::line::Show;
use crate::{debug, text};
use rustix::event::PollFlags;
use rustix::io::{Errno, Result};

impl Stub {
    /// Sends what there is to send.
    pub(super) fn transmit(&mut self) {
        while self.server_reads && self.has_unsent() {
            self.machine.sent(self.channel.seal(self.machine.outgoing()));
            match self.send_next() {
                Ok(count) => self.machine.sent(self.channel.sent(count)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // What the server said before it went can still be read.
                Err(_) => self.server_reads = self.begin_anew(),
            }
        }
    }

    /// Whether there is something to send.
    pub(super) fn has_unsent(&self) -> bool {
        self.channel.has_unsent(self.machine.outgoing()) || self.machine.body_due() > 0
    }

    /// Sends the next of what there is to send, together with descriptors as long as some have to go along: no more of them
    /// than one message can hold, and each message needs a byte.
    fn send_next(&mut self) -> Result<usize> {
        let socket = &self.connection.socket;
        let due = self.machine.body_due();
        if due > 0 {
            return self.conduit.drain(socket, due);
        }
        let outgoing = self.channel.unsent(self.machine.outgoing());
        if self.machine.has_body() {
            return fd::send_part(socket, outgoing);
        }
        if self.unsent.is_empty() {
            return fd::send(socket, outgoing);
        }
        let (now, later) = self.unsent.split_at(self.unsent.len().min(unix::MOST));
        let bytes = if later.is_empty() { outgoing } else { first(outgoing, 1) };
        let sent = unix::send(socket, bytes, now)?;
        self.unsent = later;
        Ok(sent)
    }

    /// The connection has failed. If the server cannot have read the request to its end, which is what starts a command, the
    /// request is sent again: the server may have a successor, or keep this user from the direct transport. False if that
    /// is impossible, or unknown whether it was read: by TCP, a reset does not tell how much was.
    fn begin_anew(&mut self) -> bool {
        let has_sent = !self.connection.is_direct && self.machine.has_begun();
        let is_taken = has_sent || !self.channel.is_plain() || self.machine.peer() != Peer::Unknown;
        if is_taken || !self.retries.again(self.deadline) {
            return false;
        }
        // Until there is a server, no command can get the signals: they have their effect on this process.
        signal::block(self.blocked);
        let connection = self.connect_again();
        signal::block(FORWARDED);
        connection.map(|connection| self.adopt(connection)).is_ok()
    }

    /// Makes another connection: by TCP if the transport allows that, or by the same route, once a server is there.
    fn connect_again(&self) -> Result<Connection> {
        if self.route.transport == Transport::Auto
            && let Ok(connection) = connect(&self.route.by_relay(), Instant::PAST, false)
        {
            debug!(Client, "the direct connection ended: going on by TCP");
            return Ok(connection);
        }
        debug!(Client, "the connection ended before the server had taken the request: trying again");
        connect(&self.route, self.deadline, true)
    }

    /// Goes on with another connection, from the start of the request.
    fn adopt(&mut self, connection: Connection) {
        let had_descriptors = self.connection.is_direct;
        self.unsent = if connection.is_direct { self.descriptors } else { &[] };
        self.server_reads = true;
        self.terminal.offer(connection.is_direct);
        self.terminal.await_answer(connection.is_direct);
        self.connection = connection;
        if had_descriptors && !self.connection.is_direct {
            self.take_streams();
        }
        self.machine.rewind();
    }

    /// Reads the connection once and does what it says.
    pub(super) fn receive(&mut self, flags: PollFlags, inbox: &mut [u8]) -> Handled {
        if !flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return Ok(());
        }
        if self.move_output() {
            return Ok(());
        }
        match fd::receive(&self.connection.socket, self.space(inbox)) {
            Ok(count @ 1..) => self.arrive(inbox, count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            // Only the request had been sent, and the server has not read all of it (unix(7)).
            Err(Errno::CONNRESET) if self.begin_anew() => Ok(()),
            Ok(0) | Err(_) => self.on_disconnect(),
        }
    }

    /// Where the next bytes go. Before a body that is to be moved, only its header is read.
    fn space<'i>(&self, inbox: &'i mut [u8]) -> &'i mut [u8] {
        let space = self.channel.space(inbox);
        if matches!(self.movable(), Some((_, 0))) { &mut space[..HEADER] } else { space }
    }

    /// The connection has ended without a last frame.
    fn on_disconnect(&self) -> Handled {
        // A server of protocol 1 has no other way to say that a signal ended the command.
        let reason = if self.machine.peer() == Peer::Plain {
            text!("the connection ended before the command did (k8psh 0.9 does so when a signal ends the command)")
        } else {
            ENDED
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

    fn process(&mut self, arrived: &[u8]) -> Handled {
        let was_unknown = self.machine.peer() == Peer::Unknown;
        let result = self.process_frames(arrived);
        self.write_coalesced();
        if was_unknown && self.machine.peer() == Peer::Negotiated && !self.connection.is_direct {
            reset_at_end(&self.connection.socket);
        }
        result
    }

    fn process_frames(&mut self, mut arrived: &[u8]) -> Handled {
        while self.end.is_none() {
            match self.machine.receive(&mut arrived) {
                Ok(Some(message)) => self.handle(message)?,
                Ok(None) => break,
                Err(error) => self.fail(&error)?,
            }
            self.check_overrun()?;
        }
        Ok(())
    }

    fn handle(&mut self, message: ServerMessage<'_>) -> Handled {
        if !matches!(message, ServerMessage::Output(..)) {
            self.write_coalesced();
        }
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
