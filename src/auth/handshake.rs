//! The client's half of the handshake by which both ends prove to each other that they have the section's token.

use super::proof::{Both, Key, LENGTH, is_same};
use crate::protocol::frame::{HEADER, Kind, header};
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::{self, poll};
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

/// A frame of the two that open a connection.
pub(super) type Frame = [u8; HEADER + LENGTH];

/// The header of such a frame.
pub(super) const fn front(kind: Kind) -> [u8; HEADER] {
    header(kind, 32)
}

const _: () = assert!(LENGTH == 32);

/// Proves to the server at the other end that this stub has the token, and has it prove the same, until then. Otherwise: why
/// it cannot go on.
#[inline(never)]
pub fn prove(socket: &OwnedFd, key: &Key, deadline: Instant) -> Result<(), &'static str> {
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
fn exchange(socket: &OwnedFd, kind: Kind, parts: &mut Both, deadline: Instant) -> Result<(), &'static str> {
    let mut frame: Frame = [0; HEADER + LENGTH];
    if let Some((head, body)) = frame.split_first_chunk_mut() {
        *head = front(kind);
        body.copy_from_slice(&parts[0]);
    }
    // It always fits into an empty socket; a connection that has ended is noticed by what comes.
    let _ = fd::send(socket, &frame);
    let mut rest = &mut frame[..];
    while !rest.is_empty() {
        match fd::receive(socket, rest) {
            Ok(count @ 1..) => rest = rest.get_mut(count..).unwrap_or_default(),
            Err(Errno::AGAIN) => {
                let left = deadline.remaining();
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
