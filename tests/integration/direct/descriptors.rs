//! The command has its caller's own descriptors.

use super::*;

/// Runs the script with a stub in the place of `@`, and with the program of the same name. Both have to say the same.
fn same_as_locally(pod: &Pod, stub: &str, program: &str, script: &str) -> String {
    pod.stub_path(stub);
    // Each begins with the same files.
    let run = |name: &str| {
        let clean = "rm -rf made; mkdir made; ";
        bash(pod, &format!("{clean}{}", script.replace('@', name))).run()
    };
    let (local, far) = (run(program), run(stub));
    assert_eq!(result(&far), result(&local), "{script}");
    local.out()
}

#[test]
fn the_command_has_the_callers_descriptors_under_their_numbers_and_no_other() {
    if lacks_open_files(1024) {
        return;
    }
    let pod = Pod::new("descriptors ls /proc/self/fd");
    // What the server itself was started with is none of the command's business.
    let mut command = pod.command("sh");
    command.args(["-c", "exec \"$0\" -n box -l -e ../stubs 3</dev/null 5</dev/null 8>&2"]).arg(pod.path("bin/k8pshd"));
    let _server = pod.start(command);
    if lacks_programs(&["bash"]) {
        return;
    }
    for redirections in [
        "",
        "3>made/log",
        "7</dev/null",
        "3>made/log 4>&3 9</dev/null",
        "255</dev/null",
        "256</dev/null",
        "300</dev/null",
        "7</dev/null 511</dev/null",
        "512</dev/null",
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
    if lacks_open_files(1024) {
        return;
    }
    let pod = Pod::new("descriptors ls /proc/self/fd\nshow cat");
    let _server = pod.server();
    if lacks_programs(&["bash"]) {
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
    if lacks_open_files(2048) {
        return;
    }
    let pod = Pod::new("descriptors ls /proc/self/fd");
    let _server = pod.server();
    pod.stub_path("descriptors");
    if lacks_programs(&["bash"]) {
        return;
    }
    // The streams are three of them.
    let with = |count: usize| {
        let open = format!("for n in {{10..{}}}; do eval \"exec $n</dev/null\"; done", count + 6);
        bash(&pod, &format!("{open}; exec descriptors"))
    };
    assert_eq!(with(1024).run().succeeds().lines().count(), 1025);
    with(1025).run().fails(125, "descriptors", &["1024", "K8PSH_TRANSPORT=relay"]);
    assert_eq!(with(1025).env("K8PSH_TRANSPORT", "relay").run().succeeds(), "0\n1\n2\n3\n");
}

#[test]
fn a_server_that_may_open_too_few_files_says_so() {
    if lacks_open_files(1024) {
        return;
    }
    let pod = Pod::new("descriptors ls /proc/self/fd");
    let mut command = pod.command("sh");
    command.args(["-c", "ulimit -n 64; exec \"$0\" -n box -l -e ../stubs"]).arg(pod.path("bin/k8pshd"));
    let _server = pod.start(command);
    pod.stub_path("descriptors");
    if lacks_programs(&["bash"]) {
        return;
    }
    let many = bash(&pod, "for n in {10..99}; do eval \"exec $n</dev/null\"; done; exec descriptors").run();
    many.fails(125, "descriptors", &["of 93 descriptors", "limit of open files"]);
    for redirections in ["300</dev/null", "9</dev/null 300</dev/null"] {
        let high = bash(&pod, &format!("exec descriptors {redirections}")).run();
        high.fails(125, "descriptors", &["descriptor 300", "limit of open files"]);
    }
    assert_eq!(bash(&pod, "exec descriptors 9</dev/null").run().succeeds(), "0\n1\n2\n3\n9\n");
}

#[test]
fn files_pipes_and_process_substitutions_are_the_callers() {
    let pod = Pod::new("shell sh");
    let _server = pod.server();
    if lacks_programs(&["bash"]) {
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
    if lacks_open_files(1024) {
        return;
    }
    let pod = Pod::new("count sh -c 'echo $#; ls /proc/self/fd | wc -l' sh");
    let _server = pod.server();
    pod.stub_path("count");
    if lacks_programs(&["bash"]) {
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
