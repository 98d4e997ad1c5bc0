//! The server's end of a session: takes the request, then relays the command's streams and reports its end.

mod streams;

use super::decoder::{Chunk, Decoder};
use super::error::ProtocolError;
use super::flow::{BACKLOG, Incoming, OUTBOX, Outgoing, Which};
use super::frame::{self, Kind, header};
use super::outbox::Outbox;
use super::request::{self, Collector, Request};
use super::terminal::{Change, Keys, MODES};
use crate::exit::End;
use crate::limits;

/// What the client asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientMessage<'i> {
    /// The request is complete: [`ServerEnd::take_request`].
    Start,
    /// Bytes for the command's stdin: [`ServerEnd::write_input`].
    Input(&'i [u8]),
    /// stdin has ended behind what waits to be written.
    InputEnded,
    /// A signal for the command's process group.
    Signal(u8),
    /// Stop the command.
    Terminate,
    /// This stream has no reader any more.
    HangUp(Which),
    /// The stub's terminal has this size now.
    Resize(u64),
    /// Whether the stub is in its terminal's foreground.
    Foreground(bool),
    /// The stub's terminal has other modes now: [`ServerEnd::terminal_modes`].
    Modes,
    /// Whether something waits to be read at the stub's terminal.
    Waiting(bool),
}

/// Bytes of the longest answer to a question for the status: a line and a list of arguments of each session.
const STATUS: usize = limits::MAX_SESSIONS * (2 * limits::MESSAGE + 64);

/// The buffers of one session. All zero at first, and memory only as far as they were written to.
pub struct Buffers {
    pub(crate) request: [u8; request::COLLECTED],
    pub(crate) outbox: [u8; OUTBOX + STATUS],
    pub(crate) input: [u8; BACKLOG],
}

impl Buffers {
    /// Nothing in them.
    pub const EMPTY: Buffers =
        Buffers { request: [0; request::COLLECTED], outbox: [0; OUTBOX + STATUS], input: [0; BACKLOG] };
}

/// The server's end of one session.
#[derive(Hash)]
pub struct ServerEnd<'a> {
    /// Whether the client speaks protocol 2, and so was greeted.
    pub negotiated: bool,
    outbox: Outbox<'a>,
    /// Bytes in the outbox of frames that the client does not wait for.
    deferrable: usize,
    input: Incoming<'a>,
    outputs: [Outgoing; 2],
    /// What has arrived of a change of the stub's terminal.
    change: Change,
    /// What a terminal takes for the end of input.
    end_mark: Option<u8>,
    /// Whether something was lost for want of room.
    overrun: bool,
    /// Signals that the command lived to get.
    delivered: u32,
    /// Whether the peer takes no frames but plain text.
    is_plain: bool,
    /// Whether a valid frame has come.
    has_begun: bool,
    /// The program's name, which stands before a reason that a client cannot tell from the command's stderr.
    name: &'static [u8],
    decoder: Decoder,
    /// Collects the request; gone once it is complete.
    collector: Option<Collector<'a>>,
}

impl<'a> ServerEnd<'a> {
    /// A session of which nothing has arrived, at the server of the program of this name.
    pub fn new(buffers: &'a mut Buffers, name: &'static [u8]) -> ServerEnd<'a> {
        ServerEnd {
            name,
            decoder: Decoder::new(),
            collector: Some(Collector::new(&mut buffers.request)),
            negotiated: false,
            outbox: Outbox::new(&mut buffers.outbox),
            deferrable: 0,
            input: Incoming::new(&mut buffers.input),
            outputs: [Outgoing::new(Kind::Output), Outgoing::new(Kind::Error)],
            change: Change::default(),
            end_mark: None,
            overrun: false,
            delivered: 0,
            is_plain: false,
            has_begun: false,
        }
    }

    /// Takes the next frame, or part of one, out of what arrived; `None` when that is used up.
    pub fn receive<'i>(&mut self, arrived: &mut &'i [u8]) -> Result<Option<ClientMessage<'i>>, ProtocolError> {
        self.check()?;
        while let Some(chunk) = self.decoder.next(arrived).inspect_err(|_| self.is_plain |= !self.has_begun)? {
            self.has_begun = true;
            let message = if self.collector.is_some() { self.collect(&chunk)? } else { self.message(&chunk)? };
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }

    /// An error where something was lost since this was asked last, because the client does not read what it asked for, or
    /// sends more than it may.
    pub fn check(&mut self) -> Result<(), ProtocolError> {
        if core::mem::take(&mut self.overrun) { Err(ProtocolError::Overrun) } else { Ok(()) }
    }

    /// The peer is no stub: what it is told is plain text, and frames are not for it.
    pub fn be_plain(&mut self) {
        self.is_plain = true;
    }

    /// Whether the peer is no stub: one that began with something else than a frame.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// A chunk of the request.
    fn collect<'i>(&mut self, chunk: &Chunk<'i>) -> Result<Option<ClientMessage<'i>>, ProtocolError> {
        if chunk.kind as u8 > Kind::Start as u8 {
            return Err(ProtocolError::Unexpected(chunk.kind));
        }
        let Some(collector) = &mut self.collector else { return Ok(None) };
        let complete = collector.take(chunk)?;
        if !self.negotiated && collector.attributes().protocol >= frame::PROTOCOL {
            // Before anything else.
            self.negotiated = true;
            self.push_deferrable(Kind::Hello, frame::PROTOCOL);
        }
        Ok(complete.then_some(ClientMessage::Start))
    }

    /// A chunk of what comes after the request.
    fn message<'i>(&mut self, chunk: &Chunk<'i>) -> Result<Option<ClientMessage<'i>>, ProtocolError> {
        let message = match chunk.kind {
            Kind::Input if chunk.number == 0 => {
                self.end_input();
                Some(ClientMessage::InputEnded)
            }
            Kind::Input => Some(ClientMessage::Input(chunk.bytes)),
            Kind::Terminate => Some(ClientMessage::Terminate),
            kind if !self.negotiated => return Err(ProtocolError::Unexpected(kind)),
            Kind::OutputCredit => self.credit(Which::Output, chunk.number),
            Kind::ErrorCredit => self.credit(Which::Error, chunk.number),
            Kind::Signal => u8::try_from(chunk.number).ok().filter(|n| (1..=64).contains(n)).map(ClientMessage::Signal),
            Kind::HangUp => {
                Which::BOTH.into_iter().find(|which| which.kind().number() == chunk.number).map(ClientMessage::HangUp)
            }
            Kind::Pixels => {
                self.change.pixels = chunk.number;
                None
            }
            Kind::Size => Some(ClientMessage::Resize(self.change.size(chunk.number))),
            Kind::Foreground => Some(ClientMessage::Foreground(chunk.number != 0)),
            // Of any other length they would be another kernel's.
            Kind::Modes if usize::try_from(chunk.number) == Ok(MODES) => {
                self.change.add_modes(chunk).then_some(ClientMessage::Modes)
            }
            Kind::Waiting => Some(ClientMessage::Waiting(chunk.number != 0)),
            kind => return Err(ProtocolError::Unexpected(kind)),
        };
        Ok(message)
    }

    /// The modes that the stub's terminal has; `None` for what is too short for modes.
    pub fn terminal_modes(&self) -> Option<&[u8; MODES]> {
        self.change.modes.first_chunk()
    }

    /// stdin has ended. A terminal is told by a character of its own, and once more where the last line was not complete
    /// (termios(3), VEOF).
    fn end_input(&mut self) {
        if let Some(mark) = self.end_mark {
            self.overrun |= self.input.arrive(&[mark; 2], 0).is_err();
        }
        self.input.end();
    }

    fn credit<'i>(&mut self, which: Which, bytes: u32) -> Option<ClientMessage<'i>> {
        self.stream(which).credit(bytes);
        None
    }

    /// The command runs, with a terminal (like the stub's or not; its character for the end of input is `end_mark`, where
    /// stdin is on it) or with pipes. A stub that `offered` its own hears of it: there is no hurry, as whatever the command
    /// wants of that terminal comes behind this frame.
    pub fn started(&mut self, is_shared: Option<bool>, end_mark: Option<u8>, offered: bool) {
        self.end_mark = end_mark;
        if self.negotiated && offered {
            let answer = match is_shared {
                None => 0,
                Some(true) => 1,
                Some(false) => 2,
            };
            self.push_deferrable(Kind::Terminal, answer);
        }
    }

    /// Sends a frame.
    fn push(&mut self, kind: Kind, number: u32) {
        self.overrun |= self.outbox.push(&header(kind, number)).is_err();
    }

    /// Sends a frame that the client does not wait for.
    fn push_deferrable(&mut self, kind: Kind, number: u32) {
        self.deferrable += frame::HEADER;
        self.push(kind, number);
    }

    /// Whether the client waits for nothing of what is to be sent, so that it may be sent with what comes next.
    pub fn is_deferrable(&self) -> bool {
        !self.outbox.has_body() && self.outbox.waiting().len() == self.deferrable
    }

    /// Why something is not as the stub wished it, if there is anything to say. Said before anything else of the command.
    pub fn warn(&mut self, reason: &[u8]) {
        if self.negotiated && !reason.is_empty() {
            self.push_body(Kind::Failure, &[reason]);
        }
    }

    /// Sends a frame whose body is these parts.
    pub fn push_body(&mut self, kind: Kind, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        self.push(kind, u32::try_from(length).unwrap_or(u32::MAX));
        for part in parts {
            self.overrun |= self.outbox.push(part).is_err();
        }
    }

    /// The request, once [`ClientMessage::Start`] has said that it is complete. Comes once.
    pub fn take_request(&mut self) -> Option<Request<'a>> {
        self.collector.take().map(Collector::finish)
    }

    /// Bytes in its buffers.
    pub fn kept(&self) -> usize {
        let request = self.collector.as_ref().map_or(0, Collector::len);
        request + self.outbox.waiting().len() + self.input.waiting().len()
    }

    /// Whether a part of something has arrived.
    pub fn is_midway(&self) -> bool {
        !self.decoder.is_between_frames() || self.collector.as_ref().is_some_and(|collector| !collector.is_empty())
    }

    /// The stub has gone: what the command still writes while it ends is dropped, so that it is not ended by that instead.
    pub fn forget_peer(&mut self) {
        self.negotiated = false;
        self.outbox.clear();
        self.deferrable = 0;
    }

    /// The command was stopped by this signal. One of protocol 1 has no word for it.
    pub fn stopped(&mut self, signal: u8) {
        if self.negotiated {
            let delivered = self.delivered.min(u32::MAX >> 8) << 8;
            self.push(Kind::Stopped, delivered | u32::from(signal));
        }
    }

    /// The command does this with the keys of the stub's terminal.
    pub fn keys(&mut self, keys: Keys) {
        if self.negotiated {
            self.push(Kind::Keys, keys as u32);
        }
    }

    /// The command got a signal of the client's.
    pub fn delivered(&mut self) {
        self.delivered = self.delivered.saturating_add(1);
    }

    /// The command has ended, and what it had written was sent. The connection's last frame; in protocol 1 there is none
    /// for a death by signal, so that the connection closes without one.
    pub fn finish(&mut self, end: End) {
        if self.is_plain {
            return;
        }
        for which in Which::BOTH {
            if self.stream(which).is_open() {
                self.send(which, 0);
            }
        }
        if self.negotiated && self.delivered > 0 {
            self.push(Kind::Delivered, self.delivered);
        }
        match end {
            End::Code(code) => self.push(Kind::Exit, code.into()),
            End::Signal(signal) if self.negotiated => self.push(Kind::Signaled, signal.into()),
            End::Signal(_) => {}
        }
    }

    /// The command could not be run, because of `reason`. A client of protocol 1 finds the line on its stderr.
    pub fn fail(&mut self, code: u8, reason: &[u8]) {
        self.collector = None;
        if self.is_plain {
            for part in [self.name, b": ", reason, b"\n"] {
                self.overrun |= self.outbox.push(part).is_err();
            }
        } else if self.negotiated {
            self.push_body(Kind::Failure, &[reason]);
        } else {
            self.push_body(Kind::Error, &[self.name, b": ", reason, b"\n"]);
        }
        self.finish(End::Code(code));
    }

    /// What is to be sent.
    pub fn outgoing(&self) -> &[u8] {
        self.outbox.waiting()
    }

    /// The first `count` bytes of that, or of the body that is due, were sent.
    pub fn sent(&mut self, count: usize) {
        self.outbox.sent(count);
        self.deferrable = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(test: impl FnOnce(ServerEnd<'_>) -> T) -> T {
        // A static is in place; a box of this size would first stand on the test's stack.
        static BUFFERS: std::sync::Mutex<Buffers> = std::sync::Mutex::new(Buffers::EMPTY);
        let mut buffers = BUFFERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        test(ServerEnd::new(&mut buffers, b"k8pshd"))
    }

    fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
        [&header(kind, u32::try_from(body.len()).expect("small")), body].concat()
    }

    fn start(server: &mut ServerEnd<'_>, negotiate: bool) {
        let mut request = if negotiate { frame(Kind::Variable, b"K8PSH_PROTOCOL=2") } else { Vec::new() };
        request.extend(frame(Kind::Start, b"cc"));
        assert_eq!(server.receive(&mut &request[..]), Ok(Some(ClientMessage::Start)));
        assert_eq!(server.take_request().expect("complete").command(), c"cc");
    }

    /// Takes everything that is to be sent.
    fn drain(server: &mut ServerEnd<'_>) -> Vec<u8> {
        let bytes = server.outgoing().to_vec();
        server.sent(bytes.len());
        bytes
    }

    #[test]
    fn a_client_of_protocol_1_gets_nothing_but_its_frames() {
        with(|mut server| {
            start(&mut server, false);
            assert_eq!(drain(&mut server), b"");
            server.space(Which::Output, 2).copy_from_slice(b"hi");
            server.send(Which::Output, 2);
            server.finish(End::Code(7));
            assert_eq!(drain(&mut server), b"\x05\x02\0\0\0hi\x05\0\0\0\0\x06\0\0\0\0\x08\x07\0\0\0");
        });
        with(|mut server| {
            start(&mut server, false);
            server.finish(End::Signal(9));
            assert_eq!(drain(&mut server), b"\x05\0\0\0\0\x06\0\0\0\0");
        });
        with(|mut server| {
            start(&mut server, false);
            server.fail(127, b"no");
            assert_eq!(drain(&mut server), b"\x06\x0b\0\0\0k8pshd: no\n\x05\0\0\0\0\x06\0\0\0\0\x08\x7f\0\0\0");
            assert_eq!(server.receive(&mut &header(Kind::Signal, 2)[..]), Err(ProtocolError::Unexpected(Kind::Signal)));
        });
    }

    #[test]
    fn a_client_of_protocol_2_is_greeted_before_anything_else() {
        with(|mut server| {
            start(&mut server, true);
            server.finish(End::Signal(11));
            assert_eq!(drain(&mut server), b"\x10\x02\0\0\0\x05\0\0\0\0\x06\0\0\0\0\x12\x0b\0\0\0");
        });
        with(|mut server| {
            assert_eq!(server.receive(&mut &frame(Kind::Variable, b"K8PSH_PROTOCOL=2")[..]), Ok(None));
            server.fail(126, b"why");
            assert!(drain(&mut server).starts_with(b"\x10\x02\0\0\0\x11\x03\0\0\0why"));
        });
    }

    #[test]
    fn messages_arrive_as_they_were_sent() {
        with(|mut server| {
            start(&mut server, true);
            let bytes = [
                frame(Kind::Input, b"abc"),
                header(Kind::Signal, 15).to_vec(),
                header(Kind::Signal, 0).to_vec(),
                header(Kind::Signal, 65).to_vec(),
                header(Kind::HangUp, 5).to_vec(),
                header(Kind::HangUp, 4).to_vec(),
                header(Kind::Terminate, 0).to_vec(),
                header(Kind::Input, 0).to_vec(),
            ]
            .concat();
            let mut arrived = &bytes[..];
            let wanted = [
                ClientMessage::Input(b"abc"),
                ClientMessage::Signal(15),
                ClientMessage::HangUp(Which::Output),
                ClientMessage::Terminate,
            ];
            for message in wanted {
                assert_eq!(server.receive(&mut arrived), Ok(Some(message)));
                server.write_input(b"abc", &mut |_| Some(3));
            }
            assert_eq!(server.receive(&mut arrived), Ok(Some(ClientMessage::InputEnded)));
            assert_eq!(server.receive(&mut arrived), Ok(None));
            assert!(server.write_input(b"", &mut |_| unreachable!("nothing waits")));
        });
    }

    #[test]
    fn modes_of_another_length_are_a_fault_wherever_they_are_cut() {
        for length in [0, 1, 35, 37, 72] {
            for size in 1..=80 {
                with(|mut server| {
                    start(&mut server, true);
                    let bytes = frame(Kind::Modes, &vec![7; length]);
                    let faults = bytes.chunks(size).filter(|part| server.receive(&mut &**part).is_err()).count();
                    assert!(faults > 0, "{length} bytes in parts of {size}");
                });
            }
        }
        with(|mut server| {
            start(&mut server, true);
            let modes = frame(Kind::Modes, &[7; MODES]);
            assert_eq!(server.receive(&mut &modes[..]), Ok(Some(ClientMessage::Modes)));
            assert_eq!(server.terminal_modes(), Some(&[7; MODES]));
        });
    }

    #[test]
    fn stdin_is_written_in_order_and_closed_behind_its_last_byte() {
        with(|mut server| {
            start(&mut server, true);
            let mut written = Vec::new();
            assert!(!server.write_input(b"abc", &mut |bytes| {
                written.extend_from_slice(&bytes[..1]);
                Some(1)
            }));
            assert!(!server.write_input(b"de", &mut |_| unreachable!("others wait before it")));
            assert_eq!(server.receive(&mut &header(Kind::Input, 0)[..]), Ok(Some(ClientMessage::InputEnded)));
            assert!(server.write_input(b"", &mut |bytes| {
                written.extend_from_slice(bytes);
                Some(bytes.len())
            }));
            assert_eq!(written, b"abcde");
        });
    }

    #[test]
    fn a_client_hears_once_that_its_stdin_has_no_reader() {
        with(|mut server| {
            start(&mut server, true);
            drain(&mut server);
            assert!(server.write_input(b"abc", &mut |_| None));
            assert!(server.write_input(b"abc", &mut |_| unreachable!("it is closed")));
            assert_eq!(drain(&mut server), b"\x04\0\0\0\0");
        });
    }

    #[test]
    fn a_peer_that_began_with_a_frame_is_answered_in_frames_whatever_follows() {
        let variable = frame(Kind::Variable, b"K8PSH_PROTOCOL=2");
        for (bytes, is_plain) in [(&b"GET / HTTP/1.1"[..], true), (&[&variable[..], b"GET"].concat(), false)] {
            with(|mut server| {
                assert_eq!(server.receive(&mut &*bytes), Err(ProtocolError::Unknown(b'G')));
                assert_eq!(server.is_plain(), is_plain);
            });
        }
    }

    #[test]
    fn a_stream_waits_for_credit_and_gives_it() {
        with(|mut server| {
            start(&mut server, true);
            while server.allowance(Which::Output) > 0 {
                let count = server.allowance(Which::Output);
                server.send(Which::Output, count);
                drain(&mut server);
            }
            assert!(server.allowance(Which::Error) > 0, "the other stream has a window of its own");
            assert_eq!(server.receive(&mut &header(Kind::OutputCredit, 70_000)[..]), Ok(None));
            assert_eq!(server.allowance(Which::Output), 70_000);
            assert!(!server.write_input(&vec![0; limits::WINDOW / 2], &mut |_| Some(0)));
            assert_eq!((drain(&mut server), server.has_input()), (Vec::new(), true));
            assert!(!server.write_input(b"", &mut |bytes| Some(bytes.len())));
            assert_eq!(drain(&mut server), header(Kind::InputCredit, 128 << 10));
        });
    }

    #[test]
    fn random_frames_never_break_it() {
        let mut random = fastrand::Rng::with_seed(3);
        with(|mut server| {
            start(&mut server, true);
            for _ in 0..200_000 {
                let mut bytes = [0; 16];
                random.fill(&mut bytes);
                bytes[0] = [4, 4, 7, 20, 23, 24, 25, 99][random.usize(..8)];
                bytes[2..5].fill(0);
                let mut arrived = &bytes[..];
                server.decoder = Decoder::new();
                while let Ok(Some(message)) = server.receive(&mut arrived) {
                    if let ClientMessage::Input(bytes) = message {
                        server.write_input(bytes, &mut |bytes| Some(random.usize(..=bytes.len())));
                        server.write_input(b"", &mut |bytes| Some(bytes.len()));
                    }
                }
                drain(&mut server);
            }
        });
    }

    /// The same, with a request that was taken, of a client of protocol 2 unless `is_old`.
    fn with_started(is_old: bool, test: impl FnOnce(ServerEnd<'_>)) {
        with(|mut server| {
            start(&mut server, !is_old);
            drain(&mut server);
            test(server);
        });
    }

    /// Sends nothing until the outbox is full.
    fn fill(server: &mut ServerEnd<'_>) {
        while server.check().is_ok() {
            server.keys(Keys::None);
        }
    }

    #[test]
    fn what_the_client_does_not_read_is_an_error_once() {
        with_started(false, |mut server| {
            fill(&mut server);
            assert_eq!(server.check(), Ok(()));
            server.keys(Keys::All);
            assert_eq!(server.receive(&mut &b""[..]), Err(ProtocolError::Overrun));
            assert_eq!(server.receive(&mut &b""[..]), Ok(None));
            server.moved(limits::WINDOW / 2);
            assert_eq!(server.check(), Err(ProtocolError::Overrun), "the credit was lost");
            server.sent(frame::HEADER);
            server.warn(b"too long");
            assert_eq!(server.check(), Err(ProtocolError::Overrun), "the reason was lost");
            server.be_plain();
            server.fail(1, b"");
            assert_eq!(server.check(), Err(ProtocolError::Overrun), "the line was lost");
        });
    }

    #[test]
    fn the_longest_status_fits() {
        with_started(false, |mut server| {
            for _ in 0..limits::MAX_SESSIONS {
                server.push_body(Kind::Output, &[&[0; limits::MESSAGE], &[0; limits::MESSAGE], b"\n"]);
            }
            assert_eq!(server.check(), Ok(()));
        });
    }

    #[test]
    fn stdin_beyond_its_window_is_an_error() {
        let large = vec![0; BACKLOG];
        with_started(false, |mut server| {
            server.write_input(&large[..limits::WINDOW], &mut |_| Some(0));
            assert!(server.has_room());
            server.write_input(&large[..1], &mut |_| unreachable!("others wait"));
            assert!(!server.has_room());
            server.write_input(&large, &mut |_| unreachable!("others wait"));
            assert_eq!(server.check(), Err(ProtocolError::Overrun));
        });
        with_started(false, |mut server| {
            server.started(None, Some(4), false);
            server.write_input(&large, &mut |_| Some(0));
            let end = header(Kind::Input, 0);
            assert_eq!(server.receive(&mut &end[..]), Ok(Some(ClientMessage::InputEnded)));
            assert_eq!(server.check(), Err(ProtocolError::Overrun), "the terminal's mark was lost");
        });
    }

    #[test]
    fn a_peer_that_takes_no_frames_is_told_in_plain_text() {
        with(|mut server| {
            assert!(!server.is_plain());
            server.be_plain();
            server.fail(1, b"no");
            assert_eq!(drain(&mut server), b"k8pshd: no\n");
        });
    }

    #[test]
    fn what_changes_at_the_stubs_terminal_is_heard() {
        with_started(false, |mut server| {
            let bytes = [
                header(Kind::Pixels, 0x0004_0003),
                header(Kind::Size, 0x0002_0001),
                header(Kind::Foreground, 1),
                header(Kind::Foreground, 0),
                header(Kind::Waiting, 1),
                header(Kind::Waiting, 0),
            ]
            .concat();
            let mut arrived = &bytes[..];
            for message in [
                ClientMessage::Resize(0x0004_0003_0002_0001),
                ClientMessage::Foreground(true),
                ClientMessage::Foreground(false),
                ClientMessage::Waiting(true),
                ClientMessage::Waiting(false),
            ] {
                assert_eq!(server.receive(&mut arrived), Ok(Some(message)));
            }
        });
    }

    #[test]
    fn a_stub_that_offered_its_terminal_hears_what_came_of_it() {
        for (is_old, is_shared, offered, frames) in [
            (false, Some(true), true, &header(Kind::Terminal, 1)[..]),
            (false, Some(false), true, &header(Kind::Terminal, 2)),
            (false, None, true, &header(Kind::Terminal, 0)),
            (false, Some(true), false, b""),
            (true, Some(true), true, b""),
            (true, None, false, b""),
        ] {
            with_started(is_old, |mut server| {
                server.started(is_shared, None, offered);
                assert!(server.is_deferrable(), "{is_shared:?}, offered: {offered}");
                assert_eq!(drain(&mut server), frames, "{is_shared:?}, offered: {offered}");
            });
        }
    }

    #[test]
    fn a_terminal_hears_of_the_end_of_stdin_by_its_mark_twice() {
        with_started(false, |mut server| {
            server.started(Some(true), Some(4), true);
            let end = header(Kind::Input, 0);
            assert_eq!(server.receive(&mut &end[..]), Ok(Some(ClientMessage::InputEnded)));
            let mut written = Vec::new();
            assert!(server.write_input(b"", &mut |bytes| {
                written.extend_from_slice(bytes);
                Some(bytes.len())
            }));
            assert_eq!(written, [4, 4]);
        });
    }

    #[test]
    fn a_greeting_and_ends_of_streams_may_wait_and_nothing_else() {
        with(|mut server| {
            start(&mut server, true);
            assert!(server.is_deferrable(), "the greeting");
            server.send(Which::Output, 0);
            server.send(Which::Error, 0);
            assert!(server.is_deferrable(), "and two ends");
            server.started(None, None, true);
            assert!(server.is_deferrable(), "and that there is no terminal");
            server.keys(Keys::None);
            assert!(!server.is_deferrable());
            drain(&mut server);
            assert!(server.is_deferrable(), "nothing waits");
        });
        with_started(false, |mut server| {
            server.send(Which::Output, 1);
            assert!(!server.is_deferrable(), "output");
        });
        with_started(false, |mut server| {
            server.announce(Which::Output, 5);
            server.sent(frame::HEADER);
            assert!(!server.is_deferrable(), "a body that is moved");
        });
    }

    #[test]
    fn a_warning_is_for_clients_that_can_tell_it_from_stderr() {
        for (is_old, reason, frames) in
            [(false, &b"hm"[..], &b"\x11\x02\0\0\0hm"[..]), (false, b"", b""), (true, b"hm", b"")]
        {
            with_started(is_old, |mut server| {
                server.warn(reason);
                assert_eq!(drain(&mut server), frames);
            });
        }
    }

    #[test]
    fn what_is_kept_are_the_bytes_in_all_buffers() {
        with(|mut server| {
            assert_eq!((server.kept(), server.is_midway()), (0, false));
            assert_eq!(server.receive(&mut &frame(Kind::Variable, b"K8PSH_PROTOCOL=2")[..]), Ok(None));
            assert_eq!((server.kept(), server.is_midway()), (5, false), "the greeting; an attribute is no part");
            assert_eq!(server.receive(&mut &frame(Kind::Argument, b"abc")[..]), Ok(None));
            assert_eq!((server.kept(), server.is_midway()), (10, true));
            start(&mut server, false);
            assert_eq!((server.kept(), server.is_midway()), (5, false), "the request was taken");
            server.write_input(b"abcd", &mut |_| Some(1));
            assert_eq!(server.kept(), 8);
            assert_eq!(server.receive(&mut &b"\x07"[..]), Ok(None));
            assert!(server.is_midway());
        });
    }

    #[test]
    fn nothing_is_kept_for_a_peer_that_has_gone() {
        with_started(false, |mut server| {
            server.keys(Keys::All);
            server.forget_peer();
            server.keys(Keys::All);
            server.stopped(20);
            assert_eq!((server.outgoing(), server.is_deferrable()), (&b""[..], true));
        });
    }

    #[test]
    fn a_stop_and_an_end_say_how_many_signals_had_come() {
        with_started(false, |mut server| {
            server.stopped(20);
            server.delivered();
            server.delivered();
            server.stopped(19);
            server.finish(End::Code(3));
            let frames = [
                header(Kind::Stopped, 20),
                header(Kind::Stopped, 2 << 8 | 19),
                header(Kind::Output, 0),
                header(Kind::Error, 0),
                header(Kind::Delivered, 2),
                header(Kind::Exit, 3),
            ];
            assert_eq!(drain(&mut server), frames.concat());
        });
    }

    #[test]
    fn a_stop_says_no_more_signals_than_it_can_count() {
        with_started(false, |mut server| {
            server.delivered = u32::MAX - 1;
            server.delivered();
            server.delivered();
            server.stopped(20);
            assert_eq!(drain(&mut server), header(Kind::Stopped, 0xffff_ff14));
        });
    }

    #[test]
    fn what_the_command_does_with_the_keys_is_told_to_clients_that_can_hear_it() {
        for is_old in [false, true] {
            with_started(is_old, |mut server| {
                server.keys(Keys::Verbatim);
                let frames = if is_old { Vec::new() } else { header(Kind::Keys, 3).to_vec() };
                assert_eq!(drain(&mut server), frames);
            });
        }
    }

    #[test]
    fn a_large_body_of_stdin_is_moved_unless_it_has_to_be_copied() {
        with_started(false, |mut server| {
            let large = u32::try_from(limits::BULK).expect("small");
            assert_eq!(server.movable(), None);
            assert_eq!(server.receive(&mut &header(Kind::Input, large)[..]), Ok(None));
            assert_eq!(server.movable(), Some(limits::BULK));
            server.moved(limits::BULK - 2);
            assert_eq!(server.movable(), Some(2));
            server.copy();
            assert_eq!(server.movable(), None);
            assert_eq!(server.receive(&mut &b"ab"[..]), Ok(Some(ClientMessage::Input(b"ab"))));
            server.moved(limits::WINDOW / 2 - limits::BULK + 2);
            assert_eq!(drain(&mut server), header(Kind::InputCredit, 128 << 10));
        });
        with_started(false, |mut server| {
            let modes = header(Kind::Failure, u32::try_from(limits::BULK).expect("small"));
            assert_eq!(server.receive(&mut &modes[..]), Ok(None));
            assert_eq!(server.movable(), None, "that is not stdin");
        });
    }

    #[test]
    fn stdin_that_nobody_reads_is_dropped_and_nothing_said() {
        with_started(false, |mut server| {
            server.drop_input();
            assert!(server.write_input(b"abc", &mut |_| unreachable!("it is closed")));
            assert_eq!((drain(&mut server), server.has_input()), (Vec::new(), false));
        });
    }

    /// How many bytes of stdout are sent until there is no allowance; at most four windows.
    fn sent_until_held(server: &mut ServerEnd<'_>) -> usize {
        let mut sent = 0;
        while sent < 4 * limits::WINDOW && server.allowance(Which::Output) > 0 {
            let count = server.allowance(Which::Output);
            server.send(Which::Output, count);
            drain(server);
            sent += count;
        }
        sent
    }

    #[test]
    fn a_window_holds_neither_for_protocol_1_nor_while_stdin_overflows_its_own() {
        with_started(true, |mut server| assert_eq!(sent_until_held(&mut server), 4 * limits::WINDOW));
        with_started(false, |mut server| assert_eq!(sent_until_held(&mut server), limits::WINDOW));
        with_started(false, |mut server| {
            server.write_input(&vec![0; limits::WINDOW + 1], &mut |_| Some(0));
            assert_eq!(sent_until_held(&mut server), 4 * limits::WINDOW);
        });
    }

    #[test]
    fn output_that_is_moved_is_due_behind_its_header() {
        with_started(false, |mut server| {
            assert!(!server.has_body());
            server.announce(Which::Error, 7);
            assert_eq!((server.has_body(), server.body_due()), (true, 0));
            assert_eq!(server.outgoing(), header(Kind::Error, 7));
            server.sent(frame::HEADER);
            assert_eq!((server.outgoing(), server.body_due()), (&b""[..], 7));
            server.sent(7);
            assert_eq!((server.has_body(), server.body_due()), (false, 0));
        });
    }

    #[test]
    fn a_stream_without_a_reader_sends_nothing_not_even_its_end() {
        with_started(false, |mut server| {
            server.hang_up(Which::Output);
            assert_eq!(server.allowance(Which::Output), 0);
            server.finish(End::Code(0));
            assert_eq!(drain(&mut server), [header(Kind::Error, 0), header(Kind::Exit, 0)].concat());
        });
    }
}
