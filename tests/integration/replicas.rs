//! Servers that are replaced while they are called: no call is lost, and none is run twice. Each call counts itself.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::frames::{HELLO, START, data, number};
use crate::support::transport::Transport;
use crate::support::{Pod, Port, Run, Server, has_name, is_listening, until_true};
use nix::libc::linger;
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};

/// A command that adds a line to a file: one write, of bytes that are a call's own.
const COUNT: &str = "count sh -c 'echo $1 >>calls; cat' sh";

/// Calls at a time, and each one's share of them.
const CALLERS: usize = 16;
const CALLS: usize = 12;

/// Times that each server is replaced.
const ROUNDS: usize = 3;

/// Servers behind one address.
struct Replicas {
    pod: Pod,
    ports: Vec<Port>,
}

impl Replicas {
    /// A Pod whose stubs go to its port, and three servers elsewhere that have these words in their section's header.
    fn new(words: &str) -> Replicas {
        let text = |pod: &Pod, port: u16| {
            let token = pod.path("token");
            fs::write(&token, "a token\n").expect("the token");
            let words = words.replace("TOKEN", &token.display().to_string());
            let section = format!("[ box:{port} ] =PATH= =K8PSH_TEST={} --connect=127.0.0.1 {words}", pod.id);
            format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\n{COUNT}\n")
        };
        let pod = Pod::custom(|pod| text(pod, pod.port()));
        pod.link_stub("count");
        let ports: Vec<_> = (0..3).map(|_| Port::free()).collect();
        for port in &ports {
            fs::write(pod.path(format!("{}.conf", port.number)), text(&pod, port.number)).expect("a configuration");
        }
        Replicas { pod, ports }
    }

    fn server(&self, index: usize) -> Server {
        let port = self.ports[index].number;
        let mut command = self.pod.k8pshd();
        command.env("K8PSH_CONFIG", self.pod.path(format!("{port}.conf")));
        command.args(["--name", "box", "--disable-client-executables"]);
        self.pod.start_on(command, port)
    }

    /// Passes each connection on to the next server that takes it, and closes it where none does.
    fn balance(&self) -> Balancer {
        let listener = TcpListener::bind(("127.0.0.1", self.pod.port())).expect("the port");
        let ports: Vec<_> = self.ports.iter().map(|port| port.number).collect();
        let is_over = Arc::new(AtomicBool::new(false));
        let balancer = Balancer { port: self.pod.port(), is_over: is_over.clone() };
        thread::spawn(move || {
            for (index, client) in listener.incoming().flatten().enumerate() {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let found = (0..3).find_map(|step| TcpStream::connect(("127.0.0.1", ports[(index + step) % 3])).ok());
                if let Some(server) = found {
                    thread::spawn(move || relay(&client, &server));
                }
            }
        });
        balancer
    }
}

/// Ends with this value.
struct Balancer {
    port: u16,
    is_over: Arc<AtomicBool>,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Passes bytes both ways, the ends of both, and a reset as one.
fn relay(client: &TcpStream, server: &TcpStream) {
    thread::scope(|scope| {
        scope.spawn(|| pass(client, server));
        scope.spawn(|| pass(server, client));
    });
}

fn pass(mut from: &TcpStream, mut to: &TcpStream) {
    if io::copy(&mut from, &mut to).is_ok() {
        _ = to.shutdown(Shutdown::Write);
    } else {
        let reset = linger { l_onoff: 1, l_linger: 0 };
        for stream in [from, to] {
            _ = setsockopt(&stream, sockopt::Linger, &reset);
            // What ends it for the other thread must not say so to the peer before the reset does.
            _ = stream.shutdown(Shutdown::Read);
        }
    }
}

/// Makes calls while `replace` replaces servers, [`CALLS`] by each caller and more until [`ROUNDS`] were replaced, and looks at
/// how often each was run.
fn call_while(pod: &Pod, mut replace: impl FnMut(usize)) {
    let (next, rounds, failures) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut calls = 0;
                    while calls < CALLS || rounds.load(Ordering::Relaxed) < ROUNDS {
                        calls += 1;
                        let name = format!("call-{}", next.fetch_add(1, Ordering::Relaxed));
                        let outcome = pod.stub("count").arg(&name).run_with(name.as_bytes());
                        if !outcome.status.success() || outcome.out() != name {
                            failures.lock().expect("a lock").push(format!("{name}: {}", outcome.err()));
                        }
                    }
                })
            })
            .collect();
        while callers.iter().any(|caller| !caller.is_finished()) {
            replace(rounds.load(Ordering::Relaxed));
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    });
    let calls = fs::read_to_string(pod.work().join("calls")).expect("the calls");
    let mut calls: Vec<_> = calls.lines().map(str::to_owned).collect();
    calls.sort();
    let mut wanted: Vec<_> = (0..next.into_inner()).map(|number| format!("call-{number}")).collect();
    wanted.sort();
    let failures = failures.into_inner().expect("a lock");
    assert!(failures.is_empty(), "{} of {} failed: {failures:#?}", failures.len(), wanted.len());
    assert_eq!(calls, wanted, "each call is run once");
}

/// Tells a server to end, waits for that, and has another one in its place.
fn replace(server: &mut Server, next: impl FnOnce() -> Server) {
    server.signal(Signal::SIGTERM);
    assert!(server.end().success(), "{}", server.log());
    *server = next();
}

#[test]
fn no_call_is_lost_or_run_twice_while_servers_behind_a_balancer_are_replaced() {
    for words in ["--token-file=TOKEN", "--no-token"] {
        let replicas = Replicas::new(words);
        let mut servers: Vec<_> = (0..3).map(|index| replicas.server(index)).collect();
        let _balancer = replicas.balance();
        call_while(&replicas.pod, |round| {
            replace(&mut servers[round % 3], || replicas.server(round % 3));
        });
    }
}

#[test]
fn no_call_is_lost_or_run_twice_while_the_one_server_of_a_pod_is_replaced() {
    for transport in [Transport::Direct, Transport::Auto, Transport::Relay] {
        let pod = transport.pod(COUNT);
        pod.link_stub("count");
        let start = || {
            let mut command = pod.k8pshd();
            command.args(["--name", "box", "--disable-client-executables"]);
            pod.start_until(command, |port| is_listening(port) && has_name(port))
        };
        let mut server = start();
        call_while(&pod, |_| replace(&mut server, start));
    }
}

#[test]
fn a_server_that_ends_serves_what_waits_to_be_accepted() {
    for words in ["--max-sessions=1", "--max-sessions=1 --token-file=TOKEN --connect=127.0.0.1"] {
        let pod = Pod::custom(|pod| {
            fs::write(pod.path("token"), "a token\n").expect("the token");
            let words = words.replace("TOKEN", &pod.path("token").display().to_string());
            format!(
                "baseDirectory = work\nconnectTimeoutMs = 20000\n{}\nhold cat\n{COUNT}\n",
                pod.section(&format!("=PATH= {words}"))
            )
        });
        let mut server = pod.server();
        let mut holder = pod.stub("hold").stdin(Stdio::piped()).live();
        pod.until_running("cat", 1);
        let mut waiting: Vec<_> =
            (0..5).map(|number| pod.stub("count").arg(number.to_string()).stdin(Stdio::null()).live()).collect();
        until_true("they wait", || {
            let stubs = pod.running("count");
            stubs.len() == 5 && stubs.iter().all(|stub| stub.state() == Some('S'))
        });
        // A server that is told to end ends once it has served them, with no more at a time than before.
        server.signal(Signal::SIGTERM);
        until_true("the port is closed", || !is_listening(pod.port()));
        TcpStream::connect(("127.0.0.1", pod.port())).expect_err("nobody listens");
        assert!(!pod.work().join("calls").exists());
        drop(holder.stdin.take());
        assert!(holder.end().success());
        for stub in &mut waiting {
            let end = stub.end();
            assert!(end.success(), "{end:?}");
        }
        assert!(server.end().success());
        let calls = fs::read_to_string(pod.work().join("calls")).expect("the calls");
        assert_eq!(calls.lines().count(), 5, "{calls:?}");
    }
}

/// How a server leaves a connection.
#[derive(Clone, Copy, Debug)]
enum Leave {
    Closing,
    Resetting,
}

/// Takes the next connection, in which `request` is what it waits for before it leaves.
fn leave(listener: &TcpListener, how: Leave, until: &[u8], answer: &[u8]) {
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut arrived = Vec::new();
    while !arrived.windows(until.len()).any(|part| part == until) {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).expect("a request");
        assert!(count > 0, "the stub has left");
        arrived.extend_from_slice(&part[..count]);
        if arrived.len() == PROBE.len() {
            stream.write_all(answer).expect("an answer");
        }
    }
    if matches!(how, Leave::Resetting) {
        setsockopt(&stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 }).expect("a reset");
    }
}

/// The first frame of a stub.
const PROBE: &[u8] = b"\x01\x10\0\0\0K8PSH_PROTOCOL=2";

#[test]
fn a_stub_that_is_left_before_its_server_has_greeted_goes_to_the_next_one() {
    for how in [Leave::Closing, Leave::Resetting] {
        let pod = Pod::with_header("--connect=127.0.0.1 --no-token", "true");
        pod.link_stub("true");
        let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
        let mut stub = pod.stub("true").stdin(Stdio::null()).live();
        for _ in 0..5 {
            leave(&listener, how, PROBE, b"");
        }
        drop(listener);
        let _server = pod.server();
        assert!(stub.end().success(), "{how:?}");
    }
}

#[test]
fn a_request_that_a_server_has_taken_is_never_sent_again() {
    let hello = number(HELLO, 2);
    for (words, answer) in [("--connect=127.0.0.1 --no-token", &hello[..]), ("--transport=relay", b"")] {
        for how in [Leave::Closing, Leave::Resetting] {
            let pod = Pod::with_header(words, "true");
            pod.link_stub("true");
            let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
            let stub = thread::scope(|scope| {
                let stub = scope.spawn(|| pod.stub("true").run());
                leave(&listener, how, &data(START, b"true"), answer);
                stub.join().expect("the stub")
            });
            stub.fails(125, "true", &["the connection ended before the command did"]);
            listener.set_nonblocking(true).expect("a listener");
            assert!(listener.accept().is_err(), "{words} {how:?}: it has connected again");
        }
    }
}
