//! A process that serves connections, one after the other: forked before the first one comes, so that no call waits for a
//! fork, and kept for the next one, so that no call pays for it. What it has to forget between two of them is one value.
//!
//! It does not live longer than it is useful: one that has become large, that has a terminal or children left, or that is
//! one too many, ends, and the listener starts another where one is missing.

use super::connect::Connection;
use super::listener::{Sockets, Work};
use super::session::{Room, Session};
use crate::sys::descriptor::Descriptor;
use crate::sys::epoll;
use crate::sys::memory::{self, Place};
use crate::sys::poll;
use crate::sys::process;
use crate::sys::signal::{self, name};
use crate::{exit, fail, limits, report};
use core::sync::atomic::{AtomicI32, Ordering};
use rustix::fd::AsFd;
use rustix::io::{Errno, Result};
use rustix::process::Signal;

/// The processes of a server, in memory that all of them share. Each has a slot: its number while it serves a connection,
/// the number's negative while it waits for one; 0 where there is none.
#[derive(Clone, Copy)]
pub(super) struct Crew {
    /// As many as there ever may be.
    slots: &'static [Slot; limits::MAX_SESSIONS],
    /// How many processes there may be.
    most: usize,
    /// How many there were allowed to be at any time.
    used: usize,
}

/// A process's place in the [`Crew`]. Only the process itself writes to one that is taken, and the listener when that has
/// ended.
pub(super) type Slot = AtomicI32;

/// Each process looks at the slots of the others once it has written to its own. Of several that begin to serve at the same
/// moment the last one has to see all, so that one of them tells the listener that none is left to wait.
const ORDER: Ordering = Ordering::SeqCst;

/// In a slot for a process that waits and whose number is not known yet.
const UNBORN: i32 = i32::MIN;

impl Crew {
    /// No process yet, and room for none.
    pub(super) fn new() -> Result<Crew> {
        Ok(Crew { slots: memory::shared()?, most: 0, used: 0 })
    }

    /// Makes room for so many, no more than [`limits::MAX_SESSIONS`]. Where there are more, they are to end first.
    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.used = self.used.max(most);
    }

    /// The slots. Those that no process ever had are not touched.
    fn slots(self) -> impl Iterator<Item = &'static Slot> {
        self.slots.iter().take(self.used)
    }

    /// What is in the slots.
    fn numbers(self) -> impl Iterator<Item = i32> {
        self.slots().map(|slot| slot.load(ORDER))
    }

    /// A free slot, taken for a process that is about to be forked.
    pub(super) fn reserve(self) -> Option<&'static Slot> {
        let slot = self.find(0)?;
        slot.store(UNBORN, ORDER);
        Some(slot)
    }

    /// The slot of a process; of 0: a free one.
    #[inline(never)]
    fn find(self, pid: i32) -> Option<&'static Slot> {
        self.slots().find(|slot| slot.load(ORDER).wrapping_abs() == pid)
    }

    /// Whether one more process has a slot.
    pub(super) fn has_room(self) -> bool {
        self.count(0) + self.most > self.used
    }

    /// Whether there is no process.
    pub(super) fn is_empty(self) -> bool {
        self.count(0) == self.used
    }

    /// How many wait for a connection.
    pub(super) fn spares(self) -> usize {
        self.count(-1)
    }

    /// How many slots hold a number of this sign.
    #[inline(never)]
    fn count(self, sign: i32) -> usize {
        self.numbers().filter(|number| number.signum() == sign).count()
    }

    /// Forgets a process that has ended. Whether it waited for a connection then; `None`: it was none of these.
    pub(super) fn forget(self, pid: i32) -> Option<bool> {
        Some(self.find(pid)?.swap(0, ORDER) < 0)
    }

    /// Sends a signal to each.
    pub(super) fn signal(self, signal: u8) {
        for number in self.numbers().filter(|number| *number != 0) {
            let _ = signal::send(number.wrapping_abs(), signal);
        }
    }
}

/// Notes in a slot the number of a process, or the negative of one that waits for a connection.
pub(super) fn settle(slot: &Slot, number: i32) {
    // The process itself may have been quicker, and serve another one by now.
    let _ = slot.compare_exchange(UNBORN, number, ORDER, ORDER);
}

/// What is ready for a process that waits.
const SIGNALS: u64 = 0;
const DIRECT: u64 = 1;
const RELAY: u64 = 2;

/// This process as one that serves connections.
pub(super) struct Worker<'w> {
    /// Where connections come from. None of them any more: it serves the one that it has, and ends.
    pub(super) sockets: Sockets,
    pub(super) signals: &'w Descriptor,
    pub(super) work: &'w Work<'w>,
    pub(super) crew: Crew,
    pub(super) slot: &'static Slot,
    /// The listener.
    pub(super) parent: i32,
}

impl Worker<'_> {
    /// Serves the connection that there is, if there is one, and all that come. One that `follows` the listener ends with
    /// it; any other one goes on with what it serves then, and takes nothing else.
    pub(super) fn run(mut self, mut first: Option<Connection>, follows: bool) -> ! {
        static ROOM: Place<Room> = Place::new(Room::EMPTY);
        let room = ROOM.take();
        if !process::follow_parent(self.parent, if follows { Signal::TERM } else { Signal::USR1 }) {
            if follows {
                process::exit(exit::UNAVAILABLE);
            }
            self.sockets = Sockets::NONE;
        }
        process::adopt_orphans();
        let set = self.set().unwrap_or_else(|errno| fail!(exit::UNAVAILABLE, "cannot wait for connections: {}", errno));
        loop {
            let connection = first.take().or_else(|| self.next(&set));
            let Some(connection) = connection else { process::exit(exit::SUCCESS) };
            let mut session = Session::new(connection, room, &mut self.sockets, self.signals, self.work, self.parent);
            if !session.run() {
                process::exit(exit::SUCCESS);
            }
            room.clear();
            // What waits must keep no directory busy.
            let _ = rustix::process::chdir(c"/");
        }
    }

    /// What it waits for between two connections.
    #[inline(never)]
    fn set(&self) -> Result<epoll::Set> {
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
    #[inline(never)]
    fn next(&mut self, set: &epoll::Set) -> Option<Connection> {
        let pid = process::id();
        // So many others are enough.
        let mut most = limits::SPARES_MOST;
        loop {
            if self.sockets.are_closed() || self.crew.spares() >= most {
                return None;
            }
            self.slot.store(-pid, ORDER);
            most = usize::MAX;
            let connection = match set.wait(limits::SPARE_MS) {
                Some(SIGNALS) => {
                    self.take_signals();
                    continue;
                }
                // Nobody came for a while. Who thinks of going does not count, so that of several that do at once not all go.
                None => {
                    self.slot.store(pid, ORDER);
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
                    self.slot.store(pid, ORDER);
                    if self.crew.spares() < limits::SPARES {
                        // One that it passes on to nobody, and that can come for another reason at the same time.
                        let _ = signal::send(self.parent, name::CHLD);
                    }
                    return Some(connection);
                }
                // Another one has it, or it went again.
                Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
                Err(errno) => {
                    report!("cannot accept a connection: {}; trying again", errno);
                    poll::wait(&mut [], limits::SHORTAGE_MS);
                }
            }
        }
    }

    #[inline(never)]
    fn take_signals(&mut self) {
        while let Some(arrival) = signal::next(self.signals) {
            if matches!(arrival.signal, name::TERM | name::USR1) {
                self.sockets = Sockets::NONE;
            }
        }
    }
}
