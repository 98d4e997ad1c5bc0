//! What the direct transport alone promises: the command has its caller's very descriptors, and nothing touches what they
//! share. And what happens where it is closed: the relay does the same work, silently and without delay.

mod descriptors;
mod jobserver;
mod routes;

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::terminal::Terminal;
use crate::support::{
    Outcome, PROGRAM, Pod, Run, copy_program, lacks_open_files, lacks_programs, lacks_users, read_all, read_line, skip,
    until_true, wait_for_file,
};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use nix::unistd::{Whence, geteuid, lseek};

/// Says by which transport it was called: `/dev/null` as stdin is that very file, or a pipe that brings what it holds.
const WAY: &str = "way sh -c 'case $(readlink /proc/self/fd/0) in pipe:*) echo relay;; *) echo direct;; esac'";

/// A shell script for bash, which knows descriptors above 9 and process substitution. It begins with the three streams:
/// what the tests themselves were started with is closed.
fn bash(pod: &Pod, script: &str) -> Command {
    let close = "for n in /proc/self/fd/*; do n=${n##*/}; test $n -le 2 || eval \"exec $n<&-\"; done";
    let mut command = pod.shell("exec bash -c \"$0\"");
    command.arg(format!("{close}; {script}"));
    command
}

/// Exit code, stdout and stderr.
fn result(outcome: &Outcome) -> (Option<i32>, String, String) {
    (outcome.code(), outcome.out(), outcome.err())
}

/// Runs a stub: it goes by the relay with the same result, without a message, and at the first attempt.
#[track_caller]
fn falls_back(stub: &mut Command) {
    assert_eq!(stub.run().succeeds(), "relay\n");
    let outcome = stub.env("K8PSH_DEBUG", "client").run();
    assert_eq!((outcome.code(), outcome.out().as_str()), (Some(0), "relay\n"));
    assert!(!outcome.err().contains("trying again"), "{}", outcome.err());
    stub.env_remove("K8PSH_DEBUG");
}
