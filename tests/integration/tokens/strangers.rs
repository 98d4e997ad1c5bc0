//! Connections that have not proven that they have the token.

use super::*;

#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    if lacks_open_files(2048) {
        return;
    }
    let pod = with_file("", "true");
    let server = pod.server();
    pod.stub_path("true");
    let start = Instant::now();
    let before = silent_ones(pod.port(), 999);
    assert_eq!(pod.stub("true").run().succeeds(), "");
    let took = start.elapsed();
    until_true("no process is there for any of them", || pod.children(server.process().0).is_empty());
    if took < Duration::from_secs(4) {
        assert_eq!(count(&server, "no token"), 0, "{}", server.log());
    }
    drop(before);
    // Who looks whether somebody listens is no failure.
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn the_usual_limit_of_open_files_has_room_for_all_that_may_wait() {
    if lacks_open_files(2048) {
        return;
    }
    let pod = trigger("", "go echo went");
    let mut command = pod.command("sh");
    command.args(["-c", "ulimit -Sn 1024 && exec \"$0\" --name box"]).arg(pod.path("bin/k8pshd"));
    let server = pod.start(command);
    let silent = silent_ones(pod.port(), 1100);
    let mut stream = from_another_address(pod.port());
    stream.write_all(format!("{TOKEN}\n").as_bytes()).expect("the server takes it");
    assert_eq!(crate::support::read_all(&mut stream), b"went\n");
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
    assert!(is_closed(&silent[0]));
}

#[test]
fn the_oldest_silent_one_goes_where_there_are_too_many() {
    if lacks_open_files(2048) {
        return;
    }
    let pod = with_file("", "true");
    let server = pod.server();
    pod.stub_path("true");
    let connections = silent_ones(pod.port(), 1030);
    until_logged(&server, "no token", 6);
    connections[..6].iter().for_each(|connection| assert!(is_closed(connection)));
    // Of this address are the failures too: it waits, and gets in.
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn who_says_nothing_or_too_little_has_five_seconds() {
    let pod = with_file("", "true");
    let server = pod.server();
    let start = Instant::now();
    let nothing = silent(pod.port());
    let mut half = silent(pod.port());
    half.write_all(&GUESS[..20]).expect("a part");
    let mut slow = silent(pod.port());
    let dripping = thread::spawn(move || {
        for byte in GUESS {
            if slow.write_all(&[byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(300));
        }
        slow
    });
    assert!(is_closed(&nothing) && is_closed(&half));
    let took = start.elapsed();
    assert!(took > Duration::from_millis(4900) && took < Duration::from_secs(9), "{took:?}");
    assert!(is_closed(&dripping.join().expect("the slow one")));
    until_logged(&server, "127.0.0.1: no token", 3);
}

#[test]
fn a_log_that_nobody_reads_does_not_have_others_wait_for_those_without_the_token() {
    if lacks_open_files(2048) {
        return;
    }
    let pod = trigger("--log=none", "go echo went");
    let (_reader, writer) = nix::unistd::pipe().expect("a pipe");
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).expect("flags");
    while nix::unistd::write(&writer, &[b'x'; 4096]).is_ok() {}
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).expect("flags");
    let mut command = pod.k8pshd();
    let _server = command.args(["--name", "box"]).stderr(writer).live();
    until_true("the server listens", || crate::support::is_listening(pod.port()));
    // A line each: a part of a token, and then nothing.
    let silent = silent_ones(pod.port(), 200);
    silent.iter().for_each(|mut stream| stream.write_all(b"x").expect("a part"));
    assert!(is_closed(&silent[0]));
    let start = Instant::now();
    let mut stream = from_another_address(pod.port());
    stream.write_all(format!("{TOKEN}\n").as_bytes()).expect("the server takes it");
    assert_eq!(crate::support::read_all(&mut stream), b"went\n");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// The first message of a stub that does not have the token, which is closed without a byte: the time that it took since
/// the last one, if that has just ended.
fn guess(port: u16) -> Duration {
    let start = Instant::now();
    let mut peer = Peer::connect(port);
    peer.send(&GUESS);
    assert!(peer.is_over());
    start.elapsed()
}

#[test]
fn the_delay_of_an_address_grows_and_is_its_own() {
    let pod = with_file("--listen=0.0.0.0", "true");
    let server = server_listening(&pod);
    let start = Instant::now();
    assert!(guess(pod.port()) < Duration::from_millis(90), "the first is judged at once");
    // Together: a delay begins where the server closed the connection before it, which a busy machine shows late.
    let ends: Vec<_> = (0..5).map(|_| (guess(pod.port()), start.elapsed()).1).collect();
    for (end, least) in ends.iter().zip([100, 300, 700, 1500, 3100]) {
        assert!(*end >= Duration::from_millis(least), "{ends:?}");
    }
    until_logged(&server, "127.0.0.1: wrong token", 6);
    // From another address, beside one that waits for three seconds.
    let waiting = thread::spawn({
        let port = pod.port();
        move || guess(port)
    });
    let mut peer = Peer(from_another_address(pod.port()));
    peer.0.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    let start = Instant::now();
    peer.send(&GUESS);
    assert!(peer.is_over());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(waiting.join().expect("the one that waits") > Duration::from_millis(2500));
    until_logged(&server, "127.0.0.9: wrong token", 1);
    // Who gets in is forgiven.
    assert_eq!(pod.stub("true").run().succeeds(), "");
    assert!(guess(pod.port()) < Duration::from_secs(1));
}

#[test]
fn nobody_guesses_without_an_address_by_a_reset_before_the_connection_is_accepted() {
    let pod = trigger("--detach-on-close", "go echo went");
    let server = pod.server();
    server.process().signal(Signal::SIGSTOP);
    until_true("it is stopped", || server.process().state() == Some('T'));
    for _ in 0..3 {
        let mut stream = silent(pod.port());
        stream.write_all(b"wrong\n").expect("a part");
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&stream, sockopt::Linger, &linger).expect("a reset");
    }
    server.process().signal(Signal::SIGCONT);
    assert_eq!(ask(pod.port(), format!("{TOKEN}\n").as_bytes()), "went\n");
    assert_eq!(count(&server, "wrong token"), 0, "{}", server.log());
}

#[test]
fn connections_that_reset_at_every_point_harm_nobody() {
    let pod = with_file("", "true");
    let server = pod.server();
    let bytes = GUESS;
    for length in 0..bytes.len() {
        let mut stream = silent(pod.port());
        stream.write_all(&bytes[..length]).expect("a part");
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&stream, sockopt::Linger, &linger).expect("a reset");
    }
    assert_eq!(pod.stub("true").run().succeeds(), "");
    until_true("no process is left", || pod.children(server.process().0).is_empty());
    until_true("the connections are gone", || {
        let number = server.process().0;
        fs::read_dir(format!("/proc/{number}/fd")).expect("descriptors").count() < 20
    });
}

#[test]
fn noise_is_closed_without_a_byte() {
    let pod = with_file("", "true");
    let server = pod.server();
    let megabyte = vec![b'x'; 1 << 20];
    for noise in [&b"GET / HTTP/1.0\r\n\r\n"[..], &b"GET / HTTP/1.0\r\n\r\n".repeat(3), &megabyte, &[255; 64]] {
        let mut stream = silent(pod.port());
        // It may be closed before all of it is taken.
        _ = stream.write_all(noise);
        assert!(is_closed(&stream));
    }
    // Too little is missed when its time is over.
    until_logged(&server, "127.0.0.1: no token", 1);
    until_logged(&server, "127.0.0.1: wrong token", 3);
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn a_stub_sends_nothing_to_a_server_that_does_not_have_the_token() {
    let pod = with_file("", "true SECRET=");
    pod.link_stub("true");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    // A stranger's own message, and the stub's, which is the best that a stranger has.
    for is_echo in [false, true] {
        let listener = listener.try_clone().expect("the port");
        let server = thread::spawn(move || {
            let mut peer = Peer::accept(&listener);
            let mut message = [0; 48];
            peer.0.read_exact(&mut message).expect("the stub's message");
            peer.send(if is_echo { &message } else { &GUESS });
            let mut rest = Vec::new();
            _ = peer.0.read_to_end(&mut rest);
            rest
        });
        pod.stub("true").env("SECRET", "abc").run().fails(125, "true", &["it does not have this token"]);
        assert_eq!(server.join().expect("the stranger"), b"");
    }
}

#[test]
fn those_with_the_token_wait_in_turn_for_room() {
    let pod = with_file("--max-sessions=1", "turn sh -c 'echo x >>log; sleep 0.1'");
    let _server = pod.server();
    let stubs: Vec<_> = (0..10).map(|_| pod.stub("turn").live()).collect();
    have_all_run(&pod, stubs);
}

#[test]
fn many_at_once_all_get_in() {
    let pod = with_file("--max-sessions=16", "cat");
    let _server = pod.server();
    pod.stub_path("cat");
    thread::scope(|scope| {
        for number in 0..8 {
            let pod = &pod;
            scope.spawn(move || {
                for round in 0..25 {
                    let text = format!("{number} {round}");
                    assert_eq!(pod.stub("cat").run_with(text.as_bytes()).succeeds(), text);
                }
            });
        }
    });
}
