//! The program's system calls, but for those on the caller's terminal and on its input: that is a value here.

pub(crate) use k8psh::sys::{clock, process, signal, statics};

use self::terminal::Modes;
use std::cell::RefCell;

/// The caller's terminal.
pub(crate) struct Caller {
    /// Whether the stub's job is in its foreground.
    pub(crate) is_foreground: bool,
    pub(crate) modes: Modes,
    /// Lines that were typed and that nobody has read.
    pub(crate) typed: usize,
}

thread_local! {
    static CALLER: RefCell<Caller> = RefCell::new(Caller { is_foreground: true, modes: cooked(), typed: 0 });
}

/// What the caller's terminal is like.
pub(crate) fn caller<T>(then: impl FnOnce(&mut Caller) -> T) -> T {
    CALLER.with_borrow_mut(then)
}

/// Modes of a terminal that gives lines.
pub(crate) fn cooked() -> Modes {
    let mut bytes = [0; 36];
    // ISIG, ICANON and ECHO, the first byte of the local modes; and VEOF.
    (bytes[12], bytes[17 + 4]) = (0x0b, 4);
    Modes::from_bytes(&bytes)
}

/// See `k8psh::sys::fd`.
pub(crate) mod fd {
    pub(crate) use k8psh::sys::fd::standard_fds;
    use rustix::fd::BorrowedFd;

    pub(crate) fn is_same_device(_: BorrowedFd<'_>, _: BorrowedFd<'_>) -> bool {
        true
    }

    pub(crate) fn close_passed(_: &[i32], _: [bool; 3]) {}

    /// It cannot be opened again.
    pub(crate) fn reopen_terminal(_: BorrowedFd<'static>) -> Option<BorrowedFd<'static>> {
        None
    }
}

/// See `k8psh::sys::poll`.
pub(crate) mod poll {
    use rustix::event::PollFlags;
    use rustix::fd::BorrowedFd;

    pub(crate) fn is_ready(_: BorrowedFd<'_>, _: PollFlags, _: u64) -> bool {
        super::caller(|caller| caller.typed > 0)
    }
}

/// See `k8psh::sys::terminal`.
pub(crate) mod terminal {
    pub(crate) use k8psh::sys::terminal::Modes;
    use rustix::fd::BorrowedFd;
    use rustix::io::Result;

    pub(crate) fn is_one(_: BorrowedFd<'_>) -> bool {
        true
    }

    pub(crate) fn controlling() -> Option<BorrowedFd<'static>> {
        None
    }

    pub(crate) fn size(_: BorrowedFd<'_>) -> u64 {
        0
    }

    pub(crate) fn is_in_foreground(_: BorrowedFd<'_>) -> bool {
        super::caller(|caller| caller.is_foreground)
    }

    #[allow(clippy::unnecessary_wraps, reason = "the real one may fail")]
    pub(crate) fn modes(_: BorrowedFd<'_>) -> Result<Modes> {
        Ok(super::caller(|caller| caller.modes))
    }

    #[allow(clippy::unnecessary_wraps, reason = "the real one may fail")]
    pub(crate) fn set_modes(_: BorrowedFd<'_>, modes: &Modes) -> Result<()> {
        super::caller(|caller| caller.modes = *modes);
        Ok(())
    }
}
