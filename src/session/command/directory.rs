//! The working directory of a command: the one that the request names, below `baseDirectory`.

use super::refusal::{Refused, unavailable};
use crate::files::path;
use crate::limits;
use crate::sys::process;
use crate::text::line::Line;
use core::ffi::CStr;
use rustix::io::Errno;

/// Changes to `directory` below `base`. The check comes after the change: where this process is then cannot be changed by
/// a link or a `..` any more.
pub(super) fn enter(
    base: &CStr,
    directory: &CStr,
    // Not on the stack, where both would be cleared first, page by page.
    [top, here]: &mut [[u8; limits::PATH]; 2],
    reason: &mut Line,
) -> Result<(), Refused> {
    let top = change(base, top);
    let top = top.map_err(|errno| unavailable!(reason, "baseDirectory {}: {}", base, errno))?;
    if directory.is_empty() || directory == c"." {
        return Ok(());
    }
    let is_absolute = directory.to_bytes().starts_with(b"/");
    Err(match change(directory, here) {
        Ok(here) if !is_absolute && path::relative(top, here).is_some() => return Ok(()),
        Ok(_) => unavailable!(reason, "working directory {} is outside of baseDirectory {}", directory, base),
        Err(errno) => unavailable!(reason, "working directory {} below {}: {}", directory, base, errno),
    })
}

/// Changes to a directory; its path.
fn change<'b>(directory: &CStr, buffer: &'b mut [u8]) -> Result<&'b [u8], Errno> {
    rustix::process::chdir(directory)?;
    process::working_directory(buffer)
}
