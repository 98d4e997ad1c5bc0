//! `-- program`: the main program of the container, started once it can use its stubs and clients can reach its commands.
//!
//! If there is nothing to serve, this process becomes the program. Otherwise it stays the program's parent, as PID 1 of a
//! container has to: it passes signals on, stops when the program stops, and ends as it ends. Must not know what the
//! server does meanwhile.
//!
//! The program stays in this process's group: the terminal's keys reach it and the foreground is its own without further
//! calls, the other programs of a pipeline keep theirs, and a shell sees one job. Tini and dumb-init give it a group of
//! its own, and have to take the terminal from its owner. A signal from another process is passed on to the program
//! alone, as tini does: this server is in the group as well, and a program that has children knows what to tell them.

use crate::config::file::ENTRY;
use crate::exit::End;
use crate::files::make_absolute;
use crate::files::path::Path;
use crate::session::command::{DEFAULT_PATH, Refused, explain};
use crate::sys::fd;
use crate::sys::process::{self, ExecError, Pointers, Reaped, Vector};
use crate::sys::program::{Environment, Strings};
use crate::sys::signal::{self, Arrival, Set, name};
use crate::sys::statics::StaticCell;
use crate::text::bytes::after;
use crate::text::line::Line;
use crate::{exit, fail};
use core::ffi::CStr;
use rustix::fd::IntoRawFd;
use rustix::io::{Errno, Result};

/// How the program behind `--` is started.
#[derive(Clone, Copy)]
pub(super) struct Invocation<'p> {
    /// The environment that this process was started with.
    pub(super) environment: &'p Environment<'static>,
    /// Its name and arguments.
    pub(super) words: Strings,
    /// The configuration that the command line names.
    pub(super) config: Option<&'static CStr>,
}

/// The program behind `--`, a child of this process.
pub(super) struct Supervised {
    /// Its PID; 0: there is none.
    pid: i32,
    /// How it has ended.
    pub(super) end: Option<End>,
}

impl Supervised {
    /// The program with this PID; 0: none.
    pub(super) fn of(pid: i32) -> Supervised {
        Supervised { pid, end: None }
    }

    /// Whether there is one.
    pub(super) fn is_some(&self) -> bool {
        self.pid != 0
    }

    /// Whether there is one that has not ended.
    pub(super) fn runs(&self) -> bool {
        self.is_some() && self.end.is_none()
    }

    /// Forks the process of the program, with everything that this one was started with, and returns its PID. It waits
    /// for a byte from a pipe; the other end of the pipe becomes this process's stdin, which only the program needs.
    pub(super) fn prepare(invocation: Invocation<'_>) -> Result<i32> {
        let [answer, go] = fd::pipe()?;
        let pid = process::fork()?;
        if pid == 0 {
            drop(go);
            // EOF instead of a byte: the server has failed.
            if fd::read(&answer, &mut [0]) == Ok(1) {
                invocation.replace();
            }
            process::exit(exit::FAILURE);
        }
        // Before `place`: if this process was started without stdin, `answer` has its number.
        drop(answer);
        let _ = fd::place(Some(&go), 0);
        // Left open for `fd::close_inherited`, because it may have the number of another stream that is missing.
        go.into_raw_fd();
        Ok(pid)
    }

    /// Lets the program begin: what it needs is there. This process gives up stdin and stdout, so that their other ends
    /// notice when the program closes them.
    pub(super) fn begin(&self) {
        let _ = fd::write(fd::standard_fds()[0], b"\n");
        let _ = fd::leave_streams(2);
    }

    /// Passes a signal on, except for those that the program has got already: by a key of the terminal, which reaches the
    /// whole group, or by stopping its own group, as editors do. A signal that this process has sent itself, such as PIPE
    /// when it writes to a closed pipe, is not passed on either.
    pub(super) fn pass_on(&self, arrival: Arrival) {
        let is_from = |sender: i32| sender.unsigned_abs() == arrival.sender;
        let is_stop = matches!(arrival.signal, name::TSTP | name::TTIN | name::TTOU);
        let has_it = arrival.by_kernel || is_stop && is_from(self.pid);
        if !has_it && !is_from(process::id()) {
            let _ = signal::send(self.pid, arrival.signal);
        }
    }

    /// A child was stopped. If it is the program, this process stops too, so that a shell sees its job stopped. Without
    /// such a shell, the kernel prevents that (setpgid(2), orphaned process groups). STOP stops the program alone,
    /// because its sender will also resume the program alone.
    pub(super) fn stopped(&self, pid: i32, signal: u8) {
        if pid == self.pid && signal != name::STOP {
            signal::stop_by(signal, Set::ALL, false);
        }
    }

    /// Notes that a child has ended, and returns whether it was the program.
    pub(super) fn has_ended(&mut self, child: Reaped) -> bool {
        let is_it = child.pid == self.pid && self.end.is_none();
        if is_it {
            self.end = Some(child.end);
        }
        is_it
    }
}

impl Invocation<'_> {
    /// Replaces this process by the program.
    pub(super) fn replace(self) -> ! {
        static POINTERS: StaticCell<[Pointers; 2]> = StaticCell::new([const { Pointers::EMPTY }; 2]);
        let [argv, envp] = POINTERS.take();
        let program = self.words.clone().next().unwrap_or_default();
        let mut error = ExecError { errno: Errno::TOOBIG, exists: true };
        let mut entry = Path::new();
        let mut variables = Vector::new(envp);
        if let Some(mut arguments) = Vector::of(argv, self.words)
            && self.list_environment(&mut entry, &mut variables)
        {
            error = process::execute(program, self.search(), &mut arguments, &variables);
        }
        let mut reason = Line::new();
        let Refused(code) = explain(error, program, self.search(), &mut reason);
        fail!(code, "{}", reason)
    }

    /// Where the program, and what it starts, looks for programs.
    pub(super) fn search(self) -> &'static [u8] {
        self.environment.get(b"PATH").unwrap_or(DEFAULT_PATH)
    }

    /// Lists this process's environment, and the configuration that the command line names unless the environment names
    /// one: the program's stubs need it too. False if there is no room.
    fn list_environment<'v>(self, entry: &'v mut Path, variables: &mut Vector<'v>) -> bool {
        let (mut is_named, mut fits) = (false, true);
        for variable in self.environment.entries() {
            let name = variable.to_bytes().strip_prefix(ENTRY);
            is_named |= name.is_some_and(|name| !name.is_empty());
            // An empty one names none, and would stand before the other.
            fits &= name == Some(b"") || variables.push(variable);
        }
        if let Some(config) = self.config.filter(|_| !is_named) {
            match name_config(config, entry) {
                Ok(entry) => fits &= variables.push(entry),
                Err(errno) => fail!(exit::FAILURE, "--config {}: working directory: {}", config, errno),
            }
        }
        fits
    }
}

/// Makes `entry` the one that names this path, seen from the working directory if it is relative.
fn name_config<'v>(path: &CStr, entry: &'v mut Path) -> Result<&'v CStr> {
    let mut absolute = Path::new();
    make_absolute(&mut absolute, path.to_bytes())?;
    // Below the variable's name and `=`, as though these were a directory.
    entry.join(ENTRY, after(absolute.as_bytes(), 1))?;
    Ok(entry.as_c_str())
}
