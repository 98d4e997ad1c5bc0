//! The configuration file: found, read, and handed to the parser; its problems put into words.

use crate::config::path::Path;
use crate::config::{Config, position};
use crate::diag::{Line, Show, Told};
use crate::sys::descriptor;
use crate::sys::memory::Place;
use crate::sys::process;
use crate::sys::program::Environment;
use crate::{add, debug, limits, report, told};
use core::ffi::CStr;
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

/// The variable that names the file.
const VARIABLE: &[u8] = b"K8PSH_CONFIG";
/// The file where nothing names one.
const DEFAULT: &CStr = c"k8psh.conf";

/// The configuration that was loaded, of which there is one.
pub(super) type Loaded = &'static File;

/// A configuration and where it came from.
pub(super) struct File {
    /// What it says.
    pub(super) config: &'static Config,
    /// The directory that every container shares, absolute.
    pub(super) base: &'static Path,
    /// The file's path as it was given.
    pub(super) file: &'static CStr,
    source: &'static [u8],
}

impl File {
    /// A spot in the file.
    pub(super) fn spot(&self, at: usize) -> Spot {
        Spot { file: self.file, source: self.source, at }
    }
}

/// A spot in a configuration, shown as `FILE:LINE:COLUMN: `.
pub(super) struct Spot {
    file: &'static CStr,
    source: &'static [u8],
    at: usize,
}

impl Show for Spot {
    fn show(&self, line: &mut Line) {
        let (row, column) = position(self.source, self.at);
        add!(line, "{}:{}:{}: ", self.file, row, column);
    }
}

/// Loads the file that is given, or that the environment names, or the default one.
pub(super) fn load(given: Option<&'static CStr>, environment: &Environment) -> Result<Loaded, Told> {
    static LOADED: Place<Option<File>> = Place::new(None);
    static CONFIG: Place<Config> = Place::new(Config::empty());
    static SOURCE: Place<[u8; limits::CONFIG_FILE + 1]> = Place::new([0; limits::CONFIG_FILE + 1]);
    let file = given.or_else(|| from_environment(environment)).unwrap_or(DEFAULT);
    let source = read(file, SOURCE.take()).map_err(|errno| {
        let text = match errno {
            Errno::INVAL => "{}: not a regular file",
            Errno::NOENT => "{}: {}; give --config FILE or set K8PSH_CONFIG",
            _ => "{}: {}",
        };
        told!(text, file, errno)
    })?;
    let config = CONFIG.take();
    let spot = |at| Spot { file, source, at };
    let mut warn = |name: &[u8], at| report!("{}warning: the variable {} is not set", spot(at), name);
    config.load(source, &|name| environment.get(name), &mut warn).map_err(|problem| {
        let limit = problem.reason.limit();
        let text = if limit.is_some() { "{}{}; the limit is {}" } else { "{}{}" };
        told!(text, spot(problem.at), problem.reason.text(), limit.unwrap_or(0))
    })?;
    let base = base_directory(file, config).map_err(|errno| told!("{}: baseDirectory: {}", file, errno))?;
    debug!(Config, "loaded {}, baseDirectory {}", file, base.as_c_str());
    Ok(LOADED.take().insert(File { config, base, file, source }))
}

/// The file that the environment names. Its value is a string of the process's own, so it ends with a NUL.
fn from_environment(environment: &Environment) -> Option<&'static CStr> {
    let entry = environment.entry(VARIABLE)?;
    let path = crate::bytes::c_str(entry.to_bytes_with_nul().get(VARIABLE.len() + 1..)?)?;
    (!path.is_empty()).then_some(path)
}

/// The file's content; one byte more than the limit shows that there is more.
fn read<'b>(file: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    // Without NONBLOCK, opening a FIFO would wait for a writer.
    let file = descriptor::open(file, OFlags::RDONLY | OFlags::NONBLOCK, 0)?;
    match FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR),
        _ => return Err(Errno::INVAL),
    }
    let mut length = 0;
    while length < buffer.len() {
        match descriptor::read(&file, &mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(&buffer[..length])
}

/// The shared directory: what the file says, seen from the file's own directory.
fn base_directory(file: &CStr, config: &Config) -> Result<&'static Path, Errno> {
    static BASE: Place<Path> = Place::new(Path::new());
    let base = BASE.take();
    let file = file.to_bytes();
    let own = file.get(..file.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1)).unwrap_or_default();
    let written = config.base_directory().unwrap_or_default();
    let mut here = [0; limits::PATH];
    let mut beside = Path::new();
    if !written.starts_with(b"/") {
        let here = if own.starts_with(b"/") { b"" } else { process::working_directory(&mut here)? };
        beside.join(here, own).map_err(|_| Errno::NAMETOOLONG)?;
    }
    base.join(beside.as_bytes(), written).map_err(|_| Errno::NAMETOOLONG)?;
    Ok(base)
}
