//! The pre-auth queue, over real sockets whose bytes come in pieces: only who has sent the token first, or a message that
//! proves it, or a request by HTTP with it, gets in, with nothing lost of what follows; the others get no byte, but for a stub
//! without a token, and for who speaks HTTP.

use super::signature;
use crate::auth::queue::{Clients, PreAuthQueue};
use crate::choices::Choices;
use crate::http::head::Head;
use crate::limits;
use crate::options::settings::TokenSource;
use crate::secure::handshake::{Ephemeral, Initiator, MESSAGE};
use crate::secure::key::PreSharedKey;
use crate::sys::fd;
use crate::sys::program::{Environment, Program};
use crate::sys::socket::tcp;
use crate::text::address;
use std::cell::RefCell;
use std::ffi::CString;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

pub(crate) const WORDS: &[&[u8]] = &[
    b"token",
    b"\n",
    b"\r",
    b"\r\n",
    b"tok",
    b"M",
    b"W",
    b"\x01\x10\0\0\0",
    b"\0",
    b"token\n",
    b"token\r\nrest",
    b"H",
    b"GET /",
];

const TOKEN: &[u8] = b"token";

/// A request with it.
const REQUEST: &[u8] = b"POST / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer token\r\nContent-Length: 2\r\n\r\nin";

/// The queue, of which a process has one, and where its connections come from.
struct Place {
    queue: &'static mut PreAuthQueue,
    listener: TcpListener,
    source: TokenSource<'static>,
}

/// A connection by its other end.
struct Peer {
    socket: TcpStream,
    /// The port of the queue's end, which tells its connections apart.
    port: u16,
    sent: Vec<u8>,
    has_ended: bool,
    heard: Vec<u8>,
    /// What was still to be read of it when it got in.
    rest: Option<Vec<u8>>,
    is_closed: bool,
}

pub(crate) fn run(input: &[u8]) -> u64 {
    thread_local! {
        static PLACE: RefCell<Place> = RefCell::new(start());
    }
    PLACE.with_borrow_mut(|place| run_in(place, input))
}

fn run_in(place: &mut Place, input: &[u8]) -> u64 {
    let mut choices = Choices::of(input);
    let all = [Clients::Stubs, Clients::Lines, Clients::Heads];
    let chosen = choices.below(all.len());
    let clients = all[chosen];
    // Those of the last run are closed.
    place.queue.expect(all[(chosen + 1) % all.len()]);
    place.queue.expect(clients);
    let mut peers: Vec<Peer> = Vec::new();
    while !choices.is_empty() && peers.len() <= limits::PRE_AUTH + 2 {
        let choice = choices.byte();
        let chosen = usize::from(choice >> 3) % peers.len().max(1);
        match (choice & 7, peers.get_mut(chosen)) {
            (0..=1, _) | (_, None) => peers.push(connect(place)),
            (2..=5, Some(peer)) => send(peer, &piece(&mut choices)),
            (6, Some(peer)) => end(peer),
            (_, Some(_)) => turn(place, &mut peers),
        }
        assert!(place.queue.has_room() || peers.iter().filter(|peer| peer.rest.is_none()).count() >= limits::PRE_AUTH);
    }
    settle(place, &mut peers, clients);
    place.queue.leave();
    let is_crowded = peers.len() > limits::PRE_AUTH;
    let seen: Vec<_> = peers.iter().map(|peer| check(peer, clients, is_crowded)).collect();
    crate::diag::said();
    signature(&(chosen, seen))
}

fn start() -> Place {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz");
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("token");
    std::fs::write(&file, TOKEN).expect("the token");
    let path = CString::new(file.to_str().expect("a path")).expect("a path").into_boxed_c_str();
    let queue = PreAuthQueue::new(environment()).expect("a queue");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    Place { queue, listener, source: TokenSource::File(Box::leak(path)) }
}

/// An environment without variables.
#[expect(unsafe_code, reason = "an environment is read by address")]
fn environment() -> Environment<'static> {
    static STACK: [usize; 5] = [0; 5];
    // SAFETY: no argument and no variable, as the kernel lays them out, in memory that stays and never changes.
    unsafe { Program::new(STACK.as_ptr()) }.environment
}

/// A message that proves the token, and one that does not. One for all, as the first byte must not be a frame's type.
fn messages() -> &'static [[u8; MESSAGE]; 2] {
    static MESSAGES: OnceLock<[[u8; MESSAGE]; 2]> = OnceLock::new();
    MESSAGES.get_or_init(|| {
        [TOKEN, b"another"].map(|token| {
            let key = PreSharedKey::from_token(token).expect("it is not empty");
            let mut messages = (0..=255).map(|random| Initiator::start(&key, Ephemeral::new(&mut [random; 32])).1);
            messages.find(|message| message[0] > 32 && !message.contains(&b'\n')).expect("there are many")
        })
    })
}

/// A valid message, one of another token, a request, or any bytes.
fn piece(choices: &mut Choices<'_>) -> Vec<u8> {
    let [right, wrong] = messages();
    let text = choices.text(24);
    match text {
        [b'M', from, to, ..] => right[usize::from(*from) % MESSAGE..].iter().take(usize::from(*to)).copied().collect(),
        [b'M', ..] => right.to_vec(),
        [b'W', ..] => wrong.to_vec(),
        [b'H', from, to, ..] => {
            REQUEST[usize::from(*from) % REQUEST.len()..].iter().take(usize::from(*to)).copied().collect()
        }
        [b'H', ..] => REQUEST.to_vec(),
        _ => text.to_vec(),
    }
}

fn connect(place: &mut Place) -> Peer {
    let socket = tcp::socket(&address::LOOPBACK).expect("a socket");
    let port = place.listener.local_addr().expect("an address").port();
    rustix::net::connect(&socket, &SocketAddr::new(address::LOOPBACK, port)).expect("a connection");
    let port = SocketAddr::try_from(rustix::net::getsockname(&socket).expect("an address")).expect("of TCP").port();
    place.queue.enter(socket);
    let (socket, _) = place.listener.accept().expect("the other end");
    socket.set_nonblocking(true).expect("a socket that does not block");
    // Or what is sent last stays at its end until the rest is acknowledged (tcp(7)), and a worker reads it later.
    socket.set_nodelay(true).expect("an option");
    // A reset at its end, or the ports of so many connections would have to wait (TIME_WAIT, tcp(7)).
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(&socket, nix::sys::socket::sockopt::Linger, &linger).expect("an option");
    Peer { socket, port, sent: Vec::new(), has_ended: false, heard: Vec::new(), rest: None, is_closed: false }
}

fn send(peer: &mut Peer, bytes: &[u8]) {
    if !peer.has_ended && !peer.is_closed && peer.rest.is_none() && peer.socket.write_all(bytes).is_ok() {
        peer.sent.extend_from_slice(bytes);
    }
}

fn end(peer: &mut Peer) {
    peer.has_ended = peer.has_ended || peer.socket.shutdown(Shutdown::Write).is_ok();
}

/// A turn of the queue, and what its peers see of it.
fn turn(place: &mut Place, peers: &mut [Peer]) {
    place.queue.turn(Some(place.source));
    while let Some((socket, _)) = place.queue.take_ready() {
        let port = SocketAddr::try_from(rustix::net::getsockname(&socket).expect("an address")).expect("of TCP").port();
        let mut rest = vec![0; 4096];
        let count = fd::receive(&socket, &mut rest).unwrap_or(0);
        rest.truncate(count);
        let peer = peers.iter_mut().find(|peer| peer.port == port).expect("it is of a peer");
        assert!(peer.rest.is_none() && peer.heard.is_empty(), "it got in once, and heard nothing");
        peer.rest = Some(rest);
    }
    for peer in peers.iter_mut().filter(|peer| !peer.is_closed) {
        let mut bytes = [0; 256];
        match peer.socket.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(0) | Err(_) => peer.is_closed = true,
            Ok(count) => peer.heard.extend_from_slice(&bytes[..count]),
        }
    }
}

/// Takes turns until everybody has got what is theirs, or for long enough.
fn settle(place: &mut Place, peers: &mut [Peer], clients: Clients) {
    for _ in 0..200 {
        turn(place, peers);
        if peers.iter().all(|peer| peer.rest.is_some() || peer.is_closed || !has_right(peer, clients)) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The length of the line that is the token, if it begins with that.
fn token_line(peer: &Peer) -> Option<usize> {
    let line = match peer.sent.iter().position(|byte| *byte == b'\n') {
        Some(end) => &peer.sent[..=end],
        None if peer.has_ended => &peer.sent[..],
        None => return None,
    };
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    (text.strip_suffix(b"\r").unwrap_or(text) == TOKEN).then_some(line.len())
}

fn has_right_message(peer: &Peer) -> bool {
    peer.sent.starts_with(&messages()[0])
}

/// Whether it is a request with the token.
fn has_right_head(peer: &Peer) -> bool {
    let head = Head::read(&peer.sent[..peer.sent.len().min(limits::HEAD)]).ok().flatten();
    head.is_some_and(|head| !head.is_probe() && head.bearer() == Some(TOKEN))
}

/// Whether it has to get in, however its bytes came. A message with a line feed in it may look like a wrong line first.
fn has_right(peer: &Peer, clients: Clients) -> bool {
    let has_message = has_right_message(peer);
    match clients {
        Clients::Stubs => has_message,
        Clients::Lines => token_line(peer).is_some() || has_message && !messages()[0].contains(&b'\n'),
        Clients::Heads => has_right_head(peer) || has_message,
    }
}

/// Whether a connection got what is its own; what it got.
fn check(peer: &Peer, clients: Clients, is_crowded: bool) -> (bool, bool, usize) {
    let line = token_line(peer).filter(|_| clients == Clients::Lines);
    match &peer.rest {
        Some(rest) if has_right_message(peer) => assert_eq!(rest, &peer.sent, "the worker reads the message"),
        Some(rest) if clients == Clients::Heads => {
            assert!(has_right_head(peer), "let in: {:?}", peer.sent);
            assert_eq!(rest, &peer.sent, "the worker reads the request");
        }
        Some(rest) => assert_eq!(rest, &peer.sent[line.expect("it has not sent the token")..], "{:?}", peer.sent),
        None => assert!(is_crowded || !has_right(peer, clients), "kept out: {:?}", peer.sent),
    }
    let is_request = clients != Clients::Lines && peer.sent.first().is_some_and(|byte| *byte <= 3);
    let is_told = is_request && peer.heard.starts_with(b"\x10\x02\0\0\0\x11");
    let is_answered = clients == Clients::Heads && peer.heard.starts_with(b"HTTP/1.1 ");
    assert!(peer.heard.is_empty() || is_told || is_answered, "{:?}", peer.sent);
    (peer.rest.is_some(), peer.is_closed, peer.heard.len())
}
