//! The stub's side of a shared terminal, which is the program's own, on a stub that is a value.

#[path = "../../src/client/terminal/mod.rs"]
#[allow(dead_code, reason = "the library uses the rest of it")]
mod terminal;

/// A stub, as far as its terminal needs one; `stop` and what signals do are told again from `src/client/signals.rs`.
pub(crate) mod stub {
    use super::terminal::{Terminal, raw};
    use crate::protocol::client::Peer;
    use crate::protocol::{Keys, MODES};
    use crate::sys::signal::name;
    use crate::sys::{caller, cooked};
    use k8psh::text::line::Line;
    use rustix::fd::{AsFd, BorrowedFd};
    use rustix::io::{Errno, Result};
    use std::hash::{Hash, Hasher};

    pub(crate) type Handled = std::result::Result<(), ()>;

    /// What the server is told.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub(crate) enum Said {
        Foreground(bool),
        Waiting(bool),
        Line,
        Signal(u8),
    }

    /// What the server says.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub(crate) enum Told {
        Keys(u32),
        /// A signal, and how many of the stub's the command had got.
        Stopped(u8, usize),
        Ended,
    }

    /// In the place of `ClientEnd`: what it is told goes to the server as it is.
    #[derive(Default, Hash)]
    pub(crate) struct Machine {
        pub(crate) said: Vec<Said>,
        sent: usize,
        resumed: usize,
        space: Vec<u8>,
    }

    impl Machine {
        #[allow(clippy::unused_self, reason = "the real one may not know")]
        pub(crate) fn peer(&self) -> Peer {
            Peer::Negotiated
        }

        #[allow(clippy::unused_self, reason = "modes change nothing here")]
        pub(crate) fn modes(&mut self, _: &[u8; MODES]) {}

        #[allow(clippy::unused_self, reason = "sizes change nothing here")]
        pub(crate) fn resize(&mut self, _: u64) {}

        pub(crate) fn foreground(&mut self, is_in_foreground: bool) {
            self.said.push(Said::Foreground(is_in_foreground));
        }

        pub(crate) fn waiting(&mut self, waits: bool) {
            self.said.push(Said::Waiting(waits));
        }

        #[allow(clippy::unused_self, reason = "there is always credit for a line here")]
        pub(crate) fn allowance(&self) -> usize {
            8
        }

        pub(crate) fn space(&mut self, count: usize) -> &mut [u8] {
            self.space.resize(count, 0);
            &mut self.space
        }

        pub(crate) fn send(&mut self, _: usize) {
            self.said.push(Said::Line);
        }

        fn signal(&mut self, signal: u8) {
            self.sent += 1;
            if signal == name::CONT {
                self.resumed = self.sent;
            }
            self.said.push(Said::Signal(signal));
        }
    }

    /// The caller's terminal as stdin: each read takes a line.
    pub(crate) struct Stream;

    impl Stream {
        #[allow(clippy::unused_self, reason = "there is one terminal")]
        pub(crate) fn read(&mut self, space: &mut [u8]) -> Result<usize> {
            caller(|caller| {
                if !caller.is_foreground {
                    return Err(Errno::IO);
                }
                caller.typed = caller.typed.checked_sub(1).ok_or(Errno::AGAIN)?;
                space[0] = b'\n';
                Ok(1)
            })
        }
    }

    impl AsFd for Stream {
        fn as_fd(&self) -> BorrowedFd<'_> {
            k8psh::sys::fd::standard_fds()[0]
        }
    }

    pub(crate) struct Streams {
        pub(crate) input: Option<Stream>,
        pub(crate) input_awaits_stop: bool,
    }

    pub(crate) struct Connection {
        pub(crate) is_direct: bool,
    }

    pub(crate) struct Route {
        pub(crate) server: Server,
    }

    pub(crate) struct Server;

    impl Server {
        #[allow(clippy::unused_self, reason = "the real one has several")]
        pub(crate) fn name(&self) -> &'static str {
            "server"
        }
    }

    pub(crate) struct Stub {
        pub(crate) machine: Machine,
        pub(super) terminal: Terminal,
        pub(crate) streams: Streams,
        pub(crate) connection: Connection,
        pub(crate) route: Route,
        pub(crate) descriptors: &'static [i32],
        pub(crate) reason: Box<Line>,
        pub(crate) is_stopped: bool,
        pub(crate) is_over: bool,
    }

    impl Stub {
        /// One whose command shares its terminal, in the foreground of that.
        pub(crate) fn new() -> Stub {
            raw::restore();
            caller(|caller| (caller.is_foreground, caller.modes, caller.typed) = (true, cooked(), 0));
            let mut terminal = Terminal::of_caller();
            terminal.offer(false);
            terminal.await_answer(false);
            let mut stub = Stub {
                machine: Machine::default(),
                terminal,
                streams: Streams { input: Some(Stream), input_awaits_stop: false },
                connection: Connection { is_direct: false },
                route: Route { server: Server },
                descriptors: &[],
                reason: Box::new(Line::new()),
                is_stopped: false,
                is_over: false,
            };
            stub.answered(true, true);
            stub
        }

        pub(crate) fn runs(&self) -> bool {
            !self.is_stopped && !self.is_over
        }

        /// Whether stdin is watched and has something.
        pub(crate) fn can_read(&self) -> bool {
            self.runs() && self.may_read() && self.streams.input.is_some() && caller(|caller| caller.typed > 0)
        }

        /// `Stub::read_input`.
        pub(crate) fn read(&mut self) {
            if self.terminal.has_shared_keys() && !self.terminal.takes_all() {
                return self.on_typed();
            }
            match self.streams.input.as_mut().map(|input| input.read(&mut [0])) {
                Some(Ok(count)) => self.machine.send(count),
                _ => drop(self.terminal.leave_to_foreground()),
            }
        }

        /// It is told something.
        pub(crate) fn hear(&mut self, told: Told) {
            let _ = match told {
                Told::Keys(keys) => self.give_keys(Keys::of(keys).expect("a number of keys")),
                Told::Stopped(_, delivered) if delivered < self.machine.resumed => Ok(()),
                Told::Stopped(signal, _) => self.stop(signal),
                Told::Ended => {
                    raw::restore();
                    self.is_over = true;
                    Ok(())
                }
            };
        }

        pub(crate) fn stop(&mut self, signal: u8) -> Handled {
            if matches!(signal, name::TTIN | name::TTOU) && caller(|caller| caller.is_foreground) {
                self.resume();
                return Ok(());
            }
            raw::restore();
            self.is_stopped = true;
            Ok(())
        }

        /// CONT has come.
        pub(crate) fn resume(&mut self) {
            self.is_stopped = false;
            self.resume_terminal();
            self.machine.signal(name::CONT);
        }

        pub(crate) fn signal(&mut self, signal: u8) {
            self.machine.signal(signal);
        }

        #[allow(clippy::unnecessary_wraps, reason = "the real one may fail")]
        pub(crate) fn fail_input(&mut self, _: Errno) -> Handled {
            Ok(())
        }

        pub(crate) fn take_terminal(&mut self) {
            self.streams.input = Some(Stream);
        }

        pub(crate) fn take_streams(&mut self) {
            self.streams.input = Some(Stream);
        }

        /// Whether the modes of the caller's terminal are other ones than the caller's.
        pub(crate) fn has_raw_terminal() -> bool {
            caller(|caller| caller.modes != cooked())
        }
    }

    impl Hash for Stub {
        fn hash<H: Hasher>(&self, hasher: &mut H) {
            (self.is_stopped, self.is_over, &self.machine.said).hash(hasher);
            (self.machine.sent, self.machine.resumed, self.terminal.takes_all()).hash(hasher);
            (self.terminal.is_shared(), self.terminal.watches_input()).hash(hasher);
            caller(|caller| (caller.is_foreground, *caller.modes.as_bytes(), caller.typed).hash(hasher));
        }
    }
}
