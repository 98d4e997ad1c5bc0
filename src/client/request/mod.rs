//! What a stub asks for, as the frames of its request.

pub(super) mod descriptors;
mod jobserver;
mod makeflags;

use super::connect::Connection;
use super::terminal::Terminal;
use crate::config::file::Loaded;
use crate::config::{Command, Kind as VariableKind};
use crate::diag::Reported;
use crate::files::path;
use crate::protocol::Queue;
use crate::protocol::frame::{self, Kind, attribute};
use crate::protocol::request::{FRAMES, Writer};
use crate::sys::program::{Environment, Strings};
use crate::sys::statics::StaticCell;
use crate::sys::{fd, process, signal};
use crate::text::line::{Line, Show};
use crate::text::number;
use crate::{limits, reported};
use core::ffi::CStr;
use descriptors::Numbers;

/// The working directory relative to `baseDirectory`, which all containers share.
pub(super) fn directory(loaded: Loaded<'_>) -> Result<&'static [u8], Reported> {
    static HERE: StaticCell<[u8; limits::PATH]> = StaticCell::new([0; limits::PATH]);
    static REAL: StaticCell<[u8; limits::PATH]> = StaticCell::new([0; limits::PATH]);
    let here = process::working_directory(HERE.take())
        .map_err(|errno| reported!("working directory: {}; was it removed?", errno))?;
    let base = loaded.base.as_bytes();
    // The kernel gives the working directory with its links resolved. Where the base leads through a link, it has to be
    // resolved as well: by going there, which does a stub no harm.
    let mut relative = path::relative(base, here);
    if relative.is_none() && rustix::process::chdir(loaded.base.as_c_str()).is_ok() {
        relative = process::working_directory(REAL.take()).ok().and_then(|base| path::relative(base, here));
    }
    relative.ok_or_else(|| {
        reported!(
            "working directory {} is outside of baseDirectory {}; share it, or choose a baseDirectory further up",
            here,
            base
        )
    })
}

/// What of the caller goes into a request.
pub(super) struct Caller<'r> {
    pub(super) environment: &'r Environment<'r>,
    pub(super) arguments: Strings,
    /// The working directory relative to `baseDirectory`.
    pub(super) directory: &'r [u8],
    pub(super) terminal: &'r Terminal,
    /// Says what can go along.
    pub(super) connection: &'r Connection,
}

/// The frames of the request for a command. What `descriptors` lists goes along with it; a jobserver's are added there.
pub(super) fn write(
    command: Command<'static>,
    caller: &Caller<'_>,
    descriptors: &mut Numbers,
) -> Result<Queue<'static>, Reported> {
    static BUFFER: StaticCell<[u8; FRAMES]> = StaticCell::new([0; FRAMES]);
    let mut request = Writer::new(BUFFER.take());
    add_number(&mut request, attribute::PROTOCOL, frame::PROTOCOL.into(), 10);
    add_number(&mut request, attribute::UMASK, process::umask().into(), 8);
    add_number(&mut request, attribute::IGNORED, signal::ignored().0, 16);
    let [_, output, error] = fd::standard_fds();
    if fd::is_same_output(output, error) {
        add_number(&mut request, attribute::ONE_OUTPUT, 1, 10);
    }
    add_terminal(&mut request, caller.terminal, caller.environment);
    request.add(Kind::Directory, caller.directory);
    add_variables(&mut request, command, caller, descriptors);
    for number in descriptors {
        add_number(&mut request, attribute::DESCRIPTOR, number.unsigned_abs().into(), 10);
    }
    for argument in caller.arguments {
        request.add(Kind::Argument, argument.to_bytes());
    }
    request.add(Kind::Start, command.name().to_bytes());
    request.finish().map_err(|too_large| reported!("{}", too_large))
}

/// Adds the variables that the configuration has clients send.
fn add_variables(request: &mut Writer<'_>, command: Command<'static>, caller: &Caller<'_>, descriptors: &mut Numbers) {
    let mut add = |entry: &CStr| jobserver::add_variable(request, entry.to_bytes(), caller.connection, descriptors);
    for variable in command.environment().filter(|variable| variable.kind != VariableKind::Fixed) {
        caller.environment.entry(variable.name).map(&mut add);
    }
    if command.has_patterns() {
        let is_sent = |entry: &&CStr| command.pattern_for(entry).is_some_and(|kind| kind != VariableKind::Fixed);
        caller.environment.entries().filter(is_sent).for_each(add);
    }
}

/// Adds an attribute whose value is this number, in digits of the radix.
fn add_number(request: &mut Writer<'_>, name: &[u8], value: u64, radix: u64) {
    request.add_variable(name, number::digits(value, radix, &mut [0; 24]));
}

/// Adds the caller's terminal and its `TERM`.
fn add_terminal(request: &mut Writer<'_>, terminal: &Terminal, environment: &Environment) {
    if let Some(description) = terminal.describe() {
        let mut digits = Line::new();
        description.show(&mut digits);
        request.add_variable(attribute::TERMINAL, digits.bytes());
    }
    // TERM belongs to the terminal, whether the configuration lists it or not.
    if let Some(entry) = environment.entry(b"TERM").filter(|_| terminal.has_any_stream()) {
        request.add(Kind::Variable, entry.to_bytes());
    }
}
