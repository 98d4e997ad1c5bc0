//! The caller's jobserver, which bounds how many jobs a make and all that it starts run at once ("Job Slots", GNU make's
//! manual). One that is named by descriptors goes along as they do. One that is a FIFO is named by a path, which the
//! command's container need not have: it goes along as descriptors too.

use super::direct::Numbers;
use super::request::Frames;
use crate::bytes::{c_str, until};
use crate::limits;
use crate::line;
use crate::sys::descriptor;
use crate::wire::Kind;
use rustix::fs::OFlags;

/// The variable that names it.
const VARIABLE: &[u8] = b"MAKEFLAGS=";

/// What a FIFO's name begins with: its path is absolute.
const FIFO: &[u8] = b"--jobserver-auth=fifo:/";

/// Bytes of it before what says that it is a FIFO.
const NAME: usize = FIFO.len() - b"fifo:/".len();

/// Adds a variable's entry to the request. A FIFO that it names is `passed`, and named by its descriptors; what cannot be
/// opened here stays as it is.
#[inline(never)]
pub(super) fn add(request: &mut Frames<'_>, entry: &[u8], passed: &mut Numbers) {
    if let Some([before, path, after]) = split(entry)
        && let Some([read, write]) = open(path, passed)
    {
        request.add(Kind::Variable, &[before, line!("{},{}", read, write).bytes(), after]);
    } else {
        request.add(Kind::Variable, &[entry]);
    }
}

/// What comes before the name of a FIFO, its path, and what follows.
fn split(entry: &[u8]) -> Option<[&[u8]; 3]> {
    entry.strip_prefix(VARIABLE)?;
    let at = entry.windows(FIFO.len()).position(|text| text == FIFO)?;
    let start = at + FIFO.len() - 1;
    let path = until(entry.get(start..)?, b' ');
    Some([entry.get(..at + NAME)?, path, entry.get(start + path.len()..)?])
}

/// Opens a FIFO for reading and for writing: twice, because a make switches its reading end to non-blocking, and both ways
/// each, because that never waits for somebody at the other end (fifo(7)).
fn open(path: &[u8], passed: &mut Numbers) -> Option<[i32; 2]> {
    let mut file = [0; limits::PATH];
    file.get_mut(..path.len())?.copy_from_slice(path);
    let file = c_str(&file)?;
    let mut numbers = [0; 2];
    for number in &mut numbers {
        // From here on it is like those that the caller has opened.
        *number = descriptor::above_streams(descriptor::open(file, OFlags::RDWR, 0).ok()?).ok()?.leave_open();
    }
    passed.extend_from_slice(&numbers).ok()?;
    Some(numbers)
}
