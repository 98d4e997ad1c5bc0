//! Requests and answers by HTTP: any bytes as a head, as a body and as the frames of an answer, torn anywhere. What is made of
//! them is the same however they come, a head that is taken says nothing that could be understood otherwise, and an answer
//! is as long as it says.

use super::signature;
use crate::choices::Choices;
use crate::exit::End;
use crate::http::Fault;
use crate::http::answer::{Answer, Buffer, OUTPUT, SIZE};
use crate::http::body::Body;
use crate::http::head::Head;
use crate::limits;
use crate::protocol::frame::{Content, HEADER, Kind, header};
use std::cell::RefCell;

pub(crate) const WORDS: &[&[u8]] = &[
    b"GET ",
    b"POST / HTTP/1.1\r\nHost: h\r\n",
    b"PUT /c?q HTTP/1.0\r\n",
    b"Host: h\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: 18446744073709551615\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: gzip\r\n",
    b"Expect: 100-continue\r\n",
    b"Authorization: Bearer t\r\n",
    b"Proxy: x\r\n",
    b"Content-Type: a/b\r\n",
    b"\r\n\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b": ",
    b"3\r\nabc\r\n",
    b"0\r\n\r\n",
    b"0\r\n",
    b"a;x=y\r\n",
    b"ffffffffffffffff\r\n",
    b"T: x\r\n",
    b"\x05\x03\0\0\0abc",
    b"\x06\x02\0\0\0ab",
    b"\x05\0\0\0\0",
    b"\x08\0\0\0\0",
    b"\x08\x03\0\0\0",
    b"\x05\0\0\x02\0",
];

pub(crate) fn run(input: &[u8]) -> u64 {
    let mut choices = Choices::of(input);
    let (kind, tear) = (choices.byte(), usize::from(choices.byte()) + 1);
    let bytes = choices.rest();
    match kind % 3 {
        0 => signature(&check_head(bytes, tear)),
        1 => signature(&check_body(
            if kind & 4 == 0 { Body::CHUNKED } else { Body::of_length(tear as u64) },
            bytes,
            tear,
        )),
        _ => signature(&check_answer(kind / 3, bytes, tear)),
    }
}

/// What a head is understood as, but for what comes behind it.
type Understood = Result<Option<(Vec<u8>, bool, bool, Option<Vec<u8>>, Vec<Vec<u8>>)>, Fault>;

fn understand(bytes: &[u8]) -> Understood {
    let Some(head) = Head::read(bytes)? else { return Ok(None) };
    let mut variables = Vec::new();
    head.visit_variables(&mut |parts| variables.push(parts.concat()));
    let is_one_of = |command: &[u8]| head.is_for(command) || head.is_probe();
    let _ = is_one_of(b"c");
    Ok(Some((head.method.to_vec(), head.has_chunks, head.waits, head.bearer().map(<[u8]>::to_vec), variables)))
}

/// Reads a head as it comes: once it is judged, nothing behind it changes that. What became of it.
fn check_head(bytes: &[u8], tear: usize) -> (u8, usize) {
    let bytes = &bytes[..bytes.len().min(limits::HEAD)];
    let whole = understand(bytes);
    let mut end = 0;
    while end < bytes.len() {
        end = bytes.len().min(end + tear);
        match understand(&bytes[..end]) {
            Ok(None) => {}
            judged => {
                assert_eq!(judged, whole, "judged at {end}");
                break;
            }
        }
    }
    let Ok(Some((method, has_chunks, waits, token, variables))) = whole else {
        return (whole.err().map_or(0, |fault| fault as u8 + 1), 0);
    };
    assert!([&b"GET"[..], b"POST", b"PUT"].contains(&&method[..]) && (has_chunks || !waits));
    check_variables(&variables);
    check_strictly(&bytes[..bytes.len() - Head::read(bytes).ok().flatten().map_or(0, |head| head.rest.len())]);
    (100 + u8::from(has_chunks) + 2 * u8::from(waits) + 4 * u8::from(token.is_some()), variables.len())
}

/// The variables of a request are those of CGI, and neither the token nor a setting.
fn check_variables(variables: &[Vec<u8>]) {
    for variable in variables {
        let name = variable.split(|byte| *byte == b'=').next().expect("a name");
        assert!(variable.len() > name.len() && !variable.contains(&0) && !variable.contains(&b'\n'));
        let is_cgi = [&b"REQUEST_METHOD"[..], b"QUERY_STRING", b"SCRIPT_NAME", b"CONTENT_TYPE", b"CONTENT_LENGTH"]
            .contains(&name);
        assert!(is_cgi || name.starts_with(b"HTTP_"), "{variable:?}");
        assert!(!name.iter().any(u8::is_ascii_lowercase) && name.len() <= limits::NAME);
        assert!(name != b"HTTP_PROXY" && name != b"HTTP_AUTHORIZATION");
    }
}

/// A head that was taken has nothing that somebody on the way might read otherwise.
fn check_strictly(head: &[u8]) {
    assert!(head.ends_with(b"\r\n\r\n"));
    let lines: Vec<_> = head.split(|byte| *byte == b'\n').collect();
    let mut lengths = 0;
    for line in &lines[..lines.len() - 1] {
        let line = line.strip_suffix(b"\r").expect("no bare line feed");
        assert!(!line.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'), "{line:?}");
        assert!(!line.starts_with(b" ") && !line.starts_with(b"\t"), "a folded line: {line:?}");
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_lowercase();
        lengths += usize::from(name == b"content-length" || name == b"transfer-encoding");
    }
    assert!(lengths <= 1, "two lengths");
}

/// What is taken of a body that comes in pieces of so many bytes, and what is left behind it.
fn take_body(mut body: Body, bytes: &[u8], tear: usize) -> (Vec<u8>, Result<Option<Vec<u8>>, Fault>) {
    let (mut taken, mut behind) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(tear) {
        let mut arrived = piece;
        loop {
            match body.take(&mut arrived) {
                Ok(b"") => break,
                Ok(bytes) => taken.extend_from_slice(bytes),
                Err(fault) => return (taken, Err(fault)),
            }
        }
        assert!(arrived.is_empty() || body.is_complete());
        behind.extend_from_slice(arrived);
    }
    (taken, Ok(body.is_complete().then_some(behind)))
}

/// Takes a body in pieces and whole. How many bytes of it there were, and how it ended.
fn check_body(body: Body, bytes: &[u8], tear: usize) -> (usize, u8) {
    let (taken, end) = take_body(body, bytes, tear);
    let whole = take_body(body, bytes, bytes.len().max(1));
    assert_eq!((&taken, &end), (&whole.0, &whole.1));
    assert!(taken.len() <= bytes.len());
    (
        taken.len().min(20),
        match end {
            Err(_) => 0,
            Ok(None) => 1,
            Ok(Some(behind)) => 2 + u8::from(!behind.is_empty()),
        },
    )
}

/// Frames as a session sends them: whole, and none behind the exit. A body that is missing is made up.
fn whole_frames(mut bytes: &[u8]) -> Vec<u8> {
    let mut frames = Vec::new();
    while let Some((&[kind, ref number @ ..], rest)) = bytes.split_first_chunk::<HEADER>() {
        let number = u32::from_le_bytes(*number);
        let Some(known) = Kind::of(kind) else { break };
        bytes = rest;
        if known.content() == Content::Number {
            frames.extend(header(known, number));
        } else {
            let length = number as usize % (2 * OUTPUT);
            let (body, rest) = bytes.split_at(length.min(bytes.len()));
            let is_data = matches!(known, Kind::Output | Kind::Error);
            // Before protocol 2 nothing else has a body.
            let length = if is_data { length } else { 0 };
            frames.extend(header(known, u32::try_from(length).expect("it is short")));
            frames.extend(body.iter().chain(std::iter::repeat(&b'x')).take(length));
            bytes = rest;
        }
        if known == Kind::Exit {
            break;
        }
    }
    frames
}

/// What is sent of frames that come in pieces of so many bytes, in pieces of as many.
fn send_answer(choice: u8, frames: &[u8], tear: usize, buffer: &mut Buffer) -> Vec<u8> {
    let mut answer = Answer::new(buffer);
    answer.has_chunks = choice & 1 != 0;
    if choice & 2 != 0 {
        answer.begin(choice & 4 != 0, choice & 8 != 0);
    }
    let (mut sent, mut taken, mut come) = (Vec::new(), 0, 0);
    loop {
        come = frames.len().min(come.max(taken + tear));
        if come == frames.len() && choice & 16 != 0 {
            answer.end(End::Signal(9), choice & 32 != 0);
        }
        if !answer.has_unsent(&frames[taken..come]) && come == frames.len() {
            return sent;
        }
        let before = (taken, sent.len());
        taken += answer.take(&frames[taken..come]);
        let count = answer.unsent().len().min(tear);
        sent.extend_from_slice(&answer.unsent()[..count]);
        answer.sent(count);
        if before == (taken, sent.len()) {
            if come == frames.len() {
                return sent;
            }
            come += 1;
        }
    }
}

/// The bytes in chunks, and whether the last one is among them.
fn unchunk(mut bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a chunk's line");
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).expect("text"), 16).expect("a size");
        bytes = &bytes[end + 2..];
        if size == 0 {
            assert_eq!(bytes, b"Exit-Status: 0\r\n\r\n", "the last chunk is the last");
            return (content, true);
        }
        content.extend_from_slice(&bytes[..size]);
        bytes = bytes[size..].strip_prefix(b"\r\n").expect("a chunk's end");
    }
    (content, false)
}

/// What is behind the head of an answer, if that has come, without chunks.
fn content(choice: u8, answer: &[u8]) -> Option<(Vec<u8>, Vec<u8>, bool)> {
    let rest = answer.strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(answer);
    let end = rest.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let (head, body) = rest.split_at(end);
    let is_chunked = head.windows(9).any(|nine| nine == b": chunked");
    let (body, has_end) = if is_chunked { unchunk(body) } else { (body.to_vec(), true) };
    let text = std::str::from_utf8(head).expect("text");
    if let Some((_, length)) = text.split_once("Content-Length: ") {
        assert_eq!(length.split('\r').next(), Some(body.len().to_string().as_str()), "as long as it says");
    }
    assert!(
        choice & 2 != 0 || text.starts_with("HTTP/1.1 500 ") || text.starts_with("HTTP/1.1 200 ") || choice & 32 != 0
    );
    Some((head.to_vec(), body, has_end))
}

/// Answers with frames in pieces and whole. How long the answer is, and whether it has its end.
fn check_answer(choice: u8, frames: &[u8], tear: usize) -> (usize, bool) {
    thread_local! {
        static BUFFER: RefCell<Box<Buffer>> = RefCell::new(Box::new([0; SIZE]));
    }
    let frames = &whole_frames(frames);
    // Byte by byte, a large one would take too long.
    let tear = tear.max(frames.len() / 500);
    BUFFER.with_borrow_mut(|buffer| {
        let torn = content(choice, &send_answer(choice, frames, tear, buffer));
        let whole = content(choice, &send_answer(choice, frames, frames.len().max(1000), buffer));
        assert_eq!(torn, whole);
        torn.map_or((0, false), |(_, body, has_end)| (body.len().min(20), has_end))
    })
}
