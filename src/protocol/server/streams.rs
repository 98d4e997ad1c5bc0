//! The command's streams: what has arrived for its stdin, and what it has written.

use super::ServerEnd;
use crate::protocol::flow::{Outgoing, Which};
use crate::protocol::frame::{self, Kind};

impl ServerEnd<'_> {
    /// Whether the connection may be read: what a read can bring has room.
    pub fn has_room(&self) -> bool {
        self.input.has_room()
    }

    /// Whether bytes of stdin wait to be written.
    pub fn has_input(&self) -> bool {
        !self.input.waiting().is_empty()
    }

    /// Where a large body of stdin is under way, or was the last one: how many bytes of it may be moved from the connection
    /// to stdin without coming here. 0 of them: what comes next is probably the header of another one.
    pub fn movable(&self) -> Option<usize> {
        let (kind, count) = self.decoder.large_body()?;
        (kind == Kind::Input && self.input.may_move()).then_some(count)
    }

    /// So many of them were moved.
    pub fn moved(&mut self, count: usize) {
        self.decoder.skip(count);
        self.input.pass(count);
        self.give_credit();
    }

    /// No bytes can be moved to stdin.
    pub fn copy(&mut self) {
        self.input.copy();
    }

    /// Writes what has `arrived` for stdin if nothing waits before it, else keeps it; with nothing, writes what waits.
    /// `write` takes as many of the bytes as it can, `None`: the command reads no more, which the client is told. Whether
    /// stdin is to be closed: its end has come and all of it was written, or it has no reader.
    pub fn write_input(&mut self, arrived: &[u8], write: &mut dyn FnMut(&[u8]) -> Option<usize>) -> bool {
        let waiting = self.input.waiting();
        let next = if waiting.is_empty() { arrived } else { waiting };
        let must_wait = !self.input.is_open() || next.is_empty() || !waiting.is_empty() && !arrived.is_empty();
        match if must_wait { Some(0) } else { write(next) } {
            Some(count) if arrived.is_empty() => self.input.pass(count),
            Some(count) => self.overrun |= self.input.arrive(arrived, count).is_err(),
            None => self.close_input(),
        }
        self.give_credit();
        self.input.is_done()
    }

    /// The command has closed its stdin.
    pub fn close_input(&mut self) {
        self.input.close();
        self.push(Kind::Input, 0);
    }

    /// The command has no stdin, or none any more: what still comes for it is dropped.
    pub fn drop_input(&mut self) {
        self.input.close();
    }

    fn give_credit(&mut self) {
        if self.negotiated {
            self.overrun |= self.input.give_credit(Kind::InputCredit, &mut self.outbox).is_err();
        }
    }

    pub(super) fn stream(&mut self, which: Which) -> &mut Outgoing {
        &mut self.outputs[which as usize]
    }

    /// How many bytes of one of the command's streams may be read now; 0: wait.
    ///
    /// The windows do not hold while stdin overflows its own, which a stub that was not greeted in time may let happen:
    /// the credit that would open them stands behind bytes for which there is no room.
    pub fn allowance(&self, which: Which) -> usize {
        let holds = self.negotiated && self.input.has_room();
        self.outputs[which as usize].allowance(&self.outbox, holds)
    }

    /// Where to read `count` bytes of the stream to, no more than the allowance.
    pub fn space(&mut self, which: Which, count: usize) -> &mut [u8] {
        self.outputs[which as usize].space(&mut self.outbox, count)
    }

    /// So many bytes were read there; none: the stream has ended.
    pub fn send(&mut self, which: Which, count: usize) {
        if count == 0 {
            self.deferrable += frame::HEADER;
        }
        self.outputs[which as usize].send(&mut self.outbox, count);
    }

    /// So many bytes of the stream, at least one and no more than the allowance, are to be moved to the connection.
    pub fn announce(&mut self, which: Which, count: usize) {
        self.outputs[which as usize].announce(&mut self.outbox, count);
    }

    /// Whether such bytes follow what is to be sent.
    pub fn has_body(&self) -> bool {
        self.outbox.has_body()
    }

    /// How many of them are next; 0: [`Self::outgoing`] is.
    pub fn body_due(&self) -> usize {
        self.outbox.body_due()
    }

    /// The stream has no reader any more.
    pub fn hang_up(&mut self, which: Which) {
        self.stream(which).close();
    }
}
