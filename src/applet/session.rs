//! One connection's process at the server: takes the request, starts the command, relays, reports, ends.
//!
//! The connection is a lease. When it goes before the command has ended, the command goes, and everything that it left
//! behind: this process is the one that its orphans fall to, so each of them can be found.

use super::command::{self, Refused, Running};
use super::listener::Work;
use super::watch::{Ready, Watch};
use crate::diag::{Line, Show};
use crate::exit::End;
use crate::session::far::{Buffers, Far, Order};
use crate::session::{Fault, Which};
use crate::sys::descriptor::Descriptor;
use crate::sys::memory::Place;
use crate::sys::process::{self, Children};
use crate::sys::signal::{self, name};
use crate::sys::time::Moment;
use crate::{debug, exit, limits, line, report};
use core::ffi::CStr;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, sockopt};

/// The slots of the poll loop.
const SIGNALS: usize = 0;
const CONNECTION: usize = 1;
const INPUT: usize = 2;
const OUTPUT: usize = 3;

/// A command that is being ended with all its descendants.
struct Ending {
    /// What they are told: TERM, and KILL when the grace is over.
    signal: u8,
    /// When they are told again.
    deadline: Moment,
}

/// A session.
pub(super) struct Session<'s> {
    work: Work,
    signals: &'s Descriptor,
    /// The listener.
    parent: i32,
    /// The connection, as long as there is one.
    connection: Option<Descriptor>,
    far: Far<'static>,
    /// When the request has to be complete, until it is.
    request_by: Option<Moment>,
    /// The command's name, for messages.
    name: &'static CStr,
    command: Option<Running>,
    /// How the command ended.
    end: Option<End>,
    /// What is left of its stdout and stderr to pass on then: what is in the pipes at that moment. A grandchild may hold
    /// them open and go on writing; a shell would not wait for it either.
    left: [usize; 2],
    ending: Option<Ending>,
    /// Whether this process has no children left, while it is ending them.
    is_childless: bool,
    /// Until when the stub is waited for once everything is said.
    linger_until: Option<Moment>,
}

impl<'s> Session<'s> {
    /// A session for this connection, of the listener that is process `parent`.
    pub(super) fn new(connection: Descriptor, signals: &'s Descriptor, work: Work, parent: i32) -> Session<'s> {
        static BUFFERS: Place<Buffers> = Place::new(Buffers::EMPTY);
        Session {
            work,
            signals,
            parent,
            connection: Some(connection),
            far: Far::new(BUFFERS.take()),
            request_by: Some(Moment::now().after(limits::REQUEST_MS)),
            name: c"",
            command: None,
            end: None,
            left: [0; 2],
            ending: None,
            is_childless: false,
            linger_until: None,
        }
    }

    /// Runs it. One that `follows` the listener ends with it.
    pub(super) fn run(mut self, follows: bool) -> ! {
        static INBOX: Place<[u8; limits::INBOX]> = Place::new([0; limits::INBOX]);
        let inbox = INBOX.take();
        if follows && !process::follow_parent(self.parent, rustix::process::Signal::TERM) {
            process::exit(exit::UNAVAILABLE);
        }
        process::adopt_orphans();
        if let Some(connection) = &self.connection {
            // Frames leave when they are complete, not when the last one was acknowledged (tcp(7)).
            let _ = sockopt::set_tcp_nodelay(connection, true);
        }
        loop {
            self.meet_deadlines();
            self.report_end();
            self.transmit();
            if self.is_over() {
                process::exit(exit::SUCCESS);
            }
            let ready = self.wait();
            self.turn(&ready, inbox);
        }
    }

    /// Whether there is nobody to tell and nothing to end any more.
    fn is_over(&self) -> bool {
        self.connection.is_none() && if self.ending.is_some() { self.is_childless } else { !self.is_running() }
    }

    /// Whether the command runs.
    fn is_running(&self) -> bool {
        self.command.is_some() && self.end.is_none()
    }

    /// Waits for what can make progress.
    fn wait(&mut self) -> Ready {
        let allowed = Which::BOTH.map(|which| self.far.allowance(which) > 0);
        let mut watch = Watch::new();
        watch.add(SIGNALS, self.signals.as_fd(), PollFlags::IN);
        if let Some(connection) = &self.connection {
            // The end of the lease is told even while a full buffer keeps the connection from being read.
            let mut events = PollFlags::RDHUP;
            events.set(PollFlags::IN, self.far.has_room() || self.linger_until.is_some());
            events.set(PollFlags::OUT, !self.far.outgoing().is_empty());
            watch.add(CONNECTION, connection.as_fd(), events);
        }
        if let Some(input) = self.command.as_ref().and_then(|command| command.input.as_ref()) {
            // Without a reader, an error comes even where nothing is waited for.
            let mut events = PollFlags::empty();
            events.set(PollFlags::OUT, !self.far.input().waiting().is_empty());
            watch.add(INPUT, input.as_fd(), events);
        }
        if let Some(command) = &self.command {
            for (index, output) in command.outputs.iter().enumerate() {
                let is_wanted = allowed[index] && (self.end.is_none() || self.left[index] > 0);
                if let Some(output) = output.as_ref().filter(|_| is_wanted) {
                    watch.add(OUTPUT + index, output.as_fd(), PollFlags::IN);
                }
            }
        }
        // Beyond these the command may run for as long as it likes, and its stub be as slow.
        let deadlines = [self.request_by, self.ending.as_ref().map(|ending| ending.deadline), self.linger_until];
        watch.wait(deadlines.into_iter().flatten().min())
    }

    /// Does what can be done: signals first, then what the stub says, then the command's streams.
    fn turn(&mut self, ready: &Ready, inbox: &mut [u8]) {
        if !ready.of(SIGNALS).is_empty() {
            self.take_signals();
        }
        if !ready.of(CONNECTION).is_empty() {
            self.receive(ready.of(CONNECTION), inbox);
        }
        if !ready.of(INPUT).is_empty() {
            self.write_input(ready.of(INPUT));
        }
        for (index, which) in Which::BOTH.into_iter().enumerate() {
            if !ready.of(OUTPUT + index).is_empty() {
                self.read_output(which);
            }
        }
    }

    fn meet_deadlines(&mut self) {
        let now = Moment::now();
        if self.request_by.is_some_and(|deadline| deadline <= now) {
            report!("a connection did not deliver its request within {} ms", limits::REQUEST_MS);
            self.connection = None;
            self.request_by = None;
        }
        if self.linger_until.is_some_and(|deadline| deadline <= now) {
            self.connection = None;
            self.linger_until = None;
        }
        if self.ending.as_ref().is_some_and(|ending| ending.deadline <= now) {
            self.kill();
        }
    }
}

/// What the stub says.
impl Session<'_> {
    /// Reads the connection once and does what it says.
    fn receive(&mut self, flags: PollFlags, inbox: &mut [u8]) {
        let Some(connection) = &self.connection else { return };
        if !flags.contains(PollFlags::IN) {
            // Only its end can be the reason: data that a full buffer leaves unread does not keep a dead stub's command.
            if flags.intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR) {
                self.lose(&"the stub has gone");
            }
            return;
        }
        match rustix::net::recv(connection, &mut *inbox, RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            Ok((count @ 1.., _)) if self.linger_until.is_none() => self.obey(inbox.get(..count).unwrap_or_default()),
            Ok((1.., _)) => {}
            Ok((0, _)) | Err(_) => self.lose(&"the stub has gone"),
        }
    }

    /// Does what the stub's frames ask for.
    fn obey(&mut self, mut arrived: &[u8]) {
        while self.connection.is_some() && self.linger_until.is_none() {
            let done = match self.far.receive(&mut arrived) {
                Ok(Some(order)) => self.carry_out(order),
                Ok(None) => break,
                Err(fault) => Err(fault),
            };
            if let Err(fault) = done {
                self.give_up(fault);
            }
        }
        self.close_input_when_done();
    }

    fn carry_out(&mut self, order: Order<'_>) -> Result<(), Fault> {
        match order {
            Order::Start => self.start(),
            Order::Input(bytes) => self.input(bytes),
            Order::Signal(signal) => {
                self.signal(signal);
                Ok(())
            }
            Order::Terminate => {
                self.end_command(&"the client terminates it");
                Ok(())
            }
            Order::HangUp(which) => {
                self.far.hang_up(which);
                self.close_output(which);
                Ok(())
            }
        }
    }

    /// A signal for the command. Once that has ended, it is meant for who still passes on what it had written.
    fn signal(&mut self, signal: u8) {
        match &self.command {
            Some(command) if self.end.is_none() => {
                debug!(Session, "{}: signal {}", self.name, signal);
                let _ = signal::send(-command.pid, signal);
            }
            _ if matches!(signal, name::HUP | name::INT | name::TERM) => self.left = [0; 2],
            _ => {}
        }
    }

    /// The request is complete: starts the command, or says why not.
    fn start(&mut self) -> Result<(), Fault> {
        self.request_by = None;
        let Some(request) = self.far.take_request() else { return Ok(()) };
        self.name = request.command();
        debug!(Session, "request for {}", self.name);
        let mut reason = Line::new();
        match command::start(&self.work, request, &mut reason) {
            Ok(running) => {
                self.command = Some(running);
                Ok(())
            }
            Err(Refused(code)) => {
                report!("{}: {}", self.name, reason);
                self.far.fail(code, reason.bytes())?;
                self.say_no_more();
                Ok(())
            }
        }
    }

    /// What the peer sent makes no sense. It is told why, and the command ends.
    fn give_up(&mut self, fault: Fault) {
        let reason = line!("{}", fault);
        report!("{}: {}", self.name, reason);
        self.request_by = None;
        match self.far.fail(exit::UNAVAILABLE, reason.bytes()) {
            Ok(()) => self.say_no_more(),
            Err(_) => self.connection = None,
        }
        if self.is_running() {
            self.end_command(&reason);
        }
    }

    /// The lease has ended, because of `why`: the command goes.
    fn lose(&mut self, why: &dyn Show) {
        self.connection = None;
        if self.request_by.take().is_some() && self.far.is_midway() {
            report!("a connection ended before its request was complete: {}", why);
        }
        if self.is_running() {
            self.end_command(why);
        }
    }

    /// Sends what there is to send.
    fn transmit(&mut self) {
        if self.connection.is_none() {
            self.far.forget_peer();
        }
        while let Some(connection) = self.connection.as_ref().filter(|_| !self.far.outgoing().is_empty()) {
            match rustix::net::send(connection, self.far.outgoing(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(count) => self.far.sent(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => self.lose(&"the stub has gone"),
            }
        }
        if let Some(connection) = self.connection.as_ref().filter(|_| self.linger_until.is_some()) {
            // A client of protocol 1 learns a death by signal from the end of the connection.
            let _ = rustix::net::shutdown(connection, rustix::net::Shutdown::Write);
        }
    }

    /// Everything is said. The stub reads it and goes; closing before that could lose it, since the kernel resets a
    /// connection on which unread data is left (RFC 2525, 2.17).
    fn say_no_more(&mut self) {
        self.linger_until = Some(Moment::now().after(limits::LINGER_MS));
    }
}

/// The command's streams.
impl Session<'_> {
    /// Bytes for stdin: written at once as far as they can be, unless others wait already.
    fn input(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let pipe = self.command.as_ref().and_then(|command| command.input.as_ref());
        let written = match pipe.filter(|_| self.far.input().waiting().is_empty()) {
            Some(pipe) => rustix::io::write(pipe, bytes),
            None => Ok(0),
        };
        if let (Some(pipe), Ok(count)) = (pipe, written)
            && count < bytes.len()
        {
            enlarge(pipe);
        }
        match written {
            Ok(count) => self.far.keep(bytes, count),
            Err(Errno::AGAIN | Errno::INTR) => self.far.keep(bytes, 0),
            Err(_) => self.close_input(),
        }
    }

    /// The stdin pipe has room, or no reader.
    fn write_input(&mut self, flags: PollFlags) {
        let Some(input) = self.command.as_ref().and_then(|command| command.input.as_ref()) else { return };
        let written = if flags.contains(PollFlags::ERR) {
            Err(Errno::PIPE)
        } else {
            rustix::io::write(input, self.far.input().waiting())
        };
        let result = match written {
            Ok(count) => self.far.pass(count),
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_) => self.close_input(),
        };
        if let Err(fault) = result {
            self.give_up(fault);
        }
        self.close_input_when_done();
    }

    /// The command reads its stdin no more: the caller's writer is to notice.
    fn close_input(&mut self) -> Result<(), Fault> {
        if let Some(command) = &mut self.command {
            command.input = None;
        }
        self.far.close_input()
    }

    /// stdin has ended, and the command has been given all of it: so it sees the end.
    fn close_input_when_done(&mut self) {
        if let Some(command) = self.command.as_mut().filter(|_| self.far.input().is_done()) {
            command.input = None;
        }
    }

    /// Reads one of the command's streams once.
    fn read_output(&mut self, which: Which) {
        let index = which as usize;
        let most = if self.end.is_some() { self.left[index] } else { usize::MAX };
        let count = self.far.allowance(which).min(most);
        let Some(output) = self.command.as_ref().and_then(|command| command.outputs[index].as_ref()) else { return };
        if count == 0 {
            return;
        }
        match rustix::io::read(output, self.far.space(which, count)) {
            Ok(0) => {
                self.far.send(which, 0);
                self.close_output(which);
            }
            Ok(count) => {
                if count >= PIPE {
                    enlarge(output);
                }
                self.far.send(which, count);
                self.left[index] = self.left[index].saturating_sub(count);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => {
                report!("{}: reading its output: {}", self.name, errno);
                self.far.send(which, 0);
                self.close_output(which);
            }
        }
    }

    fn close_output(&mut self, which: Which) {
        self.left[which as usize] = 0;
        if let Some(command) = &mut self.command {
            command.outputs[which as usize] = None;
        }
    }

    /// Once the command has ended: passes on what it had written, then its end.
    fn report_end(&mut self) {
        let Some(end) = self.end.filter(|_| self.connection.is_some() && self.linger_until.is_none()) else { return };
        for which in Which::BOTH {
            while self.left[which as usize] > 0 && self.far.allowance(which) > 0 {
                self.read_output(which);
            }
        }
        if self.left != [0; 2] {
            return;
        }
        match self.far.finish(end) {
            // However slow its reader: the stub is there, and what it has not read yet would be lost.
            Ok(()) => self.linger_until = Some(Moment::now().after(u64::MAX)),
            Err(_) => self.connection = None,
        }
    }
}

/// The command and its descendants.
impl Session<'_> {
    fn take_signals(&mut self) {
        while let Some(arrival) = signal::next(self.signals) {
            match arrival.signal {
                name::CHLD => self.reap(),
                name::TERM => {
                    // The listener ends its sessions; or it is no more, which the stub is to notice at once.
                    if !process::is_child_of(self.parent) {
                        self.connection = None;
                    }
                    self.end_command(&"the server ends");
                }
                _ => {}
            }
        }
    }

    /// Takes all children that have ended: the command, and what fell to this process.
    fn reap(&mut self) {
        loop {
            match process::reap() {
                Children::Ended(child) if self.is_command(child.pid) => self.command_ended(child.end),
                Children::Stopped(pid, signal) if self.is_command(pid) && self.ending.is_none() => {
                    if let Err(fault) = self.far.stopped(signal) {
                        self.lose(&fault);
                    }
                }
                Children::Ended(_) | Children::Stopped(..) => {}
                Children::Running => break,
                Children::None => {
                    self.is_childless = true;
                    return;
                }
            }
        }
        // What one of them left behind is found only now.
        if let Some(signal) = self.ending.as_ref().map(|ending| ending.signal) {
            self.signal_children(signal);
        }
    }

    fn is_command(&self, pid: i32) -> bool {
        self.command.as_ref().is_some_and(|command| command.pid == pid)
    }

    /// The command has ended: what is in its pipes now is what it had written.
    fn command_ended(&mut self, end: End) {
        debug!(Session, "{} has ended", self.name);
        self.end = Some(end);
        self.far.drop_input();
        let Some(command) = &mut self.command else { return };
        command.input = None;
        for (output, left) in command.outputs.iter().zip(&mut self.left) {
            let waiting = output.as_ref().map_or(Ok(0), rustix::io::ioctl_fionread);
            *left = waiting.ok().and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        }
    }

    /// Ends the command and all its descendants, because of `why`.
    fn end_command(&mut self, why: &dyn Show) {
        let is_running = self.is_running();
        let Some(command) = self.command.as_mut().filter(|_| is_running) else {
            // A session that only waits for somebody just ends.
            self.connection = None;
            return;
        };
        if self.ending.is_some() {
            return;
        }
        report!("{}: {}: ending process {}", self.name, why, command.pid);
        if self.connection.is_none() {
            command.input = None;
        }
        // The group has its number as long as any process is in it. A stopped one has to go on to end.
        let _ = signal::send(-command.pid, name::TERM);
        let _ = signal::send(-command.pid, name::CONT);
        let deadline = Moment::now().after(limits::GRACE_MS);
        self.ending = Some(Ending { signal: name::TERM, deadline });
        self.signal_children(name::TERM);
    }

    /// The grace is over.
    fn kill(&mut self) {
        if let Some(command) = self.command.as_ref().filter(|_| self.end.is_none()) {
            let _ = signal::send(-command.pid, name::KILL);
        }
        self.signal_children(name::KILL);
        // What is killed leaves its children to this process, so there is another round for them.
        let deadline = Moment::now().after(limits::KILL_MS);
        self.ending = Some(Ending { signal: name::KILL, deadline });
        self.reap();
    }

    /// Sends a signal to all children but the command, whose group was told: those that fell to this process.
    fn signal_children(&mut self, signal: u8) {
        let command = self.command.as_ref().map_or(0, |command| command.pid);
        let told = process::children(|pid| {
            if pid != command {
                let _ = signal::send(pid, signal);
                let _ = signal::send(pid, name::CONT);
            }
        });
        if let Err(errno) = told {
            // What cannot be found cannot be waited for.
            self.is_childless = signal == name::KILL;
            debug!(Session, "{}: cannot look for descendants in /proc: {}", self.name, errno);
        }
    }
}

/// Bytes that a pipe holds unless it is enlarged (pipe(7)).
const PIPE: usize = 64 << 10;

/// Makes a pipe hold a whole window, so that both its ends work in fewer and larger turns. Only for one that was found
/// full: most commands say little. Where the user has too many large pipes it stays as it is (`pipe-user-pages-soft`).
fn enlarge(pipe: &Descriptor) {
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, limits::WINDOW);
}
