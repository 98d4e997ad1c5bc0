//! A stub: finds the command's server, sends the request, relays, and ends as the command ended.

use super::configuration::{self, Loaded};
use super::connect::{connect, reset_at_end};
use super::watch::{Ready, Watch};
use crate::config::{self, Command, Server, path};
use crate::diag::{Line, Show, Told};
use crate::exit::End;
use crate::session::near::{Buffers, Event, Near, Peer};
use crate::session::request::{Excess, FRAMES, Writer};
use crate::session::{Fault, Queue, Which};
use crate::sys::descriptor::{self, Descriptor, Stream};
use crate::sys::memory::Place;
use crate::sys::process::{self, exit};
use crate::sys::program::{Environment, Program, Strings};
use crate::sys::signal::{self, Set, name};
use crate::sys::time::Moment;
use crate::wire::{self, Kind, attribute};
use crate::{add, debug, exit, fail, limits, report, told};
use core::ffi::CStr;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// The slots of the poll loop.
const SIGNALS: usize = 0;
const CONNECTION: usize = 1;
const INPUT: usize = 2;
const OUTPUT: usize = 3;

/// Plays the role: runs the command `name` with these arguments.
pub(super) fn main(program: &Program, config: Option<&'static CStr>, name: &[u8], arguments: Strings) -> ! {
    let Ok(loaded) = configuration::load(config, &program.environment) else { exit(exit::UNAVAILABLE) };
    let Some(command) = loaded.config.command(name) else {
        fail!(exit::UNAVAILABLE, "{}: there is no command {}", loaded.file, name);
    };
    let Ok(request) = request(loaded, command, &program.environment, arguments) else { exit(exit::UNAVAILABLE) };
    let server = command.server();
    let connection = connect(server.port(), loaded.config.connect_timeout())
        .unwrap_or_else(|errno| fail!(exit::UNAVAILABLE, "{}: {}", Address(server), errno));
    match Stub::new(server, connection, request).run() {
        End::Code(code) => exit(code),
        End::Signal(signal) => {
            signal::die_of(signal);
            // Process 1 of a container does not die of a signal, so it says it as a shell would.
            exit(128 + signal)
        }
    }
}

/// A server as messages name it.
struct Address(Server<'static>);

impl Show for Address {
    fn show(&self, line: &mut Line) {
        add!(line, "server {} at 127.0.0.1:{}", self.0.name(), self.0.port());
    }
}

/// The request's frames.
fn request(
    loaded: Loaded,
    command: Command<'static>,
    environment: &Environment,
    arguments: Strings,
) -> Result<Queue<'static>, Told> {
    static FRAMES_: Place<[u8; FRAMES]> = Place::new([0; FRAMES]);
    let mut here = [0; limits::PATH];
    let here = process::working_directory(&mut here).map_err(|errno| told!("working directory: {}", errno))?;
    let base = loaded.base.as_bytes();
    let mut real = [0; limits::PATH];
    // The kernel names the working directory without links; where the base is reached through one, it has to be asked too.
    // The stub itself can be anywhere.
    let mut relative = path::relative(base, here);
    if relative.is_none() && rustix::process::chdir(loaded.base.as_c_str()).is_ok() {
        relative = process::working_directory(&mut real).ok().and_then(|base| path::relative(base, here));
    }
    let Some(directory) = relative else {
        return Err(told!("working directory {} is outside of baseDirectory {}", here, base));
    };
    let mut request = Writer::new(FRAMES_.take());
    let mut write = || -> Result<(), Excess> {
        request.attribute(attribute::PROTOCOL, wire::PROTOCOL.into(), 10)?;
        request.attribute(attribute::UMASK, process::umask().into(), 8)?;
        request.attribute(attribute::IGNORED, signal::ignored().0, 16)?;
        request.add(Kind::Directory, &[directory])?;
        for variable in command.environment().filter(|variable| variable.kind != config::Kind::Fixed) {
            if let Some(entry) = environment.entry(variable.name) {
                request.add(Kind::Variable, &[entry.to_bytes()])?;
            }
        }
        for argument in arguments {
            request.add(Kind::Argument, &[argument.to_bytes()])?;
        }
        request.add(Kind::Start, &[command.name().to_bytes()])
    };
    write().map_err(|excess| told!("{}", excess))?;
    Ok(request.finish())
}

/// A stub that is connected.
struct Stub {
    server: Server<'static>,
    connection: Descriptor,
    signals: Descriptor,
    near: Near<'static>,
    /// The caller's stdin, until it has ended or nobody wants it.
    input: Option<Stream>,
    /// The caller's stdout and stderr, until the command closes them or their readers go.
    outputs: [Option<Stream>; 2],
    /// How the command ended, once the server has said so.
    end: Option<End>,
    /// Signals that came before the server's protocol was known.
    held: Set,
    /// How long something waits for the server to greet.
    greet_by: Option<Moment>,
    /// Why the command could not be run, as far as the server has said.
    reason: Line,
    /// Whether stdin is left alone until the command has stopped for it.
    awaits_stop: bool,
    /// Whether output was lost here: the command's own code would hide it.
    has_failed: bool,
    /// Whether the server takes no more.
    is_deaf: bool,
}

/// The signals that are passed on. A child's end concerns no command.
const PASSED_ON: Set = Set::ALL.without(name::KILL).without(name::STOP).without(name::CHLD);

impl Stub {
    /// A stub with this connection. From here on signals belong to the command.
    fn new(server: Server<'static>, connection: Descriptor, request: Queue<'static>) -> Stub {
        static BUFFERS: Place<Buffers> = Place::new(Buffers::EMPTY);
        signal::block(PASSED_ON);
        let signals = signal::descriptor(PASSED_ON)
            .and_then(descriptor::above_streams)
            .unwrap_or_else(|errno| fail!(exit::UNAVAILABLE, "cannot wait for signals: {}", errno));
        let [input, output, error] = descriptor::standard();
        Stub {
            server,
            connection,
            signals,
            near: Near::new(request, BUFFERS.take()),
            input,
            outputs: [output, error],
            end: None,
            held: Set::default(),
            greet_by: None,
            reason: Line::new(),
            awaits_stop: false,
            has_failed: false,
            is_deaf: false,
        }
    }

    /// Relays until the command has ended and all that it wrote was passed on.
    fn run(mut self) -> End {
        static INBOX: Place<[u8; limits::INBOX]> = Place::new([0; limits::INBOX]);
        let inbox = INBOX.take();
        if self.input.is_none() {
            self.near.send(0);
        }
        loop {
            self.transmit();
            if let Some(end) = self.end.filter(|_| self.has_passed_on()) {
                return if self.has_failed { End::Code(exit::UNAVAILABLE) } else { end };
            }
            self.await_greeting();
            let ready = self.wait();
            self.turn(&ready, inbox);
            self.close_done();
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
            events.set(PollFlags::OUT, !self.near.outgoing().is_empty() && !self.is_deaf);
            // Without room for what comes not even its end is of use.
            if !events.is_empty() {
                watch.add(CONNECTION, self.connection.as_fd(), events);
            }
        }
        // Nothing is read ahead of the request, and nothing that could not be sent.
        let reads = self.near.allowance() > 0 && self.end.is_none() && !self.awaits_stop;
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
        while !self.near.outgoing().is_empty() && !self.is_deaf {
            match rustix::net::send(&self.connection, self.near.outgoing(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => self.near.sent(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                // What the server said before it went can still be read.
                Err(_) => self.is_deaf = true,
            }
        }
    }

    /// Reads the connection once and does what it says.
    fn receive(&mut self, flags: PollFlags, inbox: &mut [u8]) {
        if !flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            return;
        }
        match rustix::net::recv(&self.connection, &mut *inbox, RecvFlags::DONTWAIT) {
            Ok((0, _)) => self.lost(),
            Ok((count, _)) => self.obey(inbox.get(..count).unwrap_or_default()),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => {
                debug!(Applet, "connection: {}", errno);
                self.lost();
            }
        }
    }

    /// The connection has ended without a last frame.
    fn lost(&self) -> ! {
        // A server of protocol 1 has no other way to say that a signal ended the command.
        let hint =
            if self.near.peer() == Peer::Plain { " (k8psh 0.9 does so when a signal ends the command)" } else { "" };
        fail!(exit::UNAVAILABLE, "{}: the connection ended before the command did{}", Address(self.server), hint)
    }

    fn obey(&mut self, mut arrived: &[u8]) {
        let was_unknown = self.near.peer() == Peer::Unknown;
        while self.end.is_none() {
            let done = match self.near.receive(&mut arrived) {
                Ok(Some(event)) => self.take(event),
                Ok(None) => break,
                Err(fault) => Err(fault),
            };
            self.insist_on(|_| done);
        }
        if was_unknown && self.near.peer() == Peer::Negotiated {
            reset_at_end(&self.connection);
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), Fault> {
        match event {
            Event::Output(which, bytes) => return self.output(which, bytes),
            Event::InputClosed => self.close_input(),
            Event::Failure(text) => text.show(&mut self.reason),
            Event::Ended(end) => self.ended(end),
            Event::Stopped(signal) => return self.stop(signal),
        }
        Ok(())
    }
}

/// Signals and the end.
impl Stub {
    fn take_signals(&mut self) {
        while let Some(arrival) = signal::next(&self.signals) {
            // A write that nobody reads any more raises PIPE here, besides its error. It is no message to the command.
            let is_own = arrival.signal == name::PIPE && arrival.sender == process::id().unsigned_abs();
            if !is_own {
                self.pass_on(arrival.signal);
            }
        }
    }

    /// Passes a signal on, or keeps it until the server has greeted. One of protocol 2 does so at once.
    fn pass_on(&mut self, signal: u8) {
        debug!(Applet, "signal {}", signal);
        match self.near.peer() {
            // The command has ended, so the signal is for who still writes what it has written.
            _ if self.end.is_some() => self.default_action(signal),
            // A server that does not read its connection any more will not read this either; it ends with the connection.
            Peer::Negotiated => {
                if self.near.signal(signal).is_err() {
                    self.default_action(signal);
                }
            }
            Peer::Plain => self.default_action(signal),
            Peer::Unknown => self.held = self.held.with(signal),
        }
    }

    /// Does what waited for the server's greeting when that has come, or when its time is over.
    fn await_greeting(&mut self) {
        let is_known = self.near.peer() != Peer::Unknown;
        if self.held == Set::default() && !self.near.awaits_greeting() {
            self.greet_by = None;
            return;
        }
        let now = Moment::now();
        let deadline = *self.greet_by.get_or_insert(now.after(limits::GREETING_MS));
        if !is_known && deadline > now {
            return;
        }
        self.near.stop_awaiting();
        for signal in core::mem::take(&mut self.held).iter() {
            if is_known { self.pass_on(signal) } else { self.default_action(signal) }
        }
    }

    /// There is nobody to pass the signal on to, so the stub does what it means: a server of protocol 1 ends the command
    /// when the connection ends.
    fn default_action(&self, signal: u8) {
        if matches!(signal, name::TSTP | name::TTIN | name::TTOU) {
            signal::stop_by(signal, PASSED_ON);
        } else if !matches!(signal, name::CONT | name::URG | name::WINCH) {
            signal::die_of(signal);
            exit(128 + signal);
        }
    }

    /// The command was stopped, so this process stops as it did: its caller sees a stopped job. What resumes it arrives as
    /// a signal and is passed on.
    fn stop(&mut self, signal: u8) -> Result<(), Fault> {
        self.transmit();
        debug!(Applet, "stopped by signal {}", signal);
        signal::stop_by(signal, PASSED_ON);
        let awaited = core::mem::take(&mut self.awaits_stop);
        let mut was_resumed = false;
        while let Some(arrival) = signal::next(&self.signals) {
            was_resumed |= arrival.signal == name::CONT;
            self.pass_on(arrival.signal);
        }
        if was_resumed {
            return Ok(());
        }
        // An orphaned process group does not stop (setpgid(2)), so its command goes on too, without the terminal.
        if awaited && self.input.take().is_some() {
            self.near.send(0);
        }
        self.near.signal(name::CONT)
    }

    /// The command has ended, or could not be run.
    fn ended(&mut self, end: End) {
        debug!(Applet, "the command has ended");
        if !self.reason.bytes().is_empty() {
            report!("server {}: {}", self.server.name(), self.reason);
        }
        self.end = Some(end);
    }
}

/// The caller's streams.
impl Stub {
    /// Reads stdin once, as much as may leave.
    fn read_input(&mut self) {
        let Some(input) = &mut self.input else { return };
        let space = self.near.space(self.near.allowance());
        match input.read(space) {
            Ok(0) => {
                self.near.send(0);
                self.input = None;
            }
            Ok(count) => self.near.send(count),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // A background job may not read its terminal. TTIN is blocked here, so it comes as an error (termios(4)); the
            // kernel would have sent it to the whole job, which stops or goes on as one.
            Err(Errno::IO) if input.is_in_background() => {
                // A server of protocol 1 is not asked to stop its command: only the stub stops.
                self.awaits_stop = self.near.peer() == Peer::Negotiated;
                let _ = signal::send(0, name::TTIN);
            }
            Err(errno) => {
                // Nothing to read from, as nohup(1) leaves it, is no input. Any other end is not that of the data.
                if errno != Errno::BADF {
                    report!("stdin: {}", errno);
                    self.has_failed = true;
                }
                self.near.send(0);
                self.input = None;
            }
        }
    }

    /// The command reads its stdin no more. Whoever writes to this one is to notice, as it would of a local command.
    fn close_input(&mut self) {
        if let Some(input) = self.input.take() {
            descriptor::close(input);
        }
    }

    /// Bytes of the command's output: written at once as far as they can be, unless others wait already.
    fn output(&mut self, which: Which, bytes: &[u8]) -> Result<(), Fault> {
        let Some(output) = &mut self.outputs[which as usize] else {
            self.unread(which);
            return self.near.keep(which, bytes, bytes.len());
        };
        let mut written = 0;
        while written < bytes.len() && self.near.stream(which).waiting().is_empty() {
            match output.write(&bytes[written..]) {
                Ok(count) => written += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => {
                    self.near.keep(which, bytes, bytes.len())?;
                    self.cannot_write(which, errno);
                    return Ok(());
                }
            }
        }
        self.near.keep(which, bytes, written)
    }

    /// The stream has room, or no reader.
    fn flush(&mut self, which: Which, flags: PollFlags) {
        let Some(output) = &mut self.outputs[which as usize] else { return };
        if flags.intersects(PollFlags::ERR | PollFlags::NVAL) {
            self.cannot_write(which, Errno::PIPE);
            return;
        }
        let waiting = self.near.stream(which).waiting();
        if waiting.is_empty() {
            // A terminal that has hung up, a socket whose other end is closed.
            if flags.contains(PollFlags::HUP) {
                self.cannot_write(which, Errno::PIPE);
            }
            return;
        }
        match output.write(waiting) {
            Ok(count) => self.insist_on(|near| near.pass(which, count)),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => self.cannot_write(which, errno),
        }
    }

    /// Does what can only fail where the server does not read what it asked for.
    fn insist_on(&mut self, action: impl FnOnce(&mut Near<'static>) -> Result<(), Fault>) {
        if let Err(fault) = action(&mut self.near) {
            fail!(exit::UNAVAILABLE, "{}: {}", Address(self.server), fault);
        }
    }

    /// Nothing can be written to the stream any more. The command is to notice at its next write, as it would locally.
    fn cannot_write(&mut self, which: Which, errno: Errno) {
        if errno != Errno::PIPE {
            report!("{}: {}", if which == Which::Output { "stdout" } else { "stderr" }, errno);
            self.has_failed = true;
        }
        self.outputs[which as usize] = None;
        self.insist_on(|near| near.hang_up(which));
    }

    /// Output for a stream without a reader. A server of protocol 1 cannot be told of it, so the stub does what the
    /// command would do.
    fn unread(&self, which: Which) {
        if self.near.peer() == Peer::Plain && which == Which::Output {
            self.default_action(name::PIPE);
        }
    }

    /// Closes what the command has closed and was passed on, so that its reader sees the end as early as locally.
    fn close_done(&mut self) {
        for which in Which::BOTH {
            if self.near.stream(which).is_done()
                && let Some(output) = self.outputs[which as usize].take()
            {
                descriptor::close(output);
            }
        }
    }
}
