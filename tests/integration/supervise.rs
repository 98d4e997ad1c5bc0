//! `k8pshd [options] -- program`: the program that a container is there for, with its stubs, its signals and its terminal.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use crate::support::scene::Scene;
use crate::support::shell::Shell;
use crate::support::terminal::{Terminal, code};
use crate::support::{Live, Pod, Process, Run, is_listening, lacks_namespaces, read_line, until, until_true};
use nix::sys::signal::Signal;

/// A server of section `box` with stubs for its own commands, and a program behind it.
fn supervising(pod: &Pod, program: &[&str]) -> Command {
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs")).arg("--").args(program);
    command.env("PATH", pod.stubs_last());
    command
}

/// A server without commands, so that it becomes the program.
fn without_commands(pod: &Pod, program: &[&str]) -> Command {
    let mut command = pod.k8pshd();
    command.args(["-n", "client", "-e"]).arg(pod.path("stubs")).arg("--").args(program);
    command.env("PATH", pod.stubs_last());
    command
}

fn stubs(pod: &Pod) -> usize {
    fs::read_dir(pod.path("stubs")).expect("the stubs").count()
}

/// Starts it with pipes, and waits for the program's first line, `ready`.
fn until_ready(mut command: Command) -> Live {
    let mut live = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).live();
    assert_eq!(read_line(live.stdout.as_mut().expect("stdout")), "ready\n");
    live
}

#[test]
fn the_program_can_use_the_stubs_at_once() {
    let pod = Pod::new("hello echo hello");
    let script = format!("{}/hello \"$@\"; pwd; exit 7", pod.path("stubs").display());
    for _ in 0..10 {
        let outcome = supervising(&pod, &["sh", "-c", &script, "sh", "-i", "--", "--help"]).run();
        assert_eq!((outcome.code(), outcome.err().as_str()), (Some(7), ""));
        assert_eq!(outcome.out(), format!("hello -i -- --help\n{}\n", pod.work().display()));
        assert_eq!(stubs(&pod), 0, "the stubs are removed");
        assert!(!is_listening(pod.port()));
    }
}

#[test]
fn it_ends_as_the_program_ends() {
    let pod = Pod::new("true");
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGSEGV] {
        let script = format!("ulimit -c 0; kill -s {} $$", &signal.as_str()[3..]);
        assert_eq!(supervising(&pod, &["sh", "-c", &script]).run().signal(), Some(signal as i32));
    }
    for status in [0, 1, 125, 255] {
        assert_eq!(supervising(&pod, &["sh", "-c", &format!("exit {status}")]).run().code(), Some(status));
    }
}

#[test]
fn a_program_that_cannot_be_run_is_told_in_one_line() {
    let pod = Pod::new("true");
    fs::write(pod.work().join("text"), "no program\n").expect("a file");
    for (make, stubs_left) in [(supervising as fn(&Pod, &[&str]) -> Command, 0), (without_commands, 1)] {
        make(&pod, &["no-such-program"]).run().fails(127, "k8pshd", &["no-such-program: not found in PATH="]);
        make(&pod, &["./missing"]).run().fails(127, "k8pshd", &["./missing: No such file or directory"]);
        make(&pod, &["./text"]).run().fails(126, "k8pshd", &["./text: Permission denied"]);
        assert_eq!(stubs(&pod), stubs_left);
    }
}

#[test]
fn what_cannot_be_meant_is_an_error() {
    let pod = Pod::new("true");
    pod.k8pshd().args(["-n", "box", "--"]).run().fails(1, "k8pshd", &["-- needs a program"]);
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "--background", "--", "true"]);
    command.run().fails(1, "k8pshd", &["--background", "--"]);
    let pod = Pod::with_header("--no-wait --", "true");
    pod.k8pshd().args(["-n", "box"]).run().fails(1, "k8pshd", &["k8psh.conf:3:", "unknown option --"]);
    // Behind it nothing is an option of the server's.
    let pod = Pod::new("true");
    pod.k8pshd().args(["-n", "box", "--nonsense", "--", "true", "-i"]).run().fails(1, "k8pshd", &["--nonsense"]);
}

#[test]
fn without_a_port_the_program_does_not_start() {
    let pod = Pod::new("true");
    let _server = pod.server();
    supervising(&pod, &["touch", "started"]).run().fails(1, "k8pshd", &[&format!("port {}", pod.port())]);
    assert!(!pod.work().join("started").exists());
}

#[test]
fn the_program_finds_the_configuration_that_an_option_names_from_anywhere() {
    let pod = Pod::new("hello echo hello");
    let run = |make: fn(&Pod, &[&str]) -> Command, config: &str, set: Option<&str>| {
        let inner = make(&pod, &["sh", "-c", "cd / && echo \"$K8PSH_CONFIG\"; env | grep -c ^K8PSH_CONFIG="]);
        let mut command = pod.k8pshd();
        command.arg("--config").arg(config).args(inner.get_args()).env("PATH", pod.stubs_last());
        command.env_remove("K8PSH_CONFIG").envs(set.map(|value| ("K8PSH_CONFIG", value))).run().succeeds()
    };
    let config = pod.config().display().to_string();
    for make in [supervising as fn(&Pod, &[&str]) -> Command, without_commands] {
        assert_eq!(run(make, &config, None), format!("{config}\n1\n"));
        assert_eq!(run(make, "../k8psh.conf", None), format!("{config}\n1\n"));
        assert_eq!(run(make, "../k8psh.conf", Some("")), format!("{config}\n1\n"), "empty is unset");
        assert_eq!(run(make, &config, Some("other.conf")), "other.conf\n1\n", "one that is set stays");
    }
    // Its stub needs nothing else.
    let mut command = pod.k8pshd();
    command.args(["-c", "../k8psh.conf", "-n", "box", "-l", "-e"]).arg(pod.path("stubs"));
    command.args(["--", "sh", "-c", "hello there"]).env("PATH", pod.stubs_last()).env_remove("K8PSH_CONFIG");
    assert_eq!(command.run().succeeds(), "hello there\n");
}

#[test]
fn a_relative_configuration_cannot_be_named_from_a_directory_that_is_gone() {
    let pod = Pod::custom(|pod| format!("baseDirectory = /\n{}\ntrue\n", pod.section("")));
    let script =
        "mkdir gone; cd gone; rmdir ../gone; exec \"$0\" -c ../../k8psh.conf -n client -e ../../stubs -- sh -c true";
    let mut command = pod.command("sh");
    command
        .args(["-c", script])
        .arg(pod.k8pshd().get_program())
        .current_dir(pod.work())
        .env("PATH", pod.stubs_last())
        .env_remove("K8PSH_CONFIG");
    let outcome = command.run();
    assert_eq!(outcome.code(), Some(1), "{}", outcome.err());
    let reason = "k8pshd: --config ../../k8psh.conf: working directory: No such file or directory\n";
    assert!(outcome.err().ends_with(reason), "{}", outcome.err());
}

#[test]
fn stubs_that_the_program_does_not_find_are_told() {
    let pod = Pod::new("true");
    symlink(pod.path("stubs"), pod.path("link")).expect("a link");
    for make in [supervising as fn(&Pod, &[&str]) -> Command, without_commands] {
        let run = |path: &str| make(&pod, &["/bin/true"]).env("PATH", path).run();
        let outcome = run("/bin:/usr/bin");
        assert_eq!(outcome.code(), Some(0));
        let place = pod.path("stubs").display().to_string();
        let wanted = format!("k8pshd: --executable-directory {place} is not along PATH=/bin:/usr/bin; add it there\n");
        assert_eq!(outcome.err(), wanted);
        // Another name of the directory is as good, and so is the working directory.
        for path in [format!("/bin:{place}/"), format!("{}:/bin", pod.path("link").display()), "../stubs:/bin".into()] {
            assert_eq!(run(&path).succeeds(), "", "{path}");
        }
        assert_eq!(make(&pod, &["/bin/true"]).env("PATH", ":/bin").current_dir(pod.path("stubs")).run().succeeds(), "");
    }
    let mut without = supervising(&pod, &["/bin/true"]);
    let words: Vec<_> = without.get_args().map(ToOwned::to_owned).collect();
    without = pod.k8pshd();
    assert_eq!(without.arg("-d").args(words).env("PATH", "/bin").run().succeeds(), "", "there are none");
}

/// Tells a program's state: what a shell does not change and `/proc` knows.
const STATE: &str =
    "echo \"$@\"; pwd; umask; ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; env | sort | grep -v ^_=";

#[test]
fn the_program_has_everything_that_k8pshd_was_started_with() {
    let pod = Pod::new("true");
    let run = |mut command: Command| {
        // A descriptor of the caller's, ignored signals, and a mask that is not empty, where there is an env for it.
        let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        let program = command.get_program().to_string_lossy().into_owned();
        let mut outer = pod.shell("trap '' USR2 CHLD; umask 27; exec 7</dev/null; exec \"$@\"");
        outer.arg("sh");
        if Command::new("env").args(["--block-signal=USR1", "true"]).run().status.success() {
            outer.args(["env", "--block-signal=USR1"]);
        }
        command = outer;
        command.arg(program).args(arguments).env("MINE", "a b").run().succeeds()
    };
    let mut plain = pod.command("sh");
    plain.args(["-c", STATE, "sh", "x", ""]);
    let plain = run(plain);
    assert!(plain.contains("\n7\n") && plain.contains("0027"), "{plain}");
    assert_eq!(run(without_commands(&pod, &["sh", "-c", STATE, "sh", "x", ""])), plain);
    assert_eq!(run(supervising(&pod, &["sh", "-c", STATE, "sh", "x", ""])), plain);
}

#[test]
fn without_commands_it_becomes_the_program_and_the_stubs_stay() {
    let pod = Pod::new("true");
    let mut live = until_ready(without_commands(&pod, &["sh", "-c", "echo ready; echo $$; exec sleep 1000"]));
    assert_eq!(read_line(live.stdout.as_mut().expect("stdout")), format!("{}\n", live.id()));
    assert_eq!(stubs(&pod), 1);
    live.signal(Signal::SIGTERM);
    assert_eq!(live.end().signal(), Some(15));
    assert_eq!(stubs(&pod), 1);
}

#[test]
fn signals_are_passed_on() {
    let pod = Pod::new("true");
    let names = ["INT", "QUIT", "USR1", "USR2", "PIPE", "ALRM", "TERM", "CONT", "WINCH", "RTMIN", "RTMAX"];
    let traps: String = names.iter().map(|name| format!("trap 'echo {name}' {name}; ")).collect();
    let script = format!("{traps} echo ready; while :; do sleep 0.02; done");
    let mut live = until_ready(supervising(&pod, &["bash", "-c", &script]));
    let pid = live.id().to_string();
    for name in names {
        let status = Command::new("bash").args(["-c", &format!("kill -s {name} {pid}")]).status().expect("bash");
        assert!(status.success());
        assert_eq!(read_line(live.stdout.as_mut().expect("stdout")), format!("{name}\n"));
    }
    assert_eq!(pod.stub("true").run().succeeds(), "", "and it serves meanwhile");
    pod.running("bash").iter().for_each(|process| process.signal(Signal::SIGKILL));
    assert_eq!(live.end().signal(), Some(9));
}

#[test]
fn with_the_program_the_sessions_end() {
    let pod = Pod::new("stay sh -c 'trap \"echo bye; exit 3\" TERM; echo ready; while :; do sleep 0.02; done'");
    let mut live = until_ready(supervising(&pod, &["sh", "-c", "echo ready; read line; exit 5"]));
    let mut stub = pod.stub("stay").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    let stdout = stub.stdout.as_mut().expect("stdout");
    assert_eq!(read_line(stdout), "ready\n");
    drop(live.stdin.take());
    assert_eq!(read_line(stdout), "bye\n");
    assert_eq!(stub.end().code(), Some(3));
    assert_eq!(live.end().code(), Some(5));
    assert_eq!(stubs(&pod), 0);
}

#[test]
fn a_limit_ends_the_serving_and_not_the_program() {
    let pod = Pod::new("true");
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-m", "1", "-e"]).arg(pod.path("stubs"));
    command.args(["--", "sh", "-c", "echo ready; read line; exit 4"]);
    let mut live = until_ready(command);
    assert_eq!(pod.stub("true").run().succeeds(), "");
    until_true("the port is closed", || !is_listening(pod.port()));
    assert!(live.is_running());
    drop(live.stdin.take());
    assert_eq!(live.end().code(), Some(4));
}

#[test]
fn the_programs_streams_are_its_own() {
    let pod = Pod::new("true");
    let mut live = until_ready(supervising(&pod, &["sh", "-c", "echo ready; exec sleep 1000 <&- >&-"]));
    let mut rest = String::new();
    live.stdout.take().expect("stdout").read_to_string(&mut rest).expect("its end");
    assert_eq!(rest, "");
    assert_eq!(pod.stub("true").run().succeeds(), "");
    live.signal(Signal::SIGTERM);
    assert_eq!(live.end().signal(), Some(15));
    // Started without any, it has none.
    for streams in ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"] {
        let script = format!("exec \"$@\" {streams}");
        let mut shell = pod.shell(&script);
        shell.arg("sh").arg(pod.path("bin/k8pshd")).args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs"));
        let there = "for n in 0 1 2; do [ ! -e /proc/self/fd/$n ] || set -- \"$@\" $n; done; echo \"$@\" >there";
        shell.args(["--", "sh", "-c", there]).run();
        let outcome = fs::read_to_string(pod.work().join("there")).expect("what is there");
        let wanted = match streams {
            "<&-" => "1 2",
            ">&-" => "0 2",
            "<&- >&-" => "2",
            _ => "",
        };
        assert_eq!(outcome.trim(), wanted, "{streams}");
    }
}

#[test]
fn as_process_1_it_says_a_signal_by_its_status_and_reaps_orphans() {
    if lacks_namespaces() {
        return;
    }
    let pod = Pod::new("true");
    let run = |script: &str| {
        let mut command = pod.command("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(pod.path("bin/k8pshd"));
        command.env("PATH", pod.stubs_last());
        command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs")).args(["--", "sh", "-c", script]).run()
    };
    assert_eq!(run("kill -s TERM $$").code(), Some(143));
    assert_eq!(run("kill -s KILL $$").code(), Some(137));
    assert_eq!(run("exit 9").code(), Some(9));
    // The child of a child falls to process 1, which is told TERM by its own child.
    let outcome =
        run("(sleep 0.01 &); trap 'echo told' TERM; kill -s TERM 1; sleep 0.3; ps -e -o stat= | grep Z; exit 0");
    assert_eq!(outcome.succeeds(), "told\n");
}

/// Waits until this job has the terminal.
fn until_in_foreground(terminal: &Terminal, process: Process) {
    terminal.wait_true("it has the terminal", || process.group() == Some(terminal.foreground()));
}

#[test]
fn at_a_terminal_keys_reach_the_program_once() {
    let pod = Pod::new("true");
    let script = "trap 'echo interrupted' INT; trap 'echo resized' WINCH; echo ready; \
                  while ! read line; do :; done; echo \"got $line\"; sleep 0.2; exit 6";
    let mut terminal = Terminal::new();
    // As process 1 of a container with a terminal: the leader of a session.
    let mut live = terminal.start(&supervising(&pod, &["bash", "-c", script]));
    terminal.expect("ready\r\n");
    // A signal between its last look at the traps and its read is not noticed before the read ends.
    let bash = pod.until_running("bash", 1)[0];
    until_true("the shell waits for a line", || bash.state() == Some('S'));
    terminal.type_text("\x03");
    terminal.expect("interrupted\r\n");
    terminal.resize(30, 90);
    // The shell runs that trap behind its read.
    terminal.type_text("line\r");
    terminal.expect("resized\r\n");
    terminal.expect("got line\r\n");
    assert_eq!(code(terminal.end(&mut live)), 6);
    let text = terminal.text();
    assert_eq!((text.matches("interrupted").count(), text.matches("resized").count()), (1, 1), "{text}");
}

/// Types a line behind the prompt, and waits until the shell has taken it.
fn answer(terminal: &mut Terminal, line: &str) {
    terminal.expect("prompt> ");
    terminal.type_text(&format!("{line}\r"));
    terminal.expect(&format!("{line}\r\n"));
}

#[test]
fn a_shell_behind_it_has_job_control() {
    let pod = Pod::new("true");
    let mut terminal = Terminal::new();
    let mut command = supervising(&pod, &["bash", "--norc", "--noprofile", "-i"]);
    command.env("PS1", "prompt> ").env("TERM", "dumb").env("INPUTRC", "/dev/null");
    let mut live = terminal.start(&command);
    answer(&mut terminal, "sleep 1000");
    let sleep = pod.until_running("sleep", 1)[0];
    until_in_foreground(&terminal, sleep);
    terminal.type_text("\x1a");
    terminal.expect("Stopped");
    answer(&mut terminal, "fg");
    until_in_foreground(&terminal, sleep);
    until_true("it runs", || sleep.state() == Some('S'));
    terminal.type_text("\x03");
    answer(&mut terminal, "exit 8");
    assert_eq!(code(terminal.end(&mut live)), 8);
}

/// Starts it in an interactive shell, with a program that stays; gives the program's process.
fn start_job(scene: &Scene, shell: &mut Shell, before: &str) -> Process {
    let k8pshd = scene.pod.path("bin/k8pshd");
    let stubs = scene.pod.path("stubs");
    shell.type_line(&format!("{before}{} -n box -l -e {} -- stay", k8pshd.display(), stubs.display()));
    shell.terminal.expect("ready\r\n");
    scene.pod.until_running("sleep", 1)[0]
}

#[test]
fn in_a_shell_it_is_a_job_like_the_program() {
    let scene = Scene::local(&[("stay", "echo ready; exec sleep 1000")]);
    let mut shell = scene.shell();
    let program = start_job(&scene, &mut shell, "");
    let server = Process(program.parent().expect("its parent"));
    for _ in 0..3 {
        until_in_foreground(&shell.terminal, program);
        shell.terminal.type_text("\x1a");
        let text = shell.prompt();
        assert!(text.contains("Stopped"), "{text:?}");
        shell.terminal.wait_true("both are stopped", || [program, server].map(Process::state) == [Some('T'); 2]);
        shell.type_line("fg");
        until_in_foreground(&shell.terminal, program);
        shell.terminal.wait_true("both go on", || [program, server].map(Process::state) == [Some('S'); 2]);
    }
    shell.terminal.type_text("\x03");
    shell.prompt();
    assert_eq!(shell.status(), "130");
    // In the background: stopped by reading, or by a signal to the server alone.
    let program = start_job(&scene, &mut shell, "");
    let server = Process(program.parent().expect("its parent"));
    server.signal(Signal::SIGTSTP);
    let text = shell.prompt();
    assert!(text.contains("Stopped"), "{text:?}");
    assert_eq!(program.state(), Some('T'));
    shell.run("bg");
    shell.terminal.wait_true("both go on", || [program, server].map(Process::state) == [Some('S'); 2]);
    shell.run("kill -s TERM $!");
    until_true("it ends", || server.is_gone());
    shell.exit();
}

#[test]
fn a_program_that_stops_its_own_job_stops_once() {
    let scene = Scene::local(&[("edit", "kill -s TSTP 0; echo resumed")]);
    let mut shell = scene.shell();
    let (k8pshd, stubs) = (scene.pod.path("bin/k8pshd"), scene.pod.path("stubs"));
    let text = shell.run(&format!("{} -n box -l -e {} -- edit", k8pshd.display(), stubs.display()));
    assert!(text.contains("Stopped"), "{text:?}");
    let text = shell.run("fg");
    assert!(text.ends_with("resumed\r\n"), "{text:?}");
    assert_eq!(shell.status(), "0");
    shell.exit();
}

#[test]
fn in_a_pipeline_the_others_keep_the_terminal() {
    let scene = Scene::local(&[("say", "echo said")]);
    let mut shell = scene.shell();
    let k8pshd = scene.pod.path("bin/k8pshd");
    let stubs = scene.pod.path("stubs");
    // The last one reads the terminal, which needs the foreground.
    shell.type_line(&format!(
        "{} -n box -l -e {} -- say | {{ cat; read line </dev/tty; echo \"typed $line\"; }}",
        k8pshd.display(),
        stubs.display()
    ));
    shell.terminal.expect("said\r\n");
    shell.terminal.type_text("something\r");
    shell.terminal.expect("typed something\r\n");
    shell.prompt();
    shell.exit();
}

#[test]
fn a_program_that_another_process_stops_and_resumes_goes_on_being_served() {
    let pod = Pod::new("true");
    let mut live = until_ready(supervising(&pod, &["sh", "-c", "echo ready; exec sleep 1000"]));
    let program = pod.until_running("sleep", 1)[0];
    program.signal(Signal::SIGSTOP);
    until("it stops", || (program.state() == Some('T')).then_some(()));
    for _ in 0..20 {
        assert_eq!(pod.stub("true").run().succeeds(), "");
    }
    program.signal(Signal::SIGCONT);
    until_true("it goes on", || program.state() == Some('S'));
    live.signal(Signal::SIGTERM);
    assert_eq!(live.end().signal(), Some(15));
}
