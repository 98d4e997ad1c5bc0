//! `k8psh --status`: what a server runs, and how what it has run has ended.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use crate::support::frames::{ERROR, EXIT, Frame, OUTPUT, Peer, START, data, number, request};
use crate::support::terminal::Terminal;
use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Live, Outcome, Pod, Process, Run, Server, until, until_true, wait_for_file};
use nix::sys::signal::Signal;
use serde_json::Value;

fn status(pod: &Pod, words: &[&str]) -> Outcome {
    pod.k8psh().arg("--status").args(words).run()
}

/// The totals and the sessions of the server `box` of this Pod.
fn told(pod: &Pod) -> (Value, Vec<Value>) {
    let text = status(pod, &["box", "--json"]).succeeds();
    let mut all = rows(&text);
    assert!(all.iter().all(|object| object["section"] == "box"), "{text}");
    let totals = all.pop().expect("the totals");
    assert!(totals["session"].is_null() && all.iter().all(|object| object["session"].is_string()), "{text}");
    (totals, all)
}

/// What `--json` prints.
fn rows(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The next peer of a server that the test plays, once it has asked.
fn asked(listener: &TcpListener) -> Peer {
    let mut peer = Peer::accept(listener);
    while peer.frame().expect("a request").kind != START {}
    peer
}

fn sessions(pod: &Pod) -> Vec<Value> {
    told(pod).1
}

/// Waits until the only session is in this state.
fn until_in(pod: &Pod, state: &str) -> Value {
    until(&format!("a session is {state}"), || {
        let mut all = sessions(pod);
        assert!(all.len() <= 1, "{all:?}");
        all.pop().filter(|session| session["state"] == state)
    })
}

/// Waits until no session is shown, and returns the totals.
fn until_none(pod: &Pod) -> Value {
    until("no session is left", || Some(told(pod)).filter(|(_, all)| all.is_empty())).0
}

fn user() -> String {
    format!("user {}", nix::unistd::getuid())
}

fn started(mut stub: Command, pod: &Pod, name: &str) -> (Live, Process) {
    let live = stub.stdin(std::process::Stdio::null()).live();
    let command = until(&format!("{name} runs"), || {
        pod.running(name).into_iter().find(|process| process.parent() != Some(std::process::id()))
    });
    (live, command)
}

fn a_session_is_shown_as_what_it_is(transport: Transport) {
    let pod = transport.pod("nap sleep");
    let _server = pod.server();
    assert_eq!(sessions(&pod), [Value::Null; 0]);
    let mut stub = pod.stub("nap");
    stub.arg("1000");
    let (mut live, command) = started(stub, &pod, "sleep");
    let session = until_in(&pod, "running");
    let direct = transport == Transport::Direct;
    assert_eq!(session["command"], "nap");
    assert_eq!(session["pid"], command.0);
    assert_eq!(session["transport"], if direct { "direct" } else { "relay" });
    assert_eq!(session["peer"], if direct { user() } else { "127.0.0.1".into() });
    assert!(session["since"].as_str().is_some_and(|since| since.starts_with("20") && since.ends_with('Z')));
    let name = session["session"].as_str().expect("a name");
    assert_eq!(name.split('-').next(), Some(command.parent().expect("a session").to_string().as_str()));
    assert!(!session.to_string().contains("1000"), "no arguments: {session}");
    // Not TSTP to the stub: in an orphaned process group, which the tests may be in, that stops nothing.
    command.signal(Signal::SIGSTOP);
    until_in(&pod, "stopped");
    live.signal(Signal::SIGCONT);
    until_in(&pod, "running");
    live.signal(Signal::SIGTERM);
    live.end();
    let all = until_none(&pod);
    assert_eq!((&all["signal"], &all["exit"]), (&1.into(), &0.into()), "{all}");
}

by_each_transport!(a_session_is_shown_as_what_it_is);

/// A shell is stopped for a moment whenever it may be reading its terminal, which is nobody's business.
fn a_shell_that_is_typed_to_is_no_stopped_one(transport: Transport) {
    let pod = transport.pod("sh sh -c 'while read line; do echo \"got $line\"; done'");
    let _server = pod.server();
    let mut terminal = Terminal::new();
    let mut stub = terminal.start(&pod.stub("sh"));
    until_in(&pod, "running");
    for line in ["one", "two", "three"] {
        terminal.type_text(&format!("{line}\r"));
        terminal.expect(&format!("got {line}\r\n"));
        assert_eq!(sessions(&pod)[0]["state"], "running", "{line}");
    }
    terminal.type_text("\x04");
    assert!(terminal.end(&mut stub).success());
}

by_each_transport!(a_shell_that_is_typed_to_is_no_stopped_one);

fn what_ends_against_its_will_is_shown_until_it_is_gone(transport: Transport) {
    let pod = transport.pod("stay sh -c 'trap \"\" TERM HUP; echo; while :; do sleep 0.05; done'");
    let _server = pod.server();
    let mut live = pod.stub("stay").stdout(std::process::Stdio::piped()).live();
    crate::support::read_line(live.stdout.as_mut().expect("stdout"));
    until_in(&pod, "running");
    live.signal(Signal::SIGKILL);
    live.end();
    until_in(&pod, "ending");
    assert_eq!(until_none(&pod)["gone"], 1);
}

by_each_transport!(what_ends_against_its_will_is_shown_until_it_is_gone);

#[test]
fn a_client_that_does_not_take_its_leave_lingers() {
    let pod = Pod::new("true");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&request("", &["K8PSH_PROTOCOL=2"], &[], "true"));
    while peer.frame().expect("a frame") != Frame::of(EXIT, 0) {}
    until_in(&pod, "lingering");
    drop(peer);
    until_none(&pod);
    // A connection that asks for nothing is counted as that.
    let _silent = Peer::connect(pod.port());
    until_true("it is counted", || told(&pod).0["connected"] == 1);
    pod.relay_stub("true").arg("x".repeat(100_000)).run().succeeds();
    assert_eq!(until_none(&pod)["exit"], 2);
}

#[test]
fn what_has_run_is_counted_by_its_end() {
    let pod = Pod::with_header("--session-timeout=300", "code sh -c\nmissing /no/such/program\ncat");
    let _server = pod.server();
    let run = |name: &str, words: &[&str]| pod.relay_stub(name).args(words).run().code();
    assert_eq!(run("code", &["exit 0"]), Some(0));
    assert_eq!(run("code", &["exit 7"]), Some(7));
    assert_eq!(run("missing", &[]), Some(127));
    assert_eq!(run("code", &["sleep 100"]), Some(124));
    assert_eq!(run("code", &["kill -9 $$"]), None);
    assert_eq!(pod.relay_stub("cat").run_with(b"12345").succeeds(), "12345");
    let all = until_none(&pod);
    let counted = ["exit", "refused", "timeout", "signal", "gone"].map(|name| all[name].as_u64());
    assert_eq!(counted, [3, 1, 1, 1, 0].map(Some), "{all}");
    assert_eq!((&all["in"], &all["out"]), (&5.into(), &5.into()), "the bytes of cat: {all}");
    let again = ["exit", "gone", "refused"].map(|name| told(&pod).0[name].as_u64());
    assert_eq!(again, [3, 0, 1].map(Some), "asking is not counted");
}

#[test]
fn arguments_are_shown_where_they_are_logged() {
    let pod = Pod::with_header("--log-arguments --log=json", "nap sleep");
    let server = pod.server();
    let mut stub = pod.stub("nap");
    stub.args(["1000", "1"]);
    let (live, _) = started(stub, &pod, "sleep");
    assert_eq!(until_in(&pod, "running")["arguments"], serde_json::json!(["1000", "1"]));
    assert!(status(&pod, &["box"]).succeeds().contains(r#"nap ["1000","1"]"#));
    drop((live, server));
}

#[test]
fn a_table_is_for_people() {
    let pod = Pod::with_header("--log=text", "nap sleep");
    let server = pod.server();
    let mut stub = pod.stub("nap");
    stub.arg("1000");
    let (live, command) = started(stub, &pod, "sleep");
    until_in(&pod, "running");
    // From anywhere: no directory is shared for this.
    let text = pod.k8psh().args(["--status", "box"]).current_dir("/").run_with(b"input").succeeds();
    let lines: Vec<_> = text.lines().collect();
    let cell = |row: usize, name: &str| {
        let column = lines[row].find(&format!("{name} ")).or(lines[row].rfind(name)).expect("a head");
        lines[row + 1][column..].split_whitespace().next().expect("a word").to_owned()
    };
    assert_eq!(
        ["section", "connected", "exit", "gone", "server"].map(|name| cell(2, name)),
        ["box", "0", "0", "0", "0"]
    );
    let (state, transport) = ("running".to_owned(), "direct".to_owned());
    let shown = ["command", "state", "transport", "pid"].map(|name| cell(0, name));
    assert_eq!(shown, ["nap".to_owned(), state, transport, command.0.to_string()]);
    assert!(lines[1].contains(&format!(" {} ", user())), "{text}");
    assert_eq!(lines.len(), 4);
    drop(live);
    until_none(&pod);
    until_true("the end is logged", || server.log().contains(" end "));
    assert_eq!(server.log().lines().filter(|line| line.contains("session=")).count(), 2, "{}", server.log());
}

#[test]
fn a_session_that_is_killed_is_shown_no_more() {
    let pod = Pod::new("nap sleep");
    let _server = pod.server();
    let mut stub = pod.stub("nap");
    stub.arg("1000").stderr(std::process::Stdio::null());
    let (mut live, command) = started(stub, &pod, "sleep");
    until_in(&pod, "running");
    Process(command.parent().expect("a session")).signal(Signal::SIGKILL);
    live.end();
    until_none(&pod);
}

/// A Pod with a token, and its server.
fn guarded() -> (Pod, Server) {
    let pod = Pod::custom(|pod| {
        fs::write(pod.path("token"), "a token of its own").expect("the token");
        let section = pod.section(&format!("=PATH= --token-file={}", pod.path("token").display()));
        format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\ntrue\n")
    });
    let server = pod.server();
    (pod, server)
}

#[test]
fn where_there_is_a_token_it_takes_the_token() {
    let (pod, _server) = guarded();
    assert_eq!(pod.stub("true").run().succeeds(), "");
    assert_eq!(until_none(&pod)["exit"], 1);
    fs::write(pod.path("token"), "another").expect("the token");
    // The server reads it at each connection; the client of before has it no more.
    let other = Pod::custom(|_| fs::read_to_string(pod.config()).expect("text"));
    fs::write(other.path("token"), "a guess").expect("a token");
    let text = fs::read_to_string(pod.config()).expect("text");
    let guess = text.replace(&pod.path("token").display().to_string(), &other.path("token").display().to_string());
    fs::write(other.config(), guess).expect("the configuration");
    status(&other, &["box"]).fails(1, "k8psh", &["server box", "token"]);
}

#[test]
fn all_servers_are_asked_and_one_that_is_missing_does_not_hide_the_others() {
    let second = crate::support::Port::free();
    let pod = Pod::custom(|pod| {
        let (port, id) = (second.number, &pod.id);
        format!(
            "baseDirectory = work\n[ gone:{port} ]\nx\n[ client ]\n{}\ntrue\n[ go:1 ] =K8PSH_TEST={id} --trigger=go\ngo true\n",
            pod.section("=PATH=")
        )
    });
    let _server = pod.server();
    for (words, least) in [(&[][..], "section "), (&["--json"], "[{\"section\":\"box\",")] {
        let outcome = status(&pod, words);
        assert_eq!(outcome.code(), Some(1));
        assert!(outcome.out().starts_with(least), "{}", outcome.out());
        let lines: Vec<_> = outcome.err().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 1, "a trigger is not asked: {lines:?}");
        assert!(lines[0].starts_with(&format!("k8psh: server gone at 127.0.0.1:{}: ", second.number)), "{lines:?}");
        if !words.is_empty() {
            let all: Value = serde_json::from_str(&outcome.out()).expect("JSON");
            assert_eq!(all.as_array().map(Vec::len), Some(1));
        }
    }
    status(&pod, &["go"]).fails(1, "k8psh", &["section go is a trigger"]);
    status(&pod, &["nobody"]).fails(1, "k8psh", &["there is no server nobody"]);
    status(&pod, &["box", "other"]).fails(1, "k8psh", &["other"]);
    for none in ["gone", "go", "nobody"] {
        assert_eq!(status(&pod, &[none, "--json"]).out(), "[]\n", "{none}");
    }
}

#[test]
fn a_server_that_does_not_know_the_question_is_reported() {
    let pod = Pod::with_header("--transport=relay", "true");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut peer = asked(&listener);
            peer.send(&data(ERROR, b"k8pshd: no such command\n"));
            peer.send(&number(EXIT, 127));
            drop(asked(&listener));
        });
        status(&pod, &["box"]).fails(1, "k8psh", &["server box at ", "Function not implemented"]);
        status(&pod, &["box"]).fails(1, "k8psh", &["server box at ", "Connection reset by peer"]);
    });
}

#[test]
fn as_many_sessions_as_there_may_be_are_told_in_full() {
    let pod = Pod::with_header("--max-sessions=65", "nap sleep");
    let _server = pod.server();
    let stub = || {
        let mut stub = pod.relay_stub("nap");
        stub.arg("1000").live()
    };
    let mut stubs: Vec<_> = (0..64).map(|_| stub()).collect();
    until_true("all are shown", || sessions(&pod).len() == 64);
    let mut names: Vec<_> = sessions(&pod).iter().map(|session| session["session"].to_string()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 64);
    stubs.iter().for_each(|stub| stub.signal(Signal::SIGTERM));
    stubs.iter_mut().for_each(|stub| _ = stub.end());
    assert_eq!(until_none(&pod)["signal"], 64);
}

#[test]
fn a_server_that_does_not_answer_hides_no_other() {
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = silent.local_addr().expect("its address").port();
    let pod = Pod::custom(|pod| {
        let id = &pod.id;
        format!("baseDirectory = work\n[ silent:{port} ] =K8PSH_TEST={id}\nx\n{}\ntrue\n", pod.section("=PATH="))
    });
    let _server = pod.server();
    let outcome = status(&pod, &["--json", "--timeout", "500"]);
    assert_eq!(outcome.code(), Some(1));
    assert!(
        outcome.err().contains("server silent at ") && outcome.err().contains("--max-sessions"),
        "{}",
        outcome.err()
    );
    assert_eq!(rows(&outcome.out())[0]["section"], "box");
}

#[test]
fn an_answer_that_is_cut_leaves_the_array_whole() {
    let port = crate::support::Port::free();
    let pod = Pod::custom(|pod| {
        let (number, id) = (port.number, &pod.id);
        format!(
            "baseDirectory = work\n[ cut:{number} ] =K8PSH_TEST={id} --transport=relay\nx\n{}\ntrue\n",
            pod.section("=PATH=")
        )
    });
    let listener = TcpListener::bind(("127.0.0.1", port.number)).expect("the port");
    let _server = pod.server();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut peer = asked(&listener);
            let row = data(OUTPUT, b"\"section\":\"cut\"}\n");
            peer.send(&row);
            peer.send(&row[..row.len() - 2]);
        });
        let outcome = status(&pod, &["--json"]);
        assert_eq!(outcome.code(), Some(1), "{}", outcome.err());
        let rows = rows(&outcome.out());
        let sections: Vec<_> = rows.iter().map(|row| &row["section"]).collect();
        assert_eq!(sections, ["cut", "box"]);
    });
}

#[test]
fn a_section_with_an_address_is_asked_as_well_and_one_that_hangs_no_longer_than_that() {
    let pod = Pod::with_header("=PATH= --connect=127.0.0.1", "true");
    let server = pod.server();
    assert_eq!(pod.stub("true").run().succeeds(), "");
    assert_eq!(until_none(&pod)["exit"], 1);
    let stopped = pod.stop_all();
    for task in ["--status", "--probe"] {
        pod.k8psh().args([task, "--timeout", "300"]).run().fails(1, "k8psh", &["server box at ", "timed out"]);
    }
    stopped.iter().for_each(|process| process.signal(Signal::SIGCONT));
    drop(server);
}

#[test]
fn a_server_that_wants_a_token_says_so() {
    let (pod, _server) = guarded();
    let text = fs::read_to_string(pod.config()).expect("text");
    let other = Pod::custom(|pod| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let header = lines.iter_mut().find(|line| line.starts_with("[ box")).expect("the section");
        *header = format!("{} =K8PSH_TEST={}", header.split("=PATH=").next().expect("a name"), pod.id);
        lines.join("\n")
    });
    status(&other, &["box"]).fails(1, "k8psh", &["server box at ", "it wants a token"]);
}

#[test]
fn a_trigger_is_asked_where_that_does_not_set_it_off() {
    for (options, request) in [
        ("--http", "GET / HTTP/1.1\r\nHost: box\r\n\r\n"),
        ("--http --token-file=TOKEN", "GET / HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer secret\r\n\r\n"),
        ("--token-file=TOKEN", "secret\n"),
    ] {
        let pod = Pod::custom(|pod| {
            fs::write(pod.path("token"), "secret\n").expect("the token");
            let options = options.replace("TOKEN", &pod.path("token").display().to_string());
            let section = pod.section(&format!("=PATH= --trigger=go {options}"));
            format!("baseDirectory = work\n{section}\ngo sh -c 'echo >>runs; exec sleep 1000'\n")
        });
        let _server = pod.server();
        let mut stream = TcpStream::connect(("127.0.0.1", pod.port())).expect("a connection");
        stream.write_all(request.as_bytes()).expect("it is taken");
        wait_for_file(pod.work().join("runs"));
        for arguments in [&["box"][..], &[]] {
            until_true("it is shown", || {
                let out = status(&pod, arguments).succeeds();
                let wanted = ["running", "relay", "127.0.0.1", "go"];
                out.lines().any(|line| wanted.iter().all(|word| line.contains(word)))
            });
        }
        assert_eq!(fs::read_to_string(pod.work().join("runs")).expect("the runs"), "\n", "asking runs nothing");
        pod.until_running("sleep", 1)[0].signal(Signal::SIGKILL);
    }
}
