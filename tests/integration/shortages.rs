//! What a container may be short of: a known user, processes, open files, memory, /proc and devices. Each test says what
//! works all the same, and with what message the rest is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;

use nix::sys::signal::Signal;

use crate::support::cgroup::Cgroup;
use crate::support::transport::{Transport, by_each_transport};
use crate::support::{
    Live, PROGRAM, Pod, Process, Run, copy_program, lacks_namespaces, lacks_programs, lacks_user, read_line, until_true,
};

/// A user that no file knows, and that no other test has: processes are counted by user.
fn user_of(pod: &Pod) -> u32 {
    1_000_000 + u32::from(pod.port())
}

/// Gives the Pod's directories to its user, and a copy of the program, which may lie where only root may go.
fn give_to_user(pod: &Pod) -> PathBuf {
    let user = user_of(pod);
    let own = pod.path("own");
    fs::create_dir(&own).expect("a directory");
    let program = own.join("k8pshd");
    copy_program(PROGRAM, &program);
    fs::set_permissions(pod.path(""), fs::Permissions::from_mode(0o755)).expect("permissions");
    for directory in ["work", "stubs"] {
        chown(pod.path(directory), Some(user), Some(user)).expect("another owner");
    }
    program
}

/// A program as the Pod's user, started with these words before it.
fn as_user(pod: &Pod, before: &[&str], program: PathBuf) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = match before {
        [] => pod.command(program),
        [first, rest @ ..] => {
            let mut command = pod.command(first);
            command.args(rest).arg(program);
            command
        }
    };
    command.uid(user_of(pod)).gid(user_of(pod));
    command
}

/// The words of a server of section `box`.
fn serve(mut command: Command, pod: &Pod) -> Command {
    command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]).arg(pod.path("stubs"));
    command
}

by_each_transport!(a_user_that_no_file_knows_serves_and_calls);
fn a_user_that_no_file_knows_serves_and_calls(transport: Transport) {
    let pod = transport.pod("who sh -c 'id -u; id -g; cat; exit 3'");
    if lacks_user(user_of(&pod)) {
        return;
    }
    let program = give_to_user(&pod);
    let _server = pod.start(serve(as_user(&pod, &[], program), &pod));
    let outcome = as_user(&pod, &[], pod.stub_path("who")).run_with(b"line\n");
    let user = user_of(&pod);
    assert_eq!((outcome.out(), outcome.err()), (format!("{user}\n{user}\nline\n"), String::new()));
    assert_eq!(outcome.code(), Some(3));
}

/// Starts a command that says that it is there and stays until its stdin ends.
fn staying(pod: &Pod, name: &str) -> Live {
    let mut stub = pod.stub(name).stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    assert_eq!(read_line(stub.stdout.as_mut().expect("stdout")), "ready\n");
    stub
}

by_each_transport!(with_eight_processes_what_does_not_fit_is_refused_and_the_rest_goes_on);
fn with_eight_processes_what_does_not_fit_is_refused_and_the_rest_goes_on(transport: Transport) {
    let pod =
        transport.pod("stay sh -c 'echo ready; read line'\npair sh -c 'sleep 1000 & echo ready; read line; kill $!'");
    if lacks_user(user_of(&pod)) || lacks_programs(&["prlimit"]) {
        return;
    }
    let program = give_to_user(&pod);
    let server = pod.start(serve(as_user(&pod, &["prlimit", "--nproc=8"], program), &pod));
    let (mut stay, mut pair) = (staying(&pod, "stay"), staying(&pod, "pair"));
    // The listener, two sessions, their three commands, and two idle workers.
    until_true("two workers wait", || {
        pod.children_and_idle_workers(server.process().0).iter().filter(|process| process.is_idle_worker()).count() == 2
    });
    let reason = "sh: Resource temporarily unavailable; is a limit too low?";
    pod.stub("stay").run().fails(125, "stay", &[reason]);
    until_true("it is told", || server.log().contains(reason));
    let release = |stub: &mut Live| (drop(stub.stdin.take()), stub.end().code()).1;
    assert_eq!([release(&mut stay), release(&mut pair)], [Some(1), Some(0)]);
    assert_eq!(release(&mut staying(&pod, "stay")), Some(1), "there is room again");
}

#[test]
fn idle_workers_of_a_section_with_a_token_go_on_where_no_further_one_can_be_started() {
    let pod = Pod::custom(|pod| {
        fs::write(pod.path("token"), "of this test").expect("the token");
        let section = pod.section(&format!("=PATH= --token-file={}", pod.path("token").display()));
        format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\nanswer cat\n")
    });
    if lacks_user(user_of(&pod)) || lacks_programs(&["prlimit"]) {
        return;
    }
    let program = give_to_user(&pod);
    // The listener and two workers, and room for no command, or for one or two.
    for limit in ["--nproc=3", "--nproc=5"] {
        let server = pod.start(serve(as_user(&pod, &["prlimit", limit], program.clone()), &pod));
        let stub = pod.stub_path("answer");
        let call = || {
            let outcome = pod.command(&stub).env("K8PSH_CONFIG", pod.config()).run_with(b"text");
            let is_refused = outcome.err().contains("is a limit too low?");
            assert!(outcome.out() == "text" || is_refused, "{limit}: {}: {}", outcome.err(), server.log());
        };
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| (0..4).for_each(|_| call()));
            }
        });
    }
}

/// Eight callers make calls at the same time, each of which is answered rightly.
fn eight_callers(pod: &Pod, call: impl Fn(&str) -> Command + Sync) {
    let stub = pod.stub_path("answer");
    thread::scope(|scope| {
        for caller in 0..8 {
            let (call, stub) = (&call, &stub);
            scope.spawn(move || {
                for number in 0..10 {
                    let text = format!("{caller} {number}\n");
                    let mut command = call(&stub.display().to_string());
                    assert_eq!(command.run_with(text.as_bytes()).succeeds(), text);
                }
            });
        }
    });
}

const ANSWER: &str = "answer cat";

by_each_transport!(sixty_four_open_files_are_enough);
fn sixty_four_open_files_are_enough(transport: Transport) {
    if lacks_programs(&["prlimit"]) {
        return;
    }
    let pod = transport.pod(ANSWER);
    let limited = |program: &str| {
        let mut command = pod.command("prlimit");
        command.args(["--nofile=64", program]);
        command
    };
    let server = pod.start(serve(limited(&pod.path("bin/k8pshd").display().to_string()), &pod));
    eight_callers(&pod, limited);
    assert_eq!(server.log(), "");
}

by_each_transport!(sixteen_mebibytes_are_enough_and_who_takes_more_is_killed_alone);
fn sixteen_mebibytes_are_enough_and_who_takes_more_is_killed_alone(transport: Transport) {
    let pod = transport.pod("answer cat\nlarge sh -c 'x=$(head -c 64m /dev/zero | tr \"\\0\" x); echo survived'");
    let Some(group) = Cgroup::with_memory(&pod.id, 16 << 20) else { return };
    let mut command = pod.command("sh");
    command.args(["-c", "echo $$ >\"$0\"; exec \"$@\""]).arg(group.processes()).arg(pod.path("bin/k8pshd"));
    let server = pod.start(serve(command, &pod));
    eight_callers(&pod, |stub| pod.command(stub));
    let bytes: Vec<_> = (0..8 << 20).map(|_| fastrand::u8(..)).collect();
    let outcome = pod.stub("answer").run_with(&bytes);
    assert!(outcome.stdout == bytes && outcome.code() == Some(0), "{}", outcome.status);
    let outcome = pod.stub("large").run();
    assert_eq!((outcome.signal(), outcome.out().as_str()), (Some(9), ""), "{}", outcome.err());
    eight_callers(&pod, |stub| pod.command(stub));
    drop(server);
}

by_each_transport!(without_proc_and_devices_calls_are_right_and_a_lost_command_ends);
fn without_proc_and_devices_calls_are_right_and_a_lost_command_ends(transport: Transport) {
    if lacks_namespaces() || lacks_programs(&["mount"]) {
        return;
    }
    let pod = transport.pod("answer sh -c 'cat; echo end >&2; exit 7'\nstay sh -c 'echo ready; read line; sleep 1000'\nseven sh -c 'echo text >&7'");
    let without = |program: PathBuf| {
        let mut command = pod.command("unshare");
        let script = "mount -t tmpfs none /proc && mount -t tmpfs none /dev && exec \"$@\" 7>&1";
        command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(program);
        command
    };
    let server = pod.start(serve(without(pod.path("bin/k8pshd")), &pod));
    let outcome = without(pod.stub_path("answer")).run_with(b"line\n");
    assert_eq!((outcome.code(), outcome.out(), outcome.err()), (Some(7), "line\n".into(), "end\n".into()));
    if transport == Transport::Direct {
        assert_eq!(without(pod.stub_path("seven")).run().succeeds(), "text\n");
    }
    let mut stay = without(pod.stub_path("stay")).stdin(Stdio::piped()).stdout(Stdio::piped()).live();
    assert_eq!(read_line(stay.stdout.as_mut().expect("stdout")), "ready\n");
    stay.signal(Signal::SIGKILL);
    stay.end();
    let is_server = |process: &Process| *process == server.process();
    until_true("nothing but the server is left", || pod.processes().iter().all(is_server));
    let log = server.log();
    assert!(log.starts_with("k8pshd: stay: the stub has gone: ending process ") && log.lines().count() == 1, "{log}");
}
