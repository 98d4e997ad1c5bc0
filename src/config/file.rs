//! The configuration file: found, read, and handed to the parser; its problems put into words.

use super::parser;
use super::position::Mark;
use super::tables::Config;
use crate::diag::array as output;
use crate::diag::{self, Reported};
use crate::files::path::{self, Path};
use crate::files::{make_absolute, read, why};
use crate::sys::program::Environment;
use crate::sys::statics::StaticCell;
use crate::text::bytes::first;
use crate::text::line::{Line, Part};
use crate::text::packed::Text;
use crate::{add, debug, limits, report, reported};
use core::cell::Cell;
use core::ffi::CStr;
use rustix::io::Errno;

/// What the entry of the environment begins with that names the file.
pub const ENTRY: &[u8] = b"K8PSH_CONFIG=";
/// The variable's name.
const VARIABLE: &[u8] = ENTRY.split_at(ENTRY.len() - 1).0;
/// The file where nothing names one.
const DEFAULT: &CStr = c"k8psh.conf";

/// A configuration that was loaded. What is derived from it borrows from it.
pub type Loaded<'f> = &'f File;

/// A configuration and where it came from. Large, so it is made as a static.
pub struct File {
    /// What it says.
    pub config: Config,
    /// The directory that every container shares, absolute.
    pub base: Path,
    /// The file's path as it was given.
    path: Option<&'static CStr>,
    /// How many things are wrong with it.
    problems: usize,
    /// The place that was told of last.
    mark: Cell<Mark>,
    length: usize,
    source: [u8; limits::CONFIG_FILE + 1],
}

/// A configuration's text, and where it came from.
struct Source<'r> {
    file: &'r CStr,
    bytes: &'r [u8],
    mark: &'r Cell<Mark>,
}

impl Source<'_> {
    /// Tells what is wrong at an offset, or worth a warning: as a line, `FILE:LINE:COLUMN: ...`, or in the array that the
    /// output is.
    fn tell(&self, at: usize, text: Text, parts: &[Part<'_>]) {
        let mut message = Line::new();
        crate::text::line::add(&mut message, text, parts);
        let mark = self.mark.get().moved_to(at, self.bytes);
        self.mark.set(mark);
        let (row, column) = (mark.line(), mark.column());
        if !output::is_array() {
            return report!("{}:{}:{}: {}", self.file, row, column, message);
        }
        let mut out = diag::output();
        let (file, message) = (Part::Json(self.file.to_bytes()), Part::Json(message.bytes()));
        const TEXT: &str = "{}\"file\":{},\"line\":{},\"column\":{},\"message\":{}}\n";
        add!(&mut out, TEXT, output::object(), file, row, column, message);
        out.flush();
    }
}

/// Tells of an offset in a [`File`]; the parts as for [`report!`].
macro_rules! tell {
    ($source:expr, $at:expr, $text:expr $(, $part:expr)* $(,)?) => {{
        $crate::assert_parts!($text $(, $part)*);
        $source.tell($at, $crate::text!($text), &[$($crate::text::line::Show::part(&$part)),*])
    }};
}

pub(crate) use tell;

/// Loads the file that is given, or that the environment names, or the default one, for good.
pub fn load(given: Option<&'static CStr>, environment: &Environment) -> Result<Loaded<'static>, Reported> {
    inspect(given, environment)?.sound()
}

/// The same, without the commands of other names: a stub starts sooner.
pub fn load_command(
    name: &[u8],
    given: Option<&'static CStr>,
    environment: &Environment,
) -> Result<Loaded<'static>, Reported> {
    take(Some(name), given, environment)?.sound()
}

/// The same as [`load`], for looking for what else is wrong with a file that is not sound.
pub fn inspect(given: Option<&'static CStr>, environment: &Environment) -> Result<Loaded<'static>, Reported> {
    take(None, given, environment)
}

/// Loads a file into the one place that there is for it.
fn take(
    only: Option<&[u8]>,
    given: Option<&'static CStr>,
    environment: &Environment,
) -> Result<Loaded<'static>, Reported> {
    static FILE: StaticCell<File> = StaticCell::new(File::empty());
    let file = FILE.take();
    file.read(path(given, environment), only, environment)?;
    Ok(file)
}

/// The path of the file that is given, or that the environment names, or of the default one.
pub fn path(given: Option<&'static CStr>, environment: &Environment) -> &'static CStr {
    given.or_else(|| from_environment(environment)).unwrap_or(DEFAULT)
}

impl File {
    /// One that was not loaded: all zero.
    pub const fn empty() -> File {
        File {
            config: Config::empty(),
            base: Path::new(),
            path: None,
            problems: 0,
            mark: Cell::new(Mark::START),
            length: 0,
            source: [0; limits::CONFIG_FILE + 1],
        }
    }

    /// The file's path as it was given.
    pub fn path(&self) -> &'static CStr {
        self.path.unwrap_or_default()
    }

    /// It, if nothing is wrong with it.
    pub fn sound(&self) -> Result<&Self, Reported> {
        if self.problems == 0 { Ok(self) } else { Err(Reported) }
    }

    /// Tells of an offset in it.
    pub fn tell(&self, at: usize, text: Text, parts: &[Part<'_>]) {
        let bytes = first(&self.source, self.length);
        Source { file: self.path(), bytes, mark: &self.mark }.tell(at, text, parts);
    }

    /// Loads a file in the place of what was there. Whether that is sound, [`Self::sound`] tells.
    pub fn load(&mut self, file: &'static CStr, environment: &Environment) -> Result<(), Reported> {
        self.read(file, None, environment)
    }

    /// The same; with `only`, without the commands of other names.
    fn read(&mut self, file: &'static CStr, only: Option<&[u8]>, environment: &Environment) -> Result<(), Reported> {
        let bytes = read(file, &mut self.source).map_err(|errno| unreadable(file, errno))?;
        (self.path, self.length) = (Some(file), bytes.len());
        self.mark.set(Mark::START);
        let source = Source { file, bytes, mark: &self.mark };
        let mut warn = |name: &[u8], at| tell!(source, at, "warning: the variable {} is not set", name);
        let mut problems = 0;
        let lookup = |name: &[u8]| environment.get(name);
        self.config.load(&parser::Source { bytes, only, environment: &lookup }, &mut warn, &mut |problem| {
            problems += 1;
            tell!(source, problem.at, "{}", problem);
        });
        self.problems = problems;
        if self.config.base_directory() == Some(b"") {
            tell!(
                source,
                self.config.base_directory_at(),
                "warning: baseDirectory is empty: taking the file's own directory"
            );
        }
        base_directory(file, &self.config, &mut self.base)
            .map_err(|errno| reported!("{}: baseDirectory: {}", file, errno))?;
        debug!(Config, "loaded {}, baseDirectory {}", file, self.base.as_c_str());
        Ok(())
    }
}

/// Says why a file cannot be read, and what to do.
fn unreadable(file: &CStr, errno: Errno) -> Reported {
    match errno {
        Errno::NOENT => {
            reported!("{}: {}; give --config FILE or set K8PSH_CONFIG; k8psh --help has an example", file, errno)
        }
        _ => reported!("{}: {}", file, why(&errno)),
    }
}

/// The file that the environment names. Its value is a string of the process's own, so it ends with a NUL.
fn from_environment(environment: &Environment) -> Option<&'static CStr> {
    let entry = environment.entry(VARIABLE)?;
    let path = crate::text::bytes::c_str(entry.to_bytes_with_nul().get(ENTRY.len()..)?)?;
    (!path.is_empty()).then_some(path)
}

/// The shared directory: what the file says, seen from the file's own directory.
fn base_directory(file: &CStr, config: &Config, base: &mut Path) -> Result<(), Errno> {
    let own = path::directory(file.to_bytes());
    let written = config.base_directory().unwrap_or_default();
    let mut beside = Path::new();
    if !written.starts_with(b"/") {
        make_absolute(&mut beside, own)?;
    }
    base.join(beside.as_bytes(), written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_directory_is_seen_from_the_files_own() {
        for (file, written, expected) in [
            (c"/etc/k8psh/k8psh.conf", "work", "/etc/k8psh/work"),
            (c"/etc/k8psh/k8psh.conf", "", "/etc/k8psh"),
            (c"/etc/k8psh/k8psh.conf", "..", "/etc"),
            (c"/k8psh.conf", "/work/./", "/work"),
            (c"no/where.conf", "/work", "/work"),
        ] {
            let (mut config, mut base) = (Config::empty(), Path::new());
            let bytes = format!("baseDirectory = '{written}'");
            let source = parser::Source { bytes: bytes.as_bytes(), only: None, environment: &|_| None };
            config.load(&source, &mut |_, _| {}, &mut |problem| panic!("{problem:?}"));
            assert_eq!(base_directory(file, &config, &mut base), Ok(()));
            assert_eq!(base.as_bytes(), expected.as_bytes(), "{file:?}: {written}");
        }
    }
}
