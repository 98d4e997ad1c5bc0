//! The stubs that a server makes: which, where, over what, and how long they stay.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use crate::support::{
    Outcome, PROGRAM, Pod, Run, copy_program, lacks_namespaces, lacks_programs, lacks_users, names_in, skipped,
};
use nix::sys::signal::Signal;

/// Two sections: `box`, whose server runs, and another with the other commands.
fn two_sections() -> Pod {
    Pod::custom(|pod| format!("baseDirectory=work\n[far:1]\nfar1\nfar2\n{}\nnear true\n", pod.section("")))
}

fn names(pod: &Pod) -> Vec<String> {
    names_in(pod.path("stubs"))
}

/// Runs a server that has no section, with these options.
fn without_section(pod: &Pod, words: &[&str]) -> Outcome {
    pod.k8pshd().args(["-n", "nobody", "-e"]).arg(pod.path("stubs")).args(words).run()
}

fn target(pod: &Pod, name: &str) -> PathBuf {
    fs::read_link(pod.path("stubs").join(name)).expect("a symlink")
}

#[test]
fn a_server_without_a_section_makes_all_stubs_keeps_them_and_exits() {
    let pod = two_sections();
    without_section(&pod, &[]).has_no_section("nobody", 3);
    assert_eq!(names(&pod), ["far1", "far2", "near"]);
    let program = fs::canonicalize(PROGRAM).expect("the program");
    for name in ["far1", "far2", "near"] {
        assert_eq!(fs::canonicalize(target(&pod, name)).expect("the target"), program);
        assert!(target(&pod, name).is_absolute());
    }
}

#[test]
fn a_section_without_commands_is_no_server_either() {
    let pod = Pod::custom(|pod| format!("[empty:{}]\n[far:1]\nfar\n", pod.port()));
    let outcome = pod.k8pshd().args(["-n", "empty", "-e"]).arg(pod.path("stubs")).run();
    assert_eq!(outcome.succeeds(), "");
    assert_eq!(names(&pod), ["far"]);
}

#[test]
fn a_server_makes_stubs_of_the_others_and_of_its_own_on_demand() {
    let pod = two_sections();
    for (option, expected) in [(None, &["far1", "far2"][..]), (Some("-l"), &["far1", "far2", "near"])] {
        let mut command = pod.k8pshd();
        command.args(["-n", "box", "-e"]).arg(pod.path("stubs")).args(option);
        let server = pod.start(command);
        crate::support::until_true("the stubs are there", || names(&pod) == expected);
        drop(server);
        assert_eq!(names(&pod), [""; 0], "removed on exit");
    }
}

#[test]
fn the_working_directory_is_where_stubs_go_without_an_option() {
    let pod = two_sections();
    pod.k8pshd().args(["-n", "nobody"]).current_dir(pod.path("stubs")).run().has_no_section("nobody", 3);
    assert_eq!(names(&pod), ["far1", "far2", "near"]);
    // Relative to it, too.
    pod.k8pshd().args(["-n", "nobody", "-o", "-e", "../stubs"]).run().has_no_section("nobody", 3);
    assert_eq!(pod.path("work").read_dir().expect("work").count(), 0);
}

#[test]
fn stubs_lead_to_the_running_program_wherever_it_is() {
    let pod = two_sections();
    copy_program(PROGRAM, pod.path("bin/own"));
    fs::remove_file(pod.path("bin/k8pshd")).expect("the symlink");
    fs::hard_link(pod.path("bin/own"), pod.path("bin/k8pshd")).expect("a hard link");
    without_section(&pod, &[]).has_no_section("nobody", 3);
    assert_eq!(target(&pod, "near"), pod.path("bin/k8pshd"));
}

#[test]
fn stubs_are_kept_where_that_is_asked_for() {
    for option in ["-k", "--keep-client-executables"] {
        let pod = Pod::new("one true\ntwo true");
        let server = pod.server_with(&[option]);
        assert_eq!(pod.stub("two").run().succeeds(), "");
        drop(server);
        assert_eq!(names(&pod), ["one", "two"]);
    }
}

#[test]
fn a_file_in_the_way_is_an_error_and_what_was_made_is_removed() {
    let pod = two_sections();
    let file = pod.path("stubs/far2");
    fs::write(&file, "precious").expect("a file");
    without_section(&pod, &[]).fails(1, "k8pshd", &[&file.display().to_string()]);
    assert_eq!(names(&pod), ["far2"]);
    let outcome = pod.k8pshd().args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs")).run();
    outcome.fails(1, "k8pshd", &[&file.display().to_string()]);
    assert_eq!(names(&pod), ["far2"]);
    assert_eq!(fs::read_to_string(&file).expect("the file"), "precious");
    fs::remove_file(&file).expect("the file");
    symlink("/nowhere", &file).expect("a symlink");
    without_section(&pod, &[]).fails(1, "k8pshd", &[&file.display().to_string()]);
    assert_eq!((names(&pod), target(&pod, "far2")), (vec!["far2".to_owned()], PathBuf::from("/nowhere")));
}

#[test]
fn a_directory_that_takes_no_stubs_is_told_with_what_to_do() {
    let pod = two_sections();
    let missing = pod.k8pshd().args(["-n", "nobody", "-e", "nowhere"]).run();
    missing.fails(1, "k8pshd", &["nowhere: No such file or directory; make the directory, or mount a volume"]);
    let advice = "give --executable-directory a writable volume";
    if lacks_namespaces() || lacks_programs(&["mount"]) {
        return;
    }
    let script = "mount -t tmpfs -o ro none \"$1\" || exit 77; exec \"$0\" -n nobody -e \"$1\"";
    let mut command = pod.command("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(pod.path("bin/k8pshd")).arg(pod.path("stubs"));
    command.env("K8PSH_CONFIG", pod.config());
    let read_only = command.run();
    if read_only.code() == Some(77) {
        skipped("no tmpfs can be mounted");
    } else {
        read_only.fails(1, "k8pshd", &["Read-only file system", advice]);
    }
    if lacks_users() {
        return;
    }
    // What is another user's stays so in a directory that everybody may write, such as /tmp.
    fs::set_permissions(pod.path("stubs"), fs::Permissions::from_mode(0o1777)).expect("a directory");
    symlink("/nowhere", pod.path("stubs/far1")).expect("a symlink");
    let sticky = pod.k8pshd().args(["-n", "nobody", "-o", "-e"]).arg(pod.path("stubs")).uid(65532).gid(65532).run();
    sticky.fails(1, "k8pshd", &["Operation not permitted", advice]);
    assert_eq!(names(&pod), ["far1"]);
}

#[test]
fn a_file_in_the_way_is_replaced_where_that_is_asked_for() {
    for option in ["-o", "--overwrite-client-executables"] {
        let pod = two_sections();
        fs::write(pod.path("stubs/far1"), "old").expect("a file");
        symlink(pod.config(), pod.path("stubs/far2")).expect("a symlink");
        symlink("/nowhere", pod.path("stubs/near")).expect("a symlink");
        without_section(&pod, &[option]).has_no_section("nobody", 3);
        for name in ["far1", "far2", "near"] {
            assert_eq!(target(&pod, name).file_name(), fs::canonicalize(PROGRAM).expect("it").file_name(), "{name}");
        }
        assert_eq!(names(&pod), ["far1", "far2", "near"]);
        assert!(fs::read_to_string(pod.config()).expect("the configuration").starts_with("baseDirectory"));
        // Again, over its own.
        without_section(&pod, &[option]).has_no_section("nobody", 3);
    }
}

#[test]
fn a_directory_in_the_way_is_an_error_and_stays() {
    let pod = two_sections();
    fs::create_dir(pod.path("stubs/far2")).expect("a directory");
    fs::write(pod.path("stubs/far2/file"), "").expect("a file");
    for options in [&[][..], &["-o"]] {
        without_section(&pod, options).fails(1, "k8pshd", &["far2"]);
        assert_eq!(names(&pod), ["far2"]);
        assert!(pod.path("stubs/far2/file").exists());
    }
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let pod = two_sections();
    let place = pod.path("no/such/place");
    let outcome = pod.k8pshd().args(["-n", "nobody", "-e"]).arg(&place).run();
    outcome.fails(1, "k8pshd", &[&place.display().to_string()]);
    let outcome = pod.k8pshd().args(["-n", "box", "-e"]).arg(pod.config()).run();
    outcome.fails(1, "k8pshd", &[&pod.config().display().to_string()]);
    assert!(!crate::support::is_listening(pod.port()));
}

#[test]
fn disabled_stubs_are_removed_and_nothing_else_is() {
    for option in ["-d", "--disable-client-executables"] {
        let pod = Pod::custom(|pod| {
            format!("[far:1]\nmine\nfile\nother\ndangling\ndirectory\nmissing\n{}\nnear true\n", pod.section(""))
        });
        let stubs = pod.path("stubs");
        symlink(PROGRAM, stubs.join("mine")).expect("a symlink");
        symlink(PROGRAM, stubs.join("unlisted")).expect("a symlink");
        fs::write(stubs.join("file"), "precious").expect("a file");
        symlink("/bin/sh", stubs.join("other")).expect("a symlink");
        symlink("/nowhere", stubs.join("dangling")).expect("a symlink");
        fs::create_dir(stubs.join("directory")).expect("a directory");
        let rest = ["dangling", "directory", "file", "other", "unlisted"];
        let mut command = pod.k8pshd();
        command.args(["-n", "box", "-e"]).arg(&stubs).arg(option);
        let server = pod.start(command);
        assert_eq!(names(&pod), rest);
        drop(server);
        assert_eq!(names(&pod), rest);
        // Without a section it has nothing else to do.
        symlink(PROGRAM, stubs.join("mine")).expect("a symlink");
        without_section(&pod, &[option]).has_no_section("nobody", 0);
        assert_eq!(names(&pod), rest);
    }
}

#[test]
fn only_stubs_of_this_server_are_removed_on_exit() {
    let pod = Pod::new("one true\ntwo true\nthree true");
    let mut server = pod.server();
    pod.stub_path("three");
    // Somebody else put something in the place of two of them.
    for name in ["one", "two"] {
        fs::remove_file(pod.path("stubs").join(name)).expect("the stub");
    }
    fs::write(pod.path("stubs/one"), "precious").expect("a file");
    symlink("/bin/sh", pod.path("stubs/two")).expect("a symlink");
    fs::write(pod.path("stubs/else"), "").expect("a file");
    server.signal(Signal::SIGTERM);
    assert!(server.end().success());
    assert_eq!(names(&pod), ["else", "one", "two"]);
}

#[test]
fn stubs_are_removed_from_the_directory_where_they_were_made() {
    let pod = Pod::new("one true");
    let mut command = pod.k8pshd();
    // Relative to the working directory of the start, which a daemon leaves.
    let pid_file = pod.path("pid");
    command.current_dir(pod.path("")).args(["-n", "box", "-l", "-b", "-e", "stubs", "-p", "pid"]);
    assert_eq!(command.run().succeeds(), "");
    assert_eq!(names(&pod), ["one"]);
    assert_eq!(pod.stub("one").run().succeeds(), "");
    let daemon =
        crate::support::Process(fs::read_to_string(&pid_file).expect("the PID file").trim().parse().expect("a number"));
    daemon.signal(Signal::SIGTERM);
    crate::support::until_true("the server ends", || daemon.is_gone());
    assert_eq!(names(&pod), [""; 0]);
    assert!(!pid_file.exists());
}

#[test]
fn a_stub_by_any_path_is_the_same_stub() {
    let pod = Pod::new("where echo");
    let _server = pod.server();
    pod.stub_path("where");
    symlink(pod.path("stubs/where"), pod.path("work/where")).expect("a symlink");
    fs::create_dir(pod.path("work/copy")).expect("a directory");
    copy_program(PROGRAM, pod.path("work/copy/where"));
    assert_eq!(pod.command("./where").arg("a").run().succeeds(), "a\n");
    assert_eq!(pod.command("copy/where").arg("b").run().succeeds(), "b\n");
    assert_eq!(pod.shell("where c").run().succeeds(), "c\n");
}
