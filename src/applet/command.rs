//! The command that a request asks for: where it runs, with what environment and arguments, and how it is started.

use super::listener::Work;
use super::options::choice;
use crate::bytes::value_of;
use crate::config::expansion::{self, Piece};
use crate::config::{Command, Kind, Variable, path};
use crate::diag::Line;
use crate::session::Terminal;
use crate::session::request::Request;
use crate::sys::descriptor::{self, Descriptor};
use crate::sys::process::{self, Pointers, Refusal, Stack, Start, Vector};
use crate::sys::program::Environment;
use crate::sys::signal::Set;
use crate::sys::terminal::{self, Modes};
use crate::{add, debug, exit, limits};
use core::ffi::CStr;
use rustix::fd::AsFd;
use rustix::io::Errno;

/// Where a bare name is looked for when the command got no `PATH`.
pub(super) const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// A command that does not run: the exit code of its stub. Why is in the line that was passed along.
pub(super) struct Refused(pub(super) u8);

/// k8psh itself cannot run it: says why.
macro_rules! unavailable {
    ($reason:expr, $($part:expr),* $(,)?) => {{
        add!($reason, $($part),*);
        Refused(exit::UNAVAILABLE)
    }};
}

/// A command that runs.
#[derive(Default)]
pub(super) struct Running {
    /// Its process, and its process group; 0: it does not run yet.
    pub(super) pid: i32,
    /// Its terminal, where it has one; this end of it is both [`Self::input`] and the first of [`Self::outputs`].
    pub(super) terminal: Option<Descriptor>,
    /// This end of its stdin, non-blocking, until either side closes it.
    pub(super) input: Option<Descriptor>,
    /// This end of its stdout and stderr, until they end.
    pub(super) outputs: [Option<Descriptor>; 2],
}

/// Room for what starting a command needs. What every start touches comes first, beside each other.
#[repr(C)]
pub(super) struct Room {
    stack: Stack,
    others: Others,
    paths: [[u8; limits::PATH]; 2],
    expansion: [u8; limits::EXPANSION],
    variables: Pointers,
    arguments: Pointers,
}

impl Room {
    /// Nothing in it.
    pub(super) const EMPTY: Room = Room {
        stack: Stack::EMPTY,
        others: Others::new(),
        paths: [[0; limits::PATH]; 2],
        expansion: [0; limits::EXPANSION],
        variables: Pointers::EMPTY,
        arguments: Pointers::EMPTY,
    };
}

/// Starts what the request asks for, or adds to `reason` why not. On success, `reason` has a warning if there is one.
///
/// `passed` are the descriptors that came along, in the order in which the request names their numbers; `None`: none could.
#[inline(never)]
pub(super) fn start(
    work: &Work<'_>,
    request: &Request<'_>,
    passed: Option<&mut Passed>,
    room: &mut Room,
    running: &mut Running,
    reason: &mut Line,
) -> Result<(), Refused> {
    let name = request.command();
    let Some(command) = work.server.command(name.to_bytes()) else {
        add!(reason, "{}: no such command", name);
        return Err(Refused(exit::NOT_FOUND));
    };
    enter(work.loaded.base.as_c_str(), request.directory(), &mut room.paths, reason)?;
    let mut settled = Settled {
        server: &work.environment,
        entries: Vector::new(&mut room.variables),
        room: &mut room.expansion,
        length: 0,
    };
    settled.settle(command, request, reason)?;
    let mut plumbing = Plumbing { far: [const { None }; 3], on_terminal: 0, near: running, others: &mut room.others };
    plumbing.make(work.tty, request, passed, reason)?;
    if plumbing.near.terminal.is_some() && !command.environment().any(|variable| variable.name == TERM) {
        // One more cannot be too many: that is told by what execve takes.
        settled.set(TERM, request.variable(TERM));
    }
    let mut arguments = Vector::new(&mut room.arguments);
    let mut fits = true;
    for argument in command.arguments() {
        fits &= arguments.push(argument);
    }
    for argument in request.arguments() {
        fits &= arguments.push(argument);
    }
    if !fits {
        return Err(unavailable!(reason, "{}", Errno::TOOBIG));
    }
    let program = command.arguments().next().unwrap_or(name);
    let search = settled.get(b"PATH").unwrap_or(DEFAULT_PATH);
    let attributes = request.attributes();
    let pid = process::start(&mut Start {
        program,
        search,
        arguments: &mut arguments,
        environment: &settled.entries,
        streams: &plumbing.far,
        on_terminal: plumbing.on_terminal,
        others: plumbing.others,
        terminal: plumbing.near.terminal.as_ref(),
        is_background: attributes.is_background(),
        umask: attributes.umask.unwrap_or(work.umask),
        ignored: Set(attributes.ignored),
        defaults: work.ignored,
        stack: &mut room.stack,
    });
    match pid {
        Ok(pid) => plumbing.near.pid = pid,
        Err(refusal) => {
            *reason = Line::new();
            return Err(explain(refusal, program, search, reason));
        }
    }
    debug!(Session, "started {} as process {}", program, plumbing.near.pid);
    Ok(())
}

/// The variable that says what a terminal understands.
const TERM: &[u8] = b"TERM";

/// Whether a command gets a terminal.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Tty {
    /// Where its stub's stdin and stdout are one.
    #[default]
    Auto,
    Always,
    Never,
}

impl Tty {
    /// Their names, in their order.
    pub(super) const NAMES: &str = "auto, always, never";

    /// The rule of this name.
    pub(super) fn named(name: &[u8]) -> Option<Tty> {
        [Tty::Auto, Tty::Always, Tty::Never].get(choice(Tty::NAMES, name)?).copied()
    }
}

/// Both ends of a command's streams.
struct Plumbing<'r> {
    /// The command's ends.
    far: [Option<Descriptor>; 3],
    /// How many of its streams are its terminal instead.
    on_terminal: i32,
    /// This session's, of a command that does not run yet.
    near: &'r mut Running,
    /// What else came along, with the numbers that the command is to have it by.
    others: &'r mut Others,
}

type Others = heapless::Vec<(i32, Descriptor), { limits::DESCRIPTORS }>;

impl Drop for Plumbing<'_> {
    /// What came along is the command's alone from now on: whoever reads it is to see the end.
    fn drop(&mut self) {
        self.others.clear();
    }
}

/// What keeps a descriptor from coming, or from its number: `RLIMIT_NOFILE` (getrlimit(2)).
const LIMIT_LOW: &str = "; is the limit of open files too low?";

/// Descriptors that came along with a request.
pub(super) type Passed = heapless::Vec<Option<Descriptor>, { limits::DESCRIPTORS }>;

impl Plumbing<'_> {
    /// Makes the streams, by the rule and what the stub offers. Without a pseudo-terminal there are those that came along,
    /// or pipes, and a `warning`.
    #[inline(never)]
    fn make(
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
            let descriptor = descriptor::above(descriptor, highest)
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
        self.near.input = Some(descriptor::duplicate(&near)?);
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
        let [mut near, mut far] = descriptor::pipe()?;
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

/// Why the program could not be started.
pub(super) fn explain(refusal: Refusal, program: &CStr, search: &[u8], reason: &mut Line) -> Refused {
    let Refusal { errno, exists } = refusal;
    if !exists && !crate::bytes::has(program.to_bytes(), b'/') {
        add!(reason, "{}: not found in PATH={}", program, search);
        return Refused(exit::NOT_FOUND);
    }
    add!(reason, "{}: {}", program, errno);
    if matches!(errno, Errno::AGAIN | Errno::NOMEM | Errno::NFILE | Errno::MFILE) {
        // This process is short of something, which is not the program's fault.
        return unavailable!(reason, "; is a limit too low?");
    }
    if !exists {
        return Refused(exit::NOT_FOUND);
    }
    // The file is there, so what the kernel did not find is what the file names.
    if errno == Errno::NOENT {
        add!(reason, " (its interpreter or loader)");
    }
    Refused(exit::NOT_EXECUTABLE)
}

/// Changes to `directory` below `base`. The check comes after the change: what this process then is in is what it is,
/// whatever links and `..` led there.
fn enter(
    base: &CStr,
    directory: &CStr,
    // Not on the stack: what is cleared there is touched as a whole.
    [top, here]: &mut [[u8; limits::PATH]; 2],
    reason: &mut Line,
) -> Result<(), Refused> {
    let top = change(base, top);
    let top = top.map_err(|errno| unavailable!(reason, "baseDirectory {}: {}", base, errno))?;
    if directory.is_empty() || directory == c"." {
        return Ok(());
    }
    let is_absolute = directory.to_bytes().starts_with(b"/");
    let (text, errno) = match change(directory, here) {
        Ok(here) if !is_absolute && path::relative(top, here).is_some() => return Ok(()),
        Ok(_) => ("working directory {} is outside of baseDirectory {}", Errno::ACCESS),
        Err(errno) => ("working directory {} below {}: {}", errno),
    };
    Err(unavailable!(reason, text, directory, base, errno))
}

/// Changes to a directory; where this process then is.
#[inline(never)]
fn change<'b>(directory: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    rustix::process::chdir(directory)?;
    process::working_directory(buffer)
}

/// The environment of a command, as far as its variables are settled.
struct Settled<'w> {
    server: &'w Environment<'w>,
    /// What is set, `NAME=value`.
    entries: Vector<'w>,
    /// What is left of the room for entries that are put together here.
    room: &'w mut [u8],
    /// How much of it the one that is being put together takes.
    length: usize,
}

impl<'w> Settled<'w> {
    /// The environment that a command gets: the variables that the configuration lists for it, and no other.
    fn settle(&mut self, command: Command<'w>, request: &Request<'w>, reason: &mut Line) -> Result<(), Refused> {
        for variable in command.environment() {
            let mut entry = if variable.kind == Kind::Fixed { None } else { request.variable(variable.name) };
            if entry.is_none() && variable.value.is_empty() && variable.kind != Kind::Sent {
                entry = if variable.kind == Kind::Optional { self.entry(variable.name) } else { None };
                entry = entry.or_else(|| self.server.entry(variable.name));
            } else if entry.is_none() {
                entry = if variable.deferred { self.expand(&variable) } else { Some(variable.word) };
                if entry.is_none() {
                    let text = "{}: its value needs more than {} bytes";
                    return Err(unavailable!(reason, text, variable.name, limits::EXPANSION));
                }
            }
            if !self.set(variable.name, entry) {
                return Err(unavailable!(reason, "more variables than {}", limits::VARIABLES));
            }
        }
        Ok(())
    }

    /// The entry of a variable whose value has references that were kept until now; `None`: there is no room for it.
    #[inline(never)]
    fn expand(&mut self, variable: &Variable<'_>) -> Option<&'w CStr> {
        self.length = 0;
        self.append(variable.name)?;
        self.append(b"=")?;
        for piece in expansion::pieces(variable.value) {
            let text = match piece {
                Piece::Text(text) => text,
                Piece::Reference(reference) => self.look_up(reference.name).or(reference.default).unwrap_or_default(),
            };
            self.append(text)?;
        }
        self.append(b"\0")?;
        let (entry, rest) = core::mem::take(&mut self.room).split_at_mut_checked(self.length)?;
        self.room = rest;
        crate::bytes::c_str(entry)
    }

    #[inline(never)]
    fn append(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        self.room.get_mut(self.length..end)?.copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    /// What a reference means: a variable that is settled already, or one of the server's own.
    fn look_up(&self, name: &[u8]) -> Option<&'w [u8]> {
        self.get(name).or_else(|| self.server.get(name))
    }

    /// Settles a variable, anew where it was; `None`: it is to be unset. False where there are too many.
    #[inline(never)]
    fn set(&mut self, name: &[u8], entry: Option<&'w CStr>) -> bool {
        if let Some(index) = self.position(name) {
            self.entries.remove(index);
        }
        entry.is_none_or(|entry| self.entries.len() < limits::VARIABLES && self.entries.push(entry))
    }

    #[inline(never)]
    fn position(&self, name: &[u8]) -> Option<usize> {
        (0..self.entries.len())
            .find(|index| self.entries.get(*index).is_some_and(|entry| value_of(entry, name).is_some()))
    }

    fn entry(&self, name: &[u8]) -> Option<&'w CStr> {
        self.position(name).and_then(|index| self.entries.get(index))
    }

    fn get(&self, name: &[u8]) -> Option<&'w [u8]> {
        value_of(self.entry(name)?, name)
    }
}
