//! The token of a section: where it is, and how a stub proves that it has it, and has the server prove the same. Must not say
//! a token, nor keep one: what is kept is its key.

use super::configuration;
use super::connect::Way;
use super::stub::fail_at;
use crate::config::Server;
use crate::diag::Told;
use crate::proof::{Key, LENGTH, Role};
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
        Source::of(server.option(b"--token-file"), server.option(VARIABLE))
    }

    /// The key of the token as it is now. Without a token nobody gets in: says why there is none.
    #[inline(never)]
    pub(super) fn key(&self, environment: &Environment) -> Result<Key, Told> {
        let mut buffer = [0; limits::TOKEN + 3];
        let place = self.place.to_bytes();
        let token = if !self.is_file {
            Ok(environment.get(place).unwrap_or_default())
        } else if place.starts_with(b"/") {
            configuration::read(self.place, &mut buffer).map(without_newline)
        } else {
            // A daemon's working directory is another one.
            Err(Errno::INVAL)
        };
        let text = match token {
            Ok(token) if (1..=limits::TOKEN).contains(&token.len()) && !bytes::has(token, b'\n') => {
                return Ok(Key::of(token));
            }
            Err(errno) if errno != Errno::INVAL => "--token-{} {}: {}",
            _ if self.is_file => "--token-{} {}: not the absolute path of a file of one line, 1 to 4096 bytes",
            _ => "--token-{} {}: not the name of a variable with one line, 1 to 4096 bytes",
        };
        let option = if self.is_file { "file" } else { "env" };
        Err(told!(text, option, self.place, token.err().unwrap_or(Errno::INVAL)))
    }
}

/// The option that names a variable with a token.
pub(super) const VARIABLE: &[u8] = b"--token-env";

/// A line without its end: LF, or CR and LF.
pub(super) fn without_newline(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

const _: () = assert!(limits::TOKEN == 4096, "a message says so");

/// A frame of the two that open a connection.
pub(super) type Frame = [u8; HEADER + LENGTH];

/// The header of such a frame.
pub(super) const fn front(kind: Kind) -> [u8; HEADER] {
    header(kind, 32)
}

const _: () = assert!(LENGTH == 32);

/// The frame of this kind with this body.
#[inline(never)]
pub(super) fn frame(kind: Kind, body: &[u8; LENGTH]) -> Frame {
    let mut frame = [0; HEADER + LENGTH];
    frame[..HEADER].copy_from_slice(&front(kind));
    frame[HEADER..].copy_from_slice(body);
    frame
}

/// Has both ends prove the token of the server's section, where it has one, for at most so many milliseconds. Otherwise this
/// process ends with that code.
#[inline(never)]
pub(super) fn pass(
    code: u8,
    server: Server<'static>,
    way: &Way,
    environment: &Environment,
    socket: &Descriptor,
    timeout: Option<u64>,
) {
    let Some(source) = Source::of_section(server) else { return };
    let Ok(key) = source.key(environment) else { exit(code) };
    prove(socket, &key, timeout).unwrap_or_else(|why| fail_at(code, server, way, &why));
}

/// Proves to the server at the other end that this stub has the token, and has it prove the same, for at most so many
/// milliseconds. Otherwise: why it cannot go on.
#[inline(never)]
fn prove(socket: &Descriptor, key: &Key, timeout: Option<u64>) -> Result<(), &'static str> {
    let deadline = timeout.map_or(Moment::NEVER, Moment::after);
    let mut nonces = [[0; LENGTH]; 2];
    if sys::random(&mut nonces[0]).is_err() {
        return Err("no random numbers here");
    }
    nonces[1] = nonces[0];
    exchange(socket, Kind::Nonce, &mut nonces[1], deadline)?;
    let mut proof = key.prove(Role::Stub, &nonces);
    exchange(socket, Kind::Proof, &mut proof, deadline)?;
    if key.is_proven(Role::Server, &nonces, &proof) {
        Ok(())
    } else {
        Err("it does not have this token; nothing was sent to it")
    }
}

/// Sends a frame with this body, and receives the body of the server's of the same kind in its place, no byte beyond.
#[inline(never)]
fn exchange(socket: &Descriptor, kind: Kind, body: &mut [u8; LENGTH], deadline: Moment) -> Result<(), &'static str> {
    let mut frame = frame(kind, body);
    // It always fits into an empty socket; a connection that has ended is noticed by what comes.
    let _ = descriptor::send(socket, &frame);
    let mut rest = &mut frame[..];
    while !rest.is_empty() {
        match descriptor::receive(socket, rest) {
            Ok(count @ 1..) => rest = rest.get_mut(count..).unwrap_or_default(),
            Err(Errno::AGAIN) if deadline.left() > 0 => {
                poll::wait(&mut [poll::Entry::new(socket.as_fd(), PollFlags::IN)], Some(deadline.left()));
            }
            Err(Errno::AGAIN) => return Err("it does not answer"),
            _ if kind == Kind::Proof => return Err("it does not accept this token"),
            _ => return Err("the connection ended before it asked for the token"),
        }
    }
    if frame[..HEADER] != front(kind) {
        return Err("it asks for no token, and the section here has one");
    }
    body.copy_from_slice(&frame[HEADER..]);
    Ok(())
}
