//! Large streams by the relay, which the kernel moves where both ends allow it: the same bytes as those that are copied,
//! and nothing else waits for them.

mod flow;
mod kinds;
mod wire;

use std::fs::{self, File};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use crate::support::frames::{
    ERROR, EXIT, Frame, HELLO, INPUT, INPUT_CREDIT, OUTPUT, Peer, SIGNAL, START, content, data, number, request,
};
use crate::support::transport::Transport;
use crate::support::{
    Live, Pod, Process, Run, assert_same, is_ready, lacks_root, read_all, read_line, skipped, until, until_true,
};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::PollFlags;
use nix::sys::signal::Signal;
use rustix::fd::BorrowedFd;
use rustix::io::{Errno, IoSliceMut, ReadWriteFlags, preadv2};

/// Many frames.
const MANY: usize = 8 << 20;

/// So many random bytes.
fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// Writes everything, and closes the stream.
fn write_all(mut sink: impl Write + Send + 'static, bytes: &[u8]) -> JoinHandle<()> {
    let bytes = bytes.to_vec();
    thread::spawn(move || sink.write_all(&bytes).expect("the stub reads"))
}

/// A pipe that holds a mebibyte, so that what is written into it comes at once.
fn large_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().expect("a pipe");
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(1 << 20)).expect("a large pipe");
    (reader, writer)
}

/// Reads one byte if it is there.
#[expect(unsafe_code, reason = "nix knows no flags of a read")]
fn read_without_waiting(end: &impl AsFd) -> Result<usize, Errno> {
    // SAFETY: it is open as long as the reference to it lives.
    let end = unsafe { BorrowedFd::borrow_raw(end.as_fd().as_raw_fd()) };
    preadv2(end, &mut [IoSliceMut::new(&mut [0])], u64::MAX, ReadWriteFlags::NOWAIT)
}

/// Whether the test has to be skipped because a pipe cannot be read without waiting, which it can since Linux 6.4: then no
/// read tells that there is much to move.
#[track_caller]
fn lacks_nowait() -> bool {
    let (reader, _writer) = pipe().expect("a pipe");
    let lacks = read_without_waiting(&reader) != Err(Errno::AGAIN);
    if lacks {
        skipped("pipes have no RWF_NOWAIT");
    }
    lacks
}

/// How many bytes a process has read and written by calls that copy them.
fn copied(process: Process) -> u64 {
    let count = |key| process.number("io", key).expect("a running process");
    count("rchar") + count("wchar")
}

/// The sessions that have a command now.
fn sessions(pod: &Pod, command: &str) -> Vec<Process> {
    let commands = pod.running(command).into_iter();
    commands.filter_map(Process::parent).map(Process).filter(|parent| parent.name() == "k8pshd").collect()
}
