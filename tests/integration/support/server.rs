//! A running server.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::thread;

use nix::sys::signal::Signal;

use super::{Live, Process, until};

/// A running server. Going out of scope it is asked to end, and has to.
pub(crate) struct Server {
    pub child: Live,
    log: PathBuf,
}

impl Server {
    /// A server that has just been started and writes its messages to this file.
    pub(crate) fn new(child: Child, log: PathBuf) -> Server {
        Server { child: Live(child), log }
    }

    pub(crate) fn process(&self) -> Process {
        self.child.process()
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        until("the server ends", || self.child.try_wait().expect("the server's status"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
            return;
        }
        if self.child.is_running() {
            self.signal(Signal::SIGTERM);
            let status = self.end();
            assert!(status.success(), "the server ended with {status}: {}", self.log());
        }
    }
}
