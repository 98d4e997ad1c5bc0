//! The server's end of a session: takes the request, then relays the command's streams and reports its end.

use super::decoder::{Chunk, Decoder};
use super::flow::{Incoming, Outgoing, Which};
use super::frame::{self, Kind, header};
use super::queue::Queue;
use super::request::{Collector, Request};
use super::{BACKLOG, MODES, OUTBOX, ProtocolError, request};
use crate::exit::End;
use crate::text::name::SERVER;

/// What the client asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientMessage<'i> {
    /// The request is complete: [`ServerEnd::take_request`].
    Start,
    /// Bytes for the command's stdin. What cannot be written at once goes to [`ServerEnd::keep`].
    Input(&'i [u8]),
    /// A signal for the command's process group.
    Signal(u8),
    /// Stop the command.
    Terminate,
    /// Nobody reads this stream any more.
    HangUp(Which),
    /// The stub's terminal has this size now.
    Resize(u64),
    /// Whether the stub is in its terminal's foreground.
    Foreground(bool),
    /// The stub's terminal has other modes now: [`ServerEnd::terminal_modes`].
    Modes,
}

/// The buffers of one session. All zero at first.
pub struct Buffers {
    request: [u8; request::COLLECTED],
    outbox: [u8; OUTBOX],
    input: [u8; BACKLOG],
}

impl Buffers {
    /// Empty ones.
    pub const EMPTY: Buffers = Buffers { request: [0; request::COLLECTED], outbox: [0; OUTBOX], input: [0; BACKLOG] };
}

/// The server's end of one session. What is used most comes first, where short instructions reach it.
#[repr(C)]
pub struct ServerEnd<'a> {
    /// Whether the client speaks protocol 2.
    negotiated: bool,
    outbox: Queue<'a>,
    /// Bytes in the outbox of frames that nobody waits for.
    deferrable: usize,
    input: Incoming<'a>,
    outputs: [Outgoing; 2],
    /// The size in pixels of the stub's terminal, which comes ahead of its rows and columns.
    pixels: u32,
    /// The modes of the stub's terminal as far as they have arrived.
    modes: heapless::Vec<u8, MODES>,
    /// What a terminal takes for the end of input.
    end_mark: Option<u8>,
    /// Whether something was lost for want of room.
    overrun: bool,
    /// Whether the peer takes no frames but plain text.
    is_plain: bool,
    decoder: Decoder,
    /// Collects the request; gone once it is complete.
    collector: Option<Collector<'a>>,
}

impl<'a> ServerEnd<'a> {
    /// A session of which nothing has arrived.
    pub fn new(buffers: &'a mut Buffers) -> ServerEnd<'a> {
        ServerEnd {
            decoder: Decoder::new(),
            collector: Some(Collector::new(&mut buffers.request)),
            negotiated: false,
            outbox: Queue::new(&mut buffers.outbox),
            deferrable: 0,
            input: Incoming::new(&mut buffers.input),
            outputs: [Outgoing::new(Kind::Output), Outgoing::new(Kind::Error)],
            pixels: 0,
            modes: heapless::Vec::new(),
            end_mark: None,
            overrun: false,
            is_plain: false,
        }
    }

    /// Takes the next frame, or part of one, out of what arrived; `None` when that is used up.
    pub fn receive<'i>(&mut self, arrived: &mut &'i [u8]) -> Result<Option<ClientMessage<'i>>, ProtocolError> {
        let is_first = self.collector.as_ref().is_some_and(Collector::is_empty);
        while let Some(chunk) = self.decoder.next(arrived).inspect_err(|_| self.is_plain |= is_first)? {
            let order = if self.collector.is_some() { self.collect(&chunk)? } else { self.order(&chunk)? };
            if order.is_some() {
                return Ok(order);
            }
        }
        Ok(None)
    }

    /// The peer is no stub: what it is told is plain text, and frames are not for it.
    pub fn be_plain(&mut self) {
        self.is_plain = true;
    }

    /// Whether the peer is no stub. One that begins with what is no frame is none.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// A chunk of the request.
    fn collect<'i>(&mut self, chunk: &Chunk<'i>) -> Result<Option<ClientMessage<'i>>, ProtocolError> {
        if chunk.kind as u8 > Kind::Start as u8 {
            return Err(ProtocolError::Unexpected(chunk.kind));
        }
        let Some(collector) = &mut self.collector else { return Ok(None) };
        let complete = collector.take(chunk).map_err(ProtocolError::RequestTooLarge)?;
        if !self.negotiated && collector.attributes().protocol >= frame::PROTOCOL {
            // Before anything else.
            self.negotiated = true;
            self.push_deferrable(Kind::Hello, frame::PROTOCOL);
        }
        Ok(complete.then_some(ClientMessage::Start))
    }

    /// A chunk of what comes after the request.
    fn order<'i>(&mut self, chunk: &Chunk<'i>) -> Result<Option<ClientMessage<'i>>, ProtocolError> {
        let order = match chunk.kind {
            Kind::Input if chunk.number == 0 => {
                self.end_input();
                None
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
                self.pixels = chunk.number;
                None
            }
            Kind::Size => Some(ClientMessage::Resize(u64::from(self.pixels) << 32 | u64::from(chunk.number))),
            Kind::Foreground => Some(ClientMessage::Foreground(chunk.number != 0)),
            Kind::Modes => self.modes(chunk),
            kind => return Err(ProtocolError::Unexpected(kind)),
        };
        Ok(order)
    }

    /// A part of the modes.
    fn modes<'i>(&mut self, chunk: &Chunk<'i>) -> Option<ClientMessage<'i>> {
        if chunk.first {
            self.modes.clear();
        }
        let _ = self.modes.extend_from_slice(chunk.bytes);
        chunk.last.then_some(ClientMessage::Modes)
    }

    /// The modes that the stub's terminal has; `None` for what is too short for modes.
    pub fn terminal_modes(&self) -> Option<&[u8; MODES]> {
        self.modes.first_chunk()
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

    /// The command runs, with a terminal (whose character for the end of input is `end_mark`) or with pipes. A stub that
    /// `offered` its own waits to hear of it.
    pub fn started(&mut self, end_mark: Option<u8>, offered: bool) {
        self.end_mark = end_mark;
        match end_mark {
            _ if !self.negotiated || !offered => {}
            Some(_) => self.push(Kind::Terminal, 1),
            None => self.push_deferrable(Kind::Terminal, 0),
        }
    }

    /// Sends a frame.
    #[inline(never)]
    fn push(&mut self, kind: Kind, number: u32) {
        self.overrun |= self.outbox.push(&header(kind, number)).is_err();
    }

    /// Whether something was lost since this was asked last, because the stub does not read what it asked for, or sends more
    /// than it may.
    pub fn take_overrun(&mut self) -> bool {
        core::mem::take(&mut self.overrun)
    }

    /// Sends a frame that nobody waits for.
    fn push_deferrable(&mut self, kind: Kind, number: u32) {
        self.deferrable += frame::HEADER;
        self.push(kind, number);
    }

    /// Whether nobody waits for anything of what is to be sent, so that it may wait for company.
    pub fn is_deferrable(&self) -> bool {
        self.outbox.waiting().len() == self.deferrable
    }

    /// Why something is not as the stub wished it, if there is anything to say. Said before anything else of the command.
    pub fn warn(&mut self, reason: &[u8]) {
        if self.negotiated && !reason.is_empty() {
            self.explain(Kind::Failure, &[reason]);
        }
    }

    fn explain(&mut self, kind: Kind, parts: &[&[u8]]) {
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

    /// Whether the connection may be read: what a read can bring has room.
    pub fn has_room(&self) -> bool {
        self.input.has_room()
    }

    /// The command's stdin.
    pub fn input(&self) -> &Incoming<'a> {
        &self.input
    }

    /// The first `written` of these bytes of stdin were written at once; the rest waits.
    pub fn keep(&mut self, bytes: &[u8], written: usize) {
        self.overrun |= self.input.arrive(bytes, written).is_err();
        self.give_credit();
    }

    /// The first `count` waiting bytes of stdin were written.
    pub fn pass(&mut self, count: usize) {
        self.input.pass(count);
        self.give_credit();
    }

    /// The command has closed its stdin.
    pub fn close_input(&mut self) {
        self.input.close();
        self.push(Kind::Input, 0);
        self.give_credit();
    }

    /// The stub has gone: what the command still writes while it ends is dropped, so that it is not ended by that instead.
    pub fn forget_peer(&mut self) {
        self.negotiated = false;
        self.outbox.clear();
        self.deferrable = 0;
    }

    /// The command has ended: what still comes for its stdin is dropped.
    pub fn drop_input(&mut self) {
        self.input.close();
    }

    fn give_credit(&mut self) {
        if self.negotiated {
            self.overrun |= self.input.give_credit(Kind::InputCredit, &mut self.outbox).is_err();
        }
    }

    fn stream(&mut self, which: Which) -> &mut Outgoing {
        &mut self.outputs[which as usize]
    }

    /// How many bytes of one of the command's streams may be read now; 0: wait.
    ///
    /// The windows do not hold while stdin overflows its own, which a stub that was not greeted in time may let happen:
    /// the credit that would open them stands behind bytes for which there is no room.
    pub fn allowance(&self, which: Which) -> usize {
        let holds = self.negotiated && self.input.has_room();
        self.outputs[which as usize].allowance(&self.outbox, holds)
    }

    /// Where to read `count` bytes of the stream to, no more than the allowance.
    pub fn space(&mut self, which: Which, count: usize) -> &mut [u8] {
        self.outputs[which as usize].space(&mut self.outbox, count)
    }

    /// So many bytes were read there; none: the stream has ended.
    pub fn send(&mut self, which: Which, count: usize) {
        if count == 0 {
            self.deferrable += frame::HEADER;
        }
        self.outputs[which as usize].send(&mut self.outbox, count);
    }

    /// Nobody reads the stream any more.
    pub fn hang_up(&mut self, which: Which) {
        self.stream(which).close();
    }

    /// The command was stopped by this signal. One of protocol 1 has no word for it.
    pub fn stopped(&mut self, signal: u8) {
        if self.negotiated {
            self.push(Kind::Stopped, signal.into());
        }
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
            for part in [SERVER, b": ", reason, b"\n"] {
                self.overrun |= self.outbox.push(part).is_err();
            }
        } else if self.negotiated {
            self.explain(Kind::Failure, &[reason]);
        } else {
            self.explain(Kind::Error, &[SERVER, b": ", reason, b"\n"]);
        }
        self.finish(End::Code(code));
    }

    /// What is to be sent.
    pub fn outgoing(&self) -> &[u8] {
        self.outbox.waiting()
    }

    /// The first `count` bytes of that were sent.
    pub fn sent(&mut self, count: usize) {
        self.outbox.consume(count);
        self.deferrable = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn with<T>(test: impl FnOnce(ServerEnd<'_>) -> T) -> T {
        // A static is in place; a box of this size would first stand on the test's stack.
        static BUFFERS: std::sync::Mutex<Buffers> = std::sync::Mutex::new(Buffers::EMPTY);
        let mut buffers = BUFFERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        test(ServerEnd::new(&mut buffers))
    }

    fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
        [&header(kind, u32::try_from(body.len()).expect("small")), body].concat()
    }

    fn start(far: &mut ServerEnd<'_>, negotiate: bool) {
        let mut request = if negotiate { frame(Kind::Variable, b"K8PSH_PROTOCOL=2") } else { Vec::new() };
        request.extend(frame(Kind::Start, b"cc"));
        assert_eq!(far.receive(&mut &request[..]), Ok(Some(ClientMessage::Start)));
        assert_eq!(far.take_request().expect("complete").command(), c"cc");
    }

    /// Takes everything that is to be sent.
    fn drain(far: &mut ServerEnd<'_>) -> Vec<u8> {
        let bytes = far.outgoing().to_vec();
        far.sent(bytes.len());
        bytes
    }

    #[test]
    fn a_client_of_protocol_1_gets_nothing_but_its_frames() {
        with(|mut far| {
            start(&mut far, false);
            assert_eq!(drain(&mut far), b"");
            far.space(Which::Output, 2).copy_from_slice(b"hi");
            far.send(Which::Output, 2);
            far.finish(End::Code(7));
            assert_eq!(drain(&mut far), b"\x05\x02\0\0\0hi\x05\0\0\0\0\x06\0\0\0\0\x08\x07\0\0\0");
        });
        with(|mut far| {
            start(&mut far, false);
            far.finish(End::Signal(9));
            assert_eq!(drain(&mut far), b"\x05\0\0\0\0\x06\0\0\0\0");
        });
        with(|mut far| {
            start(&mut far, false);
            far.fail(127, b"no");
            assert_eq!(drain(&mut far), b"\x06\x0b\0\0\0k8pshd: no\n\x05\0\0\0\0\x06\0\0\0\0\x08\x7f\0\0\0");
            assert_eq!(far.receive(&mut &header(Kind::Signal, 2)[..]), Err(ProtocolError::Unexpected(Kind::Signal)));
        });
    }

    #[test]
    fn a_client_of_protocol_2_is_greeted_before_anything_else() {
        with(|mut far| {
            start(&mut far, true);
            far.finish(End::Signal(11));
            assert_eq!(drain(&mut far), b"\x10\x02\0\0\0\x05\0\0\0\0\x06\0\0\0\0\x12\x0b\0\0\0");
        });
        with(|mut far| {
            assert_eq!(far.receive(&mut &frame(Kind::Variable, b"K8PSH_PROTOCOL=2")[..]), Ok(None));
            far.fail(126, b"why");
            assert!(drain(&mut far).starts_with(b"\x10\x02\0\0\0\x11\x03\0\0\0why"));
        });
    }

    #[test]
    fn orders_arrive_as_they_were_sent() {
        with(|mut far| {
            start(&mut far, true);
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
            for order in wanted {
                assert_eq!(far.receive(&mut arrived), Ok(Some(order)));
            }
            assert_eq!(far.receive(&mut arrived), Ok(None));
            assert!(far.input().is_done());
        });
    }

    #[test]
    fn a_stream_waits_for_credit_and_gives_it() {
        with(|mut far| {
            start(&mut far, true);
            while far.allowance(Which::Output) > 0 {
                let count = far.allowance(Which::Output);
                far.send(Which::Output, count);
                drain(&mut far);
            }
            assert!(far.allowance(Which::Error) > 0, "the other stream has a window of its own");
            assert_eq!(far.receive(&mut &header(Kind::OutputCredit, 70_000)[..]), Ok(None));
            assert_eq!(far.allowance(Which::Output), 70_000);
            far.keep(&vec![0; limits::WINDOW / 2], 0);
            assert_eq!(drain(&mut far), b"");
            far.pass(limits::WINDOW / 2);
            assert_eq!(drain(&mut far), header(Kind::InputCredit, 128 << 10));
        });
    }

    #[test]
    fn random_frames_never_break_it() {
        let mut random = fastrand::Rng::with_seed(3);
        with(|mut far| {
            start(&mut far, true);
            for _ in 0..200_000 {
                let mut bytes = [0; 16];
                random.fill(&mut bytes);
                bytes[0] = [4, 4, 7, 20, 23, 24, 25, 99][random.usize(..8)];
                bytes[2..5].fill(0);
                let mut arrived = &bytes[..];
                far.decoder = Decoder::new();
                while let Ok(Some(order)) = far.receive(&mut arrived) {
                    if let ClientMessage::Input(bytes) = order {
                        far.keep(bytes, random.usize(..=bytes.len()));
                        far.pass(far.input().waiting().len());
                    }
                }
                drain(&mut far);
            }
        });
    }
}
