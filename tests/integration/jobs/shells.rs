//! Shells and editors behind a stub, with job control of their own.

use super::*;

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
