//! Sections that refuse terminals or insist on them, and servers that cannot make any.

use super::*;

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
    if lacks_namespaces() || lacks_programs(&["mount", "setsid", "stty"]) {
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
