//! Both ends, the wire between them, and what can happen to them.

use crate::exit::End;
use crate::limits;
use crate::process::Process;
use crate::protocol::client::{self, Peer};
use crate::protocol::frame::Kind;
use crate::protocol::{Queue, Which, request, server};
use crate::scenes::Scene;
use crate::session::server::Server;
use crate::stub::{Over, Stub};
use crate::sys::signal::name;
use crate::wire::{Tap, Wire};
use std::hash::{DefaultHasher, Hash, Hasher};

/// What can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    // The stub.
    Type,
    EndInput,
    Signal,
    HangUp(Which),
    Flush(Which),
    StubSends,
    /// Of what has come, so many bytes at the most.
    StubReceives(usize),
    GreetingIsLate,
    StubDies,
    // The connection.
    Cut,
    // The session.
    /// Likewise.
    Receives(usize),
    Sends,
    Reaps,
    PassesInput,
    PassesOutput(Which),
    TimePasses,
    Drain,
    ServerEnds,
    // The command.
    Write(Which),
    Close(Which),
    Read,
    CloseInput,
    Stop,
    Exit,
    Crash,
    // What ends a stop, where nothing else does.
    Resume,
    ResumeCommand,
}

use Action::*;

/// The memory of both ends.
pub(crate) struct Memory {
    client: client::Buffers,
    server: server::Buffers,
    request: [u8; request::FRAMES],
}

impl Memory {
    pub(crate) const EMPTY: Memory =
        Memory { client: client::Buffers::EMPTY, server: server::Buffers::EMPTY, request: [0; request::FRAMES] };
}

/// What has passed at each place, to compare.
#[derive(Default)]
pub(crate) struct Counts {
    /// Credit for stdin, stdout and stderr that was given, and that has come.
    pub(crate) given: [usize; 3],
    pub(crate) come: [usize; 3],
    /// Whether the last frame was sent.
    pub(crate) has_last: bool,
}

/// All of it.
pub(crate) struct World<'w> {
    pub(crate) scene: &'static Scene,
    pub(crate) stub: Stub<'w>,
    pub(crate) server: Server<'w>,
    pub(crate) up: Wire,
    pub(crate) down: Wire,
    taps: [Tap; 4],
    pub(crate) counts: Counts,
    /// Whether the connection is lost, or the stub.
    pub(crate) is_lost: bool,
    has_drained: bool,
    has_server_ended: bool,
}

impl<'w> World<'w> {
    pub(crate) fn new(scene: &'static Scene, memory: &'w mut Memory) -> World<'w> {
        let Memory { client, server, request } = memory;
        let mut writer = request::Writer::new(request);
        if !scene.is_plain {
            writer.add_variable(b"K8PSH_PROTOCOL", b"2");
        }
        writer.add(Kind::Start, b"c");
        let request: Queue<'w> = writer.finish().expect("it is short");
        World {
            scene,
            stub: Stub::new(request, client, scene.is_slow),
            server: Server::new(server, Process::new(scene.guards, scene.has_orphan), scene.has_timeout),
            up: Wire::default(),
            down: Wire::default(),
            taps: Default::default(),
            counts: Counts::default(),
            is_lost: false,
            has_drained: false,
            has_server_ended: false,
        }
    }

    /// What tells this state from others.
    pub(crate) fn key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.stub, &self.server, &self.up, &self.down).hash(&mut hasher);
        (self.is_lost, self.has_drained, self.has_server_ended, self.counts.has_last).hash(&mut hasher);
        hasher.finish()
    }

    /// What can happen now.
    pub(crate) fn enabled(&self, actions: &mut Vec<Action>) {
        actions.clear();
        let mut add = |action, is_possible: bool| {
            if is_possible {
                actions.push(action);
            }
        };
        self.enabled_at_stub(&mut add);
        self.enabled_at_server(&mut add);
        self.enabled_at_command(&mut add);
        add(Cut, self.scene.can_be_cut && !self.is_lost && self.stub.over.is_none());
    }

    fn enabled_at_stub(&self, add: &mut dyn FnMut(Action, bool)) {
        let (scene, stub) = (self.scene, &self.stub);
        let may_get_signal = stub.over.is_none() && scene.signals.get(stub.signals).is_some();
        let is_resumed = !stub.is_stopped || scene.signals.get(stub.signals) == Some(&name::CONT);
        add(Signal, may_get_signal && is_resumed);
        add(StubDies, scene.stub_can_die && stub.over.is_none());
        if !stub.runs() {
            return;
        }
        let has_more = stub.typed < scene.input * limits::FRAME;
        add(Type, stub.may_read() && has_more);
        add(EndInput, stub.may_read() && !has_more);
        add(StubSends, stub.wants_to_send() && self.up.has_room());
        let has_come = self.down.len() > 0 || self.down.has_ended();
        let may_receive = stub.told.is_none() && stub.end.has_room();
        add(StubReceives(usize::MAX), may_receive && has_come);
        add(StubReceives(self.down.len() / 2), scene.cuts_frames && may_receive && self.down.len() > 1);
        add(GreetingIsLate, scene.greeting_can_be_late && !stub.has_overflowed && stub.end.awaits_greeting());
        for which in Which::BOTH {
            add(Flush(which), stub.has_waiting(which));
            add(HangUp(which), scene.can_hang_up && !stub.sinks[which as usize].has_no_reader && stub.told.is_none());
        }
    }

    fn enabled_at_server(&self, add: &mut dyn FnMut(Action, bool)) {
        let (scene, server) = (self.scene, &self.server);
        if server.is_over() {
            return;
        }
        let may_receive = server.is_connected() && (self.up.has_ended() || server.reads() && self.up.len() > 0);
        add(Receives(usize::MAX), may_receive);
        add(Receives(self.up.len() / 2), scene.cuts_frames && server.reads() && self.up.len() > 1);
        add(Sends, server.wants_to_send() && self.down.has_room());
        add(Reaps, server.has_command() && !server.process.news.is_empty());
        add(PassesInput, server.input_is_ready());
        for which in Which::BOTH {
            add(PassesOutput(which), server.output_is_ready(which));
        }
        add(TimePasses, server.has_deadline());
        add(Drain, scene.can_drain && !self.has_drained);
        add(ServerEnds, scene.server_can_end && !self.has_server_ended);
    }

    fn enabled_at_command(&self, add: &mut dyn FnMut(Action, bool)) {
        let (scene, process) = (self.scene, &self.server.process);
        let runs = self.server.has_command() && process.runs();
        for which in Which::BOTH {
            let pipe = &process.outputs[which as usize];
            let has_more = pipe.written < scene.output[which as usize] * limits::FRAME;
            let is_open = pipe.has_writer && (runs || process.has_orphan && !process.is_alive);
            add(
                Write(which),
                self.server.has_command() && is_open && has_more && (pipe.room() > 0 || !pipe.has_reader),
            );
            add(Close(which), runs && scene.command_closes && pipe.has_writer);
        }
        add(Read, runs && process.input.has_reader && process.input.waiting() > 0);
        add(CloseInput, runs && scene.command_closes && process.input.has_reader);
        add(Stop, runs && scene.command_stops && !process.has_stopped_itself);
        add(Exit, runs && scene.command_exits);
        add(Crash, runs && scene.command_crashes);
    }

    /// Lets something happen.
    pub(crate) fn act(&mut self, action: Action) {
        match action {
            Type => self.stub.read_input(limits::FRAME),
            EndInput => self.stub.end_input(),
            Signal => self.stub.signal(self.scene.signals[self.stub.signals]),
            HangUp(which) => self.stub.hang_up(which),
            Flush(which) => self.stub.flush(which),
            StubSends => self.stub_sends(),
            StubReceives(most) => self.stub_receives(most),
            GreetingIsLate => self.stub.stop_awaiting(),
            StubDies => {
                self.stub.over = Some(Over::Killed);
                self.is_lost = true;
            }
            Cut => {
                self.is_lost = true;
                self.up.reset();
                self.down.reset();
            }
            Receives(most) => self.receives(most),
            Sends => {}
            Reaps => self.server.reap(),
            PassesInput => self.server.on_input_ready(),
            PassesOutput(which) => self.server.read_output(which),
            TimePasses => self.server.pass_time(),
            Drain => {
                self.has_drained = true;
                self.server.drain();
            }
            ServerEnds => {
                self.has_server_ended = true;
                self.server.end_with_server();
            }
            Resume => self.stub.resume(),
            ResumeCommand => self.server.process.signal(name::CONT),
            action => self.command_acts(action),
        }
        if !matches!(action, Type | EndInput | Signal | StubSends | StubReceives(_)) {
            self.advance();
        }
        self.stub.leave();
        if self.stub.over.is_some() {
            // What was sent can still be read; what is said to it is not.
            self.up.is_closed = true;
            self.down.reset();
        }
    }

    fn command_acts(&mut self, action: Action) {
        let process = &mut self.server.process;
        match action {
            Write(which) => process.write(which as usize),
            Close(which) => process.outputs[which as usize].has_writer = process.has_orphan,
            Read => process.input.read = process.input.written,
            CloseInput => process.input.has_reader = false,
            Stop => {
                process.has_stopped_itself = true;
                process.stop(name::STOP);
            }
            Exit => process.die(End::Code(3)),
            Crash => process.die(End::Signal(11)),
            _ => unreachable!("it is no action of the command's"),
        }
    }

    /// What a session does after each event.
    fn advance(&mut self) {
        let before = self.down.len();
        self.server.advance(&mut self.down);
        let sent: Vec<u8> = self.down.newest(self.down.len().saturating_sub(before));
        let counts = &mut self.counts;
        assert!(sent.is_empty() || !counts.has_last, "a frame follows the last");
        self.taps[0].pass(&sent, |kind, number| {
            assert!(!counts.has_last, "a frame follows the last");
            counts.has_last |= matches!(kind, Kind::Exit | Kind::Signaled);
            counts.given[0] += if kind == Kind::InputCredit { number as usize } else { 0 };
        });
    }

    fn stub_sends(&mut self) {
        let before = self.up.len();
        self.stub.transmit(&mut self.up);
        let sent = self.up.newest(self.up.len() - before);
        pass_credit(&mut self.taps[1], &sent, &mut self.counts.given);
    }

    fn stub_receives(&mut self, most: usize) {
        if self.down.has_ended() {
            return self.stub.on_disconnect();
        }
        let bytes = self.down.receive(most);
        let come = &mut self.counts.come[0];
        self.taps[2].pass(&bytes, |kind, number| *come += if kind == Kind::InputCredit { number as usize } else { 0 });
        self.stub.arrive(&bytes);
    }

    fn receives(&mut self, most: usize) {
        if self.up.has_ended() {
            return self.server.on_disconnect();
        }
        let bytes = self.up.receive(most);
        pass_credit(&mut self.taps[3], &bytes, &mut self.counts.come);
        self.server.arrive(&bytes);
    }

    /// Whether everything has ended that has to.
    pub(crate) fn is_over(&self) -> bool {
        self.stub.over.is_some() && self.server.is_over()
    }

    /// Whether both ends speak protocol 2.
    pub(crate) fn is_negotiated(&self) -> bool {
        self.stub.end.peer() == Peer::Negotiated
    }
}

/// Adds up the credit for the outputs.
fn pass_credit(tap: &mut Tap, bytes: &[u8], credit: &mut [usize; 3]) {
    tap.pass(bytes, |kind, number| match kind {
        Kind::OutputCredit => credit[1] += number as usize,
        Kind::ErrorCredit => credit[2] += number as usize,
        _ => {}
    });
}
