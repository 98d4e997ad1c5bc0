//! Clients and servers that mean no good: what they pass, and what they say.

use std::io::{IoSlice, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::Stdio;
use std::thread;

use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt, sockopt};

use crate::support::frames::{self, ARGUMENT, ERROR, EXIT, FAILURE, Frame, HELLO, Peer, START, VARIABLE, data, number};
use crate::support::{Live, Pod, Run, read_all, until, until_true};

/// A connection with bytes that its other end never takes: whoever closes it last waits for an hour (`SO_LINGER`).
struct Lingering {
    socket: TcpStream,
    other: TcpStream,
}

impl Lingering {
    fn new() -> Lingering {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        setsockopt(&listener, sockopt::RcvBuf, &4096).expect("a small buffer");
        let mut socket = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        let (other, _) = listener.accept().expect("a connection");
        socket.set_nonblocking(true).expect("a socket that does not block");
        while socket.write(&[b'x'; 65536]).is_ok() {}
        setsockopt(&socket, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 3600 }).expect("an hour");
        Lingering { socket, other }
    }
}

/// A client of the direct transport.
fn direct(pod: &Pod) -> UnixStream {
    let name = SocketAddr::from_abstract_name(format!("k8psh:{}", pod.port())).expect("a name");
    until("the server has its name", || UnixStream::connect_addr(&name).ok())
}

fn send_with(stream: &UnixStream, bytes: &[u8], descriptors: &[RawFd]) {
    let rights = [ControlMessage::ScmRights(descriptors)];
    let sent = sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(bytes)], &rights, MsgFlags::MSG_NOSIGNAL, None);
    assert_eq!(sent, Ok(bytes.len()));
}

fn request(script: &str, announced: &[u8]) -> Vec<u8> {
    [
        data(VARIABLE, b"K8PSH_PROTOCOL=2"),
        announced.to_vec(),
        data(ARGUMENT, b"-c"),
        data(ARGUMENT, script.as_bytes()),
        data(START, b"sh"),
    ]
    .concat()
}

/// A server with room for one session at a time serves the next one, and ends, whoever still waits for a descriptor.
fn serves_on(client: impl FnOnce(&UnixStream, RawFd)) {
    let pod = Pod::with_header("--max-sessions=1", "sh\ntrue");
    let mut server = pod.server();
    pod.stub_path("true");
    let lingering = Lingering::new();
    let stream = direct(&pod);
    client(&stream, lingering.socket.as_raw_fd());
    // The server has the last one now, unless it was very quick: then it is this thread that waits.
    thread::spawn(move || drop(lingering.socket));
    drop(stream);
    assert_eq!(pod.relay_stub("true").run().succeeds(), "");
    server.signal(Signal::SIGTERM);
    assert!(server.end().success());
    // Whatever waits is free now.
    drop(lingering.other);
}

const FIVE: &[u8] = b"K8PSH_DESCRIPTOR=5";

#[test]
fn a_descriptor_of_half_a_request_keeps_nobody_waiting() {
    serves_on(|stream, lingering| send_with(stream, &data(VARIABLE, b"K8PSH_PROTOCOL=2"), &[lingering]));
}

#[test]
fn a_descriptor_of_a_refused_request_keeps_nobody_waiting() {
    serves_on(|stream, lingering| {
        send_with(stream, &[data(VARIABLE, FIVE), data(START, b"missing")].concat(), &[lingering]);
    });
}

#[test]
fn descriptors_that_were_not_announced_keep_nobody_waiting() {
    serves_on(|stream, lingering| send_with(stream, &request("exit 0", b""), &[lingering; 3]));
}

#[test]
fn a_descriptor_of_a_command_that_ends_keeps_nobody_waiting() {
    for script in ["exit 0", "sleep 0.2"] {
        for number in ["1", "5"] {
            let announced = data(VARIABLE, format!("K8PSH_DESCRIPTOR={number}").as_bytes());
            serves_on(|stream, lingering| send_with(stream, &request(script, &announced), &[lingering]));
        }
    }
}

#[test]
fn a_descriptor_that_comes_after_the_request_keeps_nobody_waiting() {
    serves_on(|stream, lingering| {
        send_with(stream, &request("read line", b""), &[]);
        send_with(stream, &data(frames::INPUT, b"line\n"), &[lingering]);
    });
}

/// What would move the cursor of whoever reads it, or worse: ESC, and CSI in its two forms of one character (ECMA-48).
const CONTROLS: &[u8] = b"a\x1b[31m\x9b31m\xc2\x9b31m\x07\rz";
const SHOWN: &str = "a\\x1b[31m\\x9b31m\\xc2\\x9b31m\\x07\\x0dz";

/// Whether a terminal shows it as text.
fn is_harmless(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| text.chars().all(|char| char == '\n' || !char.is_control()))
}

fn stub_of(pod: &Pod, listener: &TcpListener) -> (Live, Peer) {
    pod.link_stub("far");
    let mut stub = pod.stub("far");
    let stub = stub.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    (stub, Peer::accept(listener))
}

#[test]
fn what_a_hostile_server_gives_as_a_reason_is_shown_as_text() {
    let pod = Pod::new("far");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    let (mut stub, mut peer) = stub_of(&pod, &listener);
    until("the request is complete", || peer.frame().filter(|frame| frame.kind == START));
    peer.send(&[number(HELLO, 2), data(FAILURE, CONTROLS), number(EXIT, 125)].concat());
    let text = read_all(stub.stderr.take().expect("stderr"));
    assert_eq!(String::from_utf8_lossy(&text), format!("far: server box: {SHOWN}\n"));
    assert!(is_harmless(&text));
    assert_eq!(stub.end().code(), Some(125));
}

#[test]
fn what_a_hostile_client_calls_its_command_is_shown_as_text() {
    let pod = Pod::new("true");
    let server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&[data(VARIABLE, b"K8PSH_PROTOCOL=2"), data(START, CONTROLS)].concat());
    let answer = peer.frames();
    assert_eq!(answer.last(), Some(&Frame::of(EXIT, 127)), "{answer:?}");
    let reason = frames::content(&answer, FAILURE);
    assert!(String::from_utf8_lossy(&reason).contains(SHOWN) && is_harmless(&reason), "{reason:?}");
    let mut old = Peer::connect(pod.port());
    old.send(&data(START, CONTROLS));
    assert!(is_harmless(&frames::content(&old.frames(), ERROR)));
    until_true("it is told", || server.log().matches('\n').count() >= 2);
    assert!(server.log().contains(SHOWN) && is_harmless(server.log().as_bytes()), "{}", server.log());
}
