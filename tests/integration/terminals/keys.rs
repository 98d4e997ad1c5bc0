//! What is typed: lines, control keys, the end of input.

use super::*;

by_each_transport!(while_the_stub_waits_for_its_server_the_terminals_own_keys_work);
fn while_the_stub_waits_for_its_server_the_terminals_own_keys_work(transport: Transport) {
    let pod = transport.pod("true");
    pod.link_stub("true");
    let terminal = Terminal::new();
    let before = terminal.modes();
    let mut stub = terminal.start(&pod.stub("true"));
    until_true("the stub waits", || stub.process().name() == "true" && stub.process().state() == Some('S'));
    terminal.type_text("\x03");
    assert_eq!(terminal.end(&mut stub).signal(), Some(2));
    assert_eq!(terminal.modes(), before);
}

by_each_transport!(control_keys_end_the_command_by_the_rules_of_its_terminal);
fn control_keys_end_the_command_by_the_rules_of_its_terminal(transport: Transport) {
    twice(transport, &[("sleep", "")], |scene| {
        for (setting, key, signal, shown) in [
            (&["sane"][..], "\x03", 2, "^C"),
            (&["sane"], "\x1c", 3, "^\\"),
            (&["intr", "^X"], "\x18", 2, "^X"),
            (&["quit", "^A", "-echoctl"], "\x01", 3, ""),
        ] {
            let terminal = Terminal::new();
            terminal.stty(setting);
            let before = terminal.modes();
            let mut program = terminal.start(&scene.script("sh", "ulimit -c 0; exec sleep 1000"));
            scene.until_running("sleep");
            terminal.type_text(key);
            assert_eq!(terminal.end(&mut program).signal(), Some(signal), "{setting:?}");
            let text = terminal.text();
            assert!(text.contains(shown), "{setting:?}: {text:?}");
            assert_eq!(terminal.modes(), before, "{setting:?}");
        }
    });
}

by_each_transport!(a_key_that_means_nothing_any_more_is_input);
fn a_key_that_means_nothing_any_more_is_input(transport: Transport) {
    twice(transport, &[("line", "echo ready; read line; echo \"got ${#line}\"")], |scene| {
        let mut terminal = Terminal::new();
        terminal.stty(&["intr", "undef", "quit", "undef", "susp", "undef"]);
        let mut program = terminal.start(&scene.program("line"));
        terminal.expect("ready\r\n");
        terminal.type_text("\x03\x1c\x1a\r");
        terminal.expect("got 3\r\n");
        assert_eq!(code(terminal.end(&mut program)), 0);
    });
}

by_each_transport!(a_command_that_catches_a_control_key_goes_on);
fn a_command_that_catches_a_control_key_goes_on(transport: Transport) {
    twice(
        transport,
        &[("catch", "trap 'echo caught' INT; trap 'echo quit; exit 4' QUIT; echo ready; while :; do sleep 0.01; done")],
        |scene| {
            let mut terminal = Terminal::new();
            let mut program = terminal.start(&scene.program("catch"));
            terminal.expect("ready\r\n");
            for _ in 0..3 {
                terminal.type_text("\x03");
                terminal.expect("caught\r\n");
            }
            terminal.type_text("\x1c");
            terminal.expect("quit\r\n");
            assert_eq!(code(terminal.end(&mut program)), 4);
        },
    );
}

by_each_transport!(a_script_that_runs_it_ends_with_it_on_control_c);
fn a_script_that_runs_it_ends_with_it_on_control_c(transport: Transport) {
    twice(transport, &[("sleep", "")], |scene| {
        for shell in ["bash", "sh"] {
            let mut terminal = Terminal::new();
            let before = terminal.modes();
            let mut program = terminal.start(&scene.script(shell, "echo ready; sleep 1000; echo survived"));
            terminal.expect("ready\r\n");
            scene.until_running("sleep");
            terminal.type_text("\x03");
            assert_eq!(terminal.end(&mut program).signal(), Some(2), "{shell}");
            assert!(!terminal.text().contains("survived"), "{shell}");
            assert_eq!(terminal.modes(), before, "{shell}");
        }
    });
}

by_each_transport!(a_script_that_catches_control_c_catches_it);
fn a_script_that_catches_control_c_catches_it(transport: Transport) {
    twice(transport, &[("sleep", "")], |scene| {
        let mut terminal = Terminal::new();
        let script = "trap 'echo caught' INT; echo ready; sleep 1000; echo \"after $?\"";
        let mut program = terminal.start(&scene.script("bash", script));
        terminal.expect("ready\r\n");
        scene.until_running("sleep");
        terminal.type_text("\x03");
        terminal.expect("caught\r\nafter 130\r\n");
        assert_eq!(code(terminal.end(&mut program)), 0);
    });
}

by_each_transport!(make_ends_on_control_c);
fn make_ends_on_control_c(transport: Transport) {
    twice_with(transport, &["make"], &[("sleep", "")], |scene| {
        fs::write(scene.pod.work().join("Makefile"), "all:\n\t@echo ready\n\t@sleep 1000\n\t@echo survived\n")
            .expect("a file");
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.script("sh", "exec make"));
        terminal.expect("ready\r\n");
        scene.until_running("sleep");
        terminal.type_text("\x03");
        let status = code(terminal.end(&mut program));
        // By the signal, or with 2 where its child was dead before make had looked: that is make's own race.
        assert_ne!(status, 0);
        assert!(!terminal.text().contains("survived"), "{:?}", terminal.text());
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(ignored_signals_stay_ignored_at_a_terminal);
fn ignored_signals_stay_ignored_at_a_terminal(transport: Transport) {
    twice(transport, &[("stay", STAY)], |scene| {
        let mut terminal = Terminal::new();
        let mut program = terminal.start(&scene.script("sh", "trap '' INT HUP; exec stay"));
        terminal.expect("ready\r\n");
        scene.until_running("sleep");
        terminal.type_text("\x03");
        terminal.expect("^C");
        program.signal(Signal::SIGHUP);
        program.signal(Signal::SIGTERM);
        assert_eq!(terminal.end(&mut program).signal(), Some(15));
    });
}

by_each_transport!(input_is_echoed_once_and_edited_by_the_commands_terminal);
fn input_is_echoed_once_and_edited_by_the_commands_terminal(transport: Transport) {
    twice(transport, &[("copy", "echo ready; exec cat")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.program("copy"));
        terminal.expect("ready\r\n");
        // The first line shows a correction; Ctrl-V takes the next key as it is.
        for (typed, answer) in
            [("helo\x7flo\r", "hello\r\n"), ("lost\x15kept\r", "kept\r\n"), ("a\x16\x03b\r", "a\x03b\r\n")]
        {
            terminal.type_text(typed);
            terminal.expect(&format!("\r\n{answer}"));
        }
        terminal.type_text("\x04");
        assert_eq!(code(terminal.end(&mut program)), 0);
        assert_eq!(
            terminal.text(),
            "ready\r\nhelo\x08 \x08lo\r\nhello\r\nlost\x08 \x08\x08 \x08\x08 \x08\x08 \x08kept\r\nkept\r\na^\x08^Cb\r\na\x03b\r\n"
        );
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(the_end_of_input_can_be_typed);
fn the_end_of_input_can_be_typed(transport: Transport) {
    twice(transport, &[("count", "wc -c")], |scene| {
        let mut terminal = Terminal::new();
        let mut program = terminal.start(&scene.script("sh", "echo ready; count; echo $?"));
        terminal.expect("ready\r\n");
        until_true("it reads", || scene.running("wc").len() == 1);
        terminal.type_text("four\r\x04");
        terminal.expect("5\r\n0\r\n");
        assert_eq!(code(terminal.end(&mut program)), 0);
    });
}

by_each_transport!(what_is_typed_before_the_command_runs_is_not_lost);
fn what_is_typed_before_the_command_runs_is_not_lost(transport: Transport) {
    twice(transport, &[("line", "read line; echo \"got $line\"")], |scene| {
        let mut terminal = Terminal::new();
        let script = "echo ready; while ! test -e go; do sleep 0.01; done; line";
        let mut program = terminal.start(&scene.script("sh", script));
        terminal.expect("ready\r\n");
        terminal.type_text("early\r");
        terminal.expect("early\r\n");
        fs::write(scene.pod.work().join("go"), "").expect("a file");
        terminal.expect("got early\r\n");
        assert_eq!(code(terminal.end(&mut program)), 0);
    });
}
