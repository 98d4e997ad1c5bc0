//! What a command gets and what its caller learns: status, arguments, environment, directory, programs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::Duration;

use crate::support::frames::{self, Frame, Peer};
use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Run, is_listening, skip, until_true, write_program};

/// Prints its arguments, each with a NUL behind it.
const ARGUMENTS: &str = "arguments sh -c 'printf ''%s\\0'' \"$@\"' sh";

by_each_transport!(every_exit_code_comes_back);
fn every_exit_code_comes_back(transport: Transport) {
    let pod = transport.pod("leave sh -c 'exit \"$1\"' sh");
    let _server = pod.server();
    for code in 0..=255 {
        let outcome = pod.stub("leave").arg(code.to_string()).run();
        assert_eq!((outcome.code(), outcome.out(), outcome.err()), (Some(code), String::new(), String::new()));
    }
}

by_each_transport!(the_stub_dies_of_the_signal_that_ended_the_command);
fn the_stub_dies_of_the_signal_that_ended_the_command(transport: Transport) {
    let pod = transport.pod("die sh -c 'kill -\"$1\" $$; exit 99' sh");
    let _server = pod.server();
    // Every signal whose default action ends a process: of the others 17, 18, 23 and 28 are ignored, 19 to 22 stop it.
    let fatal =
        (1..=31).filter(|signal| ![17, 18, 19, 20, 21, 22, 23, 28].contains(signal)).chain([34, 35, 50, 63, 64]);
    for signal in fatal {
        let outcome = pod.stub("die").arg(signal.to_string()).run();
        assert_eq!((outcome.signal(), outcome.err()), (Some(signal), String::new()), "signal {signal}");
        assert!(!std::os::unix::process::ExitStatusExt::core_dumped(&outcome.status), "signal {signal}");
    }
    assert_eq!(fs::read_dir(pod.work()).expect("work").count(), 0, "no core file");
}

by_each_transport!(output_and_errors_arrive_apart_and_complete_before_the_status);
fn output_and_errors_arrive_apart_and_complete_before_the_status(transport: Transport) {
    let pod = transport.pod("both sh -c 'echo out; echo err >&2; printf end; exit 3'");
    let _server = pod.server();
    let outcome = pod.stub("both").run();
    assert_eq!((outcome.code(), outcome.out().as_str(), outcome.err().as_str()), (Some(3), "out\nend", "err\n"));
}

by_each_transport!(k8psh_runs_a_command_and_leaves_its_arguments_alone);
fn k8psh_runs_a_command_and_leaves_its_arguments_alone(transport: Transport) {
    let pod = transport.pod(ARGUMENTS);
    let _server = pod.server();
    let words = ["-c", "--version", "--", "-s", "--help", ""];
    let outcome = pod.k8psh().arg("arguments").args(words).run();
    assert_eq!(outcome.succeeds(), "-c\0--version\0--\0-s\0--help\0\0");
    let outcome =
        pod.k8psh().env_remove("K8PSH_CONFIG").arg("--config").arg(pod.config()).args(["arguments", "x"]).run();
    assert_eq!(outcome.succeeds(), "x\0");
    assert_eq!(pod.stub("arguments").args(words).run().succeeds(), "-c\0--version\0--\0-s\0--help\0\0");
}

by_each_transport!(arguments_are_any_bytes_and_may_be_empty);
fn arguments_are_any_bytes_and_may_be_empty(transport: Transport) {
    let pod = transport.pod(ARGUMENTS);
    let _server = pod.server();
    let every_byte: Vec<u8> = (1..=255).collect();
    let words: [&[u8]; 6] = [b"", &every_byte, b"", b"two\nlines", b"\xff\xfe", b""];
    let outcome = pod.stub("arguments").args(words.map(OsStr::from_bytes)).run();
    assert_eq!(outcome.stdout, words.map(|word| [word, b"\0"].concat()).concat());
}

by_each_transport!(one_argument_can_be_as_long_as_the_kernel_allows);
fn one_argument_can_be_as_long_as_the_kernel_allows(transport: Transport) {
    let pod = transport.pod(ARGUMENTS);
    let _server = pod.server();
    let longest = "x".repeat((128 << 10) - 1);
    let outcome = pod.stub("arguments").arg(&longest).run();
    assert!(outcome.succeeds() == longest + "\0", "not the same argument");
}

by_each_transport!(two_mebibytes_of_arguments_arrive);
fn two_mebibytes_of_arguments_arrive(transport: Transport) {
    let pod = transport.pod("count sh -c 'echo $#; shift 17; printf %s \"$1\" | cksum' sh");
    let _server = pod.server();
    // 2 MiB less 160 KiB, for the environment of stub and command and for the pointers.
    let words: Vec<_> = (0..59).map(|index| char::from(b'A' + index).to_string().repeat(32 << 10)).collect();
    let outcome = pod.stub("count").args(&words).run();
    let sum = pod.command("cksum").run_with(words[17].as_bytes()).succeeds();
    assert_eq!(outcome.succeeds(), format!("59\n{sum}"));
}

by_each_transport!(a_great_many_short_arguments_arrive);
fn a_great_many_short_arguments_arrive(transport: Transport) {
    let pod = transport.pod("count sh -c 'echo $#; shift 99999; echo $1' sh");
    let _server = pod.server();
    let words = (1..=100_000).map(|number| number.to_string());
    assert_eq!(pod.stub("count").args(words).run().succeeds(), "100000\n100000\n");
}

by_each_transport!(more_arguments_than_a_request_holds_are_an_error_that_says_so);
fn more_arguments_than_a_request_holds_are_an_error_that_says_so(transport: Transport) {
    let pod = transport.pod(ARGUMENTS);
    let _server = pod.server();
    // Only a larger stack lets the kernel pass so much to the stub itself.
    let script = "a=$(head -c 100000 /dev/zero | tr '\\0' a) && ulimit -s 65536 || exit 77
        set -- $a $a $a $a $a $a $a $a $a $a $a $a $a $a $a; exec arguments \"$@\" \"$@\"";
    pod.stub_path("arguments");
    let outcome = pod.shell(script).run();
    if outcome.code() == Some(77) {
        skip!("the stack cannot be made larger");
    }
    outcome.fails(125, "arguments", &["2097152"]);
    assert_eq!(pod.stub("arguments").arg("next").run().succeeds(), "next\0");
}

by_each_transport!(a_command_that_execve_refuses_for_its_size_is_an_error_at_the_stub);
fn a_command_that_execve_refuses_for_its_size_is_an_error_at_the_stub(transport: Transport) {
    let pod = transport.pod(ARGUMENTS);
    let mut command = pod.k8pshd();
    // A small stack makes the server's own limit small: a quarter of it, but never less than 128 KiB.
    command = {
        let mut shell = pod.command("sh");
        shell.args(["-c", "ulimit -s 1024; exec \"$0\" -n box -l -e ../stubs"]).arg(command.get_program());
        shell
    };
    let _server = pod.start(command);
    let words: Vec<_> = (0..12).map(|_| "x".repeat(100_000)).collect();
    let outcome = pod.stub("arguments").args(words).run();
    outcome.fails(126, "arguments", &["Argument list too long"]);
}

#[test]
fn what_the_server_is_short_of_is_no_fault_of_the_program() {
    let pod = Transport::Relay.pod("leave sh -c 'exit 3'");
    // With more and more open files, the server gets further and further.
    for limit in 9..64 {
        let mut shell = pod.command("sh");
        shell.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" -n box -l -e ../stubs")]);
        shell.arg(pod.path("bin/k8pshd"));
        let _server = pod.start(shell);
        let outcome = pod.stub("leave").run();
        if outcome.code() == Some(3) {
            return;
        }
        outcome.fails(125, "leave", &["server box"]);
    }
    panic!("64 open files are not enough");
}

/// The command's environment, sorted, without what every Pod of these tests adds.
fn environment(outcome: crate::support::Outcome) -> Vec<String> {
    let mut words: Vec<_> = outcome.succeeds().split_terminator('\0').map(str::to_owned).collect();
    words.retain(|word| !word.starts_with("K8PSH_TEST=") && !word.starts_with("PATH="));
    words.sort();
    words
}

by_each_transport!(a_command_gets_the_variables_that_are_listed_and_no_others);
fn a_command_gets_the_variables_that_are_listed_and_no_others(transport: Transport) {
    let pod = transport.pod(
        "env A=a B= ?C=c ?D= ?E= =F=f =G= =H= env -0\n\
         none env -0",
    );
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs"));
    let server =
        ["A", "B", "C", "D", "F", "G", "UNLISTED", "LD_PRELOAD_X"].map(|name| (name, format!("server's {name}")));
    command.envs(server).env_remove("E").env_remove("H");
    let _server = pod.start(command);

    let names = ["A", "B", "C", "D", "E", "F", "G", "H", "UNLISTED", "LD_LIBRARY_PATH_X"];
    let mut silent = pod.stub("env");
    names.iter().for_each(|name| _ = silent.env_remove(name));
    assert_eq!(environment(silent.run()), ["A=a", "B=", "C=c", "D=server's D", "F=f", "G=server's G"]);

    let mut talkative = pod.stub("env");
    talkative.envs(names.map(|name| (name, format!("client's {name}"))));
    assert_eq!(
        environment(talkative.run()),
        ["A=client's A", "B=client's B", "C=client's C", "D=client's D", "E=client's E", "F=f", "G=server's G"]
    );

    let mut empty = pod.stub("env");
    empty.envs(["A", "B", "C", "D", "E"].map(|name| (name, "")));
    assert_eq!(environment(empty.run()), ["A=", "B=", "C=", "D=", "E=", "F=f", "G=server's G"]);

    assert_eq!(environment(pod.stub("none").env("A", "a").run()), [""; 0]);
}

by_each_transport!(a_variable_is_any_bytes);
fn a_variable_is_any_bytes(transport: Transport) {
    let pod = transport.pod("show TEXT= sh -c 'printf %s \"$TEXT\"'");
    let _server = pod.server();
    let every_byte: Vec<u8> = (1..=255).collect();
    let outcome = pod.stub("show").env("TEXT", OsStr::from_bytes(&every_byte)).run();
    assert_eq!(outcome.stdout, every_byte);
    let longest = "x".repeat((128 << 10) - 1 - "TEXT=".len());
    assert!(pod.stub("show").env("TEXT", &longest).run().succeeds() == longest, "not the same text");
}

by_each_transport!(ld_preload_is_not_passed_on_unless_it_is_listed);
fn ld_preload_is_not_passed_on_unless_it_is_listed(transport: Transport) {
    let pod = transport.pod("show sh -c 'echo \"<$LD_PRELOAD>\"'\nlisted LD_PRELOAD= sh -c 'echo \"<$LD_PRELOAD>\"'");
    let _server = pod.server();
    // The stub is static: it loads nothing.
    assert_eq!(pod.stub("show").env("LD_PRELOAD", "/nowhere.so").run().succeeds(), "<>\n");
    assert!(pod.stub("listed").env("LD_PRELOAD", "/nowhere.so").run().out().contains("</nowhere.so>"));

    // A stranger's frames do not get it in either.
    let mut peer = Peer::connect(pod.port());
    peer.send(&frames::request("", &["LD_PRELOAD=/nowhere.so", "=LD_PRELOAD=/nowhere.so", "nonsense"], &[], "show"));
    assert_eq!(frames::content(&peer.frames(), frames::OUTPUT), b"<>\n");
}

by_each_transport!(a_default_in_single_quotes_is_expanded_when_the_command_starts);
fn a_default_in_single_quotes_is_expanded_when_the_command_starts(transport: Transport) {
    let pod = transport.pod("show A=one 'B=${A}-${FAR:-none}' 'C=${B}+' sh -c 'echo \"$A $B $C\"'");
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs")).env("FAR", "far").env("A", "server");
    let _server = pod.start(command);
    let mut stub = pod.stub("show");
    stub.env_remove("A").env_remove("B").env_remove("C");
    assert_eq!(stub.run().succeeds(), "one one-far one-far+\n");
    assert_eq!(stub.env("A", "two").run().succeeds(), "two two-far two-far+\n");
    assert_eq!(stub.env("B", "${A}").run().succeeds(), "two ${A} ${A}+\n", "what a client sends is not expanded");
}

by_each_transport!(the_working_directory_is_the_same_place_below_the_servers_base);
fn the_working_directory_is_the_same_place_below_the_servers_base(transport: Transport) {
    let pod = transport.custom_pod(|pod| format!("baseDirectory = ${{BASE}}\n{}\npwd\nlist ls", pod.section("")));
    for path in ["near/a/b c/\u{e4}", "far/a/b c/\u{e4}", "near/only"] {
        fs::create_dir_all(pod.path(path)).expect("a directory");
    }
    fs::write(pod.path("far/a/b c/file"), "").expect("a file");
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs")).env("BASE", "far");
    let _server = pod.start(command);

    let stub = |name: &str, place: &str| {
        let mut stub = pod.stub(name);
        stub.env("BASE", "near").current_dir(pod.path(place));
        stub
    };
    let line = |place: &str| format!("{}\n", pod.path(place).display());
    assert_eq!(stub("pwd", "near").run().succeeds(), line("far"));
    assert_eq!(stub("pwd", "near/a/b c").run().succeeds(), line("far/a/b c"));
    assert_eq!(stub("pwd", "near/a/b c/\u{e4}").run().succeeds(), line("far/a/b c/\u{e4}"));
    assert_eq!(stub("list", "near/a/b c").run().succeeds(), "file\n\u{e4}\n");

    stub("pwd", "near/only").run().fails(125, "pwd", &["only"]);
    stub("pwd", "").run().fails(125, "pwd", &[&pod.path("").display().to_string()]);
    stub("pwd", "far").run().fails(125, "pwd", &[&pod.path("far").display().to_string()]);
    assert_eq!(stub("pwd", "near").run().succeeds(), line("far"));
}

by_each_transport!(a_base_that_is_reached_through_a_link_is_the_directory_behind_it);
fn a_base_that_is_reached_through_a_link_is_the_directory_behind_it(transport: Transport) {
    let pod = transport.custom_pod(|pod| format!("baseDirectory = link\n{}\npwd", pod.section("")));
    fs::create_dir_all(pod.path("real/below")).expect("a directory");
    symlink("real", pod.path("link")).expect("a symlink");
    let _server = pod.server();
    let real = format!("{}\n", pod.path("real/below").display());
    for place in ["link/below", "real/below"] {
        assert_eq!(pod.stub("pwd").current_dir(pod.path(place)).run().succeeds(), real);
    }
    pod.stub("pwd").current_dir(pod.work()).run().fails(125, "pwd", &["baseDirectory"]);
}

by_each_transport!(a_directory_whose_name_begins_like_the_base_is_outside);
fn a_directory_whose_name_begins_like_the_base_is_outside(transport: Transport) {
    let pod = transport.pod("pwd");
    let _server = pod.server();
    fs::create_dir(pod.path("workshop")).expect("a directory");
    pod.stub("pwd").current_dir(pod.path("workshop")).run().fails(125, "pwd", &["workshop"]);
}

by_each_transport!(a_symlink_that_leaves_the_base_is_refused_and_one_within_is_followed);
fn a_symlink_that_leaves_the_base_is_refused_and_one_within_is_followed(transport: Transport) {
    let pod = transport.custom_pod(|pod| format!("baseDirectory=${{BASE}}\n{}\npwd", pod.section("")));
    for path in ["near/in", "near/out", "near/up", "far/real", "outside"] {
        fs::create_dir_all(pod.path(path)).expect("a directory");
    }
    symlink("real", pod.path("far/in")).expect("a symlink");
    symlink(pod.path("outside"), pod.path("far/out")).expect("a symlink");
    symlink("../outside", pod.path("far/up")).expect("a symlink");
    let mut command = pod.k8pshd();
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs")).env("BASE", "far");
    let _server = pod.start(command);
    let run = |place: &str| pod.stub("pwd").env("BASE", "near").current_dir(pod.path(place)).run();
    assert_eq!(run("near/in").succeeds(), format!("{}\n", pod.path("far/real").display()));
    run("near/out").fails(125, "pwd", &["out"]);
    run("near/up").fails(125, "pwd", &["up"]);
}

by_each_transport!(a_request_cannot_name_a_directory_outside_the_base);
fn a_request_cannot_name_a_directory_outside_the_base(transport: Transport) {
    let pod = transport.pod("pwd");
    let server = pod.server();
    fs::create_dir_all(pod.work().join("a")).expect("a directory");
    for directory in ["..", "../", "/", "/etc", "a/../..", "./..", "../bin", "a\0b", "none", &"x/".repeat(3000)] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&frames::request(directory, &[], &[], "pwd"));
        let frames = peer.frames();
        assert!(frames::content(&frames, frames::OUTPUT).is_empty(), "{directory:.40}: {frames:?}");
        let last = frames.last().unwrap_or_else(|| panic!("{directory:.40}: no frame, log: {}", server.log()));
        assert_eq!((last.kind, last.number), (frames::EXIT, 125), "{directory:.40}: {frames:?}");
        let error = String::from_utf8_lossy(&frames::content(&frames, frames::ERROR)).into_owned();
        assert!(error.starts_with("k8pshd: ") && error.lines().count() == 1, "{directory:.40}: {error:?}");
    }
    for directory in ["", ".", "a", "a/", "./a", "a/."] {
        let mut peer = Peer::connect(pod.port());
        peer.send(&frames::request(directory, &[], &[], "pwd"));
        let output = frames::content(&peer.frames(), frames::OUTPUT);
        assert!(String::from_utf8_lossy(&output).starts_with(&pod.work().display().to_string()), "{directory}");
    }
}

by_each_transport!(a_program_is_looked_for_on_the_path_that_the_command_got);
fn a_program_is_looked_for_on_the_path_that_the_command_got(transport: Transport) {
    let pod = transport.custom_pod(|pod| {
        format!(
            "baseDirectory=work\n{}\n\
             tool PATH=/nowhere tool\n\
             usual tool\n\
             true\n\
             local ./tool\n\
             below sub/tool\n\
             absolute {}/bin/tool",
            pod.section(""),
            pod.path("").display()
        )
    });
    let _server = pod.server();
    fs::create_dir_all(pod.work().join("sub")).expect("a directory");
    fs::create_dir_all(pod.path("second")).expect("a directory");
    fs::create_dir_all(pod.path("first/tool")).expect("a directory");
    fs::create_dir_all(pod.path("zeroth")).expect("a directory");
    fs::write(pod.path("zeroth/tool"), "not executable").expect("a file");
    for (place, word) in
        [("work/tool", "trap"), ("work/sub/tool", "sub"), ("bin/tool", "bin"), ("second/tool", "second")]
    {
        write_program(pod.path(place), &format!("#!/bin/sh\necho {word}\n"));
    }

    let run = |name: &str| pod.stub(name).env_remove("PATH").run();
    run("tool").fails(127, "tool", &["tool"]);
    run("usual").fails(127, "usual", &["tool"]);
    assert_eq!(run("true").succeeds(), "");
    assert_eq!(run("local").succeeds(), "trap\n");
    assert_eq!(run("below").succeeds(), "sub\n");
    assert_eq!(run("absolute").succeeds(), "bin\n");

    // A directory or a file without the x bit does not end the search.
    let path = ["zeroth", "first", "missing", "second", "bin"].map(|place| pod.path(place));
    let path = std::env::join_paths(path).expect("a path");
    assert_eq!(pod.stub("tool").env("PATH", &path).run().succeeds(), "second\n");
    let outcome = pod.stub("tool").env("PATH", pod.path("zeroth")).run();
    outcome.fails(126, "tool", &["tool"]);
}

by_each_transport!(what_is_there_but_is_no_program_gives_126_and_what_is_not_there_127);
fn what_is_there_but_is_no_program_gives_126_and_what_is_not_there_127(transport: Transport) {
    let pod = transport.pod(
        "plain ./plain\n\
         directory ./directory\n\
         missing ./missing\n\
         below ./plain/x\n\
         unknown no-such-program",
    );
    let _server = pod.server();
    fs::write(pod.work().join("plain"), "echo no").expect("a file");
    fs::create_dir(pod.work().join("directory")).expect("a directory");
    for (name, code, about) in [
        ("plain", 126, "plain"),
        ("directory", 126, "directory"),
        ("missing", 127, "missing"),
        ("below", 127, "Not a directory"),
        ("unknown", 127, "no-such-program"),
    ] {
        pod.stub(name).run().fails(code, name, &[about]);
    }
}

by_each_transport!(a_name_that_the_configuration_does_not_have_is_an_error);
fn a_name_that_the_configuration_does_not_have_is_an_error(transport: Transport) {
    let pod = transport.pod("true");
    let _server = pod.server();
    pod.link_stub("stranger");
    pod.stub("stranger").run().fails(125, "stranger", &["there is no command stranger"]);
    pod.k8psh().arg("stranger").run().fails(125, "k8psh", &["there is no command stranger"]);
}

by_each_transport!(a_command_of_another_section_is_not_this_servers);
fn a_command_of_another_section_is_not_this_servers(transport: Transport) {
    let pod = transport
        .custom_pod(|pod| format!("baseDirectory=work\n[other:1] =K8PSH_TEST=x\nelse true\n{}\ntrue", pod.section("")));
    let server = pod.server();
    let mut peer = Peer::connect(pod.port());
    peer.send(&frames::request("", &[], &[], "else"));
    let frames = peer.frames();
    assert_eq!(frames.last(), Some(&Frame::of(frames::EXIT, 127)), "{frames:?}");
    assert!(String::from_utf8_lossy(&frames::content(&frames, frames::ERROR)).contains("else"), "{frames:?}");
    until_true("the log says it", || server.log().contains("else"));
    assert_eq!(pod.stub("true").run().succeeds(), "");
}

by_each_transport!(a_client_uses_the_last_of_two_commands_with_one_name);
fn a_client_uses_the_last_of_two_commands_with_one_name(transport: Transport) {
    let pod = transport.custom_pod(|pod| {
        format!("baseDirectory=work\n[first:1]\nwhere echo first\n{}\nwhere echo last", pod.section(""))
    });
    let _server = pod.server();
    assert_eq!(pod.stub("where").run().succeeds(), "last\n");
}

by_each_transport!(a_section_that_comes_twice_is_one_server_with_the_commands_of_both);
fn a_section_that_comes_twice_is_one_server_with_the_commands_of_both(transport: Transport) {
    let pod = transport.custom_pod(|pod| {
        let (one, two) = (pod.section("A=1"), pod.section("A=2"));
        format!("baseDirectory=work\n{one}\none sh -c 'echo $A'\n{two}\ntwo sh -c 'echo $A'")
    });
    let _server = pod.server();
    assert_eq!(pod.stub("one").env_remove("A").run().succeeds(), "1\n");
    assert_eq!(pod.stub("two").env_remove("A").run().succeeds(), "2\n");
}

by_each_transport!(the_umask_is_the_clients);
fn the_umask_is_the_clients(transport: Transport) {
    let pod = transport.pod("mask sh -c umask");
    let _server = pod.server();
    for mask in ["0000", "0022", "0027", "0077", "0777"] {
        pod.stub_path("mask");
        assert_eq!(pod.shell(&format!("umask {mask}; exec mask")).run().succeeds(), format!("{mask}\n"));
    }
}

/// The `Sig…` lines of a process's status.
fn signal_sets(outcome: crate::support::Outcome) -> (u64, u64) {
    let text = outcome.succeeds();
    let set = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).expect("a line of /proc/self/status");
        // 32 and 33 are the C library's own: its posix_spawn leaves them ignored in whatever it starts.
        u64::from_str_radix(line.trim(), 16).expect("a set") & !(3 << 31)
    };
    (set("SigBlk:"), set("SigIgn:"))
}

by_each_transport!(a_command_starts_with_an_empty_mask_and_the_dispositions_of_a_local_one);
fn a_command_starts_with_an_empty_mask_and_the_dispositions_of_a_local_one(transport: Transport) {
    let pod = transport.pod("status cat /proc/self/status");
    let _server = pod.server();
    pod.stub_path("status");
    // What the tests themselves were started with is ignored at both ends.
    for trap in ["", "trap '' HUP INT PIPE USR2; "] {
        let outcome = pod.shell(&format!("{trap}exec status")).run();
        let local = pod.shell(&format!("{trap}exec cat /proc/self/status")).run();
        assert_eq!(signal_sets(outcome), (0, signal_sets(local).1), "{trap}");
    }
}

by_each_transport!(what_the_server_ignores_is_no_concern_of_the_command);
fn what_the_server_ignores_is_no_concern_of_the_command(transport: Transport) {
    let pod = transport.pod("status cat /proc/self/status");
    let mut command = pod.command("sh");
    command.args(["-c", "trap '' HUP USR1 PIPE CHLD; exec \"$0\" -n box -l -e ../stubs"]);
    command.arg(pod.path("bin/k8pshd"));
    let _server = pod.start(command);
    let (blocked, ignored) = signal_sets(pod.stub("status").run());
    assert_eq!((blocked, ignored & (1 | 1 << 9 | 1 << 12 | 1 << 16)), (0, 0));
}

#[test]
fn by_the_relay_a_command_has_its_three_streams_and_no_other_descriptor() {
    let pod = Transport::Relay.pod("descriptors ls /proc/self/fd");
    let _server = pod.server();
    assert_eq!(pod.stub("descriptors").run().succeeds(), "0\n1\n2\n3\n", "3 is the directory that ls reads");
}

by_each_transport!(a_command_has_a_process_group_of_its_own_in_which_its_children_are);
fn a_command_has_a_process_group_of_its_own_in_which_its_children_are(transport: Transport) {
    let pod = transport.pod("group sh -c 'echo $$; read line'");
    let server = pod.server();
    let mut stub = pod.stub("group").stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).live();
    let line = crate::support::read_line(stub.stdout.as_mut().expect("stdout"));
    let command = crate::support::Process(line.trim().parse().expect("a process number"));
    assert_eq!(command.group(), Some(command.0));
    assert_ne!(server.process().group(), Some(command.0));
    drop(stub.stdin.take());
    stub.end();
}

by_each_transport!(without_a_server_the_stub_says_so_after_its_time);
fn without_a_server_the_stub_says_so_after_its_time(transport: Transport) {
    let pod =
        transport.custom_pod(|pod| format!("baseDirectory=work\nconnectTimeoutMs=300\n[box:{}]\ntrue", pod.port()));
    pod.link_stub("true");
    let outcome = pod.stub("true").run();
    outcome.fails(125, "true", &[&pod.port().to_string()]);
    assert!(outcome.took > Duration::from_millis(250), "{:?}", outcome.took);
    assert!(outcome.took < Duration::from_secs(5), "{:?}", outcome.took);
}

by_each_transport!(a_client_waits_for_a_server_that_starts_later);
fn a_client_waits_for_a_server_that_starts_later(transport: Transport) {
    let pod = transport.pod("true\nleave sh -c 'exit 5'");
    pod.link_stub("leave");
    let mut stub = pod.stub("leave").live();
    // It runs, and has read its configuration.
    until_true("the stub waits", || stub.process().name() == "leave");
    std::thread::sleep(Duration::from_millis(50));
    assert!(stub.is_running() && !is_listening(pod.port()));
    let _server = pod.server_with(&["--overwrite-client-executables"]);
    assert_eq!(stub.end().code(), Some(5));
}

by_each_transport!(without_a_configuration_the_stub_says_which_file_is_missing);
fn without_a_configuration_the_stub_says_which_file_is_missing(transport: Transport) {
    let pod = transport.pod("true");
    pod.link_stub("true");
    pod.stub("true").env("K8PSH_CONFIG", "/nowhere/k8psh.conf").run().fails(125, "true", &["/nowhere/k8psh.conf"]);
    pod.stub("true").env_remove("K8PSH_CONFIG").run().fails(125, "true", &["k8psh.conf"]);
    let _server = pod.server_with(&["--overwrite-client-executables"]);
    let text = fs::read_to_string(pod.config()).expect("the configuration").replace("= work", "= .");
    fs::write(pod.work().join("k8psh.conf"), text).expect("the configuration");
    assert_eq!(pod.stub("true").env_remove("K8PSH_CONFIG").run().succeeds(), "");
}

by_each_transport!(sixteen_at_a_time_do_not_get_in_each_others_way);
fn sixteen_at_a_time_do_not_get_in_each_others_way(transport: Transport) {
    let pod = transport.pod("echo");
    let _server = pod.server();
    pod.stub_path("echo");
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let pod = &pod;
            scope.spawn(move || {
                for round in 0..10 {
                    let word = format!("{thread}.{round}");
                    assert_eq!(pod.stub("echo").arg(&word).run().succeeds(), format!("{word}\n"));
                }
            });
        }
    });
}
