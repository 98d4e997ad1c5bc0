//! Signals as data: they are blocked and read from a descriptor, so no handler ever runs.

use super::call::{call, check, number, syscall6, word};
use super::fd::own::{OwnedFd, read};
use super::process::{hook, ids};
use rustix::fd::{AsFd, FromRawFd};
use rustix::io::Result;

/// The signals that this program names. The numbers are those of Linux's generic table, which every architecture that it
/// is built for uses (`asm-generic/signal.h`; only MIPS, PA-RISC, Alpha and SPARC differ).
pub mod name {
    #![allow(missing_docs, reason = "signal(7) documents them")]
    pub const HUP: u8 = 1;
    pub const INT: u8 = 2;
    pub const QUIT: u8 = 3;
    pub const KILL: u8 = 9;
    pub const USR1: u8 = 10;
    pub const PIPE: u8 = 13;
    pub const TERM: u8 = 15;
    pub const CHLD: u8 = 17;
    pub const CONT: u8 = 18;
    pub const STOP: u8 = 19;
    pub const TSTP: u8 = 20;
    pub const TTIN: u8 = 21;
    pub const TTOU: u8 = 22;
    pub const URG: u8 = 23;
    pub const WINCH: u8 = 28;
}

/// Signals 1 to 64, signal n as bit n - 1: the kernel's own layout of a signal set on every 64-bit architecture, and on the
/// 32-bit ones that are little-endian, which have two words of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Set(pub u64);

impl Set {
    /// Every signal. The kernel leaves KILL and STOP out of a mask by itself.
    pub const ALL: Set = Set(u64::MAX);

    /// Whether `signal`, from 1 to 64, is in it.
    pub fn has(self, signal: u8) -> bool {
        self.with(signal) == self
    }

    /// The set with `signal`, from 1 to 64, in it.
    #[must_use]
    pub const fn with(self, signal: u8) -> Set {
        Set(self.0 | 1 << (signal - 1))
    }

    /// The set without `signal`, from 1 to 64.
    #[must_use]
    pub const fn without(self, signal: u8) -> Set {
        Set(self.0 & !(1 << (signal - 1)))
    }

    /// The signals in it, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (1..65).filter(move |signal| self.has(*signal))
    }
}

/// The signals by which somebody ends a process.
pub const DEADLY: Set = Set(0).with(name::HUP).with(name::INT).with(name::QUIT).with(name::TERM);

/// The kernel's signal sets are 8 bytes long everywhere but on MIPS.
const SET_SIZE: usize = size_of::<u64>();

/// The kernel's `struct sigaction` (`include/linux/signal_types.h`), as far as it is used here: this program's actions
/// have no flags, restorer or mask, so nothing depends on where these are.
#[repr(C)]
#[derive(Default)]
struct Action {
    handler: usize,
    /// Flags, a restorer and a mask of 64 bits. The restorer is there on every architecture that defines `SA_RESTORER`,
    /// which riscv64 does not; but qemu-user 7.2 takes it for one, and writes as many bytes.
    rest: [usize; 4],
}

/// Makes `set` this process's mask of blocked signals, and gives the one that it had (sigprocmask(2)).
pub fn block(set: Set) -> Set {
    let mut before = Set::default();
    let sets = [(&raw const set) as usize, (&raw mut before) as usize];
    // SAFETY: the sets are 8 bytes each, one that the kernel reads and one that it writes; no handler is ever installed,
    // so no code runs when a signal is unblocked.
    unsafe {
        syscall6(
            number(libc::SYS_rt_sigprocmask),
            [libc::SIG_SETMASK.unsigned_abs() as usize, sets[0], sets[1], SET_SIZE, 0, 0],
        );
    }
    before
}

/// A descriptor from which blocked signals are read (signalfd(2)), non-blocking and closed on exec.
pub fn descriptor(set: Set) -> Result<OwnedFd> {
    let flags = libc::SFD_NONBLOCK | libc::SFD_CLOEXEC;
    let arguments = [word(-1), (&raw const set) as usize, SET_SIZE, word(flags), 0, 0];
    // SAFETY: the set is 8 bytes that the kernel reads, and only the returned value owns the new descriptor.
    unsafe { check(syscall6(number(libc::SYS_signalfd4), arguments)).map(|fd| OwnedFd::from_raw_fd(fd)) }
}

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Its number.
    pub signal: u8,
    /// The PID of its sender; 0 if the kernel has sent it, or a process outside of this PID namespace.
    pub sender: u32,
    /// Whether the kernel sent it by itself, as a terminal's keys have it do (`SI_KERNEL`, sigaction(2)).
    pub by_kernel: bool,
}

/// Reads the next signal from a [`descriptor`]; `None` if none has come.
pub fn next(descriptor: impl AsFd) -> Option<Arrival> {
    // struct signalfd_siginfo is 128 bytes; the number is its first word, the code its third, the sender's process its fourth
    // (signalfd(2)).
    let mut information = [0_u8; 128];
    match read(descriptor, &mut information) {
        Ok(128) => {
            let word = |at: usize| Some(u32::from_ne_bytes(*information.get(at..)?.first_chunk()?));
            Some(Arrival { signal: word(0)?.to_le_bytes()[0], sender: word(12)?, by_kernel: word(8)? == 0x80 })
        }
        _ => None,
    }
}

/// Ignores a signal, or restores its default action. KILL and STOP cannot be set; that error is of no interest.
pub fn set_action(signal: u8, ignore: bool) {
    let action = Action { handler: if ignore { libc::SIG_IGN } else { libc::SIG_DFL }, ..Action::default() };
    // SAFETY: the action names no handler, so no code of ours can be entered by it.
    unsafe {
        syscall6(number(libc::SYS_rt_sigaction), [signal.into(), (&raw const action) as usize, 0, SET_SIZE, 0, 0]);
    }
}

/// The signals that this process ignores, as nohup(1) and shells leave them for their background jobs.
pub fn ignored() -> Set {
    (1..65).filter(|&signal| is_ignored(signal)).fold(Set::default(), Set::with)
}

/// Whether this process ignores the signal.
pub fn is_ignored(signal: u8) -> bool {
    let mut action = Action::default();
    // SAFETY: the kernel writes the present action, for which `Action` has room.
    let result = unsafe {
        syscall6(number(libc::SYS_rt_sigaction), [signal.into(), 0, (&raw mut action) as usize, SET_SIZE, 0, 0])
    };
    result == 0 && action.handler == libc::SIG_IGN
}

/// Sends a signal: to a process, or to process group `-pid` (kill(2)).
pub fn send(pid: i32, signal: u8) -> Result<()> {
    // SAFETY: the call takes two numbers.
    unsafe { call(word(pid), signal.into(), 0, libc::SYS_kill) }.map(drop)
}

/// Stops this process by the default action of `signal`, and returns when it is continued. `blocked` is its signal mask.
/// The exit hook is called first. `whole_job`: the signal goes to the whole process group, as a key of the terminal does.
pub fn stop_by(signal: u8, blocked: Set, whole_job: bool) {
    hook::call_exit_hook();
    set_action(signal, false);
    let _ = send(if whole_job { 0 } else { ids::id() }, signal);
    block(blocked.without(signal));
    block(blocked);
}

/// Ends this process by the default action of `signal`, but without a core dump.
///
/// Returns if the signal has no effect: PID 1 of a container is immune to signals that it does not handle.
pub fn die_of(signal: u8) {
    hook::call_exit_hook();
    set_action(signal, false);
    // A limit of 0 does not prevent a dump into a pipe (core(5)); a process that is not dumpable makes none at all.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let _ = send(ids::id(), signal);
    block(Set::default());
}
