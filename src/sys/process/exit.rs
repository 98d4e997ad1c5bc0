//! The ends of this process.

use super::hook::call_exit_hook;
use crate::exit::End;
use crate::sys::call::{number, syscall};
use crate::sys::signal;

/// Ends this process (`exit_group`, exit(2)).
///
/// What [`super::at_exit`] was given is called first.
pub fn exit(code: u8) -> ! {
    call_exit_hook();
    loop {
        // SAFETY: the call takes a number and does not return.
        unsafe {
            syscall(number(libc::SYS_exit_group), [code.into(), 0, 0]);
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
