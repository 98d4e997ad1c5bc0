//! Terminals: their modes, size and foreground, and pseudo-terminals (ioctl_tty(2)).

use super::fd::{self, OwnedFd, word};
use super::{call, number, process};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};
use rustix::fs::OFlags;
use rustix::io::Result;

/// The kernel's `struct termios` by its generic layout (`asm-generic/termbits.h`). powerpc's is another one
/// (`asm/termbits.h`), which matters to nobody else: both ends of a session are programs for the same processor.
#[derive(Clone, Copy, Default)]
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

/// The input modes that are off in raw mode. Bits 2, 4 and 9 are none of them.
const RAW_INPUT: u32 =
    libc::IGNBRK | libc::BRKINT | libc::PARMRK | libc::ISTRIP | libc::INLCR | libc::IGNCR | libc::ICRNL | libc::IXON;

/// The local modes that are off in raw mode. `ISIG` and `ICANON` are bits 0 and 1.
const RAW_LOCAL: u32 = libc::ECHO | libc::ECHONL | libc::ICANON | libc::ISIG | libc::IEXTEN;

/// What raw mode has changed is noted in the last two special characters, which the kernel keeps and nobody uses. This bit
/// says that it is.
const NOTED: u32 = 1 << 15;

/// Bytes of the modes.
const MODES: usize = size_of::<Modes>();

impl Modes {
    /// The modes as a stub describes them.
    pub fn as_bytes(&self) -> &[u8; MODES] {
        // SAFETY: a plain array of the same size; the struct has no padding.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }

    /// The modes that a stub describes.
    pub fn from_bytes(bytes: &[u8; MODES]) -> Modes {
        // SAFETY: every pattern of bits is one of modes, and nothing is asked of its address.
        unsafe { core::ptr::from_ref(bytes).cast::<Modes>().read_unaligned() }
    }

    /// Makes every key a byte and leaves every byte of output as it is (termios(3), cfmakeraw), with a note of what that
    /// changes.
    pub fn make_raw(&mut self) {
        let local = self.local;
        let kept =
            (local & libc::IEXTEN) >> 6 | (local & libc::ECHONL) >> 2 | (local & 3) << 11 | (local & libc::ECHO) << 10;
        let note = NOTED | self.input & RAW_INPUT | (self.output & libc::OPOST) << 2 | kept;
        self.characters[17..].copy_from_slice(&note.to_le_bytes()[..2]);
        self.input &= !RAW_INPUT;
        self.output &= !libc::OPOST;
        self.local &= !RAW_LOCAL;
        self.characters[libc::VMIN] = 1;
        self.characters[libc::VTIME] = 0;
    }

    /// The modes before [`Modes::make_raw`], by its note: another stub may have the terminal on loan, or may have been
    /// killed while it had.
    pub fn before_raw(&mut self) {
        let note = u32::from_le_bytes([self.characters[17], self.characters[18], 0, 0]);
        if note & NOTED != 0 && self.local & libc::ICANON == 0 {
            self.input |= note & RAW_INPUT;
            self.output |= note >> 2 & libc::OPOST;
            self.local |=
                note << 6 & libc::IEXTEN | note << 2 & libc::ECHONL | note >> 11 & 3 | note >> 10 & libc::ECHO;
            self.characters[17..].fill(0);
        }
    }

    /// No echo, and output as it is: for a terminal that nobody looks at.
    pub fn make_plain(&mut self) {
        self.output &= !libc::OPOST;
        self.local &= !libc::ECHO;
    }

    /// The character that ends the input.
    pub fn end_mark(&self) -> u8 {
        self.characters[libc::VEOF]
    }
}

/// The calls that read and write the modes. On powerpc the number has the structure's size in it, and those of the `libc`
/// package are with the C library's own structure, which its ioctl(3) translates (`asm/ioctls.h`).
#[cfg(not(target_arch = "powerpc64"))]
const GET: libc::Ioctl = libc::TCGETS;
#[cfg(not(target_arch = "powerpc64"))]
const SET: libc::Ioctl = libc::TCSETS;
#[cfg(target_arch = "powerpc64")]
const GET: libc::Ioctl = 0x402c_7413;
#[cfg(target_arch = "powerpc64")]
const SET: libc::Ioctl = 0x802c_7414;

/// A call on a terminal (ioctl(2)).
///
/// # Safety
/// The argument is what `request` takes: a number, or the address of what it reads or writes.
#[inline(never)]
unsafe fn control(fd: BorrowedFd<'_>, request: libc::Ioctl, argument: usize) -> Result<i32> {
    let fd = word(fd.as_raw_fd());
    // SAFETY: the caller's promise.
    unsafe { call(fd, number(request.cast_signed()), argument, libc::SYS_ioctl) }
}

/// Reads the modes of a terminal; an error for what is none.
#[inline(never)]
pub fn get_modes(fd: BorrowedFd<'_>, modes: &mut Modes) -> Result<()> {
    #[cfg(target_arch = "powerpc64")]
    {
        *modes = whole(fd)?.modes;
        Ok(())
    }
    // SAFETY: the kernel writes a `struct termios`.
    #[cfg(not(target_arch = "powerpc64"))]
    unsafe { control(fd, GET, core::ptr::from_mut(modes) as usize) }.map(drop)
}

/// All that the kernel says of a terminal's modes.
#[cfg(target_arch = "powerpc64")]
fn whole(fd: BorrowedFd<'_>) -> Result<Whole> {
    let mut whole = Whole::default();
    // SAFETY: the kernel writes a `struct termios`.
    unsafe { control(fd, GET, (&raw mut whole) as usize) }?;
    Ok(whole)
}

/// The modes of a terminal.
pub fn modes(fd: BorrowedFd<'_>) -> Result<Modes> {
    let mut modes = Modes::default();
    get_modes(fd, &mut modes)?;
    Ok(modes)
}

/// Whether it is a terminal.
pub fn is_one(fd: BorrowedFd<'_>) -> bool {
    get_modes(fd, &mut Modes::default()).is_ok()
}

/// Sets the modes of a terminal, at once: what was written to it was processed then.
pub fn set_modes(fd: BorrowedFd<'_>, modes: &Modes) -> Result<()> {
    #[cfg(target_arch = "powerpc64")]
    let modes = &Whole { modes: *modes, ..whole(fd)? };
    // SAFETY: the kernel reads a `struct termios`.
    unsafe { control(fd, SET, core::ptr::from_ref(modes) as usize) }.map(drop)
}

/// A terminal's rows, columns, width and height (`struct winsize`), 16 bits each, as they are in memory; 0 where it has none.
pub fn size(fd: BorrowedFd<'_>) -> u64 {
    let mut size = 0_u64;
    // SAFETY: the kernel writes four numbers of 16 bits.
    let _ = unsafe { control(fd, libc::TIOCGWINSZ, (&raw mut size) as usize) };
    size
}

/// Sets a terminal's size. Its foreground is told by WINCH where that is another one.
pub fn set_size(fd: BorrowedFd<'_>, size: u64) {
    // SAFETY: the kernel reads four numbers of 16 bits.
    let _ = unsafe { control(fd, libc::TIOCSWINSZ, (&raw const size) as usize) };
}

/// Whether this process may read the terminal: it is in the foreground, or the terminal is not its controlling one, which
/// knows no background for it.
#[inline(never)]
pub fn is_in_foreground(fd: BorrowedFd<'_>) -> bool {
    let group = foreground(fd);
    group == 0 || group == process::group()
}

/// The process group in the foreground of a terminal; 0 where it cannot be told.
pub fn foreground(fd: BorrowedFd<'_>) -> i32 {
    let mut group = 0_i32;
    // SAFETY: the kernel writes a number.
    let _ = unsafe { control(fd, libc::TIOCGPGRP, (&raw mut group) as usize) };
    group
}

/// Puts a process group into the foreground of this process's controlling terminal; 0: none.
pub fn set_foreground(fd: BorrowedFd<'_>, group: i32) -> Result<()> {
    if group == 0 {
        return Ok(());
    }
    // SAFETY: the kernel reads a number.
    unsafe { control(fd, libc::TIOCSPGRP, (&raw const group) as usize) }.map(drop)
}

/// A pseudo-terminal of this mount namespace (pts(4)): this program's side, non-blocking, and the command's.
pub fn pair() -> Result<[OwnedFd; 2]> {
    let near = fd::open(c"/dev/ptmx", OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK, 0)?;
    let lock = 0_i32;
    // SAFETY: the kernel reads a number.
    unsafe { control(near.as_fd(), libc::TIOCSPTLCK, (&raw const lock) as usize) }?;
    let flags = (libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC).unsigned_abs() as usize;
    // Not by its path: /dev/pts can be that of another namespace.
    // SAFETY: the call takes a number; the new descriptor is nobody else's.
    let far = unsafe { OwnedFd::from_raw_fd(control(near.as_fd(), libc::TIOCGPTPEER, flags)?) };
    Ok([near, far])
}

/// Makes this process the leader of a session of its own with this controlling terminal (credentials(7)). Children in
/// process groups of their own are then no orphaned ones, which the kernel does not let stop (setpgid(2)).
pub fn lead_session(terminal: &OwnedFd) -> Result<()> {
    // It fails where this process is one already.
    let _ = rustix::process::setsid();
    // SAFETY: the call takes a number.
    unsafe { control(terminal.as_fd(), libc::TIOCSCTTY, 0) }.map(drop)
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
            modes.make_raw();
            assert_eq!((modes.input & RAW_INPUT, modes.output & libc::OPOST, modes.local & RAW_LOCAL), (0, 0, 0));
            modes.before_raw();
            assert_eq!(modes.as_bytes(), before.as_bytes());
            before.before_raw();
            assert_eq!(modes.as_bytes(), before.as_bytes(), "modes that were never raw stay");
        }
    }
}
