//! Requests that break off, and bytes that are no request.

use super::*;

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
    assert_eq!(server.log(), "");
}

/// How a server answers to garbage.
#[derive(Clone, Copy, Debug)]
enum Answer {
    /// In plain text: no stub sends that.
    Text,
    /// By one line on stderr and this exit code.
    Code(u32),
    /// Not at all: the client has ended in the middle of its request.
    Nothing,
}

/// Sends these bytes as a client that ends with them.
fn assert_answer(pod: &Pod, bytes: &[u8], expected: Answer) {
    let mut peer = Peer::connect(pod.port());
    peer.try_send(bytes);
    peer.close_sending();
    match expected {
        Answer::Text => {
            let text = peer.text();
            let is_told = text.starts_with("k8pshd: frame of unknown type ") && text.ends_with("stubs\n");
            assert!(is_told, "{bytes:.40?}: {text:?}");
        }
        Answer::Code(code) => {
            let frames = peer.frames();
            let kinds: Vec<_> = frames.iter().map(|frame| frame.kind).collect();
            assert_eq!(kinds, [ERROR, OUTPUT, ERROR, EXIT], "{bytes:.40?}: {frames:?}");
            assert_eq!(frames[3].number, code, "{bytes:.40?}: {frames:?}");
            let line = String::from_utf8_lossy(&frames[0].body).into_owned();
            assert!(line.starts_with("k8pshd: ") && line.ends_with('\n') && line.lines().count() == 1, "{line:?}");
        }
        Answer::Nothing => assert_eq!(peer.frames(), [], "{bytes:.40?}"),
    }
}

/// What no client sends, and how it is answered.
fn garbage() -> Vec<(Vec<u8>, Answer)> {
    use Answer::{Code, Nothing, Text};
    let mut garbage: Vec<(Vec<u8>, Answer)> = vec![
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), Text),
        (b"SSH-2.0-OpenSSH_9.0\r\n".to_vec(), Text),
        (vec![0xff; 1000], Text),
        ([data(VARIABLE, b"no equals sign"), data(START, b"no such command")].concat(), Code(127)),
        (data(START, b""), Code(127)),
        (data(START, b"../../bin/sh"), Code(127)),
        (data(START, &[b'x'; 5000]), Code(127)),
        (data(VARIABLE, &[b'x'; 200_000]), Code(125)),
        (data(DIRECTORY, &[b'x'; 100_000]), Nothing),
        ([data(ARGUMENT, b"with\0NUL"), data(START, b"true")].concat(), Code(125)),
        ([data(VARIABLE, b"A\0B=C\0"), data(START, b"tr\0ue")].concat(), Code(125)),
    ];
    // Lengths that no buffer has.
    garbage.extend((DIRECTORY..=ERROR).map(|kind| (number(kind, 0xffff_ffff), Nothing)));
    garbage.extend((DIRECTORY..=ERROR).map(|kind| (number(kind, 0x8000_0000), Nothing)));
    // Kinds that do not belong into a request.
    garbage.extend((INPUT..=255).map(|kind| (number(kind, 0), if is_known(kind) { Code(125) } else { Text })));
    // More than a request may hold, in strings and in their number.
    garbage.push((data(ARGUMENT, &[b'x'; 100_000]).repeat(30), Code(125)));
    garbage.push((data(ARGUMENT, b"").repeat(3 << 20), Code(125)));
    garbage
}

#[test]
fn garbage_ends_its_session_with_one_line_and_disturbs_nothing() {
    let pod = Pod::new("true\ncat");
    let server = pod.server();
    let mut witness = pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let garbage = garbage();
    for (bytes, answer) in &garbage {
        assert_answer(&pod, bytes, *answer);
    }
    until_true("a line each", || server.log().lines().count() >= garbage.len());
    let log = server.log();
    assert_eq!(log.lines().count(), garbage.len(), "{log}");
    assert!(log.lines().all(|line| line.starts_with("k8pshd: ") && !line.contains("panic")), "{log}");
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
            bytes[0] = random.u8(..=LAST);
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
fn garbage_after_the_start_ends_the_command() {
    let pod = Pod::new("stay sh -c 'echo $$ >pid; exec sleep 1000'");
    let server = pod.server();
    for (round, bytes) in [
        number(9, 0),
        number(255, 0),
        number(INPUT, 0xffff_ffff),
        data(ARGUMENT, b"late argument"),
        data(START, b"stay"),
        number(EXIT, 0),
        number(HELLO, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", &[], &[], "stay"));
        wait_for_file(pod.work().join("pid"));
        pod.until_running("sleep", 1);
        peer.try_send(&bytes);
        if bytes[0] == INPUT {
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
    for variables in [&NEGOTIATED[..], &[]] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request("", variables, &[], "flood"));
        pod.until_running("cat", 1);
        assert_eq!(pod.stub("true").run().succeeds(), "");
        drop(peer);
        until_true("the command is gone", || pod.running("cat").is_empty());
    }
}
