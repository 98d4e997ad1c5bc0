//! Any bytes for the machine of either end, cut anywhere: it says the same as a simple reader of the whole stream, so it
//! accepts nothing that its sender may not send, and what it answers is frames that its peer may get.

use super::signature;
use crate::choices::Choices;
use crate::limits;
use crate::protocol::client::{self, ClientEnd, ServerMessage};
use crate::protocol::frame::{HEADER, Kind, PROTOCOL};
use crate::protocol::request::Request;
use crate::protocol::server::{self, ClientMessage, ServerEnd};
use crate::protocol::{Keys, ProtocolError, Queue, RequestTooLarge, Which};
use std::sync::Mutex;

pub(crate) const WORDS: &[&[u8]] = &[
    b"\x01\x10\0\0\0K8PSH_PROTOCOL=2",
    b"\x03\x01\0\0\0c",
    b"\x04\x02\0\0\0ab",
    b"\x04\0\0\0\0",
    b"\x05\x03\0\0\0abc",
    b"\x05\0\0\0\0",
    b"\x06\x01\0\0\0x",
    b"\x07\0\0\0\0",
    b"\x08\x01\0\0\0",
    b"\x10\x02\0\0\0",
    b"\x11\x02\0\0\0no",
    b"\x12\x09\0\0\0",
    b"\x13\x14\x01\0\0",
    b"\x14\x0f\0\0\0",
    b"\x15\x18\0\x50\0",
    b"\x16\x30\0\0\0",
    b"\x17\x30\0\0\0",
    b"\x18\x30\0\0\0",
    b"\x19\x05\0\0\0",
    b"\x1a\x01\0\0\0",
    b"\x1b\x01\0\0\0",
    b"\x1c\x01\0\0\0",
    b"\x1d\x24\0\0\0",
    b"\x1e\x01\0\0\0",
    b"\x1f\x01\0\0\0",
    b"\x20\x01\0\0\0",
    b"\x00\x01\0\0\0d",
    b"\x02\x02\0\0\0-c",
    b"\x01\x03\0\0\0A=1",
    b"\0\0\0",
    b"\xff",
    b"\x01\x10\0\0\0K8PSH_UMASK=0022",
    b"\x01\x0d\0\0\0K8PSH_UMASK=7",
];

/// What a machine says of a stream: parts of one body are one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Said {
    /// A request: the strings of each type, in their order.
    Request(Vec<(u8, Vec<u8>)>),
    Data(u8, Vec<u8>),
    Event(&'static str, u64),
    Failed(String),
}

/// Adds what was said; data joins data of the same type.
fn say(said: &mut Vec<Said>, next: Said) {
    match (said.last_mut(), &next) {
        (Some(Said::Data(kind, bytes)), Said::Data(other, more)) if kind == other => bytes.extend_from_slice(more),
        _ => said.push(next),
    }
}

pub(crate) fn run(input: &[u8]) -> u64 {
    let mut choices = Choices::of(input);
    let of_server = choices.byte() & 1 == 0;
    let cuts = choices.text(15);
    let stream = choices.rest();
    let (whole, cut) = if of_server {
        (server(stream, &[]), server(stream, cuts))
    } else {
        (client(stream, &[]), client(stream, cuts))
    };
    let wanted = if of_server { expected_of_server(stream) } else { expected_of_client(stream) };
    assert_eq!(whole, wanted, "{stream:?}");
    assert_eq!(cut, wanted, "{stream:?} cut by {cuts:?}");
    let kinds: Vec<_> = wanted.iter().map(std::mem::discriminant).take(6).collect();
    let last = wanted.last().filter(|said| !matches!(said, Said::Data(..) | Said::Request(_)));
    signature(&(of_server, kinds, last))
}

/// The parts of a stream: cut by these numbers in turn, and nowhere longer than what is read at once.
pub(crate) fn parts<'s>(mut stream: &'s [u8], cuts: &'s [u8]) -> impl Iterator<Item = &'s [u8]> {
    let mut cuts = cuts.iter().cycle();
    std::iter::from_fn(move || {
        let most = cuts.next().map_or(limits::INBOX, |cut| 1 + usize::from(*cut) % 24).min(stream.len());
        let (part, rest) = stream.split_at(most);
        stream = rest;
        (!part.is_empty()).then_some(part)
    })
}

/// A request's strings.
pub(crate) fn strings(request: &Request<'_>) -> Vec<(u8, Vec<u8>)> {
    let of = |kind: Kind, text: &std::ffi::CStr| (kind as u8, text.to_bytes().to_vec());
    let mut strings = vec![of(Kind::Directory, request.directory())];
    strings.extend(request.variables().map(|text| of(Kind::Variable, text)));
    strings.extend(request.arguments().map(|text| of(Kind::Argument, text)));
    strings.push(of(Kind::Start, request.command()));
    strings
}

/// What the server's end says.
pub(crate) fn server(stream: &[u8], cuts: &[u8]) -> Vec<Said> {
    static BUFFERS: Mutex<server::Buffers> = Mutex::new(server::Buffers::EMPTY);
    let mut buffers = BUFFERS.lock().expect("one at a time");
    let mut end = ServerEnd::new(&mut buffers, b"k8pshd");
    let (mut said, mut answer, mut has_failed) = (Vec::new(), Vec::new(), false);
    for mut part in parts(stream, cuts) {
        while !has_failed {
            match end.receive(&mut part) {
                Ok(Some(message)) => hear_client(&mut end, message, &mut said),
                Ok(None) => break,
                Err(error) => {
                    say(&mut said, Said::Failed(format!("{error:?}")));
                    has_failed = true;
                }
            }
        }
        assert!(end.has_room() && !end.has_input(), "everything was written");
        answer.extend_from_slice(end.outgoing());
        end.sent(end.outgoing().len());
    }
    check_answer(&answer, end.negotiated, &[Kind::Hello, Kind::Input, Kind::InputCredit]);
    said
}

fn hear_client(end: &mut ServerEnd<'_>, message: ClientMessage<'_>, said: &mut Vec<Said>) {
    let next = match message {
        ClientMessage::Start => Said::Request(strings(&end.take_request().expect("it is complete"))),
        ClientMessage::Input(bytes) => {
            let mut written = 0;
            end.write_input(bytes, &mut |bytes| {
                written = bytes.len();
                Some(bytes.len())
            });
            let next = Said::Data(Kind::Input as u8, bytes.to_vec());
            // Behind the end of stdin nothing is written; the machine still hands it on.
            assert!(written == bytes.len());
            next
        }
        ClientMessage::InputEnded => Said::Event("end of input", 0),
        ClientMessage::Signal(signal) => Said::Event("signal", signal.into()),
        ClientMessage::Terminate => Said::Event("terminate", 0),
        ClientMessage::HangUp(which) => Said::Event("hang up", which.kind().number().into()),
        ClientMessage::Resize(size) => Said::Event("size", size),
        ClientMessage::Foreground(is_foreground) => Said::Event("foreground", is_foreground.into()),
        ClientMessage::Modes => Said::Event("modes", end.terminal_modes().is_some().into()),
        ClientMessage::Waiting(waits) => Said::Event("waiting", waits.into()),
    };
    say(said, next);
}

/// What the client's end says.
fn client(stream: &[u8], cuts: &[u8]) -> Vec<Said> {
    static BUFFERS: Mutex<client::Buffers> = Mutex::new(client::Buffers::EMPTY);
    let mut buffers = BUFFERS.lock().expect("one at a time");
    let mut end = ClientEnd::new(Queue::new(&mut []), &mut buffers);
    let (mut said, mut answer, mut is_over) = (Vec::new(), Vec::new(), false);
    for mut part in parts(stream, cuts) {
        while !is_over {
            match end.receive(&mut part) {
                Ok(Some(message)) => is_over = hear_server(&mut end, message, &mut said),
                Ok(None) => break,
                Err(error) => {
                    say(&mut said, Said::Failed(format!("{error:?}")));
                    is_over = true;
                }
            }
        }
        assert!(end.has_room() && !end.take_overrun());
        answer.extend_from_slice(end.outgoing());
        end.sent(end.outgoing().len());
    }
    check_answer(&answer, true, &[Kind::OutputCredit, Kind::ErrorCredit]);
    said
}

/// Whether it was the end.
fn hear_server(end: &mut ClientEnd<'_>, message: ServerMessage<'_>, said: &mut Vec<Said>) -> bool {
    let is_over = matches!(message, ServerMessage::Ended(_));
    let next = match message {
        ServerMessage::Output(which, bytes) => {
            end.keep(which, bytes, bytes.len());
            Said::Data(which.kind() as u8, bytes.to_vec())
        }
        ServerMessage::Failure(text) => Said::Data(Kind::Failure as u8, text.to_vec()),
        ServerMessage::InputClosed => Said::Event("input closed", 0),
        ServerMessage::Ended(crate::exit::End::Code(code)) => Said::Event("exit", code.into()),
        ServerMessage::Ended(crate::exit::End::Signal(signal)) => Said::Event("signaled", signal.into()),
        ServerMessage::Stopped(signal) => Said::Event("stopped", signal.into()),
        ServerMessage::Terminal { is_there, is_shared } => {
            Said::Event("terminal", u64::from(is_there) + u64::from(is_shared))
        }
        ServerMessage::Keys(keys) => Said::Event("keys", keys as u64),
    };
    say(said, next);
    is_over
}

/// Whole frames of these types, those of protocol 2 only for a peer that speaks it.
fn check_answer(answer: &[u8], negotiated: bool, kinds: &[Kind]) {
    let mut rest = answer;
    while let Some((header, after)) = rest.split_first_chunk::<HEADER>() {
        let kind = kinds.iter().find(|kind| **kind as u8 == header[0]).expect("a type that may be sent");
        assert!(negotiated || *kind as u8 <= Kind::Exit as u8);
        assert!(!kind.has_body() || header[1..] == [0; 4]);
        rest = after;
    }
    assert!(rest.is_empty(), "{answer:?}");
}

/// A frame as far as it has come.
struct Frame<'s> {
    kind: u8,
    number: u32,
    body: &'s [u8],
    is_complete: bool,
}

/// The frames of a stream; an unknown type is the last. One with a body of which nothing has come says nothing yet.
fn frames(stream: &[u8]) -> Vec<Frame<'_>> {
    let (mut rest, mut frames) = (stream, Vec::new());
    while let Some(kind) = rest.first().copied() {
        let has_body = matches!(kind, 0..=6 | 17 | 29);
        if !matches!(kind, 0..=8 | 16..=32) {
            frames.push(Frame { kind, number: 0, body: b"", is_complete: false });
            break;
        }
        let Some(number) = rest.get(1..HEADER) else { break };
        let number = u32::from_le_bytes(number.try_into().expect("four bytes"));
        let length = if has_body { number as usize } else { 0 };
        let body = &rest[HEADER..(HEADER.saturating_add(length)).min(rest.len())];
        rest = &rest[HEADER + body.len()..];
        if body.is_empty() && length > 0 {
            break;
        }
        frames.push(Frame { kind, number, body, is_complete: body.len() == length });
    }
    frames
}

/// What protocol's document has the server's end make of a stream.
pub(crate) fn expected_of_server(stream: &[u8]) -> Vec<Said> {
    let (mut said, mut request) = (Vec::new(), Some(Expected::default()));
    let (mut negotiated, mut pixels) = (false, 0_u64);
    for frame in frames(stream) {
        let next = match &mut request {
            Some(expected) => match expected.take(&frame) {
                Ok(false) => continue,
                Ok(true) => {
                    negotiated = expected.protocol >= PROTOCOL;
                    Said::Request(request.take().expect("it is there").strings())
                }
                Err(error) => Said::Failed(format!("{error:?}")),
            },
            None => match frame.kind {
                28 if negotiated => {
                    pixels = frame.number.into();
                    continue;
                }
                21 if negotiated => Said::Event("size", pixels << 32 | u64::from(frame.number)),
                _ => match later(&frame, negotiated) {
                    Some(next) => next,
                    None => continue,
                },
            },
        };
        let is_over = matches!(next, Said::Failed(_));
        say(&mut said, next);
        if is_over {
            break;
        }
    }
    said
}

fn unexpected(kind: u8) -> Said {
    let error = Kind::of(kind).map_or(ProtocolError::Unknown(kind), ProtocolError::Unexpected);
    Said::Failed(format!("{error:?}"))
}

/// What a frame behind the request says.
fn later(frame: &Frame<'_>, negotiated: bool) -> Option<Said> {
    let number = u64::from(frame.number);
    Some(match frame.kind {
        4 if frame.number == 0 => Said::Event("end of input", 0),
        4 => Said::Data(4, frame.body.to_vec()),
        7 => Said::Event("terminate", 0),
        kind if !negotiated => unexpected(kind),
        20 if (1..=64).contains(&number) => Said::Event("signal", number),
        25 if [5, 6].contains(&number) => Said::Event("hang up", number),
        20 | 23 | 24 | 25 => return None,
        27 => Said::Event("foreground", u64::from(number != 0)),
        29 if number == 36 && !frame.is_complete => return None,
        29 if number == 36 => Said::Event("modes", 1),
        31 => Said::Event("waiting", u64::from(number != 0)),
        kind => unexpected(kind),
    })
}

/// A request by its limits.
#[derive(Default)]
pub(crate) struct Expected {
    bytes: usize,
    count: usize,
    protocol: u32,
    found: [Vec<Vec<u8>>; 4],
}

impl Expected {
    /// Whether it is complete with this frame.
    fn take(&mut self, frame: &Frame<'_>) -> Result<bool, ProtocolError> {
        let Some(kind) = Kind::of(frame.kind) else { return Err(ProtocolError::Unknown(frame.kind)) };
        if frame.kind > 3 {
            return Err(ProtocolError::Unexpected(kind));
        }
        self.measure(frame.number as usize + 1)?;
        if frame.body.contains(&0) {
            return Err(RequestTooLarge::Nul.into());
        }
        let attribute = frame.body.iter().position(|byte| *byte == b'=').map(|at| frame.body.split_at(at));
        match attribute.filter(|_| frame.is_complete && frame.kind == 1) {
            Some((b"K8PSH_PROTOCOL", value)) => {
                let digits =
                    str::from_utf8(&value[1..]).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                self.protocol = digits.and_then(|text| text.parse().ok()).unwrap_or(0);
            }
            Some((b"K8PSH_UMASK" | b"K8PSH_IGNORED" | b"K8PSH_ONE_OUTPUT" | b"K8PSH_TERMINAL", _)) => {}
            _ if frame.is_complete => self.found[usize::from(frame.kind)].push(frame.body.to_vec()),
            _ => {}
        }
        Ok(frame.is_complete && frame.kind == 3)
    }

    /// Counts a string of so many bytes, its NUL included.
    pub(crate) fn measure(&mut self, bytes: usize) -> Result<(), RequestTooLarge> {
        if bytes > limits::REQUEST_STRING {
            return Err(RequestTooLarge::String(bytes));
        }
        (self.bytes, self.count) = (self.bytes + bytes, self.count + 1);
        if self.bytes > limits::REQUEST_BYTES {
            return Err(RequestTooLarge::Total(self.bytes));
        }
        if self.count > limits::REQUEST_STRINGS { Err(RequestTooLarge::Count) } else { Ok(()) }
    }

    fn strings(self) -> Vec<(u8, Vec<u8>)> {
        let [directories, variables, arguments, starts] = self.found;
        let mut strings = vec![(0, directories.last().cloned().unwrap_or_default())];
        strings.extend(variables.into_iter().map(|text| (1, text)));
        strings.extend(arguments.into_iter().map(|text| (2, text)));
        strings.extend(starts.into_iter().map(|text| (3, text)));
        strings
    }
}

/// What protocol's document has the client's end make of a stream.
fn expected_of_client(stream: &[u8]) -> Vec<Said> {
    let mut said = Vec::new();
    let mut negotiated = None;
    for frame in frames(stream) {
        let is_hello = frame.kind == 16 && frame.number == PROTOCOL;
        let negotiated = *negotiated.get_or_insert(is_hello);
        let number = u64::from(frame.number);
        let next = match frame.kind {
            kind if kind > 8 && !negotiated => unexpected(kind),
            5 | 6 if number == 0 => continue,
            5 | 6 | 17 => Said::Data(frame.kind, frame.body.to_vec()),
            4 if number == 0 => Said::Event("input closed", 0),
            8 => Said::Event("exit", number & 0xff),
            16 if is_hello => continue,
            18 if (1..=64).contains(&number) => Said::Event("signaled", number),
            // No signal was sent, so none undoes a stop.
            19 if (1..=64).contains(&(number & 0xff)) => Said::Event("stopped", number & 0xff),
            22 | 32 => continue,
            26 => Said::Event("terminal", u64::from(number != 0) + u64::from(number == 1)),
            30 if Keys::of(frame.number).is_some() => Said::Event("keys", number),
            kind => unexpected(kind),
        };
        let is_over = matches!(next, Said::Failed(_) | Said::Event("exit" | "signaled", _));
        say(&mut said, next);
        if is_over {
            break;
        }
    }
    let _ = Which::BOTH;
    said
}
