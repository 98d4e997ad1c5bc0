//! Bytes that wait to be written, in the order in which they came. It holds up its writer when it is full, and
//! never grows.

use crate::text::bytes::{after, first};
use core::hash::{Hash, Hasher};

/// A queue in a borrowed buffer.
pub struct Queue<'a> {
    bytes: &'a mut [u8],
    /// What waits is `bytes[head..tail]`. Where nothing does, what is added begins at 0, so that a light flow stays in the
    /// first pages.
    head: usize,
    tail: usize,
}

/// What waits counts, and whether anything can be brought back.
impl Hash for Queue<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.waiting(), self.has_consumed()).hash(hasher);
    }
}

/// What was to be added does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl<'a> Queue<'a> {
    /// An empty one with the buffer's capacity.
    pub fn new(bytes: &'a mut [u8]) -> Queue<'a> {
        Queue { bytes, head: 0, tail: 0 }
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.head == self.tail
    }

    /// What waits.
    pub fn waiting(&self) -> &[u8] {
        after(first(self.bytes, self.tail), self.head)
    }

    /// Bytes that can be added.
    pub fn room(&self) -> usize {
        self.bytes.len() - (self.tail - self.head)
    }

    /// Takes away the first `count` bytes.
    pub fn consume(&mut self, count: usize) {
        self.head = (self.head + count).min(self.tail);
    }

    /// Whether something was taken away, as long as nothing was added since.
    pub fn has_consumed(&self) -> bool {
        self.head > 0
    }

    /// Brings back what was taken away, as long as nothing was added since.
    pub fn rewind(&mut self) {
        self.head = 0;
    }

    /// Takes everything away.
    pub fn clear(&mut self) {
        (self.head, self.tail) = (0, 0);
    }

    /// Adds all of `bytes` or nothing.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.free_space(bytes.len()).ok_or(Full)?.copy_from_slice(bytes);
        self.commit(bytes.len());
        Ok(())
    }

    /// The next `count` bytes of free space, to be filled and then given to [`Queue::commit`].
    pub fn free_space(&mut self, count: usize) -> Option<&mut [u8]> {
        if count > self.room() {
            return None;
        }
        if self.is_empty() {
            self.clear();
        }
        if count > self.bytes.len() - self.tail {
            self.bytes.copy_within(self.head..self.tail, 0);
            (self.head, self.tail) = (0, self.tail - self.head);
        }
        self.bytes.get_mut(self.tail..self.tail + count)
    }

    /// Adds the first `count` bytes of the free space.
    pub fn commit(&mut self, count: usize) {
        self.tail = (self.tail + count).min(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_the_order_in_which_they_came() {
        let mut buffer = [0; 7];
        let mut queue = Queue::new(&mut buffer);
        let mut random = fastrand::Rng::with_seed(2);
        let (mut next_in, mut next_out) = (0_u8, 0_u8);
        for _ in 0..10_000 {
            let bytes: Vec<u8> = (0..random.u8(..5)).map(|step| next_in.wrapping_add(step)).collect();
            let room = queue.room();
            match queue.push(&bytes) {
                Ok(()) => next_in = next_in.wrapping_add(u8::try_from(bytes.len()).expect("below 5")),
                Err(Full) => assert!(bytes.len() > room),
            }
            let count = random.usize(..=queue.waiting().len());
            for byte in &queue.waiting()[..count] {
                assert_eq!(*byte, next_out);
                next_out = next_out.wrapping_add(1);
            }
            queue.consume(count);
        }
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut buffer = [0; 4];
        let mut queue = Queue::new(&mut buffer);
        assert_eq!(queue.push(b"abc"), Ok(()));
        assert_eq!(queue.push(b"de"), Err(Full));
        assert_eq!(queue.waiting(), b"abc");
        assert_eq!(queue.push(b"d"), Ok(()));
        assert_eq!((queue.waiting(), queue.room()), (&b"abcd"[..], 0));
    }

    #[test]
    fn what_was_taken_away_can_be_brought_back() {
        let mut buffer = [0; 4];
        let mut queue = Queue::new(&mut buffer);
        assert_eq!(queue.push(b"abc"), Ok(()));
        assert!(!queue.has_consumed());
        queue.consume(2);
        assert!(queue.has_consumed());
        queue.rewind();
        assert_eq!((queue.waiting(), queue.has_consumed()), (&b"abc"[..], false));
    }
}
