//! Frames out of a stream that is cut anywhere.

use super::error::ProtocolError;
use super::frame::{HEADER, Kind};
use crate::limits;
use core::hash::{Hash, Hasher};

/// A frame, or a part of one with a body: bodies are handed on as they come, never collected here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk<'i> {
    /// The frame's type.
    pub kind: Kind,
    /// The frame's number; the length of the whole body where there is one.
    pub number: u32,
    /// This part of the body.
    pub bytes: &'i [u8],
    /// Whether the frame begins with it.
    pub first: bool,
    /// Whether the frame ends with it.
    pub last: bool,
}

/// Takes frames apart. What it keeps between calls is at most a header.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The header so far, always below [`HEADER`] bytes between calls while no body is under way.
    header: [u8; HEADER],
    length: usize,
    /// The body under way, or the last one.
    body: Option<Body>,
}

/// A body, of which `left` bytes are still to come.
#[derive(Clone, Copy, Debug, Hash)]
struct Body {
    kind: Kind,
    number: u32,
    left: u32,
}

/// What has come counts, and not what is left of an earlier header.
impl Hash for Decoder {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.header[..self.length], self.body).hash(hasher);
    }
}

impl Decoder {
    /// At the beginning of a stream.
    pub(super) const fn new() -> Decoder {
        Decoder { header: [0; HEADER], length: 0, body: None }
    }

    /// Whether the stream stands between two frames.
    pub(super) fn is_between_frames(&self) -> bool {
        self.length == 0 && self.body.is_none_or(|body| body.left == 0)
    }

    /// The type of the large body that is under way, or was the last one, and how many bytes of it are still to come.
    pub(super) fn large_body(&self) -> Option<(Kind, usize)> {
        let size = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        self.body.filter(|body| size(body.number) >= limits::BULK).map(|body| (body.kind, size(body.left)))
    }

    /// So many bytes of the body under way, no more than are to come, have gone another way.
    pub(super) fn skip(&mut self, count: usize) {
        if let Some(body) = &mut self.body {
            body.left = body.left.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// The next chunk of `input`, which is moved past it; `None` when it is used up.
    pub(super) fn next<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Chunk<'i>>, ProtocolError> {
        match self.body {
            Some(body) if body.left > 0 => Ok(self.continue_body(body, input)),
            _ => self.begin_frame(input),
        }
    }

    /// Completes the header. A body's first chunk follows at once, unless none of it is there yet.
    fn begin_frame<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Chunk<'i>>, ProtocolError> {
        let wanted = (HEADER - self.length).min(input.len());
        let (now, rest) = input.split_at(wanted);
        self.header[self.length..self.length + wanted].copy_from_slice(now);
        self.length += wanted;
        *input = rest;
        // An unknown type is told from its first byte: a stranger may never send a fifth.
        if self.length == 0 {
            return Ok(None);
        }
        let [byte, number @ ..] = self.header;
        let kind = Kind::of(byte).ok_or(ProtocolError::Unknown(byte))?;
        if self.length < HEADER {
            return Ok(None);
        }
        self.length = 0;
        let number = u32::from_le_bytes(number);
        if kind.has_body() && number > 0 {
            let body = Body { kind, number, left: number };
            self.body = Some(body);
            return Ok(self.continue_body(body, input));
        }
        Ok(Some(Chunk { kind, number, bytes: &[], first: true, last: true }))
    }

    /// Hands on what is there of a body.
    fn continue_body<'i>(&mut self, body: Body, input: &mut &'i [u8]) -> Option<Chunk<'i>> {
        let length = input.len().min(usize::try_from(body.left).unwrap_or(usize::MAX));
        if length == 0 {
            return None;
        }
        let (bytes, rest) = input.split_at(length);
        *input = rest;
        // `length` is at most `left`, so it fits.
        let left = body.left - u32::try_from(length).unwrap_or(body.left);
        self.body = Some(Body { left, ..body });
        Some(Chunk { kind: body.kind, number: body.number, bytes, first: body.left == body.number, last: left == 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::header;

    /// A frame put together again from its pieces.
    type Whole = (Kind, u32, Vec<u8>);

    fn decode(parts: &[&[u8]]) -> Result<Vec<Whole>, ProtocolError> {
        let mut decoder = Decoder::new();
        let mut frames: Vec<Whole> = Vec::new();
        let mut open = false;
        for part in parts {
            let mut input = *part;
            while let Some(chunk) = decoder.next(&mut input)? {
                assert_eq!(chunk.first, !open);
                if chunk.first {
                    frames.push((chunk.kind, chunk.number, Vec::new()));
                }
                frames.last_mut().expect("a first chunk came").2.extend_from_slice(chunk.bytes);
                open = !chunk.last;
            }
            assert!(input.is_empty());
        }
        Ok(frames)
    }

    fn stream() -> (Vec<u8>, Vec<Whole>) {
        let frames: Vec<Whole> = vec![
            (Kind::Directory, 3, b"a/b".to_vec()),
            (Kind::Variable, 0, Vec::new()),
            (Kind::Start, 2, b"cc".to_vec()),
            (Kind::Terminate, 0, Vec::new()),
            (Kind::Output, 300, vec![7; 300]),
            (Kind::Output, 0, Vec::new()),
            (Kind::Hello, 2, Vec::new()),
            (Kind::Failure, 1, b"x".to_vec()),
            (Kind::Exit, u32::MAX, Vec::new()),
        ];
        let mut bytes = Vec::new();
        for (kind, number, body) in &frames {
            bytes.extend_from_slice(&header(*kind, *number));
            bytes.extend_from_slice(body);
        }
        (bytes, frames)
    }

    #[test]
    fn frames_are_the_same_wherever_the_stream_is_cut() {
        let (bytes, frames) = stream();
        for cut in 0..=bytes.len() {
            assert_eq!(decode(&[&bytes[..cut], &bytes[cut..]]).as_ref(), Ok(&frames), "cut at {cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&single), Ok(frames));
    }

    #[test]
    fn an_unknown_type_is_told_from_its_first_byte() {
        for byte in (0..=u8::MAX).filter(|byte| Kind::of(*byte).is_none()) {
            assert_eq!(decode(&[&[byte]]), Err(ProtocolError::Unknown(byte)));
        }
    }

    #[test]
    fn the_longest_length_is_only_a_number() {
        let mut decoder = Decoder::new();
        let mut input: &[u8] = &[5, 255, 255, 255, 255, 1, 2, 3];
        let chunk = decoder.next(&mut input).expect("known").expect("there");
        assert_eq!((chunk.number, chunk.bytes, chunk.last), (u32::MAX, &[1, 2, 3][..], false));
        assert!(!decoder.is_between_frames());
    }

    #[test]
    fn random_input_never_breaks_it() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..1_000_000 {
            let mut bytes = [0_u8; 24];
            random.fill(&mut bytes);
            bytes[0] %= 33;
            // Small numbers, so that several frames fit.
            for byte in &mut bytes[2..5] {
                *byte = if random.u8(..) < 250 { 0 } else { *byte };
            }
            let (mut decoder, mut input) = (Decoder::new(), &bytes[..]);
            while let Ok(Some(chunk)) = decoder.next(&mut input) {
                assert!(chunk.bytes.len() <= chunk.number as usize);
            }
        }
    }

    #[test]
    fn a_stream_is_between_frames_where_none_is_under_way() {
        let mut decoder = Decoder::new();
        assert!(decoder.is_between_frames());
        let stream = b"\x05\x02\0\0\0ab\x07\0\0\0\0";
        for (offset, byte) in stream.iter().enumerate() {
            let _ = decoder.next(&mut &[*byte][..]).expect("known types");
            assert_eq!(decoder.is_between_frames(), matches!(offset, 6 | 11), "after {offset}");
        }
    }
}
