//! A server of 0.9, or none at all, at the other end of this stub.

use super::*;

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
    assert!(frames.iter().all(|frame| frame.kind <= START), "{frames:?}");
    assert_eq!(bodies(DIRECTORY), ["a b"]);
    assert_eq!(bodies(ARGUMENT), ["one", ""]);
    assert_eq!(bodies(START), ["far"]);
    let variables = bodies(VARIABLE);
    assert_eq!(variables[0], "K8PSH_PROTOCOL=2");
    let own = |name: &str| variables.iter().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
    let mask = own("K8PSH_UMASK=").expect("the umask");
    assert!(u32::from_str_radix(&mask, 8).is_ok_and(|mask| mask <= 0o777), "{mask}");
    let ignored = own("K8PSH_IGNORED=").expect("the ignored signals");
    assert!(u64::from_str_radix(&ignored, 16).is_ok(), "{ignored}");
    let listed: Vec<_> = variables.iter().filter(|word| !word.starts_with("K8PSH_")).collect();
    assert_eq!(listed, ["LISTED=value"]);

    assert_eq!(peer.frame(), Some(Frame::of(INPUT, 0)), "end of input");
    let streams = [data(OUTPUT, b"out"), data(ERROR, b"err"), data(OUTPUT, b""), data(ERROR, b"")].concat();
    peer.send(&[streams, number(EXIT, 7)].concat());
    assert_eq!(peer.frames(), [], "nothing that 0.9 does not know");
    assert_eq!(output(&mut stub), ("out".to_owned(), "err".to_owned()));
    assert_eq!(stub.end().code(), Some(7));
}

#[test]
fn a_server_of_0_9_exchanges_data_with_the_stub() {
    let pod = Pod::new("far");
    let (mut stub, mut peer) = stub_and_server(&pod);
    // More than any window: 0.9 gives no credit.
    let text = vec![b'x'; 1 << 20];
    let mut stdin = stub.stdin.take().expect("stdin");
    let mut stdout = stub.stdout.take().expect("stdout");
    let copy = text.clone();
    let writer = thread::spawn(move || stdin.write_all(&copy).expect("the stub reads"));
    let mut got = Vec::new();
    loop {
        let frame = peer.frame().expect("input");
        assert_eq!(frame.kind, INPUT, "{frame:?}");
        if frame.number == 0 {
            break;
        }
        got.extend(frame.body);
    }
    writer.join().expect("the writer");
    assert!(got == text, "not the same bytes");
    let reader = thread::spawn(move || crate::support::read_all(&mut stdout));
    for piece in text.chunks(50_000) {
        peer.send(&data(OUTPUT, piece));
    }
    peer.send(&number(EXIT, 0));
    assert!(reader.join().expect("the reader") == text, "not the same bytes");
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn the_exit_code_of_a_server_of_0_9_is_taken_as_wait_would_report_it() {
    for (sent, code) in [(0, 0), (255, 255), (0xffff_ffff, 255), (256, 0), (0x8000_0001, 1)] {
        let pod = Pod::new("far");
        let (mut stub, mut peer) = stub_and_server(&pod);
        peer.send(&number(EXIT, sent));
        assert_eq!(stub.end().code(), Some(code), "{sent:#x}");
    }
}

#[test]
fn a_server_of_0_9_that_hangs_up_is_a_lost_connection() {
    let pod = Pod::new("far");
    let (mut stub, mut peer) = stub_and_server(&pod);
    peer.send(&data(OUTPUT, b"before\n"));
    drop(peer);
    assert_eq!(stub.end().code(), Some(125));
    let (out, err) = output(&mut stub);
    assert_eq!(out, "before\n");
    assert!(err.starts_with("far: ") && err.lines().count() == 1, "{err:?}");
}

#[test]
fn a_server_of_0_9_closes_the_stubs_stdin() {
    let pod = Pod::new("far");
    let (mut stub, mut peer) = stub_and_server(&pod);
    peer.send(&number(INPUT, 0));
    let mut stdin = stub.stdin.take().expect("stdin");
    crate::support::until("the writer sees EPIPE", || stdin.write(b"x").err());
    peer.send(&number(EXIT, 0));
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_server_of_0_9_hears_of_no_signal_and_sees_the_end_of_a_stub_that_dies_of_one() {
    let pod = Pod::new("far");
    let (mut stub, mut peer) = stub_and_server(&pod);
    peer.send(&data(OUTPUT, b"ready\n"));
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "ready\n");
    stub.signal(Signal::SIGWINCH);
    stub.signal(Signal::SIGTERM);
    assert_eq!(peer.frames(), []);
    assert_eq!(stub.end().signal(), Some(15));
}

#[test]
fn a_stub_of_a_server_of_0_9_ignores_what_its_caller_had_it_ignore() {
    let pod = Pod::new("far");
    pod.link_stub("far");
    let (mut stub, mut peer) = call_and_server(&pod, pod.shell("trap '' HUP TSTP; exec far"));
    peer.send(&data(OUTPUT, b"ready\n"));
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "ready\n");
    stub.signal(Signal::SIGHUP);
    stub.signal(Signal::SIGTSTP);
    peer.send(&number(EXIT, 3));
    assert_eq!(stub.end().code(), Some(3));
}

#[test]
fn a_server_of_0_9_sees_an_end_and_no_reset_when_the_stub_is_killed() {
    // It takes a reset for a fault of its own, and leaves the command running.
    let pod = Pod::new("far");
    let (mut stub, mut peer) = stub_and_server(&pod);
    peer.send(&data(OUTPUT, b"ready\n"));
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
        let (mut stub, mut peer) = stub_and_server(&pod);
        peer.try_send(bytes);
        peer.close_sending();
        assert_eq!(stub.end().code(), Some(125), "{bytes:?}");
        let (out, err) = output(&mut stub);
        assert!(out.len() <= 1 && err.starts_with("far: ") && err.lines().count() == 1, "{bytes:?}: {out:?} {err:?}");
    }
}
