//! What the tests inherit from their caller and must not pass on: ignored signals, which a shell gives to a job in the
//! background and nohup to every program, a small limit of open files, and open files.
//!
//! `scripts/endurance` has this file too.

use std::fs;
use std::sync::Once;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Open files that the largest test needs, in itself and in what it starts.
const OPEN_FILES: u64 = 4096;

/// Sets signals, limits and descriptors to those of a program that is started at a prompt. Only the first call has an effect.
pub(crate) fn reset() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        (1..=libc::SIGRTMAX()).filter(|&number| is_ignored(number)).for_each(restore);
        raise_open_files();
        keep_descriptors();
    });
}

/// Has what this process starts not get the descriptors that it was started with: stubs would pass them on.
#[expect(unsafe_code, reason = "nobody owns them")]
fn keep_descriptors() {
    let names = fs::read_dir("/proc/self/fd").expect("/proc/self/fd").flatten().map(|entry| entry.file_name());
    for number in names.filter_map(|name| name.to_str()?.parse().ok()).filter(|&number: &i32| number > 2) {
        // SAFETY: the call changes the descriptor alone, not its file. Those that this process has opened itself are closed
        // on exec already.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}

/// Whether this process was started with a signal ignored. Of PIPE it is not known: the test's runtime ignores it itself,
/// and restores its default action in every child.
#[expect(unsafe_code, reason = "nix knows no real-time signals")]
fn is_ignored(number: i32) -> bool {
    if number == libc::SIGPIPE {
        return false;
    }
    // SAFETY: all zeroes are a `sigaction`, and sigaction(2) only writes it.
    let (result, action) = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(number, std::ptr::null(), &raw mut action), action)
    };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}

#[expect(unsafe_code, reason = "nix knows no real-time signals")]
fn restore(number: i32) {
    // SAFETY: the default action runs no code of this process.
    unsafe { libc::signal(number, libc::SIG_DFL) };
}

/// Raises the soft limit, and the hard one where that is allowed. Tests that need more than they get are skipped.
fn raise_open_files() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit of open files");
    if soft >= OPEN_FILES {
        return;
    }
    let raised = setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, hard.max(OPEN_FILES));
    raised.or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard.min(OPEN_FILES), hard)).expect("a limit of open files");
}
