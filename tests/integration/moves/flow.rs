//! How large streams flow: all bytes, while readers stop and go on, signals come and ends close.

use super::*;

#[test]
fn a_large_stream_is_moved_and_not_copied() {
    if lacks_nowait() {
        return;
    }
    let pod = Transport::Relay.pod("far cat");
    let _server = pod.server();
    let ((input, to_stub), (mut from_stub, output)) = (large_pipe(), large_pipe());
    // Both streams stay open, so that both ends still run when all of it has passed.
    let open = to_stub.try_clone().expect("a copy");
    let mut stub = pod.stub("far").stdin(input).stdout(output).live();
    let bytes = random(1, MANY);
    let writer = write_all(to_stub, &bytes);
    let mut got = vec![0; MANY];
    from_stub.read_exact(&mut got).expect("all of it");
    assert_same(&got, &bytes);
    let session = until("a session", || sessions(&pod, "cat").first().copied());
    for process in [stub.process(), session] {
        let count = copied(process);
        // How much it is depends on who is faster: for a full pipe, and of a nearly empty one, bytes are copied.
        assert!(count + (1 << 20) < 2 * MANY as u64, "{} copied {count} bytes of {}", process.name(), 2 * MANY);
    }
    writer.join().expect("the writer");
    drop(open);
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_small_stream_makes_no_pipe_for_it() {
    let pod = Transport::Relay.pod("cat");
    let _server = pod.server();
    let mut stub = pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let (mut stdin, mut stdout) = (stub.stdin.take().expect("stdin"), stub.stdout.take().expect("stdout"));
    let count = |process: Process| fs::read_dir(format!("/proc/{}/fd", process.0)).expect("its descriptors").count();
    let mut echo = |bytes: &[u8]| {
        stdin.write_all(bytes).expect("the stub reads");
        let mut got = vec![0; bytes.len()];
        stdout.read_exact(&mut got).expect("the same");
        assert_same(&got, bytes);
    };
    echo(b"first\n");
    let session = until("a session", || sessions(&pod, "cat").first().copied());
    let before = [stub.process(), session].map(count);
    (0..50).for_each(|seed| echo(&random(seed, 4000)));
    assert_eq!([stub.process(), session].map(count), before);
}

/// Every size around what limits a read, a frame, a pipe or a window, and twice that.
fn sizes() -> impl Iterator<Item = usize> {
    let limits = [32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20];
    limits.into_iter().flat_map(|limit| limit - 1..=limit + 1).chain([(96 << 10) + 5, (384 << 10) - 5])
}

#[test]
fn every_size_around_the_limits_comes_whole_from_a_pipe_and_from_a_file() {
    let pod = Transport::Relay.pod("cat");
    let _server = pod.server();
    for size in sizes() {
        let bytes = random(2, size);
        fs::write(pod.path("input"), &bytes).expect("a file");
        let (input, to_stub) = large_pipe();
        let writer = write_all(to_stub, &bytes);
        for source in [Stdio::from(input), File::open(pod.path("input")).expect("the file").into()] {
            let mut stub = pod.stub("cat").stdin(source).stdout(Stdio::piped()).live();
            assert_same(&read_all(stub.stdout.take().expect("stdout")), &bytes);
            assert_eq!(stub.end().code(), Some(0), "{size}");
        }
        writer.join().expect("the writer");
    }
}

#[test]
fn large_and_small_pieces_in_turn_come_whole() {
    let pod = Transport::Relay.pod("both sh -c 'tee /dev/fd/2'");
    let _server = pod.server();
    let bytes = random(3, MANY);
    let mut stub = pod.stub("both").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    let (mut stdin, copy) = (stub.stdin.take().expect("stdin"), bytes.clone());
    let writer = thread::spawn(move || {
        let mut random = fastrand::Rng::with_seed(3);
        let mut rest = &copy[..];
        while !rest.is_empty() {
            let most = if random.bool() { 100 } else { 200_000 };
            let (piece, others) = rest.split_at(random.usize(1..most).min(rest.len()));
            stdin.write_all(piece).expect("the stub reads");
            rest = others;
        }
    });
    let stderr = stub.stderr.take().expect("stderr");
    let error = thread::spawn(move || read_all(stderr));
    assert_same(&read_all(stub.stdout.take().expect("stdout")), &bytes);
    assert_same(&error.join().expect("stderr"), &bytes);
    writer.join().expect("the writer");
    assert_eq!(stub.end().code(), Some(0));
}

/// Waits until a process has stopped writing, since what it writes to is full.
fn until_stuck(process: Process) {
    let mut before = 0;
    until_true("it is stuck", || {
        thread::sleep(std::time::Duration::from_millis(100));
        let written = process.number("io", "wchar").expect("what it has written");
        std::mem::replace(&mut before, written) == written && written > 0
    });
}

#[test]
fn a_reader_that_stops_and_goes_on_gets_everything() {
    let pod = Transport::Relay.pod("cat");
    let _server = pod.server();
    let bytes = random(4, MANY);
    fs::write(pod.work().join("large"), &bytes).expect("a file");
    let mut stub = pod.stub("cat").arg("large").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    let mut stdout = stub.stdout.take().expect("stdout");
    let mut got = vec![0; MANY];
    for part in got.chunks_mut(MANY / 3).take(2) {
        stdout.read_exact(part).expect("a part");
        until_stuck(pod.until_running("cat", 2).into_iter().max_by_key(|process| process.0).expect("the command"));
    }
    stdout.read_exact(&mut got[MANY / 3 * 2..]).expect("the rest");
    assert_same(&got, &bytes);
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_command_that_stops_and_goes_on_gets_everything() {
    let pod = Transport::Relay.pod("sum sh -c 'kill -STOP $$; exec cksum'");
    let _server = pod.server();
    let bytes = random(5, MANY);
    let mut stub = pod.stub("sum").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let writer = write_all(stub.stdin.take().expect("stdin"), &bytes);
    // It stops with its command.
    until_true("the stub stops", || stub.process().state() == Some('T'));
    stub.signal(Signal::SIGCONT);
    let sum = read_all(stub.stdout.take().expect("stdout"));
    writer.join().expect("the writer");
    fs::write(pod.path("large"), &bytes).expect("a file");
    let file = File::open(pod.path("large")).expect("the file");
    assert_same(&sum, &pod.command("cksum").stdin(file).output().expect("cksum runs").stdout);
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn signals_and_lines_overtake_a_stream_that_is_stuck_at_its_reader() {
    let far = "trap 'echo got it >&2' USR1; cat /dev/zero & while :; do read line && echo $line >&2; done";
    let pod = Transport::Relay.pod(&format!("stuck sh -c \"{far}\""));
    let _server = pod.server();
    let mut stub = pod.stub("stuck").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    let mut stdout = stub.stdout.take().expect("stdout");
    // Enough for the stream to be moved.
    stdout.read_exact(&mut vec![0; MANY]).expect("a part");
    until_stuck(pod.until_running("cat", 1)[0]);
    let mut stderr = stub.stderr.take().expect("stderr");
    for _ in 0..3 {
        stub.stdin.as_mut().expect("stdin").write_all(b"line\n").expect("a line");
        assert_eq!(read_line(&mut stderr), "line\n");
        stub.signal(Signal::SIGUSR1);
        assert_eq!(read_line(&mut stderr), "got it\n");
    }
    stub.signal(Signal::SIGKILL);
}

#[test]
fn signals_overtake_a_stream_that_is_stuck_at_the_command() {
    let pod = Transport::Relay.pod(
        "stuck sh -c 'head -c 8388608 >/dev/null; trap \"echo got it\" USR1; echo ready; while :; do sleep 0.01; done'",
    );
    let _server = pod.server();
    let mut stub = pod.stub("stuck").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let (mut stdin, mut stdout) = (stub.stdin.take().expect("stdin"), stub.stdout.take().expect("stdout"));
    stdin.write_all(&random(6, MANY)).expect("the command reads");
    fcntl(&stdin, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a writer that does not block");
    assert_eq!(read_line(&mut stdout), "ready\n");
    let (piece, mut total) = (random(7, 64 << 10), 0);
    while is_ready(&stdin, PollFlags::POLLOUT) {
        total += stdin.write(&piece).expect("a piece");
    }
    assert!(total > 256 << 10, "more than a window is under way: {total}");
    for _ in 0..3 {
        stub.signal(Signal::SIGUSR1);
        assert_eq!(read_line(&mut stdout), "got it\n");
    }
    stub.signal(Signal::SIGKILL);
}

#[test]
fn stops_and_signals_meanwhile_change_no_byte() {
    let pod = Transport::Relay.pod("cat");
    let _server = pod.server();
    let bytes = random(8, 4 * MANY);
    let mut stub = pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let writer = write_all(stub.stdin.take().expect("stdin"), &bytes);
    let mut stdout = stub.stdout.take().expect("stdout");
    let mut got = vec![0; bytes.len()];
    for part in got.chunks_mut(1 << 18) {
        stdout.read_exact(part).expect("a part");
        // What has no effect on cat is passed on to it, and a stop ends with the next CONT.
        [Signal::SIGWINCH, Signal::SIGSTOP, Signal::SIGCONT].into_iter().for_each(|signal| stub.signal(signal));
    }
    assert_same(&got, &bytes);
    writer.join().expect("the writer");
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_reader_that_goes_in_the_middle_ends_the_command_as_locally() {
    let pod = Transport::Relay.pod("feed cat /dev/zero");
    let _server = pod.server();
    let mut stub = pod.stub("feed").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    stub.stdout.take().expect("stdout").read_exact(&mut vec![0; MANY]).expect("a part");
    let status = stub.end();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(13), "{status}");
    assert_eq!(read_all(stub.stderr.take().expect("stderr")), b"");
}

#[test]
fn a_command_that_has_read_enough_in_the_middle_ends_well() {
    let pod = Transport::Relay.pod("some head -c 1000001");
    let _server = pod.server();
    let bytes = random(9, MANY);
    let outcome = pod.stub("some").run_with(&bytes);
    assert_same(&outcome.stdout, &bytes[..1_000_001]);
    assert_eq!((outcome.code(), outcome.err().as_str()), (Some(0), ""));
}

#[test]
fn both_ends_of_a_moved_stream_are_closed_while_the_command_goes_on() {
    let far = "head -c 8388608; exec <&- >&-; until test -e go; do sleep 0.01; done; exit 3";
    let pod = Transport::Relay.pod(&format!("far sh -c '{far}'"));
    let _server = pod.server();
    let mut stub = pod.stub("far").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let bytes = random(10, MANY);
    let mut stdin = stub.stdin.take().expect("stdin");
    let writer = write_all(File::from(stdin.as_fd().try_clone_to_owned().expect("a copy")), &bytes);
    assert_same(&read_all(stub.stdout.take().expect("stdout")), &bytes);
    writer.join().expect("the writer");
    until("the writer sees EPIPE", || stdin.write(b"x").err());
    assert!(stub.is_running());
    fs::write(pod.work().join("go"), "").expect("a file");
    assert_eq!(stub.end().code(), Some(3));
}
