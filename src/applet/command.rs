//! The command that a request asks for: where it runs, with what environment and arguments, and how it is started.

use super::listener::Work;
use crate::config::expansion::{self, Piece};
use crate::config::{Command, Kind, Variable, path};
use crate::diag::Line;
use crate::session::request::Request;
use crate::sys::descriptor::{self, Descriptor};
use crate::sys::memory::Place;
use crate::sys::process::{self, Pointers, Refusal, Start, Vector};
use crate::sys::program::Environment;
use crate::sys::signal::Set;
use crate::{add, debug, exit, limits};
use core::ffi::CStr;
use rustix::fd::AsFd;
use rustix::io::Errno;

/// Where a bare name is looked for when the command got no `PATH`.
const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

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
pub(super) struct Running {
    /// Its process, and its process group.
    pub(super) pid: i32,
    /// This end of its stdin, non-blocking, until either side closes it.
    pub(super) input: Option<Descriptor>,
    /// This end of its stdout and stderr, until they end.
    pub(super) outputs: [Option<Descriptor>; 2],
}

/// Starts what the request asks for, or adds to `reason` why not.
pub(super) fn start(work: &Work, request: Request<'static>, reason: &mut Line) -> Result<Running, Refused> {
    static ARGUMENTS: Place<Pointers> = Place::new(Pointers::EMPTY);
    static VARIABLES: Place<Pointers> = Place::new(Pointers::EMPTY);
    let name = request.command();
    let Some(command) = work.server.command(name.to_bytes()) else {
        add!(reason, "{}: no such command", name);
        return Err(Refused(exit::NOT_FOUND));
    };
    enter(work.loaded.base.as_c_str(), request.directory(), reason)?;
    let mut settled = Settled::new(&work.environment);
    settled.settle(command, &request, reason)?;
    let mut variables = Vector::new(&VARIABLES);
    let mut arguments = Vector::new(&ARGUMENTS);
    let fits = settled.entries().all(|entry| variables.push(entry))
        && command.arguments().chain(request.arguments()).all(|argument| arguments.push(argument));
    if !fits {
        return Err(unavailable!(reason, "{}", Errno::TOOBIG));
    }
    let program = command.arguments().next().unwrap_or(name);
    let search = settled.get(b"PATH").unwrap_or(DEFAULT_PATH);
    let (streams, running) = pipes().map_err(|errno| unavailable!(reason, "cannot make pipes: {}", errno))?;
    let [input, output, error] = &streams;
    let pid = process::start(&mut Start {
        program,
        search,
        arguments: &mut arguments,
        environment: &variables,
        streams: [input.as_fd(), output.as_fd(), error.as_fd()],
        umask: request.attributes().umask.unwrap_or(work.umask),
        ignored: Set(request.attributes().ignored),
        defaults: work.ignored,
    });
    let pid = pid.map_err(|refusal| explain(refusal, program, search, reason))?;
    debug!(Session, "started {} as process {}", program, pid);
    Ok(Running { pid, ..running })
}

/// Pipes for the three streams: the command's ends, and this session's.
fn pipes() -> Result<([Descriptor; 3], Running), Errno> {
    let pipe = descriptor::pipe;
    let (input_far, input) = pipe()?;
    let (output, output_far) = pipe()?;
    let (error, error_far) = pipe()?;
    // The ends of a pipe are two open files (pipe(7)): the command's end goes on blocking.
    rustix::fs::fcntl_setfl(&input, rustix::fs::OFlags::NONBLOCK)?;
    let running = Running { pid: 0, input: Some(input), outputs: [Some(output), Some(error)] };
    Ok(([input_far, output_far, error_far], running))
}

/// Why the program could not be started.
fn explain(refusal: Refusal, program: &CStr, search: &[u8], reason: &mut Line) -> Refused {
    let Refusal { errno, exists } = refusal;
    if !exists && !program.to_bytes().contains(&b'/') {
        add!(reason, "{}: not found in PATH={}", program, search);
        return Refused(exit::NOT_FOUND);
    }
    add!(reason, "{}: {}", program, errno);
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
fn enter(base: &CStr, directory: &CStr, reason: &mut Line) -> Result<(), Refused> {
    let mut top = [0; limits::PATH];
    let top = rustix::process::chdir(base).and_then(|()| process::working_directory(&mut top));
    let top = top.map_err(|errno| unavailable!(reason, "baseDirectory {}: {}", base, errno))?;
    if directory.is_empty() || directory == c"." {
        return Ok(());
    }
    let mut here = [0; limits::PATH];
    let here = rustix::process::chdir(directory).and_then(|()| process::working_directory(&mut here));
    let here =
        here.map_err(|errno| unavailable!(reason, "working directory {} below {}: {}", directory, base, errno))?;
    if directory.to_bytes().starts_with(b"/") || path::relative(top, here).is_none() {
        return Err(unavailable!(reason, "working directory {} is outside of baseDirectory {}", directory, base));
    }
    Ok(())
}

/// The environment of a command, as far as its variables are settled.
struct Settled<'w> {
    server: &'w Environment,
    variables: heapless::Vec<Entry, { limits::VARIABLES }>,
    /// What is left of the room for values that are put together here.
    room: &'static mut [u8],
}

/// A variable and its entry `NAME=value`; `None`: it stays unset.
#[derive(Clone, Copy)]
struct Entry {
    name: &'static [u8],
    entry: Option<&'static CStr>,
}

impl Entry {
    fn value(&self) -> Option<&'static [u8]> {
        self.entry?.to_bytes().get(self.name.len() + 1..)
    }
}

impl<'w> Settled<'w> {
    fn new(server: &'w Environment) -> Settled<'w> {
        static ROOM: Place<[u8; limits::EXPANSION]> = Place::new([0; limits::EXPANSION]);
        Settled { server, variables: heapless::Vec::new(), room: ROOM.take() }
    }

    /// The environment that a command gets: the variables that the configuration lists for it, and no other.
    fn settle(
        &mut self,
        command: Command<'static>,
        request: &Request<'static>,
        reason: &mut Line,
    ) -> Result<(), Refused> {
        for variable in command.environment() {
            let sent = if variable.kind == Kind::Fixed { None } else { request.variable(variable.name) };
            let entry = match sent {
                Some(entry) => Some(entry),
                None => self.default(&variable).ok_or_else(|| {
                    unavailable!(reason, "{}: its value needs more than {} bytes", variable.name, limits::EXPANSION)
                })?,
            };
            let Some(()) = self.set(variable.name, entry) else {
                return Err(unavailable!(reason, "more variables than {}", limits::VARIABLES));
            };
        }
        Ok(())
    }

    /// The entry of a variable that the client does not send; the outer `None`: there is no room to put it together.
    fn default(&mut self, variable: &Variable<'static>) -> Option<Option<&'static CStr>> {
        if variable.value.is_empty() && variable.kind != Kind::Sent {
            let settled = (variable.kind == Kind::Optional).then(|| self.entry(variable.name)).flatten();
            return Some(settled.or_else(|| self.server.entry(variable.name)));
        }
        if variable.deferred { self.expand(variable).map(Some) } else { Some(Some(variable.word)) }
    }

    /// The entry of a variable whose value has references that were kept until now.
    fn expand(&mut self, variable: &Variable<'static>) -> Option<&'static CStr> {
        let room = core::mem::take(&mut self.room);
        let mut length = 0;
        let mut append = |bytes: &[u8]| -> Option<()> {
            room.get_mut(length..length + bytes.len())?.copy_from_slice(bytes);
            length += bytes.len();
            Some(())
        };
        append(variable.name)?;
        append(b"=")?;
        for piece in expansion::pieces(variable.value) {
            append(match piece {
                Piece::Text(text) => text,
                Piece::Reference(reference) => self.look_up(reference.name).or(reference.default).unwrap_or_default(),
            })?;
        }
        append(b"\0")?;
        let (entry, rest) = room.split_at_mut_checked(length)?;
        self.room = rest;
        CStr::from_bytes_until_nul(entry).ok()
    }

    /// What a reference means: a variable that is settled already, or one of the server's own.
    fn look_up(&self, name: &[u8]) -> Option<&'static [u8]> {
        self.get(name).or_else(|| self.server.get(name))
    }

    /// Settles a variable, anew where it was; `None`: there are too many.
    fn set(&mut self, name: &'static [u8], entry: Option<&'static CStr>) -> Option<()> {
        let entry = Entry { name, entry };
        match self.variables.iter_mut().find(|known| known.name == name) {
            Some(known) => *known = entry,
            None => self.variables.push(entry).ok()?,
        }
        Some(())
    }

    fn entry(&self, name: &[u8]) -> Option<&'static CStr> {
        self.variables.iter().find(|known| known.name == name)?.entry
    }

    fn get(&self, name: &[u8]) -> Option<&'static [u8]> {
        self.variables.iter().find(|known| known.name == name)?.value()
    }

    fn entries(&self) -> impl Iterator<Item = &'static CStr> + '_ {
        self.variables.iter().filter_map(|variable| variable.entry)
    }
}
