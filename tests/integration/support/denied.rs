//! System calls that a kernel lacks or a container's seccomp profile denies.

use std::thread;

use nix::errno::Errno;
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

/// Calls `start` in a thread of its own. There, and in all that it starts, these system calls fail with `errno`.
pub(crate) fn with_denied<T: Send>(calls: &[libc::c_long], errno: Errno, start: impl FnOnce() -> T + Send) -> T {
    let program = filter(calls, errno);
    thread::scope(|scope| {
        let filtered = scope.spawn(|| {
            apply_filter(&program).expect("a seccomp filter");
            start()
        });
        filtered.join().expect("what runs under the filter")
    })
}

fn filter(calls: &[libc::c_long], errno: Errno) -> BpfProgram {
    let rules = calls.iter().map(|&call| (call, Vec::new())).collect();
    let action = SeccompAction::Errno((errno as i32).unsigned_abs());
    let architecture = TargetArch::try_from(std::env::consts::ARCH).expect("a known architecture");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture).expect("a filter");
    filter.try_into().expect("a program")
}
