//! Sections with a token, addresses beyond this Pod, and what becomes of those who do not have the token.

mod addresses;
mod encryption;
mod relay;
mod secrets;
mod strangers;
mod triggers;
mod workers;

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::frames::{self, EXIT, FAILURE, HELLO, Peer};
use crate::support::{
    DEADLINE, Live, Pod, Run, Server, is_listening_anywhere, lacks_open_files, lacks_programs, lacks_root, skipped,
    until, until_true,
};
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};

/// As long as a stub's first message, by somebody who does not have the token.
const GUESS: [u8; 48] = [255; 48];

/// A token that nobody else has.
const TOKEN: &str = "correct horse battery staple";

/// A Pod whose section has the token in a file, `token`, and these words and commands.
fn with_file(words: &str, commands: &str) -> Pod {
    Pod::custom(|pod| {
        let file = pod.path("token");
        fs::write(&file, format!("{TOKEN}\n")).expect("the token");
        let section = pod.section(&format!("=PATH= --token-file={} {words}", file.display()));
        format!("baseDirectory = work\nconnectTimeoutMs = 20000\n{section}\n{commands}\n")
    })
}

/// How often the server's log has these words.
fn count(server: &Server, words: &str) -> usize {
    server.log().matches(words).count()
}

fn until_logged(server: &Server, words: &str, times: usize) {
    until(&format!("the log has {words:?} {times} times"), || (count(server, words) >= times).then_some(()));
}

/// Each of these stubs has succeeded, and its command has left its line in the log.
fn have_all_run(pod: &Pod, mut stubs: Vec<Live>) {
    for stub in &mut stubs {
        assert_eq!(stub.end().code(), Some(0));
    }
    assert_eq!(fs::read_to_string(pod.work().join("log")).expect("the log").lines().count(), stubs.len());
}

/// A connection that sends nothing.
fn silent(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).expect("a connection")
}

/// So many of them, which may be more than the usual limit of open files.
fn silent_ones(port: u16, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| silent(port)).collect()
}

/// Whether the other end closes it without a byte.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(DEADLINE)).expect("a time-out");
    match stream.read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// A connection to this port that comes from 127.0.0.9.
fn from_another_address(port: u16) -> TcpStream {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, socket};
    let made = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    bind(made.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 9, 0)).expect("an address");
    connect(made.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, port)).expect("a connection");
    made.into()
}

/// A server that does not listen on 127.0.0.1 alone.
fn server_listening(pod: &Pod) -> Server {
    pod.start_until(pod.k8pshd_with_stubs(), is_listening_anywhere)
}

/// A trigger with the token in a file, and these words and commands.
fn trigger(words: &str, commands: &str) -> Pod {
    with_file(&format!("--trigger=go {words}"), commands)
}

/// Sends these bytes and EOF to a trigger, and returns its answer.
fn ask(port: u16, bytes: &[u8]) -> String {
    let mut stream = silent(port);
    stream.write_all(bytes).expect("the server takes it");
    stream.shutdown(Shutdown::Write).expect("a half-close");
    String::from_utf8_lossy(&crate::support::read_all(&mut stream)).into_owned()
}
