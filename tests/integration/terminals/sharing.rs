//! Whose the keys and the modes of the terminal are: the command's when it asks for them, and its caller's otherwise.

use super::*;
use nix::sys::termios::LocalFlags;

/// Plays a scene with the programs themselves and with their stubs; the terminal has to show the same, byte for byte.
fn same(transport: Transport, needed: &[&str], programs: &[(&str, &str)], play: impl Fn(&Scene) -> String) {
    let shown = std::cell::RefCell::new(Vec::new());
    twice_with(transport, needed, programs, |scene| {
        let text = play(scene);
        println!("{:?}: {text:?}", scene.side);
        shown.borrow_mut().push(text);
    });
    if let [local, remote] = &shown.borrow()[..] {
        assert_eq!(remote, local);
    }
}

/// Runs a script at a terminal, whose modes are to be as before, and types while it runs; gives all that was shown.
fn play(scene: &Scene, shell: &str, script: &str, person: impl Fn(&mut Terminal)) -> String {
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let mut program = terminal.start(&scene.script(shell, script));
    person(&mut terminal);
    terminal.end(&mut program);
    assert_eq!(terminal.modes(), before);
    terminal.text()
}

fn touch(scene: &Scene, name: &str) {
    fs::write(scene.pod.work().join(name), "").expect("a file");
}

const BUSY: &str = "echo begun; until test -e go; do sleep 0.01; done";

by_each_transport!(what_is_typed_while_a_command_does_not_read_is_for_the_next_one);
fn what_is_typed_while_a_command_does_not_read_is_for_the_next_one(transport: Transport) {
    same(transport, &[], &[("busy", BUSY)], |scene| {
        play(scene, "sh", "busy; read a; read b; echo \"got $a and $b\"", |terminal| {
            terminal.expect("begun\r\n");
            terminal.type_text("one\rtw");
            terminal.expect("one\r\ntw");
            touch(scene, "go");
            // The command has had its chance to take it.
            until_true("it has ended", || scene.running("busy").is_empty());
            terminal.type_text("o\r");
            terminal.expect("got one and two\r\n");
        })
    });
}

by_each_transport!(of_several_lines_a_command_takes_those_that_it_reads);
fn of_several_lines_a_command_takes_those_that_it_reads(transport: Transport) {
    let line = "#!/bin/bash\nread line; echo \"first $line\"; until test -e go; do sleep 0.01; done; read line; echo \"then $line\"";
    same(transport, &[], &[("line", line), ("true", "")], |scene| {
        play(scene, "sh", "echo ready; line; true; read rest; echo \"rest $rest\"", |terminal| {
            terminal.expect("ready\r\n");
            terminal.type_text("one\rtwo\rthree\r");
            terminal.expect("first one\r\n");
            touch(scene, "go");
            terminal.expect("rest three\r\n");
        })
    });
}

by_each_transport!(pasted_commands_are_all_for_the_shell);
fn pasted_commands_are_all_for_the_shell(transport: Transport) {
    twice(transport, &[("true", "")], |scene| {
        let mut shell = scene.shell();
        let lines: String = (1..=5).map(|number| format!("command true; echo line$((0+{number}))\r")).collect();
        shell.terminal.type_text(&lines);
        (1..=5).for_each(|number| drop(shell.terminal.expect(&format!("line{number}\r\n"))));
        shell.prompt();
        shell.exit();
        scene.until_nothing_is_left();
    });
}

by_each_transport!(what_was_typed_and_shown_before_it_is_read_is_shown_once);
fn what_was_typed_and_shown_before_it_is_read_is_shown_once(transport: Transport) {
    let line = "until test -e go; do sleep 0.01; done; echo begun; read line; echo \"got ${#line}\"; cat; echo end";
    same(transport, &[], &[("line", line)], |scene| {
        play(scene, "sh", "echo ready; line", |terminal| {
            terminal.expect("ready\r\n");
            terminal.type_text("ab\x7fb\x16\x03c\r");
            terminal.expect("c\r\n");
            touch(scene, "go");
            terminal.expect("got 4\r\n");
            // The end of input behind a line that is not complete ends that alone.
            terminal.type_text("rest\x04");
            terminal.expect("restrest");
            terminal.type_text("\x04");
            terminal.expect("end\r\n");
        })
    });
}

by_each_transport!(the_lines_of_others_have_their_returns_while_a_command_has_the_terminal);
fn the_lines_of_others_have_their_returns_while_a_command_has_the_terminal(transport: Transport) {
    // Without echo, and with the modes that less sets.
    for modes in ["-echo", "-echo -icanon tab3"] {
        let ask =
            format!("old=$(stty -g); stty {modes}; echo asks; until test -e go; do sleep 0.01; done; stty \"$old\"");
        same(transport, &[], &[("ask", &ask), ("busy", BUSY)], |scene| {
            let script =
                "(until test -e first; do sleep 0.01; done; printf 'one\\ntwo\\n'; echo >second) & ask; wait; busy";
            play(scene, "sh", script, |terminal| {
                terminal.expect("asks\r\n");
                touch(scene, "first");
                wait_for_file(scene.pod.work().join("second"));
                touch(scene, "go");
                terminal.expect("begun\r\n");
            })
        });
    }
}

by_each_transport!(all_lines_of_a_parallel_make_have_their_returns);
fn all_lines_of_a_parallel_make_have_their_returns(transport: Transport) {
    twice_with(
        transport,
        &["make"],
        &[("say", "sleep 0.2; echo \"stub $1\"; sleep 0.1; echo \"again $1\"")],
        |scene| {
            let rules: String =
                (0..6).map(|n| format!("a{n}:\n\t@say {n}\nb{n}:\n\t@sleep 0.1; echo local {n}\n")).collect();
            let all: String = (0..6).map(|n| format!(" a{n} b{n}")).collect();
            fs::write(scene.pod.work().join("Makefile"), format!("all:{all}\n{rules}")).expect("a file");
            let text = play(scene, "sh", "make -j4", |_| ());
            assert_eq!((text.matches("\r\n").count(), text.matches('\n').count()), (18, 18), "{text:?}");
        },
    );
}

by_each_transport!(a_command_that_ends_leaves_the_terminal_to_the_one_that_has_it);
fn a_command_that_ends_leaves_the_terminal_to_the_one_that_has_it(transport: Transport) {
    let key = "#!/bin/bash\nstty -icanon -echo; echo asks; until test -e gone; do sleep 0.01; done; read -rn1 key; stty icanon echo; echo \"key $key\"";
    let programs = [("busy", BUSY), ("key", key), ("copy", "exec cat")];
    same(transport, &[], &programs, |scene| {
        let script = "exec 3<&0; (busy <&3; echo >gone) & key; rm go; (busy <&3; echo ended) & copy; wait";
        play(scene, "sh", script, |terminal| {
            terminal.expect("asks\r\n");
            touch(scene, "go");
            wait_for_file(scene.pod.work().join("gone"));
            terminal.type_text("x");
            terminal.expect("key x\r\n");
            terminal.expect("begun\r\n");
            terminal.type_text("hello\r");
            terminal.expect("hello\r\nhello\r\n");
            touch(scene, "go");
            terminal.expect("ended\r\n");
            terminal.type_text("again\r");
            terminal.expect("again\r\nagain\r\n");
            terminal.type_text("\x04");
        })
        .replace("asks\r\nbegun\r\n", "begun\r\nasks\r\n")
    });
}

/// A Python program that does `first`, and then copies two lines.
fn python(first: &str) -> String {
    format!(
        "#!/usr/bin/env python3\nimport os, select, signal, sys\n{first}\nprint('ready', flush=True)\n\
         for _ in range(2):\n    print('got', sys.stdin.readline(), end='', flush=True)\n"
    )
}

by_each_transport!(a_program_that_is_not_stopped_for_reading_in_the_background_gets_its_input);
fn a_program_that_is_not_stopped_for_reading_in_the_background_gets_its_input(transport: Transport) {
    let guards = [
        "for s in (signal.SIGTTIN, signal.SIGTTOU): signal.signal(s, signal.SIG_IGN)",
        "signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTTIN, signal.SIGTTOU))",
        "for s in (signal.SIGTTIN, signal.SIGTTOU): signal.signal(s, lambda *_: None)",
    ];
    for guard in guards {
        same(transport, &["python3"], &[("guards", &python(guard))], |scene| {
            play(scene, "sh", "guards", |terminal| {
                terminal.expect("ready\r\n");
                terminal.type_text("one\r");
                terminal.expect("got one\r\n");
                terminal.type_text("two\r");
                terminal.expect("got two\r\n");
            })
        });
    }
}

by_each_transport!(a_program_that_waits_for_input_before_it_reads_gets_it);
fn a_program_that_waits_for_input_before_it_reads_gets_it(transport: Transport) {
    let poll = "import fcntl\n\
        print('waits', flush=True)\n\
        select.select([0], [], [])\n\
        print('can read', flush=True)";
    same(transport, &["python3"], &[("polls", &python(poll))], |scene| {
        play(scene, "sh", "polls", |terminal| {
            terminal.expect("waits\r\n");
            terminal.type_text("one\r");
            terminal.expect("can read\r\n");
            terminal.expect("got one\r\n");
            terminal.type_text("two\r");
            terminal.expect("got two\r\n");
        })
    });
}

by_each_transport!(a_command_that_may_not_write_in_the_background_writes_and_reads);
fn a_command_that_may_not_write_in_the_background_writes_and_reads(transport: Transport) {
    let line = "echo begun; until test -e go; do sleep 0.01; done; echo more; read line; echo \"got $line\"";
    twice(transport, &[("line", line)], |scene| {
        let mut terminal = Terminal::new();
        terminal.stty(&["tostop"]);
        let mut program = terminal.start(&scene.script("sh", "line"));
        terminal.expect("begun\r\n");
        terminal.type_text("text\r");
        terminal.expect("text\r\n");
        touch(scene, "go");
        terminal.expect("more\r\n");
        terminal.expect("got text\r\n");
        assert_eq!(code(terminal.end(&mut program)), 0);
    });
}

by_each_transport!(control_c_reaches_the_whole_job_however_the_command_ends);
fn control_c_reaches_the_whole_job_however_the_command_ends(transport: Transport) {
    let handles = "trap 'stty sane; echo caught; exit 1' INT; stty $2; echo \"up $1\"; while :; do sleep 0.01; done";
    for modes in ["", "-icanon -echo"] {
        same(transport, &[], &[("handles", handles)], |scene| {
            let script = format!("stty sane; for i in 1 2 3; do handles $i '{modes}'; done");
            let mut terminal = Terminal::new();
            let mut program = terminal.start(&scene.script("dash", &script));
            terminal.expect("up 1\r\n");
            if !modes.is_empty() {
                scene.until_typing_reaches_it(&terminal);
            }
            terminal.type_text("\x03");
            terminal.expect("caught\r\n");
            format!("{} {}", code(terminal.end(&mut program)), terminal.text())
        });
    }
}

by_each_transport!(control_c_at_the_prompt_of_a_shell_is_that_shells);
fn control_c_at_the_prompt_of_a_shell_is_that_shells(transport: Transport) {
    let shell = "#!/bin/bash\nPS1='at> ' INPUTRC=/dev/null exec bash --norc -i";
    twice_with(transport, &["bash"], &[("shell", shell)], |scene| {
        let mut terminal = Terminal::new();
        let mut program = terminal.start(&scene.script("dash", "shell; echo \"and then $?\""));
        terminal.expect("at> ");
        let modes = || terminal.modes().local_flags;
        let edits = || if scene.side == Side::Local { !modes().contains(LocalFlags::ECHO) } else { terminal.is_raw() };
        terminal.wait_true("the shell edits its line", edits);
        // A signal that comes before it waits for a key is handled with the next one.
        let bash = scene.until_running("bash");
        until_true("the shell waits for a key", || bash.state() == Some('S'));
        terminal.type_text("\x03");
        terminal.expect("at> ");
        terminal.type_text("exit 3\r");
        terminal.expect("and then 3\r\n");
        assert_eq!(code(terminal.end(&mut program)), 0);
    });
}

by_each_transport!(the_last_words_of_a_command_that_gives_its_modes_back_end_as_it_says);
fn the_last_words_of_a_command_that_gives_its_modes_back_end_as_it_says(transport: Transport) {
    // One write, and nothing between the change of the modes and the end.
    let words = "#!/usr/bin/env python3\nimport os, termios, tty\nmodes = termios.tcgetattr(0)\ntty.setraw(0)\n\
                 os.write(1, b'ready\\r\\n')\nos.read(0, 1)\nos.write(1, b'last words\\r\\n')\n\
                 termios.tcsetattr(0, termios.TCSANOW, modes)\nos._exit(0)";
    same(transport, &["python3"], &[("words", words)], |scene| {
        play(scene, "sh", "for i in 1 2 3 4 5; do words; done", |terminal| {
            for _ in 0..5 {
                terminal.expect("ready\r\n");
                scene.until_typing_reaches_it(terminal);
                terminal.type_text("x");
            }
        })
    });
}

by_each_transport!(a_pager_beside_a_command_gets_all_keys);
fn a_pager_beside_a_command_gets_all_keys(transport: Transport) {
    let seq = "seq 1000; until test -e go; do sleep 0.01; done";
    twice_with(transport, &["less"], &[("numbers", seq)], |scene| {
        let mut terminal = Terminal::new();
        let mut program = terminal.start(scene.script("sh", "numbers | less").env("TERM", "xterm"));
        terminal.expect("23");
        for line in 24..=60 {
            terminal.type_text("j");
            terminal.expect(&format!("{line}\r\n"));
        }
        touch(scene, "go");
        terminal.type_text("q");
        assert_eq!(code(terminal.end(&mut program)), 0);
    });
}

by_each_transport!(a_stub_whose_command_does_not_ask_neither_reads_nor_sets_the_terminal);
fn a_stub_whose_command_does_not_ask_neither_reads_nor_sets_the_terminal(transport: Transport) {
    if lacks_programs(&["strace", "setsid", "stty"]) {
        return;
    }
    let scene = Scene::remote(transport, &[("busy", BUSY)]);
    let mut terminal = Terminal::new();
    let script = "exec strace -o calls -e trace=read,readv,preadv2,ioctl busy";
    let mut program = terminal.start(&scene.script("sh", script));
    terminal.expect("begun\r\n");
    terminal.type_text("typed\r");
    terminal.expect("typed\r\n");
    touch(&scene, "go");
    assert_eq!(code(terminal.end(&mut program)), 0);
    let calls = fs::read_to_string(scene.pod.work().join("calls")).expect("the calls");
    assert!(calls.contains("TCGETS"), "{calls}");
    let is_bad = |call: &&str| call.contains("TCSETS") || call.contains("typed") || call.starts_with("read(0,");
    assert_eq!(calls.lines().filter(is_bad).collect::<Vec<_>>(), Vec::<&str>::new());
}
