//! What an old kernel, another one that only looks like Linux, or a container's seccomp profile does not have: everything
//! works all the same.

use std::io::Write;
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::libc;

use crate::support::denied::with_denied;
use crate::support::transport::Transport;
use crate::support::{Pod, Run, Server, lacks_programs, names_in, read_line, skip, until_true};

/// A server that was started with descriptors beyond its streams, as a careless caller does.
fn server_with_descriptors(pod: &Pod) -> Server {
    let mut command = pod.command("sh");
    command.args(["-c", "exec \"$0\" -n box -l -e ../stubs 3</dev/null 7</dev/null 9</dev/null"]);
    command.arg(pod.path("bin/k8pshd"));
    pod.start(command)
}

#[test]
fn without_close_range_a_command_gets_no_descriptor_of_its_server() {
    let pod = Transport::Relay.pod("descriptors ls /proc/self/fd");
    for errno in [Errno::ENOSYS, Errno::EPERM] {
        let _server = with_denied(&[libc::SYS_close_range], errno, || server_with_descriptors(&pod));
        let stub = pod.stub_path("descriptors");
        let outcome =
            with_denied(&[libc::SYS_close_range], errno, || pod.shell("exec \"$0\" 5</dev/null").arg(&stub).run());
        assert_eq!(outcome.succeeds(), "0\n1\n2\n3\n", "{errno}: 3 is the directory that ls reads");
    }
}

#[test]
fn a_server_that_may_not_wait_says_which_call_is_denied_before_anybody_can_find_it() {
    let pod = Pod::new("true");
    let calls =
        [(libc::SYS_epoll_create1, "epoll_create1"), (libc::SYS_signalfd4, "signalfd4"), (libc::SYS_ppoll, "ppoll")];
    for (call, name) in calls {
        for errno in [Errno::EPERM, Errno::ENOSYS] {
            let start = || with_denied(&[call], errno, || pod.k8pshd_with_stubs().run());
            // The message must not need the call either, as it would where pipes have no `RWF_NOWAIT`.
            for outcome in [start(), with_denied(&AT_ONCE, Errno::EOPNOTSUPP, start)] {
                outcome.fails(1, "k8pshd", &[name, errno.desc(), "seccomp"]);
                assert_eq!(names_in(pod.path("stubs")), [""; 0], "{name}");
            }
        }
    }
}

/// Reads and writes with `RWF_NOWAIT`.
const AT_ONCE: [libc::c_long; 2] = [libc::SYS_preadv2, libc::SYS_pwritev2];

#[test]
fn without_rwf_nowait_every_byte_passes_through_pipes() {
    let text: Vec<_> = (0..200_000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
    for errno in [Errno::EOPNOTSUPP, Errno::ENOSYS, Errno::EINVAL] {
        let pod = Transport::Relay.pod("cat");
        let _server = with_denied(&AT_ONCE, errno, || pod.server());
        let outcome = with_denied(&AT_ONCE, errno, || pod.stub("cat").run_with(&text));
        assert_eq!((outcome.code(), outcome.err()), (Some(0), String::new()), "{errno}");
        assert!(outcome.stdout == text, "{errno}: not the same bytes");
    }
}

#[test]
fn without_rwf_nowait_a_reader_that_is_stuck_does_not_hold_up_the_other_stream() {
    let pod = Transport::Relay.pod("stuck sh -c 'dd if=/dev/zero bs=4k status=none & read line; echo help >&2; wait'");
    let _server = with_denied(&AT_ONCE, Errno::EOPNOTSUPP, || pod.server());
    let mut stub = with_denied(&AT_ONCE, Errno::EOPNOTSUPP, || {
        pod.stub("stuck").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live()
    });
    let command = pod.until_running("dd", 1)[0];
    let mut before = None;
    until_true("stdout is stuck", || {
        let written = command.number("io", "wchar");
        let is_stuck = written == before && written > Some(0) && command.state() == Some('S');
        before = written;
        is_stuck
    });
    stub.stdin.as_mut().expect("stdin").write_all(b"go on\n").expect("a line");
    assert_eq!(read_line(stub.stderr.as_mut().expect("stderr")), "help\n");
    stub.kill().expect("a kill");
}

/// A server whose calls of this kind fail once in each of its processes, at the first attempt.
fn failing_once(pod: &Pod, call: &str, errno: Errno) -> Command {
    let mut command = pod.command("strace");
    let (trace, inject) = (format!("trace={call}"), format!("inject={call}:error={errno:?}:when=1"));
    // With -D it is strace that stands aside: the server is this process's child.
    command.args(["-D", "-f", "-qq", "-o", "trace", "-e", &trace, "-e", &inject]).arg(pod.path("bin/k8pshd"));
    command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]).arg(pod.path("stubs"));
    command
}

#[test]
fn without_exclusive_waiting_every_call_is_served() {
    if lacks_programs(&["strace"]) {
        return;
    }
    let pod = Pod::new("who sh -c 'echo $PPID'");
    if !pod.command("strace").args(["-qq", "-o", "/dev/null", "true"]).run().status.success() {
        skip!("no program can be traced here");
    }
    // The filter does not see the flags, so the first call of each process fails, whose second one is without them.
    let _server = pod.start(failing_once(&pod, "epoll_ctl", Errno::EINVAL));
    pod.stub_path("who");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| assert_ne!(pod.stub("who").run().succeeds(), "")));
        }
    });
    let trace = std::fs::read_to_string(pod.work().join("trace")).expect("the trace");
    assert!(trace.contains("EPOLLEXCLUSIVE") && trace.contains("(INJECTED)"), "{trace}");
}
