//! Processes: fork, start a program, reap, find what is left of a tree.

use crate::sys::fd::{self, OwnedFd, length, word};
use crate::sys::program::Strings;
use crate::sys::signal::{self, Set};
use crate::sys::statics::{Global, c_str};
use crate::sys::{arch, call, check, number, terminal};
use core::ffi::{CStr, c_char, c_void};
use core::marker::PhantomData;
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{Access, AtFlags, Mode, OFlags, RawDir};
use rustix::io::{Errno, Result};

use crate::exit::End;
use crate::limits;
use crate::text::bytes::{first, has, until};
use crate::text::number::{Digits, digits};

/// Called on every way out of this process and before it stops; nothing at first.
static EXIT_HOOK: Global<Option<fn()>> = Global::new(None);

/// Has `hook` called before this process exits, dies of a signal or stops by one, as long as it can know of that.
pub fn at_exit(hook: fn()) {
    EXIT_HOOK.set(Some(hook));
}

/// Calls what [`at_exit`] was given.
pub(in crate::sys) fn call_exit_hook() {
    if let Some(hook) = EXIT_HOOK.get() {
        hook();
    }
}

/// Ends this process (`exit_group`, exit(2)).
///
/// What [`at_exit`] was given is called first.
pub fn exit(code: u8) -> ! {
    call_exit_hook();
    loop {
        // SAFETY: the call takes a number and does not return.
        unsafe {
            arch::syscall(number(libc::SYS_exit_group), [code.into(), 0, 0]);
        }
    }
}

/// Ends this process as another one has ended.
pub fn end_like(end: End) -> ! {
    match end {
        End::Code(code) => exit(code),
        End::Signal(signal) => {
            signal::die_of(signal);
            // Process 1 of a container does not die of a signal, so it reports it as a shell would.
            exit(128 + signal)
        }
    }
}

/// This process's number.
pub fn id() -> i32 {
    rustix::process::getpid().as_raw_nonzero().get()
}

/// Whether this process leads a session (getsid(2)).
pub fn leads_session() -> bool {
    // Not rustix's, to which the kernel's 0, a session from outside this process's PID namespace, is a broken promise.
    // SAFETY: the call takes a number; 0 is this process.
    unsafe { call(0, 0, 0, libc::SYS_getsid) == Ok(id()) }
}

/// This process's group (getpgid(2)); 0 where it is one from outside this process's PID namespace.
pub fn group() -> i32 {
    // Not rustix's, as above.
    // SAFETY: the call takes a number; 0 is this process, of which it cannot fail.
    unsafe { call(0, 0, 0, libc::SYS_getpgid).unwrap_or(0) }
}

/// Makes a copy of this process (fork(2)): 0 in the child, its number in the parent.
pub fn fork() -> Result<i32> {
    // SAFETY: without CLONE_VM the child has memory of its own, the stack included, so both may return from here.
    check(unsafe {
        let arguments = arch::clone_arguments(libc::SIGCHLD.unsigned_abs() as usize, 0);
        arch::syscall6(number(libc::SYS_clone), arguments)
    })
}

/// The working directory, into `buffer` (getcwd(2)), without its NUL.
pub fn working_directory(buffer: &mut [u8]) -> Result<&[u8]> {
    // SAFETY: the kernel writes at most the length that it is told.
    let result = unsafe { call(buffer.as_mut_ptr() as usize, buffer.len(), 0, libc::SYS_getcwd) };
    let path = first(buffer, length(result?) - 1);
    // A directory outside this process's root is written without a leading slash (getcwd(3), "(unreachable)").
    if path.first() == Some(&b'/') { Ok(path) } else { Err(Errno::NOENT) }
}

/// A child that changed: what a reaper learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaped {
    /// Whose child.
    pub pid: i32,
    /// How it ended.
    pub end: End,
}

/// What [`reap`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Children {
    /// One has ended, and is no more.
    Ended(Reaped),
    /// One was stopped by this signal.
    Stopped(i32, u8),
    /// There are some, all of them running.
    Running,
    /// There is none.
    None,
}

/// Takes the next child that has ended or stopped (waitpid(2)), adopted ones included.
pub fn reap() -> Children {
    let mut status = 0_i32;
    let place = (&raw mut status) as usize;
    let flags = word(libc::WNOHANG | libc::WUNTRACED);
    // SAFETY: the kernel writes a number. It is not interrupted, since it does not wait.
    let pid = match check(unsafe { arch::syscall6(number(libc::SYS_wait4), [word(-1), place, flags, 0, 0, 0]) }) {
        Ok(0) => return Children::Running,
        Ok(pid) => pid,
        Err(_) => return Children::None,
    };
    // Seven bits for the signal that ended it and one for a core dump, then eight for a code or the signal that stopped it
    // (`include/linux/wait.h`, waitpid(2)).
    let [low, high, ..] = status.to_le_bytes();
    match low & 0x7f {
        0 => Children::Ended(Reaped { pid, end: End::Code(high) }),
        0x7f => Children::Stopped(pid, high),
        signal => Children::Ended(Reaped { pid, end: End::Signal(signal) }),
    }
}

/// Makes this process the one that its orphaned descendants fall to (`PR_SET_CHILD_SUBREAPER`, prctl(2)), so that they
/// can be found and ended.
pub fn adopt_orphans() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

/// Has this process receive `signal` when its parent ends (`PR_SET_PDEATHSIG`). False where `parent` is gone already.
pub fn follow_parent(parent: i32, signal: rustix::process::Signal) -> bool {
    let _ = rustix::process::set_parent_process_death_signal(Some(signal));
    // The parent may have ended before the call; its child then has another one.
    is_child_of(parent)
}

/// Whether `parent` is this process's parent. 0 stands for one outside this process's namespace.
pub fn is_child_of(parent: i32) -> bool {
    rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get()) == parent
}

/// This process's file mode creation mask, which can only be read by setting it (umask(2)).
pub fn umask() -> u32 {
    let mask = rustix::process::umask(Mode::empty());
    rustix::process::umask(mask);
    mask.as_raw_mode()
}

/// Room for the pointers of one list of strings: those of a request, of the command's own, and the slots around them.
pub struct Pointers([*const c_char; limits::REQUEST_STRINGS + limits::CONFIG_WORDS + 3]);

impl Pointers {
    /// None yet.
    pub const EMPTY: Pointers = Pointers([core::ptr::null(); limits::REQUEST_STRINGS + limits::CONFIG_WORDS + 3]);
}

/// A list of strings as execve(2) takes it.
///
/// `pointers[0]` is kept free for an interpreter; the strings begin at 1, and a null pointer always follows them.
pub struct Vector<'s> {
    pointers: &'s mut [*const c_char],
    length: usize,
    strings: PhantomData<&'s CStr>,
}

impl<'s> Vector<'s> {
    /// An empty list.
    pub fn new(room: &'s mut Pointers) -> Vector<'s> {
        room.0[1] = core::ptr::null();
        Vector { pointers: &mut room.0, length: 0, strings: PhantomData }
    }

    /// A list of all these strings; `None` where there is no room for them.
    #[inline(never)]
    pub fn of(room: &'s mut Pointers, strings: Strings) -> Option<Vector<'s>> {
        let mut list = Vector::new(room);
        for string in strings {
            if !list.push(string) {
                return None;
            }
        }
        Some(list)
    }

    /// Adds a string at the end; false where there is no room.
    #[must_use]
    #[inline(never)]
    pub fn push(&mut self, string: &'s CStr) -> bool {
        let Some([place, end]) = self.pointers.get_mut(self.length + 1..).and_then(<[_]>::first_chunk_mut) else {
            return false;
        };
        (*place, *end) = (string.as_ptr(), core::ptr::null());
        self.length += 1;
        true
    }

    /// How many strings are in it.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The string at `index`, if there are as many.
    pub fn get(&self, index: usize) -> Option<&'s CStr> {
        let pointer = self.pointers.get(1..)?.get(..self.length)?.get(index)?;
        // SAFETY: `push` took the pointer from a string of this lifetime; a script's, which `as_script` puts there, is
        // written by a child that does not come back from execve to read it.
        Some(unsafe { CStr::from_ptr(*pointer) })
    }

    /// Takes away the string at `index`, of which there are as many.
    pub fn remove(&mut self, index: usize) {
        self.pointers.copy_within(index + 2..self.length + 2, index + 1);
        self.length -= 1;
    }

    /// The list for execve.
    fn as_ptr(&self) -> *const *const c_char {
        self.pointers[1..].as_ptr()
    }

    /// The list for execve with `interpreter` and `script` in the place of the first string.
    fn as_script(&mut self, interpreter: &CStr, script: &CStr) -> *const *const c_char {
        self.pointers[0] = interpreter.as_ptr();
        self.pointers[1] = script.as_ptr();
        self.pointers.as_ptr()
    }
}

/// A program to start.
pub struct Start<'s> {
    /// What it is looked for by: a path, or a name along [`Self::search`].
    pub program: &'s CStr,
    /// Directories with `:` between them, as `PATH` has them; an empty one is the working directory.
    pub search: &'s [u8],
    /// Its arguments, the first being what it is called.
    pub arguments: &'s mut Vector<'s>,
    /// Its environment.
    pub environment: &'s Vector<'s>,
    /// Its standard input, output and error; `None`: closed.
    pub streams: &'s [Option<OwnedFd>; 3],
    /// How many of these are its terminal instead.
    pub on_terminal: i32,
    /// What else it has open: descriptors, all above every number here, and the numbers that it knows them by.
    pub others: &'s [(i32, OwnedFd)],
    /// Its terminal, if it has one.
    pub terminal: Option<&'s OwnedFd>,
    /// Whether it is not to be the foreground of that.
    pub is_background: bool,
    /// Its file mode creation mask.
    pub umask: u32,
    /// The signals that it ignores.
    pub ignored: Set,
    /// The signals that this process ignores and that have their default action there. All others have it already.
    pub defaults: Set,
    /// The exit code of the process where the program could not be started; nobody but a debugger sees it.
    pub failure_code: u8,
    /// What it has for a stack until its execve.
    pub stack: &'s mut Stack,
}

/// Why a program could not be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecError {
    /// The kernel's reason.
    pub errno: Errno,
    /// Whether the file is there.
    pub exists: bool,
}

/// What the child needs: the request, and where to say that it failed.
struct Child<'s, 'c> {
    start: &'c mut Start<'s>,
    report: OwnedFd,
    parent: i32,
}

/// The stack of a child until its execve: a few calls deep, two paths of [`limits::PATH`] on it.
const CHILD_STACK: usize = 32 << 10;

/// Room for the stack of a child; aligned as the ABIs want one.
#[repr(align(16))]
pub struct Stack([u8; CHILD_STACK]);

impl Stack {
    /// All zero.
    pub const EMPTY: Stack = Stack([0; CHILD_STACK]);
}

/// Starts a program in a process group of its own and returns its process, once execve has replaced this program in it.
///
/// The child shares this process's memory until then and this process waits (`CLONE_VFORK`): no page table is copied.
/// It reports a failure through a pipe that a successful execve closes, which holds on kernels and emulators that
/// turn such a clone into a plain fork, too.
pub fn start(request: &mut Start<'_>) -> core::result::Result<i32, ExecError> {
    let mut said = [0; SAID];
    let (errno, exists) = match start_child(request, &mut said) {
        Ok(pid) if said == [0; SAID] => return Ok(pid),
        Ok(_) => (Errno::from_raw_os_error(u16::from_le_bytes([said[0], said[1]]).into()), said[2] != 0),
        Err(errno) => (errno, true),
    };
    Err(ExecError { errno, exists })
}

/// What a child says that could not execute: two bytes of the errno, and whether the file is there.
const SAID: usize = 3;

/// Starts the child and hears what it says.
fn start_child(start: &mut Start<'_>, said: &mut [u8; SAID]) -> Result<i32> {
    let [answer, report] = fd::pipe()?;
    let mut highest = 2;
    for (number, _) in start.others {
        highest = highest.max(*number);
    }
    let report = fd::above(report, highest)?;
    let top = (&raw mut start.stack.0).cast::<u8>().wrapping_add(CHILD_STACK);
    let mut child = Child { start, report, parent: id() };
    let flags = (libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD).unsigned_abs() as usize;
    // SAFETY: the stack is this child's alone, which uses no other reference to it, and large enough for `run_child`; `child`
    // outlives the shared memory since this process stands still until the child has executed or exited.
    let result = unsafe { arch::clone_onto(flags, top.cast(), run_child, (&raw mut child).cast()) };
    drop(child);
    let pid = check(result)?;
    let _ = fd::read(&answer, said);
    Ok(pid)
}

/// The child's half of [`start`].
extern "C" fn run_child(argument: *mut c_void) -> ! {
    // SAFETY: `start` passes its `Child` and stands still meanwhile, or has a copy of it where the memory was not shared.
    let child = unsafe { &mut *argument.cast::<Child<'_, '_>>() };
    let refusal = match prepare_child(child) {
        Ok(()) => {
            let Start { program, search, arguments, environment, .. } = child.start;
            execute(program, search, arguments, environment)
        }
        Err(errno) => ExecError { errno, exists: true },
    };
    let [low, high, ..] = refusal.errno.raw_os_error().to_le_bytes();
    let _ = fd::write(&child.report, &[low, high, refusal.exists.into()]);
    exit(child.start.failure_code)
}

/// Sets up what execve leaves as it is: group, streams, mask, signals.
fn prepare_child(child: &mut Child<'_, '_>) -> Result<()> {
    rustix::process::setpgid(None, None)?;
    // A session that is killed takes its command along.
    if !follow_parent(child.parent, rustix::process::Signal::KILL) {
        exit(child.start.failure_code);
    }
    let terminal = child.start.terminal;
    if let Some(terminal) = terminal.filter(|_| !child.start.is_background) {
        // Signals are blocked still: for a background process this call ends in TTOU otherwise (tcsetpgrp(3)). The parent
        // stands still until execve, so nothing typed can stop the child before that.
        terminal::set_foreground(terminal.as_fd(), id())?;
    }
    for (stream, number) in child.start.streams.iter().zip(0..) {
        let stream = if number < child.start.on_terminal { terminal } else { stream.as_ref() };
        fd::place(stream, number)?;
    }
    for (number, other) in child.start.others {
        fd::place(Some(other), *number)?;
    }
    rustix::process::umask(Mode::from_raw_mode(child.start.umask));
    let Start { ignored, defaults, .. } = *child.start;
    for signal in Set(ignored.0 | defaults.0).iter() {
        signal::set_action(signal, ignored.has(signal));
    }
    signal::block(Set::default());
    Ok(())
}

/// Replaces this program by `program`, a path or a name along `search`; returns only why it could not.
#[inline(never)]
pub fn execute(program: &CStr, search: &[u8], arguments: &mut Vector<'_>, environment: &Vector<'_>) -> ExecError {
    let name = program.to_bytes();
    if has(name, b'/') {
        let errno = execute_path(program, arguments, environment);
        let exists = || rustix::fs::accessat(rustix::fs::CWD, program, Access::EXISTS, AtFlags::empty()).is_ok();
        // What a file names can be missing, and what a path leads through be a file.
        return ExecError { errno, exists: errno != Errno::NOTDIR && (errno != Errno::NOENT || exists()) };
    }
    let mut refusal = ExecError { errno: Errno::NOENT, exists: false };
    let mut search = Some(search);
    while let Some(directories) = search {
        let directory = until(directories, b':');
        search = directories.get(directory.len() + 1..);
        let mut buffer = heapless::Vec::new();
        let Some(path) = join(directory, name, &mut buffer) else { continue };
        // Like execvp(3): a file that may not be executed does not end the search, but is remembered.
        match execute_path(path, arguments, environment) {
            Errno::NOENT | Errno::NOTDIR => {}
            errno => refusal = ExecError { errno, exists: true },
        }
        if refusal.exists && refusal.errno != Errno::ACCESS {
            break;
        }
    }
    refusal
}

/// `directory/name`, or `./name` for an empty directory; `None` where it is too long for a path.
fn join<'b>(directory: &[u8], name: &[u8], path: &'b mut heapless::Vec<u8, { limits::PATH }>) -> Option<&'b CStr> {
    path.extend_from_slice(if directory.is_empty() { b"." } else { directory }).ok()?;
    path.extend_from_slice(b"/").ok()?;
    path.extend_from_slice(name).ok()?;
    path.push(0).ok()?;
    c_str(path)
}

/// Replaces this program by the file `path`; a text without `#!` is given to the shell, as execvp(3) and every shell do.
fn execute_path(path: &CStr, arguments: &mut Vector<'_>, environment: &Vector<'_>) -> Errno {
    let errno = execve(path, arguments.as_ptr(), environment.as_ptr());
    if errno == Errno::NOEXEC {
        // Where this fails too, the first answer is the better one.
        execve(SHELL, arguments.as_script(SHELL, path), environment.as_ptr());
    }
    errno
}

/// What runs a text that names no interpreter.
const SHELL: &CStr = c"/bin/sh";

/// execve(2), which returns only its error.
fn execve(path: &CStr, arguments: *const *const c_char, environment: *const *const c_char) -> Errno {
    // SAFETY: both lists are a `Vector`'s: pointers to strings that live for good, or a path on the caller's stack, and
    // a null pointer at the end.
    let result = unsafe { call(path.as_ptr() as usize, arguments as usize, environment as usize, libc::SYS_execve) };
    result.err().unwrap_or(Errno::NOEXEC)
}

/// Calls `each` with every child of this process, adopted ones included, that /proc shows (proc(5)).
pub fn children(mut each: impl FnMut(i32)) -> Result<()> {
    let me = id();
    numbers(c"/proc", &mut |processes, pid| {
        if parent_of(processes, pid) == Some(me) {
            each(pid);
        }
    })
}

/// Calls `each` with every descriptor that this process has open (proc(5)).
pub fn open_descriptors(mut each: impl FnMut(i32)) -> Result<()> {
    numbers(c"/proc/self/fd", &mut |directory, number| {
        if number != directory.as_fd().as_raw_fd() {
            each(number);
        }
    })
}

/// Calls `each` with the directory and every number that is a name in it.
fn numbers(directory: &CStr, each: &mut dyn FnMut(&OwnedFd, i32)) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let directory = fd::open(directory, flags, 0)?;
    let mut buffer = [core::mem::MaybeUninit::uninit(); 4096];
    let mut entries = RawDir::new(&directory, &mut buffer);
    while let Some(entry) = entries.next() {
        if let Some(number) = decimal(entry?.file_name().to_bytes()) {
            each(&directory, number);
        }
    }
    Ok(())
}

/// The parent of a process: the second field behind its name in `/proc/PID/stat`. The name stands in parentheses and may
/// hold any byte, so it ends at the last one of them.
fn parent_of(processes: &OwnedFd, pid: i32) -> Option<i32> {
    // The digits stand at the end of their room.
    let mut path = *b"                        /stat\0";
    let room: &mut Digits = path.first_chunk_mut()?;
    let start = room.len() - digits(pid.unsigned_abs().into(), 10, room).len();
    let file = fd::open_at(processes, c_str(path.get(start..)?)?, OFlags::RDONLY, 0).ok()?;
    let mut text = [0_u8; 512];
    let length = fd::read(&file, &mut text).ok()?;
    let text = text.get(..length)?;
    let end = text.iter().rposition(|byte| *byte == b')')?;
    // Behind it a blank, the state in one letter, a blank.
    decimal(until(text.get(end + 4..)?, b' '))
}

/// A process's number in decimal digits.
fn decimal(text: &[u8]) -> Option<i32> {
    i32::try_from(crate::text::number::parse(text, 10)?).ok()
}
