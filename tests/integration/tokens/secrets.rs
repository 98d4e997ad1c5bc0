//! Where the token comes from, and what becomes of it.

use super::*;

#[test]
fn both_ends_have_the_token_and_a_command_runs() {
    let pod = with_file("", "cat\nfail sh -c 'echo out; echo err >&2; exit 7'");
    let server = pod.server();
    assert_eq!(pod.stub("cat").run_with(b"hello").succeeds(), "hello");
    let outcome = pod.stub("fail").run();
    assert_eq!((outcome.code(), outcome.out().as_str(), outcome.err().as_str()), (Some(7), "out\n", "err\n"));
    assert!(!server.log().contains("token"), "{}", server.log());
}

#[test]
fn the_token_of_a_variable_is_no_commands_and_leaves_nobody() {
    let pod = Pod::custom(|pod| {
        let words = "TOKEN= =SEEN=yes --token-env=TOKEN";
        let section = pod.section(&format!("=PATH= {words}"));
        format!("baseDirectory = work\n{section}\nshow =TOKEN= ?TOKEN= 'X=${{TOKEN}}' env\n")
    });
    let mut command = pod.k8pshd();
    command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
    command.arg(pod.path("stubs")).env("TOKEN", TOKEN);
    let server = pod.start(command);
    let shown = pod.stub("show").env("TOKEN", TOKEN).run().succeeds();
    assert!(shown.contains("SEEN=yes") && !shown.contains("horse") && !shown.contains("TOKEN"), "{shown}");
    pod.stub("show").run().fails(125, "show", &["--token-env TOKEN: the variable is not set"]);
    pod.stub("show").env("TOKEN", "").run().fails(125, "show", &["--token-env TOKEN: not one line of 1 to 4096 bytes"]);
    pod.stub("show").env("TOKEN", "wrong").run().fails(125, "show", &["does not accept this token"]);
    until_logged(&server, "127.0.0.1: wrong token", 1);
    assert!(!server.log().contains("horse"), "{}", server.log());
}

#[test]
fn the_newline_of_a_variables_token_is_no_part_of_it() {
    for end in ["\n", "\r\n"] {
        let pod = Pod::with_header("--trigger=go --token-env=TOKEN", "go echo went");
        let mut command = pod.k8pshd();
        command.args(["--name", "box"]).env("TOKEN", format!("{TOKEN}{end}"));
        let _server = pod.start(command);
        assert_eq!(ask(pod.port(), format!("{TOKEN}\n").as_bytes()), "went\n");
    }
}

#[test]
fn another_token_counts_from_the_next_connection_on() {
    let pod = with_file("", "true");
    let server = pod.server();
    let file = pod.path("token");
    assert_eq!(pod.stub("true").run().succeeds(), "");
    // The stub's own file is the same here, so one end gets another section's.
    for token in ["second", "third\n", "fourth\r\n"] {
        fs::write(&file, token).expect("another token");
        assert_eq!(pod.stub("true").run().succeeds(), "");
    }
    let log = server.log();
    assert!(!log.contains("token"), "{log}");
}

#[test]
fn a_server_without_a_usable_token_does_not_start() {
    let pod = with_file("", "true");
    let file = pod.path("token");
    let start = |pod: &Pod| pod.k8pshd().args(["--name", "box", "--executable-directory", "../stubs"]).run();
    for (text, about) in [("", "one line"), ("\n", "one line"), ("one\ntwo\n", "one line"), ("\n\n", "one line")] {
        fs::write(&file, text).expect("no token");
        start(&pod).fails(1, "k8pshd", &["--token-file", about]);
    }
    fs::write(&file, vec![b'x'; 4097]).expect("a long one");
    start(&pod).fails(1, "k8pshd", &["--token-file", "4096 bytes"]);
    fs::remove_file(&file).expect("no token");
    start(&pod).fails(1, "k8pshd", &["--token-file", "No such file"]);
    fs::create_dir(&file).expect("no file");
    start(&pod).fails(1, "k8pshd", &["--token-file", "directory"]);
    for (options, about) in [
        (&["--token-file", "token"][..], "absolute"),
        (&["--token-file", "/dev/null"], "--token-file /dev/null: not a regular file"),
        (&["--token-env", "K8PSH_NO_SUCH"], "K8PSH_NO_SUCH"),
        (&["--token-env", "TOKEN", "--token-file", "/x"], "more than one"),
        (&["--token-env", "TOKEN", "--no-token"], "more than one"),
        (&["--listen", "0.0.0.0"], "--no-token"),
        (&["--listen", "::"], "--no-token"),
        (&["--listen", "localhost"], "localhost is not an address"),
        (&["--listen="], "--listen has an empty value"),
    ] {
        let plain = Pod::new("true");
        let mut command = plain.k8pshd();
        command.args(["--name", "box", "--executable-directory", "../stubs"]).args(options).env("TOKEN", TOKEN);
        command.run().fails(1, "k8pshd", &[about]);
        assert_eq!(fs::read_dir(plain.path("stubs")).expect("the stubs").count(), 0);
    }
}

#[test]
fn a_token_that_is_gone_keeps_everybody_out_until_it_is_back() {
    let pod = with_file("", "true");
    let server = pod.server();
    let file = pod.path("token");
    let away = pod.path("away");
    pod.stub_path("true");
    for missing in [true, false] {
        fs::rename(&file, &away).expect("the token goes");
        if !missing {
            fs::write(&file, "").expect("an empty one");
        }
        // The stub has it by the descriptor of nobody: a peer by hand.
        let mut peer = Peer::connect(pod.port());
        peer.send(&GUESS);
        assert!(peer.is_over());
        until_logged(&server, if missing { "No such file" } else { "one line" }, 1);
        fs::rename(&away, &file).expect("the token comes back");
        assert_eq!(pod.stub("true").run().succeeds(), "");
    }
}

#[test]
fn each_end_without_a_token_is_told_in_one_line() {
    // The stub's section has none.
    let pod = Pod::new("true");
    fs::write(pod.path("token"), TOKEN).expect("the token");
    let file = pod.path("token").display().to_string();
    {
        let server = pod.server_with(&["--token-file", &file]);
        pod.relay_stub("true").run().fails(125, "true", &["wants a token", "--token-file"]);
        until_logged(&server, "127.0.0.1: no token", 1);
        let long = "x".repeat(100_000);
        pod.relay_stub("true").args([&long; 15]).run().fails(125, "true", &["wants a token", "--token-file"]);
    }
    // The server's has none.
    let pod = with_file("", "true");
    let config = fs::read_to_string(pod.config()).expect("the configuration");
    let bare = pod.path("bare.conf");
    let words: Vec<_> = config.split(' ').filter(|word| !word.starts_with("--token")).collect();
    fs::write(&bare, words.join(" ")).expect("another configuration");
    let mut command = pod.k8pshd();
    command.args(["--name", "box", "--generate-local-executables", "--executable-directory"]);
    command.arg(pod.path("stubs")).arg("--config").arg(&bare);
    let _server = pod.start(command);
    pod.stub("true").run().fails(125, "true", &["it asks for no token"]);
}
