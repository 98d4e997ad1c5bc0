//! A make behind a stub shares the jobserver of its caller.

use super::*;

/// A job that is seen by the others while it runs, and ends when three of them have been seen at once. It fails where more
/// are seen than that, or three never.
const JOB: &str = r#"#!/bin/sh
mkdir "running/$1" || exit
tries=0
until test -e full || test $((tries += 1)) -gt 1000; do
    test "$(ls running | wc -l)" -lt 3 || echo >full
    sleep 0.01
done
sleep 0.05
count=$(ls running | wc -l)
rmdir "running/$1"
echo "$1: $count" >>jobs
test -e full && test "$count" -le 3
"#;

/// What the nested make is to do: seven jobs.
const FAR: &str = "far: far-1 far-2 far-3 far-4 far-5 far-6 far-7\nfar-%:\n\t@./job $@\n";

/// A Pod in which `nested` is a make that shares its caller's jobserver.
fn pod_with_make() -> Pod {
    let pod = Pod::new("nested MAKEFLAGS= MAKELEVEL= make --no-print-directory -f far.mk\nflags MAKEFLAGS= sh -c");
    fs::write(pod.work().join("far.mk"), FAR).expect("a makefile");
    crate::support::write_program(pod.work().join("job"), JOB);
    pod
}

/// Runs what starts the jobs; it has to succeed without a word.
fn run_jobs(pod: &Pod, command: &mut Command, count: usize) {
    for name in ["full", "jobs"] {
        _ = fs::remove_file(pod.work().join(name));
    }
    fs::create_dir_all(pod.work().join("running")).expect("a directory");
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GNUMAKEFLAGS"] {
        if command.get_envs().all(|(known, _)| known != name) {
            command.env_remove(name);
        }
    }
    let outcome = command.run();
    let jobs = fs::read_to_string(pod.work().join("jobs")).unwrap_or_default();
    assert_eq!(result(&outcome), (Some(0), String::new(), String::new()), "{jobs}");
    assert_eq!(jobs.lines().count(), count, "{jobs}");
}

/// Whether this make has jobservers that are FIFOs (4.4).
fn has_fifo_style(pod: &Pod) -> bool {
    pod.command("make").args(["--jobserver-style=fifo", "--version"]).run().status.success()
}

#[test]
fn a_make_behind_a_stub_shares_its_callers_limit_of_jobs() {
    if lacks_open_files(1024) {
        return;
    }
    if lacks_programs(&["make"]) {
        return;
    }
    let pod = pod_with_make();
    let _server = pod.server();
    pod.stub_path("nested");
    let near = "all: far near-1 near-2 near-3 near-4 near-5 near-6\nnear-%:\n\t@./job $@\nfar:\n\t@+nested\n";
    fs::write(pod.work().join("near.mk"), near).expect("a makefile");
    fs::write(pod.work().join("alone.mk"), "far:\n\t@+nested\n").expect("a makefile");
    let styles: &[&str] = if has_fifo_style(&pod) {
        &["--jobserver-style=pipe", "--jobserver-style=fifo"]
    } else {
        &["--no-print-directory"]
    };
    for style in styles {
        for (file, count) in [("alone.mk", 7), ("near.mk", 13)] {
            run_jobs(&pod, pod.shell("exec make \"$@\"").args(["sh", "-j3", style, "-f", file]), count);
        }
    }
}

/// A FIFO as a make of version 4.4 has it, with two of three tokens in it: the third is the one that it runs the stub with.
fn jobserver(pod: &Pod) -> (String, fs::File) {
    let path = pod.path("jobserver");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    let mut fifo = fs::File::options().read(true).write(true).open(&path).expect("the FIFO");
    fifo.write_all(b"++").expect("two tokens");
    (path.display().to_string(), fifo)
}

#[test]
fn a_jobserver_that_is_a_fifo_goes_along_as_descriptors() {
    if lacks_open_files(1024) {
        return;
    }
    let pod = pod_with_make();
    let _server = pod.server();
    let (path, mut fifo) = jobserver(&pod);
    let flags = |text: &str| {
        let mut stub = pod.stub("flags");
        stub.env("MAKEFLAGS", text);
        stub
    };
    let script = "echo \"$MAKEFLAGS\"; auth=${MAKEFLAGS#*auth=}; auth=${auth%% *}; \
                  readlink /proc/$$/fd/${auth%,*} /proc/$$/fd/${auth#*,}";
    for (before, after) in [(" -j3 ", ""), ("s -j3 ", " --no-print-directory -- A=b"), ("", "")] {
        let text = format!("{before}--jobserver-auth=fifo:{path}{after}");
        let told = flags(&text).arg(script).run().succeeds();
        let lines: Vec<_> = told.lines().collect();
        let auth =
            lines[0].strip_prefix(&format!("{before}--jobserver-auth=")).and_then(|rest| rest.strip_suffix(after));
        let (numbers, path_too) = auth.and_then(|auth| auth.split_once(' ')).unwrap_or_else(|| panic!("{told}"));
        let (read, write) = numbers.split_once(',').unwrap_or_else(|| panic!("{told}"));
        assert_eq!(path_too, format!("--jobserver-auth=fifo:/proc/self/fd/{read} --jobserver-a={numbers}"));
        assert!(read != write && [read, write].iter().all(|end| end.parse::<u32>().is_ok_and(|end| end > 2)), "{told}");
        assert_eq!(lines[1..], [&path, &path]);
    }
    if !lacks_programs(&["make"]) {
        let text = format!(" -j3 --jobserver-auth=fifo:{path}");
        run_jobs(&pod, pod.stub("nested").env("MAKEFLAGS", text).env("MAKELEVEL", "1"), 7);
    }
    let mut tokens = [0; 2];
    fifo.read_exact(&mut tokens).expect("the tokens");
    assert_eq!(&tokens, b"++", "both were given back");
}

#[test]
fn makeflags_without_a_fifo_that_can_be_opened_stay_as_they_are() {
    let pod = Pod::new(
        "flags MAKEFLAGS= sh -c 'echo \"$MAKEFLAGS\"'\nfixed =MAKEFLAGS=own sh -c 'echo \"$MAKEFLAGS\"'\n\
         listed MAKEFLAGS= ls /proc/self/fd\nunlisted ls /proc/self/fd",
    );
    let _server = pod.server();
    if lacks_programs(&["bash"]) {
        return;
    }
    let (path, _fifo) = jobserver(&pod);
    for name in ["flags", "fixed", "listed", "unlisted"] {
        pod.stub_path(name);
    }
    let run = |name: &str, text: &str| bash(&pod, &format!("exec {name}")).env("MAKEFLAGS", text).run().succeeds();
    let missing = format!(" -j3 --jobserver-auth=fifo:{path}x");
    let long = format!(" -j3 --jobserver-auth=fifo:/{}", "x/".repeat(4000));
    for text in [" -j3 --jobserver-auth=3,4", "", "k", " -j --jobserver-auth=fifo:", " -- fifo:/", &missing, &long] {
        assert_eq!(run("flags", text), format!("{text}\n"));
    }
    let text = format!(" -j3 --jobserver-auth=fifo:{path}");
    assert_eq!(run("fixed", &text), "own\n");
    assert_eq!(run("unlisted", &text), "0\n1\n2\n3\n");
    assert_eq!(run("listed", &text).lines().count(), 6, "the streams, the directory, and both ends");
    let by_relay = pod.relay_stub("flags").env("MAKEFLAGS", &text).run();
    assert_eq!(by_relay.succeeds(), "\n");
}
