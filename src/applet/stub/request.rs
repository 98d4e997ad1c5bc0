//! What a stub asks for, as the frames of its request.

use super::direct::Numbers;
use super::jobserver;
use super::terminal::Terminal;
use crate::applet::configuration::Loaded;
use crate::config::{self, Command, path};
use crate::diag::Told;
use crate::session::Queue;
use crate::session::request::{Excess, FRAMES, Writer};
use crate::sys::memory::Place;
use crate::sys::program::{Environment, Strings};
use crate::sys::{process, signal};
use crate::wire::{self, Kind, attribute};
use crate::{limits, number, told};

/// The working directory below the base, which all containers share.
// Paths are no local variables here: beside them everything else would be far away.
#[inline(never)]
pub(super) fn directory(loaded: Loaded<'_>) -> Result<&'static [u8], Told> {
    static HERE: Place<[u8; limits::PATH]> = Place::new([0; limits::PATH]);
    static REAL: Place<[u8; limits::PATH]> = Place::new([0; limits::PATH]);
    let here = process::working_directory(HERE.take()).map_err(|errno| told!("working directory: {}", errno))?;
    let base = loaded.base.as_bytes();
    // The kernel names the working directory without links; where the base is reached through one, it has to be asked too.
    // The stub itself can be anywhere.
    let mut relative = path::relative(base, here);
    if relative.is_none() && rustix::process::chdir(loaded.base.as_c_str()).is_ok() {
        relative = process::working_directory(REAL.take()).ok().and_then(|base| path::relative(base, here));
    }
    relative.ok_or_else(|| told!("working directory {} is outside of baseDirectory {}", here, base))
}

/// What a request is made of besides the command.
pub(super) struct Circumstances<'r> {
    pub(super) environment: &'r Environment<'r>,
    pub(super) arguments: Strings,
    /// The working directory below the base.
    pub(super) directory: &'r [u8],
    pub(super) terminal: &'r Terminal,
}

/// A request that is being written. Once something does not fit, nothing is added any more.
pub(super) struct Frames<'a> {
    writer: Writer<'a>,
    outcome: Result<(), Excess>,
}

impl Frames<'_> {
    /// Adds a frame whose body is made of `parts`.
    #[inline(never)]
    pub(super) fn add(&mut self, kind: Kind, parts: &[&[u8]]) {
        if self.outcome.is_ok() {
            self.outcome = self.writer.add(kind, parts);
        }
    }

    /// Adds an attribute with this number as its value, in digits of the radix.
    fn add_attribute(&mut self, name: &[u8], value: u64, radix: u64) {
        self.add(Kind::Variable, &[name, b"=", number::digits(value, radix, &mut [0; 24])]);
    }

    /// Adds the caller's terminal, if there is one.
    fn add_terminal(&mut self, terminal: &Terminal, environment: &Environment) {
        let Some(terminal) = terminal.describe() else { return };
        self.add(Kind::Variable, &[attribute::TERMINAL, b"=", &terminal.encode()]);
        // What a terminal understands belongs to it, whether the configuration lists the variable or not.
        if let Some(entry) = environment.entry(b"TERM") {
            self.add(Kind::Variable, &[entry.to_bytes()]);
        }
    }
}

#[inline(never)]
/// The request's frames. The descriptors of `passed` go along, if any can; a jobserver's may be added to them.
pub(super) fn write(
    command: Command<'static>,
    circumstances: &Circumstances<'_>,
    mut passed: Option<&mut Numbers>,
) -> Result<Queue<'static>, Told> {
    static FRAMES_: Place<[u8; FRAMES]> = Place::new([0; FRAMES]);
    let Circumstances { environment, arguments, directory, terminal } = circumstances;
    let mut request = Frames { writer: Writer::new(FRAMES_.take()), outcome: Ok(()) };
    request.add_attribute(attribute::PROTOCOL, wire::PROTOCOL.into(), 10);
    request.add_attribute(attribute::UMASK, process::umask().into(), 8);
    request.add_attribute(attribute::IGNORED, signal::ignored().0, 16);
    request.add_terminal(terminal, environment);
    request.add(Kind::Directory, &[directory]);
    for variable in command.environment() {
        if variable.kind == config::Kind::Fixed {
            continue;
        }
        let Some(entry) = environment.entry(variable.name) else { continue };
        match &mut passed {
            Some(passed) => jobserver::add(&mut request, entry.to_bytes(), passed),
            None => request.add(Kind::Variable, &[entry.to_bytes()]),
        }
    }
    for number in passed.map_or(&[][..], |passed| passed) {
        request.add_attribute(attribute::DESCRIPTOR, number.unsigned_abs().into(), 10);
    }
    for argument in *arguments {
        request.add(Kind::Argument, &[argument.to_bytes()]);
    }
    request.add(Kind::Start, &[command.name().to_bytes()]);
    match request.outcome {
        Ok(()) => Ok(request.writer.finish()),
        Err(excess) => Err(told!("{}", excess)),
    }
}
