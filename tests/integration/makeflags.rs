//! What build tools hand down by a path or by a number, with the tools themselves: make's jobserver and the mutex of
//! `make -O`, for make, Ninja, Cargo and gcc behind a stub.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{self, Outcome, Pod, Run, lacks_programs, skip, until_true};
use nix::fcntl::{FcntlArg, fcntl};

/// Notes how many jobs run now, itself included. `$1`: its name.
const JOB: &str = "#!/bin/sh\n\
    mkdir \"running/$1\" && ls running | wc -l >>counts\n\
    tries=0\n\
    until test \"$(ls running | wc -l)\" -ge \"${WANTED:-1}\" || test $((tries += 1)) -gt 100; do sleep 0.01; done\n\
    ls running | wc -l >>counts\n\
    rmdir \"running/$1\"\n";

const JOBS: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

/// A Pod with these commands, each of which gets make's variables, and with the program `job`.
fn pod(commands: &str) -> Pod {
    let variables = "MAKEFLAGS= MFLAGS= CARGO_MAKEFLAGS= MAKELEVEL= WANTED=";
    let pod = Pod::with_header(&format!("{variables} HOME= ?CARGO_HOME= ?RUSTUP_HOME= ?RUSTUP_TOOLCHAIN="), commands);
    support::write_program(pod.work().join("job"), JOB);
    write(&pod, "far.mk", &format!("all: {0}\n{0}:\n\t@./job $@\n", JOBS.join(" ")));
    let edges: String = JOBS.iter().map(|name| format!("build {name}: job\n")).collect();
    write(&pod, "build.ninja", &format!("rule job\n  command = ./job $out\n{edges}"));
    pod
}

fn write(pod: &Pod, name: &str, text: &str) {
    fs::write(pod.work().join(name), text).expect("a file");
}

/// Runs it by a transport, without what the tests themselves inherited from a make or a Cargo.
fn run(mut command: Command, pod: &Pod, transport: &str) -> Outcome {
    _ = fs::remove_dir_all(pod.work().join("running"));
    _ = fs::remove_file(pod.work().join("counts"));
    fs::create_dir(pod.work().join("running")).expect("a directory");
    for name in ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS", "MAKELEVEL", "GNUMAKEFLAGS"] {
        if command.get_envs().all(|(known, _)| known != name) {
            command.env_remove(name);
        }
    }
    command.env("K8PSH_TRANSPORT", transport).run()
}

/// How many of the jobs have run at once.
fn most_at_once(pod: &Pod) -> usize {
    let counts = fs::read_to_string(pod.work().join("counts")).expect("the jobs' counts");
    assert_eq!(counts.lines().count(), 2 * JOBS.len(), "{counts}");
    counts.lines().map(|count| count.trim().parse().expect("a count")).max().expect("a count")
}

/// The first two numbers of a tool's version.
fn version(tool: &str) -> [u32; 2] {
    let text = Command::new(tool).arg("--version").run().out();
    let digits = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let mut numbers = digits.split(|letter: char| !letter.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    [(); 2].map(|()| numbers.next().unwrap_or(0))
}

/// Whether a tool is there, of this version or newer; says that the test is skipped if not.
fn has_version(tool: &str, least: [u32; 2]) -> bool {
    if lacks_programs(&[tool]) {
        return false;
    }
    let found = version(tool);
    if found < least {
        skip::lacks_version(tool, least);
    }
    found >= least
}

/// The styles of jobserver that this make has; one below 4.4 has pipes alone, and no option to say so.
fn styles() -> &'static [&'static str] {
    if version("make") < [4, 4] {
        skip::lacks_version("make", [4, 4]);
        return &["--no-print-directory"];
    }
    &["--jobserver-style=fifo", "--jobserver-style=pipe"]
}

/// A FIFO as a make of version 4.4 has it, with two of three tokens in it: with the third it runs the stub.
struct Fifo {
    path: String,
    file: fs::File,
}

impl Fifo {
    fn new(pod: &Pod) -> Fifo {
        let path = pod.path("jobserver");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
        let mut file = fs::File::options().read(true).write(true).open(&path).expect("the FIFO");
        file.write_all(b"++").expect("two tokens");
        Fifo { path: path.display().to_string(), file }
    }

    fn flags(&self) -> String {
        format!(" -j3 --jobserver-auth=fifo:{}", self.path)
    }

    /// Both tokens are back.
    fn assert_full(mut self) {
        let mut tokens = [0; 2];
        self.file.read_exact(&mut tokens).expect("the tokens");
        assert_eq!(&tokens, b"++");
    }
}

/// A file as `make -O` makes it.
fn mutex(pod: &Pod) -> PathBuf {
    let path = pod.path("GmMutex");
    fs::write(&path, "").expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a mode");
    path
}

#[test]
fn a_mutex_is_named_by_its_descriptor_or_left_out() {
    let pod = pod("flags sh -c 'echo \"$MAKEFLAGS\"; file=${MAKEFLAGS#*fnm:}; stat -L -c %i \"${file%% *}\" 2>&1'");
    let _server = pod.server();
    let path = mutex(&pod);
    let flags = |transport: &str| {
        let mut stub = pod.stub("flags");
        stub.env("MAKEFLAGS", format!("k -Otarget --sync-mutex=fnm:{} -- A=1", path.display()));
        run(stub, &pod, transport).out()
    };
    let told = flags("direct");
    let (options, inode) = told.trim_end().split_once('\n').expect("two lines");
    let number = options.strip_prefix("k -Otarget --sync-mutex=fnm:/proc/self/fd/").expect("a descriptor");
    assert!(number.strip_suffix(" -- A=1").is_some_and(|number| number.parse::<u32>().is_ok()), "{told}");
    assert_eq!(inode, fs::metadata(&path).expect("the mutex").ino().to_string());
    assert!(flags("relay").starts_with("k -Otarget -- A=1\n"));
    if nix::unistd::geteuid().is_root() {
        // A root without capabilities, as a Pod's may be, cannot open it: that would end make.
        std::os::unix::fs::chown(&path, Some(65534), None).expect("another owner");
        assert!(flags("direct").starts_with("k -Otarget -- A=1\n"));
    }
    fs::remove_file(&path).expect("no mutex");
    assert!(flags("direct").starts_with("k -Otarget -- A=1\n"));
}

#[test]
fn a_make_behind_a_stub_waits_for_the_mutex_of_its_callers() {
    if !has_version("make", [4, 4]) {
        return;
    }
    let pod = pod("far-make make --no-print-directory -f print.mk");
    let _server = pod.server();
    write(&pod, "print.mk", "all:\n\t@echo printed\n");
    let (path, fifo) = (mutex(&pod), Fifo::new(&pod));
    let mut mutex = fs::File::options().write(true).open(&path).expect("the mutex");
    let lock = |kind: i32| nix::libc::flock {
        l_type: i16::try_from(kind).expect("a type of lock"),
        l_whence: 0,
        l_start: 0,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(&mutex, FcntlArg::F_SETLK(&lock(nix::libc::F_WRLCK))).expect("the lock");
    let mut stub = pod.stub("far-make");
    stub.env("MAKEFLAGS", format!("{} -Otarget --sync-mutex=fnm:{}", fifo.flags(), path.display()));
    stub.env("MAKELEVEL", "1").env("K8PSH_TRANSPORT", "direct").stdout(fs::File::create(pod.path("out")).expect("out"));
    let mut stub = stub.live();
    let inode = format!(":{} ", mutex.metadata().expect("the mutex").ino());
    until_true("make waits for the lock", || {
        let locks = fs::read_to_string("/proc/locks").expect("the locks");
        locks.lines().any(|line| line.contains("->") && line.contains(&inode))
    });
    assert_eq!(fs::read_to_string(pod.path("out")).expect("out"), "");
    fcntl(&mutex, FcntlArg::F_SETLK(&lock(nix::libc::F_UNLCK))).expect("no lock");
    assert!(stub.end().success());
    assert_eq!(fs::read_to_string(pod.path("out")).expect("out"), "printed\n");
    mutex.flush().expect("the mutex lives until here");
    fifo.assert_full();
}

#[test]
fn make_with_synchronised_output_runs_makes_behind_stubs() {
    if lacks_programs(&["make"]) {
        return;
    }
    let pod = pod("far-make make --no-print-directory -f leaf.mk");
    let _server = pod.server();
    pod.stub_path("far-make");
    write(&pod, "near.mk", "all: one two\none two:\n\t@+far-make NAME=$@\n");
    write(&pod, "leaf.mk", "all: a b\na b:\n\t@echo $(NAME) $@\n");
    for style in styles() {
        for transport in ["direct", "relay"] {
            let mut make = pod.shell("exec make \"$@\"");
            make.args(["sh", "-j2", "-Otarget", style, "-f", "near.mk"]);
            let told = run(make, &pod, transport).succeeds();
            let mut lines: Vec<_> = told.lines().collect();
            lines.sort_unstable();
            assert_eq!(lines, ["one a", "one b", "two a", "two b"], "{style} {transport}");
        }
    }
}

#[test]
fn a_make_behind_the_relay_goes_on_without_the_jobserver_and_one_by_one() {
    if lacks_programs(&["make"]) {
        return;
    }
    let pod = pod("far-make make --no-print-directory -f far.mk");
    let _server = pod.server();
    pod.stub_path("far-make");
    write(&pod, "near.mk", "all:\n\t@+far-make\n");
    for style in styles() {
        let mut make = pod.shell("exec make \"$@\"");
        make.args(["sh", "-j3", style, "-f", "near.mk"]);
        assert_eq!(run(make, &pod, "relay").succeeds(), "");
        assert_eq!(most_at_once(&pod), 1);
    }
    // Without a jobserver the number is the command's own.
    let mut stub = pod.stub("far-make");
    stub.env("MAKEFLAGS", "-j2").env("WANTED", "2");
    run(stub, &pod, "relay").succeeds();
    assert_eq!(most_at_once(&pod), 2);
}

#[test]
fn a_ninja_behind_a_stub_shares_the_jobserver() {
    if !has_version("ninja", [1, 13]) {
        return;
    }
    let pod = pod("far-ninja ninja");
    let _server = pod.server();
    let fifo = Fifo::new(&pod);
    // Ninja's own number is only for where there is no jobserver: told on the command line, it would count alone.
    for (transport, most) in [("direct", 3), ("relay", JOBS.len())] {
        let mut stub = pod.stub("far-ninja");
        if transport == "relay" {
            stub.arg(format!("-j{most}"));
        }
        stub.arg("--quiet").env("MAKEFLAGS", fifo.flags()).env("WANTED", most.to_string());
        let outcome = run(stub, &pod, transport);
        assert_eq!((outcome.code(), outcome.err().as_str()), (Some(0), ""), "{transport}: {}", outcome.out());
        assert_eq!(most_at_once(&pod), most, "{transport}");
    }
    fifo.assert_full();
}

/// A package whose build script does this.
fn write_package(pod: &Pod, script: &str) {
    let directory = pod.work().join("package");
    fs::create_dir_all(directory.join("src")).expect("a directory");
    let manifest = "[package]\nname = \"package\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[workspace]\n";
    for (name, text) in [("Cargo.toml", manifest), ("src/lib.rs", ""), ("build.rs", script)] {
        fs::write(directory.join(name), text).expect("a file");
    }
    _ = fs::remove_dir_all(directory.join("target"));
}

#[test]
fn a_cargo_behind_a_stub_shares_the_jobserver() {
    if lacks_programs(&["cargo"]) {
        return;
    }
    let pod = pod(
        "far-cargo =PATH= cargo build --quiet --offline --target-dir package/target --manifest-path package/Cargo.toml",
    );
    let _server = pod.server();
    let fifo = Fifo::new(&pod);
    // What it has open, as the one that it shares with rustc.
    let script = "fn main() {\n\
        let flags = std::env::var(\"CARGO_MAKEFLAGS\").unwrap();\n\
        let open = std::fs::read_dir(\"/proc/self/fd\").unwrap();\n\
        let open: Vec<_> = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok()).collect();\n\
        std::fs::write(\"told\", format!(\"{flags}\\n{open:?}\")).unwrap();\n}\n";
    for transport in ["direct", "relay"] {
        write_package(&pod, script);
        let mut stub = pod.stub("far-cargo");
        stub.env("MAKEFLAGS", fifo.flags());
        assert_eq!(run(stub, &pod, transport).succeeds(), "", "{transport}");
        let told = fs::read_to_string(pod.work().join("package/told")).expect("what the build script saw");
        assert_eq!(told.contains(&format!("{:?}", Path::new(&fifo.path))), transport == "direct", "{told}");
    }
    fifo.assert_full();
}

#[test]
fn a_make_behind_a_stub_shares_the_jobserver_of_cargo() {
    if lacks_programs(&["cargo", "make"]) {
        return;
    }
    let pod = pod("far-make make --no-print-directory -f far.mk");
    let _server = pod.server();
    pod.stub_path("far-make");
    // As the crates cc and cmake do.
    let script = "fn main() {\n\
        let flags = std::env::var(\"CARGO_MAKEFLAGS\").unwrap();\n\
        let mut make = std::process::Command::new(\"far-make\");\n\
        let made = make.current_dir(\"..\").env(\"MAKEFLAGS\", flags).output().unwrap();\n\
        assert!(made.status.success() && made.stderr.is_empty(), \"{made:?}\");\n}\n";
    for (transport, most) in [("direct", 2), ("relay", 1)] {
        write_package(&pod, script);
        let mut cargo = pod.shell("exec cargo build --quiet --offline -j2 --manifest-path package/Cargo.toml");
        cargo.env("WANTED", most.to_string()).env("CARGO_TARGET_DIR", "package/target");
        assert_eq!(run(cargo, &pod, transport).succeeds(), "", "{transport}");
        assert_eq!(most_at_once(&pod), most, "{transport}");
    }
}

#[test]
fn a_gcc_behind_a_stub_optimises_with_the_jobserver() {
    if lacks_programs(&["make", "gcc"]) {
        return;
    }
    let pod = pod("far-gcc =PATH= gcc");
    let _server = pod.server();
    pod.stub_path("far-gcc");
    write(&pod, "part.c", "int part(int value)\n{\n\treturn value + 1;\n}\n");
    write(
        &pod,
        "main.c",
        "int part(int);\nint main(int count, char **words)\n{\n\treturn part(count) - 2 + !words;\n}\n",
    );
    write(&pod, "near.mk", "program: main.c part.c\n\t@+far-gcc -v -O2 -flto=jobserver -o $@ main.c part.c\n");
    for style in styles() {
        for transport in ["direct", "relay"] {
            _ = fs::remove_file(pod.work().join("program"));
            let mut make = pod.shell("exec make \"$@\"");
            make.args(["sh", "-j2", style, "-f", "near.mk"]);
            let outcome = run(make, &pod, transport);
            let err = outcome.err();
            assert_eq!((outcome.code(), outcome.out().as_str()), (Some(0), ""), "{style} {transport}: {err}");
            // With -v it tells of how many processes it makes use.
            assert_eq!(err.contains("-fwpa=jobserver "), transport == "direct", "{style} {transport}: {err}");
            assert!(!err.contains("not available"), "{style} {transport}: {err}");
            assert!(pod.command(pod.work().join("program")).run().status.success());
        }
    }
}

#[test]
fn what_does_not_fit_among_the_descriptors_is_left_out_and_said() {
    if lacks_programs(&["bash"]) {
        return;
    }
    let pod = pod("flags sh -c 'echo \"$MAKEFLAGS\"; ls /proc/self/fd | wc -l'");
    let _server = pod.server();
    pod.stub_path("flags");
    let (path, fifo) = (mutex(&pod), Fifo::new(&pod));
    let flags = format!("k{} --sync-mutex=fnm:{}", fifo.flags(), path.display());
    for (open, mutex, messages) in [(1023, " --sync-mutex=fnm:/proc/self/fd/", 1), (1024, "", 2)] {
        let script = format!(
            "ulimit -n 4096 || exit 77; for n in /proc/self/fd/*; do n=${{n##*/}}; test $n -le 2 || eval \"exec $n<&-\"; done; \
             for ((n = 3; n < {open}; n++)); do eval \"exec $n</dev/null\"; done; exec flags"
        );
        let mut bash = pod.shell("exec bash -c \"$0\"");
        bash.arg(script).env("MAKEFLAGS", &flags);
        let outcome = run(bash, &pod, "direct");
        let (out, err) = (outcome.out(), outcome.err());
        assert!(
            out.starts_with(&format!("k{mutex}")) && !out.contains("jobserver") && !out.contains("-j"),
            "{out} {err}"
        );
        assert_eq!(err.lines().count(), messages, "{err}");
        assert!(err.starts_with(&format!("flags: {open} open descriptors leave no room for the jobserver")), "{err}");
    }
}
