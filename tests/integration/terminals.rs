//! A stub at a terminal: what the command sees of it, what the person at it sees of the command, and how the terminal
//! is given back.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::support::scene::{Scene, once, twice, twice_with};
use crate::support::terminal::{Terminal, code};
use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Live, Pod, Run, lacks_programs, lacks_root, until_true, wait_for_file};
use nix::sys::signal::Signal;

/// Runs a program to its end at a terminal of its own; gives its status, as a shell does, and all that was shown.
fn show(scene: &Scene, command: &Command) -> (i32, String) {
    let terminal = Terminal::new();
    let before = terminal.modes();
    let status = terminal.end(&mut terminal.start(command));
    assert_eq!(terminal.modes(), before, "the terminal's modes");
    println!("{:?}: {status}, {:?}", scene.side, terminal.text());
    (code(status), terminal.text())
}

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

#[test]
fn a_terminal_on_one_side_alone_gives_the_command_pipes_by_the_relay() {
    once(Transport::Relay, "", &[("streams", STREAMS)], |scene| {
        for script in ONE_SIDED {
            assert_eq!(isatty(scene, script), "no no no ", "{script}");
        }
    });
}

#[test]
fn a_terminal_on_one_side_alone_is_the_commands_on_that_side() {
    let transport = Transport::Direct;
    let expected = ["no yes yes ", "yes no yes ", "yes no yes ", "no yes yes "];
    twice(transport, &[("streams", STREAMS)], |scene| {
        for (script, expected) in ONE_SIDED.into_iter().zip(expected) {
            assert_eq!(isatty(scene, script), expected, "{script}");
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

by_each_transport!(the_stubs_terminal_is_raw_while_the_command_runs_and_no_longer);
fn the_stubs_terminal_is_raw_while_the_command_runs_and_no_longer(transport: Transport) {
    once(transport, "", &[("wait", "echo ready; read line; exit 3")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut stub = terminal.start(&scene.program("wait"));
        terminal.expect("ready\r\n");
        terminal.expect_raw();
        terminal.type_text("\r");
        assert_eq!(code(terminal.end(&mut stub)), 3);
        assert_eq!(terminal.modes(), before);
    });
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

/// Waits until a stub has the terminal, and its command runs.
fn start_stub(scene: &Scene, terminal: &mut Terminal, name: &str) -> Live {
    let stub = terminal.start(&scene.program(name));
    terminal.expect("ready\r\n");
    terminal.expect_raw();
    stub
}

const STAY: &str = "echo ready; exec sleep 1000";

by_each_transport!(a_lost_server_gives_the_terminal_back_and_is_one_line_on_it);
fn a_lost_server_gives_the_terminal_back_and_is_one_line_on_it(transport: Transport) {
    if lacks_programs(&["setsid", "stty"]) {
        return;
    }
    let mut scene = Scene::remote(transport, &[("stay", STAY)]);
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let mut stub = start_stub(&scene, &mut terminal, "stay");
    let session = scene.session(scene.until_running("sleep"));
    session.signal(Signal::SIGKILL);
    let mut server = scene.server.take().expect("a server");
    server.signal(Signal::SIGKILL);
    server.end();
    assert_eq!(terminal.end(&mut stub).code(), Some(125));
    assert_eq!(terminal.modes(), before);
    let text = terminal.text();
    let message = text.strip_prefix("ready\r\n").expect("the command's line");
    assert!(message.starts_with("stay: ") && message.ends_with("\r\n"), "{message:?}");
    assert_eq!(message.matches('\n').count(), 1, "{message:?}");
    scene.until_nothing_is_left();
}

by_each_transport!(a_command_that_does_not_exist_gives_the_terminal_back);
fn a_command_that_does_not_exist_gives_the_terminal_back(transport: Transport) {
    let pod = transport.pod("missing /no/such/program\ndirectory /");
    let _server = pod.server();
    for (name, expected) in [("missing", 127), ("directory", 126)] {
        let terminal = Terminal::new();
        let before = terminal.modes();
        let status = terminal.end(&mut terminal.start(&pod.stub(name)));
        assert_eq!(status.code(), Some(expected));
        assert_eq!(terminal.modes(), before);
        let text = terminal.text();
        assert!(text.starts_with(&format!("{name}: ")) && text.ends_with("\r\n"), "{text:?}");
        assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    }
}

by_each_transport!(without_a_server_the_terminal_stays_as_it_is);
fn without_a_server_the_terminal_stays_as_it_is(transport: Transport) {
    let pod =
        transport.custom_pod(|pod| format!("baseDirectory=work\nconnectTimeoutMs=200\n{}\ntrue", pod.section("")));
    pod.link_stub("true");
    let terminal = Terminal::new();
    let before = terminal.modes();
    let status = terminal.end(&mut terminal.start(&pod.stub("true")));
    assert_eq!(status.code(), Some(125));
    assert_eq!(terminal.modes(), before);
    assert_eq!(terminal.text().matches("\r\n").count(), 1, "{:?}", terminal.text());
}

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
        scene.until_typing_reaches_it(&terminal);
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

by_each_transport!(a_line_of_four_thousand_characters_passes);
fn a_line_of_four_thousand_characters_passes(transport: Transport) {
    twice(transport, &[("line", "echo ready; read line; echo \"got ${#line}\"")], |scene| {
        let mut terminal = Terminal::new();
        let mut program = terminal.start(&scene.program("line"));
        terminal.expect("ready\r\n");
        terminal.type_text(&format!("{}\r", "x".repeat(4000)));
        terminal.expect("got 4000\r\n");
        assert_eq!(code(terminal.end(&mut program)), 0);
    });
}

by_each_transport!(many_lines_at_once_pass_in_order);
fn many_lines_at_once_pass_in_order(transport: Transport) {
    twice(transport, &[("copy", "stty -echo; echo ready; cat >copy; echo done")], |scene| {
        let mut terminal = Terminal::new();
        let mut program = terminal.start(&scene.program("copy"));
        terminal.expect("ready\r\n");
        let text: String = (0..5000).map(|number| format!("line number {number}\n")).collect();
        terminal.type_text(&text);
        terminal.type_text("\x04");
        terminal.expect("done\r\n");
        assert_eq!(code(terminal.end(&mut program)), 0);
        assert!(fs::read_to_string(scene.pod.work().join("copy")).expect("the copy") == text, "not the same text");
    });
}

by_each_transport!(ten_megabytes_written_right_before_the_end_are_shown_to_the_last_byte);
fn ten_megabytes_written_right_before_the_end_are_shown_to_the_last_byte(transport: Transport) {
    twice(transport, &[("seq", "")], |scene| {
        let terminal = Terminal::new();
        let status = terminal.end(&mut terminal.start(scene.program("seq").arg("1400000")));
        assert!(status.success(), "{status}");
        let expected: String = (1..=1_400_000).map(|number| format!("{number}\r\n")).collect();
        assert!(expected.len() > 10_000_000);
        assert!(terminal.bytes() == expected.into_bytes(), "not the same output");
    });
}

by_each_transport!(the_last_words_of_many_short_commands_are_all_shown);
fn the_last_words_of_many_short_commands_are_all_shown(transport: Transport) {
    twice(transport, &[("word", "echo \"word $1\"")], |scene| {
        let script = "n=0; while test $n -lt 200; do word $n; n=$((n+1)); done";
        let expected: String = (0..200).map(|number| format!("word {number}\r\n")).collect();
        assert_eq!(show(scene, &scene.script("sh", script)), (0, expected));
    });
}

by_each_transport!(every_byte_passes_unaltered_where_the_command_says_so);
fn every_byte_passes_unaltered_where_the_command_says_so(transport: Transport) {
    twice(
        transport,
        &[("bytes", "stty raw -echo; echo ready; dd bs=1 count=256 of=bytes 2>/dev/null; cat bytes")],
        |scene| {
            let mut terminal = Terminal::new();
            let mut program = terminal.start(&scene.program("bytes"));
            terminal.expect("ready\n");
            let bytes: Vec<_> = (0..=255).collect();
            terminal.type_bytes(&bytes);
            assert_eq!(code(terminal.end(&mut program)), 0);
            assert_eq!(fs::read(scene.pod.work().join("bytes")).expect("the bytes"), bytes);
            assert!(terminal.bytes().ends_with(&bytes));
        },
    );
}

by_each_transport!(a_terminal_that_nobody_reads_does_not_hold_up_signals);
fn a_terminal_that_nobody_reads_does_not_hold_up_signals(transport: Transport) {
    let flood = "yes & trap 'echo termed >termed; kill $! 2>/dev/null; exit 4' TERM; echo flooding >flooding; while :; do wait; done";
    twice(transport, &[("flood", flood)], |scene| {
        let terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.program("flood"));
        wait_for_file(scene.pod.work().join("flooding"));
        let yes = scene.until_running("yes");
        until_stuck(yes);
        program.signal(Signal::SIGTERM);
        wait_for_file(scene.pod.work().join("termed"));
        assert_eq!(code(terminal.end(&mut program)), 4);
        assert_eq!(terminal.modes(), before);
    });
}

/// Waits until a process that writes all the time has no room to write to.
fn until_stuck(process: crate::support::Process) {
    let mut last = None;
    until_true("the writer is stuck", || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = process.number("io", "wchar");
        let stuck = now == last && process.state() == Some('S');
        last = now;
        stuck
    });
}

by_each_transport!(a_control_key_ends_a_command_that_floods_the_terminal);
fn a_control_key_ends_a_command_that_floods_the_terminal(transport: Transport) {
    twice(transport, &[("yes", "")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.program("yes"));
        terminal.expect("y\r\ny\r\n");
        terminal.type_text("\x03");
        assert_eq!(terminal.end(&mut program).signal(), Some(2));
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(output_can_be_held_and_released);
fn output_can_be_held_and_released(transport: Transport) {
    twice(transport, &[("copy", "echo ready; exec cat")], |scene| {
        let mut terminal = Terminal::new();
        let mut program = terminal.start(&scene.program("copy"));
        terminal.expect("ready\r\n");
        terminal.type_text("\x13held\r\x11");
        terminal.expect("held\r\nheld\r\n");
        terminal.type_text("\x04");
        assert_eq!(code(terminal.end(&mut program)), 0);
    });
}

by_each_transport!(two_at_one_terminal_give_it_back_whichever_ends_first);
fn two_at_one_terminal_give_it_back_whichever_ends_first(transport: Transport) {
    let script = "exec 3<&0; linger a <&3 & until test -e next; do sleep 0.01; done; linger b <&3 & wait";
    for (first, second) in [("a", "b"), ("b", "a")] {
        twice(transport, &[("linger", "until test -e $1; do sleep 0.01; done")], |scene| {
            let touch = |name: &str| fs::write(scene.pod.work().join(name), "").expect("a file");
            let terminal = Terminal::new();
            let before = terminal.modes();
            let mut program = terminal.start(&scene.script("sh", script));
            until_true("one runs", || scene.running("linger").len() == 1);
            scene.until_typing_reaches_it(&terminal);
            touch("next");
            until_true("both run", || scene.running("linger").len() == 2);
            touch(first);
            until_true("one has ended", || scene.running("linger").len() == 1);
            touch(second);
            assert_eq!(code(terminal.end(&mut program)), 0);
            assert_eq!(terminal.modes(), before, "{first} ended first");
        });
    }
}

by_each_transport!(a_password_is_asked_for_and_not_shown);
fn a_password_is_asked_for_and_not_shown(transport: Transport) {
    let ask = "#!/bin/bash\nread -rs -p 'Password: ' x </dev/tty; echo; echo \"length ${#x}\"";
    twice(transport, &[("ask", ask)], |scene| {
        for script in ["ask", "ask 2>errors"] {
            let mut terminal = Terminal::new();
            let before = terminal.modes();
            let mut program = terminal.start(&scene.script("sh", script));
            until_true("it asks", || scene.running("ask").len() == 1);
            if script == "ask" {
                terminal.expect("Password: ");
            } else {
                until_true("it asks", || {
                    fs::read_to_string(scene.pod.work().join("errors")).is_ok_and(|text| text.contains("Password: "))
                });
            }
            scene.until_typing_reaches_it(&terminal);
            terminal.type_text("secret\r");
            terminal.expect("length 6\r\n");
            assert_eq!(code(terminal.end(&mut program)), 0);
            assert!(!terminal.text().contains("secret"), "{:?}", terminal.text());
            assert_eq!(terminal.modes(), before);
        }
    });
}

by_each_transport!(a_password_prompt_that_is_interrupted_leaves_the_terminal_as_it_was);
fn a_password_prompt_that_is_interrupted_leaves_the_terminal_as_it_was(transport: Transport) {
    let ask = "stty -echo; printf 'Password: ' >/dev/tty; exec cat </dev/tty";
    once(transport, "", &[("ask", ask)], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(&scene.program("ask"));
        terminal.expect("Password: ");
        scene.until_running("cat");
        terminal.type_text("\x03");
        assert_eq!(terminal.end(&mut program).signal(), Some(2));
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(a_pager_works);
fn a_pager_works(transport: Transport) {
    twice_with(transport, &["less"], &[("less", "")], |scene| {
        let text: String = (1..=500).map(|number| format!("line {number}\n")).collect();
        fs::write(scene.pod.work().join("text"), text).expect("a file");
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(scene.program("less").arg("text").env("TERM", "xterm"));
        terminal.expect("line 1\r\n");
        terminal.expect("line 23");
        terminal.type_text("G");
        terminal.expect("line 500");
        terminal.type_text("q");
        assert_eq!(code(terminal.end(&mut program)), 0);
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(a_pager_reads_its_keys_from_the_terminal_although_its_text_comes_from_it_too);
fn a_pager_reads_its_keys_from_the_terminal_although_its_text_comes_from_it_too(transport: Transport) {
    twice_with(transport, &["less"], &[("page", "seq 1 500 | less")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(scene.program("page").env("TERM", "xterm"));
        terminal.expect("23");
        terminal.type_text("G");
        terminal.expect("500");
        terminal.type_text("q");
        assert_eq!(code(terminal.end(&mut program)), 0);
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(an_editor_works);
fn an_editor_works(transport: Transport) {
    twice_with(transport, &["vim"], &[("vim", "")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut command = scene.program("vim");
        command.args(["-N", "-u", "NONE", "-i", "NONE", "text"]).env("TERM", "xterm");
        let mut program = terminal.start(&command);
        terminal.expect("[New]");
        terminal.type_text("ihello");
        terminal.expect("hello");
        terminal.type_text("\x1b:wq\r");
        assert_eq!(code(terminal.end(&mut program)), 0);
        assert_eq!(fs::read_to_string(scene.pod.work().join("text")).expect("the text"), "hello\n");
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(a_full_screen_program_works_and_follows_the_window);
fn a_full_screen_program_works_and_follows_the_window(transport: Transport) {
    twice_with(transport, &["top"], &[("top", "")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut program = terminal.start(scene.program("top").args(["-d", "60"]).env("TERM", "xterm"));
        terminal.expect("PID");
        terminal.resize(30, 100);
        // It draws anew at once, long before its next turn.
        terminal.expect("PID");
        terminal.type_text("q");
        assert_eq!(code(terminal.end(&mut program)), 0);
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(a_recorder_of_terminals_works);
fn a_recorder_of_terminals_works(transport: Transport) {
    twice_with(transport, &["script"], &[("script", "")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let command = "stty size; read line; echo got $line; exit 6";
        let mut program =
            terminal.start(scene.program("script").args(["-qec", command, "/dev/null"]).env("SHELL", "/bin/sh"));
        terminal.expect("24 80\r\n");
        terminal.type_text("text\r");
        terminal.expect("got text\r\n");
        assert_eq!(code(terminal.end(&mut program)), 6);
        assert_eq!(terminal.modes(), before);
    });
}

by_each_transport!(a_terminal_within_the_terminal_works);
fn a_terminal_within_the_terminal_works(transport: Transport) {
    twice_with(transport, &["tmux"], &[("tmux", "")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let socket = scene.pod.work().join("socket");
        let mut command = scene.program("tmux");
        let inside = "exec env PS1='inside> ' sh -i";
        command.arg("-u").arg("-S").arg(&socket).args(["-f", "/dev/null", "new-session", inside]).env("TERM", "xterm");
        let mut program = terminal.start(&command);
        terminal.expect("inside> ");
        terminal.type_text("echo $((40 + 2))\r");
        terminal.expect("42");
        terminal.type_text("exit\r");
        terminal.expect("[exited]");
        assert_eq!(code(terminal.end(&mut program)), 0);
        assert_eq!(terminal.modes(), before);
        scene.until_nothing_is_left();
    });
}

/// Says what its streams are, and copies its input.
const ANSWERS: &str = "for n in 0 1 2; do if test -t $n; then echo yes; else echo no; fi; done; cat; exit 3";

#[test]
fn a_section_can_refuse_terminals() {
    once(Transport::Auto, "--tty=never", &[("answers", ANSWERS)], |scene| {
        // What the direct transport hands over is the terminal itself, with the keys that it has.
        for (transport, answer) in [("relay", "no"), ("direct", "yes")] {
            let mut terminal = Terminal::new();
            let before = terminal.modes();
            let mut stub = terminal.start(scene.program("answers").env("K8PSH_TRANSPORT", transport));
            let answers = format!("{answer}\r\n").repeat(3);
            terminal.expect(&answers);
            assert_eq!(terminal.modes(), before);
            terminal.type_text("line\r\x04");
            assert_eq!(terminal.end(&mut stub).code(), Some(3));
            assert_eq!(terminal.text(), format!("{answers}line\r\nline\r\n"));
        }
    });
}

by_each_transport!(a_section_can_insist_on_terminals);
fn a_section_can_insist_on_terminals(transport: Transport) {
    once(transport, "--tty=always", &[("answers", ANSWERS)], |scene| {
        let outcome = scene.program("answers").run_with(b"one\ntwo");
        // No echo, and no line end but the command's own.
        assert_eq!((outcome.out().as_str(), outcome.code()), ("yes\nyes\nno\none\ntwo", Some(3)), "{}", outcome.err());
        let outcome = scene.program("answers").run();
        assert_eq!((outcome.out().as_str(), outcome.code()), ("yes\nyes\nno\n", Some(3)));
    });
}

by_each_transport!(a_terminal_that_the_section_insists_on_takes_any_amount_of_text);
fn a_terminal_that_the_section_insists_on_takes_any_amount_of_text(transport: Transport) {
    once(transport, "--tty=always", &[("cat", "")], |scene| {
        let text: String = (0..50_000).map(|number| format!("line number {number}\n")).collect();
        assert!(scene.program("cat").run_with(text.as_bytes()).succeeds() == text, "not the same text");
    });
}

by_each_transport!(a_section_that_takes_terminals_as_they_come_says_what_is_the_rule);
fn a_section_that_takes_terminals_as_they_come_says_what_is_the_rule(transport: Transport) {
    once(transport, "--tty=auto", &[("answers", ANSWERS)], |scene| {
        assert_eq!(scene.program("answers").run().out(), "no\nno\nno\n");
        let mut terminal = Terminal::new();
        let mut stub = terminal.start(&scene.program("answers"));
        terminal.expect("yes\r\nyes\r\nyes\r\n");
        terminal.type_text("\x04");
        assert_eq!(terminal.end(&mut stub).code(), Some(3));
    });
}

#[test]
fn a_word_for_terminals_that_means_nothing_is_refused() {
    let pod = Pod::with_header("--tty=perhaps", "true");
    let outcome = pod.k8pshd().args(["--name", "box"]).run();
    outcome.fails(1, "k8pshd", &["--tty", "perhaps"]);
}

#[test]
fn a_server_that_cannot_make_terminals_says_so_and_the_command_runs_without() {
    if lacks_root() || lacks_programs(&["unshare", "mount", "setsid", "stty"]) {
        return;
    }
    let pod = Pod::new(&format!("answers sh -c '{ANSWERS}'"));
    let mut command = pod.command("unshare");
    let script = "mount -t tmpfs none /dev/pts; test -L /dev/ptmx || mount --bind /dev/null /dev/ptmx; exec \"$@\"";
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(pod.path("bin/k8pshd"));
    command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]).arg(pod.path("stubs"));
    let server = pod.start(command);
    for (transport, answer) in [("relay", "no"), ("direct", "yes")] {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut stub = terminal.start(pod.stub("answers").env("K8PSH_TRANSPORT", transport));
        // By the direct transport the message can come between the answers.
        (0..3).for_each(|_| drop(terminal.expect(&format!("{answer}\r\n"))));
        terminal.type_text("line\r\x04");
        assert_eq!(terminal.end(&mut stub).code(), Some(3));
        assert_eq!(terminal.modes(), before);
        let text = terminal.text();
        let messages: Vec<_> = text.lines().filter(|line| line.starts_with("answers: ")).collect();
        assert!(messages.len() == 1 && messages[0].contains("terminal"), "{text:?}");
        assert_eq!(text.matches("line\r\n").count(), 2, "{text:?}");
    }
    assert_eq!(server.log().lines().filter(|line| line.contains("terminal")).count(), 2, "{:?}", server.log());
    // Where no terminal is wanted nothing is missing.
    assert_eq!(pod.stub("answers").run().err(), "");
}

by_each_transport!(signals_reach_a_command_that_has_a_terminal);
fn signals_reach_a_command_that_has_a_terminal(transport: Transport) {
    let script = "#!/bin/bash\nfor n in {1..64}; do trap \"echo got $n\" $n 2>/dev/null; done; echo ready; while :; do sleep 0.01; done";
    twice(transport, &[("traps", script)], |scene| {
        let mut terminal = Terminal::new();
        let program = terminal.start(&scene.program("traps"));
        terminal.expect("ready\r\n");
        for number in (1..=31).chain(34..=64).filter(|number| !matches!(number, 9 | 17 | 19..=22 | 28)) {
            let kill = scene.pod.command("kill").args([format!("-{number}"), program.id().to_string()]).run();
            assert_eq!(kill.code(), Some(0));
            terminal.expect(&format!("got {number}\r\n"));
        }
        program.signal(Signal::SIGKILL);
    });
}

by_each_transport!(a_command_in_the_same_group_that_is_left_running_does_not_keep_the_terminal);
fn a_command_in_the_same_group_that_is_left_running_does_not_keep_the_terminal(transport: Transport) {
    // Its terminal goes with the command; whether it dies of that is its own matter.
    twice(transport, &[("leave", "trap '' HUP; sleep 1000 & echo left")], |scene| {
        let (status, text) = show(scene, &scene.script("sh", "leave; echo \"after $?\""));
        assert_eq!((status, text.as_str()), (0, "left\r\nafter 0\r\n"));
        // Until its program has begun, nobody can see whose it is.
        until_true("it is there", || scene.pod.processes().iter().any(|process| process.name() == "sleep"));
        scene.kill_commands();
    });
}

/// The ways in which a stub and what belongs to it can be torn apart. Each leaves nothing.
#[derive(Clone, Copy, Debug)]
enum Way {
    StubKilled,
    SessionKilled,
    ListenerKilled,
    HungUp,
}

/// Tears a stub with a terminal apart, one way, and waits for what has to go.
fn tear(mut scene: Scene, mut terminal: Terminal, mut stub: Live, way: Way) {
    println!("{way:?}");
    let server = scene.server.as_mut().expect("a server");
    match way {
        Way::StubKilled => stub.signal(Signal::SIGKILL),
        Way::SessionKilled => scene.pod.children(server.process().0).iter().for_each(|one| one.signal(Signal::SIGKILL)),
        Way::ListenerKilled => {
            server.signal(Signal::SIGKILL);
            server.end();
            scene.server = None;
        }
        Way::HungUp => terminal = terminal.hang_up(),
    }
    let status = terminal.end(&mut stub);
    let is_lost = matches!(way, Way::SessionKilled | Way::ListenerKilled);
    assert!(!is_lost || status.code() == Some(125), "{way:?}: {status}");
    scene.until_nothing_is_left();
}

/// Starts `stay` and tears it apart when it is ready.
fn tear_script(transport: Transport, script: &str, ways: &[Way]) {
    if lacks_programs(&["setsid", "stty"]) {
        return;
    }
    for &way in ways {
        let scene = Scene::remote(transport, &[("stay", script)]);
        let mut terminal = Terminal::new();
        let stub = start_stub(&scene, &mut terminal, "stay");
        tear(scene, terminal, stub, way);
    }
}

by_each_transport!(nothing_is_left_however_a_stub_with_a_terminal_ends);
fn nothing_is_left_however_a_stub_with_a_terminal_ends(transport: Transport) {
    tear_script(transport, STAY, &[Way::StubKilled, Way::SessionKilled, Way::ListenerKilled, Way::HungUp]);
}

by_each_transport!(a_command_that_ignores_the_loss_of_its_terminal_is_killed);
fn a_command_that_ignores_the_loss_of_its_terminal_is_killed(transport: Transport) {
    let script = "trap '' HUP TERM INT; echo ready; sleep 1000; sleep 1000";
    tear_script(transport, script, &[Way::StubKilled, Way::ListenerKilled]);
}

by_each_transport!(a_command_that_ignores_hangups_outlives_its_terminal);
fn a_command_that_ignores_hangups_outlives_its_terminal(transport: Transport) {
    let script = "trap 'echo hung up >up' HUP; echo ready; while :; do sleep 0.01; done";
    twice(transport, &[("stay", script)], |scene| {
        let mut terminal = Terminal::new();
        let mut program = terminal.start(&scene.program("stay"));
        terminal.expect("ready\r\n");
        let command = scene.until_running("stay");
        let terminal = terminal.hang_up();
        wait_for_file(scene.pod.work().join("up"));
        assert!(program.is_running() && !command.is_gone());
        program.signal(Signal::SIGTERM);
        assert_eq!(terminal.end(&mut program).signal(), Some(15));
        scene.until_nothing_is_left();
    });
}

by_each_transport!(a_daemon_of_a_command_with_a_terminal_goes_with_the_lease);
fn a_daemon_of_a_command_with_a_terminal_goes_with_the_lease(transport: Transport) {
    let script = "setsid sh -c 'sleep 1000 & setsid sleep 1000 & exit'; trap '' HUP; echo ready; sleep 1000";
    tear_script(transport, script, &[Way::StubKilled, Way::ListenerKilled]);
}

by_each_transport!(a_daemon_of_a_command_with_a_terminal_outlives_the_command);
fn a_daemon_of_a_command_with_a_terminal_outlives_the_command(transport: Transport) {
    twice(
        transport,
        &[(
            "daemon",
            "setsid sh -c 'echo >up; exec sleep 1000' </dev/null >/dev/null 2>&1 & \
                until test -e up; do sleep 0.01; done; echo started",
        )],
        |scene| {
            assert_eq!(show(scene, &scene.program("daemon")), (0, "started\r\n".to_owned()));
            let daemon = scene.until_running("sleep");
            assert_eq!(daemon.group(), Some(daemon.0), "{daemon:?}");
            daemon.signal(Signal::SIGKILL);
            scene.until_nothing_is_left();
        },
    );
}

by_each_transport!(a_stopped_command_with_a_terminal_goes_with_its_stub);
fn a_stopped_command_with_a_terminal_goes_with_its_stub(transport: Transport) {
    if lacks_programs(&["setsid", "stty"]) {
        return;
    }
    for way in [Way::StubKilled, Way::HungUp] {
        let scene = Scene::remote(transport, &[("stay", STAY)]);
        let mut terminal = Terminal::new();
        let stub = start_stub(&scene, &mut terminal, "stay");
        stop(&scene, &stub);
        tear(scene, terminal, stub, way);
    }
}

/// Stops the command, and with it the stub.
fn stop(scene: &Scene, stub: &Live) {
    let command = scene.until_running("sleep");
    command.signal(Signal::SIGSTOP);
    until_true("both are stopped", || [command, stub.process()].iter().all(|process| process.state() == Some('T')));
}

by_each_transport!(a_stopped_command_with_a_terminal_goes_with_its_server);
fn a_stopped_command_with_a_terminal_goes_with_its_server(transport: Transport) {
    if lacks_programs(&["setsid", "stty"]) {
        return;
    }
    let mut scene = Scene::remote(transport, &[("stay", STAY)]);
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let mut stub = start_stub(&scene, &mut terminal, "stay");
    stop(&scene, &stub);
    assert_eq!(terminal.modes(), before);
    let mut server = scene.server.take().expect("a server");
    server.signal(Signal::SIGKILL);
    server.end();
    until_true("the stub alone is left", || scene.pod.processes() == [stub.process()]);
    stub.signal(Signal::SIGCONT);
    assert_eq!(terminal.end(&mut stub).code(), Some(125));
    assert_eq!(terminal.modes(), before);
}
