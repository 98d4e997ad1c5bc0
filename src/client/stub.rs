//! A connected stub: its state and its poll loop.

use super::connect::{Connection, Retries};
use super::route::Route;
use super::terminal::Terminal;
use crate::diag::Reported;
use crate::exit::End;
use crate::limits;
use crate::protocol::client::{Buffers, ClientEnd};
use crate::protocol::{Queue, Which};
use crate::reported;
use crate::secure::Transport;
use crate::secure::channel::{Channel, Sealed};
use crate::secure::record::RECORD;
use crate::sys::clock::Instant;
use crate::sys::fd::{self, Conduit, OwnedFd, Stream};
use crate::sys::signal::{self, Set, name};
use crate::sys::statics::StaticCell;
use crate::sys::watch::{Ready, Watch};
use crate::text::line::Line;
use rustix::event::PollFlags;
use rustix::fd::AsFd;

/// The slots of the poll loop.
const SIGNALS: usize = 0;
const CONNECTION: usize = 1;
const INPUT: usize = 2;
const OUTPUT: usize = 3;

/// A stub that is connected. Nothing in it names a server of protocol 1 or 2 beyond what [`ClientEnd`] knows.
pub(super) struct Stub {
    pub(super) route: Route,
    pub(super) connection: Connection,
    /// Until when it may connect, and how often it has connected again.
    pub(super) deadline: Instant,
    pub(super) retries: Retries,
    /// The signals that were blocked when this process started.
    pub(super) blocked: Set,
    /// What its bytes go through.
    pub(super) channel: Channel<'static>,
    /// The numbers of the caller's descriptors that go along.
    pub(super) descriptors: &'static [i32],
    /// Those of them that have not been sent yet.
    pub(super) unsent: &'static [i32],
    /// Whether the server still reads the connection.
    pub(super) server_reads: bool,
    pub(super) machine: ClientEnd<'static>,
    pub(super) streams: Streams,
    /// What moves a large stdin to the connection.
    pub(super) conduit: Conduit,
    pub(super) terminal: Terminal,
    pub(super) signals: OwnedFd,
    pub(super) greeting: Greeting,
    /// Signals that were forwarded and whose effect, a stop or an end, has not been reported since: no key's doing.
    pub(super) forwarded: Set,
    /// Why the command could not be run, as far as the server has said.
    pub(super) reason: &'static mut Line,
    /// How the command ended, once the server has said so.
    pub(super) end: Option<End>,
}

/// The caller's streams, as far as they are relayed.
pub(super) struct Streams {
    /// stdin, until it has ended or the command has closed it.
    pub(super) input: Option<Stream>,
    /// stdout and stderr, until the command closes them or their readers go.
    pub(super) outputs: [Option<Stream>; 2],
    /// The one of them that has bytes that wait to be written with what comes next: see [`limits::COALESCE_BYTES`].
    pub(super) coalescing: Option<Which>,
    /// Whether stdin is left alone until the command has stopped for it, as a background job does.
    pub(super) input_awaits_stop: bool,
    /// Whether bytes were lost here: the command's own exit code would hide it.
    pub(super) has_failed: bool,
}

impl Streams {
    /// None of them: the command has the caller's own, or it is not known yet.
    const NONE: Streams =
        Streams { input: None, outputs: [None, None], coalescing: None, input_awaits_stop: false, has_failed: false };

    /// stdout or stderr, while it is relayed.
    pub(super) fn output(&self, which: Which) -> Option<&Stream> {
        self.outputs[which as usize].as_ref()
    }
}

/// What waits for the server's greeting, which tells its protocol.
pub(super) struct Greeting {
    /// Signals that came before it.
    pub(super) held: Set,
    /// How long it is waited for; [`Instant::NEVER`] while nothing waits.
    pub(super) by: Instant,
}

/// Why the loop ends before the command has.
pub(super) enum Interrupt {
    /// The session cannot go on, which has been reported.
    Failed(Reported),
    /// A signal that cannot be forwarded.
    Signal(u8),
}

impl From<Reported> for Interrupt {
    fn from(reported: Reported) -> Interrupt {
        Interrupt::Failed(reported)
    }
}

/// What a handler of an event gives.
pub(super) type Handled = Result<(), Interrupt>;

/// The signals that are forwarded: all that can be, but for that of a child's end, which concerns no command.
pub(super) const FORWARDED: Set = Set::ALL.without(name::KILL).without(name::STOP).without(name::CHLD);

impl Stub {
    /// Sends the request and its descriptors, and relays until the command has ended and all that it wrote was passed on: how
    /// it ended. If the connection ends before a server has taken them, it connects again until the deadline. From here on
    /// signals are the command's.
    pub(super) fn run(
        route: Route,
        connection: Connection,
        keys: Option<Transport>,
        request: Queue<'static>,
        mut terminal: Terminal,
        descriptors: &'static [i32],
        deadline: Instant,
    ) -> Result<End, Reported> {
        static REASON: StaticCell<Line> = StaticCell::new(Line::new());
        static SEALED: StaticCell<Sealed> = StaticCell::new([0; RECORD]);
        static BUFFERS: StaticCell<Buffers> = StaticCell::new(Buffers::EMPTY);
        let blocked = signal::block(FORWARDED);
        let signals = signal::descriptor(FORWARDED)
            .and_then(fd::above_streams)
            .map_err(|errno| reported!("cannot wait for signals: {}", errno))?;
        terminal.await_answer(connection.is_direct);
        let mut stub = Stub {
            route,
            connection,
            deadline,
            retries: Retries::new(limits::ATTEMPTS),
            blocked,
            channel: Channel::of_initiator(keys, SEALED.take()),
            descriptors,
            unsent: descriptors,
            server_reads: true,
            machine: ClientEnd::new(request, BUFFERS.take()),
            streams: Streams::NONE,
            conduit: Conduit::default(),
            terminal,
            signals,
            greeting: Greeting { held: Set::default(), by: Instant::NEVER },
            forwarded: Set::default(),
            reason: REASON.take(),
            end: None,
        };
        match stub.relay() {
            Ok(end) => Ok(stub.mirror(end)),
            Err(Interrupt::Signal(signal)) => Ok(End::Signal(signal)),
            Err(Interrupt::Failed(reported)) => Err(reported),
        }
    }

    fn relay(&mut self) -> Result<End, Interrupt> {
        static INBOX: StaticCell<[u8; limits::INBOX]> = StaticCell::new([0; limits::INBOX]);
        let inbox = INBOX.take();
        if !self.connection.is_direct {
            self.take_streams();
        }
        loop {
            self.await_greeting()?;
            if let Some(end) = self.end.filter(|_| self.has_passed_on()) {
                // A signal may have come before the end that the server tells of.
                self.take_signals()?;
                return Ok(end);
            }
            self.transmit();
            let ready = self.wait();
            self.turn(&ready, inbox)?;
        }
    }

    /// Whether nothing of the command's output waits here.
    fn has_passed_on(&self) -> bool {
        Which::BOTH.into_iter().all(|which| self.machine.stream(which).waiting().is_empty())
    }

    /// Waits for what can make progress.
    fn wait(&self) -> Ready {
        let mut watch = Watch::new();
        watch.add(SIGNALS, self.signals.as_fd(), PollFlags::IN);
        let connection = self.connection_events();
        // Without room for what comes not even its end is of use.
        if !connection.is_empty() {
            watch.add(CONNECTION, self.connection.socket.as_fd(), connection);
        }
        // Nothing is read before the request has been sent, and nothing that could not be sent.
        let reads = self.end.is_none() && self.machine.allowance() > 0 && self.may_read();
        if let Some(input) = self.streams.input.as_ref().filter(|_| reads) {
            watch.add(INPUT, input.as_fd(), PollFlags::IN);
        }
        for which in Which::BOTH {
            // An output that has lost its reader is told even where nothing is waited for.
            if let Some(output) = self.streams.output(which) {
                let mut events = PollFlags::empty();
                events.set(PollFlags::OUT, !self.machine.stream(which).waiting().is_empty());
                watch.add(OUTPUT + which as usize, output.as_fd(), events);
            }
        }
        watch.wait(self.greeting.by)
    }

    /// What is waited for on the connection; nothing once the server has told the end.
    fn connection_events(&self) -> PollFlags {
        let mut events = PollFlags::empty();
        if self.end.is_none() {
            events.set(PollFlags::IN, self.machine.has_room());
            events.set(PollFlags::OUT, self.server_reads && self.has_unsent());
        }
        events
    }

    /// Does what can be done: signals first, then what the server says, then the caller's streams.
    fn turn(&mut self, ready: &Ready, inbox: &mut [u8]) -> Handled {
        if !ready.of(SIGNALS).is_empty() {
            self.take_signals()?;
        }
        if !ready.of(CONNECTION).is_empty() {
            self.receive(ready.of(CONNECTION), inbox)?;
        }
        for which in Which::BOTH {
            let flags = ready.of(OUTPUT + which as usize);
            if !flags.is_empty() {
                self.flush(which, flags);
            }
            self.check_overrun()?;
            self.close_if_done(which);
        }
        if !ready.of(INPUT).is_empty() {
            self.read_input()?;
        }
        Ok(())
    }
}
