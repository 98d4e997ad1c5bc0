//! The token of a section. Must not show a token, nor keep one: what is kept is its key.

use super::proof::Key;
use crate::diag::Reported;
use crate::files;
use crate::options::settings::TokenSource;
use crate::sys::program::Environment;
use crate::{limits, told};
use core::ffi::CStr;

const _: () = assert!(limits::TOKEN == 4096, "a message says so");

/// Makes `key` that of the token as it is now. Without a token nobody gets in, and why there is none is reported.
pub fn read_key(source: TokenSource<'_>, environment: &Environment, key: &mut Key) -> Result<(), Reported> {
    match source {
        TokenSource::Variable(name) => {
            set_key("--token-env", name, environment.get(name.to_bytes()).unwrap_or_default(), key)
        }
        TokenSource::File(path) => {
            // One byte more than the longest token and its newline shows that there is more.
            let mut buffer = [0; limits::TOKEN + 3];
            let text = files::read(path, &mut buffer).map_err(|errno| told!("--token-file {}: {}", path, errno))?;
            set_key("--token-file", path, text, key)
        }
    }
}

fn set_key(option: &str, place: &CStr, text: &[u8], key: &mut Key) -> Result<(), Reported> {
    let token = without_newline(text);
    if token.is_empty() || token.len() > limits::TOKEN || token.contains(&b'\n') {
        return Err(told!("{} {}: wanted is one line of 1 to 4096 bytes", option, place));
    }
    *key = Key::of(token);
    Ok(())
}

/// A line without its end: LF, or CR and LF.
pub fn without_newline(line: &[u8]) -> &[u8] {
    match line {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\r' | b'\n'] => rest,
        _ => line,
    }
}
