//! The log, a line at the start and at the end of each session, and the time that a session has.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread;

use crate::support::{Pod, Run, Server, lacks_programs, read_all, until, until_true};
use nix::sys::signal::Signal;

/// The lines of the log, when there are so many.
fn lines(server: &Server, count: usize) -> Vec<String> {
    until(&format!("{count} lines"), || {
        let lines: Vec<_> = server.log().lines().filter(|line| line.contains("session")).map(str::to_owned).collect();
        (lines.len() >= count).then_some(lines)
    })
}

/// What a line says behind ` KEY=`.
fn value<'l>(line: &'l str, key: &str) -> &'l str {
    let (_, rest) = line.split_once(&format!(" {key}=")).unwrap_or_else(|| panic!("no {key} in {line}"));
    rest.split(' ').next().expect("a value")
}

#[test]
fn sections_of_stubs_have_no_log_unless_they_ask_for_it() {
    let pod = Pod::new("true");
    let server = pod.server();
    pod.stub("true").run().succeeds();
    pod.relay_stub("true").run().succeeds();
    assert_eq!(server.log(), "");
}

#[test]
fn a_session_has_a_line_at_its_start_and_one_at_its_end() {
    let pod = Pod::with_header("--log=text", "copy sh -c 'cat; exit 3'");
    let server = pod.server();
    let outcome = pod.relay_stub("copy").arg("secret").run_with(b"hello\n");
    assert_eq!(outcome.code(), Some(3));
    let lines = lines(&server, 2);
    let (start, end) = (&lines[0], &lines[1]);
    // 2026-11-21T13:00:00.000Z start …
    let time: String = start[..24].chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(time, "0000-00-00T00:00:00.000Z", "{start}");
    assert!(start[24..].starts_with(" start session=") && end[24..].starts_with(" end "), "{lines:?}");
    assert_eq!(value(start, "session"), value(end, "session"));
    assert_eq!(value(start, "peer"), "\"127.0.0.1\"");
    assert_eq!([value(start, "section"), value(start, "command")], ["\"box\"", "\"copy\""]);
    assert_eq!(["outcome", "code", "in", "out"].map(|key| value(end, key)), ["exit", "3", "6", "6"]);
    assert!(value(end, "ms").parse::<u64>().is_ok());
    assert!(!server.log().contains("secret"));
    let ago = pod.command("date").args(["-u", "-d", &start[..24], "+%s"]).run().succeeds();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
    assert!(now.abs_diff(ago.trim().parse().expect("seconds")) < 100, "{start}");
}

#[test]
fn a_direct_session_tells_its_user_and_that_bytes_are_not_seen() {
    let pod = Pod::with_header("--log=text", "copy cat\ndie sh -c 'kill -9 $$'");
    let server = pod.server();
    pod.stub("copy").run_with(b"hello\n").succeeds();
    // A session may tell its end after its stub's, and another worker serves the next one.
    lines(&server, 2);
    assert_eq!(pod.stub("die").run().signal(), Some(9));
    let lines = lines(&server, 4);
    assert!(lines[0].contains(&format!(" peer=\"user {}\" ", nix::unistd::geteuid())), "{lines:?}");
    assert_eq!(["in", "out"].map(|key| value(&lines[1], key)), ["null"; 2]);
    assert_eq!(["outcome", "code"].map(|key| value(&lines[3], key)), ["signal", "9"]);
}

#[test]
fn what_did_not_run_is_told_too() {
    let pod = Pod::with_header("--log=text", "gone /no/such/file\nnot /etc/passwd");
    let server = pod.server();
    assert_eq!(pod.stub("gone").run().code(), Some(127));
    assert_eq!(pod.stub("not").run().code(), Some(126));
    let lines = lines(&server, 4);
    assert_eq!(["outcome", "code"].map(|key| value(&lines[1], key)), ["refused", "127"]);
    assert_eq!(["outcome", "code"].map(|key| value(&lines[3], key)), ["refused", "126"]);
}

#[test]
fn arguments_are_told_only_when_asked_for_and_never_break_a_line() {
    let pod = Pod::with_header("--log=text --log-arguments", "true\n'two words' true");
    let server = pod.server();
    pod.stub("true").args(["a b", "\n\x1b[31m", "\"\\", "\u{9b}", ""]).run().succeeds();
    pod.stub("two words").run().succeeds();
    pod.stub("true").args((0..200).map(|number| format!("argument-{number}"))).run().succeeds();
    // A stub may be back before its session's end is told.
    let lines: Vec<_> = lines(&server, 6).into_iter().filter(|line| line.contains(" start ")).collect();
    let arguments = lines[0].split_once(" arguments=").expect("arguments").1;
    assert_eq!(arguments, r#"["a b","\u000a\u001b[31m","\"\\","\u009b",""]"#);
    assert!(lines[1].ends_with(" command=\"two words\" arguments=[]"), "{}", lines[1]);
    assert!(lines[2].ends_with(",\"...\"]"), "{}", lines[2]);
}

/// What the lines are as JSON, by somebody else's reader.
fn parsed(pod: &Pod, text: &str) -> Option<String> {
    if lacks_programs(&["python3"]) {
        return None;
    }
    let script = "import json, sys\nfor line in sys.stdin:\n d = json.loads(line)\n print(*(f'{k}={d[k]!r}' for k in d if k not in ('time', 'session', 'ms', 'peer')))";
    Some(pod.command("python3").args(["-c", script]).run_with(text.as_bytes()).succeeds())
}

#[test]
fn json_is_json() {
    let pod =
        Pod::with_header("--log=json --log-arguments", "true\n'qu\"ote\\ä' sh -c 'cat; kill $$'\ngone /no/such/file");
    let server = pod.server();
    pod.relay_stub("true").args(["a\nb", "\x01\u{fe}\"\\"]).run().succeeds();
    pod.relay_stub("qu\"ote\\ä").run_with(b"abc");
    pod.relay_stub("gone").args((0..500).map(|_| "\x01".repeat(100))).run();
    lines(&server, 6);
    let log: String =
        server.log().lines().filter(|line| line.starts_with('{')).map(|line| format!("{line}\n")).collect();
    let Some(parsed) = parsed(&pod, &log) else { return };
    let lines: Vec<_> = parsed.lines().collect();
    assert_eq!(lines[0], r#"event='start' section='box' command='true' arguments=['a\nb', '\x01þ"\\']"#);
    assert_eq!(lines[1], "event='end' section='box' command='true' outcome='exit' code=0 in=0 out=0");
    assert_eq!(lines[2], r#"event='start' section='box' command='qu"ote\\ä' arguments=[]"#);
    assert_eq!(lines[3], r#"event='end' section='box' command='qu"ote\\ä' outcome='signal' code=15 in=3 out=3"#);
    assert!(lines[4].ends_with(", '...']"), "{}", lines[4]);
    assert!(lines[5].ends_with("outcome='refused' code=127 in=0 out=0"), "{}", lines[5]);
}

#[test]
fn lines_of_many_sessions_do_not_mix() {
    let pod = Pod::with_header("--trigger=go --log=json", "go echo hello");
    let server = pod.server();
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for _ in 0..20 {
                    read_all(TcpStream::connect(("127.0.0.1", pod.port())).expect("a connection"));
                }
            });
        }
    });
    let lines = lines(&server, 640);
    let mut sessions: Vec<_> = lines
        .iter()
        .map(|line| {
            assert!(line.starts_with("{\"time\":\"") && line.ends_with('}'), "{line}");
            assert_eq!(line.matches("\"time\"").count(), 1, "{line}");
            line.split_once("\"session\":\"").expect("a session").1.split('"').next().expect("its name").to_owned()
        })
        .collect();
    assert_eq!(lines.len(), 640);
    sessions.sort_unstable();
    sessions.dedup();
    assert_eq!(sessions.len(), 320, "each session has a name of its own");
}

/// A trigger whose server has this as its stderr answers as always.
fn answer_with(stderr: Option<OwnedFd>) {
    let pod = Pod::with_header("--trigger=go", "go cat");
    let mut command = pod.command("sh");
    // A shell closes it where there is to be none.
    let close = if stderr.is_none() { "exec 2>&-;" } else { "" };
    let script = format!("{close} exec \"$0\" --name box");
    command.args(["-c", &script]).arg(pod.path("bin/k8pshd")).stdin(Stdio::null()).stdout(Stdio::null());
    if let Some(stderr) = stderr {
        command.stderr(stderr);
    }
    let mut server = command.live();
    until_true("the server listens", || crate::support::is_listening(pod.port()));
    for _ in 0..3 {
        let mut stream = TcpStream::connect(("127.0.0.1", pod.port())).expect("a connection");
        stream.write_all(b"hello").expect("the server takes it");
        stream.shutdown(Shutdown::Write).expect("a half-close");
        assert_eq!(read_all(&mut stream), b"hello");
    }
    // What the server has to say of a client that hangs up does not keep the command.
    let mut stream = TcpStream::connect(("127.0.0.1", pod.port())).expect("a connection");
    stream.write_all(b"x").expect("the server takes it");
    stream.read_exact(&mut [0]).expect("the answer");
    let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
    nix::sys::socket::setsockopt(&stream, nix::sys::socket::sockopt::Linger, &linger).expect("a reset");
    drop(stream);
    pod.until_running("cat", 0);
    assert!(server.is_running());
    server.signal(Signal::SIGTERM);
    assert!(server.end().success());
}

#[test]
fn a_log_that_nobody_reads_harms_nobody() {
    answer_with(None);
    // A pipe without a reader.
    let (reader, writer) = nix::unistd::pipe().expect("a pipe");
    drop(reader);
    answer_with(Some(writer));
    // One that is full.
    let (_reader, writer) = nix::unistd::pipe().expect("a pipe");
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).expect("flags");
    while nix::unistd::write(&writer, &[b'x'; 4096]).is_ok() {}
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).expect("flags");
    answer_with(Some(writer));
    // A full disk.
    answer_with(Some(File::options().write(true).open("/dev/full").expect("/dev/full").into()));
}

#[test]
fn a_command_that_runs_too_long_ends_its_stub_with_124() {
    let pod = Pod::with_header(
        "--session-timeout=300 --log=text",
        "long sh -c 'echo begun; sleep 1000'\nstubborn sh -c 'trap \"\" TERM; sleep 1000 & while :; do sleep 1; done'\nshort sh -c 'exit 9'",
    );
    let server = pod.server();
    for by_relay in [false, true] {
        let stub = |name| if by_relay { pod.relay_stub(name) } else { pod.stub(name) };
        let outcome = stub("long").run();
        assert_eq!((outcome.code(), outcome.out().as_str()), (Some(124), "begun\n"), "{}", outcome.err());
        assert_eq!(outcome.err(), "long: server box: its time is over (--session-timeout)\n");
        assert_eq!(stub("stubborn").run().code(), Some(124));
        assert_eq!(stub("short").run().code(), Some(9));
    }
    until_true("nothing is left of them", || pod.processes().len() == 1);
    let lines = lines(&server, 12);
    let outcomes: Vec<_> =
        lines.iter().filter(|line| line.contains(" end ")).map(|line| value(line, "outcome")).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "timeout").count(), 4, "{lines:?}");
}

#[test]
fn the_time_of_a_session_begins_with_its_command() {
    let pod = Pod::with_header("--session-timeout=1 --log=text", "long sleep 1000");
    let server = pod.server();
    for stub in [&mut pod.stub("long"), &mut pod.relay_stub("long")] {
        stub.run().fails(124, "long", &["its time is over"]);
    }
    // A line each at the start, when its time is over, and at the end.
    assert_eq!(lines(&server, 6).iter().filter(|line| line.contains(" outcome=timeout ")).count(), 2);
}

#[test]
fn the_end_that_a_command_did_not_choose_is_told() {
    let pod = Pod::with_header("--log=text", "long sleep 1000");
    let mut server = pod.server();
    let mut stub = pod.stub("long").live();
    pod.until_running("sleep", 1);
    stub.kill().expect("a kill");
    assert_eq!(value(&lines(&server, 2)[1], "outcome"), "gone");
    let _stub = pod.stub("long").live();
    pod.until_running("sleep", 1);
    server.signal(Signal::SIGTERM);
    until_true("it drains", || !crate::support::is_listening(pod.port()));
    server.signal(Signal::SIGTERM);
    assert_eq!(value(&lines(&server, 4)[3], "outcome"), "server");
    assert!(server.end().success());
}
