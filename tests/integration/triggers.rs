//! Triggers: a port that takes plain bytes and runs one command for each connection, as clients of every kind see it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use crate::support::frames::{self, Peer};
use crate::support::{
    DEADLINE, Pod, Run, Server, is_listening_anywhere, lacks_open_files, lacks_programs, read_all, read_line, until,
    until_true, wait_for_file,
};
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};

/// A Pod whose section is a trigger of the first of these commands, `go`.
fn pod(options: &str, commands: &str) -> Pod {
    Pod::with_header(&format!("--trigger=go {options}"), commands)
}

fn connect(pod: &Pod) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", pod.port())).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    stream.set_write_timeout(Some(DEADLINE)).expect("a time-out");
    stream
}

/// Sends these bytes and EOF as a client, and returns the answer.
fn ask(pod: &Pod, input: &[u8]) -> Vec<u8> {
    let mut stream = connect(pod);
    stream.write_all(input).expect("the server takes it");
    stream.shutdown(Shutdown::Write).expect("a half-close");
    read_all(&mut stream)
}

/// Closes a connection by a reset.
fn reset(stream: TcpStream) {
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    setsockopt(&stream, sockopt::Linger, &linger).expect("a reset");
    drop(stream);
}

/// The lines of the log that tell of an end.
fn ends(server: &Server) -> Vec<String> {
    server.log().lines().filter(|line| line.contains(" end session=")).map(str::to_owned).collect()
}

fn until_ended(server: &Server, count: usize) -> Vec<String> {
    until(&format!("{count} sessions have ended"), || {
        let ends = ends(server);
        (ends.len() >= count).then_some(ends)
    })
}

#[test]
fn a_probe_finds_a_trigger_and_does_not_set_it_off() {
    for options in ["", "--token-env=TOKEN --listen=0.0.0.0", "--listen=:: --no-token"] {
        let pod = pod(options, "go touch touched");
        let mut command = pod.k8pshd();
        command.args(["-n", "box", "-d"]).env("TOKEN", "secret");
        let mut server = pod.start_until(command, is_listening_anywhere);
        for words in [&[][..], &["box"]] {
            assert_eq!(pod.k8psh().arg("--probe").args(words).run().succeeds(), "", "{options}");
        }
        assert!(!pod.work().join("touched").exists());
        assert_eq!(server.log(), "", "{options}");
        server.signal(Signal::SIGTERM);
        assert!(server.end().success());
        let refused = pod.k8psh().arg("--probe").run();
        refused.fails(1, "k8psh", &["server box", "Connection refused"]);
    }
}

#[test]
fn what_is_sent_is_stdin_and_the_answer_is_stdout_and_stderr_in_their_order() {
    let pod = pod("", "go sh -c 'echo one; echo two >&2; cat; echo three >&2; exit 3'");
    let server = pod.server();
    assert_eq!(ask(&pod, b"in\0put\xff\n"), b"one\ntwo\nin\0put\xff\nthree\n");
    let ends = until_ended(&server, 1);
    assert!(ends[0].contains("command=\"go\" outcome=exit code=3 "), "{ends:?}");
    assert!(ends[0].ends_with(" in=8 out=22"), "{ends:?}");
}

#[test]
fn a_connection_alone_sets_it_off_and_the_answer_does_not_wait_for_the_end_of_input() {
    let pod = pod("", "go sh -c 'echo ready; read line; echo got $line'");
    let _server = pod.server();
    let mut stream = connect(&pod);
    assert_eq!(read_line(&mut stream), "ready\n");
    stream.write_all(b"it\n").expect("a line");
    assert_eq!(read_all(&mut stream), b"got it\n");
}

#[test]
fn the_command_is_started_as_for_a_request_without_arguments() {
    let pod = Pod::with_header(
        "A=1 ?HOME= =B=2 --trigger=go",
        "go sh -c 'pwd; umask; echo $#$A$B; grep SigIgn: /proc/self/status; grep SigBlk: /proc/self/status; ls /proc/$$/fd' sh",
    );
    let _server = pod.server();
    let answer = String::from_utf8(ask(&pod, b"")).expect("text");
    let lines: Vec<_> = answer.lines().collect();
    assert_eq!(lines[0], pod.work().display().to_string());
    assert_eq!(lines[2], "012");
    for line in &lines[3..5] {
        let set = u64::from_str_radix(line.split_once('\t').expect("a set").1, 16).expect("a number");
        assert_eq!(set & 0x7fff_ffff, 0, "{line}");
    }
    assert!(lines[5..].iter().all(|number| ["0", "1", "2", "10"].contains(number)), "{lines:?}");
}

/// The clients of other people, each as its users call it. Some never close their sending side, or only when asked to.
const CLIENTS: [(&str, &str); 8] = [
    ("nc.openbsd", "echo hello | nc.openbsd -N 127.0.0.1 PORT"),
    ("nc.openbsd", "echo hello | nc.openbsd 127.0.0.1 PORT"),
    ("nc.traditional", "echo hello | nc.traditional 127.0.0.1 PORT"),
    ("nc.traditional", "echo hello | nc.traditional -q 1 127.0.0.1 PORT"),
    ("busybox", "echo hello | busybox nc 127.0.0.1 PORT"),
    ("socat", "echo hello | socat - TCP:127.0.0.1:PORT"),
    ("curl", "echo hello | curl -sN telnet://127.0.0.1:PORT"),
    ("bash", "exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/PORT; echo hello >&3; cat <&3'"),
];

#[test]
fn any_client_will_do() {
    // Of these some say nothing of the end of their input, so the command takes a line.
    let pod = pod("", "go sh -c 'read line; echo $line, you; seq 2000'");
    let server = pod.server();
    let numbers: String = (1..=2000).map(|number| format!("{number}\n")).collect();
    let mut count = 0;
    for (program, script) in CLIENTS {
        if lacks_programs(&[program]) {
            continue;
        }
        let script = script.replace("PORT", &pod.port().to_string());
        let outcome = pod.command("sh").args(["-c", &script]).run();
        assert_eq!(outcome.out(), format!("hello, you\n{numbers}"), "{script}: {}", outcome.err());
        count += 1;
        let ends = until_ended(&server, count);
        assert!(
            ends[count - 1].contains("outcome=exit code=0 ") && ends[count - 1].contains(" in=6 "),
            "{script}: {ends:?}"
        );
    }
    // The client side of the loop that a trigger takes the place of, as it stands in people's scripts.
    if !lacks_programs(&["nc"]) {
        let script = format!("TOKEN=hello; echo $TOKEN | nc localhost {}", pod.port());
        assert_eq!(pod.command("sh").args(["-c", &script]).run().out(), format!("hello, you\n{numbers}"));
    }
}

#[test]
fn clients_that_close_their_sending_side_end_the_input() {
    let pod = pod("", "go wc -c");
    let _server = pod.server();
    for (program, script) in [
        ("nc.openbsd", "nc.openbsd -N 127.0.0.1 PORT"),
        ("busybox", "busybox nc 127.0.0.1 PORT"),
        ("socat", "socat - TCP:127.0.0.1:PORT"),
    ] {
        if lacks_programs(&[program]) {
            continue;
        }
        let script = format!("head -c 3000000 /dev/zero | {}", script.replace("PORT", &pod.port().to_string()));
        let outcome = pod.command("sh").args(["-c", &script]).run();
        assert_eq!(outcome.out(), "3000000\n", "{script}: {}", outcome.err());
    }
}

#[test]
fn one_at_a_time_lets_the_others_wait_and_loses_none() {
    let pod = pod("--max-sessions=1", "go sh -c 'mkdir busy || echo two at once; cat; rmdir busy'");
    let _server = pod.server();
    let pod = &pod;
    thread::scope(|scope| {
        let clients: Vec<_> =
            (0..20).map(|number| scope.spawn(move || (number, ask(pod, format!("{number}\n").as_bytes())))).collect();
        for client in clients {
            let (number, answer) = client.join().expect("a client");
            assert_eq!(String::from_utf8_lossy(&answer), format!("{number}\n"));
        }
    });
}

#[test]
fn many_run_at_once() {
    let pod = pod("", "go sh -c 'echo here; cat'");
    let _server = pod.server();
    let mut streams: Vec<_> = (0..40).map(|_| connect(&pod)).collect();
    for stream in &mut streams {
        assert_eq!(read_line(stream), "here\n");
    }
    pod.until_running("cat", 40);
    for mut stream in streams {
        stream.shutdown(Shutdown::Write).expect("a half-close");
        assert_eq!(read_all(&mut stream), b"");
    }
}

#[test]
fn two_thousand_triggers_run_two_thousand_times() {
    let pod = pod("--log=none", "go sh -c 'read line; echo $line >>runs; echo done $line'");
    let server = pod.server();
    let memory = server.process().memory();
    let pod = &pod;
    thread::scope(|scope| {
        for first in 0..64 {
            scope.spawn(move || {
                for number in (first..2000).step_by(64) {
                    let mut stream = connect(pod);
                    stream.write_all(format!("{number}\n").as_bytes()).expect("a line");
                    assert_eq!(String::from_utf8_lossy(&read_all(&mut stream)), format!("done {number}\n"));
                }
            });
        }
    });
    let mut runs: Vec<u32> = fs::read_to_string(pod.work().join("runs"))
        .expect("the runs")
        .lines()
        .map(|line| line.parse().expect("a number"))
        .collect();
    runs.sort_unstable();
    assert!(runs.iter().copied().eq(0..2000), "lost or doubled: {} runs", runs.len());
    until_true("the sessions are over", || pod.running("sh").is_empty());
    let after = server.process().memory();
    assert!(after < memory + 100, "from {memory} to {after} KiB");
}

#[test]
fn a_slow_reader_gets_the_whole_answer() {
    let pod = pod("", "go sh -c 'head -c 67108864 /dev/zero; echo end'");
    let server = pod.server();
    let mut stream = connect(&pod);
    // What it sends and nobody reads must not cost it what it has not read.
    stream.write_all(&[b'x'; 100_000]).expect("the server takes it");
    let mut buffer = vec![0; 1 << 16];
    let (mut total, mut last, mut slow) = (0, Vec::new(), 0);
    loop {
        let count = stream.read(&mut buffer).expect("the answer");
        if count == 0 {
            break;
        }
        total += count;
        last = buffer[..count].to_vec();
        if total > (slow + 1) << 24 {
            slow += 1;
            thread::sleep(Duration::from_millis(300));
        }
    }
    assert_eq!(total, (64 << 20) + 4);
    assert!(last.ends_with(b"end\n"));
    drop(stream);
    let ends = until_ended(&server, 1);
    assert!(ends[0].ends_with(&format!(" in=0 out={total}")), "{ends:?}");
}

#[test]
fn who_goes_on_sending_gets_the_answer_too() {
    let pod = pod("", "go sh -c 'head -c 3000000 /dev/zero; exit 7'");
    let server = pod.server();
    let stream = connect(&pod);
    let mut sender = stream.try_clone().expect("a clone");
    let talker = thread::spawn(move || while sender.write_all(&[b'x'; 1000]).is_ok() {});
    let mut stream = stream;
    assert_eq!(read_all(&mut stream).len(), 3_000_000);
    // And does not keep the session for ever.
    let ends = until_ended(&server, 1);
    assert!(ends[0].contains("outcome=exit code=7 "), "{ends:?}");
    drop(stream);
    talker.join().expect("the talker");
}

#[test]
fn a_client_that_resets_at_any_point_ends_its_command_and_nothing_else() {
    let pod = pod("", "go sh -c 'cat; sleep 1000'");
    let mut server = pod.server();
    for bytes in [0, 1, 1000, 100_000] {
        for half_close in [false, true] {
            let mut stream = connect(&pod);
            stream.write_all(&vec![b'x'; bytes]).expect("the server takes it");
            if half_close {
                stream.shutdown(Shutdown::Write).expect("a half-close");
                let mut answer = vec![0; bytes];
                stream.read_exact(&mut answer).expect("the answer");
            }
            reset(stream);
        }
    }
    // At once.
    for _ in 0..20 {
        reset(connect(&pod));
    }
    until_true("nothing is left", || pod.processes().len() == 1);
    assert!(server.child.is_running());
    // Of those that were reset at once, some had not begun; these had been answered.
    let ends = until_ended(&server, 3);
    assert!(ends.iter().all(|line| line.contains("outcome=gone code=null")), "{}", server.log());
}

/// A command that has a child and a grandchild which ignore TERM.
const TREE: &str = "go sh -c '(trap \"\" TERM; sleep 1001 & sleep 1002) & echo up; sleep 1003'";

#[test]
fn a_client_that_hangs_up_ends_the_command_and_its_tree() {
    let pod = pod("", TREE);
    let server = pod.server();
    let mut stream = connect(&pod);
    assert_eq!(read_line(&mut stream), "up\n");
    pod.until_running("sleep", 3);
    reset(stream);
    until_true("the tree is gone", || pod.processes().len() == 1);
    let ends = until_ended(&server, 1);
    assert!(ends[0].contains("outcome=gone code=null "), "{ends:?}");
    assert!(server.log().contains("go: the client has gone: ending process "), "{}", server.log());
}

#[test]
fn a_client_that_only_closes_is_noticed_when_it_is_written_to() {
    let pod = pod("", "go sh -c 'trap \"\" PIPE; echo up; while :; do sleep 0.1; echo more; done'");
    let server = pod.server();
    let mut stream = connect(&pod);
    assert_eq!(read_line(&mut stream), "up\n");
    drop(stream);
    let ends = until_ended(&server, 1);
    assert!(ends[0].contains("outcome=gone "), "{ends:?}");
}

#[test]
fn a_silent_connection_is_asked_for_a_sign_of_life() {
    let pod = pod("", "go sh -c 'echo up; sleep 1000'");
    let _server = pod.server();
    let mut stream = connect(&pod);
    assert_eq!(read_line(&mut stream), "up\n");
    if lacks_programs(&["ss"]) {
        return;
    }
    let filter = format!("sport = :{}", pod.port());
    let sockets = pod.command("ss").args(["-tnoH", "state", "established", &filter]).run().out();
    assert!(sockets.contains("timer:(keepalive,"), "{sockets}");
    reset(stream);
}

#[test]
fn a_detached_command_runs_on_when_its_client_hangs_up() {
    let pod = pod(
        "--detach-on-close",
        "go sh -c 'echo up; while ! [ -e go-on ]; do sleep 0.05; done; echo done >result; exit 5'",
    );
    let server = pod.server();
    let mut stream = connect(&pod);
    assert_eq!(read_line(&mut stream), "up\n");
    reset(stream);
    // Long enough for the session to have seen it: another connection has come and gone behind it.
    let mut other = connect(&pod);
    assert_eq!(read_line(&mut other), "up\n");
    assert!(ends(&server).is_empty(), "{}", server.log());
    fs::write(pod.work().join("go-on"), "").expect("a file");
    assert_eq!(wait_for_file(pod.work().join("result")), "done\n");
    assert_eq!(read_all(&mut other), b"");
    let ends = until_ended(&server, 2);
    assert!(ends.iter().all(|line| line.contains("outcome=exit code=5 ")), "{ends:?}");
}

#[test]
fn the_connection_closes_with_the_command_whoever_still_has_it() {
    let pod = pod("", "go sh -c 'sleep 1000 & echo up'");
    let server = pod.server();
    let mut stream = connect(&pod);
    assert_eq!(read_all(&mut stream), b"up\n");
    drop(stream);
    until_ended(&server, 1);
    pod.until_running("sleep", 1)[0].signal(Signal::SIGKILL);
}

#[test]
fn a_command_that_is_missing_is_told_in_one_line() {
    let pod = Pod::custom(|pod| {
        format!("baseDirectory = work\n{}\ngo no-such-program\n", pod.section("=PATH=/nowhere --trigger=go"))
    });
    let server = pod.server();
    assert_eq!(ask(&pod, b"hello"), b"k8pshd: no-such-program: not found in PATH=/nowhere\n");
    let ends = until_ended(&server, 1);
    assert!(ends[0].contains("outcome=refused code=127 "), "{ends:?}");
}

#[test]
fn binary_input_that_looks_like_frames_goes_through() {
    let pod = pod("", "go cat");
    let _server = pod.server();
    let request = frames::request("", &["A=1"], &["x"], "go");
    for input in [&request[..], b"\x01", b"\x01\x10\0\0\0K8PSH_PROTOCOX=2", b"\x10\x02\0\0\0", &[0; 5000]] {
        assert_eq!(ask(&pod, input), input);
    }
}

#[test]
fn a_stub_that_comes_to_a_trigger_is_told_so_in_frames() {
    let pod = pod("", "go sh -c 'echo >>runs'");
    let server = pod.server();
    // On a busy machine a stub may take longer than the server waits for its first bytes: here they are there.
    let stopped = pod.stop_all();
    let mut peer = Peer::connect(pod.port());
    peer.send(&frames::request("", &["K8PSH_PROTOCOL=2"], &[], "go"));
    // A request begins with its protocol; the directory comes later.
    let mut stub = Peer::connect(pod.port());
    stub.send(&[frames::data(frames::VARIABLE, b"K8PSH_PROTOCOL=2"), frames::data(frames::START, b"go")].concat());
    stopped.iter().for_each(|process| process.signal(Signal::SIGCONT));
    let answer = stub.frames();
    let reason = frames::content(&answer, frames::FAILURE);
    assert_eq!(
        String::from_utf8_lossy(&reason),
        format!("section box is a trigger: any client but a stub may connect to port {}", pod.port())
    );
    assert_eq!(answer.last().map(|frame| (frame.kind, frame.number)), Some((frames::EXIT, 125)));
    drop((peer, stub));
    until_true("refused", || ends(&server).iter().any(|line| line.contains("outcome=refused code=125 ")));
}

#[test]
fn there_are_no_stubs_of_a_trigger_and_one_that_is_left_says_why() {
    let pod = pod("", "go true\nother true");
    let _server = pod.server();
    assert_eq!(fs::read_dir(pod.path("stubs")).expect("stubs").count(), 0);
    pod.link_stub("go");
    let port = format!("connect to port {}", pod.port());
    pod.stub("go").run().fails(125, "go", &["section box is a trigger", &port]);
}

#[test]
fn a_plain_client_at_a_port_of_stubs_is_told_so_in_plain_text() {
    let pod = Pod::new("true");
    let server = pod.server();
    for input in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"hello\n", b"\n"] {
        let mut stream = connect(&pod);
        stream.write_all(input).expect("the server takes it");
        let text = String::from_utf8(read_all(&mut stream)).expect("text");
        assert!(text.starts_with("k8pshd: ") && text.ends_with("this port is for k8psh's stubs\n"), "{text:?}");
        assert_eq!(text.lines().count(), 1);
    }
    // Nothing has a name yet.
    until_true("said", || server.log().lines().count() == 3);
    assert!(server.log().lines().all(|line| line.starts_with("k8pshd: a connection: ")), "{}", server.log());
}

#[test]
fn a_trigger_that_makes_no_sense_is_an_error_at_the_start() {
    for (options, about) in [
        ("--trigger=gone", "--trigger gone: section box has no such command"),
        ("--trigger=go --transport=direct", "--trigger go: "),
        ("--trigger=go --tty=always", "--trigger go: "),
        ("--trigger=go --session-timeout=soon", "--session-timeout: soon is not a number"),
        ("--trigger=go --log=xml", "--log: xml is not one of text, json, none"),
    ] {
        let pod = Pod::with_header(options, "go true");
        pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[about]);
    }
}

#[test]
fn a_trigger_without_commands_is_an_error_too() {
    let pod = Pod::with_header("--trigger=go", "");
    pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &["section box has no such command"]);
}

#[test]
fn a_thousand_connections_that_say_nothing_do_not_keep_the_next_from_its_turn() {
    if lacks_open_files(2048) {
        return;
    }
    let pod = pod("--max-sessions=50 --session-timeout=1000 --log=none", "go cat");
    let mut server = pod.server();
    let silent: Vec<_> = (0..1000).map(|_| connect(&pod)).collect();
    pod.until_running("cat", 50);
    assert!(server.child.is_running());
    drop(silent);
    assert_eq!(ask(&pod, b"still here"), b"still here");
}

#[test]
fn a_command_that_runs_too_long_is_ended() {
    let pod = pod("--session-timeout=300", TREE);
    let server = pod.server();
    let mut stream = connect(&pod);
    // Not a word in what is the command's.
    assert_eq!(read_all(&mut stream), b"up\n");
    until_true("the tree is gone", || pod.processes().len() == 1);
    let ends = until_ended(&server, 1);
    assert!(ends[0].contains("outcome=timeout code=124 "), "{ends:?}");
    assert!(server.log().contains("go: its time is over (--session-timeout): ending"), "{}", server.log());
}

#[test]
fn who_drains_the_server_lets_triggers_finish() {
    let pod = pod("", "go sh -c 'echo up; read line; echo $line'");
    let mut server = pod.server();
    let mut stream = connect(&pod);
    assert_eq!(read_line(&mut stream), "up\n");
    server.signal(Signal::SIGTERM);
    until_true("it drains", || !crate::support::is_listening(pod.port()));
    stream.write_all(b"last\n").expect("a line");
    assert_eq!(read_all(&mut stream), b"last\n");
    drop(stream);
    assert!(server.end().success());
}

#[test]
fn a_thousand_silent_strangers_at_a_port_of_stubs_are_turned_away() {
    let pod = Pod::with_header("--max-sessions=20", "true");
    let mut server = pod.server();
    let silent: Vec<_> = (0..100).map(|_| connect(&pod)).collect();
    drop(silent);
    pod.relay_stub("true").run().succeeds();
    assert!(server.child.is_running());
}
