//! The token of a section: where it is, and how a stub proves that it has it, and has the server prove the same. Must not say
//! a token, nor keep one: what is kept is its key.

use super::configuration;
use super::connect::Way;
use super::stub::fail_at;
use crate::config::Server;
use crate::diag::{Part, Told};
use crate::proof::{Both, Key, LENGTH, is_same};
use crate::sys::descriptor::{self, Descriptor};
use crate::sys::process::exit;
use crate::sys::program::Environment;
use crate::sys::time::Moment;
use crate::sys::{self, poll};
use crate::wire::{HEADER, Kind, header};
use crate::{bytes, limits, told};
use core::ffi::CStr;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

/// Where a section's token is.
#[derive(Clone, Copy)]
pub(super) struct Source<'g> {
    /// The path of a file, which may get another one at any time, or the name of a variable of this process's own
    /// environment.
    place: &'g CStr,
    is_file: bool,
}

impl<'g> Source<'g> {
    /// The source that `--token-file` or `--token-env` names.
    pub(super) fn of(file: Option<&'g CStr>, variable: Option<&'g CStr>) -> Option<Source<'g>> {
        Some(Source { place: file.or(variable)?, is_file: file.is_some() })
    }

    /// That of a server's section, as its stubs read it.
    pub(super) fn of_section(server: Server<'g>) -> Option<Source<'g>> {
        Source::of(server.option(FILE), server.option(VARIABLE))
    }

    /// Makes `key` that of the token as it is now. Without a token nobody gets in: says why there is none.
    #[inline(never)]
    pub(super) fn key(&self, environment: &Environment, key: &mut Key) -> Result<(), Told> {
        let mut buffer = [0; limits::TOKEN + 3];
        let place = self.place.to_bytes();
        let mut errno = Errno::INVAL;
        let mut token: &[u8] = &[];
        if !self.is_file {
            token = without_newline(environment.get(place).unwrap_or_default());
        } else {
            match configuration::read(self.place, &mut buffer) {
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
pub(super) const VARIABLE: &[u8] = b"--token-env";

/// A line without its end: LF, or CR and LF.
pub(super) fn without_newline(line: &[u8]) -> &[u8] {
    match line {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\r' | b'\n'] => rest,
        _ => line,
    }
}

const _: () = assert!(limits::TOKEN == 4096, "a message says so");

/// A frame of the two that open a connection.
pub(super) type Frame = [u8; HEADER + LENGTH];

/// The header of such a frame.
pub(super) const fn front(kind: Kind) -> [u8; HEADER] {
    header(kind, 32)
}

const _: () = assert!(LENGTH == 32);

/// Has both ends prove the token of the server's section, where it has one, until then. Otherwise this process ends with
/// that code.
#[inline(never)]
pub(super) fn pass(
    code: u8,
    server: Server<'static>,
    way: &Way,
    environment: &Environment,
    socket: &Descriptor,
    deadline: Moment,
) {
    let Some(source) = Source::of_section(server) else { return };
    let mut key = Key::NONE;
    if source.key(environment, &mut key).is_err() {
        exit(code)
    }
    if let Err(why) = prove(socket, &key, deadline) {
        fail_at(code, server, way, &why)
    }
}

/// Proves to the server at the other end that this stub has the token, and has it prove the same, until then. Otherwise: why
/// it cannot go on.
#[inline(never)]
fn prove(socket: &Descriptor, key: &Key, deadline: Moment) -> Result<(), &'static str> {
    let mut both = [[0; LENGTH]; 2];
    if sys::random(&mut both[0]).is_err() {
        return Err("no random numbers here");
    }
    exchange(socket, Kind::Nonce, &mut both, deadline)?;
    key.prove(&mut both);
    let wanted = both[1];
    exchange(socket, Kind::Proof, &mut both, deadline)?;
    if is_same(&both[1], &wanted) { Ok(()) } else { Err("it does not have this token; nothing was sent to it") }
}

/// Sends a frame with this end's part, and receives the server's of the same kind with the other, no byte beyond.
#[inline(never)]
fn exchange(socket: &Descriptor, kind: Kind, parts: &mut Both, deadline: Moment) -> Result<(), &'static str> {
    let mut frame: Frame = [0; HEADER + LENGTH];
    if let Some((head, body)) = frame.split_first_chunk_mut() {
        *head = front(kind);
        body.copy_from_slice(&parts[0]);
    }
    // It always fits into an empty socket; a connection that has ended is noticed by what comes.
    let _ = descriptor::send(socket, &frame);
    let mut rest = &mut frame[..];
    while !rest.is_empty() {
        match descriptor::receive(socket, rest) {
            Ok(count @ 1..) => rest = rest.get_mut(count..).unwrap_or_default(),
            Err(Errno::AGAIN) => {
                let left = deadline.left();
                if left == 0 {
                    return Err("it does not answer");
                }
                poll::is_ready(socket.as_fd(), PollFlags::IN, left);
            }
            _ if kind == Kind::Proof => return Err("it does not accept this token"),
            _ => return Err("the connection ended before it asked for the token"),
        }
    }
    if let Some((head, body)) = frame.split_first_chunk()
        && *head == front(kind)
    {
        parts[1].copy_from_slice(body);
        return Ok(());
    }
    Err("it asks for no token, and the section here has one")
}
