//! The returns that a terminal puts in before line feeds (termios(3), ONLCR).

use crate::limits;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::poll;
use rustix::event::PollFlags;
use rustix::fd::AsFd;

/// Takes them away from the first `count` bytes of `space`, which were read from the terminal, and returns how many bytes
/// are left. Where the last byte may be half of a pair, the other half is read too, if it comes within a moment: the kernel
/// passes the halves on separately where its buffer ends between them (`drivers/tty/tty_buffer.c`).
pub(in crate::session) fn without_returns(terminal: &OwnedFd, space: &mut [u8], mut count: usize) -> usize {
    while space[..count].last() == Some(&b'\r')
        && count < space.len()
        && poll::is_ready(terminal.as_fd(), PollFlags::IN, limits::PAIR_MS)
    {
        match fd::read(terminal, &mut space[count..=count]) {
            Ok(1) => count += 1,
            _ => break,
        }
    }
    remove_returns(&mut space[..count])
}

/// Takes the return away that is before each line feed. Returns how many bytes are left.
fn remove_returns(bytes: &mut [u8]) -> usize {
    let mut kept = 0;
    for index in 0..bytes.len() {
        if bytes[index] != b'\r' || bytes.get(index + 1) != Some(&b'\n') {
            bytes[kept] = bytes[index];
            kept += 1;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_return_is_taken_away_before_each_line_feed_and_no_other_byte() {
        for (before, after) in [("a\r\nb\r\n", "a\nb\n"), ("50%\r60%\r\r\n", "50%\r60%\r\n"), ("\r", "\r"), ("", "")] {
            let mut bytes = before.as_bytes().to_vec();
            let kept = remove_returns(&mut bytes);
            assert_eq!(&bytes[..kept], after.as_bytes());
        }
    }

    #[test]
    fn a_pair_is_not_torn_where_the_first_read_ends() {
        let [read, write] = fd::pipe().expect("a pipe");
        fd::write(&write, b"\r\nrest").expect("room");
        let mut space = *b"line\r____";
        assert_eq!(
            without_returns(&read, &mut space, 5),
            6,
            "the next byte is a return as well, and then comes a feed"
        );
        assert_eq!(&space[..6], b"line\r\n");
    }

    #[test]
    fn a_pair_of_which_one_half_comes_later_is_not_torn() {
        let [read, write] = fd::pipe().expect("a pipe");
        let mut space = *b"line\r_";
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(1));
                fd::write(&write, b"\n").expect("room");
            });
            assert_eq!(without_returns(&read, &mut space, 5), 5);
            other.join().expect("the other half");
        });
        assert_eq!(&space[..5], b"line\n");
    }

    #[test]
    fn a_return_at_the_end_of_the_space_stays() {
        let [read, write] = fd::pipe().expect("a pipe");
        fd::write(&write, b"\n").expect("room");
        let mut space = *b"line\r";
        assert_eq!(without_returns(&read, &mut space, 5), 5);
        assert_eq!(&space, b"line\r");
    }
}
