//! What protocol 2 adds: a greeting, credit, signals and reasons.

use super::*;

#[test]
fn a_client_of_protocol_2_is_greeted_before_anything_else() {
    let pod = Pod::new("true\nmissing /no/such/program\ndie sh -c 'kill -9 $$'\nmask sh -c umask");
    let _server = pod.server();
    let answer = |name: &str, variables: &[&str]| {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", variables, &[], name));
        let frames = peer.frames();
        assert_eq!(frames.first(), Some(&Frame::of(HELLO, 2)), "{frames:?}");
        frames
    };
    assert_eq!(answer("true", &NEGOTIATED).last(), Some(&Frame::of(EXIT, 0)));
    let frames = answer("missing", &NEGOTIATED);
    assert!(String::from_utf8_lossy(&content(&frames, FAILURE)).contains("/no/such/program"), "{frames:?}");
    assert!(content(&frames, ERROR).is_empty(), "{frames:?}");
    assert_eq!(frames.last(), Some(&Frame::of(EXIT, 127)));
    let frames = answer("die", &NEGOTIATED);
    assert_eq!(frames.last(), Some(&Frame::of(SIGNALED, 9)));
    assert!(numbers(&frames, EXIT).is_empty(), "{frames:?}");
    assert_eq!(content(&answer("mask", &["K8PSH_PROTOCOL=2", "K8PSH_UMASK=027"]), OUTPUT), b"0027\n");
    // What a later client brings with it is of no concern.
    assert_eq!(numbers(&answer("true", &["K8PSH_PROTOCOL=3", "K8PSH_LATER=x"]), EXIT), [0]);
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
        peer.0.set_read_timeout(Some(if enough { QUIET } else { crate::support::DEADLINE })).expect("a time-out");
        if let Err(error) = peer.0.peek(&mut [0]) {
            assert!(enough, "{total} of {allowed}: {error}");
            break;
        }
        peer.0.set_read_timeout(Some(crate::support::DEADLINE)).expect("a time-out");
        let frame = peer.frame().expect("more of the stream");
        if frame.kind == kind {
            total += frame.body.len();
        }
        assert!(total <= allowed, "more than was credited");
    }
    peer.0.set_read_timeout(Some(crate::support::DEADLINE)).expect("a time-out");
    total
}

/// How long nothing comes before nothing more is expected. Too short on a busy machine, a test misses a mistake.
const QUIET: Duration = Duration::from_millis(300);

#[test]
fn a_server_sends_no_more_than_the_window_and_what_is_credited() {
    let pod = Pod::new("flood cat /dev/zero\nerrors sh -c 'exec cat /dev/zero >&2'");
    let _server = pod.server();
    for (name, kind, credit) in [("flood", OUTPUT, OUTPUT_CREDIT), ("errors", ERROR, ERROR_CREDIT)] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &NEGOTIATED, &[], name));
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
    peer.send(&request("", &NEGOTIATED, &[], "count"));
    assert_eq!(peer.frame().map(|frame| frame.kind), Some(HELLO));
    let mut credit = WINDOW;
    for _ in 0..16 {
        peer.send(&data(INPUT, &[b'x'; 65536]));
        credit -= 65536;
        while credit < 65536 {
            let frame = peer.frame().expect("credit");
            assert_eq!(frame.kind, INPUT_CREDIT, "{frame:?}");
            credit += usize::try_from(frame.number).expect("a number");
            assert!(credit <= WINDOW, "more than there is");
        }
    }
    peer.send(&data(INPUT, b""));
    assert_eq!(content(&peer.frames(), OUTPUT), b"1048576\n");
}

#[test]
fn a_signal_and_a_hang_up_travel_as_frames() {
    let pod = Pod::new(
        "traps sh -c 'trap \"echo usr1; exit 4\" USR1; echo ready; while :; do sleep 0.01; done'\n\
         flood cat /dev/zero",
    );
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &NEGOTIATED, &[], "traps"));
    read_stream(&mut peer, OUTPUT, "ready\n".len());
    peer.send(&number(SIGNAL, 10));
    let frames = peer.frames();
    assert_eq!(content(&frames, OUTPUT), b"usr1\n");
    assert_eq!(numbers(&frames, DELIVERED), [1]);
    assert_eq!(numbers(&frames, EXIT), [4]);

    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &NEGOTIATED, &[], "flood"));
    read_window(&mut peer, OUTPUT, WINDOW);
    peer.send(&number(HANG_UP, OUTPUT.into()));
    let frames = peer.frames();
    assert_eq!(frames.last(), Some(&Frame::of(SIGNALED, 13)));
}

#[test]
fn a_signal_for_a_command_that_has_ended_ends_its_stub_unless_that_ignores_it() {
    let pod = Pod::new("late sh -c 'head -c 300000 /dev/zero; exit 3'");
    let _server = pod.server();
    for (ignored, last) in [("K8PSH_IGNORED=0", Frame::of(SIGNALED, 1)), ("K8PSH_IGNORED=1", Frame::of(EXIT, 3))] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &["K8PSH_PROTOCOL=2", ignored], &[], "late"));
        read_window(&mut peer, OUTPUT, WINDOW);
        until_true("only the server and the session are left", || pod.processes().len() == 2);
        peer.send(&[number(SIGNAL, 1), number(OUTPUT_CREDIT, 65536)].concat());
        assert_eq!(peer.frames().last(), Some(&last), "{ignored}");
    }
}

#[test]
fn a_signal_that_comes_before_greeting_and_end_ends_the_stub() {
    let pod = Pod::new("far");
    let (mut stub, mut peer) = stub_and_server(&pod);
    stub.signal(Signal::SIGINT);
    until_true("the stub has taken it", || stub.process().number("status", "ShdPnd") == Some(0));
    peer.send(&[number(HELLO, 2), number(EXIT, 0)].concat());
    assert_eq!(stub.end().signal(), Some(Signal::SIGINT as i32));
}

#[test]
fn a_stub_sends_no_more_than_the_window_and_what_is_credited() {
    let pod = Pod::new("far");
    let (mut stub, mut peer) = stub_and_server(&pod);
    peer.send(&number(HELLO, 2));
    let mut stdin = stub.stdin.take().expect("stdin");
    // Ends when the stub goes.
    let writer = thread::spawn(move || while stdin.write_all(&[b'x'; 4096]).is_ok() {});
    let mut left = WINDOW - read_window(&mut peer, INPUT, WINDOW);
    for more in [1, 100_000, WINDOW] {
        peer.send(&number(INPUT_CREDIT, u32::try_from(more).expect("a credit")));
        left += more;
        left -= read_window(&mut peer, INPUT, left);
    }
    peer.send(&number(EXIT, 0));
    assert_eq!(stub.end().code(), Some(0));
    writer.join().expect("the writer");
}

#[test]
fn a_stub_gives_credit_reports_signals_and_shows_failures() {
    let pod = Pod::new("far");
    let (mut stub, mut peer) = stub_and_server(&pod);
    peer.send(&number(HELLO, 2));
    let mut credit = 0;
    let mut stdout = stub.stdout.take().expect("stdout");
    let reader = thread::spawn(move || crate::support::read_all(&mut stdout).len());
    for _ in 0..4 {
        peer.send(&data(OUTPUT, &[b'x'; 65536]));
    }
    while credit < WINDOW / 2 {
        let frame = peer.frame().expect("credit");
        assert_eq!(frame.kind, OUTPUT_CREDIT, "{frame:?}");
        credit += usize::try_from(frame.number).expect("a number");
    }
    stub.signal(Signal::SIGUSR2);
    let frame = std::iter::from_fn(|| peer.frame()).find(|frame| frame.kind == SIGNAL);
    assert_eq!(frame, Some(Frame::of(SIGNAL, 12)));
    peer.send(&data(FAILURE, b"it went wrong"));
    peer.send(&number(EXIT, 126));
    assert_eq!(stub.end().code(), Some(126));
    assert_eq!(reader.join().expect("the reader"), WINDOW);
    let (_, err) = output(&mut stub);
    assert!(err.starts_with("far: ") && err.contains("it went wrong") && err.lines().count() == 1, "{err:?}");
}

#[test]
fn a_stub_dies_of_the_signal_that_the_server_reports() {
    let pod = Pod::new("far");
    let (mut stub, mut peer) = stub_and_server(&pod);
    peer.send(&[number(HELLO, 2), data(OUTPUT, b"last"), number(SIGNALED, 11)].concat());
    let status = stub.end();
    assert_eq!((status.signal(), status.core_dumped()), (Some(11), false), "{status}");
    assert_eq!(output(&mut stub).0, "last");
}
