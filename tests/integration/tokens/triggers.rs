//! Triggers with a token, and probes.

use super::*;

#[test]
fn the_first_line_to_a_trigger_is_the_token_and_the_rest_is_stdin() {
    let pod = trigger("", "go sh -c 'echo go; env; cat'");
    let server = pod.server();
    for (sent, wanted) in [
        (format!("{TOKEN}\none\ntwo\0\x1e\n"), "one\ntwo\0\x1e\n"),
        (format!("{TOKEN}\r\none\n"), "one\n"),
        (format!("{TOKEN}\n"), ""),
        (TOKEN.to_owned(), ""),
    ] {
        let answer = ask(pod.port(), sent.as_bytes());
        assert!(answer.starts_with("go\n") && answer.ends_with(wanted), "{answer:?}");
        assert!(!answer.contains("horse"), "{answer:?}");
    }
    assert!(!server.log().contains("horse"), "{}", server.log());
    let wrong = ["", "\n", "wrong\n", "correct horse\n", "x"];
    for (number, sent) in wrong.into_iter().enumerate() {
        let mut stream = silent(pod.port());
        stream.write_all(sent.as_bytes()).expect("a part");
        // It may have been judged by now.
        _ = stream.shutdown(Shutdown::Write);
        assert!(is_closed(&stream), "{number}");
    }
    // One that says nothing at all is no attempt.
    until_logged(&server, "127.0.0.1: wrong token", wrong.len() - 1);
    assert_eq!(count(&server, " start "), 4, "{}", server.log());
}

#[test]
fn a_token_in_pieces_and_stdin_that_comes_later_arrive() {
    let pod = trigger("", "go cat");
    let _server = pod.server();
    let mut stream = silent(pod.port());
    for byte in format!("{TOKEN}\n").bytes() {
        stream.write_all(&[byte]).expect("a byte");
        thread::sleep(Duration::from_millis(2));
    }
    for line in ["first\n", "second\n"] {
        stream.write_all(line.as_bytes()).expect("a line");
        assert_eq!(crate::support::read_line(&mut stream), line);
    }
    stream.shutdown(Shutdown::Write).expect("a half-close");
    assert_eq!(crate::support::read_all(&mut stream), b"");
}

#[test]
fn the_clients_side_of_the_netcat_loop_stays_as_it_is() {
    let pod = trigger("--max-sessions=1", "go sh -c 'read line || line=none; echo \"got $line\"'");
    let _server = pod.server();
    let port = pod.port();
    for (program, script) in [
        ("nc.openbsd", format!("printf '%s\\nabc\\n' \"$TOKEN\" | nc.openbsd 127.0.0.1 {port}")),
        ("nc.openbsd", format!("printf '%s\\nabc\\n' \"$TOKEN\" | nc.openbsd -N 127.0.0.1 {port}")),
        ("nc.traditional", format!("printf '%s\\nabc\\n' \"$TOKEN\" | nc.traditional 127.0.0.1 {port}")),
        ("busybox", format!("printf '%s\\nabc\\n' \"$TOKEN\" | busybox nc 127.0.0.1 {port}")),
        ("socat", format!("printf '%s\\nabc\\n' \"$TOKEN\" | socat - TCP:127.0.0.1:{port}")),
        (
            "bash",
            format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}; printf \"%s\\nabc\\n\" \"$TOKEN\" >&3; cat <&3'"),
        ),
    ] {
        if !lacks_programs(&[program]) {
            assert_eq!(pod.shell(&script).env("TOKEN", TOKEN).run().succeeds(), "got abc\n", "{script}");
        }
    }
}

#[test]
fn triggers_with_the_token_all_run_once_whoever_is_silent_beside_them() {
    if lacks_open_files(2048) {
        return;
    }
    let pod = trigger("--max-sessions=4", "go sh -c 'read number; echo $number >>ran; echo $number'");
    let _server = pod.server();
    let port = pod.port();
    let silent = silent_ones(port, 200);
    thread::scope(|scope| {
        for client in 0..16 {
            scope.spawn(move || {
                for round in 0..10 {
                    let number = client * 100 + round;
                    assert_eq!(ask(port, format!("{TOKEN}\n{number}\n").as_bytes()), format!("{number}\n"));
                }
            });
        }
    });
    drop(silent);
    let text = fs::read_to_string(pod.work().join("ran")).expect("the numbers");
    let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    let wanted: Vec<u32> = (0..16).flat_map(|client| (0..10).map(move |round| client * 100 + round)).collect();
    assert_eq!(numbers, wanted);
}

#[test]
fn a_stub_at_a_trigger_with_a_token_is_refused_in_one_line() {
    let pod = trigger("", "go cat");
    let bare = Pod::new("go");
    fs::write(
        bare.config(),
        fs::read_to_string(bare.config()).expect("text").replace(&bare.port().to_string(), &pod.port().to_string()),
    )
    .expect("the configuration");
    bare.link_stub("go");
    let server = pod.server();
    bare.relay_stub("go").run().fails(125, "go", &["the connection ended"]);
    until_logged(&server, "127.0.0.1:", 1);
}

#[test]
fn a_probe_has_the_token_or_is_told() {
    let pod = with_file("", "true");
    let server = pod.server();
    assert_eq!(pod.k8psh().args(["--probe", "box"]).run().succeeds(), "");
    assert!(!server.log().contains("token"), "{}", server.log());
    fs::remove_file(pod.path("token")).expect("it goes");
    pod.k8psh().args(["--probe", "box"]).run().fails(1, "k8psh", &["--token-file", "No such file"]);
}

#[test]
fn a_stub_sets_off_a_trigger_with_its_status_and_both_streams_apart() {
    for plain in ["", "--plain=yes", "--plain=no"] {
        let pod = trigger(plain, "go WORD= sh -c 'pwd; echo \"$WORD\"; cat; echo error >&2; exit 7'");
        let server = pod.server();
        let mut call = pod.k8psh();
        // Nothing of it matters but the stream.
        call.arg("go").current_dir("/").env("WORD", "client's");
        for _ in 0..3 {
            let outcome = call.run_with(b"input\n");
            assert_eq!(outcome.code(), Some(7), "{plain}: {}", outcome.err());
            assert_eq!(outcome.out(), format!("{}\n\ninput\n", pod.work().display()));
            assert_eq!(outcome.err(), "error\n");
        }
        until_logged(&server, "outcome=exit code=7 ", 3);
        let mut plain_client = silent(pod.port());
        plain_client.write_all(format!("{TOKEN}\ninput\n").as_bytes()).expect("the token");
        if plain == "--plain=no" {
            assert!(is_closed(&plain_client));
            until_logged(&server, "127.0.0.1: no token", 1);
        } else {
            plain_client.shutdown(Shutdown::Write).expect("a half-close");
            let answer = String::from_utf8(crate::support::read_all(&mut plain_client)).expect("text");
            assert!(answer.ends_with("input\n") || answer.ends_with("error\n"), "{answer:?}");
        }
        // A stub of somebody else is no more than a wrong line.
        fs::write(pod.path("other"), "another").expect("a token");
        let text = fs::read_to_string(pod.config()).expect("the configuration");
        let text = text.replace("baseDirectory = work", &format!("baseDirectory = {}", pod.work().display()));
        fs::write(
            pod.path("other.conf"),
            text.replace(&pod.path("token").display().to_string(), &pod.path("other").display().to_string()),
        )
        .expect("another configuration");
        pod.k8psh().arg("go").env("K8PSH_CONFIG", pod.path("other.conf")).run().fails(
            125,
            "k8psh",
            &["does not accept this token"],
        );
    }
}

#[test]
fn a_stub_of_a_trigger_gets_the_one_command_and_passes_no_argument() {
    let pod = trigger("", "go echo\nother true");
    let _server = pod.server();
    for words in [&["other"][..], &["go", "x"]] {
        let wanted = "section box is a trigger: it runs go alone, and without arguments";
        pod.k8psh().args(words).run().fails(125, "k8psh", &[wanted]);
    }
    // Nor does one with a section of its own making.
    let text = fs::read_to_string(pod.config()).expect("the configuration");
    let text = text.replace("baseDirectory = work", &format!("baseDirectory = {}", pod.work().display()));
    fs::write(pod.path("own.conf"), text.replace("--trigger=go", "")).expect("another configuration");
    for words in [&["other"][..], &["go", "x"]] {
        let outcome = pod.k8psh().args(words).env("K8PSH_CONFIG", pod.path("own.conf")).run();
        outcome.fails(125, "k8psh", &["it runs go alone, and without arguments"]);
    }
    assert_eq!(pod.k8psh().arg("go").env("K8PSH_CONFIG", pod.path("own.conf")).run().succeeds(), "\n");
}

#[test]
fn a_trigger_goes_on_without_its_stub_where_the_section_says_so() {
    for (words, goes_on) in [("", false), ("--detach-on-close", true)] {
        let pod = trigger(words, "go sh -c 'echo up; cat >/dev/null; echo done; echo done >>work'");
        let _server = pod.server();
        let mut call =
            pod.k8psh().arg("go").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).live();
        assert_eq!(crate::support::read_line(call.stdout.as_mut().expect("stdout")), "up\n");
        call.signal(Signal::SIGKILL);
        call.end();
        until_true("the command ends", || pod.running("sh").is_empty() && pod.running("cat").is_empty());
        assert_eq!(pod.work().join("work").exists(), goes_on, "{words}");
    }
}

#[test]
fn a_trigger_with_a_token_is_probed_without_setting_it_off() {
    for plain in ["", "--plain=no"] {
        let pod = trigger(plain, "go sh -c 'echo >>runs'");
        let server = pod.server();
        assert_eq!(pod.k8psh().args(["--probe", "box"]).run().succeeds(), "");
        assert_eq!(count(&server, " start "), 0);
        assert!(!pod.work().join("runs").exists());
    }
}
