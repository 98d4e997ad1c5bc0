//! What the command sees of its caller's terminal.

use super::*;

/// Says of each standard stream whether it is a terminal, in a file so that stdout stays what it is.
const STREAMS: &str = "exec 5>streams; for n in 0 1 2; do if test -t $n; then echo yes >&5; else echo no >&5; fi; done";

fn isatty(scene: &Scene, script: &str) -> String {
    show(scene, &scene.script("sh", script));
    fs::read_to_string(scene.pod.work().join("streams")).expect("the command ran").replace('\n', " ")
}

by_each_transport!(the_command_has_a_terminal_where_its_stub_has_one);
fn the_command_has_a_terminal_where_its_stub_has_one(transport: Transport) {
    twice(transport, &[("streams", STREAMS)], |scene| {
        assert_eq!(isatty(scene, "streams"), "yes yes yes ");
        assert_eq!(isatty(scene, "streams 2>errors"), "yes yes no ");
    });
}

/// Ways to have a terminal on one side alone, or on none but stderr's.
const ONE_SIDED: [&str; 4] = ["streams </dev/null", "streams | cat", "streams >file", "cat </dev/null | streams"];

by_each_transport!(a_terminal_on_one_side_alone_is_the_commands_on_that_side);
fn a_terminal_on_one_side_alone_is_the_commands_on_that_side(transport: Transport) {
    let expected = ["no yes yes ", "yes no yes ", "yes no yes ", "no yes yes "];
    twice(transport, &[("streams", STREAMS)], |scene| {
        for (script, expected) in ONE_SIDED.into_iter().zip(expected) {
            assert_eq!(isatty(scene, script), expected, "{script}");
        }
    });
}

by_each_transport!(what_the_streams_carry_does_not_depend_on_which_of_them_are_terminals);
fn what_the_streams_carry_does_not_depend_on_which_of_them_are_terminals(transport: Transport) {
    let script = "read line; echo \"out $line\"; echo \"error $line\" >&2; cat";
    twice(transport, &[("both", script)], |scene| {
        for (streams, shown, kept) in [
            ("<in", "out one\r\nerror one\r\ntwo\r\n", ""),
            ("<in >kept", "error one\r\n", "out one\ntwo\n"),
            ("<in 2>kept", "out one\r\ntwo\r\n", "error one\n"),
            (">kept <&- 2>&1 <in", "", "out one\nerror one\ntwo\n"),
        ] {
            fs::write(scene.pod.work().join("in"), "one\ntwo\n").expect("a file");
            fs::write(scene.pod.work().join("kept"), "").expect("a file");
            assert_eq!(
                show(scene, &scene.script("sh", &format!("both {streams}"))),
                (0, shown.to_owned()),
                "{streams}"
            );
            let text = fs::read_to_string(scene.pod.work().join("kept")).expect("a file");
            // By the relay, stdout and stderr are each in order, but not relative to each other.
            let sorted = |text: &str| {
                let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
                lines.sort();
                lines
            };
            assert_eq!(sorted(&text), sorted(kept), "{streams}");
        }
    });
}

by_each_transport!(a_password_is_asked_for_at_the_terminal_whatever_the_streams_are);
fn a_password_is_asked_for_at_the_terminal_whatever_the_streams_are(transport: Transport) {
    let ask =
        "#!/bin/bash\nread -rs -p 'Password: ' x </dev/tty 2>/dev/tty; echo >/dev/tty; cat; echo \"length ${#x}\"";
    // The relay has nowhere to ask where stdin is something else, or both outputs are.
    let streams: &[_] = if transport == Transport::Relay {
        &["", "| cat"]
    } else {
        &["", "| cat", "<in", "<in | cat", "<in 2>errors | cat"]
    };
    twice(transport, &[("ask", ask)], |scene| {
        fs::write(scene.pod.work().join("in"), "text\n").expect("a file");
        for streams in streams {
            let mut terminal = Terminal::new();
            let before = terminal.modes();
            let mut program = terminal.start(&scene.script("sh", &format!("ask {streams}")));
            terminal.expect("Password: ");
            scene.until_typing_reaches_it(&terminal);
            terminal.type_text("secret\r");
            if streams.contains("<in") {
                // What goes through a pipe may overtake what goes to the terminal.
                terminal.expect("text\r\n");
                terminal.expect("length 6\r\n");
            } else {
                terminal.expect("\r\n");
                terminal.wait_true("its modes are as before", || terminal.modes() == before);
                terminal.type_text("more\r");
                terminal.expect("more\r\nmore\r\n");
                terminal.type_text("\x04");
                terminal.expect("length 6\r\n");
            }
            assert_eq!(code(terminal.end(&mut program)), 0);
            assert_eq!(terminal.modes(), before);
            assert!(!terminal.text().contains("secret"), "{:?}", terminal.text());
        }
    });
}

by_each_transport!(it_is_the_controlling_terminal_of_the_command);
fn it_is_the_controlling_terminal_of_the_command(transport: Transport) {
    twice(
        transport,
        &[("own", "echo hello >/dev/tty; ps -o tty= -p $$ >own; tty >>own; ps -o tpgid=,pgid= -p $$")],
        |scene| {
            let (status, text) = show(scene, &scene.program("own"));
            assert!(status == 0 && text.starts_with("hello\r\n"), "{text:?}");
            let own = fs::read_to_string(scene.pod.work().join("own")).expect("the command ran");
            let lines: Vec<_> = own.lines().collect();
            assert_eq!(format!("/dev/{}", lines[0].trim()), lines[1]);
            let groups: Vec<_> = text.split_whitespace().skip(1).collect();
            assert_eq!(groups[0], groups[1], "it is in the foreground");
        },
    );
}

by_each_transport!(lines_end_as_a_terminal_ends_them_and_in_a_pipe_as_the_command_does);
fn lines_end_as_a_terminal_ends_them_and_in_a_pipe_as_the_command_does(transport: Transport) {
    twice(transport, &[("lines", "printf 'one\\ntwo\\n'; printf 'three\\n' >&2")], |scene| {
        let shown = |script: &str| show(scene, &scene.script("sh", script)).1;
        assert_eq!(shown("lines"), "one\r\ntwo\r\nthree\r\n");
        assert_eq!(shown("lines 2>file; od -An -c file"), "one\r\ntwo\r\n   t   h   r   e   e  \\n\r\n");
        assert_eq!(shown("lines 2>/dev/null | od -An -c"), "   o   n   e  \\n   t   w   o  \\n\r\n");
        assert_eq!(shown("lines </dev/null 2>/dev/null"), "one\r\ntwo\r\n");
        assert_eq!(shown("lines >file 2>/dev/null; od -An -c file"), "   o   n   e  \\n   t   w   o  \\n\r\n");
    });
}

by_each_transport!(stderr_stays_apart_where_it_is_another_terminal);
fn stderr_stays_apart_where_it_is_another_terminal(transport: Transport) {
    twice(transport, &[("both", "echo out; echo error >&2")], |scene| {
        let other = Terminal::new();
        let (status, text) = show(scene, &scene.script("sh", &format!("both 2>{}", other.path().display())));
        assert_eq!((status, text.as_str()), (0, "out\r\n"));
        other.wait_true("the error is there", || other.text() == "error\r\n");
    });
}

by_each_transport!(the_command_sees_the_modes_and_special_characters_of_the_stubs_terminal);
fn the_command_sees_the_modes_and_special_characters_of_the_stubs_terminal(transport: Transport) {
    twice(transport, &[("modes", "stty -g")], |scene| {
        let changes: [&[&str]; 4] = [
            &["sane"],
            &["intr", "^X", "quit", "^Y", "erase", "^H", "kill", "^K", "susp", "^E", "eof", "^F", "start", "^A"],
            &["-echo", "-ixon", "-icrnl", "tostop", "noflsh", "iutf8", "-echoctl"],
            &["-opost", "min", "3", "time", "7", "-icanon"],
        ];
        for change in changes {
            let terminal = Terminal::new();
            let before = terminal.stty(&["-g"]);
            terminal.stty(change);
            let changed = terminal.stty(&["-g"]);
            let status = terminal.end(&mut terminal.start(&scene.program("modes")));
            assert!(status.success(), "{status}");
            assert_eq!(terminal.text().trim_end(), changed.trim_end(), "{change:?}");
            assert_eq!(terminal.stty(&["-g"]), changed, "{change:?}");
            assert!(change[0] == "sane" || changed != before, "{change:?}");
        }
    });
}

by_each_transport!(the_window_has_its_size_before_the_command_starts);
fn the_window_has_its_size_before_the_command_starts(transport: Transport) {
    twice(transport, &[("size", "stty size")], |scene| {
        for (rows, columns) in [(24, 80), (1, 1), (0, 0), (65535, 65535), (37, 301)] {
            let terminal = Terminal::new();
            terminal.resize(rows, columns);
            assert!(terminal.end(&mut terminal.start(&scene.program("size"))).success());
            assert_eq!(terminal.text(), format!("{rows} {columns}\r\n"));
        }
    });
}

/// Says what size its window has now.
const SIZES: &str = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.01; done";

by_each_transport!(a_change_of_the_windows_size_is_seen_at_once);
fn a_change_of_the_windows_size_is_seen_at_once(transport: Transport) {
    twice(transport, &[("sizes", SIZES)], |scene| {
        let mut terminal = Terminal::new();
        let mut program = terminal.start(&scene.program("sizes"));
        terminal.expect("ready\r\n");
        for (rows, columns) in [(40, 100), (41, 100), (10, 20), (24, 80)] {
            terminal.resize(rows, columns);
            terminal.expect(&format!("{rows} {columns}\r\n"));
        }
        // As while a window is drawn larger: the last one counts.
        (30..60).for_each(|rows| terminal.resize(rows, 90));
        terminal.expect("59 90\r\n");
        terminal.type_text("\x03");
        assert_eq!(code(terminal.end(&mut program)), 130);
    });
}

by_each_transport!(the_command_knows_the_kind_of_terminal);
fn the_command_knows_the_kind_of_terminal(transport: Transport) {
    twice(transport, &[("kind", "echo \"${TERM-unset}\"")], |scene| {
        let kind = |command: &Command| show(scene, command).1;
        assert_eq!(kind(scene.program("kind").env("TERM", "xterm-test")), "xterm-test\r\n");
        assert_eq!(kind(scene.program("kind").env("TERM", "")), "\r\n");
    });
}

by_each_transport!(without_a_kind_of_terminal_the_command_gets_none);
fn without_a_kind_of_terminal_the_command_gets_none(transport: Transport) {
    once(transport, "", &[("kind", "echo \"${TERM-unset}\"")], |scene| {
        assert_eq!(show(scene, scene.program("kind").env_remove("TERM")).1, "unset\r\n");
        // A pipe is no terminal of any kind.
        assert_eq!(scene.script("sh", "kind | cat").env("TERM", "xterm").run().succeeds(), "unset\n");
    });
}

by_each_transport!(a_rule_of_the_configuration_for_the_kind_of_terminal_counts);
fn a_rule_of_the_configuration_for_the_kind_of_terminal_counts(transport: Transport) {
    for (rule, sent, seen) in [
        ("=TERM=fixed", Some("xterm"), "fixed"),
        ("TERM=default", Some("xterm"), "xterm"),
        ("TERM=default", None, "default"),
        ("?TERM=default", None, "default"),
    ] {
        once(transport, rule, &[("kind", "echo \"${TERM-unset}\"")], |scene| {
            let mut command = scene.program("kind");
            match sent {
                Some(kind) => command.env("TERM", kind),
                None => command.env_remove("TERM"),
            };
            assert_eq!(show(scene, &command).1, format!("{seen}\r\n"), "{rule} {sent:?}");
        });
    }
}

by_each_transport!(the_stubs_terminal_keeps_its_modes_while_the_command_leaves_its_own);
fn the_stubs_terminal_keeps_its_modes_while_the_command_leaves_its_own(transport: Transport) {
    twice(transport, &[("wait", "echo ready; read line; echo \"got $line\"; read line; exit 3")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.program("wait"));
        terminal.expect("ready\r\n");
        for expected in ["one\r\ngot one\r\n", "two\r\n"] {
            assert_eq!(terminal.modes(), before);
            terminal.type_text(&format!("{}\r", &expected[..3]));
            terminal.expect(expected);
        }
        assert_eq!(code(terminal.end(&mut program)), 3);
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(the_stubs_terminal_is_raw_while_the_command_has_modes_of_its_own_and_no_longer);
fn the_stubs_terminal_is_raw_while_the_command_has_modes_of_its_own_and_no_longer(transport: Transport) {
    let script = "stty $1; echo ready; until test -e go; do sleep 0.01; done; stty sane; echo again; read line; exit 3";
    let modes = [("-echo", "\r\n", true, true), ("-opost", "\n", false, true), ("-isig", "\r\n", true, false)];
    for (mode, end, processes_output, makes_signals) in modes {
        once(transport, "", &[("wait", script)], |scene| {
            let mut terminal = Terminal::new();
            terminal.stty(&["sane"]);
            let before = terminal.modes();
            let mut stub = terminal.start(scene.program("wait").arg(mode));
            terminal.expect(&format!("ready{end}"));
            terminal.expect_keys_to_pass();
            assert_eq!((terminal.processes_output(), terminal.makes_signals()), (processes_output, makes_signals));
            fs::write(scene.pod.work().join("go"), "").expect("a file");
            terminal.expect("again\r\n");
            terminal.wait_true("it has its modes again", || terminal.modes() == before);
            terminal.type_text("\r");
            assert_eq!(code(terminal.end(&mut stub)), 3);
            assert_eq!(terminal.modes(), before);
        });
    }
}

by_each_transport!(every_exit_status_passes_over_a_terminal);
fn every_exit_status_passes_over_a_terminal(transport: Transport) {
    twice(transport, &[("code", "exit $1")], |scene| {
        let script = "n=0; while test $n -lt 256; do code $n; test $? = $n || echo bad $n $?; n=$((n+1)); done";
        assert_eq!(show(scene, &scene.script("sh", script)), (0, String::new()));
    });
}

by_each_transport!(every_deadly_signal_of_the_command_is_the_stubs_and_the_terminal_is_given_back);
fn every_deadly_signal_of_the_command_is_the_stubs_and_the_terminal_is_given_back(transport: Transport) {
    twice(transport, &[("die", "ulimit -c 0; kill -$1 $$")], |scene| {
        let deadly = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31];
        for number in deadly.into_iter().chain(34..=64) {
            let terminal = Terminal::new();
            let before = terminal.modes();
            let status = terminal.end(&mut terminal.start(scene.program("die").arg(number.to_string())));
            assert_eq!((status.signal(), status.core_dumped()), (Some(number), false), "{status}");
            assert_eq!(terminal.modes(), before, "signal {number}");
            assert_eq!(terminal.text(), "", "signal {number}");
        }
    });
}

by_each_transport!(a_signal_that_ends_command_and_stub_gives_the_terminal_back);
fn a_signal_that_ends_command_and_stub_gives_the_terminal_back(transport: Transport) {
    twice(transport, &[("sleep", "")], |scene| {
        for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGUSR1] {
            let terminal = Terminal::new();
            let before = terminal.modes();
            let mut program = terminal.start(scene.program("sleep").arg("1000"));
            scene.until_running("sleep");
            program.signal(signal);
            assert_eq!(terminal.end(&mut program).signal(), Some(signal as i32));
            assert_eq!(terminal.modes(), before, "{signal}");
        }
    });
}
