//! Signals sent to the stub act on the command, and stopping and continuing work as for a local job.

mod support;

use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Stdio;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use support::{Live, Pod, Run, read_line, until, until_true};

fn start(pod: &Pod, name: &str) -> Live {
    // A process group of its own, as a shell gives to a job; within this session, so it is not an orphaned one.
    pod.stub(name).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).live()
}

fn line(stub: &mut Live) -> String {
    read_line(stub.stdout.as_mut().expect("stdout"))
}

#[test]
fn signals_to_the_stub_reach_the_command_and_the_stub_goes_on() {
    let pod = Pod::new(
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

#[test]
fn a_signal_reaches_the_whole_process_group_of_the_command() {
    let pod = Pod::new("group sh group.sh");
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

#[test]
fn a_command_that_a_passed_on_signal_ends_ends_the_stub_alike() {
    let pod = Pod::new("stay sh -c 'echo ready; exec sleep 1000'");
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

#[test]
fn real_time_signals_are_passed_on() {
    let pod = Pod::new("stay sh -c 'echo ready; exec sleep 1000'");
    let _server = pod.server();
    for number in ["34", "40", "64"] {
        let mut stub = start(&pod, "stay");
        assert_eq!(line(&mut stub), "ready\n");
        pod.until_running("sleep", 1);
        let process = stub.process().0.to_string();
        let status = pod.command("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", number, &process]).status();
        assert!(status.expect("kill").success());
        assert_eq!(stub.end().signal().map(|signal| signal.to_string()).as_deref(), Some(number));
    }
}

#[test]
fn a_signal_sent_before_the_command_runs_is_not_lost() {
    let pod = Pod::custom(|pod| format!("baseDirectory=work\n{}\nstay sleep 1000", pod.section("")));
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

#[test]
fn a_stop_signal_stops_the_command_and_then_the_stub_and_cont_resumes_both() {
    let pod = Pod::new("stay sh -c 'echo ready; exec sleep 1000'");
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

#[test]
fn a_command_that_stops_by_itself_stops_its_stub() {
    let pod = Pod::new("stop sh -c 'kill -STOP $$; exit 5'");
    let _server = pod.server();
    let mut stub = start(&pod, "stop");
    assert!(matches!(next_change(&stub), WaitStatus::Stopped(..)));
    stub.signal(Signal::SIGCONT);
    until_true("the stub goes on", || stub.process().state() != Some('T'));
    assert_eq!(stub.end().code(), Some(5));
}

#[test]
fn a_signal_that_the_stub_ignores_does_not_reach_the_command() {
    let pod = Pod::new("stay sh -c 'echo ready; read line; exit 3'");
    let _server = pod.server();
    pod.stub_path("stay");
    let mut stub = pod.shell("trap '' HUP; exec stay").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    assert_eq!(line(&mut stub), "ready\n");
    stub.signal(Signal::SIGHUP);
    drop(stub.stdin.take());
    assert_eq!(stub.end().code(), Some(3));
}
