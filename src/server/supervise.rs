//! `-- program`: what a container is there for, started once it can use its stubs and others can reach its commands.
//!
//! Where nothing is served, this process becomes the program. Else it stays as the program's parent, as process 1 of a
//! container has to: it passes signals on, stops when the program stops, and ends as it ends. Must not know what the
//! server does meanwhile.
//!
//! The program stays in this process's group, so that a terminal's keys and its foreground are the program's by
//! themselves, a pipeline's other programs keep theirs, and a shell sees one job. Tini and dumb-init, which give it a group
//! of its own, have to take the terminal from whoever has it. What a process sends is passed on to the program alone, as
//! tini does: the group is this server's as well, and who runs children of its own knows what they are to be told.

use crate::config::file;
use crate::exit::End;
use crate::session::command::{DEFAULT_PATH, Refused, explain};
use crate::sys::fd;
use crate::sys::process::{self, ExecError, Pointers, Reaped, Vector};
use crate::sys::program::{Environment, Strings};
use crate::sys::signal::{self, Arrival, Set, name};
use crate::sys::statics::StaticCell;
use crate::text::line::Line;
use crate::{exit, fail};
use core::ffi::CStr;
use rustix::fd::IntoRawFd;
use rustix::io::{Errno, Result};

/// The program behind `--`, and what it is started with.
pub(super) struct Invocation<'p> {
    /// Its name and arguments.
    pub(super) words: Strings,
    /// The environment that this process was started with.
    pub(super) environment: &'p Environment<'static>,
    /// The entry that names the configuration to it, where the environment does not.
    pub(super) config: Option<&'static CStr>,
}

/// The program that this process is the parent of.
pub(super) struct Supervised {
    /// 0: there is none.
    pid: i32,
    /// How it has ended.
    pub(super) end: Option<End>,
}

impl Supervised {
    /// The program that has this process; 0: none.
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

    /// Makes the process for it, which has everything that this one was started with, and waits; its number. This one's stdin is where it
    /// waits for a byte: the program has its own.
    pub(super) fn prepare(invocation: &Invocation<'_>) -> Result<i32> {
        let [answer, go] = fd::pipe()?;
        let pid = process::fork()?;
        if pid == 0 {
            drop(go);
            // Where the server fails, there is an end instead.
            if fd::read(&answer, &mut [0]) == Ok(1) {
                invocation.replace_this();
            }
            process::exit(exit::FAILURE);
        }
        // First: where this process was started without stdin, it is that.
        drop(answer);
        let _ = fd::place(Some(&go), 0);
        go.into_raw_fd();
        Ok(pid)
    }

    /// It can begin: what it needs is there. Its stdin and stdout are its own from now on, so that who is at their other
    /// ends notices when it closes them.
    pub(super) fn begin(&self) {
        let _ = fd::write(fd::standard_fds()[0], b"\n");
        let _ = fd::leave_streams(2);
    }

    /// Passes a signal on, but for those that it has already: a terminal's keys, which reach the whole group, and what an
    /// editor stops its whole group by. What this process sent itself, as by writing to nobody, is meant for it alone.
    pub(super) fn pass_on(&self, arrival: Arrival) {
        let is_from = |sender: i32| sender.unsigned_abs() == arrival.sender;
        let is_stop = matches!(arrival.signal, name::TSTP | name::TTIN | name::TTOU);
        let has_it = arrival.by_kernel || is_stop && is_from(self.pid);
        if !has_it && !is_from(process::id()) {
            let _ = signal::send(self.pid, arrival.signal);
        }
    }

    /// A child was stopped. If it is this one, this process stops too, for a shell to see that its job has. Where there is
    /// no such shell, the kernel does not let it (setpgid(2), orphaned process groups). STOP concerns nobody else: who sent
    /// it resumes the program alone.
    pub(super) fn stopped(&self, pid: i32, signal: u8) {
        if pid == self.pid && signal != name::STOP {
            signal::stop_by(signal, Set::ALL, false);
        }
    }

    /// Whether the child that has ended is this one.
    pub(super) fn has_ended(&mut self, child: Reaped) -> bool {
        let is_it = child.pid == self.pid && self.end.is_none();
        if is_it {
            self.end = Some(child.end);
        }
        is_it
    }
}

impl Invocation<'_> {
    /// Becomes the program.
    pub(super) fn replace_this(&self) -> ! {
        static ROOM: StaticCell<[Pointers; 2]> = StaticCell::new([const { Pointers::EMPTY }; 2]);
        let [one, other] = ROOM.take();
        let program = self.words.clone().next().unwrap_or_default();
        let search = self.search();
        let mut refusal = ExecError { errno: Errno::TOOBIG, exists: true };
        // One that names no configuration makes room for the entry that does.
        let environment = self.environment.without(self.config.and(Some(file::VARIABLE)));
        let (arguments, variables) = (&mut self.words.clone(), &mut environment.entries());
        if let (Some(mut arguments), Some(mut variables)) = (Vector::of(one, arguments), Vector::of(other, variables))
            && self.config.is_none_or(|entry| variables.push(entry))
        {
            refusal = process::execute(program, search, &mut arguments, &variables);
        }
        let mut reason = Line::new();
        let Refused(code) = explain(refusal, program, search, &mut reason);
        fail!(code, "{}", reason)
    }

    /// Where it, and what it starts, looks for programs.
    pub(super) fn search(&self) -> &'static [u8] {
        self.environment.get(b"PATH").unwrap_or(DEFAULT_PATH)
    }
}
