//! Clients and servers that mean no good: what they pass, and what they say.

use std::net::TcpListener;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::support::frames::{self, ARGUMENT, ERROR, EXIT, FAILURE, Frame, HELLO, Peer, START, VARIABLE, data, number};
use crate::support::{Live, Pod, Process, Run, lacks_programs, read_all, read_line, until, until_true};

/// A client of the direct transport that passes descriptors, by itself: a test's own process is copied by other tests, whose
/// programs would wait for what they close.
///
/// What it passes is a connection with bytes that its other end never takes, so that whoever closes it last waits for an hour
/// (`SO_LINGER`). Arguments: the port, and each message in hexadecimal digits with how often the descriptor goes along. Its
/// child makes the connection and goes; it holds the other end until its stdin ends.
const CLIENT: &str = r#"
import array, os, socket, struct, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
listener.bind(("127.0.0.1", 0))
listener.listen()
child = os.fork()
if child == 0:
    lingering = socket.create_connection(listener.getsockname())
    lingering.setblocking(False)
    try:
        while True: lingering.send(bytes(65536))
    except BlockingIOError: pass
    lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 3600))
    stream = socket.socket(socket.AF_UNIX)
    stream.connect(b"\0k8psh:" + sys.argv[1].encode())
    for text, count in zip(sys.argv[2::2], sys.argv[3::2]):
        rights = array.array("i", [lingering.fileno()] * int(count))
        stream.sendmsg([bytes.fromhex(text)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if rights else [])
    os._exit(0)
other, _ = listener.accept()
os.waitpid(child, 0)
print("gone", flush=True)
sys.stdin.read()
"#;

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
fn serves_on(messages: &[(Vec<u8>, usize)]) {
    serves_on_with("", |_| Vec::new(), messages);
}

/// Likewise, with these options. What `stop` stops does not go on before the client has gone.
fn serves_on_with(header: &str, stop: impl FnOnce(&Pod) -> Vec<Process>, messages: &[(Vec<u8>, usize)]) {
    if lacks_programs(&["python3"]) {
        return;
    }
    let pod = Pod::with_header(&format!("--max-sessions=1 {header}"), "sh\ntrue");
    let mut server = pod.server();
    pod.stub_path("true");
    let mut client = pod.command("python3");
    client.args(["-c", CLIENT, &pod.port().to_string()]);
    for (bytes, count) in messages {
        client.arg(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()).arg(count.to_string());
    }
    let stopped = stop(&pod);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    assert_eq!(read_line(client.stdout.as_mut().expect("stdout")), "gone\n");
    stopped.iter().for_each(|process| process.signal(Signal::SIGCONT));
    assert_eq!(pod.relay_stub("true").run().succeeds(), "");
    server.signal(Signal::SIGTERM);
    assert!(server.end().success());
    drop(client.stdin.take());
    client.end();
}

const FIVE: &[u8] = b"K8PSH_DESCRIPTOR=5";

#[test]
fn a_descriptor_of_half_a_request_keeps_nobody_waiting() {
    serves_on(&[(data(VARIABLE, b"K8PSH_PROTOCOL=2"), 1)]);
}

#[test]
fn a_descriptor_of_a_user_that_is_not_let_in_keeps_nobody_waiting() {
    let announced = data(VARIABLE, FIVE);
    serves_on_with("--allow-uid=4711", Pod::stop_all, &[(request("exit 0", &announced), 1)]);
}

#[test]
fn a_descriptor_of_a_refused_request_keeps_nobody_waiting() {
    serves_on(&[([data(VARIABLE, FIVE), data(START, b"missing")].concat(), 1)]);
}

#[test]
fn descriptors_that_were_not_announced_keep_nobody_waiting() {
    serves_on(&[(request("exit 0", b""), 3)]);
}

#[test]
fn a_descriptor_of_a_command_that_ends_keeps_nobody_waiting() {
    for script in ["exit 0", "sleep 0.2"] {
        for number in ["1", "5"] {
            let announced = data(VARIABLE, format!("K8PSH_DESCRIPTOR={number}").as_bytes());
            serves_on(&[(request(script, &announced), 1)]);
        }
    }
}

#[test]
fn a_descriptor_that_comes_after_the_request_keeps_nobody_waiting() {
    serves_on(&[(request("read line", b""), 0), (data(frames::INPUT, b"line\n"), 1)]);
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
