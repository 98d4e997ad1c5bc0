//! The token of a section: where it is, and how a stub proves that it has it, and has the server prove the same. Must not say
//! a token, nor keep one: what is kept is its key.

use super::proof::Key;
use crate::config::Server;
use crate::diag::Reported;
use crate::files;
use crate::sys::program::Environment;
use crate::text::bytes;
use crate::text::line::Part;
use crate::{limits, told};
use core::ffi::CStr;
use rustix::io::Errno;

/// Where a section's token is.
#[derive(Clone, Copy)]
pub struct Source<'g> {
    /// The path of a file, which may get another one at any time, or the name of a variable of this process's own
    /// environment.
    place: &'g CStr,
    is_file: bool,
}

impl<'g> Source<'g> {
    /// The source that `--token-file` or `--token-env` names.
    pub fn of(file: Option<&'g CStr>, variable: Option<&'g CStr>) -> Option<Source<'g>> {
        Some(Source { place: file.or(variable)?, is_file: file.is_some() })
    }

    /// That of a server's section, as its stubs read it.
    pub fn of_section(server: Server<'g>) -> Option<Source<'g>> {
        Source::of(server.option(FILE), server.option(VARIABLE))
    }

    /// Makes `key` that of the token as it is now. Without a token nobody gets in: says why there is none.
    #[inline(never)]
    pub fn key(&self, environment: &Environment, key: &mut Key) -> Result<(), Reported> {
        let mut buffer = [0; limits::TOKEN + 3];
        let place = self.place.to_bytes();
        let mut errno = Errno::INVAL;
        let mut token: &[u8] = &[];
        if !self.is_file {
            token = without_newline(environment.get(place).unwrap_or_default());
        } else {
            match files::read(self.place, &mut buffer) {
                Ok(text) => token = without_newline(text),
                Err(reason) => errno = reason,
            }
        }
        if (1..=limits::TOKEN).contains(&token.len()) && !bytes::has(token, b'\n') {
            *key = Key::of(token);
            return Ok(());
        }
        let text = if errno == Errno::INVAL { "{} {}: wanted is one line of 1 to 4096 bytes" } else { "{} {}: {}" };
        Err(told!(text, Part::Words(if self.is_file { FILE } else { VARIABLE }), self.place, errno))
    }
}

/// The option that names a file with a token.
const FILE: &[u8] = b"--token-file";

/// The option that names a variable with one.
pub const VARIABLE: &[u8] = b"--token-env";

/// A line without its end: LF, or CR and LF.
pub fn without_newline(line: &[u8]) -> &[u8] {
    match line {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\r' | b'\n'] => rest,
        _ => line,
    }
}

const _: () = assert!(limits::TOKEN == 4096, "a message says so");
