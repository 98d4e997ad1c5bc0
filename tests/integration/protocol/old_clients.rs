//! A client of 0.9 at this server.

use super::*;

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
    assert_only_old_kinds(&frames);
    assert_eq!(content(&frames, OUTPUT), b"hi me yes");
    assert_eq!(content(&frames, ERROR), b"oops");
    for kind in [OUTPUT, ERROR] {
        assert_eq!(numbers(&frames, kind).last(), Some(&0), "stream {kind} is closed: {frames:?}");
        assert_eq!(numbers(&frames, kind).iter().filter(|&&length| length == 0).count(), 1, "once: {frames:?}");
    }
    assert!(numbers(&frames, INPUT).iter().all(|&length| length == 0), "{frames:?}");
    assert_eq!(frames.last(), Some(&Frame::of(EXIT, 3)));
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
    // Whether the end of stdin is told depends on whether the command ends first.
    let is_told = bytes.windows(5).any(|part| part == b"\x04\x00\x00\x00\x00");
    assert_eq!(bytes.len(), if is_told { 28 } else { 23 }, "{bytes:?}");
}

#[test]
fn the_frames_of_a_request_come_in_any_order_and_in_any_pieces() {
    let pod = Pod::new("talk A= B= sh -c 'echo $A $B $*; pwd' sh");
    let _server = pod.server();
    fs::create_dir(pod.work().join("a")).expect("a directory");
    let request = [
        data(ARGUMENT, b"one"),
        data(VARIABLE, b"B=b"),
        data(ARGUMENT, b"two"),
        data(DIRECTORY, b"a"),
        data(VARIABLE, b"A=a"),
        data(ARGUMENT, b"three"),
        data(START, b"talk"),
        data(INPUT, b""),
    ]
    .concat();
    let expected = format!("a b one two three\n{}\n", pod.work().join("a").display());
    for size in [1, 2, 3, 5, 7, request.len()] {
        let mut peer = Peer::connect(pod.port());
        for piece in request.chunks(size) {
            peer.send(piece);
        }
        let frames = peer.frames();
        assert_eq!(String::from_utf8_lossy(&content(&frames, OUTPUT)), expected, "in pieces of {size}");
    }
}

#[test]
fn a_client_of_0_9_learns_of_death_by_signal_from_the_missing_exit_code() {
    let pod = Pod::new("die sh -c 'printf last; kill -9 $$'");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &[], &[], "die"));
    let frames = peer.frames();
    assert_only_old_kinds(&frames);
    assert_eq!(content(&frames, OUTPUT), b"last");
    assert!(numbers(&frames, EXIT).is_empty(), "{frames:?}");
}

#[test]
fn a_client_of_0_9_sees_errors_on_its_stderr() {
    let pod = Pod::new("missing /no/such/program\nplain ./plain");
    let _server = pod.server();
    fs::write(pod.work().join("plain"), "").expect("a file");
    for (name, code, about) in
        [("missing", 127, "/no/such/program"), ("plain", 126, "plain"), ("stranger", 127, "stranger")]
    {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &[], &[], name));
        let frames = peer.frames();
        assert_only_old_kinds(&frames);
        let error = String::from_utf8_lossy(&content(&frames, ERROR)).into_owned();
        assert!(error.starts_with("k8pshd: ") && error.ends_with('\n') && error.lines().count() == 1, "{error:?}");
        assert!(error.contains(about), "{error:?}");
        assert_eq!(frames.last(), Some(&Frame::of(EXIT, code)), "{frames:?}");
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
        peer.send(&number(TERMINATE, 0));
        let frames = peer.frames();
        assert_only_old_kinds(&frames);
        assert!(numbers(&frames, EXIT).is_empty(), "{frames:?}");
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
    assert_eq!(frame, Some(Frame::of(INPUT, 0)));
    assert_eq!(numbers(&peer.frames(), EXIT), [0]);
}

#[test]
fn a_client_of_0_9_that_sends_more_than_the_command_reads_is_held_back_by_tcp() {
    let pod = Pod::new("ignore sleep 1000\ncount sh -c 'sleep 0.2; wc -c'");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &[], &[], "ignore"));
    peer.0.set_write_timeout(Some(Duration::from_millis(500))).expect("a time-out");
    let frame = data(INPUT, &[b'x'; 65536]);
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
    peer.send(&data(INPUT, b""));
    assert_eq!(content(&peer.frames(), OUTPUT), b"10485760\n");
}
