//! Jobs in the foreground: stopped, resumed, ended.

use super::*;

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
    twice(transport, &[("hold", "stty -icanon -echo; echo ready; exec sleep 1000")], |scene| {
        let mut shell = scene.shell();
        let modes = shell.run("stty -g");
        shell.type_line("hold");
        shell.terminal.expect("ready\r\n");
        let command = scene.until_running("sleep");
        if scene.side == Side::Remote {
            shell.terminal.expect_keys_to_pass();
        }
        // Nobody can prepare for this.
        Process(shell.terminal.foreground()).signal(Signal::SIGSTOP);
        assert!(shell.prompt().contains("Stopped"));
        assert_eq!(shell.run("stty -g"), modes);
        resume(&mut shell, command);
        if scene.side == Side::Remote {
            shell.terminal.expect_keys_to_pass();
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
