//! stdin, stdout and stderr: every byte, in order, without delay, with back-pressure and every way to close.

use std::fs;
use std::io::{Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::transport::{Transport, by_each_transport};
use crate::support::{
    Pod, Process, Run, is_ready, lacks_programs, read_all, read_line, until, until_true, wait_for_file,
};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::signal::Signal;

/// A hash of a stream, so that 64 MiB need not be kept to be compared.
struct Sum(u64, u64);

impl Sum {
    fn new() -> Sum {
        Sum(0xcbf2_9ce4_8422_2325, 0)
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.1 += u64::try_from(bytes.len()).expect("a length");
    }

    fn of(mut source: impl Read) -> (u64, u64) {
        let mut sum = Sum::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match source.read(&mut buffer).expect("the stream") {
                0 => return (sum.0, sum.1),
                count => sum.add(&buffer[..count]),
            }
        }
    }
}

/// Writes this many random bytes, in pieces of odd sizes, closes the stream and gives their sum.
fn pour(mut sink: impl Write, seed: u64, total: usize) -> (u64, u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut buffer = vec![0; 128 << 10];
    random.fill(&mut buffer);
    let mut sum = Sum::new();
    let mut left = total;
    while left > 0 {
        let start = random.usize(..1000);
        let piece = &buffer[start..start + random.usize(1..100_000).min(left)];
        sink.write_all(piece).expect("the stub reads");
        sum.add(piece);
        left -= piece.len();
    }
    (sum.0, sum.1)
}

const LARGE: usize = 64 << 20;

by_each_transport!(sixty_four_mebibytes_pass_through_cat_unaltered);
fn sixty_four_mebibytes_pass_through_cat_unaltered(transport: Transport) {
    let pod = transport.pod("cat");
    let _server = pod.server();
    let mut stub = pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let (stdin, stdout) = (stub.stdin.take().expect("stdin"), stub.stdout.take().expect("stdout"));
    let sent = thread::spawn(move || pour(stdin, 1, LARGE));
    let received = Sum::of(stdout);
    assert_eq!(sent.join().expect("the writer"), received);
    assert_eq!(stub.end().code(), Some(0));
}

by_each_transport!(sixty_four_mebibytes_reach_the_command);
fn sixty_four_mebibytes_reach_the_command(transport: Transport) {
    let pod = transport.pod("cksum");
    let _server = pod.server();
    fs::write(pod.path("large"), fastrand::Rng::with_seed(2).shuffled(LARGE)).expect("a file");
    let file = || Stdio::from(fs::File::open(pod.path("large")).expect("the file"));
    let far = pod.stub("cksum").stdin(file()).output().expect("the stub runs");
    let near = pod.command("cksum").stdin(file()).output().expect("cksum runs");
    assert_eq!(String::from_utf8_lossy(&far.stdout), String::from_utf8_lossy(&near.stdout));
}

/// Random bytes, quickly.
trait Shuffled {
    fn shuffled(self, length: usize) -> Vec<u8>;
}

impl Shuffled for fastrand::Rng {
    fn shuffled(mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.fill(&mut bytes);
        bytes
    }
}

by_each_transport!(sixty_four_mebibytes_come_from_the_command_into_a_file);
fn sixty_four_mebibytes_come_from_the_command_into_a_file(transport: Transport) {
    let pod = transport.pod("cat");
    let _server = pod.server();
    let bytes = fastrand::Rng::with_seed(3).shuffled(LARGE);
    fs::write(pod.work().join("large"), &bytes).expect("a file");
    let file = fs::File::create(pod.path("copy")).expect("a file");
    let mut stub = pod.stub("cat").arg("large").stdin(Stdio::null()).stdout(file).live();
    assert_eq!(stub.end().code(), Some(0));
    assert!(fs::read(pod.path("copy")).expect("the copy") == bytes, "not the same bytes");
}

by_each_transport!(stdout_and_stderr_stay_apart_when_both_are_large);
fn stdout_and_stderr_stay_apart_when_both_are_large(transport: Transport) {
    let pod = transport.pod("both sh -c 'cat a & cat b >&2 & wait'");
    let _server = pod.server();
    let (a, b) = (fastrand::Rng::with_seed(4).shuffled(8 << 20), fastrand::Rng::with_seed(5).shuffled(8 << 20));
    fs::write(pod.work().join("a"), &a).expect("a file");
    fs::write(pod.work().join("b"), &b).expect("a file");
    let outcome = pod.stub("both").run();
    assert!(outcome.stdout == a && outcome.stderr == b, "not the same bytes");
}

by_each_transport!(everything_written_before_the_end_is_read_by_a_slow_reader);
fn everything_written_before_the_end_is_read_by_a_slow_reader(transport: Transport) {
    let pod = transport.pod("burst sh -c 'head -c 900000 /dev/zero; printf end; exit 9'");
    let _server = pod.server();
    let mut stub = pod.stub("burst").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    // The command is done, as far as it can be, before the first byte is read.
    let mut stdout = stub.stdout.take().expect("stdout");
    let mut all = vec![0; 1];
    stdout.read_exact(&mut all).expect("a byte");
    thread::sleep(Duration::from_millis(100));
    stdout.read_to_end(&mut all).expect("the rest");
    assert_eq!((all.len(), &all[900_000..]), (900_003, b"end".as_slice()));
    assert_eq!(stub.end().code(), Some(9));
}

by_each_transport!(the_end_of_input_reaches_the_command_while_its_output_goes_on);
fn the_end_of_input_reaches_the_command_while_its_output_goes_on(transport: Transport) {
    let pod = transport.pod("sort\nafter sh -c 'cat >/dev/null; echo one; echo two; exit 4'");
    let _server = pod.server();
    assert_eq!(pod.stub("sort").run_with(b"b\na\nc\n").succeeds(), "a\nb\nc\n");
    let outcome = pod.stub("after").run_with(b"input");
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(4), "one\ntwo\n"));
    let outcome = pod.stub("after").run();
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(4), "one\ntwo\n"));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

by_each_transport!(a_line_comes_back_without_delay);
fn a_line_comes_back_without_delay(transport: Transport) {
    let pod = transport.pod("cat");
    let _server = pod.server();
    let mut stub = pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let (mut stdin, mut stdout) = (stub.stdin.take().expect("stdin"), stub.stdout.take().expect("stdout"));
    let times = (0..200).map(|number| {
        let start = Instant::now();
        let line = format!("{number}\n");
        stdin.write_all(line.as_bytes()).expect("a line");
        assert_eq!(read_line(&mut stdout), line);
        start.elapsed()
    });
    let median = median(times.collect());
    assert!(median < Duration::from_millis(30), "{median:?}: something polls");
    drop(stdin);
    assert_eq!(stub.end().code(), Some(0));
}

by_each_transport!(an_open_stdin_on_which_nothing_comes_costs_nothing);
fn an_open_stdin_on_which_nothing_comes_costs_nothing(transport: Transport) {
    let pod = transport.pod("true");
    let _server = pod.server();
    let (input, _open) = pipe().expect("a pipe");
    let times = (0..20).map(|_| {
        let start = Instant::now();
        let mut stub = pod.stub("true").stdin(input.try_clone().expect("a descriptor")).live();
        assert_eq!(stub.wait().expect("a status").code(), Some(0));
        start.elapsed()
    });
    let median = median(times.collect());
    assert!(median < Duration::from_millis(100), "{median:?}: something polls");
}

/// Memory of every process of this Pod by itself, in KiB.
fn memory(pod: &Pod) -> Vec<(String, u64)> {
    let names = ["k8pshd", "feed", "ignore"];
    let own = pod.processes().into_iter().filter(|process| names.contains(&process.name().as_str()));
    own.map(|process| (process.name(), process.memory())).collect()
}

/// Far more than the buffers of stub and session need together, far less than what flows.
const FLAT: u64 = 3 << 10;

by_each_transport!(a_command_that_reads_nothing_stops_its_writer_and_memory_stays_flat);
fn a_command_that_reads_nothing_stops_its_writer_and_memory_stays_flat(transport: Transport) {
    let pod = transport.pod("ignore sleep 1000");
    let _server = pod.server();
    let (input, mut output) = pipe().expect("a pipe");
    fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a writer that does not block");
    let stub = pod.stub("ignore").stdin(input).live();
    let piece = vec![b'x'; 64 << 10];
    let mut total = 0;
    while is_ready(&output, PollFlags::POLLOUT) {
        total += output.write(&piece).expect("a piece");
        assert!(total < 16 << 20, "nothing stops the writer");
    }
    assert!(total < 4 << 20, "{total} bytes under way");
    let memory = memory(&pod);
    assert!(memory.len() >= 2 && memory.iter().all(|(_, kib)| *kib < FLAT), "{memory:?}");
    stub.signal(Signal::SIGKILL);
}

by_each_transport!(a_reader_that_reads_nothing_stops_the_command_and_memory_stays_flat);
fn a_reader_that_reads_nothing_stops_the_command_and_memory_stays_flat(transport: Transport) {
    let pod = transport.pod("feed dd if=/dev/zero bs=4k status=none");
    let _server = pod.server();
    let stub = pod.stub("feed").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    let command = pod.until_running("dd", 1)[0];
    let written = || command.number("io", "wchar").expect("what the command has written");
    let mut before = 0;
    until_true("the command is stopped", || {
        thread::sleep(Duration::from_millis(300));
        std::mem::replace(&mut before, written()) == before && before > 0
    });
    assert!(before < 8 << 20, "{before} bytes under way");
    let memory = memory(&pod);
    assert!(memory.len() >= 2 && memory.iter().all(|(_, kib)| *kib < FLAT), "{memory:?}");
    stub.signal(Signal::SIGKILL);
}

by_each_transport!(memory_stays_flat_however_much_flows);
fn memory_stays_flat_however_much_flows(transport: Transport) {
    let pod = transport.pod("feed cat /dev/zero");
    let _server = pod.server();
    let mut stub = pod.stub("feed").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    let mut stdout = stub.stdout.take().expect("stdout");
    let mut buffer = vec![1; 1 << 20];
    for _ in 0..64 {
        stdout.read_exact(&mut buffer).expect("a mebibyte");
        assert!(buffer.iter().all(|&byte| byte == 0), "not zero");
    }
    let memory = memory(&pod);
    assert!(memory.len() >= 2 && memory.iter().all(|(_, kib)| *kib < FLAT), "{memory:?}");
    stub.signal(Signal::SIGKILL);
}

by_each_transport!(a_command_that_closes_stdin_early_makes_the_writer_see_epipe);
fn a_command_that_closes_stdin_early_makes_the_writer_see_epipe(transport: Transport) {
    let pod = transport.pod("deaf sh -c 'exec <&-; echo closed; while ! test -e go; do sleep 0.01; done; echo done'");
    let _server = pod.server();
    let mut stub = pod.stub("deaf").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let mut stdout = stub.stdout.take().expect("stdout");
    let mut stdin = stub.stdin.take().expect("stdin");
    assert_eq!(read_line(&mut stdout), "closed\n");
    until("the writer sees EPIPE", || stdin.write(b"x").err());
    fs::write(pod.work().join("go"), "").expect("a file");
    assert_eq!(read_all(stdout), b"done\n");
    assert_eq!(stub.end().code(), Some(0));
}

by_each_transport!(a_command_that_ends_without_reading_does_not_wait_for_its_input);
fn a_command_that_ends_without_reading_does_not_wait_for_its_input(transport: Transport) {
    let pod = transport.pod("leave sh -c 'exit 6'\nfirst head -n 1");
    let _server = pod.server();
    let (input, mut output) = pipe().expect("a pipe");
    let mut stub = pod.stub("leave").stdin(input).live();
    assert_eq!(stub.end().code(), Some(6));
    output.write_all(b"x").expect_err("the reader has gone");
    let outcome = pod.stub("first").run_with(&b"line\n".repeat(1 << 20));
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(0), "line\n"));
}

/// Ends the grandchild that holds a stub's stdout open: by the direct transport that is its own, and the reader waits for
/// it as it would for a local command's.
fn end_grandchild(pod: &Pod) {
    pod.until_running("sleep", 1).iter().for_each(|process| process.signal(Signal::SIGKILL));
}

by_each_transport!(a_grandchild_that_keeps_stdout_open_does_not_hold_the_stub);
fn a_grandchild_that_keeps_stdout_open_does_not_hold_the_stub(transport: Transport) {
    let pod = transport.pod("spawn sh -c 'sleep 1000 & echo started; exit 8'");
    let _server = pod.server();
    let mut stub = pod.stub("spawn").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    assert_eq!(stub.end().code(), Some(8));
    end_grandchild(&pod);
    assert_eq!(read_all(stub.stdout.take().expect("stdout")), b"started\n");
}

by_each_transport!(the_output_of_a_command_is_complete_although_a_grandchild_keeps_it_open);
fn the_output_of_a_command_is_complete_although_a_grandchild_keeps_it_open(transport: Transport) {
    let pod = transport.pod("spawn sh -c 'sleep 1000 & head -c 1000000 /dev/zero; printf end'");
    let _server = pod.server();
    let mut stub = pod.stub("spawn").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    let stdout = stub.stdout.take().expect("stdout");
    let reader = thread::spawn(move || read_all(stdout).len());
    assert_eq!(stub.end().code(), Some(0));
    end_grandchild(&pod);
    assert_eq!(reader.join().expect("the reader"), 1_000_003);
}

by_each_transport!(yes_into_head_ends_at_once_and_leaves_nothing);
fn yes_into_head_ends_at_once_and_leaves_nothing(transport: Transport) {
    let pod = transport.pod("yes");
    let _server = pod.server();
    let mut stub = pod.stub("yes").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "y\n");
    drop(stub.stdout.take());
    let status = stub.end();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(13), "{status}");
    until_true("the command is gone", || pod.running("yes").is_empty());
}

by_each_transport!(a_command_whose_reader_has_gone_learns_it_at_its_next_write);
fn a_command_whose_reader_has_gone_learns_it_at_its_next_write(transport: Transport) {
    let pod = transport.pod(
        "writer sh -c 'trap : PIPE; echo one; while ! test -e go; do sleep 0.01; done; \
         until ! echo two; do :; done 2>/dev/null; echo failed >result; exit 3'",
    );
    let _server = pod.server();
    let mut stub = pod.stub("writer").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).live();
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "one\n");
    drop(stub.stdout.take());
    fs::write(pod.work().join("go"), "").expect("a file");
    assert_eq!(stub.end().code(), Some(3), "the command goes on as it does locally");
    assert_eq!(wait_for_file(pod.work().join("result")), "failed\n");
}

by_each_transport!(a_command_goes_on_without_its_readers_while_it_writes_nothing);
fn a_command_goes_on_without_its_readers_while_it_writes_nothing(transport: Transport) {
    let pod = transport.pod("quiet sh -c 'echo ready; while ! test -e go; do sleep 0.01; done; exit 3'");
    let _server = pod.server();
    let mut stub = pod.stub("quiet").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "ready\n");
    drop((stub.stdout.take(), stub.stderr.take()));
    thread::sleep(Duration::from_millis(200));
    assert!(stub.is_running());
    fs::write(pod.work().join("go"), "").expect("a file");
    assert_eq!(stub.end().code(), Some(3));
}

by_each_transport!(an_error_line_gets_through_while_the_reader_of_stdout_is_stuck);
fn an_error_line_gets_through_while_the_reader_of_stdout_is_stuck(transport: Transport) {
    let pod = transport.pod("stuck sh -c 'dd if=/dev/zero bs=4k status=none & read line; echo help >&2; wait'");
    let _server = pod.server();
    let mut stub = pod.stub("stuck").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    let command = pod.until_running("dd", 1)[0];
    let mut before = 0;
    until_true("stdout is stuck", || {
        thread::sleep(Duration::from_millis(200));
        let written = command.number("io", "wchar").expect("what the command has written");
        std::mem::replace(&mut before, written) == written && written > 0
    });
    // So does a line on stdin.
    stub.stdin.as_mut().expect("stdin").write_all(b"go on\n").expect("a line");
    assert_eq!(read_line(stub.stderr.as_mut().expect("stderr")), "help\n");
    stub.signal(Signal::SIGKILL);
}

by_each_transport!(closed_descriptors_do_not_confuse_the_stub);
fn closed_descriptors_do_not_confuse_the_stub(transport: Transport) {
    let pod = transport.pod("leave sh -c 'exit 7'\ntalk sh -c 'echo out; echo err >&2; exit 7'\ncat");
    let _server = pod.server();
    for name in ["leave", "talk", "cat"] {
        pod.stub_path(name);
    }
    for closed in ["<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let outcome = pod.shell(&format!("exec leave {closed}")).run();
        assert_eq!((outcome.code(), outcome.out(), outcome.err()), (Some(7), String::new(), String::new()), "{closed}");
    }
    // The command may have a word of its own to say about its stdout, but before its error.
    let outcome = pod.shell("exec talk >&-").run();
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(7), ""), "{outcome:?}");
    assert!(outcome.err().ends_with("err\n"), "{outcome:?}");
    let outcome = pod.shell("exec talk 2>&-").run();
    assert_eq!((outcome.out().as_str(), outcome.err().as_str()), ("out\n", ""));
    // By the relay the command has an empty stdin, by the direct transport none.
    let outcome = pod.shell("exec cat <&-").run();
    let expected = if transport == Transport::Relay { 0 } else { 1 };
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(expected), ""), "{outcome:?}");
}

by_each_transport!(a_full_disk_is_not_taken_for_success);
fn a_full_disk_is_not_taken_for_success(transport: Transport) {
    let pod = transport.pod("talk head -c 100000 /dev/zero");
    let _server = pod.server();
    pod.stub_path("talk");
    let outcome = pod.shell("exec talk >/dev/full").run();
    if transport == Transport::Relay {
        outcome.fails(125, "talk", &["stdout: No space left on device"]);
    } else {
        outcome.fails(1, "head", &["No space left on device"]);
    }
}

by_each_transport!(the_callers_descriptors_stay_as_they_are);
fn the_callers_descriptors_stay_as_they_are(transport: Transport) {
    let pod = transport.pod("cat");
    let _server = pod.server();
    let (input, mut to_stub) = pipe().expect("a pipe");
    let (mut from_stub, output) = pipe().expect("a pipe");
    let (our_input, our_output) = (input.try_clone().expect("a descriptor"), output.try_clone().expect("a descriptor"));
    let mut stub = pod.stub("cat").stdin(input).stdout(output).live();
    to_stub.write_all(b"line\n").expect("a line");
    assert_eq!(read_line(&mut from_stub), "line\n");
    // Flags belong to what is shared: O_NONBLOCK set by the stub would break the caller and its siblings.
    for (name, flags) in
        [("stdin", fcntl(&our_input, FcntlArg::F_GETFL)), ("stdout", fcntl(&our_output, FcntlArg::F_GETFL))]
    {
        let flags = OFlag::from_bits_truncate(flags.expect("the flags"));
        assert!(!flags.intersects(OFlag::O_NONBLOCK | OFlag::O_ASYNC | OFlag::O_APPEND), "{name}: {flags:?}");
    }
    drop(to_stub);
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn descriptors_that_do_not_block_are_no_trouble() {
    let pod = Transport::Relay.pod("cat");
    let _server = pod.server();
    let (input, mut to_stub) = pipe().expect("a pipe");
    let (from_stub, output) = pipe().expect("a pipe");
    for end in
        [fcntl(&input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)), fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))]
    {
        end.expect("a flag");
    }
    let mut stub = pod.stub("cat").stdin(input).stdout(output).live();
    let text = fastrand::Rng::with_seed(6).shuffled(1 << 20);
    let copy = text.clone();
    let writer = thread::spawn(move || to_stub.write_all(&copy).expect("the stub reads"));
    // Both ends run full and empty before they are served.
    thread::sleep(Duration::from_millis(200));
    assert!(read_all(from_stub) == text, "not the same bytes");
    writer.join().expect("the writer");
    assert_eq!(stub.end().code(), Some(0));
}

by_each_transport!(stdin_may_be_a_socket_and_stdout_the_same_one);
fn stdin_may_be_a_socket_and_stdout_the_same_one(transport: Transport) {
    let pod = transport.pod("sort");
    let _server = pod.server();
    let (near, far) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
    let ends = [far.try_clone().expect("a socket"), far].map(std::os::fd::OwnedFd::from);
    let [input, output] = ends;
    let mut stub = pod.stub("sort").stdin(input).stdout(output).live();
    (&near).write_all(b"b\na\n").expect("the stub reads");
    near.shutdown(std::net::Shutdown::Write).expect("half-close");
    assert_eq!(read_all(&near), b"a\nb\n");
    assert_eq!(stub.end().code(), Some(0));
}

by_each_transport!(a_stdin_that_cannot_be_read_does_not_hang_the_stub);
fn a_stdin_that_cannot_be_read_does_not_hang_the_stub(transport: Transport) {
    let pod = transport.pod("cat");
    let _server = pod.server();
    let directory = fs::File::open("/").expect("a directory");
    let mut stub = pod.stub("cat").stdin(directory).stdout(Stdio::null()).stderr(Stdio::null()).live();
    let is_relay = transport == Transport::Relay;
    assert_eq!(stub.end().code(), Some(if is_relay { 125 } else { 1 }));
    // To the relay, a descriptor that is not open for reading is no stdin at all.
    let unreadable = fs::File::create(pod.path("write-only")).expect("a file");
    let mut stub = pod.stub("cat").stdin(unreadable).stdout(Stdio::null()).stderr(Stdio::null()).live();
    assert_eq!(stub.end().code(), Some(if is_relay { 0 } else { 1 }));
}

by_each_transport!(a_pipeline_of_stubs_and_local_programs_works_like_one_of_programs);
fn a_pipeline_of_stubs_and_local_programs_works_like_one_of_programs(transport: Transport) {
    let pod = transport.pod("rev\nsort\nuniq\nseq\ncat");
    if lacks_programs(&["rev", "seq"]) {
        return;
    }
    let _server = pod.server();
    for name in ["rev", "sort", "uniq", "seq", "cat"] {
        pod.stub_path(name);
    }
    let script = "seq 5000 | rev | cat - | sort -n | uniq | tail -n 3 | cat; seq 100000 | head -n 1 | cat";
    let local = pod.command("sh").args(["-c", script]).run().succeeds();
    assert_eq!(pod.shell(script).run().succeeds(), local);
}

by_each_transport!(a_stub_that_waits_for_data_does_not_spin);
fn a_stub_that_waits_for_data_does_not_spin(transport: Transport) {
    let pod = transport.pod("cat");
    let _server = pod.server();
    let mut stub = pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    stub.stdin.as_mut().expect("stdin").write_all(b"x\n").expect("a line");
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "x\n");
    // Half-closed, with the reader of its output gone: whatever is left must wait, not poll.
    let command = pod.running("cat").into_iter().find(|process| *process != stub.process()).expect("the command");
    command.signal(Signal::SIGSTOP);
    drop(stub.stdout.take());
    drop(stub.stdin.take());
    thread::sleep(Duration::from_millis(300));
    let before: Vec<_> = pod.processes().into_iter().map(|process| (process, ticks(process))).collect();
    thread::sleep(Duration::from_millis(500));
    for (process, then) in before {
        let spent = ticks(process).saturating_sub(then);
        assert!(spent <= 5, "{} spins: {spent} ticks of 50", process.name());
    }
    // The stub stopped as its command did, and whoever resumes it resumes both.
    stub.process().signal(Signal::SIGCONT);
    stub.end();
}

/// Time on a processor, in hundredths of a second.
fn ticks(process: Process) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.0)).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

by_each_transport!(two_streams_of_two_stubs_do_not_mix);
fn two_streams_of_two_stubs_do_not_mix(transport: Transport) {
    let pod = transport.pod("cat");
    let _server = pod.server();
    let start = || pod.stub("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    let (mut one, mut two) = (start(), start());
    for round in 0..50 {
        for (stub, word) in [(&mut one, "one"), (&mut two, "two")] {
            let line = format!("{word} {round}\n");
            stub.stdin.as_mut().expect("stdin").write_all(line.as_bytes()).expect("a line");
            assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), line);
        }
    }
}

#[test]
fn a_stub_that_stands_still_for_longer_than_any_time_out_loses_nothing() {
    let burst = "head -c 250000 /dev/zero; head -c 125000 /dev/zero >&2; echo x >written; exit 7";
    let pod =
        Transport::Relay.pod(&format!("burst sh -c 'echo x >started; until test -e go; do sleep 0.01; done; {burst}'"));
    let _server = pod.server();
    let mut stub = pod.stub("burst");
    let mut stub = stub.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    wait_for_file(pod.work().join("started"));
    stub.signal(Signal::SIGSTOP);
    fs::write(pod.work().join("go"), "").expect("a file");
    wait_for_file(pod.work().join("written"));
    // The time itself is what could end it: a little more than the session waits for a stub that it has refused.
    thread::sleep(Duration::from_millis(2500));
    stub.signal(Signal::SIGCONT);
    let (mut output, mut error) = (stub.stdout.take().expect("stdout"), stub.stderr.take().expect("stderr"));
    let reader = thread::spawn(move || read_all(&mut error).len());
    assert_eq!(read_all(&mut output).len(), 250_000);
    assert_eq!(reader.join().expect("the reader"), 125_000);
    assert_eq!(stub.end().code(), Some(7));
}

#[test]
fn a_stdin_that_breaks_off_is_no_end_of_input() {
    let pod = Transport::Relay.pod("cat");
    let _server = pod.server();
    let directory = fs::File::open(pod.work()).expect("a directory");
    let outcome = pod.stub("cat").stdin(directory).output().expect("the stub");
    assert_eq!(outcome.status.code(), Some(125));
    let error = String::from_utf8_lossy(&outcome.stderr).into_owned();
    assert!(error.starts_with("cat: stdin: ") && error.lines().count() == 1, "{error}");
}

/// Writes lines to stdout and stderr in turn, and what that is.
const IN_TURN: &str = "turns sh -c 'for i in $(seq 500); do echo out $i; echo err $i >&2; done'";

fn in_turn() -> String {
    (1..=500).map(|number| format!("out {number}\nerr {number}\n")).collect()
}

by_each_transport!(stdout_and_stderr_that_are_one_keep_their_order);
fn stdout_and_stderr_that_are_one_keep_their_order(transport: Transport) {
    let pod = transport.pod(IN_TURN);
    let _server = pod.server();
    let (reader, writer) = pipe().expect("a pipe");
    let (peer, socket) = UnixStream::pair().expect("a socket pair");
    let pairs: [(OwnedFd, Box<dyn Read + Send>); 2] =
        [(writer.into(), Box::new(reader)), (socket.into(), Box::new(peer))];
    for (sink, source) in pairs {
        // Only the stub is to have them, for the source to end when it does.
        let mut stub = pod.stub("turns").stdout(sink.try_clone().expect("a copy")).stderr(sink).live();
        let seen = String::from_utf8(read_all(source)).expect("text");
        assert_eq!(seen, in_turn());
        assert_eq!(stub.end().code(), Some(0));
    }
}

by_each_transport!(stdout_and_stderr_that_are_one_open_file_keep_their_order);
fn stdout_and_stderr_that_are_one_open_file_keep_their_order(transport: Transport) {
    let pod = transport.pod(IN_TURN);
    let _server = pod.server();
    pod.stub_path("turns");
    for redirection in [">log 2>&1", "2>log >&2", ">>log 2>&1"] {
        let _ = fs::remove_file(pod.work().join("log"));
        assert_eq!(pod.shell(&format!("turns {redirection}")).run().succeeds(), "");
        assert_eq!(fs::read_to_string(pod.work().join("log")).expect("the log"), in_turn(), "{redirection}");
    }
}

by_each_transport!(stdout_and_stderr_of_one_file_that_was_opened_twice_stay_two);
fn stdout_and_stderr_of_one_file_that_was_opened_twice_stay_two(transport: Transport) {
    // Each has an offset of its own, so that the longer text is what remains.
    let pod = transport.pod("both sh -c 'printf one; printf \"one more\" >&2'");
    let _server = pod.server();
    pod.stub_path("both");
    assert_eq!(pod.shell("both >log 2<>log; cat log").run().succeeds(), "one more");
}
