//! What is to be sent over a connection: bytes, and at one point among them perhaps the body of a frame that is not here,
//! because the kernel moves it from where it is to the socket (splice(2)).

use super::queue::{Full, Queue};
use crate::text::bytes::first;

/// An outbox in a borrowed buffer.
#[derive(Hash)]
pub(super) struct Outbox<'a> {
    queue: Queue<'a>,
    /// Bytes of the queue that go before the body.
    ahead: usize,
    /// Bytes of the body that were not sent yet. 0: there is none.
    body: usize,
}

impl<'a> Outbox<'a> {
    /// An empty one with the buffer's capacity.
    pub(super) fn new(bytes: &'a mut [u8]) -> Outbox<'a> {
        Outbox { queue: Queue::new(bytes), ahead: 0, body: 0 }
    }

    /// The bytes that are to be sent next. None while the body is.
    pub(super) fn waiting(&self) -> &[u8] {
        let waiting = self.queue.waiting();
        if self.has_body() { first(waiting, self.ahead) } else { waiting }
    }

    /// Whether there is a body that is not here.
    pub(super) fn has_body(&self) -> bool {
        self.body > 0
    }

    /// Bytes of the body that are to be sent next. 0 while others are, and where there is none.
    pub(super) fn body_due(&self) -> usize {
        if self.ahead == 0 { self.body } else { 0 }
    }

    /// The first `count` bytes of what is to be sent next were sent.
    pub(super) fn sent(&mut self, count: usize) {
        if self.body_due() > 0 {
            self.body = self.body.saturating_sub(count);
        } else {
            self.queue.consume(count);
            self.ahead = self.ahead.saturating_sub(count);
        }
    }

    /// Adds a header, and behind it the body of so many bytes that is not here. There must be no other.
    pub(super) fn announce(&mut self, header: &[u8], count: usize) {
        if self.push(header).is_ok() {
            (self.ahead, self.body) = (self.queue.waiting().len(), count);
        }
    }

    /// Takes everything away.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.body = 0;
    }

    /// Adds all of `bytes` or nothing.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.queue.push(bytes)
    }

    /// The next `count` bytes of free space, to be filled and then given to [`Outbox::commit`].
    pub(super) fn free_space(&mut self, count: usize) -> Option<&mut [u8]> {
        self.queue.free_space(count)
    }

    /// Adds the first `count` bytes of the free space.
    pub(super) fn commit(&mut self, count: usize) {
        self.queue.commit(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_not_here_is_sent_where_it_was_announced() {
        let mut buffer = [0; 16];
        let mut outbox = Outbox::new(&mut buffer);
        outbox.push(b"ab").expect("room");
        outbox.announce(b"h", 5);
        outbox.push(b"cd").expect("room");
        assert_eq!((outbox.waiting(), outbox.body_due()), (&b"abh"[..], 0));
        outbox.sent(2);
        assert_eq!((outbox.waiting(), outbox.body_due()), (&b"h"[..], 0));
        outbox.sent(1);
        assert_eq!((outbox.waiting(), outbox.body_due()), (&b""[..], 5));
        outbox.sent(3);
        assert_eq!((outbox.waiting(), outbox.body_due(), outbox.has_body()), (&b""[..], 2, true));
        outbox.sent(2);
        assert_eq!((outbox.waiting(), outbox.body_due(), outbox.has_body()), (&b"cd"[..], 0, false));
    }
}
