//! The direct transport: the caller's own descriptors go along with the request, so that the command has the very files,
//! pipes and devices of its caller. Their flags, modes and offsets are the caller's: nothing here changes them.

use super::Stub;
use super::connect::{self, Connection};
use super::route::Route;
use crate::options::value::Transport;
use crate::protocol::client::Peer;
use crate::sys::clock::Instant;
use crate::sys::socket::unix;
use crate::sys::statics::StaticCell;
use crate::sys::{fd, process};
use crate::text::bytes::first;
use crate::{debug, exit, fail, limits};
use rustix::io::Result;

/// Numbers of descriptors that go along, and one more where there are too many.
pub(super) type Numbers = heapless::Vec<i32, { limits::DESCRIPTORS + 1 }>;

/// The numbers of the descriptors that this program was started with: all that are open before it opens its own. None where
/// they cannot go along by this transport.
pub(super) fn inherited(transport: Transport) -> &'static mut Numbers {
    static INHERITED: StaticCell<Numbers> = StaticCell::new(Numbers::new());
    let inherited = INHERITED.take();
    if transport == Transport::Relay {
        return inherited;
    }
    let listed = process::open_descriptors(|number| {
        let _ = inherited.push(number);
    });
    if listed.is_err() || inherited.is_empty() {
        // Without /proc it is known of the streams alone.
        inherited.clear();
        for number in 0..3 {
            if fd::is_open(number) {
                let _ = inherited.push(number);
            }
        }
    }
    inherited
}

/// Leaves of them those that go along with this connection. Ends this process if there are too many.
pub(super) fn restrict(inherited: &mut Numbers, connection: &Connection) {
    if !connection.is_direct {
        inherited.clear();
    } else if inherited.is_full() {
        let text = "more than {} open descriptors; K8PSH_TRANSPORT=relay passes the first three";
        fail!(exit::UNAVAILABLE, text, limits::DESCRIPTORS);
    }
}

impl Stub {
    /// Sends the next of what there is to send, with descriptors as long as some have to go along: no more than a message
    /// can hold, and for each message there has to be a byte.
    pub(super) fn send_next(&mut self) -> Result<usize> {
        let outgoing = self.near.outgoing();
        if self.passing.is_empty() {
            return fd::send(&self.connection.socket, outgoing);
        }
        let (now, later) = self.passing.split_at(self.passing.len().min(unix::MOST));
        let bytes = if later.is_empty() { outgoing } else { first(outgoing, 1) };
        let sent = unix::send(&self.connection.socket, bytes, now)?;
        self.passing = later;
        Ok(sent)
    }

    /// The connection has ended. A server that went before it had taken the request may have a successor: once, the other
    /// transport is tried.
    pub(super) fn fall_back(&mut self) -> bool {
        let may =
            self.connection.is_direct && self.way.transport == Transport::Auto && self.near.peer() == Peer::Unknown;
        if !may {
            return false;
        }
        debug!(Client, "the direct connection ended: going on by TCP");
        let way = Route { transport: Transport::Relay, ..self.way };
        let Ok(connection) = connect::connect(&way, Instant::PAST, false) else { return false };
        self.adopt(connection);
        self.near.rewind();
        true
    }

    /// Goes on with another connection.
    fn adopt(&mut self, connection: Connection) {
        self.connection = connection;
        self.passing = &[];
        self.peer_closed_read = false;
        self.awaits_answer = self.terminal.is_there();
        self.take_streams();
    }

    /// The command has the caller's descriptors, all or those beyond the streams: what is closed there is to be closed for
    /// good.
    pub(super) fn let_go(&mut self, has_streams: bool) {
        fd::close_passed(self.inherited, if has_streams { 0 } else { 3 });
    }
}
