//! The caller's jobserver, which bounds how many jobs make and everything below it run at once (GNU make's manual, "Job
//! Slots"). A jobserver that is named by descriptors goes along with them. One that is a FIFO is named by a path, which may
//! not exist in the command's container: it goes along as descriptors too.

use super::descriptors::Numbers;
use crate::files::path::Path;
use crate::protocol::frame::Kind;
use crate::protocol::request::Writer;
use crate::sys::fd;
use crate::text::bytes::{after, first, until};
use crate::text::line::Line;
use crate::{add, limits};
use rustix::fd::IntoRawFd;
use rustix::fs::OFlags;

/// The variable that names it.
const VARIABLE: &[u8] = b"MAKEFLAGS=";

/// What names a FIFO by its absolute path.
const FIFO: &[u8] = b"--jobserver-auth=fifo:/";

/// Bytes of it before what says that it is a FIFO.
const NAME: usize = FIFO.len() - b"fifo:/".len();

/// Adds the entry of a variable to the request. A FIFO that it names is added to `passed` and named by its descriptors
/// instead; where that fails, the entry stays as it is.
pub(super) fn add_variable(request: &mut Writer<'_>, entry: &[u8], passed: &mut Numbers) {
    let at = entry.windows(FIFO.len()).position(|text| text == FIFO).filter(|_| entry.starts_with(VARIABLE));
    let Some(at) = at else { return request.add(Kind::Variable, entry) };
    let from_path = after(entry, at + FIFO.len() - 1);
    let path = until(from_path, b' ');
    // Twice, because a make switches its reading end to non-blocking.
    let (Some(read), Some(write)) = (open(path, passed), open(path, passed)) else {
        return request.add(Kind::Variable, entry);
    };
    let (front, back) = (first(entry, at + NAME), after(from_path, path.len()));
    let mut numbers = Line::new();
    add!(&mut numbers, "{},{}", read, write);
    request.begin(Kind::Variable, front.len() + numbers.bytes().len() + back.len());
    request.put(front);
    request.put(numbers.bytes());
    request.put(back);
}

/// Opens a FIFO, both ways, because that never waits for somebody at the other end (fifo(7)). From here on it is like those
/// that the caller has opened.
fn open(path: &[u8], passed: &mut Numbers) -> Option<i32> {
    let mut file = Path::new();
    file.join(b"", path).ok()?;
    let opened = fd::open(file.as_c_str(), OFlags::RDWR, 0).and_then(fd::above_streams).ok()?;
    if passed.len() >= limits::DESCRIPTORS {
        return None;
    }
    let number = opened.into_raw_fd();
    let _ = passed.push(number);
    Some(number)
}
