//! The connection is a lease: when it goes, the command and all its descendants go, and nobody else notices.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Live, Pod, Process, Run, Server, lacks_programs, read_line, until, until_true, wait_for_file};
use nix::sys::signal::Signal;

/// Starts a stub that is left to run.
fn start(pod: &Pod, name: &str) -> Live {
    pod.stub(name).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live()
}

fn first_line(stub: &mut Live) -> String {
    read_line(stub.stdout.as_mut().expect("stdout"))
}

/// Waits until nothing but the server is left.
fn until_only_the_server(pod: &Pod, server: &Server) {
    until_true("only the server is left", || pod.processes() == [server.process()]);
}

/// A session that must not notice anything.
struct Witness(Live);

impl Witness {
    fn new(pod: &Pod) -> Witness {
        let mut witness = Witness(start(pod, "witness"));
        witness.assert_runs();
        witness
    }

    /// It still runs, and answers.
    fn assert_runs(&mut self) {
        self.0.stdin.as_mut().expect("stdin").write_all(b"hello\n").expect("a line");
        assert_eq!(first_line(&mut self.0), "hello\n");
    }
}

by_each_transport!(a_stub_that_is_killed_takes_its_command_along);
fn a_stub_that_is_killed_takes_its_command_along(transport: Transport) {
    let pod = transport.pod(
        "stay sh -c 'exec 2>/dev/null; trap \"echo >termed; exit\" TERM; echo ready; while :; do sleep 0.01; done'\nwitness cat",
    );
    let server = pod.server();
    let mut witness = Witness::new(&pod);
    let mut stub = start(&pod, "stay");
    assert_eq!(first_line(&mut stub), "ready\n");
    let start = Instant::now();
    stub.signal(Signal::SIGKILL);
    wait_for_file(pod.work().join("termed"));
    assert!(start.elapsed() < Duration::from_secs(3), "TERM after {:?}", start.elapsed());
    stub.end();
    witness.assert_runs();
    drop(witness);
    until_only_the_server(&pod, &server);
}

by_each_transport!(a_command_can_write_while_it_is_ended);
fn a_command_can_write_while_it_is_ended(transport: Transport) {
    // The pipes stay open for the grace period, or a command that says goodbye dies of SIGPIPE before its clean-up.
    let pod = transport.pod(
        "stay sh -c 'trap \"echo bye; echo bye >&2; echo >termed; exit\" TERM; echo ready; while :; do sleep 0.01; done'",
    );
    let server = pod.server();
    let mut stub = start(&pod, "stay");
    assert_eq!(first_line(&mut stub), "ready\n");
    stub.signal(Signal::SIGKILL);
    wait_for_file(pod.work().join("termed"));
    until_only_the_server(&pod, &server);
}

by_each_transport!(a_command_that_ignores_term_is_killed_after_the_grace_period);
fn a_command_that_ignores_term_is_killed_after_the_grace_period(transport: Transport) {
    let pod = transport.pod("stay sh -c 'trap \"\" TERM HUP INT; echo ready; while :; do sleep 1000; done'");
    let server = pod.server();
    let mut stub = start(&pod, "stay");
    assert_eq!(first_line(&mut stub), "ready\n");
    pod.until_running("sleep", 1);
    let start = Instant::now();
    stub.signal(Signal::SIGKILL);
    until_only_the_server(&pod, &server);
    assert!(start.elapsed() > Duration::from_millis(1500), "KILL after {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(10), "KILL after {:?}", start.elapsed());
}

by_each_transport!(double_forked_orphans_in_sessions_of_their_own_go_too);
fn double_forked_orphans_in_sessions_of_their_own_go_too(transport: Transport) {
    if lacks_programs(&["setsid"]) {
        return;
    }
    let pod = transport.pod(
        "spawn sh -c 'setsid sh -c \"sleep 1000 & setsid sleep 1000 & exit\"; \
         (trap \"\" TERM; setsid sh -c \"trap : TERM; sleep 1000 & sleep 1000 & wait; wait\" &) ; \
         echo ready; exec sleep 1000'",
    );
    let server = pod.server();
    let mut stub = start(&pod, "spawn");
    assert_eq!(first_line(&mut stub), "ready\n");
    pod.until_running("sleep", 5);
    stub.signal(Signal::SIGKILL);
    until_only_the_server(&pod, &server);
}

by_each_transport!(a_command_that_forks_while_it_is_ended_leaves_nothing);
fn a_command_that_forks_while_it_is_ended_leaves_nothing(transport: Transport) {
    let pod = transport.pod("breed sh -c 'trap \"\" TERM; echo ready; while :; do sleep 0.1 & sleep 0.01; done'");
    let server = pod.server();
    let mut stub = start(&pod, "breed");
    assert_eq!(first_line(&mut stub), "ready\n");
    stub.signal(Signal::SIGKILL);
    until_only_the_server(&pod, &server);
}

by_each_transport!(a_stopped_command_goes_too);
fn a_stopped_command_goes_too(transport: Transport) {
    let pod = transport.pod("stay sh -c 'echo ready; exec sleep 1000'");
    let server = pod.server();
    let mut stub = start(&pod, "stay");
    assert_eq!(first_line(&mut stub), "ready\n");
    let command = pod.until_running("sleep", 1)[0];
    command.signal(Signal::SIGSTOP);
    until_true("the command is stopped", || command.state() == Some('T'));
    stub.signal(Signal::SIGKILL);
    until_only_the_server(&pod, &server);
}

by_each_transport!(a_stopped_stub_that_is_killed_takes_its_stopped_command_along);
fn a_stopped_stub_that_is_killed_takes_its_stopped_command_along(transport: Transport) {
    let pod = transport.pod("stay sh -c 'echo ready; sleep 1000'");
    let server = pod.server();
    // In a process group of its own and within this session, it can be stopped like a job.
    let mut stub = pod.stub("stay").stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).live();
    assert_eq!(first_line(&mut stub), "ready\n");
    let command = pod.until_running("sleep", 1)[0];
    stub.signal(Signal::SIGTSTP);
    until_true("both are stopped", || [command, stub.process()].iter().all(|process| process.state() == Some('T')));
    stub.signal(Signal::SIGKILL);
    until_only_the_server(&pod, &server);
}

by_each_transport!(a_stub_that_dies_of_a_signal_that_it_cannot_pass_on_ends_its_command);
fn a_stub_that_dies_of_a_signal_that_it_cannot_pass_on_ends_its_command(transport: Transport) {
    let pod = transport.pod("stay sh -c 'echo ready; exec sleep 1000'");
    let server = pod.server();
    for signal in [Signal::SIGSEGV, Signal::SIGABRT] {
        let mut stub = start(&pod, "stay");
        assert_eq!(first_line(&mut stub), "ready\n");
        stub.signal(signal);
        stub.end();
        until_only_the_server(&pod, &server);
    }
}

by_each_transport!(the_death_of_the_server_is_125_at_the_stub_at_once);
fn the_death_of_the_server_is_125_at_the_stub_at_once(transport: Transport) {
    let pod = transport.pod("stay sh -c 'echo ready; exec sleep 1000'");
    let mut server = pod.server();
    let mut stub = start(&pod, "stay");
    assert_eq!(first_line(&mut stub), "ready\n");
    let start = Instant::now();
    // Everything that is the server: in a container the kernel does the same when process 1 goes.
    let of_server = |process: &Process| process.name() == "k8pshd";
    let processes: Vec<_> = pod.all_processes().into_iter().filter(of_server).collect();
    assert!(processes.len() >= 2, "listener and session: {processes:?}");
    server.signal(Signal::SIGKILL);
    processes.iter().for_each(|process| process.signal(Signal::SIGKILL));
    let status = stub.end();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    let error = read_line(stub.stderr.as_mut().expect("stderr"));
    assert_eq!(status.code(), Some(125), "{error:?}");
    assert!(error.starts_with("stay: ") && error.ends_with('\n'), "{error:?}");
    server.end();
    pod.running("sleep").iter().for_each(|process| process.signal(Signal::SIGKILL));
}

by_each_transport!(the_death_of_the_listener_alone_is_125_at_the_stub_and_ends_the_command);
fn the_death_of_the_listener_alone_is_125_at_the_stub_and_ends_the_command(transport: Transport) {
    let pod = transport.pod("stay sh -c 'echo ready; exec sleep 1000'");
    let mut server = pod.server();
    let mut stub = start(&pod, "stay");
    assert_eq!(first_line(&mut stub), "ready\n");
    server.signal(Signal::SIGKILL);
    server.end();
    assert_eq!(stub.end().code(), Some(125));
    assert_eq!(read_line(stub.stderr.as_mut().expect("stderr")).lines().count(), 1);
    until_true("nothing is left", || pod.all_processes().is_empty());
}

by_each_transport!(a_session_that_is_killed_is_125_at_its_stub_alone);
fn a_session_that_is_killed_is_125_at_its_stub_alone(transport: Transport) {
    let pod = transport.pod("stay sh -c 'echo ready; exec sleep 1000'\nwitness cat");
    let server = pod.server();
    let mut witness = Witness::new(&pod);
    let mut stub = start(&pod, "stay");
    assert_eq!(first_line(&mut stub), "ready\n");
    let command = pod.until_running("sleep", 1)[0];
    let session = Process(command.parent().expect("a session"));
    assert_ne!(session, server.process());
    session.signal(Signal::SIGKILL);
    assert_eq!(stub.end().code(), Some(125));
    witness.assert_runs();
    assert_eq!(pod.stub("witness").run_with(b"next").succeeds(), "next");
    // Nobody was left to end the command; the listener reaps it as its own.
    pod.running("sleep").iter().for_each(|process| process.signal(Signal::SIGKILL));
    drop(witness);
    until_only_the_server(&pod, &server);
}

by_each_transport!(a_stub_that_is_killed_while_data_flows_ends_its_command);
fn a_stub_that_is_killed_while_data_flows_ends_its_command(transport: Transport) {
    let pod = transport.pod("flood cat /dev/zero\nsink sh -c 'cat >/dev/null'\nwitness cat");
    let server = pod.server();
    let mut witness = Witness::new(&pod);
    let flood = start(&pod, "flood");
    let mut sink = start(&pod, "sink");
    let mut input = sink.stdin.take().expect("stdin");
    let writer = std::thread::spawn(move || while input.write_all(&[0; 65536]).is_ok() {});
    pod.until_running("cat", 4 - 1);
    flood.signal(Signal::SIGKILL);
    sink.signal(Signal::SIGKILL);
    writer.join().expect("the writer");
    witness.assert_runs();
    drop(witness);
    drop((flood, sink));
    until_only_the_server(&pod, &server);
}

by_each_transport!(the_stub_of_a_failed_session_leaves_all_stubs_where_they_are);
fn the_stub_of_a_failed_session_leaves_all_stubs_where_they_are(transport: Transport) {
    let pod = transport.pod("stay sleep 1000\nmissing /no/such/program\ntrue");
    let _server = pod.server();
    let stub = start(&pod, "stay");
    pod.until_running("sleep", 1);
    stub.signal(Signal::SIGKILL);
    pod.stub("missing").run().fails(127, "missing", &[]);
    until_true("the command is gone", || pod.running("sleep").is_empty());
    assert_eq!(pod.stub("true").run().succeeds(), "");
    assert_eq!(fs::read_dir(pod.path("stubs")).expect("the stubs").count(), 3);
}

by_each_transport!(many_stubs_killed_at_once_leave_nothing);
fn many_stubs_killed_at_once_leave_nothing(transport: Transport) {
    let pod = transport.pod("stay sh -c 'sleep 1000 & sleep 1000'");
    let server = pod.server();
    let stubs: Vec<_> = (0..30).map(|_| start(&pod, "stay")).collect();
    pod.until_running("sleep", 60);
    stubs.iter().for_each(|stub| stub.signal(Signal::SIGKILL));
    until_only_the_server(&pod, &server);
}

by_each_transport!(sessions_leave_no_zombies);
fn sessions_leave_no_zombies(transport: Transport) {
    let pod = transport.pod("spawn sh -c '(sleep 0.05 &) ; (true &) ; sleep 0.1'");
    let server = pod.server();
    for _ in 0..5 {
        assert_eq!(pod.stub("spawn").run().code(), Some(0));
    }
    until("no child of the server is left", || children(server.process()).is_empty().then_some(()));
}

/// All children of a server, dead ones included, but for those that wait for a connection.
fn children(parent: Process) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let numbers = entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()));
    let is_child = |process: &Process| process.parent() == Some(parent.0) && !process.is_idle_worker();
    numbers.filter(|&number| is_child(&Process(number))).collect()
}
