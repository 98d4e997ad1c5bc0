//! The pre-auth queue of a section with a token: a connection has to prove that it has the token before a worker
//! gets it. sshd has the like, and limits it by `MaxStartups`.
//!
//! Meanwhile the listener holds the connections, all in one epoll set. What a peer has sent stays in its socket until it
//! is complete: the queue keeps no bytes, so that silent and slow connections cost next to nothing. It never sends a
//! token, and sends bytes only to a stub whose section has no token.
//!
//! A plain client sends the token as its first line; what follows stays in the socket for the command. A stub sends its
//! first message of the handshake ([`crate::secure`]), which stays in the socket for the worker that answers it. A
//! trigger may serve both.
//!
//! A connection that fails is closed without a byte, and the next one from its address has to wait before it is verified:
//! see `penalties`. One that is closed for lack of room has not failed.

use super::penalties::{Network, Penalties};
use super::verifier::{Buffer, Connection, Stage, Verdict, Verifier};
use crate::options::settings::TokenSource;
use crate::secure::handshake::{Ephemeral, MESSAGE, Responder};
use crate::sys::clock::Instant;
use crate::sys::epoll;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::program::Environment;
use crate::sys::socket::tcp;
use crate::sys::statics::StaticCell;
use crate::{limits, report, sys};
use core::mem::MaybeUninit;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Result;

/// A place for a connection.
///
/// `repr(u8)` makes its tag a byte of its own, so that free places are all zero and take no room in the file: 130 KB
/// otherwise.
#[repr(u8)]
#[allow(clippy::large_enum_variant, reason = "most places of a queue that matters are taken")]
enum Place {
    Free,
    Taken(Connection),
}

/// The memory of a queue.
struct Memory {
    places: [Place; limits::PRE_AUTH],
    penalties: Penalties,
    buffer: Buffer,
}

/// The clients of a section.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Stubs, which prove that they have the token.
    Stubs,
    /// Those, and plain clients, which send the token as a line.
    Lines,
    /// Stubs, and clients that speak HTTP. The token may be none.
    Heads,
}

/// The connections that have not proven the token, and those that have and wait for a worker.
pub struct PreAuthQueue {
    places: &'static mut [Place; limits::PRE_AUTH],
    set: epoll::Set,
    verifier: Verifier,
    /// Counts connections that come and that become ready, as the order of both.
    events: u64,
    /// Who is served.
    clients: Clients,
}

impl PreAuthQueue {
    /// Makes the queue, of which a process has one: a second call panics.
    pub fn new(environment: Environment<'static>) -> Result<&'static mut PreAuthQueue> {
        static QUEUE: StaticCell<MaybeUninit<PreAuthQueue>> = StaticCell::new(MaybeUninit::uninit());
        static MEMORY: StaticCell<Memory> = StaticCell::new(Memory {
            places: [const { Place::Free }; limits::PRE_AUTH],
            penalties: Penalties::NONE,
            buffer: [0; limits::HEAD],
        });
        let set = epoll::Set::new()?;
        let Memory { places, penalties, buffer } = MEMORY.take();
        let verifier = Verifier { now: Instant::PAST, buffer, penalties, environment, is_ending: false };
        Ok(QUEUE.take().write(PreAuthQueue { places, set, verifier, events: 0, clients: Clients::Stubs }))
    }

    /// Expects these clients. If that changes, the queue's connections are closed.
    pub fn expect(&mut self, clients: Clients) {
        if self.clients != clients {
            self.clients = clients;
            self.leave();
        }
    }

    /// The server ends: whoever asks by HTTP whether it is there is told.
    pub fn end(&mut self) {
        self.verifier.is_ending = true;
    }

    /// Whether there is room for another connection: not if all places have connections that have proven the token.
    pub fn has_room(&self) -> bool {
        self.places.iter().any(|place| place.connection().is_none_or(|connection| !connection.is_ready()))
    }

    /// Takes a connection in. If the queue is full, one that has not proven the token is closed, so that silent ones keep
    /// none out.
    pub fn enter(&mut self, socket: OwnedFd) {
        // It was reset before it was accepted. Without an address, its failure could not be counted.
        let Some(address) = tcp::peer(&socket) else { return };
        let free = self.places.iter().position(|place| place.connection().is_none());
        let Some(index) = free.or_else(|| self.evict(Network::of(&address))) else { return };
        // Bytes that came before this are reported as well.
        if let Err(errno) = self.set.add_for_arrivals(socket.as_fd(), index as u64) {
            return report!("cannot wait for a connection: {}", errno);
        }
        let stage = match self.clients {
            Clients::Stubs => Stage::AwaitingMessage,
            Clients::Lines => Stage::AwaitingLine,
            Clients::Heads => Stage::AwaitingHead,
        };
        let by = Instant::after(limits::PROOF_MS);
        let order = self.next_event();
        self.places[index] = Place::Taken(Connection {
            socket,
            address,
            stage,
            has_message: false,
            has_ended: false,
            order,
            by,
            due: by,
        });
    }

    /// Closes the oldest connection that has not proven the token, and returns its place: one of the newcomer's network
    /// if that has its share already, else any. Those that were refused go first. This does not count as a failure.
    fn evict(&mut self, newcomer: Network) -> Option<usize> {
        let is_own = |connection: &&Connection| Network::of(&connection.address) == newcomer;
        let own = self.connections().map(|(_, connection)| connection).filter(is_own).count();
        let has_share = own >= limits::PRE_AUTH_SHARE;
        let waiting = self.connections().filter(|(_, connection)| !connection.is_ready());
        let candidates = waiting.filter(|(_, connection)| !has_share || is_own(connection));
        let (index, oldest) = candidates.min_by_key(|(_, connection)| connection.order)?;
        report!("{}: no token, and too many wait behind it", &oldest.address);
        self.close(index);
        Some(index)
    }

    /// Checks the connections that have sent something or are due, by the token from `source`. Returns when the next one
    /// is due.
    pub fn turn(&mut self, source: Option<TokenSource<'_>>) -> Instant {
        self.verifier.now = Instant::now();
        // Only so many per turn, so that signals are handled whatever comes.
        for _ in 0..limits::PRE_AUTH {
            let Some((number, has_ended)) = self.set.wait_for_arrival(0) else { break };
            let Ok(index) = usize::try_from(number) else { continue };
            if let Some(Place::Taken(connection)) = self.places.get_mut(index) {
                connection.has_ended |= has_ended;
                self.check(index, source);
            }
        }
        for index in 0..limits::PRE_AUTH {
            if self.places[index].due() <= self.verifier.now {
                self.check(index, source);
            }
        }
        self.places.iter().map(Place::due).min().unwrap_or(Instant::NEVER)
    }

    /// Checks a connection, and acts on the verdict.
    fn check(&mut self, index: usize, source: Option<TokenSource<'_>>) {
        let Place::Taken(connection) = &mut self.places[index] else { return };
        match self.verifier.check(connection, source) {
            Verdict::Waits => {}
            Verdict::Closes => self.close(index),
            Verdict::Enters => {
                self.events += 1;
                connection.stage = Stage::Ready(self.events);
                self.set.remove(connection.socket.as_fd());
            }
        }
    }

    /// The next connection that has proven the token, in the order of their proofs, and whether its proof is a stub's
    /// message, which has yet to be answered.
    pub fn take_ready(&mut self) -> Option<(OwnedFd, bool)> {
        let ready = self.connections().filter_map(|(index, connection)| match connection.stage {
            Stage::Ready(order) => Some((order, index)),
            _ => None,
        });
        let (_, index) = ready.min()?;
        self.places[index].vacate().map(|connection| (connection.socket, connection.has_message))
    }

    /// In the worker that answers it: reads the first message of a connection that has proven the token. `None`: the
    /// token has changed since, or cannot be read.
    pub fn admit(&self, socket: &OwnedFd, source: Option<TokenSource<'_>>) -> Option<Responder> {
        let mut message = [0; MESSAGE];
        let is_complete = fd::receive(socket, &mut message) == Ok(MESSAGE);
        let key = self.verifier.read_key(source).filter(|_| is_complete)?;
        Responder::check(&key, &message).ok()
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.connections().next().is_none()
    }

    /// Closes the connections that have not proven the token.
    pub fn leave_unproven(&mut self) {
        for index in 0..limits::PRE_AUTH {
            if self.places[index].connection().is_some_and(|connection| !connection.is_ready()) {
                self.close(index);
            }
        }
    }

    /// Closes all connections. In a worker this closes its copies alone.
    pub fn leave(&mut self) {
        // Free places are not written to: a worker shares their memory with its listener.
        let taken = self.places.iter_mut().filter(|place| place.connection().is_some());
        taken.for_each(|place| drop(place.vacate()));
    }

    /// Closes a connection. Workers may have it open, too, so closing alone does not remove it from the epoll set.
    fn close(&mut self, index: usize) {
        if let Some(connection) = self.places[index].vacate() {
            self.set.remove(connection.socket.as_fd());
        }
    }

    /// The connections, with the index of their places.
    fn connections(&self) -> impl Iterator<Item = (usize, &Connection)> {
        self.places.iter().enumerate().filter_map(|(index, place)| Some((index, place.connection()?)))
    }

    fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }
}

/// Makes a pair of keys, with which a worker will answer whoever is admitted next.
pub fn prepare() -> Result<Ephemeral> {
    let mut random = [0; 32];
    sys::random(&mut random)?;
    Ok(Ephemeral::new(&mut random))
}

/// Readable when a connection has sent something.
impl AsFd for PreAuthQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}

impl Place {
    fn connection(&self) -> Option<&Connection> {
        match self {
            Place::Free => None,
            Place::Taken(connection) => Some(connection),
        }
    }

    /// When its connection has to be checked even if nothing comes.
    fn due(&self) -> Instant {
        self.connection()
            .filter(|connection| !connection.is_ready())
            .map_or(Instant::NEVER, |connection| connection.due)
    }

    /// Frees the place, and returns the connection that it had.
    fn vacate(&mut self) -> Option<Connection> {
        match core::mem::replace(self, Place::Free) {
            Place::Free => None,
            Place::Taken(connection) => Some(connection),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::address;
    use std::ffi::CString;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::time::Duration;

    /// What became of a connection.
    #[derive(Debug, PartialEq, Eq)]
    enum Fate {
        /// It got in, and this is left of what was sent.
        In(Vec<u8>),
        /// It was closed without a byte.
        Out,
        /// It is still waited for.
        Waiting,
    }

    /// A queue, and a listener for the other ends of its connections.
    struct Fixture {
        queue: &'static mut PreAuthQueue,
        source: Option<TokenSource<'static>>,
        listener: TcpListener,
    }

    impl Fixture {
        /// A connection in the queue, by its other end.
        fn connect(&mut self) -> TcpStream {
            let port = self.listener.local_addr().expect("an address").port();
            let socket = tcp::socket(&address::LOOPBACK).expect("a socket");
            rustix::net::connect(&socket, &core::net::SocketAddr::new(address::LOOPBACK, port)).expect("a connection");
            self.queue.enter(socket);
            let (peer, _) = self.listener.accept().expect("the other end");
            peer.set_nonblocking(true).expect("a socket that does not block");
            peer
        }

        /// Takes turns of the queue for a while, long enough for bytes that are on their way, and returns what became of
        /// the connection.
        fn take_turns(&mut self, peer: &mut TcpStream) -> Fate {
            for _ in 0..20 {
                self.queue.turn(self.source);
                if let Some((socket, _)) = self.queue.take_ready() {
                    let mut rest = vec![0; 100];
                    let count = fd::receive(&socket, &mut rest).unwrap_or(0);
                    rest.truncate(count);
                    return Fate::In(rest);
                }
                match peer.read(&mut [0]) {
                    Ok(1..) => panic!("the queue said something"),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Ok(0) | Err(_) => return Fate::Out,
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Fate::Waiting
        }

        /// What becomes of a connection of an address without failures that sends these parts, and its end.
        fn fate(&mut self, parts: &[&[u8]], ends: bool) -> Fate {
            *self.queue.verifier.penalties = Penalties::NONE;
            // Connections that were left waiting would get in now, since their other ends have closed.
            self.queue.leave();
            let mut peer = self.connect();
            let mut fate = Fate::Waiting;
            for part in parts {
                // It may be closed before all of it has come.
                _ = peer.write_all(part);
                fate = self.take_turns(&mut peer);
                if fate != Fate::Waiting {
                    return fate;
                }
            }
            if ends {
                _ = peer.shutdown(Shutdown::Write);
                fate = self.take_turns(&mut peer);
            }
            fate
        }
    }

    // One test: a process has one queue.
    #[test]
    fn the_first_line_is_the_token_or_nobody_gets_in() {
        let directory = temp_dir::TempDir::new().expect("a directory");
        let file = directory.path().join("token");
        let path: &'static CString = Box::leak(Box::new(CString::new(file.to_str().expect("a path")).expect("a path")));
        let source = Some(TokenSource::File(path));
        let queue = PreAuthQueue::new(Environment::empty()).expect("a queue");
        queue.expect(Clients::Lines);
        let mut fixture = Fixture { queue, source, listener: TcpListener::bind(("127.0.0.1", 0)).expect("a port") };
        std::fs::write(&file, "secret\n").expect("the token");
        let rest = |text: &[u8]| Fate::In(text.to_vec());
        for (parts, ends, wanted) in [
            (&[&b"secret\n"[..]][..], false, rest(b"")),
            (&[b"secret\r\n"], false, rest(b"")),
            (&[b"secret\nmore\n\x01\0\0\0\0\n"], false, rest(b"more\n\x01\0\0\0\0\n")),
            (&[b"s", b"e", b"c", b"r", b"e", b"t", b"\n"], false, rest(b"")),
            (&[b"secret"], true, rest(b"")),
            (&[b"secret\r"], true, rest(b"")),
            (&[b"secret"], false, Fate::Waiting),
            (&[b""], false, Fate::Waiting),
            (&[b""], true, Fate::Out),
            (&[b"secre\n"], false, Fate::Out),
            (&[b"secre"], true, Fate::Out),
            (&[b"secrets\n"], false, Fate::Out),
            (&[b"secret \n"], false, Fate::Out),
            (&[b"secret\0\n"], false, Fate::Out),
            (&[b"\0\n"], false, Fate::Out),
            (&[b"\n"], false, Fate::Out),
            (&[b"\nsecret\n"], false, Fate::Out),
            (&[&[0; 4098]], false, Fate::Out),
            (&[&[b'x'; 4098]], false, Fate::Out),
            (&[&[b'x'; 4097]], false, Fate::Waiting),
            (&[&vec![b'x'; 1 << 20]], false, Fate::Out),
        ] {
            assert_eq!(fixture.fate(parts, ends), wanted, "{:?}", parts.concat().get(..20));
        }
        let longest = [&[b't'; limits::TOKEN][..], b"\r\n"].concat();
        std::fs::write(&file, &longest).expect("the longest token");
        assert_eq!(fixture.fate(&[&longest], false), rest(b""));
        assert!(fixture.queue.verifier.buffer.iter().all(|byte| *byte == 0), "no token is kept");
        assert_eq!(fixture.fate(&[b"wrong\n"], false), Fate::Out);
        let mut peer = fixture.connect();
        let (part, others) = longest.split_at(100);
        peer.write_all(part).expect("room");
        let network = Network::of(&address::LOOPBACK);
        while fixture.queue.verifier.penalties.verifiable_at(network, Instant::now()) > Instant::now() {
            assert_eq!(fixture.take_turns(&mut peer), Fate::Waiting);
        }
        assert_eq!(fixture.take_turns(&mut peer), Fate::Waiting, "a penalty does not shorten the time for a line");
        peer.write_all(others).expect("room");
        assert_eq!(fixture.take_turns(&mut peer), rest(b""));
        for nothing in ["", "\n", "\r\n"] {
            std::fs::write(&file, nothing).expect("no token");
            for line in [&b"\n"[..], b"\r\n", b"secret\n"] {
                assert_eq!(fixture.fate(&[line], false), Fate::Out, "no token lets nobody in");
            }
        }
        std::fs::remove_file(&file).expect("it goes");
        assert_eq!(fixture.fate(&[b"secret\n"], false), Fate::Out);
    }
}
