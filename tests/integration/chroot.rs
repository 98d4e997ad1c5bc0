//! An empty root directory in which nothing but the binary and its configuration exists: no /proc, no /dev, no shell.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{PROGRAM, Pod, Run, copy_program, lacks_programs, lacks_root};

/// The new root, or nothing where it cannot be entered.
fn root(pod: &Pod) -> Option<PathBuf> {
    if lacks_root() || lacks_programs(&["chroot"]) {
        return None;
    }
    let root = pod.path("root");
    fs::create_dir_all(root.join("stubs")).expect("a directory");
    copy_program(PROGRAM, root.join("k8psh"));
    fs::hard_link(root.join("k8psh"), root.join("k8pshd")).expect("a hard link");
    fs::write(root.join("k8psh.conf"), fs::read(pod.config()).expect("the configuration")).expect("a file");
    Some(root)
}

fn pod() -> Pod {
    Pod::custom(|pod| {
        format!("{}\nversion /k8psh --version\nserver =PATH=/ k8pshd --version\nmissing /bin/sh\nlost", pod.section(""))
    })
}

fn within(pod: &Pod, root: &PathBuf, program: &str) -> Command {
    let mut command = pod.command("chroot");
    command.arg(root).arg(program).env("K8PSH_CONFIG", "/k8psh.conf");
    command
}

#[test]
fn an_empty_root_is_enough_for_server_and_client() {
    let pod = pod();
    let Some(root) = root(&pod) else { return };
    let mut command = within(&pod, &root, "/k8pshd");
    command.args(["-n", "box", "-l", "-e", "/stubs"]);
    let server = pod.start(command);
    let mut stubs: Vec<_> =
        fs::read_dir(root.join("stubs")).expect("the stubs").map(|stub| stub.expect("a stub")).collect();
    stubs.sort_by_key(std::fs::DirEntry::file_name);
    assert_eq!(stubs.len(), 4);
    for stub in &stubs {
        let target = fs::read_link(stub.path()).expect("a symlink");
        assert!(["/k8psh", "/k8pshd"].contains(&target.to_str().unwrap_or_default()), "{target:?}");
    }
    let version = concat!(" ", env!("CARGO_PKG_VERSION"), "\n");
    let run = |name: &str| within(&pod, &root, &format!("/stubs/{name}")).run();
    assert_eq!(run("version").succeeds(), format!("k8psh{version}"));
    assert_eq!(run("server").succeeds(), format!("k8pshd{version}"));
    run("missing").fails(127, "missing", &["/bin/sh"]);
    run("lost").fails(127, "lost", &["lost"]);
    let outcome = within(&pod, &root, "/k8psh").arg("version").run();
    assert_eq!(outcome.succeeds(), format!("k8psh{version}"));
    // A client outside of it, too: the two share a directory.
    let outcome = pod.k8psh().env("K8PSH_CONFIG", root.join("k8psh.conf")).current_dir(&root).arg("version").run();
    assert_eq!(outcome.succeeds(), format!("k8psh{version}"));
    drop(server);
    assert_eq!(fs::read_dir(root.join("stubs")).expect("the stubs").count(), 0);
}

#[test]
fn it_installs_itself_without_proc() {
    let pod = pod();
    let Some(root) = root(&pod) else { return };
    assert_eq!(within(&pod, &root, "/k8psh").args(["--install", "/copy"]).run().succeeds(), "");
    assert!(fs::read(root.join("copy")).expect("the copy") == fs::read(PROGRAM).expect("it"), "not the same program");
    fs::create_dir(root.join("both")).expect("a directory");
    assert_eq!(within(&pod, &root, "/k8psh").args(["--install", "/both"]).run().succeeds(), "");
    assert_eq!(fs::read_dir(root.join("both")).expect("both").count(), 2);
}

#[test]
fn the_background_needs_nothing_either() {
    let pod = pod();
    let Some(root) = root(&pod) else { return };
    let mut command = within(&pod, &root, "/k8pshd");
    command.args(["-n", "box", "-l", "-e", "/stubs", "-b", "-p", "/pid"]);
    let outcome = command.run();
    let number = fs::read_to_string(root.join("pid")).ok().and_then(|text| text.trim().parse().ok());
    assert_eq!(outcome.succeeds(), "");
    let daemon = crate::support::Process(number.expect("a PID file"));
    let outcome = within(&pod, &root, "/stubs/version").run();
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    crate::support::until_true("the server ends", || daemon.is_gone());
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
}

#[test]
fn the_binary_is_static_and_needs_no_interpreter() {
    let bytes = fs::read(PROGRAM).expect("the program");
    assert_eq!(&bytes[..4], b"\x7fELF");
    let number = |at: usize, size: usize| {
        bytes[at..at + size].iter().rev().fold(0_usize, |value, &byte| value << 8 | usize::from(byte))
    };
    // The program headers of a 64-bit file: where they begin, how large one is, how many there are.
    let (start, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    let kinds: Vec<_> = (0..count).map(|index| number(start + index * size, 4)).collect();
    assert!(!kinds.contains(&3), "it asks for an interpreter");
    assert_eq!(number(16, 2), 3, "position independent");
}
