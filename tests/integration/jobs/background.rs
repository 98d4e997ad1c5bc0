//! Jobs in the background, and what they may do with the terminal.

use super::*;

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

by_each_transport!(a_background_job_whose_stdin_and_stderr_alone_are_the_terminal_takes_no_key);
fn a_background_job_whose_stdin_and_stderr_alone_are_the_terminal_takes_no_key(transport: Transport) {
    twice(transport, &[("copy", "exec cat")], |scene| {
        let mut shell = scene.shell();
        shell.run("copy >file &");
        let command = scene.until_running("cat");
        assert!(shell.run("echo $((20 + 1))").contains("21\r\n"));
        shell.terminal.wait_true("it stops", || command.state() == Some('T'));
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
