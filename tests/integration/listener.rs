//! The server as a process: draining, its limits, in the background, as process 1, under a crowd of connections.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::frames::{ERROR, EXIT, OUTPUT, Peer, request};
use crate::support::{
    Live, Pod, Process, Run, Server, is_listening, lacks_namespaces, lacks_open_files, read_line, skip, until,
    until_true, wait_for_file,
};
use nix::sys::signal::Signal;

/// A stub whose command repeats lines, and has done so once.
fn echoing(pod: &Pod) -> Live {
    let mut stub = pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    echo(&mut stub);
    stub
}

fn echo(stub: &mut Live) {
    stub.stdin.as_mut().expect("stdin").write_all(b"line\n").expect("a line");
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "line\n");
}

fn stubs(pod: &Pod) -> usize {
    fs::read_dir(pod.path("stubs")).expect("the stubs").count()
}

#[test]
fn after_a_signal_the_port_is_free_at_once_and_running_sessions_finish() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let pod = Pod::new("cat\ntrue");
        let mut server = pod.server();
        let mut stub = echoing(&pod);
        server.signal(signal);
        until_true("the port is closed", || !is_listening(pod.port()));
        TcpStream::connect(("127.0.0.1", pod.port())).expect_err("nobody listens");
        TcpListener::bind(("127.0.0.1", pod.port())).expect("the port is free");
        echo(&mut stub);
        thread::sleep(Duration::from_millis(100));
        echo(&mut stub);
        assert!(server.child.is_running());
        drop(stub.stdin.take());
        assert_eq!(stub.end().code(), Some(0));
        let status = server.end();
        assert!(status.success(), "{signal}: {status}");
        assert_eq!(stubs(&pod), 0, "{signal}: the stubs are removed");
    }
}

#[test]
fn a_second_signal_ends_the_running_sessions() {
    let pod = Pod::new("cat\nstay sh -c 'trap \"\" TERM; echo ready; while :; do sleep 1000; done'");
    let mut server = pod.server();
    let mut stub = echoing(&pod);
    let mut stubborn = pod.stub("stay").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    assert_eq!(read_line(stubborn.stdout.as_mut().expect("stdout")), "ready\n");
    server.signal(Signal::SIGTERM);
    until_true("the port is closed", || !is_listening(pod.port()));
    echo(&mut stub);
    server.signal(Signal::SIGTERM);
    assert!(!stub.end().success());
    assert!(!stubborn.end().success());
    server.end();
    assert_eq!(stubs(&pod), 0);
    until_true("nothing is left", || pod.all_processes().is_empty());
}

#[test]
fn with_no_wait_the_server_does_not_wait_for_its_sessions() {
    for option in ["--no-wait", "-w"] {
        let pod = Pod::new("cat");
        let mut server = pod.server_with(&[option]);
        let stub = echoing(&pod);
        server.signal(Signal::SIGTERM);
        let status = server.end();
        assert!(status.success(), "{status}");
        assert_eq!(stubs(&pod), 0);
        drop(stub);
        until_true("nothing is left", || pod.all_processes().is_empty());
    }
}

#[test]
fn the_server_exits_after_so_many_connections() {
    for option in ["--max-connections", "-m"] {
        let pod = Pod::new("true");
        let mut server = pod.server_with(&[option, "3"]);
        for _ in 0..3 {
            assert_eq!(pod.stub("true").run().succeeds(), "");
        }
        let status = server.end();
        assert!(status.success(), "{status}");
        assert_eq!(stubs(&pod), 0);
    }
}

#[test]
fn the_last_connection_is_served_to_its_end() {
    let pod = Pod::new("cat");
    let mut server = pod.server_with(&["-m", "1"]);
    let mut stub = echoing(&pod);
    until_true("the port is closed", || !is_listening(pod.port()));
    echo(&mut stub);
    drop(stub.stdin.take());
    assert_eq!(stub.end().code(), Some(0));
    assert!(server.end().success());
}

#[test]
fn the_server_exits_after_its_time() {
    for option in ["--timeout", "-t"] {
        let pod = Pod::new("true");
        let start = Instant::now();
        let mut server = pod.server_with(&[option, "700"]);
        assert_eq!(pod.stub("true").run().succeeds(), "");
        assert!(server.end().success());
        assert!(start.elapsed() > Duration::from_millis(650), "{:?}", start.elapsed());
        assert_eq!(stubs(&pod), 0);
    }
}

#[test]
fn minus_one_is_no_limit() {
    let pod = Pod::new("true");
    let _server = pod.server_with(&["--timeout=-1", "--max-connections=-1", "-t", "-1", "-m", "-1"]);
    for _ in 0..3 {
        assert_eq!(pod.stub("true").run().succeeds(), "");
    }
}

#[test]
fn more_sessions_than_allowed_wait_for_one_to_end() {
    let pod = Pod::new("cat\ntrue");
    let _server = pod.server_with(&["--max-sessions", "2"]);
    let (mut one, two) = (echoing(&pod), echoing(&pod));
    let mut third = pod.stub("true").live();
    thread::sleep(Duration::from_millis(300));
    assert!(third.is_running(), "it waits in the backlog");
    drop(one.stdin.take());
    assert_eq!(one.end().code(), Some(0));
    assert_eq!(third.end().code(), Some(0));
    drop(two);
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

/// A server in the background has no parent here: it ends with the test by its PID file.
struct Daemon(Process);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.signal(Signal::SIGKILL);
    }
}

#[test]
fn in_the_background_the_parent_returns_when_port_and_stubs_are_there() {
    let pod = Pod::new("true\nwhere pwd\ncat");
    let pid_file = pod.path("k8pshd.pid");
    let mut command = pod.k8pshd();
    command.args(["--background", "--name=box", "-l", "-e"]).arg(pod.path("stubs")).arg("--pidfile").arg(&pid_file);
    let outcome = command.run();
    let is_bound = is_listening(pod.port());
    assert_eq!(outcome.succeeds(), "");
    assert!(is_bound, "the port is bound before the parent returns");
    assert_eq!(stubs(&pod), 3);
    let text = fs::read_to_string(&pid_file).expect("the PID file");
    let daemon = Daemon(Process(text.trim().parse().expect("a process number")));
    assert_eq!(text, format!("{}\n", text.trim()), "one line");
    assert_ne!(daemon.0.group(), Process(std::process::id()).group(), "a session of its own");
    assert_eq!(pod.stub("true").run().succeeds(), "");
    assert_eq!(pod.stub("where").run().succeeds(), format!("{}\n", pod.work().display()));

    // A second one finds the PID file, or the port, and leaves everything as it is.
    let outcome = command.run();
    assert_eq!(outcome.code(), Some(1), "{outcome:?}");
    assert_eq!(fs::read_to_string(&pid_file).expect("the PID file"), text);
    assert_eq!(pod.stub("true").run().succeeds(), "");

    let mut stub = echoing(&pod);
    daemon.0.signal(Signal::SIGTERM);
    until_true("the port is closed", || !is_listening(pod.port()));
    echo(&mut stub);
    drop(stub);
    until_true("the server ends", || daemon.0.is_gone());
    assert!(!pid_file.exists(), "the PID file is removed");
    assert_eq!(stubs(&pod), 0);
}

#[test]
fn an_existing_pid_file_is_an_error_and_stays() {
    let pod = Pod::new("true");
    let pid_file = pod.path("k8pshd.pid");
    fs::write(&pid_file, "precious").expect("a file");
    let mut command = pod.k8pshd();
    command.args(["-b", "-n", "box", "-l", "-e"]).arg(pod.path("stubs")).arg("-p").arg(&pid_file);
    command.run().fails(1, "k8pshd", &[&pid_file.display().to_string()]);
    assert_eq!(fs::read_to_string(&pid_file).expect("the file"), "precious");
    assert_eq!(stubs(&pod), 0);
    assert!(!is_listening(pod.port()));
    // In the foreground it is of no concern.
    let _server = pod.server_with(&["-p", &pid_file.display().to_string()]);
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn a_port_that_is_taken_is_an_error_and_leaves_no_stubs() {
    let pod = Pod::new("true");
    let _other = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs"));
    command.run().fails(1, "k8pshd", &[&pod.port().to_string()]);
    assert_eq!(stubs(&pod), 0);
}

#[test]
fn a_server_can_start_where_one_has_just_ended() {
    let pod = Pod::new("true\ncat");
    for _ in 0..3 {
        let mut server = pod.server();
        let mut stub = echoing(&pod);
        // This end closes first, and its port lingers in the kernel.
        server.signal(Signal::SIGTERM);
        until_true("the port is closed", || !is_listening(pod.port()));
        server.signal(Signal::SIGTERM);
        stub.end();
        server.end();
    }
}

#[test]
fn the_server_listens_on_the_loopback_address_only() {
    let pod = Pod::new("true");
    let _server = pod.server();
    let mut listening = 0;
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = fs::read_to_string(table).unwrap_or_default();
        let port = format!(":{:04X} ", pod.port());
        for line in text.lines().filter(|line| line.contains(" 0A ")) {
            let address = line.split_whitespace().nth(1).unwrap_or_default();
            if format!("{address} ").ends_with(&port) {
                assert_eq!(address.split(':').next(), Some("0100007F"), "{line}");
                listening += 1;
            }
        }
    }
    assert_eq!(listening, 1);
}

#[test]
fn a_pid_file_that_is_left_over_is_told_with_what_to_do() {
    let pod = Pod::new("true");
    let pid_file = pod.path("k8pshd.pid");
    fs::write(&pid_file, "1\n").expect("a file");
    let outcome = pod.k8pshd().args(["--background", "--name=box", "-d", "--pidfile"]).arg(&pid_file).run();
    let about = format!("PID file {}: File exists; if no server runs, remove it", pid_file.display());
    outcome.fails(1, "k8pshd", &[&about]);
    assert_eq!(fs::read_to_string(&pid_file).expect("the PID file"), "1\n");
}

/// Starts the server as process 1 of a PID namespace; gives the `unshare` that holds it and the server itself.
fn as_process_1(pod: &Pod) -> (Server, Process) {
    let mut command = pod.command("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(pod.path("bin/k8pshd"));
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs"));
    let holder = pod.start(command);
    let server =
        until("process 1", || pod.children(holder.process().0).into_iter().find(|process| process.name() == "k8pshd"));
    (holder, server)
}

#[test]
fn as_process_1_the_server_answers_signals() {
    if lacks_namespaces() {
        return;
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let pod = Pod::new("cat\nnumber sh -c 'echo $PPID'");
        let (mut holder, server) = as_process_1(&pod);
        assert_ne!(pod.stub("number").run().succeeds(), "1\n", "a session is between listener and command");
        let mut stub = echoing(&pod);
        server.signal(signal);
        until_true("the port is closed", || !is_listening(pod.port()));
        echo(&mut stub);
        drop(stub.stdin.take());
        assert_eq!(stub.end().code(), Some(0));
        let status = holder.end();
        assert!(status.success(), "{signal}: {status}");
        // Group and session of all its processes are outside the namespace, and 0 to them.
        assert_eq!(holder.log(), "");
    }
}

#[test]
fn as_process_1_the_server_reaps_whatever_it_inherits() {
    if lacks_namespaces() {
        return;
    }
    let pod = Pod::new("stay sh -c '(sleep 0.3 &) ; echo $$; exec sleep 1000'");
    let (mut holder, server) = as_process_1(&pod);
    let stub = pod.stub("stay").stdin(Stdio::null()).stdout(Stdio::null()).live();
    let session = until("the session", || {
        let command = pod.running("sleep").into_iter().find(|process| process.name() == "sleep")?;
        command.parent().map(Process).filter(|session| *session != server && session.name() == "k8pshd")
    });
    // Without its session the command is process 1's own child, and a zombie when it ends.
    session.signal(Signal::SIGKILL);
    until_true("the session is reaped", || session.state().is_none());
    pod.running("sleep").iter().for_each(|process| process.signal(Signal::SIGKILL));
    until_true("nothing is left", || {
        let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
        let mut numbers = entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()));
        !numbers.any(|number| Process(number).parent() == Some(server.0) && !Process(number).is_idle_worker())
    });
    drop(stub);
    // The one that holds it does not pass signals on.
    server.signal(Signal::SIGTERM);
    assert!(holder.end().success());
}

#[test]
fn three_hundred_idle_connections_disturb_nobody() {
    if lacks_open_files(1024) {
        return;
    }
    let pod = Pod::new("true\ncat");
    let server = pod.server();
    let mut stub = echoing(&pod);
    let idle: Vec<_> = (0..300).map(|_| Peer::connect(pod.port())).collect();
    for _ in 0..5 {
        assert_eq!(pod.stub("true").run().succeeds(), "");
        echo(&mut stub);
    }
    drop(idle);
    drop(stub);
    until_true("the sessions end", || pod.processes() == [server.process()]);
}

#[test]
fn a_connection_has_ten_seconds_for_its_request() {
    let pod = Pod::new("true\ncat");
    let server = pod.server();
    // One that has delivered its request is not concerned.
    let mut stub = echoing(&pod);
    let start = Instant::now();
    let mut silent = Peer::connect(pod.port());
    let mut half = Peer::connect(pod.port());
    half.send(&request("", &[], &[], "true")[..7]);
    // The time is for the whole request, not from byte to byte.
    let mut slow = Peer::connect(pod.port());
    let slow = thread::spawn(move || {
        let request =
            request("", &[], &["a great many bytes that never come to an end, each in its own second"], "true");
        for byte in &request[..25] {
            slow.try_send(&[*byte]);
            thread::sleep(Duration::from_millis(500));
        }
        slow.is_over()
    });
    assert_eq!(half.frames(), []);
    let took = start.elapsed();
    assert!(took > Duration::from_secs(9) && took < Duration::from_secs(15), "{took:?}");
    assert_eq!(silent.frames(), []);
    assert!(slow.join().expect("the slow client"));
    echo(&mut stub);
    until_true("a line each", || server.log().lines().count() >= 3);
    assert_eq!(server.log().matches("did not deliver its request within 10000 ms\n").count(), 3, "{}", server.log());
    drop(stub);
    until_true("the sessions end", || pod.processes() == [server.process()]);
}

#[test]
fn a_server_that_is_killed_can_be_started_again_with_its_stubs_in_place() {
    let pod = Pod::new("true");
    let mut server = pod.server();
    server.signal(Signal::SIGKILL);
    assert_eq!(server.end().signal(), Some(9));
    // At once: its workers notice a moment later, and have its sockets until then.
    let again = start_with_debug(&pod);
    until_true("the next one listens", || again.log().contains("listens on port"));
    assert_eq!(pod.stub("true").run().succeeds(), "");
    assert!(!again.log().contains("warning"), "{}", again.log());
}

#[test]
fn a_server_that_starts_waits_a_moment_for_its_port() {
    let pod = Pod::new("true");
    let other = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    let mut server = start_with_debug(&pod);
    until_true("it waits", || server.log().contains("is in use: trying again"));
    drop(other);
    until_true("it listens", || server.log().contains("listens on port"));
    assert_eq!(pod.stub("true").run().succeeds(), "");
    server.signal(Signal::SIGTERM);
    assert!(server.end().success(), "{}", server.log());
}

#[test]
fn a_port_that_stays_in_use_is_reported_after_that_moment() {
    let pod = Pod::new("true");
    let _other = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    let start = Instant::now();
    let mut server = start_with_debug(&pod);
    assert_eq!(server.end().code(), Some(1), "{}", server.log());
    assert!(start.elapsed() >= Duration::from_secs(1));
    let message = format!("k8pshd: port {}: Address already in use\n", pod.port());
    assert!(server.log().ends_with(&message), "{}", server.log());
    assert!(!pod.path("stubs/true").exists(), "the stubs of the server that has the port stay as they are");
}

/// A server that says what it does, perhaps before it listens.
fn start_with_debug(pod: &Pod) -> Server {
    let mut command = pod.k8pshd_with_stubs();
    command.arg("--overwrite-client-executables").env("K8PSH_DEBUG", "server");
    pod.start_until(command, |_| true)
}

#[test]
fn the_listeners_memory_does_not_grow_with_its_sessions() {
    let pod = Pod::new("true\nargs true");
    let server = pod.server();
    let large = "x".repeat(100_000);
    let measure = |count: usize| {
        for _ in 0..count {
            assert_eq!(pod.stub("args").args([&large; 10]).run().succeeds(), "");
        }
        server.process().memory()
    };
    let before = measure(5);
    let after = measure(50);
    assert!(after <= before + 64, "{before} KiB, then {after} KiB");
}

#[test]
fn a_session_starts_in_the_listeners_state_and_not_in_that_of_another() {
    let pod = Pod::new("make sh -c 'umask 0; cd /; echo >\"$1\"' sh\nmask sh -c 'umask; pwd'");
    let _server = pod.server();
    let file = pod.work().join("file");
    assert_eq!(pod.stub("make").arg(&file).run().succeeds(), "");
    wait_for_file(&file);
    pod.stub_path("mask");
    let expected = format!("0022\n{}\n", pod.work().display());
    assert_eq!(pod.shell("umask 022; exec mask").run().succeeds(), expected);
}

/// A server that is started by a shell with `preparation` behind it.
fn started_after(pod: &Pod, preparation: &str) -> Server {
    let mut command = pod.command("sh");
    let script =
        format!("{preparation}; exec \"$0\" --name box --generate-local-executables --executable-directory \"$1\"");
    command.arg("-c").arg(script).arg(pod.path("bin/k8pshd")).arg(pod.path("stubs"));
    pod.start(command)
}

#[test]
fn a_server_whose_caller_ignored_the_end_of_children_takes_notice_of_its_own() {
    if !Command::new("env").args(["--ignore-signal=CHLD", "true"]).status().is_ok_and(|status| status.success()) {
        skip!("no env that can ignore signals for a program");
    }
    let pod = Pod::new("fail sh -c 'exit 3'");
    let mut command = pod.command("env");
    command.arg("--ignore-signal=CHLD").arg(pod.path("bin/k8pshd")).args(["--name", "box"]);
    command.args(["--generate-local-executables", "--executable-directory"]).arg(pod.path("stubs"));
    let mut server = pod.start(command);
    assert_eq!(pod.stub("fail").run().code(), Some(3));
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn a_server_without_standard_streams_sends_no_message_into_a_connection() {
    for preparation in ["exec <&-", "exec <&- 2>&-", "exec >&- 2>&-", "exec <&- >&- 2>&-"] {
        let pod = Pod::new("true");
        let _server = started_after(&pod, preparation);
        let mut peer = Peer::connect(pod.port());
        peer.send(&request(".", &[], &[], "nosuch"));
        let kinds: Vec<_> = peer.frames().into_iter().map(|frame| frame.kind).collect();
        assert_eq!(kinds, [ERROR, OUTPUT, ERROR, EXIT], "{preparation}");
    }
}

#[test]
fn a_signal_while_the_server_starts_leaves_nothing_behind() {
    let commands: String = (0..300).map(|number| format!("command{number}\n")).collect();
    for round in 0..10 {
        let pod = Pod::new(&commands);
        let mut command = pod.k8pshd();
        command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
        let mut server = command.arg(pod.path("stubs")).stdin(Stdio::null()).live();
        until_true("the first stub", || stubs(&pod) > 0);
        server.signal(Signal::SIGTERM);
        assert_eq!(server.end().code(), Some(0), "round {round}");
        assert_eq!(stubs(&pod), 0, "round {round}");
    }
}
