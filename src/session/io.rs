//! Both ends of a command's standard streams: pipes, a pseudo-terminal, or the descriptors that came along.

use super::launch::{Refused, Running, unavailable};
use crate::add;
use crate::limits;
use crate::options::value::Tty;
use crate::protocol::Terminal;
use crate::protocol::request::Request;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::terminal::{self, Modes};
use crate::text::line::Line;
use rustix::fd::AsFd;
use rustix::io::Errno;

/// Both ends of a command's streams.
pub(super) struct CommandIo<'r> {
    /// The command's ends.
    pub(super) far: [Option<OwnedFd>; 3],
    /// How many of its streams are its terminal instead.
    pub(super) on_terminal: i32,
    /// This session's, of a command that does not run yet.
    pub(super) near: &'r mut Running,
    /// What else came along, with the numbers that the command is to have it by.
    pub(super) others: &'r mut Others,
}

pub(super) type Others = heapless::Vec<(i32, OwnedFd), { limits::DESCRIPTORS }>;

impl Drop for CommandIo<'_> {
    /// What came along is the command's alone from now on: whoever reads it is to see the end.
    fn drop(&mut self) {
        self.others.clear();
    }
}

/// What keeps a descriptor from coming, or from its number: `RLIMIT_NOFILE` (getrlimit(2)).
const LIMIT_LOW: &str = "; is the limit of open files too low?";

/// Descriptors that came along with a request.
pub(super) type Passed = heapless::Vec<Option<OwnedFd>, { limits::DESCRIPTORS }>;

impl CommandIo<'_> {
    /// Makes the streams, by the rule and what the stub offers. Without a pseudo-terminal there are those that came along,
    /// or pipes, and a `warning`.
    #[inline(never)]
    pub(super) fn make(
        &mut self,
        rule: Tty,
        request: &Request<'_>,
        passed: Option<&mut Passed>,
        warning: &mut Line,
    ) -> Result<(), Refused> {
        let is_direct = passed.is_some();
        if let Some(passed) = passed {
            self.adopt(request, passed, warning)?;
        }
        let offered = request.attributes().terminal.as_ref();
        if rule == Tty::Always || rule == Tty::Auto && offered.is_some() {
            match self.make_terminal(offered, is_direct) {
                Ok(()) => return Ok(()),
                Err(errno) => add!(warning, "cannot make a pseudo-terminal: {}; going on without", errno),
            }
        }
        if is_direct {
            return Ok(());
        }
        self.make_pipes().map_err(|errno| unavailable!(warning, "cannot make pipes: {}", errno))
    }

    /// Gives what came along its numbers. The kernel chose others, so all have to be out of each other's way first.
    fn adopt(&mut self, request: &Request<'_>, passed: &mut Passed, reason: &mut Line) -> Result<(), Refused> {
        let (mut told, mut highest) = (0, 0);
        for number in request.descriptors() {
            told += 1;
            highest = highest.max(number);
        }
        let came = passed.len();
        if told != came {
            return Err(unavailable!(reason, "{} of {} descriptors arrived{}", came, told, LIMIT_LOW));
        }
        for (place, number) in passed.iter_mut().zip(request.descriptors()) {
            let Some(descriptor) = place.take() else { continue };
            if let Some(stream) = usize::try_from(number).ok().and_then(|number| self.far.get_mut(number)) {
                *stream = Some(descriptor);
                continue;
            }
            let descriptor = fd::above(descriptor, highest)
                .map_err(|errno| unavailable!(reason, "descriptor {}: {}{}", number, errno, LIMIT_LOW))?;
            // As many as came.
            let _ = self.others.push((number, descriptor));
        }
        Ok(())
    }

    /// A pseudo-terminal like the one that is `offered`, for stderr too where that is on it. One that nobody looks at
    /// leaves the streams as they are.
    fn make_terminal(&mut self, offered: Option<&Terminal>, is_direct: bool) -> Result<(), Errno> {
        let [near, far] = terminal::pair()?;
        let mut modes = terminal::modes(far.as_fd())?;
        modes.make_plain();
        if let Some(offered) = offered {
            modes = Modes::from_bytes(offered.modes());
            terminal::set_size(far.as_fd(), offered.size());
        }
        terminal::set_modes(far.as_fd(), &modes)?;
        terminal::lead_session(&far)?;
        let has_error = offered.is_some_and(|offered| offered.has(Terminal::ERROR));
        if !has_error && !is_direct {
            self.make_pipe(2)?;
        }
        self.near.input = Some(fd::duplicate(&near)?);
        self.on_terminal = if has_error { 3 } else { 2 };
        self.near.outputs[0] = Some(near);
        self.near.terminal = Some(far);
        Ok(())
    }

    /// Pipes for the three streams.
    fn make_pipes(&mut self) -> Result<(), Errno> {
        (0..3).try_for_each(|stream| self.make_pipe(stream))
    }

    /// A pipe for a stream.
    #[inline(never)]
    fn make_pipe(&mut self, stream: usize) -> Result<(), Errno> {
        let [mut near, mut far] = fd::pipe()?;
        let mut place = &mut self.near.input;
        if stream > 0 {
            place = &mut self.near.outputs[stream - 1];
        } else {
            core::mem::swap(&mut near, &mut far);
            // The ends of a pipe are two open files (pipe(7)): the command's end goes on blocking.
            rustix::fs::fcntl_setfl(&near, rustix::fs::OFlags::NONBLOCK)?;
        }
        *place = Some(near);
        self.far[stream] = Some(far);
        Ok(())
    }
}
