//! What a stub asks for, as the frames of its request.

use super::descriptors::Numbers;
use super::jobserver;
use super::terminal::Terminal;
use crate::config::file::Loaded;
use crate::config::{self, Command};
use crate::files::path;
use crate::protocol::Queue;
use crate::protocol::frame::{self, Kind, attribute};
use crate::protocol::request::{FRAMES, Writer};
use crate::sys::program::{Environment, Strings};
use crate::sys::statics::StaticCell;
use crate::sys::{process, signal};
use crate::text::line::{Line, Show};
use crate::text::number;
use crate::{exit, fail, limits};

/// The working directory below the base, which all containers share. Ends this process if it is not.
// Paths are no local variables here: beside them everything else would be far away.
#[inline(never)]
pub(super) fn directory(loaded: Loaded<'_>) -> &'static [u8] {
    static HERE: StaticCell<[u8; limits::PATH]> = StaticCell::new([0; limits::PATH]);
    static REAL: StaticCell<[u8; limits::PATH]> = StaticCell::new([0; limits::PATH]);
    let here = process::working_directory(HERE.take())
        .unwrap_or_else(|errno| fail!(exit::UNAVAILABLE, "working directory: {}", errno));
    let base = loaded.base.as_bytes();
    // The kernel names the working directory without links; where the base is reached through one, it has to be asked too.
    // The stub itself can be anywhere.
    let mut relative = path::relative(base, here);
    if relative.is_none() && rustix::process::chdir(loaded.base.as_c_str()).is_ok() {
        relative = process::working_directory(REAL.take()).ok().and_then(|base| path::relative(base, here));
    }
    relative
        .unwrap_or_else(|| fail!(exit::UNAVAILABLE, "working directory {} is outside of baseDirectory {}", here, base))
}

/// What a request is made of besides the command.
pub(super) struct Circumstances<'r> {
    pub(super) environment: &'r Environment<'r>,
    pub(super) arguments: Strings,
    /// The working directory below the base.
    pub(super) directory: &'r [u8],
    pub(super) terminal: &'r Terminal,
    /// Whether descriptors can go along.
    pub(super) is_direct: bool,
}

/// Adds an attribute with this number as its value, in digits of the radix.
fn add_attribute(request: &mut Writer<'_>, name: &[u8], value: u64, radix: u64) {
    request.add_variable(name, number::digits(value, radix, &mut [0; 24]));
}

/// Adds the caller's terminal, if there is one.
#[inline(never)]
fn add_terminal(request: &mut Writer<'_>, terminal: &Terminal, environment: &Environment) {
    let Some(terminal) = terminal.describe() else { return };
    let mut digits = Line::new();
    terminal.show(&mut digits);
    request.add_variable(attribute::TERMINAL, digits.bytes());
    // What a terminal understands belongs to it, whether the configuration lists the variable or not.
    if let Some(entry) = environment.entry(b"TERM") {
        request.add(Kind::Variable, entry.to_bytes());
    }
}

/// The request's frames. The descriptors that are `passed` go along, if it is a direct one, and a jobserver's may be added
/// to them. Ends this process if it is larger than anything that could be executed.
#[inline(never)]
pub(super) fn write(
    command: Command<'static>,
    circumstances: &Circumstances<'_>,
    passed: &mut Numbers,
) -> Queue<'static> {
    static FRAMES_: StaticCell<[u8; FRAMES]> = StaticCell::new([0; FRAMES]);
    let Circumstances { environment, arguments, directory, terminal, is_direct } = circumstances;
    let mut request = Writer::new(FRAMES_.take());
    add_attribute(&mut request, attribute::PROTOCOL, frame::PROTOCOL.into(), 10);
    add_attribute(&mut request, attribute::UMASK, process::umask().into(), 8);
    add_attribute(&mut request, attribute::IGNORED, signal::ignored().0, 16);
    add_terminal(&mut request, terminal, environment);
    request.add(Kind::Directory, directory);
    for variable in command.environment() {
        if variable.kind == config::Kind::Fixed {
            continue;
        }
        let Some(entry) = environment.entry(variable.name) else { continue };
        if *is_direct {
            jobserver::add(&mut request, entry.to_bytes(), passed);
        } else {
            request.add(Kind::Variable, entry.to_bytes());
        }
    }
    for number in passed {
        add_attribute(&mut request, attribute::DESCRIPTOR, number.unsigned_abs().into(), 10);
    }
    for argument in *arguments {
        request.add(Kind::Argument, argument.to_bytes());
    }
    request.add(Kind::Start, command.name().to_bytes());
    request.finish().unwrap_or_else(|excess| fail!(exit::UNAVAILABLE, "{}", excess))
}
