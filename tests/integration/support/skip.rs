//! Tests that cannot run here: each says so, and is counted.
//!
//! `K8PSH_TEST_SKIPPED` names a file that gets a line for each of them. With `K8PSH_TEST_MUST_RUN=1`, as CI sets it, a
//! test that cannot run fails.

use std::fs;
use std::io::Write;
use std::process::Command;

use nix::sys::resource::{Resource, getrlimit};

use super::{Run, inherited};

/// Leaves the test that calls it, as skipped, with a reason.
macro_rules! skip {
    ($($reason:tt)+) => {{
        $crate::support::skip::skipped(&format!($($reason)+));
        return;
    }};
}

pub(crate) use skip;

/// Counts the current test as skipped, in whole or in part. Fails it if every test has to run.
#[track_caller]
pub(crate) fn skipped(reason: &str) {
    count(reason);
    assert!(std::env::var_os("K8PSH_TEST_MUST_RUN").is_none_or(|value| value != "1"), "it has to run: {reason}");
}

/// The same if a tool is too old and the system's packages have no newer one: no script of the project can install that,
/// so the test never fails for it.
pub(crate) fn lacks_version(tool: &str, least: [u32; 2]) {
    count(&format!("{tool} is older than {}.{}", least[0], least[1]));
}

fn count(reason: &str) {
    let thread = std::thread::current();
    let line = format!("skipped: {}: {reason}\n", thread.name().unwrap_or("a test"));
    print!("{line}");
    if let Some(path) = std::env::var_os("K8PSH_TEST_SKIPPED") {
        let file = fs::File::options().append(true).create(true).open(path);
        // One write, so that lines of several tests do not mix.
        file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the list of skipped tests");
    }
}

/// Whether the tests run as root.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Says that the test is skipped if something is lacking.
#[track_caller]
fn lacks(is_lacking: bool, reason: &str) -> bool {
    if is_lacking {
        skipped(reason);
    }
    is_lacking
}

/// Whether the test has to be skipped because it does not run as root.
#[track_caller]
pub(crate) fn lacks_root() -> bool {
    lacks(!is_root(), "needs root")
}

/// Whether the test has to be skipped because processes of other users cannot be started: in a user namespace there may be
/// one user alone.
#[track_caller]
pub(crate) fn lacks_users() -> bool {
    lacks_user(65532)
}

/// Likewise, because a process of this user cannot be started: in a user namespace there may be no more than 65536.
#[track_caller]
pub(crate) fn lacks_user(user: u32) -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let count = map.split_whitespace().nth(2).and_then(|count| count.parse().ok());
    lacks_root() || lacks(count.is_none_or(|count: u32| count <= user), "needs other users")
}

/// Whether the test has to be skipped because one of these programs is not on the PATH.
#[track_caller]
pub(crate) fn lacks_programs(names: &[&str]) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let missing = names.iter().find(|name| !std::env::split_paths(&path).any(|dir| dir.join(name).exists()));
    lacks(missing.is_some(), &format!("no {} here", missing.unwrap_or(&"")))
}

/// Whether the test has to be skipped because it cannot give a program a PID namespace and mounts of its own: containers
/// usually may not.
#[track_caller]
pub(crate) fn lacks_namespaces() -> bool {
    let can_be_made = || Command::new("unshare").args(["--mount", "--pid", "--fork", "true"]).run().status.success();
    lacks_root() || lacks_programs(&["unshare"]) || lacks(!can_be_made(), "no namespaces can be made here")
}

/// Whether the test has to be skipped because it needs more open files than the hard limit allows.
#[track_caller]
pub(crate) fn lacks_open_files(count: u64) -> bool {
    inherited::reset();
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit of open files");
    lacks(soft < count, &format!("needs {count} open files, may have {soft}"))
}
