//! Small frames that come together: what is in them is written together, in order, and nothing is lost.

use super::*;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socketpair};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;

/// A stub whose server the test plays, with these streams.
fn stub_of(pod: &Pod, stdout: Stdio, stderr: Stdio) -> (Live, Peer) {
    pod.link_stub("far");
    let mut stub = pod.stub("far");
    stub.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let (stub, mut peer) = call_as_it_is(pod, stub);
    peer.send(&number(HELLO, 2));
    (stub, peer)
}

/// A frame for each byte.
fn by_bytes(kind: u8, bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|byte| data(kind, &[*byte])).collect()
}

#[test]
fn output_is_written_together_in_pieces_that_a_pipe_takes_whole() {
    let pod = Transport::Relay.pod("far");
    // A write is a message of its own.
    let (near, other) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).expect("sockets");
    let (mut stub, mut peer) = stub_of(&pod, other.into(), Stdio::null());
    let sent: Vec<u8> = (0..20_000_u32).map(|number| u8::try_from(number % 251).expect("small")).collect();
    let frames = [by_bytes(OUTPUT, &sent), data(OUTPUT, b""), data(ERROR, b""), number(EXIT, 3)].concat();
    peer.send(&frames);
    let (mut got, mut writes) = (Vec::new(), 0);
    loop {
        let mut message = [0; 8192];
        match recv(near.as_raw_fd(), &mut message, MsgFlags::empty()).expect("a message") {
            0 => break,
            count => {
                assert!(count <= 4096, "{count} bytes at once");
                got.extend_from_slice(&message[..count]);
                writes += 1;
            }
        }
    }
    assert!(got == sent, "what comes is what was sent");
    assert!(writes < 200, "{writes} writes");
    assert_eq!(stub.end().code(), Some(3));
}

#[test]
fn both_streams_are_written_in_the_order_in_which_they_come() {
    let pod = Transport::Relay.pod("far");
    let path = pod.path("log");
    // Opened twice: two streams, as far as anybody can tell.
    let [output, error] = [(); 2].map(|()| File::options().create(true).append(true).open(&path).expect("a file"));
    let (mut stub, mut peer) = stub_of(&pod, output.into(), error.into());
    let (mut frames, mut expected) = (Vec::new(), String::new());
    for line in 0..2000 {
        let text = format!("line {line}\n");
        frames.extend(data(if line % 3 == 0 { ERROR } else { OUTPUT }, text.as_bytes()));
        expected += &text;
    }
    peer.send(&[frames, data(OUTPUT, b""), data(ERROR, b""), number(EXIT, 0)].concat());
    assert_eq!(stub.end().code(), Some(0));
    assert!(fs::read_to_string(&path).expect("the file") == expected, "line by line");
}

#[test]
fn small_frames_wait_for_a_reader_that_is_slow() {
    let pod = Transport::Relay.pod("far");
    let (mut stub, mut peer) = stub_of(&pod, Stdio::piped(), Stdio::null());
    let sent: Vec<u8> = (0..150_000_u32).map(|number| u8::try_from(number % 253).expect("small")).collect();
    let frames: Vec<u8> = sent.chunks(3).flat_map(|bytes| data(OUTPUT, bytes)).collect();
    peer.send(&[frames, data(OUTPUT, b""), data(ERROR, b""), number(EXIT, 0)].concat());
    let mut got = Vec::new();
    stub.stdout.take().expect("stdout").read_to_end(&mut got).expect("all of it");
    assert!(got == sent, "what comes is what was sent");
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn input_is_written_together() {
    let pod = Pod::new("count dd bs=65536 of=/dev/null");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &[], &[], "count"));
    peer.send(&[by_bytes(INPUT, &[b'x'; 20_000]), data(INPUT, b"")].concat());
    let said = String::from_utf8(content(&peer.frames(), ERROR)).expect("text");
    let records = said.split(['+', ' ']).nth(1).and_then(|word| word.parse::<u32>().ok());
    assert!(records.is_some_and(|records| records < 200), "{said}");
    assert!(said.contains("20000 bytes"), "{said}");
}
