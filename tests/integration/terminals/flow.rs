//! Much input and output at a terminal, and readers that are slow.

use super::*;

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
        assert_same(&terminal.bytes(), expected.as_bytes());
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
        twice(transport, &[("linger", "stty -echo; until test -e $1; do sleep 0.01; done; stty echo")], |scene| {
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
