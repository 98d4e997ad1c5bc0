//! The pre-auth queue of a section with a token: whoever connects proves that it has the token before any process is started
//! for it, as sshd's `MaxStartups` has it.
//!
//! The listener itself holds the connections meanwhile, all in one epoll set. What a peer sent is left in its socket until
//! it is all there: nothing is kept of a connection, so that silent and slow ones cost next to nothing. It never says a
//! token, and gives a byte to nobody but a stub whose section has no token.
//!
//! Plain bytes: the first line is the token; what follows stays in the socket for the command. A stub: its first message of
//! the handshake ([`crate::secure`]), which stays in the socket for the process that answers it. A trigger takes both.
//!
//! A connection that fails is closed without a byte, and its address has to wait before the next one from there is judged:
//! see `penalties`. One that goes for lack of room has not failed.

use super::penalties::{Network, Penalties};
use super::verifier::{Buffer, Connection, Stage, Verdict, Verifier};
use crate::options::settings::TokenSource;
use crate::secure::handshake::{MESSAGE, Responder};
use crate::sys::clock::Instant;
use crate::sys::epoll;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::program::Environment;
use crate::sys::socket::tcp;
use crate::sys::statics::StaticCell;
use crate::{limits, report};
use core::mem::MaybeUninit;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Result;

/// A place for a connection.
///
/// Its tag is a byte of its own, so that free places are all zero and take no room in the file: 130 KB otherwise.
#[repr(u8)]
#[allow(clippy::large_enum_variant, reason = "most places of a queue that matters are taken")]
enum Place {
    Free,
    Taken(Connection),
}

/// The memory of a queue.
struct Memory {
    places: [Place; limits::GATE],
    penalties: Penalties,
    buffer: Buffer,
}

/// The connections that have not proven themselves, and those that have and wait for a worker.
pub struct Gate {
    places: &'static mut [Place; limits::GATE],
    set: epoll::Set,
    verifier: Verifier,
    /// How many connections have come and become ready: the order of both.
    events: u64,
    /// Whether a line is expected as well as a message.
    is_plain: bool,
}

impl Gate {
    /// The queue, of which a process has one.
    pub fn new(environment: Environment<'static>) -> Result<&'static mut Gate> {
        static GATE: StaticCell<MaybeUninit<Gate>> = StaticCell::new(MaybeUninit::uninit());
        static MEMORY: StaticCell<Memory> = StaticCell::new(Memory {
            places: [const { Place::Free }; limits::GATE],
            penalties: Penalties::NONE,
            buffer: [0; limits::TOKEN + 2],
        });
        let set = epoll::Set::new()?;
        let Memory { places, penalties, buffer } = MEMORY.take();
        let verifier = Verifier { now: Instant::PAST, buffer, penalties, environment };
        Ok(GATE.take().write(Gate { places, set, verifier, events: 0, is_plain: false }))
    }

    /// Expects a message, or the token as the first line as well, where the section takes plain bytes. Connections that have
    /// begun otherwise go.
    pub fn expect(&mut self, is_plain: bool) {
        if self.is_plain != is_plain {
            self.is_plain = is_plain;
            self.leave();
        }
    }

    /// Whether there is room for another connection: there is not while all of them have proven themselves and wait.
    pub fn has_room(&self) -> bool {
        self.places.iter().any(|place| place.connection().is_none_or(|connection| !connection.is_ready()))
    }

    /// Takes a connection in. Where there are too many, one that has not proven itself goes: silent ones keep nobody out.
    pub fn enter(&mut self, socket: OwnedFd) {
        // Reset before it was accepted: a guess that no address could be blamed for.
        let Some(address) = tcp::peer(&socket) else { return };
        let free = self.places.iter().position(|place| place.connection().is_none());
        let Some(index) = free.or_else(|| self.evict(Network::of(&address))) else { return };
        // What has come before this is told as well.
        if let Err(errno) = self.set.add_for_arrivals(socket.as_fd(), index as u64) {
            return report!("cannot wait for a connection: {}", errno);
        }
        let stage = if self.is_plain { Stage::AwaitingLine } else { Stage::AwaitingMessage };
        let due = Instant::after(limits::PROOF_MS);
        let order = self.next_event();
        self.places[index] =
            Place::Taken(Connection { socket, address, stage, has_message: false, has_ended: false, order, due });
    }

    /// Frees the place of the oldest connection that has not proven itself: of this network where that has more than its
    /// share, else of any; first of those that were refused. Crowding is no failure of the one that goes.
    fn evict(&mut self, newcomer: Network) -> Option<usize> {
        let is_own = |connection: &&Connection| Network::of(&connection.address) == newcomer;
        let own = self.connections().map(|(_, connection)| connection).filter(is_own).count();
        let has_share = own >= limits::GATE_SHARE;
        let waiting = self.connections().filter(|(_, connection)| !connection.is_ready());
        let candidates = waiting.filter(|(_, connection)| !has_share || is_own(connection));
        let (index, oldest) = candidates.min_by_key(|(_, connection)| connection.order)?;
        report!("{}: no token, and too many wait behind it", &oldest.address);
        self.close(index);
        Some(index)
    }

    /// Does what has become possible, and what has become due, for those who have the token from this source. Tells when
    /// there will be something to do even if nothing comes.
    pub fn turn(&mut self, source: Option<TokenSource<'_>>) -> Instant {
        self.verifier.now = Instant::now();
        // So many a turn, for signals to be heard whatever comes.
        for _ in 0..limits::GATE {
            let Some((number, has_ended)) = self.set.wait_for_arrival(0) else { break };
            let Ok(index) = usize::try_from(number) else { continue };
            if let Some(Place::Taken(connection)) = self.places.get_mut(index) {
                connection.has_ended |= has_ended;
                self.look(index, source);
            }
        }
        for index in 0..limits::GATE {
            if self.places[index].due() <= self.verifier.now {
                self.look(index, source);
            }
        }
        self.places.iter().map(Place::due).min().unwrap_or(Instant::NEVER)
    }

    /// Looks at a connection, and does with it what follows.
    fn look(&mut self, index: usize, source: Option<TokenSource<'_>>) {
        let Place::Taken(connection) = &mut self.places[index] else { return };
        match self.verifier.look(connection, source) {
            Verdict::Waits => {}
            Verdict::Closes => self.close(index),
            Verdict::Enters => {
                self.events += 1;
                connection.stage = Stage::Ready(self.events);
                self.set.remove(connection.socket.as_fd());
            }
        }
    }

    /// The next connection that has proven itself, in the order in which they have, and whether it has by a message, which
    /// is still to be answered.
    pub fn take_ready(&mut self) -> Option<(OwnedFd, bool)> {
        let ready = self.connections().filter_map(|(index, connection)| match connection.stage {
            Stage::Ready(order) => Some((order, index)),
            _ => None,
        });
        let (_, index) = ready.min()?;
        self.places[index].vacate().map(|connection| (connection.socket, connection.has_message))
    }

    /// Takes the first message of a connection that has proven itself, in the process that is to answer it. `None`: the token
    /// is another one by now.
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

    /// Closes the connections that have not proven themselves.
    pub fn leave_unproven(&mut self) {
        for index in 0..limits::GATE {
            if self.places[index].connection().is_some_and(|connection| !connection.is_ready()) {
                self.close(index);
            }
        }
    }

    /// Leaves the connections to the process that this one is a copy of.
    pub fn leave(&mut self) {
        self.places.iter_mut().for_each(|place| drop(place.vacate()));
    }

    /// Closes a connection. Sessions may have copies of it, so it does not leave the set by that alone.
    fn close(&mut self, index: usize) {
        if let Some(connection) = self.places[index].vacate() {
            self.set.remove(connection.socket.as_fd());
        }
    }

    /// The connections, by their places.
    fn connections(&self) -> impl Iterator<Item = (usize, &Connection)> {
        self.places.iter().enumerate().filter_map(|(index, place)| Some((index, place.connection()?)))
    }

    fn next_event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }
}

/// It can be read where something has come.
impl AsFd for Gate {
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

    /// When its connection has to be looked at although nothing has come.
    fn due(&self) -> Instant {
        self.connection()
            .filter(|connection| !connection.is_ready())
            .map_or(Instant::NEVER, |connection| connection.due)
    }

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

    /// A gate, and where connections to it come from.
    struct Stand {
        gate: &'static mut Gate,
        source: Option<TokenSource<'static>>,
        listener: TcpListener,
    }

    impl Stand {
        /// A connection at the gate, by its other end.
        fn connect(&mut self) -> TcpStream {
            let port = self.listener.local_addr().expect("an address").port();
            let socket = tcp::socket(&address::LOOPBACK).expect("a socket");
            rustix::net::connect(&socket, &core::net::SocketAddr::new(address::LOOPBACK, port)).expect("a connection");
            self.gate.enter(socket);
            let (peer, _) = self.listener.accept().expect("the other end");
            peer.set_nonblocking(true).expect("a socket that does not block");
            peer
        }

        /// Has the gate do what it can do for a while, which is long enough for what is on its way.
        fn settle(&mut self, peer: &mut TcpStream) -> Fate {
            for _ in 0..20 {
                self.gate.turn(self.source);
                if let Some((socket, _)) = self.gate.take_ready() {
                    let mut rest = vec![0; 100];
                    let count = fd::receive(&socket, &mut rest).unwrap_or(0);
                    rest.truncate(count);
                    return Fate::In(rest);
                }
                match peer.read(&mut [0]) {
                    Ok(1..) => panic!("the gate said something"),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Ok(0) | Err(_) => return Fate::Out,
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            Fate::Waiting
        }

        /// What becomes of a connection of an address without failures that sends these parts, and its end.
        fn fate(&mut self, parts: &[&[u8]], ends: bool) -> Fate {
            *self.gate.verifier.penalties = Penalties::NONE;
            // Those that were left waiting would get in now, since their other ends have gone.
            self.gate.leave();
            let mut peer = self.connect();
            let mut fate = Fate::Waiting;
            for part in parts {
                // It may be closed before all of it has come.
                _ = peer.write_all(part);
                fate = self.settle(&mut peer);
                if fate != Fate::Waiting {
                    return fate;
                }
            }
            if ends {
                _ = peer.shutdown(Shutdown::Write);
                fate = self.settle(&mut peer);
            }
            fate
        }
    }

    // One test: a process has one gate.
    #[test]
    fn the_first_line_is_the_token_or_nobody_gets_in() {
        let directory = temp_dir::TempDir::new().expect("a directory");
        let file = directory.path().join("token");
        let path: &'static CString = Box::leak(Box::new(CString::new(file.to_str().expect("a path")).expect("a path")));
        let source = Some(TokenSource::File(path));
        let gate = Gate::new(Environment::empty()).expect("a gate");
        gate.expect(true);
        let mut stand = Stand { gate, source, listener: TcpListener::bind(("127.0.0.1", 0)).expect("a port") };
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
            assert_eq!(stand.fate(parts, ends), wanted, "{:?}", parts.concat().get(..20));
        }
        let longest = [&[b't'; limits::TOKEN][..], b"\r\n"].concat();
        std::fs::write(&file, &longest).expect("the longest token");
        assert_eq!(stand.fate(&[&longest], false), rest(b""));
        for nothing in ["", "\n", "\r\n"] {
            std::fs::write(&file, nothing).expect("no token");
            for line in [&b"\n"[..], b"\r\n", b"secret\n"] {
                assert_eq!(stand.fate(&[line], false), Fate::Out, "no token lets nobody in");
            }
        }
        std::fs::remove_file(&file).expect("it goes");
        assert_eq!(stand.fate(&[b"secret\n"], false), Fate::Out);
    }
}
