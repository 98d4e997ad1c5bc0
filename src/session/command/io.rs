//! Both ends of a command's standard streams: pipes, a pseudo-terminal, or the descriptors that came along.

use super::refusal::{Refused, unavailable};
use super::running::Streams;
use crate::limits;
use crate::options::value::Tty;
use crate::protocol::request::{Attributes, Request};
use crate::protocol::{Terminal, Which};
use crate::sys::fd::{self, OwnedFd};
use crate::sys::socket::tcp;
use crate::sys::terminal::{self, Modes};
use crate::text::line::Line;
use crate::text::packed::Text;
use crate::{add, text};
use rustix::fd::AsFd;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;

/// What keeps a descriptor from coming, or from getting its number: `RLIMIT_NOFILE` (getrlimit(2)).
const LIMIT_LOW: Text = text!("; is the limit of open files too low?");

/// Descriptors that came along with a request.
pub(in crate::session) type Passed = heapless::Vec<Option<OwnedFd>, { limits::DESCRIPTORS }>;

/// Descriptors for a command, each with the number by which the command is to have it.
pub(super) type Others = heapless::Vec<(i32, OwnedFd), { limits::DESCRIPTORS }>;

/// Keeps a descriptor that came along. One too many is missed when they are counted, and not closed before this process ends.
pub(in crate::session) fn keep(passed: &mut Passed, descriptor: OwnedFd) {
    match passed.iter_mut().find(|slot| slot.is_none()) {
        Some(slot) => *slot = Some(descriptor),
        None => drop(passed.push(Some(descriptor)).map_err(|descriptor| descriptor.map(fd::leave_open))),
    }
}

/// Both ends of a command's streams.
pub(super) struct CommandIo<'r> {
    /// The command's ends.
    pub(super) command: [Option<OwnedFd>; 3],
    /// Which of its streams are its terminal instead.
    pub(super) on_terminal: [bool; 3],
    /// This session's ends.
    pub(super) session: Streams,
    /// What else came along.
    pub(super) others: &'r mut Others,
    /// Where [`Self::others`] came from, and [`Self::command`] too. `None`: nothing could come.
    passed: Option<&'r mut Passed>,
}

impl Drop for CommandIo<'_> {
    fn drop(&mut self) {
        self.release(false);
    }
}

impl<'r> CommandIo<'r> {
    /// No streams yet.
    pub(super) fn new(others: &'r mut Others, passed: Option<&'r mut Passed>) -> CommandIo<'r> {
        CommandIo { command: [const { None }; 3], on_terminal: [false; 3], session: Streams::default(), others, passed }
    }

    /// Lets go of what the command was to have. Once that `has_started`, only the command has it: who reads what it writes is
    /// to see the end when it ends. What came along and no command took, or may keep this process waiting as it closes, is
    /// left to the session.
    pub(super) fn release(&mut self, has_started: bool) {
        let mut release = |descriptor| match &mut self.passed {
            Some(passed) if !has_started || tcp::lingers(&descriptor) => keep(passed, descriptor),
            _ => drop(descriptor),
        };
        while let Some((_, other)) = self.others.pop() {
            release(other);
        }
        self.command.iter_mut().filter_map(Option::take).for_each(release);
    }

    /// Makes the streams, by the rule and what the stub offers. Without a pseudo-terminal they are those that came along,
    /// or pipes; then there is a `warning` where there should have been one.
    pub(super) fn make(&mut self, rule: Tty, request: &Request<'_>, warning: &mut Line) -> Result<(), Refused> {
        self.adopt(request, warning)?;
        let attributes = request.attributes();
        let is_direct = self.passed.is_some();
        // The relay has no frames for a terminal beside both outputs.
        let can_show = |terminal: &&Terminal| is_direct || terminal.streams()[1..].contains(&true);
        let has_both = |terminal: &&Terminal| rule != Tty::Always || terminal.streams()[..2] == [true; 2];
        let offered = attributes.terminal.as_ref().filter(can_show).filter(has_both);
        if rule == Tty::Always || rule == Tty::Auto && offered.is_some() {
            match self.make_terminal(offered, attributes) {
                Ok(()) => return Ok(()),
                Err(errno) => add!(warning, "cannot make a pseudo-terminal: {}; going on without", errno),
            }
        }
        if self.passed.is_some() {
            return Ok(());
        }
        self.make_pipes(attributes.has_one_output)
            .map_err(|errno| unavailable!(warning, "cannot make pipes: {}", errno))
    }

    /// Takes over the descriptors that came along: streams for stdin, stdout and stderr, the rest as others. The kernel chose
    /// their numbers, which have to be out of the way of all those that are wanted.
    fn adopt(&mut self, request: &Request<'_>, reason: &mut Line) -> Result<(), Refused> {
        let Some(passed) = &mut self.passed else { return Ok(()) };
        let (mut announced, mut highest) = (0, 0);
        for number in request.descriptors() {
            announced += 1;
            highest = highest.max(number);
        }
        let came = passed.len();
        if announced != came {
            return Err(unavailable!(reason, "{} of {} descriptors arrived{}", came, announced, LIMIT_LOW));
        }
        for (slot, number) in passed.iter_mut().zip(request.descriptors()) {
            match usize::try_from(number).ok().and_then(|stream| self.command.get_mut(stream)) {
                // One that had the same number stays here.
                Some(stream) => core::mem::swap(stream, slot),
                None => {
                    let Some(descriptor) = slot else { continue };
                    fd::raise(descriptor, highest)
                        .map_err(|errno| unavailable!(reason, "descriptor {}: {}{}", highest, errno, LIMIT_LOW))?;
                    // As many fit as can come.
                    drop(slot.take().map(|descriptor| self.others.push((number, descriptor))));
                }
            }
        }
        Ok(())
    }

    /// A pseudo-terminal like the one that is `offered`, for the streams that are on it. Without an offer it is for stdin and
    /// stdout, for stderr too if that is the same file as stdout, and its output processing is off, since what comes out of it
    /// is no terminal.
    fn make_terminal(&mut self, offered: Option<&Terminal>, attributes: &Attributes) -> Result<(), Errno> {
        let is_direct = self.passed.is_some();
        let [session, command] = terminal::pair()?;
        let mut modes = terminal::modes(command.as_fd())?;
        modes.make_plain();
        if let Some(offered) = offered {
            modes = Modes::from_bytes(offered.modes());
            terminal::set_size(command.as_fd(), offered.size());
        }
        terminal::set_modes(command.as_fd(), &modes)?;
        self.on_terminal = offered.map_or([true, true, attributes.has_one_output], Terminal::streams);
        self.session.has_keys = is_direct || self.on_terminal[0];
        if self.session.has_keys {
            terminal::lead_session(&command)?;
        }
        // What is not on it came along, or is relayed apart.
        if !is_direct {
            self.make_other_pipes()?;
        }
        let screen = if self.on_terminal[1] { Which::Output } else { Which::Error };
        if self.session.has_keys {
            self.session.input = Some(fd::duplicate(&session)?);
        }
        self.session.outputs[screen as usize] = Some(session);
        self.session.screen = Some(screen);
        self.session.terminal = Some(command);
        self.session.shared_modes = offered.map(|_| modes);
        Ok(())
    }

    /// Pipes for the streams that are not on the terminal.
    fn make_other_pipes(&mut self) -> Result<(), Errno> {
        let [input, output, error] = self.on_terminal;
        if !input {
            self.make_input_pipe()?;
        }
        if !output {
            self.make_output_pipe(1)?;
        }
        if error { Ok(()) } else { self.make_output_pipe(2) }
    }

    /// Pipes for the three streams: one for stdout and stderr where these are one at the stub, so that their order holds.
    fn make_pipes(&mut self, has_one_output: bool) -> Result<(), Errno> {
        self.make_input_pipe()?;
        self.make_output_pipe(1)?;
        if let Some(output) = self.command[1].as_ref().filter(|_| has_one_output) {
            self.command[2] = Some(fd::duplicate(output)?);
            return Ok(());
        }
        self.make_output_pipe(2)
    }

    /// A pipe for stdin. Its ends are two open files (pipe(7)): that of the command goes on blocking. This session's must
    /// not: a command that is stopped neither reads nor writes.
    fn make_input_pipe(&mut self) -> Result<(), Errno> {
        let [read, write] = fd::pipe()?;
        fcntl_setfl(&write, OFlags::NONBLOCK)?;
        (self.command[0], self.session.input) = (Some(read), Some(write));
        Ok(())
    }

    /// A pipe for stdout (1) or stderr (2); see [`Self::make_input_pipe`].
    fn make_output_pipe(&mut self, stream: usize) -> Result<(), Errno> {
        let [read, write] = fd::pipe()?;
        fcntl_setfl(&read, OFlags::NONBLOCK)?;
        (self.command[stream], self.session.outputs[stream - 1]) = (Some(write), Some(read));
        Ok(())
    }
}
