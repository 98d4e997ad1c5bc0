//! Starting programs and copies of this one.

use super::argv::Vector;
use super::exec::{ExecError, execute};
use super::exit::exit;
use super::ids::{follow_parent, id};
use super::schedule::yield_no_more;
use crate::sys::arch::{clone_arguments, clone_onto};
use crate::sys::call::{check, number, syscall6};
use crate::sys::fd::own::{OwnedFd, above, pipe, place, read, write};
use crate::sys::signal::{self, Set};
use crate::sys::terminal;
use core::ffi::{CStr, c_void};
use rustix::fd::AsFd;
use rustix::fs::Mode;
use rustix::io::{Errno, Result};

/// Makes a copy of this process (fork(2)): returns 0 in the child, and the child's PID in the parent.
pub fn fork() -> Result<i32> {
    // SAFETY: without CLONE_VM the child has memory of its own, the stack included, so both may return from here.
    check(unsafe {
        let arguments = clone_arguments(libc::SIGCHLD.unsigned_abs() as usize, 0);
        syscall6(number(libc::SYS_clone), arguments)
    })
}

/// A program to start.
pub struct Start<'s> {
    /// The program: a path, or a name that is looked up in [`Self::search`].
    pub program: &'s CStr,
    /// Directories with `:` between them, as `PATH` has them; an empty one is the working directory.
    pub search: &'s [u8],
    /// Its argv, with the name that it is called by first.
    pub arguments: &'s mut Vector<'s>,
    /// Its environment.
    pub environment: &'s Vector<'s>,
    /// Its standard input, output and error; `None`: closed.
    pub streams: &'s [Option<OwnedFd>; 3],
    /// Which of these are its terminal instead.
    pub on_terminal: [bool; 3],
    /// Its other descriptors: the number that each gets, and the descriptor here, which is above all these numbers.
    pub others: &'s [(i32, OwnedFd)],
    /// Its terminal, if it has one.
    pub terminal: Option<&'s OwnedFd>,
    /// Whether that is its controlling terminal.
    pub is_controlling: bool,
    /// Whether the terminal's foreground stays as it is.
    pub is_background: bool,
    /// Its file mode creation mask.
    pub umask: u32,
    /// The signals that it ignores.
    pub ignored: Set,
    /// The signals that this process ignores and the program does not. All others have their default action already.
    pub defaults: Set,
    /// The exit code of the process if the program could not be started; only a debugger shows it.
    pub failure_code: u8,
    /// The child's stack until its execve.
    pub stack: &'s mut Stack,
}

/// What the child needs: the program, and the pipe to report a failure.
struct Child<'s, 'c> {
    start: &'c mut Start<'s>,
    report: OwnedFd,
    parent: i32,
}

/// The stack of a child until its execve: a few calls deep, two paths of [`crate::limits::PATH`] on it.
const CHILD_STACK: usize = 32 << 10;

/// The stack of a child, aligned as the ABIs want one.
#[repr(align(16))]
pub struct Stack([u8; CHILD_STACK]);

impl Stack {
    /// All zero.
    pub const EMPTY: Stack = Stack([0; CHILD_STACK]);
}

/// Starts a program in a process group of its own, and returns its PID once execve has replaced this program in it.
///
/// The child shares this process's memory until then and this process waits (`CLONE_VFORK`): no page table is copied.
/// It reports a failure through a pipe that a successful execve closes, which holds on kernels and emulators that
/// turn such a clone into a plain fork, too.
pub fn start(request: &mut Start<'_>) -> core::result::Result<i32, ExecError> {
    let mut failure = [0; REPORT];
    let (errno, exists) = match start_child(request, &mut failure) {
        Ok(pid) if failure == [0; REPORT] => return Ok(pid),
        Ok(_) => (Errno::from_raw_os_error(u16::from_le_bytes([failure[0], failure[1]]).into()), failure[2] != 0),
        Err(errno) => (errno, true),
    };
    Err(ExecError { errno, exists })
}

/// Bytes of a child's report that it could not execute: two of the errno, and whether the file is there. All zero: there
/// was none.
const REPORT: usize = 3;

/// Starts the child, and reads its report of a failure, if there is one.
fn start_child(start: &mut Start<'_>, failure: &mut [u8; REPORT]) -> Result<i32> {
    let [answer, report] = pipe()?;
    let mut highest = 2;
    for (number, _) in start.others {
        highest = highest.max(*number);
    }
    let report = above(report, highest)?;
    let top = (&raw mut start.stack.0).cast::<u8>().wrapping_add(CHILD_STACK);
    let mut child = Child { start, report, parent: id() };
    let flags = (libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD).unsigned_abs() as usize;
    // SAFETY: the stack ends at `top`, is aligned and large enough for `run_child`, and nothing else uses it; `child`
    // outlives the shared memory, since this process stands still until the child has executed or exited.
    let result = unsafe { clone_onto(flags, top.cast(), run_child, (&raw mut child).cast()) };
    drop(child);
    let pid = check(result)?;
    let _ = read(&answer, failure);
    Ok(pid)
}

/// The child's half of [`start`].
extern "C" fn run_child(argument: *mut c_void) -> ! {
    // SAFETY: `start` passes its `Child` and stands still meanwhile, or has a copy of it where the memory was not shared.
    let child = unsafe { &mut *argument.cast::<Child<'_, '_>>() };
    let error = match prepare_child(child) {
        Ok(()) => {
            let Start { program, search, arguments, environment, .. } = child.start;
            execute(program, search, arguments, environment)
        }
        Err(errno) => ExecError { errno, exists: true },
    };
    let [low, high, ..] = error.errno.raw_os_error().to_le_bytes();
    let _ = write(&child.report, &[low, high, error.exists.into()]);
    exit(child.start.failure_code)
}

/// Sets up what execve leaves as it is: group, schedule, streams, mask, signals.
fn prepare_child(child: &mut Child<'_, '_>) -> Result<()> {
    rustix::process::setpgid(None, None)?;
    yield_no_more();
    // A session that is killed takes its command along.
    if !follow_parent(child.parent, rustix::process::Signal::KILL) {
        exit(child.start.failure_code);
    }
    let terminal = child.start.terminal;
    if let Some(terminal) = terminal.filter(|_| child.start.is_controlling && !child.start.is_background) {
        // Signals are blocked still: for a background process this call ends in TTOU otherwise (tcsetpgrp(3)). The parent
        // stands still until execve, so nothing typed can stop the child before that.
        terminal::set_foreground(terminal.as_fd(), id())?;
    }
    let streams = child.start.streams.iter().zip(child.start.on_terminal);
    for ((stream, is_on_terminal), number) in streams.zip(0..) {
        place(if is_on_terminal { terminal } else { stream.as_ref() }, number)?;
    }
    for (number, other) in child.start.others {
        place(Some(other), *number)?;
    }
    rustix::process::umask(Mode::from_raw_mode(child.start.umask));
    let Start { ignored, defaults, .. } = *child.start;
    for signal in Set(ignored.0 | defaults.0).iter() {
        signal::set_action(signal, ignored.has(signal));
    }
    signal::block(Set::default());
    Ok(())
}
