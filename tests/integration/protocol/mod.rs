//! The wire protocol, byte for byte: interoperation with 0.9 in both directions, what protocol 2 adds, and garbage.

mod coalescing;
mod garbage;
mod leaving;
mod negotiated;
mod old_clients;
mod old_servers;
mod terminals;

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::support::frames::*;
use crate::support::transport::Transport;
use crate::support::{Live, Pod, Run, read_line, until_true, wait_for_file};
use nix::sys::signal::Signal;

const WINDOW: usize = 256 << 10;

/// The frames of one type and with something in them, joined, and the types of all others in order.
fn numbers(frames: &[Frame], kind: u8) -> Vec<u32> {
    frames.iter().filter(|frame| frame.kind == kind).map(|frame| frame.number).collect()
}

/// A 0.9 client gives up over any kind that it does not know. Its last frames are there in any case.
fn assert_only_old_kinds(frames: &[Frame]) {
    assert!(!frames.is_empty() && frames.iter().all(|frame| matches!(frame.kind, INPUT..=ERROR | EXIT)), "{frames:?}");
}

/// A stub of `far` that has sent its request to a server whom the test plays.
fn stub_and_server(pod: &Pod) -> (Live, Peer) {
    pod.link_stub("far");
    let mut stub = pod.stub("far");
    stub.args(["one", ""]);
    call_and_server(pod, stub)
}

/// The same, of a stub that this command becomes.
fn call_and_server(pod: &Pod, mut stub: Command) -> (Live, Peer) {
    stub.env("LISTED", "value").env("UNLISTED", "value").env_remove("ABSENT");
    stub.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    call_as_it_is(pod, stub)
}

/// The same, of a stub whose streams and environment are as they are.
fn call_as_it_is(pod: &Pod, mut stub: Command) -> (Live, Peer) {
    let listener = TcpListener::bind(("127.0.0.1", pod.port())).expect("the port");
    let stub = stub.live();
    let mut peer = Peer::accept(&listener);
    read_request(&mut peer);
    (stub, peer)
}

/// The request up to and with its start frame.
fn read_request(peer: &mut Peer) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    while frames.last().is_none_or(|frame| frame.kind != START) {
        frames.push(peer.frame().expect("a whole request"));
    }
    frames
}

fn output(stub: &mut Live) -> (String, String) {
    let read = |source| String::from_utf8_lossy(&crate::support::read_all(source)).into_owned();
    let stderr = stub.stderr.take().expect("stderr");
    (
        stub.stdout
            .take()
            .map(|stdout| String::from_utf8_lossy(&crate::support::read_all(stdout)).into_owned())
            .unwrap_or_default(),
        read(stderr),
    )
}

/// The variables with which a client of protocol 2 begins.
const NEGOTIATED: [&str; 3] = ["K8PSH_PROTOCOL=2", "K8PSH_UMASK=22", "K8PSH_IGNORED=0"];
