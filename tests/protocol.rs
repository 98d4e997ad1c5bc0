//! The wire protocol, byte for byte: interoperation with 0.9 in both directions, what protocol 2 adds, and garbage.

mod support;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::frames::{self, Frame, Peer, content, data, number, request};
use support::{Live, Pod, Run, is_listening, read_line, until_true, wait_for_file};

const WINDOW: usize = 256 << 10;

/// The frames of one type and with something in them, joined, and the types of all others in order.
fn numbers(frames: &[Frame], kind: u8) -> Vec<u32> {
    frames.iter().filter(|frame| frame.kind == kind).map(|frame| frame.number).collect()
}

/// A 0.9 client would give up over any type that it does not know.
fn assert_only_old_types(frames: &[Frame]) {
    assert!(frames.iter().all(|frame| matches!(frame.kind, 4..=6 | 8)), "{frames:?}");
}

#[test]
fn a_client_of_0_9_is_served_byte_for_byte() {
    let pod = Pod::new("talk WORD= sh -c 'read line; printf \"$WORD $1 $line\"; printf oops >&2; exit 3' sh");
    let _server = pod.server();
    fs::create_dir(pod.work().join("a")).expect("a directory");
    let mut peer = Peer::connect(pod.port());
    peer.send(&[
        0, 1, 0, 0, 0, b'a', // directory
        1, 7, 0, 0, 0, b'W', b'O', b'R', b'D', b'=', b'h', b'i', // variable
        2, 2, 0, 0, 0, b'm', b'e', // argument
        3, 4, 0, 0, 0, b't', b'a', b'l', b'k', // start
        4, 3, 0, 0, 0, b'y', b'e', b's', // stdin
        4, 1, 0, 0, 0, b'\n', 4, 0, 0, 0, 0, // end of input
    ]);
    let frames = peer.frames();
    assert_only_old_types(&frames);
    assert_eq!(content(&frames, 5), b"hi me yes");
    assert_eq!(content(&frames, 6), b"oops");
    for kind in [5, 6] {
        assert_eq!(numbers(&frames, kind).last(), Some(&0), "stream {kind} is closed: {frames:?}");
        assert_eq!(numbers(&frames, kind).iter().filter(|&&length| length == 0).count(), 1, "once: {frames:?}");
    }
    assert!(numbers(&frames, 4).iter().all(|&length| length == 0), "{frames:?}");
    assert_eq!(frames.last(), Some(&Frame { kind: 8, number: 3, body: Vec::new() }));
}

#[test]
fn every_byte_to_a_client_of_0_9_is_as_in_the_table() {
    let pod = Pod::new("talk sh -c 'printf abc; exit 255'");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(b"\x00\x00\x00\x00\x00\x03\x04\x00\x00\x00talk");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut peer.0, &mut bytes).expect("the answer");
    // The two ends of streams, and the end of stdin, may come in any order.
    assert!(bytes.windows(8).any(|part| part == b"\x05\x03\x00\x00\x00abc"), "{bytes:?}");
    assert!(bytes.windows(5).any(|part| part == b"\x05\x00\x00\x00\x00"), "{bytes:?}");
    assert!(bytes.windows(5).any(|part| part == b"\x06\x00\x00\x00\x00"), "{bytes:?}");
    assert!(bytes.ends_with(b"\x08\xff\x00\x00\x00"), "{bytes:?}");
    assert!(matches!(bytes.len(), 23 | 28), "{bytes:?}");
}

#[test]
fn the_frames_of_a_request_come_in_any_order_and_in_any_pieces() {
    let pod = Pod::new("talk A= B= sh -c 'echo $A $B $*; pwd' sh");
    let _server = pod.server();
    fs::create_dir(pod.work().join("a")).expect("a directory");
    let request = [
        data(2, b"one"),
        data(1, b"B=b"),
        data(2, b"two"),
        data(0, b"a"),
        data(1, b"A=a"),
        data(2, b"three"),
        data(3, b"talk"),
        data(4, b""),
    ]
    .concat();
    let expected = format!("a b one two three\n{}\n", pod.work().join("a").display());
    for size in [1, 2, 3, 5, 7, request.len()] {
        let mut peer = Peer::connect(pod.port());
        for piece in request.chunks(size) {
            peer.send(piece);
        }
        let frames = peer.frames();
        assert_eq!(String::from_utf8_lossy(&content(&frames, 5)), expected, "in pieces of {size}");
    }
}

#[test]
fn a_client_of_0_9_learns_of_death_by_signal_from_the_missing_exit_code() {
    let pod = Pod::new("die sh -c 'printf last; kill -9 $$'");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &[], &[], "die"));
    let frames = peer.frames();
    assert_only_old_types(&frames);
    assert_eq!(content(&frames, 5), b"last");
    assert!(numbers(&frames, 8).is_empty(), "{frames:?}");
}

#[test]
fn a_client_of_0_9_sees_errors_on_its_stderr() {
    let pod = Pod::new("missing /no/such/program\nplain ./plain");
    let _server = pod.server();
    fs::write(pod.work().join("plain"), "").expect("a file");
    for (name, code, about) in
        [("missing", 127, "/no/such/program"), ("plain", 126, "plain"), ("stranger", 0, "stranger")]
    {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &[], &[], name));
        let frames = peer.frames();
        assert_only_old_types(&frames);
        let error = String::from_utf8_lossy(&content(&frames, 6)).into_owned();
        assert!(error.starts_with("k8pshd: ") && error.ends_with('\n') && error.lines().count() == 1, "{error:?}");
        assert!(error.contains(about), "{error:?}");
        let last = frames.last().expect("a frame");
        assert_eq!(last.kind, 8, "{frames:?}");
        assert!(last.number == code || code == 0 && matches!(last.number, 125 | 127), "{frames:?}");
    }
}

#[test]
fn a_client_of_0_9_can_stop_the_command() {
    let pod = Pod::new("stay sh -c 'echo ready; exec sleep 1000'\ndeaf sh -c 'trap \"\" TERM; echo ready; sleep 1000'");
    let _server = pod.server();
    for name in ["stay", "deaf"] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &[], &[], name));
        assert_eq!(peer.frame().map(|frame| frame.body), Some(b"ready\n".to_vec()));
        peer.send(b"\x07\x00\x00\x00\x00");
        let frames = peer.frames();
        assert_only_old_types(&frames);
        assert!(numbers(&frames, 8).is_empty(), "{frames:?}");
        until_true("the command is gone", || pod.running("sleep").is_empty());
    }
}

#[test]
fn a_client_of_0_9_is_told_that_the_command_closed_its_stdin() {
    let pod = Pod::new("deaf sh -c 'exec <&-; while ! test -e go; do sleep 0.01; done'");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &[], &[], "deaf"));
    let (frame, _) = (peer.frame(), fs::write(pod.work().join("go"), "").expect("a file"));
    assert_eq!(frame, Some(Frame { kind: 4, number: 0, body: Vec::new() }));
    assert_eq!(numbers(&peer.frames(), 8), [0]);
}

#[test]
fn a_client_of_0_9_that_sends_more_than_the_command_reads_is_held_back_by_tcp() {
    let pod = Pod::new("ignore sleep 1000\ncount sh -c 'sleep 0.2; wc -c'");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &[], &[], "ignore"));
    peer.0.set_write_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    let frame = data(4, &[b'x'; 65536]);
    let mut total = 0;
    while let Ok(count) = peer.0.write(&frame[total % frame.len()..]) {
        total += count;
        assert!(total < 64 << 20, "nothing holds the client back");
    }
    // What is stuck in the kernel keeps its end from the server, so the command has to be ended.
    pod.running("sleep").iter().for_each(|process| process.signal(Signal::SIGTERM));
    drop(peer);

    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &[], &[], "count"));
    for _ in 0..160 {
        peer.send(&frame);
    }
    peer.send(&data(4, b""));
    assert_eq!(content(&peer.frames(), 5), b"10485760\n");
}

/// A client of this project talks to whom the test plays.
fn stub_and_listener(pod: &Pod, name: &str) -> (Live, TcpListener) {
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    pod.link_stub(name);
    let mut stub = pod.stub(name);
    stub.args(["one", ""]).env("LISTED", "value").env("UNLISTED", "value").env_remove("ABSENT");
    let stub = stub.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    (stub, listener)
}

/// The request up to and with its start frame.
fn read_request(peer: &mut Peer) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    while frames.last().is_none_or(|frame| frame.kind != frames::START) {
        frames.push(peer.frame().expect("a whole request"));
    }
    frames
}

fn output(stub: &mut Live) -> (String, String) {
    let read = |source| String::from_utf8_lossy(&support::read_all(source)).into_owned();
    let stderr = stub.stderr.take().expect("stderr");
    (
        stub.stdout
            .take()
            .map(|stdout| String::from_utf8_lossy(&support::read_all(stdout)).into_owned())
            .unwrap_or_default(),
        read(stderr),
    )
}

#[test]
fn a_server_of_0_9_gets_a_request_that_it_understands() {
    let pod = Pod::new("far LISTED= ABSENT=default ?MAYBE= =FIXED=x program");
    fs::create_dir_all(pod.work().join("a b")).expect("a directory");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    pod.link_stub("far");
    let mut stub = pod.stub("far");
    stub.args(["one", ""]).env("LISTED", "value").env("UNLISTED", "value").env("FIXED", "client's");
    stub.env_remove("ABSENT").env_remove("MAYBE").current_dir(pod.work().join("a b"));
    let mut stub = stub.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    let mut peer = Peer::accept(&listener);
    let frames = read_request(&mut peer);

    let bodies = |kind| -> Vec<String> {
        let frames = frames.iter().filter(|frame| frame.kind == kind);
        frames.map(|frame| String::from_utf8_lossy(&frame.body).into_owned()).collect()
    };
    assert!(frames.iter().all(|frame| frame.kind <= 3), "{frames:?}");
    assert_eq!(bodies(0), ["a b"]);
    assert_eq!(bodies(2), ["one", ""]);
    assert_eq!(bodies(3), ["far"]);
    let variables = bodies(1);
    assert_eq!(variables[0], "K8PSH_PROTOCOL=2");
    let own = |name: &str| variables.iter().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
    let mask = own("K8PSH_UMASK=").expect("the umask");
    assert!(u32::from_str_radix(&mask, 8).is_ok_and(|mask| mask <= 0o777), "{mask}");
    let ignored = own("K8PSH_IGNORED=").expect("the ignored signals");
    assert!(u64::from_str_radix(&ignored, 16).is_ok(), "{ignored}");
    let listed: Vec<_> = variables.iter().filter(|word| !word.starts_with("K8PSH_")).collect();
    assert_eq!(listed, ["LISTED=value"]);

    assert_eq!(peer.frame(), Some(Frame { kind: 4, number: 0, body: Vec::new() }), "end of input");
    peer.send(
        b"\x05\x03\x00\x00\x00out\x06\x03\x00\x00\x00err\x05\x00\x00\x00\x00\x06\x00\x00\x00\x00\x08\x07\x00\x00\x00",
    );
    let sent = peer.frames();
    assert!(sent.iter().all(|frame| frame.kind <= 8), "{sent:?}");
    assert_eq!(output(&mut stub), ("out".to_owned(), "err".to_owned()));
    assert_eq!(stub.end().code(), Some(7));
}

#[test]
fn a_server_of_0_9_exchanges_data_with_the_stub() {
    let pod = Pod::new("far");
    let (mut stub, listener) = stub_and_listener(&pod, "far");
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    // More than any window: 0.9 gives no credit.
    let text = vec![b'x'; 1 << 20];
    let mut stdin = stub.stdin.take().expect("stdin");
    let mut stdout = stub.stdout.take().expect("stdout");
    let copy = text.clone();
    let writer = thread::spawn(move || stdin.write_all(&copy).expect("the stub reads"));
    let mut got = Vec::new();
    loop {
        let frame = peer.frame().expect("input");
        assert_eq!(frame.kind, 4, "{frame:?}");
        if frame.number == 0 {
            break;
        }
        got.extend(frame.body);
    }
    writer.join().expect("the writer");
    assert!(got == text, "not the same bytes");
    let reader = thread::spawn(move || support::read_all(&mut stdout));
    for piece in text.chunks(50_000) {
        peer.send(&data(5, piece));
    }
    peer.send(&number(8, 0));
    assert!(reader.join().expect("the reader") == text, "not the same bytes");
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn the_exit_code_of_a_server_of_0_9_is_taken_as_wait_would_report_it() {
    for (sent, code) in [(0, 0), (255, 255), (0xffff_ffff, 255), (256, 0), (0x8000_0001, 1)] {
        let pod = Pod::new("far");
        let (mut stub, listener) = stub_and_listener(&pod, "far");
        let mut peer = Peer::accept(&listener);
        read_request(&mut peer);
        peer.send(&number(8, sent));
        assert_eq!(stub.end().code(), Some(code), "{sent:#x}");
    }
}

#[test]
fn a_server_of_0_9_that_hangs_up_is_a_lost_connection() {
    let pod = Pod::new("far");
    let (mut stub, listener) = stub_and_listener(&pod, "far");
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    peer.send(&data(5, b"before\n"));
    drop(peer);
    assert_eq!(stub.end().code(), Some(125));
    let (out, err) = output(&mut stub);
    assert_eq!(out, "before\n");
    assert!(err.starts_with("far: ") && err.lines().count() == 1, "{err:?}");
}

#[test]
fn a_server_of_0_9_closes_the_stubs_stdin() {
    let pod = Pod::new("far");
    let (mut stub, listener) = stub_and_listener(&pod, "far");
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    peer.send(b"\x04\x00\x00\x00\x00");
    let mut stdin = stub.stdin.take().expect("stdin");
    support::until("the writer sees EPIPE", || stdin.write(b"x").err());
    peer.send(&number(8, 0));
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_server_of_0_9_is_asked_to_terminate_and_hears_of_no_other_signal() {
    let pod = Pod::new("far");
    let (mut stub, listener) = stub_and_listener(&pod, "far");
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    peer.send(&data(5, b"ready\n"));
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "ready\n");
    stub.signal(Signal::SIGWINCH);
    stub.signal(Signal::SIGTERM);
    // It asks, or it just hangs up; in any case nothing that 0.9 does not know.
    let mut sent = Vec::new();
    while let Some(frame) = peer.frame() {
        let is_end = frame.kind == 7;
        sent.push(frame);
        if is_end {
            break;
        }
    }
    assert!(sent.iter().all(|frame| matches!(frame.kind, 4 | 7)), "{sent:?}");
    drop(peer);
    let status = stub.end();
    assert!(status.signal() == Some(15) || status.code() == Some(125), "{status}");
}

#[test]
fn a_server_of_0_9_sees_an_end_and_no_reset_when_the_stub_is_killed() {
    // It takes a reset for a fault of its own, and leaves the command running.
    let pod = Pod::new("far");
    let (mut stub, listener) = stub_and_listener(&pod, "far");
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    peer.send(&data(5, b"ready\n"));
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "ready\n");
    stub.kill().expect("a kill");
    assert!(peer.is_closed_in_order());
}

#[test]
fn a_server_that_talks_nonsense_is_an_error_of_the_stub() {
    let nonsense: [&[u8]; 8] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x05\xff\xff\xff\xff",
        b"\x06\xff\xff\xff\x7f",
        b"\x09\x00\x00\x00\x00",
        b"\x00\x01\x00\x00\x00x",
        b"\x10\x00\x00\x00\x00",
        b"\x05\x02\x00\x00\x00x",
    ];
    for bytes in nonsense {
        let pod = Pod::new("far");
        let (mut stub, listener) = stub_and_listener(&pod, "far");
        let mut peer = Peer::accept(&listener);
        read_request(&mut peer);
        peer.try_send(bytes);
        peer.close_sending();
        assert_eq!(stub.end().code(), Some(125), "{bytes:?}");
        let (out, err) = output(&mut stub);
        assert!(out.len() <= 1 && err.starts_with("far: ") && err.lines().count() == 1, "{bytes:?}: {out:?} {err:?}");
    }
}

/// The variables with which a client of protocol 2 begins.
const HELLO: [&str; 3] = ["K8PSH_PROTOCOL=2", "K8PSH_UMASK=22", "K8PSH_IGNORED=0"];

#[test]
fn a_client_of_protocol_2_is_greeted_before_anything_else() {
    let pod = Pod::new("true\nmissing /no/such/program\ndie sh -c 'kill -9 $$'\nmask sh -c umask");
    let _server = pod.server();
    let answer = |name: &str, variables: &[&str]| {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", variables, &[], name));
        let frames = peer.frames();
        assert_eq!(frames.first(), Some(&Frame { kind: 16, number: 2, body: Vec::new() }), "{frames:?}");
        frames
    };
    assert_eq!(answer("true", &HELLO).last(), Some(&Frame { kind: 8, number: 0, body: Vec::new() }));
    let frames = answer("missing", &HELLO);
    assert!(String::from_utf8_lossy(&content(&frames, 17)).contains("/no/such/program"), "{frames:?}");
    assert!(content(&frames, 6).is_empty(), "{frames:?}");
    assert_eq!(frames.last(), Some(&Frame { kind: 8, number: 127, body: Vec::new() }));
    let frames = answer("die", &HELLO);
    assert_eq!(frames.last(), Some(&Frame { kind: 18, number: 9, body: Vec::new() }));
    assert!(numbers(&frames, 8).is_empty(), "{frames:?}");
    assert_eq!(content(&answer("mask", &["K8PSH_PROTOCOL=2", "K8PSH_UMASK=027"]), 5), b"0027\n");
    // What a later client brings with it is of no concern.
    assert_eq!(numbers(&answer("true", &["K8PSH_PROTOCOL=3", "K8PSH_LATER=x"]), 8), [0]);
}

#[test]
fn variables_of_the_protocol_do_not_reach_the_command() {
    let pod = Pod::new("env");
    let _server = pod.server();
    let output = pod.stub("env").run().succeeds();
    assert!(!output.contains("K8PSH_PROTOCOL") && !output.contains("K8PSH_UMASK"), "{output}");
}

/// Reads frames until this many bytes of a stream have come.
fn read_stream(peer: &mut Peer, kind: u8, length: usize) {
    let mut total = 0;
    while total < length {
        let frame = peer.frame().expect("more of the stream");
        if frame.kind == kind {
            total += frame.body.len();
        }
    }
    assert_eq!(total, length, "more than was credited");
}

/// Takes what the window lets through, all but little of it, and sees that not a byte more comes. Gives what came.
fn read_window(peer: &mut Peer, kind: u8, allowed: usize) -> usize {
    // A sender may wait for more credit rather than send a small frame.
    let little = 64 << 10;
    let mut total = 0;
    loop {
        let enough = total + little >= allowed;
        peer.0.set_read_timeout(Some(if enough { QUIET } else { support::DEADLINE })).expect("a time-out");
        if let Err(error) = peer.0.peek(&mut [0]) {
            assert!(enough, "{total} of {allowed}: {error}");
            break;
        }
        peer.0.set_read_timeout(Some(support::DEADLINE)).expect("a time-out");
        let frame = peer.frame().expect("more of the stream");
        if frame.kind == kind {
            total += frame.body.len();
        }
        assert!(total <= allowed, "more than was credited");
    }
    peer.0.set_read_timeout(Some(support::DEADLINE)).expect("a time-out");
    total
}

/// How long nothing comes before nothing more is expected. Too short on a busy machine, a test misses a mistake.
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn a_server_sends_no_more_than_the_window_and_what_is_credited() {
    let pod = Pod::new("flood cat /dev/zero\nerrors sh -c 'exec cat /dev/zero >&2'");
    let _server = pod.server();
    for (name, kind, credit) in [("flood", 5, 23), ("errors", 6, 24)] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &HELLO, &[], name));
        let mut left = WINDOW - read_window(&mut peer, kind, WINDOW);
        for more in [1, 100_000, WINDOW] {
            peer.send(&number(credit, u32::try_from(more).expect("a credit")));
            left += more;
            left -= read_window(&mut peer, kind, left);
        }
    }
}

#[test]
fn a_server_gives_credit_for_what_the_command_has_read() {
    let pod = Pod::new("count wc -c");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &HELLO, &[], "count"));
    assert_eq!(peer.frame().map(|frame| frame.kind), Some(16));
    let mut credit = WINDOW;
    for _ in 0..16 {
        peer.send(&data(4, &[b'x'; 65536]));
        credit -= 65536;
        while credit < 65536 {
            let frame = peer.frame().expect("credit");
            assert_eq!(frame.kind, 22, "{frame:?}");
            credit += usize::try_from(frame.number).expect("a number");
            assert!(credit <= WINDOW, "more than there is");
        }
    }
    peer.send(&data(4, b""));
    assert_eq!(content(&peer.frames(), 5), b"1048576\n");
}

#[test]
fn a_signal_and_a_hang_up_travel_as_frames() {
    let pod = Pod::new(
        "traps sh -c 'trap \"echo usr1; exit 4\" USR1; echo ready; while :; do sleep 0.01; done'\n\
         flood cat /dev/zero",
    );
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &HELLO, &[], "traps"));
    read_stream(&mut peer, 5, "ready\n".len());
    peer.send(&number(20, 10));
    let frames = peer.frames();
    assert_eq!(content(&frames, 5), b"usr1\n");
    assert_eq!(numbers(&frames, 8), [4]);

    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &HELLO, &[], "flood"));
    read_window(&mut peer, 5, WINDOW);
    peer.send(&number(25, 5));
    let frames = peer.frames();
    assert_eq!(frames.last(), Some(&Frame { kind: 18, number: 13, body: Vec::new() }));
}

#[test]
fn a_stub_sends_no_more_than_the_window_and_what_is_credited() {
    let pod = Pod::new("far");
    let (mut stub, listener) = stub_and_listener(&pod, "far");
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    peer.send(&number(16, 2));
    let mut stdin = stub.stdin.take().expect("stdin");
    // Ends when the stub goes.
    let writer = thread::spawn(move || while stdin.write_all(&[b'x'; 4096]).is_ok() {});
    let mut left = WINDOW - read_window(&mut peer, 4, WINDOW);
    for more in [1, 100_000, WINDOW] {
        peer.send(&number(22, u32::try_from(more).expect("a credit")));
        left += more;
        left -= read_window(&mut peer, 4, left);
    }
    peer.send(&number(8, 0));
    assert_eq!(stub.end().code(), Some(0));
    writer.join().expect("the writer");
}

#[test]
fn a_stub_gives_credit_reports_signals_and_shows_failures() {
    let pod = Pod::new("far");
    let (mut stub, listener) = stub_and_listener(&pod, "far");
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    peer.send(&number(16, 2));
    let mut credit = 0;
    let mut stdout = stub.stdout.take().expect("stdout");
    let reader = thread::spawn(move || support::read_all(&mut stdout).len());
    for _ in 0..4 {
        peer.send(&data(5, &[b'x'; 65536]));
    }
    while credit < WINDOW / 2 {
        let frame = peer.frame().expect("credit");
        assert_eq!(frame.kind, 23, "{frame:?}");
        credit += usize::try_from(frame.number).expect("a number");
    }
    stub.signal(Signal::SIGUSR2);
    let frame = std::iter::from_fn(|| peer.frame()).find(|frame| frame.kind == 20);
    assert_eq!(frame, Some(Frame { kind: 20, number: 12, body: Vec::new() }));
    peer.send(&data(17, b"it went wrong"));
    peer.send(&number(8, 126));
    assert_eq!(stub.end().code(), Some(126));
    assert_eq!(reader.join().expect("the reader"), WINDOW);
    let (_, err) = output(&mut stub);
    assert!(err.starts_with("far: ") && err.contains("it went wrong") && err.lines().count() == 1, "{err:?}");
}

#[test]
fn a_stub_dies_of_the_signal_that_the_server_reports() {
    let pod = Pod::new("far");
    let (mut stub, listener) = stub_and_listener(&pod, "far");
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    peer.send(&[number(16, 2), data(5, b"last"), number(18, 11)].concat());
    let status = stub.end();
    assert_eq!((status.signal(), status.core_dumped()), (Some(11), false), "{status}");
    assert_eq!(output(&mut stub).0, "last");
}

#[test]
fn a_request_that_is_cut_anywhere_is_one_line_in_the_log() {
    let pod = Pod::new("true WORD=");
    let server = pod.server();
    let request = request("sub", &["K8PSH_PROTOCOL=2", "WORD=text"], &["argument", ""], "true");
    for length in 1..request.len() {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request[..length]);
        if length % 2 == 0 {
            peer.close_sending();
            peer.frames();
        }
    }
    let lines = request.len() - 1;
    until_true("one line each", || server.log().lines().count() == lines);
    assert!(server.log().lines().all(|line| line.starts_with("k8pshd: ")), "{}", server.log());
    assert_eq!(pod.stub("true").run().succeeds(), "");
    assert_eq!(server.log().lines().count(), lines, "{}", server.log());
}

#[test]
fn a_connection_that_says_nothing_and_goes_is_no_trouble() {
    let pod = Pod::new("true");
    let server = pod.server();
    for _ in 0..50 {
        Peer::connect(pod.port());
    }
    assert_eq!(pod.stub("true").run().succeeds(), "");
    until_true("the sessions end", || pod.processes().len() == 1);
    assert!(server.log().lines().count() <= 50, "{}", server.log());
}

#[test]
fn garbage_ends_its_session_with_one_line_and_disturbs_nothing() {
    let pod = Pod::new("true\ncat");
    let server = pod.server();
    let mut witness = pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let mut garbage: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.0\r\n".to_vec(),
        vec![0xff; 1000],
        data(1, b"no equals sign").into_iter().chain(data(3, b"no such command")).collect(),
        data(3, b""),
        data(3, b"../../bin/sh"),
        data(3, &[b'x'; 5000]),
        data(1, &[b'x'; 200_000]),
        data(0, &[b'x'; 100_000]),
        data(2, b"with\0NUL").into_iter().chain(data(3, b"true")).collect(),
        data(1, b"A\0B=C\0").into_iter().chain(data(3, b"tr\0ue")).collect(),
    ];
    // Lengths that no buffer has.
    garbage.extend((0..=6).map(|kind| number(kind, 0xffff_ffff)));
    garbage.extend((0..=6).map(|kind| number(kind, 0x8000_0000)));
    // Types that do not belong into a request.
    garbage.extend((4..=255).map(|kind| number(kind, 0)));
    // More than a request may hold, in strings and in their number.
    garbage.push(data(2, &[b'x'; 100_000]).repeat(30));
    garbage.push(data(2, b"").repeat(3 << 20));
    let count = garbage.len();
    for bytes in garbage {
        let mut peer = Peer::connect(pod.port());
        peer.try_send(&bytes);
        peer.close_sending();
        if bytes.first().is_some_and(|kind| support::frames::is_unknown(*kind)) {
            // No stub's: it is told in plain text.
            let text = peer.text();
            assert!(
                text.starts_with("k8pshd: frame of unknown type ") && text.ends_with("stubs\n"),
                "{bytes:.40?}: {text:?}"
            );
            continue;
        }
        let frames = peer.frames();
        assert!(frames.iter().all(|frame| matches!(frame.kind, 5 | 6 | 8)), "{bytes:.40?}: {frames:?}");
    }
    until_true("a line each", || server.log().lines().count() >= count);
    assert!(server.log().lines().count() <= count, "{}", server.log());
    assert!(
        server.log().lines().all(|line| line.starts_with("k8pshd: ") && !line.contains("panic")),
        "{}",
        server.log()
    );
    witness.stdin.as_mut().expect("stdin").write_all(b"still here\n").expect("a line");
    assert_eq!(read_line(witness.stdout.as_mut().expect("stdout")), "still here\n");
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn random_bytes_never_hurt_the_listener() {
    let pod = Pod::new("true");
    let server = pod.server();
    let mut random = fastrand::Rng::with_seed(9);
    for _ in 0..300 {
        let mut bytes = vec![0; random.usize(1..2000)];
        random.fill(&mut bytes);
        // Often a plausible start.
        if random.bool() {
            bytes[0] = random.u8(0..26);
        }
        if random.bool() && bytes.len() > 4 {
            bytes[1..5].copy_from_slice(&random.u32(..2000).to_le_bytes());
        }
        let mut peer = Peer::connect(pod.port());
        peer.try_send(&bytes);
        peer.close_sending();
        while peer.0.peek(&mut [0]).is_ok_and(|count| count > 0) {
            _ = peer.frame();
        }
    }
    assert_eq!(pod.stub("true").run().succeeds(), "");
    assert!(!server.log().contains("panic"), "{}", server.log());
}

#[test]
fn garbage_behind_a_frame_is_answered_in_frames() {
    let pod = Pod::new("cat");
    let server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&[data(frames::VARIABLE, b"K8PSH_PROTOCOL=2"), b"GET / HTTP/1.1\r\n".to_vec()].concat());
    let frames = peer.frames();
    assert_eq!(frames.first().map(|frame| (frame.kind, frame.number)), Some((frames::HELLO, 2)), "{frames:?}");
    assert_eq!(content(&frames, frames::FAILURE), b"frame of unknown type 71");
    assert_eq!(numbers(&frames, frames::EXIT), [125]);
    until_true("a line in the log", || server.log() == "k8pshd: a connection: frame of unknown type 71\n");
}

#[test]
fn a_client_that_has_its_answer_and_stays_is_left() {
    let pod = Pod::new("true");
    let _server = pod.server();
    for protocol in ["", "K8PSH_PROTOCOL=2"] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &[protocol], &[], "true"));
        while peer.frame().expect("an answer").kind != frames::EXIT {}
        let answered = Instant::now();
        assert!(peer.is_closed_in_order(), "it sends nothing more");
        // What this end sends now is an error for it as soon as the other end is closed as well.
        until_true("the other end is closed", || peer.0.write_all(b"\x04\0\0\0\0").is_err());
        assert!(answered.elapsed() > Duration::from_millis(1500), "{:?}", answered.elapsed());
    }
}

#[test]
fn a_drain_waits_for_no_connection_that_runs_nothing() {
    let pod = Pod::new("true");
    let mut server = pod.server();
    let silent = Peer::connect(pod.port());
    let mut begun = Peer::connect(pod.port());
    begun.send(&data(frames::VARIABLE, b"K8PSH_PROTOCOL=2"));
    assert_eq!(begun.frame().map(|frame| frame.kind), Some(frames::HELLO));
    let mut answered = Peer::connect(pod.port());
    answered.send(&request("", &[], &[], "true"));
    while answered.frame().expect("an answer").kind != frames::EXIT {}
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    drop((silent, begun, answered));
}

#[test]
fn a_server_that_is_told_twice_leaves_a_client_that_does_not_read() {
    let pod = Pod::new("head head -c 20000000 /dev/zero");
    let mut server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &[], &[], "head"));
    let command = pod.until_running("head", 1)[0];
    // It has written what fits, and nobody reads more.
    until_true("the command waits", || command.state() == Some('S'));
    server.signal(Signal::SIGTERM);
    until_true("the port is closed", || !is_listening(pod.port()));
    let start = Instant::now();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop(peer);
}

#[test]
fn garbage_after_the_start_ends_the_command() {
    let pod = Pod::new("stay sh -c 'echo $$ >pid; exec sleep 1000'");
    let server = pod.server();
    for (round, bytes) in [
        number(9, 0),
        number(255, 0),
        number(4, 0xffff_ffff),
        data(2, b"late argument"),
        data(3, b"stay"),
        number(8, 0),
        number(16, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &[], &[], "stay"));
        wait_for_file(pod.work().join("pid"));
        pod.until_running("sleep", 1);
        peer.try_send(&bytes);
        if bytes[0] == 4 {
            // It is held back as any data until the connection ends.
            peer.close_sending();
            drop(peer);
        } else {
            peer.frames();
        }
        until_true("the command is gone", || pod.running("sleep").is_empty());
        fs::remove_file(pod.work().join("pid")).expect("the file");
        until_true("a line in the log", || server.log().lines().count() > round);
    }
    assert!(!server.log().contains("panic"), "{}", server.log());
}

#[test]
fn a_peer_that_reads_nothing_holds_up_no_one_and_loses_its_command_when_it_goes() {
    let pod = Pod::new("flood cat /dev/zero\ntrue");
    let _server = pod.server();
    for variables in [&HELLO[..], &[]] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", variables, &[], "flood"));
        pod.until_running("cat", 1);
        assert_eq!(pod.stub("true").run().succeeds(), "");
        drop(peer);
        until_true("the command is gone", || pod.running("cat").is_empty());
    }
}
