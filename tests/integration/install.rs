//! `--install`: this very program, somewhere else, at once and whole.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;

use crate::support::{
    PROGRAM, Pod, Run, copy_program, lacks_namespaces, lacks_programs, lacks_root, names_in, skip, skipped,
};

fn version(pod: &Pod, program: impl AsRef<Path>) -> String {
    let mut command = pod.command(program.as_ref());
    command.arg0("k8psh").arg("--version").run().succeeds()
}

/// A program of its own, in the Pod's file system.
fn copy(pod: &Pod) -> std::path::PathBuf {
    let path = pod.path("bin/own");
    copy_program(PROGRAM, &path);
    path
}

fn assert_same(one: impl AsRef<Path>, other: impl AsRef<Path>) {
    assert!(fs::read(one).expect("a file") == fs::read(other).expect("a file"), "not the same program");
}

#[test]
fn a_new_file_is_a_hard_link_where_that_is_possible() {
    let pod = Pod::new("true");
    let own = copy(&pod);
    fs::create_dir(pod.path("to")).expect("a directory");
    let to = pod.path("to/program");
    for words in [vec!["--install".to_owned(), to.display().to_string()], vec![format!("--install={}", to.display())]] {
        assert_eq!(pod.command(&own).arg0("k8psh").args(words).run().succeeds(), "");
        let (from, made) = (fs::metadata(&own).expect("a file"), fs::symlink_metadata(&to).expect("a file"));
        assert_eq!((from.dev(), from.ino()), (made.dev(), made.ino()));
        assert_eq!(made.permissions().mode() & 0o7777, 0o755);
        assert_eq!(names_in(pod.path("to")), ["program"]);
        fs::remove_file(&to).expect("the file");
    }
}

#[test]
fn a_directory_gets_both_names() {
    let pod = Pod::new("true");
    let own = copy(&pod);
    let directory = pod.path("to");
    fs::create_dir(&directory).expect("a directory");
    symlink("to", pod.path("link")).expect("a symlink");
    for place in [directory.clone(), directory.join(""), pod.path("link")] {
        assert_eq!(pod.command(&own).arg0("k8psh").arg("--install").arg(&place).run().succeeds(), "");
        assert_eq!(names_in(&directory), ["k8psh", "k8pshd"]);
        let inodes = ["k8psh", "k8pshd"].map(|name| fs::symlink_metadata(directory.join(name)).expect("a file").ino());
        assert_eq!(inodes[0], inodes[1]);
    }
    assert_eq!(pod.command(directory.join("k8psh")).arg("-v").run().succeeds().split(' ').next(), Some("k8psh"));
    assert_eq!(pod.command(directory.join("k8pshd")).arg("-v").run().succeeds().split(' ').next(), Some("k8pshd"));
}

#[test]
fn a_running_copy_is_replaced_and_goes_on() {
    let pod = Pod::new("true");
    let directory = pod.path("to");
    fs::create_dir(&directory).expect("a directory");
    copy_program(PROGRAM, directory.join("k8pshd"));
    let before = fs::metadata(directory.join("k8pshd")).expect("a file").ino();
    let mut command = pod.command(directory.join("k8pshd"));
    command.args(["-n", "box", "-l", "-e"]).arg(pod.path("stubs"));
    let _server = pod.start(command);
    assert_eq!(pod.stub("true").run().succeeds(), "");
    for _ in 0..3 {
        assert_eq!(pod.k8psh().arg("--install").arg(&directory).run().succeeds(), "");
        assert_same(directory.join("k8pshd"), PROGRAM);
        assert_eq!(pod.stub("true").run().succeeds(), "");
    }
    assert_ne!(fs::metadata(directory.join("k8pshd")).expect("a file").ino(), before);
    assert_eq!(names_in(&directory), ["k8psh", "k8pshd"]);
    assert_eq!(version(&pod, directory.join("k8psh")), version(&pod, PROGRAM));
}

#[test]
fn a_program_can_be_installed_onto_itself() {
    let pod = Pod::new("true");
    let own = copy(&pod);
    assert_eq!(pod.command(&own).arg0("k8psh").arg("--install").arg(&own).run().succeeds(), "");
    assert_same(&own, PROGRAM);
    assert_eq!(names_in(pod.path("bin")), ["k8psh", "k8pshd", "own"]);
}

#[test]
fn a_symlink_in_the_way_is_replaced_and_what_it_leads_to_is_left_alone() {
    let pod = Pod::new("true");
    fs::write(pod.path("precious"), "precious").expect("a file");
    symlink("precious", pod.path("program")).expect("a symlink");
    assert_eq!(pod.k8psh().arg("--install").arg(pod.path("program")).run().succeeds(), "");
    assert_eq!(fs::read_to_string(pod.path("precious")).expect("the file"), "precious");
    assert_same(pod.path("program"), PROGRAM);
    // One that leads nowhere, likewise.
    symlink("nowhere", pod.path("dangling")).expect("a symlink");
    assert_eq!(pod.k8psh().arg("--install").arg(pod.path("dangling")).run().succeeds(), "");
    assert_same(pod.path("dangling"), PROGRAM);
}

#[test]
fn across_file_systems_it_is_a_copy() {
    let pod = Pod::new("true");
    let own = copy(&pod);
    let other = temp_dir_on("/dev/shm", &pod);
    let Some(other) = other else { return };
    let outcome = pod
        .shell(&format!("umask 077; exec \"$0\" --install '{}'", other.join("k8psh").display()))
        .arg(pod.path("bin/k8psh"))
        .run();
    let made = fs::metadata(other.join("k8psh")).map(|made| made.permissions().mode() & 0o7777);
    let same = fs::read(other.join("k8psh")).ok() == fs::read(PROGRAM).ok();
    let found = names_in(&other);
    let onto_shm = pod.command(&own).arg0("k8psh").arg("--install").arg(&other).run();
    let both = names_in(&other);
    fs::remove_dir_all(&other).expect("the directory");
    assert_eq!(outcome.succeeds(), "");
    assert_eq!(made.ok(), Some(0o755), "whatever the umask");
    assert!(same, "not the same program");
    assert_eq!(found, ["k8psh"]);
    assert_eq!(onto_shm.succeeds(), "");
    assert_eq!(both, ["k8psh", "k8pshd"]);
}

/// A directory on another file system than the Pod's, if that is one.
fn temp_dir_on(place: &str, pod: &Pod) -> Option<std::path::PathBuf> {
    let there = fs::metadata(place).map(|place| place.dev()).ok();
    let program = fs::metadata(PROGRAM).expect("the program").dev();
    if there.is_none() || there == Some(program) {
        skipped(&format!("{place} is no file system of its own"));
        return None;
    }
    let directory = Path::new(place).join(format!("k8psh-test-{}", pod.id));
    fs::create_dir(&directory).ok()?;
    Some(directory)
}

#[test]
fn it_works_through_a_symlink_and_after_the_file_was_deleted() {
    let pod = Pod::new("true");
    let own = copy(&pod);
    symlink(&own, pod.path("work/k8psh")).expect("a symlink");
    assert_eq!(pod.command(pod.path("work/k8psh")).arg("--install").arg(pod.path("one")).run().succeeds(), "");
    assert_same(pod.path("one"), PROGRAM);
    assert!(!fs::symlink_metadata(pod.path("one")).expect("a file").is_symlink());

    // The file is executed through a descriptor that outlives its name.
    let file = fs::File::open(&own).expect("the program");
    fs::remove_file(&own).expect("the file");
    fs::remove_file(pod.path("one")).expect("the other name");
    let program = format!("/proc/self/fd/{}", file.as_raw_fd());
    let outcome = pod.command(&program).arg0("k8psh").arg("--install").arg(pod.path("two")).run();
    assert_eq!(outcome.succeeds(), "");
    assert_same(pod.path("two"), PROGRAM);
    assert_eq!(fs::metadata(pod.path("two")).expect("a file").permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_place_that_cannot_be_written_is_named_and_nothing_is_left() {
    let pod = Pod::new("true");
    let install = |place: &Path| pod.k8psh().arg("--install").arg(place).run();
    let missing = pod.path("no/such/place");
    install(&missing).fails(1, "k8psh", &[&missing.display().to_string(), "make the directory, or mount a volume"]);
    install(Path::new("/proc/k8psh")).fails(1, "k8psh", &["/proc/k8psh"]);
    let below = pod.config().join("x");
    install(&below).fails(1, "k8psh", &[&below.display().to_string()]);
    install(Path::new("")).fails(1, "k8psh", &[]);
    install(&pod.path(&*"x".repeat(300))).fails(1, "k8psh", &[]);
    // A directory where the file should be.
    fs::create_dir_all(pod.path("to/k8psh/full")).expect("a directory");
    assert_eq!(install(&pod.path("to")).code(), Some(1));
    assert_eq!(
        names_in(pod.path("to")).iter().filter(|name| name.as_str() != "k8pshd").count(),
        1,
        "nothing beside it"
    );
}

#[test]
fn a_read_only_file_system_is_told_with_what_to_do() {
    if lacks_namespaces() || lacks_programs(&["mount"]) {
        return;
    }
    let pod = Pod::new("true");
    fs::create_dir(pod.path("closed")).expect("a directory");
    let script = "mount -t tmpfs -o ro none \"$1\" || exit 77; exec \"$0\" --install \"$1\"";
    let mut command = pod.command("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(pod.path("bin/k8psh")).arg(pod.path("closed"));
    let outcome = command.run();
    if outcome.code() == Some(77) {
        skip!("no tmpfs can be mounted");
    }
    outcome.fails(1, "k8psh", &["Read-only file system; give --install a writable volume"]);
}

#[test]
fn a_full_file_system_leaves_the_old_program_in_place() {
    if lacks_namespaces() || lacks_programs(&["mount"]) {
        return;
    }
    let pod = Pod::new("true");
    let small = pod.path("small");
    fs::create_dir(&small).expect("a directory");
    let script = "mount -t tmpfs -o size=8k none \"$1\" || exit 77; echo old >\"$1/k8psh\"
        \"$0\" --install \"$1/k8psh\"; echo $?; cat \"$1/k8psh\"; ls -A \"$1\"";
    let mut command = pod.command("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(pod.path("bin/k8psh")).arg(&small);
    let outcome = command.run();
    if outcome.code() == Some(77) {
        skip!("no tmpfs can be mounted");
    }
    assert_eq!(outcome.out(), "1\nold\nk8psh\n", "{outcome:?}");
    assert!(outcome.err().starts_with("k8psh: ") && outcome.err().lines().count() == 1, "{outcome:?}");
}

#[test]
fn containers_that_share_a_volume_do_not_meet_in_it() {
    if lacks_namespaces() {
        return;
    }
    let pod = Pod::new("true");
    let to = pod.path("to");
    fs::create_dir(&to).expect("a directory");
    // Each of them is process 1: this is what another one is about to put into place.
    fs::write(to.join(".k8psh-1"), "half a program").expect("a file");
    let as_process_1 = |program: &str| {
        let mut command = pod.command("unshare");
        command.args(["--pid", "--fork", "--kill-child"]).arg(pod.path(program));
        command
    };
    assert_eq!(as_process_1("bin/k8psh").arg("--install").arg(&to).run().succeeds(), "");
    assert_eq!(names_in(&to), [".k8psh-1", "k8psh", "k8pshd"]);
    assert_eq!(fs::read_to_string(to.join(".k8psh-1")).expect("the other's file"), "half a program");
    // Stubs that are replaced, likewise.
    fs::write(to.join("true"), "no stub").expect("a file");
    let outcome = as_process_1("bin/k8pshd").args(["-n", "client", "-o", "-e"]).arg(&to).run();
    assert_eq!(outcome.succeeds(), "");
    assert_eq!(names_in(&to), [".k8psh-1", "k8psh", "k8pshd", "true"]);
    assert!(fs::symlink_metadata(to.join("true")).expect("a stub").is_symlink());
}

#[test]
fn nobody_ever_sees_half_a_program() {
    let pod = Pod::new("true");
    let to = pod.path("program");
    assert_eq!(pod.k8psh().arg("--install").arg(&to).run().succeeds(), "");
    let expected = version(&pod, &to);
    std::thread::scope(|scope| {
        let installer = scope.spawn(|| {
            for _ in 0..50 {
                assert_eq!(pod.k8psh().arg("--install").arg(&to).run().succeeds(), "");
            }
        });
        while !installer.is_finished() {
            assert_eq!(version(&pod, &to), expected);
        }
    });
}

/// What stands at a path in the way of an installed program.
fn in_the_way(pod: &Pod) -> Vec<(std::path::PathBuf, &'static str)> {
    let (fifo, socket) = (pod.path("fifo"), pod.path("socket"));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
    vec![(fifo, "FIFO"), (socket, "socket")]
}

#[test]
fn nothing_but_a_file_or_a_symlink_is_replaced() {
    let pod = Pod::new("true");
    for (path, what) in in_the_way(&pod) {
        let kind = fs::symlink_metadata(&path).expect("it").file_type();
        let about = [&*path.display().to_string(), &format!("it is a {what}, which --install leaves alone")];
        pod.k8psh().arg("--install").arg(&path).run().fails(1, "k8psh", &about);
        assert_eq!(fs::symlink_metadata(&path).expect("it").file_type(), kind);
        // Behind a symlink it is not touched.
        let link = pod.path("link");
        symlink(&path, &link).expect("a symlink");
        assert_eq!(pod.k8psh().arg("--install").arg(&link).run().succeeds(), "");
        assert_eq!(fs::symlink_metadata(&path).expect("it").file_type(), kind);
        fs::remove_file(&link).expect("the program");
    }
}

#[test]
fn a_device_is_not_replaced() {
    if lacks_root() {
        return;
    }
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    let pod = Pod::new("true");
    let path = pod.path("null");
    if mknod(&path, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)).is_err() {
        skip!("no device can be made here");
    }
    pod.k8psh().arg("--install").arg(&path).run().fails(1, "k8psh", &[&path.display().to_string(), "it is a device"]);
    assert!(!fs::symlink_metadata(&path).expect("it").is_file());
}

#[test]
fn the_name_in_a_directory_that_cannot_be_replaced_is_named() {
    let pod = Pod::new("true");
    for name in ["k8psh", "k8pshd"] {
        let directory = pod.path(format!("to-{name}"));
        fs::create_dir_all(directory.join(name)).expect("a directory");
        let about = format!("cannot install {}: it is a directory", directory.join(name).display());
        pod.k8psh().arg("--install").arg(&directory).run().fails(1, "k8psh", &[&about]);
    }
}
