//! A server's processes serve one connection after the other, and nothing of one is seen by the next.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::frames::{HELLO, Peer, START, VARIABLE, data};
use crate::support::transport::Transport;
use crate::support::{
    Pod, Process, Run, Server, lacks_programs, lacks_root, read_line, until, until_true, wait_for_file,
};
use nix::sys::signal::Signal;

/// The processes of a server that wait for a connection.
fn idle_workers(pod: &Pod, server: &Server) -> Vec<Process> {
    pod.children_and_idle_workers(server.process().0).into_iter().filter(Process::is_idle_worker).collect()
}

/// Waits until a server has at least two idle workers, as after its start, and returns them.
fn until_workers_wait(pod: &Pod, server: &Server) -> Vec<Process> {
    until("idle workers", || Some(idle_workers(pod, server)).filter(|workers| workers.len() >= 2))
}

/// The PID of the worker that served a call.
fn worker_of(pod: &Pod, name: &str) -> u32 {
    pod.stub(name).run().succeeds().trim().parse().expect("a process number")
}

/// Has so many calls of `stay` run at the same time, and ends them.
fn burst(pod: &Pod, calls: usize) {
    let mut stubs: Vec<_> =
        (0..calls).map(|_| pod.stub("stay").stdin(Stdio::piped()).stdout(Stdio::piped()).live()).collect();
    for stub in &mut stubs {
        assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "ready\n");
    }
    for stub in &mut stubs {
        drop(stub.stdin.take());
        stub.end();
    }
}

#[test]
fn calls_in_a_row_share_few_processes() {
    let pod = Pod::new("who sh -c 'echo $PPID'");
    let server = pod.server();
    until_workers_wait(&pod, &server);
    let mut served: Vec<_> = (0..40).map(|_| worker_of(&pod, "who")).collect();
    served.sort_unstable();
    served.dedup();
    assert!(served.len() <= 8, "40 calls, {} processes", served.len());
}

#[test]
fn what_a_call_brought_along_is_not_there_in_the_next() {
    let pod = Pod::new(
        "show NAME= sh -c 'echo $PPID; pwd; umask; echo \"$NAME\" \"$@\"; ls /proc/self/fd; kill -s TERM $$; echo ignored' sh",
    );
    let server = pod.server();
    until_workers_wait(&pod, &server);
    fs::create_dir(pod.work().join("below")).expect("a directory");
    pod.stub_path("show");
    let run = |script: &str| pod.shell(script).run();
    let plain = run("exec show plain </dev/null");
    let mut seen = 0;
    for _ in 0..60 {
        let rich = run("cd below; trap '' TERM; umask 077; export NAME=rich; exec show rich arguments 7</dev/null 9<.");
        assert!(rich.out().ends_with("ignored\n") && rich.out().contains("rich rich arguments"), "{rich:?}");
        let next = run("exec show plain </dev/null");
        assert_eq!(next.signal(), Some(15), "{next:?}");
        let (who, rest) =
            next.out().split_once('\n').map(|(who, rest)| (who.to_owned(), rest.to_owned())).expect("lines");
        assert_eq!(Some(rest.as_str()), plain.out().split_once('\n').map(|(_, rest)| rest));
        seen += usize::from(rich.out().starts_with(&format!("{who}\n")));
        if seen == 5 {
            return;
        }
    }
    panic!("no process served two calls in a row");
}

#[test]
fn a_call_that_fails_leaves_nothing_open() {
    let pod = Pod::new("missing /no/such/program\nwho sh -c 'echo $PPID'");
    let server = pod.server();
    let descriptors = |process: &Process| fs::read_dir(format!("/proc/{}/fd", process.0)).map_or(0, Iterator::count);
    let before = until_workers_wait(&pod, &server).iter().map(descriptors).max();
    for _ in 0..10 {
        pod.stub("missing").run().fails(127, "missing", &["/no/such/program"]);
        worker_of(&pod, "who");
    }
    until_true("nothing is left open", || idle_workers(&pod, &server).iter().map(descriptors).max() <= before);
}

#[test]
fn a_childs_end_that_is_none_does_not_cut_a_command_short() {
    let script = "trap \"sleep 0.2; echo >termed; exit\" TERM; echo ready; while :; do sleep 0.01; done";
    let pod = Pod::new(&format!("stay sh -c '{script}'"));
    let server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&data(VARIABLE, b"K8PSH_PROTOCOL=2"));
    assert_eq!(peer.frame().map(|frame| frame.kind), Some(HELLO));
    let session = pod.children(server.process().0)[0];
    session.signal(Signal::SIGCHLD);
    until_true("the signal was taken", || session.number("status", "ShdPnd") == Some(0));
    peer.send(&data(START, b"stay"));
    until_true("the command runs", || peer.frame().is_some_and(|frame| frame.body == b"ready\n"));
    drop(peer);
    wait_for_file(pod.work().join("termed"));
}

#[test]
fn a_process_with_something_left_behind_takes_no_other_call() {
    let pod = Pod::new("leave sh -c 'echo $PPID; sleep 1000 >/dev/null 2>&1 &'\nwho sh -c 'echo $PPID'");
    let server = pod.server();
    until_workers_wait(&pod, &server);
    let left = worker_of(&pod, "leave");
    until_true("its process is gone", || Process(left).is_gone());
    // What it left behind runs on, as it would locally.
    let sleeper = pod.until_running("sleep", 1)[0];
    for _ in 0..10 {
        assert_ne!(worker_of(&pod, "who"), left);
    }
    sleeper.signal(Signal::SIGKILL);
}

#[test]
fn a_process_that_has_grown_is_not_kept() {
    let pod = Pod::new("who sh -c 'echo $PPID'");
    let server = pod.server();
    until_workers_wait(&pod, &server);
    let large = pod.relay_stub("who").args(vec!["x".repeat(120_000); 10]).run();
    let served: u32 = large.succeeds().trim().parse().expect("a process number");
    until_true("its process is gone", || Process(served).is_gone());
    let memory = until_workers_wait(&pod, &server).iter().map(|worker| worker.memory()).max();
    assert!(memory < Some(512 << 10), "{memory:?} bytes");
}

#[test]
fn idle_workers_that_are_killed_are_replaced() {
    let pod = Pod::new("who sh -c 'echo $PPID'");
    let server = pod.server();
    for _ in 0..3 {
        let killed = until_workers_wait(&pod, &server);
        killed.iter().for_each(|worker| worker.signal(Signal::SIGKILL));
        until_true("they are replaced", || {
            let workers = idle_workers(&pod, &server);
            workers.len() >= 2 && !workers.iter().any(|worker| killed.contains(worker))
        });
        assert!(!killed.contains(&Process(worker_of(&pod, "who"))));
    }
}

#[test]
fn an_idle_worker_that_is_killed_is_replaced_though_there_are_enough() {
    // The kernel wakes one of them for a connection. If that one is killed before it takes it, no other is told, and the
    // stub would wait until somebody else calls.
    let pod = Pod::new("stay sh -c 'echo ready; read line'");
    let server = pod.server();
    burst(&pod, 8);
    let before = until("all its processes wait", || {
        let all = pod.children_and_idle_workers(server.process().0);
        Some(all).filter(|all| all.len() >= 8 && all.iter().all(Process::is_idle_worker))
    });
    before[0].signal(Signal::SIGKILL);
    until_true("another one looks for connections", || {
        idle_workers(&pod, &server).iter().any(|worker| !before.contains(worker))
    });
    assert!(before[3..].iter().all(|worker| !worker.is_gone()), "those that were there still wait");
}

#[test]
fn a_limit_of_sessions_holds_for_idle_workers_too() {
    let pod = Pod::with_header("--max-sessions=2", "stay sh -c 'echo ready; read line'\nwho sh -c 'echo $PPID'");
    let server = pod.server();
    let start = || {
        let mut stub = pod.stub("stay").stdin(Stdio::piped()).stdout(Stdio::piped()).live();
        assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "ready\n");
        stub
    };
    let (mut first, mut second) = (start(), start());
    assert_eq!(pod.children_and_idle_workers(server.process().0).len(), 2);
    let mut third = pod.stub("who").stdout(Stdio::piped()).live();
    drop(first.stdin.take());
    assert_eq!(first.end().code(), Some(1));
    assert_ne!(read_line(third.stdout.as_mut().expect("stdout")), "");
    assert!(third.end().success());
    drop(second.stdin.take());
    assert_eq!(second.end().code(), Some(1));
}

#[test]
fn after_a_burst_most_of_its_processes_go_again() {
    let pod = Pod::new("stay sh -c 'echo ready; read line'");
    let server = pod.server();
    burst(&pod, 40);
    let kept = until("no more than a burst needs are kept", || {
        let kept = pod.children_and_idle_workers(server.process().0);
        Some(kept).filter(|kept| (2..=16).contains(&kept.len()) && kept.iter().all(Process::is_idle_worker))
    });
    // Their time is over at once. If all of them went, the next call would have to wait for others.
    let left = || kept.iter().filter(|process| !process.is_gone()).count();
    until_true("most of them are gone", || left() <= 2);
    assert_eq!(left(), 2);
    until_true("two are kept for good", || idle_workers(&pod, &server).len() == 2);
}

#[test]
fn a_session_leaves_nothing_of_its_client_in_the_worker_that_serves_the_next_one() {
    if lacks_root() {
        return;
    }
    for transport in [Transport::Direct, Transport::Relay] {
        let pod = transport.pod_with_header("", "echo WORD= sh -c 'cat; echo $1 $WORD >&2' sh");
        let _server = pod.server();
        let outcome = pod.stub("echo").arg("argumental").env("WORD", "environmental").run_with(b"privately\n");
        assert_eq!((outcome.out(), outcome.err()), ("privately\n".into(), "argumental environmental\n".into()));
        // It has gone back to wait for the next one.
        until_true("all workers wait", || pod.processes().len() == 1);
        for worker in pod.all_processes() {
            for word in ["argumental", "environmental", "privately"] {
                assert!(
                    !worker.has_in_memory(word.as_bytes()),
                    "{transport:?}: {word} is still in process {}",
                    worker.0
                );
            }
        }
    }
}

#[test]
fn a_command_is_scheduled_as_its_server_is() {
    if lacks_programs(&["nice", "chrt"]) {
        return;
    }
    for before in [&["nice", "-n", "5"][..], &["nice", "-n", "-5"], &["chrt", "--batch", "0"], &["chrt", "--idle", "0"]]
    {
        if Command::new(before[0]).args(&before[1..]).arg("true").stderr(Stdio::null()).run().code() != Some(0) {
            // Not as this user.
            continue;
        }
        let pod = Pod::new("show cat");
        let mut command = pod.command(before[0]);
        command.args(&before[1..]).arg(pod.path("bin/k8pshd")).args(["-n", "box", "-l", "-e", "../stubs"]);
        let _server = pod.start(command);
        let mut local = Command::new(before[0]);
        local.args(&before[1..]).args(["cat", "/proc/self/stat"]);
        // Nice value and policy, fields 19 and 41 (proc(5)), of which the first one behind the name is field 3.
        let scheduled = |stat: &str| {
            let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
            [fields[16].to_owned(), fields[38].to_owned()]
        };
        let expected = scheduled(&local.run().succeeds());
        for _ in 0..3 {
            assert_eq!(scheduled(&pod.stub("show").arg("/proc/self/stat").run().succeeds()), expected, "{before:?}");
        }
    }
}
