//! Which transport is used, and what happens where the direct one is closed.

use super::*;

#[test]
fn without_a_word_about_it_the_direct_transport_is_used() {
    let pod = Pod::new(WAY);
    let _server = pod.server();
    assert_eq!(pod.stub("way").run().succeeds(), "direct\n");
    assert_eq!(pod.stub("way").env("K8PSH_TRANSPORT", "").run().succeeds(), "direct\n");
    for name in ["direct", "relay"] {
        assert_eq!(pod.stub("way").env("K8PSH_TRANSPORT", name).run().succeeds(), format!("{name}\n"));
    }
}

#[test]
fn a_section_can_turn_either_transport_off() {
    let pod = Pod::with_header("--transport=relay", WAY);
    let server = pod.server();
    falls_back(&mut pod.stub("way"));
    assert!(!crate::support::has_name(pod.port()));
    assert_eq!(server.log(), "");

    let pod = Pod::with_header("--transport direct", WAY);
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs"));
    let _server = pod.start_direct(command);
    assert_eq!(pod.stub("way").run().succeeds(), "direct\n");
    assert!(!crate::support::is_listening(pod.port()));
}

#[test]
fn where_the_name_is_missing_the_relay_is_used() {
    let pod = Pod::new(WAY);
    let _server = pod.server_with(&["--transport", "relay"]);
    falls_back(&mut pod.stub("way"));
}

/// Binds the name of the server at this port, with room for this many connections beside the first.
fn squat(port: u16, backlog: i32) -> OwnedFd {
    let listener = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    bind(listener.as_raw_fd(), &name_of(port)).expect("the name");
    listen(&listener, Backlog::new(backlog).expect("a backlog")).expect("a listener");
    listener
}

fn name_of(port: u16) -> UnixAddr {
    UnixAddr::new_abstract(format!("k8psh:{port}").as_bytes()).expect("a name")
}

#[test]
fn a_server_whose_name_is_taken_warns_and_serves_by_the_relay() {
    let pod = Pod::new(WAY);
    // Nobody accepts, and there is no room for another connection.
    let _squatter = squat(pod.port(), 0);
    let fill = || {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let client = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
        connect(client.as_raw_fd(), &name_of(pod.port())).map(|()| client)
    };
    let mut clients = Vec::new();
    while let Ok(client) = fill() {
        clients.push(client);
    }
    let server = pod.server();
    falls_back(&mut pod.stub("way"));
    let log = server.log();
    assert!(log.starts_with("k8pshd: warning: ") && log.contains("going on without direct transport"), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
}

/// A listener in the place of the server's, which reads this much of each connection and closes it. It goes on to the end
/// of the test program.
fn close_after(port: u16, bytes: usize) {
    let name = SocketAddr::from_abstract_name(format!("k8psh:{port}")).expect("a name");
    let listener = UnixListener::bind_addr(&name).expect("the name");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut request = vec![0; bytes];
            // Less comes where the stub has less to say.
            connection.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
            _ = (&connection).read_exact(&mut request);
        }
    });
}

#[test]
fn a_listener_that_goes_between_connection_and_answer_is_left_once_and_silently() {
    for bytes in [0, 1, 100] {
        let pod = Pod::new(&format!("{WAY}\ncount sh -c 'cat; echo $#' sh"));
        close_after(pod.port(), bytes);
        let _server = pod.server_with(&["--transport", "relay"]);
        for _ in 0..5 {
            falls_back(&mut pod.stub("way"));
        }
        // The request is sent anew from its beginning, and only then the input.
        let words: Vec<_> = (0..20).map(|_| "x".repeat(32 << 10)).collect();
        assert_eq!(pod.stub("count").args(&words).run_with(b"input\n").succeeds(), "input\n20\n");
        let forced = pod.stub("way").env("K8PSH_TRANSPORT", "direct").run();
        forced.fails(125, "way", &[&format!("k8psh:{}", pod.port())]);
    }
}

#[test]
fn a_part_of_a_request_that_is_read_starts_nothing_so_the_relay_is_used() {
    let pod = Pod::new("count sh -c 'echo $#' sh");
    // More than a socket holds: the stub has still to send when all that it has sent is read.
    close_after(pod.port(), 300_000);
    let _server = pod.server_with(&["--transport", "relay"]);
    let words: Vec<_> = (0..40).map(|_| "x".repeat(32 << 10)).collect();
    for _ in 0..20 {
        assert_eq!(pod.stub("count").args(&words).run().succeeds(), "40\n");
    }
}

#[test]
fn a_command_whose_session_is_lost_is_not_run_again() {
    let pod = Pod::new("once sh -c 'echo x >>runs; kill -9 $PPID; exec sleep 1000'");
    let _server = pod.server();
    for count in 1..=20 {
        pod.stub("once").run().fails(125, "once", &["the connection ended"]);
        assert_eq!(fs::read_to_string(pod.work().join("runs")).expect("the command ran").lines().count(), count);
    }
    // Nor is a request that somebody else has read to its end.
    let pod = Pod::new(WAY);
    close_after(pod.port(), 100_000);
    let _server = pod.server_with(&["--transport", "relay"]);
    pod.stub("way").run().fails(125, "way", &["the connection ended"]);
}

#[test]
fn a_stub_can_be_told_which_user_the_server_has_to_be() {
    let own = geteuid().as_raw();
    for (user, is_right) in [(own, true), (own + 1, false)] {
        let pod = Pod::with_header(&format!("--server-uid={user}"), WAY);
        let _server = pod.server();
        for transport in ["", "auto", "direct"] {
            let outcome = pod.stub("way").env("K8PSH_TRANSPORT", transport).run();
            let probe = pod.k8psh().args(["--probe", "box"]).env("K8PSH_TRANSPORT", transport).run();
            if is_right {
                assert_eq!((outcome.succeeds(), probe.succeeds()), ("direct\n".to_owned(), String::new()));
                continue;
            }
            let about = format!("server box at k8psh:{}: another user than --server-uid", pod.port());
            outcome.fails(125, "way", &[&about]);
            probe.fails(1, "k8psh", &[&about]);
        }
    }
}

#[test]
fn a_server_that_cannot_show_its_user_is_refused() {
    let user = geteuid().as_raw();
    let pod = Pod::custom(|pod| {
        let section = pod.section(&format!("=PATH= --server-uid={user}"));
        format!("baseDirectory=work\nconnectTimeoutMs=100\n{section}\n{WAY}\n")
    });
    let plain = pod.path("plain.conf");
    fs::write(&plain, format!("baseDirectory = work\n{}\n{WAY}\n", pod.section("=PATH="))).expect("a file");
    let mut command = pod.k8pshd_with_stubs();
    command.arg("--transport=relay").arg("--config").arg(&plain);
    let _server = pod.start(command);
    pod.stub("way").run().fails(125, "way", &[&format!("k8psh:{}", pod.port()), "Connection refused"]);
    for mut refused in [pod.stub("way"), pod.k8psh()] {
        let outcome = refused.args(["--probe"]).env("K8PSH_TRANSPORT", "relay").run();
        assert!(
            outcome.err().contains("K8PSH_TRANSPORT: relay cannot show that the server has --server-uid"),
            "{outcome:?}"
        );
        assert!(!outcome.status.success());
    }
}

#[test]
fn a_stub_refuses_a_server_uid_that_is_no_users_number() {
    for value in ["x", "", "-1", "+1", "0x0", "1 ", "4294967296"] {
        let pod = Pod::with_header(&format!("'--server-uid={value}'"), WAY);
        // The server has another configuration, without the option.
        let plain = pod.path("plain.conf");
        fs::write(&plain, format!("baseDirectory = work\n{}\n{WAY}\n", pod.section("=PATH="))).expect("a file");
        let mut command = pod.k8pshd_with_stubs();
        command.arg("--config").arg(&plain);
        let _server = pod.start(command);
        for transport in ["auto", "direct", "relay"] {
            let outcome = pod.stub("way").env("K8PSH_TRANSPORT", transport).run();
            outcome.fails(125, "way", &["--server-uid", value]);
        }
    }
}

/// Somebody who is not root.
const NOBODY: u32 = 65534;

/// Makes what is in the Pod's directory usable for every user, the program included; gives the program.
fn open_to_all(pod: &Pod) -> std::path::PathBuf {
    let program = pod.path("way");
    copy_program(PROGRAM, &program);
    for path in [pod.path(""), pod.work(), pod.config(), program.clone()] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    program
}

#[test]
fn a_name_that_another_user_has_taken_is_refused() {
    if lacks_users() {
        return;
    }
    let pod = Pod::with_header("--server-uid=0", WAY);
    let program = open_to_all(&pod);
    // A server like the other one but for its user.
    let trap = pod.path("trap.conf");
    let text = format!("baseDirectory = work\n{}\nway echo trapped", pod.section("=PATH= --transport=direct"));
    fs::write(&trap, text).expect("a file");
    let mut squatter = pod.command(&program);
    squatter.arg0("k8pshd").args(["-n", "box", "-d", "-c"]).arg(&trap).uid(NOBODY).gid(NOBODY);
    let _squatter = pod.start_direct(squatter);
    assert_eq!(pod.command(&program).env("K8PSH_CONFIG", &trap).run().succeeds(), "trapped\n", "without the option");
    pod.link_stub("way");
    pod.stub("way").run().fails(125, "way", &["another user than --server-uid"]);
}

#[test]
fn a_user_that_is_not_let_in_uses_the_relay() {
    if lacks_users() {
        return;
    }
    for (list, as_root, as_nobody) in
        [("0", "direct", "relay"), ("65534,7", "relay", "direct"), ("7,0,65534", "direct", "direct")]
    {
        let pod = Pod::with_header(&format!("--allow-uid={list}"), WAY);
        let program = open_to_all(&pod);
        let server = pod.server();
        pod.stub_path("way");
        for (user, wanted) in [(0, as_root), (NOBODY, as_nobody)] {
            let mut stub = pod.command(&program);
            stub.uid(user).gid(user);
            assert_eq!(stub.run().succeeds(), format!("{wanted}\n"), "user {user}, {list}");
            if wanted == "relay" {
                falls_back(&mut stub);
            }
        }
        assert_eq!(server.log(), "");
    }
}

#[test]
fn a_call_that_is_refused_on_the_way_makes_no_difference() {
    if lacks_programs(&["strace"]) {
        return;
    }
    let pod = Pod::new(WAY);
    let _server = pod.server();
    let with = |fault: &str| {
        let mut command = pod.command("strace");
        let call = fault.split(':').next().unwrap_or_default();
        command.args([
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={call}"),
            "-e",
            &format!("inject={fault}:when=1"),
        ]);
        command.arg(pod.stub_path("way"));
        command
    };
    if !with("connect:error=EACCES").run().status.success() {
        skip!("no program can be traced here");
    }
    for fault in ["socket:error=EAFNOSUPPORT", "socket:error=EACCES", "connect:error=EACCES", "connect:error=EPERM"] {
        falls_back(&mut with(fault));
    }
    for fault in ["sendmsg:error=EPERM", "sendmsg:error=ETOOMANYREFS", "sendmsg:error=EINVAL", "sendmsg:error=EPIPE"] {
        falls_back(&mut with(fault));
    }
}

#[test]
fn a_transport_that_is_forced_and_not_there_is_one_line_after_its_time() {
    let text = |pod: &Pod| format!("baseDirectory=work\nconnectTimeoutMs=300\n{}\n{WAY}\n", pod.section("=PATH="));
    let pod = Pod::custom(text);
    let server = pod.server_with(&["--transport=relay"]);
    let outcome = pod.stub("way").env("K8PSH_TRANSPORT", "direct").run();
    outcome.fails(125, "way", &["server box", &format!("k8psh:{}", pod.port()), "Connection refused"]);
    assert!(outcome.took > Duration::from_millis(250), "it tries again: {:?}", outcome.took);
    drop(server);
}

#[test]
fn a_forced_transport_waits_for_its_server() {
    let pod = Pod::new(WAY);
    pod.link_stub("way");
    let mut stub = pod.stub("way").env("K8PSH_TRANSPORT", "direct").stdin(Stdio::null()).stdout(Stdio::piped()).live();
    until_true("the stub waits", || stub.process().name() == "way");
    let _server = pod.server_with(&["--overwrite-client-executables"]);
    assert_eq!(read_all(stub.stdout.take().expect("stdout")), b"direct\n");
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_transport_that_does_not_exist_is_one_line() {
    let pod = Pod::new(WAY);
    let _server = pod.server();
    for name in ["x", "Direct", "relay ", "direct,relay"] {
        pod.stub("way").env("K8PSH_TRANSPORT", name).run().fails(125, "way", &[name, "auto, direct, relay"]);
    }
}

#[test]
fn a_bad_value_in_a_section_is_told_with_its_place() {
    for option in ["--transport=x", "--transport=", "--allow-uid=x", "--allow-uid=1,", "--server-uid=-1", "--tty=x"] {
        let pod = Pod::with_header(option, WAY);
        let outcome = pod.k8pshd().args(["-n", "box", "-e"]).arg(pod.path("stubs")).run();
        let (name, value) = option.split_once('=').expect("a value");
        // The header is the third line.
        outcome.fails(1, "k8pshd", &[&format!("{}:3:", pod.config().display()), name, value]);
    }
}

#[test]
fn a_stub_whose_server_stands_still_waits_without_work() {
    let pod = Pod::new("true");
    let server = pod.server();
    pod.stub_path("true");
    server.signal(Signal::SIGSTOP);
    let start = Instant::now();
    let mut stub = pod.stub("true").live();
    // Longer than any greeting is waited for.
    until_true("it has waited", || start.elapsed() > Duration::from_millis(1500));
    let stat = fs::read_to_string(format!("/proc/{}/stat", stub.id())).expect("the stub's state");
    let ticks: u64 = stat
        .rsplit_once(") ")
        .expect("a name")
        .1
        .split(' ')
        .skip(11)
        .take(2)
        .map(|t| t.parse::<u64>().expect("ticks"))
        .sum();
    assert!(ticks < 20, "{ticks} hundredths of a second");
    server.signal(Signal::SIGCONT);
    assert_eq!(stub.end().code(), Some(0));
}
