//! The buffer behind a line: of fixed size, cut with an ellipsis, or handed on whenever it is full.

use crate::limits::MESSAGE;
use crate::text::bytes::first;

/// A line that is being put together.
pub struct Line {
    bytes: heapless::Vec<u8, MESSAGE>,
    /// Where a line of any length leaves for when it is full; `None`: what does not fit is cut.
    overflow: Option<fn(&[u8])>,
}

/// Most bytes of a line before the ellipsis and what it ends with.
const MOST: usize = MESSAGE - 5;

/// What stands for the rest.
const ELLIPSIS: &[u8] = "…".as_bytes();

impl Default for Line {
    fn default() -> Line {
        Line::new()
    }
}

impl Line {
    /// An empty line.
    pub const fn new() -> Line {
        Line { bytes: heapless::Vec::new(), overflow: None }
    }

    /// An empty line of any length, which is handed to `overflow` part by part, and the rest with [`Line::flush`].
    pub const fn endless(overflow: fn(&[u8])) -> Line {
        Line { bytes: heapless::Vec::new(), overflow: Some(overflow) }
    }

    /// Whether it takes any length.
    pub fn is_endless(&self) -> bool {
        self.overflow.is_some()
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds bytes as they are.
    pub fn add(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > MOST {
            return self.add_beyond(bytes);
        }
        // What is added was measured.
        let _ = self.bytes.extend_from_slice(bytes);
    }

    /// Adds bytes for which there is not enough room.
    fn add_beyond(&mut self, bytes: &[u8]) {
        if let Some(overflow) = self.overflow {
            self.flush();
            overflow(bytes);
        } else if !self.bytes.ends_with(ELLIPSIS) {
            let mut room = MOST.saturating_sub(self.bytes.len());
            // A character of UTF-8 is not cut in two.
            while room > 0 && bytes.get(room).is_some_and(|byte| byte & 0xc0 == 0x80) {
                room -= 1;
            }
            // Behind them only the ellipsis stands, and nothing follows it: both have room.
            let _ = self.bytes.extend_from_slice(first(bytes, room));
            let _ = self.bytes.extend_from_slice(ELLIPSIS);
        }
    }

    /// Hands over what a line of any length still holds.
    pub fn flush(&mut self) {
        if let Some(overflow) = self.overflow {
            overflow(&self.bytes);
        }
        self.bytes.clear();
    }

    /// Ends the line with these bytes, for which there is always room behind an ellipsis.
    pub fn end(&mut self, bytes: &[u8]) {
        let _ = self.bytes.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn a_line_of_any_length_is_handed_over_part_by_part() {
        static SEEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());
        let mut line = Line::endless(|bytes| SEEN.lock().expect("one thread").extend_from_slice(bytes));
        assert!(line.is_endless() && !Line::new().is_endless());
        let parts = ["a".repeat(MOST - 1), "bcd".to_owned(), "e".repeat(2 * MOST), "f".to_owned()];
        parts.iter().for_each(|part| line.add(part.as_bytes()));
        assert_eq!(line.bytes(), b"f");
        line.flush();
        assert_eq!((line.bytes(), &*SEEN.lock().expect("one thread")), (&b""[..], &parts.concat().into_bytes()));
    }

    #[test]
    fn a_full_line_takes_an_end_behind_its_ellipsis() {
        for beyond in [&b"b"[..], b"\x80", "…".as_bytes()] {
            let mut line = Line::new();
            line.add(&[b'a'; MOST]);
            line.add(beyond);
            line.add(beyond);
            line.end(b"\n");
            assert_eq!(line.bytes(), [&[b'a'; MOST][..], ELLIPSIS, b"\n"].concat());
        }
    }
}
