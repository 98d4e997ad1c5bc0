//! The configuration file: found, read, and handed to the parser; its problems put into words.

use crate::config::path::{Path, TooLong};
use crate::config::{Config, Problem, position};
use crate::sys::memory::Place;
use crate::sys::process;
use crate::sys::program::Environment;
use crate::{debug, diag::Line, limits, line};
use core::ffi::CStr;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// The variable that names the file.
const VARIABLE: &[u8] = b"K8PSH_CONFIG";
/// The file where nothing names one.
const DEFAULT: &CStr = c"k8psh.conf";

/// A configuration and where it came from.
#[derive(Clone, Copy)]
pub(super) struct Loaded {
    /// What it says.
    pub(super) config: &'static Config,
    /// The directory that every container shares, absolute.
    pub(super) base: &'static Path,
    /// The file's path as it was given.
    pub(super) file: &'static CStr,
    source: &'static [u8],
}

impl Loaded {
    /// `FILE:LINE:COLUMN` of a place in the file.
    pub(super) fn place(&self, at: usize) -> Line {
        place(self.file, self.source, at)
    }
}

fn place(file: &CStr, source: &[u8], at: usize) -> Line {
    let (row, column) = position(source, at);
    line!(file, ":", row, ":", column)
}

/// Loads the file that is given, or that the environment names, or the default one. An error is a line that says all.
pub(super) fn load(given: Option<&'static CStr>, environment: &Environment) -> Result<Loaded, Line> {
    static CONFIG: Place<Config> = Place::new(Config::empty());
    static SOURCE: Place<[u8; limits::CONFIG_FILE + 1]> = Place::new([0; limits::CONFIG_FILE + 1]);
    let file = given.or_else(|| from_environment(environment)).unwrap_or(DEFAULT);
    let source = read(file, SOURCE.take()).map_err(|errno| unreadable(file, errno, given.is_none()))?;
    let config = CONFIG.take();
    let mut warn = |name: &[u8], at| {
        crate::report!(place(file, source, at), ": warning: the variable ", name, " is not set");
    };
    config.load(source, &|name| environment.get(name), &mut warn).map_err(|problem| explain(file, source, problem))?;
    let base = base_directory(file, config).map_err(|reason| line!(file, ": baseDirectory: ", reason))?;
    debug!(Config, "loaded ", file, ", baseDirectory ", *base.as_bytes());
    Ok(Loaded { config, base, file, source })
}

/// The file that the environment names. Its value is a string of the process's own, so it ends with a NUL.
fn from_environment(environment: &Environment) -> Option<&'static CStr> {
    let entry = environment.entry(VARIABLE)?;
    let path = CStr::from_bytes_with_nul(entry.to_bytes_with_nul().get(VARIABLE.len() + 1..)?).ok()?;
    (!path.is_empty()).then_some(path)
}

/// The file's content; one byte more than the limit shows that there is more.
fn read<'b>(file: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    let file = rustix::fs::open(file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut length = 0;
    while length < buffer.len() {
        match rustix::io::read(&file, &mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(&buffer[..length])
}

fn unreadable(file: &CStr, errno: Errno, by_default: bool) -> Line {
    let hint = if by_default && errno == Errno::NOENT { "; give --config FILE or set K8PSH_CONFIG" } else { "" };
    line!(file, ": ", errno, hint)
}

fn explain(file: &CStr, source: &[u8], problem: Problem) -> Line {
    let place = place(file, source, problem.at);
    match problem.reason.limit() {
        Some(limit) => line!(place, ": ", problem.reason.text(), " (the limit is ", limit, ")"),
        None => line!(place, ": ", problem.reason.text()),
    }
}

/// The shared directory: what the file says, seen from the file's own directory.
fn base_directory(file: &CStr, config: &Config) -> Result<&'static Path, Line> {
    static BASE: Place<Path> = Place::new(Path::new());
    let base = BASE.take();
    let file = file.to_bytes();
    let own = file.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |slash| &file[..=slash]);
    let written = config.base_directory().unwrap_or_default();
    let too_long = |TooLong| line!(Errno::NAMETOOLONG);
    if written.starts_with(b"/") || own.starts_with(b"/") {
        base.join(own, written).map_err(too_long)?;
        return Ok(base);
    }
    let mut here = [0; limits::PATH];
    let here = process::working_directory(&mut here).map_err(|errno| line!("the working directory: ", errno))?;
    let mut beside = Path::new();
    beside.join(here, own).map_err(too_long)?;
    base.join(beside.as_bytes(), written).map_err(too_long)?;
    Ok(base)
}
