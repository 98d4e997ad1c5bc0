//! The stub's half of the handshake with a server whose section has a token, over its socket.

use crate::diag::Reported;
use crate::limits;
use crate::protocol::frame::Kind;
use crate::secure::Transport;
use crate::secure::handshake::{Ephemeral, Initiator, Message, Public, Tag};
use crate::secure::key::PreSharedKey;
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::{self, poll};
use crate::text;
use crate::text::packed::Text;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::Errno;

/// Why a server that was reached does not take the request.
pub enum Refusal {
    /// The connection ended before the server's answer: that server ends, and another one may have its address.
    Ended,
    /// Another reason, said of the server.
    Because(Text),
    /// Another reason, which was reported.
    Reported(Reported),
}

use Refusal::Because;

/// Agrees with the server on the keys of this connection, until `deadline`. The worker that answers is the one that will
/// serve the request.
pub fn agree(socket: &OwnedFd, key: &PreSharedKey, deadline: Instant) -> Result<Transport, Refusal> {
    let (initiator, message) = start(key).map_err(|_| Because(text!("no random numbers here")))?;
    let refused_at = Instant::after(limits::REFUSAL_MS);
    // It always fits into an empty socket buffer. Whether the connection has ended shows when the answer is read.
    let _ = fd::send(socket, &message);
    let (mut public, mut tag) = (Public::default(), Tag::default());
    receive_part(socket, &mut public, refused_at, deadline)?;
    // The server does the same meanwhile, before it sends the tag.
    let agreed = initiator.agree(&public);
    receive_part(socket, &mut tag, refused_at, deadline)?;
    agreed.finish(&tag).map_err(|_| Because(text!("it does not have this token; nothing was sent to it")))
}

/// Receives a part of the answer, which a server sends whole.
fn receive_part(socket: &OwnedFd, part: &mut [u8], refused_at: Instant, deadline: Instant) -> Result<(), Refusal> {
    let count = receive(socket, part, deadline)?;
    if part.starts_with(PLAIN_ANSWER) {
        return Err(Because(text!("it asks for no token, and the section here has one")));
    }
    if count < part.len() {
        // A server refuses a wrong token without a byte, but only after a while. One that has sent a piece of a part has
        // failed in a way that another server would as well.
        let is_refused = count > 0 || refused_at.remaining() == 0;
        return Err(if is_refused { Because(text!("it does not accept this token")) } else { Refusal::Ended });
    }
    Ok(())
}

/// How the answer of a server without a token begins. It answers in text, because no frame begins like the message.
const PLAIN_ANSWER: &[u8] = b"k8pshd: ";

/// Makes the stub's first message, which begins like no frame, so that each end knows at once what the other one expects.
fn start(key: &PreSharedKey) -> Result<(Initiator, Message), Errno> {
    loop {
        let mut random = [0; 32];
        sys::random(&mut random)?;
        let (initiator, message) = Initiator::start(key, Ephemeral::new(&mut random));
        if Kind::of(message[0]).is_none() {
            return Ok((initiator, message));
        }
    }
}

/// Receives these bytes and no byte beyond them, and returns how many have come: fewer at EOF. A reset means that the server
/// has not read the message, or that its process has ended.
fn receive(socket: &OwnedFd, part: &mut [u8], deadline: Instant) -> Result<usize, Refusal> {
    let mut count = 0;
    while count < part.len() {
        match fd::receive(socket, &mut part[count..]) {
            Ok(more @ 1..) => count += more,
            Err(Errno::AGAIN) => {
                let left = deadline.remaining();
                if left == 0 {
                    return Err(Because(text!("it does not answer")));
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
