//! How a server begins to serve: with `--background`, it leaves its caller.

use super::listener::Listener;
use crate::diag::Reported;
use crate::files::make_absolute;
use crate::files::path::Path;
use crate::sys::fd;
use crate::sys::process;
use crate::sys::signal::{self, name};
use crate::sys::statics::StaticCell;
use crate::text::line::Line;
use crate::text::packed::Text;
use crate::{add, exit, reported, text};
use core::ffi::CStr;
use rustix::fs::OFlags;
use rustix::io::Errno;

impl Listener {
    /// Becomes a daemon if `daemon`, the path of a PID file, is given; then lets the program behind `--` begin. `file` is
    /// the configuration's path.
    pub(super) fn begin(&mut self, daemon: Option<&CStr>, file: &CStr) -> Result<(), Reported> {
        self.has_begun = true;
        if let Some(path) = daemon {
            static PID_FILE: StaticCell<Path> = StaticCell::new(Path::new());
            let pid_file = PID_FILE.take();
            leave_caller(path, pid_file)?;
            // Known before anything fails, so that it is removed.
            self.pid_file = Some(pid_file);
            self.renew_signals().map_err(|errno| reported!("cannot go to the background: {}", errno))?;
            self.reloads = true;
            // A reload opens the configuration by its path, which may be relative.
            if file.to_bytes().starts_with(b"/") {
                let _ = rustix::process::chdir(c"/");
            }
        }
        if self.supervised.is_some() {
            self.supervised.begin();
        }
        Ok(())
    }

    /// Removes the PID file of a daemon that ends.
    pub(super) fn remove_pid_file(&self) {
        if let Some(path) = self.pid_file {
            let _ = rustix::fs::unlink(path.as_c_str());
        }
    }
}

/// Goes to the background: the parent writes the PID file and exits, the child goes on. `pid_file` becomes the file's
/// absolute path.
fn leave_caller(path: &CStr, pid_file: &mut Path) -> Result<(), Reported> {
    let explain = |errno: Errno| {
        let advice = if errno == Errno::EXIST { text!("; if no server runs, remove it") } else { Text::EMPTY };
        reported!("PID file {}: {}{}", path, errno, advice)
    };
    make_absolute(pid_file, path.to_bytes()).map_err(explain)?;
    // Before the fork, while the caller still sees an error.
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let file = fd::open(pid_file.as_c_str(), flags, 0o644).map_err(explain)?;
    let pid = process::fork().map_err(|errno| {
        let _ = rustix::fs::unlink(pid_file.as_c_str());
        reported!("cannot go to the background: {}", errno)
    })?;
    if pid != 0 {
        let mut text = Line::new();
        add!(&mut text, "{}\n", pid);
        match fd::write(&file, text.bytes()) {
            Ok(_) => process::exit(exit::SUCCESS),
            Err(errno) => {
                let _ = signal::send(pid, name::TERM);
                explain(errno);
                process::exit(exit::FAILURE);
            }
        }
    }
    let _ = rustix::process::setsid();
    let _ = fd::leave_streams(3);
    Ok(())
}
