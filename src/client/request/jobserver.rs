//! What make and its like share through files that they name in variables: the jobserver, which bounds how many jobs all of
//! them run at once, and the mutex of `make -O`. By the direct transport the files go along as descriptors, because their
//! paths may lead nowhere in the command's container. By the relay nothing can go along, so that nothing is named.

use super::descriptors::Numbers;
use super::makeflags::{self, Jobserver, Mutex};
use crate::client::connect::Connection;
use crate::protocol::frame::Kind;
use crate::protocol::request::Writer;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::socket::unix;
use crate::text::bytes::{c_str, first};
use crate::text::packed::Text;
use crate::{limits, report, text};
use rustix::fd::IntoRawFd;
use rustix::fs::{Mode, OFlags};

/// Descriptors of a FIFO: two, because make switches the one that it reads to non-blocking.
const ENDS: usize = 2;

/// Adds the entry of a variable to the request, with names that hold at the other end of the connection. What these name
/// is added to `passed`.
pub(super) fn add_variable(request: &mut Writer<'_>, entry: &[u8], connection: &Connection, passed: &mut Numbers) {
    let Some(options) = makeflags::options(entry) else { return request.add(Kind::Variable, entry) };
    let name = first(entry, entry.len() - options.len());
    let jobserver = pass_jobserver(options, connection, passed);
    let mutex = pass_mutex(options, connection, passed);
    let mut length = name.len();
    makeflags::rewrite(options, jobserver, mutex, &mut |piece| length += piece.len());
    request.begin(Kind::Variable, length);
    request.put(name);
    makeflags::rewrite(options, jobserver, mutex, &mut |piece| request.put(piece));
}

/// Passes the jobserver that the options name. One that is named by descriptors goes along with all the others. A FIFO
/// that cannot be opened keeps its name: make reports that, as it does without a stub.
fn pass_jobserver(options: &[u8], connection: &Connection, passed: &mut Numbers) -> Jobserver {
    if !connection.is_direct {
        return if makeflags::has_jobserver(options) { Jobserver::LeftOut } else { Jobserver::Kept };
    }
    let Some(path) = makeflags::fifo(options) else { return Jobserver::Kept };
    if !has_room(passed, ENDS, text!("jobserver")) {
        return Jobserver::LeftOut;
    }
    // Both ways, because that never waits for somebody at the other end (fifo(7)).
    let (Some(read), Some(write)) = (open(&path), open(&path)) else { return Jobserver::Kept };
    let can_reopen = can_reopen(&read, connection);
    Jobserver::Passed { read: pass(read, passed), write: pass(write, passed), can_reopen }
}

/// Passes the mutex that the options name, or leaves it out: a make that cannot open its mutex ends.
fn pass_mutex(options: &[u8], connection: &Connection, passed: &mut Numbers) -> Mutex {
    let Some(path) = makeflags::mutex(options) else { return Mutex::Kept };
    if !connection.is_direct || !has_room(passed, 1, text!("mutex of make -O")) {
        return Mutex::LeftOut;
    }
    match open(&path).filter(|file| can_reopen(file, connection)) {
        Some(file) => Mutex::Passed(pass(file, passed)),
        None => Mutex::LeftOut,
    }
}

/// Whether so many more descriptors can go along; says it where not.
fn has_room(passed: &Numbers, count: usize, what: Text) -> bool {
    let has_room = passed.len() + count <= limits::DESCRIPTORS;
    if !has_room {
        report!("{} open descriptors leave no room for the {}: going on without", passed.len(), what);
    }
    has_room
}

/// Opens a path of the caller's.
fn open(path: &[u8]) -> Option<OwnedFd> {
    fd::open(c_str(path)?, OFlags::RDWR, 0).and_then(fd::above_streams).ok()
}

/// Whether the server's user may open the file by its descriptor's name in `/proc`, which takes the same permission as by
/// its path: as the owner or as anybody. A server that is root may lack the capability to open any file.
fn can_reopen(file: &OwnedFd, connection: &Connection) -> bool {
    let Ok(stat) = rustix::fs::fstat(file) else { return false };
    let is_owner = unix::peer_user(&connection.socket) == Some(stat.st_uid);
    let needed = if is_owner { Mode::RUSR | Mode::WUSR } else { Mode::ROTH | Mode::WOTH };
    Mode::from_raw_mode(stat.st_mode).contains(needed)
}

/// From here on the file is like those that the caller has opened: its number.
fn pass(file: OwnedFd, passed: &mut Numbers) -> i32 {
    let number = file.into_raw_fd();
    // There was room.
    let _ = passed.push(number);
    number
}
