//! Sections with a token, addresses beyond this Pod, and what becomes of those who do not have the token.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};
use support::frames::{self, EXIT, FAILURE, HELLO, Peer};
use support::{DEADLINE, Pod, Run, Server, has_programs, is_listening_anywhere, is_root, until, until_true};

/// A frame that opens a connection to a server with a token: random bytes, or a proof.
const NONCE: u8 = 30;
const PROOF: u8 = 31;

/// A token that nobody else has.
const TOKEN: &str = "correct horse battery staple";

/// A Pod whose section has the token in a file, `token`, and these words and commands.
fn with_file(words: &str, commands: &str) -> Pod {
    Pod::custom(|pod| {
        let file = pod.path("token");
        fs::write(&file, format!("{TOKEN}\n")).expect("the token");
        let section = pod.section(&format!("=PATH= --token-file={} {words}", file.display()));
        format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\n{commands}\n")
    })
}

/// How often the server's log has these words.
fn count(server: &Server, words: &str) -> usize {
    server.log().matches(words).count()
}

fn until_logged(server: &Server, words: &str, times: usize) {
    until(&format!("the log has {words:?} {times} times"), || (count(server, words) >= times).then_some(()));
}

#[test]
fn both_ends_have_the_token_and_a_command_runs() {
    let pod = with_file("", "cat\nfail sh -c 'echo out; echo err >&2; exit 7'");
    let server = pod.server();
    assert_eq!(pod.stub("cat").run_with(b"hello").succeeds(), "hello");
    let outcome = pod.stub("fail").run();
    assert_eq!((outcome.code(), outcome.out().as_str(), outcome.err().as_str()), (Some(7), "out\n", "err\n"));
    assert!(!server.log().contains("token"), "{}", server.log());
}

#[test]
fn the_token_of_a_variable_is_no_commands_and_leaves_nobody() {
    let pod = Pod::custom(|pod| {
        let words = "TOKEN= =SEEN=yes --token-env=TOKEN";
        let section = pod.section(&format!("=PATH= {words}"));
        format!("baseDirectory = work\n{section}\nshow =TOKEN= ?TOKEN= 'X=${{TOKEN}}' env\n")
    });
    let mut command = pod.k8pshd();
    command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
    command.arg(pod.path("stubs")).env("TOKEN", TOKEN);
    let server = pod.start(command);
    let shown = pod.stub("show").env("TOKEN", TOKEN).run().succeeds();
    assert!(shown.contains("SEEN=yes") && !shown.contains("horse") && !shown.contains("TOKEN"), "{shown}");
    pod.stub("show").run().fails(125, "show", &["--token-env", "TOKEN"]);
    pod.stub("show").env("TOKEN", "wrong").run().fails(125, "show", &["does not accept this token"]);
    until_logged(&server, "127.0.0.1: wrong token", 1);
    assert!(!server.log().contains("horse"), "{}", server.log());
}

#[test]
fn the_newline_of_a_variables_token_is_no_part_of_it() {
    for end in ["\n", "\r\n"] {
        let pod = Pod::with_header("--trigger=go --token-env=TOKEN", "go echo went");
        let mut command = pod.k8pshd();
        command.args(["--name", "box"]).env("TOKEN", format!("{TOKEN}{end}"));
        let _server = pod.start(command);
        assert_eq!(ask(pod.port(), format!("{TOKEN}\n").as_bytes()), "went\n");
    }
}

#[test]
fn another_token_counts_from_the_next_connection_on() {
    let pod = with_file("", "true");
    let server = pod.server();
    let file = pod.path("token");
    assert_eq!(pod.stub("true").run().succeeds(), "");
    // The stub's own file is the same here, so one end gets another section's.
    for token in ["second", "third\n", "fourth\r\n"] {
        fs::write(&file, token).expect("another token");
        assert_eq!(pod.stub("true").run().succeeds(), "");
    }
    let log = server.log();
    assert!(!log.contains("token"), "{log}");
}

#[test]
fn a_server_without_a_usable_token_does_not_start() {
    let pod = with_file("", "true");
    let file = pod.path("token");
    let start = |pod: &Pod| pod.k8pshd().args(["--name", "box", "--executable-directory", "../stubs"]).run();
    for (text, about) in [("", "one line"), ("\n", "one line"), ("one\ntwo\n", "one line"), ("\n\n", "one line")] {
        fs::write(&file, text).expect("no token");
        start(&pod).fails(1, "k8pshd", &["--token-file", about]);
    }
    fs::write(&file, vec![b'x'; 4097]).expect("a long one");
    start(&pod).fails(1, "k8pshd", &["--token-file", "4096 bytes"]);
    fs::remove_file(&file).expect("no token");
    start(&pod).fails(1, "k8pshd", &["--token-file", "No such file"]);
    fs::create_dir(&file).expect("no file");
    start(&pod).fails(1, "k8pshd", &["--token-file", "directory"]);
    for (options, about) in [
        (&["--token-file", "token"][..], "absolute"),
        (&["--token-env", "K8PSH_NO_SUCH"], "K8PSH_NO_SUCH"),
        (&["--token-env", "TOKEN", "--token-file", "/x"], "more than one"),
        (&["--token-env", "TOKEN", "--no-token"], "more than one"),
        (&["--listen", "0.0.0.0"], "--no-token"),
        (&["--listen", "::"], "--no-token"),
        (&["--listen", "localhost"], "no address"),
        (&["--listen="], "no address"),
    ] {
        let plain = Pod::new("true");
        let mut command = plain.k8pshd();
        command.args(["--name", "box", "--executable-directory", "../stubs"]).args(options).env("TOKEN", TOKEN);
        command.run().fails(1, "k8pshd", &[about]);
        assert_eq!(fs::read_dir(plain.path("stubs")).expect("the stubs").count(), 0);
    }
}

#[test]
fn a_token_that_is_gone_keeps_everybody_out_until_it_is_back() {
    let pod = with_file("", "true");
    let server = pod.server();
    let file = pod.path("token");
    let away = pod.path("away");
    pod.stub_path("true");
    for missing in [true, false] {
        fs::rename(&file, &away).expect("the token goes");
        if !missing {
            fs::write(&file, "").expect("an empty one");
        }
        // The stub has it by the descriptor of nobody: a peer by hand.
        let mut peer = Peer::connect(pod.port());
        peer.send(&frames::data(NONCE, &[1; 32]));
        assert_eq!(peer.frame().expect("a nonce").kind, NONCE);
        peer.send(&frames::data(PROOF, &[2; 32]));
        assert!(peer.is_over());
        until_logged(&server, if missing { "No such file" } else { "one line" }, 1);
        fs::rename(&away, &file).expect("the token comes back");
        assert_eq!(pod.stub("true").run().succeeds(), "");
    }
}

#[test]
fn each_end_without_a_token_is_told_in_one_line() {
    // The stub's section has none.
    let pod = Pod::new("true");
    fs::write(pod.path("token"), TOKEN).expect("the token");
    let file = pod.path("token").display().to_string();
    {
        let server = pod.server_with(&["--token-file", &file]);
        pod.relay_stub("true").run().fails(125, "true", &["wants a token", "--token-file"]);
        until_logged(&server, "127.0.0.1: no token", 1);
        let long = "x".repeat(100_000);
        pod.relay_stub("true").args([&long; 15]).run().fails(125, "true", &["wants a token", "--token-file"]);
    }
    // The server's has none.
    let pod = with_file("", "true");
    let config = fs::read_to_string(pod.config()).expect("the configuration");
    let bare = pod.path("bare.conf");
    let words: Vec<_> = config.split(' ').filter(|word| !word.starts_with("--token")).collect();
    fs::write(&bare, words.join(" ")).expect("another configuration");
    let mut command = pod.k8pshd();
    command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
    command.arg(pod.path("stubs")).arg("--config").arg(&bare);
    let _server = pod.start(command);
    pod.stub("true").run().fails(125, "true", &["it asks for no token"]);
}

/// A connection that is there, and says nothing.
fn silent(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).expect("a connection")
}

/// So many of them, which may be more than a process usually has open.
fn silent_ones(port: u16, count: usize) -> Vec<TcpStream> {
    _ = nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, 4096, 4096);
    (0..count).map(|_| silent(port)).collect()
}

/// Whether the other end closes it without a byte.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_thousand_silent_connections_keep_nobody_out() {
    let pod = with_file("", "true");
    let server = pod.server();
    pod.stub_path("true");
    let start = Instant::now();
    let before = silent_ones(pod.port(), 999);
    assert_eq!(pod.stub("true").run().succeeds(), "");
    let took = start.elapsed();
    until_true("no process is there for any of them", || pod.children(server.process().0).is_empty());
    if took < Duration::from_secs(4) {
        assert_eq!(count(&server, "no token"), 0, "{}", server.log());
    }
    drop(before);
    // Who looks whether somebody listens is no failure.
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn the_usual_limit_of_open_files_has_room_for_all_that_may_wait() {
    let pod = trigger("", "go echo went");
    let mut command = pod.command("sh");
    command.args(["-c", "ulimit -Sn 1024 && exec \"$0\" --name box"]).arg(pod.path("bin/k8pshd"));
    let server = pod.start(command);
    let silent = silent_ones(pod.port(), 1100);
    let mut stream = from_another_address(pod.port());
    stream.write_all(format!("{TOKEN}\n").as_bytes()).expect("the server takes it");
    assert_eq!(support::read_all(&mut stream), b"went\n");
    assert!(!server.log().contains("Too many open files"), "{}", server.log());
    assert!(is_closed(&silent[0]));
}

#[test]
fn the_oldest_silent_one_goes_where_there_are_too_many() {
    let pod = with_file("", "true");
    let server = pod.server();
    pod.stub_path("true");
    let connections = silent_ones(pod.port(), 1030);
    until_logged(&server, "no token", 6);
    connections[..6].iter().for_each(|connection| assert!(is_closed(connection)));
    // Of this address are the failures too: it waits, and gets in.
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn who_says_nothing_or_too_little_has_five_seconds() {
    let pod = with_file("", "true");
    let server = pod.server();
    let start = Instant::now();
    let nothing = silent(pod.port());
    let mut half = silent(pod.port());
    half.write_all(&frames::data(NONCE, &[1; 32])[..20]).expect("a part");
    let mut slow = silent(pod.port());
    let dripping = thread::spawn(move || {
        for byte in frames::data(NONCE, &[1; 32]) {
            if slow.write_all(&[byte]).is_err() {
                break;
            }
            thread::sleep(Duration::from_millis(300));
        }
        slow
    });
    assert!(is_closed(&nothing) && is_closed(&half));
    let took = start.elapsed();
    assert!(took > Duration::from_millis(4900) && took < Duration::from_secs(9), "{took:?}");
    assert!(is_closed(&dripping.join().expect("the slow one")));
    until_logged(&server, "127.0.0.1: no token", 3);
}

#[test]
fn a_log_that_nobody_reads_does_not_have_others_wait_for_those_without_the_token() {
    let pod = trigger("--log=none", "go echo went");
    let (_reader, writer) = nix::unistd::pipe().expect("a pipe");
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK)).expect("flags");
    while nix::unistd::write(&writer, &[b'x'; 4096]).is_ok() {}
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::empty())).expect("flags");
    let mut command = pod.k8pshd();
    let _server = command.args(["--name", "box"]).stderr(writer).live();
    until_true("the server listens", || support::is_listening(pod.port()));
    // A line each: a part of a token, and then nothing.
    let silent = silent_ones(pod.port(), 200);
    silent.iter().for_each(|mut stream| stream.write_all(b"x").expect("a part"));
    assert!(is_closed(&silent[0]));
    let start = Instant::now();
    let mut stream = from_another_address(pod.port());
    stream.write_all(format!("{TOKEN}\n").as_bytes()).expect("the server takes it");
    assert_eq!(support::read_all(&mut stream), b"went\n");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// The first two frames of a stub that does not have the token, which is closed without a proof: the time that it took since
/// the last one, if that has just ended.
fn guess(port: u16) -> Duration {
    let start = Instant::now();
    let mut peer = Peer::connect(port);
    peer.send(&frames::data(NONCE, &[1; 32]));
    assert_eq!(peer.frame().expect("a nonce").kind, NONCE);
    peer.send(&frames::data(PROOF, &[2; 32]));
    assert!(peer.is_over());
    start.elapsed()
}

#[test]
fn the_delay_of_an_address_grows_and_is_its_own() {
    let pod = with_file("--listen=0.0.0.0", "true");
    let server = pod.server_listening();
    assert!(guess(pod.port()) < Duration::from_millis(90), "the first is judged at once");
    let waits: Vec<_> = (0..5).map(|_| guess(pod.port())).collect();
    for (wait, least) in waits.iter().zip([90, 190, 390, 790, 1590]) {
        assert!(*wait >= Duration::from_millis(least), "{waits:?}");
    }
    until_logged(&server, "127.0.0.1: wrong token", 6);
    // From another address, beside one that waits for three seconds.
    let waiting = thread::spawn({
        let port = pod.port();
        move || guess(port)
    });
    let mut peer = Peer(from_another_address(pod.port()));
    peer.0.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    let start = Instant::now();
    peer.send(&frames::data(NONCE, &[1; 32]));
    peer.frame().expect("a nonce");
    peer.send(&frames::data(PROOF, &[3; 32]));
    assert!(peer.is_over());
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(waiting.join().expect("the one that waits") > Duration::from_millis(2500));
    until_logged(&server, "127.0.0.9: wrong token", 1);
    // Who gets in is forgiven.
    assert_eq!(pod.stub("true").run().succeeds(), "");
    assert!(guess(pod.port()) < Duration::from_secs(1));
}

#[test]
fn nobody_guesses_without_an_address_by_a_reset_before_the_connection_is_accepted() {
    let pod = trigger("--detach-on-close", "go echo went");
    let server = pod.server();
    server.process().signal(Signal::SIGSTOP);
    until_true("it is stopped", || server.process().state() == Some('T'));
    for _ in 0..3 {
        let mut stream = silent(pod.port());
        stream.write_all(b"wrong\n").expect("a part");
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&stream, sockopt::Linger, &linger).expect("a reset");
    }
    server.process().signal(Signal::SIGCONT);
    assert_eq!(ask(pod.port(), format!("{TOKEN}\n").as_bytes()), "went\n");
    assert_eq!(count(&server, "wrong token"), 0, "{}", server.log());
}

/// A connection to this port that comes from 127.0.0.9.
fn from_another_address(port: u16) -> TcpStream {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
    let made = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    bind(made.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 9, 0)).expect("an address");
    connect(made.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port)).expect("a connection");
    made.into()
}

/// A server that does not listen on 127.0.0.1 alone.
trait Listening {
    fn server_listening(&self) -> Server;
    fn command_listening(&self) -> Command;
}

impl Listening for Pod {
    fn command_listening(&self) -> Command {
        let mut command = self.k8pshd();
        command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
        command.arg(self.path("stubs"));
        command
    }

    fn server_listening(&self) -> Server {
        self.start_until(self.command_listening(), is_listening_anywhere)
    }
}

#[test]
fn connections_that_reset_at_every_point_harm_nobody() {
    let pod = with_file("", "true");
    let server = pod.server();
    let bytes = [frames::data(NONCE, &[1; 32]), frames::data(PROOF, &[2; 32])].concat();
    for length in 0..bytes.len() {
        let mut stream = silent(pod.port());
        stream.write_all(&bytes[..length]).expect("a part");
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        setsockopt(&stream, sockopt::Linger, &linger).expect("a reset");
    }
    assert_eq!(pod.stub("true").run().succeeds(), "");
    until_true("no process is left", || pod.children(server.process().0).is_empty());
    until_true("the connections are gone", || {
        let number = server.process().0;
        fs::read_dir(format!("/proc/{number}/fd")).expect("descriptors").count() < 20
    });
}

#[test]
fn noise_is_closed_without_a_byte() {
    let pod = with_file("", "true");
    let server = pod.server();
    let megabyte = vec![b'x'; 1 << 20];
    for noise in [&b"GET / HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n"[..], &megabyte, &[255; 64], &[30; 37]] {
        let mut stream = silent(pod.port());
        // It may be closed before all of it is taken.
        _ = stream.write_all(noise);
        assert!(is_closed(&stream));
    }
    until_logged(&server, "127.0.0.1: no token", 4);
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn a_wrong_proof_of_any_bit_does_not_get_in() {
    // Proofs that were right for others are in the test of the replay.
    let pod = with_file("", "true");
    let server = pod.server();
    pod.stub_path("true");
    let mut peer = Peer::connect(pod.port());
    peer.send(&frames::data(NONCE, &[1; 32]));
    let theirs = peer.frame_of(NONCE, 32);
    // What the server sent is no proof, nor is what it was sent.
    peer.send(&frames::data(PROOF, &theirs));
    assert!(peer.is_over());
    until_logged(&server, "wrong token", 1);
}

trait Fixed {
    fn frame_of(&mut self, kind: u8, length: usize) -> Vec<u8>;
}

impl Fixed for Peer {
    fn frame_of(&mut self, kind: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; 5 + length];
        self.0.read_exact(&mut bytes).expect("a frame");
        assert_eq!(bytes[..5], frames::number(kind, u32::try_from(length).expect("small")));
        bytes.split_off(5)
    }
}

/// Everything that went over the connections of a port, both ways: passes them on to a server's.
struct Wire {
    port: u16,
    bytes: Arc<Mutex<[Vec<u8>; 2]>>,
}

fn wire(to: u16) -> Wire {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let bytes = Arc::new(Mutex::new([Vec::new(), Vec::new()]));
    let kept = Arc::clone(&bytes);
    thread::spawn(move || {
        while let Ok((stub, _)) = listener.accept() {
            let server = TcpStream::connect(("127.0.0.1", to)).expect("the server");
            for (number, (mut from, mut into)) in
                [(stub.try_clone().expect("a socket"), server.try_clone().expect("a socket")), (server, stub)]
                    .into_iter()
                    .enumerate()
            {
                let kept = Arc::clone(&kept);
                thread::spawn(move || {
                    let mut buffer = [0; 4096];
                    while let Ok(count @ 1..) = from.read(&mut buffer) {
                        kept.lock().expect("the bytes")[number].extend_from_slice(&buffer[..count]);
                        _ = into.write_all(&buffer[..count]);
                    }
                    _ = into.shutdown(Shutdown::Write);
                });
            }
        }
    });
    Wire { port, bytes }
}

#[test]
fn the_token_does_not_cross_the_wire_and_what_does_is_of_no_use() {
    let pod = with_file("", "cat");
    let server = pod.server();
    pod.stub_path("cat");
    let wire = wire(pod.port());
    let config = fs::read_to_string(pod.config()).expect("the configuration");
    let through = pod.path("through.conf");
    let base = format!("baseDirectory = {}", pod.work().display());
    let text = config.replace(&format!("box:{}", pod.port()), &format!("box:{}", wire.port));
    fs::write(&through, text.replace("baseDirectory = work", &base)).expect("another configuration");
    let run = || pod.stub("cat").env("K8PSH_CONFIG", &through).run_with(b"hello").succeeds();
    assert_eq!(run(), "hello");
    let [sent, got] = std::mem::take(&mut *wire.bytes.lock().expect("the bytes"));
    for bytes in [&sent, &got] {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains("horse"), "{text}");
    }
    assert!(sent.len() > 74 && got.len() > 74, "both were recorded");
    assert_eq!((sent[0], sent[37], got[0], got[37]), (NONCE, PROOF, NONCE, PROOF));
    assert_ne!(sent[42..74], got[42..74], "the proofs are of two roles");
    // Another time the same bytes, and the server's own back to it.
    for proof in [&sent[37..74], &got[37..74]] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&sent[..37]);
        assert_ne!(peer.frame_of(NONCE, 32), got[5..37], "a nonce comes once");
        peer.send(proof);
        assert!(peer.is_over());
    }
    until_logged(&server, "wrong token", 2);
    // Nothing of the stub's says what it said before.
    assert_eq!(run(), "hello");
    let again = std::mem::take(&mut *wire.bytes.lock().expect("the bytes"));
    assert_ne!(again[0][..74], sent[..74]);
}

#[test]
fn a_stub_sends_nothing_to_a_server_that_does_not_have_the_token() {
    let pod = with_file("SECRET=", "true");
    pod.link_stub("true");
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    let server = thread::spawn(move || {
        let mut peer = Peer::accept(&listener);
        let mine = peer.frame_of(NONCE, 32);
        peer.send(&frames::data(NONCE, &[9; 32]));
        let proof = peer.frame_of(PROOF, 32);
        assert_ne!(mine, proof);
        // Its own proof is the best that a stranger has.
        peer.send(&frames::data(PROOF, &proof));
        let mut rest = Vec::new();
        _ = peer.0.read_to_end(&mut rest);
        rest
    });
    pod.stub("true").env("SECRET", "abc").run().fails(125, "true", &["it does not have this token"]);
    assert_eq!(server.join().expect("the stranger"), b"");
}

#[test]
fn those_with_the_token_wait_in_turn_for_room() {
    let pod = with_file("--max-sessions=1", "turn sh -c 'echo x >>log; sleep 0.1'");
    let _server = pod.server();
    let stubs: Vec<_> = (0..10).map(|_| pod.stub("turn").live()).collect();
    for mut stub in stubs {
        assert_eq!(stub.end().code(), Some(0));
    }
    assert_eq!(fs::read_to_string(pod.work().join("log")).expect("the log").lines().count(), 10);
}

#[test]
fn many_at_once_all_get_in() {
    let pod = with_file("--max-sessions=16", "cat");
    let _server = pod.server();
    pod.stub_path("cat");
    thread::scope(|scope| {
        for number in 0..8 {
            let pod = &pod;
            scope.spawn(move || {
                for round in 0..25 {
                    let text = format!("{number} {round}");
                    assert_eq!(pod.stub("cat").run_with(text.as_bytes()).succeeds(), text);
                }
            });
        }
    });
}

#[test]
fn a_server_listens_where_it_is_told_to() {
    let has_v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let v4 = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let v6 = |port| SocketAddr::from((Ipv6Addr::LOCALHOST, port));
    for (listen, connect, in_v4, in_v6) in [
        ("127.0.0.1", "127.0.0.1", true, false),
        ("0.0.0.0", "127.0.0.1", true, false),
        ("::1", "::1", false, true),
        ("[::1]", "[::1]", false, true),
        ("::", "::1", true, true),
        ("::", "127.0.0.1", true, true),
    ] {
        if in_v6 && !has_v6 {
            println!("skipped: no IPv6 here");
            continue;
        }
        let pod = with_file(&format!("--listen={listen} --connect={connect}"), "cat");
        let _server = pod.server_listening();
        assert_eq!(pod.stub("cat").run_with(b"x").succeeds(), "x", "{listen}");
        assert_eq!(TcpStream::connect(v4(pod.port())).is_ok(), in_v4, "{listen}");
        assert_eq!(TcpStream::connect(v6(pod.port())).is_ok(), in_v6, "{listen}");
    }
}

#[test]
fn connect_takes_addresses_from_the_environment_and_no_names() {
    let pod = Pod::with_header("--connect=${BOX_SERVICE_HOST}", "true");
    let _server = pod.server();
    let mut stub = pod.stub("true");
    stub.env("BOX_SERVICE_HOST", "127.0.0.1");
    assert_eq!(stub.run().succeeds(), "");
    for host in ["box.default.svc", "127.0.0.1:80", "1.2.3"] {
        let outcome = pod.stub("true").env("BOX_SERVICE_HOST", host).run();
        outcome.fails(125, "true", &["not an address", host, "${NAME_SERVICE_HOST}"]);
    }
}

#[test]
fn frames_of_a_refusal_are_a_greeting_a_reason_and_a_code() {
    let pod = with_file("", "true");
    let _server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&frames::request(".", &["K8PSH_PROTOCOL=2"], &[], "true"));
    let kinds: Vec<_> = peer.frames().iter().map(|frame| (frame.kind, frame.number)).collect();
    assert_eq!((kinds[0], kinds[1].0, kinds[2], kinds.len()), ((HELLO, 2), FAILURE, (EXIT, 125), 3));
}

/// Two network namespaces that a pair of interfaces joins, as two Pods are. Gone with this value.
struct Net {
    names: [String; 2],
}

/// Their addresses.
const HERE: &str = "10.203.0.1";
const THERE: &str = "10.203.0.2";

impl Net {
    /// `None` where this test cannot make any; says so.
    fn new(pod: &Pod) -> Option<Net> {
        if !is_root() || !has_programs(&["ip"]) {
            return None;
        }
        let names = ["a", "b"].map(|end| format!("k8psh-{end}-{}", pod.port()));
        let net = Net { names };
        let [a, b] = &net.names;
        let script = format!(
            "ip netns add {a} && ip netns add {b} && ip -n {a} link set lo up && ip -n {b} link set lo up &&
             ip link add veth0 netns {a} type veth peer name veth0 netns {b} &&
             ip -n {a} addr add {HERE}/24 dev veth0 && ip -n {b} addr add {THERE}/24 dev veth0 &&
             ip -n {a} addr add fd00:203::1/64 dev veth0 nodad && ip -n {b} addr add fd00:203::2/64 dev veth0 nodad &&
             ip -n {a} link set veth0 up && ip -n {b} link set veth0 up"
        );
        let made = Command::new("sh").args(["-c", &script]).status().is_ok_and(|status| status.success());
        if !made {
            println!("skipped: cannot make network namespaces");
        }
        made.then_some(net)
    }

    /// A command in one of them.
    fn inside(&self, pod: &Pod, number: usize, program: impl AsRef<std::path::Path>) -> Command {
        let mut command = pod.command("ip");
        command.args(["netns", "exec", &self.names[number]]).arg(program.as_ref());
        command
    }

    /// Waits until something listens on this port in the first.
    fn until_listening(&self, pod: &Pod) {
        let wanted = format!(":{} ", pod.port());
        until_true("the server listens", || {
            let listed = Command::new("ip").args(["netns", "exec", &self.names[0], "ss", "-ltn"]).run();
            listed.out().contains(&wanted)
        });
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for name in &self.names {
            _ = Command::new("ip").args(["netns", "delete", name]).status();
        }
    }
}

#[test]
fn stubs_of_another_pod_get_in_with_the_token_alone() {
    // IPv6 is shown in its shortest form.
    let [here, there] = [1, 2].map(|host| format!("fd00:203::{host}"));
    for (listen, connect) in [("0.0.0.0", HERE), ("::", HERE), ("::", "fd00:203::1"), (HERE, HERE)] {
        let pod = with_file(&format!("--listen={listen} --connect={connect}"), "cat");
        let Some(net) = Net::new(&pod) else { return };
        let mut command = net.inside(&pod, 0, pod.path("bin/k8pshd"));
        command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
        command.arg(pod.path("stubs"));
        let server = pod.start_until(command, |_| true);
        net.until_listening(&pod);
        let stub = pod.stub_path("cat");
        assert_eq!(net.inside(&pod, 1, &stub).run_with(b"far").succeeds(), "far");
        // With a wrong one not, and the log says from where.
        let other = pod.path("other");
        fs::write(&other, "wrong").expect("another token");
        let text = fs::read_to_string(pod.config()).expect("the configuration");
        let token = pod.path("token").display().to_string();
        let base = format!("baseDirectory = {}", pod.work().display());
        let text = text.replace(&token, &other.display().to_string()).replace("baseDirectory = work", &base);
        fs::write(pod.path("other.conf"), text).expect("another configuration");
        let outcome = net.inside(&pod, 1, &stub).env("K8PSH_CONFIG", pod.path("other.conf")).run();
        let (shown, peer) = if connect.contains(':') { (&*here, &*there) } else { (HERE, THERE) };
        outcome.fails(125, "cat", &["does not accept this token", shown]);
        until_logged(&server, &format!("{peer}: wrong token"), 1);
    }
}

#[test]
fn a_pulled_cable_ends_both_ends_within_a_minute() {
    let pod = with_file(
        &format!("--listen={HERE} --connect={HERE}"),
        "idle sleep 1000\nbusy sh -c 'while echo x; do sleep 0.2; done'",
    );
    let Some(net) = Net::new(&pod) else { return };
    let mut command = net.inside(&pod, 0, pod.path("bin/k8pshd"));
    command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
    command.arg(pod.path("stubs"));
    let server = pod.start_until(command, |_| true);
    net.until_listening(&pod);
    let mut stubs: Vec<_> = ["idle", "busy"]
        .iter()
        .map(|name| net.inside(&pod, 1, pod.stub_path(name)).stdout(std::process::Stdio::null()).live())
        .collect();
    pod.until_running("sleep", 2);
    let pulled = Command::new("ip").args(["-n", &net.names[1], "link", "set", "veth0", "down"]).status();
    assert!(pulled.is_ok_and(|status| status.success()));
    let start = Instant::now();
    while !pod.running("sleep").is_empty() || stubs.iter_mut().any(support::Live::is_running) {
        assert!(start.elapsed() < Duration::from_secs(55), "a command or a stub is left: {}", server.log());
        thread::sleep(Duration::from_millis(100));
    }
    assert!(start.elapsed() > Duration::from_secs(20), "{:?}", start.elapsed());
    for stub in &mut stubs {
        assert_eq!(stub.end().code(), Some(125));
    }
}

/// A trigger with the token in a file, and these words and commands.
fn trigger(words: &str, commands: &str) -> Pod {
    with_file(&format!("--trigger=go {words}"), commands)
}

/// What a trigger answers to these bytes, behind which the client ends its sending.
fn ask(port: u16, bytes: &[u8]) -> String {
    let mut stream = silent(port);
    stream.write_all(bytes).expect("the server takes it");
    stream.shutdown(Shutdown::Write).expect("a half-close");
    String::from_utf8_lossy(&support::read_all(&mut stream)).into_owned()
}

#[test]
fn the_first_line_to_a_trigger_is_the_token_and_the_rest_is_stdin() {
    let pod = trigger("", "go sh -c 'echo go; env; cat'");
    let server = pod.server();
    for (sent, wanted) in [
        (format!("{TOKEN}\none\ntwo\0\x1e\n"), "one\ntwo\0\x1e\n"),
        (format!("{TOKEN}\r\none\n"), "one\n"),
        (format!("{TOKEN}\n"), ""),
        (TOKEN.to_owned(), ""),
    ] {
        let answer = ask(pod.port(), sent.as_bytes());
        assert!(answer.starts_with("go\n") && answer.ends_with(wanted), "{answer:?}");
        assert!(!answer.contains("horse"), "{answer:?}");
    }
    assert!(!server.log().contains("horse"), "{}", server.log());
    let wrong = ["", "\n", "wrong\n", "correct horse\n", "x"];
    for (number, sent) in wrong.into_iter().enumerate() {
        let mut stream = silent(pod.port());
        stream.write_all(sent.as_bytes()).expect("a part");
        // It may have been judged by now.
        _ = stream.shutdown(Shutdown::Write);
        assert!(is_closed(&stream), "{number}");
    }
    // One that says nothing at all is no attempt.
    until_logged(&server, "127.0.0.1: wrong token", wrong.len() - 1);
    assert_eq!(count(&server, " start "), 4, "{}", server.log());
}

#[test]
fn a_token_in_pieces_and_stdin_that_comes_later_arrive() {
    let pod = trigger("", "go cat");
    let _server = pod.server();
    let mut stream = silent(pod.port());
    for byte in format!("{TOKEN}\n").bytes() {
        stream.write_all(&[byte]).expect("a byte");
        thread::sleep(Duration::from_millis(2));
    }
    for line in ["first\n", "second\n"] {
        stream.write_all(line.as_bytes()).expect("a line");
        assert_eq!(support::read_line(&mut stream), line);
    }
    stream.shutdown(Shutdown::Write).expect("a half-close");
    assert_eq!(support::read_all(&mut stream), b"");
}

#[test]
fn the_clients_side_of_the_netcat_loop_stays_as_it_is() {
    let pod = trigger("--max-sessions=1", "go sh -c 'read line || line=none; echo \"got $line\"'");
    let _server = pod.server();
    let port = pod.port();
    for (program, script) in [
        ("nc.openbsd", format!("printf '%s\\nabc\\n' \"$TOKEN\" | nc.openbsd 127.0.0.1 {port}")),
        ("nc.openbsd", format!("printf '%s\\nabc\\n' \"$TOKEN\" | nc.openbsd -N 127.0.0.1 {port}")),
        ("nc.traditional", format!("printf '%s\\nabc\\n' \"$TOKEN\" | nc.traditional 127.0.0.1 {port}")),
        ("busybox", format!("printf '%s\\nabc\\n' \"$TOKEN\" | busybox nc 127.0.0.1 {port}")),
        ("socat", format!("printf '%s\\nabc\\n' \"$TOKEN\" | socat - TCP:127.0.0.1:{port}")),
        (
            "bash",
            format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; printf \"%s\\nabc\\n\" \"$TOKEN\" >&3; cat <&3'"),
        ),
    ] {
        if has_programs(&[program]) {
            assert_eq!(pod.shell(&script).env("TOKEN", TOKEN).run().succeeds(), "got abc\n", "{script}");
        }
    }
}

#[test]
fn triggers_with_the_token_all_run_once_whoever_is_silent_beside_them() {
    let pod = trigger("--max-sessions=4", "go sh -c 'read number; echo $number >>ran; echo $number'");
    let _server = pod.server();
    let port = pod.port();
    let silent = silent_ones(port, 200);
    thread::scope(|scope| {
        for client in 0..16 {
            scope.spawn(move || {
                for round in 0..10 {
                    let number = client * 100 + round;
                    assert_eq!(ask(port, format!("{TOKEN}\n{number}\n").as_bytes()), format!("{number}\n"));
                }
            });
        }
    });
    drop(silent);
    let text = fs::read_to_string(pod.work().join("ran")).expect("the numbers");
    let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    let wanted: Vec<u32> = (0..16).flat_map(|client| (0..10).map(move |round| client * 100 + round)).collect();
    assert_eq!(numbers, wanted);
}

#[test]
fn a_stub_at_a_trigger_with_a_token_is_refused_in_one_line() {
    let pod = trigger("", "go cat");
    let bare = Pod::new("go");
    fs::write(
        bare.config(),
        fs::read_to_string(bare.config()).expect("text").replace(&bare.port().to_string(), &pod.port().to_string()),
    )
    .expect("the configuration");
    bare.link_stub("go");
    let server = pod.server();
    bare.relay_stub("go").run().fails(125, "go", &["the connection ended"]);
    until_logged(&server, "127.0.0.1:", 1);
}

#[test]
fn a_probe_has_the_token_or_is_told() {
    let pod = with_file("", "true");
    let server = pod.server();
    assert_eq!(pod.k8psh().args(["--probe", "box"]).run().succeeds(), "");
    assert!(!server.log().contains("token"), "{}", server.log());
    fs::remove_file(pod.path("token")).expect("it goes");
    pod.k8psh().args(["--probe", "box"]).run().fails(1, "k8psh", &["--token-file", "No such file"]);
}
