//! One stream's way over a connection: into frames at one end, out of them at the other, with a window between.

use super::frame::{HEADER, Kind, header};
use super::outbox::Outbox;
use super::queue::{Full, Queue};
use crate::limits;
use crate::text::bytes::after;

/// The command's two streams that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// stdout.
    Output,
    /// stderr.
    Error,
}

impl Which {
    /// In the order of their numbers.
    pub const BOTH: [Which; 2] = [Which::Output, Which::Error];

    /// The stream whose frames have this type.
    pub(super) fn of(kind: Kind) -> Option<Which> {
        Which::BOTH.into_iter().find(|which| which.kind() == kind)
    }

    /// The type of its frames.
    pub fn kind(self) -> Kind {
        match self {
            Which::Output => Kind::Output,
            Which::Error => Kind::Error,
        }
    }
}

/// Bytes of the buffer behind a stream that arrives: its window, and what one read of the connection can bring on top
/// where the peer knows no window. With that much free, another read is always safe.
pub(super) const BACKLOG: usize = limits::WINDOW + limits::INBOX;

/// Bytes of the frames that leave, as long as a stream adds to them: two pieces of a stream and what is kept free for
/// [`CONTROL`].
pub(super) const OUTBOX: usize = 2 * limits::FRAME + CONTROL;

/// Bytes that a stream leaves free in the outbox, so that a frame about something else always finds room.
const CONTROL: usize = limits::MESSAGE + 1024;

/// A stream that is read here and leaves in frames.
#[derive(Debug, Hash)]
pub(super) struct Outgoing {
    kind: Kind,
    /// Bytes that may be sent before credit comes; below 0 where more left while the window did not hold.
    window: i64,
    open: bool,
}

impl Outgoing {
    /// A stream whose frames have this type.
    pub(super) const fn new(kind: Kind) -> Outgoing {
        Outgoing { kind, window: limits::WINDOW_CREDIT, open: true }
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// How many bytes may be read from the source now; 0: wait. `holds`: whether the window does; without it the
    /// connection alone holds the sender back.
    pub(super) fn allowance(&self, outbox: &Outbox<'_>, holds: bool) -> usize {
        // Behind a body that is not here there is nothing to gain by reading on.
        if !self.open || outbox.has_body() {
            return 0;
        }
        let room = OUTBOX.saturating_sub(outbox.waiting().len() + CONTROL + HEADER);
        let window = if holds { usize::try_from(self.window).unwrap_or(0) } else { limits::FRAME };
        let bytes = room.min(window).min(limits::FRAME);
        if bytes < limits::WORTHWHILE.into() { 0 } else { bytes }
    }

    /// Whether the window is used up.
    pub(super) fn is_exhausted(&self) -> bool {
        self.window < limits::WORTHWHILE.into()
    }

    /// Where to read `count` bytes to, no more than the allowance.
    pub(super) fn space<'q>(&self, outbox: &'q mut Outbox<'_>, count: usize) -> &'q mut [u8] {
        outbox.free_space(HEADER + count).and_then(|space| space.get_mut(HEADER..)).unwrap_or_default()
    }

    /// Sends the first `count` bytes of the space. None of them: the stream has ended.
    pub(super) fn send(&mut self, outbox: &mut Outbox<'_>, count: usize) {
        let length = u32::try_from(count).unwrap_or(u32::MAX);
        if let Some(space) = outbox.free_space(HEADER + count) {
            space[..HEADER].copy_from_slice(&header(self.kind, length));
            outbox.commit(HEADER + count);
        }
        self.window -= i64::from(length);
        self.open &= count > 0;
    }

    /// Sends `count` bytes that are not here, at least one and no more than the allowance.
    pub(super) fn announce(&mut self, outbox: &mut Outbox<'_>, count: usize) {
        let length = u32::try_from(count).unwrap_or(u32::MAX);
        outbox.announce(&header(self.kind, length), count);
        self.window -= i64::from(length);
    }

    /// The peer has passed on so many bytes more.
    pub(super) fn credit(&mut self, bytes: u32) {
        self.window = self.window.saturating_add(bytes.into());
    }

    /// Nothing more is sent, and nothing says so: the peer does not want it.
    pub(super) fn close(&mut self) {
        self.open = false;
    }
}

/// A stream that arrives in frames and is written here.
#[derive(Hash)]
pub struct Incoming<'a> {
    backlog: Queue<'a>,
    /// Bytes passed on for which no credit was given yet.
    passed: usize,
    /// Its end has arrived, behind what is in the backlog.
    ended: bool,
    /// Whether there is anybody to write it to.
    open: bool,
    /// Whether its bytes have to come through here.
    is_copied: bool,
}

impl<'a> Incoming<'a> {
    /// A stream with this buffer, of `BACKLOG` bytes.
    pub fn new(buffer: &'a mut [u8]) -> Incoming<'a> {
        Incoming { backlog: Queue::new(buffer), passed: 0, ended: false, open: true, is_copied: false }
    }

    /// What waits to be written.
    pub fn waiting(&self) -> &[u8] {
        self.backlog.waiting()
    }

    /// Whether another read of the connection surely fits.
    pub fn has_room(&self) -> bool {
        self.backlog.room() >= limits::INBOX
    }

    /// Whether there is anybody to write it to.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether all of it has arrived and was passed on.
    pub fn is_done(&self) -> bool {
        !self.open || (self.ended && self.backlog.is_empty())
    }

    /// Bytes arrived of which the first `written` were passed on at once; the rest waits.
    pub fn arrive(&mut self, bytes: &[u8], written: usize) -> Result<(), Full> {
        if !self.open {
            self.passed += bytes.len();
            return Ok(());
        }
        self.passed += written;
        self.backlog.push(after(bytes, written))
    }

    /// The first `count` of the waiting bytes were passed on.
    pub fn pass(&mut self, count: usize) {
        self.backlog.consume(count);
        self.passed += count;
    }

    /// Whether its next bytes may be moved from the connection to where they go without coming here.
    pub(super) fn may_move(&self) -> bool {
        self.open && !self.is_copied && self.backlog.is_empty()
    }

    /// They cannot be, nor those that come after them.
    pub(super) fn copy(&mut self) {
        self.is_copied = true;
    }

    /// The end has arrived.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// It has no reader any more: what comes is dropped, and credit is given for it, so that a sender that
    /// has not heard of it yet is not held up.
    pub fn close(&mut self) {
        self.open = false;
        self.passed += self.backlog.waiting().len();
        self.backlog.clear();
    }

    /// Gives credit, in a frame of `kind`, when half the window was passed on: seldom enough to cost nothing, soon enough
    /// that a steady flow never stops.
    pub(super) fn give_credit(&mut self, kind: Kind, outbox: &mut Outbox<'_>) -> Result<(), Full> {
        if self.passed < limits::WINDOW / 2 {
            return Ok(());
        }
        let bytes = u32::try_from(self.passed).unwrap_or(u32::MAX);
        self.passed = 0;
        outbox.push(&header(kind, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_holds_the_sender_until_credit_comes() {
        let mut buffer = vec![0; OUTBOX];
        let mut outbox = Outbox::new(&mut buffer);
        let mut stream = Outgoing::new(Kind::Output);
        let mut sent = 0;
        while stream.allowance(&outbox, true) > 0 {
            let count = stream.allowance(&outbox, true);
            assert_eq!(stream.space(&mut outbox, count).len(), count);
            stream.send(&mut outbox, count);
            sent += count;
            outbox.clear();
        }
        assert_eq!(sent, limits::WINDOW);
        stream.credit(5000);
        assert_eq!(stream.allowance(&outbox, true), 5000);
    }

    #[test]
    fn a_full_outbox_holds_the_sender_and_leaves_room_for_control() {
        let mut buffer = vec![0; OUTBOX];
        let mut outbox = Outbox::new(&mut buffer);
        let mut stream = Outgoing::new(Kind::Output);
        stream.send(&mut outbox, limits::FRAME);
        assert_eq!(stream.allowance(&outbox, true), limits::FRAME - 2 * HEADER);
        for _ in 0..1000 {
            let count = stream.allowance(&outbox, true);
            if count > 0 {
                stream.send(&mut outbox, count);
            }
        }
        assert_eq!(stream.allowance(&outbox, true), 0);
        assert_eq!(outbox.push(&[0; limits::MESSAGE + 100 * HEADER]), Ok(()), "a reason and a hundred frames");
    }

    #[test]
    fn what_was_sent_while_the_window_did_not_hold_counts() {
        let mut buffer = vec![0; OUTBOX];
        let mut outbox = Outbox::new(&mut buffer);
        let mut stream = Outgoing::new(Kind::Input);
        for _ in 0..2 * limits::WINDOW / limits::FRAME {
            assert_eq!(stream.allowance(&outbox, false), limits::FRAME);
            stream.send(&mut outbox, limits::FRAME);
            outbox.clear();
        }
        let window = u32::try_from(limits::WINDOW).expect("small");
        stream.credit(window);
        assert_eq!(stream.allowance(&outbox, true), 0);
        stream.credit(window);
        assert_eq!(stream.allowance(&outbox, true), limits::FRAME);
    }

    #[test]
    fn credit_is_given_for_half_a_window_and_for_what_is_dropped() {
        let (mut buffer, mut frames) = (vec![0; BACKLOG], [0; 64]);
        let (mut stream, mut outbox) = (Incoming::new(&mut buffer), Outbox::new(&mut frames));
        let half = vec![1; limits::WINDOW / 2];
        assert_eq!(stream.arrive(&half, half.len() - 1), Ok(()));
        assert_eq!(stream.give_credit(Kind::OutputCredit, &mut outbox), Ok(()));
        assert!(outbox.waiting().is_empty());
        stream.close();
        assert_eq!(stream.give_credit(Kind::OutputCredit, &mut outbox), Ok(()));
        assert_eq!(outbox.waiting(), [23, 0, 0, 2, 0]);
        assert!(stream.is_done());
        outbox.clear();
        assert_eq!(stream.arrive(&half, 0), Ok(()));
        assert_eq!(stream.give_credit(Kind::OutputCredit, &mut outbox), Ok(()));
        assert_eq!(outbox.waiting(), [23, 0, 0, 2, 0], "for what came when nobody read it");
    }

    /// A stream, and an outbox in which there is always room.
    fn with_stream(test: impl FnOnce(Outgoing, Outbox<'_>)) {
        let mut buffer = vec![0; OUTBOX];
        test(Outgoing::new(Kind::Output), Outbox::new(&mut buffer));
    }

    #[test]
    fn a_window_of_which_too_little_is_left_is_exhausted() {
        with_stream(|mut stream, mut outbox| {
            for _ in 0..2 {
                assert!(!stream.is_exhausted());
                stream.announce(&mut outbox, limits::FRAME);
                outbox.sent(HEADER);
                outbox.sent(limits::FRAME);
            }
            assert!(stream.is_exhausted());
            stream.credit(u32::from(limits::WORTHWHILE) - 1);
            assert_eq!((stream.is_exhausted(), stream.allowance(&outbox, true)), (true, 0));
            stream.credit(1);
            assert_eq!((stream.is_exhausted(), stream.allowance(&outbox, true)), (false, limits::WORTHWHILE.into()));
        });
    }

    #[test]
    fn nothing_follows_the_end_of_a_stream() {
        with_stream(|mut stream, mut outbox| {
            stream.send(&mut outbox, 1);
            assert!(stream.is_open());
            stream.send(&mut outbox, 0);
            assert_eq!((stream.is_open(), stream.allowance(&outbox, true)), (false, 0));
        });
        with_stream(|mut stream, outbox| {
            stream.close();
            assert_eq!((stream.is_open(), stream.allowance(&outbox, true)), (false, 0));
        });
    }

    #[test]
    fn bytes_are_moved_only_to_an_open_stream_for_which_none_wait() {
        let mut buffer = [0; 8];
        let mut stream = Incoming::new(&mut buffer);
        assert!(stream.may_move());
        assert_eq!(stream.arrive(b"ab", 1), Ok(()));
        assert!(!stream.may_move());
        stream.pass(1);
        assert!(stream.may_move());
        stream.close();
        assert!(!stream.may_move());
    }
}
