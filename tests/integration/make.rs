//! The main job: `make -j4` of a C program by a container without a compiler, which sees the sources at another path.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::support::transport::{Transport, by_each_transport};
use crate::support::{Pod, Run, Server, is_root, lacks_namespaces, lacks_programs, until_true};

const FILES: usize = 40;

/// A program of many small files and a library; it says how often it was compiled with the far compiler's flag.
fn write_sources(directory: &Path) {
    let write = |name: &str, text: &str| fs::write(directory.join(name), text).expect("a source");
    fs::create_dir_all(directory.join("parts")).expect("a directory");
    let mut header = String::from("#ifndef FAR\n#define FAR 0\n#endif\n");
    let mut main = String::from("#include <stdio.h>\n#include \"all.h\"\nint main(void)\n{\n\tint sum = FAR;\n");
    for number in 0..FILES {
        writeln!(header, "int part{number}(int);").expect("text");
        writeln!(main, "\tsum += part{number}({number});").expect("text");
        write(
            &format!("parts/part{number}.c"),
            &format!("#include \"../all.h\"\nint part{number}(int value) {{ return value >= 0 ? FAR : 0; }}\n"),
        );
    }
    main.push_str("\tprintf(\"%d\\n\", sum);\n\treturn 0;\n}\n");
    write("all.h", &header);
    write("main.c", &main);
    write(
        "Makefile",
        "CFLAGS = -O0 -Wall \"-DTEXT=two words\"\n\
         parts := $(patsubst %.c,%.o,$(wildcard parts/*.c))\n\
         program: main.o libparts.a\n\tgcc -o $@ main.o -L. -lparts\n\
         libparts.a: $(parts)\n\tar rcs $@ $^\n\
         %.o: %.c all.h\n\tgcc $(CFLAGS) -c -o $@ $<\n",
    );
}

/// Sources at `near` for the client; the server finds the same files at `far`, and where it can be had, only there.
struct TwoContainers {
    // Dropped in this order: the server has to be gone when the Pod looks for what is left.
    _server: Server,
    pod: Pod,
}

impl TwoContainers {
    fn new(transport: Transport) -> Option<TwoContainers> {
        if lacks_programs(&["make", "gcc", "ar"]) {
            return None;
        }
        let pod = transport.custom_pod(|pod| {
            let section = pod.section("=PATH= ?TMPDIR=");
            format!("baseDirectory = ${{WORKSPACE}}\n{section}\ngcc gcc -DFAR=1\nar\nwhere pwd\n")
        });
        let (near, far) = (pod.path("near"), pod.path("far/away"));
        fs::create_dir(&near).expect("a directory");
        fs::create_dir_all(far.parent().expect("a directory")).expect("a directory");
        let options = ["-n", "box", "-l", "-e"];
        let script = "mount --bind \"$1\" \"$2\" && mount -t tmpfs none \"$1\" && shift 2 && exec \"$@\"";
        let can_mount = !lacks_namespaces() && !lacks_programs(&["mount"]) && {
            fs::create_dir(&far).expect("a directory");
            let trial = pod
                .command("unshare")
                .args(["--mount", "sh", "-c", script, "sh"])
                .args([&near, &far])
                .arg("true")
                .run();
            trial.status.success()
        };
        let mut command = if can_mount {
            let mut command = pod.command("unshare");
            command.args(["--mount", "sh", "-c", script, "sh"]).args([&near, &far]).arg(pod.path("bin/k8pshd"));
            command
        } else {
            println!("without a mount namespace: the server's path is a symlink");
            // Where mounting failed there is an empty directory in the way.
            _ = fs::remove_dir(&far);
            symlink(&near, &far).expect("a symlink");
            pod.k8pshd()
        };
        command.args(options).arg(pod.path("stubs")).env("WORKSPACE", &far);
        let server = pod.start(command);
        pod.stub_path("where");
        Some(TwoContainers { _server: server, pod })
    }

    /// The directory of the sources, as the client sees it.
    fn sources(&self) -> PathBuf {
        self.pod.path("near")
    }

    fn make(&self, words: &[&str]) -> crate::support::Outcome {
        let mut command = self.pod.shell("exec make \"$@\"");
        command.arg("sh").args(words).current_dir(self.sources()).env("WORKSPACE", self.sources()).run()
    }
}

by_each_transport!(make_builds_a_program_of_many_files_through_stubs);
fn make_builds_a_program_of_many_files_through_stubs(transport: Transport) {
    let Some(containers) = TwoContainers::new(transport) else { return };
    write_sources(&containers.sources());
    let outcome = containers.make(&["-j4"]);
    assert_eq!((outcome.code(), outcome.err().as_str()), (Some(0), ""), "{}", outcome.out());
    let program = containers.sources().join("program");
    assert_ne!(fs::metadata(&program).expect("the program").permissions().mode() & 0o111, 0);
    let outcome = containers.pod.command(&program).run();
    assert_eq!(outcome.succeeds(), format!("{}\n", FILES + 1), "every file went through the compiler at the server");
    assert_eq!(containers.make(&["-q"]).code(), Some(0), "nothing is left to do");
}

by_each_transport!(an_error_of_the_compiler_stops_make_as_it_does_locally);
fn an_error_of_the_compiler_stops_make_as_it_does_locally(transport: Transport) {
    let Some(containers) = TwoContainers::new(transport) else { return };
    write_sources(&containers.sources());
    fs::write(containers.sources().join("parts/part7.c"), "#include \"../all.h\"\nint part7(int value) { return }\n")
        .expect("text");
    let outcome = containers.make(&["-j4"]);
    assert_eq!(outcome.code(), Some(2));
    assert!(outcome.err().contains("parts/part7.c:2:"), "{}", outcome.err());
    assert!(!containers.sources().join("program").exists());
    write_sources(&containers.sources());
    let outcome = containers.make(&["-j4"]);
    assert_eq!((outcome.code(), outcome.err().as_str()), (Some(0), ""), "{}", outcome.out());
    let outcome = containers.pod.command(containers.sources().join("program")).run();
    assert_eq!(outcome.succeeds(), format!("{}\n", FILES + 1));
}

by_each_transport!(a_source_can_come_through_stdin_and_the_result_leave_through_stdout);
fn a_source_can_come_through_stdin_and_the_result_leave_through_stdout(transport: Transport) {
    let Some(containers) = TwoContainers::new(transport) else { return };
    let mut command = containers.pod.stub("gcc");
    command.args(["-E", "-P", "-x", "c", "-"]).current_dir(containers.sources()).env("WORKSPACE", containers.sources());
    assert_eq!(command.run_with(b"FAR\n").succeeds().trim(), "1");
}

by_each_transport!(the_two_containers_see_the_directory_at_different_paths);
fn the_two_containers_see_the_directory_at_different_paths(transport: Transport) {
    if lacks_namespaces() {
        return;
    }
    let Some(containers) = TwoContainers::new(transport) else { return };
    let deep = containers.sources().join("a/b");
    fs::create_dir_all(&deep).expect("a directory");
    let outcome = containers.pod.stub("where").current_dir(&deep).env("WORKSPACE", containers.sources()).run();
    let place = outcome.succeeds();
    assert!(place.ends_with("/a/b\n"), "{place}");
    assert!(place.starts_with(&containers.pod.path("far").display().to_string()) || !is_root(), "{place}");
}

by_each_transport!(an_interrupted_make_leaves_no_compiler_behind);
fn an_interrupted_make_leaves_no_compiler_behind(transport: Transport) {
    let Some(containers) = TwoContainers::new(transport) else { return };
    write_sources(&containers.sources());
    let mut command = containers.pod.shell("exec make -j4");
    command.current_dir(containers.sources()).env("WORKSPACE", containers.sources());
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut make = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).live();
    until_true("a first object", || {
        containers.sources().join("main.o").exists() || containers.sources().join("parts/part0.o").exists()
    });
    let group = i32::try_from(make.process().0).expect("a process number");
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(group), nix::sys::signal::Signal::SIGINT).expect("a signal");
    assert!(!make.end().success());
    until_true("the compilers are gone", || {
        ["gcc", "cc1", "as", "collect2", "ld", "ar"].iter().all(|name| containers.pod.running(name).is_empty())
    });
}
