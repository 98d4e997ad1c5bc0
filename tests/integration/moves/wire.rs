//! Large frames of a peer whom the test plays, of protocol 2 and of 0.9, cut wherever it pleases, and peers that go.

use super::*;
use nix::sys::socket::{setsockopt, sockopt};
use std::net::{Shutdown, TcpListener};

/// A stub whose server the test plays, with pipes that hold much.
fn stub_of(pod: &Pod) -> (Live, Peer) {
    pod.link_stub("far");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    let mut stub = pod.stub("far");
    let stub = stub.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    let mut peer = Peer::accept(&listener);
    while peer.frame().expect("a whole request").kind != START {}
    (stub, peer)
}

/// Frames of both streams, large and small ones, as bytes; and what the streams are.
fn frames_of_both() -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (mut bytes, mut output, mut error) = (Vec::new(), Vec::new(), Vec::new());
    for (seed, length) in (30..).zip([40_000, 5, 32_768, 32_767, 1, 70_000, 131_072, 33_000, 2, 262_144]) {
        let body = random(seed, length);
        let to_error = seed % 3 == 0;
        bytes.extend(data(if to_error { ERROR } else { OUTPUT }, &body));
        if to_error { &mut error } else { &mut output }.extend(body);
    }
    (bytes, output, error)
}

/// A stub gets these frames in pieces of so many bytes.
fn send_in_pieces(greeting: &[u8], piece: usize) {
    let pod = Transport::Relay.pod("far");
    let (mut stub, mut peer) = stub_of(&pod);
    let (frames, output, error) = frames_of_both();
    let (stdout, stderr) = (stub.stdout.take().expect("stdout"), stub.stderr.take().expect("stderr"));
    let readers = [thread::spawn(move || read_all(stdout)), thread::spawn(move || read_all(stderr))];
    peer.send(greeting);
    // What ends is told in pieces as well.
    let bytes = [frames, data(OUTPUT, b""), data(ERROR, b""), number(EXIT, 3)].concat();
    bytes.chunks(piece).for_each(|piece| peer.send(piece));
    let [found_output, found_error] = readers.map(|reader| reader.join().expect("a reader"));
    assert_same(&found_output, &output);
    assert_same(&found_error, &error);
    assert_eq!(stub.end().code(), Some(3), "pieces of {piece}");
}

#[test]
fn large_frames_come_whole_however_they_are_cut() {
    for piece in [64_997, 40_004, 4096, 16_384 + 3, usize::MAX] {
        send_in_pieces(&number(HELLO, 2), piece);
    }
}

#[test]
fn large_frames_of_0_9_come_whole_however_they_are_cut() {
    for piece in [64_997, 40_004, 4096, usize::MAX] {
        send_in_pieces(b"", piece);
    }
}

#[test]
fn a_header_in_two_parts_behind_a_large_frame_is_still_one() {
    for cut in 1..5 {
        let pod = Transport::Relay.pod("far");
        let (mut stub, mut peer) = stub_of(&pod);
        let mut stdout = stub.stdout.take().expect("stdout");
        let body = random(40, 60_000);
        let frame = data(OUTPUT, &body);
        peer.send(&number(HELLO, 2));
        for _ in 0..3 {
            let mut got = vec![0; body.len()];
            // All but the last byte is there before that is sent.
            peer.send(&frame[..5]);
            peer.send(&frame[5..frame.len() - 1]);
            stdout.read_exact(&mut got[..body.len() - 1]).expect("most of it");
            peer.send(&frame[frame.len() - 1..]);
            stdout.read_exact(&mut got[body.len() - 1..]).expect("the rest");
            assert_same(&got, &body);
            let line = data(OUTPUT, b"line\n");
            peer.send(&line[..cut]);
            thread::sleep(std::time::Duration::from_millis(5));
            peer.send(&line[cut..]);
            assert_eq!(read_line(&mut stdout), "line\n");
        }
        peer.send(&number(EXIT, 0));
        assert_eq!(stub.end().code(), Some(0));
    }
}

#[test]
fn a_greeting_that_comes_late_does_not_end_stdin() {
    let pod = Transport::Relay.pod("far");
    let stdin = random(43, MANY);
    fs::write(pod.path("stdin"), &stdin).expect("stdin");
    pod.link_stub("far");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    let mut stub = pod.stub("far").stdin(File::open(pod.path("stdin")).expect("stdin")).live();
    let mut peer = Peer::accept(&listener);
    while peer.frame().expect("a whole request").kind != START {}
    let mut got = Vec::new();
    // More than a window comes once no greeting has come for a while.
    while got.len() < MANY / 4 {
        got.extend(peer.frame().expect("stdin").body);
    }
    peer.send(&number(HELLO, 2));
    // From now on the window holds, and is used up.
    while is_ready(&peer.0, PollFlags::POLLIN) {
        let frame = peer.frame().expect("the stub waits");
        assert!(!frame.body.is_empty(), "it ended after {} bytes", got.len());
        got.extend(frame.body);
    }
    peer.send(&number(INPUT_CREDIT, u32::try_from(got.len()).expect("small")));
    while let Some(Frame { kind: INPUT, body, .. }) = peer.frame()
        && !body.is_empty()
    {
        peer.send(&number(INPUT_CREDIT, u32::try_from(body.len()).expect("small")));
        got.extend(body);
    }
    assert_same(&got, &stdin);
    peer.send(&number(EXIT, 0));
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_server_that_goes_in_the_middle_of_a_large_frame_is_missed() {
    for has_greeted in [true, false] {
        let pod = Transport::Relay.pod("far");
        let (mut stub, mut peer) = stub_of(&pod);
        let (mut stdout, body) = (stub.stdout.take().expect("stdout"), random(41, 100_000));
        if has_greeted {
            peer.send(&number(HELLO, 2));
        }
        peer.send(&data(OUTPUT, &body));
        let mut got = vec![0; body.len()];
        stdout.read_exact(&mut got).expect("the first frame");
        peer.send(&data(OUTPUT, &body)[..50_005]);
        stdout.read_exact(&mut got[..50_000]).expect("half of the second frame");
        assert_same(&got[..50_000], &body[..50_000]);
        drop(peer);
        let message = String::from_utf8(read_all(stub.stderr.take().expect("stderr"))).expect("text");
        assert_eq!(stub.end().code(), Some(125), "{message}");
        assert!(message.contains("the connection ended before the command did"), "{message}");
        assert_eq!(read_all(stdout), b"");
    }
}

#[test]
fn a_server_that_is_killed_while_much_flows_is_missed() {
    let pod = Transport::Relay.pod("far cat");
    let server = pod.server();
    let mut stub = pod.stub("far").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    let (mut stdin, mut stdout) = (stub.stdin.take().expect("stdin"), stub.stdout.take().expect("stdout"));
    let writer = thread::spawn(move || {
        let piece = random(42, 1 << 20);
        while stdin.write_all(&piece).is_ok() {}
    });
    stdout.read_exact(&mut vec![0; MANY]).expect("a part");
    let session = until("a session", || sessions(&pod, "cat").first().copied());
    session.signal(Signal::SIGKILL);
    let reader = thread::spawn(move || read_all(stdout));
    let message = String::from_utf8(read_all(stub.stderr.take().expect("stderr"))).expect("text");
    assert_eq!(stub.end().code(), Some(125), "{message}");
    assert!(message.contains("the connection ended before the command did"), "{message}");
    writer.join().expect("the writer sees EPIPE");
    reader.join().expect("the reader sees EOF");
    drop(server);
}

/// A client whom the test plays, of 0.9 or not, after its request.
fn client_of(pod: &Pod, is_old: bool, command: &str) -> Peer {
    let mut peer = Peer::connect(pod.port());
    let variables: &[&str] = if is_old { &[] } else { &["K8PSH_PROTOCOL=2", "K8PSH_UMASK=22", "K8PSH_IGNORED=0"] };
    peer.send(&request("", variables, &[], command));
    peer
}

#[test]
fn large_frames_of_clients_come_whole_however_they_are_cut() {
    let pod = Transport::Relay.pod("cksum");
    let _server = pod.server();
    let lengths = [40_000, 5, 32_768, 32_767, 1, 70_000, 33_000, 2];
    let bodies: Vec<Vec<u8>> = (50..).zip(lengths).map(|(seed, length)| random(seed, length)).collect();
    fs::write(pod.path("large"), bodies.concat()).expect("a file");
    let file = File::open(pod.path("large")).expect("the file");
    let wanted = pod.command("cksum").stdin(file).output().expect("cksum runs").stdout;
    let frames: Vec<u8> = bodies.iter().flat_map(|body| data(INPUT, body)).chain(data(INPUT, b"")).collect();
    for (is_old, piece) in [(true, 4096), (true, usize::MAX), (false, 4096), (false, 40_004), (false, usize::MAX)] {
        let mut peer = client_of(&pod, is_old, "cksum");
        frames.chunks(piece).for_each(|piece| peer.send(piece));
        let answer = peer.frames();
        assert_same(&content(&answer, OUTPUT), &wanted);
        assert_eq!(answer.last(), Some(&Frame::of(EXIT, 0)), "{is_old} {piece}");
    }
}

#[test]
fn a_client_of_0_9_gets_large_output_in_frames_that_it_knows() {
    let pod = Transport::Relay.pod("cat");
    let _server = pod.server();
    let bytes = random(60, MANY);
    fs::write(pod.work().join("large"), &bytes).expect("a file");
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &[], &["large"], "cat"));
    let frames = peer.frames();
    assert!(frames.iter().all(|frame| matches!(frame.kind, INPUT..=ERROR | EXIT)), "another kind");
    assert_same(&content(&frames, OUTPUT), &bytes);
    assert_eq!(frames.last(), Some(&Frame::of(EXIT, 0)));
}

#[test]
fn a_client_that_goes_in_the_middle_of_a_large_frame_ends_its_command() {
    let pod = Transport::Relay.pod("far sh -c 'cat >/dev/null; sleep 1000'");
    let _server = pod.server();
    for is_reset in [false, true] {
        let mut peer = client_of(&pod, false, "far");
        let body = random(61, 100_000);
        peer.send(&data(INPUT, &body));
        peer.send(&data(INPUT, &body)[..50_005]);
        pod.until_running("sh", 1);
        if is_reset {
            let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
            setsockopt(&peer.0, sockopt::Linger, &linger).expect("a reset at the end");
            drop(peer);
        } else {
            peer.0.shutdown(Shutdown::Write).expect("a half-close");
        }
        until_true("the command has gone", || pod.running("sh").is_empty() && pod.running("cat").is_empty());
    }
}

#[test]
fn a_signal_between_large_frames_arrives_while_the_command_reads_nothing() {
    let pod =
        Transport::Relay.pod("far sh -c 'trap \"echo got it; exit 4\" USR1; echo on; while :; do sleep 0.01; done'");
    let _server = pod.server();
    let mut peer = client_of(&pod, false, "far");
    // A whole window, of which the command's pipe holds a part.
    (0..2).for_each(|seed| peer.send(&data(INPUT, &random(seed, 128 << 10))));
    let mut output = Vec::new();
    while output != b"on\n" {
        output.extend(content(&[peer.frame().expect("output")], OUTPUT));
    }
    peer.send(&number(SIGNAL, 10));
    let frames = peer.frames();
    assert_eq!(content(&frames, OUTPUT), b"got it\n");
    assert_eq!(frames.last(), Some(&Frame::of(EXIT, 4)));
}
