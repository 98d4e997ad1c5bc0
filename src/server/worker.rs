//! A process that serves connections, one after the other: forked before the first one comes, so that no call waits for a
//! fork, and kept for the next one, so that no call pays for it. What it has to forget between two of them is one value.
//!
//! It does not live longer than it is useful: one that has become large, that has a terminal or children left, or that is
//! one too many, ends, and the listener starts another where one is missing.

use super::pool::{Pool, Slot};
use super::sockets::Sockets;
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

/// What is ready for a process that waits.
const SIGNALS: u64 = 0;
const DIRECT: u64 = 1;
const RELAY: u64 = 2;

/// This process as one that serves connections.
pub(super) struct Worker<'w> {
    /// Where connections come from. None of them any more: it serves the one that it has, and ends.
    pub(super) sockets: Sockets,
    pub(super) signals: &'w OwnedFd,
    pub(super) service: &'w Service<'w>,
    pub(super) pool: Pool,
    pub(super) slot: Slot,
    /// The listener.
    pub(super) parent: i32,
}

impl Worker<'_> {
    /// Serves the connection that there is, if there is one, and all that come. One that `follows` the listener ends with
    /// it; any other one goes on with what it serves then, and takes nothing else.
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
        let Ok(set) = self.set() else { process::exit(exit::UNAVAILABLE) };
        loop {
            let connection = first.take().or_else(|| self.next(&set));
            let Some(connection) = connection else { process::exit(exit::SUCCESS) };
            let (sockets, entry) = (&mut self.sockets, self.pool.board.entry(self.slot.index));
            let session = Session::new(connection, buffers, sockets, self.signals, self.service, self.parent, entry);
            if !session.is_some_and(|mut session| session.run()) {
                process::exit(exit::SUCCESS);
            }
            buffers.clear();
            // What waits must keep no directory busy.
            let _ = rustix::process::chdir(c"/");
        }
    }

    /// What it waits for between two connections. Why it cannot is said once for all workers that cannot.
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
        for (socket, data) in [(&self.sockets.direct, DIRECT), (&self.sockets.relay, RELAY)] {
            if let Some(socket) = socket {
                set.add(socket.as_fd(), data, true)?;
            }
        }
        Ok(set)
    }

    /// Waits for the next connection. `None`: this process is not needed any more.
    fn next(&mut self, set: &epoll::Set) -> Option<Accepted> {
        let pid = process::id();
        // So many others are enough.
        let mut most = limits::SPARES_MOST;
        loop {
            if self.sockets.are_closed() || self.pool.spares() >= most {
                return None;
            }
            self.slot.wait(pid);
            most = usize::MAX;
            let connection = match set.wait(limits::SPARE_MS) {
                Some(SIGNALS) => {
                    self.take_signals();
                    continue;
                }
                // Nobody came for a while. Who thinks of going does not count, so that of several that do at once not all go.
                None => {
                    self.slot.serve(pid);
                    most = limits::SPARES;
                    continue;
                }
                Some(data) => {
                    // First: one that is told to end takes nothing else.
                    self.take_signals();
                    self.sockets.accept(data == DIRECT)
                }
            };
            match connection {
                Ok(connection) => {
                    self.slot.serve(pid);
                    if self.pool.end_shortage(pid) {
                        report!("connections are accepted again");
                    }
                    if self.pool.spares() < limits::SPARES {
                        // One that it passes on to nobody, and that can come for another reason at the same time.
                        let _ = signal::send(self.parent, name::CHLD);
                    }
                    return Some(connection);
                }
                // Another one has it, or it went again.
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                Err(errno) => {
                    if self.pool.begin_shortage(pid) {
                        report!("cannot accept a connection: {}; trying again", errno);
                    }
                    poll::wait(&mut [], limits::RESOURCE_RETRY_MS);
                }
            }
        }
    }

    fn take_signals(&mut self) {
        while let Some(arrival) = signal::next(self.signals) {
            if matches!(arrival.signal, name::TERM | name::USR1) {
                self.sockets = Sockets::NONE;
            }
        }
    }
}
