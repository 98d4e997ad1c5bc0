//! Signals sent to the stub act on the command, and stopping and continuing work as for a local job.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Live, Pod, Run, lacks_namespaces, lacks_programs, read_all, read_line, until, until_true};
use nix::sys::signal::Signal;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SndBuf;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

fn start(pod: &Pod, name: &str) -> Live {
    // A process group of its own, as a shell gives to a job; within this session, so it is not an orphaned one.
    pod.stub(name).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).live()
}

fn line(stub: &mut Live) -> String {
    read_line(stub.stdout.as_mut().expect("stdout"))
}

by_each_transport!(signals_to_the_stub_reach_the_command_and_the_stub_goes_on);
fn signals_to_the_stub_reach_the_command_and_the_stub_goes_on(transport: Transport) {
    let pod = transport.pod(
        "traps sh -c 'for name in HUP INT QUIT TERM USR1 USR2 ALRM WINCH CONT; do trap \"echo $name\" $name; done; \
         trap \"exit 9\" PIPE; echo ready; while :; do sleep 0.01; done'",
    );
    let _server = pod.server();
    let mut stub = start(&pod, "traps");
    assert_eq!(line(&mut stub), "ready\n");
    for signal in [
        Signal::SIGHUP,
        Signal::SIGINT,
        Signal::SIGQUIT,
        Signal::SIGTERM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGALRM,
        Signal::SIGWINCH,
        Signal::SIGCONT,
    ] {
        stub.signal(signal);
        assert_eq!(line(&mut stub), format!("{}\n", signal.as_str().trim_start_matches("SIG")));
        assert!(stub.is_running());
    }
    stub.kill().expect("a kill");
}

by_each_transport!(a_signal_reaches_the_whole_process_group_of_the_command);
fn a_signal_reaches_the_whole_process_group_of_the_command(transport: Transport) {
    let pod = transport.pod("group sh group.sh");
    let child = "sh -c 'trap \"echo child; exit\" TERM; echo ready; while :; do sleep 0.01; done'";
    let script = format!("trap ended=1 TERM\n{child} &\nuntil test $ended; do wait; done\nwait\necho parent\nexit 3\n");
    std::fs::write(pod.work().join("group.sh"), script).expect("a script");
    let _server = pod.server();
    let mut stub = start(&pod, "group");
    assert_eq!(line(&mut stub), "ready\n");
    stub.signal(Signal::SIGTERM);
    assert_eq!((line(&mut stub).as_str(), line(&mut stub).as_str()), ("child\n", "parent\n"));
    assert_eq!(stub.end().code(), Some(3));
}

by_each_transport!(a_command_that_a_passed_on_signal_ends_ends_the_stub_alike);
fn a_command_that_a_passed_on_signal_ends_ends_the_stub_alike(transport: Transport) {
    let pod = transport.pod("stay sh -c 'echo ready; exec sleep 1000'");
    let _server = pod.server();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGALRM] {
        let mut stub = start(&pod, "stay");
        assert_eq!(line(&mut stub), "ready\n");
        pod.until_running("sleep", 1);
        stub.signal(signal);
        let status = stub.end();
        assert_eq!(status.signal(), Some(signal as i32), "{status}");
    }
}

/// The signals that a program can catch, up to the stop signals and CHLD, which mean something else.
fn catchable() -> impl Iterator<Item = u8> {
    (1..=31).chain(34..=64).filter(|number| !matches!(number, 9 | 17 | 19..=22))
}

/// Sends a signal that has no name.
fn send(pod: &Pod, stub: &Live, number: u8) {
    let status = pod.command("kill").args([format!("-{number}"), stub.id().to_string()]).run();
    assert_eq!(status.succeeds(), "");
}

by_each_transport!(every_signal_that_can_be_caught_is_passed_on);
fn every_signal_that_can_be_caught_is_passed_on(transport: Transport) {
    if lacks_programs(&["python3"]) {
        return;
    }
    // Not a shell: bash drops an INT that comes while it waits for a child that then exits by itself.
    let script = "import signal
expected = signal.valid_signals()
signal.pthread_sigmask(signal.SIG_BLOCK, expected)
print('ready', flush=True)
number = 0
while number != 64:
    number = signal.sigwait(expected)
    print(number, flush=True)";
    let pod = transport.pod("traps python3 traps.py");
    std::fs::write(pod.work().join("traps.py"), script).expect("a script");
    let _server = pod.server();
    let mut stub = start(&pod, "traps");
    assert_eq!(line(&mut stub), "ready\n");
    for number in catchable() {
        send(&pod, &stub, number);
        assert_eq!(line(&mut stub), format!("{number}\n"));
    }
    assert_eq!(stub.end().code(), Some(0));
}

by_each_transport!(every_deadly_signal_of_the_command_is_the_stubs_without_a_core);
fn every_deadly_signal_of_the_command_is_the_stubs_without_a_core(transport: Transport) {
    let pod = transport.pod("die sh -c 'ulimit -c 0; kill -$1 $$' sh");
    let _server = pod.server();
    for number in catchable().chain([9]).filter(|number| !matches!(number, 18 | 23 | 28)) {
        let outcome = pod.stub("die").arg(number.to_string()).run();
        assert_eq!(outcome.signal(), Some(number.into()), "{outcome:?}");
        assert!(!outcome.status.core_dumped(), "{outcome:?}");
    }
}

#[test]
fn a_signal_sent_while_the_request_is_under_way_is_not_lost() {
    let pod = Transport::Relay.pod("stay sleep 1000");
    let server = pod.server();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1] {
        // The kernel takes the connection; nobody answers yet.
        let of_server = pod.stop_all();
        let mut stub = pod.stub("stay").stdin(Stdio::null()).process_group(0).live();
        until_true("the stub has sent its request", || is_connected(&pod));
        stub.signal(signal);
        of_server.iter().for_each(|process| process.signal(Signal::SIGCONT));
        assert_eq!(stub.end().signal(), Some(signal as i32));
        until_true("only the server is left", || pod.processes() == [server.process()]);
    }
}

/// A TCP connection of this machine, as /proc/net/tcp shows one end of it.
struct Connection {
    local: String,
    remote: String,
    state: String,
    /// Bytes that nobody has read yet. The peer's end counts as one, until it is read.
    unread: u64,
}

/// All connections of this machine.
fn connections() -> Vec<Connection> {
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    let connection = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (_, unread) = fields[4].split_once(':').expect("two queues");
        Connection {
            local: fields[1].into(),
            remote: fields[2].into(),
            state: fields[3].into(),
            unread: u64::from_str_radix(unread, 16).expect("a number"),
        }
    };
    sockets.lines().skip(1).map(connection).collect()
}

/// How /proc/net/tcp shows this Pod's server.
fn port_of(pod: &Pod) -> String {
    format!(":{:04X}", pod.port())
}

/// Whether data waits on a connection to this Pod's server.
fn is_connected(pod: &Pod) -> bool {
    let is_waiting = |end: &Connection| end.local.ends_with(&port_of(pod)) && end.state == "01" && end.unread > 0;
    connections().iter().any(is_waiting)
}

/// Whether a stub of this Pod has read everything that its session has sent.
fn has_read_everything(pod: &Pod) -> bool {
    // CLOSE-WAIT: the session has said its last.
    let has_heard = |end: &Connection| end.remote.ends_with(&port_of(pod)) && end.state == "08" && end.unread <= 1;
    connections().iter().any(has_heard)
}

/// A stub that has still to write what its command had written, and knows that this has ended; and where it writes to: a
/// socket with little room, since nobody knows how much a pipe holds into which the kernel moves what has come.
fn start_late(pod: &Pod) -> (Live, UnixStream) {
    start_late_by(pod, pod.stub("late"))
}

/// The same, of a stub that this command becomes.
fn start_late_by(pod: &Pod, mut stub: Command) -> (Live, UnixStream) {
    let (reader, stdout) = UnixStream::pair().expect("sockets");
    setsockopt(&stdout, SndBuf, &4096).expect("the size of the socket");
    let stub = stub.stdin(Stdio::null()).stdout(OwnedFd::from(stdout)).process_group(0).live();
    until_true("the stub knows that the command has ended", || has_read_everything(pod));
    (stub, reader)
}

/// Writes more than the stub's stdout takes, and ends; by the relay the stub holds what nobody has read yet.
const LATE: &str = "late sh -c 'head -c 200000 /dev/zero; exit 3'";

#[test]
fn a_signal_after_the_command_has_ended_costs_no_output() {
    let pod = Transport::Relay.pod(LATE);
    let _server = pod.server();
    let (mut stub, stdout) = start_late(&pod);
    for signal in [Signal::SIGCONT, Signal::SIGWINCH, Signal::SIGURG, Signal::SIGCHLD] {
        stub.signal(signal);
    }
    assert_eq!(read_all(stdout).len(), 200_000);
    assert_eq!(stub.end().code(), Some(3));
}

#[test]
fn a_deadly_signal_after_the_command_has_ended_ends_a_stub_that_nobody_reads() {
    let pod = Transport::Relay.pod(LATE);
    let server = pod.server();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let (mut stub, _stdout) = start_late(&pod);
        stub.signal(signal);
        assert_eq!(stub.end().signal(), Some(signal as i32));
        until_true("only the server is left", || pod.processes() == [server.process()]);
    }
}

by_each_transport!(a_signal_while_the_command_exits_ends_its_stub);
fn a_signal_while_the_command_exits_ends_its_stub(transport: Transport) {
    // All its memory takes a while to be freed. The kernel drops signals that come meanwhile.
    let pod = transport.pod("large dd if=/dev/zero of=/dev/null bs=256M count=1 status=none");
    let _server = pod.server();
    for _ in 0..20 {
        let mut stub = pod.stub("large").stdin(Stdio::null()).stdout(Stdio::null()).live();
        let command = pod.until_running("dd", 1)[0];
        while !command.is_exiting() {}
        stub.signal(Signal::SIGINT);
        std::thread::sleep(std::time::Duration::from_millis(2));
        let is_in_time = !command.is_gone();
        let status = stub.end();
        if is_in_time {
            assert_eq!(status.signal(), Some(2), "{status}");
            return;
        }
    }
    panic!("it exits too quickly");
}

#[test]
fn a_signal_that_the_stub_ignores_does_nothing_after_the_command_has_ended() {
    let pod = Transport::Relay.pod(LATE);
    let _server = pod.server();
    pod.stub_path("late");
    let (mut stub, stdout) = start_late_by(&pod, pod.shell("trap '' HUP INT TSTP; exec late"));
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTSTP] {
        stub.signal(signal);
    }
    assert_eq!(read_all(stdout).len(), 200_000);
    assert_eq!(stub.end().code(), Some(3));
}

by_each_transport!(a_signal_sent_before_the_command_runs_is_not_lost);
fn a_signal_sent_before_the_command_runs_is_not_lost(transport: Transport) {
    let pod = transport.custom_pod(|pod| format!("baseDirectory=work\n{}\nstay sleep 1000", pod.section("")));
    pod.link_stub("stay");
    // No server yet: the stub waits for one.
    let mut stub = start(&pod, "stay");
    until_true("the stub waits", || stub.process().name() == "stay" && stub.process().state() == Some('S'));
    stub.signal(Signal::SIGTERM);
    let _server = pod.server_with(&["--overwrite-client-executables"]);
    assert_eq!(stub.end().signal(), Some(15));
}

/// What waitpid reports of a stub next.
fn next_change(stub: &Live) -> WaitStatus {
    let pid = Pid::from_raw(i32::try_from(stub.process().0).expect("a process number"));
    let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED;
    until("the stub stops or goes on", || {
        waitpid(pid, Some(flags)).ok().filter(|status| *status != WaitStatus::StillAlive)
    })
}

by_each_transport!(a_stop_signal_stops_the_command_and_then_the_stub_and_cont_resumes_both);
fn a_stop_signal_stops_the_command_and_then_the_stub_and_cont_resumes_both(transport: Transport) {
    let pod = transport.pod("stay sh -c 'echo ready; exec sleep 1000'");
    let _server = pod.server();
    for signal in [Signal::SIGTSTP, Signal::SIGTTIN, Signal::SIGTTOU] {
        let mut stub = start(&pod, "stay");
        assert_eq!(line(&mut stub), "ready\n");
        let command = pod.until_running("sleep", 1)[0];
        stub.signal(signal);
        assert!(matches!(next_change(&stub), WaitStatus::Stopped(..)), "{signal}");
        assert_eq!(command.state(), Some('T'), "{signal}: the command stops first");
        stub.signal(Signal::SIGCONT);
        until_true("the command goes on", || command.state() == Some('S'));
        until_true("the stub goes on", || stub.process().state() == Some('S'));
        stub.signal(Signal::SIGTERM);
        until_true("the stub ends", || matches!(next_change(&stub), WaitStatus::Signaled(_, Signal::SIGTERM, _)));
    }
}

by_each_transport!(a_command_that_stops_by_itself_stops_its_stub);
fn a_command_that_stops_by_itself_stops_its_stub(transport: Transport) {
    let pod = transport.pod("stop sh -c 'kill -STOP $$; exit 5'");
    let _server = pod.server();
    let mut stub = start(&pod, "stop");
    assert!(matches!(next_change(&stub), WaitStatus::Stopped(..)));
    stub.signal(Signal::SIGCONT);
    until_true("the stub goes on", || stub.process().state() != Some('T'));
    assert_eq!(stub.end().code(), Some(5));
}

by_each_transport!(a_signal_that_the_stub_ignores_does_not_reach_the_command);
fn a_signal_that_the_stub_ignores_does_not_reach_the_command(transport: Transport) {
    let pod = transport.pod("stay sh -c 'echo ready; read line; exit 3'");
    let _server = pod.server();
    pod.stub_path("stay");
    let mut stub = pod.shell("trap '' HUP; exec stay").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    assert_eq!(line(&mut stub), "ready\n");
    stub.signal(Signal::SIGHUP);
    drop(stub.stdin.take());
    assert_eq!(stub.end().code(), Some(3));
}

by_each_transport!(what_the_stub_ignores_the_command_ignores);
fn what_the_stub_ignores_the_command_ignores(transport: Transport) {
    let pod = transport.pod("show grep SigIgn /proc/self/status");
    let _server = pod.server();
    pod.stub_path("show");
    // The last one of those without a name, too.
    for signals in ["HUP", "USR1 TSTP 42", "INT 64"] {
        let ignoring = |command: &str| {
            let text = pod.shell(&format!("trap '' {signals}; exec {command}")).run().succeeds();
            let set = text.trim_start_matches("SigIgn:").trim();
            // 32 and 33 are the C library's own (nptl(7)), and so those of an emulator that runs the program.
            u64::from_str_radix(set, 16).expect("a set") & !(0b11 << 31)
        };
        assert_eq!(ignoring("show"), ignoring("grep SigIgn /proc/self/status"), "{signals}");
    }
}

/// A stub that is process 1 of a PID namespace, as in a container whose program is one.
fn as_process_1(pod: &Pod, name: &str) -> Command {
    let mut command = pod.command("unshare");
    command.args(["--pid", "--fork", "--kill-child"]).arg(pod.stub_path(name));
    command
}

by_each_transport!(as_process_1_a_stub_says_by_its_status_how_the_command_ended);
fn as_process_1_a_stub_says_by_its_status_how_the_command_ended(transport: Transport) {
    if lacks_namespaces() {
        return;
    }
    let pod = transport.pod("end sh -c 'ulimit -c 0; eval \"$1\"' sh");
    let _server = pod.server();
    for (script, code) in [("exit 0", 0), ("exit 9", 9), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let outcome = as_process_1(&pod, "end").arg(script).run();
        assert_eq!((outcome.code(), outcome.err().as_str()), (Some(code), ""), "{script}");
    }
}

by_each_transport!(as_process_1_a_stub_passes_signals_on_and_its_end_is_that_of_the_command);
fn as_process_1_a_stub_passes_signals_on_and_its_end_is_that_of_the_command(transport: Transport) {
    if lacks_namespaces() {
        return;
    }
    let pod = transport.pod("stay sh -c 'trap \"echo told; exit 5\" TERM; echo ready; while :; do sleep 0.01; done'");
    let server = pod.server();
    for is_killed in [false, true] {
        let mut holder = as_process_1(&pod, "stay").stdin(Stdio::null()).stdout(Stdio::piped()).live();
        assert_eq!(line(&mut holder), "ready\n");
        let stub = until("the stub", || pod.children(holder.id()).first().copied());
        if is_killed {
            stub.signal(Signal::SIGKILL);
            // How it says so is the holder's own matter.
            assert!(!holder.end().success());
        } else {
            // The kernel delivers to a process 1 only what it catches.
            stub.signal(Signal::SIGTERM);
            assert_eq!(line(&mut holder), "told\n");
            assert_eq!(holder.end().code(), Some(5));
        }
        until_true("only the server is left", || pod.processes() == [server.process()]);
    }
}
