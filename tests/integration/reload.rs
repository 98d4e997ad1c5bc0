//! HUP: a server in the background, or one with a program, takes over its configuration as it is now.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::support::{
    Live, Pod, Port, Process, Run, Server, has_name, is_listening, lacks_root, read_line, until, until_true,
};
use nix::sys::signal::Signal;

/// The message of a server that has reloaded.
const RELOADED: &str = ": reloaded ";

/// Has a file hold another text, at once.
fn replace(pod: &Pod, text: &str) {
    let beside = pod.path("k8psh.conf.new");
    fs::write(&beside, text).expect("a file");
    fs::rename(beside, pod.config()).expect("the configuration");
}

/// The configuration of section `box`, with these words in its header and these commands.
fn text(pod: &Pod, header: &str, commands: &str) -> String {
    let section = pod.section(&format!("=PATH= {header}"));
    format!("baseDirectory = {}\n{section}\n{commands}\n", pod.work().display())
}

/// A server beside a program that stays. Ended, it ends by TERM.
struct Supervising {
    server: Option<Server>,
    pod: Pod,
}

impl Supervising {
    fn new(header: &str, commands: &str) -> Supervising {
        let pod = Pod::custom(|pod| text(pod, header, commands));
        let mut command = pod.k8pshd();
        command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs")).args(["--", "sleep", "1000"]);
        let server = Some(pod.start(command));
        let supervising = Supervising { server, pod };
        supervising.pod.until_running("sleep", 1);
        supervising
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("the server")
    }

    /// Sends HUP, and waits until the server says that it has reloaded.
    fn reload(&self) {
        let before = self.server().log().matches(RELOADED).count();
        self.server().signal(Signal::SIGHUP);
        until_true("it has reloaded", || self.server().log().matches(RELOADED).count() > before);
    }

    /// Sends HUP, waits until the server reports that it has not reloaded, and returns the reason.
    fn refuse(&self) -> String {
        let before = self.server().log().len();
        self.server().signal(Signal::SIGHUP);
        until("it has refused", || {
            let log = self.server().log()[before..].to_owned();
            log.contains("the configuration stays as it was").then_some(log)
        })
    }

    fn stubs(&self) -> Vec<String> {
        let entries = fs::read_dir(self.pod.path("stubs")).expect("the stubs");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("a stub").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Supervising {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else { return };
        if !thread::panicking() {
            server.signal(Signal::SIGTERM);
            server.end();
            assert_eq!(self.stubs(), Vec::<String>::new());
        }
    }
}

#[test]
fn new_sessions_see_the_new_configuration_and_running_ones_finish() {
    let pod = Supervising::new("", "cat\nsay echo old\ngone echo gone");
    let mut stub = pod.pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let echo = |stub: &mut Live| {
        stub.stdin.as_mut().expect("stdin").write_all(b"line\n").expect("a line");
        assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "line\n");
    };
    echo(&mut stub);
    assert_eq!(pod.pod.stub("say").run().succeeds(), "old\n");
    replace(&pod.pod, &text(&pod.pod, "", "say echo new\nmore echo more"));
    pod.reload();
    for _ in 0..20 {
        assert_eq!(pod.pod.stub("say").run().succeeds(), "new\n");
    }
    assert_eq!(pod.pod.stub("more").run().succeeds(), "more\n");
    assert_eq!(pod.stubs(), ["more", "say"]);
    echo(&mut stub);
    drop(stub.stdin.take());
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn only_stubs_that_the_server_made_are_removed() {
    let pod = Supervising::new("", "one\ntwo\nthree");
    fs::remove_file(pod.pod.path("stubs/three")).expect("a stub");
    fs::write(pod.pod.path("stubs/three"), "a file").expect("a file");
    // One of another server's.
    pod.pod.link_stub("four");
    replace(&pod.pod, &text(&pod.pod, "", "one\nfour"));
    pod.reload();
    assert_eq!(pod.stubs(), ["four", "one", "three"]);
    replace(&pod.pod, &text(&pod.pod, "", "one"));
    pod.reload();
    assert_eq!(pod.stubs(), ["four", "one", "three"]);
    // Two names at once, one of which is taken: none is made.
    replace(&pod.pod, &text(&pod.pod, "", "one\nfive\nthree"));
    assert!(pod.refuse().contains("cannot make stub"));
    assert_eq!(pod.stubs(), ["four", "one", "three"]);
    fs::remove_file(pod.pod.path("stubs/three")).expect("a file");
    fs::remove_file(pod.pod.path("stubs/four")).expect("a stub");
    pod.reload();
    assert_eq!(pod.stubs(), ["five", "one", "three"]);
    // None at all.
    replace(&pod.pod, &text(&pod.pod, "--disable-client-executables", "one"));
    pod.reload();
    assert_eq!(pod.stubs(), Vec::<String>::new());
    replace(&pod.pod, &text(&pod.pod, "", "one"));
    pod.reload();
    assert_eq!(pod.stubs(), ["one"]);
}

#[test]
fn what_is_wrong_leaves_the_old_one_in_force() {
    let pod = Supervising::new("", "say echo old");
    let taken = Port::free();
    let other = Pod::new("true");
    let _other = other.server();
    for (wrong, why) in [
        ("baseDirectory = work\n[ box".to_owned(), "k8psh.conf:2:"),
        (text(&pod.pod, "--nonsense", "say echo new"), "unknown option --nonsense"),
        (text(&pod.pod, "--max-sessions=many", "say echo new"), "--max-sessions"),
        (text(&pod.pod, "--background", "say echo new"), "--background"),
        (text(&pod.pod, "", ""), "there are no commands for this server"),
        (format!("[ other:{} ]\nsay echo new\n", taken.number), "there are no commands for this server"),
        (format!("[ box:{} ]\nsay echo new\nmore\n", other.port()), "Address already in use"),
    ] {
        replace(&pod.pod, &wrong);
        let log = pod.refuse();
        assert!(log.contains(why), "{why:?}: {log}");
        replace(&pod.pod, &text(&pod.pod, "", "say echo newer"));
        assert_eq!(pod.pod.stub("say").run().succeeds(), "old\n", "{why:?}");
        assert_eq!(pod.stubs(), ["say"], "{why:?}");
    }
    fs::remove_file(pod.pod.config()).expect("the file");
    assert!(pod.refuse().contains("No such file"));
    replace(&pod.pod, &text(&pod.pod, "", "say echo new"));
    pod.reload();
    assert_eq!(pod.pod.stub("say").run().succeeds(), "new\n");
}

#[test]
fn the_port_and_the_transport_can_change() {
    let pod = Supervising::new("", "say echo old");
    let port = Port::free();
    let at = |number: u16, header: &str, what: &str| {
        let section = pod.pod.section(&format!("=PATH= {header}"));
        let section = section.replace(&format!(":{} ", pod.pod.port()), &format!(":{number} "));
        replace(&pod.pod, &format!("baseDirectory = work\n{section}\nsay echo {what}\n"));
        pod.reload();
        assert_eq!(pod.pod.stub("say").run().succeeds(), format!("{what}\n"));
    };
    at(port.number, "", "moved");
    until_true("the old port is closed", || !is_listening(pod.pod.port()) && !has_name(pod.pod.port()));
    at(port.number, "--transport=direct", "direct");
    until_true("the port is closed", || !is_listening(port.number));
    at(port.number, "--transport=relay", "relay");
    until_true("the name is free", || !has_name(port.number));
    at(pod.pod.port(), "", "back");
    until_true("the port is closed", || !is_listening(port.number));
}

#[test]
fn nothing_fails_while_it_reloads() {
    let pod = Supervising::new("", "say echo 0");
    let stub = pod.pod.stub_path("say");
    let (is_over, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for transport in ["direct", "relay", "direct"] {
            let (pod, stub, is_over, calls) = (&pod, &stub, &is_over, &calls);
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    // An attempt that is refused is not tried again: no time at all to connect.
                    let mut command = pod.pod.command(stub);
                    let outcome = command.env("K8PSH_TRANSPORT", transport).run();
                    let out = outcome.succeeds();
                    assert!(out.trim().parse::<u32>().is_ok(), "{out:?}");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 1..=50 {
            let text = text(&pod.pod, "", &format!("say echo {round}"));
            replace(&pod.pod, &format!("connectTimeoutMs = 0\n{text}"));
            pod.reload();
            assert_eq!(pod.pod.command(&stub).run().succeeds(), format!("{round}\n"));
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(calls.load(Ordering::Relaxed) > 50, "{calls:?}");
}

#[test]
fn memory_and_descriptors_stay_as_they_are() {
    let pod = Supervising::new("", "say echo x");
    let process = pod.server().process();
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", process.0)).map_or(0, Iterator::count);
    let measure = |count: usize| {
        for round in 0..count {
            let many: String = (0..50).map(|number| format!("command{number} {round}\n")).collect();
            replace(&pod.pod, &text(&pod.pod, "", &format!("say echo {round}\n{many}")));
            pod.reload();
        }
        (process.memory(), descriptors())
    };
    let before = measure(4);
    let after = measure(200);
    assert!(after.0 <= before.0 + 16, "{before:?} KiB, then {after:?} KiB");
    assert_eq!(after.1, before.1, "descriptors");
}

#[test]
fn a_config_map_that_is_swapped_is_read_anew() {
    let pod = Pod::custom(|pod| text(pod, "", "say echo old"));
    for (name, what) in [("one", "old"), ("two", "new")] {
        fs::create_dir_all(pod.path("map").join(name)).expect("a directory");
        fs::write(pod.path("map").join(name).join("k8psh.conf"), text(&pod, "", &format!("say echo {what}")))
            .expect("a file");
    }
    let map = pod.path("map");
    symlink("one", map.join("..data")).expect("a link");
    symlink("..data/k8psh.conf", map.join("k8psh.conf")).expect("a link");
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs")).arg("-c").arg(map.join("k8psh.conf"));
    let mut server = pod.start({
        command.args(["--", "sleep", "1000"]);
        command
    });
    symlink("two", map.join("..new")).expect("a link");
    fs::rename(map.join("..new"), map.join("..data")).expect("the swap");
    assert_eq!(pod.stub("say").run().succeeds(), "old\n");
    server.signal(Signal::SIGHUP);
    until_true("it has reloaded", || server.log().contains(RELOADED));
    assert_eq!(pod.stub("say").run().succeeds(), "new\n");
    server.signal(Signal::SIGTERM);
    server.end();
}

/// Ends a daemon.
fn end(pod: &Pod, daemon: Process) {
    daemon.signal(Signal::SIGTERM);
    until_true("it ends", || daemon.is_gone());
    until_true("nothing is left", || pod.all_processes().is_empty());
}

#[test]
fn a_daemon_reloads_by_the_paths_that_it_was_given() {
    let pod = Pod::custom(|pod| text(pod, "", "say echo old"));
    fs::copy(pod.config(), pod.work().join("relative.conf")).expect("a file");
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-b", "-p", "pid", "-c", "../work/relative.conf", "-e", "../stubs"]);
    assert_eq!(command.run().succeeds(), "");
    let daemon = Process(fs::read_to_string(pod.work().join("pid")).expect("a PID").trim().parse().expect("a number"));
    assert_eq!(pod.stub("say").run().succeeds(), "old\n");
    let wrong = "[ box";
    for (content, what) in [(wrong.to_owned(), "old"), (text(&pod, "", "say echo new\nmore"), "new")] {
        // The daemon reads what it is given, not what the stubs read.
        fs::write(pod.work().join("relative.conf"), content).expect("a file");
        daemon.signal(Signal::SIGHUP);
        until_true(what, || pod.stub("say").run().succeeds() == format!("{what}\n"));
    }
    assert!(pod.path("stubs/more").symlink_metadata().is_ok());
    if !lacks_root() {
        assert_eq!(fs::read_link(format!("/proc/{}/cwd", daemon.0)).expect("its directory"), pod.work());
    }
    end(&pod, daemon);
    assert!(!pod.path("stubs/more").exists() && !pod.work().join("pid").exists());
}

#[test]
fn the_limits_can_change() {
    let pod = Supervising::new("--max-sessions=1", "cat\nsay echo x");
    let mut first = pod.pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    first.stdin.as_mut().expect("stdin").write_all(b"line\n").expect("a line");
    assert_eq!(read_line(first.stdout.as_mut().expect("stdout")), "line\n");
    let mut second = pod.pod.stub("say").stdout(Stdio::piped()).live();
    replace(&pod.pod, &text(&pod.pod, "--max-sessions=3", "cat\nsay echo x"));
    pod.reload();
    assert_eq!(second.end().code(), Some(0), "it is served beside the first one");
    replace(&pod.pod, &text(&pod.pod, "--max-sessions=1", "cat\nsay echo x"));
    pod.reload();
    let mut third = pod.pod.stub("say").stdout(Stdio::null()).live();
    thread::sleep(std::time::Duration::from_millis(200));
    assert!(third.is_running(), "it waits");
    drop(first.stdin.take());
    assert_eq!(first.end().code(), Some(0));
    assert_eq!(third.end().code(), Some(0));
    // Now it takes the connections itself, and no more than two from its start on.
    replace(&pod.pod, &text(&pod.pod, "--max-connections=2", "cat\nsay echo x"));
    pod.reload();
    assert_eq!(pod.pod.stub("say").run().succeeds(), "x\n");
    assert_eq!(pod.pod.stub("say").run().succeeds(), "x\n");
    until_true("the port is closed", || !is_listening(pod.pod.port()));
}

#[test]
fn tokens_and_triggers_come_and_go() {
    let pod = Supervising::new("", "say echo x");
    let token = |name: &str| {
        let path = pod.pod.path(name);
        fs::write(&path, format!("secret {name}\n")).expect("a token");
        format!("--token-file={}", path.display())
    };
    let ask = |line: &str| {
        let mut peer = TcpStream::connect(("127.0.0.1", pod.pod.port())).expect("a connection");
        peer.write_all(line.as_bytes()).expect("a line");
        // It may be closed with the line unread.
        String::from_utf8_lossy(&read_all_or_nothing(&mut peer)).into_owned()
    };
    for header in [token("one"), token("two"), String::new(), token("one")] {
        replace(&pod.pod, &text(&pod.pod, &header, "say echo x"));
        pod.reload();
        for _ in 0..5 {
            assert_eq!(pod.pod.stub("say").run().succeeds(), "x\n", "{header}");
            // Who has no token learns so, and who needs none gets no further with half a request.
            assert!(header.is_empty() || ask("\x03\0\0\0\0").contains("it wants a token"), "{header}");
        }
    }
    replace(&pod.pod, &text(&pod.pod, &format!("--trigger=say {}", token("three")), "say echo x"));
    pod.reload();
    assert_eq!(pod.stubs(), Vec::<String>::new(), "a trigger has no stubs");
    assert_eq!((ask("secret three\n"), ask("secret two\n")), ("x\n".to_owned(), String::new()));
    replace(&pod.pod, &text(&pod.pod, "--trigger=say", "say echo x"));
    pod.reload();
    assert_eq!(ask(""), "x\n");
    replace(&pod.pod, &text(&pod.pod, "--trigger=missing", "say echo x"));
    assert!(pod.refuse().contains("--trigger missing"));
    replace(&pod.pod, &text(&pod.pod, "--listen=0.0.0.0", "say echo x"));
    assert!(pod.refuse().contains("needs --token-file"));
    replace(&pod.pod, &text(&pod.pod, "--token-file=/no/such/file", "say echo x"));
    assert!(pod.refuse().contains("/no/such/file"));
    assert_eq!(ask(""), "x\n");
    replace(&pod.pod, &text(&pod.pod, "", "say echo x"));
    pod.reload();
    assert_eq!(pod.pod.stub("say").run().succeeds(), "x\n");
}

/// What comes up to the end, however the connection ends.
fn read_all_or_nothing(peer: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    _ = peer.read_to_end(&mut bytes);
    bytes
}

#[test]
fn in_the_foreground_without_a_program_it_ends_a_server() {
    let pod = Pod::new("true");
    let mut server = pod.server();
    server.signal(Signal::SIGHUP);
    assert_eq!(server.end().code(), Some(0));
    assert!(!server.log().contains(RELOADED));
}

#[test]
fn it_is_not_passed_on_to_the_program() {
    let pod = Pod::new("true");
    let mut command = pod.k8pshd();
    command.env("PATH", pod.stubs_last()).args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs"));
    command.args([
        "--",
        "sh",
        "-c",
        "trap 'echo hangup' HUP; trap 'echo term; exit 0' TERM; echo ready; while :; do sleep 0.02; done",
    ]);
    let mut live = command.stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    assert_eq!(read_line(live.stdout.as_mut().expect("stdout")), "ready\n");
    live.signal(Signal::SIGHUP);
    assert!(read_line(live.stderr.as_mut().expect("stderr")).contains(RELOADED));
    live.signal(Signal::SIGTERM);
    assert_eq!(read_line(live.stdout.as_mut().expect("stdout")), "term\n");
    assert_eq!(live.end().code(), Some(0));
}

#[test]
fn a_thousand_calls_by_a_shell_meet_no_reload() {
    // A stub that is in both configurations is there at every moment.
    let pod = Supervising::new("", "say echo x");
    let mut shell =
        pod.pod.shell("i=0; while [ $i -lt 300 ]; do [ -L \"$0\" ] || echo missing; say; i=$((i + 1)); done");
    shell.arg(pod.pod.stub_path("say"));
    let mut shell: Command = {
        let mut command = shell;
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    };
    let calls = thread::spawn(move || shell.run());
    while !calls.is_finished() {
        pod.reload();
    }
    assert_eq!(calls.join().expect("the calls").succeeds(), "x\n".repeat(300));
}
