//! Kinds of files from which, or to which, nothing can be moved: a test for each. What flows is the same.

use super::*;
use crate::support::denied::with_denied;
use crate::support::terminal::Terminal;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// A Pod with `cat` that runs by the relay.
fn pod_with_cat() -> Pod {
    Transport::Relay.pod("cat")
}

/// Has the bytes copied by `cat` behind this stdin and stdout.
#[track_caller]
fn copy(pod: &Pod, input: impl Into<Stdio>, output: impl Into<Stdio>) {
    let mut stub = pod.stub("cat").stdin(input).stdout(output).live();
    assert_eq!(stub.end().code(), Some(0));
}

/// A file with these bytes.
fn file(pod: &Pod, bytes: &[u8]) -> File {
    fs::write(pod.path("input"), bytes).expect("a file");
    File::open(pod.path("input")).expect("the file")
}

#[test]
fn a_file_that_is_only_appended_to() {
    let pod = pod_with_cat();
    let _server = pod.server();
    let bytes = random(20, MANY);
    let input = file(&pod, &bytes);
    fs::write(pod.path("output"), "before\n").expect("a file");
    let output = File::options().append(true).open(pod.path("output")).expect("the file");
    copy(&pod, input, output);
    let found = fs::read(pod.path("output")).expect("the output");
    assert_eq!(&found[..7], b"before\n");
    assert_same(&found[7..], &bytes);
}

#[test]
fn files_of_another_file_system() {
    let pod = pod_with_cat();
    let _server = pod.server();
    let bytes = random(21, MANY);
    let name = |end: &str| format!("/dev/shm/k8psh-test-{}-{end}", pod.port());
    fs::write(name("input"), &bytes).expect("a file in memory");
    let output = File::create(name("output")).expect("a file in memory");
    let input = File::open(name("input")).expect("the file");
    let mut found = File::open(name("output")).expect("the output");
    for path in ["input", "output"].map(name) {
        fs::hard_link(&path, pod.path("same")).expect_err("another file system");
        fs::remove_file(path).expect("the file");
    }
    copy(&pod, input, output);
    assert_same(&read_all(&mut found), &bytes);
}

#[test]
fn files_of_the_kernel_that_have_no_size() {
    let pod = Transport::Relay.pod("cksum");
    let _server = pod.server();
    let input = || File::open("/proc/kallsyms").expect("a file of the kernel's");
    let near = pod.command("cksum").stdin(input()).output().expect("cksum runs");
    let far = pod.stub("cksum").stdin(input()).output().expect("the stub runs");
    assert_same(&far.stdout, &near.stdout);
}

#[test]
fn a_socket_on_both_sides() {
    let pod = pod_with_cat();
    let _server = pod.server();
    let bytes = random(22, MANY);
    let ((input, to_stub), (from_stub, output)) =
        (UnixStream::pair().expect("a pair"), UnixStream::pair().expect("a pair"));
    let writer = write_all(to_stub, &bytes);
    let reader = thread::spawn(move || read_all(from_stub));
    let mut stub = pod.stub("cat").stdin(OwnedFd::from(input)).stdout(OwnedFd::from(output)).live();
    writer.join().expect("the writer");
    assert_same(&reader.join().expect("the reader"), &bytes);
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_terminal_for_stdout() {
    let pod = Transport::Relay.pod("cat");
    let _server = pod.server();
    let terminal = Terminal::new();
    let bytes = b"a line of some length that is shown\n".repeat(10_000);
    let input = file(&pod, &bytes);
    let mut stub = pod.stub("cat").stdin(input).stdout(terminal.stream()).live();
    terminal.wait_true("all is shown", || terminal.bytes().len() >= bytes.len() + 10_000);
    assert_eq!(terminal.end(&mut stub).code(), Some(0));
    let shown: Vec<u8> = terminal.bytes().into_iter().filter(|byte| *byte != b'\r').collect();
    assert_same(&shown, &bytes);
}

#[test]
fn a_device_that_is_full() {
    let pod = pod_with_cat();
    let _server = pod.server();
    let output = File::options().write(true).open("/dev/full").expect("the device");
    let input = file(&pod, &random(23, MANY));
    let mut stub = pod.stub("cat").stdin(input).stdout(output).stderr(Stdio::piped()).live();
    let errors = read_all(stub.stderr.take().expect("stderr"));
    assert_eq!(stub.end().code(), Some(125));
    assert_eq!(String::from_utf8_lossy(&errors), "cat: stdout: No space left on device\n");
}

#[test]
fn a_disk_that_becomes_full() {
    if lacks_root() {
        return;
    }
    let pod = pod_with_cat();
    let _server = pod.server();
    pod.stub_path("cat");
    drop(file(&pod, &random(24, MANY)));
    fs::create_dir(pod.path("small")).expect("a directory");
    let script = format!(
        "mount -t tmpfs -o size=1m none {0} && cat <{1} >{0}/output; code=$?; umount {0}; exit $code",
        pod.path("small").display(),
        pod.path("input").display()
    );
    let mut shell = pod.shell(&format!("exec unshare -m sh -c '{script}'"));
    shell.run().fails(125, "cat", &["stdout: No space left on device"]);
}

#[test]
fn an_encrypted_connection() {
    let pod = Pod::by(Transport::Relay, |pod| {
        fs::write(pod.path("token"), "correct horse battery staple\n").expect("the token");
        let section = pod.section(&format!("=PATH= --token-file={}", pod.path("token").display()));
        format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\ncat\n")
    });
    let _server = pod.server();
    let bytes = random(25, MANY);
    let outcome = pod.stub("cat").run_with(&bytes);
    assert_same(&outcome.stdout, &bytes);
    assert_eq!((outcome.code(), outcome.err().as_str()), (Some(0), ""));
}

#[test]
fn pipes_that_cannot_be_opened_once_more() {
    if lacks_root() {
        return;
    }
    let pod = pod_with_cat();
    let _server = pod.server();
    pod.stub_path("cat");
    drop(file(&pod, &random(26, MANY)));
    // Without /proc there is no name by which to do that.
    let input = pod.path("input").display().to_string();
    let script = format!("mount -t tmpfs none /proc && head -c {MANY} {input} | cat | cksum");
    let far = pod.shell(&format!("exec unshare -m sh -c '{script}'")).run();
    let near = pod.shell(&format!("cksum <{}", pod.path("input").display())).run();
    assert_eq!(far.succeeds(), near.succeeds());
}

#[test]
fn pipes_of_the_caller_keep_their_flags() {
    if lacks_nowait() {
        return;
    }
    let pod = pod_with_cat();
    let _server = pod.server();
    let ((input, to_stub), (mut from_stub, output)) = (large_pipe(), large_pipe());
    let ours = [OwnedFd::from(input.try_clone().expect("a copy")), OwnedFd::from(output.try_clone().expect("a copy"))];
    let bytes = random(27, MANY);
    let mut stub = pod.stub("cat").stdin(input).stdout(output).live();
    let writer = write_all(to_stub.try_clone().expect("a copy"), &bytes);
    let mut got = vec![0; MANY];
    from_stub.read_exact(&mut got).expect("all of it");
    assert_same(&got, &bytes);
    for end in &ours {
        let flags = OFlag::from_bits_truncate(fcntl(end.as_fd(), FcntlArg::F_GETFL).expect("the flags"));
        assert!(!flags.contains(OFlag::O_NONBLOCK), "{flags:?}");
        assert_eq!(
            fcntl(end.as_fd(), FcntlArg::F_GETPIPE_SZ).expect("its size"),
            1 << 20,
            "it does not become smaller"
        );
    }
    // Who reads without waiting still can: splice(2) takes that away from an open file.
    assert_eq!(read_without_waiting(&ours[0]), Err(Errno::AGAIN));
    writer.join().expect("the writer");
    drop(to_stub);
    assert_eq!(stub.end().code(), Some(0));
}

#[test]
fn a_kernel_that_does_not_move_anything() {
    let bytes = random(28, MANY);
    for errno in [nix::errno::Errno::EINVAL, nix::errno::Errno::ENOSYS, nix::errno::Errno::EPERM] {
        let pod = pod_with_cat();
        let _server = with_denied(&[nix::libc::SYS_splice], errno, || pod.server());
        let outcome = with_denied(&[nix::libc::SYS_splice], errno, || pod.stub("cat").run_with(&bytes));
        assert_same(&outcome.stdout, &bytes);
        assert_eq!((outcome.code(), outcome.err().as_str()), (Some(0), ""), "{errno}");
    }
}
