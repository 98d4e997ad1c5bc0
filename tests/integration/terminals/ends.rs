//! How a command with a terminal ends, and that the terminal is given back.

use super::*;

by_each_transport!(a_lost_server_gives_the_terminal_back_and_is_one_line_on_it);
fn a_lost_server_gives_the_terminal_back_and_is_one_line_on_it(transport: Transport) {
    if lacks_programs(&["setsid", "stty"]) {
        return;
    }
    let mut scene = Scene::remote(transport, &[("stay", HOLD)]);
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let mut stub = start_stub(&scene, &mut terminal, "stay");
    let session = scene.session(scene.until_running("sleep"));
    session.signal(Signal::SIGKILL);
    scene.kill_server();
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
        Way::ListenerKilled => scene.kill_server(),
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
    tear_script(transport, HOLD, &[Way::StubKilled, Way::SessionKilled, Way::ListenerKilled, Way::HungUp]);
}

by_each_transport!(a_stub_that_is_killed_while_it_gets_the_terminal_leaves_nothing_and_the_next_one_restores_it);
fn a_stub_that_is_killed_while_it_gets_the_terminal_leaves_nothing_and_the_next_one_restores_it(transport: Transport) {
    let lines = "echo ready; while read line; do echo \"got $line\"; done";
    let modes = "echo ready; read line; while :; do stty -icanon -echo; stty icanon echo; done";
    let next = "stty -echo; echo ready; read line; stty echo; echo \"then $line\"";
    once(transport, "", &[("lines", lines), ("modes", modes), ("next", next)], |scene| {
        for (moment, name) in (0..20).zip(["lines", "modes"].into_iter().cycle()) {
            let mut terminal = Terminal::new();
            let before = terminal.modes();
            let mut stub = terminal.start(&scene.program(name));
            terminal.expect("ready\r\n");
            terminal.type_text("line\r");
            // Every time at another moment of what follows.
            std::thread::sleep(std::time::Duration::from_micros(500 * moment));
            stub.signal(Signal::SIGKILL);
            assert_eq!(terminal.end(&mut stub).signal(), Some(9));
            scene.until_nothing_is_left();
            let mut next = terminal.start(&scene.program("next"));
            terminal.expect("ready\r\n");
            terminal.type_text("more\r");
            terminal.expect("then ");
            assert_eq!(code(terminal.end(&mut next)), 0);
            assert_eq!(terminal.modes(), before, "{name}, moment {moment}");
        }
    });
}

by_each_transport!(a_command_that_ignores_the_loss_of_its_terminal_is_killed);
fn a_command_that_ignores_the_loss_of_its_terminal_is_killed(transport: Transport) {
    let script = "trap '' HUP TERM INT; stty -icanon -echo; echo ready; sleep 1000; sleep 1000";
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

by_each_transport!(the_error_of_a_terminal_that_is_hanging_up_is_no_failure);
fn the_error_of_a_terminal_that_is_hanging_up_is_no_failure(transport: Transport) {
    if lacks_programs(&["strace", "setsid"]) {
        return;
    }
    let scene = Scene::remote(transport, &[("stay", "trap '' HUP; echo >up; read line; echo read; exit 3")]);
    if !scene.pod.command("strace").args(["-qq", "-o", "/dev/null", "true"]).run().status.success() {
        skip!("no program can be traced here");
    }
    // While its other end is being closed, a terminal gives EIO. Here it does from the first call on.
    for call in ["read", "write"] {
        let terminal = Terminal::new();
        let mut command = scene.pod.command("strace");
        command.args(["-DDD", "-qq", "-o", "/dev/null", "-P"]).arg(terminal.path());
        command
            .args(["-e", "trace=read,write", "-e", &format!("inject={call}:error=EIO")])
            .arg(scene.pod.stub_path("stay"));
        let mut stub = terminal.start(&command);
        wait_for_file(scene.pod.work().join("up"));
        terminal.type_text("line\r");
        assert_eq!(terminal.end(&mut stub).code(), Some(3), "{call}: {}", terminal.text());
        fs::remove_file(scene.pod.work().join("up")).expect("a file");
    }
}

by_each_transport!(a_daemon_of_a_command_with_a_terminal_goes_with_the_lease);
fn a_daemon_of_a_command_with_a_terminal_goes_with_the_lease(transport: Transport) {
    let script =
        "setsid sh -c 'sleep 1000 & setsid sleep 1000 & exit'; trap '' HUP; stty -icanon -echo; echo ready; sleep 1000";
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
        let scene = Scene::remote(transport, &[("stay", HOLD)]);
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
    let mut scene = Scene::remote(transport, &[("stay", HOLD)]);
    let mut terminal = Terminal::new();
    let before = terminal.modes();
    let mut stub = start_stub(&scene, &mut terminal, "stay");
    stop(&scene, &stub);
    assert_eq!(terminal.modes(), before);
    scene.kill_server();
    until_true("the stub alone is left", || scene.pod.processes() == [stub.process()]);
    stub.signal(Signal::SIGCONT);
    assert_eq!(terminal.end(&mut stub).code(), Some(125));
    assert_eq!(terminal.modes(), before);
}
