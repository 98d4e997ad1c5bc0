//! The body of a request: of a known length, or in chunks (RFC 9112, 7.1).

use super::fault::Fault;
use crate::limits;
use crate::text::bytes::{after, first};

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Bytes of it, so many.
    Bytes,
    /// The first digit of a chunk's length.
    Start,
    /// More digits, or what ends them.
    Length,
    /// The rest of that line.
    LengthEnd,
    /// The end of the line that a chunk is on.
    ChunkEnd,
    /// A line behind the last chunk, of which nothing has come: an empty one is the end.
    Trailer,
    /// The rest of such a line.
    TrailerEnd,
    /// Nothing.
    End,
}

/// A body of which some has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    next: Next,
    is_chunked: bool,
    /// Bytes that are left of it, or of the chunk under way.
    left: u64,
    /// Whether the last byte was a return, behind which a feed has to come.
    has_return: bool,
    /// Bytes of lines that have come since the last byte of the body itself.
    overhead: usize,
}

impl Body {
    /// No body.
    pub const NONE: Body = Body { next: Next::End, is_chunked: false, left: 0, has_return: false, overhead: 0 };

    /// One in chunks.
    pub const CHUNKED: Body = Body { next: Next::Start, is_chunked: true, ..Body::NONE };

    /// One of so many bytes.
    #[must_use]
    pub const fn of_length(left: u64) -> Body {
        Body { next: if left == 0 { Next::End } else { Next::Bytes }, left, ..Body::NONE }
    }

    /// Whether all of it has come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.next == Next::End
    }

    /// Takes bytes of the body out of what has `arrived`; none where that is used up, or the body complete.
    ///
    /// # Errors
    /// [`Fault::Chunk`] where it is not in chunks.
    pub fn take<'i>(&mut self, arrived: &mut &'i [u8]) -> Result<&'i [u8], Fault> {
        while let [byte, rest @ ..] = *arrived
            && !self.is_complete()
        {
            if self.next == Next::Bytes {
                let bytes = first(arrived, usize::try_from(self.left).unwrap_or(usize::MAX));
                *arrived = after(arrived, bytes.len());
                self.take_bytes(bytes.len());
                return Ok(bytes);
            }
            *arrived = rest;
            self.overhead += 1;
            self.next = self.behind(*byte).filter(|_| self.overhead <= limits::HEAD).ok_or(Fault::Chunk)?;
        }
        Ok(b"")
    }

    fn take_bytes(&mut self, count: usize) {
        self.overhead = 0;
        self.left -= count as u64;
        if self.left == 0 {
            self.next = if self.is_chunked { Next::ChunkEnd } else { Next::End };
        }
    }

    /// What comes behind a byte of a line; `None`: that makes no sense there. Behind a length there may be words, which nobody
    /// here knows.
    fn behind(&mut self, byte: u8) -> Option<Next> {
        if self.has_return != (byte == b'\n') {
            return None;
        }
        self.has_return = byte == b'\r';
        Some(match (self.next, byte) {
            (Next::Length, b'\r' | b';') => Next::LengthEnd,
            (Next::Start | Next::Length, _) => {
                self.left = self.left.checked_mul(16)? | u64::from(char::from(byte).to_digit(16)?);
                Next::Length
            }
            (Next::LengthEnd, b'\n') if self.left > 0 => Next::Bytes,
            (Next::LengthEnd | Next::TrailerEnd, b'\n') => Next::Trailer,
            (Next::ChunkEnd, b'\n') => Next::Start,
            (Next::Trailer, b'\n') => Next::End,
            (Next::ChunkEnd | Next::Trailer, b'\r') | (Next::LengthEnd | Next::TrailerEnd, _) => self.next,
            (Next::Trailer, _) => Next::TrailerEnd,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken of a body that comes in pieces of these sizes: its bytes, whether it is complete, and what is behind it.
    fn take(mut body: Body, bytes: &[u8], tears: &[usize]) -> Result<(Vec<u8>, bool, Vec<u8>), Fault> {
        let (mut taken, mut behind, mut start) = (Vec::new(), Vec::new(), 0);
        for end in tears.iter().copied().chain([bytes.len()]) {
            let mut arrived = &bytes[start..end];
            start = end;
            loop {
                match body.take(&mut arrived)? {
                    b"" => break,
                    piece => taken.extend_from_slice(piece),
                }
            }
            assert!(arrived.is_empty() || body.is_complete(), "nothing is left over before the end");
            behind.extend_from_slice(arrived);
        }
        Ok((taken, body.is_complete(), behind))
    }

    /// The same, however it is torn in two, in three, and in bytes.
    fn take_torn(body: Body, bytes: &[u8]) -> Result<(Vec<u8>, bool, Vec<u8>), Fault> {
        let whole = take(body, bytes, &[]);
        let text = String::from_utf8_lossy(bytes);
        for one in 0..=bytes.len() {
            assert_eq!(take(body, bytes, &[one]), whole, "{text:?} torn at {one}");
            for two in one..=bytes.len().min(one + 12) {
                assert_eq!(take(body, bytes, &[one, two]), whole, "{text:?} torn at {one} and {two}");
            }
        }
        let all: Vec<_> = (0..bytes.len()).collect();
        assert_eq!(take(body, bytes, &all), whole, "{text:?} byte by byte");
        whole
    }

    fn complete(body: &[u8], behind: &[u8]) -> Result<(Vec<u8>, bool, Vec<u8>), Fault> {
        Ok((body.to_vec(), true, behind.to_vec()))
    }

    #[test]
    fn a_body_of_a_length_ends_there() {
        assert_eq!(take_torn(Body::NONE, b"GET"), complete(b"", b"GET"));
        assert_eq!(take_torn(Body::of_length(0), b"x"), complete(b"", b"x"));
        assert_eq!(take_torn(Body::of_length(5), b"he\0lo\r\nmore"), complete(b"he\0lo", b"\r\nmore"));
        assert_eq!(take_torn(Body::of_length(u64::MAX), b"abc"), Ok((b"abc".to_vec(), false, Vec::new())));
    }

    #[test]
    fn a_body_in_chunks_is_what_is_in_them() {
        for (bytes, body) in [
            (&b"0\r\n\r\n"[..], &b""[..]),
            (b"000\r\n\r\n", b""),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"0005\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n", b"abc"),
            (b"a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", b"0123456789abcdefghij"),
            (b"a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n0\r\n\r\n"),
            (b"5;name=value\r\nhello\r\n0;last\r\n\r\n", b"hello"),
            (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
            (b"2\r\nhi\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n", b"hi"),
        ] {
            assert_eq!(take_torn(Body::CHUNKED, bytes), complete(body, b""), "{:?}", String::from_utf8_lossy(bytes));
            let more = [bytes, b"POST / HTTP/1.1\r\n"].concat();
            assert_eq!(take_torn(Body::CHUNKED, &more), complete(body, b"POST / HTTP/1.1\r\n"));
        }
    }

    #[test]
    fn a_body_in_chunks_that_is_cut_is_not_complete() {
        let whole = b"5\r\nhello\r\n3;x\r\nabc\r\n0\r\nA: b\r\n\r\n";
        for count in 0..whole.len() {
            let (body, is_complete, _) = take(Body::CHUNKED, &whole[..count], &[]).expect("nothing is wrong yet");
            assert!(!is_complete && b"helloabc".starts_with(&body), "{count}");
        }
    }

    #[test]
    fn what_is_in_no_chunks_is_told() {
        for bytes in [
            &b"\r\n"[..],
            b"\n",
            b" 5\r\nhello",
            b"5 \r\nhello",
            b"5\nhello",
            b"-5\r\nhello",
            b"+5\r\nhello",
            b"0x5\r\nhello",
            b"5g\r\nhello",
            b";x\r\nhello",
            b"hello",
            b"\0",
            b"5\0\r\nhello",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhellox\r\n0\r\n\r\n",
            b"5\r\nhello\r\n\r\n",
            b"5\r\nhello\r\nzero\r\n",
            b"10000000000000000\r\nx",
            b"fffffffffffffffff\r\nx",
        ] {
            assert_eq!(take_torn(Body::CHUNKED, bytes), Err(Fault::Chunk), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn lines_of_chunks_end_in_cr_lf_and_in_nothing_else() {
        for bytes in [
            &b"5\rx\nhello\r\n0\r\n\r\n"[..],
            b"5;x\nhello\r\n0\r\n\r\n",
            b"5\r\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello\r\r\n0\r\n\r\n",
            b"5\r\nhello\r\n0\r\n\n",
            b"5\r\nhello\r\n0\r\n\r\r\n",
            b"5\r\nhello\r\n0\r\nA: b\n\r\n",
        ] {
            assert_eq!(take_torn(Body::CHUNKED, bytes), Err(Fault::Chunk), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn lines_around_chunks_do_not_go_on_for_ever() {
        let long = "x".repeat(limits::HEAD);
        for bytes in [
            format!("5;{long}\r\nhello\r\n0\r\n\r\n"),
            format!("{}5\r\nhello", long.replace('x', "0")),
            format!("0\r\nA: {long}\r\n\r\n"),
            format!("0\r\n{}\r\n", "A: b\r\n".repeat(2000)),
        ] {
            assert_eq!(take(Body::CHUNKED, bytes.as_bytes(), &[]), Err(Fault::Chunk));
        }
        // Many small chunks may be as long together as they like.
        let small = format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(5000));
        let (body, is_complete, _) = take(Body::CHUNKED, small.as_bytes(), &[]).expect("chunks");
        assert!(body == [b'a'; 5000] && is_complete);
    }

    #[test]
    fn nothing_is_taken_behind_the_end() {
        let mut body = Body::of_length(1);
        let mut arrived = &b"ab"[..];
        assert_eq!(body.take(&mut arrived), Ok(&b"a"[..]));
        assert_eq!(body.take(&mut arrived), Ok(&b""[..]));
        assert_eq!(arrived, b"b");
    }
}
