//! What the direct transport alone promises: the command has its caller's very descriptors, and nothing touches what they
//! share. And what happens where it is closed: the relay does the same work, silently and without delay.

mod support;

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use nix::unistd::{Whence, geteuid, lseek};
use support::terminal::Terminal;
use support::{
    Outcome, PROGRAM, Pod, Run, copy_program, has_programs, is_root, read_all, read_line, until_true, wait_for_file,
};

/// Says by which transport it was called: `/dev/null` as stdin is that very file, or a pipe that brings what it holds.
const WAY: &str = "way sh -c 'case $(readlink /proc/self/fd/0) in pipe:*) echo relay;; *) echo direct;; esac'";

/// A shell script for bash, which knows descriptors above 9 and process substitution. It begins with the three streams:
/// what the tests themselves were started with is closed.
fn bash(pod: &Pod, script: &str) -> Command {
    let close = "for n in /proc/self/fd/*; do n=${n##*/}; test $n -le 2 || eval \"exec $n<&-\"; done";
    let mut command = pod.shell("exec bash -c \"$0\"");
    command.arg(format!("{close}; {script}"));
    command
}

/// Status, stdout and stderr.
fn told(outcome: &Outcome) -> (Option<i32>, String, String) {
    (outcome.code(), outcome.out(), outcome.err())
}

/// Runs the script with a stub in the place of `@`, and with the program of the same name. Both have to say the same.
fn same_as_locally(pod: &Pod, stub: &str, program: &str, script: &str) -> String {
    pod.stub_path(stub);
    // Each begins with the same files.
    let run = |name: &str| {
        let clean = "rm -rf made; mkdir made; ";
        bash(pod, &format!("{clean}{}", script.replace('@', name))).run()
    };
    let (local, far) = (run(program), run(stub));
    assert_eq!(told(&far), told(&local), "{script}");
    local.out()
}

#[test]
fn without_a_word_about_it_the_direct_transport_is_used() {
    let pod = Pod::new(WAY);
    let _server = pod.server();
    assert_eq!(pod.stub("way").run().succeeds(), "direct\n");
    assert_eq!(pod.stub("way").env("K8PSH_TRANSPORT", "").run().succeeds(), "direct\n");
    for name in ["direct", "relay"] {
        assert_eq!(pod.stub("way").env("K8PSH_TRANSPORT", name).run().succeeds(), format!("{name}\n"));
    }
}

#[test]
fn the_command_has_the_callers_descriptors_under_their_numbers_and_no_other() {
    let pod = Pod::new("descriptors ls /proc/self/fd");
    // What the server itself was started with is none of the command's business.
    let mut command = pod.command("sh");
    command.args(["-c", "exec \"$0\" -n box -l -e ../stubs 3</dev/null 5</dev/null 8>&2"]).arg(pod.path("bin/k8pshd"));
    let _server = pod.start(command);
    if !has_programs(&["bash"]) {
        return;
    }
    for redirections in [
        "",
        "3>made/log",
        "7</dev/null",
        "3>made/log 4>&3 9</dev/null",
        "300</dev/null",
        "<&-",
        "<&- 3</dev/null",
        "2>&-",
        ">&-",
        "<&- >&- 2>&-",
        "11< <(echo text)",
    ] {
        same_as_locally(&pod, "descriptors", "ls /proc/self/fd", &format!("exec @ {redirections}"));
    }
}

#[test]
fn more_descriptors_than_one_message_holds_arrive_in_order() {
    let pod = Pod::new("descriptors ls /proc/self/fd\nshow cat");
    let _server = pod.server();
    if !has_programs(&["bash"]) {
        return;
    }
    for count in [250, 251, 253, 254, 506, 507, 700] {
        let open = format!("for n in {{10..{}}}; do eval \"exec $n</dev/null\"; done", count + 9);
        let listed = same_as_locally(&pod, "descriptors", "ls /proc/self/fd", &format!("{open}; exec @"));
        // The streams, and the directory that is read.
        assert_eq!(listed.lines().count(), count + 4);
    }
    // Each is the file that it is at the caller.
    let open = "for n in {10..600}; do echo $n >made/$n; eval \"exec $n<made/$n\"; done";
    let paths = "/proc/self/fd/{10,254,255,256,263,264,520,600}";
    let numbers = same_as_locally(&pod, "show", "cat", &format!("{open}; exec @ {paths}"));
    assert_eq!(numbers, "10\n254\n255\n256\n263\n264\n520\n600\n");
}

#[test]
fn more_descriptors_than_can_go_along_are_one_line() {
    let pod = Pod::new("descriptors ls /proc/self/fd");
    let _server = pod.server();
    pod.stub_path("descriptors");
    if !has_programs(&["bash"]) {
        return;
    }
    // The streams are three of them.
    let with = |count: usize| {
        let open = format!("for n in {{10..{}}}; do eval \"exec $n</dev/null\"; done", count + 6);
        bash(&pod, &format!("ulimit -n 2000 || exit 77; {open}; exec descriptors"))
    };
    let outcome = with(1024).run();
    if outcome.code() == Some(77) {
        println!("skipped: the limit of open files cannot be raised");
        return;
    }
    assert_eq!(outcome.succeeds().lines().count(), 1025);
    with(1025).run().fails(125, "descriptors", &["1024", "K8PSH_TRANSPORT=relay"]);
    assert_eq!(with(1025).env("K8PSH_TRANSPORT", "relay").run().succeeds(), "0\n1\n2\n3\n");
}

#[test]
fn a_server_that_may_open_too_few_files_says_so() {
    let pod = Pod::new("descriptors ls /proc/self/fd");
    let mut command = pod.command("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\" -n box -l -e ../stubs"]).arg(pod.path("bin/k8pshd"));
    let _server = pod.start(command);
    pod.stub_path("descriptors");
    if !has_programs(&["bash"]) {
        return;
    }
    let many = bash(&pod, "for n in {10..99}; do eval \"exec $n</dev/null\"; done; exec descriptors").run();
    many.fails(125, "descriptors", &["of 93 descriptors", "limit of open files"]);
    let high = bash(&pod, "exec descriptors 300</dev/null").run();
    high.fails(125, "descriptors", &["descriptor 300", "limit of open files"]);
    assert_eq!(bash(&pod, "exec descriptors 9</dev/null").run().succeeds(), "0\n1\n2\n3\n9\n");
}

#[test]
fn files_pipes_and_process_substitutions_are_the_callers() {
    let pod = Pod::new("shell sh");
    let _server = pod.server();
    if !has_programs(&["bash"]) {
        return;
    }
    let same = |script: &str| same_as_locally(&pod, "shell", "sh", script);
    assert_eq!(same("@ -c 'echo far >&3' 3>made/log; cat made/log"), "far\n");
    assert_eq!(same("echo text >made/file; @ -c 'cat <&7' 7<made/file"), "text\n");
    assert_eq!(same("@ -c 'cat \"$1\" \"$2\"' sh <(echo one) <(echo two)"), "one\ntwo\n");
    assert_eq!(same("@ -c 'echo far >\"$1\"' sh >(cat >made/copy); until grep -s far made/copy; do :; done"), "far\n");
    assert_eq!(same("exec 9>made/log; echo near >&9; @ -c 'echo far >&9'; cat made/log"), "near\nfar\n");
}

#[test]
fn input_that_the_command_does_not_read_is_left_to_the_caller() {
    let pod = Pod::new("nothing true\nline sh -c 'read line; echo \"$line\"'");
    let _server = pod.server();
    for name in ["nothing", "line"] {
        pod.stub_path(name);
    }
    fs::write(pod.work().join("lines"), "one\ntwo\nthree\nfour\n").expect("a file");
    let run = |script: &str| pod.shell(script).run().succeeds();
    assert_eq!(run("while read line; do echo $line; nothing; done <lines"), "one\ntwo\nthree\nfour\n");
    assert_eq!(run("cat lines | while read line; do echo $line; nothing; done"), "one\ntwo\nthree\nfour\n");
    assert_eq!(run("exec <lines; line; line; line"), "one\ntwo\nthree\n");
    assert_eq!(run("cat lines | { line; line; cat; }"), "one\ntwo\nthree\nfour\n");
}

#[test]
fn offsets_are_shared_as_with_a_local_command() {
    let pod = Pod::new("first head -n 1\nrest cat\nsay echo");
    let _server = pod.server();
    for name in ["first", "rest", "say"] {
        pod.stub_path(name);
    }
    fs::write(pod.work().join("lines"), "one\ntwo\nthree\n").expect("a file");
    let run = |script: &str| pod.shell(script).run().succeeds();
    assert_eq!(run("{ first; echo -; rest; } <lines"), "one\n-\ntwo\nthree\n");
    assert_eq!(run("{ echo a; say b; echo c; } >out; cat out"), "a\nb\nc\n");
    assert_eq!(run("echo a >out; say b >>out; say c >>out; cat out"), "a\nb\nc\n");
    assert_eq!(run("{ say out; say err >&2; } >both 2>&1; cat both"), "out\nerr\n");
}

#[test]
fn a_stream_that_the_command_closes_is_closed_at_the_caller_while_it_runs() {
    let wait = "until test -e go; do sleep 0.01; done";
    let pod = Pod::new(&format!(
        "mute sh -c 'exec >&-; {wait}; exit 3'\ndeaf sh -c 'exec <&-; {wait}; exit 3'\nthird sh -c 'exec 3>&-; {wait}; exit 3'"
    ));
    let _server = pod.server();
    let go = pod.work().join("go");

    let mut mute = pod.stub("mute").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    assert_eq!(read_all(mute.stdout.take().expect("stdout")), b"");
    assert!(mute.is_running(), "the reader sees the end before the command's");

    let mut deaf = pod.stub("deaf").stdin(Stdio::piped()).live();
    let mut stdin = deaf.stdin.take().expect("stdin");
    until_true("the writer sees EPIPE", || stdin.write_all(b"x").is_err());
    assert!(deaf.is_running(), "the writer sees EPIPE before the command's end");

    pod.stub_path("third");
    let mut third = pod.shell("exec third 3>&1 >&2").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    assert_eq!(read_all(third.stdout.take().expect("stdout")), b"");
    assert!(third.is_running(), "whoever reads from 3 sees the end before the command's");

    fs::write(&go, "").expect("a file");
    for stub in [&mut mute, &mut deaf, &mut third] {
        assert_eq!(stub.end().code(), Some(3));
    }
}

/// What is shared with a caller of a description: its flags, where it stands, and a terminal's modes.
fn state(descriptor: &impl AsFd) -> (i32, Option<i64>, Option<String>) {
    let flags = fcntl(descriptor, FcntlArg::F_GETFL).expect("the flags");
    let modes = nix::sys::termios::tcgetattr(descriptor).ok().map(|modes| format!("{modes:?}"));
    (flags, lseek(descriptor.as_fd(), 0, Whence::SeekCur).ok(), modes)
}

/// Passes each of these to a command that leaves them alone, as stdin, stdout and stderr in turn. Nothing may be different
/// while it runs, after its end, or after that of a stub that is killed.
#[test]
fn nothing_touches_what_a_descriptor_shares_with_the_caller() {
    let pod = Pod::new("stay sh -c 'echo >started; until test -e go; do sleep 0.01; done'");
    let _server = pod.server();
    fs::write(pod.path("file"), "some text").expect("a file");
    let mut file = fs::File::options().read(true).write(true).open(pod.path("file")).expect("the file");
    file.seek(SeekFrom::Start(4)).expect("a place in it");
    let (pipe_out, pipe_in) = pipe().expect("a pipe");
    let (near, far) = UnixStream::pair().expect("a pair of sockets");
    let terminal = Terminal::new();
    let device = fs::File::options().read(true).write(true).open(terminal.path()).expect("the terminal");
    let descriptors: [(&str, OwnedFd); 6] = [
        ("file", file.into()),
        ("pipe to read", pipe_out.into()),
        ("pipe to write", pipe_in.into()),
        ("socket", near.into()),
        ("other socket", far.into()),
        ("terminal", device.into()),
    ];
    for (name, descriptor) in &descriptors {
        for is_nonblocking in [false, true] {
            let flags = OFlag::from_bits_retain(fcntl(descriptor, FcntlArg::F_GETFL).expect("the flags"));
            let flags = if is_nonblocking { flags | OFlag::O_NONBLOCK } else { flags & !OFlag::O_NONBLOCK };
            fcntl(descriptor, FcntlArg::F_SETFL(flags)).expect("the flags");
            for (stream, is_killed) in [(0, false), (1, false), (2, false), (0, true), (1, true)] {
                let before = state(descriptor);
                let what = format!("{name} as stream {stream}, non-blocking: {is_nonblocking}, killed: {is_killed}");
                stay(&pod, descriptor, stream, is_killed, || assert_eq!(state(descriptor), before, "{what}, running"));
                assert_eq!(state(descriptor), before, "{what}");
            }
        }
    }
}

/// Runs `stay` with the descriptor as this stream, calls `look` while it runs, and ends it.
fn stay(pod: &Pod, descriptor: &OwnedFd, stream: usize, is_killed: bool, look: impl Fn()) {
    let (started, go) = (pod.work().join("started"), pod.work().join("go"));
    // Both are missing at first.
    _ = (fs::remove_file(&started), fs::remove_file(&go));
    let mut stub = pod.stub("stay");
    stub.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let descriptor = Stdio::from(descriptor.try_clone().expect("a descriptor"));
    match stream {
        0 => stub.stdin(descriptor),
        1 => stub.stdout(descriptor),
        _ => stub.stderr(descriptor),
    };
    let mut stub = stub.live();
    wait_for_file(&started);
    look();
    if is_killed {
        stub.signal(Signal::SIGKILL);
        stub.end();
        until_true("the command is gone", || pod.running("sh").is_empty());
    } else {
        fs::write(&go, "").expect("a file");
        assert_eq!(stub.end().code(), Some(0));
    }
}

/// Says of each stream whether it is a terminal.
const STREAMS: &str = "streams sh -c 'exec 5>streams; for n in 0 1 2; do test -t $n; echo $? >&5; done'";

#[test]
fn a_stream_that_is_a_terminal_is_one_to_the_command_whatever_the_others_are() {
    let pod = Pod::new(&format!("{STREAMS}\nsize stty size"));
    let _server = pod.server();
    let terminal = Terminal::new();
    let before = terminal.modes();
    let stream = |is_terminal: bool| if is_terminal { terminal.stream() } else { Stdio::null() };
    for [input, output, error] in
        [[true, false, false], [false, true, false], [false, false, true], [false, true, true], [true, false, true]]
    {
        let mut stub = pod.stub("streams");
        let mut stub = stub.stdin(stream(input)).stdout(stream(output)).stderr(stream(error)).live();
        assert_eq!(stub.end().code(), Some(0));
        let told = fs::read_to_string(pod.work().join("streams")).expect("the command ran");
        let wanted = [input, output, error].map(|is_terminal| if is_terminal { "0\n" } else { "1\n" }).concat();
        assert_eq!(told, wanted);
    }
    let mut size = pod.stub("size").stdin(stream(true)).stdout(Stdio::piped()).live();
    assert_eq!(read_all(size.stdout.take().expect("stdout")), b"24 80\n");
    assert_eq!(size.end().code(), Some(0));
    assert_eq!(terminal.modes(), before);
}

#[test]
fn a_request_can_be_large_and_have_many_descriptors() {
    let pod = Pod::new("count sh -c 'echo $#; ls /proc/self/fd | wc -l' sh");
    let _server = pod.server();
    pod.stub_path("count");
    if !has_programs(&["bash"]) {
        return;
    }
    let words = "w=$(printf %032000d 0); set -- $w $w $w $w $w $w $w $w; set -- \"$@\" \"$@\" \"$@\" \"$@\" \"$@\" \"$@\" \"$@\"";
    let open = "for n in {10..409}; do eval \"exec $n</dev/null\"; done";
    let outcome = bash(&pod, &format!("{words}; {open}; exec count \"$@\"")).run();
    assert_eq!(outcome.succeeds(), "56\n404\n");
}

#[test]
fn a_stub_that_is_killed_leaves_nothing_that_holds_its_pipes() {
    let pod = Pod::new("stay sh -c 'sleep 1000 & echo ready; wait'");
    let _server = pod.server();
    let mut stub = pod.stub("stay").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let mut stdout = stub.stdout.take().expect("stdout");
    assert_eq!(read_line(&mut stdout), "ready\n");
    stub.signal(Signal::SIGKILL);
    assert_eq!(read_all(&mut stdout), b"", "the end comes when the last descendant has gone");
    assert!(pod.running("sleep").is_empty());
}

#[test]
fn a_session_that_is_killed_is_125_at_its_stub_and_the_descriptors_are_free() {
    let pod = Pod::new("stay sh -c 'echo ready; exec sleep 1000'");
    let server = pod.server();
    let mut stub = pod.stub("stay").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    let mut stdout = stub.stdout.take().expect("stdout");
    assert_eq!(read_line(&mut stdout), "ready\n");
    pod.until_running("sleep", 1);
    pod.children(server.process().0).iter().for_each(|session| session.signal(Signal::SIGKILL));
    assert_eq!(stub.end().code(), Some(125));
    let message = String::from_utf8_lossy(&read_all(stub.stderr.take().expect("stderr"))).into_owned();
    assert!(message.starts_with("stay: ") && message.lines().count() == 1, "{message:?}");
    assert_eq!(read_all(&mut stdout), b"");
}

/// Goes by the relay, with the same result, without a word, and at the first attempt.
#[track_caller]
fn falls_back(stub: &mut Command) {
    assert_eq!(stub.run().succeeds(), "relay\n");
    let outcome = stub.env("K8PSH_DEBUG", "client").run();
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(0), "relay\n"));
    assert!(!outcome.err().contains("trying again"), "{}", outcome.err());
    stub.env_remove("K8PSH_DEBUG");
}

#[test]
fn a_section_can_turn_either_transport_off() {
    let pod = Pod::with_header("--transport=relay", WAY);
    let server = pod.server();
    falls_back(&mut pod.stub("way"));
    assert!(!support::has_name(pod.port()));
    assert_eq!(server.log(), "");

    let pod = Pod::with_header("--transport direct", WAY);
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs"));
    let _server = pod.start_direct(command);
    assert_eq!(pod.stub("way").run().succeeds(), "direct\n");
    assert!(!support::is_listening(pod.port()));
}

#[test]
fn where_the_name_is_missing_the_relay_is_used() {
    let pod = Pod::new(WAY);
    let _server = pod.server_with(&["--transport", "relay"]);
    falls_back(&mut pod.stub("way"));
}

/// Binds the name of the server at this port, with room for this many connections beside the first.
fn squat(port: u16, backlog: i32) -> OwnedFd {
    let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    bind(listener.as_raw_fd(), &name_of(port)).expect("the name");
    listen(&listener, Backlog::new(backlog).expect("a backlog")).expect("a listener");
    listener
}

fn name_of(port: u16) -> UnixAddr {
    UnixAddr::new_abstract(format!("k8psh:{port}").as_bytes()).expect("a name")
}

#[test]
fn a_server_whose_name_is_taken_warns_and_serves_by_the_relay() {
    let pod = Pod::new(WAY);
    // Nobody accepts, and there is no room for another connection.
    let _squatter = squat(pod.port(), 0);
    let fill = || {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let client = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
        connect(client.as_raw_fd(), &name_of(pod.port())).map(|()| client)
    };
    let mut clients = Vec::new();
    while let Ok(client) = fill() {
        clients.push(client);
    }
    let server = pod.server();
    falls_back(&mut pod.stub("way"));
    let log = server.log();
    assert!(log.starts_with("k8pshd: warning: ") && log.contains("going on without direct transport"), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}

/// A listener in the place of the server's, which reads this much of each connection and closes it. It goes on to the end
/// of the test program.
fn close_after(port: u16, bytes: usize) {
    let name = SocketAddr::from_abstract_name(format!("k8psh:{port}")).expect("a name");
    let listener = UnixListener::bind_addr(&name).expect("the name");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut request = vec![0; bytes];
            // Less comes where the stub has less to say.
            connection.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
            _ = (&connection).read_exact(&mut request);
        }
    });
}

#[test]
fn a_listener_that_goes_between_connection_and_answer_is_left_once_and_silently() {
    for bytes in [0, 1, 100] {
        let pod = Pod::new(&format!("{WAY}\ncount sh -c 'cat; echo $#' sh"));
        close_after(pod.port(), bytes);
        let _server = pod.server_with(&["--transport", "relay"]);
        for _ in 0..5 {
            falls_back(&mut pod.stub("way"));
        }
        // The request is sent anew from its beginning, and only then the input.
        let words: Vec<_> = (0..20).map(|_| "x".repeat(32 << 10)).collect();
        assert_eq!(pod.stub("count").args(&words).run_with(b"input\n").succeeds(), "input\n20\n");
        let forced = pod.stub("way").env("K8PSH_TRANSPORT", "direct").run();
        forced.fails(125, "way", &[&format!("k8psh:{}", pod.port())]);
    }
}

#[test]
fn a_part_of_a_request_that_is_read_starts_nothing_so_the_relay_is_used() {
    let pod = Pod::new("count sh -c 'echo $#' sh");
    // More than a socket holds: the stub has still to send when all that it has sent is read.
    close_after(pod.port(), 300_000);
    let _server = pod.server_with(&["--transport", "relay"]);
    let words: Vec<_> = (0..40).map(|_| "x".repeat(32 << 10)).collect();
    for _ in 0..20 {
        assert_eq!(pod.stub("count").args(&words).run().succeeds(), "40\n");
    }
}

#[test]
fn a_command_whose_session_is_lost_is_not_run_again() {
    let pod = Pod::new("once sh -c 'echo x >>runs; kill -9 $PPID; exec sleep 1000'");
    let _server = pod.server();
    for count in 1..=20 {
        pod.stub("once").run().fails(125, "once", &["the connection ended"]);
        assert_eq!(fs::read_to_string(pod.work().join("runs")).expect("the command ran").lines().count(), count);
    }
    // Nor is a request that somebody else has read to its end.
    let pod = Pod::new(WAY);
    close_after(pod.port(), 100_000);
    let _server = pod.server_with(&["--transport", "relay"]);
    pod.stub("way").run().fails(125, "way", &["the connection ended"]);
}

#[test]
fn a_stub_can_be_told_which_user_the_server_has_to_be() {
    let own = geteuid().as_raw();
    for (user, wanted) in [(own, "direct\n"), (own + 1, "relay\n")] {
        let pod = Pod::with_header(&format!("--server-uid={user}"), WAY);
        let _server = pod.server();
        assert_eq!(pod.stub("way").run().succeeds(), wanted);
        if wanted == "relay\n" {
            falls_back(&mut pod.stub("way"));
            pod.stub("way").env("K8PSH_TRANSPORT", "direct").run().fails(125, "way", &["Permission denied"]);
        }
    }
}

/// Somebody who is not root.
const NOBODY: u32 = 65534;

/// Makes what is in the Pod's directory usable for every user, the program included; gives the program.
fn open_to_all(pod: &Pod) -> std::path::PathBuf {
    let program = pod.path("way");
    copy_program(PROGRAM, &program);
    for path in [pod.path(""), pod.work(), pod.config(), program.clone()] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    program
}

#[test]
fn a_name_that_another_user_has_taken_is_passed_by() {
    if !is_root() {
        return;
    }
    let pod = Pod::with_header("--server-uid=0", WAY);
    let program = open_to_all(&pod);
    // A server like the other one but for its user.
    let trap = pod.path("trap.conf");
    let text = format!("baseDirectory = work\n{}\nway echo trapped", pod.section("=PATH= --transport=direct"));
    fs::write(&trap, text).expect("a file");
    let mut squatter = pod.command(&program);
    squatter.arg0("k8pshd").args(["-n", "box", "-d", "-c"]).arg(&trap).uid(NOBODY).gid(NOBODY);
    let _squatter = pod.start_direct(squatter);
    assert_eq!(pod.command(&program).env("K8PSH_CONFIG", &trap).run().succeeds(), "trapped\n", "without the option");
    let _server = pod.server_with(&["--transport=relay"]);
    falls_back(&mut pod.stub("way"));
}

#[test]
fn a_user_that_is_not_let_in_uses_the_relay() {
    if !is_root() {
        return;
    }
    for (list, as_root, as_nobody) in
        [("0", "direct", "relay"), ("65534,7", "relay", "direct"), ("7,0,65534", "direct", "direct")]
    {
        let pod = Pod::with_header(&format!("--allow-uid={list}"), WAY);
        let program = open_to_all(&pod);
        let server = pod.server();
        pod.stub_path("way");
        for (user, wanted) in [(0, as_root), (NOBODY, as_nobody)] {
            let mut stub = pod.command(&program);
            stub.uid(user).gid(user);
            assert_eq!(stub.run().succeeds(), format!("{wanted}\n"), "user {user}, {list}");
            if wanted == "relay" {
                falls_back(&mut stub);
            }
        }
        assert_eq!(server.log(), "");
    }
}

#[test]
fn a_call_that_is_refused_on_the_way_makes_no_difference() {
    if !has_programs(&["strace"]) {
        return;
    }
    let pod = Pod::new(WAY);
    let _server = pod.server();
    let with = |fault: &str| {
        let mut command = pod.command("strace");
        let call = fault.split(':').next().unwrap_or_default();
        command.args([
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={call}"),
            "-e",
            &format!("inject={fault}:when=1"),
        ]);
        command.arg(pod.stub_path("way"));
        command
    };
    if !with("connect:error=EACCES").run().status.success() {
        println!("skipped: no program can be traced here");
        return;
    }
    for fault in ["socket:error=EAFNOSUPPORT", "socket:error=EACCES", "connect:error=EACCES", "connect:error=EPERM"] {
        falls_back(&mut with(fault));
    }
    for fault in ["sendmsg:error=EPERM", "sendmsg:error=ETOOMANYREFS", "sendmsg:error=EINVAL", "sendmsg:error=EPIPE"] {
        falls_back(&mut with(fault));
    }
}

#[test]
fn a_transport_that_is_forced_and_not_there_is_one_line_after_its_time() {
    let text = |pod: &Pod| format!("baseDirectory=work\nconnectTimeoutMs=300\n{}\n{WAY}\n", pod.section("=PATH="));
    let pod = Pod::custom(text);
    let server = pod.server_with(&["--transport=relay"]);
    let outcome = pod.stub("way").env("K8PSH_TRANSPORT", "direct").run();
    outcome.fails(125, "way", &["server box", &format!("k8psh:{}", pod.port()), "Connection refused"]);
    assert!(outcome.took > Duration::from_millis(250), "it tries again: {:?}", outcome.took);
    drop(server);
}

#[test]
fn a_forced_transport_waits_for_its_server() {
    let pod = Pod::new(WAY);
    pod.link_stub("way");
    let mut stub = pod.stub("way").env("K8PSH_TRANSPORT", "direct").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    until_true("the stub waits", || stub.process().name() == "way");
    let _server = pod.server_with(&["--overwrite-client-executables"]);
    assert_eq!(read_all(stub.stdout.take().expect("stdout")), b"direct\n");
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_transport_that_does_not_exist_is_one_line() {
    let pod = Pod::new(WAY);
    let _server = pod.server();
    for name in ["x", "Direct", "relay ", "direct,relay"] {
        pod.stub("way").env("K8PSH_TRANSPORT", name).run().fails(125, "way", &[name, "auto, direct, relay"]);
    }
}

#[test]
fn a_bad_value_in_a_section_is_told_with_its_place() {
    for option in ["--transport=x", "--transport=", "--allow-uid=x", "--allow-uid=1,", "--server-uid=-1", "--tty=x"] {
        let pod = Pod::with_header(option, WAY);
        let outcome = pod.k8pshd().args(["-n", "box", "-e"]).arg(pod.path("stubs")).run();
        let (name, value) = option.split_once('=').expect("a value");
        // The header is the third line.
        outcome.fails(1, "k8pshd", &[&format!("{}:3:", pod.config().display()), name, value]);
    }
}

/// A job that is seen by the others while it runs, and ends when three of them have been seen at once. It fails where more
/// are seen than that, or three never.
const JOB: &str = r#"#!/bin/sh
mkdir "running/$1" || exit
tries=0
until test -e full || test $((tries += 1)) -gt 1000; do
    test "$(ls running | wc -l)" -lt 3 || echo >full
    sleep 0.01
done
sleep 0.05
count=$(ls running | wc -l)
rmdir "running/$1"
echo "$1: $count" >>jobs
test -e full && test "$count" -le 3
"#;

/// What the nested make is to do: seven jobs.
const FAR: &str = "far: far-1 far-2 far-3 far-4 far-5 far-6 far-7\nfar-%:\n\t@./job $@\n";

/// A Pod in which `nested` is a make that shares its caller's jobserver.
fn pod_with_make() -> Pod {
    let pod = Pod::new("nested MAKEFLAGS= MAKELEVEL= make --no-print-directory -f far.mk\nflags MAKEFLAGS= sh -c");
    fs::write(pod.work().join("far.mk"), FAR).expect("a makefile");
    support::write_program(pod.work().join("job"), JOB);
    pod
}

/// Runs what starts the jobs; it has to succeed without a word.
fn run_jobs(pod: &Pod, command: &mut Command, count: usize) {
    for name in ["full", "jobs"] {
        _ = fs::remove_file(pod.work().join(name));
    }
    fs::create_dir_all(pod.work().join("running")).expect("a directory");
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GNUMAKEFLAGS"] {
        if command.get_envs().all(|(known, _)| known != name) {
            command.env_remove(name);
        }
    }
    let outcome = command.run();
    let jobs = fs::read_to_string(pod.work().join("jobs")).unwrap_or_default();
    assert_eq!(told(&outcome), (Some(0), String::new(), String::new()), "{jobs}");
    assert_eq!(jobs.lines().count(), count, "{jobs}");
}

/// Whether this make has jobservers that are FIFOs (4.4).
fn has_fifo_style(pod: &Pod) -> bool {
    pod.command("make").args(["--jobserver-style=fifo", "--version"]).run().status.success()
}

#[test]
fn a_make_behind_a_stub_shares_its_callers_limit_of_jobs() {
    if !has_programs(&["make"]) {
        return;
    }
    let pod = pod_with_make();
    let _server = pod.server();
    pod.stub_path("nested");
    let near = "all: far near-1 near-2 near-3 near-4 near-5 near-6\nnear-%:\n\t@./job $@\nfar:\n\t@+nested\n";
    fs::write(pod.work().join("near.mk"), near).expect("a makefile");
    fs::write(pod.work().join("alone.mk"), "far:\n\t@+nested\n").expect("a makefile");
    let styles: &[&str] = if has_fifo_style(&pod) {
        &["--jobserver-style=pipe", "--jobserver-style=fifo"]
    } else {
        &["--no-print-directory"]
    };
    for style in styles {
        for (file, count) in [("alone.mk", 7), ("near.mk", 13)] {
            run_jobs(&pod, pod.shell("exec make \"$@\"").args(["sh", "-j3", style, "-f", file]), count);
        }
    }
}

/// A FIFO as a make of version 4.4 has it, with two of three tokens in it: the third is the one that it runs the stub with.
fn jobserver(pod: &Pod) -> (String, fs::File) {
    let path = pod.path("jobserver");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let mut fifo = fs::File::options().read(true).write(true).open(&path).expect("the FIFO");
    fifo.write_all(b"++").expect("two tokens");
    (path.display().to_string(), fifo)
}

#[test]
fn a_jobserver_that_is_a_fifo_goes_along_as_descriptors() {
    let pod = pod_with_make();
    let _server = pod.server();
    let (path, mut fifo) = jobserver(&pod);
    let flags = |text: &str| {
        let mut stub = pod.stub("flags");
        stub.env("MAKEFLAGS", text);
        stub
    };
    let script = "echo \"$MAKEFLAGS\"; auth=${MAKEFLAGS#*auth=}; auth=${auth%% *}; \
                  readlink /proc/$$/fd/${auth%,*} /proc/$$/fd/${auth#*,}";
    for (before, after) in [(" -j3 ", ""), ("s -j3 ", " --no-print-directory -- A=b"), ("", "")] {
        let text = format!("{before}--jobserver-auth=fifo:{path}{after}");
        let told = flags(&text).arg(script).run().succeeds();
        let lines: Vec<_> = told.lines().collect();
        let auth =
            lines[0].strip_prefix(&format!("{before}--jobserver-auth=")).and_then(|rest| rest.strip_suffix(after));
        let (numbers, path_too) = auth.and_then(|auth| auth.split_once(' ')).unwrap_or_else(|| panic!("{told}"));
        let (read, write) = numbers.split_once(',').unwrap_or_else(|| panic!("{told}"));
        assert_eq!(path_too, format!("--jobserver-auth=fifo:/proc/self/fd/{read} --jobserver-a={numbers}"));
        assert!(read != write && [read, write].iter().all(|end| end.parse::<u32>().is_ok_and(|end| end > 2)), "{told}");
        assert_eq!(lines[1..], [&path, &path]);
    }
    if has_programs(&["make"]) {
        let text = format!(" -j3 --jobserver-auth=fifo:{path}");
        run_jobs(&pod, pod.stub("nested").env("MAKEFLAGS", text).env("MAKELEVEL", "1"), 7);
    }
    let mut tokens = [0; 2];
    fifo.read_exact(&mut tokens).expect("the tokens");
    assert_eq!(&tokens, b"++", "both were given back");
}

#[test]
fn makeflags_without_a_fifo_that_can_be_opened_stay_as_they_are() {
    let pod = Pod::new(
        "flags MAKEFLAGS= sh -c 'echo \"$MAKEFLAGS\"'\nfixed =MAKEFLAGS=own sh -c 'echo \"$MAKEFLAGS\"'\n\
         listed MAKEFLAGS= ls /proc/self/fd\nunlisted ls /proc/self/fd",
    );
    let _server = pod.server();
    if !has_programs(&["bash"]) {
        return;
    }
    let (path, _fifo) = jobserver(&pod);
    for name in ["flags", "fixed", "listed", "unlisted"] {
        pod.stub_path(name);
    }
    let run = |name: &str, text: &str| bash(&pod, &format!("exec {name}")).env("MAKEFLAGS", text).run().succeeds();
    let missing = format!(" -j3 --jobserver-auth=fifo:{path}x");
    let long = format!(" -j3 --jobserver-auth=fifo:/{}", "x/".repeat(4000));
    for text in [" -j3 --jobserver-auth=3,4", "", "k", " -j --jobserver-auth=fifo:", " -- fifo:/", &missing, &long] {
        assert_eq!(run("flags", text), format!("{text}\n"));
    }
    let text = format!(" -j3 --jobserver-auth=fifo:{path}");
    assert_eq!(run("fixed", &text), "own\n");
    assert_eq!(run("unlisted", &text), "0\n1\n2\n3\n");
    assert_eq!(run("listed", &text).lines().count(), 6, "the streams, the directory, and both ends");
    let by_relay = pod.relay_stub("flags").env("MAKEFLAGS", &text).run();
    assert_eq!(by_relay.succeeds(), "\n");
}

#[test]
fn a_stub_whose_server_stands_still_waits_without_work() {
    let pod = Pod::new("true");
    let server = pod.server();
    pod.stub_path("true");
    server.signal(Signal::SIGSTOP);
    let start = Instant::now();
    let mut stub = pod.stub("true").live();
    // Longer than any greeting is waited for.
    until_true("it has waited", || start.elapsed() > Duration::from_millis(1500));
    let stat = fs::read_to_string(format!("/proc/{}/stat", stub.id())).expect("the stub's state");
    let ticks: u64 = stat
        .rsplit_once(") ")
        .expect("a name")
        .1
        .split(' ')
        .skip(11)
        .take(2)
        .map(|t| t.parse::<u64>().expect("ticks"))
        .sum();
    assert!(ticks < 20, "{ticks} hundredths of a second");
    server.signal(Signal::SIGCONT);
    assert_eq!(stub.end().code(), Some(0));
}
