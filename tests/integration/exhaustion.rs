//! Limits: of what a configuration and a request may hold, and of what the system gives. What is too much is refused with a
//! reason; what is missing for a moment is waited for.

use std::fmt::Write;
use std::process::Stdio;

use crate::support::frames::{self, Frame, Peer};
use crate::support::{Pod, Process, Run, lacks_programs, until, until_true};

/// A command whose configuration lists so many variables, with those that every Pod has.
fn with_variables(count: usize) -> String {
    let mut line = String::from("count");
    for number in 0..count - 2 {
        write!(line, " V{number}=x").expect("text");
    }
    line + " env -0"
}

#[test]
fn a_command_has_1024_variables_and_one_more_is_refused() {
    let pod = Pod::new(&with_variables(1024));
    let server = pod.server();
    assert_eq!(pod.stub("count").run().succeeds().matches('\0').count(), 1024);
    drop(server);
    let pod = Pod::new(&with_variables(1025));
    let _server = pod.server();
    pod.stub("count").run().fails(125, "count", &["more variables than 1024"]);
}

#[test]
fn defaults_that_are_expanded_have_256_kibibytes_together() {
    // Each line doubles what the one before it has: 1 KiB, at the end 128 KiB, all of them together 255 KiB.
    let doubled = |count: usize| -> String {
        (1..=count).fold(String::new(), |line, number| line + &format!(" 'V{number}=${{V{0}}}${{V{0}}}'", number - 1))
    };
    let line = |count| format!("size V0={}{} sh -c 'echo ${{#V1}}'", "x".repeat(1000), doubled(count));
    let pod = Pod::new(&line(6));
    let server = pod.server();
    assert_eq!(pod.stub("size").run().succeeds(), "2000\n");
    drop(server);
    let pod = Pod::new(&line(8));
    let _server = pod.server();
    pod.stub("size").run().fails(125, "size", &["V8: its value needs more than 262144 bytes"]);
}

#[test]
fn variables_of_a_request_that_are_too_large_are_refused_with_the_limit() {
    let pod = Pod::new("true A= B=");
    let _server = pod.server();
    // The kernel lets no stub be started with one of these, so they come from another client.
    let one = format!("A={}", "x".repeat(128 << 10));
    let all: Vec<_> = (0..21).map(|number| format!("V{number}={}", "x".repeat(100_000))).collect();
    let words =
        |list: &[String]| frames::request("", &list.iter().map(String::as_str).collect::<Vec<_>>(), &[], "true");
    for (request, limit) in [(words(&[one]), "the limit is 131072"), (words(&all), "2097152")] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&request);
        let answer = peer.frames();
        let error = String::from_utf8_lossy(&frames::content(&answer, frames::ERROR)).into_owned();
        assert!(error.starts_with("k8pshd: argument list too long") && error.contains(limit), "{error:?}");
        assert_eq!(answer.last(), Some(&Frame::of(frames::EXIT, 125)));
    }
}

/// Sets how many files a process may have open.
fn limit_open_files(process: Process, count: &str) {
    let mut prlimit = std::process::Command::new("prlimit");
    let outcome = prlimit.args([format!("--pid={}", process.0), format!("--nofile={count}:")]).run();
    assert_eq!(outcome.succeeds(), "");
}

const OVER: &str = "k8pshd: connections are accepted again\n";
const SHORT: &str = "k8pshd: cannot accept a connection: Too many open files; trying again\n";

#[test]
fn a_worker_without_a_free_descriptor_says_so_and_takes_the_connection_when_it_has_one() {
    if lacks_programs(&["prlimit"]) {
        return;
    }
    let pod = Pod::new("true");
    let server = pod.server();
    let is_waiting = |process: &Process| process.is_idle_worker();
    let workers = until("two workers wait", || {
        let all = pod.children_and_idle_workers(server.process().0);
        Some(all).filter(|all| all.len() >= 2 && all.iter().all(is_waiting))
    });
    for transport in ["direct", "relay"] {
        workers.iter().for_each(|worker| limit_open_files(*worker, "3"));
        let before = server.log().len();
        let mut stub = pod.stub("true").env("K8PSH_TRANSPORT", transport).stdin(Stdio::null()).live();
        until_true("it is told", || server.log().len() > before);
        assert!(stub.is_running(), "{transport}: it waits");
        workers.iter().for_each(|worker| limit_open_files(*worker, "1024"));
        assert_eq!(stub.end().code(), Some(0), "{transport}");
        until_true("they wait again", || workers.iter().all(is_waiting));
        pod.stub("true").run().succeeds();
        until_true("that it is over is told", || server.log()[before..].contains(OVER));
        assert_eq!(&server.log()[before..], [SHORT, OVER].concat(), "{transport}: each once");
    }
}

#[test]
fn a_listener_without_a_free_descriptor_says_so_once_and_takes_the_connection_when_it_has_one() {
    if lacks_programs(&["prlimit"]) {
        return;
    }
    // Where it has to count, the listener accepts by itself.
    let pod = Pod::with_header("--max-connections=2", "true");
    let mut server = pod.server();
    pod.stub_path("true");
    for transport in ["direct", "relay"] {
        limit_open_files(server.process(), "3");
        let before = server.log().len();
        let mut stub = pod.stub("true").env("K8PSH_TRANSPORT", transport).stdin(Stdio::null()).live();
        until_true("it is told", || server.log()[before..].contains(SHORT));
        assert!(stub.is_running(), "{transport}: it waits");
        limit_open_files(server.process(), "1024");
        assert_eq!(stub.end().code(), Some(0), "{transport}");
        assert_eq!(&server.log()[before..], [SHORT, OVER].concat(), "{transport}");
    }
    assert!(server.end().success());
}
