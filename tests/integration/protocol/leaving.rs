//! Clients that stay when they have nothing more to get, and what a server that ends does about them.

use super::*;
use crate::support::is_listening;
use std::time::Instant;

#[test]
fn garbage_behind_a_frame_is_answered_in_frames() {
    let pod = Pod::new("cat");
    let server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&[data(VARIABLE, b"K8PSH_PROTOCOL=2"), b"GET / HTTP/1.1\r\n".to_vec()].concat());
    let frames = peer.frames();
    assert_eq!(frames.first().map(|frame| (frame.kind, frame.number)), Some((HELLO, 2)), "{frames:?}");
    assert_eq!(content(&frames, FAILURE), b"frame of unknown type 71");
    assert_eq!(numbers(&frames, EXIT), [125]);
    until_true("a line in the log", || server.log() == "k8pshd: a connection: frame of unknown type 71\n");
}

#[test]
fn a_client_that_has_its_answer_and_stays_is_left() {
    let pod = Pod::new("true");
    let _server = pod.server();
    for protocol in ["", "K8PSH_PROTOCOL=2"] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &[protocol], &[], "true"));
        while peer.frame().expect("an answer").kind != EXIT {}
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
    begun.send(&data(VARIABLE, b"K8PSH_PROTOCOL=2"));
    assert_eq!(begun.frame().map(|frame| frame.kind), Some(HELLO));
    let mut answered = Peer::connect(pod.port());
    answered.send(&request("", &[], &[], "true"));
    while answered.frame().expect("an answer").kind != EXIT {}
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
fn a_server_that_is_told_twice_still_tells_how_a_command_has_ended() {
    const MORE: usize = 1000;
    let pod = Pod::new("late /bin/sh -c 'read line; exec head -c 263144 /dev/zero'");
    let mut server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &["K8PSH_PROTOCOL=2"], &[], "late"));
    let command = pod.until_running("sh", 1)[0];
    let session = command.parent().expect("it is a session's");
    peer.send(&data(INPUT, b"now\n"));
    let mut output = 0;
    while output < WINDOW {
        output += peer.frame().filter(|frame| frame.kind == OUTPUT).map_or(0, |frame| frame.body.len());
    }
    // The rest is in its pipe: there is no credit for it.
    until_true("the command has ended", || command.is_gone());
    server.signal(Signal::SIGTERM);
    until_true("the port is closed", || !is_listening(pod.port()));
    server.signal(Signal::SIGTERM);
    let has_taken = |pid: u32| {
        pod.processes().iter().find(|one| one.0 == pid).is_none_or(|one| one.number("status", "ShdPnd") == Some(0))
    };
    until_true("the listener has passed it on", || has_taken(server.process().0));
    until_true("the session has taken it", || has_taken(session));
    peer.send(&number(OUTPUT_CREDIT, u32::try_from(WINDOW).expect("small")));
    let frames = peer.frames();
    assert_eq!((content(&frames, OUTPUT).len(), numbers(&frames, EXIT)), (MORE, vec![0]));
    assert_eq!(server.end().code(), Some(0));
}
