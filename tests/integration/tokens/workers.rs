//! The workers of a section with a token: they are there before the connections, which the listener hands to them.

use super::*;
use crate::support::Process;

/// The workers, once they are as many as there may be, and idle.
fn idle_workers(pod: &Pod, server: &Server, count: usize) -> Vec<Process> {
    until("all workers are there", || {
        let all = pod.children_and_idle_workers(server.process().0);
        (all.len() == count && all.iter().all(Process::is_idle_worker)).then_some(all)
    })
}

#[test]
fn a_worker_that_is_idle_takes_a_connection_and_the_next_one() {
    let pod = with_file("--max-sessions=2", "worker sh -c 'echo $PPID'");
    let server = pod.server();
    let workers = idle_workers(&pod, &server, 2);
    for _ in 0..5 {
        let worker: u32 = pod.stub("worker").run().succeeds().trim().parse().expect("a process number");
        assert!(workers.iter().any(|idle| idle.0 == worker), "{worker} was forked later: {workers:?}");
    }
}

/// How many connections this port has.
fn established(port: u16) -> usize {
    let (port, sockets) = (format!(":{port:04X}"), fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp"));
    let fields = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields[1].ends_with(&port) && fields[3] == "01").count()
}

/// Connections that have proven the token and were handed to workers that are stopped.
fn handed(pod: &Pod, server: &Server, workers: &[Process], count: usize) -> Vec<Live> {
    let open = || fs::read_dir(format!("/proc/{}/fd", server.process().0)).expect("descriptors").count();
    let before = open();
    workers.iter().for_each(|worker| worker.signal(Signal::SIGSTOP));
    until_true("they stand still", || workers.iter().all(|worker| worker.state() == Some('T')));
    let stubs: Vec<_> = (0..count).map(|_| pod.stub("turn").live()).collect();
    // The listener has sent the message of each on: nothing of it is left there.
    until_true("all are handed over", || established(pod.port()) == count && open() == before);
    stubs
}

#[test]
fn a_server_that_ends_serves_what_no_worker_has_taken() {
    let pod = with_file("--max-sessions=2", "turn sh -c 'echo x >>log'");
    let mut server = pod.server();
    let workers = idle_workers(&pod, &server, 2);
    let stubs = handed(&pod, &server, &workers, 5);
    server.signal(Signal::SIGTERM);
    until_true("it listens no more", || !is_listening_anywhere(pod.port()));
    workers.iter().for_each(|worker| worker.signal(Signal::SIGCONT));
    have_all_run(&pod, stubs);
    assert_eq!(server.end().code(), Some(0));
}

#[test]
fn workers_that_die_leave_what_they_have_not_taken_to_others() {
    let pod = with_file("--max-sessions=2", "turn sh -c 'echo x >>log'");
    let server = pod.server();
    let workers = idle_workers(&pod, &server, 2);
    let stubs = handed(&pod, &server, &workers, 5);
    workers.iter().for_each(|worker| worker.signal(Signal::SIGKILL));
    have_all_run(&pod, stubs);
}
