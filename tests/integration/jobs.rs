//! Job control: a stub in an interactive shell is a job like every other, in the foreground, in the background, stopped.

use std::fs;

use crate::support::scene::{Scene, Side, once, twice, twice_with};
use crate::support::shell::Shell;
use crate::support::terminal::{Terminal, code};
use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Process, until_true};
use nix::sys::signal::Signal;

/// Says that it is there, and stays.
const STAY: &str = "echo ready; exec sleep 1000";

/// Starts `stay` in the foreground; gives its process.
fn stay(scene: &Scene, shell: &mut Shell) -> Process {
    shell.type_line("stay");
    shell.terminal.expect("ready\r\n");
    let command = scene.until_running("sleep");
    until_in_foreground(shell, command);
    command
}

/// Waits until a command runs, and its job has the terminal. A key that comes earlier is the shell's.
fn until_in_foreground(shell: &Shell, command: Process) {
    let bash = shell.process().0;
    shell.terminal.wait_true("the job has the terminal", || {
        let leader = Process(shell.terminal.foreground());
        leader.0 != bash && leader.state() == Some('S') && command.state() == Some('S')
    });
}

/// Types Ctrl-Z and waits for the shell to say that the job is stopped.
#[track_caller]
fn suspend(shell: &mut Shell, command: Process) {
    shell.terminal.type_text("\x1a");
    let text = shell.prompt();
    assert!(text.contains("Stopped"), "{text:?}");
    // Of several processes of a job, the shell waits for one.
    shell.terminal.wait_true("the command is stopped", || command.state() == Some('T'));
}

/// Brings the last job back to the foreground.
#[track_caller]
fn resume(shell: &mut Shell, command: Process) {
    shell.type_line("fg");
    until_in_foreground(shell, command);
}

/// Types Ctrl-C and waits for the end of the job in the foreground.
#[track_caller]
fn interrupt(shell: &mut Shell) {
    shell.terminal.type_text("\x03");
    shell.prompt();
    assert_eq!(shell.status(), "130");
}

/// Ends the shell; nothing is left of its jobs.
#[track_caller]
fn exit(scene: &Scene, shell: Shell) {
    shell.exit();
    scene.until_nothing_is_left();
}

by_each_transport!(control_z_stops_a_job_and_fg_resumes_it_again_and_again);
fn control_z_stops_a_job_and_fg_resumes_it_again_and_again(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        let modes = shell.run("stty -g");
        let command = stay(scene, &mut shell);
        for _ in 0..5 {
            suspend(&mut shell, command);
            assert_eq!(shell.status(), "148");
            assert!(shell.run("jobs").contains("Stopped"));
            assert_eq!(shell.run("stty -g"), modes);
            resume(&mut shell, command);
        }
        interrupt(&mut shell);
        assert_eq!(shell.run("stty -g"), modes);
        assert_eq!(shell.run("jobs"), "");
        exit(scene, shell);
    });
}

by_each_transport!(a_stopped_job_stopped_by_its_terminal_says_so);
fn a_stopped_job_stopped_by_its_terminal_says_so(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        let command = stay(scene, &mut shell);
        suspend(&mut shell, command);
        // The stop is the terminal's, as waitpid(2) tells it; of others the shell says which.
        let text = shell.run("jobs -l");
        assert!(text.contains("Stopped ") && !text.contains("(signal)"), "{text:?}");
        resume(&mut shell, command);
        interrupt(&mut shell);
        exit(scene, shell);
    });
}

by_each_transport!(bg_resumes_a_stopped_job_in_the_background);
fn bg_resumes_a_stopped_job_in_the_background(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        let command = stay(scene, &mut shell);
        for _ in 0..2 {
            suspend(&mut shell, command);
            shell.run("bg");
            until_true("the command goes on", || command.state() == Some('S'));
            assert!(shell.run("jobs").contains("Running"));
            resume(&mut shell, command);
        }
        interrupt(&mut shell);
        exit(scene, shell);
    });
}

by_each_transport!(control_z_that_is_typed_several_times_stops_a_job_once);
fn control_z_that_is_typed_several_times_stops_a_job_once(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        let command = stay(scene, &mut shell);
        shell.terminal.type_text("\x1a\x1a\x1a\x1a");
        // A key that sends a signal throws away what is on its way to the terminal (termios(3), NOFLSH), and the later ones
        // the words that the shell has for the first.
        until_true("it stops", || command.state() == Some('T'));
        shell.until_it_reads();
        assert_eq!(shell.status(), "148");
        assert!(shell.run("jobs").contains("Stopped"));
        resume(&mut shell, command);
        interrupt(&mut shell);
        exit(scene, shell);
    });
}

by_each_transport!(several_stopped_jobs_are_resumed_one_by_one);
fn several_stopped_jobs_are_resumed_one_by_one(transport: Transport) {
    twice(transport, &[("first", "sleep 1000; exit 1"), ("second", "sleep 1000; exit 2")], |scene| {
        let mut shell = scene.shell();
        let mut commands = Vec::new();
        for name in ["first", "second"] {
            shell.type_line(name);
            let command = scene.until_running(name);
            until_true("it waits", || scene.running("sleep").len() == commands.len() + 1);
            until_in_foreground(&shell, command);
            suspend(&mut shell, command);
            commands.push(command);
        }
        for (number, command) in [(1, commands[0]), (2, commands[1])] {
            shell.type_line(&format!("fg %{number}"));
            until_in_foreground(&shell, command);
            until_true("one sleeps", || scene.running("sleep").iter().any(|sleep| sleep.state() == Some('S')));
            interrupt(&mut shell);
        }
        exit(scene, shell);
    });
}

by_each_transport!(a_background_job_writes_to_the_terminal_and_leaves_its_modes_alone);
fn a_background_job_writes_to_the_terminal_and_leaves_its_modes_alone(transport: Transport) {
    twice(
        transport,
        &[("writer", "until test -e go; do sleep 0.01; done; echo output; until test -e end; do sleep 0.01; done")],
        |scene| {
            let mut shell = scene.shell();
            shell.run("writer &");
            scene.until_running("writer");
            let modes = shell.terminal.modes();
            shell.terminal.type_text("echo par");
            shell.terminal.expect("echo par");
            fs::write(scene.pod.work().join("go"), "").expect("a file");
            shell.terminal.expect("output");
            assert_eq!(shell.terminal.modes(), modes);
            shell.terminal.type_text("tial\r");
            shell.terminal.expect("partial\r\n");
            shell.prompt();
            fs::write(scene.pod.work().join("end"), "").expect("a file");
            until_ended(&mut shell);
            exit(scene, shell);
        },
    );
}

by_each_transport!(lines_of_a_background_job_end_as_a_terminal_ends_them);
fn lines_of_a_background_job_end_as_a_terminal_ends_them(transport: Transport) {
    twice(transport, &[("writer", "printf 'one\\ntwo\\n'; echo >end")], |scene| {
        let mut terminal = Terminal::new();
        let script = "set -m; writer & wait";
        assert_eq!(code(terminal.end(&mut terminal.start(&scene.script("bash", script)))), 0);
        assert_eq!(terminal.expect("two\r\n"), "one\r\n");
    });
}

by_each_transport!(a_background_job_that_reads_the_terminal_stops_and_takes_no_key);
fn a_background_job_that_reads_the_terminal_stops_and_takes_no_key(transport: Transport) {
    twice(transport, &[("line", "read line; echo \"got $line\"")], |scene| {
        let mut shell = scene.shell();
        shell.run("line &");
        // Before it has stopped, and after.
        assert!(shell.run("echo $((20 + 1))").contains("21\r\n"));
        let command = scene.until_running("line");
        shell.terminal.wait_true("it stops", || command.state() == Some('T'));
        assert!(shell.run("echo $((20 + 2))").contains("22\r\n"));
        until_stopped(&shell);
        let text = shell.run("jobs -l");
        assert!(text.contains("Stopped (tty input)"), "{text:?}");
        resume(&mut shell, command);
        shell.terminal.type_text("text\r");
        shell.terminal.expect("got text\r\n");
        shell.prompt();
        assert_eq!(shell.status(), "0");
        exit(scene, shell);
    });
}

/// The children of the shell that it has not reaped yet.
fn jobs(shell: &Shell) -> Vec<Process> {
    let bash = shell.process().0;
    let children = fs::read_to_string(format!("/proc/{bash}/task/{bash}/children")).expect("the shell's children");
    children.split_whitespace().map(|number| Process(number.parse().expect("a process number"))).collect()
}

/// Waits until all jobs are stopped: the shell sees them so when it looks next.
fn until_stopped(shell: &Shell) {
    shell.terminal.wait_true("they stop", || jobs(shell).iter().all(|job| job.state() == Some('T')));
}

/// Waits until all jobs have ended and the shell knows. It can miss the end of a job, and finds it with that of the next.
fn until_ended(shell: &mut Shell) {
    until_true("they end", || {
        shell.run("env true");
        jobs(shell).is_empty()
    });
}

by_each_transport!(a_background_job_that_changes_the_terminals_modes_stops);
fn a_background_job_that_changes_the_terminals_modes_stops(transport: Transport) {
    // A script, since an interactive shell has modes of its own while it waits, which stty would find and set.
    let script =
        "set -m; quiet & until [[ $(jobs -s) ]]; do sleep 0.01; done; jobs -l; fg >/dev/null; echo \"after $?\"";
    twice(transport, &[("quiet", "stty -echo; echo changed; read line; stty echo; echo \"got $line\"")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.script("bash", script));
        terminal.expect("Stopped (tty output)");
        terminal.expect("changed\r\n");
        terminal.type_text("text\r");
        assert_eq!(terminal.expect("after 0\r\n"), "got text\r\n");
        assert_eq!(code(terminal.end(&mut program)), 0);
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(a_background_job_that_may_not_write_stops);
fn a_background_job_that_may_not_write_stops(transport: Transport) {
    twice(transport, &[("writer", "echo output")], |scene| {
        let mut shell = scene.shell();
        shell.run("stty tostop");
        shell.run("writer &");
        until_stopped(&shell);
        let text = shell.run("jobs -l");
        assert!(text.contains("Stopped (tty output)"), "{text:?}");
        assert!(!shell.terminal.text().contains("output\r"), "{:?}", shell.terminal.text());
        shell.type_line("fg");
        shell.terminal.expect("output\r\n");
        shell.prompt();
        exit(scene, shell);
    });
}

by_each_transport!(fg_brings_a_running_background_job_to_the_keys);
fn fg_brings_a_running_background_job_to_the_keys(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        shell.type_line("stay &");
        let command = scene.until_running("sleep");
        shell.terminal.expect("ready");
        shell.terminal.type_text("\r");
        shell.prompt();
        resume(&mut shell, command);
        interrupt(&mut shell);
        exit(scene, shell);
    });
}

by_each_transport!(fg_brings_a_running_background_job_that_will_read_to_the_keys);
fn fg_brings_a_running_background_job_that_will_read_to_the_keys(transport: Transport) {
    twice(transport, &[("line", "until test -e go; do sleep 0.01; done; read line; echo \"got $line\"")], |scene| {
        let mut shell = scene.shell();
        shell.run("line &");
        let command = scene.until_running("line");
        shell.type_line("fg");
        shell.terminal.wait_true("it has the terminal", || shell.terminal.foreground() != shell.process().0);
        fs::write(scene.pod.work().join("go"), "").expect("a file");
        shell.terminal.type_text("text\r");
        shell.terminal.expect("got text\r\n");
        shell.prompt();
        until_true("it has ended", || command.is_gone());
        exit(scene, shell);
    });
}

by_each_transport!(a_pipeline_stops_and_resumes);
fn a_pipeline_stops_and_resumes(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        shell.type_line("stay | cat");
        shell.terminal.expect("ready\r\n");
        let command = scene.until_running("sleep");
        for _ in 0..2 {
            until_in_foreground(&shell, command);
            suspend(&mut shell, command);
            shell.type_line("fg");
        }
        until_in_foreground(&shell, command);
        interrupt(&mut shell);
        exit(scene, shell);
    });
}

by_each_transport!(a_script_stops_and_resumes_with_what_it_runs);
fn a_script_stops_and_resumes_with_what_it_runs(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        fs::write(scene.pod.work().join("script"), "echo begun\nstay\necho survived\n").expect("a file");
        let mut shell = scene.shell();
        shell.type_line("bash script");
        shell.terminal.expect("ready\r\n");
        let command = scene.until_running("sleep");
        for _ in 0..3 {
            until_in_foreground(&shell, command);
            suspend(&mut shell, command);
            let leader = Process(shell.terminal.foreground());
            assert_eq!(leader, shell.process());
            shell.type_line("fg");
        }
        until_in_foreground(&shell, command);
        interrupt(&mut shell);
        assert!(!shell.terminal.text().contains("survived"));
        exit(scene, shell);
    });
}

by_each_transport!(make_stops_and_resumes_with_what_it_runs);
fn make_stops_and_resumes_with_what_it_runs(transport: Transport) {
    twice_with(transport, &["make"], &[("line", "echo ready; read line; echo \"got $line\"")], |scene| {
        fs::write(scene.pod.work().join("Makefile"), "all:\n\t@line\n").expect("a file");
        let mut shell = scene.shell();
        shell.type_line("make");
        shell.terminal.expect("ready\r\n");
        let command = scene.until_running("line");
        for _ in 0..2 {
            until_in_foreground(&shell, command);
            suspend(&mut shell, command);
            shell.type_line("fg");
        }
        until_in_foreground(&shell, command);
        shell.terminal.type_text("text\r");
        shell.terminal.expect("got text\r\n");
        shell.prompt();
        assert_eq!(shell.status(), "0");
        exit(scene, shell);
    });
}

by_each_transport!(a_script_with_job_control_of_its_own_stops_and_resumes_it);
fn a_script_with_job_control_of_its_own_stops_and_resumes_it(transport: Transport) {
    let script = "set -m; ulimit -c 0; stay & until test -e up; do sleep 0.01; done; kill -TSTP %1; \
                  until [[ $(jobs -s) ]]; do sleep 0.01; done; echo stopped; fg %1; echo \"first $?\"; \
                  fg %1; echo \"second $?\"";
    twice(transport, &[("stay", "echo up >up; echo ready; exec sleep 1000")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.script("bash", script));
        let shell = program.id();
        terminal.expect("stopped\r\n");
        let command = scene.until_running("sleep");
        for (key, answer) in [("\x1a", "first 148\r\n"), ("\x1c", "second 131\r\n")] {
            terminal.wait_true("it has the terminal", || {
                let leader = Process(terminal.foreground());
                leader.0 != shell && leader.state() == Some('S') && command.state() == Some('S')
            });
            terminal.type_text(key);
            terminal.expect(answer);
        }
        assert_eq!(code(terminal.end(&mut program)), 0);
        assert_eq!(terminal.modes(), before);
        scene.until_nothing_is_left();
    });
}

by_each_transport!(a_job_that_is_stopped_by_force_takes_the_terminal_again);
fn a_job_that_is_stopped_by_force_takes_the_terminal_again(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        let modes = shell.run("stty -g");
        let command = stay(scene, &mut shell);
        // Nobody can prepare for this.
        Process(shell.terminal.foreground()).signal(Signal::SIGSTOP);
        assert!(shell.prompt().contains("Stopped"));
        assert_eq!(shell.run("stty -g"), modes);
        resume(&mut shell, command);
        if scene.side == Side::Remote {
            shell.terminal.expect_raw();
        }
        interrupt(&mut shell);
        assert_eq!(shell.run("stty -g"), modes);
        exit(scene, shell);
    });
}

by_each_transport!(a_command_that_stops_itself_stops_its_job);
fn a_command_that_stops_itself_stops_its_job(transport: Transport) {
    twice(transport, &[("stop", "kill -STOP $$; echo resumed; kill -TSTP $$; echo again; exit 5")], |scene| {
        let mut shell = scene.shell();
        assert!(shell.run("stop").contains("Stopped"));
        shell.type_line("fg");
        shell.terminal.expect("resumed\r\n");
        assert!(shell.prompt().contains("Stopped"));
        shell.type_line("fg");
        shell.terminal.expect("again\r\n");
        shell.prompt();
        assert_eq!(shell.status(), "5");
        exit(scene, shell);
    });
}

by_each_transport!(a_window_that_changes_while_a_job_is_stopped_has_its_size_when_it_goes_on);
fn a_window_that_changes_while_a_job_is_stopped_has_its_size_when_it_goes_on(transport: Transport) {
    twice(transport, &[("size", "echo ready; read line; stty size")], |scene| {
        let mut shell = scene.shell();
        shell.type_line("size");
        shell.terminal.expect("ready\r\n");
        let command = scene.until_running("size");
        until_in_foreground(&shell, command);
        suspend(&mut shell, command);
        shell.terminal.resize(30, 400);
        resume(&mut shell, command);
        shell.terminal.type_text("\r");
        shell.terminal.expect("30 400\r\n");
        shell.prompt();
        exit(scene, shell);
    });
}

by_each_transport!(a_stopped_job_can_be_ended);
fn a_stopped_job_can_be_ended(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        let command = stay(scene, &mut shell);
        suspend(&mut shell, command);
        shell.run("kill %1");
        until_ended(&mut shell);
        shell.run("");
        assert!(shell.terminal.text().contains("Terminated"), "{:?}", shell.terminal.text());
        assert!(command.is_gone());
        exit(scene, shell);
    });
}

by_each_transport!(a_stopped_job_that_is_killed_leaves_nothing);
fn a_stopped_job_that_is_killed_leaves_nothing(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        let command = stay(scene, &mut shell);
        suspend(&mut shell, command);
        shell.run("kill -KILL %1");
        until_ended(&mut shell);
        exit(scene, shell);
    });
}

by_each_transport!(a_shell_that_exits_takes_its_stopped_jobs_along);
fn a_shell_that_exits_takes_its_stopped_jobs_along(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        let command = stay(scene, &mut shell);
        suspend(&mut shell, command);
        assert!(shell.run("exit").contains("There are stopped jobs."));
        exit(scene, shell);
    });
}

by_each_transport!(a_terminal_that_hangs_up_takes_all_jobs_along);
fn a_terminal_that_hangs_up_takes_all_jobs_along(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        let command = stay(scene, &mut shell);
        suspend(&mut shell, command);
        shell.run("stay </dev/null >/dev/null &");
        until_true("two run", || scene.running("sleep").len() == 2);
        shell.type_line("stay");
        until_true("three run", || scene.running("sleep").len() == 3);
        shell.hang_up();
        scene.until_nothing_is_left();
    });
}

by_each_transport!(a_job_that_ignores_hangups_outlives_its_terminal);
fn a_job_that_ignores_hangups_outlives_its_terminal(transport: Transport) {
    twice_with(transport, &["nohup"], &[("stay", STAY)], |scene| {
        let mut shell = scene.shell();
        shell.run("nohup stay &");
        let command = scene.until_running("sleep");
        let program = if scene.side == Side::Local { command } else { scene.stubs("stay")[0] };
        shell.hang_up();
        assert!(!command.is_gone() && !program.is_gone());
        program.signal(Signal::SIGTERM);
        scene.until_nothing_is_left();
    });
}

by_each_transport!(a_stub_can_be_stopped_while_it_waits_for_its_server);
fn a_stub_can_be_stopped_while_it_waits_for_its_server(transport: Transport) {
    once(transport, "--keep-client-executables", &[("stay", STAY)], |_| {
        let mut scene = Scene::new(transport, Side::Remote, "--keep-client-executables", &[("stay", STAY)]);
        scene.server = None;
        let mut shell = scene.shell();
        shell.type_line("stay");
        for _ in 0..2 {
            let stub = shell.terminal.wait("the stub", || scene.stubs("stay").first().copied());
            until_in_foreground(&shell, stub);
            suspend(&mut shell, stub);
            resume(&mut shell, stub);
        }
        scene.server = Some(scene.pod.server_with(&["--overwrite-client-executables"]));
        shell.terminal.expect("ready\r\n");
        scene.until_running("sleep");
        interrupt(&mut shell);
        exit(&scene, shell);
    });
}

/// An interactive shell with a prompt of its own.
const INNER: &str = "PS1='inner> ' exec bash --norc --noprofile -i";

/// Types a line at the inner shell and waits for its next prompt.
fn inner(terminal: &mut Terminal, line: &str) -> String {
    terminal.type_text(&format!("{line}\r"));
    terminal.expect(&format!("{line}\r\n"));
    terminal.expect("inner> ")
}

by_each_transport!(a_shell_has_job_control_of_its_own);
fn a_shell_has_job_control_of_its_own(transport: Transport) {
    twice(transport, &[("inner", INNER)], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.program("inner"));
        let greeting = terminal.expect("inner> ");
        assert_eq!(greeting, "", "the shell complains");
        terminal.type_text("sleep 1000\r");
        let sleep = scene.until_running("sleep");
        for _ in 0..2 {
            until_true("it sleeps", || sleep.state() == Some('S') && is_in_foreground(sleep));
            terminal.type_text("\x1a");
            terminal.expect("Stopped");
            terminal.expect("inner> ");
            assert!(inner(&mut terminal, "jobs").contains("Stopped"));
            terminal.type_text("fg\r");
            terminal.expect("sleep 1000\r\n");
        }
        until_true("it sleeps", || sleep.state() == Some('S') && is_in_foreground(sleep));
        terminal.type_text("\x03");
        terminal.expect("inner> ");
        assert_eq!(inner(&mut terminal, "echo $?").trim(), "130");
        terminal.type_text("exit 7\r");
        assert_eq!(code(terminal.end(&mut program)), 7);
        assert_eq!(terminal.modes(), before);
        scene.until_nothing_is_left();
    });
}

/// Whether a process is in the foreground of its own terminal.
fn is_in_foreground(process: Process) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.0)).unwrap_or_default();
    let fields: Vec<_> = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect()).unwrap_or_default();
    // Its process group, and that in the foreground.
    fields.len() > 5 && fields[2] == fields[5]
}

by_each_transport!(a_shell_within_the_shell_can_be_suspended);
fn a_shell_within_the_shell_can_be_suspended(transport: Transport) {
    twice(transport, &[("inner", INNER)], |scene| {
        let mut shell = scene.shell();
        let modes = shell.run("stty -g");
        shell.type_line("inner");
        shell.terminal.expect("inner> ");
        for _ in 0..2 {
            shell.terminal.type_text("suspend\r");
            assert!(shell.prompt().contains("Stopped"));
            assert_eq!(shell.run("stty -g"), modes);
            shell.type_line("fg");
            shell.terminal.expect("inner> ");
        }
        assert_eq!(inner(&mut shell.terminal, "echo $((40 + 2))"), "42\r\n");
        shell.terminal.type_text("exit 3\r");
        shell.prompt();
        assert_eq!(shell.status(), "3");
        assert_eq!(shell.run("stty -g"), modes);
        exit(scene, shell);
    });
}

by_each_transport!(an_editor_can_be_suspended);
fn an_editor_can_be_suspended(transport: Transport) {
    twice_with(transport, &["vim"], &[("vim", "")], |scene| {
        let mut shell = scene.shell();
        let modes = shell.run("stty -g");
        shell.type_line("TERM=xterm vim -N -u NONE -i NONE text");
        shell.terminal.expect("[New]");
        shell.terminal.type_text("ihello");
        shell.terminal.expect("hello");
        for _ in 0..2 {
            shell.terminal.type_text("\x1b\x1a");
            assert!(shell.prompt().contains("Stopped"));
            assert_eq!(shell.run("stty -g"), modes);
            shell.type_line("fg");
            shell.terminal.expect("hello");
        }
        shell.terminal.type_text(":wq\r");
        shell.prompt();
        assert_eq!(fs::read_to_string(scene.pod.work().join("text")).expect("the text"), "hello\n");
        assert_eq!(shell.run("stty -g"), modes);
        exit(scene, shell);
    });
}

by_each_transport!(a_job_of_a_shell_that_has_gone_does_not_hang);
fn a_job_of_a_shell_that_has_gone_does_not_hang(transport: Transport) {
    // The group of a stub that leads its session is an orphaned one, which the kernel does not let stop.
    twice(transport, &[("stay", STAY)], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.program("stay"));
        terminal.expect("ready\r\n");
        let command = scene.until_running("sleep");
        terminal.type_text("\x1a");
        terminal.expect("^Z");
        terminal.type_text("\x03");
        assert_eq!(code(terminal.end(&mut program)), 130);
        assert_eq!(terminal.modes(), before);
        until_true("it is gone", || command.is_gone());
    });
}

by_each_transport!(a_background_command_that_nobody_could_resume_is_not_stopped);
fn a_background_command_that_nobody_could_resume_is_not_stopped(transport: Transport) {
    // Its shell has gone, so its group is orphaned: to read the terminal is an error for it.
    let line = "echo $$ >up; until test -e go; do sleep 0.01; done; read line || echo none >none";
    twice(transport, &[("line", line)], |scene| {
        let terminal = Terminal::new();
        let script = "bash -c 'set -m; line &'; until test -e up; do sleep 0.01; done; \
                      echo >go; until test -e none; do sleep 0.01; done";
        assert_eq!(code(terminal.end(&mut terminal.start(&scene.script("sh", script)))), 0);
        scene.until_nothing_is_left();
    });
}

#[test]
fn a_background_job_whose_stdin_alone_is_the_terminal_takes_no_key() {
    // Not where the direct transport is forced: then the command has the very terminal, and is of another session.
    for transport in [Transport::Auto, Transport::Relay] {
        takes_no_key(transport);
    }
}

fn takes_no_key(transport: Transport) {
    twice(transport, &[("copy", "exec cat")], |scene| {
        let mut shell = scene.shell();
        shell.run("copy >file &");
        let command = scene.until_running("cat");
        assert!(shell.run("echo $((20 + 1))").contains("21\r\n"));
        // The relay reads ahead, and stops as soon as there is something to read.
        until_true("it stops", || {
            shell.run("");
            command.state() == Some('T')
        });
        until_stopped(&shell);
        resume(&mut shell, command);
        shell.terminal.type_text("text\r");
        until_true("it is copied", || {
            fs::read_to_string(scene.pod.work().join("file")).is_ok_and(|text| text == "text\n")
        });
        shell.terminal.type_text("\x04");
        shell.prompt();
        exit(scene, shell);
    });
}
