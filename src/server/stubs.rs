//! Stubs: the symbolic links by whose names clients call commands. A file that is not a stub is touched only with
//! `--overwrite-client-executables`.

use crate::config::file::Loaded;
use crate::config::{Command, Server};
use crate::diag::Reported;
use crate::files::path::Path;
use crate::files::{self, make_absolute};
use crate::options::settings::is_trigger;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::program::Program;
use crate::sys::statics::StaticCell;
use crate::text::bytes::first;
use crate::text::packed::Text;
use crate::{debug, limits, report, reported, text};
use core::ffi::CStr;
use rustix::fs::{AtFlags, CWD, OFlags, Stat};
use rustix::io::Errno;

/// Which stubs to make.
pub(super) struct Wish<'w> {
    /// The directory, as it was given.
    pub(super) directory: &'w CStr,
    /// Replace a file of a stub's name.
    pub(super) overwrite: bool,
    /// Make stubs for the commands of this server too.
    pub(super) local: bool,
    /// This server, where the configuration has one of its name.
    pub(super) server: Option<Server<'w>>,
}

/// Which stubs this server has made, by the number of their command in the configuration. None if the configuration is
/// not in force.
pub(super) struct Stubs([bool; limits::CONFIG_COMMANDS]);

/// The stubs that were made for a configuration, and the configuration.
pub(super) type Made<'m> = (&'m Stubs, Loaded<'m>);

/// Where stubs are, and where they lead.
pub(super) struct Spot {
    /// The directory, held open so that it stays the same when this process changes its working directory.
    directory: OwnedFd,
    /// The path of this program, which the stubs contain.
    target: &'static Path,
}

impl Stubs {
    /// No stubs.
    pub(super) const NONE: Stubs = Stubs([false; limits::CONFIG_COMMANDS]);

    /// Makes all stubs, or none if one fails, and returns how many there are. Those that were made for `before` are this
    /// server's as well.
    pub(super) fn make(
        &mut self,
        spot: &Spot,
        wish: &Wish<'_>,
        loaded: Loaded<'_>,
        before: Option<Made<'_>>,
    ) -> Result<usize, Reported> {
        let mut count = 0;
        let is_local = |command: &Command<'_>| wish.server.is_some_and(|server| server.at() == command.server().at());
        for (index, command) in loaded.config.commands().enumerate() {
            if !is_client_command(loaded, &command) || (is_local(&command) && !wish.local) {
                continue;
            }
            match spot.make_one(command.name(), wish.overwrite) {
                Ok(made) => self.0[index] = made || before.is_some_and(|before| is_in(before, command.name())),
                Err(errno) => {
                    self.remove_unless(spot, loaded, before);
                    return Err(refused(wish, command.name(), errno));
                }
            }
            count += 1;
        }
        Ok(count)
    }

    /// Removes the stubs that this server has made and that are still stubs, except for those that were also made for
    /// `but`.
    pub(super) fn remove(&mut self, spot: &Spot, loaded: Loaded<'_>, but: Made<'_>) {
        self.remove_unless(spot, loaded, Some(but));
    }

    fn remove_unless(&mut self, spot: &Spot, loaded: Loaded<'_>, but: Option<Made<'_>>) {
        for (index, command) in loaded.config.commands().enumerate() {
            let is_kept = || but.is_some_and(|but| is_in(but, command.name()));
            if core::mem::take(&mut self.0[index]) && !is_kept() {
                spot.remove_one(command.name());
            }
        }
    }
}

/// Whether this server has made a stub of this name for a configuration. A stub is for the last command of its name.
fn is_in((made, loaded): Made<'_>, name: &CStr) -> bool {
    loaded.config.command(name.to_bytes()).is_some_and(|command| made.0[command.number()])
}

impl Spot {
    /// Opens the directory at `path`, for stubs of this program.
    pub(super) fn open(path: &CStr, program: &Program) -> Result<Spot, Reported> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let opened = fd::open_at(CWD, path, flags, 0);
        let refused =
            |errno| reported!("--executable-directory {}: {}{}", path, errno, files::advice(errno, Text::EMPTY));
        let directory = opened.map_err(refused)?;
        let target = own_path(program).map_err(|errno| reported!("cannot tell this program's path: {}", errno))?;
        Ok(Spot { directory, target })
    }

    /// Removes the stub of every command, even if another server has made it.
    pub(super) fn clear(&self, loaded: Loaded<'_>) {
        loaded.config.commands().for_each(|command| self.remove_one(command.name()));
    }

    /// Whether it is one of the directories of this `PATH`.
    pub(super) fn is_along(&self, search: &[u8]) -> bool {
        let Ok(own) = rustix::fs::fstat(&self.directory) else { return false };
        let mut path = Path::new();
        search.split(|byte| *byte == b':').any(|directory| {
            path.join(b"", directory).is_ok()
                && rustix::fs::stat(path.as_c_str()).is_ok_and(|found| identity(&found) == identity(&own))
        })
    }

    /// Makes one stub; false if it exists already, made perhaps by another server that uses this volume.
    fn make_one(&self, name: &CStr, overwrite: bool) -> Result<bool, Errno> {
        let target = self.target.as_c_str();
        match rustix::fs::symlinkat(target, &self.directory, name) {
            Ok(()) => {
                debug!(Server, "made stub {}", name);
                Ok(true)
            }
            Err(Errno::EXIST) if self.is_stub(name) => Ok(false),
            Err(Errno::EXIST) if overwrite => self.replace(name).map(|()| true),
            Err(errno) => Err(errno),
        }
    }

    /// Puts a stub in the place of a file, so that one or the other exists at any time.
    fn replace(&self, name: &CStr) -> Result<(), Errno> {
        let mut beside = Path::new();
        let beside = files::temporary(b"", &mut beside)?;
        rustix::fs::symlinkat(self.target.as_c_str(), &self.directory, beside)?;
        let result = rustix::fs::renameat(&self.directory, beside, &self.directory, name);
        if result.is_err() {
            let _ = rustix::fs::unlinkat(&self.directory, beside, AtFlags::empty());
        }
        result
    }

    /// Whether the name is a symbolic link that leads to this program, by path or by any name of its file.
    fn is_stub(&self, name: &CStr) -> bool {
        let mut buffer = [0; limits::PATH];
        let target = self.target.as_c_str();
        let Ok(length) = rustix::fs::readlinkat_raw(&self.directory, name, &mut buffer) else { return false };
        let same_file = || {
            let one = rustix::fs::statat(&self.directory, name, AtFlags::empty());
            let other = rustix::fs::stat(target);
            matches!((one, other), (Ok(one), Ok(other)) if identity(&one) == identity(&other))
        };
        buffer[..length] == *target.to_bytes() || same_file()
    }

    fn remove_one(&self, name: &CStr) {
        if !self.is_stub(name) {
            return;
        }
        match rustix::fs::unlinkat(&self.directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => report!("cannot remove stub {}: {}", name, errno),
        }
    }
}

/// Device and inode.
fn identity(status: &Stat) -> (u64, u64) {
    (status.st_dev, status.st_ino)
}

/// Whether a command has a stub: it is the last of its name, which is the one that clients mean, and is not a trigger's.
fn is_client_command(loaded: Loaded<'_>, command: &Command<'_>) -> bool {
    !is_trigger(command.server())
        && loaded.config.command(command.name().to_bytes()).is_some_and(|last| last.at() == command.at())
}

/// Reports why a stub could not be made, and what to do about it.
fn refused(wish: &Wish<'_>, name: &CStr, errno: Errno) -> Reported {
    let hint = match errno {
        Errno::EXIST => text!("; --overwrite-client-executables replaces it"),
        _ => files::advice(errno, text!("; give --executable-directory a writable volume")),
    };
    reported!("cannot make stub {}/{}: {}{}", wish.directory, name, errno, hint)
}

/// The path of the running program: the kernel's, or without /proc the one that it was started by.
fn own_path(program: &Program) -> Result<&'static Path, Errno> {
    static PATH: StaticCell<Path> = StaticCell::new(Path::new());
    let path = PATH.take();
    let mut link = [0; limits::PATH];
    if let Ok(length) = rustix::fs::readlinkat_raw(CWD, c"/proc/self/exe", &mut link) {
        let link = first(&link, length);
        // The kernel marks a file that has been replaced since, by a newer version for example (proc(5)).
        let known = link.strip_suffix(b" (deleted)").unwrap_or(link);
        make_absolute(path, known)?;
    } else {
        make_absolute(path, program.path.ok_or(Errno::NOENT)?.to_bytes())?;
    }
    Ok(path)
}
