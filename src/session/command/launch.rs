//! Starts the command of a request.

use super::directory::enter;
use super::environment::ResolvedEnvironment;
use super::io::{CommandIo, Others, Passed};
use super::refusal::{DEFAULT_PATH, Refused, explain, unavailable};
use super::running::Running;
use crate::config::Command;
use crate::protocol::request::Request;
use crate::session::service::Service;
use crate::sys::process::{self, Pointers, Stack, Start, Vector};
use crate::sys::signal::Set;
use crate::sys::statics::wipe;
use crate::text::line::Line;
use crate::{add, debug, exit, limits};
use rustix::io::Errno;

/// What starting a command needs memory for.
pub(in crate::session) struct Buffers {
    stack: Stack,
    others: Others,
    paths: [[u8; limits::PATH]; 2],
    expansion: [u8; limits::EXPANSION],
    variables: Pointers,
    arguments: Pointers,
}

impl Buffers {
    /// Nothing in them.
    pub(in crate::session) const EMPTY: Buffers = Buffers {
        stack: Stack::EMPTY,
        others: Others::new(),
        paths: [[0; limits::PATH]; 2],
        expansion: [0; limits::EXPANSION],
        variables: Pointers::EMPTY,
        arguments: Pointers::EMPTY,
    };

    /// Wipes what was made here of a client's request.
    pub(in crate::session) fn wipe(&mut self) {
        self.paths.iter_mut().for_each(|path| wipe(path));
        wipe(&mut self.expansion);
    }
}

/// Starts what the request asks for, or adds to `reason` why not. On success, `reason` has a warning if there is one.
///
/// `passed` are the descriptors that came along, in the order in which the request names their numbers; `None`: none could.
pub(in crate::session) fn start(
    service: &Service<'_>,
    request: &Request<'_>,
    passed: Option<&mut Passed>,
    buffers: &mut Buffers,
    reason: &mut Line,
) -> Result<Running, Refused> {
    let name = request.command();
    let Some(command) = service.server.command(name.to_bytes()) else {
        add!(reason, "{}: no such command", name);
        return Err(Refused(exit::NOT_FOUND));
    };
    enter(service.loaded.base.as_c_str(), request.directory(), &mut buffers.paths, reason)?;
    let entries = Vector::new(&mut buffers.variables);
    let mut environment = ResolvedEnvironment::new(&service.environment, entries, &mut buffers.expansion);
    environment.resolve(command, request, reason)?;
    let mut io = CommandIo::new(&mut buffers.others, passed);
    io.make(service.settings.tty, request, reason)?;
    let mut arguments = Vector::new(&mut buffers.arguments);
    if !list_arguments(command, request, &mut arguments) {
        return Err(unavailable!(reason, "{}", Errno::TOOBIG));
    }
    let program = command.arguments().next().unwrap_or(name);
    let search = environment.get(b"PATH").unwrap_or(DEFAULT_PATH);
    let attributes = request.attributes();
    let ignored = Set(attributes.ignored);
    let pid = process::start(&mut Start {
        program,
        search,
        arguments: &mut arguments,
        environment: &environment.entries,
        streams: &io.command,
        on_terminal: io.on_terminal,
        others: io.others,
        terminal: io.session.terminal.as_ref(),
        is_controlling: io.session.has_keys,
        is_background: attributes.is_background(),
        umask: attributes.umask.unwrap_or(service.umask),
        ignored,
        defaults: service.ignored,
        failure_code: exit::NOT_EXECUTABLE,
        stack: &mut buffers.stack,
    });
    let pid = pid.map_err(|error| {
        *reason = Line::new();
        explain(error, program, search, reason)
    })?;
    debug!(Session, "started {} as process {}", program, pid);
    io.release(true);
    Ok(Running { pid, ignored, streams: core::mem::take(&mut io.session) })
}

/// Lists the arguments: those of the configuration, then those of the request. False where there are too many.
fn list_arguments<'a>(command: Command<'a>, request: &Request<'a>, arguments: &mut Vector<'a>) -> bool {
    command.arguments().all(|argument| arguments.push(argument))
        && request.arguments().all(|argument| arguments.push(argument))
}
