//! `--background`: the server leaves its caller.

use crate::diag::Reported;
use crate::files::make_absolute;
use crate::files::path::Path;
use crate::sys::fd;
use crate::sys::process;
use crate::sys::signal::{self, name};
use crate::text::line::Line;
use crate::{add, exit, reported};
use core::ffi::CStr;
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Goes to the background: the parent writes the PID file and exits, the child goes on. `pid_file` becomes the file's
/// absolute path.
pub(super) fn become_daemon(path: &CStr, pid_file: &mut Path) -> core::result::Result<(), Reported> {
    let explain = |errno: Errno| {
        let advice = if errno == Errno::EXIST { "; if no server runs, remove it" } else { "" };
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
