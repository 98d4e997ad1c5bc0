//! Programs that people run at a terminal.

use super::*;

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

by_each_transport!(what_a_recorder_of_terminals_runs_works);
fn what_a_recorder_of_terminals_runs_works(transport: Transport) {
    let ask = "stty size; read line; echo \"got $line\"; stty -echo -icanon; head -c 1 >/dev/null; stty sane; exit 6";
    twice_with(transport, &["script"], &[("ask", ask)], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let mut command = scene.script("script", "ask");
        let mut program = terminal.start(command.args(["-qe", "/dev/null"]).env("SHELL", "/bin/sh"));
        terminal.expect("24 80\r\n");
        terminal.type_text("text\r");
        terminal.expect("got text\r\n");
        terminal.type_text("\r");
        assert_eq!(code(terminal.end(&mut program)), 6);
        assert_eq!(terminal.modes(), before);
    });
}

/// Types in a person's place, without any pause.
const TYPES: &str = "set timeout 30\n\
    proc until {text} { expect -ex $text {} timeout { exit 99 } eof { exit 98 } }\n\
    spawn ask\n\
    until {name? }; send \"me\\r\"; until {hello me}\n\
    until {Password: }; send \"secret\\r\"; until {length 6}\n\
    until {at> }; send \"echo on; cat\\r\"; until \"\\non\\r\\n\"; send \"line\\r\"; until \"line\\r\\nline\\r\\n\"; send \"\\003\"; until {at> }\n\
    send \"exit 4\\r\"; expect eof; exit [lindex [wait] 3]\n";

by_each_transport!(a_script_that_types_in_a_persons_place_works);
fn a_script_that_types_in_a_persons_place_works(transport: Transport) {
    let ask = "#!/bin/bash\nread -p 'name? ' name; echo \"hello $name\"; read -rsp 'Password: ' word; echo; \
               echo \"length ${#word}\"; PS1='at> ' INPUTRC=/dev/null exec bash --norc -i";
    twice_with(transport, &["expect"], &[("ask", ask)], |scene| {
        let outcome = scene.script("expect", TYPES).stdin(Stdio::null()).run();
        assert_eq!(outcome.code(), Some(4), "{}{}", outcome.out(), outcome.err());
        assert!(!outcome.out().contains("secret"), "{}", outcome.out());
        // Once as it is typed, once by cat.
        assert_eq!(outcome.out().matches("line\r\n").count(), 2, "{}", outcome.out());
    });
}

by_each_transport!(a_script_that_types_is_a_command_as_well);
fn a_script_that_types_is_a_command_as_well(transport: Transport) {
    twice_with(transport, &["expect"], &[("expect", "")], |scene| {
        let mut terminal = Terminal::new();
        let before = terminal.modes();
        let script = "spawn -noecho sh -c {read line; echo got $line; exit 5}; interact; exit [lindex [wait] 3]";
        let mut program = terminal.start(scene.program("expect").args(["-c", script]));
        scene.until_typing_reaches_it(&terminal);
        scene.until_running("sh");
        terminal.type_text("text\r");
        terminal.expect("got text\r\n");
        assert_eq!(code(terminal.end(&mut program)), 5);
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
