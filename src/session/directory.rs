//! The working directory of a command: the one that the request names, below `baseDirectory`.

use super::launch::{Refused, unavailable};
use crate::files::path;
use crate::limits;
use crate::sys::process;
use crate::text::line::Line;
use core::ffi::CStr;
use rustix::io::Errno;

/// Changes to `directory` below `base`. The check comes after the change: what this process then is in is what it is,
/// whatever links and `..` led there.
pub(super) fn enter(
    base: &CStr,
    directory: &CStr,
    // Not on the stack: what is cleared there is touched as a whole.
    [top, here]: &mut [[u8; limits::PATH]; 2],
    reason: &mut Line,
) -> Result<(), Refused> {
    let top = change(base, top);
    let top = top.map_err(|errno| unavailable!(reason, "baseDirectory {}: {}", base, errno))?;
    if directory.is_empty() || directory == c"." {
        return Ok(());
    }
    let is_absolute = directory.to_bytes().starts_with(b"/");
    let (text, errno) = match change(directory, here) {
        Ok(here) if !is_absolute && path::relative(top, here).is_some() => return Ok(()),
        Ok(_) => ("working directory {} is outside of baseDirectory {}", Errno::ACCESS),
        Err(errno) => ("working directory {} below {}: {}", errno),
    };
    Err(unavailable!(reason, text, directory, base, errno))
}

/// Changes to a directory; where this process then is.
#[inline(never)]
fn change<'b>(directory: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    rustix::process::chdir(directory)?;
    process::working_directory(buffer)
}
