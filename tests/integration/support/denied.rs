//! System calls that a kernel lacks or a container's seccomp profile denies.
//!
//! `scripts/kernels` has this file too: what it starts is a whole program.

use std::collections::BTreeMap;
use std::thread;

use nix::errno::Errno;
use nix::libc;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, apply_filter};

/// System calls by number, each with the conditions under which it is denied: any of them, or always if there is none.
pub(crate) type Rules = BTreeMap<libc::c_long, Vec<SeccompRule>>;

/// Calls `start` in a thread of its own. There, and in all that it starts, these system calls fail with `errno`.
pub(crate) fn with_denied<T: Send>(calls: &[libc::c_long], errno: Errno, start: impl FnOnce() -> T + Send) -> T {
    with_filters(&[filter(always(calls), errno)], start)
}

/// Calls `start` in a thread of its own. There, and in all that it starts, these filters hold.
pub(crate) fn with_filters<T: Send>(filters: &[BpfProgram], start: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let filtered = scope.spawn(|| {
            filters.iter().for_each(|program| apply_filter(program).expect("a seccomp filter"));
            start()
        });
        filtered.join().expect("what runs under the filter")
    })
}

/// These system calls, whatever their arguments.
pub(crate) fn always(calls: &[libc::c_long]) -> Rules {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

/// A filter by which these system calls fail with `errno`.
pub(crate) fn filter(rules: Rules, errno: Errno) -> BpfProgram {
    let action = SeccompAction::Errno((errno as i32).unsigned_abs());
    let architecture = TargetArch::try_from(std::env::consts::ARCH).expect("a known architecture");
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture).expect("a filter");
    filter.try_into().expect("a program")
}
