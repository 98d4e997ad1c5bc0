//! A session of a trigger: the connection itself is the command's stdin, stdout and stderr. While the command runs, this
//! process only watches it for its end, and reads and writes nothing.

use super::Session;
use crate::limits;
use crate::protocol::frame::{Kind, header};
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::poll;
use crate::sys::socket::tcp;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::net::Shutdown;

/// What a stub's request says whose three streams go along.
const STREAMS: &[u8] =
    b"\x01\x12\0\0\0K8PSH_DESCRIPTOR=0\x01\x12\0\0\0K8PSH_DESCRIPTOR=1\x01\x12\0\0\0K8PSH_DESCRIPTOR=2";

/// What a stub's request begins with: that of protocol 2.
const STUB: &[u8] = b"\x01\x10\0\0\0K8PSH_PROTOCOL=";

impl Session<'_> {
    /// Starts the command of a trigger. This process plays the stub that asks for it, whose streams are the connection.
    #[inline(never)]
    pub(super) fn begin_trigger(&mut self) {
        let (Some(name), Some(connection), Some(passed)) = (self.work.trigger, &self.connection, &mut self.passed)
        else {
            return;
        };
        let _ = tcp::set_keepalive(connection, limits::KEEPALIVE_S, limits::KEEPALIVE_COUNT);
        if is_stub(connection) {
            // It is told so in frames, when its request is complete.
            return;
        }
        for _ in 0..3 {
            // One that is missing is told when they are counted.
            let _ = fd::duplicate(connection).map(|stream| passed.push(Some(stream)));
        }
        self.is_trigger = true;
        self.far.be_plain();
        self.process(STREAMS);
        self.process(&header(Kind::Start, u32::try_from(name.count_bytes()).unwrap_or(0)));
        self.process(name.to_bytes());
    }

    /// Whether the connection is a running command's streams.
    pub(super) fn command_owns_socket(&self) -> bool {
        self.is_trigger && !self.is_finished
    }

    /// Whether a stub has come to a trigger.
    pub(super) fn is_misplaced(&self) -> bool {
        self.work.trigger.is_some() && !self.is_trigger
    }

    /// The peer has had its time to read the end. One that reads slowly gets more: what it still sends would otherwise make
    /// the kernel drop what it has not read (RFC 2525, 2.17). Who still has the socket, as a process that the command left
    /// behind, loses the connection.
    pub(super) fn stop_lingering(&mut self) {
        let arrived =
            self.connection.as_ref().filter(|_| self.is_trigger).map_or(0, |socket| tcp::traffic(socket).acknowledged);
        self.linger_until = Instant::NEVER;
        if core::mem::replace(&mut self.arrived, arrived) != arrived {
            self.linger_until = Instant::after(limits::LINGER_MS);
        } else if let Some(connection) = self.connection.take() {
            let _ = rustix::net::shutdown(connection, Shutdown::Both);
        }
    }
}

/// Whether what has come is a stub's request. It comes at once where it comes at all; who says nothing waits this long.
fn is_stub(connection: &OwnedFd) -> bool {
    let mut start = [0; STUB.len()];
    poll::is_ready(connection.as_fd(), PollFlags::IN, limits::SNIFF_MS);
    fd::peek(connection, &mut start).is_ok() && start == *STUB
}
