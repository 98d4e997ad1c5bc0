//! Options that cannot do what they are there for: beside what turns them off, or at an end that does not read them. Refused
//! at both ends, and never half obeyed.

use k8psh::options::table::{SERVER, Scope};

use crate::support::{Pod, Run, is_listening_anywhere};

/// Whether a stub, a server and `--check` refuse the section for this reason, and say where it is.
fn all_refuse(header: &str, about: &str) {
    let pod = Pod::with_header(header, "true");
    pod.link_stub("true");
    let place = format!("{}:3:3: {about}", pod.config().display());
    pod.stub("true").run().fails(125, "true", &[&place]);
    pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[&place]);
    pod.k8psh().arg("--check").run().fails(1, "k8psh", &[&place]);
}

#[test]
fn what_the_direct_transport_alone_does_is_refused_where_it_is_off() {
    for (header, option, cause) in [
        ("--server-uid=0 --transport=relay", "--server-uid", "--transport=relay"),
        ("--server-uid=0 --connect=127.0.0.1", "--server-uid", "--connect"),
        ("--server-uid=0 --connect=", "--server-uid", "--connect"),
        ("--server-uid=0 --token-env=T", "--server-uid", "a token"),
        ("--allow-uid=0 --transport=relay", "--allow-uid", "--transport=relay"),
        ("--allow-uid=0 --token-file=/t", "--allow-uid", "a token"),
        ("--transport=direct --token-file=/t", "--transport=direct", "a token"),
        ("--transport=direct --connect=127.0.0.1", "--transport=direct", "--connect"),
    ] {
        all_refuse(header, &format!("{option} is for the direct transport, which {cause} turns off"));
    }
    // A trigger has no stubs.
    let pod = Pod::with_header("--trigger=true --allow-uid=0", "true");
    let about = "--allow-uid is for the direct transport, which --trigger turns off";
    pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[about]);
    pod.k8psh().arg("--check").run().fails(1, "k8psh", &[about]);
}

#[test]
fn what_a_servers_command_line_brings_is_not_blamed_on_the_file() {
    for (header, words, about) in [
        ("", &["--listen=0.0.0.0"][..], "--listen 0.0.0.0: needs --token-file, --token-env or --no-token"),
        ("", &["--trigger=gone"], "--trigger gone: section box has no such command"),
        ("--token-env=T", &["--transport=direct"], "--transport=direct is for the direct transport, which a token"),
        ("--token-env=T", &["--no-token"], "there is more than one of --token-file, --token-env and --no-token"),
    ] {
        let pod = Pod::with_header(header, "true");
        let outcome = pod.k8pshd().args(["--name", "box"]).args(words).run();
        outcome.fails(1, "k8pshd", &[&format!("k8pshd: {about}")]);
    }
}

#[test]
fn what_a_servers_command_line_makes_good_is_no_error_of_its_stubs() {
    let pod = Pod::with_header("--listen=0.0.0.0", "true");
    let mut command = pod.k8pshd_with_stubs();
    command.arg("--no-token");
    let _server = pod.start_until(command, is_listening_anywhere);
    assert_eq!(pod.stub("true").run().succeeds(), "");
    let about = "--listen 0.0.0.0: needs --token-file, --token-env or --no-token";
    pod.k8psh().arg("--check").run().fails(1, "k8psh", &[about]);
}

#[test]
fn what_stubs_alone_read_is_refused_on_a_servers_command_line() {
    let pod = Pod::new("true");
    let options: Vec<_> = SERVER.options.iter().filter(|option| option.scope == Scope::Header).collect();
    assert_eq!(options.iter().map(|option| option.name()).collect::<Vec<_>>(), [&b"--connect"[..], b"--server-uid"]);
    for word in ["--connect=127.0.0.1", "--server-uid=0"] {
        let name = word.split('=').next().expect("a name");
        for ignores in [&[][..], &["-i"]] {
            let about = format!("{name} belongs in the section's header");
            pod.k8pshd().args(["--name", "box", word]).args(ignores).run().fails(1, "k8pshd", &[&about]);
        }
    }
    let help = pod.k8pshd().arg("--help").run().succeeds();
    let own = help.split_once("section's header alone:").expect("options of the header alone").1;
    assert!(own.contains("--connect ADDRESS") && own.contains("--server-uid UID"), "{help}");
}

#[test]
fn an_option_that_is_like_one_that_protects_is_never_ignored() {
    for word in [
        "--server-uids=12345",
        "--server-user=1",
        "--sever-uid=1",
        "--token-fil=/x",
        "--token=x",
        "--tokenfile=/x",
        "--token-path=/x",
        "--allow=1",
        "--alow-uid=1",
        "--allow-users=1",
        "--transports=direct",
        "--transport-direct",
    ] {
        let about = format!("unknown option {word}");
        let pod = Pod::new("true");
        pod.k8pshd().args(["-i", "--name", "box", word]).run().fails(1, "k8pshd", &[&about]);
        let pod = Pod::with_header(&format!("-i {word}"), "true");
        pod.link_stub("true");
        pod.stub("true").run().fails(125, "true", &[&about]);
        pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[&about]);
        pod.k8psh().arg("--check").run().fails(1, "k8psh", &[&about]);
    }
}

#[test]
fn a_word_is_ignored_only_behind_an_option_that_is() {
    let pod = Pod::new("true");
    let nobody = |words: &[&str]| pod.k8pshd().args(["-n", "client", "-d"]).args(words).run();
    for words in
        [&["-i", "x", "/bin/true"][..], &["x", "-i"], &["-i", "--odd", "x", "/bin/true"], &["-i", "--odd=1", "x"]]
    {
        let outcome = nobody(words);
        assert_eq!(outcome.code(), Some(1), "{words:?}: {outcome:?}");
        let errors = outcome.err().lines().filter(|line| !line.contains("warning: ")).count();
        assert!(errors > 0 && outcome.err().contains("k8pshd: unexpected argument "), "{words:?}: {outcome:?}");
    }
    // It may be that option's value.
    let outcome = nobody(&["-i", "--odd", "5", "-z"]);
    let warning = "k8pshd: warning: unknown option --odd: ignored\nk8pshd: warning: unexpected argument 5: ignored\n\
                   k8pshd: warning: unknown option -z: ignored\n";
    assert_eq!((outcome.code(), outcome.err().as_str()), (Some(0), warning));
    let pod = Pod::with_header("-i --odd 5", "true");
    let server = pod.server();
    assert!(server.log().contains("warning: unexpected argument 5: ignored"), "{}", server.log());
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

#[test]
fn a_port_that_no_stub_can_know_is_refused_at_both_ends() {
    let pod = Pod::new("true");
    pod.link_stub("true");
    let about = "port 0 is for --transport=direct alone: no stub knows the port that the kernel chooses";
    std::fs::write(pod.config(), "[ box:0 ]\ntrue\n").expect("the configuration");
    pod.stub("true").run().fails(125, "true", &[about]);
    pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[about]);
    pod.k8psh().arg("--check").run().fails(1, "k8psh", &[about]);
    // A section without commands needs none, and a socket's name may have any number.
    for text in ["[ box:0 ]\n[ other:1 ]\ntrue\n", "[ box:0 ] --transport=direct\ntrue\n"] {
        std::fs::write(pod.config(), text).expect("the configuration");
        assert_eq!(pod.k8psh().arg("--check").run().succeeds(), "");
    }
}

#[test]
fn an_option_without_effect_is_refused_by_the_server() {
    for (header, about) in [
        ("--log-arguments", "--log-arguments has no effect without --log"),
        ("--log-arguments --log=none", "--log-arguments has no effect without --log"),
        ("--trigger=true --log-arguments --log=none", "--log-arguments has no effect without --log"),
        ("--detach-on-close", "--detach-on-close has no effect without --trigger"),
        ("--session-timeout=0", "--session-timeout: 0 is not a number other than 0"),
    ] {
        let pod = Pod::with_header(header, "true");
        pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[about]);
        pod.k8psh().arg("--check").run().fails(1, "k8psh", &[about]);
    }
    for header in ["--trigger=true --log-arguments --detach-on-close", "--log=json --log-arguments"] {
        let pod = Pod::with_header(header, "true");
        assert_eq!(pod.k8psh().arg("--check").run().succeeds(), "");
    }
}

#[test]
fn a_server_without_time_or_connections_makes_its_stubs_and_ends() {
    for word in ["--max-connections=0", "--timeout=0"] {
        let pod = Pod::new("true");
        assert_eq!(pod.k8pshd_with_stubs().args(["--keep-client-executables", word]).run().succeeds(), "");
        assert!(pod.path("stubs/true").symlink_metadata().is_ok(), "{word}");
    }
}
