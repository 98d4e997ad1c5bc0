//! What the tests share.
//!
//! Rules: nothing sleeps and hopes, everything waits for a condition with a [`DEADLINE`]; every [`Pod`] has its own
//! directory and its own port; a Pod that goes out of scope fails its test if a process of it is left; a test that cannot
//! run says so by [`skip`].

pub(crate) mod denied;
pub(crate) mod files;
pub(crate) mod frames;
mod inherited;
pub(crate) mod pod;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod run;
pub(crate) mod scene;
pub(crate) mod server;
pub(crate) mod shell;
pub(crate) mod skip;
pub(crate) mod terminal;
pub(crate) mod transport;

use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use files::{copy_program, names_in, read_all, read_line, wait_for_file, write_program};
pub(crate) use pod::Pod;
pub(crate) use port::{Port, has_name, is_listening, is_listening_anywhere};
pub(crate) use process::{Live, Process};
pub(crate) use run::{Outcome, Run};
pub(crate) use server::Server;
pub(crate) use skip::{is_root, lacks_open_files, lacks_programs, lacks_root, lacks_users, skip, skipped};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The binary under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_k8psh");

/// How long a condition may take before the test fails. Far more than it needs, for machines under load.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Calls `condition` until it returns something, or fails the test with `what` after [`DEADLINE`].
pub(crate) fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(result) = condition() {
            return result;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Waits until `condition` holds.
pub(crate) fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}

/// Whether the descriptor is ready for these within half a second.
pub(crate) fn is_ready(descriptor: &impl AsFd, events: PollFlags) -> bool {
    let mut set = [PollFd::new(descriptor.as_fd(), events)];
    poll(&mut set, PollTimeout::from(500_u16)).expect("poll") > 0
}
