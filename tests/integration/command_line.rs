//! The two command lines: every option, short, long and `--option=value`, and in the configuration.

use std::fs;
use std::os::unix::fs::symlink;

use std::os::unix::process::CommandExt;

use crate::support::{PROGRAM, Pod, Run, copy_program};

#[test]
fn help_goes_to_stdout_and_fits_eighty_columns() {
    let pod = Pod::new("true");
    for (program, options) in [("k8psh", ["-h", "--help"]), ("k8pshd", ["-h", "--help"])] {
        let program = pod.path("bin").join(program);
        let texts = options.map(|option| pod.command(&program).arg(option).run().succeeds());
        assert_eq!(texts[0], texts[1]);
        let long = texts[0].lines().find(|line| line.chars().count() > 80);
        assert_eq!(long, None, "longer than 80 columns");
        assert!(texts[0].lines().count() > 5 && texts[0].ends_with('\n'), "{}", texts[0]);
    }
    let server = pod.k8psh().args(["-s", "--help"]).run().succeeds();
    assert_eq!(server, pod.k8pshd().arg("-h").run().succeeds());
}

#[test]
fn help_names_every_option() {
    let pod = Pod::new("true");
    let client = pod.k8psh().arg("-h").run().succeeds();
    for option in ["-c, --config", "-h, --help", "--install", "-s, --server", "-v, --version"] {
        assert!(client.contains(option), "no {option} in {client}");
    }
    let server = pod.k8pshd().arg("-h").run().succeeds();
    for option in [
        "-b, --background",
        "-c, --config",
        "-d, --disable-client-executables",
        "-e, --executable-directory",
        "-h, --help",
        "-i, --ignore-invalid-arguments",
        "-k, --keep-client-executables",
        "-l, --generate-local-executables",
        "-m, --max-connections",
        "--max-sessions",
        "-n, --name",
        "-o, --overwrite-client-executables",
        "-p, --pidfile",
        "-s, --server",
        "-t, --timeout",
        "-v, --version",
        "-w, --no-wait",
    ] {
        assert!(server.contains(option), "no {option} in {server}");
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let pod = Pod::new("true");
    for option in ["-v", "--version"] {
        assert_eq!(pod.k8psh().arg(option).run().succeeds(), concat!("k8psh ", env!("CARGO_PKG_VERSION"), "\n"));
        assert_eq!(pod.k8pshd().arg(option).run().succeeds(), concat!("k8pshd ", env!("CARGO_PKG_VERSION"), "\n"));
    }
}

#[test]
fn the_name_alone_chooses_the_mode() {
    let pod = Pod::new("k8psh-stub true\n--version echo stub");
    copy_program(PROGRAM, pod.path("bin/copy"));
    symlink("copy", pod.path("bin/k8pshd-2")).expect("a symlink");
    for name in ["copy", "k8pshd-2"] {
        let outcome = pod.command(pod.path("bin").join(name)).arg("--version").run();
        outcome.fails(125, name, &["there is no command"]);
    }
    // A program whose name is an option of ours.
    let _server = pod.server();
    assert_eq!(pod.stub("--version").arg("x").run().succeeds(), "stub x\n");
}

#[test]
fn a_client_without_a_command_is_told_so() {
    let pod = Pod::new("true");
    pod.k8psh().run().fails(125, "k8psh", &["no command"]);
}

#[test]
fn wrong_options_of_the_client_are_errors() {
    let pod = Pod::new("true");
    for (words, about) in [
        (&["--no-such-option", "true"][..], "--no-such-option"),
        (&["-x", "true"], "-x"),
        (&["--config"], "--config"),
        (&["-c"], "-c"),
        (&["--version=1"], "--version"),
        (&["--help=x"], "--help"),
    ] {
        let outcome = pod.k8psh().args(words).run();
        outcome.fails(125, "k8psh", &[about]);
    }
}

#[test]
fn wrong_options_of_the_server_are_errors() {
    let pod = Pod::new("true");
    for (words, about) in [
        (&["--no-such-option"][..], "--no-such-option"),
        (&["-x"], "-x"),
        (&["--name"], "--name"),
        (&["-n"], "-n"),
        (&["--background=yes"], "--background"),
        (&["word"], "word"),
        (&["--timeout", "12x"], "12x"),
        (&["--timeout=12x"], "12x"),
        (&["--timeout="], "--timeout"),
        (&["--timeout", ""], "--timeout"),
        (&["-t", "99999999999999999999"], "99999999999999999999"),
        (&["-t", " 1"], " 1"),
        (&["-t", "+"], "+"),
        (&["-t", "0x10"], "0x10"),
        (&["-m", "1.5"], "1.5"),
        (&["-m", ""], "-m"),
        (&["--max-connections=x"], "x"),
        (&["--max-sessions", "many"], "many"),
        (&["--max-sessions", "0"], "0"),
        (&["--max-sessions", "99999999999"], "99999999999"),
    ] {
        let outcome = pod.k8pshd().args(["-e"]).arg(pod.path("stubs")).args(words).run();
        println!("{words:?}: {}", outcome.err());
        outcome.fails(1, "k8pshd", &[about]);
        assert_eq!(fs::read_dir(pod.path("stubs")).expect("the stubs").count(), 0);
    }
}

#[test]
fn an_unknown_option_is_a_warning_where_that_is_asked_for() {
    let pod = Pod::new("true");
    for option in ["-i", "--ignore-invalid-arguments"] {
        let mut command = pod.k8pshd();
        command.args([option, "--no-such-option", "-n", "client", "-o", "-e"]).arg(pod.path("stubs"));
        let outcome = command.run();
        assert_eq!(outcome.code(), Some(0), "{outcome:?}");
        assert!(outcome.err().starts_with("k8pshd: ") && outcome.err().contains("--no-such-option"), "{outcome:?}");
        assert_eq!(outcome.err().lines().count(), 1, "{outcome:?}");
        assert!(pod.path("stubs/true").symlink_metadata().is_ok());
    }
}

#[test]
fn every_option_has_a_short_a_long_and_a_joined_form() {
    let pod = Pod::custom(|pod| format!("baseDirectory=work\n{}\ntrue", pod.section("")));
    let (stubs, config) = (pod.path("stubs").display().to_string(), pod.config().display().to_string());
    let pid_file = pod.path("pid").display().to_string();
    let forms: [Vec<String>; 3] = [
        ["-s", "-c", &config, "-e", &stubs, "-n", "box", "-l", "-o", "-m", "1", "-t", "20000", "-p", &pid_file, "-w"]
            .map(str::to_owned)
            .to_vec(),
        [
            "--server",
            "--config",
            &config,
            "--executable-directory",
            &stubs,
            "--name",
            "box",
            "--generate-local-executables",
            "--overwrite-client-executables",
            "--max-connections",
            "1",
            "--timeout",
            "20000",
            "--pidfile",
            &pid_file,
            "--max-sessions",
            "5",
        ]
        .map(str::to_owned)
        .to_vec(),
        vec![
            format!("--config={config}"),
            format!("--executable-directory={stubs}"),
            "--name=box".to_owned(),
            "-l".to_owned(),
            "--max-connections=1".to_owned(),
            "--timeout=20000".to_owned(),
            format!("--pidfile={pid_file}"),
            "--max-sessions=5".to_owned(),
        ],
    ];
    for program in ["k8pshd", "k8psh"] {
        for form in &forms {
            let mut command = pod.command(pod.path("bin").join(program));
            command.env_remove("K8PSH_CONFIG").args(form);
            if program == "k8psh" && !form.iter().any(|word| word == "-s" || word == "--server") {
                command.arg("--server");
            }
            let mut server = pod.start(command);
            assert_eq!(pod.stub("true").run().succeeds(), "");
            assert!(server.end().success(), "{form:?}");
            assert!(!pod.path("stubs/true").exists(), "{form:?}");
        }
    }
}

#[test]
fn short_options_that_are_joined_are_refused() {
    let pod = Pod::new("true");
    for word in ["-nnobody", "-lo"] {
        let outcome = pod.k8pshd().args([word, "-e"]).arg(pod.path("stubs")).run();
        outcome.fails(1, "k8pshd", &["unknown option", word]);
    }
}

#[test]
fn the_name_of_the_section_comes_from_the_option_the_environment_or_the_host() {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("the host's name");
    let second = crate::support::Port::free();
    let pod = Pod::custom(|pod| {
        let (host, port, next, id) = (host.trim(), pod.port(), second.number, &pod.id);
        format!(
            "baseDirectory=work\n[{host}:{port}] =K8PSH_TEST={id}\nwho echo host\n\
             [other:1]\nx\n\
             [box:{next}] =K8PSH_TEST={id}\nwho echo box"
        )
    });
    let stubs = pod.path("stubs");
    // Without -l there are stubs for the commands of all other sections alone.
    let mut command = pod.k8pshd();
    command.arg("-e").arg(&stubs);
    let _server = pod.start(command);
    pod.stub_path("x");
    assert_eq!(fs::read_dir(&stubs).expect("the stubs").count(), 2, "x, and who of the last section");
    let mut command = pod.k8pshd();
    command.arg("-d").env("K8PSH_NAME", "box");
    let _named = pod.start_on(command, second.number);
    let outcome = pod.k8psh().arg("who").run();
    assert_eq!(outcome.succeeds(), "box\n");
    // The option wins over the environment.
    let mut command = pod.k8pshd();
    command.args(["-n", "nobody", "-o", "-e"]).arg(&stubs).env("K8PSH_NAME", "box");
    command.run().has_no_section("nobody", 2);
}

#[test]
fn options_of_the_section_are_read_before_those_of_the_command_line() {
    let pod = Pod::with_header("--max-connections 1 --timeout=60000 -k -l '-e' ${STUBS}", "true");
    let stubs = pod.path("stubs");
    let start = |words: &[&str]| {
        let mut command = pod.k8pshd();
        command.args(["-n", "box"]).args(words).env("STUBS", &stubs);
        pod.start(command)
    };
    let mut server = start(&[]);
    let stub = || pod.stub("true").env("STUBS", "x").run().succeeds();
    assert_eq!(stub(), "");
    assert!(server.end().success());
    assert!(stubs.join("true").symlink_metadata().is_ok(), "kept");

    // The command line wins.
    let mut server = start(&["-m", "2", "-o"]);
    assert_eq!((stub(), stub()), (String::new(), String::new()));
    assert!(server.end().success());
    let mut server = start(&["--timeout", "300", "--max-connections=-1", "-o"]);
    assert!(server.end().success());
    let other = pod.path("other");
    fs::create_dir(&other).expect("a directory");
    let server = start(&["-e", &other.display().to_string()]);
    assert!(other.join("true").symlink_metadata().is_ok());
    drop(server);
}

#[test]
fn debug_messages_come_when_they_are_asked_for() {
    let pod = Pod::new("true");
    let _server = pod.server();
    assert_eq!(pod.stub("true").run().succeeds(), "");
    for value in ["all", "ALL", "nonsense,all"] {
        let outcome = pod.stub("true").env("K8PSH_DEBUG", value).run();
        assert_eq!(outcome.code(), Some(0));
        assert!(outcome.err().lines().count() > 0, "{value}");
    }
    assert_eq!(pod.stub("true").env("K8PSH_DEBUG", "").run().succeeds(), "");
}

#[test]
fn an_argv_0_without_a_name_is_no_commands() {
    let pod = Pod::new("true");
    for name in ["", "a/b/"] {
        pod.command(PROGRAM).arg0(name).run().fails(125, "''", &["there is no command ''"]);
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let pod = Pod::new("true");
    for option in ["--help", "--version"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let status = pod.k8psh().arg(option).stdout(full).stderr(std::process::Stdio::null()).status();
        assert!(!status.expect("a status").success(), "{option}");
    }
}

#[test]
fn options_of_the_server_are_none_of_the_clients() {
    let pod = Pod::new("true");
    for words in [
        &["--name", "box"][..],
        &["-n", "box"],
        &["--background"],
        &["-l"],
        &["--max-sessions", "1"],
        &["--executable-directory", "/tmp"],
        &["--transport=relay"],
        &["--server-uid=0"],
        &["--token-file=/t"],
    ] {
        let name = words[0].split('=').next().expect("a name");
        let outcome = pod.k8psh().args(words).arg("true").run();
        outcome.fails(125, "k8psh", &["unknown option", name, "see k8psh --help"]);
    }
}

#[test]
fn the_tasks_of_the_client_exclude_each_other() {
    let pod = Pod::new("true");
    let target = pod.path("target").display().to_string();
    let install = ["--install", &*target];
    for words in [
        &["--probe", "box", "--check"][..],
        &["--list", "--check"],
        &["--check", "--check"],
        &["--probe", "--probe"],
        &[&["--list"][..], &install].concat(),
        &[&install[..], &["--list"]].concat(),
        &[&install[..], &install].concat(),
    ] {
        let outcome = pod.k8psh().args(words).run();
        outcome.fails(1, "k8psh", &["only one of --check, --install, --list, --probe and --status can be given"]);
    }
    assert!(!pod.path("target").exists());
}

#[test]
fn nothing_behind_a_task_is_ignored() {
    let pod = Pod::new("true");
    let target = pod.path("target").display().to_string();
    for (words, about) in [
        (&["--install", &*target, "extra"][..], "unexpected argument extra"),
        (&["--install", &target, ""], "unexpected argument ''"),
        (&["--install", &target, "--nope"], "unknown option --nope"),
        (&["--install", &target, "--json"], "--json belongs to --check, --list or --status"),
        (&["--install", &target, "--timeout", "5"], "--timeout belongs to --probe or --status"),
        (&["--install"], "--install needs a value"),
        (&["--install", "--check"], "--install: --check is not"),
        (&["--install=-x"], "--install: -x is not"),
        (&["--install", ""], "--install has an empty value"),
        (&["--check", "extra"], "unexpected argument extra"),
        (&["--check", "--timeout", "5"], "--timeout belongs to --probe or --status"),
        (&["--probe", "--json"], "--json belongs to --check, --list or --status"),
        (&["--probe", "--json", "box"], "--json belongs to --check, --list or --status"),
        (&["--nope", "--check"], "unknown option --nope"),
        (&["--list=x"], "--list takes no value"),
        (&["--probe=box"], "--probe takes no value behind =; see k8psh --help"),
        (&["--probe", ""], "there is no server ''"),
    ] {
        let outcome = pod.k8psh().args(words).run();
        println!("{words:?}: {}", outcome.err());
        outcome.fails(1, "k8psh", &[about]);
        assert_eq!(crate::support::names_in(pod.work()), <[&str; 0]>::default(), "{words:?}");
    }
    assert!(!pod.path("target").exists());
}

#[test]
fn an_option_of_a_task_does_not_go_with_a_command() {
    let pod = Pod::new("true");
    for (words, about) in [
        (&["--timeout", "5", "true"][..], "--timeout belongs to --probe or --status"),
        (&["--timeout", "5"], "--timeout belongs to --probe or --status"),
        (&["--json", "true"], "--json belongs to --check, --list or --status"),
        (&["--json"], "--json belongs to --check, --list or --status"),
    ] {
        pod.k8psh().args(words).run().fails(125, "k8psh", &[about]);
    }
    // What is behind the command is the command's.
    pod.k8psh().args(["no-such-command", "--check"]).run().fails(125, "k8psh", &["there is no command"]);
}

#[test]
fn a_word_that_is_empty_is_seen_in_its_message() {
    let pod = Pod::new("true");
    for (words, about) in
        [(&["--config", "", "true"][..], "k8psh: '': No such file or directory"), (&[""], "there is no command ''")]
    {
        pod.k8psh().args(words).run().fails(125, "k8psh", &[about]);
    }
    pod.k8pshd().arg("").run().fails(1, "k8pshd", &["unexpected argument ''"]);
    let outcome = pod.k8pshd().args(["-n", "client", "-d", "--", ""]).run();
    outcome.fails(126, "k8pshd", &["k8pshd: '': "]);
    let pod = Pod::with_header("\"\"", "true");
    pod.k8pshd().args(["-n", "box"]).run().fails(1, "k8pshd", &["unexpected argument ''"]);
}

#[test]
fn options_of_the_client_are_none_of_the_servers_wherever_they_stand() {
    for option in ["--install=/x", "--probe", "--list", "--check", "--json"] {
        let name = option.split('=').next().expect("a name");
        let pod = Pod::new("true");
        let outcome = pod.k8pshd().args(["--name", "box", option]).run();
        outcome.fails(1, "k8pshd", &["unknown option", name, "see k8pshd --help"]);
        let pod = Pod::with_header(option, "true");
        let place = format!("{}:3:", pod.config().display());
        pod.k8pshd().args(["--name", "box"]).run().fails(1, "k8pshd", &[&place, "unknown option", name]);
        pod.k8psh().arg("--check").run().fails(1, "k8psh", &[&place, "unknown option", name]);
    }
}

#[test]
fn help_and_version_belong_on_the_command_line() {
    for option in ["--help", "--version", "-h", "-v"] {
        let pod = Pod::with_header(option, "true");
        pod.k8pshd().args(["--name", "box"]).run().fails(
            1,
            "k8pshd",
            &["k8psh.conf:3:", "belongs on the command line"],
        );
    }
}
