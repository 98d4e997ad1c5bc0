//! From an empty directory to a running stub, by nothing but what the program itself says.

use std::fs;
use std::process::Command;

use crate::support::terminal::Terminal;
use crate::support::{Pod, Run, until_true};

/// A program in `work`, without a variable that names a configuration.
fn bare(pod: &Pod, program: &str) -> Command {
    let mut command = pod.command(pod.path("bin").join(program));
    command.env_remove("K8PSH_CONFIG");
    command
}

#[test]
fn each_mistake_says_what_comes_next() {
    let pod = Pod::new("");
    bare(&pod, "k8psh").run().fails(125, "k8psh", &["no command given", "--list", "see k8psh --help"]);
    bare(&pod, "k8psh").arg("--list").run().fails(1, "k8psh", &["k8psh.conf: No such file", "k8psh --help"]);
    let help = bare(&pod, "k8psh").arg("--help").run().succeeds();
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let (port, id) = (pod.port(), &pod.id);
    // What it shows is a configuration that works.
    assert!(words.contains("[ tools:2102 ] =PATH=") && words.contains("upper tr a-z A-Z"), "{help}");
    let text = format!("[ tools:{port} ] =PATH= =K8PSH_TEST={id}\nupper tr a-z A-Z\n");
    fs::write(pod.work().join("k8psh.conf"), text).expect("the configuration");
    bare(&pod, "k8pshd").args(["--name", "client"]).run().has_no_section("client", 1);
    let mut server = bare(&pod, "k8pshd");
    server.args(["--name", "tools"]);
    let _server = pod.start(server);
    let mut stub = pod.command(pod.work().join("upper"));
    assert_eq!(stub.env_remove("K8PSH_CONFIG").run_with(b"hello\n").succeeds(), "HELLO\n");
}

/// A Pod whose stubs wait for so many milliseconds.
fn patient(milliseconds: &str) -> Pod {
    Pod::custom(|pod| {
        format!("baseDirectory = work\nconnectTimeoutMs = {milliseconds}\n{}\nhi echo hi\n", pod.section("=PATH="))
    })
}

#[test]
fn a_missing_server_is_named_with_what_to_look_at() {
    let pod = patient("0");
    pod.link_stub("hi");
    pod.stub("hi").run().fails(
        125,
        "hi",
        &["server box at ", "Connection refused; is k8pshd --name box running there?"],
    );
}

#[test]
fn at_a_terminal_a_stub_that_waits_says_for_what_and_how_long() {
    for (limit, words) in [("30000", "; waiting 29 s more (connectTimeoutMs)\r\n"), ("-1", "; waiting\r\n")] {
        let pod = patient(limit);
        pod.link_stub("hi");
        let mut terminal = Terminal::new();
        let mut live = terminal.start(&pod.stub("hi"));
        terminal.expect(&format!("hi: server box at 127.0.0.1:{}: Connection refused{words}", pod.port()));
        let _server = pod.server();
        terminal.expect("hi\r\n");
        assert!(live.end().success());
    }
}

#[test]
fn without_a_terminal_a_stub_waits_in_silence() {
    let pod = patient("1500");
    pod.link_stub("hi");
    let outcome = pod.stub("hi").run();
    outcome.fails(125, "hi", &["Connection refused"]);
    assert!(outcome.took.as_millis() >= 1500);
    until_true("nothing is left", || pod.processes().is_empty());
}
