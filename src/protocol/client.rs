//! The stub's end of a session: sends the request, then relays the caller's streams and learns the command's end.

use super::decoder::{Chunk, Decoder};
use super::error::ProtocolError;
use super::flow::{BACKLOG, Incoming, OUTBOX, Outgoing, Which};
use super::frame::{self, Kind, header};
use super::outbox::Outbox;
use super::queue::Queue;
use super::terminal::{Keys, MODES};
use crate::exit::End;

/// What the server says.
#[derive(Debug, PartialEq, Eq)]
pub enum ServerMessage<'i> {
    /// Bytes of one of the command's streams. What cannot be written at once goes to [`ClientEnd::keep`].
    Output(Which, &'i [u8]),
    /// The command has closed its stdin.
    InputClosed,
    /// A part of the reason why the command could not be run.
    Failure(&'i [u8]),
    /// The command's end; nothing follows.
    Ended(End),
    /// The command was stopped by this signal.
    Stopped(u8),
    /// Which terminal the command has.
    Terminal {
        /// Whether it has any.
        is_there: bool,
        /// Whether that is like the stub's.
        is_shared: bool,
    },
    /// What it does with the keys of that.
    Keys(Keys),
}

/// What is known of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// Nothing has come yet. One of protocol 2 greets at once; one of protocol 1 is silent until the command writes.
    Unknown,
    /// It speaks protocol 1.
    Plain,
    /// It speaks protocol 2.
    Negotiated,
}

/// The buffers of one session. All zero at first.
pub struct Buffers {
    outbox: [u8; OUTBOX],
    output: [u8; BACKLOG],
    error: [u8; BACKLOG],
}

impl Buffers {
    /// Nothing in them.
    pub const EMPTY: Buffers = Buffers { outbox: [0; OUTBOX], output: [0; BACKLOG], error: [0; BACKLOG] };
}

/// The signal that has a stopped process go on, in Linux's generic table.
const CONT: u8 = 18;

/// The signals that were passed on.
#[derive(Debug, Default, Hash)]
struct Signals {
    sent: u32,
    /// The last of them that is meant to end a process, and how many were sent before it.
    deadly: Option<(u8, u32)>,
    /// How many of them the command lived to get.
    delivered: u32,
    /// How many were sent up to the last CONT.
    resumed: u32,
}

impl Signals {
    fn sent(&mut self, signal: u8, is_deadly: bool) {
        if is_deadly {
            self.deadly = Some((signal, self.sent));
        }
        self.sent = self.sent.saturating_add(1);
        if signal == CONT {
            self.resumed = self.sent;
        }
    }

    /// Whether a stop before which the command had got so many signals is none any more: a CONT is on its way.
    fn is_undone(&self, delivered: u32) -> bool {
        delivered < self.resumed
    }

    /// How a command ended that exited with this code. A signal that came too late for it was meant for the stub as well,
    /// which stood for it: of a pipeline that a key ends, no member ends as though nothing had been.
    fn end(&self, code: u8) -> End {
        match self.deadly {
            Some((signal, before)) if before >= self.delivered => End::Signal(signal),
            _ => End::Code(code),
        }
    }
}

/// The signal that a frame of this type names.
fn signal_of(kind: Kind, number: u32) -> Result<u8, ProtocolError> {
    u8::try_from(number).ok().filter(|signal| (1..=64).contains(signal)).ok_or(ProtocolError::Unexpected(kind))
}

/// The stub's end of one session.
#[derive(Hash)]
pub struct ClientEnd<'a> {
    decoder: Decoder,
    peer: Peer,
    /// The request, as far as it has not been sent; everything else waits behind it.
    request: Queue<'a>,
    outbox: Outbox<'a>,
    input: Outgoing,
    /// Whether stdin's window holds: until it is known that the server gives no credit.
    holds: bool,
    outputs: [Incoming<'a>; 2],
    signals: Signals,
    /// Whether something was lost for want of room.
    overrun: bool,
}

impl<'a> ClientEnd<'a> {
    /// A session that begins with this request.
    pub fn new(request: Queue<'a>, buffers: &'a mut Buffers) -> ClientEnd<'a> {
        ClientEnd {
            decoder: Decoder::new(),
            peer: Peer::Unknown,
            request,
            outbox: Outbox::new(&mut buffers.outbox),
            input: Outgoing::new(Kind::Input),
            holds: true,
            outputs: [Incoming::new(&mut buffers.output), Incoming::new(&mut buffers.error)],
            signals: Signals::default(),
            overrun: false,
        }
    }

    /// Takes the next frame, or part of one, out of what arrived; `None` when that is used up.
    pub fn receive<'i>(&mut self, arrived: &mut &'i [u8]) -> Result<Option<ServerMessage<'i>>, ProtocolError> {
        while let Some(chunk) = self.decoder.next(arrived)? {
            let event = self.event(&chunk)?;
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    fn event<'i>(&mut self, chunk: &Chunk<'i>) -> Result<Option<ServerMessage<'i>>, ProtocolError> {
        if self.peer == Peer::Unknown {
            self.meet(chunk);
        }
        // What protocol 2 has added comes after its greeting alone.
        if self.peer != Peer::Negotiated && chunk.kind as u8 > Kind::Exit as u8 {
            return Err(ProtocolError::Unexpected(chunk.kind));
        }
        let event = match chunk.kind {
            Kind::Output => self.output(Which::Output, chunk),
            Kind::Error => self.output(Which::Error, chunk),
            Kind::Input if chunk.number == 0 => {
                self.input.close();
                Some(ServerMessage::InputClosed)
            }
            Kind::Exit => Some(ServerMessage::Ended(self.signals.end(chunk.number.to_le_bytes()[0]))),
            Kind::Delivered => {
                self.signals.delivered = chunk.number;
                None
            }
            Kind::Hello if chunk.number == frame::PROTOCOL => None,
            Kind::Failure => Some(ServerMessage::Failure(chunk.bytes)),
            Kind::Signaled => Some(ServerMessage::Ended(End::Signal(signal_of(chunk.kind, chunk.number)?))),
            Kind::Stopped => {
                let signal = signal_of(chunk.kind, chunk.number & 0xff)?;
                (!self.signals.is_undone(chunk.number >> 8)).then_some(ServerMessage::Stopped(signal))
            }
            Kind::Terminal => {
                Some(ServerMessage::Terminal { is_there: chunk.number != 0, is_shared: chunk.number == 1 })
            }
            Kind::Keys => {
                let keys = Keys::of(chunk.number).ok_or(ProtocolError::Unexpected(Kind::Keys))?;
                Some(ServerMessage::Keys(keys))
            }
            Kind::InputCredit => {
                self.input.credit(chunk.number);
                None
            }
            kind => return Err(ProtocolError::Unexpected(kind)),
        };
        Ok(event)
    }

    /// The first frame tells the peer's protocol. A greeting by another protocol is refused like all that protocol 1 has not.
    fn meet(&mut self, chunk: &Chunk<'_>) {
        self.peer = match (chunk.kind, chunk.number) {
            (Kind::Hello, frame::PROTOCOL) => Peer::Negotiated,
            _ => Peer::Plain,
        };
        self.holds = self.peer == Peer::Negotiated;
        if self.holds {
            for which in Which::BOTH {
                if !self.stream(which).is_open() {
                    self.hang_up(which);
                }
            }
        }
    }

    fn output<'i>(&mut self, which: Which, chunk: &Chunk<'i>) -> Option<ServerMessage<'i>> {
        if chunk.number == 0 {
            self.stream_mut(which).end();
            return None;
        }
        Some(ServerMessage::Output(which, chunk.bytes))
    }

    /// What is known of the server.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Whether the connection may be read: what a read can bring has room.
    pub fn has_room(&self) -> bool {
        self.outputs.iter().all(Incoming::has_room)
    }

    /// One of the command's streams.
    pub fn stream(&self, which: Which) -> &Incoming<'a> {
        &self.outputs[which as usize]
    }

    fn stream_mut(&mut self, which: Which) -> &mut Incoming<'a> {
        &mut self.outputs[which as usize]
    }

    /// The first `written` of these bytes of a stream were written at once; the rest waits.
    pub fn keep(&mut self, which: Which, bytes: &[u8], written: usize) {
        self.overrun |= self.stream_mut(which).arrive(bytes, written).is_err();
        self.give_credit(which);
    }

    /// The first `count` waiting bytes of a stream were written.
    pub fn pass(&mut self, which: Which, count: usize) {
        self.stream_mut(which).pass(count);
        self.give_credit(which);
    }

    /// The stream of which a large body is under way, or was the last one, and how many bytes of it may be moved from the
    /// connection to the stream without coming here. 0 of them: what comes next is probably the header of another one.
    pub fn movable(&self) -> Option<(Which, usize)> {
        let (kind, count) = self.decoder.large_body()?;
        Which::of(kind).filter(|which| self.stream(*which).may_move()).map(|which| (which, count))
    }

    /// So many of them were moved.
    pub fn moved(&mut self, which: Which, count: usize) {
        self.decoder.skip(count);
        self.pass(which, count);
    }

    /// No bytes of this stream can be moved.
    pub fn copy(&mut self, which: Which) {
        self.stream_mut(which).copy();
    }

    /// This stream of the stub's has no reader any more: the command is to notice at its next write. A server that has not
    /// greeted yet is told when it does; one of protocol 1 cannot be told.
    pub fn hang_up(&mut self, which: Which) {
        self.stream_mut(which).close();
        if self.peer == Peer::Negotiated {
            self.tell(Kind::HangUp, which.kind().number());
            self.give_credit(which);
        }
    }

    fn give_credit(&mut self, which: Which) {
        if self.peer == Peer::Negotiated {
            let kind = if which == Which::Output { Kind::OutputCredit } else { Kind::ErrorCredit };
            self.overrun |= self.outputs[which as usize].give_credit(kind, &mut self.outbox).is_err();
        }
    }

    /// Passes a signal on; only to a server of protocol 2. One that is deadly ends the stub where it comes too late for the
    /// command.
    pub fn signal(&mut self, signal: u8, is_deadly: bool) {
        self.signals.sent(signal, is_deadly);
        self.tell(Kind::Signal, signal.into());
    }

    /// The stub's terminal has this size, rows in the lowest 16 bits; only to a server of protocol 2.
    #[allow(clippy::cast_possible_truncation, reason = "a half is meant")]
    pub fn resize(&mut self, size: u64) {
        self.tell(Kind::Pixels, (size >> 32) as u32);
        self.tell(Kind::Size, size as u32);
    }

    /// The stub's terminal has these modes; only to a server of protocol 2.
    pub fn modes(&mut self, modes: &[u8; MODES]) {
        self.tell(Kind::Modes, u32::try_from(MODES).unwrap_or(u32::MAX));
        self.overrun |= self.outbox.push(modes).is_err();
    }

    /// Whether the stub is in its terminal's foreground; only to a server of protocol 2.
    pub fn foreground(&mut self, is_in_foreground: bool) {
        self.tell(Kind::Foreground, is_in_foreground.into());
    }

    /// Whether something waits to be read at the stub's terminal; only to a server of protocol 2.
    pub fn waiting(&mut self, waits: bool) {
        self.tell(Kind::Waiting, waits.into());
    }

    fn tell(&mut self, kind: Kind, number: u32) {
        self.overrun |= self.outbox.push(&header(kind, number)).is_err();
    }

    /// Whether something was lost since this was asked last, because the server does not read what it asked for, or sends
    /// more than it may.
    pub fn take_overrun(&mut self) -> bool {
        core::mem::take(&mut self.overrun)
    }

    /// How many bytes of stdin may be read now; 0: wait.
    pub fn allowance(&self) -> usize {
        self.input.allowance(&self.outbox, self.holds)
    }

    /// Whether a whole window of stdin is under way to a server that has not greeted.
    pub fn awaits_greeting(&self) -> bool {
        self.peer == Peer::Unknown && self.input.is_open() && self.input.is_exhausted() && self.holds
    }

    /// The greeting did not come in time. A server of protocol 1, which never greets, gives no credit either.
    pub fn stop_awaiting(&mut self) {
        self.holds &= self.peer != Peer::Unknown;
    }

    /// Where to read `count` bytes of stdin to, no more than the allowance.
    pub fn space(&mut self, count: usize) -> &mut [u8] {
        self.input.space(&mut self.outbox, count)
    }

    /// So many bytes were read there; none: stdin has ended.
    pub fn send(&mut self, count: usize) {
        self.input.send(&mut self.outbox, count);
    }

    /// So many bytes of stdin, at least one and no more than the allowance, are to be moved to the connection.
    pub fn announce(&mut self, count: usize) {
        self.input.announce(&mut self.outbox, count);
    }

    /// Whether such bytes follow what is to be sent.
    pub fn has_body(&self) -> bool {
        self.outbox.has_body()
    }

    /// How many of them are next; 0: [`Self::outgoing`] is.
    pub fn body_due(&self) -> usize {
        self.outbox.body_due()
    }

    /// Whether any byte of the request has been sent.
    pub fn has_begun(&self) -> bool {
        self.request.has_consumed()
    }

    /// Sends the request from its start again: no server has taken it.
    pub fn rewind(&mut self) {
        self.request.rewind();
    }

    /// What is to be sent.
    pub fn outgoing(&self) -> &[u8] {
        if self.request.is_empty() { self.outbox.waiting() } else { self.request.waiting() }
    }

    /// The first `count` bytes of that, or of the body that is due, were sent.
    pub fn sent(&mut self, count: usize) {
        if self.request.is_empty() {
            self.outbox.sent(count);
        } else {
            self.request.consume(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    fn with<T>(test: impl FnOnce(ClientEnd<'_>) -> T) -> T {
        // A static is in place; a box of this size would first stand on the test's stack.
        static BUFFERS: std::sync::Mutex<Buffers> = std::sync::Mutex::new(Buffers::EMPTY);
        let mut buffers = BUFFERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut request = [0; 8];
        let mut request = Queue::new(&mut request);
        request.push(b"request").expect("room");
        test(ClientEnd::new(request, &mut buffers))
    }

    #[test]
    fn the_request_leaves_before_anything_else() {
        with(|mut client| {
            client.space(3).copy_from_slice(b"abc");
            client.send(3);
            client.sent(3);
            assert_eq!(client.outgoing(), b"uest");
            client.sent(4);
            assert_eq!(client.outgoing(), b"\x04\x03\0\0\0abc");
        });
    }

    #[test]
    fn the_first_frame_tells_the_protocol() {
        with(|mut client| {
            assert_eq!(client.receive(&mut &b"\x10\x02\0\0\0"[..]), Ok(None));
            assert_eq!(client.peer(), Peer::Negotiated);
            assert_eq!(client.receive(&mut &b"\x12\x09\0\0\0"[..]), Ok(Some(ServerMessage::Ended(End::Signal(9)))));
        });
        with(|mut client| {
            assert_eq!(
                client.receive(&mut &b"\x05\x01\0\0\0x"[..]),
                Ok(Some(ServerMessage::Output(Which::Output, b"x")))
            );
            assert_eq!(client.peer(), Peer::Plain);
            assert_eq!(client.receive(&mut &b"\x10\x02\0\0\0"[..]), Err(ProtocolError::Unexpected(Kind::Hello)));
        });
        with(|mut client| {
            let answer = client.receive(&mut &b"\x10\x03\0\0\0"[..]);
            assert_eq!(answer, Err(ProtocolError::Unexpected(Kind::Hello)), "a protocol that was not asked for");
        });
    }

    #[test]
    fn a_signal_that_came_too_late_for_the_command_ends_the_stub() {
        for (signals, delivered, wanted) in [
            (&[2][..], 0, End::Signal(2)),
            (&[2], 1, End::Code(0)),
            (&[2, 15], 1, End::Signal(15)),
            (&[2, 28], 1, End::Code(0)),
            (&[28, 2, 18], 1, End::Signal(2)),
            (&[18, 28], 0, End::Code(0)),
            (&[], 0, End::Code(0)),
        ] {
            with(|mut client_end| {
                assert_eq!(client_end.receive(&mut &b"\x10\x02\0\0\0"[..]), Ok(None));
                signals.iter().for_each(|signal| client_end.signal(*signal, matches!(signal, 2 | 15)));
                assert_eq!(client_end.receive(&mut &header(Kind::Delivered, delivered)[..]), Ok(None));
                let exit = header(Kind::Exit, 0);
                let end = client_end.receive(&mut &exit[..]);
                assert_eq!(end, Ok(Some(ServerMessage::Ended(wanted))), "{signals:?}");
            });
        }
    }

    #[test]
    fn an_exit_code_is_its_lowest_byte() {
        with(|mut client| {
            assert_eq!(
                client.receive(&mut &b"\x08\xff\xff\xff\xff"[..]),
                Ok(Some(ServerMessage::Ended(End::Code(255))))
            );
        });
    }

    #[test]
    fn a_stream_is_done_when_its_end_has_come_and_all_was_written() {
        with(|mut client| {
            let mut arrived = &b"\x06\x02\0\0\0hi\x06\0\0\0\0"[..];
            let event = client.receive(&mut arrived);
            assert_eq!(event, Ok(Some(ServerMessage::Output(Which::Error, b"hi"))));
            client.keep(Which::Error, b"hi", 1);
            assert_eq!(client.receive(&mut arrived), Ok(None));
            assert!(!client.stream(Which::Error).is_done());
            client.pass(Which::Error, 1);
            assert!(client.stream(Which::Error).is_done());
            assert!(!client.take_overrun());
        });
    }

    #[test]
    fn what_the_server_does_not_read_is_noted_once() {
        with(|mut client| {
            while !client.take_overrun() {
                client.signal(1, true);
            }
            assert!(!client.take_overrun());
        });
    }

    #[test]
    fn a_client_frame_from_the_server_is_a_fault() {
        for kind in [Kind::Directory, Kind::Start, Kind::Terminate, Kind::Signal, Kind::OutputCredit, Kind::HangUp] {
            with(|mut client| {
                assert_eq!(client.receive(&mut &header(kind, 1)[..]).is_err(), !kind.has_body());
            });
        }
    }

    const HELLO: [u8; 5] = header(Kind::Hello, frame::PROTOCOL);

    /// The same, with a server that has greeted, and without the request before what is to be sent.
    fn with_greeted<T>(test: impl FnOnce(ClientEnd<'_>) -> T) -> T {
        with(|mut client| {
            assert_eq!(client.receive(&mut &HELLO[..]), Ok(None));
            client.sent(b"request".len());
            test(client)
        })
    }

    /// Takes everything that is to be sent.
    fn drain(client: &mut ClientEnd<'_>) -> Vec<u8> {
        let bytes = client.outgoing().to_vec();
        client.sent(bytes.len());
        bytes
    }

    /// Sends nothing until the outbox is full.
    fn fill(client: &mut ClientEnd<'_>) {
        while !client.take_overrun() {
            client.signal(1, false);
        }
    }

    #[test]
    fn a_stop_that_a_signal_on_its_way_undoes_is_none() {
        with_greeted(|mut client| {
            client.signal(2, false);
            client.signal(CONT, false);
            client.signal(28, false);
            let (before, after) = (header(Kind::Stopped, 1 << 8 | 20), header(Kind::Stopped, 2 << 8 | 20));
            assert_eq!(client.receive(&mut &before[..]), Ok(None));
            assert_eq!(client.receive(&mut &after[..]), Ok(Some(ServerMessage::Stopped(20))));
        });
    }

    #[test]
    fn a_second_greeting_by_another_protocol_and_bytes_of_stdin_are_faults() {
        with_greeted(|mut client| {
            assert_eq!(client.receive(&mut &HELLO[..]), Ok(None));
            let other = header(Kind::Hello, frame::PROTOCOL + 1);
            assert_eq!(client.receive(&mut &other[..]), Err(ProtocolError::Unexpected(Kind::Hello)));
            let bytes = &b"\x04\x01\0\0\0x"[..];
            assert_eq!(client.receive(&mut &*bytes), Err(ProtocolError::Unexpected(Kind::Input)));
        });
    }

    #[test]
    fn a_stream_that_is_not_written_holds_the_connection_and_then_overruns() {
        with_greeted(|mut client| {
            let bytes = vec![0; BACKLOG];
            client.keep(Which::Error, &bytes[..limits::WINDOW], 0);
            assert!(client.has_room());
            client.keep(Which::Error, &bytes[..1], 0);
            assert!(!client.has_room());
            client.keep(Which::Error, &bytes, 0);
            assert!(client.take_overrun());
            client.keep(Which::Error, &bytes[..1], 1);
            assert!(!client.take_overrun());
        });
    }

    #[test]
    fn credit_for_which_there_is_no_room_overruns() {
        with_greeted(|mut client| {
            fill(&mut client);
            client.keep(Which::Output, &[0; limits::WINDOW / 2], limits::WINDOW / 2);
            assert!(client.take_overrun());
        });
    }

    #[test]
    fn a_large_body_is_moved_unless_it_has_to_be_copied() {
        with_greeted(|mut client| {
            let large = u32::try_from(limits::BULK).expect("small");
            assert_eq!(client.receive(&mut &header(Kind::Error, large - 1)[..]), Ok(None));
            assert_eq!(client.movable(), None);
            client.moved(Which::Error, limits::BULK - 1);
            assert_eq!(client.receive(&mut &header(Kind::Error, large)[..]), Ok(None));
            assert_eq!(client.movable(), Some((Which::Error, limits::BULK)));
            client.moved(Which::Error, limits::BULK - 2);
            assert_eq!(client.movable(), Some((Which::Error, 2)));
            client.keep(Which::Error, b"x", 0);
            assert_eq!(client.movable(), None, "a byte waits before them");
            client.pass(Which::Error, 1);
            client.copy(Which::Output);
            assert_eq!(client.movable(), Some((Which::Error, 2)), "that is the other stream");
            client.copy(Which::Error);
            assert_eq!(client.movable(), None);
            assert_eq!(client.receive(&mut &b"ab"[..]), Ok(Some(ServerMessage::Output(Which::Error, b"ab"))));
            assert_eq!(client.receive(&mut &b"\x08\x05\0\0\0"[..]), Ok(Some(ServerMessage::Ended(End::Code(5)))));
        });
    }

    #[test]
    fn credit_is_given_for_what_was_moved() {
        with_greeted(|mut client| {
            client.moved(Which::Output, limits::WINDOW / 2);
            client.moved(Which::Error, limits::WINDOW / 2 + 1);
            let half = u32::try_from(limits::WINDOW / 2).expect("small");
            let credit = [header(Kind::OutputCredit, half), header(Kind::ErrorCredit, half + 1)].concat();
            assert_eq!(drain(&mut client), credit);
        });
    }

    #[test]
    fn a_stream_without_a_reader_is_hung_up_once_the_server_has_greeted() {
        with(|mut client| {
            client.sent(b"request".len());
            client.hang_up(Which::Error);
            assert_eq!(drain(&mut client), b"");
            assert_eq!(client.receive(&mut &HELLO[..]), Ok(None));
            assert_eq!(drain(&mut client), header(Kind::HangUp, 6));
            client.hang_up(Which::Output);
            assert_eq!(drain(&mut client), header(Kind::HangUp, 5));
            assert!(client.stream(Which::Output).is_done());
        });
        with(|mut client| {
            client.sent(b"request".len());
            client.hang_up(Which::Output);
            assert_eq!(client.receive(&mut &b"\x06\0\0\0\0"[..]), Ok(None));
            client.hang_up(Which::Error);
            assert_eq!(drain(&mut client), b"", "protocol 1 cannot be told");
        });
    }

    #[test]
    fn what_changes_at_the_terminal_is_told_in_frames_of_its_own() {
        with_greeted(|mut client| {
            client.resize(0x0004_0003_0002_0001);
            let (pixels, size) = (header(Kind::Pixels, 0x0004_0003), header(Kind::Size, 0x0002_0001));
            assert_eq!(drain(&mut client), [pixels, size].concat());
            client.modes(&[7; MODES]);
            assert_eq!(drain(&mut client), [&header(Kind::Modes, 36)[..], &[7; MODES]].concat());
            client.foreground(true);
            client.foreground(false);
            let foreground = [header(Kind::Foreground, 1), header(Kind::Foreground, 0)];
            assert_eq!(drain(&mut client), foreground.concat());
            client.waiting(true);
            client.waiting(false);
            assert_eq!(drain(&mut client), [header(Kind::Waiting, 1), header(Kind::Waiting, 0)].concat());
        });
    }

    #[test]
    fn modes_of_which_only_the_header_fits_overrun() {
        with_greeted(|mut client| {
            fill(&mut client);
            client.sent(10);
            client.modes(&[0; MODES]);
            assert!(client.take_overrun());
        });
    }

    #[test]
    fn the_servers_terminal_and_its_keys_are_told() {
        for (number, is_there, is_shared) in [(0, false, false), (1, true, true), (2, true, false)] {
            with_greeted(|mut client| {
                let terminal = ServerMessage::Terminal { is_there, is_shared };
                assert_eq!(client.receive(&mut &header(Kind::Terminal, number)[..]), Ok(Some(terminal)));
            });
        }
        with_greeted(|mut client| {
            let (known, unknown) = (header(Kind::Keys, 2), header(Kind::Keys, 4));
            assert_eq!(client.receive(&mut &known[..]), Ok(Some(ServerMessage::Keys(Keys::All))));
            assert_eq!(client.receive(&mut &unknown[..]), Err(ProtocolError::Unexpected(Kind::Keys)));
        });
    }

    /// Sends a whole window of stdin.
    fn exhaust(client: &mut ClientEnd<'_>) {
        for _ in 0..2 {
            client.send(limits::FRAME);
            drain(client);
        }
    }

    #[test]
    fn a_greeting_is_awaited_behind_a_whole_window_until_it_is_late() {
        with(|mut client| {
            client.sent(b"request".len());
            assert!(!client.awaits_greeting());
            assert_eq!(client.allowance(), limits::FRAME);
            exhaust(&mut client);
            assert!(client.awaits_greeting());
            assert_eq!(client.allowance(), 0);
            client.stop_awaiting();
            assert!(!client.awaits_greeting());
            assert_eq!(client.allowance(), limits::FRAME);
        });
        with_greeted(|mut client| {
            exhaust(&mut client);
            assert!(!client.awaits_greeting(), "it has come");
            client.stop_awaiting();
            assert_eq!(client.allowance(), 0, "the window holds");
            assert_eq!(client.receive(&mut &header(Kind::InputCredit, 5000)[..]), Ok(None));
            assert_eq!(client.allowance(), 5000);
        });
        with(|mut client| {
            client.sent(b"request".len());
            exhaust(&mut client);
            client.send(0);
            assert!(!client.awaits_greeting(), "nothing more is to be sent");
        });
    }

    #[test]
    fn a_body_that_is_moved_is_due_behind_its_header() {
        with_greeted(|mut client| {
            client.foreground(true);
            let foreground = client.outgoing().to_vec();
            client.announce(limits::FRAME);
            assert_eq!((client.has_body(), client.body_due(), client.allowance()), (true, 0, 0));
            let header = header(Kind::Input, u32::try_from(limits::FRAME).expect("small"));
            assert_eq!(client.outgoing(), [&foreground[..], &header].concat());
            client.sent(10);
            assert_eq!((client.outgoing(), client.body_due()), (&b""[..], limits::FRAME));
            client.sent(limits::FRAME);
            assert_eq!((client.has_body(), client.allowance()), (false, limits::FRAME));
        });
    }

    #[test]
    fn a_request_that_no_server_has_taken_is_sent_again() {
        with(|mut client| {
            assert!(!client.has_begun());
            client.sent(3);
            assert!(client.has_begun());
            client.rewind();
            assert!(!client.has_begun());
            assert_eq!(client.outgoing(), b"request");
        });
    }

    #[test]
    fn nothing_more_is_sent_to_a_command_that_has_closed_its_stdin() {
        with_greeted(|mut client| {
            assert!(client.allowance() > 0);
            assert_eq!(client.receive(&mut &header(Kind::Input, 0)[..]), Ok(Some(ServerMessage::InputClosed)));
            assert_eq!(client.allowance(), 0);
        });
    }
}
