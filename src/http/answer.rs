//! The answer to a request, made of the frames that a session sends to a stub: a stub's reading end, in other words.
//!
//! A streamed answer begins when the command first writes, or the request's body has come: some proxies stop passing the body
//! on once they have the head of the answer. It goes on as the command writes. Its last chunk says that the command ended
//! with 0; without one, as after any other end, a client knows that something is missing. An answer with the status comes when
//! the command has ended.

use super::fault::Fault;
use crate::exit::{self, End};
use crate::protocol::frame::{HEADER, Kind};
use crate::text::bytes::{after, first};
use crate::text::line::{Part, Show};
use crate::text::packed::Text;
use crate::{line, text};

/// Bytes of output in an answer with the status, at the most.
pub const OUTPUT: usize = 64 << 10;

/// Room for what stands before the output: the head, or the length of a chunk.
const BEFORE: usize = 512;

/// What is behind output that was cut.
const CUT: &[u8] = b"\n(cut: longer than 64 KiB)\n";

/// Bytes of its memory.
pub const SIZE: usize = BEFORE + OUTPUT + CUT.len();

/// The memory of an answer.
pub type Buffer = [u8; SIZE];

/// What an answer is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The command has not started.
    Waiting,
    /// The command's output is passed on.
    Streaming,
    /// The command's output, or why there is no command, is collected.
    Collecting,
    /// All of it is in the buffer, or was sent.
    Complete,
}

/// An answer.
pub struct Answer<'b> {
    buffer: &'b mut Buffer,
    /// Which bytes of the buffer are to be sent.
    start: usize,
    end: usize,
    phase: Phase,
    /// Whether the client knows chunks.
    pub has_chunks: bool,
    /// Bytes of the frame under way that are still to come.
    left: usize,
    /// Bytes that were collected, behind the room for the head.
    collected: usize,
    /// The command's exit code, as shells have it, and the status that goes with it.
    outcome: Option<(u8, Text)>,
    /// The status that has been sent, or is to be.
    status: Option<Text>,
}

impl<'b> Answer<'b> {
    /// An answer to a request whose command has not started.
    pub fn new(buffer: &'b mut Buffer) -> Answer<'b> {
        Answer {
            buffer,
            start: 0,
            end: 0,
            phase: Phase::Waiting,
            left: 0,
            collected: 0,
            outcome: None,
            status: None,
            has_chunks: false,
        }
    }

    /// The command has started. Output goes along as it comes if `is_stream`. `asks`: the client waits for a word before it
    /// sends the body.
    pub fn begin(&mut self, is_stream: bool, asks: bool) {
        if asks {
            self.put(line!("HTTP/1.1 100 Continue\r\n\r\n").bytes());
        }
        self.phase = if is_stream { Phase::Streaming } else { Phase::Collecting };
    }

    /// Puts the head of a streamed answer into the buffer, unless it was there before.
    pub fn begin_stream(&mut self) {
        if self.phase != Phase::Streaming || self.status.is_some() {
            return;
        }
        let coding =
            if self.has_chunks { text!("Transfer-Encoding: chunked\r\nTrailer: Exit-Status\r\n") } else { Text::EMPTY };
        let status = *self.status.insert(text!("200 OK"));
        self.put(line!("HTTP/1.1 {}\r\nConnection: close\r\n{}\r\n", status, coding).bytes());
    }

    /// The command has ended, or has run for too long.
    pub fn end(&mut self, end: End, is_late: bool) {
        let code = match end {
            _ if is_late => exit::TIMED_OUT,
            End::Code(code) => code,
            End::Signal(signal) => signal.saturating_add(128),
        };
        let status = match code {
            _ if is_late => text!("504 it took too long"),
            0 => text!("200 OK"),
            _ => text!("500 it failed"),
        };
        self.outcome.get_or_insert((code, status));
    }

    /// What comes of the request makes no sense.
    pub fn refuse(&mut self, fault: Fault) {
        self.outcome.get_or_insert((exit::UNAVAILABLE, fault.status()));
    }

    /// Whether there is something to send: `frames` is what the session sends.
    #[must_use]
    pub fn has_unsent(&self, frames: &[u8]) -> bool {
        self.start < self.end || self.phase != Phase::Complete && (!frames.is_empty() || self.outcome.is_some())
    }

    /// What is to be sent next.
    #[must_use]
    pub fn unsent(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// So many bytes were sent.
    pub fn sent(&mut self, count: usize) {
        self.start += count;
    }

    /// Takes frames, as far as there is room for what they become: how many bytes of them.
    pub fn take(&mut self, frames: &[u8]) -> usize {
        if self.start < self.end {
            return 0;
        }
        (self.start, self.end) = (0, 0);
        let mut rest = frames;
        while self.phase != Phase::Complete && self.end < OUTPUT && !rest.is_empty() {
            let taken = if self.left > 0 { self.take_output(rest) } else { self.take_header(rest) };
            if taken == 0 {
                break;
            }
            rest = after(rest, taken);
        }
        if let Some((code, status)) = self.outcome.filter(|_| rest.is_empty()) {
            self.finish(code, status);
        }
        frames.len() - rest.len()
    }

    /// Takes a frame's header.
    fn take_header(&mut self, frames: &[u8]) -> usize {
        let Some([kind, number @ ..]) = frames.first_chunk::<HEADER>() else { return 0 };
        let number = u32::from_le_bytes(*number);
        match Kind::of(*kind) {
            Some(Kind::Output | Kind::Error) => self.left = number as usize,
            Some(Kind::Exit) => self.end(End::Code(number.to_le_bytes()[0]), false),
            _ => {}
        }
        HEADER
    }

    /// Takes bytes of output.
    fn take_output(&mut self, frames: &[u8]) -> usize {
        let bytes = first(frames, self.left);
        let taken = match self.phase {
            Phase::Streaming => self.put_chunk(bytes),
            // Before a command, that is why there is none.
            _ => self.collect(bytes),
        };
        self.left -= taken;
        taken
    }

    fn put(&mut self, bytes: &[u8]) {
        self.buffer[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    /// Puts as much output into the buffer as has room, and as four digits can tell.
    fn put_chunk(&mut self, bytes: &[u8]) -> usize {
        self.begin_stream();
        let bytes = first(bytes, (OUTPUT - self.end).min(usize::from(u16::MAX)));
        if self.has_chunks {
            let [.., high, low] = bytes.len().to_be_bytes();
            self.put(line!("{}{}\r\n", Part::Hex(high), Part::Hex(low)).bytes());
        }
        self.put(bytes);
        if self.has_chunks {
            self.put(b"\r\n");
        }
        bytes.len()
    }

    /// Keeps output, as far as there is room.
    fn collect(&mut self, bytes: &[u8]) -> usize {
        let kept = first(bytes, OUTPUT.saturating_sub(self.collected));
        self.keep(kept);
        if self.collected == OUTPUT && kept.len() < bytes.len() {
            self.keep(CUT);
        }
        bytes.len()
    }

    fn keep(&mut self, bytes: &[u8]) {
        let start = BEFORE + self.collected;
        self.buffer[start..start + bytes.len()].copy_from_slice(bytes);
        self.collected += bytes.len();
    }

    /// The command has ended, and so does the answer.
    fn finish(&mut self, code: u8, status: Text) {
        self.begin_stream();
        match core::mem::replace(&mut self.phase, Phase::Complete) {
            Phase::Complete => {}
            Phase::Streaming if self.has_chunks && code == 0 => self.put(b"0\r\nExit-Status: 0\r\n\r\n"),
            Phase::Streaming => {}
            Phase::Waiting | Phase::Collecting => {
                self.put_whole(status, &line!("Exit-Status: {}", code));
            }
        }
    }

    /// The command goes on without its client, which is told the name of the session.
    pub fn accept(&mut self, session: &dyn Show) {
        self.collected = 0;
        self.keep(line!("{}\n", session).bytes());
        self.phase = Phase::Complete;
        self.put_whole(text!("202 it runs"), &"Preference-Applied: respond-async");
    }

    /// Puts an answer into the buffer whose body is what was collected.
    fn put_whole(&mut self, status: Text, header: &dyn Show) {
        self.status = Some(status);
        let length = self.collected;
        let head =
            line!("HTTP/1.1 {}\r\n{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", status, header, length);
        (self.start, self.end) = (BEFORE - head.bytes().len(), BEFORE + length);
        self.buffer[self.start..BEFORE].copy_from_slice(head.bytes());
    }

    /// The status that the client has been told, or is about to be.
    #[must_use]
    pub fn status(&self) -> Option<Text> {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::frame::header;

    const STREAMED: &str =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: Exit-Status\r\n\r\n";
    const LAST: &str = "0\r\nExit-Status: 0\r\n\r\n";

    fn data(kind: Kind, bytes: &[u8]) -> Vec<u8> {
        [&header(kind, u32::try_from(bytes.len()).expect("a short one"))[..], bytes].concat()
    }

    /// What a session sends of a command that writes this, to both streams in turn, and exits.
    fn frames(output: &[&[u8]], code: u32) -> Vec<u8> {
        let kinds = [Kind::Output, Kind::Error].into_iter().cycle();
        let output = kinds.zip(output).flat_map(|(kind, bytes)| data(kind, bytes));
        let ends = [Kind::Output, Kind::Error, Kind::Input].map(|kind| header(kind, 0)).concat();
        output.chain(ends).chain(header(Kind::Exit, code)).collect()
    }

    /// What there is to say of a request.
    #[derive(Clone, Copy)]
    struct Scene {
        /// `None`: no command was started.
        streams: Option<bool>,
        has_chunks: bool,
        asks: bool,
        /// What the session says beside its frames.
        end: Option<(End, bool)>,
    }

    const STREAM: Scene = Scene { streams: Some(true), has_chunks: true, asks: false, end: None };
    const STATUS: Scene = Scene { streams: Some(false), ..STREAM };

    /// Answers with frames that come in pieces of so many bytes, and are sent in such; to their end.
    fn answer(scene: Scene, frames: &[u8], piece: usize, send: usize) -> Vec<u8> {
        let mut buffer = Box::new([0; SIZE]);
        let mut answer = Answer::new(&mut buffer);
        answer.has_chunks = scene.has_chunks;
        if let Some(is_stream) = scene.streams {
            answer.begin(is_stream, scene.asks);
        }
        let (mut sent, mut taken, mut come) = (Vec::new(), 0, 0);
        loop {
            come = frames.len().min(come.max(taken + piece));
            if let Some((end, is_late)) = scene.end.filter(|_| come == frames.len()) {
                answer.end(end, is_late);
            }
            let waiting = &frames[taken..come];
            if !answer.has_unsent(waiting) {
                assert_eq!(come, frames.len(), "there is more, and it does not want it");
                return sent;
            }
            let before = (taken, sent.len());
            taken += answer.take(waiting);
            let part = first(answer.unsent(), send);
            sent.extend_from_slice(part);
            let count = part.len();
            answer.sent(count);
            if before == (taken, sent.len()) && answer.has_unsent(&frames[taken..come]) {
                // A header that has not come whole, or nothing is ever to come of it.
                assert!(come < frames.len(), "it wants to send and has nothing");
                come = frames.len().min(come + piece);
            }
        }
    }

    /// The same as text.
    fn text_of(scene: Scene, frames: &[u8]) -> String {
        String::from_utf8(answer(scene, frames, usize::MAX / 2, usize::MAX)).expect("text")
    }

    /// What is in chunks, and whether the last one has come.
    fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        while !bytes.is_empty() {
            let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a line");
            let size = usize::from_str_radix(core::str::from_utf8(&bytes[..end]).expect("text"), 16).expect("a size");
            bytes = &bytes[end + 2..];
            if size == 0 {
                assert_eq!(bytes, &LAST.as_bytes()[3..], "nothing comes behind the last chunk but the trailer");
                return (body, true);
            }
            body.extend_from_slice(&bytes[..size]);
            assert_eq!(&bytes[size..size + 2], b"\r\n");
            bytes = &bytes[size + 2..];
        }
        (body, false)
    }

    fn streamed(bytes: &[u8]) -> (Vec<u8>, bool) {
        unchunk(bytes.strip_prefix(STREAMED.as_bytes()).expect("a head"))
    }

    #[test]
    fn a_stream_has_chunks_and_its_status_is_in_the_trailer() {
        let frames = frames(&[b"one\n", b"two\n", b"0123456789abcdefg"], 0);
        assert_eq!(
            text_of(STREAM, &frames),
            format!("{STREAMED}0004\r\none\n\r\n0004\r\ntwo\n\r\n0011\r\n0123456789abcdefg\r\n{LAST}")
        );
    }

    #[test]
    fn a_stream_begins_with_its_first_output_or_the_end_of_the_body() {
        let mut buffer = Box::new([0; SIZE]);
        let mut answer = Answer::new(&mut buffer);
        answer.has_chunks = true;
        answer.begin(true, false);
        assert!(!answer.has_unsent(b"") && answer.status().is_none());
        let frame = data(Kind::Output, b"one\n");
        assert_eq!(answer.take(&frame), frame.len());
        assert_eq!(answer.unsent(), format!("{STREAMED}0004\r\none\n\r\n").as_bytes());
        answer.begin_stream();
        assert_eq!(answer.unsent(), format!("{STREAMED}0004\r\none\n\r\n").as_bytes(), "it begins once");
        let mut buffer = Box::new([0; SIZE]);
        let mut answer = Answer::new(&mut buffer);
        answer.has_chunks = true;
        answer.begin_stream();
        assert!(!answer.has_unsent(b""), "there is no command yet");
        answer.begin(true, true);
        answer.begin_stream();
        assert_eq!(answer.unsent(), format!("HTTP/1.1 100 Continue\r\n\r\n{STREAMED}").as_bytes());
    }

    #[test]
    fn a_stream_of_a_command_that_writes_nothing_is_a_head_and_an_end() {
        assert_eq!(text_of(STREAM, &frames(&[], 0)), format!("{STREAMED}{LAST}"));
    }

    #[test]
    fn a_stream_of_a_command_that_fails_has_no_last_chunk() {
        assert_eq!(text_of(STREAM, &frames(&[b"one\n"], 3)), format!("{STREAMED}0004\r\none\n\r\n"));
        for end in [(End::Signal(9), false), (End::Code(0), true), (End::Signal(15), true)] {
            let scene = Scene { end: Some(end), ..STREAM };
            assert_eq!(
                text_of(scene, &data(Kind::Output, b"one\n")),
                format!("{STREAMED}0004\r\none\n\r\n"),
                "{end:?}"
            );
        }
    }

    #[test]
    fn a_client_without_chunks_gets_the_bytes_alone() {
        let scene = Scene { has_chunks: false, ..STREAM };
        let wanted = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\ntwo\n";
        for code in [0, 3] {
            assert_eq!(text_of(scene, &frames(&[b"one\n", b"two\n"], code)), wanted);
        }
    }

    #[test]
    fn a_status_comes_with_the_output_behind_it() {
        for (code, status) in [(0, "200 OK"), (3, "500 it failed"), (255, "500 it failed")] {
            let wanted = format!(
                "HTTP/1.1 {status}\r\nExit-Status: {code}\r\nContent-Length: 8\r\nConnection: close\r\n\r\none\ntwo\n"
            );
            assert_eq!(text_of(STATUS, &frames(&[b"one\n", b"two\n"], code)), wanted);
            let scene = Scene { has_chunks: false, ..STATUS };
            assert_eq!(text_of(scene, &frames(&[b"one\n", b"two\n"], code)), wanted);
        }
    }

    #[test]
    fn a_status_tells_of_signals_and_of_time() {
        for (end, is_late, wanted) in [
            (End::Signal(9), false, "500 it failed\r\nExit-Status: 137\r\n"),
            (End::Signal(15), true, "504 it took too long\r\nExit-Status: 124\r\n"),
            (End::Code(0), true, "504 it took too long\r\nExit-Status: 124\r\n"),
            (End::Signal(200), false, "500 it failed\r\nExit-Status: 255\r\n"),
        ] {
            let text = text_of(Scene { end: Some((end, is_late)), ..STATUS }, &data(Kind::Error, b"x"));
            assert_eq!(text, format!("HTTP/1.1 {wanted}Content-Length: 1\r\nConnection: close\r\n\r\nx"));
        }
        // What the session has said first counts, not the frame that a client of protocol 1 gets in its place.
        let scene = Scene { end: Some((End::Signal(9), false)), ..STATUS };
        assert!(text_of(scene, &header(Kind::Exit, 1)).contains("\r\nExit-Status: 137\r\n"));
    }

    #[test]
    fn output_that_is_too_long_for_a_status_is_cut_and_says_so() {
        for (length, is_cut) in [(OUTPUT - 1, false), (OUTPUT, false), (OUTPUT + 1, true), (3 * OUTPUT, true)] {
            let output = vec![b'x'; length];
            for pieces in [vec![&output[..]], output.chunks(1000).collect(), vec![&output[..10], &output[10..]]] {
                let text = text_of(STATUS, &frames(&pieces, 0));
                let (head, body) = text.split_once("\r\n\r\n").expect("a head");
                assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
                let kept = "x".repeat(length.min(OUTPUT));
                let wanted = if is_cut { format!("{kept}\n(cut: longer than 64 KiB)\n") } else { kept };
                assert!(body == wanted, "{length}: {}", body.len());
            }
        }
    }

    #[test]
    fn a_command_that_was_not_started_is_500_with_the_reason() {
        for is_stream in [true, false] {
            let mut frames = data(Kind::Error, b"deploy: no such program\n");
            frames.extend(header(Kind::Exit, 127));
            let text = text_of(Scene { streams: None, has_chunks: is_stream, ..STREAM }, &frames);
            assert_eq!(
                text,
                "HTTP/1.1 500 it failed\r\nExit-Status: 127\r\nContent-Length: 24\r\nConnection: close\r\n\r\n\
                 deploy: no such program\n"
            );
        }
    }

    #[test]
    fn who_waits_for_a_word_gets_it_first() {
        let frames = frames(&[b"x"], 0);
        for scene in [STREAM, STATUS] {
            let wanted = format!("HTTP/1.1 100 Continue\r\n\r\n{}", text_of(scene, &frames));
            assert_eq!(text_of(Scene { asks: true, ..scene }, &frames), wanted);
        }
    }

    #[test]
    fn a_word_to_who_waits_leaves_before_anything_else_comes() {
        let mut buffer = Box::new([0; SIZE]);
        let mut answer = Answer::new(&mut buffer);
        assert!(!answer.has_unsent(b""));
        answer.begin(false, true);
        assert!(answer.has_unsent(b""));
        assert_eq!(answer.unsent(), b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    #[test]
    fn frames_that_come_in_pieces_give_the_same() {
        let whole = frames(&[b"one\n", b"two\n", b"", b"three"], 0);
        for piece in 1..=whole.len() {
            for send in [1, 2, 7, 10_000] {
                assert_eq!(answer(STATUS, &whole, piece, send), answer(STATUS, &whole, 1000, 10_000), "{piece} {send}");
                let streamed = streamed(&answer(STREAM, &whole, piece, send));
                assert_eq!(streamed, (b"one\ntwo\nthree".to_vec(), true), "{piece} {send}");
            }
        }
    }

    #[test]
    fn large_output_is_streamed_through_small_sends() {
        let output: Vec<u8> = (0..5 * OUTPUT).map(|number| (number % 251).to_le_bytes()[0]).collect();
        for (code, is_whole) in [(0, true), (1, false)] {
            let frames = frames(&output.chunks(100_000).collect::<Vec<_>>(), code);
            for (piece, send) in [(usize::MAX / 2, 1000), (70_000, 4096), (OUTPUT, OUTPUT), (333, 777)] {
                let (body, has_last) = streamed(&answer(STREAM, &frames, piece, send));
                assert!(body == output && has_last == is_whole, "{piece} {send} {code}");
            }
        }
    }
}
