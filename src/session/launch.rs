//! The command that a request asks for: where it runs, with what environment and arguments, and how it is started.

use super::directory::enter;
use super::environment::ResolvedEnvironment;
use super::io::{CommandIo, Others, Passed};
use super::service::Service;
use crate::protocol::request::Request;
use crate::sys::fd::OwnedFd;
use crate::sys::process::{self, ExecError, Pointers, Stack, Start, Vector};
use crate::sys::signal::Set;
use crate::text::line::Line;
use crate::{add, debug, exit, limits};
use core::ffi::CStr;
use rustix::io::Errno;

/// Where a bare name is looked for when the command got no `PATH`.
pub const DEFAULT_PATH: &[u8] = b"/bin:/usr/bin";

/// A command that does not run: the exit code of its stub. Why is in the line that was passed along.
pub struct Refused(pub u8);

/// k8psh itself cannot run it: says why.
macro_rules! unavailable {
    ($reason:expr, $($part:expr),* $(,)?) => {{
        $crate::add!($reason, $($part),*);
        $crate::session::launch::Refused($crate::exit::UNAVAILABLE)
    }};
}

pub(super) use unavailable;

/// A command that runs.
#[derive(Default)]
pub struct Running {
    /// Its process, and its process group; 0: it does not run yet.
    pub pid: i32,
    /// Its terminal, where it has one; this end of it is both [`Self::input`] and the first of [`Self::outputs`].
    pub terminal: Option<OwnedFd>,
    /// This end of its stdin, non-blocking, until either side closes it.
    pub input: Option<OwnedFd>,
    /// This end of its stdout and stderr, until they end.
    pub outputs: [Option<OwnedFd>; 2],
}

/// Room for what starting a command needs. What every start touches comes first, beside each other.
#[repr(C)]
pub struct Room {
    stack: Stack,
    others: Others,
    paths: [[u8; limits::PATH]; 2],
    expansion: [u8; limits::EXPANSION],
    variables: Pointers,
    arguments: Pointers,
}

impl Room {
    /// Nothing in it.
    pub const EMPTY: Room = Room {
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
pub fn start(
    work: &Service<'_>,
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
    let mut settled = ResolvedEnvironment {
        server: &work.environment,
        entries: Vector::new(&mut room.variables),
        room: &mut room.expansion,
        length: 0,
    };
    settled.settle(command, request, reason)?;
    let mut plumbing = CommandIo { far: [const { None }; 3], on_terminal: 0, near: running, others: &mut room.others };
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
        failure_code: exit::NOT_EXECUTABLE,
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

/// Why the program could not be started.
pub fn explain(refusal: ExecError, program: &CStr, search: &[u8], reason: &mut Line) -> Refused {
    let ExecError { errno, exists } = refusal;
    if !exists && !crate::text::bytes::has(program.to_bytes(), b'/') {
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
