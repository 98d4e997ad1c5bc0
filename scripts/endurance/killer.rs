//! Kills processes of all kinds at random, but not the server's first one.

use std::fmt::{self, Display};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::place::Server;
use crate::process::{Process, of_pod};
use crate::{Result, number};

/// What a process is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Stub,
    Command,
    Session,
    Idle,
}

const KINDS: [Kind; 4] = [Kind::Stub, Kind::Command, Kind::Session, Kind::Idle];

impl Kind {
    fn of(process: Process, binary: &fs::Metadata) -> Self {
        if !is_program(process, binary) {
            Self::Command
        } else if process.name() != "k8pshd" {
            Self::Stub
        } else if process.is_idle_worker() {
            Self::Idle
        } else {
            Self::Session
        }
    }
}

/// Whether a process runs this program.
fn is_program(process: Process, binary: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let file = fs::metadata(format!("/proc/{}/exe", process.0));
    file.is_ok_and(|file| (file.dev(), file.ino()) == (binary.dev(), binary.ino()))
}

/// How many were killed of each kind.
#[derive(Default)]
pub(crate) struct Killed([u64; KINDS.len()]);

impl Display for Killed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.map(number).join(", "))
    }
}

/// Kills one process after the other until it is over. First the kind is drawn and then the process, because there are many
/// sessions of strangers.
pub(crate) fn kill(server: &Server<'_>, is_over: &AtomicBool) -> Result<Killed> {
    let binary = fs::metadata(server.place.path("k8pshd"))?;
    let mut killed = Killed::default();
    while !is_over.load(Ordering::Relaxed) {
        let drawn = fastrand::usize(..KINDS.len());
        let mut processes = of_pod(&server.place.id);
        processes.retain(|process| *process != server.process());
        fastrand::shuffle(&mut processes);
        if let Some(process) = processes.iter().find(|process| Kind::of(**process, &binary) == KINDS[drawn]) {
            process.signal(Signal::SIGKILL);
            killed.0[drawn] += 1;
        }
        std::thread::sleep(Duration::from_millis(fastrand::u64(..20)));
    }
    Ok(killed)
}
