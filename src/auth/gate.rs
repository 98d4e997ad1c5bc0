//! The gate of a section with a token: whoever connects proves that it has the token before any process is started for it.
//! The listener itself holds the connections meanwhile, all in one set. What a peer sent is left in its socket until it is
//! all there, and read once: nothing but two nonces is kept of a connection, so that silent and slow ones cost next to
//! nothing. It never says a token, and gives a byte to nobody who has not proven it, but for its half of the proof's random
//! numbers and for a stub whose section has no token.
//!
//! Plain bytes: the first line is the token; what follows stays in the socket for the command. Frames: see [`crate::protocol::frame`].
//!
//! Who fails is closed without a byte, and its address has to wait before the next one from there is judged: 100 ms, twice as
//! long each time. Those of other addresses never wait for it.

use super::handshake::{Frame, front};
use super::token::{self, without_newline};
use crate::auth::proof::{Both, Digest, Key, LENGTH, is_same};
use crate::options::settings::TokenSource;
use crate::protocol::frame::{HEADER, Kind, PROTOCOL, frame, header, join};
use crate::sys::clock::Instant;
use crate::sys::fd::{self, OwnedFd};
use crate::sys::program::Environment;
use crate::sys::socket::tcp;
use crate::sys::statics::StaticCell;
use crate::sys::{self, epoll};
use crate::text::address;
use crate::text::bytes::{first, until};
use crate::{exit, limits, report};
use core::mem::MaybeUninit;
use core::net::{IpAddr, Ipv4Addr};
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::{Errno, Result};

/// What is expected of a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The token as its first line.
    Line,
    /// The frame with a stub's nonce.
    Nonce,
    /// The frame with its proof.
    Proof,
    /// Nothing but its end: it was told why it cannot stay.
    Reported,
    /// Nothing: it waits for room.
    Ready,
}

/// A connection at the gate, or a place for one. All zero, so that places take no room in the file.
#[repr(C)]
struct Guest {
    socket: Option<OwnedFd>,
    stage: Stage,
    /// Whether its other end sends no more.
    has_ended: bool,
    /// When it came, and once it is ready, when that was, as a number in their order; 0: the place is free.
    order: u64,
    /// When its proof has to be there; once that is, when it is judged.
    by: Instant,
    address: IpAddr,
    /// The nonces; once there are proofs, those.
    both: Both,
}

/// The failures of an address.
struct Failure {
    /// How long it had to wait after the last one, in milliseconds.
    delay: u64,
    /// When the next connection from there is judged.
    until: Instant,
    address: IpAddr,
}

/// What a connection has sent: the longest token, CR and LF, or a frame.
type Buffer = [u8; limits::TOKEN + 2];

/// What every connection at the gate is judged with.
struct Judge {
    set: epoll::Set,
    now: Instant,
    /// So many have come, and become ready.
    count: u64,
    buffer: &'static mut Buffer,
    failures: &'static mut [Failure; limits::FAILURES],
    /// That of the token when it was asked for last.
    key: Key,
    environment: Environment<'static>,
    /// Whether what is expected is a line.
    is_plain: bool,
}

/// What a gate keeps.
struct Room {
    guests: [Guest; limits::GATE],
    failures: [Failure; limits::FAILURES],
    buffer: Buffer,
}

/// The gate.
#[repr(C)]
pub struct Gate {
    guests: &'static mut [Guest; limits::GATE],
    judge: Judge,
}

impl Gate {
    /// The gate, of which a process has one.
    #[inline(never)]
    pub fn new(environment: Environment<'static>) -> Result<&'static mut Gate> {
        static GATE: StaticCell<MaybeUninit<Gate>> = StaticCell::new(MaybeUninit::uninit());
        static ROOM: StaticCell<Room> = StaticCell::new(Room {
            guests: [const { Guest::NONE }; limits::GATE],
            failures: [const { Failure::NONE }; limits::FAILURES],
            buffer: [0; limits::TOKEN + 2],
        });
        let Room { guests, failures, buffer } = ROOM.take();
        let judge = Judge {
            set: epoll::Set::new()?,
            now: Instant::PAST,
            count: 0,
            buffer,
            failures,
            key: Key::NONE,
            environment,
            is_plain: false,
        };
        Ok(GATE.take().write(Gate { guests, judge }))
    }

    /// Expects the token as the first line, where the section takes plain bytes. Who has begun otherwise goes.
    pub fn expect(&mut self, is_plain: bool) {
        if self.judge.is_plain != is_plain {
            self.judge.is_plain = is_plain;
            self.leave();
        }
    }

    /// Whether there is room for another connection: there is not while all of them have proven themselves and wait.
    pub fn has_room(&mut self) -> bool {
        self.first(false).is_some()
    }

    /// Of those who are ready, the one that was first; else a free place or the oldest guest that is not.
    #[inline(never)]
    fn first(&mut self, is_ready: bool) -> Option<usize> {
        let (mut found, mut lowest) = (None, u64::MAX);
        for (number, guest) in self.guests.iter().enumerate() {
            if (guest.stage == Stage::Ready) == is_ready && guest.order < lowest {
                (found, lowest) = (Some(number), guest.order);
            }
        }
        found
    }

    /// Takes a connection in. Where there are too many, the oldest that has not proven itself goes: silent ones keep nobody
    /// out.
    #[inline(never)]
    pub fn enter(&mut self, socket: OwnedFd) {
        // Reset before it was accepted: a guess that nobody could be blamed for.
        let Some(address) = tcp::peer(&socket) else { return };
        let Some(number) = self.first(false) else { return };
        let Some(guest) = self.guests.get_mut(number) else { return };
        if guest.socket.is_some() {
            self.judge.refuse(guest, "no token, and too many wait behind it");
        }
        // What has come before this is told as well.
        if let Err(errno) = self.judge.set.add_for_arrivals(socket.as_fd(), number as u64) {
            return report!("cannot wait for a connection: {}", errno);
        }
        guest.address = address;
        guest.socket = Some(socket);
        guest.stage = if self.judge.is_plain { Stage::Line } else { Stage::Nonce };
        guest.has_ended = false;
        guest.order = self.judge.number();
        guest.by = Instant::after(limits::PROOF_MS);
    }

    /// Does what has become possible, and what has become due, for those who have the token from this source. Tells when
    /// there will be something to do even if nothing comes.
    #[inline(never)]
    pub fn turn(&mut self, source: Option<TokenSource<'_>>) -> Instant {
        let Gate { judge, guests } = self;
        judge.now = Instant::now();
        // So many a turn, for signals to be heard whatever comes.
        for _ in 0..limits::GATE {
            let Some((number, has_ended)) = judge.set.wait_for_arrival(0) else { break };
            if let Some(guest) = guests.get_mut(usize::try_from(number).unwrap_or(usize::MAX)) {
                guest.has_ended |= has_ended;
                judge.look(guest, source);
            }
        }
        let mut next = Instant::NEVER;
        for guest in guests.iter_mut().filter(|guest| guest.order != 0 && guest.stage != Stage::Ready) {
            if guest.by <= judge.now {
                judge.look(guest, source);
            }
            next = next.min(guest.by);
        }
        next
    }

    /// The next connection that has proven itself, in the order in which they have.
    pub fn next(&mut self) -> Option<OwnedFd> {
        let number = self.first(true)?;
        self.guests.get_mut(number)?.vacate()
    }

    /// Leaves the connections to the process that this one is a copy of.
    pub fn leave(&mut self) {
        for guest in self.guests.iter_mut() {
            guest.vacate();
        }
    }
}

/// It can be read where something has come.
impl AsFd for Gate {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.judge.set.as_fd()
    }
}

/// What a vacant place has for an address: all zero, so that the places take no room in the file.
const NO_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

impl Guest {
    /// A place that is free.
    const NONE: Guest = Guest {
        socket: None,
        stage: Stage::Line,
        has_ended: false,
        order: 0,
        by: Instant::PAST,
        address: NO_ADDRESS,
        both: [[0; LENGTH]; 2],
    };

    #[inline(never)]
    fn vacate(&mut self) -> Option<OwnedFd> {
        (self.stage, self.order) = (Stage::Line, 0);
        self.socket.take()
    }
}

impl Failure {
    /// None.
    const NONE: Failure = Failure { delay: 0, until: Instant::PAST, address: NO_ADDRESS };
}

impl Judge {
    /// The next number in the order of events.
    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// The place for an address's failures, which may have another's: those are forgotten then. Neighbours differ in their
    /// last bytes, so they have places of their own.
    #[inline(never)]
    fn failure(&mut self, address: &IpAddr) -> &mut Failure {
        let place = address::bytes(address).iter().fold(0_u8, |sum, byte| sum.wrapping_mul(3).wrapping_add(*byte));
        let failure = &mut self.failures[usize::from(place)];
        if failure.address != *address || failure.until.plus(limits::FORGET_MS) < self.now {
            *failure = Failure { address: *address, ..Failure::NONE };
        }
        failure
    }

    /// Looks at what a guest has sent so far, or at what has become of it.
    #[inline(never)]
    fn look(&mut self, guest: &mut Guest, source: Option<TokenSource<'_>>) {
        let Some(socket) = &guest.socket else { return };
        let count = match fd::peek(socket, self.buffer) {
            Ok(count @ 1..) => count,
            Err(Errno::AGAIN) => 0,
            // Without a word: somebody has looked whether somebody listens.
            Ok(0) | Err(_) => return self.close(guest),
        };
        let kind = self.buffer[0];
        let length = match guest.stage {
            Stage::Reported => usize::MAX,
            Stage::Line => until(first(self.buffer, count), b'\n').len() + 1,
            Stage::Nonce if count > 0 && kind <= Kind::Start as u8 => return self.tell(guest),
            _ => size_of::<Frame>(),
        };
        let is_over = guest.has_ended || count == self.buffer.len();
        if count >= length || is_over && guest.stage == Stage::Line {
            self.judge(guest, length.min(count), source);
        } else if guest.has_ended || guest.by <= self.now {
            if guest.stage == Stage::Reported { self.close(guest) } else { self.refuse(guest, "no token") }
        }
    }

    /// Judges what a guest has sent, so many bytes, by the token as it is now; later, if its address has failed.
    #[inline(never)]
    fn judge(&mut self, guest: &mut Guest, length: usize, source: Option<TokenSource<'_>>) {
        let Some(socket) = &guest.socket else { return };
        let judged = self.failure(&guest.address).until;
        if guest.stage != Stage::Nonce && judged > self.now {
            guest.by = judged;
            return;
        }
        // What follows is the session's.
        let Some(arrived) = self.buffer.get_mut(..length) else { return };
        let _ = fd::receive(socket, arrived);
        let kind = if guest.stage == Stage::Nonce { Kind::Nonce } else { Kind::Proof };
        if guest.stage != Stage::Line && !arrived.starts_with(&front(kind)) {
            return self.refuse(guest, "no token");
        }
        if guest.stage == Stage::Nonce {
            return self.answer(guest);
        }
        let Some(Ok(())) = source.map(|source| token::read_key(source, &self.environment, &mut self.key)) else {
            return self.close(guest);
        };
        let is_right = if guest.stage == Stage::Line {
            self.key.is_of(without_newline(arrived))
        } else {
            self.key.prove(&mut guest.both);
            let body = body(self.buffer);
            let is_proven = is_same(body, &guest.both[0]);
            *body = guest.both[1];
            is_proven && send(socket, self.buffer)
        };
        if !is_right {
            return self.refuse(guest, "wrong token");
        }
        self.set.remove(socket.as_fd());
        (guest.stage, guest.order) = (Stage::Ready, self.number());
        // They were mistakes.
        self.failure(&guest.address).delay = 0;
    }

    /// Answers a stub that has begun, with its part of the nonces.
    fn answer(&mut self, guest: &mut Guest) {
        let Some(socket) = &guest.socket else { return };
        let body = body(self.buffer);
        guest.both[0] = *body;
        if sys::random(body).is_err() {
            return self.close(guest);
        }
        guest.both[1] = *body;
        guest.stage = Stage::Proof;
        send(socket, self.buffer);
    }

    /// The guest does not get in, because of `why`: closed without a byte.
    #[inline(never)]
    fn refuse(&mut self, guest: &mut Guest, why: &str) {
        self.blame(&guest.address, why);
        self.close(guest);
    }

    /// One more failure of an address.
    #[inline(never)]
    fn blame(&mut self, address: &IpAddr, why: &str) {
        report!("{}: {}", address, why);
        let now = self.now;
        let failure = self.failure(address);
        failure.delay = (2 * failure.delay).clamp(limits::PENALTY_FIRST_MS, limits::PENALTY_LAST_MS);
        failure.until = now.plus(failure.delay);
    }

    /// A stub that knows of no token: tells it, so that its user knows what to do, and waits for its end. Closing now would
    /// reset the connection, with its request unread, and could lose that (RFC 2525, 2.17).
    fn tell(&mut self, guest: &mut Guest) {
        const REASON: &[u8] = b"it wants a token: give its section --token-file/--token-env";
        const FAILURE: [u8; HEADER + REASON.len()] = frame(Kind::Failure, REASON);
        /// What a stub of protocol 2 expects.
        static ANSWER: [u8; 3 * HEADER + REASON.len()] =
            join(&[&header(Kind::Hello, PROTOCOL), &FAILURE, &header(Kind::Exit, exit::UNAVAILABLE as u32)]);
        self.blame(&guest.address, "no token");
        let Some(socket) = &guest.socket else { return };
        let _ = fd::send(socket, &ANSWER);
        let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
        guest.stage = Stage::Reported;
    }

    /// Closes a guest's connection. Sessions may have copies of it, so it does not leave the set by that alone.
    #[inline(never)]
    fn close(&mut self, guest: &mut Guest) {
        if let Some(socket) = guest.vacate() {
            self.set.remove(socket.as_fd());
        }
    }
}

/// The body of the frame that the buffer begins with.
fn body(buffer: &mut Buffer) -> &mut Digest {
    let [_, _, _, _, _, body @ ..] = buffer;
    body.first_chunk_mut().expect("a buffer is longer than a frame")
}

/// Sends the frame that the buffer begins with, which always fits into an empty socket. Whether it did.
fn send(socket: &OwnedFd, buffer: &Buffer) -> bool {
    fd::send(socket, &buffer[..size_of::<Frame>()]).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
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
                if let Some(socket) = self.gate.next() {
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
            *self.gate.judge.failures = [const { Failure::NONE }; limits::FAILURES];
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
