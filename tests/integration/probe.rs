//! `k8psh --probe`: whether servers are up, by both transports, and nothing starts for it.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::support::frames::{DIRECTORY, HELLO, Peer, VARIABLE, data, number};
use crate::support::{Pod, Port, Process, Run, lacks_root, until_true};
use nix::sys::signal::Signal;

const TRANSPORTS: [&str; 3] = ["auto", "direct", "relay"];

/// A Pod whose server accepts this transport, and that server.
fn pod_with_server(transport: &str, words: &str) -> (Pod, crate::support::Server) {
    let pod = Pod::with_header(&format!("--transport={transport} {words}"), "true\ntouch touch touched");
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-d"]);
    let server = if transport == "direct" { pod.start_direct(command) } else { pod.start(command) };
    (pod, server)
}

fn probe(pod: &Pod, words: &[&str]) -> crate::support::Outcome {
    pod.k8psh().arg("--probe").args(words).run()
}

/// What a probe sends to a server.
fn probe_bytes() -> Vec<u8> {
    data(VARIABLE, b"K8PSH_PROTOCOL=2")
}

#[test]
fn a_server_that_is_up_answers_and_starts_nothing() {
    for transport in TRANSPORTS {
        let (pod, server) = pod_with_server(transport, "");
        for words in [&[][..], &["box"], &["--timeout", "20000"], &["box", "--timeout=20000"]] {
            assert_eq!(probe(&pod, words).succeeds(), "", "{transport} {words:?}");
        }
        for _ in 0..50 {
            assert_eq!(probe(&pod, &[]).succeeds(), "");
        }
        assert_eq!(pod.k8psh().args(["--timeout", "20000", "--probe", "box"]).run().succeeds(), "");
        until_true("the sessions are gone", || pod.children(server.process().0).is_empty());
        assert_eq!(server.log(), "", "{transport}");
        assert!(!pod.work().join("touched").exists());
    }
}

#[test]
fn a_server_that_is_absent_is_named_at_once() {
    for transport in TRANSPORTS {
        let pod = Pod::with_header(&format!("--transport={transport}"), "true");
        let outcome = probe(&pod, &["--timeout", "60000"]);
        outcome.fails(1, "k8psh", &["server box", &pod.port().to_string(), "Connection refused"]);
    }
}

#[test]
fn a_server_that_hangs_is_told_from_one_that_runs() {
    for transport in TRANSPORTS {
        let (pod, server) = pod_with_server(transport, "");
        let of_server = pod.stop_all();
        let outcome = probe(&pod, &["--timeout", "300"]);
        outcome.fails(1, "k8psh", &["server box", &pod.port().to_string(), "timed out"]);
        assert!(outcome.took >= Duration::from_millis(300), "{transport}: {:?}", outcome.took);
        of_server.iter().for_each(|process| process.signal(Signal::SIGCONT));
        assert_eq!(probe(&pod, &["--timeout", "20000"]).succeeds(), "", "{transport}");
        until_true("the sessions are gone", || pod.children(server.process().0).is_empty());
        assert_eq!(server.log(), "");
    }
}

#[test]
fn the_time_is_for_all_servers_together() {
    let ports = [0; 4].map(|_| Port::free());
    let _listeners = ports.each_ref().map(|port| TcpListener::bind(("127.0.0.1", port.number)).expect("a port"));
    let section = |port: &Port| format!("[ s{0}:{0} ] --transport=relay\ntrue\n", port.number);
    let pod = Pod::custom(|_| ports.iter().map(section).collect());
    let outcome = probe(&pod, &[]);
    outcome.fails(1, "k8psh", &[&format!("server s{}", ports[0].number), "timed out"]);
    // Far below what each of them for itself would take, and the default is one second.
    assert!((1000..3000).contains(&outcome.took.as_millis()), "{:?}", outcome.took);
}

#[test]
fn every_server_with_commands_is_asked_unless_one_is_named() {
    let second = Port::free();
    let pod = Pod::custom(|pod| {
        let (box_, next, id) = (pod.section(""), second.number, &pod.id);
        format!("baseDirectory=work\n[client:1]\n{box_}\ntrue\n[other:{next}] =K8PSH_TEST={id}\ntrue\n")
    });
    let start = |name: &str, port| {
        let mut command = pod.k8pshd();
        command.args(["-d", "-n", name]);
        pod.start_on(command, port)
    };
    let _first = start("box", pod.port());
    assert_eq!(probe(&pod, &["box"]).succeeds(), "");
    probe(&pod, &[]).fails(1, "k8psh", &["server other", &second.number.to_string()]);
    probe(&pod, &["other"]).fails(1, "k8psh", &["server other"]);
    probe(&pod, &["client"]).fails(1, "k8psh", &["server client"]);
    probe(&pod, &["nobody"]).fails(1, "k8psh", &["there is no server nobody", &pod.config().display().to_string()]);
    let _second = start("other", second.number);
    assert_eq!(probe(&pod, &[]).succeeds(), "");
}

#[test]
fn a_server_of_protocol_1_is_up_when_it_ends_as_the_request_does() {
    let pod = Pod::with_header("--transport=relay", "true");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let peer = Peer::accept(&listener);
            crate::support::read_all(&peer.0)
        });
        assert_eq!(probe(&pod, &["--timeout", "20000"]).succeeds(), "");
        assert_eq!(server.join().expect("the server"), probe_bytes(), "nothing that would start anything");
    });
}

#[test]
fn an_answer_that_is_none_and_a_reset_are_failures() {
    let pod = Pod::with_header("--transport=relay", "true");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    let answered = |bytes: &[u8], about: &str| {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut peer = Peer::accept(&listener);
                if bytes.is_empty() {
                    // What is closed with something unread in it is reset.
                    until_true("the question is there", || peer.0.peek(&mut [0]).is_ok_and(|count| count > 0));
                } else {
                    peer.send(bytes);
                    crate::support::read_all(&peer.0);
                }
            });
            probe(&pod, &["--timeout", "20000"]).fails(1, "k8psh", &["server box", about]);
        });
    };
    answered(b"HTTP/1.1 400 Bad Request\r\n", "Protocol error");
    answered(b"", "reset");
}

#[test]
fn a_request_that_ends_with_more_in_it_than_a_probe_is_still_reported() {
    let (pod, server) = pod_with_server("auto", "");
    let mut peer = Peer::connect(pod.port());
    peer.send(&probe_bytes());
    assert_eq!(peer.frame().map(|frame| (frame.kind, frame.number)), Some((HELLO, 2)));
    peer.close_sending();
    assert!(peer.is_closed_in_order());
    assert_eq!(server.log(), "");
    for more in [data(DIRECTORY, b"."), number(VARIABLE, 9)] {
        let before = server.log().lines().count();
        let mut peer = Peer::connect(pod.port());
        peer.send(&[probe_bytes(), more].concat());
        peer.close_sending();
        until_true("it is reported", || server.log().lines().count() > before);
    }
    assert!(server.log().contains("before its request was complete"), "{}", server.log());
}

#[test]
fn users_that_the_direct_transport_is_closed_to_find_the_server() {
    if lacks_root() {
        return;
    }
    let (pod, server) = pod_with_server("auto", "--allow-uid=12345");
    assert_eq!(probe(&pod, &[]).succeeds(), "");
    drop(server);
    let (pod, _server) = pod_with_server("direct", "--allow-uid=12345");
    probe(&pod, &[]).fails(1, "k8psh", &["server box at k8psh"]);
}

#[test]
fn a_full_server_does_not_answer_and_keeps_what_runs() {
    let pod = Pod::with_header("--max-sessions=1", "sleep");
    let server = pod.server();
    let mut stub = pod.stub("sleep").arg("1000").live();
    let command: Process = pod.until_running("sleep", 2)[0];
    probe(&pod, &["--timeout", "200"]).fails(1, "k8psh", &["server box", "timed out"]);
    assert!(!command.is_gone() && stub.is_running());
    stub.signal(Signal::SIGTERM);
    stub.end();
    assert_eq!(probe(&pod, &["--timeout", "20000"]).succeeds(), "");
    drop(server);
}

#[test]
fn what_makes_no_sense_is_an_error() {
    let pod = Pod::new("true");
    for (words, about) in [
        (&["--timeout", "x"][..], "x"),
        (&["--timeout=-1"], "-1"),
        (&["--timeout=0"], "--timeout: 0 is not a number from 1 to"),
        (&["--timeout="], "--timeout has an empty value"),
        (&["box", "other"], "other"),
        (&["--probe=box"], "--probe"),
        (&["--no-such-option"], "--no-such-option"),
    ] {
        probe(&pod, words).fails(1, "k8psh", &[about]);
    }
    // A server's time may be no limit.
    let mut server = pod.k8psh();
    server.args(["--timeout", "-1", "--server", "-n", "client", "-e"]).arg(pod.path("stubs"));
    assert_eq!(server.run().succeeds(), "");
    probe(&pod, &["-c", "/no/such/file"]).fails(1, "k8psh", &["/no/such/file"]);
}
