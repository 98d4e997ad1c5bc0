//! A stub: finds the command's server, sends the request, relays, and ends as the command ended.

mod connect;
mod descriptors;
mod jobserver;
pub mod probe;
mod raw;
mod request;
mod route;
mod signals;
mod streams;
mod terminal;

use crate::auth::token;
use crate::config::Server;
use crate::config::file as configuration;
use crate::exit::End;
use crate::options::value::{MISPLACED, TRIGGER, Transport};
use crate::protocol::client::{Buffers, ClientEnd, Peer, ServerMessage};
use crate::protocol::{ProtocolError, Queue, Which};
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd, Stream};
use crate::sys::process::end_like;
use crate::sys::process::exit;
use crate::sys::program::{Program, Strings};
use crate::sys::signal::{self, Set, name};
use crate::sys::statics::StaticCell;
use crate::sys::watch::{Ready, Watch};
use crate::text::bytes::first;
use crate::text::line::{Line, Show};
use crate::{exit, fail, limits};
use connect::{Connection, connect, reset_at_end};
use core::ffi::CStr;
use route::{Route, fail_at, route};
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;
use terminal::Terminal;

/// The slots of the poll loop.
const SIGNALS: usize = 0;
const CONNECTION: usize = 1;
const INPUT: usize = 2;
const OUTPUT: usize = 3;

/// Plays the role: runs the command `name` with these arguments.
pub fn main(program: &Program, config: Option<&'static CStr>, name: &[u8], arguments: Strings) -> ! {
    let Ok(loaded) = configuration::load(config, &program.environment) else { exit(exit::UNAVAILABLE) };
    let Some(command) = loaded.config.command(name) else {
        fail!(exit::UNAVAILABLE, "{}: there is no command {}", loaded.path(), name);
    };
    let server = command.server();
    if server.option(TRIGGER).is_some() {
        fail!(exit::UNAVAILABLE, MISPLACED, server.name(), server.port());
    }
    let mut way = route(server, &program.environment);
    let terminal = Terminal::of_caller();
    if way.transport == Transport::Auto && !terminal.is_there() && !terminal.is_in_foreground() {
        // stdin alone is the terminal of a background job. The kernel would let the command, which is of another session,
        // take the shell's keys; a stub that reads it is stopped.
        way.transport = Transport::Relay;
    }
    let passed = descriptors::inherited(way.transport);
    let directory = request::directory(loaded);
    // Early, so that the server starts the session while the request is written.
    let timeout = loaded.config.connect_timeout();
    let connection = connect(&way, Instant::after(timeout), true)
        .unwrap_or_else(|errno| fail_at(exit::UNAVAILABLE, server, &way, &errno));
    route::pass(exit::UNAVAILABLE, server, &way, &program.environment, &connection.socket, Instant::after(timeout));
    descriptors::restrict(passed, &connection);
    // A token in it is for nobody else.
    let environment = &program.environment.without(server.option(token::VARIABLE));
    let is_direct = connection.is_direct;
    let circumstances = request::Circumstances { environment, arguments, directory, terminal: &terminal, is_direct };
    let request = request::write(command, &circumstances, passed);
    let mut stub = Stub::new(server, way, connection, request, terminal, passed);
    end_like(stub.run())
}

/// A stub that is connected. Its fields are in this order because what is small and used often then has a short address: that
/// is 140 bytes of code.
#[repr(C)]
struct Stub {
    server: Server<'static>,
    way: Route,
    connection: Connection,
    /// The caller's descriptors, where they go along.
    inherited: &'static [i32],
    /// Those of them that have not gone yet.
    passing: &'static [i32],
    signals: OwnedFd,
    /// The caller's stdin, until it has ended or nobody wants it.
    input: Option<Stream>,
    /// The caller's stdout and stderr, until the command closes them or their readers go.
    outputs: [Option<Stream>; 2],
    /// How the command ended, once the server has said so.
    end: Option<End>,
    /// The caller's terminal, where the command may share it.
    terminal: Terminal,
    /// Signals that came before the server's protocol was known.
    held: Set,
    /// Signals that were passed on, as long as what they bring about is no key's doing.
    passed: Set,
    /// How long something waits for the server to greet.
    greet_by: Instant,
    /// Why the command could not be run, as far as the server has said.
    reason: &'static mut Line,
    /// Whether stdin is left alone until the command has stopped for it.
    awaits_stop: bool,
    /// Whether the server has still to say which streams it relays.
    awaits_answer: bool,
    /// Whether output was lost here: the command's own code would hide it.
    has_failed: bool,
    /// Whether the server takes no more.
    peer_closed_read: bool,
    near: ClientEnd<'static>,
}

/// The signals that are passed on. A child's end concerns no command.
const PASSED_ON: Set = Set::ALL.without(name::KILL).without(name::STOP).without(name::CHLD);

impl Stub {
    /// A stub with this connection. From here on signals belong to the command.
    #[inline(always)]
    fn new(
        server: Server<'static>,
        way: Route,
        connection: Connection,
        request: Queue<'static>,
        terminal: Terminal,
        inherited: &'static [i32],
    ) -> Stub {
        static REASON: StaticCell<Line> = StaticCell::new(Line::new());
        static BUFFERS: StaticCell<Buffers> = StaticCell::new(Buffers::EMPTY);
        signal::block(PASSED_ON);
        let signals = signal::descriptor(PASSED_ON)
            .and_then(fd::above_streams)
            .unwrap_or_else(|errno| fail!(exit::UNAVAILABLE, "cannot wait for signals: {}", errno));
        Stub {
            server,
            way,
            awaits_answer: connection.is_direct || terminal.is_there(),
            connection,
            inherited,
            passing: inherited,
            signals,
            near: ClientEnd::new(request, BUFFERS.take()),
            input: None,
            outputs: [None, None],
            end: None,
            terminal,
            held: Set::default(),
            passed: Set::default(),
            greet_by: Instant::NEVER,
            reason: REASON.take(),
            awaits_stop: false,
            has_failed: false,
            peer_closed_read: false,
        }
    }

    /// Takes the caller's streams to relay them.
    fn take_streams(&mut self) {
        let [input, output, error] = fd::standard();
        if input.is_none() {
            self.near.send(0);
        }
        self.input = input;
        self.outputs = [output, error];
    }

    /// Relays until the command has ended and all that it wrote was passed on.
    // Apart, since making the request has whole paths on the stack: beside them everything else would be far away.
    #[inline(never)]
    fn run(&mut self) -> End {
        static INBOX: StaticCell<[u8; limits::INBOX]> = StaticCell::new([0; limits::INBOX]);
        let inbox = INBOX.take();
        if !self.connection.is_direct {
            self.take_streams();
        }
        loop {
            self.transmit();
            if let Some(end) = self.end.filter(|_| self.has_passed_on()) {
                return self.mirror(end);
            }
            self.await_greeting();
            let ready = self.wait();
            self.turn(&ready, inbox);
        }
    }

    /// Whether nothing of the command's output waits here.
    fn has_passed_on(&self) -> bool {
        Which::BOTH.into_iter().all(|which| self.near.stream(which).waiting().is_empty())
    }

    /// Waits for what can make progress.
    fn wait(&self) -> Ready {
        let mut watch = Watch::new();
        watch.add(SIGNALS, self.signals.as_fd(), PollFlags::IN);
        if self.end.is_none() {
            let mut events = PollFlags::empty();
            events.set(PollFlags::IN, self.near.has_room());
            events.set(PollFlags::OUT, !self.near.outgoing().is_empty() && !self.peer_closed_read);
            // Without room for what comes not even its end is of use.
            if !events.is_empty() {
                watch.add(CONNECTION, self.connection.socket.as_fd(), events);
            }
        }
        // Nothing is read ahead of the request, and nothing that could not be sent.
        let reads = self.near.allowance() > 0 && self.end.is_none() && self.may_read();
        if let Some(input) = self.input.as_ref().filter(|_| reads) {
            watch.add(INPUT, input.as_fd(), PollFlags::IN);
        }
        for which in Which::BOTH {
            // Without a reader, an error comes even where nothing is waited for.
            if let Some(output) = &self.outputs[which as usize] {
                let mut events = PollFlags::empty();
                events.set(PollFlags::OUT, !self.near.stream(which).waiting().is_empty());
                watch.add(OUTPUT + which as usize, output.as_fd(), events);
            }
        }
        watch.wait(self.greet_by)
    }

    /// Does what can be done: signals first, then what the server says, then the caller's streams.
    fn turn(&mut self, ready: &Ready, inbox: &mut [u8]) {
        if !ready.of(SIGNALS).is_empty() {
            self.take_signals();
        }
        if !ready.of(CONNECTION).is_empty() {
            self.receive(ready.of(CONNECTION), inbox);
        }
        for which in Which::BOTH {
            let flags = ready.of(OUTPUT + which as usize);
            if !flags.is_empty() {
                self.flush(which, flags);
            }
            self.check();
            self.close_if_done(which);
        }
        if !ready.of(INPUT).is_empty() {
            self.read_input();
        }
    }
}

/// The connection.
impl Stub {
    /// Sends what there is to send.
    fn transmit(&mut self) {
        while !self.near.outgoing().is_empty() && !self.peer_closed_read {
            match self.send_next() {
                Ok(count) => self.near.sent(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // What the server said before it went can still be read.
                Err(_) => self.peer_closed_read = !self.fall_back(),
            }
        }
    }

    /// Reads the connection once and does what it says.
    fn receive(&mut self, flags: PollFlags, inbox: &mut [u8]) {
        if !flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return;
        }
        match fd::receive(&self.connection.socket, inbox) {
            Ok(count @ 1..) => self.process(first(inbox, count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // What was sent was never read (unix(7)), so nothing was started.
            Err(Errno::CONNRESET) if self.fall_back() => {}
            Ok(0) | Err(_) => self.lost(),
        }
    }

    /// The connection has ended without a last frame.
    fn lost(&self) -> ! {
        // A server of protocol 1 has no other way to say that a signal ended the command.
        let reason = if self.near.peer() == Peer::Plain {
            "the connection ended before the command did (k8psh 0.9 does so when a signal ends the command)"
        } else {
            "the connection ended before the command did"
        };
        self.fail(&reason)
    }

    /// Ends this process: the session cannot go on.
    #[inline(never)]
    fn fail(&self, reason: &dyn Show) -> ! {
        fail_at(exit::UNAVAILABLE, self.server, &self.way, reason)
    }

    /// Ends the session whose server does not read what it asked for.
    fn check(&mut self) {
        if self.near.take_overrun() {
            self.fail(&ProtocolError::Overrun);
        }
    }

    #[inline(never)]
    fn process(&mut self, mut arrived: &[u8]) {
        let was_unknown = self.near.peer() == Peer::Unknown;
        while self.end.is_none() {
            match self.near.receive(&mut arrived) {
                Ok(Some(event)) => self.take(event),
                Ok(None) => break,
                Err(fault) => self.fail(&fault),
            }
            self.check();
        }
        if was_unknown && self.near.peer() == Peer::Negotiated && !self.connection.is_direct {
            reset_at_end(&self.connection.socket);
        }
    }

    fn take(&mut self, event: ServerMessage<'_>) {
        match event {
            ServerMessage::Output(which, bytes) => self.output(which, bytes),
            ServerMessage::InputClosed => self.close_input(),
            ServerMessage::Failure(text) => text.show(self.reason),
            ServerMessage::Ended(end) => self.ended(end),
            ServerMessage::Stopped(signal) => self.stop(signal),
            ServerMessage::Terminal(is_shared) => self.answered(is_shared),
        }
    }
}
