//! Terminals: their modes, size and foreground, and pseudo-terminals (ioctl_tty(2)).

use super::fd::own::{OwnedFd, above_streams, open};
use super::process::ids;
use rustix::fd::{BorrowedFd, IntoRawFd};
use rustix::fs::OFlags;
use rustix::io::Result;
use rustix::ioctl::{Getter, NoArg, Opcode, Setter, ioctl};
use rustix::process::Pid;
use rustix::pty::OpenptFlags;
use rustix::termios::{QueueSelector, Winsize};

/// The kernel's `struct termios` by its generic layout (`asm-generic/termbits.h`). powerpc's is another one
/// (`asm/termbits.h`). The wire carries it as it is: both ends of a session are programs for the same processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Modes {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    #[cfg(not(target_arch = "powerpc64"))]
    discipline: u8,
    characters: [u8; 19],
    #[cfg(target_arch = "powerpc64")]
    discipline: u8,
}

/// The modes as the kernel reads and writes them: the speeds are part of them on powerpc.
#[cfg(target_arch = "powerpc64")]
#[derive(Default)]
#[repr(C)]
struct Whole {
    modes: Modes,
    speeds: [u32; 2],
}

/// The input modes that are off in raw mode (termios(3), cfmakeraw).
const RAW_INPUT: u32 =
    libc::IGNBRK | libc::BRKINT | libc::PARMRK | libc::ISTRIP | libc::INLCR | libc::IGNCR | libc::ICRNL | libc::IXON;

/// The local modes that are off in raw mode.
const RAW_LOCAL: u32 = libc::ECHO | libc::ECHONL | libc::ICANON | libc::ISIG | libc::IEXTEN;

/// [`Modes::make_raw`] notes the modes before in the last two special characters, which the kernel keeps and does not use: a
/// bit for each mode, and this one, which says that there is a note.
const NOTED: u16 = 1 << 15;

/// The size of [`Modes`] in bytes.
const MODES: usize = size_of::<Modes>();

impl Modes {
    /// The modes as the bytes that a stub sends.
    pub fn as_bytes(&self) -> &[u8; MODES] {
        // SAFETY: an array of bytes of the same size, and the struct has no padding: its fields fill all 36 bytes.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }

    /// The modes in the bytes that a stub has sent.
    pub fn from_bytes(bytes: &[u8; MODES]) -> Modes {
        // SAFETY: every bit pattern is a valid `Modes`, and the read needs no alignment.
        unsafe { core::ptr::from_ref(bytes).cast::<Modes>().read_unaligned() }
    }

    /// Makes every key a byte, those that make signals unless it `leaves_signals`, and with `verbatim` leaves every byte of
    /// output as it is (termios(3), cfmakeraw), with a note of what that changes.
    pub fn make_raw(&mut self, verbatim: bool, leaves_signals: bool) {
        let mut note = NOTED;
        self.for_each_raw_mode(&mut |bit, modes, mode| {
            if *modes & mode != 0 {
                note |= bit;
            }
        });
        self.characters[17..].copy_from_slice(&note.to_le_bytes());
        self.input &= !RAW_INPUT;
        if verbatim {
            self.output &= !libc::OPOST;
        }
        self.local &= !RAW_LOCAL | if leaves_signals { libc::ISIG } else { 0 };
        self.characters[libc::VMIN] = 1;
        self.characters[libc::VTIME] = 0;
    }

    /// Undoes [`Modes::make_raw`] by its note: another stub may be using the terminal in raw mode, or may have been
    /// killed in it.
    pub fn before_raw(&mut self) {
        let note = u16::from_le_bytes([self.characters[17], self.characters[18]]);
        if note & NOTED != 0 && self.local & libc::ICANON == 0 {
            self.for_each_raw_mode(&mut |bit, modes, mode| {
                if note & bit != 0 {
                    *modes |= mode;
                }
            });
            self.characters[17..].fill(0);
        }
    }

    /// Calls `each` for every mode that raw mode may turn off, with its bit of the note.
    fn for_each_raw_mode(&mut self, each: &mut dyn FnMut(u16, &mut u32, u32)) {
        let mut bit = 1;
        let all = [(&mut self.input, RAW_INPUT), (&mut self.output, libc::OPOST), (&mut self.local, RAW_LOCAL)];
        for (modes, raw) in all {
            for mode in (0..u32::BITS).map(|place| 1 << place).filter(|mode| raw & mode != 0) {
                each(bit, modes, mode);
                bit <<= 1;
            }
        }
    }

    /// Turns echo and the processing of output off: for a terminal whose output does not end up at another one.
    pub fn make_plain(&mut self) {
        self.output &= !libc::OPOST;
        self.local &= !libc::ECHO;
    }

    /// Makes every byte input as it is, but for what ends a line or the input, and echoes none: what is written has been
    /// typed, shown and edited at another terminal of these modes.
    pub fn make_quiet(&mut self) {
        self.input &= !RAW_INPUT;
        self.local &= !(RAW_LOCAL & !libc::ICANON);
        for character in [libc::VERASE, libc::VKILL] {
            self.characters[character] = 0;
        }
    }

    /// The character that means EOF.
    pub fn end_mark(&self) -> u8 {
        self.characters[libc::VEOF]
    }

    /// Whether input comes in lines.
    pub fn has_lines(&self) -> bool {
        self.local & libc::ICANON != 0
    }

    /// Whether `byte` ends a line.
    pub fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n' || byte != 0 && [libc::VEOL, libc::VEOL2].iter().any(|end| self.characters[*end] == byte)
    }

    /// Whether another one may treat the output further as it would its own: it treats it in the same way, but for tabs
    /// where this one leaves none (termios(3), XTABS), as less(1) has it.
    pub fn has_output_of(&self, other: &Modes) -> bool {
        let has_no_tabs = self.output & libc::TABDLY == libc::XTABS;
        let other = if has_no_tabs { other.output | libc::XTABS } else { other.output };
        self.output == other
    }

    /// Whether the same keys as at another one make signals.
    pub fn has_signals_of(&self, other: &Modes) -> bool {
        let same = |key: usize| self.characters[key] == other.characters[key];
        self.local & other.local & libc::ISIG != 0 && same(libc::VINTR) && same(libc::VQUIT) && same(libc::VSUSP)
    }

    /// Whether a return is put in before each line feed of the output.
    pub fn adds_returns(&self) -> bool {
        self.output & (libc::OPOST | libc::ONLCR) == libc::OPOST | libc::ONLCR
    }
}

/// The requests that read and write the modes. On powerpc the number has the structure's size in it, and those of the
/// `libc` package are for the C library's own structure, which its ioctl(3) translates (`asm/ioctls.h`).
#[cfg(not(target_arch = "powerpc64"))]
#[allow(clippy::cast_possible_truncation, reason = "requests have 32 bits")]
const REQUESTS: [Opcode; 2] = [libc::TCGETS as Opcode, libc::TCSETS as Opcode];
#[cfg(target_arch = "powerpc64")]
const REQUESTS: [Opcode; 2] = [0x402c_7413, 0x802c_7414];
const GET: Opcode = REQUESTS[0];
const SET: Opcode = REQUESTS[1];

/// Modes as the kernel reads and writes them.
#[cfg(not(target_arch = "powerpc64"))]
type Whole = Modes;

/// A terminal's modes as the kernel has them; `ENOTTY` for anything else.
fn whole(fd: BorrowedFd<'_>) -> Result<Whole> {
    // SAFETY: the kernel writes a `struct termios`.
    unsafe { ioctl(fd, Getter::<GET, Whole>::new()) }
}

/// The modes of a terminal; `ENOTTY` for anything else.
pub fn modes(fd: BorrowedFd<'_>) -> Result<Modes> {
    #[cfg(target_arch = "powerpc64")]
    return whole(fd).map(|whole| whole.modes);
    #[cfg(not(target_arch = "powerpc64"))]
    whole(fd)
}

/// Whether it is a terminal.
pub fn is_one(fd: BorrowedFd<'_>) -> bool {
    modes(fd).is_ok()
}

/// Sets the modes of a terminal, at once: what was written to it before was processed by the old ones.
pub fn set_modes(fd: BorrowedFd<'_>, modes: &Modes) -> Result<()> {
    #[cfg(target_arch = "powerpc64")]
    let whole = Whole { modes: *modes, ..whole(fd)? };
    #[cfg(not(target_arch = "powerpc64"))]
    let whole = *modes;
    // SAFETY: the kernel reads a `struct termios`.
    unsafe { ioctl(fd, Setter::<SET, Whole>::new(whole)) }
}

/// Drops what waits to be read from a terminal.
pub fn drop_input(fd: BorrowedFd<'_>) -> Result<()> {
    rustix::termios::tcflush(fd, QueueSelector::IFlush)
}

/// A terminal's rows, columns, width and height in pixels (`struct winsize`), 16 bits each in memory order; 0 where it has
/// none.
pub fn size(fd: BorrowedFd<'_>) -> u64 {
    let Ok(size) = rustix::termios::tcgetwinsize(fd) else { return 0 };
    let mut bytes = [0; 8];
    for (place, number) in bytes.chunks_mut(2).zip([size.ws_row, size.ws_col, size.ws_xpixel, size.ws_ypixel]) {
        place.copy_from_slice(&number.to_ne_bytes());
    }
    u64::from_ne_bytes(bytes)
}

/// Sets a terminal's size, given as [`size`] gives it. Its foreground gets WINCH where it has changed.
pub fn set_size(fd: BorrowedFd<'_>, size: u64) {
    let [a, b, c, d, e, f, g, h] = size.to_ne_bytes();
    let [ws_row, ws_col, ws_xpixel, ws_ypixel] = [[a, b], [c, d], [e, f], [g, h]].map(u16::from_ne_bytes);
    let _ = rustix::termios::tcsetwinsize(fd, Winsize { ws_row, ws_col, ws_xpixel, ws_ypixel });
}

/// The controlling terminal of this process, if it has one (tty(4)).
pub fn controlling() -> Option<BorrowedFd<'static>> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
    let own = above_streams(open(c"/dev/tty", flags, 0).ok()?).ok()?;
    // SAFETY: its number is known here alone, and it is never closed.
    Some(unsafe { BorrowedFd::borrow_raw(own.into_raw_fd()) })
}

/// Whether this process may read the terminal: it is in the foreground, or the terminal is not its controlling one, which
/// it may always read.
pub fn is_in_foreground(fd: BorrowedFd<'_>) -> bool {
    let group = foreground(fd);
    group == 0 || group == ids::group()
}

/// The process group in the foreground of a terminal; 0 where there is none to be seen from here.
pub fn foreground(fd: BorrowedFd<'_>) -> i32 {
    rustix::termios::tcgetpgrp(fd).map_or(0, |group| group.as_raw_nonzero().get())
}

/// Puts a process group into the foreground of this process's controlling terminal; 0: none.
pub fn set_foreground(fd: BorrowedFd<'_>, group: i32) -> Result<()> {
    Pid::from_raw(group).map_or(Ok(()), |group| rustix::termios::tcsetpgrp(fd, group))
}

/// A new pseudo-terminal of this mount namespace (pts(4)): its master for this program, non-blocking, and its slave for
/// the command.
pub fn pair() -> Result<[OwnedFd; 2]> {
    let master = open(c"/dev/ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK, 0)?;
    rustix::pty::unlockpt(&master)?;
    // Not by its path: /dev/pts can be that of another namespace.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
    Ok([master, slave])
}

/// Makes this process the leader of a session of its own with this controlling terminal (credentials(7)). The process groups
/// of its children are then not orphaned ones, which the kernel does not let stop (setpgid(2)).
pub fn lead_session(terminal: &OwnedFd) -> Result<()> {
    // It fails where this process leads a session already.
    let _ = rustix::process::setsid();
    rustix::process::ioctl_tiocsctty(terminal)
}

/// Gives up this controlling terminal for this process and all others of the session that it leads. The foreground gets HUP
/// and CONT.
pub fn leave(terminal: &OwnedFd) -> Result<()> {
    #[allow(clippy::cast_possible_truncation, reason = "requests have 32 bits")]
    const LEAVE: Opcode = libc::TIOCNOTTY as Opcode;
    // SAFETY: the request takes no argument.
    unsafe { ioctl(terminal, NoArg::<LEAVE>::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_modes_know_what_they_were() {
        let mut random = fastrand::Rng::with_seed(6);
        for _ in 0..1000 {
            let mut before =
                Modes { input: random.u32(..), output: random.u32(..), local: random.u32(..), ..Modes::default() };
            before.local |= libc::ICANON;
            before.characters[libc::VMIN] = 1;
            let mut modes = before;
            let (verbatim, leaves_signals) = (random.bool(), random.bool());
            modes.make_raw(verbatim, leaves_signals);
            let signals = if leaves_signals { before.local & libc::ISIG } else { 0 };
            assert_eq!((modes.input & RAW_INPUT, modes.local & RAW_LOCAL), (0, signals));
            assert_eq!(modes.output & libc::OPOST, if verbatim { 0 } else { before.output & libc::OPOST });
            modes.before_raw();
            assert_eq!(modes.as_bytes(), before.as_bytes());
            before.before_raw();
            assert_eq!(modes.as_bytes(), before.as_bytes(), "modes that were never raw stay");
        }
    }
}
