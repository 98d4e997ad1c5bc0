//! One direction of a connection, and pipes.

use crate::limits;
use crate::protocol::frame::{HEADER, Kind};
use std::collections::VecDeque;

/// Bytes of a socket's buffer: less than what both ends may have to say at once.
const SOCKET: usize = 40;

/// One direction of a connection.
#[derive(Default, Hash)]
pub(crate) struct Wire {
    bytes: VecDeque<u8>,
    /// Its sender has closed it; what was sent can be read.
    pub(crate) is_closed: bool,
    /// The connection was reset: what was under way is lost.
    pub(crate) is_reset: bool,
}

impl Wire {
    /// Sends as much as there is room for; `None` to a peer that has gone.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Option<usize> {
        if self.is_reset || self.is_closed {
            return None;
        }
        let count = bytes.len().min(SOCKET - self.bytes.len());
        self.bytes.extend(&bytes[..count]);
        Some(count)
    }

    /// Takes what has come, no more than one read takes, or than so many bytes.
    pub(crate) fn receive(&mut self, most: usize) -> Vec<u8> {
        self.bytes.drain(..self.bytes.len().min(limits::INBOX).min(most)).collect()
    }

    /// The bytes that were sent last, so many of them.
    pub(crate) fn newest(&self, count: usize) -> Vec<u8> {
        self.bytes.range(self.bytes.len() - count..).copied().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.bytes.len() < SOCKET
    }

    /// Whether nothing will come any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.bytes.is_empty() && (self.is_closed || self.is_reset)
    }

    pub(crate) fn reset(&mut self) {
        self.bytes.clear();
        self.is_reset = true;
    }
}

/// Frames as they pass a place.
#[derive(Default)]
pub(crate) struct Tap {
    header: Vec<u8>,
    body: u32,
}

impl Tap {
    /// Tells of each frame whose header is complete.
    pub(crate) fn pass(&mut self, bytes: &[u8], mut tell: impl FnMut(Kind, u32)) {
        for byte in bytes {
            if self.body > 0 {
                self.body -= 1;
                continue;
            }
            self.header.push(*byte);
            if let [kind, number @ ..] = &self.header[..]
                && number.len() + 1 == HEADER
            {
                let kind = Kind::of(*kind).expect("both ends send known frames");
                let number = u32::from_le_bytes(number.try_into().expect("four bytes"));
                self.body = if kind.has_body() { number } else { 0 };
                tell(kind, number);
                self.header.clear();
            }
        }
    }
}

/// The byte at a place of a stream.
pub(crate) fn byte_at(place: usize) -> u8 {
    (place % 251).to_le_bytes()[0]
}

/// The part of a stream that begins at a place.
pub(crate) fn bytes_at(place: usize, count: usize) -> Vec<u8> {
    (place..place + count).map(byte_at).collect()
}

/// Bytes that a pipe holds.
const PIPE: usize = 2 * limits::FRAME;

/// A pipe. Its bytes are those of its stream, so that places are enough.
#[derive(Hash)]
pub(crate) struct Pipe {
    pub(crate) written: usize,
    pub(crate) read: usize,
    pub(crate) has_writer: bool,
    pub(crate) has_reader: bool,
}

impl Pipe {
    pub(crate) fn new() -> Pipe {
        Pipe { written: 0, read: 0, has_writer: true, has_reader: true }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.written - self.read
    }

    pub(crate) fn room(&self) -> usize {
        PIPE - self.waiting()
    }

    /// Writes what has to be the next bytes of the stream; `None` where nobody reads.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Option<usize> {
        let count = bytes.len().min(self.room());
        assert_eq!(bytes[..count], bytes_at(self.written, count), "bytes at {} of a pipe", self.written);
        self.has_reader.then(|| self.written += count)?;
        Some(count)
    }
}
