//! The stub's half of the handshake with a server whose section has a token, over its socket.

use crate::diag::Reported;
use crate::limits;
use crate::protocol::frame::Kind;
use crate::secure::Transport;
use crate::secure::handshake::{Initiator, MESSAGE, Message};
use crate::secure::key::PreSharedKey;
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::{self, poll};
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

/// Why a server that was reached takes no request.
pub enum Refusal {
    /// The connection ended before its answer: it ends itself, and others may be at its address.
    Ended,
    /// Something else, in words.
    Because(&'static str),
    /// Something else, which was reported.
    Told(Reported),
}

use Refusal::Because;

/// Agrees with the server at the other end upon the keys of this connection, until then. The server's answer is by the
/// process that will serve it.
#[inline(never)]
pub fn agree(socket: &OwnedFd, key: &PreSharedKey, deadline: Instant) -> Result<Transport, Refusal> {
    let (initiator, message) = start(key).map_err(|_| Because("no random numbers here"))?;
    let refused_at = Instant::after(limits::REFUSAL_MS);
    // It always fits into an empty socket; a connection that has ended is noticed by what comes.
    let _ = fd::send(socket, &message);
    let mut answer = [0; MESSAGE];
    let count = receive(socket, &mut answer, deadline)?;
    if answer.starts_with(EXCUSE) {
        return Err(Because("it asks for no token, and the section here has one"));
    }
    if count < MESSAGE {
        // Nobody tells a stranger anything, but a server that refuses one takes its time. One that has begun its answer does not
        // end for a reason that others would not have.
        let is_refused = count > 0 || refused_at.remaining() == 0;
        return Err(if is_refused { Because("it does not accept this token") } else { Refusal::Ended });
    }
    initiator.finish(&answer).map_err(|_| Because("it does not have this token; nothing was sent to it"))
}

/// How a server without a token begins its answer: it takes the message for text, since no frame begins like this.
const EXCUSE: &[u8] = b"k8pshd: ";

/// Makes the message of a stub that begins like no frame, so that each end knows at once what the other one expects.
fn start(key: &PreSharedKey) -> Result<(Initiator, Message), Errno> {
    loop {
        let mut random = [0; 32];
        sys::random(&mut random)?;
        let (initiator, message) = Initiator::start(key, &mut random);
        if Kind::of(message[0]).is_none() {
            return Ok((initiator, message));
        }
    }
}

/// Receives the answer, no byte beyond, and tells how much of it there is before the other end's. Whoever resets the
/// connection has not read what was sent.
fn receive(socket: &OwnedFd, answer: &mut Message, deadline: Instant) -> Result<usize, Refusal> {
    let mut count = 0;
    while count < MESSAGE {
        match fd::receive(socket, &mut answer[count..]) {
            Ok(more @ 1..) => count += more,
            Err(Errno::AGAIN) => {
                let left = deadline.remaining();
                if left == 0 {
                    return Err(Because("it does not answer"));
                }
                poll::is_ready(socket.as_fd(), PollFlags::IN, left);
            }
            Err(Errno::INTR) => {}
            Ok(0) => break,
            Err(_) => return Err(Refusal::Ended),
        }
    }
    Ok(count)
}
