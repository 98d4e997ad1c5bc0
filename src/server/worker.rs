//! A process that serves connections, one after the other: forked before the first one comes, so that no call waits for a
//! fork, and kept for the next one, so that no call pays for it. All that a session leaves behind is in its [`Buffers`],
//! which are cleared in between.
//!
//! A worker exits if it has become large, if a terminal or children are left, or if there are enough others. The listener
//! starts another if one is missing.

use super::pool::{Pool, Slot};
use super::sockets::Sockets;
use crate::auth::queue::{self, PreAuthQueue};
use crate::session::connection::Accepted;
use crate::session::service::Service;
use crate::session::{Buffers, Session};
use crate::sys::epoll;
use crate::sys::fd::OwnedFd;
use crate::sys::poll;
use crate::sys::process;
use crate::sys::signal::{self, name};
use crate::sys::statics::StaticCell;
use crate::{exit, limits, report};
use rustix::fd::AsFd;
use rustix::io::{Errno, Result};
use rustix::process::Signal;

/// What an idle worker waits for, as numbers in its epoll set.
const SIGNALS: u64 = 0;
const DIRECT: u64 = 1;
const RELAY: u64 = 2;
const HANDED: u64 = 3;

/// This process, as a worker.
pub(super) struct Worker<'w> {
    /// Where connections come from. Without any, the worker serves the connection that it has, and exits.
    pub(super) sockets: Sockets,
    /// What has checked the first messages of stubs, in a section with a token.
    pub(super) pre_auth: Option<&'w PreAuthQueue>,
    pub(super) signals: &'w OwnedFd,
    pub(super) service: &'w Service<'w>,
    pub(super) pool: Pool,
    pub(super) slot: Slot,
    /// The listener's PID.
    pub(super) parent: i32,
}

impl Worker<'_> {
    /// Serves `first`, if there is one, and then all connections that come. If it `follows` the listener, the worker ends
    /// with it; otherwise it finishes what it serves then, and accepts nothing else.
    pub(super) fn run(mut self, mut first: Option<Accepted>, follows: bool) -> ! {
        static BUFFERS: StaticCell<Buffers> = StaticCell::new(Buffers::EMPTY);
        let buffers = BUFFERS.take();
        if !process::follow_parent(self.parent, if follows { Signal::TERM } else { Signal::USR1 }) {
            if follows {
                process::exit(exit::UNAVAILABLE);
            }
            self.sockets = Sockets::NONE;
        }
        process::adopt_orphans();
        process::yield_to_wakers();
        let Ok(set) = self.set() else { process::exit(exit::UNAVAILABLE) };
        // A new worker looks for a connection however many others are idle: the kernel may have woken one that failed for
        // one that still waits.
        let mut most = usize::MAX;
        loop {
            // Half of what the handshake takes, made ahead of the connection.
            let ephemeral = self.pre_auth.and_then(|_| queue::prepare().ok());
            let connection = first.take().or_else(|| self.next(&set, most));
            let Some(connection) = connection else { process::exit(exit::SUCCESS) };
            let queue = self.pre_auth.filter(|_| connection.has_message);
            let admitted = queue.and_then(|queue| queue.admit(&connection.socket, self.service.settings.token()));
            let handshake = admitted.zip(ephemeral);
            if connection.has_message && handshake.is_none() {
                // Since the message was checked the token has changed or gone, or there were no random numbers.
                continue;
            }
            let (sockets, service) = (&mut self.sockets, self.service);
            if !Session::serve(connection, handshake, buffers, sockets, self.signals, service, self.parent) {
                self.leave();
            }
            buffers.clear();
            most = limits::IDLE_MOST;
            // An idle worker must not keep a file system busy.
            let _ = rustix::process::chdir(c"/");
        }
    }

    /// Ends this process, which does not count as a worker any more: closing descriptors that a client passed may take long,
    /// and neither the next session nor the end of the server is to wait for that.
    fn leave(mut self) -> ! {
        self.sockets = Sockets::NONE;
        self.slot.free();
        self.wake_listener();
        process::exit(exit::SUCCESS)
    }

    /// What an idle worker waits for. An error is reported once for all workers.
    fn set(&self) -> Result<epoll::Set> {
        self.make_set().inspect_err(|errno| {
            if self.pool.begin_shortage(process::id()) {
                report!("cannot wait for connections: {}; trying again", *errno);
            }
        })
    }

    fn make_set(&self) -> Result<epoll::Set> {
        let set = epoll::Set::new()?;
        set.add(self.signals.as_fd(), SIGNALS, false)?;
        let Sockets { direct, relay, handed, .. } = &self.sockets;
        for (socket, data) in [(direct, DIRECT), (relay, RELAY), (handed, HANDED)] {
            if let Some(socket) = socket {
                set.add(socket.as_fd(), data, true)?;
            }
        }
        Ok(set)
    }

    /// Waits for the next connection. `None`: this process is not needed any more, for instance since as many as `most`
    /// others are idle.
    fn next(&mut self, set: &epoll::Set, mut most: usize) -> Option<Accepted> {
        let pid = process::id();
        loop {
            if self.sockets.are_closed() || self.pool.idle() >= most {
                return None;
            }
            self.slot.wait(pid);
            most = usize::MAX;
            if self.sockets.handed.is_some() && !self.pool.has_room() {
                // The listener may have waited for this: it has connections, and could start nobody for them.
                self.wake_listener();
            }
            let connection = match set.wait(limits::IDLE_MS) {
                Some(SIGNALS) => {
                    self.take_signals();
                    continue;
                }
                // Nothing came for a while. Mark this one busy before counting idle workers, so that workers that time
                // out together do not all exit.
                None => {
                    self.slot.serve(pid);
                    most = limits::IDLE_LEAST;
                    continue;
                }
                Some(data) => {
                    // Signals first: a worker that is told to end accepts nothing else.
                    self.take_signals();
                    let is_direct = data == DIRECT;
                    if data == HANDED {
                        self.sockets.take_handed()
                    } else {
                        self.sockets.accept(is_direct).map(|socket| Accepted::plain(socket, is_direct))
                    }
                }
            };
            match connection {
                Ok(connection) => {
                    self.slot.serve(pid);
                    if self.pool.end_shortage(pid) {
                        report!("connections are accepted again");
                    }
                    if self.pool.idle() < limits::IDLE_LEAST {
                        self.wake_listener();
                    }
                    return Some(connection);
                }
                // Another worker has accepted it, it has gone, or the listener drains the socket, and a signal will say so.
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED | Errno::INVAL) => {}
                Err(errno) => {
                    if self.pool.begin_shortage(pid) {
                        report!("cannot accept a connection: {}; trying again", errno);
                    }
                    poll::wait(&mut [], limits::RESOURCE_RETRY_MS);
                }
            }
        }
    }

    /// Has the listener look at the pool: by CHLD, which it never passes on, and which may come for a child that has ended
    /// at the same time.
    fn wake_listener(&self) {
        let _ = signal::send(self.parent, name::CHLD);
    }

    /// Handles all signals that have come: TERM and USR1 mean that it accepts nothing else.
    fn take_signals(&mut self) {
        while let Some(arrival) = signal::next(self.signals) {
            if matches!(arrival.signal, name::TERM | name::USR1) {
                self.sockets = Sockets::NONE;
            }
        }
    }
}
