//! What a stranger on the way between a stub and a server sees, and what becomes of what it changes.

use super::relay::{Change, Record, Relay, Way};
use super::*;
use crate::support::Outcome;

/// Bytes of the message of the handshake.
const MESSAGE: usize = 48;

/// Bytes of its first part, the public key.
const PUBLIC: usize = 32;

/// Bytes of the smallest record: its length, 1024 of content and padding, a mark and a tag.
const RECORD: usize = 2 + 1024 + 1 + 16;

/// A Pod whose `copy` is a cat that leaves a trace of its start, with a server and a relay.
fn pod_with_relay() -> (Pod, Server, Relay) {
    let pod = with_file("", "copy sh -c 'echo started >>log; exec cat'");
    let server = pod.server();
    let relay = Relay::to(&pod);
    (pod, server, relay)
}

/// Runs `copy` with this change on this way.
fn copy(pod: &Pod, relay: &Relay, way: Way, change: Change) -> (Outcome, Record) {
    let mut stub = relay.stub(pod, "copy");
    relay.during(way, change, || stub.run_with(b"hello"))
}

/// Nothing that was changed is passed on, the stub says so, and nothing of the command is left.
#[track_caller]
fn is_refused(pod: &Pod, server: &Server, relay: &Relay, way: Way, change: Change) {
    let (outcome, record) = copy(pod, relay, way, change);
    if !record.has_changed {
        // The connection was over before it.
        assert_eq!(outcome.succeeds(), "hello", "{way:?} {change:?}");
        return;
    }
    assert_eq!(outcome.code(), Some(125), "{way:?} {change:?}: {}", outcome.err());
    assert!(b"hello".starts_with(&outcome.stdout), "{way:?} {change:?}: {:?}", outcome.out());
    // A stub whose command has closed its stderr has none any more.
    let is_line = outcome.err().starts_with("copy: ") && outcome.err().lines().count() == 1;
    assert!(is_line || outcome.stderr.is_empty() && way == Way::ToStub, "{way:?} {change:?}: {}", outcome.err());
    until_true("the command ends", || pod.children(server.process().0).is_empty());
}

/// Gives stubs so many milliseconds to connect.
fn be_patient(pod: &Pod, milliseconds: u32) {
    let text = fs::read_to_string(pod.config()).expect("the configuration");
    let line = |line: &str| {
        if line.starts_with("connectTimeoutMs") {
            format!("connectTimeoutMs = {milliseconds}")
        } else {
            line.to_owned()
        }
    };
    fs::write(pod.config(), text.lines().map(line).collect::<Vec<_>>().join("\n")).expect("the configuration");
}

#[test]
fn one_attempt_to_connect_has_time_to_prove_the_token() {
    let pod = with_file("", "copy cat");
    let _server = pod.server();
    be_patient(&pod, 0);
    assert_eq!(pod.stub("copy").run_with(b"hello").succeeds(), "hello");
}

/// Makes a call with the token. A connection whose first message was changed counts as a failure, which this one resets.
fn forgive(pod: &Pod) {
    pod.stub("copy").run_with(b"").succeeds();
}

#[test]
fn a_connection_through_a_relay_is_as_good_as_one_without() {
    let (pod, _server, relay) = pod_with_relay();
    let (outcome, record) = copy(&pod, &relay, Way::ToServer, Change::Nothing);
    assert_eq!(outcome.succeeds(), "hello");
    assert!(!record.has_changed);
    assert!(record.to_server.len() >= MESSAGE + 2 * RECORD, "a request and its stdin, in records of their own");
}

#[test]
fn a_handshake_may_come_in_any_pieces() {
    let (pod, _server, relay) = pod_with_relay();
    for way in [Way::ToServer, Way::ToStub] {
        for at in 1..MESSAGE {
            let (outcome, _) = copy(&pod, &relay, way, Change::Split(at));
            assert_eq!(outcome.succeeds(), "hello", "{way:?} {at}");
        }
    }
}

/// How many segments with bytes have come (`tcpi_data_segs_in`, `include/uapi/linux/tcp.h`).
#[expect(unsafe_code, reason = "nix does not know it")]
fn segments(stream: &TcpStream) -> u32 {
    let mut info = [0_u32; 39];
    let mut length = u32::try_from(size_of_val(&info)).expect("it is short");
    // SAFETY: the kernel writes at most `length` bytes to `info`, which has as many.
    let result = unsafe {
        let (info, length) = (info.as_mut_ptr().cast(), &raw mut length);
        nix::libc::getsockopt(stream.as_raw_fd(), nix::libc::IPPROTO_TCP, nix::libc::TCP_INFO, info, length)
    };
    assert_eq!(result, 0);
    info[38]
}

#[test]
fn the_server_sends_its_public_key_before_it_computes_the_keys() {
    let (pod, _server, relay) = pod_with_relay();
    let (_, record) = copy(&pod, &relay, Way::ToServer, Change::Nothing);
    let mut stream = silent(pod.port());
    stream.write_all(&record.to_server[..MESSAGE]).expect("the server takes it");
    let mut answer = [0; MESSAGE];
    stream.read_exact(&mut answer).expect("the answer");
    assert_eq!(segments(&stream), 2, "a key and a tag, each by itself");
}

#[test]
fn a_changed_byte_on_the_way_to_the_server_ends_the_session() {
    let (pod, server, relay) = pod_with_relay();
    for at in (0..MESSAGE).step_by(5) {
        is_refused(&pod, &server, &relay, Way::ToServer, Change::Flip(at));
        forgive(&pod);
    }
    let (_, whole) = copy(&pod, &relay, Way::ToServer, Change::Nothing);
    let request = 2 + usize::from(u16::from_be_bytes([whole.to_server[MESSAGE], whole.to_server[MESSAGE + 1]]));
    let second = MESSAGE + request;
    // Both headers and their surroundings byte by byte.
    let near = (MESSAGE..MESSAGE + 8).chain(second - 20..second + 8);
    for at in near.chain((MESSAGE..second + RECORD).step_by(7)) {
        is_refused(&pod, &server, &relay, Way::ToServer, Change::Flip(at));
    }
    assert_eq!(copy(&pod, &relay, Way::ToServer, Change::Nothing).0.succeeds(), "hello");
}

#[test]
fn a_changed_byte_on_the_way_to_the_stub_is_not_passed_on() {
    let (pod, server, relay) = pod_with_relay();
    let near = (0..MESSAGE + 8).chain(MESSAGE + RECORD - 20..MESSAGE + RECORD + 8);
    for at in near.chain((MESSAGE..MESSAGE + 4 * RECORD).step_by(7)) {
        is_refused(&pod, &server, &relay, Way::ToStub, Change::Flip(at));
    }
    assert_eq!(copy(&pod, &relay, Way::ToStub, Change::Nothing).0.succeeds(), "hello");
}

#[test]
fn records_that_are_dropped_repeated_or_in_another_order_end_the_session() {
    let (pod, server, relay) = pod_with_relay();
    for change in [Change::Drop as fn(usize) -> Change, Change::Repeat, Change::Swap] {
        for unit in 0..3 {
            is_refused(&pod, &server, &relay, Way::ToServer, change(unit));
            forgive(&pod);
        }
    }
    for unit in 0..2 {
        is_refused(&pod, &server, &relay, Way::ToStub, Change::Drop(unit));
    }
    is_refused(&pod, &server, &relay, Way::ToStub, Change::Repeat(0));
    is_refused(&pod, &server, &relay, Way::ToStub, Change::Swap(0));
}

#[test]
fn a_connection_that_is_cut_is_no_end() {
    let (pod, server, relay) = pod_with_relay();
    // A stub whose connection ends before an answer, or between its parts, tries again until its time is over.
    let before = [(Way::ToServer, 0), (Way::ToServer, 1), (Way::ToServer, 47), (Way::ToStub, 0), (Way::ToStub, PUBLIC)];
    for (way, at) in before {
        be_patient(&pod, 1000);
        is_refused(&pod, &server, &relay, way, Change::Cut(at));
        relay.drop_waiting();
        be_patient(&pod, 20_000);
        forgive(&pod);
    }
    for at in [MESSAGE, MESSAGE + 1, MESSAGE + 2, MESSAGE + 500, MESSAGE + RECORD] {
        is_refused(&pod, &server, &relay, Way::ToServer, Change::Cut(at));
    }
    for at in (97..MESSAGE + 4 * RECORD).step_by(97).chain([1, MESSAGE - 1, MESSAGE, MESSAGE + RECORD]) {
        is_refused(&pod, &server, &relay, Way::ToStub, Change::Cut(at));
    }
}

#[test]
fn a_recording_shows_nothing_of_what_is_said() {
    let pod = with_file("", "secretive =WORD= sh -c 'cat; echo loudly; echo sorely >&2; exit 3'");
    let _server = pod.server();
    let relay = Relay::to(&pod);
    let mut stub = relay.stub(&pod, "secretive");
    stub.arg("argumental").env("WORD", "environmental");
    let run = |stub: &mut Command| relay.during(Way::ToServer, Change::Nothing, || stub.run_with(b"privately"));
    let (outcome, first) = run(&mut stub);
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(3), "privatelyloudly\n"));
    assert_eq!(outcome.err(), "sorely\n");
    let words = ["secretive", "argumental", "WORD", "environmental", "privately", "loudly", "sorely", "horse", "K8PSH"];
    for bytes in [&first.to_server, &first.to_stub] {
        for word in words {
            assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word} crossed the wire");
        }
    }
    // Nothing of another connection is the same, however alike they are.
    let (_, second) = run(&mut stub);
    for (one, other) in [(&first.to_server, &second.to_server), (&first.to_stub, &second.to_stub)] {
        assert_ne!(one[..PUBLIC], other[..PUBLIC], "each end has a new key pair for each connection");
        for length in [MESSAGE, MESSAGE + 2 + 500] {
            assert_ne!(one[length - 16..length], other[length - 16..length]);
        }
    }
}

#[test]
fn a_recorded_session_starts_nothing_again() {
    let (pod, server, relay) = pod_with_relay();
    let (outcome, record) = copy(&pod, &relay, Way::ToServer, Change::Nothing);
    assert_eq!(outcome.succeeds(), "hello");
    let starts = || fs::read_to_string(pod.work().join("log")).expect("the log").lines().count();
    assert_eq!(starts(), 1);
    for length in [record.to_server.len(), MESSAGE + RECORD, MESSAGE + 10] {
        let mut stream = silent(pod.port());
        stream.write_all(&record.to_server[..length]).expect("the server takes it");
        stream.shutdown(Shutdown::Write).expect("a half-close");
        let answer = crate::support::read_all(&mut stream);
        assert_eq!(answer.len(), MESSAGE, "a message, and no record");
        assert_ne!(answer, record.to_stub[..MESSAGE]);
    }
    until_true("no process is left", || pod.children(server.process().0).is_empty());
    assert_eq!(starts(), 1);
    until_logged(&server, "somebody changes the connection", 1);
}

#[test]
fn a_recorded_message_without_a_record_has_the_time_of_a_proof() {
    let (pod, server, relay) = pod_with_relay();
    let (_, record) = copy(&pod, &relay, Way::ToServer, Change::Nothing);
    let start = Instant::now();
    let mut stream = silent(pod.port());
    stream.write_all(&record.to_server[..MESSAGE]).expect("the server takes it");
    assert_eq!(crate::support::read_all(&mut stream).len(), MESSAGE);
    assert!((4900..8000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    until_true("no process is left", || pod.children(server.process().0).is_empty());
}

#[test]
fn megabytes_pass_both_ways() {
    let pod = with_file("", "cat");
    let _server = pod.server();
    let mut bytes = Vec::with_capacity(32 << 20);
    while bytes.len() < 32 << 20 {
        bytes.extend_from_slice(&(bytes.len() * 0x9e37_79b9).to_le_bytes());
    }
    let outcome = pod.stub("cat").run_with(&bytes);
    assert!(outcome.status.success() && outcome.stdout == bytes, "{} {}", outcome.status, outcome.err());
}

#[test]
fn arguments_codes_and_signals_pass() {
    let pod = with_file("", "count sh -c 'printf %s \"$*\" | wc -c' x\ncode sh -c 'exit \"$1\"' x\nwait sleep 1000");
    let server = pod.server();
    let long = "x".repeat(100_000);
    let counted = pod.stub("count").args([&long; 10]).run().succeeds();
    assert_eq!(counted.trim(), "1000009");
    for code in [0, 1, 125, 255] {
        assert_eq!(pod.stub("code").arg(code.to_string()).run().code(), Some(code));
    }
    let mut stub = pod.stub("wait").live();
    pod.until_running("sleep", 1);
    crate::support::Process(stub.id()).signal(Signal::SIGTERM);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&stub.end()), Some(15));
    let mut stub = pod.stub("wait").live();
    pod.until_running("sleep", 1);
    stub.kill().expect("a kill");
    until_true("the command ends", || pod.children(server.process().0).is_empty());
}

#[test]
fn a_command_of_the_same_user_does_not_find_the_token_in_its_server() {
    if crate::support::lacks_root() {
        return;
    }
    // A server without a token may have other secrets in its environment, and has its callers' in its memory.
    for words in ["--token-env=TOKEN", "", "--transport=relay"] {
        let pod = Pod::custom(|pod| {
            let section = pod.section(&format!("=PATH= {words}"));
            let spy = "cd /proc/$number && cat environ; cat mem; cat maps; ls fd | grep .";
            format!(
                "baseDirectory = work\n{section}\nspy sh -c 'for number in $PPID $0; do {spy}; done; kill -0 $PPID'\n"
            )
        });
        for path in [pod.path(""), pod.path("work"), pod.path("stubs"), pod.path("bin")] {
            std::os::unix::fs::chown(&path, Some(65532), Some(65532)).expect("another owner");
        }
        let mut command = pod.k8pshd_with_stubs();
        std::os::unix::process::CommandExt::uid(&mut command, 65532);
        command.env("TOKEN", TOKEN);
        let server = pod.start(command);
        let outcome = pod.stub("spy").env("TOKEN", TOKEN).arg(server.process().0.to_string()).run();
        assert_eq!((outcome.code(), outcome.out().as_str()), (Some(0), ""), "{words}: {}", outcome.err());
        assert_eq!(outcome.err().matches("denied").count(), 8, "{words}: {}", outcome.err());
    }
}
