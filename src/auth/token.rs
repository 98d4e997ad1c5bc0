//! Reads the token of a section. Must neither show a token nor keep one: only the key that is derived from it.

use crate::diag::Reported;
use crate::files;
use crate::options::settings::TokenSource;
use crate::secure::key::PreSharedKey;
use crate::sys::program::Environment;
use crate::text::bytes::has;
use crate::{limits, reported};
use core::ffi::CStr;
use zeroize::Zeroizing;

const _: () = assert!(limits::TOKEN == 4096, "a message says so");

/// The key of the token as it is now. If it cannot be read, that is reported, and no connection gets in.
pub fn read_key(source: TokenSource<'_>, environment: &Environment) -> Result<PreSharedKey, Reported> {
    match source {
        TokenSource::Variable(name) => match environment.get(name.to_bytes()) {
            Some(text) => key("--token-env", name, text),
            None => Err(reported!("--token-env {}: the variable is not set", name)),
        },
        TokenSource::File(path) => {
            // One byte more than the longest token and its newline shows that there is more.
            let mut buffer = Zeroizing::new([0; limits::TOKEN + 3]);
            let text = files::read(path, &mut *buffer)
                .map_err(|errno| reported!("--token-file {}: {}", path, files::why(&errno)))?;
            key("--token-file", path, text)
        }
    }
}

/// The key of a token: one line of 1 to [`limits::TOKEN`] bytes. A message names its `option` and `place`.
fn key(option: &str, place: &CStr, text: &[u8]) -> Result<PreSharedKey, Reported> {
    let token = without_newline(text);
    let is_line = token.len() <= limits::TOKEN && !has(token, b'\n');
    let key = if is_line { PreSharedKey::from_token(token) } else { None };
    key.ok_or_else(|| reported!("{} {}: not one line of 1 to 4096 bytes", option, place))
}

/// A line without its end: LF, or CR and LF.
pub fn without_newline(line: &[u8]) -> &[u8] {
    match line {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\r' | b'\n'] => rest,
        _ => line,
    }
}
